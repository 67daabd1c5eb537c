package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// platform is the app on a sandbox.
type platform struct {
	sandbox *connectlinkstest.Server
	url     string
	log     *logBuffer
}

// logBuffer may be written by several goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newPlatform starts the app on a version of the API. On V2, V1 is retired.
func newPlatform(t *testing.T, api string) *platform {
	t.Helper()
	sandbox := connectlinkstest.NewServer()
	t.Cleanup(sandbox.Close)
	tenants, err := sandboxTenants(sandbox, api)
	require.NoError(t, err)
	if api == apiV2 {
		require.NoError(t, sandbox.RetireV1(http.StatusGone))
		t.Cleanup(func() {
			for _, r := range sandbox.Requests() {
				assert.NotContains(t, r.Path, "/api/v1/")
			}
		})
	}
	srv := httptest.NewUnstartedServer(nil)
	p := &platform{sandbox: sandbox, url: "http://" + srv.Listener.Addr().String(), log: &logBuffer{}}
	app, err := newApp(config{
		PublicURL: p.url, Tenants: tenants, Sandbox: true,
		Wait: 200 * time.Millisecond,
		Log:  slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	require.NoError(t, err)
	srv.Config.Handler = app
	srv.Start()
	t.Cleanup(srv.Close)
	return p
}

// browser keeps cookies, and follows redirects within the platform only.
type browser struct {
	t    *testing.T
	p    *platform
	http *http.Client
}

func (p *platform) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t, p, &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(req.URL.String(), p.url+"/") {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

type page struct {
	status   int
	header   http.Header
	location string // the redirect to another site, if any
	url      string // the URL of the last request
	body     string
}

func (b *browser) do(method, path string, form url.Values, header ...string) page {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.p.url+path, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.http.Do(req)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return page{resp.StatusCode, resp.Header, resp.Header.Get("Location"), strings.TrimPrefix(resp.Request.URL.String(), b.p.url), string(body)}
}

func (b *browser) get(path string) page { b.t.Helper(); return b.do("GET", path, nil) }

func (b *browser) post(path string) page {
	b.t.Helper()
	return b.do("POST", path, url.Values{}, "Sec-Fetch-Site", "same-origin")
}

func (b *browser) signIn(tenant string) *browser {
	b.t.Helper()
	got := b.do("POST", "/sign-in", url.Values{"tenant": {tenant}})
	require.Equal(b.t, http.StatusOK, got.status)
	require.Contains(b.t, got.body, "<h1>Integrations</h1>")
	return b
}

// last returns the newest link of the sandbox.
func (p *platform) last(t *testing.T) connectlinkstest.Link {
	t.Helper()
	links := p.sandbox.Links()
	require.NotEmpty(t, links)
	return links[len(links)-1]
}

// back returns the RedirectURI of link, relative to the app.
func (p *platform) back(t *testing.T, link connectlinkstest.Link) string {
	t.Helper()
	path, ok := strings.CutPrefix(link.ConnectLink.RedirectURI, p.url)
	require.True(t, ok, "the way back leads to the platform")
	return path
}

// notMine is what a page adds on V2, where the connection may be a colleague's.
const notMine = " If you did not finish, somebody else connected it."

func flashOf(body string) string {
	found := regexp.MustCompile(`id="flash"[^>]*>([^<]*)<`).FindStringSubmatch(body)
	if found == nil {
		return ""
	}
	return found[1]
}

func TestConnectByRedirect(t *testing.T) {
	for _, test := range []struct{ api, kind, typ, label string }{
		{apiV1, "source", "postgres", "PostgreSQL"},
		{apiV1, "destination", "hubspot", "HubSpot"},
		{apiV2, "activation", "hubspot", "HubSpot"},
	} {
		t.Run(test.kind, func(t *testing.T) {
			p := newPlatform(t, test.api)
			b := p.browser(t).signIn("acme")
			assert.Contains(t, b.get("/integrations").body, `id="nothing-connected"`)

			got := b.get("/connect/" + test.kind + "/" + test.typ)
			assert.Contains(t, got.body, "<h1>Connect "+test.label+"</h1>")
			assert.Empty(t, p.sandbox.Links(), "a GET makes nothing")

			got = b.post("/connect/" + test.kind + "/" + test.typ)
			assert.Equal(t, http.StatusSeeOther, got.status)
			link := p.last(t)
			assert.Equal(t, link.ConnectLink.URL, got.location)
			conn, err := p.sandbox.Complete(link.ConnectLink.ID)
			require.NoError(t, err)

			got = b.get(p.back(t, link))
			assert.Equal(t, "/integrations", got.url)
			want := "“" + conn.Name + "” (" + test.label + ") is connected."
			if test.kind == "activation" {
				want += notMine
			}
			assert.Equal(t, want, flashOf(got.body))
			id := fmt.Sprint(conn.ID)
			if conn.ActivationID != "" {
				id = conn.ActivationID
			}
			assert.Contains(t, got.body, `id="connection-`+test.kind+"-"+id+`"`)
			assert.Contains(t, got.body, `<span class="badge good">Working</span>`)

			again := b.get(p.back(t, link))
			assert.Equal(t, "/integrations", again.url)
			assert.Equal(t, "See below what is connected.", flashOf(again.body), "said once")

			// Renew the credentials.
			got = b.post("/reauthorize/" + test.kind + "/" + id)
			assert.Equal(t, http.StatusSeeOther, got.status, got.body)
			renewal := p.last(t)
			assert.True(t, renewal.Renews)
			assert.Equal(t, renewal.ConnectLink.URL, got.location)
			p.sandbox.Advance(time.Second)
			_, err = p.sandbox.Complete(renewal.ConnectLink.ID)
			require.NoError(t, err)
			assert.Equal(t, conn.Name+" was tested again. If you finished, it has your new credentials.", flashOf(b.get(p.back(t, renewal)).body))

			// Disconnect.
			got = b.get("/disconnect/" + test.kind + "/" + id)
			assert.Contains(t, got.body, "<h1>Disconnect "+conn.Name+"?</h1>")
			assert.Contains(t, b.get("/integrations").body, `id="connection-`+test.kind+"-"+id+`"`, "asked first")
			got = b.post("/disconnect/" + test.kind + "/" + id)
			assert.Equal(t, conn.Name+" is disconnected.", flashOf(got.body))
			assert.Contains(t, got.body, `id="nothing-connected"`)
			assert.Equal(t, http.StatusNotFound, b.get("/disconnect/"+test.kind+"/"+id).status)

			for _, l := range p.sandbox.Links() {
				secret := l.ConnectLink.URL[strings.Index(l.ConnectLink.URL, "auth=")+5:]
				assert.NotContains(t, p.log.String(), secret)
			}
		})
	}
}

func TestConnectEmbedded(t *testing.T) {
	for api, kind := range map[string]string{apiV1: "destination", apiV2: "activation"} {
		t.Run(api, func(t *testing.T) {
			p := newPlatform(t, api)
			b := p.browser(t).signIn("acme")
			got := b.post("/embed/" + kind + "/hubspot")
			link := p.last(t)
			assert.Contains(t, got.url, "/embedded/")
			assert.Contains(t, got.body, `<connect-link src="`+link.ConnectLink.URL+`" title="Connect hubspot">`)
			assert.Contains(t, got.body, `data-return="`+p.back(t, link)+`"`)
			assert.Contains(t, got.header.Get("Content-Security-Policy"), "frame-src "+p.sandbox.URL)
			assert.Equal(t, "no-store", got.header.Get("Cache-Control"))
			script := regexp.MustCompile(`src="(/connect-link\.js\?v=[^"]+)"`).FindStringSubmatch(got.body)
			require.NotNil(t, script)
			assert.Contains(t, b.get(script[1]).header.Get("Cache-Control"), "immutable")

			assert.Equal(t, http.StatusOK, b.get(got.url).status, "reloaded")
			assert.Len(t, p.sandbox.Links(), 1)

			_, err := p.sandbox.Complete(link.ConnectLink.ID)
			require.NoError(t, err)
			assert.Contains(t, flashOf(b.get(p.back(t, link)).body), "“HubSpot” (HubSpot) is connected.")
			assert.Equal(t, "/integrations", b.get(got.url).url, "the back button")
		})
	}
}

func TestTwoClicksMakeOneLink(t *testing.T) {
	p := newPlatform(t, apiV1)
	b := p.browser(t).signIn("acme")
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { b.post("/connect/source/postgres") })
	}
	wg.Wait()
	assert.Len(t, p.sandbox.Links(), 1)

	b.post("/embed/source/postgres")
	assert.Len(t, p.sandbox.Links(), 1, "the other way as well")
	b.post("/connect/source/mysql")
	assert.Len(t, p.sandbox.Links(), 2, "something else")
	p.browser(t).signIn("acme").post("/connect/source/postgres")
	assert.Len(t, p.sandbox.Links(), 3, "somebody else")

	first := p.sandbox.Links()[0].ConnectLink
	require.NoError(t, p.sandbox.Expire(first.ID))
	b.post("/connect/source/postgres")
	assert.Len(t, p.sandbox.Links(), 4, "a dead link is not given out again")
	_, err := p.sandbox.Complete(p.last(t).ConnectLink.ID)
	require.NoError(t, err)
	b.post("/connect/source/postgres")
	assert.Len(t, p.sandbox.Links(), 5, "nor a used one")
	require.NoError(t, p.sandbox.Revoke(p.last(t).ConnectLink.ID))
	b.post("/connect/source/postgres")
	assert.Len(t, p.sandbox.Links(), 6, "nor a revoked one")
}

// A V2 link does not say whether it was used.
func TestEachTryOnV2HasItsOwnLink(t *testing.T) {
	p := newPlatform(t, apiV2)
	b := p.browser(t).signIn("acme")
	b.post("/connect/activation/braze")
	p.browser(t).signIn("acme").post("/connect/activation/hubspot") // a colleague
	for range 3 {
		b.post("/connect/activation/hubspot")
	}
	b.post("/embed/activation/hubspot")
	links := p.sandbox.Links()
	require.Len(t, links, 6)
	revoked := func() (ids []int64) {
		for _, l := range p.sandbox.Links() {
			if l.ConnectLink.Revoked {
				ids = append(ids, l.ConnectLink.ID)
			}
		}
		return ids
	}
	assert.Empty(t, revoked(), "the first tab may still be at work")
	assert.Equal(t, http.StatusAccepted, b.get(p.back(t, links[4])).status)
	assert.Empty(t, revoked(), "nothing has finished")

	_, err := p.sandbox.Complete(links[4].ConnectLink.ID)
	require.NoError(t, err)
	assert.Equal(t, "“HubSpot” (HubSpot) is connected."+notMine, flashOf(b.get(p.back(t, links[4])).body))
	assert.Equal(t, []int64{links[2].ConnectLink.ID, links[3].ConnectLink.ID}, revoked(),
		"the earlier tries, and neither a later one, nor those at something else or of somebody else")
	_, err = p.sandbox.Complete(links[5].ConnectLink.ID)
	require.NoError(t, err)
	assert.Equal(t, "See below what is connected.", flashOf(b.get(p.back(t, links[5])).body))
	revocations := 0
	for _, r := range p.sandbox.Requests() {
		if r.Route == connectlinkstest.RouteRevokeActivationConnectLink {
			revocations++
		}
	}
	assert.Equal(t, 2, revocations, "each link once")

	// A renewal revokes the links of earlier renewals only.
	id := p.sandbox.Links()[4].ActivationID
	for range 2 {
		b.post("/reauthorize/activation/" + id)
	}
	links = p.sandbox.Links()
	require.Len(t, links, 8)
	p.sandbox.Advance(time.Second)
	_, err = p.sandbox.Complete(links[7].ConnectLink.ID)
	require.NoError(t, err)
	assert.Contains(t, flashOf(b.get(p.back(t, links[7])).body), "it has your new credentials.")
	assert.Equal(t, []int64{links[2].ConnectLink.ID, links[3].ConnectLink.ID, links[6].ConnectLink.ID}, revoked())
}

// If an earlier link cannot be revoked, the customer is connected nevertheless.
func TestRevokingFails(t *testing.T) {
	p := newPlatform(t, apiV2)
	b := p.browser(t).signIn("acme")
	b.post("/connect/activation/hubspot")
	b.post("/connect/activation/hubspot")
	_, err := p.sandbox.Complete(p.last(t).ConnectLink.ID)
	require.NoError(t, err)
	require.NoError(t, p.sandbox.Fail(connectlinkstest.Failure{Route: connectlinkstest.RouteRevokeActivationConnectLink, Status: 403}))
	assert.Equal(t, "“HubSpot” (HubSpot) is connected."+notMine, flashOf(b.get(p.back(t, p.last(t))).body))
	assert.Empty(t, p.sandbox.Unfired())
	assert.Contains(t, p.log.String(), `level=WARN msg="revoke an earlier link"`)
}

func TestCancel(t *testing.T) {
	p := newPlatform(t, apiV1)
	b := p.browser(t).signIn("acme")
	b.post("/connect/destination/hubspot")
	link := p.last(t)
	require.NoError(t, p.sandbox.Cancel(link.ConnectLink.ID))
	got := b.get(p.back(t, link))
	assert.Equal(t, http.StatusAccepted, got.status)
	assert.Contains(t, got.body, "Not connected yet")
	assert.Contains(t, got.body, `href="/integrations"`)
	assert.NotEmpty(t, got.header.Get("Refresh"))
	assert.Contains(t, b.get("/integrations").body, `id="nothing-connected"`)
}

func TestDeadLinks(t *testing.T) {
	for name, kill := range map[string]func(*connectlinkstest.Server, int64) error{
		"expired": (*connectlinkstest.Server).Expire,
		"revoked": (*connectlinkstest.Server).Revoke,
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t, apiV1)
			b := p.browser(t).signIn("acme")
			b.post("/connect/source/postgres")
			link := p.last(t)
			require.NoError(t, kill(p.sandbox, link.ConnectLink.ID))
			got := b.get(p.back(t, link))
			assert.Equal(t, http.StatusGone, got.status)
			assert.Contains(t, got.body, "Start again")
		})
	}
}

// A key that is made up, or of another session, shows and changes nothing.
func TestForgedReturns(t *testing.T) {
	p := newPlatform(t, apiV1)
	acme, birch := p.browser(t).signIn("acme"), p.browser(t).signIn("birch")
	acme.post("/connect/destination/hubspot")
	link := p.last(t)
	back := p.back(t, link)

	got := acme.get(back + "?status=created&destination_id=1&connected=true")
	assert.Equal(t, http.StatusAccepted, got.status, "not connected, whatever the query says")

	_, err := p.sandbox.Complete(link.ConnectLink.ID)
	require.NoError(t, err)
	assert.Equal(t, http.StatusNotFound, birch.get(back).status)
	assert.Equal(t, http.StatusNotFound, birch.get(strings.Replace(back, "/connected/", "/embedded/", 1)).status)
	assert.Equal(t, http.StatusNotFound, acme.get("/connected/AAAA").status)
	assert.Equal(t, http.StatusMethodNotAllowed, acme.post(back).status)
	assert.Empty(t, flashOf(birch.get("/integrations").body))
	assert.Equal(t, "“HubSpot” (HubSpot) is connected.", flashOf(acme.get(back).body))
}

// Birch sends every request that the app answers, with Acme's ids in it.
func TestTenantsDoNotSeeEachOther(t *testing.T) {
	for _, test := range []struct{ api, kind, typ string }{
		{apiV1, "source", "postgres"},
		{apiV1, "destination", "hubspot"},
		{apiV2, "activation", "hubspot"},
	} {
		t.Run(test.kind, func(t *testing.T) {
			p := newPlatform(t, test.api)
			acme, birch := p.browser(t).signIn("acme"), p.browser(t).signIn("birch")
			// One thing is connected, one is being connected, and one is being renewed.
			acme.post("/connect/" + test.kind + "/" + test.typ)
			made := p.last(t)
			conn, err := p.sandbox.CompleteWith(made.ConnectLink.ID, connectlinkstest.Submission{Name: "Acme's secret tool"})
			require.NoError(t, err)
			id := cmp.Or(conn.ActivationID, fmt.Sprint(conn.ID))
			acme.get(p.back(t, made))
			acme.post("/connect/" + test.kind + "/" + test.typ)
			open := p.last(t)
			acme.post("/reauthorize/" + test.kind + "/" + id)
			renewal := p.last(t)
			before := p.sandbox.Links()
			require.Len(t, before, 3)

			values := map[string][]string{
				"{kind}": {test.kind},
				"{type}": {test.typ},
				"{id}":   {id, fmt.Sprint(conn.ID)},
				"{key}":  nil,
				"{$}":    {""},
			}
			names := url.Values{"id": {id}, "tenant_id": {"acme"}, "workspace_id": {fmt.Sprint(made.WorkspaceID)}, "group_id": {made.GroupID}}
			for _, l := range before {
				values["{id}"] = append(values["{id}"], fmt.Sprint(l.ConnectLink.ID))
				values["{key}"] = append(values["{key}"], strings.TrimPrefix(p.back(t, l), "/connected/"))
			}
			tried := 0
			for pattern := range new(app).routes() {
				method, path, ok := strings.Cut(pattern, " ")
				methods := []string{method}
				if !ok {
					path, methods = pattern, []string{"GET", "POST"}
				}
				paths := []string{path}
				for placeholder, with := range values {
					var next []string
					for _, path := range paths {
						if !strings.Contains(path, placeholder) {
							next = append(next, path)
							continue
						}
						for _, value := range with {
							next = append(next, strings.Replace(path, placeholder, value, 1))
						}
					}
					paths = next
				}
				for _, path := range paths {
					require.NotContains(t, path, "{", "what to try there")
					for _, method := range methods {
						tried++
						got := birch.do(method, path+"?"+names.Encode(), names, "Sec-Fetch-Site", "same-origin")
						assert.NotContains(t, got.body, "secret tool", "%s %s", method, path)
						for _, l := range before {
							secret := l.ConnectLink.URL[strings.Index(l.ConnectLink.URL, "auth="):]
							assert.NotContains(t, got.body+got.location, secret, "%s %s", method, path)
						}
						if strings.Contains(pattern, "{id}") || strings.Contains(pattern, "{key}") {
							assert.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, got.status, "%s %s", method, path)
						}
						if strings.HasPrefix(got.url, "/sign-in") || path == "/sign-out" {
							birch.signIn("birch")
						}
					}
				}
			}
			assert.GreaterOrEqual(t, tried, 30)

			// In the sandbox, Acme's links are unchanged.
			var birchs int
			for i, l := range p.sandbox.Links() {
				if i < len(before) {
					assert.Equal(t, before[i], l, "Acme's links are as they were")
					continue
				}
				birchs++
				assert.False(t, l.Renews)
				assert.NotEqual(t, [2]any{made.WorkspaceID, made.GroupID}, [2]any{l.WorkspaceID, l.GroupID}, "Birch's links are Birch's")
			}
			assert.NotZero(t, birchs, "Birch connects something, too")
			assert.Contains(t, birch.get("/integrations").body, `id="nothing-connected"`)
			assert.Contains(t, acme.get("/integrations").body, `id="connection-`+test.kind+"-"+id+`"`)

			// Acme can still finish.
			_, err = p.sandbox.CompleteWith(open.ConnectLink.ID, connectlinkstest.Submission{})
			require.NoError(t, err)
			assert.Contains(t, flashOf(acme.get(p.back(t, open)).body), "is connected.")
			p.sandbox.Advance(time.Second)
			_, err = p.sandbox.Complete(renewal.ConnectLink.ID)
			require.NoError(t, err)
			assert.Contains(t, flashOf(acme.get(p.back(t, renewal)).body), "it has your new credentials.")
		})
	}
}

func TestAFailedTestIsShown(t *testing.T) {
	p := newPlatform(t, apiV1)
	b := p.browser(t).signIn("acme")
	b.post("/connect/destination/braze")
	link := p.last(t)
	conn, err := p.sandbox.CompleteWith(link.ConnectLink.ID, connectlinkstest.Submission{Name: "Braze <EU>", FailedTest: "no such host"})
	require.NoError(t, err)
	body := b.get(p.back(t, link)).body
	assert.Equal(t, "“Braze &lt;EU&gt;” (Braze) is connected, but its test failed. Authenticate: no such host. Reconnect it.", flashOf(body))
	assert.Contains(t, body, `<p class="flash bad"`)
	assert.Contains(t, body, `<span class="badge bad">Needs attention</span>`)
	assert.Contains(t, body, "Braze &lt;EU&gt;")

	b.post(fmt.Sprint("/reauthorize/destination/", conn.ID))
	p.sandbox.Advance(time.Second)
	_, err = p.sandbox.CompleteWith(p.last(t).ConnectLink.ID, connectlinkstest.Submission{FailedTest: "password wrong."})
	require.NoError(t, err)
	body = b.get(p.back(t, p.last(t))).body
	assert.Equal(t, "Braze &lt;EU&gt; was tested again, but its test failed. Authenticate: password wrong. If you finished, it has your new credentials. Reconnect it.", flashOf(body))
	assert.Contains(t, body, `<p class="flash bad"`)

	b.post("/connect/destination/braze")
	_, err = p.sandbox.CompleteWith(p.last(t).ConnectLink.ID, connectlinkstest.Submission{Name: "New", Untested: true})
	require.NoError(t, err)
	assert.Equal(t, "“New” (Braze) is connected, but not tested yet.", flashOf(b.get(p.back(t, p.last(t))).body))
}

func TestSignIn(t *testing.T) {
	p := newPlatform(t, apiV1)
	b := p.browser(t)
	for _, path := range []string{"/", "/integrations", "/connect/source/postgres", "/connected/x", "/embedded/x", "/disconnect/source/1"} {
		assert.Contains(t, b.get(path).url, "/sign-in?next=", path)
	}
	assert.Contains(t, b.post("/connect/source/postgres").url, "/sign-in")
	assert.Empty(t, p.sandbox.Links())

	// After the sign-in, the customer gets the page of the mailed address.
	got := b.get("/connect/source/postgres")
	assert.Contains(t, got.body, `name="next" value="/connect/source/postgres"`)
	got = b.do("POST", "/sign-in", url.Values{"tenant": {"acme"}, "next": {"/connect/source/postgres"}})
	assert.Contains(t, got.body, "<h1>Connect PostgreSQL</h1>")

	for next, want := range map[string]string{
		"": home, "x": home, "//evil.example": home, "/\\evil.example": home, "https://evil.example/": home, "javascript:alert(1)": home,
		"/connect/source/postgres?a=b": "/connect/source/postgres?a=b",
	} {
		assert.Equal(t, want, local(next), next)
	}

	// These addresses answer a POST only.
	for _, next := range []string{"/embed/source/postgres", "/sign-out"} {
		got = b.do("POST", "/sign-in", url.Values{"tenant": {"acme"}, "next": {next}})
		assert.Equal(t, home, got.url, next)
	}

	u, err := url.Parse(p.url)
	require.NoError(t, err)
	before := b.http.Jar.Cookies(u)[0].Value
	b.signIn("birch")
	assert.NotEqual(t, before, b.http.Jar.Cookies(u)[0].Value, "a new id")
	b.post("/sign-out")
	assert.Contains(t, b.get("/integrations").url, "/sign-in")
	assert.Contains(t, b.do("POST", "/sign-in", url.Values{"tenant": {"nobody"}}).url, "/sign-in")

	cookie := httptest.NewRecorder()
	(&sessions{m: map[string]*session{}}).begin(cookie, &tenant{})
	assert.Contains(t, cookie.Header().Get("Set-Cookie"), "HttpOnly; SameSite=Lax")
	cookie = httptest.NewRecorder()
	(&sessions{m: map[string]*session{}, secure: true}).begin(cookie, &tenant{})
	assert.Contains(t, cookie.Header().Get("Set-Cookie"), "Secure")
}

func TestOtherSitesCannotPost(t *testing.T) {
	p := newPlatform(t, apiV1)
	b := p.browser(t).signIn("acme")
	for _, path := range []string{"/connect/source/postgres", "/embed/source/postgres", "/sign-out", "/sign-in", "/disconnect/source/1"} {
		got := b.do("POST", path, url.Values{}, "Sec-Fetch-Site", "cross-site")
		assert.Equal(t, http.StatusForbidden, got.status, path)
		assert.Contains(t, got.body, `id="message">This was sent from another site. Open the page here, and try again.</p>`)
	}
	assert.Empty(t, p.sandbox.Links())
	assert.Equal(t, "/integrations", b.get("/integrations").url, "still signed in")
}

// An attacker can point a host name at the app. For a browser, the attacker's page then has
// the same origin as the app. Only the Host header differs.
func TestOtherHostsAreRefused(t *testing.T) {
	p := newPlatform(t, apiV1)
	b := p.browser(t).signIn("acme")
	ask := func(method, path, host string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, nil)
		require.NoError(t, err)
		req.Host = host
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		resp, err := b.http.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	own := strings.TrimPrefix(p.url, "http://")
	_, port, _ := strings.Cut(own, ":")
	for _, host := range []string{"evil.example", "evil.example:" + port, "127.0.0.1", "localhost:" + port, own + ".evil.example"} {
		assert.Equal(t, http.StatusMisdirectedRequest, ask("POST", "/connect/source/postgres", host), host)
		assert.Equal(t, http.StatusMisdirectedRequest, ask("GET", "/integrations", host), host)
		assert.Equal(t, http.StatusMisdirectedRequest, ask("GET", "/static/app.js", host), host)
	}
	assert.Empty(t, p.sandbox.Links())
	assert.Equal(t, http.StatusOK, ask("GET", "/integrations", own))
}

func TestPublicURLs(t *testing.T) {
	for publicURL, host := range map[string]string{
		"https://App.Example.com":             "app.example.com",
		"https://app.example.com:443/ignored": "APP.example.com",
		"http://app.example.com:80":           "app.example.com",
		"http://app.example.com:443":          "app.example.com:443",
		"http://[::1]:8080":                   "[::1]:8080",
	} {
		app, err := newApp(config{PublicURL: publicURL, Tenants: make([]tenant, 1)})
		require.NoError(t, err, publicURL)
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/sign-in", nil)
		r.Host = host
		app.ServeHTTP(w, r)
		assert.Equal(t, http.StatusOK, w.Code, publicURL)
	}
}

func TestNothingThere(t *testing.T) {
	p := newPlatform(t, apiV1)
	b := p.browser(t).signIn("acme")
	for path, sentence := range map[string]string{
		"/nothing":                     "There is nothing here.",
		"/connect/source/nothing":      "There is nothing here.",
		"/connect/source/http_request": "There is nothing here.",
		"/connect/nothing/postgres":    "There is nothing here.",
		"/connect/activation/hubspot":  "There is nothing here.",
		"/disconnect/activation/x":     "There is nothing here.",
		"/disconnect/source/1":         noConnection,
		"/disconnect/source/x":         noConnection,
		"/disconnect/source/-1":        noConnection,
		"/reauthorize/destination/99":  noConnection,
	} {
		got := b.get(path)
		assert.Equal(t, http.StatusNotFound, got.status, path)
		assert.Contains(t, got.body, sentence, path)
		assert.Equal(t, sentence == noConnection, strings.Contains(p.log.String(), `level=WARN msg="no such connection"`), path)
		p.log.reset()
	}
}

// The tab is older than the session, or the address was bookmarked.
func TestALostSession(t *testing.T) {
	p := newPlatform(t, apiV1)
	b := p.browser(t).signIn("acme")
	b.post("/connect/destination/hubspot")
	link := p.last(t)
	_, err := p.sandbox.Complete(link.ConnectLink.ID)
	require.NoError(t, err)
	b.post("/sign-out")
	assert.Contains(t, b.get(p.back(t, link)).url, "/sign-in?next=%2Fconnected%2F")
	b.signIn("acme")
	for _, path := range []string{p.back(t, link), strings.Replace(p.back(t, link), "/connected/", "/embedded/", 1), "/connected/x"} {
		got := b.get(path)
		assert.Equal(t, http.StatusNotFound, got.status)
		assert.Contains(t, got.body, "We cannot tell what became of your connection. Look at your integrations.")
		assert.Contains(t, got.body, `<a class="button main" id="connectlink-back" href="/integrations">Look at your integrations</a>`)
	}
	assert.Contains(t, b.get("/integrations").body, `id="connection-destination-`)
}

// Each tab returns to its own link. Each create has its own RedirectURI, also after one
// whose answer was lost.
func TestEachLinkHasItsOwnWayBack(t *testing.T) {
	p := newPlatform(t, apiV1)
	b := p.browser(t).signIn("acme")
	b.post("/connect/destination/hubspot")
	first := p.last(t)
	b.post("/connect/destination/braze")
	second := p.last(t)
	_, err := p.sandbox.Complete(second.ConnectLink.ID)
	require.NoError(t, err)
	assert.Equal(t, http.StatusAccepted, b.get(p.back(t, first)).status)
	assert.Equal(t, "“Braze” (Braze) is connected.", flashOf(b.get(p.back(t, second)).body))
	_, err = p.sandbox.Complete(first.ConnectLink.ID)
	require.NoError(t, err)
	assert.Equal(t, "“HubSpot” (HubSpot) is connected.", flashOf(b.get(p.back(t, first)).body))

	require.NoError(t, p.sandbox.Fail(
		connectlinkstest.Failure{Route: connectlinkstest.RouteCreateSourceConnectLink, Reset: true, CarryOut: true, Times: -1},
		connectlinkstest.Failure{Route: connectlinkstest.RouteListSourceConnectLinks, Status: 500, Times: -1},
	))
	for range 2 {
		assert.Equal(t, http.StatusBadGateway, b.post("/connect/source/postgres").status)
	}
	p.sandbox.StopFailing()
	b.post("/connect/source/postgres")
	used := map[string]bool{}
	for _, link := range p.sandbox.Links() {
		assert.Regexp(t, `^/connected/[A-Z2-7]{26}$`, p.back(t, link))
		assert.False(t, used[p.back(t, link)])
		used[p.back(t, link)] = true
	}
}

// Each link has its own RedirectURI, so the SDK finds a link whose answer was lost.
func TestALostAnswer(t *testing.T) {
	for _, test := range []struct {
		api, kind           string
		create, reauthorize connectlinkstest.Route
	}{
		{apiV1, "source", connectlinkstest.RouteCreateSourceConnectLink, connectlinkstest.RouteCreateSourceReauthorizationLink},
		{apiV1, "destination", connectlinkstest.RouteCreateDestinationConnectLink, connectlinkstest.RouteCreateDestinationReauthorizationLink},
		{apiV2, "activation", connectlinkstest.RouteCreateActivationConnectLink, connectlinkstest.RouteCreateActivationReauthorizationLink},
	} {
		t.Run(test.kind, func(t *testing.T) {
			p := newPlatform(t, test.api)
			b := p.browser(t).signIn("acme")
			typ := map[bool]string{true: "postgres", false: "hubspot"}[test.kind == "source"]
			lose := func(route connectlinkstest.Route) {
				require.NoError(t, p.sandbox.Fail(connectlinkstest.Failure{Route: route, Reset: true, CarryOut: true}))
			}
			lose(test.create)
			got := b.post("/connect/" + test.kind + "/" + typ)
			require.Len(t, p.sandbox.Links(), 1)
			assert.Equal(t, p.last(t).ConnectLink.URL, got.location)
			conn, err := p.sandbox.Complete(p.last(t).ConnectLink.ID)
			require.NoError(t, err)
			assert.Contains(t, flashOf(b.get(p.back(t, p.last(t))).body), "is connected.")

			lose(test.reauthorize)
			got = b.post("/reauthorize/" + test.kind + "/" + cmp.Or(conn.ActivationID, fmt.Sprint(conn.ID)))
			require.Len(t, p.sandbox.Links(), 2)
			assert.Equal(t, p.last(t).ConnectLink.URL, got.location)
			assert.Empty(t, p.sandbox.Unfired())
		})
	}
}

func TestWhatOnlyThePlatformCanMend(t *testing.T) {
	p := newPlatform(t, apiV1)
	b := p.browser(t).signIn("acme")
	b.post("/connect/source/postgres")
	_, err := p.sandbox.Complete(p.last(t).ConnectLink.ID)
	require.NoError(t, err)
	id := fmt.Sprint(p.last(t).ConnectionID)

	for _, status := range []int{401, 403, 404, 410, 422} {
		require.NoError(t, p.sandbox.Fail(connectlinkstest.Failure{Status: status, Times: -1}))
		for path, sentence := range map[string]string{
			"/connect/destination/hubspot": "This cannot be connected at the moment. We have been told.",
			"/embed/destination/hubspot":   "This cannot be connected at the moment. We have been told.",
			"/disconnect/source/" + id:     "This cannot be disconnected at the moment. We have been told.",
			"/reauthorize/source/" + id:    "The credentials cannot be renewed at the moment. We have been told.",
		} {
			got := b.post(path)
			assert.Equal(t, http.StatusInternalServerError, got.status, "%s %d", path, status)
			assert.Contains(t, got.body, sentence)
			assert.NotContains(t, got.body, "Try again")
			assert.Contains(t, got.body, `id="connectlink-back"`)
		}
		assert.Contains(t, p.log.String(), fmt.Sprintf("level=ERROR msg=\"connectlinks: request of a customer failed\" status=500 pattern=/connect/{kind}/{type} error=\"connectlinks: POST /api/v1/destination_connect_links: %d", status))
		assert.Equal(t, 4, strings.Count(p.log.String(), "level=ERROR"))
		p.log.reset()
		p.sandbox.StopFailing()
	}
}

// A connection is gone only if the list of connections says so, too. Anything else is for the
// platform to fix.
func TestAConnectionThatIsNotFound(t *testing.T) {
	for api, test := range map[string]struct {
		kind      string
		get, list connectlinkstest.Route
	}{
		apiV1: {"destination", connectlinkstest.RouteGetDestination, connectlinkstest.RouteListDestinations},
		apiV2: {"activation", connectlinkstest.RouteGetActivation, connectlinkstest.RouteListActivations},
	} {
		t.Run(api, func(t *testing.T) {
			p := newPlatform(t, api)
			b := p.browser(t).signIn("acme")
			id := p.connected(t, b, test.kind, "hubspot")
			ask := func(status int, level string) {
				t.Helper()
				for _, path := range []string{"/reauthorize/", "/disconnect/"} {
					p.log.reset()
					got := b.post(path + test.kind + "/" + id)
					assert.Equal(t, status, got.status, path)
					assert.Equal(t, status == http.StatusNotFound, strings.Contains(got.body, noConnection), path)
					assert.Equal(t, status != http.StatusNotFound, strings.Contains(got.body, "at the moment. We have been told."), path)
					assert.Contains(t, p.log.String(), "level="+level, path)
				}
			}
			for _, status := range []int{http.StatusNotFound, http.StatusGone} {
				require.NoError(t, p.sandbox.Fail(connectlinkstest.Failure{Route: test.get, Status: status, Times: -1}))
				ask(http.StatusInternalServerError, "ERROR")
				p.sandbox.StopFailing()
			}
			require.Contains(t, flashOf(b.post("/disconnect/"+test.kind+"/"+id).body), "is disconnected.")
			ask(http.StatusNotFound, "WARN")
			require.NoError(t, p.sandbox.Fail(connectlinkstest.Failure{Route: test.list, Status: http.StatusForbidden, Times: -1}))
			ask(http.StatusInternalServerError, "ERROR")
		})
	}
}

// Somebody disconnects what the customer has connected or renewed, before the customer comes
// back.
func TestDisconnectedBeforeTheReturn(t *testing.T) {
	for _, test := range []struct {
		api, kind, typ string
		get            connectlinkstest.Route
	}{
		{apiV1, "source", "postgres", connectlinkstest.RouteGetSource},
		{apiV1, "destination", "hubspot", connectlinkstest.RouteGetDestination},
		{apiV2, "activation", "hubspot", connectlinkstest.RouteGetActivation},
	} {
		for _, how := range []string{"connect", "renew"} {
			if test.api == apiV2 && how == "connect" {
				continue // a V2 link does not say what it made
			}
			t.Run(test.kind+"/"+how, func(t *testing.T) {
				p := newPlatform(t, test.api)
				b := p.browser(t).signIn("acme")
				path := "/connect/" + test.kind + "/" + test.typ
				if how == "renew" {
					path = "/reauthorize/" + test.kind + "/" + p.connected(t, b, test.kind, test.typ)
					p.sandbox.Advance(time.Second)
				}
				b.post(path)
				link := p.last(t)
				conn, err := p.sandbox.Complete(link.ConnectLink.ID)
				require.NoError(t, err)
				back := p.back(t, link)

				require.NoError(t, p.sandbox.Fail(connectlinkstest.Failure{Route: test.get, Status: http.StatusNotFound, Times: -1}))
				got := b.get(back)
				assert.Equal(t, http.StatusInternalServerError, got.status, "the list has it")
				assert.Contains(t, got.body, "We cannot find out at the moment. We have been told.")
				p.sandbox.StopFailing()

				b.post("/disconnect/" + test.kind + "/" + cmp.Or(conn.ActivationID, fmt.Sprint(conn.ID)))
				p.log.reset()
				got = b.get(back)
				assert.Equal(t, http.StatusNotFound, got.status)
				assert.Contains(t, got.body, noConnection)
				assert.Contains(t, p.log.String(), "level=WARN")
				assert.NotContains(t, p.log.String(), "level=ERROR")
			})
		}
	}
}

func TestAnAPIInTrouble(t *testing.T) {
	p := newPlatform(t, apiV1)
	b := p.browser(t).signIn("acme")
	require.NoError(t, p.sandbox.Fail(connectlinkstest.Failure{
		Route: "POST /api/v1/source_connect_links", Status: 429, Header: http.Header{"Retry-After": {"60"}}, Times: -1,
	}))
	for _, path := range []string{"/connect/source/postgres", "/embed/source/postgres"} {
		got := b.post(path)
		assert.Equal(t, http.StatusTooManyRequests, got.status)
		assert.NotEmpty(t, got.header.Get("Retry-After"))
		assert.Contains(t, got.body, "Try again")
		assert.Contains(t, got.body, `id="connectlink-form"`)
	}
	p.sandbox.StopFailing()

	// All calls with the throttled token wait. Birch has another token.
	b = p.browser(t).signIn("birch")
	require.NoError(t, p.sandbox.Fail(connectlinkstest.Failure{Route: connectlinkstest.RouteListSources, Status: 403, Times: -1}))
	got := b.get("/integrations")
	assert.Equal(t, http.StatusOK, got.status)
	assert.Contains(t, got.body, "Your sources could not be loaded, but they may be connected all the same. We have been told. Please look again later.")
	assert.Contains(t, p.log.String(), `level=ERROR msg=integrations tenant=birch kind=source`)
	assert.NotContains(t, got.body, "Your destinations could not be loaded")
	assert.NotContains(t, got.body, `id="nothing-connected"`)
	assert.NotContains(t, got.body, "What you can connect could not be loaded")
	assert.Contains(t, got.body, `id="connect-source-postgres"`, "what is known is shown")

	// The connections of one list do not hide that the other is missing.
	b.post("/connect/destination/hubspot")
	_, err := p.sandbox.Complete(p.last(t).ConnectLink.ID)
	require.NoError(t, err)
	got = b.get("/integrations")
	assert.Contains(t, got.body, `id="connections"`)
	assert.Contains(t, got.body, "Your sources could not be loaded, but they may be connected all the same.")
}

func TestTypesAreMissing(t *testing.T) {
	p := newPlatform(t, apiV1)
	require.NoError(t, p.sandbox.Fail(connectlinkstest.Failure{Route: connectlinkstest.RouteListSourceTypes, Status: 403, Times: -1}))
	body := p.browser(t).signIn("acme").get("/integrations").body
	assert.Contains(t, body, `<p class="empty" id="source-types-failed" role="alert">What you can connect could not be loaded. We have been told. Please look again later.</p>`)
	assert.Contains(t, p.log.String(), `level=ERROR msg=integrations tenant=acme kind=source`)
	assert.NotContains(t, body, `id="destination-types-failed"`)
	assert.Contains(t, body, `id="nothing-connected"`, "the connections are known")
	assert.NotContains(t, body, "they may be connected all the same")
}

// connected connects something, and returns its id. b sees the message about it.
func (p *platform) connected(t *testing.T, b *browser, kind, typ string) string {
	t.Helper()
	b.post("/connect/" + kind + "/" + typ)
	conn, err := p.sandbox.Complete(p.last(t).ConnectLink.ID)
	require.NoError(t, err)
	require.Contains(t, flashOf(b.get(p.back(t, p.last(t))).body), "is connected.")
	return cmp.Or(conn.ActivationID, fmt.Sprint(conn.ID))
}

// The page for a GET that failed for a while offers the GET again.
func TestTryAGetAgain(t *testing.T) {
	inMemory(t, apiV1, func(t *testing.T, sandbox *connectlinkstest.Server, send func(method, path string) *httptest.ResponseRecorder) {
		const again = `id="connectlink-again" href="">Try again</a>`
		for _, path := range []string{"/connect/destination/hubspot", "/disconnect/destination/7", "/reauthorize/destination/7"} {
			for _, status := range []int{429, 500, 503, 504} {
				require.NoError(t, sandbox.Fail(connectlinkstest.Failure{Status: status, Times: -1}))
				assert.Contains(t, send("GET", path).Body.String(), again, "%s %d", path, status)
				got := send("POST", path).Body.String()
				assert.NotContains(t, got, again, "%s %d", path, status)
				assert.Contains(t, got, `id="connectlink-form"`, "a POST has its own button")
				sandbox.StopFailing()
			}
			require.NoError(t, sandbox.Fail(connectlinkstest.Failure{Status: 422}))
			assert.NotContains(t, send("GET", path).Body.String(), "Try again", "it cannot help")
		}
	})
}

// The answer to the request to disconnect does not say whether it was carried out.
func TestDisconnectIfTheAPIFails(t *testing.T) {
	type failure = connectlinkstest.Failure
	const (
		done    = "HubSpot is disconnected."
		cannot  = "This cannot be disconnected at the moment. We have been told."
		busy    = "We have to wait before we can go on. Please try again in"
		perhaps = "We do not know whether HubSpot is disconnected. Look at your integrations. If HubSpot is still there, try again later."
	)
	lost := failure{Status: 504, CarryOut: true}
	wait := func(seconds string) http.Header { return http.Header{"Retry-After": {seconds}} }
	for name, test := range map[string]struct {
		failures []failure // of the DELETE; the last one always
		list     int       // the status of the list
		want     string
	}{
		"refused":                          {[]failure{{Status: 403}}, 0, cannot},
		"not found, and listed":            {[]failure{{Status: 404}}, 0, cannot},
		"a redirect":                       {[]failure{{Status: 301}}, 0, cannot},
		"throttled":                        {[]failure{{Status: 429, Header: wait("2")}}, 0, busy},
		"an error":                         {[]failure{{Status: 500}}, 0, perhaps},
		"a timeout":                        {[]failure{{Status: 408}}, 0, perhaps},
		"no answer":                        {[]failure{{Hang: true}}, 0, perhaps},
		"refused, and no list":             {[]failure{{Status: 403}}, 500, perhaps},
		"carried out, and an error":        {[]failure{{Status: 500, CarryOut: true}}, 0, done},
		"carried out, and refused":         {[]failure{{Status: 401, CarryOut: true}}, 0, done},
		"carried out, and not found":       {[]failure{{Status: 404, CarryOut: true}}, 0, done},
		"carried out, then refused":        {[]failure{lost, {Status: 409}}, 0, done},
		"carried out, then throttled":      {[]failure{lost, {Status: 429, Header: wait("2")}}, 0, done},
		"carried out, then throttled long": {[]failure{lost, {Status: 429, Header: wait("7200")}}, 0, perhaps},
		"carried out, and no list":         {[]failure{{Status: 500, CarryOut: true}}, 403, perhaps},
	} {
		for api, kind := range map[string]connectlinkstest.Kind{apiV1: connectlinkstest.KindDestination, apiV2: connectlinkstest.KindActivation} {
			t.Run(name+"/"+api, func(t *testing.T) {
				inMemory(t, api, func(t *testing.T, sandbox *connectlinkstest.Server, send func(method, path string) *httptest.ResponseRecorder) {
					remove, list := connectlinkstest.RouteDeleteDestination, connectlinkstest.RouteListDestinations
					seed := connectlinkstest.Seed{Kind: kind, Type: "hubspot", WorkspaceID: sandbox.Workspaces()[1].ID}
					if api == apiV2 {
						remove, list = connectlinkstest.RouteDeleteActivation, connectlinkstest.RouteListActivations
						seed = connectlinkstest.Seed{Kind: kind, Type: "hubspot", GroupID: sandbox.Workspaces()[1].GroupID}
					}
					conn, err := sandbox.AddConnection(seed)
					require.NoError(t, err)
					for i, f := range test.failures {
						f.Route = remove
						if i == len(test.failures)-1 {
							f.Times = -1
						}
						require.NoError(t, sandbox.Fail(f))
					}
					if test.list != 0 {
						require.NoError(t, sandbox.Fail(failure{Route: list, Status: test.list, Times: -1}))
					}
					got := send("POST", fmt.Sprintf("/disconnect/%s/%s", kind, cmp.Or(conn.ActivationID, fmt.Sprint(conn.ID))))
					assert.Empty(t, sandbox.Unfired())
					switch test.want {
					case done:
						assert.Equal(t, http.StatusSeeOther, got.Code)
						body := send("GET", "/integrations").Body.String()
						assert.Equal(t, done, flashOf(body))
						assert.Contains(t, body, `id="nothing-connected"`)
						return
					case perhaps:
						assert.Equal(t, http.StatusBadGateway, got.Code)
						assert.Contains(t, got.Body.String(), `<a class="button main" id="connectlink-back" href="/integrations">Look at your integrations</a>`)
						assert.NotContains(t, got.Body.String(), "Try again")
					case cannot:
						assert.Equal(t, http.StatusInternalServerError, got.Code)
					case busy:
						assert.Equal(t, http.StatusTooManyRequests, got.Code)
					}
					assert.Contains(t, got.Body.String(), test.want)
				})
			})
		}
	}
}

// The customer is connected, and does not wait long until earlier links are revoked.
func TestRevokingHangs(t *testing.T) {
	inMemory(t, apiV2, func(t *testing.T, sandbox *connectlinkstest.Server, send func(method, path string) *httptest.ResponseRecorder) {
		for range 2 {
			require.Equal(t, http.StatusSeeOther, send("POST", "/connect/activation/hubspot").Code)
		}
		link := sandbox.Links()[1].ConnectLink
		_, err := sandbox.Complete(link.ID)
		require.NoError(t, err)
		require.NoError(t, sandbox.Fail(connectlinkstest.Failure{Route: connectlinkstest.RouteRevokeActivationConnectLink, Hang: true, Times: -1}))
		began := time.Now()
		got := send("GET", strings.TrimPrefix(link.RedirectURI, "http://app.example.com"))
		assert.Equal(t, "/integrations", got.Header().Get("Location"))
		assert.Equal(t, 3*time.Second, time.Since(began))
	})
}

// The customer is connected all the time, with the old credentials.
func TestRenewalThatIsNotFinished(t *testing.T) {
	p := newPlatform(t, apiV1)
	b := p.browser(t).signIn("acme")
	id := p.connected(t, b, "destination", "hubspot")
	b.post("/reauthorize/destination/" + id)
	back := p.back(t, p.last(t))
	got := b.get(back)
	assert.Equal(t, http.StatusAccepted, got.status)
	assert.Contains(t, got.body, "<h1>We do not know yet whether the new credentials were saved</h1>")
	assert.Contains(t, got.body, "We have no word yet that you finished.")

	require.NoError(t, p.sandbox.Fail(connectlinkstest.Failure{Route: connectlinkstest.RouteGetDestinationConnectLink, Status: 422, Times: -1}))
	got = b.get(back)
	assert.Equal(t, http.StatusInternalServerError, got.status)
	assert.Contains(t, got.body, "<h1>We do not know whether the new credentials were saved</h1>")
	p.sandbox.StopFailing()
	require.NoError(t, p.sandbox.Fail(connectlinkstest.Failure{Route: connectlinkstest.RouteGetDestinationConnectLink, Status: 500, Times: -1}))
	got = b.get(back)
	assert.Contains(t, got.body, "<h1>We do not know yet whether the new credentials were saved</h1>")
	assert.NotContains(t, got.body, "connected")
	p.sandbox.StopFailing()
}

// The API does not say whether the link of a renewal was used. It shows at the connection,
// but only if the connection was tested.
func TestRenewalWithoutATest(t *testing.T) {
	p := newPlatform(t, apiV1)
	b := p.browser(t).signIn("acme")
	address := "/reauthorize/destination/" + p.connected(t, b, "destination", "hubspot")
	first := b.post(address).location
	assert.Equal(t, first, b.post(address).location, "two clicks")
	_, err := p.sandbox.CompleteWith(p.last(t).ConnectLink.ID, connectlinkstest.Submission{Untested: true})
	require.NoError(t, err)
	assert.Equal(t, http.StatusAccepted, b.get(p.back(t, p.last(t))).status)
	second := b.post(address)
	assert.Equal(t, http.StatusSeeOther, second.status)
	assert.NotEqual(t, first, second.location, "the first link was used")
}

// On V2 the SDK can take a colleague's new connection for the customer's.
func TestAConnectionIsAnnouncedOnce(t *testing.T) {
	p := newPlatform(t, apiV2)
	b := p.browser(t).signIn("acme")
	b.post("/connect/activation/braze")
	b.post("/connect/activation/braze")
	links := p.sandbox.Links()
	_, err := p.sandbox.CompleteWith(links[1].ConnectLink.ID, connectlinkstest.Submission{Name: "Account A"})
	require.NoError(t, err)
	assert.Equal(t, "“Account A” (Braze) is connected."+notMine, flashOf(b.get(p.back(t, links[0])).body))
	got := b.get(p.back(t, links[1]))
	assert.Equal(t, "/integrations", got.url)
	assert.Equal(t, "See below what is connected.", flashOf(got.body))
}

// inMemory runs test in a bubble, with a function that sends requests of Acme to the app.
// The sandbox needs no network.
func inMemory(t *testing.T, api string, test func(t *testing.T, sandbox *connectlinkstest.Server, send func(method, path string) *httptest.ResponseRecorder)) {
	synctest.Test(t, func(t *testing.T) {
		sandbox := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
		defer sandbox.Close()
		tenants, err := sandboxTenants(sandbox, api)
		require.NoError(t, err)
		app, err := newApp(config{PublicURL: "http://app.example.com", Tenants: tenants, Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		signedIn := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "http://app.example.com/sign-in", strings.NewReader("tenant=acme"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		app.ServeHTTP(signedIn, r)
		test(t, sandbox, func(method, path string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), method, "http://app.example.com"+path, nil)
			r.Header.Set("Cookie", signedIn.Header().Get("Set-Cookie"))
			w := httptest.NewRecorder()
			app.ServeHTTP(w, r)
			return w
		})
	})
}

// The API does not answer. The customer gets a page before the server's WriteTimeout, and
// so does the second of two clicks.
func TestAnAPIThatHangs(t *testing.T) {
	for api, kind := range map[string]string{apiV1: "destination", apiV2: "activation"} {
		t.Run(api, func(t *testing.T) {
			inMemory(t, api, func(t *testing.T, sandbox *connectlinkstest.Server, send func(method, path string) *httptest.ResponseRecorder) {
				require.Equal(t, http.StatusOK, send("GET", "/integrations").Code, "the types are known")
				require.NoError(t, sandbox.Fail(connectlinkstest.Failure{Hang: true, Times: -1}))
				for _, request := range []string{
					"POST /connect/" + kind + "/hubspot", "POST /embed/" + kind + "/hubspot",
					"GET /reauthorize/" + kind + "/7", "POST /reauthorize/" + kind + "/7",
					"GET /disconnect/" + kind + "/7", "POST /disconnect/" + kind + "/7",
				} {
					method, path, _ := strings.Cut(request, " ")
					began := time.Now()
					var clicks sync.WaitGroup
					for range 2 {
						clicks.Go(func() {
							got := send(method, path)
							assert.Equal(t, http.StatusGatewayTimeout, got.Code, request)
							assert.Contains(t, got.Body.String(), "Try again", request)
						})
					}
					clicks.Wait()
					assert.Equal(t, 25*time.Second, time.Since(began), request)
				}
			})
		})
	}
}

// A customer who has left does not wait for the first click's link.
func TestAClickThatWaitsEndsWithItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := sessions{m: map[string]*session{}}
		all.begin(httptest.NewRecorder(), &tenant{})
		sess := slices.Collect(maps.Values(all.m))[0]
		require.NoError(t, sess.lock(t.Context()))
		ctx, leave := context.WithCancel(t.Context())
		waited := make(chan error, 1)
		go func() { waited <- sess.lock(ctx) }()
		synctest.Wait()
		leave()
		synctest.Wait()
		select {
		case err := <-waited:
			require.ErrorIs(t, err, context.Canceled)
		default:
			sess.unlock() // so that the other goroutine ends
			require.Fail(t, "it still waits")
		}
		sess.unlock()
		require.NoError(t, sess.lock(t.Context()))
	})
}

// The API makes a link, and does not answer. There is time to look for the link.
func TestALostAnswerThatHangs(t *testing.T) {
	for api, test := range map[string]struct {
		kind  string
		route connectlinkstest.Route
	}{
		apiV1: {"destination", connectlinkstest.RouteCreateDestinationConnectLink},
		apiV2: {"activation", connectlinkstest.RouteCreateActivationConnectLink},
	} {
		t.Run(api, func(t *testing.T) {
			inMemory(t, api, func(t *testing.T, sandbox *connectlinkstest.Server, send func(method, path string) *httptest.ResponseRecorder) {
				require.NoError(t, sandbox.Fail(connectlinkstest.Failure{Route: test.route, Hang: true, CarryOut: true}))
				got := send("POST", "/connect/"+test.kind+"/hubspot")
				assert.Equal(t, http.StatusSeeOther, got.Code)
				require.Len(t, sandbox.Links(), 1)
				assert.Equal(t, sandbox.Links()[0].ConnectLink.URL, got.Header().Get("Location"))
			})
		})
	}
}

func TestRun(t *testing.T) {
	for _, name := range []string{"CENSUS_API_TOKEN", "CENSUS_PERSONAL_ACCESS_TOKEN", "CENSUS_TENANTS", "CENSUS_BASE_URL"} {
		t.Setenv(name, "")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out logBuffer
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-addr", "127.0.0.1:0"}, &out) }()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "Stop with Ctrl-C") }, 5*time.Second, 10*time.Millisecond)
	assert.Contains(t, out.String(), "a sandbox at http://127.0.0.1:")
	address := regexp.MustCompile(`Open (\S+)`).FindStringSubmatch(out.String())[1]
	resp, err := http.Get(address)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	http.DefaultClient.CloseIdleConnections()
	cancel()
	require.NoError(t, <-ended)

	require.Error(t, run(t.Context(), []string{"extra"}, io.Discard))
	require.ErrorContains(t, run(t.Context(), []string{"-api", "v3"}, io.Discard), "neither v1 nor v2")
	require.Error(t, run(t.Context(), []string{"-addr", "127.0.0.1:0", "-public-url", "ftp://x"}, io.Discard))
	require.ErrorContains(t, run(t.Context(), []string{"-addr", ":0"}, io.Discard), "-public-url")
}

func TestTenantsOfTheRealService(t *testing.T) {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	other := srv.AddWorkspace("Birch")
	ids := []int64{srv.Workspace().ID, other.ID}
	for _, test := range []struct {
		name, api, apiToken, personalToken, tenants string
		want                                        []string // names and kinds
		problem                                     string
	}{
		{name: "nothing", api: apiV1},
		{name: "nothing on V2", api: apiV2},
		{name: "a workspace's token", api: apiV1, apiToken: srv.Token(), want: []string{srv.Workspace().Name + " 2"}},
		{name: "both tokens", api: apiV1, apiToken: srv.Token(), personalToken: srv.PersonalToken(), want: []string{srv.Workspace().Name + " 2"}},
		{
			name: "two workspaces", api: apiV1, personalToken: srv.PersonalToken(), tenants: fmt.Sprintf("Acme = %d , Birch & Co=%d", ids[0], ids[1]),
			want: []string{"Acme 2", "Birch & Co 2"},
		},
		{
			name: "two groups", api: apiV2, personalToken: srv.PersonalToken(), tenants: fmt.Sprintf("Acme = %s , Birch & Co=%s", srv.Group(), other.GroupID),
			want: []string{"Acme 1", "Birch & Co 1"},
		},
		{name: "a wrong token", api: apiV1, apiToken: "secret-token:wrong", problem: "CENSUS_API_TOKEN"},
		{name: "no tenants", api: apiV1, personalToken: srv.PersonalToken(), problem: "set CENSUS_TENANTS"},
		{name: "no groups", api: apiV2, personalToken: srv.PersonalToken(), problem: "names each tenant's group"},
		{name: "a workspace's token on V2", api: apiV2, apiToken: srv.Token(), problem: "needs CENSUS_PERSONAL_ACCESS_TOKEN"},
		{name: "no personal token", api: apiV1, apiToken: srv.Token(), tenants: "Acme=1", problem: "needs CENSUS_PERSONAL_ACCESS_TOKEN"},
		{name: "no token", api: apiV2, tenants: "Acme=x", problem: "needs CENSUS_PERSONAL_ACCESS_TOKEN"},
		{name: "no workspace", api: apiV1, personalToken: srv.PersonalToken(), tenants: "Acme", problem: "name=workspace_id"},
		{name: "no group", api: apiV2, personalToken: srv.PersonalToken(), tenants: "Acme=", problem: "name=group_id"},
		{name: "no name", api: apiV1, personalToken: srv.PersonalToken(), tenants: "=1", problem: "name=workspace_id"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("CENSUS_BASE_URL", srv.URL)
			t.Setenv("CENSUS_API_TOKEN", test.apiToken)
			t.Setenv("CENSUS_PERSONAL_ACCESS_TOKEN", test.personalToken)
			t.Setenv("CENSUS_TENANTS", test.tenants)
			tenants, err := tenantsFromEnv(t.Context(), test.api)
			if test.problem != "" {
				require.ErrorContains(t, err, test.problem)
				return
			}
			require.NoError(t, err)
			var got []string
			for _, tenant := range tenants {
				got = append(got, fmt.Sprint(tenant.Name, " ", len(tenant.kinds)))
				for _, k := range tenant.kinds {
					_, err = k.connections(t.Context())
					require.NoError(t, err)
				}
			}
			assert.Equal(t, test.want, got)
		})
	}
}

// The page with the button opens the connection that the click needs.
func TestWarmBeforeTheClick(t *testing.T) {
	for api, path := range map[string]string{apiV1: "/connect/destination/hubspot", apiV2: "/connect/activation/hubspot"} {
		t.Run(api, func(t *testing.T) {
			sandbox := connectlinkstest.NewServer()
			defer sandbox.Close()
			tenants, err := sandboxTenants(sandbox, api)
			require.NoError(t, err)
			warmed := 0
			for i := range tenants {
				warm := tenants[i].warm
				tenants[i].warm = func(ctx context.Context) error { warmed++; return warm(ctx) }
			}
			app, err := newApp(config{PublicURL: "http://app.example.com", Tenants: tenants})
			require.NoError(t, err)
			w := httptest.NewRecorder()
			r := httptest.NewRequest("POST", "http://app.example.com/sign-in", strings.NewReader("tenant=acme"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			app.ServeHTTP(w, r)
			assert.Zero(t, warmed)
			r = httptest.NewRequest("GET", "http://app.example.com"+path, nil)
			r.Header.Set("Cookie", w.Header().Get("Set-Cookie"))
			w = httptest.NewRecorder()
			app.ServeHTTP(w, r)
			assert.Equal(t, http.StatusOK, w.Code)
			assert.Contains(t, w.Body.String(), `id="connectlink-start"`)
			assert.Equal(t, 1, warmed)
		})
	}
}
