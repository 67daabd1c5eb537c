package otelconnectlinks_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A create whose connection is reset after it was carried out is sent once.
func TestCreateOnAResetConnection(t *testing.T) {
	t.Parallel()
	for _, h2 := range []bool{false, true} {
		for _, reused := range []bool{false, true} {
			t.Run(fmt.Sprintf("HTTP/2 %t, reused %t", h2, reused), func(t *testing.T) {
				t.Parallel()
				api := testkit.NewAPI()
				srv, tr := testkit.Serve(t, api, h2)
				for _, call := range testkit.Creates() {
					seen := newTelemetry()
					c := testkit.ClientAt(t, srv.URL, seen.transport(tr))
					c.CloseIdleConnections()
					if reused {
						api.Begin()
						_, err := c.Sources.GetConnectLink(t.Context(), testkit.LinkID)
						require.NoError(t, err)
						seen.spans.Reset()
					}
					api.Begin(testkit.After(testkit.Reset))
					_, err := call.LinkID(t.Context(), c)
					require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, call.Name)
					requests, made := api.Seen()
					assert.Len(t, requests, 1, call.Name)
					assert.Equal(t, 1, made, call.Name)
					spans := seen.ended()
					require.Len(t, spans, 1, call.Name)
					failure := values(spans[0].Attributes)["error.type"]
					if h2 { // where net/http's errors have no type
						assert.Equal(t, "_OTHER", failure, call.Name)
					} else {
						assert.Contains(t, []any{"connection_reset", "connection_closed"}, failure, call.Name)
					}
				}
			})
		}
	}
}

// A create for which no connection was made is sent again, and each attempt has a span.
func TestCreateWithoutAConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewNetwork(t, false)
		n.Misdial = func(dial int, _ string, _ net.Conn) (connect bool, err error) {
			if dial == 1 {
				return false, testkit.Refused()
			}
			return true, nil
		}
		seen := newTelemetry()
		c := testkit.ClientAt(t, testkit.Origin, seen.transport(n.Transport))
		_, err := c.Sources.CreateConnectLink(t.Context(), create)
		require.NoError(t, err)
		_, made := n.API.Seen()
		assert.Equal(t, 1, made)
		spans := seen.ended()
		require.Len(t, spans, 2)
		assert.Equal(t, "connection_refused", values(spans[0].Attributes)["error.type"])
		assert.Equal(t, int64(1), values(spans[1].Attributes)["http.request.resend_count"])
		n.Transport.CloseIdleConnections()
	})
}

// mortal is a connection that can be dead without telling.
type mortal struct {
	net.Conn
	dead *atomic.Bool
}

func (c mortal) Write(p []byte) (int, error) {
	if c.dead.Load() {
		return 0, errors.New("connection is dead")
	}
	return c.Conn.Write(p)
}

// A create that meets a dead connection is sent once or not at all.
func TestCreateOnADeadConnection(t *testing.T) {
	t.Parallel()
	api := testkit.NewAPI()
	srv := testkit.Unstarted(t, api)
	srv.Start()
	tr := connectlinks.NewTransport()
	t.Cleanup(tr.CloseIdleConnections)
	dial := tr.DialContext
	var dead *atomic.Bool // of the newest connection
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dead = &atomic.Bool{}
		conn, err := dial(ctx, network, addr)
		return mortal{conn, dead}, err
	}
	for name, rt := range map[string]http.RoundTripper{"plain": tr, "traced": newTelemetry().transport(tr)} {
		c := testkit.ClientAt(t, srv.URL, rt)
		c.CloseIdleConnections()
		_, err := c.Sources.CreateConnectLink(t.Context(), create)
		require.NoError(t, err)
		dead.Store(true)
		api.Begin()
		_, err = c.Sources.CreateConnectLink(t.Context(), create)
		requests, made := api.Seen()
		assert.LessOrEqual(t, len(requests), 1, name)
		assert.Equal(t, err == nil, made == 1, name)
		if err != nil {
			require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, name)
		}
	}
}
