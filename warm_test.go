package connectlinks_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWarmSendsNoSecret(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 302, 401, 404, 429, 500} {
		var sent []*http.Request
		rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, r)
			return testkit.Response(r, status, "", "Location", "https://other.example/", "Retry-After", "60"), nil
		})
		hooked := false
		c := testkit.Client(t, rt, connectlinks.WithBaseURL("https://proxy.example/census"), connectlinks.WithCallHook(func(ctx context.Context, _ connectlinks.Call) (context.Context, func(connectlinks.CallResult)) {
			hooked = true
			return ctx, nil
		}), connectlinks.WithRateLimiter(testkit.Limiter(func(context.Context) error { return errors.New("asked") })),
			connectlinks.WithTokenSource(connectlinks.TokenFunc(func(context.Context) (string, error) { return "", errors.New("asked") })))
		require.NoError(t, c.Warm(t.Context()), "any answer is a success: %d", status)
		require.Len(t, sent, 1)
		assert.Equal(t, http.MethodHead, sent[0].Method)
		assert.Equal(t, "https://proxy.example/census", sent[0].URL.String())
		assert.Empty(t, sent[0].Header["Authorization"])
		assert.Empty(t, sent[0].Header["Cookie"])
		assert.False(t, hooked)
		_, ok := connectlinks.AttemptFromContext(sent[0].Context())
		assert.False(t, ok, "it is no attempt of a call")
	}
}

func TestWarmOnlyWhenItIsNeeded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		heads := 0
		rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodHead {
				heads++
				return testkit.Response(r, 200, ""), nil
			}
			return testkit.Succeed(r)
		})
		c := testkit.Client(t, rt)
		tenant, err := c.With(connectlinks.WithToken("another"))
		require.NoError(t, err)
		warm := func(want int, why string) {
			t.Helper()
			require.NoError(t, tenant.Warm(t.Context()))
			assert.Equal(t, want, heads, why)
		}
		warm(1, "the first time")
		time.Sleep(19 * time.Second)
		warm(1, "within 20 seconds of the last Warm")
		require.NoError(t, testkit.GetLink(t.Context(), c))
		time.Sleep(19 * time.Second)
		warm(1, "within 20 seconds of a use of a client that shares connections")
		time.Sleep(time.Second)
		warm(2, "after 20 seconds")
		c.CloseIdleConnections()
		warm(3, "after the connections were closed")

		for range 60 { // a page view a second
			time.Sleep(time.Second)
			require.NoError(t, c.Warm(t.Context()))
		}
		assert.LessOrEqual(t, heads, 3+3, "at most three requests a minute")
	})
}

func TestWarmIsSharedByThoseWhoAskAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var heads atomic.Int32
		fail := errors.New("refused")
		rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			heads.Add(1)
			time.Sleep(time.Second)
			return nil, fail
		})
		c := testkit.Client(t, rt)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { assert.ErrorIs(t, c.Warm(t.Context()), fail) })
		}
		wg.Wait()
		assert.EqualValues(t, 1, heads.Load())
		require.ErrorIs(t, c.Warm(t.Context()), fail)
		assert.EqualValues(t, 2, heads.Load(), "what failed is tried again")
	})
}

func TestWarmEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := testkit.Client(t, testkit.Hang)
		start := time.Now()
		err := c.Warm(t.Context())
		assert.True(t, testkit.IsTimeout(err), "%v", err)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 30*time.Second, time.Since(start))

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start = time.Now()
		require.ErrorIs(t, c.Warm(ctx), context.Canceled)
		assert.Equal(t, time.Second, time.Since(start))
		require.ErrorIs(t, c.Warm(ctx), context.Canceled)
	})
	var none *connectlinks.Client
	assert.Equal(t, []string{"Client"}, testkit.InputFields(t, none.Warm(t.Context())))
	assert.Equal(t, []string{"Client"}, testkit.InputFields(t, new(connectlinks.Client).Warm(t.Context())))
}

// After Warm, a create finds an open connection.
func TestWarmOpensAConnection(t *testing.T) {
	t.Parallel()
	for _, h2 := range []bool{false, true} {
		api := testkit.NewAPI()
		srv, tr := testkit.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodHead {
				api.ServeHTTP(w, r)
			}
		}), h2)
		c := testkit.ClientAt(t, srv.URL, tr)
		require.NoError(t, c.Warm(t.Context()))
		reused := false
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
		})
		_, err := c.Destinations.CreateConnectLink(ctx, testkit.Params)
		require.NoError(t, err)
		assert.True(t, reused, "HTTP/2 %t", h2)
	}
}

// A caller that finds no recent use may ask when another one has just opened the connection. Callers
// seldom meet so if other tests run beside, so this test is not parallel.
func TestWarmOnceHoweverCallersMeet(t *testing.T) {
	rt := &testkit.Counter{RoundTripper: testkit.Respond(http.StatusOK, "")}
	c := testkit.Client(t, rt)
	const rounds = 10_000
	for range rounds {
		c.CloseIdleConnections()
		var group sync.WaitGroup
		start := make(chan struct{})
		for range 4 {
			group.Go(func() {
				<-start
				assert.NoError(t, c.Warm(t.Context()))
			})
		}
		close(start)
		group.Wait()
	}
	assert.Equal(t, rounds, rt.Count())
}
