//go:build unix

package redislimit_test

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/connectlinks/connectlinks-go/redislimit"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"
)

func rateLimit(limit float64) rate.Limit { return rate.Limit(limit) }

// monotonic is a clock that all processes of the machine share.
func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}

// grant is a turn. Redis, or the process itself, gave it at some time from From to To.
// A busy machine makes that longer, and so the checks below weaker, but never wrong.
type grant struct{ From, To time.Duration }

// recorder notes when the last script of a call began.
type recorder struct{ redis.Scripter }

type recorderKey struct{}

// recorded returns a context whose scripts set *from.
func recorded(ctx context.Context, from *time.Duration) context.Context {
	return context.WithValue(ctx, recorderKey{}, from)
}

func (r *recorder) note(ctx context.Context) {
	if from, ok := ctx.Value(recorderKey{}).(*time.Duration); ok {
		*from = monotonic()
	}
}

func (r *recorder) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	r.note(ctx)
	return r.Scripter.EvalSha(ctx, sha, keys, args...)
}

func (r *recorder) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	r.note(ctx)
	return r.Scripter.Eval(ctx, script, keys, args...)
}

// grants are turns of any number of callers.
type grants struct {
	mu   sync.Mutex
	list []grant
	more chan struct{} // closed when the list grows
}

func (g *grants) add(grant grant) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.list = append(g.list, grant)
	if g.more != nil {
		close(g.more)
		g.more = nil
	}
}

// wait waits for a turn, and adds it.
func (g *grants) wait(t testing.TB, l *redislimit.Limiter) {
	from := monotonic()
	if err := l.Wait(recorded(within(t), &from)); err != nil {
		t.Error(err)
		return
	}
	g.add(grant{from, monotonic()})
}

// atLeast waits until there are n.
func (g *grants) atLeast(t testing.TB, n int) {
	t.Helper()
	timeout := time.After(patience)
	for {
		g.mu.Lock()
		if len(g.list) >= n {
			g.mu.Unlock()
			return
		}
		if g.more == nil {
			g.more = make(chan struct{})
		}
		more := g.more
		g.mu.Unlock()
		select {
		case <-more:
		case <-timeout:
			t.Fatalf("there are no %d turns", n)
		}
	}
}

// assertWithin checks all windows: no more turns than limit and burst allow, and one
// more or those of 50 ms.
func (g *grants) assertWithin(t testing.TB, limit float64, burst int) {
	t.Helper()
	assertTurns(t, g.all(), limit, burst)
}

func (g *grants) all() []grant {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.list)
}

func assertTurns(t testing.TB, list []grant, limit float64, burst int) {
	t.Helper()
	slices.SortFunc(list, func(a, b grant) int { return cmp.Compare(a.From, b.From) })
	for i := range list {
		ends := make([]time.Duration, 0, len(list)-i)
		for _, later := range list[i:] {
			ends = append(ends, later.To)
		}
		slices.Sort(ends)
		for n, end := range ends {
			window := end - list[i].From
			allowed := limit*window.Seconds() + float64(burst) + max(1, limit*0.05) + 0.01
			require.LessOrEqual(t, float64(n+1), allowed, "turns in %v", window)
		}
	}
}

// assertPaused checks that no turn was given from told to end, and that they came one
// by one after that.
func (g *grants) assertPaused(t testing.TB, told, end time.Duration, limit float64) {
	t.Helper()
	var after []time.Duration
	for _, grant := range g.all() {
		if grant.From >= told {
			require.GreaterOrEqual(t, grant.To, end, "a turn was given %v before the end of a pause", end-grant.To)
		}
		if grant.To >= end && grant.From >= told {
			after = append(after, grant.To)
		}
	}
	require.NotEmpty(t, after, "turns after the pause")
	slices.Sort(after)
	for i, at := range after {
		require.GreaterOrEqual(t, at, end+time.Duration(float64(i)/limit*float64(time.Second)), "turn %d after a pause", i)
	}
}
