package connectlinks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

// hardThrottle is an API that answers a token with 429 at a host until a moment.
type hardThrottle struct {
	mu    sync.Mutex
	until map[string]time.Time // by host and token
	sent  map[string][]time.Time
}

func (a *hardThrottle) RoundTrip(r *http.Request) (*http.Response, error) {
	key := r.URL.Host + " " + r.Header.Get("Authorization")
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sent == nil {
		a.sent = map[string][]time.Time{}
	}
	a.sent[key] = append(a.sent[key], time.Now())
	if left := time.Until(a.until[key]); left > 0 {
		return hardAnswer(r, http.StatusTooManyRequests, `{"status":429}`, "Retry-After", fmt.Sprint(int(left.Seconds()))), nil
	}
	return hardSuccess(r)
}

func (a *hardThrottle) count(key string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.sent[key])
}

const (
	hardThrottledKey = "app.getcensus.com Bearer " + hardToken
	hardPause        = 5 * time.Second
)

// Once one caller knows, all do.
func TestThrottledTokenHoldsUpEverybody(t *testing.T) {
	t.Parallel()
	for _, retries := range []int{0, 1, 2} {
		t.Run(fmt.Sprint(retries, " retries"), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				api := &hardThrottle{until: map[string]time.Time{hardThrottledKey: start.Add(hardPause)}}
				parent := hardClient(t, api, connectlinks.WithMaxRetries(retries))
				var wg sync.WaitGroup
				defer wg.Wait()
				wg.Go(func() {
					err := hardCreate(t.Context(), parent)
					if retries > 0 {
						assert.NoError(t, err)
					} else {
						assert.ErrorIs(t, err, connectlinks.ErrRateLimited)
					}
				})
				synctest.Wait()
				require.Equal(t, 1, api.count(hardThrottledKey))

				var (
					mu   sync.Mutex
					done []time.Time
				)
				for n := range 50 {
					wg.Go(func() {
						time.Sleep(time.Duration(n) * time.Millisecond)
						c, err := parent.With(connectlinks.WithUserAgent(fmt.Sprint("caller/", n)))
						if !assert.NoError(t, err) {
							return
						}
						if n%2 == 0 {
							c, err = c.With(connectlinks.WithToken(hardToken)) // the same
							if !assert.NoError(t, err) {
								return
							}
						}
						if assert.NoError(t, hardCreate(t.Context(), c)) {
							mu.Lock()
							defer mu.Unlock()
							done = append(done, time.Now())
						}
					})
				}
				time.Sleep(hardPause - 1)
				assert.LessOrEqual(t, api.count(hardThrottledKey), 3, "requests before the pause is over")
				wg.Wait()

				require.Len(t, done, 50)
				slices.SortFunc(done, time.Time.Compare)
				assert.Greater(t, len(slices.Compact(slices.Clone(done))), 40, "they start at different moments")
				first, last := done[0].Sub(start), done[49].Sub(start)
				assert.GreaterOrEqual(t, first, hardPause)
				assert.LessOrEqual(t, last, hardPause+hardPause/10, "within a tenth of the pause")
				assert.Greater(t, last-first, hardPause/50)
			})
		})
	}
}

// The spread is a second at most.
func TestThrottledCallersStartWithinASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		api := &hardThrottle{until: map[string]time.Time{hardThrottledKey: start.Add(10 * time.Second)}}
		c := hardClient(t, api)
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				assert.NoError(t, hardGet(t.Context(), c))
				assert.GreaterOrEqual(t, time.Since(start), 10*time.Second)
				assert.LessOrEqual(t, time.Since(start), 11*time.Second)
			})
		}
		wg.Wait()
	})
}

// What is throttled is a token at a host: no other is held up.
func TestThrottledTokenHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		api := &hardThrottle{until: map[string]time.Time{hardThrottledKey: start.Add(hardPause)}}
		throttled := hardClient(t, api)
		with := func(opts ...connectlinks.Option) *connectlinks.Client {
			c, err := throttled.With(opts...)
			require.NoError(t, err)
			return c
		}
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { assert.NoError(t, hardGet(t.Context(), throttled)) })
		synctest.Wait()

		for name, c := range map[string]*connectlinks.Client{
			"another token":         with(connectlinks.WithToken("another")),
			"another token, source": with(connectlinks.WithTokenSource(&hardSource{"a-third"})),
			"another host":          with(connectlinks.WithBaseURL(connectlinks.BaseURLEU)),
			"unrelated client":      hardClient(t, hardTransport(hardSuccess)),
		} {
			require.NoError(t, hardGet(t.Context(), c), name)
			assert.Zero(t, time.Since(start), name)
		}
		for name, c := range map[string]*connectlinks.Client{
			"derived":                with(connectlinks.WithMaxRetries(0)),
			"the same token, source": with(connectlinks.WithTokenSource(&hardSource{hardToken})),
			"another path":           with(connectlinks.WithBaseURL(connectlinks.BaseURLUS + "/prefix")),
		} {
			wg.Go(func() {
				assert.NoError(t, hardGet(t.Context(), c), name)
				assert.GreaterOrEqual(t, time.Since(start), hardPause, name)
			})
		}
	})
}

// A pause that would take too long is not begun: the error comes back at once, the
// next caller's too, and that one was not sent.
func TestThrottledForTooLong(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		retryAfter string
		want       time.Duration
		timeout    time.Duration // of the caller
	}{
		"longer than 10 s":          {"11", 11 * time.Second, 0},
		"an hour":                   {"3600", time.Hour, 0},
		"for ever":                  {"99999999999999999999", 9223372036 * time.Second, 0},
		"a date":                    {"Sat, 01 Jan 2000 00:00:30 GMT", 30 * time.Second, 0},
		"past the deadline":         {"5", 5 * time.Second, 4 * time.Second},
		"until the deadline":        {"5", 5 * time.Second, 5 * time.Second},
		"long, and past a deadline": {"60", time.Minute, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rt := &hardCounter{RoundTripper: hardTransport(func(r *http.Request) (*http.Response, error) {
					return hardAnswer(r, http.StatusTooManyRequests, `{"status":429,"message":"slow down"}`, "Retry-After", tc.retryAfter), nil
				})}
				c := hardClient(t, rt)
				start := time.Now()
				call := func() *connectlinks.APIError {
					ctx := t.Context()
					if tc.timeout > 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, tc.timeout)
						defer cancel()
					}
					err := hardCreate(ctx, c)
					require.ErrorIs(t, err, connectlinks.ErrRateLimited)
					assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
					assert.NotErrorIs(t, err, context.DeadlineExceeded)
					var refused *connectlinks.APIError
					require.ErrorAs(t, err, &refused)
					assert.Zero(t, time.Since(start), "at once")
					assert.Contains(t, err.Error(), "retry after")
					return refused
				}
				first := call()
				assert.Equal(t, tc.want, first.RetryAfter)
				assert.Equal(t, "slow down", first.Message)
				assert.Equal(t, int64(1), rt.n.Load())

				next := call()
				assert.Equal(t, int64(1), rt.n.Load(), "the next is not sent")
				assert.Contains(t, next.Error(), "not sent")
				assert.Equal(t, http.StatusTooManyRequests, next.StatusCode)
				assert.Equal(t, min(tc.want, time.Hour), next.RetryAfter, "what is left, of an hour at most")
				assert.Equal(t, "POST /api/v1/destination_connect_links", next.Method+" "+next.Path)
			})
		})
	}
}

// A pause of a day is believed for an hour.
func TestThrottledIsForgottenAfterAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rt := &hardCounter{RoundTripper: hardTransport(func(r *http.Request) (*http.Response, error) {
			return hardAnswer(r, http.StatusTooManyRequests, ``, "Retry-After", "86400"), nil
		})}
		c := hardClient(t, rt)
		require.ErrorIs(t, hardGet(t.Context(), c), connectlinks.ErrRateLimited)
		start := time.Now()
		time.Sleep(time.Hour - 11*time.Second)
		require.ErrorIs(t, hardGet(t.Context(), c), connectlinks.ErrRateLimited)
		require.Equal(t, int64(1), rt.n.Load())
		assert.Equal(t, time.Hour-11*time.Second, time.Since(start))
		time.Sleep(2 * time.Second) // what is left can be waited for
		require.ErrorIs(t, hardGet(t.Context(), c), connectlinks.ErrRateLimited)
		assert.Equal(t, int64(2), rt.n.Load())
		assert.GreaterOrEqual(t, time.Since(start), time.Hour)
	})
}

// A pause that does not end in success does not last for ever either.
func TestThrottledAgainAndAgain(t *testing.T) {
	t.Parallel()
	for retries := range 4 {
		synctest.Test(t, func(t *testing.T) {
			rt := &hardCounter{RoundTripper: hardTransport(func(r *http.Request) (*http.Response, error) {
				return hardAnswer(r, http.StatusTooManyRequests, ``, "Retry-After", "10"), nil
			})}
			c := hardClient(t, rt, connectlinks.WithMaxRetries(retries))
			start := time.Now()
			require.ErrorIs(t, hardCreate(t.Context(), c), connectlinks.ErrRateLimited)
			assert.Equal(t, int64(1+retries), rt.n.Load())
			assert.LessOrEqual(t, time.Since(start), time.Duration(retries)*11*time.Second)

			// Whoever comes later waits out a foreign pause, and then has tries of its own.
			rt.n.Store(0)
			start = time.Now()
			require.ErrorIs(t, hardCreate(t.Context(), c), connectlinks.ErrRateLimited)
			assert.GreaterOrEqual(t, rt.n.Load(), int64(1))
			assert.LessOrEqual(t, time.Since(start), time.Duration(retries+1)*11*time.Second)
		})
	}
}

// Without a time to come back, each caller backs off by itself, twice as long each
// time, and holds up nobody.
func TestThrottledWithoutRetryAfter(t *testing.T) {
	t.Parallel()
	for name, header := range map[string][]string{
		"absent": nil, "no number": {"Retry-After", "soon"}, "negative": {"Retry-After", "-5"},
		"zero": {"Retry-After", "0"}, "past": {"Retry-After", "Fri, 31 Dec 1999 00:00:00 GMT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var sent []time.Time
				rt := hardTransport(func(r *http.Request) (*http.Response, error) {
					if sent = append(sent, time.Now()); len(sent) < 4 {
						return hardAnswer(r, http.StatusTooManyRequests, ``, header...), nil
					}
					return hardSuccess(r)
				})
				c := hardClient(t, rt, connectlinks.WithMaxRetries(3))
				require.NoError(t, hardCreate(t.Context(), c))
				require.Len(t, sent, 4)
				for i := range 3 {
					want := 500 * time.Millisecond << i
					assert.InDelta(t, want, sent[i+1].Sub(sent[i]), float64(want)/4)
				}

				sent = sent[:0]
				other := hardClient(t, hardTransport(hardSuccess))
				done := make(chan struct{})
				go func() {
					defer close(done)
					assert.NoError(t, hardCreate(t.Context(), c))
				}()
				synctest.Wait()
				start := time.Now()
				require.NoError(t, hardCreate(t.Context(), other))
				assert.Zero(t, time.Since(start))
				<-done
			})
		})
	}
}

// A hundred thousand throttled tokens leave nothing behind. It measures the heap,
// and so is not parallel.
func TestThrottledTokensAreForgotten(t *testing.T) {
	tokens := hardCalls(100_000)
	synctest.Test(t, func(t *testing.T) {
		heap := func() uint64 {
			synctest.Wait()
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		rt := hardTransport(func(r *http.Request) (*http.Response, error) {
			return hardAnswer(r, http.StatusTooManyRequests, ``, "Retry-After", "30"), nil
		})
		n := 0
		c, err := connectlinks.NewClient(
			connectlinks.WithHTTPClient(&http.Client{Transport: rt}),
			connectlinks.WithTokenSource(connectlinks.TokenFunc(func(context.Context) (string, error) {
				n++
				return fmt.Sprintf("tenant-%0100d", n), nil
			})))
		require.NoError(t, err)
		require.Error(t, hardGet(t.Context(), c))
		before := heap()
		for range tokens {
			if err := hardGet(t.Context(), c); !errors.Is(err, connectlinks.ErrRateLimited) {
				t.Fatal(err)
			}
		}
		during := heap()
		assert.Greater(t, during, before+uint64(tokens)*100, "the table has an entry for each")
		time.Sleep(32 * time.Second)
		assert.Less(t, heap(), before+uint64(tokens)*10)
		runtime.KeepAlive(c)
	})
}

func TestLimiterIsAskedBeforeEveryAttempt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answers  []int // before a success
		attempts int
	}{
		"a success":     {nil, 1},
		"retries":       {[]int{500, 502}, 3},
		"no connection": {[]int{0, 0}, 3},
		"a 401":         {[]int{401}, 2},
		"a 429":         {[]int{429}, 2},
		"all together":  {[]int{401, 429, 500}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var record []string
				rt := hardTransport(func(r *http.Request) (*http.Response, error) {
					record = append(record, "request")
					n := len(record)/2 - 1
					switch {
					case n >= len(tc.answers):
						return hardSuccess(r)
					case tc.answers[n] == 0:
						return nil, errors.New("reset")
					}
					return hardAnswer(r, tc.answers[n], ``, "Retry-After", "1"), nil
				})
				tokens := 0
				c, err := connectlinks.NewClient(
					connectlinks.WithHTTPClient(&http.Client{Transport: rt}),
					connectlinks.WithTokenSource(connectlinks.TokenFunc(func(context.Context) (string, error) {
						tokens++
						return fmt.Sprint("token-", tokens), nil
					})),
					connectlinks.WithRateLimiter(hardLimiter(func(context.Context) error {
						record = append(record, "limiter")
						return nil
					})))
				require.NoError(t, err)
				require.NoError(t, hardGet(t.Context(), c))
				assert.Len(t, record, 2*tc.attempts)
				for i, what := range record {
					assert.Equal(t, []string{"limiter", "request"}[i%2], what)
				}
			})
		})
	}
}

var errHardBudget = errors.New("budget spent")

func TestLimiterErrorComesThrough(t *testing.T) {
	t.Parallel()
	for after := range 3 { // attempts
		synctest.Test(t, func(t *testing.T) {
			rt := &hardCounter{RoundTripper: hardTransport(func(r *http.Request) (*http.Response, error) {
				return hardAnswer(r, http.StatusInternalServerError, ``), nil
			})}
			asked := 0
			c := hardClient(t, rt, connectlinks.WithRateLimiter(hardLimiter(func(context.Context) error {
				if asked++; asked > after {
					return fmt.Errorf("tenant 4: %w", errHardBudget)
				}
				return nil
			})))
			err := hardGet(t.Context(), c)
			require.ErrorIs(t, err, errHardBudget)
			assert.Contains(t, err.Error(), "rate limiter: tenant 4: budget spent")
			assert.Equal(t, int64(after), rt.n.Load())
			assert.Equal(t, after+1, asked, "its error is not retried")
			assert.Equal(t, after > 0, errors.As(err, new(*connectlinks.APIError)), "an APIError only where the API spoke")
			assert.False(t, outcomeTimeout(err))

			rt.n.Store(0)
			asked = 2 // a create is not repeated after a 500
			err = hardCreate(t.Context(), c)
			require.ErrorIs(t, err, errHardBudget)
			assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
			assert.Zero(t, rt.n.Load())
		})
	}
}

// *rate.Limiter is a RateLimiter: an hour passes between two attempts.
func TestLimiterOfXTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rt := &hardCounter{}
		parent := hardClient(t, rt, connectlinks.WithRateLimiter(rate.NewLimiter(rate.Every(time.Hour), 1)))
		start := time.Now()
		var wg sync.WaitGroup
		for n := range 10 {
			c, err := parent.With(connectlinks.WithToken(fmt.Sprint("tenant-", n)))
			require.NoError(t, err)
			wg.Go(func() { assert.NoError(t, hardCreate(t.Context(), c)) })
		}
		wg.Wait()
		assert.InDelta(t, 9*time.Hour, time.Since(start), float64(time.Second))

		start = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		rt.n.Store(0)
		err := hardCreate(ctx, parent)
		require.ErrorContains(t, err, "rate limiter: ")
		assert.Zero(t, time.Since(start), "it knows that it would take too long")
		assert.Zero(t, rt.n.Load())
		assert.NotErrorAs(t, err, new(*connectlinks.APIError))
	})
}

type hardKey struct{}

// The order of an attempt is token, pause, limiter, request.
func TestOrderOfAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var record []string
		note := func(ctx context.Context, what string) {
			record = append(record, fmt.Sprintf("%s at %s for %v", what, time.Since(start).Truncate(time.Second), ctx.Value(hardKey{})))
		}
		source := &hardRotating{note: note, tokens: []string{"old", "new", "new", "new"}}
		requests := 0
		rt := hardTransport(func(r *http.Request) (*http.Response, error) {
			note(r.Context(), "request with "+r.Header.Get("Authorization")[len("Bearer "):])
			requests++
			switch requests {
			case 1:
				return hardAnswer(r, http.StatusUnauthorized, ``), nil
			case 2: // with the spread, two of 4 s end within the ninth
				return hardAnswer(r, http.StatusTooManyRequests, ``, "Retry-After", "4"), nil
			case 3:
				return hardAnswer(r, http.StatusServiceUnavailable, ``, "Retry-After", "4"), nil
			}
			return hardSuccess(r)
		})
		c, err := connectlinks.NewClient(
			connectlinks.WithHTTPClient(&http.Client{Transport: rt}),
			connectlinks.WithTokenSource(source),
			connectlinks.WithRateLimiter(hardLimiter(func(ctx context.Context) error {
				note(ctx, "limiter")
				return nil
			})))
		require.NoError(t, err)
		require.NoError(t, hardCreate(context.WithValue(t.Context(), hardKey{}, "tenant 4"), c))
		assert.Equal(t, []string{
			"token at 0s for tenant 4",
			"limiter at 0s for tenant 4",
			"request with old at 0s for tenant 4",
			"invalidate old",
			"token at 0s for tenant 4",
			"limiter at 0s for tenant 4",
			"request with new at 0s for tenant 4",
			"token at 0s for tenant 4", // then its pause
			"limiter at 4s for tenant 4",
			"request with new at 4s for tenant 4",
			"token at 8s for tenant 4",
			"limiter at 8s for tenant 4",
			"request with new at 8s for tenant 4",
		}, source.merge(record))
	})
}

// hardRotating is a source of one token after the other.
type hardRotating struct {
	note        func(context.Context, string)
	tokens      []string
	invalidated []string
	asked       int
}

func (s *hardRotating) Token(ctx context.Context) (string, error) {
	if s.note != nil {
		s.note(ctx, "token")
	}
	token := s.tokens[min(s.asked, len(s.tokens)-1)]
	s.asked++
	return token, nil
}

func (s *hardRotating) Invalidate(token string) { s.invalidated = append(s.invalidated, token) }

// merge puts the invalidation where it belongs: after the first request.
func (s *hardRotating) merge(record []string) []string {
	for _, token := range s.invalidated {
		record = slices.Insert(record, 3, "invalidate "+token)
	}
	return record
}

func TestTokenSourceErrorIsWrapped(t *testing.T) {
	t.Parallel()
	rt := &hardCounter{}
	vault := errors.New("vault is sealed")
	c, err := connectlinks.NewClient(
		connectlinks.WithHTTPClient(&http.Client{Transport: rt}),
		connectlinks.WithTokenSource(connectlinks.TokenFunc(func(context.Context) (string, error) {
			return "ignored", fmt.Errorf("tenant 4: %w", vault)
		})))
	require.NoError(t, err)
	for _, op := range hardOps {
		_, err := op.call(t.Context(), c)
		require.ErrorIs(t, err, vault, op.name)
		assert.Contains(t, err.Error(), "token source: tenant 4: vault is sealed")
		assert.NotErrorAs(t, err, new(*connectlinks.APIError), op.name)
		assert.NotErrorAs(t, err, new(*connectlinks.InputError), op.name)
		assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.name)
		assert.False(t, outcomeTimeout(err))
	}
	assert.Zero(t, rt.n.Load())
}

// A source that takes too long ends with the SDK's own time-out, which is not the
// caller's deadline; a source that fails for its own reasons keeps them.
func TestTokenSourceThatIsTooSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rt := &hardCounter{}
		c, err := connectlinks.NewClient(
			connectlinks.WithHTTPClient(&http.Client{Transport: rt}),
			connectlinks.WithTimeout(3*time.Second),
			connectlinks.WithTokenSource(connectlinks.TokenFunc(func(ctx context.Context) (string, error) {
				deadline, ok := ctx.Deadline()
				assert.True(t, ok)
				assert.LessOrEqual(t, time.Until(deadline), 3*time.Second)
				<-ctx.Done()
				return "", fmt.Errorf("vault: %w", ctx.Err())
			})))
		require.NoError(t, err)
		start := time.Now()
		err = hardCreate(t.Context(), c)
		require.Error(t, err)
		assert.Equal(t, 3*time.Second, time.Since(start))
		assert.True(t, outcomeTimeout(err))
		assert.NotErrorIs(t, err, context.DeadlineExceeded)
		assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
		assert.NotErrorAs(t, err, new(*connectlinks.APIError))
		assert.Contains(t, err.Error(), "no token within 3s")

		// The caller's own deadline is seen as such.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		err = hardCreate(ctx, c)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
		assert.Zero(t, rt.n.Load())
	})
}

// The time for the token and the time for the answer are counted apart; the pause
// and the limiter do not count at all.
func TestTimeoutOfTokenAndAnswerAreApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := func(ctx context.Context, d time.Duration) error {
			select {
			case <-time.After(d):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		requests := 0
		rt := hardTransport(func(r *http.Request) (*http.Response, error) {
			if requests++; requests == 1 {
				return hardAnswer(r, http.StatusTooManyRequests, ``, "Retry-After", "9"), nil
			}
			if err := slow(r.Context(), 2*time.Second); err != nil {
				return nil, err
			}
			return hardSuccess(r)
		})
		c, err := connectlinks.NewClient(
			connectlinks.WithHTTPClient(&http.Client{Transport: rt}),
			connectlinks.WithTimeout(3*time.Second),
			connectlinks.WithTokenSource(connectlinks.TokenFunc(func(ctx context.Context) (string, error) {
				return hardToken, slow(ctx, 2*time.Second)
			})),
			connectlinks.WithRateLimiter(hardLimiter(func(ctx context.Context) error {
				_, bounded := ctx.Deadline()
				assert.False(t, bounded)
				return slow(ctx, time.Hour)
			})))
		require.NoError(t, err)
		assert.NoError(t, hardCreate(t.Context(), c))
	})
}

func TestTokenSourceIsAskedBeforeEveryAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		rt := hardTransport(func(r *http.Request) (*http.Response, error) {
			if sent = append(sent, r.Header.Get("Authorization")); len(sent) < 3 {
				return hardAnswer(r, http.StatusBadGateway, ``), nil
			}
			return hardSuccess(r)
		})
		source := &hardRotating{tokens: []string{"one", "two", "three"}}
		c, err := connectlinks.NewClient(connectlinks.WithHTTPClient(&http.Client{Transport: rt}), connectlinks.WithTokenSource(source))
		require.NoError(t, err)
		require.NoError(t, hardGet(t.Context(), c))
		assert.Equal(t, []string{"Bearer one", "Bearer two", "Bearer three"}, sent)
		assert.Empty(t, source.invalidated)
	})
}

// Callers whom the limiter holds up when the token is throttled wait for both.
func TestThrottledWhileTheLimiterHoldsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var over time.Time
		early := 0
		rt := &hardCounter{RoundTripper: hardTransport(func(r *http.Request) (*http.Response, error) {
			if over.IsZero() {
				over = time.Now().Add(8 * time.Second)
				return hardAnswer(r, http.StatusTooManyRequests, ``, "Retry-After", "8"), nil
			}
			if time.Now().Before(over) {
				early++
			}
			return hardAnswer(r, http.StatusCreated, `{"status":"created","data":`+hardLink+`}`), nil
		})}
		c := hardClient(t, rt, connectlinks.WithRateLimiter(rate.NewLimiter(5, 1)))
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() { assert.NoError(t, hardCreate(t.Context(), c)) })
		}
		wg.Wait()
		assert.Zero(t, early, "requests while the token was throttled")
		assert.Equal(t, int64(31), rt.n.Load())
	})
}

// A call that was sent, and throttled, returns what the API said.
func TestThrottledReturnsTheAPIsWord(t *testing.T) {
	t.Parallel()
	for range 20 { // the spread is drawn
		synctest.Test(t, func(t *testing.T) {
			rt := &hardCounter{RoundTripper: hardTransport(func(r *http.Request) (*http.Response, error) {
				return hardAnswer(r, http.StatusTooManyRequests, `{"status":"error","message":"slow down"}`, "Retry-After", "9"), nil
			})}
			c := hardClient(t, rt)
			ctx, cancel := context.WithTimeout(t.Context(), 9050*time.Millisecond)
			defer cancel()
			err := hardCreate(ctx, c)
			require.ErrorIs(t, err, connectlinks.ErrRateLimited)
			assert.ErrorContains(t, err, "slow down")
		})
	}
}
