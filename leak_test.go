package connectlinks_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// failingTransports are transports whose every answer makes a call fail.
var failingTransports = map[string]testkit.RoundTripper{
	"no answer":      testkit.Fail(errors.New("connection reset")),
	"400":            testkit.Respond(400, `{"status":400,"message":"no"}`),
	"401":            testkit.Respond(401, ``),
	"429":            testkit.Respond(429, ``),
	"500":            testkit.Respond(500, strings.Repeat("x", 500)),
	"503":            testkit.Respond(503, ``, "Retry-After", "11"),
	"redirect":       testkit.Respond(307, ``, "Location", "/x"),
	"bad redirect":   testkit.Respond(302, ``, "Location", "http://["),
	"101":            testkit.Respond(101, ``),
	"not JSON":       testkit.Respond(200, `<html>`),
	"error in a 200": testkit.Respond(200, `{"status":"error"}`),
	"cut off": func(r *http.Request) (*http.Response, error) {
		resp := testkit.Stream(r, 200, io.MultiReader(strings.NewReader(`{"status":`), iotest.ErrReader(io.ErrUnexpectedEOF)))
		resp.ContentLength = 100
		return resp, nil
	},
}

// bodies counts the response bodies of a transport that are not closed.
type bodies struct {
	http.RoundTripper
	open atomic.Int64
}

func (b *bodies) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if resp != nil {
		b.open.Add(1)
		resp.Body = body{resp.Body, sync.OnceFunc(func() { b.open.Add(-1) })}
	}
	return resp, err
}

type body struct {
	io.Reader
	closed func()
}

func (b body) Close() error { b.closed(); return nil }

// checkLeaks makes many calls, which all fail, and checks that they left nothing
// behind: no open body, and no goroutine, or the bubble would not end.
func checkLeaks(t *testing.T, rt http.RoundTripper, call func(ctx context.Context, n int, c *connectlinks.Client) error, opts ...connectlinks.Option) {
	t.Helper()
	calls := testkit.Repeats(10_000)
	synctest.Test(t, func(t *testing.T) {
		counted := &bodies{RoundTripper: rt}
		c := testkit.Client(t, counted, opts...)
		before := runtime.NumGoroutine()
		for n := range calls {
			require.Error(t, call(t.Context(), n, c))
		}
		synctest.Wait()
		assert.Zero(t, counted.open.Load(), "open bodies")
		// Other tests may run at the same time. One goroutine per call would be more.
		assert.Less(t, runtime.NumGoroutine(), before+max(100, calls/2), "goroutines")
	})
}

func TestFailedCallsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	for name, failure := range failingTransports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkLeaks(t, failure, func(ctx context.Context, n int, c *connectlinks.Client) error {
				if n%2 == 0 {
					return testkit.GetLink(ctx, c)
				}
				return testkit.CreateLink(ctx, c)
			}, connectlinks.WithMaxRetries(1))
		})
	}
}

func TestCallsThatRunOutOfTimeLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancelled": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Millisecond, cancel)
			return ctx, cancel
		},
		"deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Millisecond)
		},
		"timeout": func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requests := 0
			rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				if requests++; requests%2 == 0 {
					return testkit.Hang(r)
				}
				return testkit.HangInBody(200)(r)
			})
			checkLeaks(t, rt, func(ctx context.Context, _ int, c *connectlinks.Client) error {
				ctx, cancel := start(ctx)
				defer cancel()
				return testkit.CreateLink(ctx, c)
			}, testkit.NoRetries, connectlinks.WithTimeout(time.Second))
		})
	}
}

// connections counts the connections that a client has open, and all that it opened.
type connections struct {
	open, all atomic.Int64
	dial      func(context.Context, string, string) (net.Conn, error)
}

func (c *connections) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := c.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.open.Add(1)
	c.all.Add(1)
	return &countedConn{Conn: conn, closed: sync.OnceFunc(func() { c.open.Add(-1) })}, nil
}

type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// Failed calls over connections leave none open, nor their goroutines, and reuse
// those that can be reused.
func TestFailedCallsLeaveNoConnection(t *testing.T) {
	t.Parallel()
	calls := testkit.Repeats(1500)
	for name, tc := range map[string]struct {
		failure connectlinkstest.Failure
		most    int // connections
	}{
		"400":      {connectlinkstest.Failure{Status: 400, Body: `{"status":400}`, Times: -1}, 1},
		"500":      {connectlinkstest.Failure{Status: 500, Body: strings.Repeat("<p>no</p>", 100), Times: -1}, 1},
		"429":      {connectlinkstest.Failure{Status: 429, Times: -1}, 1},
		"not JSON": {connectlinkstest.Failure{Status: 201, Body: "<html>", Times: -1}, 1},
		"redirect": {connectlinkstest.Failure{Status: 302, Header: http.Header{"Location": {"/elsewhere"}}, Times: -1}, 1},
		"cut off":  {connectlinkstest.Failure{Cut: true, Times: -1}, calls},
		"reset":    {connectlinkstest.Failure{Reset: true, Times: -1}, calls},
		"timeout":  {connectlinkstest.Failure{Hang: true, Times: -1}, calls},
		"stalled":  {connectlinkstest.Failure{Drip: time.Hour, Times: -1}, calls},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
				defer srv.Close()
				require.NoError(t, srv.Fail(tc.failure))
				tr := srv.Transport()
				conns := &connections{dial: tr.DialContext}
				tr.DialContext, tr.DialTLSContext = conns.DialContext, conns.DialContext
				c := testkit.Client(t, tr, connectlinks.WithToken(srv.Token()), testkit.NoRetries, connectlinks.WithTimeout(time.Minute))
				for range calls {
					require.Error(t, testkit.CreateLink(t.Context(), c))
				}
				synctest.Wait()
				assert.LessOrEqual(t, conns.open.Load(), int64(1), "open connections")
				assert.LessOrEqual(t, conns.all.Load(), int64(tc.most), "connections")
				c.CloseIdleConnections()
				synctest.Wait()
				assert.Zero(t, conns.open.Load())
			})
		})
	}
}
