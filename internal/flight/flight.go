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

// result is set before done is closed. It is behind a pointer, so that printing a
// Value does not show it.
type result struct {
	done      chan struct{}
	value     string
	err       error
	abandoned bool // it failed because its caller went away: whoever waited tries again
}

// New returns a Value that fetch provides.
func New(fetch func(context.Context) (string, error)) *Value { return &Value{fetch: fetch} }

// Token returns the value. Those who wait for somebody else's fetch share its
// result, its error included, unless that somebody gave up.
func (v *Value) Token(ctx context.Context) (string, error) {
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
			return r.value, r.err
		}
		select {
		case <-r.done:
			if !r.abandoned {
				return r.value, r.err
			}
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func (v *Value) run(ctx context.Context, r *result) {
	defer func() { // also should fetch panic
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.flight = nil; r.value != "" {
			v.current = r
		}
		close(r.done)
	}()
	r.value, r.err = v.fetch(ctx)
	r.abandoned = r.err != nil && ctx.Err() != nil
}

// Invalidate drops the value, if it is still this one.
func (v *Value) Invalidate(value string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.current != nil && v.current.value == value {
		v.current = nil
	}
}
