package connectlinks_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// failingTransports are transports that make every call fail.
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
// behind: no open body, and no goroutine, with which the bubble would not end.
func checkLeaks(t *testing.T, rt http.RoundTripper, call func(ctx context.Context, n int, c *connectlinks.Client) error, opts ...connectlinks.Option) {
	t.Helper()
	calls := testkit.Repeats(10_000)
	synctest.Test(t, func(t *testing.T) {
		counted := &bodies{RoundTripper: rt}
		c := testkit.Client(t, counted, opts...)
		for n := range calls {
			require.Error(t, call(t.Context(), n, c))
		}
		synctest.Wait()
		assert.Zero(t, counted.open.Load(), "open bodies")
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
	for _, limit := range []timeLimit{
		{name: "cancelled", cancel: time.Millisecond},
		{name: "deadline", deadline: time.Millisecond},
		{name: "timeout"},
	} {
		t.Run(limit.name, func(t *testing.T) {
			t.Parallel()
			requests := 0
			rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				if requests++; requests%2 == 0 {
					return testkit.Hang(r)
				}
				return testkit.HangInBody(200)(r)
			})
			checkLeaks(t, rt, func(ctx context.Context, _ int, c *connectlinks.Client) error {
				ctx, cancel := limit.context(ctx)
				defer cancel()
				return testkit.CreateLink(ctx, c)
			}, testkit.NoRetries, connectlinks.WithTimeout(time.Second))
		})
	}
}

// Failed calls leave no connection or goroutine behind, and reuse the connections that can be
// reused.
func TestFailedCallsLeaveNoConnection(t *testing.T) {
	t.Parallel()
	calls := testkit.Repeats(1500)
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		most   int // connections
	}{
		"400":      {testkit.AnswerJSON(400), 1},
		"500":      {testkit.Answer(500, "text/html", strings.Repeat("<p>no</p>", 100)), 1},
		"429":      {testkit.AnswerJSON(429), 1},
		"not JSON": {testkit.Answer(201, "text/html", testkit.HTML), 1},
		"redirect": {testkit.Answer(302, "", "", "Location", "/elsewhere"), 1},
		"cut off":  {testkit.CutOff, calls},
		"reset":    {testkit.Reset, calls},
		"timeout":  {testkit.NeverAnswer, calls},
		"stalled":  {testkit.NeverEnd, calls},
	} {
		testkit.Bubble(t, name, func(t *testing.T) {
			n := testkit.NewNetwork(t, false)
			n.API.BeginAlways(testkit.After(tc.answer))
			c := n.Client(t, testkit.NoRetries, connectlinks.WithTimeout(time.Minute))
			for range calls {
				require.Error(t, testkit.CreateLink(t.Context(), c))
			}
			synctest.Wait()
			assert.LessOrEqual(t, n.Open(), 1, "open connections")
			assert.LessOrEqual(t, n.Dials(), tc.most, "connections")
			c.CloseIdleConnections()
			synctest.Wait()
			assert.Zero(t, n.Open())
		})
	}
}
