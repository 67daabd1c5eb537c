// Package pace computes pauses, and holds the pauses of throttled tokens.
package pace

import (
	"context"
	"crypto/sha256"
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
	MaxPause  = 10 * time.Second // the longest pause, without the spread
	maxSpread = time.Second      // the longest spread of callers that wait for the same moment
	maxMemory = time.Hour        // the longest time that a throttled token is stored
	maxPauses = 100_000          // the largest number of throttled tokens that are stored
)

// Backoff returns the n-th delay, from 0. It is first, doubled n times, plus or minus up to a
// quarter at random. It is at most MaxPause.
func Backoff(first time.Duration, n int) time.Duration {
	d := min(first<<min(n, 16), MaxPause)
	return min(d*3/4+rand.N(d/2), MaxPause)
}

// Spread returns a random time, up to a tenth of d and up to a second, to add to a pause of d.
func Spread(d time.Duration) time.Duration { return rand.N(min(d/10, maxSpread) + 1) }

// Fits reports whether a wait of d ends before the context does.
func Fits(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || d < time.Until(deadline)
}

// Ended returns the context's error, also if only its deadline has passed: the network may notice a
// deadline before the context does.
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

// RetryAfter reads a Retry-After header: seconds, or an HTTP date. It returns false for anything
// else.
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

// Key is a token at a host. It holds a hash of the token, so that a printed Key does not show the
// token.
type Key struct {
	token [sha256.Size]byte
	host  string
}

// NewKey returns the key of a token at a host.
func NewKey(token, host string) Key { return Key{sha256.Sum256([]byte(token)), host} }

// Pauses holds the keys that the API has asked to wait. So other callers with the same key wait
// without a request. The zero value is ready. It is safe for concurrent use.
type Pauses struct {
	mu    sync.Mutex
	ends  map[Key]pause
	swept time.Time
}

type pause struct {
	end time.Time
	d   time.Duration
}

// Begin begins a pause of d for a key, at most an hour. It can make an earlier pause longer, but
// not shorter.
func (p *Pauses) Begin(key Key, d time.Duration) {
	d = min(d, maxMemory)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.sweep(now)
	if end := now.Add(d); end.After(p.ends[key].end) {
		if p.ends == nil {
			p.ends = make(map[Key]pause)
		}
		p.ends[key] = pause{end, d}
	}
}

// sweep removes the pauses that are over, at most once a second. If there are too many pauses, it
// removes all of them: the API will ask their callers again to wait.
func (p *Pauses) sweep(now time.Time) {
	if len(p.ends) >= maxPauses {
		p.ends = nil
		return
	}
	if now.Sub(p.swept) < time.Second {
		return
	}
	p.swept = now
	maps.DeleteFunc(p.ends, func(_ Key, pause pause) bool { return !now.Before(pause.end) })
	if len(p.ends) == 0 {
		p.ends = nil // an empty map would keep its memory
	}
}

// Left returns the rest of a key's pause, and the rest plus a random spread, after which to start.
// Without a pause, the rest is zero or less.
func (p *Pauses) Left(key Key) (left, start time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pause, ok := p.ends[key]
	if !ok {
		return 0, 0
	}
	left = time.Until(pause.end)
	return left, left + Spread(pause.d)
}
