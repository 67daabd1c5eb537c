package redislimit_test

import (
	"testing"

	"github.com/connectlinks/connectlinks-go/internal/testkit"
)

const limitedProgram = `package main

import (
	"context"
	"fmt"
	"os"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/redislimit"
	"github.com/redis/go-redis/v9"
)

func main() {
	rdb := redis.NewClient(&redis.Options{Addr: os.Getenv("REDIS_ADDR")})
	defer rdb.Close()
	limiter, err := redislimit.New(rdb, "connectlinks:workspace-17", 5, 10)
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := connectlinks.NewClient(
		connectlinks.WithToken(os.Getenv("CENSUS_API_TOKEN")),
		connectlinks.WithRateLimiter(limiter),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(client.Workspaces.Current(context.Background()))
}
`

// A module elsewhere gets this one like go get. Its programs link go-redis if they import this
// package, and nothing of Redis if they do not.
func TestAModuleElsewhere(t *testing.T) {
	t.Parallel()
	testkit.CheckNestedModule(t, "redislimit", limitedProgram,
		"github.com/cespare/xxhash/v2",
		"github.com/redis/go-redis/v9",
		"go.uber.org/atomic",
		"golang.org/x/sys",
	)
}
