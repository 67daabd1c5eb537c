package connectlinks

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/pace"
)

// warmFor is how long after a use a connection is taken to be open. Servers and balancers keep
// idle connections for longer.
const warmFor = 20 * time.Second

// warmth remembers when a connection to the base URL was used. Clients that share connections
// share it.
type warmth struct {
	baseURL string
	warming pace.Shared

	mu   sync.Mutex
	used time.Time
}

func (w *warmth) use() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used = time.Now()
}

func (w *warmth) cool() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used = time.Time{}
}

func (w *warmth) warm() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.used) < warmFor
}

// Warm makes sure that a connection to the API is open before it is needed, so that the next call
// costs one round trip instead of three. Call it where a customer looks at a page that leads to a
// call. It sends a HEAD request for the base URL, without token and cookies, and any answer is a
// success. If the client was used or warmed in the last 20 seconds, it does nothing. Calls at the
// same time share one request. It obeys [WithTimeout], and neither retries nor calls hooks.
//
// Assumption: the API's host answers such a request, and it counts against no token's limit.
func (c *Client) Warm(ctx context.Context) error {
	switch {
	case c == nil || c.core == nil:
		return errNoClient()
	case ctx == nil:
		return &InputError{"ctx", "is nil"}
	}
	w := c.core.warmth
	if w.warm() {
		return nil
	}
	return w.warming.Do(ctx, func(ctx context.Context) error {
		if w.warm() { // meanwhile
			return nil
		}
		return c.core.head(ctx)
	})
}

// head sends a HEAD request for the base URL.
func (c *core) head(ctx context.Context) error {
	hctx, cancel := withTimeout(ctx, c.attemptTimeout)
	defer cancel()
	a := &attempt{core: c, call: &call{method: http.MethodHead, path: "/"}, caller: ctx, ctx: attemptContext{Context: hctx}}
	if over := pace.Ended(ctx); over != nil {
		return a.call.failed("not sent: ", over)
	}
	u := *c.base
	req := &http.Request{Method: http.MethodHead, URL: &u, Host: u.Host, Header: http.Header{"User-Agent": {c.userAgent}}}
	resp, err := a.roundTrip(req.WithContext(hctx))
	if err != nil {
		return a.failed(err)
	}
	return resp.Body.Close()
}
