package tokencache_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/internal/tokencache"
)

// slow takes a second, and counts.
type slow struct {
	mu    sync.Mutex
	calls int
	fail  error
}

func (s *slow) fetch(ctx context.Context) (string, error) {
	s.mu.Lock()
	s.calls++
	n, fail := s.calls, s.fail
	s.mu.Unlock()
	select {
	case <-time.After(time.Second):
		if fail != nil {
			return "", fail
		}
		return "value-" + strconv.Itoa(n), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func TestFetchedOnceForMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		v := tokencache.New(s.fetch)
		start := time.Now()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				got, err := v.Token(t.Context())
				assert.NoError(t, err)
				assert.Equal(t, "value-1", got)
			})
		}
		wg.Wait()
		assert.Equal(t, time.Second, time.Since(start))
		assert.Equal(t, 1, s.calls)

		got, err := v.Token(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "value-1", got)
		assert.Equal(t, time.Second, time.Since(start), "what is kept is at hand")
	})
}

// A caller that finds no token may ask for it when another one has just fetched it.
func TestFetchedOnceHoweverCallersMeet(t *testing.T) {
	t.Parallel()
	for round := range 20_000 {
		var fetched atomic.Int64
		v := tokencache.New(func(context.Context) (string, error) {
			fetched.Add(1)
			return "value", nil
		})
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 4 {
			wg.Go(func() {
				<-start
				_, err := v.Token(t.Context())
				assert.NoError(t, err)
			})
		}
		close(start)
		wg.Wait()
		require.EqualValues(t, 1, fetched.Load(), "round %d", round)
	}
}

func TestInvalidate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		v := tokencache.New(s.fetch)
		v.Invalidate("value-1") // nothing there yet
		_, err := v.Token(t.Context())
		require.NoError(t, err)

		v.Invalidate("another")
		got, _ := v.Token(t.Context())
		assert.Equal(t, "value-1", got)

		v.Invalidate("value-1")
		v.Invalidate("value-1")
		got, err = v.Token(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "value-2", got)
		v.Invalidate("value-1") // by somebody who is late
		got, _ = v.Token(t.Context())
		assert.Equal(t, "value-2", got)
	})
}

func TestErrorIsSharedAndNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{fail: errors.New("refused")}
		v := tokencache.New(s.fetch)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				_, err := v.Token(t.Context())
				assert.ErrorIs(t, err, s.fail)
			})
		}
		wg.Wait()
		assert.Equal(t, 1, s.calls)

		s.fail = nil
		got, err := v.Token(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "value-2", got)
	})
}

// Whoever fetches may give up. Then one of those who wait fetches for the rest. Whoever waits may
// give up, too.
func TestCallersThatGoAway(t *testing.T) {
	t.Parallel()
	for want, give := range map[error]func(context.Context) (context.Context, context.CancelFunc){
		context.Canceled: func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(500*time.Millisecond, cancel)
			return ctx, cancel
		},
		context.DeadlineExceeded: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 500*time.Millisecond)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &slow{}
			v := tokencache.New(s.fetch)
			start := time.Now()
			var wg sync.WaitGroup
			wg.Go(func() {
				ctx, cancel := give(t.Context())
				defer cancel()
				_, err := v.Token(ctx)
				assert.ErrorIs(t, err, want)
				assert.Equal(t, 500*time.Millisecond, time.Since(start))
			})
			synctest.Wait()
			for range 20 {
				wg.Go(func() {
					got, err := v.Token(t.Context())
					assert.NoError(t, err)
					assert.Equal(t, "value-2", got)
					assert.Equal(t, 1500*time.Millisecond, time.Since(start))
				})
			}
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				_, err := v.Token(ctx)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, 200*time.Millisecond, time.Since(start))
			})
			wg.Wait()
			assert.Equal(t, 2, s.calls)
		})
	}
}

func TestFetchPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var once sync.Once
		v := tokencache.New(func(context.Context) (string, error) {
			once.Do(func() {
				time.Sleep(time.Second)
				panic("oh")
			})
			return "value", nil
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			assert.Panics(t, func() { _, _ = v.Token(t.Context()) })
		})
		synctest.Wait()
		wg.Go(func() {
			got, err := v.Token(t.Context())
			assert.NoError(t, err)
			assert.Equal(t, "value", got)
		})
		wg.Wait()
	})
}
