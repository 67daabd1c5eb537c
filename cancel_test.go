package connectlinks_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

// waitsOf returns clients whose calls wait for different things. sent says whether a request may
// have been sent before the wait.
var waitsOf = map[string]struct {
	sent   bool
	client func(t *testing.T) *connectlinks.Client
}{
	"the token": {false, func(t *testing.T) *connectlinks.Client {
		return testkit.Client(t, testkit.Unused(t), connectlinks.WithTimeout(0),
			connectlinks.WithTokenSource(connectlinks.TokenFunc(func(ctx context.Context) (string, error) {
				<-ctx.Done()
				return "", ctx.Err()
			})))
	}},
	"a token that somebody else fetches": {false, func(t *testing.T) *connectlinks.Client {
		source := testkit.Client(t, testkit.Hang).Workspaces.TokenSource(33)
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(cancel)
		go func() { _, _ = source.Token(ctx) }()
		synctest.Wait()
		return testkit.Client(t, testkit.Unused(t), connectlinks.WithTimeout(0), connectlinks.WithTokenSource(source))
	}},
	"the pause of its own 429": {false, func(t *testing.T) *connectlinks.Client {
		return testkit.Client(t, testkit.Respond(429, ``, "Retry-After", "9"))
	}},
	"somebody else's pause": {false, func(t *testing.T) *connectlinks.Client {
		c := testkit.Client(t, testkit.Respond(429, ``, "Retry-After", "9"), testkit.NoRetries)
		require.ErrorIs(t, testkit.GetLink(t.Context(), c), connectlinks.ErrRateLimited)
		return c
	}},
	"the pause of a 503": {false, func(t *testing.T) *connectlinks.Client {
		return testkit.Client(t, testkit.Respond(503, ``, "Retry-After", "9"))
	}},
	"the limiter": {false, func(t *testing.T) *connectlinks.Client {
		l := rate.NewLimiter(rate.Every(time.Hour), 1)
		require.True(t, l.Allow())
		return testkit.Client(t, testkit.Unused(t), connectlinks.WithRateLimiter(l))
	}},
	"a connection": {false, func(t *testing.T) *connectlinks.Client {
		over := make(chan struct{}) // net/http goes on dialing, for the next caller
		t.Cleanup(func() { close(over) })
		return testkit.Client(t, &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				select {
				case <-ctx.Done():
				case <-over:
				}
				return nil, net.ErrClosed
			},
		}, connectlinks.WithBaseURL("http://localhost"))
	}},
	"a transport": {true, func(t *testing.T) *connectlinks.Client {
		return testkit.Client(t, testkit.Hang)
	}},
	"the answer": {true, func(t *testing.T) *connectlinks.Client {
		return servedClient(t, testkit.NeverAnswer)
	}},
	"the answer's next byte": {true, func(t *testing.T) *connectlinks.Client {
		return servedClient(t, testkit.NeverEnd)
	}},
	"the body": {true, func(t *testing.T) *connectlinks.Client { return testkit.Client(t, testkit.HangInBody(201)) }},
	"the body of an error": {false, func(t *testing.T) *connectlinks.Client {
		return testkit.Client(t, testkit.HangInBody(400))
	}},
	"the back-off": {false, func(t *testing.T) *connectlinks.Client {
		return testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost { // a create is not repeated after a 500
				return testkit.Response(r, 429, ``), nil
			}
			return testkit.Response(r, 500, ``), nil
		}))
	}},
}

// servedClient makes a client of an API in memory that answers like this.
func servedClient(t *testing.T, answer http.HandlerFunc) *connectlinks.Client {
	t.Helper()
	n := testkit.NewNetwork(t, false)
	n.API.BeginAlways(testkit.After(answer))
	return n.Client(t, connectlinks.WithTimeout(0))
}

// A cancelled call returns at once. A bubble's clock shows it: it moves on only while
// every goroutine waits.
func TestCancelReturnsAtOnce(t *testing.T) {
	t.Parallel()
	for name, wait := range waitsOf {
		for op, call := range map[string]func(context.Context, *connectlinks.Client) error{"create": testkit.CreateLink, "get": testkit.GetLink} {
			t.Run(name+"/"+op, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c := wait.client(t)
					ctx, cancel := context.WithCancel(t.Context())
					done := make(chan error, 1)
					start := time.Now()
					go func() { done <- call(ctx, c) }()
					synctest.Wait()
					select {
					case err := <-done:
						t.Fatalf("it does not wait: %v", err)
					default:
					}
					cancel()
					err := <-done
					assert.Zero(t, time.Since(start), "time passed")
					if name == "the body of an error" {
						// The status was read, and it is enough.
						assert.ErrorIs(t, err, connectlinks.ErrInvalidRequest)
						return
					}
					require.ErrorIs(t, err, context.Canceled)
					if wait.sent {
						assert.NotContains(t, err.Error(), "not sent again", "what was cancelled is not tried again")
					}
					assert.False(t, testkit.IsTimeout(err))
					assert.Equal(t, wait.sent && op == "create", errors.Is(err, connectlinks.ErrOutcomeUnknown), err)
				})
			})
		}
	}
}

// A call ends at its deadline, or earlier if it cannot end in time.
func TestDeadlineIsKept(t *testing.T) {
	t.Parallel()
	for name, wait := range waitsOf {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := wait.client(t)
				const limit = 300 * time.Millisecond
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				start := time.Now()
				err := testkit.CreateLink(ctx, c)
				require.Error(t, err)
				if took := time.Since(start); took != 0 {
					assert.Equal(t, limit, took)
					if name != "the body of an error" {
						assert.ErrorIs(t, err, context.DeadlineExceeded)
						assert.True(t, testkit.IsTimeout(err))
					}
				}
			})
		})
	}
}

// A call sends nothing if its context has ended before.
func TestCancelledBeforehand(t *testing.T) {
	t.Parallel()
	rt := &testkit.Counter{}
	c := testkit.Client(t, rt)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, op := range testkit.Calls() {
		_, err := op.Do(ctx, c)
		require.ErrorIs(t, err, context.Canceled, op.Name)
		assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.Name)
	}
	assert.Zero(t, rt.Count())
}

// Waits for a customer end at once, too.
func TestCancelEndsWaitsAtOnce(t *testing.T) {
	t.Parallel()
	for _, polls := range []int{0, 1, 5} {
		synctest.Test(t, func(t *testing.T) {
			c := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				return testkit.Response(r, http.StatusOK, `{"status":"success","data":{"id":469,"type":"hubspot","uri":"`+testkit.LinkURL+`"}}`), nil
			}))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := c.Destinations.WaitForConnection(ctx, 469)
				done <- err
			}()
			synctest.Wait()
			time.Sleep(time.Duration(polls) * 3 * time.Second)
			synctest.Wait()
			start := time.Now()
			cancel()
			require.ErrorIs(t, <-done, context.Canceled)
			assert.Zero(t, time.Since(start))
		})
	}
}
