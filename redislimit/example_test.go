//go:build unix

package redislimit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/redislimit"
	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"
)

// Every replica makes a limiter with the same key, limit and burst.
func Example() {
	rdb := exampleRedis()
	defer rdb.Close()

	limiter, err := redislimit.New(rdb, "connectlinks:eu-workspace-17", 5, 10,
		redislimit.WithErrorHandler(func(err error) {
			if err != nil {
				slog.Warn("the rate limit is not shared any more", "error", err)
			} else {
				slog.Info("the rate limit is shared again")
			}
		}))
	if err != nil {
		fmt.Println(err)
		return
	}

	// In production: connectlinks.NewClient(connectlinks.WithToken(...), connectlinks.WithRateLimiter(limiter))
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client(connectlinks.WithRateLimiter(limiter))

	workspace, err := client.Workspaces.Current(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(workspace.ID > 0)
	// Output: true
}

// One replica was told to wait, so all of them wait.
func ExampleLimiter_Throttled() {
	rdb := exampleRedis()
	defer rdb.Close()
	ctx := context.Background()

	one, err := redislimit.New(rdb, "connectlinks:workspace-23", 5, 10)
	if err != nil {
		fmt.Println(err)
		return
	}
	other, err := redislimit.New(rdb, "connectlinks:workspace-23", 5, 10)
	if err != nil {
		fmt.Println(err)
		return
	}

	one.Throttled(ctx, 5*time.Minute) // the SDK calls it after a 429 with Retry-After

	err = other.Wait(ctx)
	var refused interface{ RetryAfter() time.Duration }
	if errors.As(err, &refused) {
		fmt.Println("in minutes:", refused.RetryAfter().Round(time.Minute).Minutes())
	}
	// Output: in minutes: 5
}

// While Redis is lost, each of four replicas uses a fifth of the limit.
func ExampleWithFallback() {
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}) // nothing listens here
	defer rdb.Close()

	limiter, err := redislimit.New(rdb, "connectlinks:workspace-17", 5, 10,
		redislimit.WithFallback(rate.NewLimiter(1, 2)))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(limiter.Wait(context.Background()))
	// Output: <nil>
}

// exampleRedis returns a client of a server that TestMain stops.
func exampleRedis() *redis.Client {
	binaries := serverBinaries()
	if len(binaries) == 0 {
		panic("there is no redis-server and no valkey-server in PATH")
	}
	if exampleServer == nil {
		dir, err := os.MkdirTemp("", "redislimit")
		if err != nil {
			panic(err)
		}
		if exampleServer, err = launch(binaries[0], dir); err != nil {
			panic(err)
		}
	}
	return redis.NewClient(&redis.Options{Addr: exampleServer.addr})
}

var exampleServer *server
