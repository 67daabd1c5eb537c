// Package flight keeps a value that is fetched by whoever needs it first.
package flight

import (
	"context"
	"sync"
)

// Value is fetched once for all who ask at the same time, and kept until it is
// dropped. It is safe for concurrent use, and starts no goroutine.
type Value struct {
	fetch func(context.Context) (string, error)

	mu      sync.Mutex
	current *result // nil if it is to be fetched
	flight  *result // nil if nobody is fetching it
}

// result is set before done is closed. What it is, is behind a function, so that
// no way of printing a Value shows it.
type result struct {
	done      chan struct{}
	get       func() (string, error)
	abandoned bool // it failed because its caller went away: whoever waited tries again
}

// New returns a Value that fetch provides.
func New(fetch func(context.Context) (string, error)) *Value { return &Value{fetch: fetch} }

// Token returns the value. Those who wait for somebody else's fetch share its
// result, its error included, unless that somebody gave up.
func (v *Value) Token(ctx context.Context) (string, error) {
	if ctx == nil {
		return v.fetch(ctx) // which refuses it
	}
	for {
		v.mu.Lock()
		r := v.current
		if r == nil {
			r = v.flight
		}
		mine := r == nil
		if mine {
			r = &result{done: make(chan struct{}), abandoned: true}
			v.flight = r
		}
		v.mu.Unlock()

		if mine {
			v.run(ctx, r)
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

func (v *Value) run(ctx context.Context, r *result) {
	fetched := false
	defer func() { // also should fetch panic
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.flight = nil; fetched {
			v.current = r
		}
		close(r.done)
	}()
	value, err := v.fetch(ctx)
	r.get = func() (string, error) { return value, err }
	r.abandoned = err != nil && ctx.Err() != nil
	fetched = err == nil
}

// Invalidate drops the value, if it is still this one.
func (v *Value) Invalidate(value string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.current == nil {
		return
	}
	if current, _ := v.current.get(); current == value {
		v.current = nil
	}
}
