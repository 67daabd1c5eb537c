package connectlinks_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// resender is a transport that sends a request again by itself: after an error, and after a
// 5xx. It keeps the body, like most of its kind, or asks for it again.
func resender(base http.RoundTripper, getBody bool) http.RoundTripper {
	return testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
		var body []byte
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
		}
		var resp *http.Response
		var err error
		for try := range 3 {
			again := r.Clone(r.Context())
			if body != nil {
				again.Body = io.NopCloser(bytes.NewReader(body))
			}
			if body != nil && getBody && try > 0 {
				if asked, err := r.GetBody(); err == nil {
					again.Body = asked
				}
			}
			resp, err = base.RoundTrip(again)
			if err == nil && resp.StatusCode < 500 {
				return resp, nil
			}
			if err == nil && try < 2 {
				_ = resp.Body.Close()
			}
		}
		return resp, err
	})
}

// A transport that sends requests again by itself makes at most one link, and no link is
// returned that may not be the only one.
func TestTransportThatResends(t *testing.T) {
	t.Parallel()
	faults := map[string]http.HandlerFunc{
		"reset":           testkit.Reset,
		"500":             testkit.AnswerJSON(500),
		"503 Retry-After": testkit.AnswerJSON(503, "Retry-After", "1"),
	}
	for name, fault := range faults {
		for _, h2 := range []bool{false, true} {
			for _, getBody := range []bool{false, true} {
				for _, reused := range []bool{false, true} {
					t.Run(join(name, h2, "HTTP/2", getBody, "GetBody", reused, "reused"), func(t *testing.T) {
						t.Parallel()
						api := testkit.NewAPI()
						srv, tr := testkit.Serve(t, api, h2)
						c := testkit.ClientAt(t, srv.URL, resender(tr, getBody), testkit.NoRetries)
						for _, op := range testkit.Creates() {
							api.Begin()
							if reused {
								require.NoError(t, testkit.GetLink(t.Context(), c))
							} else {
								c.CloseIdleConnections()
							}
							api.Begin(testkit.After(fault))
							id, err := op.LinkID(t.Context(), c)
							require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.Name)
							assert.NotErrorIs(t, err, context.Canceled, op.Name)
							assert.Zero(t, id, op.Name)
							_, made := api.Seen()
							// Canceling a request is a race in net/http: a second one may get out. It is never
							// returned as if it was the only one.
							assert.LessOrEqual(t, made, 2, op.Name)
						}
					})
				}
			}
		}
	}
}

func join(name string, flags ...any) string {
	for i := 0; i < len(flags); i += 2 {
		if flags[i].(bool) {
			name += ", " + flags[i+1].(string)
		}
	}
	return name
}

// What may be sent again may also be sent again by a transport.
func TestTransportThatResendsReads(t *testing.T) {
	t.Parallel()
	api := testkit.NewAPI()
	srv, tr := testkit.Serve(t, api, false)
	c := testkit.ClientAt(t, srv.URL, resender(tr, false), testkit.NoRetries)
	for _, op := range testkit.Repeatable() {
		api.Begin(testkit.After(testkit.AnswerJSON(500)))
		id, err := op.LinkID(t.Context(), c)
		require.NoError(t, err, op.Name)
		assert.Equal(t, api.LinkOf(op), id, op.Name)
	}
}

// With an Idempotency-Key, which a wrapper may add, net/http sends a POST again after it was
// written.
func TestTransportThatAddsAnIdempotencyKey(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		for _, h2 := range []bool{false, true} {
			t.Run(join(key, h2, "HTTP/2"), func(t *testing.T) {
				t.Parallel()
				api := testkit.NewAPI()
				srv, tr := testkit.Serve(t, api, h2)
				wrapper := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
					r = r.Clone(r.Context())
					r.Header.Set(key, "a key")
					return tr.RoundTrip(r)
				})
				c := testkit.ClientAt(t, srv.URL, wrapper)
				for _, op := range testkit.Creates() {
					api.Begin()
					require.NoError(t, testkit.GetLink(t.Context(), c)) // net/http replays on reused connections only
					api.Begin(testkit.After(testkit.Reset))
					id, err := op.LinkID(t.Context(), c)
					require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.Name)
					assert.Zero(t, id)
					api.CheckSeen(t, op, 1, 1)
				}
			})
		}
	}
}

// fetchesCredential is a transport that first asks another server, within the request's
// context.
func fetchesCredential(base http.RoundTripper, addr string) http.RoundTripper {
	return testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
		ask, err := http.NewRequestWithContext(r.Context(), http.MethodGet, addr, nil)
		if err != nil {
			return nil, err
		}
		resp, err := base.RoundTrip(ask)
		if err != nil {
			return nil, err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return base.RoundTrip(r)
	})
}

func TestTransportThatFetchesACredential(t *testing.T) {
	t.Parallel()
	t.Run("is not a second request", func(t *testing.T) {
		t.Parallel()
		api := testkit.NewAPI()
		srv, tr := testkit.Serve(t, api, false)
		vault, _ := testkit.Serve(t, http.NotFoundHandler(), false)
		c := testkit.ClientAt(t, srv.URL, fetchesCredential(tr, vault.URL))
		for _, op := range testkit.Deletes() {
			api.Begin(testkit.Instead(testkit.AnswerJSON(404)))
			_, err := op.LinkID(t.Context(), c)
			require.ErrorIs(t, err, connectlinks.ErrNotFound, op.Name)
		}
		for _, op := range testkit.Creates() {
			api.Begin()
			id, err := op.LinkID(t.Context(), c)
			require.NoError(t, err, op.Name)
			assert.Equal(t, api.LinkOf(op), id, op.Name)
		}
	})
	t.Run("is not a connection to the API", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			n := testkit.NewNetwork(t, false)
			refused := 1
			n.Misdial = func(_ int, addr string, _ net.Conn) (bool, error) {
				if addr == testkit.Host+":443" && refused > 0 {
					refused--
					return false, testkit.Refused()
				}
				return true, nil
			}
			c := testkit.ClientAt(t, testkit.Origin, fetchesCredential(n.Transport, "https://other.test"))
			for _, op := range testkit.Creates() {
				c.CloseIdleConnections()
				refused = 1
				n.API.Begin()
				id, err := op.LinkID(t.Context(), c)
				require.NoError(t, err, op.Name)
				assert.Equal(t, n.API.LinkOf(op), id, op.Name)
				n.API.CheckSeen(t, op, 1, 1)
			}
		})
	})
}

// The second request of a transport that resends is canceled, so that a server that is broken for
// long does not make a link for each try.
func TestTransportThatResendsIsCanceled(t *testing.T) {
	t.Parallel()
	for _, h2 := range []bool{false, true} {
		api := testkit.NewAPI()
		srv, tr := testkit.Serve(t, api, h2)
		c := testkit.ClientAt(t, srv.URL, resender(tr, false), testkit.NoRetries)
		third := 0 // requests that got out after the second
		for range 20 {
			api.BeginAlways(testkit.After(testkit.AnswerJSON(500)))
			require.ErrorIs(t, testkit.CreateLink(t.Context(), c), connectlinks.ErrOutcomeUnknown)
			if _, made := api.Seen(); made > 2 {
				third++
			}
		}
		assert.Less(t, third, 10, "of 20, HTTP/2 %t", h2)
	}
}

// The status decides, whatever the trace reported: a transport that could not connect may have sent
// the request in another way.
func TestTransportThatFallsBack(t *testing.T) {
	t.Parallel()
	dials := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, testkit.Refused() }}
	for _, op := range testkit.Creates() {
		rt := &testkit.Counter{RoundTripper: testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			_, err := dials.RoundTrip(r)
			assert.ErrorIs(t, err, syscall.ECONNREFUSED)
			return testkit.Response(r, http.StatusGatewayTimeout, ""), nil
		})}
		_, err := op.Do(t.Context(), testkit.Client(t, rt))
		testkit.Error{Status: http.StatusGatewayTimeout, Unknown: true}.Check(t, err, op)
		assert.Equal(t, 1, rt.Count(), op.Name)
	}
}

// net and net/http use context.DeadlineExceeded for their own limits. It is not the caller's.
func TestTransportWithATimeLimit(t *testing.T) {
	t.Parallel()
	for _, op := range testkit.Creates() {
		_, err := op.Do(t.Context(), testkit.Client(t, testkit.Fail(fmt.Errorf("TLS handshake: %w", context.DeadlineExceeded))))
		testkit.Error{Unknown: true, Timeout: true}.Check(t, err, op)
		require.ErrorContains(t, err, "TLS handshake")
	}
}

// Only an HTTP response is evidence that plain HTTP was spoken to a TLS client.
func TestTransportWithoutTLS(t *testing.T) {
	t.Parallel()
	for header, mismatch := range map[string]bool{"HTTP/": true, "SSH-2": false} {
		e := tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}
		copy(e.RecordHeader[:], header)
		err := testkit.GetLink(t.Context(), testkit.Client(t, testkit.Fail(e), testkit.NoRetries))
		assert.Equal(t, mismatch, errors.Is(err, http.ErrSchemeMismatch), header)
		assert.Equal(t, !mismatch, errors.As(err, new(tls.RecordHeaderError)), header)
	}
}

// brittle is a connection on which nothing can be written any more once it is broken.
type brittle struct {
	net.Conn
	broken atomic.Bool
}

func (c *brittle) Write(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, syscall.EPIPE
	}
	return c.Conn.Write(p)
}

// net/http replays a create of which no byte was written: it cannot have taken effect.
func TestCreateOnABrokenConnection(t *testing.T) {
	t.Parallel()
	api := testkit.NewAPI()
	srv := testkit.Unstarted(t, api)
	srv.Start()
	var conns []*brittle
	c := testkit.ClientAt(t, srv.URL, &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		conns = append(conns, &brittle{Conn: conn})
		return conns[len(conns)-1], err
	}})
	for _, op := range testkit.Creates() {
		api.Begin()
		require.NoError(t, testkit.GetLink(t.Context(), c))
		before := len(conns)
		conns[before-1].broken.Store(true)
		id, err := op.LinkID(t.Context(), c)
		require.NoError(t, err, op.Name)
		_, made := api.Seen()
		assert.Equal(t, 1, made, op.Name)
		assert.Equal(t, api.LinkOf(op), id, op.Name)
		assert.Len(t, conns, before+1, op.Name)
	}
}
