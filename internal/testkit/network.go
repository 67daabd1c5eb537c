package testkit

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/connectlinks/connectlinks-go"
)

// Identity makes a certificate for the test servers, and a pool that trusts it.
func Identity() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: Host},
		NotBefore:    time.Unix(0, 0), // a bubble's clock starts in 2000
		NotAfter:     time.Date(2084, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IsCA:         true,
		DNSNames:     []string{Host, "other.test"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},

		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// cert is the certificate of the test servers. Roots trusts it.
var cert, Roots = Identity()

var quiet = log.New(io.Discard, "", 0)

// cheap is a key exchange that costs a fraction of Go's default. The tests make
// thousands of connections.
var cheap = []tls.CurveID{tls.CurveP256}

// ClientTLS makes the TLS configuration of a client that trusts the test servers.
func ClientTLS() *tls.Config { return &tls.Config{RootCAs: Roots, CurvePreferences: cheap} }

// ServerTLS makes the TLS configuration of a server.
func ServerTLS(cert tls.Certificate, h2 bool) *tls.Config {
	c := &tls.Config{Certificates: []tls.Certificate{cert}}
	if h2 {
		c.NextProtos = []string{"h2", "http/1.1"}
	}
	return c
}

// Unstarted makes a server on a socket, to be started with or without TLS.
func Unstarted(t testing.TB, h http.Handler) *httptest.Server {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = quiet
	srv.TLS = ServerTLS(cert, false)
	t.Cleanup(srv.Close)
	return srv
}

// Serve starts a server with TLS on a socket, and makes a transport that trusts it.
func Serve(t testing.TB, h http.Handler, h2 bool) (*httptest.Server, *http.Transport) {
	srv := Unstarted(t, h)
	srv.EnableHTTP2 = h2
	srv.StartTLS()
	tr := srv.Client().Transport.(*http.Transport)
	tr.TLSClientConfig.CurvePreferences = cheap
	return srv, tr
}

// Listen listens on a socket, with TLS and for HTTP/2.
func Listen(t testing.TB) net.Listener {
	l, err := tls.Listen("tcp", "127.0.0.1:0", ServerTLS(cert, true))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Refusing returns a loopback address that refuses connections until the test ends. The local port
// of a connection is in use, so no listener gets it.
func Refusing(t testing.TB) string {
	l := Listen(t)
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = conn.Close(), l.Close() })
	return conn.LocalAddr().String()
}

// NeedsGo126 skips a test with an HTTP/2 server in a bubble on Go 1.25. That server keeps
// channels in a pool, and uses the channels of one bubble in another.
func NeedsGo126(t testing.TB, h2 bool) {
	if h2 && strings.HasPrefix(runtime.Version(), "go1.25") {
		t.Skip("needs the HTTP/2 of Go 1.26")
	}
}

// Network is a network in memory, for a synctest bubble. Every dialled address leads to the
// [API], with TLS and net/http, but without sockets and real time.
type Network struct {
	API       *API
	Transport *http.Transport

	// Misdial decides about the n-th dial, counted from 1. If it returns an error, the dial
	// fails. If connect is true, the dial connects to the API. Otherwise Misdial itself
	// uses far, the other end of the connection. A nil Misdial connects every dial.
	Misdial func(n int, addr string, far net.Conn) (connect bool, err error)

	accepts chan net.Conn
	closed  chan struct{}
	stop    func()
	mu      sync.Mutex
	ends    []net.Conn // near and far, alternating
	dials   int
}

// NewNetwork starts an API in a bubble, until the test ends.
func NewNetwork(t testing.TB, h2 bool) *Network {
	n := &Network{API: NewAPI(), accepts: make(chan net.Conn), closed: make(chan struct{})}
	n.stop = sync.OnceFunc(func() { close(n.closed) })
	n.Transport = &http.Transport{
		DialContext:         n.dial,
		TLSClientConfig:     ClientTLS(),
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 128,
		ForceAttemptHTTP2:   h2,
	}
	t.Cleanup(func() {
		n.Transport.CloseIdleConnections()
		n.stop()
		n.CloseConnections()
	})
	srv := &http.Server{Handler: n.API, ErrorLog: quiet, TLSConfig: ServerTLS(cert, h2)}
	if !h2 {
		srv.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	t.Cleanup(func() { _ = srv.Close() })
	go func() { _ = srv.ServeTLS(listener{n}, "", "") }()
	return n
}

// Client makes a client of the network's API. See [Client].
func (n *Network) Client(t testing.TB, opts ...connectlinks.Option) *connectlinks.Client {
	t.Helper()
	return ClientAt(t, Origin, n.Transport, opts...)
}

func (n *Network) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	near, far := Pipe()
	n.mu.Lock()
	n.ends = append(n.ends, near, far)
	n.dials++
	count, misdial := n.dials, n.Misdial
	n.mu.Unlock()
	if misdial != nil {
		if connect, err := misdial(count, addr, far); err != nil || !connect {
			return near, err
		}
	}
	return near, n.Accept(ctx, far)
}

// Accept connects far to the API.
func (n *Network) Accept(ctx context.Context, far net.Conn) error {
	select {
	case n.accepts <- far:
		return nil
	case <-n.closed:
		return net.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Dials returns the number of dials.
func (n *Network) Dials() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials
}

// CloseConnections closes every connection, at both ends.
func (n *Network) CloseConnections() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.ends {
		_ = c.Close()
	}
}

// Open returns the number of connections that the client has not closed.
func (n *Network) Open() (open int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := 0; i < len(n.ends); i += 2 {
		if in := n.ends[i].(*pipeEnd).in; !in.isDropped() {
			open++
		}
	}
	return open
}

// listener is the listener of the network's server.
type listener struct{ *Network }

func (l listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepts:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l listener) Close() error   { l.stop(); return nil }
func (l listener) Addr() net.Addr { return address(Host) }

// Pipe makes a connection in memory. Unlike net.Pipe it has buffers, like TCP, because TLS
// sometimes writes when the other end does not read.
func Pipe() (near, far net.Conn) {
	there, back := newStream(), newStream()
	return &pipeEnd{in: back, out: there}, &pipeEnd{in: there, out: back}
}

// stream is one direction of a pipe.
type stream struct {
	mu       sync.Mutex
	changed  *sync.Cond
	buf      []byte
	deadline time.Time // the read deadline
	ended    bool      // the writer has closed it
	dropped  bool      // the reader has closed it
}

func newStream() *stream {
	s := &stream{}
	s.changed = sync.NewCond(&s.mu)
	return s
}

func (s *stream) isDropped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

type pipeEnd struct{ in, out *stream }

func (c *pipeEnd) Read(b []byte) (int, error) {
	s := c.in
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.dropped:
			return 0, net.ErrClosed
		case !s.deadline.IsZero() && !time.Now().Before(s.deadline):
			return 0, os.ErrDeadlineExceeded
		case len(s.buf) > 0:
			n := copy(b, s.buf)
			s.buf = s.buf[n:]
			return n, nil
		case s.ended:
			return 0, io.EOF
		}
		s.changed.Wait()
	}
}

func (c *pipeEnd) Write(b []byte) (int, error) {
	s := c.out
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return 0, net.ErrClosed
	case s.dropped:
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: syscall.ECONNRESET}
	}
	s.buf = append(s.buf, b...)
	s.changed.Broadcast()
	return len(b), nil
}

func (c *pipeEnd) Close() error {
	for _, s := range []*stream{c.in, c.out} {
		s.mu.Lock()
		if s == c.in {
			s.dropped = true
		} else {
			s.ended = true
		}
		s.changed.Broadcast()
		s.mu.Unlock()
	}
	return nil
}

func (c *pipeEnd) SetReadDeadline(t time.Time) error {
	s := c.in
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	s.changed.Broadcast()
	if d := time.Until(t); !t.IsZero() && d > 0 {
		time.AfterFunc(d, s.changed.Broadcast)
	}
	return nil
}

func (c *pipeEnd) SetDeadline(t time.Time) error    { return c.SetReadDeadline(t) }
func (c *pipeEnd) SetWriteDeadline(time.Time) error { return nil } // writes never wait
func (c *pipeEnd) LocalAddr() net.Addr              { return address(fmt.Sprintf("%p", c.in)) }
func (c *pipeEnd) RemoteAddr() net.Addr             { return address(fmt.Sprintf("%p", c.out)) }

type address string

func (address) Network() string  { return "memory" }
func (a address) String() string { return string(a) }

// Refused returns the error of a dial to a port without a listener.
func Refused() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// AnswerConnect reads a CONNECT request from far, answers it with a status, and reports
// whether this worked.
func AnswerConnect(far net.Conn, status string) bool {
	req, err := http.ReadRequest(bufio.NewReader(far))
	if err != nil || req.Method != http.MethodConnect {
		return false
	}
	_, err = io.WriteString(far, "HTTP/1.1 "+status+"\r\n\r\n")
	return err == nil
}
