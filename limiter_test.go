package connectlinks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

var errBudget = errors.New("budget spent")

func TestLimiterErrorComesThrough(t *testing.T) {
	t.Parallel()
	for after := range 3 { // attempts
		synctest.Test(t, func(t *testing.T) {
			rt := &testkit.Counter{RoundTripper: testkit.Respond(http.StatusInternalServerError, ``)}
			asked := 0
			c := testkit.Client(t, rt, connectlinks.WithRateLimiter(testkit.Limiter(func(context.Context) error {
				if asked++; asked > after {
					return fmt.Errorf("tenant 4: %w", errBudget)
				}
				return nil
			})))
			err := testkit.GetLink(t.Context(), c)
			require.ErrorIs(t, err, errBudget)
			assert.Contains(t, err.Error(), "rate limiter: tenant 4: budget spent")
			assert.Equal(t, after, rt.Count())
			assert.Equal(t, after+1, asked, "its error is not retried")
			assert.Equal(t, after > 0, errors.As(err, new(*connectlinks.APIError)), "an APIError only where the API spoke")
			assert.False(t, testkit.IsTimeout(err))
		})
	}
}

// *rate.Limiter is a RateLimiter: an hour passes between two attempts.
func TestLimiterOfXTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rt := &testkit.Counter{}
		parent := testkit.Client(t, rt, connectlinks.WithRateLimiter(rate.NewLimiter(rate.Every(time.Hour), 1)))
		start := time.Now()
		var wg sync.WaitGroup
		for n := range 10 {
			c, err := parent.With(connectlinks.WithToken(fmt.Sprint("tenant-", n)))
			require.NoError(t, err)
			wg.Go(func() { assert.NoError(t, testkit.CreateLink(t.Context(), c)) })
		}
		wg.Wait()
		assert.InDelta(t, 9*time.Hour, time.Since(start), float64(time.Second))

		start = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		rt.Reset()
		err := testkit.CreateLink(ctx, parent)
		require.ErrorContains(t, err, "rate limiter: ")
		assert.Zero(t, time.Since(start), "it knows that it would take too long")
		assert.Zero(t, rt.Count())
		assert.NotErrorAs(t, err, new(*connectlinks.APIError))
	})
}

// Callers that wait for the limiter when the token is throttled wait for both.
func TestThrottledWhileTheLimiterHoldsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var over time.Time
		early := 0
		rt := &testkit.Counter{RoundTripper: testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if over.IsZero() {
				over = time.Now().Add(8 * time.Second)
				return testkit.Response(r, http.StatusTooManyRequests, ``, "Retry-After", "8"), nil
			}
			if time.Now().Before(over) {
				early++
			}
			return testkit.Response(r, http.StatusCreated, `{"status":"created","data":`+testkit.LinkJSON+`}`), nil
		})}
		c := testkit.Client(t, rt, connectlinks.WithRateLimiter(rate.NewLimiter(5, 1)))
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() { assert.NoError(t, testkit.CreateLink(t.Context(), c)) })
		}
		wg.Wait()
		assert.Zero(t, early, "requests while the token was throttled")
		assert.Equal(t, 31, rt.Count())
	})
}

type retryAfterError time.Duration

func (e retryAfterError) Error() string             { return "no turn before the deadline" }
func (e retryAfterError) RetryAfter() time.Duration { return time.Duration(e) }

func TestLimiterThatRefuses(t *testing.T) {
	t.Parallel()
	client := func(wait testkit.Limiter) *connectlinks.Client {
		return testkit.Client(t, testkit.Unused(t), connectlinks.WithRateLimiter(wait))
	}
	for _, op := range testkit.LinkCalls() {
		refusal := errors.New("rate: Wait(n=1) would exceed context deadline")
		_, err := op.Do(t.Context(), client(func(context.Context) error { return refusal }))
		require.ErrorIs(t, err, connectlinks.ErrRateLimited)
		require.ErrorIs(t, err, refusal)
		assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
		assert.NotErrorAs(t, err, new(*connectlinks.APIError))

		_, err = op.Do(t.Context(), client(func(context.Context) error { return fmt.Errorf("shared: %w", retryAfterError(3*time.Second)) }))
		testkit.Error{Status: 429}.Check(t, err, op)
		var answer *connectlinks.APIError
		require.ErrorAs(t, err, &answer)
		assert.Equal(t, 3*time.Second, answer.RetryAfter)

		ctx, cancel := context.WithCancel(t.Context())
		_, err = op.Do(ctx, client(func(ctx context.Context) error { cancel(); return ctx.Err() }))
		testkit.Error{Context: context.Canceled}.Check(t, err, op)

		_, err = op.Do(ctx, client(func(ctx context.Context) error { t.Error("asked after the end"); return ctx.Err() }))
		testkit.Error{Context: context.Canceled}.Check(t, err, op)
		assert.NotContains(t, err.Error(), "limiter", op.Name)
	}
}

// A call waits out as many pauses as it has attempts, and then says that it was not sent.
func TestPausesOfACallAreBounded(t *testing.T) {
	t.Parallel()
	for _, retries := range []int{0, 2} {
		synctest.Test(t, func(t *testing.T) {
			throttle := testkit.Client(t, testkit.Respond(http.StatusTooManyRequests, "", "Retry-After", "2"), testkit.NoRetries)
			asked := 0
			c, err := throttle.With(connectlinks.WithMaxRetries(retries),
				connectlinks.WithRateLimiter(testkit.Limiter(func(ctx context.Context) error {
					asked++
					if asked < 100 { // while the call waits for the limiter, somebody else is throttled
						assert.ErrorIs(t, testkit.GetLink(ctx, throttle), connectlinks.ErrRateLimited)
					}
					return nil
				})))
			require.NoError(t, err)
			err = testkit.GetLink(t.Context(), c)
			require.ErrorIs(t, err, connectlinks.ErrRateLimited)
			require.ErrorContains(t, err, "not sent")
			assert.Equal(t, retries+2, asked, "%d retries", retries)
		})
	}
}

// Callers that wait after a 503 start spread over a tenth of the pause, also of the longest pause.
func TestSpreadAfterA503(t *testing.T) {
	t.Parallel()
	for _, pause := range []int{5, 10} {
		synctest.Test(t, func(t *testing.T) {
			waits := map[time.Duration]bool{}
			asked := time.Duration(pause) * time.Second
			for range 20 {
				c := testkit.Client(t, testkit.NewScript(t, testkit.Respond(http.StatusServiceUnavailable, "", "Retry-After", fmt.Sprint(pause)), testkit.Succeed))
				start := time.Now()
				require.NoError(t, testkit.GetLink(t.Context(), c))
				waited := time.Since(start)
				assert.GreaterOrEqual(t, waited, asked)
				assert.LessOrEqual(t, waited, asked+asked/10)
				waits[waited] = true
			}
			assert.Greater(t, len(waits), 10, "spread")
		})
	}
}

// The Retry-After of a status other than 429 and 503 is in the error, and causes no pause.
func TestRetryAfterOfA500(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := testkit.Client(t, testkit.NewScript(t, testkit.Respond(http.StatusInternalServerError, "", "Retry-After", "60"), testkit.Succeed))
		start := time.Now()
		require.NoError(t, testkit.GetLink(t.Context(), c))
		assert.Less(t, time.Since(start), time.Second)
	})
}
