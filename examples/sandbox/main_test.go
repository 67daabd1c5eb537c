package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
)

// sandbox is a run of the program.
type sandbox struct {
	t     *testing.T
	stop  func()
	ended chan error

	mu   sync.Mutex
	out  bytes.Buffer
	more *sync.Cond
	over bool
}

func start(t *testing.T, args ...string) *sandbox {
	ctx, stop := context.WithCancel(t.Context())
	s := &sandbox{t: t, stop: stop, ended: make(chan error, 1)}
	s.more = sync.NewCond(&s.mu)
	go func() {
		err := run(ctx, append(args, "-addr", "127.0.0.1:0"), s, io.Discard)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.over = true
		s.more.Broadcast()
		s.ended <- err
	}()
	s.until("Stop with Ctrl-C.")
	return s
}

func (s *sandbox) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.more.Broadcast()
	return s.out.Write(p)
}

// until waits until text is written, and returns all output so far.
func (s *sandbox) until(text string) string {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.over && !strings.Contains(s.out.String(), text) {
		s.more.Wait()
	}
	require.Contains(s.t, s.out.String(), text)
	return s.out.String()
}

// end stops the program like a signal.
func (s *sandbox) end() {
	s.t.Helper()
	s.stop()
	require.NoError(s.t, <-s.ended)
	http.DefaultClient.CloseIdleConnections()
}

func TestRun(t *testing.T) {
	for _, test := range []struct {
		name  string
		args  []string
		links string
		v1    int
	}{
		{"by default", nil, "/api/v1/source_connect_links", http.StatusOK},
		{"V1 retired", []string{"-retire-v1", "410"}, "/api/v2/activation_connect_links", http.StatusGone},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, test.args...)

			// Run the printed command.
			printed := s.until("")
			curl := regexp.MustCompile(`curl -X (\w+) (http://127\.0\.0\.1:\d+)(\S+) -H '(\S+): (.+?)' -H '(\S+): (.+?)' -d '(.+)'`).FindStringSubmatch(printed)
			require.NotNil(t, curl, printed)
			assert.Equal(t, test.links, curl[3])
			req, err := http.NewRequestWithContext(t.Context(), curl[1], curl[2]+curl[3], strings.NewReader(curl[8]))
			require.NoError(t, err)
			req.Header.Set(curl[4], curl[5])
			req.Header.Set(curl[6], curl[7])
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			answer, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, http.StatusCreated, resp.StatusCode, string(answer))

			secret := regexp.MustCompile(`auth=(\w+)`).FindStringSubmatch(string(answer))
			require.NotNil(t, secret)
			resp, err = http.Get(curl[2] + "/pbc?auth=" + secret[1])
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			s.until(`GET "/pbc" 200 `)

			token := regexp.MustCompile(`workspace token +(\S+)`).FindStringSubmatch(printed)
			require.NotNil(t, token, printed)
			req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, curl[2]+"/api/v1/workspace", nil)
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+token[1])
			resp, err = http.DefaultClient.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, test.v1, resp.StatusCode)

			logged := fmt.Sprintf(`GET "/api/v1/workspace" %d `, test.v1)
			log := strings.TrimPrefix(s.until(logged), printed)
			assert.Regexp(t, `^POST "`+test.links+`" 201 \S+\nGET "/pbc" 200 \S+\n`+logged+`\S+\n$`, log)
			assert.NotContains(t, log, secret[1])

			s.end()
			_, err = net.Dial("tcp", strings.TrimPrefix(curl[2], "http://"))
			require.Error(t, err, "it listens no more")
		})
	}
}

// The greeting's link is not in the workspace of the printed token.
func TestRunBeginsEmpty(t *testing.T) {
	s := start(t)
	ctx, out := t.Context(), s.until("")
	printed := regexp.MustCompile(`base URL +(\S+)\n(?s:.*)workspace token +(\S+)\n`).FindStringSubmatch(out)
	require.NotNil(t, printed, out)
	client, err := connectlinks.NewClient(connectlinks.WithBaseURL(printed[1]), connectlinks.WithToken(printed[2]))
	require.NoError(t, err)
	defer client.CloseIdleConnections()

	links, err := client.Sources.ListConnectLinks(ctx, connectlinks.ListOptions{})
	require.NoError(t, err)
	assert.Empty(t, links.Items)
	workspace, err := client.Workspaces.Current(ctx)
	require.NoError(t, err)
	assert.Equal(t, "Sandbox", workspace.Name)
	assert.Contains(t, out, "/pbc?auth=", "a link to open is printed all the same")

	s.end()
}

// The printed link opens on the origin of the pages, and its policy names who may embed it.
func TestRunPages(t *testing.T) {
	const loopback = "frame-ancestors 'self' http://localhost:* "
	for _, test := range []struct {
		name     string
		args     []string
		separate bool
		frames   string
	}{
		{"by default", nil, false, loopback},
		{"pages elsewhere", []string{"-pages-addr", "127.0.0.1:0"}, true, loopback},
		{"V1 retired", []string{"-retire-v1", "301"}, false, loopback},
		{
			"origins", []string{"-embed-origin", "https://a.example, https://b.example:8443", "-embed-origin", "http://*.localhost:*"}, false,
			"frame-ancestors https://a.example https://b.example:8443 http://*.localhost:*",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, test.args...)
			printed := regexp.MustCompile(`base URL +(\S+)\n +hosted pages +(\S+)\n`).FindStringSubmatch(s.until(""))
			require.NotNil(t, printed, s.until(""))
			assert.Equal(t, test.separate, printed[1] != printed[2])

			link := regexp.MustCompile(`(?m)^  (http://\S+/pbc\?auth=\w+)$`).FindStringSubmatch(s.until(""))
			require.NotNil(t, link, s.until(""))
			assert.True(t, strings.HasPrefix(link[1], printed[2]))
			resp, err := http.Get(link[1])
			require.NoError(t, err)
			page, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			assert.Contains(t, string(page), "Connect PostgreSQL")
			assert.Contains(t, string(page), `data-page="form"`)
			assert.Contains(t, resp.Header.Get("Content-Security-Policy"), test.frames)
			assert.NotContains(t, s.until(`GET "/pbc" 200 `), "POST \"", "its own request is not logged")

			s.end()
		})
	}
}

func TestRunRefuses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-addr", l.Addr().String()}, l.Addr().String()},
		{[]string{"-addr", "127.0.0.1:0", "-pages-addr", l.Addr().String()}, l.Addr().String()},
		{[]string{"-embed-origin", "https://a.example,b.example"}, `"b.example" is not an origin`},
		{[]string{"-embed-origin", ""}, `"" is not an origin`},
		{[]string{"-retire-v1", "42"}, "V1 cannot retire with status 42"},
		{[]string{"-retire-v1", "gone"}, `invalid value "gone" for flag -retire-v1`},
		{[]string{"-token", "two words"}, "-token is not a token"},
		{[]string{"-personal-token", "$(id)"}, "-personal-token is not a token"},
		{[]string{"-token", "same", "-personal-token", "same"}, "must differ"},
		{[]string{"-seed", "nowhere.json"}, "nowhere.json"},
		{[]string{"-addr", "127.0.0.1:0", "-seed", "main.go"}, "seed: the body is not JSON"},
		{[]string{"-addr", "127.0.0.1:0", "-token", "a", "-personal-token", "a-2", "-workspaces", "2"}, "in use"},
		{[]string{"-workspaces", "0"}, "-workspaces must be from 1 to 1000, not 0"},
		{[]string{"-assume", "word_status"}, `"word_status" is not NAME=VALUE`},
		{[]string{"-assume", "nonsense=1"}, `there is no assumption "nonsense"`},
		{[]string{"-host", "http://a.example"}, "is not a host"},
		{[]string{"-addr", "127.0.0.1:0", "-control=false", "-host", "a.example"}, "-host needs -control"},
		{[]string{"-nonsense"}, "flag provided but not defined"},
		{[]string{"serve"}, `unexpected argument "serve"`},
	} {
		var out bytes.Buffer
		args := append([]string{"-addr", "127.0.0.1:0"}, test.args...) // the default port may be in use
		assert.ErrorContains(t, run(t.Context(), args, &out, io.Discard), test.want)
		assert.Empty(t, out.String())
	}
	assert.True(t, errors.Is(run(t.Context(), []string{"-h"}, io.Discard, io.Discard), flag.ErrHelp))
}

// get returns the status of a GET with the Host header host.
func get(t *testing.T, url, host, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	req.Host = host
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

// startEnv runs the program with -env, and returns what it exports.
func startEnv(t *testing.T, args ...string) (s *sandbox, stderr *sandbox, env map[string]string) {
	ctx, stop := context.WithCancel(t.Context())
	s = &sandbox{t: t, stop: stop, ended: make(chan error, 1)}
	s.more = sync.NewCond(&s.mu)
	stderr = &sandbox{t: t}
	stderr.more = sync.NewCond(&stderr.mu)
	go func() {
		err := run(ctx, append([]string{"-env", "-addr", "127.0.0.1:0"}, args...), s, stderr)
		for _, s := range []*sandbox{s, stderr} {
			s.mu.Lock()
			s.over = true
			s.more.Broadcast()
			s.mu.Unlock()
		}
		s.ended <- err
	}()
	env = map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(s.until("CENSUS_PERSONAL_ACCESS_TOKEN")), "\n") {
		name, value, _ := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		env[name] = value
	}
	return s, stderr, env
}

func TestRunEnv(t *testing.T) {
	s, stderr, env := startEnv(t, "-token", "secret-token:fixed", "-personal-token", "mine", "-workspaces", "3", "-assume", "word_status=true")
	base := env["CENSUS_BASE_URL"]
	require.Equal(t, map[string]string{
		"CENSUS_BASE_URL": base, "CENSUS_API_TOKEN": "secret-token:fixed", "CENSUS_PERSONAL_ACCESS_TOKEN": "mine",
	}, env)

	for token, name := range map[string]string{"secret-token:fixed": "Sandbox", "secret-token:fixed-2": "Customer 2", "secret-token:fixed-3": "Customer 3"} {
		status, body := get(t, base+"/api/v1/workspace", "", token)
		assert.Equal(t, http.StatusOK, status)
		assert.Contains(t, body, `"`+name+`"`)
	}
	_, body := get(t, base+"/api/v1/sources/999", "", "secret-token:fixed")
	assert.Contains(t, body, `"status":"not_found"`, "an assumption was set")
	status, body := get(t, base+"/_sandbox/state", "", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, "secret-token:fixed-3")
	status, _ = get(t, base+"/_sandbox/state", "a.example", "")
	assert.Equal(t, http.StatusForbidden, status)

	stderr.until(`GET "/api/v1/sources/999" 404 `)
	assert.Equal(t, 3, strings.Count(s.until(""), "\n"), "nothing but the lines to export")
	s.end()
}

func TestRunControl(t *testing.T) {
	const warning = "is not a loopback address"
	for _, test := range []struct {
		name   string
		args   []string
		status map[string]int // by host
		warns  bool
	}{
		{"loopback", nil, map[string]int{"": 200, "a.example": 403}, false},
		{"named", []string{"-host", "a.example"}, map[string]int{"": 200, "a.example:80": 200, "b.example": 403}, false},
		{"off", []string{"-control=false"}, map[string]int{"": 404}, false},
		{"all addresses", []string{"-addr", "0.0.0.0:0"}, map[string]int{"localhost": 404}, true},
		{"all addresses, on", []string{"-addr", "0.0.0.0:0", "-control"}, map[string]int{"localhost": 200, "a.example": 403}, true},
		{"all addresses, named", []string{"-addr", "0.0.0.0:0", "-control", "-host", "a.example"}, map[string]int{"localhost": 200, "a.example": 200}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, stderr, env := startEnv(t, test.args...)
			for host, want := range test.status {
				status, _ := get(t, env["CENSUS_BASE_URL"]+"/_sandbox/state", host, "")
				assert.Equal(t, want, status, host)
			}
			status, _ := get(t, env["CENSUS_BASE_URL"]+"/healthz", "10.0.0.1", "")
			assert.Equal(t, http.StatusOK, status)
			assert.Equal(t, test.warns, strings.Contains(stderr.until(""), warning))
			s.end()
		})
	}
}

func TestRunGreetsCustomers(t *testing.T) {
	s := start(t, "-workspaces", "2", "-token", "T")
	assert.Regexp(t, `(?m)^  workspace token  T\n(.*\n)+  customer 2       T-2\n  levers           http://127\.0\.0\.1:\d+/_sandbox/state `, s.until(""))
	s.end()
}

// The seed that docs/sandbox.md shows, at the start and after a reset.
func TestRunSeed(t *testing.T) {
	page, err := os.ReadFile("../../docs/sandbox.md")
	require.NoError(t, err)
	shown := regexp.MustCompile("(?s)\n```json\n(.*?)```\n").FindSubmatch(page)
	require.NotNil(t, shown)
	file := filepath.Join(t.TempDir(), "seed.json")
	require.NoError(t, os.WriteFile(file, shown[1], 0o600))
	s, _, env := startEnv(t, "-seed", file)
	base := env["CENSUS_BASE_URL"]
	for range 2 {
		status, _ := get(t, base+"/api/v1/destination_connect_links", "", "secret-token:acme")
		assert.Equal(t, http.StatusTooManyRequests, status)
		status, body := get(t, base+"/api/v1/sources", "", "secret-token:acme")
		assert.Equal(t, http.StatusOK, status)
		assert.Contains(t, body, `"Old database"`)
		resp, err := http.Post(base+"/_sandbox/reset", "application/json", nil)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusOK, resp.StatusCode)
	}
	s.end()
}
