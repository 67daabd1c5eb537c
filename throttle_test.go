package connectlinks_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// throttledAPI is an API that answers a token with 429 at a host until a moment.
type throttledAPI struct {
	mu    sync.Mutex
	until map[string]time.Time // by host and token
	sent  map[string][]time.Time
}

func (a *throttledAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	key := r.URL.Host + " " + r.Header.Get("Authorization")
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sent == nil {
		a.sent = map[string][]time.Time{}
	}
	a.sent[key] = append(a.sent[key], time.Now())
	if left := time.Until(a.until[key]); left > 0 {
		return testkit.Response(r, http.StatusTooManyRequests, `{"status":429}`, "Retry-After", fmt.Sprint(int(left.Seconds()))), nil
	}
	return testkit.Succeed(r)
}

func (a *throttledAPI) count(key string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.sent[key])
}

const (
	throttledKey = "app.getcensus.com Bearer " + testkit.Token
	throttledFor = 5 * time.Second
)

// After one caller was throttled, all callers with its token wait.
func TestThrottledTokenHoldsUpEverybody(t *testing.T) {
	t.Parallel()
	for _, retries := range []int{0, 1, 2} {
		testkit.Bubble(t, fmt.Sprint(retries, " retries"), func(t *testing.T) {
			start := time.Now()
			api := &throttledAPI{until: map[string]time.Time{throttledKey: start.Add(throttledFor)}}
			parent := testkit.Client(t, api, connectlinks.WithMaxRetries(retries))
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				err := testkit.CreateLink(t.Context(), parent)
				if retries > 0 {
					assert.NoError(t, err)
				} else {
					assert.ErrorIs(t, err, connectlinks.ErrRateLimited)
				}
			})
			synctest.Wait()
			require.Equal(t, 1, api.count(throttledKey))

			var (
				mu   sync.Mutex
				done []time.Time
			)
			for n := range 50 {
				c, err := parent.With(connectlinks.WithUserAgent(fmt.Sprint("caller/", n)))
				require.NoError(t, err)
				if n%2 == 0 {
					c, err = c.With(connectlinks.WithToken(testkit.Token)) // the same
					require.NoError(t, err)
				}
				wg.Go(func() {
					time.Sleep(time.Duration(n) * time.Millisecond)
					if assert.NoError(t, testkit.CreateLink(t.Context(), c)) {
						mu.Lock()
						defer mu.Unlock()
						done = append(done, time.Now())
					}
				})
			}
			time.Sleep(throttledFor - 1)
			assert.LessOrEqual(t, api.count(throttledKey), 3, "requests before the pause is over")
			wg.Wait()

			require.Len(t, done, 50)
			slices.SortFunc(done, time.Time.Compare)
			assert.Greater(t, len(slices.Compact(slices.Clone(done))), 40, "they start at different moments")
			first, last := done[0].Sub(start), done[49].Sub(start)
			assert.GreaterOrEqual(t, first, throttledFor)
			assert.LessOrEqual(t, last, throttledFor+throttledFor/10, "within a tenth of the pause")
			assert.Greater(t, last-first, throttledFor/50)
		})
	}
}

// A token is throttled at one host. Other tokens and hosts do not wait.
func TestThrottledTokenHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		api := &throttledAPI{until: map[string]time.Time{throttledKey: start.Add(throttledFor)}}
		throttled := testkit.Client(t, api)
		with := func(opts ...connectlinks.Option) *connectlinks.Client {
			c, err := throttled.With(opts...)
			require.NoError(t, err)
			return c
		}
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { assert.NoError(t, testkit.GetLink(t.Context(), throttled)) })
		synctest.Wait()

		for name, c := range map[string]*connectlinks.Client{
			"another token":         with(connectlinks.WithToken("another")),
			"another token, source": with(connectlinks.WithTokenSource(&testkit.Tokens{List: []string{"a-third"}})),
			"another host":          with(connectlinks.WithBaseURL(connectlinks.BaseURLEU)),
			"unrelated client":      testkit.Client(t, testkit.Succeed),
		} {
			require.NoError(t, testkit.GetLink(t.Context(), c), name)
			assert.Zero(t, time.Since(start), name)
		}
		for name, c := range map[string]*connectlinks.Client{
			"derived":                with(connectlinks.WithMaxRetries(0)),
			"the same token, source": with(connectlinks.WithTokenSource(&testkit.Tokens{List: []string{testkit.Token}})),
			"another path":           with(connectlinks.WithBaseURL(connectlinks.BaseURLUS + "/prefix")),
		} {
			wg.Go(func() {
				assert.NoError(t, testkit.GetLink(t.Context(), c), name)
				assert.GreaterOrEqual(t, time.Since(start), throttledFor, name)
			})
		}
	})
}

// A pause that would take too long is not begun: the call fails at once. So does the
// next call, which is not sent.
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
		testkit.Bubble(t, name, func(t *testing.T) {
			rt := &testkit.Counter{RoundTripper: testkit.Respond(http.StatusTooManyRequests, `{"status":429,"message":"slow down"}`, "Retry-After", tc.retryAfter)}
			c := testkit.Client(t, rt)
			start := time.Now()
			call := func() *connectlinks.APIError {
				ctx := t.Context()
				if tc.timeout > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.timeout)
					defer cancel()
				}
				err := testkit.CreateLink(ctx, c)
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
			assert.Equal(t, 1, rt.Count())

			next := call()
			assert.Equal(t, 1, rt.Count(), "the next is not sent")
			assert.Contains(t, next.Error(), "not sent")
			assert.Equal(t, http.StatusTooManyRequests, next.StatusCode)
			assert.Equal(t, min(tc.want, time.Hour), next.RetryAfter, "what is left, of an hour at most")
			assert.Equal(t, "POST /api/v1/destination_connect_links", next.Method+" "+next.Path)
		})
	}
}

// A pause of a day ends after an hour.
func TestThrottledIsForgottenAfterAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rt := &testkit.Counter{RoundTripper: testkit.Respond(http.StatusTooManyRequests, ``, "Retry-After", "86400")}
		c := testkit.Client(t, rt)
		require.ErrorIs(t, testkit.GetLink(t.Context(), c), connectlinks.ErrRateLimited)
		start := time.Now()
		time.Sleep(time.Hour - 11*time.Second)
		require.ErrorIs(t, testkit.GetLink(t.Context(), c), connectlinks.ErrRateLimited)
		require.Equal(t, 1, rt.Count())
		assert.Equal(t, time.Hour-11*time.Second, time.Since(start))
		time.Sleep(2 * time.Second) // what is left can be waited for
		require.ErrorIs(t, testkit.GetLink(t.Context(), c), connectlinks.ErrRateLimited)
		assert.Equal(t, 2, rt.Count())
		assert.GreaterOrEqual(t, time.Since(start), time.Hour)
	})
}

// A call that is throttled at each attempt ends after its retries.
func TestThrottledAgainAndAgain(t *testing.T) {
	t.Parallel()
	for retries := range 4 {
		synctest.Test(t, func(t *testing.T) {
			rt := &testkit.Counter{RoundTripper: testkit.Respond(http.StatusTooManyRequests, ``, "Retry-After", "10")}
			c := testkit.Client(t, rt, connectlinks.WithMaxRetries(retries))
			start := time.Now()
			require.ErrorIs(t, testkit.CreateLink(t.Context(), c), connectlinks.ErrRateLimited)
			assert.Equal(t, 1+retries, rt.Count())
			assert.LessOrEqual(t, time.Since(start), time.Duration(retries)*11*time.Second)

			// A later call waits for that pause, and then has retries of its own.
			rt.Reset()
			start = time.Now()
			require.ErrorIs(t, testkit.CreateLink(t.Context(), c), connectlinks.ErrRateLimited)
			assert.GreaterOrEqual(t, rt.Count(), 1)
			assert.LessOrEqual(t, time.Since(start), time.Duration(retries+1)*11*time.Second)
		})
	}
}

// Without Retry-After, each caller backs off by itself, twice as long each time. Other callers do
// not wait.
func TestThrottledWithoutRetryAfter(t *testing.T) {
	t.Parallel()
	for name, header := range map[string][]string{
		"absent": nil, "no number": {"Retry-After", "soon"}, "negative": {"Retry-After", "-5"},
		"zero": {"Retry-After", "0"}, "past": {"Retry-After", "Fri, 31 Dec 1999 00:00:00 GMT"},
	} {
		testkit.Bubble(t, name, func(t *testing.T) {
			var sent []time.Time
			rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodGet { // another call, which is not throttled
					return testkit.Succeed(r)
				}
				if sent = append(sent, time.Now()); len(sent) < 4 {
					return testkit.Response(r, http.StatusTooManyRequests, ``, header...), nil
				}
				return testkit.Succeed(r)
			})
			c := testkit.Client(t, rt, connectlinks.WithMaxRetries(3))
			go func() {
				synctest.Wait()
				start := time.Now()
				assert.NoError(t, testkit.GetLink(t.Context(), c))
				assert.Zero(t, time.Since(start), "others do not wait")
			}()
			require.NoError(t, testkit.CreateLink(t.Context(), c))
			require.Len(t, sent, 4)
			for i := range 3 {
				want := 500 * time.Millisecond << i
				assert.InDelta(t, want, sent[i+1].Sub(sent[i]), float64(want)/4)
			}
		})
	}
}

// A call that was sent and throttled returns the API's answer.
func TestThrottledReturnsTheAPIsWord(t *testing.T) {
	t.Parallel()
	for range 20 { // the spread is random
		synctest.Test(t, func(t *testing.T) {
			rt := &testkit.Counter{RoundTripper: testkit.Respond(http.StatusTooManyRequests, `{"status":"error","message":"slow down"}`, "Retry-After", "9")}
			c := testkit.Client(t, rt)
			ctx, cancel := context.WithTimeout(t.Context(), 9050*time.Millisecond)
			defer cancel()
			err := testkit.CreateLink(ctx, c)
			require.ErrorIs(t, err, connectlinks.ErrRateLimited)
			assert.ErrorContains(t, err, "slow down")
			assert.NotContains(t, err.Error(), "not sent")
		})
	}
}
