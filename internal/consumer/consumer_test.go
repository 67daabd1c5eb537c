//go:build doccheck

package consumer_test

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	module  = "github.com/connectlinks/connectlinks-go"
	version = "v0.1.0-consumer.1" // of the checkout
)

// What a user would write: a handler that makes a link when it is asked for one.
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
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command in PATH, which is what builds the module")
	}
	t.Parallel()
	checkout, err := filepath.Abs("../..")
	require.NoError(t, err)
	proxy, dir, cache := t.TempDir(), t.TempDir(), t.TempDir()
	publish(t, checkout, proxy)

	// The checkout has the sums of everything else, and nobody else those of it.
	sums, err := os.ReadFile(filepath.Join(checkout, "go.sum"))
	require.NoError(t, err)
	write(t, filepath.Join(dir, "go.sum"), string(sums))
	write(t, filepath.Join(dir, "go.mod"), "module consumer.example\n\ngo 1.25.0\n")
	write(t, filepath.Join(dir, "main.go"), program)

	environ := strings.Fields(goRun(t, dir, nil, "env", "GOMODCACHE", "GOPROXY"))
	require.Len(t, environ, 2)
	// A cache of its own, since the checkout changes and its version does not. The
	// machine's is a proxy too: what is in it needs no network.
	env := append(os.Environ(),
		"GOMODCACHE="+cache,
		"GOPROXY="+fileURL(proxy)+","+fileURL(filepath.Join(environ[0], "cache", "download"))+","+environ[1],
		"GONOSUMDB="+module, "GONOPROXY=none", "GOPRIVATE=",
		"GOFLAGS=-mod=mod -modcacherw", "GOWORK=off", "GOTOOLCHAIN=local",
	)
	goRun(t, dir, env, "get", module+"@"+version, "golang.org/x/time/rate@"+required(t, checkout, "golang.org/x/time"))
	goRun(t, dir, env, "build", "-o", filepath.Join(t.TempDir(), "consumer"), ".")
	goRun(t, dir, env, "vet", ".")

	assert.Equal(t, []string{"consumer.example", "github.com/connectlinks/connectlinks-go", "github.com/google/go-querystring", "golang.org/x/time"},
		modules(t, dir, env, "."), "what the program links")
	everything := []string{".", module + "/connectlinkstest", module + "/connectlinksweb"}
	assert.Equal(t, []string{"consumer.example", "github.com/connectlinks/connectlinks-go", "github.com/google/go-querystring", "golang.org/x/time"},
		modules(t, dir, env, everything...), "with the sandbox and the web handlers")
	goRun(t, dir, env, append([]string{"build"}, everything[1:]...)...)
	assert.Contains(t, goRun(t, dir, env, "list", "-m", "-f", "{{.Version}}", module), version)
}

// modules are those whose packages are linked, without the standard library.
func modules(t *testing.T, dir string, env []string, packages ...string) []string {
	t.Helper()
	args := append([]string{"list", "-deps", "-f", "{{if not .Standard}}{{.Module.Path}}{{end}}"}, packages...)
	list := strings.Fields(goRun(t, dir, env, args...))
	slices.Sort(list)
	return slices.Compact(list)
}

// required is the version of a module that the checkout asks for.
func required(t *testing.T, checkout, path string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(checkout, "go.mod"))
	require.NoError(t, err)
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require ")); len(fields) >= 2 && fields[0] == path {
			return fields[1]
		}
	}
	t.Fatalf("go.mod does not require %s", path)
	return ""
}

func goRun(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Env = dir, env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "go %s\n%s", strings.Join(args, " "), stderr.String())
	return string(out)
}

// publish lays the checkout out as a module proxy serves it.
func publish(t *testing.T, checkout, proxy string) {
	t.Helper()
	at := filepath.Join(proxy, filepath.FromSlash(module), "@v")
	require.NoError(t, os.MkdirAll(at, 0o755))
	write(t, filepath.Join(at, "list"), version+"\n")
	write(t, filepath.Join(at, version+".info"), `{"Version":"`+version+`","Time":"2026-01-01T00:00:00Z"}`)
	mod, err := os.ReadFile(filepath.Join(checkout, "go.mod"))
	require.NoError(t, err)
	write(t, filepath.Join(at, version+".mod"), string(mod))

	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	require.NoError(t, filepath.WalkDir(checkout, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, err := os.Stat(filepath.Join(path, "go.mod"))
			if nested := err == nil && path != checkout; nested || d.Name() == ".git" || d.Name() == "vendor" || d.Name() == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		name, err := filepath.Rel(checkout, path)
		if err != nil {
			return err
		}
		file, err := w.Create(module + "@" + version + "/" + filepath.ToSlash(name))
		if err != nil {
			return err
		}
		content, err := os.Open(path)
		if err != nil {
			return err
		}
		defer content.Close()
		_, err = io.Copy(file, content)
		return err
	}))
	require.NoError(t, w.Close())
	write(t, filepath.Join(at, version+".zip"), archive.String())
}

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // C:/...
		path = "/" + path
	}
	return "file://" + path
}
