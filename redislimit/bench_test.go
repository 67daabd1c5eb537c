//go:build unix

package redislimit_test

import (
	"context"
	"flag"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/connectlinks/connectlinks-go/redislimit"
	"github.com/stretchr/testify/require"
)

// BenchmarkWait measures a turn that needs no waiting.
func BenchmarkWait(b *testing.B) {
	for _, binary := range serverBinaries() {
		s := startServer(b, binary)
		for name, run := range map[string]func(*testing.B, func(context.Context) error){"one caller": one, "many callers": many} {
			b.Run(filepath.Base(binary)+"/"+name, func(b *testing.B) {
				run(b, newLimiter(b, s.client(b), 1e6, 1e6, unhurried()).Wait)
			})
		}
	}
	b.Run("Redis is away", func(b *testing.B) {
		f := newFakeRedis(b)
		f.behave(func(context.Context) error { return errGone }, fine)
		one(b, newLimiter(b, f, 1e9, 1e9).Wait)
	})
}

func one(b *testing.B, wait func(context.Context) error) {
	require.NoError(b, wait(b.Context()))
	b.ReportAllocs()
	for b.Loop() {
		if err := wait(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func many(b *testing.B, wait func(context.Context) error) {
	require.NoError(b, wait(b.Context()))
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := wait(b.Context()); err != nil {
				b.Error(err)
			}
		}
	})
}

var hangTime = flag.Duration("hang", time.Second, "how long Redis hangs in BenchmarkHang")

// BenchmarkHang measures the longest call of Wait while Redis hangs, and how long
// after that the limit is shared again. Eight callers call without a break.
func BenchmarkHang(b *testing.B) {
	for _, binary := range serverBinaries() {
		b.Run(filepath.Base(binary), func(b *testing.B) {
			s := startServer(b, binary)
			defer s.signal(syscall.SIGCONT)
			var longest, back time.Duration
			for b.Loop() {
				news := make(line, 1000)
				l := newLimiter(b, s.client(b), 1e6, 1e6, redislimit.WithErrorHandler(news.handle))
				require.NoError(b, l.Wait(b.Context()))
				ctx, cancel := context.WithCancel(b.Context())
				var mu sync.Mutex
				var wg sync.WaitGroup
				for range 8 {
					wg.Go(func() {
						for ctx.Err() == nil {
							begun := time.Now()
							err := l.Wait(b.Context())
							took := time.Since(begun)
							if err != nil {
								b.Error(err)
							}
							mu.Lock()
							longest = max(longest, took)
							mu.Unlock()
							time.Sleep(time.Millisecond)
						}
					})
				}
				s.signal(syscall.SIGSTOP)
				require.Error(b, news.next(b))
				time.Sleep(*hangTime)
				s.signal(syscall.SIGCONT)
				resumed := time.Now()
				require.NoError(b, news.next(b))
				back = max(back, time.Since(resumed))
				cancel()
				wg.Wait()
			}
			b.ReportMetric(float64(longest.Microseconds())/1000, "ms-longest-wait")
			b.ReportMetric(float64(back.Microseconds())/1000, "ms-until-shared")
		})
	}
}
