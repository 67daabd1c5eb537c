package pace

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	for n, want := range []time.Duration{1, 2, 4, 8, 10, 10, 10} {
		want *= time.Second
		distinct := map[time.Duration]bool{}
		for range 200 {
			d := Backoff(time.Second, n)
			assert.GreaterOrEqual(t, d, want*3/4)
			assert.LessOrEqual(t, d, min(want*5/4, MaxPause))
			distinct[d] = true
		}
		assert.Greater(t, len(distinct), 50, "delay %d is not at random", n)
	}
	assert.LessOrEqual(t, Backoff(time.Second, math.MaxInt), MaxPause)
	assert.Positive(t, Backoff(time.Second, math.MaxInt))
}

func TestSpread(t *testing.T) {
	t.Parallel()
	for d, most := range map[time.Duration]time.Duration{
		0:                0,
		time.Nanosecond:  0,
		time.Second:      100 * time.Millisecond,
		10 * time.Second: time.Second,
		time.Hour:        time.Second,
	} {
		for range 200 {
			got := Spread(d)
			assert.GreaterOrEqual(t, got, time.Duration(0))
			assert.LessOrEqual(t, got, most)
		}
	}
}

func TestFits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.True(t, Fits(ctx, time.Second-1))
		assert.False(t, Fits(ctx, time.Second))
		assert.False(t, Fits(ctx, time.Hour))
		assert.True(t, Fits(t.Context(), time.Hour))
	})
}

func TestSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		require.NoError(t, Sleep(t.Context(), time.Minute))
		assert.Equal(t, time.Minute, time.Since(start))
		require.NoError(t, Sleep(t.Context(), 0))
		require.NoError(t, Sleep(t.Context(), -1))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		require.ErrorIs(t, Sleep(ctx, time.Hour), context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
		require.ErrorIs(t, Sleep(ctx, time.Hour), context.DeadlineExceeded)
		require.ErrorIs(t, Sleep(ctx, 0), context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const longest = math.MaxInt64 / time.Second * time.Second
	for header, want := range map[string]time.Duration{
		"0":                              0,
		"7":                              7 * time.Second,
		" 7\t":                           7 * time.Second,
		"007":                            7 * time.Second,
		"3600":                           time.Hour,
		"9223372036":                     longest,
		"9223372037":                     longest,
		"18446744073709551615":           longest,
		"18446744073709551616":           longest,
		"99999999999999999999999":        longest,
		"Mon, 23 Nov 2026 12:00:09 GMT":  9 * time.Second,
		"Mon, 23 Nov 2026 12:00:00 GMT":  0,
		"Mon, 23 Nov 2026 11:59:00 GMT":  0,
		"Monday, 23-Nov-26 12:00:09 GMT": 9 * time.Second,
		"Mon Nov 23 12:00:09 2026":       9 * time.Second,
	} {
		got, ok := RetryAfter(header, now)
		assert.True(t, ok, header)
		assert.Equal(t, want, got, header)
	}
	for _, header := range []string{
		"", " ", "-1", "+1", "1.5", "1e3", "0x10", "1s", "1 2", "soon", "1,2", "²", "Mon, 23 Nov 2026", "2026-11-23T12:00:09Z",
	} {
		got, ok := RetryAfter(header, now)
		assert.False(t, ok, header)
		assert.Zero(t, got, header)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "1", "-1", "18446744073709551616", "Mon, 23 Nov 2026 12:00:09 GMT", "Mon Nov 23 12:00:09 2026", "\xff"} {
		f.Add(s, int64(0))
		f.Add(s, int64(-1<<40))
		f.Add(s, int64(1<<40))
	}
	f.Fuzz(func(t *testing.T, header string, now int64) {
		d, ok := RetryAfter(header, time.Unix(now, 0))
		if d < 0 || !ok && d != 0 {
			t.Errorf("%q: %v, %v", header, d, ok)
		}
		if at, err := http.ParseTime(header); err == nil && ok && d > 0 && at.Before(time.Unix(now, 0)) {
			t.Errorf("%q, which is past: %v", header, d)
		}
	})
}

func TestPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p Pauses
		a, otherHost, otherToken := NewKey("t", "h"), NewKey("t", "i"), NewKey("u", "h")
		left := func(k Key) time.Duration {
			left, start := p.Left(k)
			if left > 0 {
				assert.GreaterOrEqual(t, start, left)
				assert.LessOrEqual(t, start, left+time.Second)
			}
			return max(left, 0)
		}
		assert.Zero(t, left(a))
		p.Begin(a, 5*time.Second)
		assert.Equal(t, 5*time.Second, left(a))
		assert.Zero(t, left(otherHost))
		assert.Zero(t, left(otherToken))

		time.Sleep(time.Second)
		p.Begin(a, time.Second)
		assert.Equal(t, 4*time.Second, left(a), "a shorter pause does not end a longer one")
		p.Begin(a, 9*time.Second)
		assert.Equal(t, 9*time.Second, left(a))

		time.Sleep(9 * time.Second)
		assert.Zero(t, left(a))
		p.Begin(a, 24*time.Hour)
		assert.Equal(t, time.Hour, left(a), "remembered for an hour at most")
	})
}

// What is over is forgotten when another pause begins; no timer is left behind.
func TestPausesAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p Pauses
		for i := range 1000 {
			p.Begin(NewKey(fmt.Sprint(i), "h"), time.Duration(1+i%10)*time.Second)
		}
		assert.Len(t, p.ends, 1000)
		time.Sleep(6 * time.Second)
		p.Begin(NewKey("long", "h"), 30*time.Second)
		assert.Len(t, p.ends, 401)
		time.Sleep(5 * time.Second)
		p.Begin(NewKey("long", "h"), time.Second)
		assert.Len(t, p.ends, 1)
	})
}

func TestPausesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p Pauses
		for i := range maxPauses + 10 {
			p.Begin(NewKey(fmt.Sprint(i), "h"), time.Hour)
		}
		assert.LessOrEqual(t, len(p.ends), maxPauses)
		left, _ := p.Left(NewKey(fmt.Sprint(maxPauses+9), "h"))
		assert.Equal(t, time.Hour, left, "the newest is remembered")
	})
}

func TestKeyDoesNotShowItsToken(t *testing.T) {
	t.Parallel()
	var p Pauses
	p.Begin(NewKey("secret-token:Q7x2Lm9", "h"), time.Hour)
	assert.NotContains(t, fmt.Sprintf("%#v %+v %s", &p, p.ends, slices.Collect(maps.Keys(p.ends))), "Q7x2Lm9")
}

// The race detector sees whether Pauses locks.
func TestPausesByMany(t *testing.T) {
	t.Parallel()
	var (
		p  Pauses
		wg sync.WaitGroup
	)
	for i := range 10 {
		key := NewKey(fmt.Sprint(i%3), "h")
		wg.Go(func() {
			p.Begin(key, time.Minute)
			left, _ := p.Left(key)
			assert.Positive(t, left)
		})
	}
	wg.Wait()
}
