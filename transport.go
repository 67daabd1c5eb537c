package connectlinks

import (
	"context"
	"net/http"

	"github.com/connectlinks/connectlinks-go/internal/httpx"
)

// NewTransport returns a transport like the one that a [Client] uses by default: it keeps enough
// idle connections for many callers of one host, and drops them after 45 seconds. Wrap it to
// add something of your own without losing that:
//
//	connectlinks.WithHTTPClient(&http.Client{Transport: own(connectlinks.NewTransport())})
//
// For OpenTelemetry there is the module otelconnectlinks. Other instrumentation of net/http may
// record the errors of the transport, which may quote a link.
func NewTransport() *http.Transport { return httpx.NewTransport() }

// Attempt describes one request of a call, for transports: see [AttemptFromContext].
type Attempt struct {
	Method string
	Route  string // the path with placeholders, such as /api/v1/sources/{source_id}, without the prefix of WithBaseURL
	Resend int    // how many requests of the same call came before this one, for whatever reason
}

// AttemptFromContext returns the attempt that a request belongs to, and false if ctx is not the
// context of a request of this SDK. A transport calls it with the request's context.
func AttemptFromContext(ctx context.Context) (Attempt, bool) {
	a, ok := ctx.Value(attemptKey{}).(*Attempt)
	if !ok {
		return Attempt{}, false
	}
	return *a, true
}

type attemptKey struct{}

// attemptContext is the context of a request. The attempt is a part of it, so that it costs no
// allocation.
type attemptContext struct {
	context.Context
	attempt Attempt
}

func (c *attemptContext) Value(key any) any {
	if key == (attemptKey{}) {
		return &c.attempt
	}
	return c.Context.Value(key)
}
