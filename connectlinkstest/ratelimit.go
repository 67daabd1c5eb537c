package connectlinkstest

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/time/rate"
)

// RateLimit limits the requests per second of each token. Requests above the limit are
// answered with 429 and Retry-After, and are not carried out. The burst
// is the number of requests of one second, at least one. 0 removes the limit. A number that
// is negative or not finite is an error. The limit uses [time.Now], not the server's clock.
//
// Assumption: all of it. No limit is documented.
func (s *Server) RateLimit(perSecond float64) error {
	if perSecond < 0 || math.IsNaN(perSecond) || math.IsInf(perSecond, 0) {
		return fmt.Errorf("connectlinkstest: a rate limit cannot be %v", perSecond)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate = perSecond
	s.limiters = map[*Workspace]*rate.Limiter{}
	return nil
}

// limited returns the answer to a request above its token's rate limit, or nil.
func (c *call) limited(caller string) *answer {
	if c.rate == 0 || caller == "" {
		return nil
	}
	l := c.limiters[c.workspace] // nil is the personal token
	if l == nil {
		l = rate.NewLimiter(rate.Limit(c.rate), int(min(max(c.rate, 1), 1e9)))
		c.limiters[c.workspace] = l
	}
	now := time.Now()
	turn := l.ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	turn.CancelAt(now)
	a := c.refuse(http.StatusTooManyRequests, "Too many requests")
	a.header = http.Header{"Retry-After": {strconv.Itoa(int(math.Ceil(wait.Seconds())))}}
	return &a
}
