//go:build doccheck

package consumer_test

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	module  = "github.com/connectlinks/connectlinks-go"
	version = "v0.2.0-consumer.1" // of the checkout
)

// A program of a user: its handler makes a link for each request.
const program = `package main

import (
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"golang.org/x/time/rate"
)

func main() {
	client, err := connectlinks.NewClient(
		connectlinks.WithToken(os.Getenv("CENSUS_API_TOKEN")),
		connectlinks.WithRateLimiter(rate.NewLimiter(rate.Every(time.Second), 10)),
	)
	if err != nil {
		slog.Error("no client", "error", err)
		os.Exit(1)
	}
	http.HandleFunc("POST /connect", func(w http.ResponseWriter, r *http.Request) {
		link, err := client.Destinations.CreateConnectLink(r.Context(), connectlinks.CreateConnectLinkParams{
			Type:        "hubspot",
			RedirectURI: "https://platform.example/connected",
		})
		var refused *connectlinks.APIError
		switch {
		case errors.Is(err, connectlinks.ErrRateLimited) && errors.As(err, &refused):
			w.Header().Set("Retry-After", refused.RetryAfter.String())
			http.Error(w, "try again", http.StatusServiceUnavailable)
		case err != nil:
			slog.ErrorContext(r.Context(), "no connect link", "error", err)
			http.Error(w, "try again", http.StatusBadGateway)
		default:
			slog.InfoContext(r.Context(), "connect link", "link", link)
			http.Redirect(w, r, link.URL, http.StatusSeeOther)
		}
	})
	slog.Error("ended", "error", http.ListenAndServe("localhost:8080", nil))
}
`

func TestAModuleElsewhereBuildsAgainstTheSDK(t *testing.T) {
	t.Parallel()
	checkout, err := filepath.Abs("../..")
	require.NoError(t, err)
	c := testkit.NewConsumer(t, checkout)
	c.Publish(module, version, checkout)
	c.Write("main.go", program)
	c.Go("get", module+"@"+version, "golang.org/x/time/rate@"+testkit.Required(t, checkout, "golang.org/x/time"))
	c.Go("build", "-o", filepath.Join(t.TempDir(), "consumer"), ".")
	c.Go("vet", ".")

	assert.Equal(t, []string{"consumer.example", "github.com/connectlinks/connectlinks-go", "github.com/google/go-querystring", "golang.org/x/time"},
		c.Links("."), "what the program links")
	everything := []string{".", module + "/connectlinkstest", module + "/connectlinksweb"}
	assert.Equal(t, []string{"consumer.example", "github.com/connectlinks/connectlinks-go", "github.com/google/go-querystring", "golang.org/x/time"},
		c.Links(everything...), "with the sandbox and the web handlers")
	c.Go(append([]string{"build"}, everything[1:]...)...)
	assert.Contains(t, c.Go("list", "-m", "-f", "{{.Version}}", module), version)
}

// Their go.mod replaces the SDK by the checkout, so that nothing else notices an old version.
// A newer one is the next release's.
func TestNestedModulesRequireThisVersion(t *testing.T) {
	t.Parallel()
	numbers := func(version string) []int {
		var numbers []int
		for part := range strings.SplitSeq(version, ".") {
			n, err := strconv.Atoi(part)
			require.NoError(t, err, version)
			numbers = append(numbers, n)
		}
		require.Len(t, numbers, 3, version)
		return numbers
	}
	for _, nested := range []string{"redislimit", "otelconnectlinks"} {
		required := testkit.Required(t, filepath.Join("../..", nested), module)
		assert.GreaterOrEqual(t, slices.Compare(numbers(strings.TrimPrefix(required, "v")), numbers(connectlinks.Version)), 0,
			"%s requires %s, and the SDK is %s", nested, required, connectlinks.Version)
	}
}
