package connectlinks

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/pace"
	"github.com/connectlinks/connectlinks-go/internal/singleflight"
)

// warmFor is how long after a use a connection is taken to be open. Servers and balancers keep
// idle connections for longer.
const warmFor = 20 * time.Second

// lastUse remembers when a connection to the base URL was used. Clients that share connections
// share it.
type lastUse struct {
	baseURL string
	warming singleflight.Call // of Warm

	mu sync.Mutex
	at time.Time
}

func (u *lastUse) set(at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.at = at
}

func (u *lastUse) recent() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return time.Since(u.at) < warmFor
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
	u := c.core.lastUse
	if u.recent() {
		return nil
	}
	return u.warming.Do(ctx, func(ctx context.Context) error {
		if u.recent() { // meanwhile
			return nil
		}
		return c.core.head(ctx)
	})
}

// head sends a HEAD request for the base URL. Its trace is not started: whether a connection was
// made decides nothing here, and its errors do not say so.
func (c *core) head(ctx context.Context) error {
	hctx, cancel := withTimeout(ctx, c.attemptTimeout)
	defer cancel()
	a := &attempt{core: c, call: &call{method: http.MethodHead, path: "/"}, caller: ctx, ctx: attemptContext{Context: hctx}}
	if over := pace.Ended(ctx); over != nil {
		return a.call.newError("not sent: ", over)
	}
	u := *c.base
	req := &http.Request{Method: http.MethodHead, URL: &u, Host: u.Host, Header: http.Header{"User-Agent": {c.userAgent}}}
	resp, err := a.roundTrip(req.WithContext(hctx))
	if err != nil {
		return a.attemptError(err)
	}
	return resp.Body.Close()
}
