// Package pace decides how long to wait, and who waits.
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
	MaxPause  = 10 * time.Second // no pause is longer, except for the spread
	maxSpread = time.Second      // those who waited for the same moment start within it
	maxMemory = time.Hour        // how long a throttled token is remembered at most
	maxPauses = 100_000          // how many throttled tokens are remembered at most
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

// Key names who waits: a token at a host. It holds a hash of the token, so that printing it
// does not show the token.
type Key struct {
	token [sha256.Size]byte
	host  string
}

// NewKey returns the key of a token at a host.
func NewKey(token, host string) Key { return Key{sha256.Sum256([]byte(token)), host} }

// Pauses remembers which keys the API has asked to wait, so that not every caller has to
// find out for itself. The zero value is ready. It is safe for concurrent use.
type Pauses struct {
	mu    sync.Mutex
	ends  map[Key]pause
	swept time.Time
}

type pause struct {
	end time.Time
	d   time.Duration
}

// Begin makes everybody with that key wait for d, and for at most an hour. A pause under
// way is prolonged, and never shortened.
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

// sweep forgets the pauses that are over, at most once a second. Where there are too many,
// it forgets those under way as well: their callers will be told again.
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
		p.ends = nil // a map keeps the size that it once had
	}
}

// Left returns how much of a key's pause is left, zero or less for none, and a random
// moment to start after that.
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
