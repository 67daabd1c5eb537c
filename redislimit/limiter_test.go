package redislimit_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/redislimit"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

var _ connectlinks.RateLimiter = (*redislimit.Limiter)(nil)

func newLimiter(t testing.TB, client redis.Scripter, limit rate.Limit, burst int, opts ...redislimit.Option) *redislimit.Limiter {
	t.Helper()
	l, err := redislimit.New(client, "limit", limit, burst, opts...)
	require.NoError(t, err)
	return l
}

// queue starts callers one after the other, and records when each gets its turn.
type queue struct {
	start time.Time
	wg    sync.WaitGroup
	mu    sync.Mutex
	turns []turn
}

type turn struct {
	caller int
	at     time.Duration
	err    error
}

func newQueue() *queue { return &queue{start: time.Now()} }

// join starts a caller, and returns when it waits or has its turn.
func (q *queue) join(ctx context.Context, caller int, l *redislimit.Limiter) {
	q.wg.Go(func() {
		err := l.Wait(ctx)
		q.mu.Lock()
		defer q.mu.Unlock()
		q.turns = append(q.turns, turn{caller, time.Since(q.start), err})
	})
	synctest.Wait()
}

// done returns the turns in the order in which they came, after all callers are through.
func (q *queue) done() []turn {
	q.wg.Wait()
	return q.turns
}

// sleepUntil sleeps until at on the queue's clock.
func (q *queue) sleepUntil(at time.Duration) { time.Sleep(time.Until(q.start.Add(at))) }

func retryAfter(err error) time.Duration {
	var e interface{ RetryAfter() time.Duration }
	if errors.As(err, &e) {
		return e.RetryAfter()
	}
	return -1
}

func millis(ms ...int) []time.Duration {
	var ds []time.Duration
	for _, d := range ms {
		ds = append(ds, time.Duration(d)*time.Millisecond)
	}
	return ds
}

func times(turns []turn) (at []time.Duration) {
	for _, turn := range turns {
		at = append(at, turn.at.Round(time.Millisecond))
	}
	return at
}

func callers(turns []turn) (who []int) {
	for _, turn := range turns {
		who = append(who, turn.caller)
	}
	return who
}

var errGone = errors.New("connection refused")

// both runs a test with Redis, and without it: one process then behaves the same.
func both(t *testing.T, test func(t *testing.T, client *fakeRedis)) {
	t.Run("with Redis", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, newFakeRedis(t)) })
	})
	t.Run("without Redis", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeRedis(t)
			f.behave(func(context.Context) error { return errGone }, fine)
			test(t, f)
		})
	})
}

func TestABurstAndThenTheRate(t *testing.T) {
	both(t, func(t *testing.T, f *fakeRedis) {
		l := newLimiter(t, f, 10, 3)
		q := newQueue()
		for i := range 6 {
			q.join(t.Context(), i, l)
		}
		turns := q.done()
		assert.Equal(t, millis(0, 0, 0, 100, 200, 300), times(turns))
		assert.Equal(t, []int{0, 1, 2, 3, 4, 5}, callers(turns))

		time.Sleep(250 * time.Millisecond) // for two turns and a half
		q = newQueue()
		for i := range 4 {
			q.join(t.Context(), i, l)
		}
		assert.Equal(t, millis(0, 0, 50, 150), times(q.done()))
	})
}

func TestProcessesTakeTurnsInTheOrderOfTheirCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		var ls []*redislimit.Limiter
		for range 3 {
			ls = append(ls, newLimiter(t, f, 50, 1))
		}
		q := newQueue()
		for i := range 30 {
			q.join(t.Context(), i, ls[rand.N(len(ls))])
		}
		for i, turn := range q.done() {
			assert.Equal(t, i, turn.caller)
			assert.Equal(t, time.Duration(i)*20*time.Millisecond, turn.at.Round(time.Millisecond))
		}
	})
}

func TestATurnAfterTheDeadlineIsRefusedAtOnce(t *testing.T) {
	both(t, func(t *testing.T, f *fakeRedis) {
		l := newLimiter(t, f, 1, 1)
		q := newQueue()
		q.join(t.Context(), 0, l)
		q.join(t.Context(), 1, l) // at 1 s
		ctx, cancel := context.WithTimeout(t.Context(), 1900*time.Millisecond)
		defer cancel()
		err := l.Wait(ctx)
		assert.Zero(t, time.Since(q.start))
		assert.EqualError(t, err, "redislimit: the next turn is in 2s, after the context's deadline")
		assert.Equal(t, 2*time.Second, retryAfter(err))
		assert.NotErrorIs(t, err, context.DeadlineExceeded)

		q.join(t.Context(), 2, l) // the turn was not taken
		assert.Equal(t, millis(0, 1000, 2000), times(q.done()))
	})
}

func TestAnEndedContextGetsNoTurn(t *testing.T) {
	both(t, func(t *testing.T, f *fakeRedis) {
		l := newLimiter(t, f, 1, 1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		assert.Equal(t, context.Canceled, l.Wait(ctx))
		ctx, cancel = context.WithTimeout(t.Context(), -time.Second)
		defer cancel()
		assert.Equal(t, context.DeadlineExceeded, l.Wait(ctx))
		assert.Equal(t, context.DeadlineExceeded, l.Wait(overdue{t.Context()}))
		assert.Zero(t, f.ran())

		q := newQueue()
		q.join(t.Context(), 0, l)
		assert.Equal(t, millis(0), times(q.done()))
	})
}

// overdue is a context that has not noticed yet that its deadline is over.
type overdue struct{ context.Context }

func (overdue) Deadline() (time.Time, bool) { return time.Now().Add(-time.Second), true }

func TestCallersWhoGiveUpLeaveTheirPlaceToOthers(t *testing.T) {
	both(t, func(t *testing.T, f *fakeRedis) {
		l := newLimiter(t, f, 1, 1)
		ctx, cancel := context.WithCancel(t.Context())
		q := newQueue()
		q.join(t.Context(), 0, l)
		for i := range 20 {
			q.join(ctx, i+1, l)
		}
		time.Sleep(500 * time.Millisecond)
		cancel()
		synctest.Wait()
		q.join(t.Context(), 21, l)
		turns := q.done()
		for _, turn := range turns[1:21] {
			assert.Equal(t, context.Canceled, turn.err)
			assert.Equal(t, 500*time.Millisecond, turn.at)
		}
		assert.Equal(t, turn{caller: 21, at: time.Second}, turns[21])
	})
}

func TestAPauseShiftsEverybodysTurns(t *testing.T) {
	both(t, func(t *testing.T, f *fakeRedis) {
		l := newLimiter(t, f, 10, 2)
		q := newQueue()
		for i := range 6 {
			q.join(t.Context(), i, l) // at 0, 0, 100, 200, 300, 400
		}
		q.sleepUntil(150 * time.Millisecond)
		l.Throttled(t.Context(), 5*time.Second)
		for i := range 3 {
			q.join(t.Context(), 6+i, l)
		}
		turns := q.done()
		assert.Equal(t, millis(0, 0, 100, 5200, 5300, 5400, 5500, 5600, 5700), times(turns))
		assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8}, callers(turns))
	})
}

func TestTurnsComeOneByOneAfterAPause(t *testing.T) {
	both(t, func(t *testing.T, f *fakeRedis) {
		l := newLimiter(t, f, 10, 5)
		l.Throttled(t.Context(), 3*time.Second)
		q := newQueue()
		for i := range 4 {
			q.join(t.Context(), i, l)
		}
		assert.Equal(t, millis(3000, 3100, 3200, 3300), times(q.done()))
		time.Sleep(time.Second)

		// Callers who come after the pause find an empty bucket too.
		l.Throttled(t.Context(), 3*time.Second)
		time.Sleep(3 * time.Second)
		q = newQueue()
		for i := range 4 {
			q.join(t.Context(), i, l)
		}
		assert.Equal(t, millis(0, 100, 200, 300), times(q.done()))
	})
}

func TestALongerPauseCountsAndAShorterOneDoesNot(t *testing.T) {
	both(t, func(t *testing.T, f *fakeRedis) {
		l := newLimiter(t, f, 10, 1)
		q := newQueue()
		l.Throttled(t.Context(), 3*time.Second)
		q.join(t.Context(), 0, l)
		q.join(t.Context(), 1, l)
		q.sleepUntil(time.Second)
		l.Throttled(t.Context(), time.Second)
		l.Throttled(t.Context(), 0)
		l.Throttled(t.Context(), -time.Second)
		q.sleepUntil(2 * time.Second)
		l.Throttled(t.Context(), 4*time.Second)
		q.join(t.Context(), 2, l)
		turns := q.done()
		assert.Equal(t, millis(6000, 6100, 6200), times(turns))
		assert.Equal(t, []int{0, 1, 2}, callers(turns))
	})
}

func TestALongPauseIsAnErrorAtOnce(t *testing.T) {
	both(t, func(t *testing.T, f *fakeRedis) {
		l := newLimiter(t, f, 1, 1)
		q := newQueue()
		q.join(t.Context(), 0, l)
		q.join(t.Context(), 1, l) // at 1 s, and then asks again
		l.Throttled(t.Context(), time.Minute)
		q.join(t.Context(), 2, l)

		turns := q.done()
		assert.Equal(t, []int{0, 2, 1}, callers(turns))
		assert.Equal(t, millis(0, 0, 1000), times(turns))
		assert.ErrorContains(t, turns[1].err, "redislimit: paused, the next turn is in ")
		assert.GreaterOrEqual(t, retryAfter(turns[1].err), time.Minute)
		assert.GreaterOrEqual(t, retryAfter(turns[2].err), 59*time.Second)

		// Nobody holds a place in the queue any more.
		q.sleepUntil(50 * time.Second)
		q = newQueue()
		q.join(t.Context(), 0, l)
		q.join(t.Context(), 1, l)
		assert.Equal(t, millis(11000, 12000), times(q.done()))
	})
}

func TestAPauseIsAnHourAtMost(t *testing.T) {
	both(t, func(t *testing.T, f *fakeRedis) {
		l := newLimiter(t, f, 1, 1)
		l.Throttled(t.Context(), math.MaxInt64)
		assert.Equal(t, time.Hour, retryAfter(l.Wait(t.Context())))
		time.Sleep(time.Hour)
		require.NoError(t, l.Wait(t.Context()))
	})
}

func TestAPauseHoldsOtherProcessesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		throttled, other := newLimiter(t, f, 50, 1), newLimiter(t, f, 50, 1)
		q := newQueue()
		for i := range 50 {
			q.join(t.Context(), i, other) // until 980 ms
		}
		q.sleepUntil(505 * time.Millisecond)
		throttled.Throttled(t.Context(), 2*time.Second)
		q.join(t.Context(), 50, throttled)
		q.join(t.Context(), 51, newLimiter(t, f, 50, 1))
		for i, turn := range q.done() {
			assert.Equal(t, i, turn.caller)
			at := time.Duration(i) * 20 * time.Millisecond
			if i > 25 {
				at += 2 * time.Second
			}
			assert.Equal(t, at, turn.at.Round(time.Millisecond))
		}
	})
}

// A process that does not know of a pause may be told of a shorter one.
func TestAShorterPauseOfAnotherProcessDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		l, other := newLimiter(t, f, 10, 1), newLimiter(t, f, 10, 1)
		q := newQueue()
		l.Throttled(t.Context(), 5*time.Second)
		other.Throttled(t.Context(), time.Second)
		q.join(t.Context(), 0, other)
		q.join(t.Context(), 1, newLimiter(t, f, 10, 1))
		assert.Equal(t, millis(5000, 5100), times(q.done()))
	})
}

// As while replicas are replaced by others with another limit. Somebody is late besides.
func TestAPauseHoldsProcessesWithAnotherLimitUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		slow, fast := newLimiter(t, f, 10, 1), newLimiter(t, f, 20, 100, redislimit.WithTimeout(time.Hour))
		for range 100 {
			require.NoError(t, fast.Wait(t.Context()))
		}
		q := newQueue()
		for i := range 5 {
			q.join(t.Context(), i, fast) // at 50, ... 250
		}
		f.behave(func(context.Context) error {
			q.sleepUntil(150 * time.Millisecond)
			return nil
		}, fine)
		q.sleepUntil(145 * time.Millisecond)
		f.behave(fine, fine)
		slow.Throttled(t.Context(), 5*time.Second)
		for _, turn := range q.done() {
			assert.GreaterOrEqual(t, turn.at, 5145*time.Millisecond)
		}
	})
}

// A pause is told again and again by all who know of it, and each telling takes time.
func TestAPauseDoesNotGrowWhileProcessesTellEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		slow := func(context.Context) error { time.Sleep(rand.N(20 * time.Millisecond)); return nil }
		f.behave(slow, slow)
		q := newQueue()
		var wg sync.WaitGroup
		for range 5 {
			l := newLimiter(t, f, 1000, 1000, redislimit.WithErrorHandler(func(err error) { t.Error(err) }))
			wg.Go(func() { l.Throttled(t.Context(), 3*time.Second) })
			for range 6 {
				wg.Go(func() {
					for time.Since(q.start) < 3300*time.Millisecond {
						ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
						_ = l.Wait(ctx)
						cancel()
					}
				})
			}
		}
		wg.Wait()
		time.Sleep(time.Second)                     // for the scripts of those who gave up
		told := q.start.Add(100 * time.Millisecond) // by then all scripts have run that began before
		late := slices.DeleteFunc(f.granted(), func(at time.Time) bool { return at.Before(told) })
		require.NotEmpty(t, late)
		assert.GreaterOrEqual(t, late[0].Sub(q.start), 3*time.Second)
		assert.Less(t, late[0].Sub(q.start), 3*time.Second+100*time.Millisecond)
	})
}

// Somebody is throttled while the answer to a call is on its way.
func TestAPauseHoldsUpATurnThatWasJustGranted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		l := newLimiter(t, f, 10, 10)
		require.NoError(t, l.Wait(t.Context()))
		f.behave(fine, slow(20*time.Millisecond))
		q := newQueue()
		q.join(t.Context(), 0, l)
		l.Throttled(t.Context(), 2*time.Second)
		assert.GreaterOrEqual(t, q.done()[0].at, 2*time.Second)
	})
}

// Callers come back late, in any order, and answers take their time. The turns keep
// to the limit all the same, by the server's clock.
func TestLateCallersDoNotExceedTheLimit(t *testing.T) {
	for name, test := range map[string]struct {
		limit float64
		burst int
		late  time.Duration
	}{
		"a burst of one":     {50, 1, 300 * time.Millisecond},
		"a burst of ten":     {50, 10, time.Second},
		"a fast limit":       {500, 20, 200 * time.Millisecond},
		"a slow limit":       {2, 3, 2 * time.Second},
		"late by far":        {20, 1, 5 * time.Second},
		"an uneven interval": {7, 2, 700 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeRedis(t)
				delay := func(context.Context) error {
					if rand.N(10) == 0 {
						time.Sleep(rand.N(test.late))
					}
					return nil
				}
				f.behave(delay, delay)
				const processes, callers = 4, 60
				var wg sync.WaitGroup
				start := time.Now()
				for range processes {
					l := newLimiter(t, f, rate.Limit(test.limit), test.burst, redislimit.WithTimeout(time.Hour), redislimit.WithErrorHandler(func(err error) { t.Error(err) }))
					for range callers {
						wg.Go(func() {
							for range 5 {
								assert.NoError(t, l.Wait(t.Context()))
							}
						})
					}
				}
				wg.Wait()
				turns := f.granted()
				require.Len(t, turns, processes*callers*5)
				assertWithin(t, turns, test.limit, test.burst)
				// And they make use of it.
				ideal := time.Duration(float64(len(turns)-test.burst) / test.limit * float64(time.Second))
				t.Logf("%v, ideally %v", time.Since(start), ideal)
				assert.Less(t, time.Since(start), ideal+ideal/5+4*test.late)
			})
		})
	}
}

// Processes are throttled at any time, while callers wait, come and are late.
func TestNoTurnIsGrantedInAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		delay := func(context.Context) error {
			time.Sleep(rand.N(2 * time.Millisecond))
			if rand.N(20) == 0 {
				time.Sleep(rand.N(400 * time.Millisecond))
			}
			return nil
		}
		f.behave(delay, delay)
		const limit, burst = 50, 5
		lost := redislimit.WithErrorHandler(func(err error) { t.Error(err) })
		var ls []*redislimit.Limiter
		for range 4 {
			ls = append(ls, newLimiter(t, f, limit, burst, redislimit.WithTimeout(time.Hour), lost))
		}
		var wg sync.WaitGroup
		end := time.Now().Add(time.Minute)
		for i := range 200 {
			wg.Go(func() {
				for time.Now().Before(end) {
					assert.NoError(t, ls[i%4].Wait(t.Context()))
				}
			})
		}
		var pauses [][2]time.Time
		for time.Now().Before(end) {
			time.Sleep(rand.N(3 * time.Second))
			pause := rand.N(4 * time.Second)
			begun := time.Now()
			ls[rand.N(4)].Throttled(t.Context(), pause)
			pauses = append(pauses, [2]time.Time{time.Now(), begun.Add(pause)})
		}
		wg.Wait()
		turns := f.granted()
		assertWithin(t, turns, limit, burst)
		require.Greater(t, len(turns), 200)
		for _, pause := range pauses {
			after := 0
			for _, at := range turns {
				if at.After(pause[0]) && at.Before(pause[1]) {
					t.Fatalf("a turn %v before the end of a pause", pause[1].Sub(at))
				}
				if earliest := pause[1].Add(time.Duration(after) * time.Second / limit); pause[0].Before(pause[1]) && !at.Before(pause[1]) {
					require.GreaterOrEqual(t, at.Sub(pause[0])+time.Microsecond, earliest.Sub(pause[0]), "turn %d after a pause", after)
					if after++; after > burst { // by then the bucket may have filled
						break
					}
				}
			}
		}
	})
}

// assertWithin checks all windows: limit, burst, and one more turn or those of 50 ms.
func assertWithin(t *testing.T, turns []time.Time, limit float64, burst int) {
	t.Helper()
	slices.SortFunc(turns, time.Time.Compare)
	for i := range turns {
		for j := i; j < len(turns); j++ {
			window := turns[j].Sub(turns[i])
			// Times have whole microseconds: hence the 0.01.
			if allowed := limit*window.Seconds() + float64(burst) + max(1, limit*0.05) + 0.01; float64(j-i+1) > allowed {
				t.Fatalf("%d turns in %v, of %.2f that are allowed", j-i+1, window, allowed)
			}
		}
	}
}

// All callers of a process that stood still come back at once.
func TestAStallIsNotFollowedByABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		l := newLimiter(t, f, 50, 1, redislimit.WithTimeout(time.Hour))
		q := newQueue()
		for i := range 100 {
			q.join(t.Context(), i, l)
		}
		f.behave(func(context.Context) error { // until 1.5 s nothing reaches Redis
			q.sleepUntil(1500 * time.Millisecond)
			return nil
		}, fine)
		turns := q.done()
		require.Len(t, turns, 100)
		assertWithin(t, f.granted(), 50, 1)
		assert.Equal(t, 1500*time.Millisecond, turns[1].at)
		// 99 turns since, of which 2 at once.
		assert.InDelta(t, 1500+97*20, turns[99].at.Milliseconds(), 25)
	})
}

// All callers of a process come back too late, and each of their scripts takes its time.
// Those who come later do not get in between, also after a pause.
func TestTheLateGoBeforeThoseWhoComeLater(t *testing.T) {
	for name, pause := range map[string]time.Duration{"no pause": 0, "a pause": 5 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				type key struct{}
				tardy := context.WithValue(t.Context(), key{}, true)
				f := newFakeRedis(t)
				l, other := newLimiter(t, f, 10, 1, redislimit.WithTimeout(time.Hour)), newLimiter(t, f, 10, 1)
				q := newQueue()
				for i := range 20 {
					q.join(tardy, i, l) // until 1.9 s
				}
				f.behave(func(ctx context.Context) error {
					q.sleepUntil(3 * time.Second)
					if ctx.Value(key{}) != nil {
						time.Sleep(30 * time.Millisecond)
					}
					return nil
				}, fine)
				q.sleepUntil(3500 * time.Millisecond) // 7 of 19 have had their turns
				other.Throttled(t.Context(), pause)
				q.sleepUntil(3510*time.Millisecond + pause)
				for i := range 5 {
					q.join(t.Context(), 20+i, other)
					time.Sleep(95 * time.Millisecond)
				}
				turns := q.done()
				for i := range 5 {
					assert.Equal(t, 20+i, turns[20+i].caller)
				}
				assertWithin(t, f.granted(), 10, 1)
				assert.InDelta(t, 3*time.Second+pause+23*100*time.Millisecond, turns[24].at, float64(200*time.Millisecond))
			})
		})
	}
}

// The queue is as long as it says, also after some were late.
func TestTheLateMakeTheQueueLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		l, other := newLimiter(t, f, 10, 1, redislimit.WithTimeout(time.Hour)), newLimiter(t, f, 10, 1)
		q := newQueue()
		for i := range 50 {
			q.join(t.Context(), i, l) // until 4.9 s
		}
		f.behave(func(context.Context) error {
			q.sleepUntil(1450 * time.Millisecond)
			return nil
		}, fine)
		q.sleepUntil(4 * time.Second) // since 14 of them came back late
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		wait := retryAfter(other.Wait(ctx))
		turns := q.done()
		assert.InDelta(t, 4*time.Second+wait, turns[49].at+100*time.Millisecond, float64(10*time.Millisecond))
		assert.InDelta(t, 6200*time.Millisecond, turns[49].at, float64(110*time.Millisecond))
	})
}

func TestAClockThatIsPutBackStopsNobody(t *testing.T) {
	for _, back := range []time.Duration{time.Second, time.Hour, 365 * 24 * time.Hour} {
		t.Run(back.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeRedis(t)
				l, other := newLimiter(t, f, 10, 1), newLimiter(t, f, 10, 1)
				q := newQueue()
				for i := range 10 {
					q.join(t.Context(), i, []*redislimit.Limiter{l, other}[i%2])
				}
				q.sleepUntil(450 * time.Millisecond)
				f.setAhead(-back)
				other.Throttled(t.Context(), time.Second)
				q.join(t.Context(), 10, l)
				turns := q.done()
				assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, callers(turns))
				// What was between the last script and the change is lost: at most 50 ms.
				for i, turn := range turns {
					at := time.Duration(i) * 100 * time.Millisecond
					if i > 4 {
						at += time.Second
					}
					assert.InDelta(t, at.Milliseconds(), turn.at.Milliseconds(), 60)
				}
			})
		})
	}
}

func TestAClockThatJumpsAheadLetsNobodyThroughTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		l := newLimiter(t, f, 10, 2)
		q := newQueue()
		for i := range 20 {
			q.join(t.Context(), i, l)
		}
		q.sleepUntil(450 * time.Millisecond)
		f.setAhead(time.Hour)
		turns := q.done()
		assert.Len(t, turns, 20)
		assertWithin(t, f.granted()[7:], 10, 2)
	})
}

// A server that is new, or that has lost the key, learns of a pause from all who know.
func TestAPauseOutlivesWhatRedisKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		l, other, third := newLimiter(t, f, 10, 1), newLimiter(t, f, 10, 1), newLimiter(t, f, 10, 1)
		q := newQueue()
		l.Throttled(t.Context(), 5*time.Second)
		q.join(t.Context(), 0, other) // learns of it
		q.sleepUntil(time.Second)
		f.flush()
		q.join(t.Context(), 1, other)
		q.join(t.Context(), 2, third)
		q.join(t.Context(), 3, l)
		turns := q.done()
		assert.Equal(t, 5*time.Second, turns[0].at)
		for i, turn := range turns {
			assert.GreaterOrEqual(t, turn.at, 5*time.Second+time.Duration(i)*100*time.Millisecond)
		}
	})
}

func TestARestartedRedisKeepsToTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		l := newLimiter(t, f, 10, 2)
		q := newQueue()
		for i := range 30 {
			q.join(t.Context(), i, l)
		}
		q.sleepUntil(950 * time.Millisecond)
		f.flush()
		for i := range 20 {
			q.join(t.Context(), 30+i, l)
		}
		turns := q.done()
		assert.Len(t, turns, 50)
		before := slices.IndexFunc(f.granted(), func(at time.Time) bool { return at.Sub(q.start) > 950*time.Millisecond })
		assertWithin(t, f.granted()[before:], 10, 2)
		assert.Less(t, turns[49].at, 5*time.Second)
	})
}

// The times of one server say nothing on another.
func TestAnEmptyRedisWithAnotherClockStopsNobody(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"late": -time.Hour, "early": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeRedis(t)
				l := newLimiter(t, f, 10, 1)
				q := newQueue()
				q.join(t.Context(), 0, l)
				f.setAhead(-time.Hour)
				for i := range 20 {
					q.join(t.Context(), 1+i, l)
				}
				q.sleepUntil(550 * time.Millisecond)
				f.flush()
				f.setAhead(ahead)
				turns := q.done()
				assert.Len(t, turns, 21)
				assert.Less(t, turns[20].at, 3*time.Second)
			})
		})
	}
}

func TestTheKeyExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		l := newLimiter(t, f, 10, 2)
		require.NoError(t, l.Wait(t.Context()))
		assert.Equal(t, []string{"limit"}, keys(f.keys))
		assert.LessOrEqual(t, time.Until(f.expires["limit"]), time.Minute+time.Second)
		assert.GreaterOrEqual(t, time.Until(f.expires["limit"]), time.Minute)

		l.Throttled(t.Context(), 30*time.Minute)
		assert.GreaterOrEqual(t, time.Until(f.expires["limit"]), 31*time.Minute)
	})
}

func keys[V any](m map[string]V) (list []string) {
	for key := range m {
		list = append(list, key)
	}
	return list
}

func TestNewRefuses(t *testing.T) {
	var noClient *redis.Client
	var noFallback *rate.Limiter
	f := newFakeRedis(t)
	for name, test := range map[string]struct {
		client redis.Scripter
		key    string
		limit  rate.Limit
		burst  int
		opts   []redislimit.Option
		want   string
	}{
		"no client":             {nil, "k", 1, 1, nil, "redislimit: the client is nil"},
		"a typed nil":           {noClient, "k", 1, 1, nil, "redislimit: the client is nil"},
		"no key":                {f, "", 1, 1, nil, "redislimit: the key is empty"},
		"no limit":              {f, "k", 0, 1, nil, "redislimit: the limit must be positive and finite, and is 0"},
		"a negative limit":      {f, "k", -1, 1, nil, "redislimit: the limit must be positive and finite, and is -1"},
		"not a number":          {f, "k", rate.Limit(math.NaN()), 1, nil, "redislimit: the limit must be positive and finite, and is NaN"},
		"an infinite limit":     {f, "k", rate.Limit(math.Inf(1)), 1, nil, "redislimit: the limit must be positive and finite, and is +Inf"},
		"rate.Inf":              {f, "k", rate.Inf, 1, nil, "redislimit: the limit must be positive and finite, and is 1.7976931348623157e+308"},
		"a limit of years":      {f, "k", 1e-12, 1, nil, "redislimit: a burst of 1 takes more than a year at 1e-12 a second"},
		"no burst":              {f, "k", 1, 0, nil, "redislimit: the burst must be positive, and is 0"},
		"a negative burst":      {f, "k", 1, -1, nil, "redislimit: the burst must be positive, and is -1"},
		"a burst of years":      {f, "k", 1, math.MaxInt, nil, "redislimit: a burst of 9223372036854775807 takes more than a year at 1 a second"},
		"no option":             {f, "k", 1, 1, []redislimit.Option{nil}, "redislimit: an option is nil"},
		"no fallback":           {f, "k", 1, 1, []redislimit.Option{redislimit.WithFallback(nil)}, "redislimit: the fallback is nil"},
		"a typed nil fallback":  {f, "k", 1, 1, []redislimit.Option{redislimit.WithFallback(noFallback)}, "redislimit: the fallback is nil"},
		"no error handler":      {f, "k", 1, 1, []redislimit.Option{redislimit.WithErrorHandler(nil)}, "redislimit: the error handler is nil"},
		"no timeout":            {f, "k", 1, 1, []redislimit.Option{redislimit.WithTimeout(0)}, "redislimit: the timeout must be positive"},
		"everything at a time":  {nil, "", 0, 0, []redislimit.Option{redislimit.WithTimeout(-1)}, "the client is nil\nredislimit: the limit"},
		"everything, continued": {nil, "", 0, 0, []redislimit.Option{redislimit.WithTimeout(-1)}, "the key is empty\nredislimit: the timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := redislimit.New(test.client, test.key, test.limit, test.burst, test.opts...)
			assert.ErrorContains(t, err, test.want)
			assert.Nil(t, l)
		})
	}
}

func TestExtremeLimitsWork(t *testing.T) {
	for _, test := range []struct {
		limit rate.Limit
		burst int
	}{
		{1e6, 1}, {1e9, 1e9}, {rate.Every(24 * time.Hour), 100}, {rate.Every(364 * 24 * time.Hour), 1}, {3, 1e7}, {0.1, 1},
	} {
		t.Run(fmt.Sprintf("%v, %d", float64(test.limit), test.burst), func(t *testing.T) {
			both(t, func(t *testing.T, f *fakeRedis) {
				l := newLimiter(t, f, test.limit, test.burst)
				for range min(test.burst, 50) {
					require.NoError(t, l.Wait(t.Context()))
				}
				start := time.Now()
				require.NoError(t, l.Wait(t.Context()))
				want := time.Duration(0)
				if test.burst <= 50 {
					want = time.Duration(float64(time.Second) / float64(test.limit))
				} else if test.burst == 100 {
					want = 0
				}
				assert.InDelta(t, want.Seconds(), time.Since(start).Seconds(), 0.001+want.Seconds()/1e6)
				l.Throttled(t.Context(), 10*time.Second)
				start = time.Now()
				require.NoError(t, l.Wait(t.Context()))
				assert.GreaterOrEqual(t, time.Since(start), 10*time.Second)
			})
		})
	}
}
