// Package tokencache fetches a token on first use, and keeps it.
package tokencache

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/connectlinks/connectlinks-go/internal/singleflight"
)

// Cache fetches a token once for all concurrent callers, and keeps it until Invalidate. It is safe
// for concurrent use, and starts no goroutine.
type Cache struct {
	fetch    func(context.Context) (string, error)
	fetching singleflight.Call

	mu   sync.Mutex
	kept func() string // a closure, so that a printed cache does not show the token; nil for none
}

// New returns a Cache that gets its token from fetch.
func New(fetch func(context.Context) (string, error)) *Cache { return &Cache{fetch: fetch} }

// Token returns the token. A caller that waits for another caller's fetch also gets its error,
// unless that caller's context ended.
func (c *Cache) Token(ctx context.Context) (string, error) {
	if ctx == nil {
		return c.fetch(ctx) // which refuses a nil context
	}
	for {
		if token := c.token(); token != "" {
			return token, nil
		}
		err := c.fetching.Do(ctx, func(ctx context.Context) error {
			if c.token() != "" { // fetched in the meantime
				return nil
			}
			token, err := c.fetch(ctx)
			if err == nil {
				c.keep(token)
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
}

func (c *Cache) token() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		return ""
	}
	return c.kept()
}

func (c *Cache) keep(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = func() string { return token }
}

// Invalidate forgets the token, if it is still this one.
func (c *Cache) Invalidate(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept != nil && c.kept() == token {
		c.kept = nil
	}
}

// Format prints only the type, for every verb. Printing the fields would be a data race.
func (c *Cache) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "tokencache.Cache") }
