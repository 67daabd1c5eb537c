package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
)

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func eventually(t *testing.T, out *buffer, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), text) }, 10*time.Second, time.Millisecond, text)
}

func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var out buffer
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-addr", "127.0.0.1:0"}, &out, io.Discard) }()
	eventually(t, &out, "Stop with Ctrl-C.")

	// The printed command, as a shell would read it.
	printed := out.String()
	curl := regexp.MustCompile(`curl -X (\w+) (http://127\.0\.0\.1:\d+\S+) -H '(\S+): (.+?)' -H '(\S+): (.+?)' -d '(.+)'`).FindStringSubmatch(printed)
	require.NotNil(t, curl, printed)
	req, err := http.NewRequestWithContext(ctx, curl[1], curl[2], strings.NewReader(curl[7]))
	require.NoError(t, err)
	req.Header.Set(curl[3], curl[4])
	req.Header.Set(curl[5], curl[6])
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusCreated, resp.StatusCode, string(answer))

	secret := regexp.MustCompile(`auth=(\w+)`).FindStringSubmatch(string(answer))
	require.NotNil(t, secret)
	base, _, _ := strings.Cut(curl[2], "/api/")
	resp, err = http.Get(base + "/pbc?auth=" + secret[1])
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusOK, resp.StatusCode)

	eventually(t, &out, `GET "/pbc" 200 `)
	log := strings.TrimPrefix(out.String(), printed)
	assert.Regexp(t, `^POST "/api/v1/source_connect_links" 201 \S+\nGET "/pbc" 200 \S+\n$`, log)
	assert.NotContains(t, log, secret[1])

	stop()
	require.NoError(t, <-ended)
	_, err = net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	require.Error(t, err, "it listens no more")
	http.DefaultClient.CloseIdleConnections()
}

// The greeting's link is not in the workspace that the printed token opens.
func TestRunBeginsEmpty(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var out buffer
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-addr", "127.0.0.1:0"}, &out, io.Discard) }()
	eventually(t, &out, "Stop with Ctrl-C.")
	printed := regexp.MustCompile(`base URL +(\S+)\n(?s:.*)workspace token +(\S+)\n`).FindStringSubmatch(out.String())
	require.NotNil(t, printed, out.String())
	client, err := connectlinks.NewClient(connectlinks.WithBaseURL(printed[1]), connectlinks.WithToken(printed[2]))
	require.NoError(t, err)
	defer client.CloseIdleConnections()

	links, err := client.Sources.ListConnectLinks(ctx, connectlinks.ListOptions{})
	require.NoError(t, err)
	assert.Empty(t, links.Items)
	workspace, err := client.Workspaces.Current(ctx)
	require.NoError(t, err)
	assert.Equal(t, "Sandbox", workspace.Name)
	assert.Contains(t, out.String(), "/pbc?auth=", "a link to open is printed all the same")

	stop()
	require.NoError(t, <-ended)
}

// The printed link can be opened, where the pages are, by whom may embed them.
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
		{
			"origins", []string{"-embed-origin", "https://a.example, https://b.example:8443", "-embed-origin", "http://*.localhost:*"}, false,
			"frame-ancestors https://a.example https://b.example:8443 http://*.localhost:*",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			var out buffer
			ended := make(chan error, 1)
			go func() { ended <- run(ctx, append(test.args, "-addr", "127.0.0.1:0"), &out, io.Discard) }()
			eventually(t, &out, "Stop with Ctrl-C.")
			printed := regexp.MustCompile(`base URL +(\S+)\n +hosted pages +(\S+)\n`).FindStringSubmatch(out.String())
			require.NotNil(t, printed, out.String())
			assert.Equal(t, test.separate, printed[1] != printed[2])

			link := regexp.MustCompile(`(?m)^  (http://\S+/pbc\?auth=\w+)$`).FindStringSubmatch(out.String())
			require.NotNil(t, link, out.String())
			assert.True(t, strings.HasPrefix(link[1], printed[2]))
			resp, err := http.Get(link[1])
			require.NoError(t, err)
			page, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			assert.Contains(t, string(page), "Connect PostgreSQL")
			assert.Contains(t, resp.Header.Get("Content-Security-Policy"), test.frames)
			eventually(t, &out, `GET "/pbc" 200 `)
			assert.NotContains(t, out.String(), "POST \"", "its own request is not logged")

			stop()
			require.NoError(t, <-ended)
			http.DefaultClient.CloseIdleConnections()
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
		{[]string{"-nonsense"}, "flag provided but not defined"},
		{[]string{"serve"}, `unexpected argument "serve"`},
	} {
		var out buffer
		assert.ErrorContains(t, run(t.Context(), test.args, &out, io.Discard), test.want)
		assert.Empty(t, out.String())
	}
	assert.True(t, errors.Is(run(t.Context(), []string{"-h"}, io.Discard, io.Discard), flag.ErrHelp))
}
