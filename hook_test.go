package connectlinks_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type hookKey string

// recordCalls returns a hook that records how calls begin and end.
func recordCalls(record *[]string, results *[]connectlinks.CallResult, name string) connectlinks.Option {
	return connectlinks.WithCallHook(func(ctx context.Context, call connectlinks.Call) (context.Context, func(connectlinks.CallResult)) {
		*record = append(*record, name+" begins "+call.Method+" "+call.Route)
		return context.WithValue(ctx, hookKey(name), true), func(result connectlinks.CallResult) {
			*record = append(*record, name+" ends")
			*results = append(*results, result)
		}
	})
}

func TestCallHooksAddUp(t *testing.T) {
	t.Parallel()
	var record []string
	var results []connectlinks.CallResult
	var ctx context.Context
	rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
		ctx = r.Context()
		return testkit.Succeed(r)
	})
	nothing := connectlinks.WithCallHook(func(context.Context, connectlinks.Call) (context.Context, func(connectlinks.CallResult)) {
		return nil, nil
	})
	c := testkit.Client(t, rt, recordCalls(&record, &results, "first"), nothing)
	derived, err := c.With(recordCalls(&record, &results, "second"))
	require.NoError(t, err)

	_, err = derived.Destinations.GetConnectLink(t.Context(), 469)
	require.NoError(t, err)
	const route = " begins GET /api/v1/destination_connect_links/{connect_link_id}"
	assert.Equal(t, []string{"first" + route, "second" + route, "first ends", "second ends"}, record)
	assert.Equal(t, connectlinks.CallResult{Attempts: 1}, results[0])
	assert.Equal(t, true, ctx.Value(hookKey("first")), "attempts are inside the hooks' contexts")
	assert.Equal(t, true, ctx.Value(hookKey("second")))

	record = nil
	_, err = c.Destinations.GetConnectLink(t.Context(), 469)
	require.NoError(t, err)
	assert.Len(t, record, 2, "the parent's hooks are unchanged")

	record = nil
	_, err = c.Destinations.GetConnectLink(t.Context(), 0)
	require.Error(t, err)
	assert.Empty(t, record, "refused input is no call")

	_, err = connectlinks.NewClient(connectlinks.WithToken("t"), connectlinks.WithCallHook(nil))
	assert.Equal(t, []string{"CallHook"}, testkit.InputFields(t, err))
}

func TestCallHookSeesWhatTookTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var record []string
		var results []connectlinks.CallResult
		rt := testkit.NewScript(t,
			testkit.Respond(http.StatusUnauthorized, ""),
			testkit.Respond(http.StatusTooManyRequests, "", "Retry-After", "5"),
			testkit.Respond(http.StatusServiceUnavailable, "", "Retry-After", "3"),
			testkit.Respond(http.StatusNotFound, ""))
		c := testkit.Client(t, rt, recordCalls(&record, &results, "hook"), connectlinks.WithTokenSource(testkit.NumberedTokens()),
			connectlinks.WithRateLimiter(testkit.Limiter(func(context.Context) error { time.Sleep(time.Minute); return nil })))
		start := time.Now()
		_, err := c.Sources.Get(t.Context(), 7)
		require.ErrorIs(t, err, connectlinks.ErrNotFound)
		require.Len(t, results, 1)
		assert.Equal(t, err, results[0].Err)
		assert.Equal(t, 4, results[0].Attempts)
		assert.GreaterOrEqual(t, results[0].Limited, 4*time.Minute)
		assert.GreaterOrEqual(t, results[0].Paused, 3*time.Second)
		assert.Equal(t, time.Since(start), results[0].Limited+results[0].Paused)
	})
}

// CallResult.Err is the error that the caller gets, also if the SDK checks the last answer.
func TestCallHookSeesWhatTheCallerGets(t *testing.T) {
	t.Parallel()
	lost := testkit.Respond(http.StatusGatewayTimeout, "")
	foreign := testkit.Respond(http.StatusOK, testkit.Envelope("success", `{"id":469,"uri":"https://h/","group_id":"other"}`))
	tests := map[string]struct {
		call    string
		answers []testkit.RoundTripper
		want    error
		record  []string
	}{
		"a delete that worked before it was repeated": {
			"Sources.Delete",
			[]testkit.RoundTripper{lost, testkit.Respond(http.StatusNotFound, "")}, nil,
			[]string{"hook begins DELETE /api/v1/sources/{source_id}", "hook ends"},
		},
		"a revocation that worked before it was repeated": {
			"Sources.RevokeConnectLink",
			[]testkit.RoundTripper{lost, testkit.Respond(http.StatusConflict, ""),
				testkit.Respond(http.StatusOK, testkit.Envelope("success", `{"id":469,"uri":"https://h/","revoked":true}`))}, nil,
			[]string{"hook begins POST /api/v1/source_connect_links/{connect_link_id}/revoke",
				"hook begins GET /api/v1/source_connect_links/{connect_link_id}", "hook ends", "hook ends"},
		},
		"a link of another group": {
			"Activations.GetConnectLink",
			[]testkit.RoundTripper{foreign}, connectlinks.ErrNotFound,
			[]string{"hook begins GET /api/v2/activation_connect_links/{connect_link_id}", "hook ends"},
		},
	}
	for name, tt := range tests {
		testkit.Bubble(t, name, func(t *testing.T) {
			var record []string
			var results []connectlinks.CallResult
			c := testkit.Client(t, testkit.NewScript(t, tt.answers...), recordCalls(&record, &results, "hook"), connectlinks.WithGroup("own"))
			_, err := testkit.Named(tt.call).Do(t.Context(), c)
			require.ErrorIs(t, err, tt.want)
			assert.Equal(t, err, results[len(results)-1].Err)
			assert.Equal(t, tt.record, record)
		})
	}
}

func TestAttemptFromContext(t *testing.T) {
	t.Parallel()
	_, ok := connectlinks.AttemptFromContext(t.Context())
	assert.False(t, ok)

	for _, call := range testkit.Single() {
		synctest.Test(t, func(t *testing.T) {
			var seen []connectlinks.Attempt
			answers := []int{http.StatusUnauthorized, http.StatusTooManyRequests}
			rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				a, ok := connectlinks.AttemptFromContext(r.Context())
				assert.True(t, ok)
				seen = append(seen, a)
				if len(seen) <= len(answers) {
					return testkit.Response(r, answers[len(seen)-1], ""), nil
				}
				return testkit.Succeed(r)
			})
			c := testkit.Client(t, rt, connectlinks.WithTokenSource(testkit.NumberedTokens()))
			_, err := call.Do(t.Context(), c)
			require.NoError(t, err, call.Name)
			require.Len(t, seen, 3, call.Name)
			for i, a := range seen {
				assert.Equal(t, connectlinks.Attempt{Method: call.Method, Route: seen[0].Route, Resend: i}, a, call.Name)
			}
			assert.True(t, slices.ContainsFunc(connectlinkstest.Routes(), func(r connectlinkstest.Route) bool {
				return string(r) == call.Method+" "+seen[0].Route
			}), "%s: %s is a route of connectlinkstest", call.Name, seen[0].Route)
		})
	}
}

// throttledLimiter is a limiter that observes throttles.
type throttledLimiter struct {
	testkit.Limiter
	pauses []time.Duration
	ctx    context.Context
}

func (l *throttledLimiter) Throttled(ctx context.Context, pause time.Duration) {
	l.pauses = append(l.pauses, pause)
	l.ctx = ctx
}

func TestThrottleObserver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := &throttledLimiter{Limiter: func(context.Context) error { return nil }}
		rt := testkit.NewScript(t,
			testkit.Respond(http.StatusTooManyRequests, "", "Retry-After", "5"),
			testkit.Respond(http.StatusTooManyRequests, ""),
			testkit.Respond(http.StatusTooManyRequests, "", "Retry-After", "0"),
			testkit.Respond(http.StatusServiceUnavailable, "", "Retry-After", "3"),
			testkit.Succeed)
		c := testkit.Client(t, rt, connectlinks.WithRateLimiter(limiter), connectlinks.WithMaxRetries(4))
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), hookKey("value"), 1))
		require.NoError(t, testkit.GetLink(ctx, c))
		assert.Equal(t, []time.Duration{5 * time.Second}, limiter.pauses, "only a 429 that says how long")
		assert.Equal(t, 1, limiter.ctx.Value(hookKey("value")))
		cancel()
		assert.NoError(t, limiter.ctx.Err(), "the caller's cancel does not reach it")
	})
}

// The hook gets an error of the limiter as the caller gets it.
func TestCallHookAndLimiter(t *testing.T) {
	t.Parallel()
	var record []string
	var results []connectlinks.CallResult
	refused := errors.New("no turn")
	c := testkit.Client(t, testkit.Unused(t), recordCalls(&record, &results, "hook"),
		connectlinks.WithRateLimiter(testkit.Limiter(func(context.Context) error { return refused })))
	require.ErrorIs(t, testkit.GetLink(t.Context(), c), refused)
	require.Len(t, results, 1)
	assert.Zero(t, results[0].Attempts)
	assert.ErrorIs(t, results[0].Err, refused)
}
