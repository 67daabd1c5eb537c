package testkit

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// RoundTripper is a transport in a function.
type RoundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls f, and closes the request's body.
func (f RoundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	return f(r)
}

// Response makes a response to r. header alternates names and values. The default
// Content-Type is JSON.
func Response(r *http.Request, status int, body string, header ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i+1 < len(header); i += 2 {
		h[http.CanonicalHeaderKey(header[i])] = []string{header[i+1]}
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h, Request: r,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// Stream makes a response of unknown length whose body is read from body.
func Stream(r *http.Request, status int, body io.Reader) *http.Response {
	resp := Response(r, status, "")
	resp.Body, resp.ContentLength = io.NopCloser(body), -1
	return resp
}

// Respond makes a transport that gives every request the same answer. See [Response].
func Respond(status int, body string, header ...string) RoundTripper {
	return func(r *http.Request) (*http.Response, error) { return Response(r, status, body, header...), nil }
}

// Fail makes a transport that always returns err.
func Fail(err error) RoundTripper {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// Hang is a transport that never answers.
var Hang RoundTripper = func(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// HangInBody makes a transport that answers with a status, and whose body never comes.
func HangInBody(status int) RoundTripper {
	return func(r *http.Request) (*http.Response, error) {
		return Stream(r, status, stalled{r.Context()}), nil
	}
}

// stalled is a body that never comes.
type stalled struct{ ctx context.Context }

func (s stalled) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// Handle makes a transport that calls h, without a network.
func Handle(h http.Handler) RoundTripper {
	return func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result(), nil
	}
}

// Unused is a transport that fails the test when it is used.
func Unused(t testing.TB) RoundTripper {
	return func(r *http.Request) (*http.Response, error) {
		t.Errorf("sent: %s %s", r.Method, r.URL.Path)
		return Response(r, http.StatusNotFound, `{}`), nil
	}
}

// Counter counts requests, and sends them with RoundTripper. If that is nil, it uses
// [Succeed].
type Counter struct {
	RoundTripper http.RoundTripper
	n            atomic.Int64
}

// RoundTrip counts r and sends it.
func (c *Counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	if c.RoundTripper == nil {
		return Succeed.RoundTrip(r)
	}
	return c.RoundTripper.RoundTrip(r)
}

// Count returns the number of requests since the last Reset.
func (c *Counter) Count() int { return int(c.n.Load()) }

// Reset begins to count from 0.
func (c *Counter) Reset() { c.n.Store(0) }

// Script answers requests one after the other. A request beyond the last step fails
// the test.
type Script struct {
	t        testing.TB
	mu       sync.Mutex
	steps    []RoundTripper
	requests []string
}

// NewScript makes a Script with these steps.
func NewScript(t testing.TB, steps ...RoundTripper) *Script { return &Script{t: t, steps: steps} }

// RoundTrip answers with the next step.
func (s *Script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	n := len(s.requests)
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	s.mu.Unlock()
	if n >= len(s.steps) {
		return Unused(s.t).RoundTrip(r)
	}
	return s.steps[n].RoundTrip(r)
}

// Requests returns the methods and paths so far.
func (s *Script) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}
