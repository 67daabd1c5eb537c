package connectlinks_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// timeLimit is a way in which the time for an answer ends.
type timeLimit struct {
	name       string
	opts       []connectlinks.Option
	httpClient time.Duration // http.Client.Timeout
	// The caller's own:
	deadline time.Duration
	cancel   time.Duration
	is       error // what the error is then; nil for a limit that is not the caller's
}

// allowed is the duration of every limit.
const allowed = 5 * time.Second

func timeLimits() []timeLimit {
	return []timeLimit{
		{name: "WithTimeout", opts: []connectlinks.Option{connectlinks.WithTimeout(allowed)}},
		{name: "http.Client.Timeout", httpClient: allowed},
		{name: "the caller's deadline", deadline: allowed, is: context.DeadlineExceeded},
		{name: "the caller's cancel", cancel: allowed, is: context.Canceled},
		{name: "the caller's deadline before WithTimeout", opts: []connectlinks.Option{connectlinks.WithTimeout(allowed + 1)}, deadline: allowed, is: context.DeadlineExceeded},
		{name: "the caller's cancel, no timeout", opts: []connectlinks.Option{connectlinks.WithTimeout(0)}, cancel: allowed, is: context.Canceled},
	}
}

// context makes the caller's context.
func (l timeLimit) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if l.deadline > 0 {
		return context.WithTimeout(ctx, l.deadline)
	}
	ctx, cancel := context.WithCancel(ctx)
	if l.cancel > 0 {
		time.AfterFunc(l.cancel, cancel)
	}
	return ctx, cancel
}

func (l timeLimit) client(t *testing.T, rt http.RoundTripper) *connectlinks.Client {
	t.Helper()
	opts := append([]connectlinks.Option{connectlinks.WithHTTPClient(&http.Client{Transport: rt, Timeout: l.httpClient})}, l.opts...)
	return testkit.ClientAt(t, testkit.Origin, rt, opts...)
}

// call makes a call within the limit, and returns how long it took.
func (l timeLimit) call(t *testing.T, op testkit.Call, c *connectlinks.Client) (id int64, took time.Duration, err error) {
	t.Helper()
	ctx, cancel := l.context(t.Context())
	defer cancel()
	start := time.Now()
	id, err = op.LinkID(ctx, c)
	return id, time.Since(start), err
}

// check checks the error of a call that ended with the limit.
func (l timeLimit) check(t *testing.T, op testkit.Call, err error, unknown bool) {
	t.Helper()
	testkit.Error{Unknown: unknown, Context: l.is, Timeout: l.is != context.Canceled}.Check(t, err, op)
}

// testNeverAnswered checks the error for an answer that never comes, or never ends.
func testNeverAnswered(t *testing.T, h2 bool) {
	t.Helper()
	testkit.NeedsGo126(t, h2)
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{"no answer": testkit.NeverAnswer, "no end": testkit.NeverEnd} {
		for _, limit := range timeLimits() {
			testkit.Bubble(t, name+", "+limit.name, func(t *testing.T) {
				n := testkit.NewNetwork(t, h2)
				c := limit.client(t, n.Transport)
				for _, op := range testkit.Representative() {
					repeats := !op.Creates && limit.is == nil
					// The request is carried out, once.
					n.API.Begin(testkit.After(answer))
					id, took, err := limit.call(t, op, c)
					requests, links := n.API.Seen()
					assert.Equal(t, op.Links(), links, op.Name)
					if repeats {
						require.NoError(t, err, op.Name)
						assert.Equal(t, n.API.LinkOf(op), id, op.Name)
						assert.GreaterOrEqual(t, len(requests), 2, op.Name)
					} else {
						limit.check(t, op, err, op.Creates)
						assert.Zero(t, id, op.Name)
						assert.Equal(t, allowed, took, op.Name)
						assert.Equal(t, []string{op.Request()}, requests, op.Name)
					}

					// No request is ever answered.
					n.API.BeginAlways(testkit.Fault{CarriedOut: op.Creates, Answer: answer})
					_, _, err = limit.call(t, op, c)
					limit.check(t, op, err, op.Creates)
					attempts := 1
					if repeats {
						attempts = 3
					}
					n.API.CheckSeen(t, op, attempts, op.Links())
				}
			})
		}
	}
}

func TestTimeLimitsOfAnAnswer(t *testing.T) { testNeverAnswered(t, false) }

// The caller cancels at the moment that the link is made, over a socket.
func testCancelOnSockets(t *testing.T, h2 bool) {
	t.Helper()
	t.Parallel()
	api := testkit.NewAPI()
	srv, tr := testkit.Serve(t, api, h2)
	c := testkit.ClientAt(t, srv.URL, tr)
	for _, op := range testkit.LinkCalls() {
		ctx, cancel := context.WithCancel(t.Context())
		api.Begin(testkit.After(func(w http.ResponseWriter, r *http.Request) {
			cancel()
			testkit.NeverAnswer(w, r)
		}))
		id, err := op.LinkID(ctx, c)
		timeLimit{is: context.Canceled}.check(t, op, err, op.Creates)
		assert.Zero(t, id, op.Name)
		api.CheckSeen(t, op, 1, op.Links())
	}
}

func TestCancelOnSockets(t *testing.T) { testCancelOnSockets(t, false) }

// A limit that ends before there is a connection leaves no unknown outcome.
func TestTimeLimitsOfAConnection(t *testing.T) {
	t.Parallel()
	hangs := map[string]func(n *testkit.Network){
		"dial": func(n *testkit.Network) {
			dial := n.Transport.DialContext
			n.Transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if n.Misdial == nil {
					return dial(ctx, network, addr)
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}
		},
		"handshake": func(*testkit.Network) {},
		"proxy":     throughProxy,
	}
	for name, hang := range hangs {
		for _, limit := range timeLimits() {
			testkit.Bubble(t, name+", "+limit.name, func(t *testing.T) {
				n := testkit.NewNetwork(t, false)
				n.Transport.TLSHandshakeTimeout = time.Hour
				hang(n)
				n.Misdial = func(int, string, net.Conn) (bool, error) { return false, nil } // nobody reads what is sent
				c := limit.client(t, n.Transport)
				for _, op := range testkit.Representative() {
					n.API.Begin()
					before := n.Dials()
					id, took, err := limit.call(t, op, c)
					limit.check(t, op, err, false)
					assert.Zero(t, id, op.Name)
					n.API.CheckSeen(t, op, 0, 0)
					if limit.is != nil {
						assert.Equal(t, allowed, took, op.Name)
						continue
					}
					assert.GreaterOrEqual(t, took, 3*allowed, op.Name)
					if name != "dial" {
						assert.Equal(t, 3, n.Dials()-before, op.Name)
					}
				}
			})
		}
	}
}

// lateContext is a context whose deadline has passed, and whose Err is still nil. The network may
// notice a deadline earlier.
type lateContext struct {
	context.Context
	deadline time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.deadline, true }

func TestDeadlineThatTheNetworkNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, op := range testkit.LinkCalls() {
			calls := 0
			c := testkit.Client(t, testkit.RoundTripper(func(*http.Request) (*http.Response, error) {
				calls++
				time.Sleep(time.Second)
				return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
			}), connectlinks.WithTimeout(0))
			_, err := op.Do(lateContext{t.Context(), time.Now().Add(time.Second)}, c)
			timeLimit{is: context.DeadlineExceeded}.check(t, op, err, op.Creates)
			assert.Equal(t, 1, calls, op.Name)
		}
	})
}

// drip is a body of a byte each second.
type drip struct{ ctx context.Context }

func (b drip) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		p[0] = ' '
		return 1, nil
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
}

// dripping is a transport whose answer drips.
func dripping(status int) testkit.RoundTripper {
	return func(r *http.Request) (*http.Response, error) {
		return testkit.Stream(r, status, drip{r.Context()}), nil
	}
}

// dripFrom is a server that drips.
func dripFrom(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_ = http.NewResponseController(w).Flush()
		body := drip{r.Context()}
		for b := make([]byte, 1); ; {
			if _, err := body.Read(b); err != nil {
				panic(http.ErrAbortHandler)
			}
			_, _ = w.Write(b)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// A create whose answer drips, or never comes from a transport that is not net/http's.
func TestTimeLimitsOfACreate(t *testing.T) {
	t.Parallel()
	for _, limit := range timeLimits() {
		testkit.Bubble(t, limit.name, func(t *testing.T) {
			n := testkit.NewNetwork(t, false)
			for _, tt := range []struct {
				name   string
				rt     http.RoundTripper
				status int // of the answer that drips; 0 for no answer
			}{
				{"no answer", testkit.Hang, 0},
				{"201", dripping(201), 201},
				{"500", dripping(500), 500},
				{"201 from a server", n.Transport, 201},
				{"500 from a server", n.Transport, 500},
			} {
				for _, op := range testkit.Creates() {
					rt := &testkit.Counter{RoundTripper: tt.rt}
					n.API.Begin(testkit.After(dripFrom(tt.status)))
					id, took, err := limit.call(t, op, limit.client(t, rt))
					assert.Zero(t, id, "%s: %s", tt.name, op.Name)
					assert.Equal(t, allowed, took, "%s: %s", tt.name, op.Name)
					assert.Equal(t, 1, rt.Count(), "%s: %s", tt.name, op.Name)
					require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, "%s: %s", tt.name, op.Name)
					if tt.status != 500 {
						limit.check(t, op, err, true)
					}
				}
			}
		})
	}
}

// A limit of the caller's that cuts off the body of an error stays visible.
func TestTimeLimitsOfTheBodyOfAnError(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 404, 429, 500, 503} {
		for _, limit := range timeLimits() {
			testkit.Bubble(t, http.StatusText(status)+", "+limit.name, func(t *testing.T) {
				c, err := limit.client(t, testkit.HangInBody(status)).With(testkit.NoRetries)
				require.NoError(t, err)
				for _, op := range testkit.Representative() {
					_, took, err := limit.call(t, op, c)
					assert.Equal(t, allowed, took, op.Name)
					testkit.Error{Status: status, Context: limit.is, Timeout: limit.is != context.Canceled, Unknown: op.Creates && status >= 500}.Check(t, err, op)
				}
			})
		}
	}
}

// ending is a context that ends at the n-th call of Err.
type ending struct {
	context.Context
	cancel context.CancelFunc
	left   int
}

func (c *ending) Err() error {
	if c.left--; c.left == 0 {
		c.cancel()
	}
	return c.Context.Err()
}

// A context that ends before the transport is called leaves no unknown outcome.
func TestContextThatEndsBeforeTheTransportIsCalled(t *testing.T) {
	t.Parallel()
	for _, op := range testkit.Creates() {
		for n := 1; ; n++ {
			called := false
			ctx, cancel := context.WithCancel(t.Context())
			rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				called = true
				assert.NoError(t, ctx.Err(), "%s: the transport was called too late", op.Name)
				return nil, r.Context().Err()
			})
			_, err := op.LinkID(&ending{ctx, cancel, n}, testkit.Client(t, rt, testkit.NoRetries))
			cancel()
			if called {
				assert.Greater(t, n, 1)
				break
			}
			require.ErrorIs(t, err, context.Canceled, op.Name)
			require.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown, "%s: %v", op.Name, err)
			require.ErrorContains(t, err, "not sent")
		}
	}
}

// The longest call of a client with defaults, as README gives it: each attempt takes all of its
// time, a pause of the token precedes each, and a 503 asks for the longest pause between them.
func TestLongestCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttled := false
		network := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return testkit.Respond(http.StatusTooManyRequests, "", "Retry-After", "10").RoundTrip(r)
			}
			throttled = false
			time.Sleep(30*time.Second - time.Nanosecond)
			return testkit.Respond(http.StatusServiceUnavailable, "", "Retry-After", "10").RoundTrip(r)
		})
		other := testkit.Client(t, network, testkit.NoRetries)
		client, err := other.With(connectlinks.WithMaxRetries(2), connectlinks.WithRateLimiter(testkit.Limiter(func(ctx context.Context) error {
			if !throttled { // once before each attempt, by another call
				throttled = true
				assert.ErrorIs(t, testkit.GetLink(ctx, other), connectlinks.ErrRateLimited)
			}
			return nil
		})))
		require.NoError(t, err)
		began := time.Now()
		require.Error(t, testkit.CreateLink(t.Context(), client))
		took := time.Since(began)
		assert.Greater(t, took, 3*30*time.Second+5*10*time.Second-time.Second)
		assert.LessOrEqual(t, took, 145*time.Second)
	})
}
