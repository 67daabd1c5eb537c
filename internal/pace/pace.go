// Package pace is about waiting: for how long, for whom, and when not at all.
package pace

import (
	"context"
	"errors"
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
	maxMemory = time.Minute      // how long a throttled token is remembered at most
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
}

type pause struct {
	end time.Time
	d   time.Duration
}

// Begin holds up everybody with that key for d, but for a minute at most.
func (p *Pauses) Begin(key Key, d time.Duration) {
	d = min(d, maxMemory)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ends == nil {
		p.ends = make(map[Key]pause)
		p.sweep = time.AfterFunc(d, p.forget)
	}
	if end := time.Now().Add(d); end.After(p.ends[key].end) {
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
	now := time.Now()
	for key, pause := range p.ends {
		if !now.Before(pause.end) {
			delete(p.ends, key)
		}
	}
	if len(p.ends) == 0 {
		p.ends, p.sweep = nil, nil // an emptied map would keep its size
		return
	}
	p.sweep.Reset(time.Second)
}
