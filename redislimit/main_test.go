//go:build unix

package redislimit_test

import (
	"context"
	"os"
	"testing"

	"github.com/redis/go-redis/v9"
)

// TestMain also is the main function of the processes that the tests start.
func TestMain(m *testing.M) {
	redis.SetLogger(silent{}) // it prints each failed connection
	if job := os.Getenv(jobVariable); job != "" {
		work(job)
		return
	}
	if description := os.Getenv(replicaVariable); description != "" {
		serve(description)
		return
	}
	code := m.Run()
	if exampleServer != nil {
		exampleServer.kill()
		_ = os.RemoveAll(exampleServer.dir)
	}
	os.Exit(code)
}

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}
