package otelconnectlinks_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	sdk    = "github.com/connectlinks/connectlinks-go"
	module = sdk + "/otelconnectlinks"
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

const tracedProgram = `package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/otelconnectlinks"
)

func main() {
	client, err := connectlinks.NewClient(
		connectlinks.WithToken(os.Getenv("CENSUS_API_TOKEN")),
		connectlinks.WithHTTPClient(&http.Client{Transport: otelconnectlinks.NewTransport(nil)}),
		otelconnectlinks.WithCallSpans(nil),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(client.Workspaces.Current(context.Background()))
}
`

// A module elsewhere gets this one like go get. Its programs link OpenTelemetry's API if they
// import this package, and nothing of OpenTelemetry if they do not.
func TestAModuleElsewhere(t *testing.T) {
	t.Parallel()
	here, err := filepath.Abs(".")
	require.NoError(t, err)
	c := testkit.NewConsumer(t, here)
	version := testkit.Required(t, here, sdk)
	c.Publish(sdk, version, filepath.Dir(here))
	c.Publish(module, version, here)
	c.Write("plain/main.go", plainProgram)
	c.Write("traced/main.go", tracedProgram)
	c.Go("get", module+"@"+version)
	c.Go("build", "-o", filepath.Join(t.TempDir(), "consumer"), "./traced")
	c.Go("vet", "./...")

	plain := []string{"consumer.example", "github.com/connectlinks/connectlinks-go", "github.com/google/go-querystring", "golang.org/x/time"}
	assert.Equal(t, plain, c.Links("./plain"))
	assert.Equal(t, plain, c.Links("./plain", sdk+"/connectlinkstest", sdk+"/connectlinksweb"))
	api := []string{
		"github.com/cespare/xxhash/v2",
		"github.com/connectlinks/connectlinks-go/otelconnectlinks",
		"github.com/go-logr/logr",
		"github.com/go-logr/stdr",
		"go.opentelemetry.io/auto/sdk",
		"go.opentelemetry.io/otel",
		"go.opentelemetry.io/otel/metric",
		"go.opentelemetry.io/otel/trace",
	}
	want := slices.Concat(plain, api)
	slices.Sort(want)
	assert.Equal(t, want, c.Links("./traced"))
	for _, path := range strings.Fields(c.Go("list", "-deps", "./traced")) {
		assert.False(t, strings.HasPrefix(path, "go.opentelemetry.io/otel/sdk"), path)
	}
}
