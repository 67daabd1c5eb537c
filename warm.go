package connectlinks

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/pace"
	"github.com/connectlinks/connectlinks-go/internal/singleflight"
)

// warmFor is how long a connection counts as open after its last use. Servers and load balancers
// keep idle connections longer.
const warmFor = 20 * time.Second

// lastUse holds the time of the last use of a connection to the base URL. Clients that share
// connections share it.
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

// Warm opens a connection to the API, so that the next call needs one round trip instead of three.
// Call it when a customer looks at a page whose button leads to a call. If the client was used or
// warmed in the last 20 seconds, Warm does nothing.
//
// It sends a HEAD request for the base URL, without token and cookies. Any answer is a success.
// Concurrent calls share one request. [WithTimeout] limits it. It does not retry, and calls no
// hooks.
//
// Assumption: the API's host answers such a request, and counts it against no token's limit.
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

// head sends a HEAD request for the base URL. It starts no trace, because nothing depends on
// whether a connection was made.
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
