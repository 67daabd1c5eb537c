// Package singleflight lets concurrent callers share one call of a function.
package singleflight

import (
	"context"
	"sync"
)

// Call runs a function once for all concurrent callers. The zero value is ready. It is safe for
// concurrent use, and starts no goroutine.
type Call struct {
	mu      sync.Mutex
	running *run
}

// run is one call of the function. Its fields are set before done is closed.
type run struct {
	done      chan struct{}
	err       error
	abandoned bool // its caller's context ended, so other callers try again
}

// Do calls f. If another caller's f is running, Do waits for it and returns its error. If that
// caller's context ended, Do tries again.
func (c *Call) Do(ctx context.Context, f func(context.Context) error) error {
	for {
		c.mu.Lock()
		r := c.running
		if r == nil {
			r = &run{done: make(chan struct{}), abandoned: true}
			c.running = r
			c.mu.Unlock()
			c.run(ctx, r, f)
			return r.err
		}
		c.mu.Unlock()
		select {
		case <-r.done:
			if !r.abandoned {
				return r.err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *Call) run(ctx context.Context, r *run, f func(context.Context) error) {
	defer func() { // also if f panics
		c.mu.Lock()
		c.running = nil
		c.mu.Unlock()
		close(r.done)
	}()
	err := f(ctx)
	r.err, r.abandoned = err, err != nil && ctx.Err() != nil
}
