package pace

import (
	"context"
	"sync"
)

// Shared runs a function once for all who ask at the same time. The zero value is ready. It is
// safe for concurrent use, and starts no goroutine.
type Shared struct {
	mu      sync.Mutex
	running *run
}

// run is set before done is closed.
type run struct {
	done      chan struct{}
	err       error
	abandoned bool // it failed because its caller went away: whoever waited tries again
}

// Do calls f, or waits for another caller's f and returns its error. If that caller gave up, it
// tries again.
func (s *Shared) Do(ctx context.Context, f func(context.Context) error) error {
	for {
		s.mu.Lock()
		r := s.running
		if r == nil {
			r = &run{done: make(chan struct{}), abandoned: true}
			s.running = r
			s.mu.Unlock()
			s.call(ctx, r, f)
			return r.err
		}
		s.mu.Unlock()
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

func (s *Shared) call(ctx context.Context, r *run, f func(context.Context) error) {
	defer func() { // also if f panics
		s.mu.Lock()
		s.running = nil
		s.mu.Unlock()
		close(r.done)
	}()
	err := f(ctx)
	r.err, r.abandoned = err, err != nil && ctx.Err() != nil
}
