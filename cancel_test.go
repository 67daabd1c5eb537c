package connectlinks_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

// hardWaits are clients whose calls wait, each for something else. got: whether a
// connection may have been got by then.
var hardWaits = map[string]struct {
	got    bool
	client func(t *testing.T) *connectlinks.Client
}{
	"the token": {false, func(t *testing.T) *connectlinks.Client {
		return hardNoToken(t, connectlinks.TokenFunc(func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}))
	}},
	"a token that somebody else fetches": {false, func(t *testing.T) *connectlinks.Client {
		org := hardClient(t, hardTransport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		source := org.Workspaces.TokenSource(33)
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(cancel)
		go func() { _, _ = source.Token(ctx) }()
		synctest.Wait()
		return hardNoToken(t, source)
	}},
	"the pause of its own 429": {false, func(t *testing.T) *connectlinks.Client {
		return hardClient(t, hardTransport(func(r *http.Request) (*http.Response, error) {
			return hardAnswer(r, http.StatusTooManyRequests, ``, "Retry-After", "9"), nil
		}))
	}},
	"somebody else's pause": {false, func(t *testing.T) *connectlinks.Client {
		c := hardClient(t, hardTransport(func(r *http.Request) (*http.Response, error) {
			return hardAnswer(r, http.StatusTooManyRequests, ``, "Retry-After", "9"), nil
		}), connectlinks.WithMaxRetries(0))
		require.ErrorIs(t, hardGet(t.Context(), c), connectlinks.ErrRateLimited)
		return c
	}},
	"the pause of a 503": {false, func(t *testing.T) *connectlinks.Client {
		return hardClient(t, hardTransport(func(r *http.Request) (*http.Response, error) {
			return hardAnswer(r, http.StatusServiceUnavailable, ``, "Retry-After", "9"), nil
		}))
	}},
	"the limiter": {false, func(t *testing.T) *connectlinks.Client {
		l := rate.NewLimiter(rate.Every(time.Hour), 1)
		require.True(t, l.Allow())
		return hardClient(t, hardTransport(hardSuccess), connectlinks.WithRateLimiter(l))
	}},
	"a connection": {false, func(t *testing.T) *connectlinks.Client {
		over := make(chan struct{}) // net/http goes on dialing, for whoever comes next
		t.Cleanup(func() { close(over) })
		return hardClient(t, &http.Transport{
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
		return hardClient(t, hardTransport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
	}},
	"the answer": {true, func(t *testing.T) *connectlinks.Client {
		return hardServed(t, connectlinkstest.Failure{Hang: true, Times: -1})
	}},
	"the answer's next byte": {true, func(t *testing.T) *connectlinks.Client {
		return hardServed(t, connectlinkstest.Failure{Drip: 24 * time.Hour, Status: http.StatusOK, Body: `{"status":"success"}`, Times: -1})
	}},
	"the body": {true, func(t *testing.T) *connectlinks.Client {
		return hardClient(t, hardTransport(func(r *http.Request) (*http.Response, error) {
			resp := hardAnswer(r, http.StatusCreated, ``)
			resp.Body, resp.ContentLength = io.NopCloser(hardStalled{r.Context()}), -1
			return resp, nil
		}))
	}},
	"the body of an error": {false, func(t *testing.T) *connectlinks.Client {
		return hardClient(t, hardTransport(func(r *http.Request) (*http.Response, error) {
			resp := hardAnswer(r, http.StatusBadRequest, ``)
			resp.Body, resp.ContentLength = io.NopCloser(hardStalled{r.Context()}), -1
			return resp, nil
		}))
	}},
	"the back-off": {false, func(t *testing.T) *connectlinks.Client {
		return hardClient(t, hardTransport(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost { // which is not repeated after a 500
				return hardAnswer(r, http.StatusTooManyRequests, ``), nil
			}
			return hardAnswer(r, http.StatusInternalServerError, ``), nil
		}))
	}},
}

func hardNoToken(t *testing.T, source connectlinks.TokenSource) *connectlinks.Client {
	t.Helper()
	c, err := connectlinks.NewClient(connectlinks.WithTokenSource(source), connectlinks.WithTimeout(0),
		connectlinks.WithHTTPClient(&http.Client{Transport: hardTransport(hardSuccess)}))
	require.NoError(t, err)
	return c
}

// hardServed is a client of a server in memory that fails.
func hardServed(t *testing.T, f connectlinkstest.Failure) *connectlinks.Client {
	t.Helper()
	srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
	t.Cleanup(srv.Close)
	require.NoError(t, srv.Fail(f))
	tr := srv.Transport()
	t.Cleanup(tr.CloseIdleConnections)
	return hardClient(t, tr, connectlinks.WithToken(srv.Token()), connectlinks.WithTimeout(0))
}

// In a bubble, the clock goes on only if everybody waits for it: no time may pass
// between the end of a context and that of a call.
func TestCancelReturnsAtOnce(t *testing.T) {
	t.Parallel()
	for name, wait := range hardWaits {
		for op, call := range map[string]func(context.Context, *connectlinks.Client) error{"create": hardCreate, "get": hardGet} {
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
						// The status was there, and says all that the SDK needs.
						assert.ErrorIs(t, err, connectlinks.ErrInvalidRequest)
						return
					}
					require.ErrorIs(t, err, context.Canceled)
					assert.False(t, outcomeTimeout(err))
					assert.Equal(t, wait.got && op == "create", errors.Is(err, connectlinks.ErrOutcomeUnknown), err)
				})
			})
		}
	}
}

// With a deadline it ends then, or earlier where it is clear that it comes too soon.
func TestDeadlineIsKept(t *testing.T) {
	t.Parallel()
	for name, wait := range hardWaits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := wait.client(t)
				const limit = 300 * time.Millisecond
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				start := time.Now()
				err := hardCreate(ctx, c)
				require.Error(t, err)
				if took := time.Since(start); took != 0 {
					assert.Equal(t, limit, took)
					if name != "the body of an error" {
						assert.ErrorIs(t, err, context.DeadlineExceeded)
						assert.True(t, outcomeTimeout(err))
					}
				}
			})
		})
	}
}

// A context that is over already sends nothing.
func TestCancelledBeforehand(t *testing.T) {
	t.Parallel()
	rt := &hardCounter{}
	c := hardClient(t, rt)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, op := range hardOps {
		_, err := op.call(ctx, c)
		require.ErrorIs(t, err, context.Canceled, op.name)
		assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.name)
	}
	assert.Zero(t, rt.n.Load())
}

// The waits for a customer end as soon.
func TestCancelEndsWaitsAtOnce(t *testing.T) {
	t.Parallel()
	for _, polls := range []int{0, 1, 5} {
		synctest.Test(t, func(t *testing.T) {
			c := hardClient(t, hardTransport(func(r *http.Request) (*http.Response, error) {
				return hardAnswer(r, http.StatusOK, `{"status":"success","data":{"id":469,"type":"hubspot","uri":"`+hardLinkURL+`"}}`), nil
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
