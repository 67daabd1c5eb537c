//go:build unix

package redislimit_test

import (
	"context"
	"path/filepath"
	"testing"

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
