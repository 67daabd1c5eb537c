package connectlinkstest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// press posts a form of the page at /, and returns the answer's status and body.
func press(a api, form url.Values, header http.Header) (int, string) {
	a.t.Helper()
	req := a.request("POST", "/", form.Encode())
	req.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"same-origin"}}
	for name, v := range header {
		req.Header[name] = v
	}
	resp, err := a.http.Transport.RoundTrip(req)
	require.NoError(a.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(a.t, err)
	return resp.StatusCode, string(body)
}

func formToken(a api) string {
	a.t.Helper()
	_, body := a.raw("GET", "/", "")
	token := regexp.MustCompile(`name="form" value="(\w+)"`).FindStringSubmatch(body)
	require.NotNil(a.t, token, body)
	return token[1]
}

// guarded checks what keeps the page to itself.
func guarded(t *testing.T, h http.Header) {
	t.Helper()
	assert.Regexp(t, `^default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; style-src 'sha256-[^' ]+'$`, h.Get("Content-Security-Policy"))
	for name, v := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
		"Cross-Origin-Opener-Policy": "same-origin", "Referrer-Policy": "same-origin", "Access-Control-Allow-Origin": "",
	} {
		assert.Equal(t, v, h.Get(name), name)
	}
}

func TestPanelShows(t *testing.T) {
	a := control(t, connectlinkstest.WithWorkspace(`<script>alert(1)</script>`, ""))
	a.as(a.srv.Token()).source()
	a.as(a.srv.Token()).destination()
	resp, body := a.raw("GET", "/", "")
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	for _, other := range []string{"/x/..//", "/index.html"} {
		resp, _ := a.raw("GET", other, "")
		assert.Equal(t, http.StatusNotFound, resp.StatusCode, other)
	}
	guarded(t, resp.Header)
	assert.NotContains(t, body, "<script")
	assert.Contains(t, body, "&lt;script&gt;")
	assert.Contains(t, body, a.srv.Token())
	assert.Less(t, strings.Index(body, "hubspot"), strings.Index(body, "postgres"), "newest first")
	assert.Contains(t, body, "<code>POST /api/v1/source_connect_links</code> <strong>201</strong>")
	assert.Equal(t, 2, strings.Count(body, `target="_blank" rel="noopener noreferrer"`), "links are on an origin of the customer's")
}

// The page says whose a link is, and what came of it.
func TestPanelOutcomes(t *testing.T) {
	a := control(t)
	made, err := a.srv.AddConnection(connectlinkstest.Seed{Kind: connectlinkstest.KindSource, Type: "postgres"})
	require.NoError(t, err)
	renew := func() int64 {
		return linkID(a.as(a.srv.Token()).create(fmt.Sprintf("/api/v1/sources/%d/connect_links", made.ID), ""))
	}
	renew()
	_, err = a.srv.Complete(renew())
	require.NoError(t, err)
	activation, err := a.srv.Complete(linkID(a.activation()))
	require.NoError(t, err)
	_, body := a.raw("GET", "/", "")
	assert.Contains(t, body, fmt.Sprintf("To renew source %d, “PostgreSQL”.", made.ID))
	assert.Contains(t, body, fmt.Sprintf("Renewed source %d, “PostgreSQL”.", made.ID))
	assert.Contains(t, body, "Made activation "+activation.ActivationID+", “HubSpot”.")
	assert.Equal(t, 3, strings.Count(body, " of Sandbox, expires "))
}

// The page stays small, and says that it does not show everything.
func TestPanelBounded(t *testing.T) {
	a := control(t)
	for range 103 {
		a.as(a.srv.Token()).destination()
	}
	_, body := a.raw("GET", "/", "")
	assert.Equal(t, 100, strings.Count(body, "<li id=\"link-"))
	assert.Contains(t, body, "Older links that are not shown: 3")
	assert.Equal(t, 20, strings.Count(body, "<li><code>POST /api/v1/destination_connect_links</code>"))
}

// What browsers ask for by themselves is neither logged nor failed.
func TestPanelIcon(t *testing.T) {
	a := control(t)
	require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Status: 500}))
	resp, body := a.raw("GET", "/favicon.ico", "")
	assert.Equal(t, http.StatusNoContent, resp.StatusCode)
	assert.Empty(t, body)
	assert.Empty(t, a.srv.Requests())
	assert.Len(t, a.srv.Unfired(), 1)
}

func TestPanelPresses(t *testing.T) {
	a := control(t)
	owner := a.as(a.srv.Token())
	token := formToken(a)
	for action, state := range map[string]string{"complete": "completed", "cancel": "open", "expire": "expired", "revoke": "revoked"} {
		link := id(owner.destination(), "id")
		status, _ := press(a, url.Values{"form": {token}, "action": {action}, "value": {link}}, nil)
		assert.Equal(t, http.StatusSeeOther, status)
		status, _ = press(a, url.Values{"form": {token}, "action": {action}, "value": {"999"}}, nil)
		assert.Equal(t, http.StatusNotFound, status)
		_, body := a.raw("GET", "/", "")
		assert.Contains(t, body, `data-link="`+link+`" data-state="`+state+`"`)
		if action == "complete" {
			status, body = press(a, url.Values{"form": {token}, "action": {action}, "value": {link}}, nil)
			assert.Equal(t, http.StatusConflict, status)
			assert.Contains(t, body, "used already")
		}
	}
	before := a.srv.Now()
	press(a, url.Values{"form": {token}, "action": {"hours-24"}}, nil)
	assert.Greater(t, a.srv.Now().Sub(before).Hours(), 23.9)
	press(a, url.Values{"form": {token}, "action": {"reset"}}, nil)
	assert.Empty(t, a.srv.Links())
	status, _ := press(a, url.Values{"form": {token}, "action": {"nonsense"}}, nil)
	assert.Equal(t, http.StatusUnprocessableEntity, status)

	// The clock does not leave the years that answers can tell.
	a.srv.SetNow(time.Date(2200, time.December, 31, 12, 0, 0, 0, time.UTC))
	status, body := press(a, url.Values{"form": {token}, "action": {"hours-24"}}, nil)
	assert.Equal(t, http.StatusUnprocessableEntity, status)
	assert.Contains(t, body, "2201")
	assert.Equal(t, 2200, a.srv.Now().UTC().Year())
}

// The menu's failures, as the levers would queue them.
func TestPanelFailures(t *testing.T) {
	a := control(t)
	token := formToken(a)
	const route = connectlinkstest.RouteCreateSourceConnectLink
	want := []connectlinkstest.Failure{
		{Route: route, Times: 1, Status: 429, Header: http.Header{"Retry-After": {"2"}}},
		{Route: route, Times: 1, Status: 500},
		{Route: route, Times: 1, Reset: true},
		{Route: route, Times: 1, Hang: true},
		{Route: route, Times: 1, Reset: true, CarryOut: true},
	}
	for _, how := range []string{"throttle", "error", "reset", "hang", "lost"} {
		status, _ := press(a, url.Values{"form": {token}, "action": {"fail"}, "route": {string(route)}, "how": {how}}, nil)
		assert.Equal(t, http.StatusSeeOther, status)
	}
	assert.Equal(t, want, a.srv.Unfired())
	for names, form := range map[string]url.Values{
		"&#34;nonsense&#34;":     {"how": {"nonsense"}},
		"&#34;GET /nowhere&#34;": {"how": {"error"}, "route": {"GET /nowhere"}},
	} {
		form.Set("form", token)
		form.Set("action", "fail")
		status, body := press(a, form, nil)
		assert.Equal(t, http.StatusUnprocessableEntity, status)
		assert.Contains(t, body, names)
	}
	assert.Equal(t, want, a.srv.Unfired())

	// All that a failure may be, in words.
	require.NoError(t, a.srv.Fail(
		connectlinkstest.Failure{Token: a.srv.Token(), Times: 3, Status: 503, Header: http.Header{"Date": {"x"}, "Age": {"1", "2"}}, Delay: time.Second},
		connectlinkstest.Failure{Token: a.srv.PersonalToken(), Times: -1, Drip: time.Millisecond, Cut: true},
		connectlinkstest.Failure{Times: 2},
	))
	a.raw("POST", "/api/v1/sync_management_links", "")
	_, body := a.raw("GET", "/", "")
	for _, words := range []string{
		"<strong>429, Retry-After: 2</strong> <code>" + string(route) + "</code></p>",
		"<strong>503, Age: 1, 2, Date: x, delayed by 1s</strong> <code>the whole API</code> of Sandbox</p>\n<p class=\"soft\">Has not happened yet, still to come 3 times.",
		"<strong>1ms for each byte, cut off</strong> <code>the whole API</code> of the personal access token</p>\n<p class=\"soft\">Has not happened yet, lasts.",
		"<strong>the true answer</strong> <code>the whole API</code></p>\n<p class=\"soft\">Happened once, still to come once.",
		"<strong>never answered</strong>", "<strong>reset connection, carried out</strong>",
	} {
		assert.Contains(t, body, words)
	}
	press(a, url.Values{"form": {token}, "action": {"forget"}}, nil)
	assert.Empty(t, a.srv.Unfired())
}

// Who may look. A page of another origin can navigate there, which shows it nothing.
func TestPanelAdmits(t *testing.T) {
	a := control(t)
	for name, test := range map[string]struct {
		status int
		header map[string]string
	}{
		"nobody says":               {200, nil},
		"the address bar":           {200, map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}},
		"itself":                    {200, map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}},
		"a link on another site":    {200, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}},
		"a frame of another site":   {403, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}},
		"another site's script":     {403, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}},
		"another port's script":     {403, map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "document"}},
		"a script that says Origin": {403, map[string]string{"Origin": "https://evil.test"}},
		"rebound DNS":               {403, map[string]string{"Host": "evil.test", "Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}},
	} {
		req := a.request("GET", "/", "")
		for name, v := range test.header {
			req.Header.Set(name, v)
		}
		req.Host = test.header["Host"]
		resp, err := a.http.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, test.status, resp.StatusCode, name)
		assert.Equal(t, test.status == 200, strings.Contains(string(body), a.srv.Token()), name)
		assert.Equal(t, test.status == 200, strings.Contains(string(body), `name="form"`), name)
	}
	assert.NotEqual(t, formToken(a), formToken(control(t)), "who has read one sandbox's page cannot press another's buttons")
}

func TestPanelRefuses(t *testing.T) {
	a := control(t)
	a.as(a.srv.Token()).destination()
	token := formToken(a)
	reset := url.Values{"form": {token}, "action": {"reset"}}
	large := url.Values{"form": {token}, "action": {"reset"}, "value": {strings.Repeat("x", 1<<20)}}
	for name, test := range map[string]struct {
		form   url.Values
		header http.Header
	}{
		"no token":       {url.Values{"action": {"reset"}}, nil},
		"a wrong token":  {url.Values{"form": {"x"}, "action": {"reset"}}, nil},
		"another origin": {reset, http.Header{"Origin": {"https://evil.test"}}},
		"another site":   {reset, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}},
		"not a form":     {reset, http.Header{"Content-Type": {"text/plain"}}},
		"no type":        {reset, http.Header{"Content-Type": nil}},
		"a file":         {reset, http.Header{"Content-Type": {"multipart/form-data; boundary=x"}}},
		"too large":      {large, nil},
	} {
		status, body := press(a, test.form, test.header)
		assert.Equal(t, http.StatusForbidden, status, name)
		assert.NotContains(t, body, a.srv.Token())
	}
	// What is cut off or garbled is not half a form.
	req := a.request("POST", "/", reset.Encode()+"&value=%zz")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := a.http.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	assert.Len(t, a.srv.Links(), 1)

	// The page that names a problem is as guarded as the other.
	req = a.request("POST", "/", url.Values{"form": {token}, "action": {"revoke"}, "value": {"999"}}.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err = a.http.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)
	guarded(t, resp.Header)
}
