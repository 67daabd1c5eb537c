// Package testkit has what the tests of this module share:
//
//   - an API whose answers can fail,
//   - a network in memory for synctest bubbles, and servers on sockets,
//   - transports in a function, clients, token sources,
//   - checks of errors, and of printed secrets,
//   - a table with a call of every public method.
//
// Only tests import it.
package testkit

import (
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/stretchr/testify/require"
)

// Secrets that the clients and answers of this package hold. No other text has a part of
// them, so tests can look for parts.
const (
	Token       = "secret-token:" + TokenSecret
	TokenSecret = "Hj4kT9vQ2mX7/bN5w+R8cZ="
	LinkURL     = "https://app.getcensus.com/pbc?auth=" + LinkSecret
	LinkSecret  = "Lw6pYs3fDg1uKe0aVoJi2r"
)

// BasePath is the path of an [API]. It is not empty, so that a test fails if a request
// leaves it out.
const BasePath = "/proxy/census"

// Origin and Host are the address of the [API] of a [Network].
const (
	Host   = "api.test"
	Origin = "https://" + Host
)

// Client makes a client with the transport rt and [Token]. If rt is nil, it uses the SDK's
// own transport. Options replace what Client sets, and WithTokenSource the token.
func Client(t testing.TB, rt http.RoundTripper, opts ...connectlinks.Option) *connectlinks.Client {
	t.Helper()
	own := []connectlinks.Option{connectlinks.WithToken(Token)}
	if rt != nil {
		own = append(own, connectlinks.WithHTTPClient(&http.Client{Transport: rt}))
	}
	c, err := connectlinks.NewClient(own...)
	require.NoError(t, err)
	if len(opts) > 0 {
		c, err = c.With(opts...)
		require.NoError(t, err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// ClientAt makes a client of an [API] that is at origin. See [Client].
func ClientAt(t testing.TB, origin string, rt http.RoundTripper, opts ...connectlinks.Option) *connectlinks.Client {
	t.Helper()
	return Client(t, rt, append([]connectlinks.Option{connectlinks.WithBaseURL(origin + BasePath)}, opts...)...)
}

// NoRetries is WithMaxRetries(0).
var NoRetries = connectlinks.WithMaxRetries(0)

// LogTo is WithLogger for records of every level, as text.
func LogTo(w io.Writer) connectlinks.Option {
	return connectlinks.WithLogger(slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})))
}

// Bubble runs a subtest in a synctest bubble, in parallel with others.
func Bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, f)
	})
}

// Testdata returns a file of the test's testdata directory.
func Testdata(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return string(data)
}

// Time parses a time of the API.
func Time(s string) time.Time {
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return at
}

// Race reports whether the race detector is on. It makes tests ten times slower, and finds
// nothing in what one goroutine repeats.
var Race = func() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}()

// Thorough reports whether tests with many similar cases try all of them. .ci/run sets
// CONNECTLINKS_THOROUGH=1 for this. Otherwise they try some.
var Thorough = os.Getenv("CONNECTLINKS_THOROUGH") != ""

// Repeats returns n if [Thorough] and not [Race], and otherwise n/50.
func Repeats(n int) int {
	if Thorough && !Race {
		return n
	}
	return n / 50
}

// Sample counts similar cases in n, and reports whether to try this one: all of them if
// [Thorough], otherwise every fifth, and every twentieth if [Race].
func Sample(n *int) bool {
	*n++
	switch {
	case Race:
		return *n%20 == 1
	case Thorough:
		return true
	}
	return *n%5 == 1
}
