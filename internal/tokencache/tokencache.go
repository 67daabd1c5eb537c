// Package tokencache keeps a token that is fetched when it is first needed.
package tokencache

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// Cache fetches a token once for all who ask at the same time, and keeps it until it is
// invalidated. It is safe for concurrent use, and starts no goroutine.
type Cache struct {
	fetch func(context.Context) (string, error)

	mu       sync.Mutex
	current  *result // nil if the token is to be fetched
	fetching *result // nil if nobody is fetching it
}

// result is set before done is closed. get is a closure, so that printing the cache does not
// show the token.
type result struct {
	done      chan struct{}
	get       func() (string, error)
	abandoned bool // it failed because its caller went away: whoever waited tries again
}

// New returns a Cache that gets its token from fetch.
func New(fetch func(context.Context) (string, error)) *Cache { return &Cache{fetch: fetch} }

// Token returns the token. Those who wait for another caller's fetch share its result, also an
// error, unless that caller gave up.
func (c *Cache) Token(ctx context.Context) (string, error) {
	if ctx == nil {
		return c.fetch(ctx) // which refuses it
	}
	for {
		c.mu.Lock()
		r := c.current
		if r == nil {
			r = c.fetching
		}
		mine := r == nil
		if mine {
			r = &result{done: make(chan struct{}), abandoned: true}
			c.fetching = r
		}
		c.mu.Unlock()

		if mine {
			c.run(ctx, r)
			return r.get()
		}
		select {
		case <-r.done:
			if !r.abandoned {
				return r.get()
			}
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func (c *Cache) run(ctx context.Context, r *result) {
	fetched := false
	defer func() { // also if fetch panics
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.fetching = nil; fetched {
			c.current = r
		}
		close(r.done)
	}()
	token, err := c.fetch(ctx)
	r.get = func() (string, error) { return token, err }
	r.abandoned = err != nil && ctx.Err() != nil
	fetched = err == nil
}

// Invalidate drops the token, if it is still this one.
func (c *Cache) Invalidate(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return
	}
	if current, _ := c.current.get(); current == token {
		c.current = nil
	}
}

// Format prints the type and nothing else for every verb: reading the fields would be a data
// race with their use.
func (c *Cache) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "tokencache.Cache") }
