package connectlinks_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Without a connection, nothing can have been made.
func TestRetriesWithoutAConnection(t *testing.T) {
	t.Parallel()
	unknown, _ := testkit.Identity()
	const proxy = "proxy.test:3128"
	tests := []struct {
		name  string
		proxy bool
		// fails breaks the connection at its far end, or returns an error of the dial.
		fails func(far net.Conn) error
		is    func(error) bool
	}{
		{"connection refused", false, func(net.Conn) error { return testkit.Refused() }, func(err error) bool {
			var e *net.OpError
			return errors.As(err, &e) && e.Op == "dial"
		}},
		{"unknown host", false, func(net.Conn) error { return &net.DNSError{Err: "no such host", Name: testkit.Host, IsNotFound: true} }, func(err error) bool {
			var e *net.DNSError
			return errors.As(err, &e)
		}},
		{"untrusted certificate", false, func(far net.Conn) error {
			go func() { _ = tls.Server(far, testkit.ServerTLS(unknown, false)).Handshake(); _ = far.Close() }()
			return nil
		}, func(err error) bool {
			var e *tls.CertificateVerificationError
			return errors.As(err, &e)
		}},
		{"plain http where https is spoken", false, func(far net.Conn) error {
			go func() {
				_, _ = far.Read(make([]byte, 4<<10))
				_, _ = io.WriteString(far, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
				_ = far.Close()
			}()
			return nil
		}, func(err error) bool { return strings.Contains(err.Error(), "HTTP response to HTTPS client") }},
		{"closed in the handshake", false, func(far net.Conn) error {
			go func() { _, _ = far.Read(make([]byte, 4<<10)); _ = far.Close() }()
			return nil
		}, func(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }},
		{"hanging handshake", false, func(net.Conn) error { return nil }, testkit.IsTimeout},
		{"proxy refuses the connection", true, func(net.Conn) error { return testkit.Refused() }, func(err error) bool {
			var e *net.OpError
			return errors.As(err, &e) && e.Op == "proxyconnect"
		}},
		{"proxy answers 403", true, func(far net.Conn) error {
			go func() { testkit.AnswerConnect(far, "403 Forbidden") }()
			return nil
		}, func(err error) bool { return strings.Contains(err.Error(), "Forbidden") }},
		{"proxy answers 407", true, func(far net.Conn) error {
			go func() { testkit.AnswerConnect(far, "407 Proxy Authentication Required") }()
			return nil
		}, func(err error) bool { return strings.Contains(err.Error(), "Proxy Authentication Required") }},
		{"proxy answers 502", true, func(far net.Conn) error {
			go func() { testkit.AnswerConnect(far, "502 Bad Gateway") }()
			return nil
		}, func(err error) bool { return strings.Contains(err.Error(), "Bad Gateway") }},
		{"proxy hangs up", true, func(far net.Conn) error {
			go func() { _, _ = far.Read(make([]byte, 4<<10)); _ = far.Close() }()
			return nil
		}, func(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }},
	}
	for _, tt := range tests {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, HTTP/2 %t", tt.name, h2), func(t *testing.T) {
				testkit.NeedsGo126(t, h2)
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					n := testkit.NewNetwork(t, h2)
					if tt.proxy {
						n.Transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: proxy})
					}
					failures := 0 // of the dials to come
					n.Misdial = func(_ int, addr string, far net.Conn) (connect bool, err error) {
						switch {
						case tt.proxy && addr != proxy:
							return false, fmt.Errorf("dialled %s", addr)
						case failures > 0:
							failures--
							return false, tt.fails(far)
						case tt.proxy:
							go func() {
								if testkit.AnswerConnect(far, "200 OK") {
									_ = n.Accept(context.Background(), far)
								}
							}()
							return false, nil
						}
						return true, nil
					}
					c := n.Client(t)
					calls := testkit.Representative()
					if h2 && !testkit.Thorough { // no connection: the protocol matters little
						calls = append(testkit.Creates()[:1], testkit.Gets()[0])
					}

					for _, op := range calls {
						c.CloseIdleConnections()
						n.API.Begin()
						failures = 1
						id, err := op.LinkID(t.Context(), c)
						requests, made := n.API.Seen()
						require.NoError(t, err, op.Name)
						assert.Equal(t, n.API.LinkOf(op), id, op.Name)
						assert.Equal(t, []string{op.Request()}, requests, op.Name)
						if op.Creates {
							assert.Equal(t, 1, made, op.Name)
						}
					}

					for _, op := range calls {
						c.CloseIdleConnections()
						n.API.Begin()
						failures = 100
						before := n.Dials()
						id, err := op.LinkID(t.Context(), c)
						requests, made := n.API.Seen()
						require.Error(t, err, op.Name)
						assert.Zero(t, id, op.Name)
						assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.Name)
						assert.NotErrorIs(t, err, connectlinks.ErrBadResponse, op.Name)
						assert.NotErrorIs(t, err, context.DeadlineExceeded, op.Name)
						var answer *connectlinks.APIError
						assert.False(t, errors.As(err, &answer), "%s: %v", op.Name, err)
						assert.True(t, tt.is(err), "%s: %v", op.Name, err)
						assert.Empty(t, requests, op.Name)
						assert.Zero(t, made, op.Name)
						assert.Equal(t, 3, n.Dials()-before, "%s: dials", op.Name)
					}
				})
			})
		}
	}
}

// The same over sockets. Two calls wait for their retry in real time.
func TestRetriesWithoutAConnectionOnSockets(t *testing.T) {
	t.Parallel()
	nobody := testkit.Refusing(t)

	t.Run("refused, then accepted", func(t *testing.T) {
		t.Parallel()
		api := testkit.NewAPI()
		srv, tr := testkit.Serve(t, api, false)
		dials := 0
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials++; dials == 1 {
				addr = nobody
			}
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		}
		require.NoError(t, testkit.CreateLink(t.Context(), testkit.ClientAt(t, srv.URL, tr)))
		_, made := api.Seen()
		assert.Equal(t, 1, made)
		assert.Equal(t, 2, dials)
	})
	t.Run("429, then answered", func(t *testing.T) {
		t.Parallel()
		api := testkit.NewAPI()
		api.Begin(testkit.Instead(testkit.AnswerJSON(429)))
		srv, tr := testkit.Serve(t, api, false)
		require.NoError(t, testkit.CreateLink(t.Context(), testkit.ClientAt(t, srv.URL, tr)))
		requests, made := api.Seen()
		assert.Equal(t, 1, made)
		assert.Len(t, requests, 2)
	})

	api := testkit.NewAPI()
	srv, _ := testkit.Serve(t, api, false)
	plain := testkit.Unstarted(t, api)
	plain.Start()
	refusing := testkit.Unstarted(t, testkit.Answer(http.StatusProxyAuthRequired, "", ""))
	refusing.Start()
	throughProxy := func(host string) *http.Transport {
		return &http.Transport{
			Proxy:           http.ProxyURL(&url.URL{Scheme: "http", Host: host}),
			TLSClientConfig: testkit.ClientTLS(),
		}
	}
	tests := []struct {
		name string
		base string
		rt   http.RoundTripper // nil: the SDK's own
	}{
		{"refused, by the SDK's own transport", "https://" + nobody, nil},
		{"untrusted certificate, by the SDK's own transport", srv.URL, nil},
		{"plain http, by the SDK's own transport", "https://" + plain.Listener.Addr().String(), nil},
		{"refused proxy", srv.URL, throughProxy(nobody)},
		{"proxy that refuses", srv.URL, throughProxy(refusing.Listener.Addr().String())},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := testkit.ClientAt(t, tt.base, tt.rt, testkit.NoRetries)
			for _, op := range testkit.LinkCalls() {
				_, err := op.LinkID(t.Context(), c)
				require.Error(t, err, op.Name)
				assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown, "%s: %v", op.Name, err)
				if strings.HasPrefix(tt.name, "untrusted") {
					var e x509.UnknownAuthorityError
					assert.ErrorAs(t, err, &e, op.Name)
				}
			}
			requests, made := api.Seen()
			assert.Empty(t, requests)
			assert.Zero(t, made)
		})
	}
}

// Through a CONNECT proxy, net/http reports connections to the proxy.
func TestCreateThroughAProxy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const proxy = "proxy.test:3128"
		n := testkit.NewNetwork(t, false)
		n.Transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: proxy})
		n.Misdial = func(_ int, addr string, far net.Conn) (bool, error) {
			assert.Equal(t, proxy, addr)
			go func() {
				if testkit.AnswerConnect(far, "200 OK") {
					_ = n.Accept(context.Background(), far)
				}
			}()
			return false, nil
		}
		c := n.Client(t)
		for _, op := range testkit.Creates() {
			n.API.Begin()
			id, err := op.LinkID(t.Context(), c)
			require.NoError(t, err, op.Name)
			assert.Equal(t, n.API.LinkOf(op), id, op.Name)

			n.API.Begin(testkit.After(testkit.Reset))
			_, err = op.LinkID(t.Context(), c)
			require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.Name)
			requests, made := n.API.Seen()
			assert.Len(t, requests, 1, op.Name)
			assert.Equal(t, 1, made, op.Name)
		}
	})
}
