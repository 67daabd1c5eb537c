// Package tokencache keeps a token that is fetched when it is first needed.
package tokencache

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/connectlinks/connectlinks-go/internal/singleflight"
)

// Cache fetches a token once for all who ask at the same time, and keeps it until it is
// invalidated. It is safe for concurrent use, and starts no goroutine.
type Cache struct {
	fetch    func(context.Context) (string, error)
	fetching singleflight.Call

	mu   sync.Mutex
	kept func() string // a closure, so that printing the cache does not show the token; nil for none
}

// New returns a Cache that gets its token from fetch.
func New(fetch func(context.Context) (string, error)) *Cache { return &Cache{fetch: fetch} }

// Token returns the token. Those who wait for another caller's fetch share its error as well,
// unless that caller gave up.
func (c *Cache) Token(ctx context.Context) (string, error) {
	if ctx == nil {
		return c.fetch(ctx) // which refuses it
	}
	for {
		if token := c.token(); token != "" {
			return token, nil
		}
		err := c.fetching.Do(ctx, func(ctx context.Context) error {
			if c.token() != "" { // fetched meanwhile
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

// Invalidate drops the token, if it is still this one.
func (c *Cache) Invalidate(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept != nil && c.kept() == token {
		c.kept = nil
	}
}

// Format prints the type and nothing else for every verb: reading the fields would be a data
// race with their use.
func (c *Cache) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "tokencache.Cache") }
