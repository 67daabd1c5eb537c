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
		testkit.Bubble(t, name, func(t *testing.T) {
			for _, op := range testkit.Representative() {
				c := wait.client(t)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				start := time.Now()
				go func() { _, err := op.Do(ctx, c); done <- err }()
				synctest.Wait()
				select {
				case err := <-done:
					t.Fatalf("%s does not wait: %v", op.Name, err)
				default:
				}
				cancel()
				err := <-done
				assert.Zero(t, time.Since(start), "time passed: %s", op.Name)
				if name == "the body of an error" {
					// The status was read, and it is enough.
					assert.ErrorIs(t, err, connectlinks.ErrInvalidRequest, op.Name)
					continue
				}
				require.ErrorIs(t, err, context.Canceled, op.Name)
				if wait.sent {
					assert.NotContains(t, err.Error(), "not sent again", "what was cancelled is not tried again")
				}
				assert.False(t, testkit.IsTimeout(err), op.Name)
				assert.Equal(t, wait.sent && op.Creates, errors.Is(err, connectlinks.ErrOutcomeUnknown), "%s: %v", op.Name, err)
			}
		})
	}
}

// A call ends at its deadline, or earlier if it cannot end in time.
func TestDeadlineIsKept(t *testing.T) {
	t.Parallel()
	for name, wait := range waitsOf {
		testkit.Bubble(t, name, func(t *testing.T) {
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
	}
}

// A call sends nothing if its context has ended before, and leaves no unknown outcome.
func TestContextThatIsOver(t *testing.T) {
	t.Parallel()
	rt := &testkit.Counter{}
	c := testkit.Client(t, rt)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancelLate()
	for _, op := range testkit.Calls() {
		_, err := op.Do(cancelled, c)
		testkit.Error{Context: context.Canceled}.Check(t, err, op)
		_, err = op.Do(late, c)
		testkit.Error{Context: context.DeadlineExceeded, Timeout: true}.Check(t, err, op)
	}
	assert.Zero(t, rt.Count())
}
