package httpx

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// NewTransport keeps enough idle connections for many callers of one host, and
// drops them before common servers and balancers do (60 s).
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    256,
		IdleConnTimeout:        45 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		ForceAttemptHTTP2:      true,
		// A connection that died in silence is found out, instead of costing
		// every call that is put on it its whole time.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
	}
}

// WithoutRedirects is a copy of hc that hands redirects to its caller: a followed
// one would turn a POST into a GET, or send it twice.
func WithoutRedirects(hc *http.Client) *http.Client {
	own := *hc
	own.Transport = stay{cmp.Or(hc.Transport, http.DefaultTransport)}
	return &own
}

// stay leaves redirects without a place to go. To refuse them in CheckRedirect
// would be too late for one whose Location is no URL.
type stay struct{ http.RoundTripper }

func (s stay) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(r)
	if err == nil && resp != nil && resp.Header.Get("Location") != "" {
		resp.Header = resp.Header.Clone() // it may be somebody's
		resp.Header.Del("Location")
	}
	return resp, err
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] looks for.
func (s stay) CloseIdleConnections() {
	if t, ok := s.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// ErrTooLong is returned by ReadAll.
var ErrTooLong = errors.New("too long")

// ReadAll reads r to its end, or up to max bytes and then fails. The announced
// length sizes the buffer as far as it is credible.
func ReadAll(r io.Reader, announced int64, max int) ([]byte, error) {
	size := 4 << 10
	if announced >= 0 && announced < 64<<10 {
		size = int(announced) + 1 // one more, to meet the end without growing
	}
	body := make([]byte, 0, size)
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > max:
			return body[:max], ErrTooLong
		case err == io.EOF:
			return body, nil
		case err != nil:
			return body, err
		}
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
	}
}

// Proof records what net/http reports of a request, as evidence of how far it got.
type Proof struct {
	asked, got, wrote atomic.Bool // for a connection; one; the request's headers
	again             atomic.Bool // got another one after that
	conn              atomic.Pointer[tls.Conn]
	trace             httptrace.ClientTrace
}

// Context is ctx with p listening. A p serves one request.
func (p *Proof) Context(ctx context.Context) context.Context {
	p.trace = httptrace.ClientTrace{
		GetConn: func(string) { p.asked.Store(true) },
		GotConn: func(info httptrace.GotConnInfo) {
			p.got.Store(true)
			if p.wrote.Load() {
				p.again.Store(true)
			}
			if conn, ok := info.Conn.(*tls.Conn); ok {
				p.conn.Store(conn)
			}
		},
		WroteHeaders: func() { p.wrote.Store(true) },
	}
	return httptrace.WithClientTrace(ctx, &p.trace)
}

// NoConnection reports whether the request cannot have reached anybody. A
// transport that reports nothing proves nothing.
func (p *Proof) NoConnection() bool { return p.asked.Load() && !p.got.Load() }

// Repeated reports whether net/http has sent the request more than once.
func (p *Proof) Repeated() bool { return p.again.Load() }

// Unsent reports whether the request may be given to net/http once more for a
// repeat of its own. It repeats one after a reused HTTP/1 connection turned out to
// be dead before a byte was written, which is harmless (over TLS: without, the two
// protocols cannot be told apart), and after an HTTP/2 server
// said that it had not looked at it, which is only that server's word.
func (p *Proof) Unsent() bool {
	if !p.wrote.Load() {
		return true
	}
	conn := p.conn.Load()
	return conn != nil && conn.ConnectionState().NegotiatedProtocol != "h2"
}
