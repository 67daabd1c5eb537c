package connectlinks

import (
	"context"
	"net/http"

	"github.com/connectlinks/connectlinks-go/internal/httpx"
)

// NewTransport returns a transport like the one that a [Client] uses by default. It keeps enough
// idle connections for many callers of one host, and closes them after 45 seconds. Change or wrap
// it for your own needs:
//
//	connectlinks.WithHTTPClient(&http.Client{Transport: own(connectlinks.NewTransport())})
//
// For OpenTelemetry use the module otelconnectlinks. Other instrumentation of net/http may record
// the errors of the transport, which may quote a link.
func NewTransport() *http.Transport { return httpx.NewTransport() }

// Attempt describes one request of a call, for transports: see [AttemptFromContext].
type Attempt struct {
	Method string
	Route  string // the path with placeholders, such as /api/v1/sources/{source_id}, without the prefix of WithBaseURL
	Resend int    // the number of requests of the same call before this one
}

// AttemptFromContext returns the attempt of a request, for transports. Pass the request's context.
// It returns false if the request is not one of this SDK's calls.
func AttemptFromContext(ctx context.Context) (Attempt, bool) {
	a, ok := ctx.Value(attemptKey{}).(*Attempt)
	if !ok {
		return Attempt{}, false
	}
	return *a, true
}

type attemptKey struct{}

// attemptContext is the context of a request. It holds the attempt itself, to save an allocation.
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
