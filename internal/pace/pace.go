// Package pace is about waiting: for how long, for whom, and when not at all.
package pace

import (
	"context"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	MaxPause  = 10 * time.Second // no pause is longer
	maxSpread = time.Second      // over which those who waited for the same moment start
	maxMemory = time.Hour        // how long a throttled token is remembered at most
)

// Backoff is the n-th delay, from 0: first, doubled each time, at random within a
// quarter of it, and never longer than MaxPause.
func Backoff(first time.Duration, n int) time.Duration {
	d := min(first<<min(n, 16), MaxPause)
	return min(d*3/4+rand.N(d/2), MaxPause)
}

// Spread is a random time after a pause of d.
func Spread(d time.Duration) time.Duration { return rand.N(min(d/10, maxSpread) + 1) }

// Fits reports whether a wait of d ends before the context does.
func Fits(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || d < time.Until(deadline)
}

// Ended is the context's error. The network may notice a deadline before the
// context does.
func Ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// Sleep waits for d, or for the end of the context, whose error it then returns.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// RetryAfter reads the header of that name: seconds, or an HTTP date. It is false
// for anything else.
func RetryAfter(header string, now time.Time) (time.Duration, bool) {
	header = strings.TrimSpace(header)
	n, err := strconv.ParseUint(header, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(n, math.MaxInt64/uint64(time.Second))) * time.Second, true
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(at.Sub(now), 0), true
	}
	return 0, false
}

// Key is whom a pause holds up: a token, at a host.
type Key struct{ Token, Host string }

// Pauses are the keys that the API asked to wait, so that not every caller has to
// find out for itself. The zero value is ready.
type Pauses struct {
	mu    sync.Mutex
	ends  map[Key]pause // nil while nobody waits
	sweep *time.Timer   // forgets, while somebody does
	next  time.Time     // when
}

type pause struct {
	end time.Time
	d   time.Duration
}

// Begin holds up everybody with that key for d, but for an hour at most.
func (p *Pauses) Begin(key Key, d time.Duration) {
	d = min(d, maxMemory)
	p.mu.Lock()
	defer p.mu.Unlock()
	end := time.Now().Add(d)
	switch {
	case p.ends == nil:
		p.ends = make(map[Key]pause)
		p.sweep = time.AfterFunc(d, p.forget)
		p.next = end
	case end.Before(p.next):
		p.sweep.Reset(d)
		p.next = end
	}
	if end.After(p.ends[key].end) {
		p.ends[key] = pause{end, d}
	}
}

// Left is how much of a key's pause is left, zero or less for none, and a random
// moment to start after that.
func (p *Pauses) Left(key Key) (left, start time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ends) == 0 {
		return 0, 0
	}
	pause := p.ends[key]
	left = time.Until(pause.end)
	return left, left + Spread(pause.d)
}

// forget drops the pauses that are over, and comes back while there are others.
func (p *Pauses) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, had := time.Now(), len(p.ends)
	p.next = now.Add(maxMemory)
	for key, pause := range p.ends {
		if !now.Before(pause.end) {
			delete(p.ends, key)
		} else if pause.end.Before(p.next) {
			p.next = pause.end
		}
	}
	switch left := len(p.ends); {
	case left == 0:
		p.ends, p.sweep = nil, nil
		return
	case left < had/2:
		p.ends = maps.Collect(maps.All(p.ends)) // a map keeps the size that it once had
	}
	// Not for each of many that end one after the other.
	p.next = later(p.next, now.Add(time.Second))
	p.sweep.Reset(time.Until(p.next))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
