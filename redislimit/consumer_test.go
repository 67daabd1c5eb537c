package redislimit_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	sdk    = "github.com/connectlinks/connectlinks-go"
	module = sdk + "/redislimit"
)

const plainProgram = `package main

import (
	"context"
	"fmt"
	"os"

	"github.com/connectlinks/connectlinks-go"
)

func main() {
	client, err := connectlinks.NewClient(connectlinks.WithToken(os.Getenv("CENSUS_API_TOKEN")))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(client.Workspaces.Current(context.Background()))
}
`

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
	here, err := filepath.Abs(".")
	require.NoError(t, err)
	c := testkit.NewConsumer(t, here)
	version := testkit.Required(t, here, sdk)
	c.Publish(sdk, version, filepath.Dir(here))
	c.Publish(module, version, here)
	c.Write("plain/main.go", plainProgram)
	c.Write("limited/main.go", limitedProgram)
	c.Go("get", sdk+"@"+version, module+"@"+version)
	c.Go("build", "-o", filepath.Join(t.TempDir(), "consumer"), "./limited")
	c.Go("vet", "./...")

	plain := []string{"consumer.example", sdk, "github.com/google/go-querystring", "golang.org/x/time"}
	assert.Equal(t, plain, c.Links("./plain"))
	assert.Equal(t, plain, c.Links("./plain", sdk+"/connectlinkstest", sdk+"/connectlinksweb"))
	redis := []string{
		"github.com/cespare/xxhash/v2",
		module,
		"github.com/redis/go-redis/v9",
		"go.uber.org/atomic",
		"golang.org/x/sys",
	}
	want := slices.Concat(plain, redis)
	slices.Sort(want)
	assert.Equal(t, want, c.Links("./limited"))
}
