package redislimit_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go/redislimit"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

// news records what an error handler is told.
type news struct {
	mu   sync.Mutex
	errs []error
}

func (n *news) handle(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.errs = append(n.errs, err)
}

func (n *news) told() []error {
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.errs
}

// settle lets the scripts end that nobody waits for.
func settle() { time.Sleep(time.Minute) }

func TestASlowRedisStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer settle()
		var news news
		f := newFakeRedis(t)
		f.behave(hang, fine)
		l := newLimiter(t, f, 1000, 1000, redislimit.WithErrorHandler(news.handle))

		start := time.Now()
		require.NoError(t, l.Wait(t.Context()))
		assert.Equal(t, 250*time.Millisecond, time.Since(start), "the first contact")
		require.Len(t, news.told(), 1)
		assert.EqualError(t, news.errs[0], "redislimit: Redis did not answer within 250ms")

		start = time.Now()
		for range 100 {
			require.NoError(t, l.Wait(t.Context()))
		}
		l.Throttled(t.Context(), time.Millisecond)
		assert.Zero(t, time.Since(start))

		f.behave(fine, fine)
		time.Sleep(500 * time.Millisecond)
		require.NoError(t, l.Wait(t.Context())) // starts a probe
		assert.Equal(t, nil, news.told()[1])
		scripts := f.ran()
		require.NoError(t, l.Wait(t.Context()))
		assert.Equal(t, scripts+1, f.ran())

		f.behave(hang, fine)
		start = time.Now()
		require.NoError(t, l.Wait(t.Context()))
		assert.Equal(t, 50*time.Millisecond, time.Since(start))
		require.Len(t, news.told(), 3)
		assert.EqualError(t, news.errs[2], "redislimit: Redis did not answer within 50ms")
	})
}

func TestTheTimeoutIsConfigurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer settle()
		f := newFakeRedis(t)
		f.behave(slow(900*time.Millisecond), fine)
		var news news
		l := newLimiter(t, f, 1000, 1000, redislimit.WithErrorHandler(news.handle), redislimit.WithTimeout(time.Second))
		require.NoError(t, l.Wait(t.Context())) // NOSCRIPT, and once more
		require.Len(t, news.told(), 1)
		assert.EqualError(t, news.errs[0], "redislimit: Redis did not answer within 1s")
		time.Sleep(500 * time.Millisecond)
		require.NoError(t, l.Wait(t.Context()))
		time.Sleep(2 * time.Second)
		require.Len(t, news.told(), 2)

		start := time.Now()
		require.NoError(t, l.Wait(t.Context()))
		assert.Equal(t, 900*time.Millisecond, time.Since(start))
		assert.Len(t, news.told(), 2)
	})
}

// What a client or a server may answer in place of a turn.
func TestAFailingRedisStopsNobody(t *testing.T) {
	for name, test := range map[string]struct {
		client redis.Scripter
		want   string
	}{
		"an error":        {answers{redis.NewCmdResult(nil, redisError("WRONGTYPE Operation against a key"))}, "redislimit: WRONGTYPE Operation against a key"},
		"a panic":         {answers{}, "redislimit: the Redis client panicked: runtime error: invalid memory address or nil pointer dereference"},
		"an own panic":    {panics{}, "redislimit: the Redis client panicked: out of order"},
		"no list":         {answers{redis.NewCmdResult("OK", nil)}, "redislimit: redis: unexpected type=string for Slice"},
		"a short list":    {answers{redis.NewCmdResult([]any{"ok"}, nil)}, "redislimit: Redis returned an unexpected answer: [ok]"},
		"another list":    {answers{redis.NewCmdResult([]any{"ok", "0", "", int64(1), int64(0)}, nil)}, "redislimit: Redis returned an unexpected answer: [ok 0  1 0]"},
		"nothing":         {answers{redis.NewCmdResult(nil, redis.Nil)}, "redislimit: redis: nil"},
		"a goroutine end": {exits{}, "redislimit: Redis did not answer within 250ms"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var news news
				l := newLimiter(t, test.client, 10, 2, redislimit.WithErrorHandler(news.handle))
				for range 20 {
					require.NoError(t, l.Wait(t.Context()))
					l.Throttled(t.Context(), time.Second)
				}
				require.Len(t, news.told(), 1)
				assert.ErrorContains(t, news.errs[0], test.want)
			})
		})
	}
}

// answers is a client that gives the same answer to everything.
type answers struct{ cmd *redis.Cmd }

func (a answers) Eval(context.Context, string, []string, ...any) *redis.Cmd      { return a.cmd }
func (a answers) EvalSha(context.Context, string, []string, ...any) *redis.Cmd   { return a.cmd }
func (a answers) EvalRO(context.Context, string, []string, ...any) *redis.Cmd    { return a.cmd }
func (a answers) EvalShaRO(context.Context, string, []string, ...any) *redis.Cmd { return a.cmd }
func (a answers) ScriptExists(context.Context, ...string) *redis.BoolSliceCmd    { return nil }
func (a answers) ScriptLoad(context.Context, string) *redis.StringCmd            { return nil }

type panics struct{ answers }

func (panics) EvalSha(context.Context, string, []string, ...any) *redis.Cmd { panic("out of order") }

type exits struct{ answers }

func (exits) EvalSha(context.Context, string, []string, ...any) *redis.Cmd {
	runtime.Goexit()
	return nil
}

func TestWithoutRedisAProcessKeepsToItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		l := newLimiter(t, f, 60, 6)
		others := []*redislimit.Limiter{newLimiter(t, f, 60, 6), newLimiter(t, f, 60, 6)}
		gone := newLimiter(t, f, 60, 6)
		require.NoError(t, gone.Wait(t.Context()))
		time.Sleep(40 * time.Second)
		for _, other := range others {
			require.NoError(t, other.Wait(t.Context()))
		}
		require.NoError(t, l.Wait(t.Context()))
		time.Sleep(40 * time.Second) // longer than a minute since gone was seen
		require.NoError(t, l.Wait(t.Context()))

		f.behave(func(context.Context) error { return errGone }, fine)
		q := newQueue()
		for i := range 6 {
			q.join(t.Context(), i, l)
		}
		assert.Equal(t, millis(0, 0, 50, 100, 150, 200), times(q.done()), "20 a second and a burst of 2")
	})
}

func TestAShareHasABurstOfOneAtLeast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		l, other := newLimiter(t, f, 10, 1), newLimiter(t, f, 10, 1)
		other.Throttled(t.Context(), time.Millisecond)
		require.NoError(t, l.Wait(t.Context()))
		time.Sleep(time.Second)
		f.behave(func(context.Context) error { return errGone }, fine)
		q := newQueue()
		for i := range 3 {
			q.join(t.Context(), i, l)
		}
		assert.Equal(t, millis(0, 200, 400), times(q.done()))
	})
}

func TestProbesAreFewAndStartedByCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer settle()
		var mu sync.Mutex
		var asked []time.Duration
		start := time.Now()
		f := newFakeRedis(t)
		f.behave(func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, time.Since(start))
			return errGone
		}, fine)
		l := newLimiter(t, f, 1000, 1)
		for time.Since(start) < 1900*time.Millisecond {
			require.NoError(t, l.Wait(t.Context()))
		}
		synctest.Wait()
		assert.Equal(t, millis(0, 500, 1000, 1500), asked)
		time.Sleep(time.Hour)
		assert.Len(t, asked, 4, "without a caller")
		l.Throttled(t.Context(), time.Millisecond)
		synctest.Wait()
		assert.Len(t, asked, 5)
	})
}

// Some clients ignore their context, and would hang for ever.
func TestHangingProbesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		hanging := 0
		answer := make(chan struct{})
		f := newFakeRedis(t)
		l := newLimiter(t, f, 10, 1)
		require.NoError(t, l.Wait(t.Context()))
		f.behave(func(context.Context) error {
			mu.Lock()
			hanging++
			mu.Unlock()
			<-answer
			return nil
		}, fine)
		start := time.Now()
		for time.Since(start) < time.Minute {
			require.NoError(t, l.Wait(t.Context()))
		}
		mu.Lock()
		assert.LessOrEqual(t, hanging, 1+16, "the script that met the hang, and the probes")
		mu.Unlock()
		close(answer) // all of them answer, too late to count
		f.behave(fine, fine)
		synctest.Wait()
		scripts := f.ran()
		for range 12 {
			require.NoError(t, l.Wait(t.Context()))
		}
		assert.GreaterOrEqual(t, f.ran(), scripts+2+5, "a probe, and turns")
	})
}

func TestARedisThatAnswersLateIsNotBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer settle()
		var news news
		f := newFakeRedis(t)
		f.behave(slow(100*time.Millisecond), fine)
		l := newLimiter(t, f, 10, 1, redislimit.WithErrorHandler(news.handle))
		start := time.Now()
		for time.Since(start) < 10*time.Second {
			require.NoError(t, l.Wait(t.Context()))
		}
		assert.Len(t, news.told(), 1)
		f.behave(slow(40*time.Millisecond), fine)
		for time.Since(start) < 11*time.Second {
			require.NoError(t, l.Wait(t.Context()))
		}
		assert.Len(t, news.told(), 2)
	})
}

// A script that began before Redis was lost and found says nothing about it now.
func TestAnOldFailureDoesNotLoseRedisAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var news news
		f := newFakeRedis(t)
		l := newLimiter(t, f, 10, 10, redislimit.WithErrorHandler(news.handle), redislimit.WithTimeout(5*time.Second))
		require.NoError(t, l.Wait(t.Context()))
		f.behave(func(context.Context) error { time.Sleep(3 * time.Second); return errGone }, fine)
		q := newQueue()
		q.join(t.Context(), 0, l)
		f.behave(func(context.Context) error { return errGone }, fine)
		q.join(t.Context(), 1, l)
		f.behave(fine, fine)
		time.Sleep(500 * time.Millisecond)
		q.join(t.Context(), 2, l)
		assert.Equal(t, []error{news.told()[0], nil}, news.told())
		q.done()
		assert.Len(t, news.told(), 2)
	})
}

func TestACancelledCallerReturnsAtOnceAndTheLossIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer settle()
		var news news
		f := newFakeRedis(t)
		l := newLimiter(t, f, 1000, 1000, redislimit.WithErrorHandler(news.handle))
		require.NoError(t, l.Wait(t.Context()))
		f.behave(hang, fine)
		for range 10 {
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			err := l.Wait(ctx)
			cancel()
			if time.Since(start) == 0 {
				assert.NoError(t, err)
				break
			}
			assert.Equal(t, context.DeadlineExceeded, err)
			assert.Equal(t, 20*time.Millisecond, time.Since(start))
		}
		assert.Len(t, news.told(), 1)
		require.NoError(t, l.Wait(t.Context()))
	})
}

// Their scripts still run when Redis goes on, and must not fill the queue.
func TestCallersWhoGaveUpInAHangHoldNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		l := newLimiter(t, f, 10, 1)
		require.NoError(t, l.Wait(t.Context()))
		f.behave(slow(40*time.Millisecond), fine)
		ctx, cancel := context.WithCancel(t.Context())
		q := newQueue()
		for i := range 50 {
			q.join(ctx, i, l)
		}
		cancel()
		q.done()
		time.Sleep(time.Second)
		f.behave(fine, fine)
		q = newQueue()
		q.join(t.Context(), 0, l)
		q.join(t.Context(), 1, l)
		assert.Less(t, q.done()[1].at, 200*time.Millisecond)
	})
}

func TestThrottledHoldsThisProcessUpWhateverRedisDoes(t *testing.T) {
	for name, before := range map[string]func(context.Context) error{
		"gone": func(context.Context) error { return errGone }, "hanging": hang,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer settle()
				f := newFakeRedis(t)
				l, other := newLimiter(t, f, 10, 10), newLimiter(t, f, 10, 10)
				require.NoError(t, l.Wait(t.Context()))
				f.behave(before, fine)
				start := time.Now()
				l.Throttled(t.Context(), 8*time.Second)
				assert.LessOrEqual(t, time.Since(start), 50*time.Millisecond)
				q := newQueue()
				q.join(t.Context(), 0, l)
				q.join(t.Context(), 1, l)

				time.Sleep(time.Second)
				f.behave(fine, fine)
				q.join(t.Context(), 2, l) // starts a probe, which tells of the pause
				q.join(t.Context(), 3, other)
				for i, turn := range q.done() {
					assert.GreaterOrEqual(t, time.Since(start), 8*time.Second, i)
					assert.GreaterOrEqual(t, turn.at+50*time.Millisecond, 8*time.Second, i)
				}
			})
		})
	}
}

// Redis comes back empty. It hears of the pause before it counts as back.
func TestARedisThatComesBackEmptyIsToldOfAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		l := newLimiter(t, f, 10, 1)
		l.Throttled(t.Context(), time.Minute)
		f.behave(func(context.Context) error { return errGone }, fine)
		assert.Equal(t, time.Minute, retryAfter(l.Wait(t.Context())))
		f.flush()
		f.behave(fine, fine)
		time.Sleep(time.Second)
		assert.Equal(t, 59*time.Second, retryAfter(l.Wait(t.Context())))
		synctest.Wait()
		assert.Equal(t, 59*time.Second, retryAfter(newLimiter(t, f, 10, 1).Wait(t.Context())))
	})
}

// The process's share begins where the shared limit was.
func TestALossInAPauseChangesNothingButTheRate(t *testing.T) {
	for _, test := range []struct {
		limit rate.Limit
		burst int
	}{{20, 10}, {20, 3}, {4, 1}, {4, 10}, {1000, 1}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeRedis(t)
			l, other := newLimiter(t, f, test.limit, test.burst), newLimiter(t, f, test.limit, test.burst)
			require.NoError(t, other.Wait(t.Context()))
			time.Sleep(time.Minute - time.Millisecond)
			q := newQueue()
			l.Throttled(t.Context(), 5*time.Second)
			f.behave(func(context.Context) error { return errGone }, fine)
			for i := range 4 {
				q.join(t.Context(), i, l)
			}
			interval := 2000 / int(test.limit)
			assert.Equal(t, millis(5000, 5000+interval, 5000+2*interval, 5000+3*interval), times(q.done()))
		})
	}
}

func TestAHandlerThatHangsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var news news
		release := make(chan struct{})
		var l *redislimit.Limiter
		f := newFakeRedis(t)
		l = newLimiter(t, f, 1000, 1000, redislimit.WithErrorHandler(func(err error) {
			news.handle(err)
			<-release
			assert.NoError(t, l.Wait(context.Background()))
		}))
		for range 100 {
			f.behave(func(context.Context) error { return errGone }, fine)
			require.NoError(t, l.Wait(t.Context()))
			f.behave(fine, fine)
			time.Sleep(500 * time.Millisecond)
			require.NoError(t, l.Wait(t.Context()))
			synctest.Wait()
		}
		assert.Len(t, news.told(), 1)
		close(release)
		told := news.told()
		assert.LessOrEqual(t, len(told), 1+16+1)
		for i, err := range told {
			assert.Equal(t, i%2 == 1, err == nil, "lost and found alternate")
		}
		assert.Nil(t, told[len(told)-1], "and the last news is the latest")
	})
}

// The queue that Redis gave turns to goes on at the process's share, in its order, and
// before those who come later.
func TestTheQueueGoesOnWhenRedisIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		l, other := newLimiter(t, f, 20, 1), newLimiter(t, f, 20, 1)
		require.NoError(t, other.Wait(t.Context()))
		q := newQueue()
		for i := range 10 {
			q.join(t.Context(), i, l) // at 50, 100, ... 500
		}
		q.sleepUntil(120 * time.Millisecond)
		f.behave(func(context.Context) error { return errGone }, fine)
		q.sleepUntil(160 * time.Millisecond)
		for i := range 3 {
			q.join(t.Context(), 10+i, l)
		}
		turns := q.done()
		at := times(turns)
		assert.Equal(t, millis(50, 100), at[:2])
		for i := 3; i < len(at); i++ {
			assert.GreaterOrEqual(t, at[i]-at[i-1], 49*time.Millisecond, "turn %d", i)
		}
		assert.LessOrEqual(t, at[len(at)-1], 160*time.Millisecond+13*100*time.Millisecond)
		assert.Equal(t, []int{0, 1, 2, 3}, callers(turns)[:4])
		assert.Equal(t, []int{11, 12}, callers(turns)[11:], "those who came later")
	})
}

// Callers who wait for the process's share go on in the shared queue.
func TestTheQueueGoesOnWhenRedisIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		var ls []*redislimit.Limiter
		for range 4 {
			ls = append(ls, newLimiter(t, f, 20, 1))
			require.NoError(t, ls[len(ls)-1].Wait(t.Context()))
		}
		f.behave(func(context.Context) error { return errGone }, fine)
		q := newQueue()
		for i := range 40 {
			q.join(t.Context(), i, ls[i%4])
		}
		q.sleepUntil(900 * time.Millisecond)
		f.behave(fine, fine)
		grants := len(f.granted())
		for i := range 4 {
			q.join(t.Context(), 40+i, ls[i])
		}
		turns := q.done()
		require.Len(t, turns, 44)
		assertWithin(t, f.granted()[grants:], 20, 1)
	})
}

// Who has waited does not begin again at the end of a queue that others have made.
func TestWhoHasWaitedGoesFirstWhenRedisIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		l, other := newLimiter(t, f, 20, 1), newLimiter(t, f, 20, 1)
		require.NoError(t, other.Wait(t.Context()))
		require.NoError(t, l.Wait(t.Context()))
		f.behave(func(context.Context) error { return errGone }, fine)
		q := newQueue()
		for i := range 21 {
			q.join(t.Context(), i, l) // the last at 2 s
		}
		q.sleepUntil(950 * time.Millisecond)
		f.behave(fine, fine)
		q.sleepUntil(1950 * time.Millisecond) // by now they have found it
		for i := range 100 {
			q.join(t.Context(), 21+i, other) // for 5 s
		}
		turns := q.done()
		last := slices.IndexFunc(turns, func(turn turn) bool { return turn.caller == 20 })
		assert.LessOrEqual(t, turns[last].at, 2100*time.Millisecond)
	})
}

func TestTheFallbackIsAskedWhileRedisIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		fallback := rate.NewLimiter(2, 1)
		l := newLimiter(t, f, 1000, 1000, redislimit.WithFallback(fallback))
		require.NoError(t, l.Wait(t.Context()))
		assert.Equal(t, 1.0, fallback.Tokens())

		f.behave(func(context.Context) error { return errGone }, fine)
		q := newQueue()
		for i := range 3 {
			q.join(t.Context(), i, l)
		}
		assert.Equal(t, millis(0, 500, 1000), times(q.done()))

		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		assert.EqualError(t, l.Wait(ctx), "rate: Wait(n=1) would exceed context deadline", "its own error")

		time.Sleep(time.Second)
		l.Throttled(t.Context(), 5*time.Second)
		q = newQueue()
		q.join(t.Context(), 0, l)
		err := l.Wait(ctx)
		assert.Equal(t, context.DeadlineExceeded, err)
		assert.Equal(t, 5*time.Second, q.done()[0].at)
		l.Throttled(t.Context(), time.Minute)
		err = l.Wait(t.Context())
		assert.EqualError(t, err, "redislimit: paused, the next turn is in 1m0s")
		assert.Equal(t, time.Minute, retryAfter(err))
	})
}

func TestAPauseThatBeginsWhileTheFallbackWaitsCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		f.behave(func(context.Context) error { return errGone }, fine)
		l := newLimiter(t, f, 1000, 1000, redislimit.WithFallback(rate.NewLimiter(1, 1)))
		q := newQueue()
		q.join(t.Context(), 0, l)
		q.join(t.Context(), 1, l)
		q.sleepUntil(500 * time.Millisecond)
		l.Throttled(t.Context(), 5*time.Second)
		assert.GreaterOrEqual(t, q.done()[1].at, 5500*time.Millisecond)
	})
}

func TestAFallbackMayFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRedis(t)
		f.behave(func(context.Context) error { return errGone }, fine)
		refuses := errors.New("no calls left today")
		l := newLimiter(t, f, 1, 1, redislimit.WithFallback(fallback(func(context.Context) error { return refuses })))
		assert.Equal(t, refuses, l.Wait(t.Context()))
	})
}

type fallback func(context.Context) error

func (f fallback) Wait(ctx context.Context) error { return f(ctx) }

// A call's context may carry a trace. The script gets its values, and not its end.
func TestTheScriptRunsWithTheCallersValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		var got any
		var end time.Time
		f := newFakeRedis(t)
		f.behave(func(ctx context.Context) error {
			got = ctx.Value(key{})
			end, _ = ctx.Deadline()
			return nil
		}, fine)
		l := newLimiter(t, f, 1, 1)
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "trace"), 10*time.Millisecond)
		defer cancel()
		require.NoError(t, l.Wait(ctx))
		assert.Equal(t, "trace", got)
		assert.Equal(t, 2*time.Second, time.Until(end))
	})
}

func TestAFlushedScriptIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var news news
		f := newFakeRedis(t)
		l := newLimiter(t, f, 10, 5, redislimit.WithErrorHandler(news.handle))
		require.NoError(t, l.Wait(t.Context()))
		f.mu.Lock()
		f.sha = ""
		f.mu.Unlock()
		require.NoError(t, l.Wait(t.Context()))
		assert.Empty(t, news.told())
	})
}
