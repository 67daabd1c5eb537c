package httpx

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
)

// Trace records what net/http reports of one request: whether a connection was made, and whether a
// transport sent the request more than once. Only connections to the API or to its proxy count. A
// transport may also use the request's context to fetch a credential elsewhere.
type Trace struct {
	addrs    [2]string // the addresses of the API, and of the proxy, if there is one
	own      bool      // the transport is net/http's, and nothing wraps it
	onResend func()    // called when the request is being sent again; may be nil

	mu       sync.Mutex
	asked    int  // the number of connections to the API that the transport requested
	got      bool // a connection was made
	wrote    bool // a header was written, perhaps only to a buffer
	http2    bool
	sent     int  // how many times all headers were written
	answered bool // the first byte of an answer came
	rewinds  int  // how many times net/http took the body again after it was sent
	resent   bool

	hooks httptrace.ClientTrace
}

// Start makes t watch a request that rt will send. It returns the context for the request. When a
// transport sends the request again, t calls onResend, which may be nil.
func (t *Trace) Start(ctx context.Context, rt http.RoundTripper, req *http.Request, onResend func()) context.Context {
	t.onResend = onResend
	t.addrs[0] = address(req.URL)
	if own, ok := rt.(*http.Transport); ok {
		t.own = true
		if own.Proxy != nil {
			if proxy, err := own.Proxy(req); err == nil && proxy != nil {
				t.addrs[1] = address(proxy)
			}
		}
	}
	t.hooks = httptrace.ClientTrace{
		GetConn:              t.getConn,
		GotConn:              t.gotConn,
		WroteHeaderField:     t.wroteHeaderField,
		WroteHeaders:         t.wroteHeaders,
		GotFirstResponseByte: t.gotFirstResponseByte,
	}
	return httptrace.WithClientTrace(ctx, &t.hooks)
}

// address returns host and port of u in the form in which net/http reports them.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		switch u.Scheme {
		case "http":
			port = "80"
		case "https":
			port = "443"
		default:
			port = "1080" // of a SOCKS proxy
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func (t *Trace) getConn(addr string) {
	if addr != t.addrs[0] && addr != t.addrs[1] {
		return
	}
	t.mu.Lock()
	t.asked++
	again := t.answered || t.sent > t.rewinds
	t.mu.Unlock()
	if again {
		t.resend()
	}
}

// gotConn does not know the address of the connection. After a request for a connection to the API,
// it counts every connection as one to the API, which is the safe choice.
func (t *Trace) gotConn(httptrace.GotConnInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.got = t.got || t.asked > 0
}

func (t *Trace) wroteHeaderField(key string, _ []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.got {
		t.wrote = true
		t.http2 = t.http2 || strings.HasPrefix(key, ":") // a pseudo-header
	}
}

func (t *Trace) wroteHeaders() {
	t.mu.Lock()
	if t.got {
		t.sent++
	}
	again := t.sent > 1+t.rewinds && t.asked > 1+t.rewinds
	t.mu.Unlock()
	if again {
		t.resend()
	}
}

// gotFirstResponseByte may come before wroteHeaders on HTTP/2.
func (t *Trace) gotFirstResponseByte() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answered = t.answered || t.got
}

func (t *Trace) resend() {
	t.mu.Lock()
	first := !t.resent
	t.resent = true
	t.mu.Unlock()
	if first && t.onResend != nil {
		t.onResend()
	}
}

// NoConnection reports whether the request certainly reached no server: the transport requested a
// connection, and got none. If a transport reports nothing, it returns false.
func (t *Trace) NoConnection() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.asked > 0 && !t.got
}

// Resent reports whether a transport sent the request more than once, or began to.
func (t *Trace) Resent() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.resent
}

// AllowRewind reports whether a transport may read the body again. It may before anything was
// written. After that, only net/http's own HTTP/1.1 transport may: it sends a request without an
// idempotency key again only if the connection was dead before a byte left. An HTTP/2 server's
// report that it did not process a request is not enough.
func (t *Trace) AllowRewind() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.wrote && !t.answered {
		return true
	}
	if !t.own || t.http2 || t.answered {
		return false
	}
	if t.sent > t.rewinds {
		t.rewinds++
	}
	return true
}
