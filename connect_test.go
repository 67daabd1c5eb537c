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

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const proxyAddr = "proxy.test:3128"

// throughProxy makes a network's transport use a proxy.
func throughProxy(n *testkit.Network) {
	n.Transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: proxyAddr})
}

// isA returns a function that reports whether a chain of errors has an error of type E.
func isA[E error]() func(error) bool {
	return func(err error) bool { return errors.As(err, new(E)) }
}

// failedIn returns a function that reports whether a network operation failed.
func failedIn(op string) func(error) bool {
	return func(err error) bool {
		var e *net.OpError
		return errors.As(err, &e) && e.Op == op
	}
}

// says returns a function that reports whether the text of an error has a part.
func says(part string) func(error) bool {
	return func(err error) bool { return strings.Contains(err.Error(), part) }
}

func endsEarly(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// readThen reads from a connection once, answers, and closes it.
func readThen(answer string) func(net.Conn) error {
	return func(far net.Conn) error {
		go func() {
			_, _ = far.Read(make([]byte, 4<<10))
			_, _ = io.WriteString(far, answer)
			_ = far.Close()
		}()
		return nil
	}
}

// connectStatus answers a CONNECT with a status.
func connectStatus(status string) func(net.Conn) error {
	return func(far net.Conn) error {
		go func() { testkit.AnswerConnect(far, status) }()
		return nil
	}
}

// Without a connection, nothing can have been made.
func TestRetriesWithoutAConnection(t *testing.T) {
	t.Parallel()
	unknown, _ := testkit.Identity()
	refuse := func(net.Conn) error { return testkit.Refused() }
	for _, tt := range []struct {
		name  string
		proxy bool
		// fails breaks the connection at its far end, or returns an error of the dial.
		fails func(far net.Conn) error
		is    func(error) bool
	}{
		{"connection refused", false, refuse, failedIn("dial")},
		{"unknown host", false, func(net.Conn) error {
			return &net.DNSError{Err: "no such host", Name: testkit.Host, IsNotFound: true}
		}, isA[*net.DNSError]()},
		{"untrusted certificate", false, func(far net.Conn) error {
			go func() { _ = tls.Server(far, testkit.ServerTLS(unknown, false)).Handshake(); _ = far.Close() }()
			return nil
		}, isA[*tls.CertificateVerificationError]()},
		{"plain http where https is spoken", false, readThen("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), says("HTTP response to HTTPS client")},
		{"closed in the handshake", false, readThen(""), endsEarly},
		{"hanging handshake", false, func(net.Conn) error { return nil }, testkit.IsTimeout},
		{"proxy refuses the connection", true, refuse, failedIn("proxyconnect")},
		{"proxy answers 403", true, connectStatus("403 Forbidden"), says("Forbidden")},
		{"proxy answers 407", true, connectStatus("407 Proxy Authentication Required"), says("Proxy Authentication Required")},
		{"proxy answers 502", true, connectStatus("502 Bad Gateway"), says("Bad Gateway")},
		{"proxy hangs up", true, readThen(""), endsEarly},
	} {
		for _, h2 := range []bool{false, true} {
			testkit.Bubble(t, fmt.Sprintf("%s, HTTP/2 %t", tt.name, h2), func(t *testing.T) {
				testkit.NeedsGo126(t, h2)
				n := testkit.NewNetwork(t, h2)
				if tt.proxy {
					throughProxy(n)
				}
				failures := 0 // of the dials to come
				n.Misdial = func(_ int, addr string, far net.Conn) (connect bool, err error) {
					switch {
					case tt.proxy && addr != proxyAddr:
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
					require.NoError(t, err, op.Name)
					assert.Equal(t, n.API.LinkOf(op), id, op.Name)
					n.API.CheckSeen(t, op, 1, op.Links())

					// The connection is there, and the answer is lost: through a proxy, net/http reports
					// connections to the proxy.
					n.API.Begin(testkit.After(testkit.Reset))
					if _, err = op.LinkID(t.Context(), c); op.Creates {
						require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.Name)
						n.API.CheckSeen(t, op, 1, 1)
					}
				}

				for _, op := range calls {
					c.CloseIdleConnections()
					n.API.Begin()
					failures = 100
					before := n.Dials()
					id, err := op.LinkID(t.Context(), c)
					testkit.Error{Timeout: tt.name == "hanging handshake"}.Check(t, err, op)
					assert.True(t, tt.is(err), "%s: %v", op.Name, err)
					assert.Zero(t, id, op.Name)
					n.API.CheckSeen(t, op, 0, 0)
					assert.Equal(t, 3, n.Dials()-before, "%s: dials", op.Name)
				}
			})
		}
	}
}

// The same over sockets.
func TestRetriesWithoutAConnectionOnSockets(t *testing.T) {
	t.Parallel()
	nobody := testkit.Refusing(t)
	api := testkit.NewAPI()
	srv, _ := testkit.Serve(t, api, false)
	plain := testkit.Unstarted(t, api)
	plain.Start()
	refusing := testkit.Unstarted(t, testkit.Answer(http.StatusProxyAuthRequired, "", ""))
	refusing.Start()
	proxied := func(host string) *http.Transport {
		return &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: host}), TLSClientConfig: testkit.ClientTLS()}
	}
	for _, tt := range []struct {
		name string
		base string
		rt   http.RoundTripper // nil: the SDK's own
	}{
		{"refused, by the SDK's own transport", "https://" + nobody, nil},
		{"untrusted certificate, by the SDK's own transport", srv.URL, nil},
		{"plain http, by the SDK's own transport", "https://" + plain.Listener.Addr().String(), nil},
		{"refused proxy", srv.URL, proxied(nobody)},
		{"proxy that refuses", srv.URL, proxied(refusing.Listener.Addr().String())},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := testkit.ClientAt(t, tt.base, tt.rt, testkit.NoRetries)
			for _, op := range testkit.LinkCalls() {
				_, err := op.LinkID(t.Context(), c)
				require.Error(t, err, op.Name)
				assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown, "%s: %v", op.Name, err)
				if strings.HasPrefix(tt.name, "untrusted") {
					assert.ErrorAs(t, err, new(x509.UnknownAuthorityError), op.Name)
				}
				api.CheckSeen(t, op, 0, 0)
			}
		})
	}
}
