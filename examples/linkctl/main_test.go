package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// TestMain is linkctl itself for the processes that [invocation.process] makes.
func TestMain(m *testing.M) {
	if os.Getenv("LINKCTL_TEST_PROCESS") != "" {
		main()
		return
	}
	flag.Parse()
	_ = flag.Set("test.parallel", "8") // the tests wait more than they work
	os.Exit(m.Run())
}

// world is a server with something in it: two days ago link 103 has made a
// connection, 105 is open, 106 is revoked, 107 renews the connection.
type world struct {
	*connectlinkstest.Server
	kind, typ, label, conn string
	polled                 chan struct{} // a link was asked for
}

var kinds = []string{"source", "destination", "activation"}

func newWorld(t *testing.T, kind string) *world {
	w := &world{kind: kind, typ: "hubspot", label: "HubSpot", conn: "104", polled: make(chan struct{}, 100)}
	w.Server = connectlinkstest.NewServer(
		connectlinkstest.WithLinkLifetime(72*time.Hour),
		connectlinkstest.WithRequestLog(func(r connectlinkstest.Request) {
			if r.Method == http.MethodGet && strings.Contains(string(r.Route), "connect_links/{") {
				w.polled <- struct{}{}
			}
		}))
	t.Cleanup(w.Close)
	w.SetNow(time.Now().Add(-48 * time.Hour))
	client := w.Client()
	switch kind {
	case "source":
		w.typ, w.label = "postgres", "PostgreSQL"
	case "activation":
		w.conn, client = "glimmering_donkey", w.PersonalClient()
	}
	k := newKind(options{kind: kind, group: w.Group()}, client)
	ctx := t.Context()
	used, err := k.create(ctx, connectlinks.CreateConnectLinkParams{Type: w.typ})
	require.NoError(t, err)
	_, err = w.CompleteWith(used.ID, connectlinkstest.Submission{Name: "Jo's \x1b[2J\tCRM"})
	require.NoError(t, err)
	w.Advance(48 * time.Hour)
	_, err = k.create(ctx, connectlinks.CreateConnectLinkParams{Type: w.typ, RedirectURI: "http://localhost/done"})
	require.NoError(t, err)
	dead, err := k.create(ctx, connectlinks.CreateConnectLinkParams{Type: w.typ})
	require.NoError(t, err)
	_, err = k.revoke(ctx, dead.ID)
	require.NoError(t, err)
	_, err = k.reauthorize(ctx, w.conn, "")
	require.NoError(t, err)
	return w
}

// fill replaces {type} and the like in text.
func (w *world) fill(text string) string {
	return strings.NewReplacer("{kind}", w.kind, "{type}", w.typ, "{label}", w.label, "{conn}", w.conn, "{group}", w.Group(), "{in group}", map[string]string{"activation": "-group " + w.Group()}[w.kind]).Replace(text)
}

// invocation is a command line with its CENSUS_ variables. Where a test needs signals or a
// terminal, it runs as a process. Otherwise it runs in the test, which is faster.
type invocation struct {
	args     []string
	settings map[string]string
}

// linkctl returns a command of the world's kind, with its tokens. Settings come in addition.
func (w *world) linkctl(args string, settings ...string) invocation {
	if w.kind != "" {
		args += " -kind " + w.kind
	}
	return linkctl(w.fill(args), append([]string{
		"CENSUS_API_TOKEN=" + w.Token(), "CENSUS_PERSONAL_ACCESS_TOKEN=" + w.PersonalToken(), "CENSUS_BASE_URL=" + w.URL,
	}, settings...)...)
}

// linkctl returns a command that has these settings and no others.
func linkctl(args string, settings ...string) invocation {
	c := invocation{strings.Fields(args), map[string]string{}}
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		c.settings[name] = value
	}
	return c
}

// execute runs a command in the test until it ends. It returns what the command wrote, as
// [invocation.written] does, and the exit code.
func execute(t *testing.T, c invocation) (stdout, stderr string, code int) {
	t.Helper()
	return begin(t, c)()
}

// begin starts a command in the test. end waits for it, and returns what execute does.
func begin(t *testing.T, c invocation) (end func() (stdout, stderr string, code int)) {
	var stdout, stderr bytes.Buffer
	p := process{strings.NewReader(""), &stdout, &stderr, func(name string) string { return c.settings[name] }}
	code := make(chan int, 1)
	go func() { code <- run(t.Context(), p, c.args) }()
	return func() (string, string, int) {
		t.Helper()
		exit := <-code
		return c.written(t, &stdout), c.written(t, &stderr), exit
	}
}

// process returns the command as a process, whose output goes to buffers.
func (c invocation) process(t *testing.T) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, c.args...)
	cmd.Stdout, cmd.Stderr = new(bytes.Buffer), new(bytes.Buffer)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CENSUS_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "LINKCTL_TEST_PROCESS=1")
	for name, value := range c.settings {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// finish waits for a process of the command, and returns what it wrote to buffers.
func (c invocation) finish(t *testing.T, cmd *exec.Cmd) (stdout, stderr string, code int) {
	t.Helper()
	if err := cmd.Wait(); err != nil {
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
	}
	return c.written(t, cmd.Stdout), c.written(t, cmd.Stderr), cmd.ProcessState.ExitCode()
}

// written returns what the command wrote to a buffer, without what differs from run to run.
// A secret that should not be there fails the test.
func (c invocation) written(t *testing.T, to io.Writer) string {
	t.Helper()
	buffer, ok := to.(*bytes.Buffer)
	if !ok {
		return ""
	}
	text := buffer.String()
	for name, secret := range c.settings {
		if strings.Contains(name, "TOKEN") && secret != "" {
			assert.NotContains(t, text, strings.TrimPrefix(secret, "secret-token:"), name)
		}
	}
	args := strings.Join(c.args, " ")
	if !strings.HasPrefix(args, "create") && !strings.HasPrefix(args, "reauthorize") && !strings.Contains(args, "-show-url") {
		assert.NotContains(t, text, "auth=")
	}
	return steady(text)
}

var changing = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "HOST"},
	{regexp.MustCompile(`auth=\w+`), "auth=SECRET"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`\b\d+h\d+m\d+s\b`), "LEFT"},
	{regexp.MustCompile(`request id \w+`), "request id ID"},
	{regexp.MustCompile(`([^\n ])   +`), "$1  "}, // the width of a column
}

// steady is text without what differs from run to run.
func steady(text string) string {
	for _, c := range changing {
		text = c.what.ReplaceAllString(text, c.with)
	}
	return text
}

func TestCommands(t *testing.T) {
	t.Parallel()
	const (
		made = "http://HOST/pbc?auth=SECRET\n\n" +
			"That is link 108 ({type}), which ends at TIME. Give it to your customer\n" +
			"and to nobody else: who has it can connect. To wait for the customer:\n"
		links = "LINK  TYPE  STATE  EXPIRES  "
		live  = "\nA live link may have been used already: the API does not say. To cut somebody off,\n" +
			"revoke every live link, with a CONNECTION or without.\n"
		region  = "ok  region  http://HOST answers, which is neither the US nor the EU\n"
		theRest = "ok  type  {label} can be linked\nok  redirect URI well formed\n"
	)
	tests := []struct {
		args string
		v1   string // what it prints
		v2   string // for activations; "" if it is the same
	}{
		{args: "types {type}", v1: "TYPE  LABEL  LINK\n{type}  {label}  yes\n"},
		{args: "types nothing-like-it", v1: "none\n"},
		{
			args: "create -type {type} {in group}",
			v1:   made + "  linkctl wait -kind {kind} 108\n",
			v2:   made + "  linkctl wait -kind {kind} -since TIME 108\n",
		},
		{args: "reauthorize {conn}", v1: made + "  linkctl wait -kind {kind} -connection {conn} -since TIME 108\n"},
		{
			args: "list",
			v1:   links + "LEFT  CONNECTION\n103  {type}  live  TIME  LEFT  {conn}\n105  {type}  live  TIME  LEFT  -\n107  {type}  live  TIME  LEFT  {conn}\n" + live,
			v2:   links + "LEFT  GROUP\n103  {type}  live  TIME  LEFT  {group}\n105  {type}  live  TIME  LEFT  {group}\n107  {type}  live  TIME  LEFT  {group}\n" + live,
		},
		{args: "list -type braze", v1: "none\n"},
		{
			args: "list -connections -type {type}",
			v1:   "CONNECTION  TYPE  NAME  CONNECTED  TEST\n{conn}  {type}  Jo's ?[2J?CRM  TIME  test passed at TIME\n",
			v2:   "CONNECTION  TYPE  NAME  CONNECTED  TEST  GROUP\n{conn}  {type}  Jo's ?[2J?CRM  TIME  test passed at TIME  {group}\n",
		},
		{
			args: "get 105",
			v1:   links + "LEFT\n105  {type}  live  TIME  LEFT\nredirect URI: http://localhost/done\n",
			v2:   links + "LEFT  GROUP\n105  {type}  live  TIME  LEFT  {group}\nredirect URI: http://localhost/done\n",
		},
		{
			args: "get -show-url 106",
			v1:   links + "URL\n106  {type}  revoked  TIME  http://HOST/pbc?auth=SECRET\nredirect URI: the organization's default\n",
			v2:   links + "GROUP  URL\n106  {type}  revoked  TIME  {group}  http://HOST/pbc?auth=SECRET\nredirect URI: the organization's default\n",
		},
		{
			args: "revoke 105",
			v1:   "LINK  TYPE  STATE  EXPIRES\n105  {type}  revoked  TIME\n",
			v2:   links + "GROUP\n105  {type}  revoked  TIME  {group}\n",
		},
		{
			args: "revoke -all -type {type} -yes {in group}",
			v1:   links + "CONNECTION\n103  {type}  revoked  TIME  {conn}\n105  {type}  revoked  TIME  -\n107  {type}  revoked  TIME  {conn}\n",
			v2:   links + "GROUP\n103  {type}  revoked  TIME  {group}\n105  {type}  revoked  TIME  {group}\n107  {type}  revoked  TIME  {group}\n",
		},
		{
			args: "revoke -all -yes {in group}",
			v1:   links + "CONNECTION\n103  {type}  revoked  TIME  {conn}\n105  {type}  revoked  TIME  -\n107  {type}  revoked  TIME  {conn}\n",
			v2:   links + "GROUP\n103  {type}  revoked  TIME  {group}\n105  {type}  revoked  TIME  {group}\n107  {type}  revoked  TIME  {group}\n",
		},
		{args: "revoke -all -type braze -yes {in group}", v1: "none\n"},
		{
			args: "doctor -type {type} -redirect-uri https://app.example.com/",
			v1: "ok  token  CENSUS_API_TOKEN looks as it should\n" + region +
				"                      -> API V1 ends on 15 January 2027: linkctl migrate says what to do\n" +
				"ok  workspace  \"Sandbox\" (id 101, organization 1)\n" + theRest,
			v2: "ok  token  CENSUS_PERSONAL_ACCESS_TOKEN looks as it should\n" + region +
				"ok  workspace  activations: 1; workspaces: 1, the newest \"Sandbox\" (id 101)\n" + theRest,
		},
	}
	for _, kind := range kinds {
		for _, tt := range tests {
			t.Run(kind+" "+tt.args, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kind)
				want := tt.v1
				if kind == "activation" && tt.v2 != "" {
					want = tt.v2
				}
				stdout, stderr, code := execute(t, w.linkctl(tt.args))
				assert.Equal(t, w.fill(want), stdout)
				assert.Empty(t, stderr)
				assert.Zero(t, code)
			})
		}
	}
}

func TestTypesThatCannotBeLinked(t *testing.T) {
	t.Parallel()
	stdout, _, code := execute(t, newWorld(t, "destination").linkctl("types -all INTERN"))
	assert.Equal(t, "TYPE  LABEL\ninternal  Internal\n", stdout)
	assert.Zero(t, code)
}

// shown is a connection as linkctl shows it.
func (w *world) shown(id, name, test string) string {
	text := fmt.Sprintf("%s %s: %q (%s), connected at TIME, %s at TIME\n", w.kind, id, name, w.typ, test)
	switch {
	case w.kind == "source":
		return text + `  details: {"database":"analytics","hostname":"db.example.com","port":"5432","user":"activations"}` + "\n"
	case test == "test passed":
		return text + "  Verify connectivity: success\n  Authenticate: success\n"
	}
	return text + "  Verify connectivity: success\n  Authenticate: failure access denied\n"
}

// old is the connection that was there, and fresh the one that link 105 makes.
func (w *world) old(test string) string { return w.shown(w.conn, "Jo's \x1b[2J\tCRM", test) }

func (w *world) fresh(test string) string {
	if w.kind == "activation" {
		return w.shown("patient_donkey", w.label, test)
	}
	return w.shown("108", w.label, test)
}

func TestWait(t *testing.T) {
	t.Parallel()
	open := func(w *world) connectlinkstest.Link { return w.Links()[1] }
	renews := func(w *world) connectlinkstest.Link { return w.Links()[3] }
	tests := []struct {
		name, args string
		then       func(*world) error // as soon as linkctl polls
		out        func(*world) string
		err        string
		code       int
	}{
		{
			name: "connected", args: "wait 105",
			then: func(w *world) error { _, err := w.Complete(open(w).ConnectLink.ID); return err },
			out:  func(w *world) string { return w.fresh("test passed") },
		},
		{
			name: "failed test", args: "wait 105",
			then: func(w *world) error {
				_, err := w.CompleteWith(open(w).ConnectLink.ID, connectlinkstest.Submission{FailedTest: "access denied"})
				return err
			},
			out: func(w *world) string { return w.fresh("test FAILED") },
			err: "linkctl: connected, but the test failed\n", code: exitOther,
		},
		{
			name: "renewed", args: "wait 107 -connection {conn}",
			then: func(w *world) error { _, err := w.Complete(renews(w).ConnectLink.ID); return err },
			out:  func(w *world) string { return w.old("test passed") },
		},
		{
			name: "renewed before", args: "wait 107 -connection {conn} -since 72h",
			out: func(w *world) string { return w.old("test passed") },
		},
		{
			name: "expired", args: "wait 105",
			then: func(w *world) error { return w.Expire(open(w).ConnectLink.ID) },
			err:  "linkctl: the link expired before the customer had finished\n  to do:  make another\n", code: exitOther,
		},
		{
			name: "revoked before", args: "wait 106",
			err: "linkctl: the link was revoked before the customer had finished\n  to do:  make another\n", code: exitOther,
		},
		{name: "of nothing", args: "wait 999", err: "linkctl: the API has no such thing\n", code: exitNotFound},
	}
	for _, kind := range kinds {
		for _, tt := range tests {
			t.Run(kind+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kind)
				end := begin(t, w.linkctl(tt.args))
				if tt.then != nil {
					<-w.polled
					<-w.polled // the first was to see what link it is
					assert.NoError(t, tt.then(w))
				}
				stdout, stderr, code := end()
				if want := ""; tt.out != nil {
					want = tt.out(w)
					assert.Equal(t, want, stdout)
				} else {
					assert.Empty(t, stdout)
				}
				if tt.err == "" {
					assert.Empty(t, stderr) // without a terminal it shows no progress
				}
				assert.True(t, strings.HasPrefix(stderr, tt.err), stderr)
				assert.Equal(t, tt.code, code)
			})
		}
	}
}

// A link that has its connection may be used, or be there to renew it.
func TestWaitForUsedLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "source")
	stdout, stderr, code := execute(t, w.linkctl("wait 103"))
	assert.Equal(t, w.old("test passed")+"The link had this connection already. If it is there to renew it: wait -connection 104\n", stdout)
	assert.Empty(t, stderr)
	assert.Zero(t, code)

	_, err := w.Complete(w.Links()[1].ConnectLink.ID)
	require.NoError(t, err)
	_, stderr, code = execute(t, w.linkctl("wait -connection 108 107"))
	assert.Equal(t, "linkctl: link 107 is not for connection 108 but for 104\n", stderr)
	assert.Equal(t, exitUsage, code)
}

// An activation that was there before the wait may be another customer's.
func TestWaitForActivationOfEarlier(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "activation")
	_, err := w.Complete(w.Links()[1].ConnectLink.ID)
	require.NoError(t, err)
	stdout, stderr, code := execute(t, w.linkctl("wait 105"))
	assert.Equal(t, w.fresh("test passed"), stdout)
	assert.Equal(t, "linkctl: this was connected before the wait began: perhaps by another link\n"+
		"  to do:  say with -since when yours was made; create printed it\n", stderr)
	assert.Equal(t, exitOther, code)

	stdout, _, code = execute(t, w.linkctl("wait 105 -since "+time.Now().Add(-time.Hour).Format(time.RFC3339)))
	assert.Equal(t, w.fresh("test passed"), stdout)
	assert.Zero(t, code)
}

// The API's clock may be behind the local one.
func TestWaitWithAnotherClock(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kind)
			w.SetNow(time.Now().Add(-10 * time.Minute))
			end := begin(t, w.linkctl("wait 105"))
			<-w.polled
			<-w.polled
			_, err := w.Complete(105)
			assert.NoError(t, err)
			stdout, stderr, code := end()
			assert.Equal(t, w.fresh("test passed"), stdout)
			assert.Empty(t, stderr)
			assert.Zero(t, code)
		})
	}
}

func TestCountdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var shown bytes.Buffer
		l := newLink(connectlinks.ConnectLink{ID: 105, ExpiresAt: time.Now().Add(2 * time.Second)}, 0, "")
		stop := countdown(&shown, l)
		time.Sleep(3500 * time.Millisecond)
		stop()
		time.Sleep(time.Minute)

		var want strings.Builder
		for _, left := range []string{"2s", "1s", "0s", "0s"} {
			fmt.Fprintf(&want, "\r%-70s", "waiting for the customer with link 105, "+left+" left")
		}
		fmt.Fprintf(&want, "\r%70s\r", "")
		assert.Equal(t, want.String(), shown.String())
	})
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no os.Interrupt to send")
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kind)
			c := w.linkctl("wait 105")
			cmd := c.process(t)
			require.NoError(t, cmd.Start())
			<-w.polled
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
			stdout, stderr, code := c.finish(t, cmd)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, "linkctl: interrupted\n  to do:  run the same command again to go on\n")
			assert.Equal(t, exitInterrupted, code)
		})
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	answer := func(route string, f connectlinkstest.Failure) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			f.Route = connectlinkstest.Route(w.fill(route))
			require.NoError(t, w.Fail(f))
		}
	}
	const creating, listing = "POST /api/v1/destination_connect_links", "GET /api/v1/destination_connect_links"
	tests := []struct {
		name     string
		args     string
		settings []string
		fail     func(*testing.T, *world)
		err      string // what stderr begins with
		code     int
		links    int // that there are in the end, if not 4
	}{
		{
			name: "wrong token", args: "list", settings: []string{"CENSUS_API_TOKEN=secret-token:nobodys"},
			err: "linkctl: the API does not know the token\n" +
				"  to do:  it may have been replaced or cut off, or be of the other region: run linkctl doctor\n",
			code: exitRefused,
		},
		{
			name: "forbidden", args: "list", fail: answer(listing, connectlinkstest.Failure{Status: 403, Times: -1}),
			err: "linkctl: the token may not do this\n" +
				"  to do:  activations take a personal access token, sources and destinations a workspace API key: see linkctl doctor\n",
			code: exitRefused,
		},
		{
			name: "invalid type", args: "create -type internal",
			err: "linkctl: the API refuses this: Invalid type: internal\n" +
				"  to do:  linkctl types shows what can be linked; a used or dead link cannot be changed\n",
			code: exitRefused,
		},
		{
			name: "not found", args: "revoke 999",
			err: "linkctl: the API has no such thing\n" +
				"  to do:  another -kind? another workspace's? linkctl list -all shows links, list -connections connections\n",
			code: exitNotFound,
		},
		{
			name: "throttled", args: "create -type hubspot",
			fail: answer(creating, connectlinkstest.Failure{Status: 429, Header: http.Header{"Retry-After": {"3000"}}, Times: -1}),
			err:  "linkctl: the API is throttling this token\n  to do:  try again in 50m0s, not before\n", code: exitThrottled,
		},
		{
			name: "lost answer", args: "create -type hubspot",
			fail: answer(creating, connectlinkstest.Failure{Reset: true, CarryOut: true, Times: -1}),
			err: "linkctl: the outcome is unknown: there may be a link now that nobody has\n" +
				"  to do:  find it with \"linkctl list\" and revoke it; or try again, since an unused link does no harm until it expires\n",
			code: exitUnknown, links: 5,
		},
		{
			name: "lost answer of a reauthorization", args: "reauthorize {conn}",
			fail: answer("POST /api/v1/destinations/{destination_id}/connect_links", connectlinkstest.Failure{Status: 502, CarryOut: true, Times: -1}),
			err: "linkctl: the outcome is unknown: there may be a link now that nobody has\n" +
				"  to do:  find it with \"linkctl list\" and revoke it; or try again, since an unused link does no harm until it expires\n",
			code: exitUnknown, links: 5,
		},
		{
			name: "server error", args: "list", fail: answer(listing, connectlinkstest.Failure{Status: 500, Times: -1}),
			err: "linkctl: the API reports an error of its own\n" +
				"  to do:  try again later; the vendor's support needs the request id\n",
			code: exitOther,
		},
		{
			name: "not the API", args: "list", fail: answer(listing, connectlinkstest.Failure{Status: 200, Body: "<html>", Times: -1}),
			err:  "linkctl: the answer is not one of the API\n  to do:  does CENSUS_BASE_URL lead to it? is a proxy in between? is API V1 retired?\n",
			code: exitOther,
		},
		{
			name: "V1 redirects", args: "list", fail: answer(listing, connectlinkstest.Failure{Status: 301, Times: -1}),
			err:  "linkctl: there is no API V1\n  to do:  is it retired? then -kind activation, and linkctl migrate says what is left; or is CENSUS_BASE_URL wrong?\n",
			code: exitOther,
		},
		{
			name: "V1 is gone", args: "get 105", fail: func(t *testing.T, w *world) { require.NoError(t, w.RetireV1(410)) },
			err: "linkctl: there is no API V1\n", code: exitNotFound,
		},
		{
			name: "V1 is not found", args: "create -type hubspot", fail: func(t *testing.T, w *world) { require.NoError(t, w.RetireV1(404)) },
			err: "linkctl: there is no API V1\n", code: exitNotFound,
		},
		{
			name: "odd status", args: "list", fail: answer(listing, connectlinkstest.Failure{Status: 418, Times: -1}),
			err:  "linkctl: the API gave an unexpected answer\n  to do:  does CENSUS_BASE_URL lead to it?\n",
			code: exitOther,
		},
		{
			name: "nobody there", args: "list", settings: []string{"CENSUS_BASE_URL=http://127.0.0.1:1"},
			err:  "linkctl: the API does not answer\n  to do:  is the network up? does CENSUS_BASE_URL lead to it?\n",
			code: exitOther,
		},
		{
			name: "no token", args: "list", settings: []string{"CENSUS_API_TOKEN="},
			err:  "linkctl: CENSUS_API_TOKEN is not set\n  to do:  -kind destination takes its token from there\n",
			code: exitUsage,
		},
		{
			name: "wrong variables", args: "list", settings: []string{"CENSUS_API_TOKEN=secret-token:a\n", "CENSUS_BASE_URL=census"},
			err:  "linkctl: the token ",
			code: exitUsage,
		},
		{
			name: "nobody to ask", args: "revoke -all -type hubspot",
			err: "linkctl: revoke -all asks first, and needs a terminal for that\n" +
				"  to do:  linkctl list with the same -kind and -type shows the links; then revoke with -yes\n",
			code: exitUsage,
		},
		{
			name: "invalid parameters", args: "create -redirect-uri nowhere",
			err:  "linkctl: -type is required, and -redirect-uri must be ",
			code: exitUsage,
		},
		{name: "invalid link", args: "get first", err: "linkctl: the link's id must ", code: exitUsage},
		{name: "invalid connection", args: "reauthorize 0", err: "linkctl: the connection's id must ", code: exitUsage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "destination")
			if tt.fail != nil {
				tt.fail(t, w)
			}
			stdout, stderr, code := execute(t, w.linkctl(tt.args, tt.settings...))
			before, details, _ := strings.Cut(stderr, "  detail: ")
			assert.Empty(t, stdout)
			assert.True(t, strings.HasPrefix(before, tt.err), before)
			assert.Equal(t, tt.code == exitUsage, details == "", details)
			assert.Equal(t, tt.code, code)
			assert.Len(t, w.Links(), max(4, tt.links))
		})
	}
}

// A success whose envelope names a failure does not say whether the link was made.
func TestCreateAnsweredWithFailureInEnvelope(t *testing.T) {
	t.Parallel()
	for _, status := range []string{`404`, `409`, `422`, `"not_found"`} {
		for _, made := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, made %t", status, made), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, "destination")
				require.NoError(t, w.Fail(connectlinkstest.Failure{
					Route: connectlinkstest.RouteCreateDestinationConnectLink, Times: -1, CarryOut: made,
					Status: http.StatusCreated, Body: `{"status":` + status + `,"message":"no"}`,
				}))
				stdout, stderr, code := execute(t, w.linkctl("create -type hubspot"))
				assert.Empty(t, stdout)
				assert.Contains(t, stderr, "linkctl: the outcome is unknown: there may be a link now that nobody has\n")
				assert.Equal(t, exitUnknown, code)
				assert.Len(t, w.Links(), map[bool]int{true: 5, false: 4}[made])
			})
		}
	}
}

// What cannot be revoked does not keep the rest.
func TestRevokeAllInPart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "destination")
	require.NoError(t, w.Fail(connectlinkstest.Failure{
		Route: "POST /api/v1/destination_connect_links/{connect_link_id}/revoke", Times: 1, Status: 409, Body: `{"status":"error","message":"It is used"}`,
	}))
	stdout, stderr, code := execute(t, w.linkctl("revoke -all -yes -type hubspot"))
	assert.Equal(t, "LINK  TYPE  STATE  EXPIRES  CONNECTION\n105  hubspot  revoked  TIME  -\n107  hubspot  revoked  TIME  104\n", stdout)
	assert.Contains(t, stderr, "linkctl: 1 of 3 links were not revoked: the API refuses this: It is used\n")
	assert.Equal(t, exitRefused, code)
}

// A personal token sees every group. With -group a command sees one, and changes nothing else.
func TestAnotherGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "activation")
	w.AddGroup("another_group")
	before := w.Links()
	for _, args := range []string{
		"get 105", "revoke 105", "wait 105", "wait 107 -connection {conn} -since 72h", "reauthorize {conn}",
	} {
		stdout, _, code := execute(t, w.linkctl(args+" -group another_group"))
		assert.Empty(t, stdout, args)
		assert.Equal(t, exitNotFound, code, args)
	}
	for _, args := range []string{"list", "list -connections", "revoke -all -yes"} {
		stdout, _, code := execute(t, w.linkctl(args+" -group another_group"))
		assert.Equal(t, "none\n", stdout, args)
		assert.Zero(t, code, args)
	}
	_, stderr, code := execute(t, w.linkctl("revoke -all -yes"))
	assert.Contains(t, stderr, "linkctl: -group is missing\n")
	assert.Equal(t, exitUsage, code)
	assert.Equal(t, before, w.Links())
}

func TestGetOfUsedLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "destination")
	const head = "LINK  TYPE  STATE  EXPIRES  LEFT  CONNECTION\n103  hubspot  live  TIME  LEFT  104\nredirect URI: the organization's default\n"
	stdout, _, code := execute(t, w.linkctl("get 103"))
	assert.Equal(t, head+w.old("test passed"), stdout)
	assert.Zero(t, code)

	require.NoError(t, w.Client().Destinations.Delete(t.Context(), 104))
	stdout, _, code = execute(t, w.linkctl("get 103"))
	assert.Equal(t, head+"destination 104 does not exist any more\n", stdout)
	assert.Zero(t, code)
}

func TestUsage(t *testing.T) {
	t.Parallel()
	const hint = "\n  to do:  \"linkctl help\" shows the commands; flags come after them\n"
	tests := []struct{ args, err string }{
		{"", "a command is missing" + hint},
		{"delete", `there is no command "delete"` + hint},
		{"-json list", `there is no command "-json"` + hint},
		{"list -type", "flag needs an argument: -type\n  to do:  linkctl list -h shows the flags\n"},
		{"wait 1 -yes", "flag provided but not defined: -yes\n  to do:  linkctl wait -h shows the flags\n"},
		{"wait", "LINK is missing\n  to do:  linkctl wait [flags] LINK\n"},
		{"wait 1 2", "one argument too many: \"2\"\n  to do:  linkctl wait [flags] LINK\n"},
		{"list 1", "one argument too many: \"1\"\n  to do:  linkctl list [flags]\n"},
		{"list -group g", "-group is for -kind activation\n  to do:  linkctl list [flags]\n"},
		{"list -kind link", "there is no kind \"link\"\n  to do:  -kind is source, destination or activation\n"},
		{
			"wait 1 -since yesterday",
			"invalid value \"yesterday\" for flag -since: neither a time such as TIME nor an age such as 2h\n" +
				"  to do:  linkctl wait -h shows the flags\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := execute(t, linkctl(tt.args))
			assert.Empty(t, stdout)
			assert.Equal(t, "linkctl: "+tt.err, stderr)
			assert.Equal(t, exitUsage, code)
		})
	}
	for _, args := range []string{"revoke", "revoke 1 -all", "revoke -type hubspot"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			_, stderr, code := execute(t, newWorld(t, "destination").linkctl(args))
			assert.Equal(t, "linkctl: revoke takes either a LINK or -all\n", stderr)
			assert.Equal(t, exitUsage, code)
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	manual, stderr, code := execute(t, linkctl("help"))
	assert.True(t, strings.HasPrefix(manual, "Linkctl makes connect links"), manual)
	assert.True(t, strings.HasSuffix(manual, "\t130  interrupted, as by Ctrl-C\n"), manual)
	assert.Empty(t, stderr)
	assert.Zero(t, code)
	assert.Contains(t, manual, "It may have been used already")
	for _, c := range commands {
		assert.Contains(t, manual, "\tlinkctl "+c.name+" ")
		help, stderr, code := execute(t, linkctl(c.name+" -h"))
		assert.True(t, strings.HasPrefix(help, strings.TrimSpace("linkctl "+c.name+" [flags] "+c.arg)+"\n\n"+c.about+"\n"), help)
		assert.Equal(t, c.name != "migrate", strings.Contains(help, "-kind value") || strings.Contains(help, "-kind string"), help)
		assert.Empty(t, stderr)
		assert.Zero(t, code)
	}
}

func TestDoctorFindsProblems(t *testing.T) {
	t.Parallel()
	const region = "ok  region  http://HOST answers, which is neither the US nor the EU\n"
	tests := []struct {
		name, kind, args string
		settings         func(*world) []string
		fail             connectlinkstest.Failure
		out              []string
		code             int
	}{
		{
			name: "no token", kind: "activation", code: exitUsage,
			settings: func(*world) []string { return []string{"CENSUS_PERSONAL_ACCESS_TOKEN="} },
			out:      []string{"problem  settings  CENSUS_PERSONAL_ACCESS_TOKEN is not set\n"},
		},
		{
			name: "personal token for a workspace's", kind: "source", code: exitUsage,
			settings: func(w *world) []string { return []string{"CENSUS_API_TOKEN=" + w.PersonalToken()} },
			out: []string{
				`problem  token  CENSUS_API_TOKEN must be a workspace API key, which begins with "secret-token:"` + "\n",
				region, "problem  workspace  the token may not do this\n",
			},
		},
		{
			name: "workspace's token for a personal one", kind: "activation", code: exitUsage,
			settings: func(w *world) []string { return []string{"CENSUS_PERSONAL_ACCESS_TOKEN=" + w.Token()} },
			out: []string{
				"problem  token  CENSUS_PERSONAL_ACCESS_TOKEN must be a personal access token, and this is a workspace API key\n",
				region, "problem  workspace  the token may not do this\n",
			},
		},
		{
			name: "token of nobody", kind: "destination", code: exitRefused,
			settings: func(*world) []string { return []string{"CENSUS_API_TOKEN=secret-token:nobodys"} },
			out:      []string{"ok  token  ", region, "problem  workspace  the API does not know the token\n"},
		},
		{
			name: "nobody there", kind: "destination", code: exitOther,
			settings: func(*world) []string { return []string{"CENSUS_BASE_URL=http://127.0.0.1:1"} },
			out:      []string{"ok  token  ", "problem  region  the API does not answer\n"},
		},
		{
			name: "throttled", kind: "destination", code: exitThrottled,
			fail: connectlinkstest.Failure{Status: 429, Header: http.Header{"Retry-After": {"60"}}, Times: -1},
			out:  []string{region, "problem  workspace  the API is throttling this token\n"},
		},
		{
			name: "V1 is retired", kind: "destination", code: exitNotFound, fail: connectlinkstest.Failure{Status: 410, Times: -1},
			out: []string{region, "problem  workspace  there is no API V1 here\n", "is API V1 retired? then -kind activation\n"},
		},
		{
			name: "unknown type", kind: "source", args: " -type hubspots", code: exitNotFound,
			out: []string{"ok  workspace  ", "problem  type  there is no type \"hubspots\"\n", "-> linkctl types -kind source shows what can be linked\n"},
		},
		{
			name: "type and redirect URI", kind: "activation", args: " -type internal -redirect-uri app.example.com", code: exitRefused,
			out: []string{
				"problem  type  no link can be made for Internal\n",
				"problem  redirect URI -redirect-uri must be ",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.kind)
			if tt.fail.Status != 0 {
				require.NoError(t, w.Fail(tt.fail))
			}
			var settings []string
			if tt.settings != nil {
				settings = tt.settings(w)
			}
			stdout, stderr, code := execute(t, w.linkctl("doctor"+tt.args, settings...))
			for _, line := range tt.out {
				assert.Contains(t, stdout, line)
			}
			assert.Regexp(t, `^linkctl: \d of \d checks found a problem\n$`, stderr)
			assert.Equal(t, tt.code, code)
			assert.Len(t, w.Links(), 4)
		})
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kind)
			// decode is what a command writes, in which there is a URL if it may be seen.
			decode := func(args string, v any, url bool) {
				t.Helper()
				stdout, stderr, code := execute(t, w.linkctl(args+" -json"))
				require.Zero(t, code, stderr)
				require.Empty(t, stderr)
				require.NoError(t, json.Unmarshal([]byte(strings.ReplaceAll(stdout, "TIME", "2026-01-02T03:04:05Z")), v), stdout)
				assert.Equal(t, url, strings.Contains(stdout, `"uri": "http://HOST/pbc?auth=SECRET"`), stdout)
			}
			type object = map[string]any
			var one object
			decode("create {in group} -type {type}", &one, true)
			assert.Equal(t, 108.0, one["id"])
			assert.Equal(t, "live", one["state"])

			one = nil
			decode("reauthorize {conn}", &one, true)
			assert.Equal(t, 109.0, one["id"])

			var many []object
			decode("list", &many, false)
			assert.Len(t, many, 5)
			decode("list -all -show-url", &many, true)
			assert.Len(t, many, 6)
			decode("list -type braze", &many, false)
			assert.Equal(t, []object{}, many)

			one = nil
			decode("get 103", &one, false)
			if kind != "activation" {
				assert.Equal(t, w.conn, one["connection_id"])
				assert.Equal(t, w.conn, one["connection"].(object)["id"])
			}
			one = nil
			decode("get 103 -show-url", &one, true)
			assert.Equal(t, w.typ, one["type"])

			many = nil
			decode("list -connections", &many, false)
			assert.Equal(t, w.conn, many[0]["id"])
			assert.Equal(t, true, many[0]["last_test_succeeded"])

			one = nil
			decode("wait 107 -since 72h -connection {conn}", &one, false)
			assert.Equal(t, w.conn, one["id"])

			one = nil
			decode("revoke 105", &one, false)
			assert.Equal(t, "revoked", one["state"])
			many = nil
			decode("revoke -all -yes -type {type} {in group}", &many, false)
			assert.Len(t, many, 4)

			many = nil
			decode("types {type}", &many, false)
			assert.Equal(t, []object{{"service_name": w.typ, "label": w.label, "creatable_via_connect_link": true}}, many)

			many = nil
			decode("doctor", &many, false)
			assert.Equal(t, "ok", many[0]["status"])
		})
	}
}

// A terminal or an editor must not obey, or reorder by, what a customer typed.
func TestJSONEscapesControls(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "source")
	const name = "a\u007f\u0085\u009b31m\u061c\u200b\u200f\u202e\u2066\ufeff\U000e0001\u2028 é 你 <&> \U0001f600 z"
	link := w.Links()[1].ConnectLink
	made, err := w.CompleteWith(link.ID, connectlinkstest.Submission{Name: name, Fields: map[string]string{"database": name}})
	require.NoError(t, err)

	stdout, stderr, code := execute(t, w.linkctl("list -connections -json"))
	require.Zero(t, code, stderr)
	for _, r := range stdout {
		assert.True(t, r == '\n' || unicode.IsPrint(r), "%q is written as it is", r)
	}
	assert.Contains(t, stdout, `\u007f\u0085\u009b31m\u061c\u200b\u200f\u202e\u2066\ufeff\udb40\udc01\u2028 é 你 <&> 😀 z`)
	var found []connection
	require.NoError(t, json.Unmarshal([]byte(strings.ReplaceAll(stdout, `"TIME"`, `"2026-01-02T03:04:05Z"`)), &found))
	i := slices.IndexFunc(found, func(c connection) bool { return c.ID == strconv.FormatInt(made.ID, 10) })
	require.GreaterOrEqual(t, i, 0)
	assert.Equal(t, name, found[i].Name, "nothing is lost")
	var details struct{ Database string }
	require.NoError(t, json.Unmarshal(found[i].ConnectionDetails, &details))
	assert.Equal(t, name, details.Database)
}

// Without tokens there is a sandbox, and a customer in it.
func TestSandbox(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		w := &world{kind: kind, typ: "hubspot", label: "HubSpot", conn: "105"}
		switch kind {
		case "source":
			w.typ, w.label = "postgres", "PostgreSQL"
		case "activation":
			w.conn = "glimmering_donkey"
		}
		notice := "linkctl: no CENSUS_... variable is set: this is a sandbox, made for this command and gone after it\n" +
			"  " + kind + " " + w.conn + ", which link 103 made and link 108 can renew; links 106 (live), 104 (expired), 107 (revoked); group wandering_aimlessly\n"
		made := map[string]string{"activation": "patient_donkey"}[kind]
		if made == "" {
			made = "109"
		}
		for _, tt := range []struct{ args, out string }{
			{"create -type " + w.typ, "That is link 109 (" + w.typ + ")"},
			{"list", "106  " + w.typ + "  live  TIME  LEFT"},
			{"revoke -all -yes -type " + w.typ + map[string]string{"activation": " -group wandering_aimlessly"}[kind], "106  " + w.typ + "  revoked  TIME"},
			{"doctor", "ok  token  the sandbox's " + map[string]string{"activation": "personal "}[kind] + "token looks as it should\n"},
			{"wait 106", w.shown(made, w.label, "test passed")},
			{"wait 108 -connection " + w.conn, w.shown(w.conn, w.label, "test passed")},
		} {
			t.Run(kind+" "+tt.args, func(t *testing.T) {
				t.Parallel()
				stdout, stderr, code := execute(t, linkctl(tt.args+" -kind "+kind))
				assert.Contains(t, stdout, tt.out)
				assert.Equal(t, notice, stderr)
				assert.Zero(t, code)
			})
		}
	}
}

// docs/linkctl.md has an example for every command, and every exit code of the manual.
func TestLinkctlPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/linkctl.md")
	require.NoError(t, err)
	page := string(text)
	for _, c := range commands {
		assert.Contains(t, page, "\n| `"+c.name, c.name)
		assert.Contains(t, page, "\n$ ./linkctl "+c.name, c.name)
	}
	_, codes, ok := strings.Cut(manual(), "# Exit codes\n")
	require.True(t, ok)
	found := regexp.MustCompile(`(?m)^\t(\d+) `).FindAllStringSubmatch(codes, -1)
	assert.Len(t, found, 10)
	for _, code := range found {
		assert.Contains(t, page, "\n| "+code[1]+" | ")
	}
}
