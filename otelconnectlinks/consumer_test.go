package otelconnectlinks_test

import (
	"strings"
	"testing"

	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
)

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
	c := testkit.CheckNestedModule(t, "otelconnectlinks", tracedProgram,
		"github.com/cespare/xxhash/v2",
		"github.com/go-logr/logr",
		"github.com/go-logr/stdr",
		"go.opentelemetry.io/auto/sdk",
		"go.opentelemetry.io/otel",
		"go.opentelemetry.io/otel/metric",
		"go.opentelemetry.io/otel/trace",
	)
	for _, path := range strings.Fields(c.Go("list", "-deps", "./program")) {
		assert.False(t, strings.HasPrefix(path, "go.opentelemetry.io/otel/sdk"), path)
	}
}
