package connectlinkstest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// browse opens a link like a browser, or sends form to it.
func (a api) browse(method, link string, form url.Values, header http.Header) (*http.Response, string) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, link, strings.NewReader(form.Encode()))
	require.NoError(a.t, err)
	if header != nil {
		req.Header = header.Clone()
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := a.http.Do(req)
	require.NoError(a.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(a.t, err)
	return resp, string(body)
}

// press presses a button on a link's page.
func (a api) press(button, link string, header http.Header) *http.Response {
	a.t.Helper()
	resp, _ := a.browse(http.MethodPost, link, url.Values{"action": {button}}, header)
	return resp
}

// found returns the first group of the only match of pattern in body, or "" without a
// match.
func found(t *testing.T, body, pattern string) string {
	t.Helper()
	all := regexp.MustCompile(`(?s)`+pattern).FindAllStringSubmatch(body, -1)
	if all == nil {
		return ""
	}
	require.Len(t, all, 1, pattern)
	return all[0][1]
}

// messages returns the messages to the parent. It is empty for a page without a script.
func messages(t *testing.T, body string) string {
	t.Helper()
	json := found(t, body, `<script type="application/json" id="messages">(.*?)</script>`)
	assert.Equal(t, json != "", strings.Contains(body, "postMessage"))
	return json
}

func pageName(t *testing.T, body string) string {
	t.Helper()
	return found(t, body, `<main id="page" data-page="([a-z-]+)">`)
}

func TestPage(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			a := k.api(t)
			link := a.create(k.links, k.create)
			uri := link["uri"].(string)
			for range 3 {
				resp, body := a.as("").raw(http.MethodGet, strings.TrimPrefix(uri, a.srv.URL), "")
				assert.Equal(t, http.StatusOK, resp.StatusCode)
				assert.Equal(t, "text/html; charset=utf-8", resp.Header.Get("Content-Type"))
				assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
				assert.Equal(t, "same-origin", resp.Header.Get("Referrer-Policy"))
				assert.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
				assert.Contains(t, body, `<button id="connect" name="action" value="connect">Connect</button>`)
				assert.Regexp(t, `<button id="cancel" [^>]*name="action" value="cancel" formnovalidate>Cancel</button>`, body)
				resp, body = a.browse(http.MethodHead, uri, nil, nil)
				assert.Equal(t, http.StatusOK, resp.StatusCode)
				assert.Empty(t, body)
			}
			assert.Equal(t, http.StatusUnprocessableEntity, a.press("neither", uri, nil).StatusCode)
			path := k.links + "/" + id(link, "id")
			assert.Equal(t, link, a.get(path)["data"], "nothing has changed")
			assert.Empty(t, a.get(k.conns)["data"])

			resp := a.press("cancel", uri, nil)
			assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
			assert.Equal(t, "https://acme.example/done?x=1", resp.Header.Get("Location"))
			assert.Equal(t, "no-referrer", resp.Header.Get("Referrer-Policy"))
			assert.Equal(t, link, a.get(path)["data"])
			assert.Equal(t, 1, a.srv.Links()[0].Cancelled)

			resp = a.press("connect", uri, http.Header{"Origin": {a.srv.URL}})
			assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
			assert.Equal(t, "https://acme.example/done?x=1", resp.Header.Get("Location"))
			assert.True(t, a.srv.Links()[0].Completed)
			assert.Len(t, a.get(k.conns)["data"], 1)

			assert.Equal(t, http.StatusGone, a.press("connect", uri, nil).StatusCode)
			resp, body := a.as("").raw(http.MethodGet, strings.TrimPrefix(uri, a.srv.URL), "")
			assert.Equal(t, http.StatusGone, resp.StatusCode)
			assert.NotContains(t, body, "<button")
			assert.Len(t, a.get(k.conns)["data"], 1)
		})
	}
}

// The pages and messages for every state of a link, in a frame and outside.
func TestPageStates(t *testing.T) {
	const (
		loaded     = `[{"message":"LOADED"}]`
		notCreated = `[{"message":"EXITED_CONNECT_FLOW","data":{"status":"not_created"}}]`
	)
	cancel, connect := url.Values{"action": {"cancel"}}, url.Values{"action": {"connect"}}
	spend := func(a api, id int64) error {
		_, err := a.srv.Complete(id)
		return err
	}
	expire := func(a api, id int64) error { return a.srv.Expire(id) }
	revoke := func(a api, id int64) error { return a.srv.Revoke(id) }
	for _, state := range []struct {
		name     string
		lever    func(a api, id int64) error
		post     url.Values
		status   int
		page     string
		messages string // in a frame
		leaves   bool   // redirected, or a last page
		says     string
	}{
		{"open", nil, nil, 200, "form", loaded, false, "<form"},
		{"open, nothing pressed", nil, url.Values{}, 422, "form", `[]`, false, "Press Connect or Cancel."},
		{"connected", nil, connect, 200, "connected", "CREATED", true, "My connection is connected."},
		{"cancelled", nil, cancel, 200, "not-connected", notCreated, true, "can be used until it expires"},
		{"expired", expire, nil, 410, "dead", loaded, false, "it has expired"},
		{"expired, connected", expire, connect, 410, "dead", `[]`, false, "it has expired"},
		{"expired, cancelled", expire, cancel, 410, "dead", notCreated, false, "it has expired"},
		{"revoked", revoke, nil, 410, "dead", loaded, false, "it was revoked"},
		{"revoked, connected", revoke, connect, 410, "dead", `[]`, false, "it was revoked"},
		{"revoked, cancelled", revoke, cancel, 410, "dead", notCreated, false, "it was revoked"},
		{"spent", spend, nil, 410, "dead", loaded, false, "it has been used already"},
		{"spent, connected", spend, connect, 410, "dead", `[]`, false, "it has been used already"},
		{"spent, cancelled", spend, cancel, 410, "dead", notCreated, false, "it has been used already"},
	} {
		for _, k := range kinds() {
			for _, place := range []struct {
				name   string
				dest   string // Sec-Fetch-Dest
				framed string // the field that the script sets
				inside bool
			}{
				{"on top", "document", "", false},
				{"on top, whatever the form says", "document", "yes", false},
				{"in a frame", "iframe", "", true},
				{"in an object", "object", "", true},
				{"on top of an old browser", "", "", false},
				{"in a frame of an old browser", "", "yes", true},
			} {
				t.Run(state.name+"/"+k.name+"/"+place.name, func(t *testing.T) {
					a := k.api(t)
					mine := connectlinkstest.Type{ServiceName: "mine", Label: "My connection"}
					a.srv.AddSourceType(mine)
					a.srv.AddDestinationType(mine)
					link := a.create(k.links, regexp.MustCompile(`"type":"\w+"`).ReplaceAllString(k.create, `"type":"mine"`))
					if state.lever != nil {
						require.NoError(t, state.lever(a, linkID(link)))
					}
					before := a.srv.Links()

					header := http.Header{}
					if place.dest != "" {
						header.Set("Sec-Fetch-Dest", place.dest)
					}
					method, form := http.MethodGet, url.Values(nil)
					if state.post != nil {
						method, form = http.MethodPost, url.Values{"action": state.post["action"], "framed": {place.framed}}
					}
					resp, body := a.browse(method, link["uri"].(string), form, header)

					if state.leaves && !place.inside {
						assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
						assert.Equal(t, "https://acme.example/done?x=1", resp.Header.Get("Location"))
						assert.Contains(t, body, `<a id="back" href="https://acme.example/done?x=1">Go back to acme.example</a>`)
					} else {
						assert.Equal(t, state.status, resp.StatusCode)
						assert.Empty(t, resp.Header.Get("Location"))
					}
					assert.Equal(t, state.page, pageName(t, body))
					assert.Contains(t, body, state.says)
					if state.page == "dead" {
						assert.Contains(t, body, "start again", "what to do next")
						// Without Sec-Fetch-Dest, the script removes it.
						unsure := method == http.MethodGet && place.dest == ""
						assert.Equal(t, !place.inside || unsure, strings.Contains(body, `id="back"`))

						// The parent waits for a message. Without Sec-Fetch-Dest, the script
						// shows the button.
						wayOut := found(t, body, `(<form id="form" method="post"[^>]*>).*<button id="cancel" [^>]*name="action" value="cancel">Close</button>`)
						switch spent := strings.HasPrefix(state.name, "spent"); {
						case spent, state.messages == notCreated, !place.inside && !unsure:
							assert.NotContains(t, body, "<form")
							assert.Equal(t, "'none'", policy(t, resp)["form-action"])
						default:
							assert.Equal(t, unsure, strings.Contains(wayOut, " hidden"))
							assert.Contains(t, body, `<input type="hidden" name="framed" value="">`)
							assert.Equal(t, "'self'", policy(t, resp)["form-action"])
							assert.Equal(t, "same-origin", resp.Header.Get("Referrer-Policy"))
						}
					}

					want := state.messages
					if want == "CREATED" {
						want = fmt.Sprintf(`[{"message":"EXITED_CONNECT_FLOW","data":{"status":"created","details":{"id":%d,"name":"My connection"}}}]`, a.srv.Links()[0].ConnectionID)
						if k.personal {
							want = `[{"message":"EXITED_CONNECT_FLOW","data":{"status":"created","details":{"id":"glimmering_donkey","name":"My connection"}}}]`
						}
					}
					if !place.inside && (place.dest != "" || method == http.MethodPost) {
						want = ""
					}
					assert.Equal(t, want, messages(t, body))

					if !state.leaves {
						assert.Equal(t, before, a.srv.Links(), "nothing has changed")
					}
				})
			}
		}
	}
}

func TestPageOfUnknownLinks(t *testing.T) {
	a := newAPI(t)
	for _, path := range []string{"/pbc", "/pbc?auth=", "/pbc?auth=nothing"} {
		for dest, want := range map[string]string{"document": "", "iframe": `[{"message":"LOADED"}]`} {
			resp, body := a.browse(http.MethodGet, a.srv.URL+path, nil, http.Header{"Sec-Fetch-Dest": {dest}})
			assert.Equal(t, http.StatusNotFound, resp.StatusCode)
			assert.Equal(t, "unknown", pageName(t, body))
			assert.Equal(t, want, messages(t, body))
			assert.Contains(t, body, "ask whoever gave it to you")
		}
		for _, button := range []string{"connect", "cancel", ""} {
			assert.Equal(t, http.StatusNotFound, a.press(button, a.srv.URL+path, nil).StatusCode)
		}
	}
}

func TestPageOfDeletedConnection(t *testing.T) {
	a := newAPI(t)
	made, err := a.srv.Complete(linkID(a.source()))
	require.NoError(t, err)
	path := fmt.Sprintf("/api/v1/sources/%d", made.ID)
	link := a.create(path+"/connect_links", "")
	a.do(http.StatusOK, http.MethodDelete, path, "")
	resp, body := a.browse(http.MethodGet, link["uri"].(string), nil, nil)
	assert.Equal(t, http.StatusGone, resp.StatusCode)
	assert.Contains(t, body, "the connection that it renews was deleted")
}

// A form shows the properties of each field, and escapes them.
func TestPageForm(t *testing.T) {
	a := newAPI(t)
	a.srv.AddSourceType(connectlinkstest.Type{ServiceName: "odd", Label: "<Odd> & Sons", Fields: []connectlinkstest.Field{
		{ID: "host", Label: "Host", Placeholder: `db"quoted"`, Hint: "Without <port>", Required: true},
		{ID: "port", Label: "Port", Type: "integer"},
		{ID: "key", Label: "Key", Required: true, Password: true},
		{ID: "region", Label: "Region", Required: true, PossibleValues: []string{"US", "EU"}},
		{ID: "ssl", Label: "Encrypted", Type: "boolean"},
		{ID: "bare"},
	}})
	link := a.create("/api/v1/source_connect_links", `{"type":"odd"}`)
	uri := link["uri"].(string)
	_, body := a.browse(http.MethodGet, uri, nil, nil)
	for _, want := range []string{
		`<title>Connect &lt;Odd&gt; &amp; Sons</title>`,
		`<label for="field-host">Host</label>`,
		`<p class="hint" id="hint-host">Without &lt;port&gt;</p>`,
		`<input id="field-host" name="field-host" type="text" value="" autocapitalize="none" autocorrect="off" spellcheck="false" placeholder="db&#34;quoted&#34;" required aria-describedby="hint-host">`,
		`<label for="field-port">Port <span class="optional">(optional)</span></label>`,
		`<input id="field-port" name="field-port" type="text" value="" autocapitalize="none" autocorrect="off" spellcheck="false" inputmode="numeric">`,
		`<input id="field-key" name="field-key" type="password" autocomplete="new-password" required>`,
		"<select id=\"field-region\" name=\"field-region\" required>\n<option value=\"\">Choose…</option>\n<option value=\"US\">US</option>\n<option value=\"EU\">EU</option>\n</select>",
		"<select id=\"field-ssl\" name=\"field-ssl\">\n<option value=\"\">Choose…</option>\n<option value=\"true\">Yes</option>\n<option value=\"false\">No</option>\n</select>",
		`<label for="field-bare">bare <span class="optional">(optional)</span></label>`,
	} {
		assert.Contains(t, body, want)
	}
	assert.NotContains(t, body, `id="problem"`)
	assert.NotContains(t, body, ` aria-invalid="true" `)

	// Missing and wrong values are listed, and described at their fields.
	resp, body := a.browse(http.MethodPost, uri, url.Values{
		"action": {"connect"}, "field-host": {""}, "field-port": {`"><script>`}, "field-key": {"hunter2"}, "field-region": {"MARS"}, "field-ssl": {"true"}, "field-bare": {""}, "field-other": {"hunter2"},
	}, nil)
	assert.Equal(t, http.StatusUnprocessableEntity, resp.StatusCode)
	for _, want := range []string{
		`<title>Error: Connect`,
		`<div id="problem" class="problem" role="alert" tabindex="-1" autofocus>`,
		`<li>There is no field “field-other”</li>`,
		`<li><a href="#field-host">Host is required</a></li>`,
		`<li><a href="#field-region">Region takes one of [&#34;US&#34; &#34;EU&#34;]</a></li>`,
		`<p class="error" id="error-host">Host is required</p>`,
		`required aria-invalid="true" aria-describedby="hint-host error-host">`,
		`<select id="field-region" name="field-region" required aria-invalid="true" aria-describedby="error-region">`,
		`value="&#34;&gt;&lt;script&gt;"`,
		`<option value="true" selected>Yes</option>`,
	} {
		assert.Contains(t, body, want)
	}
	assert.Equal(t, 2, strings.Count(body, `aria-invalid="true" aria-describedby="`))
	assert.NotContains(t, body, "hunter2")
	assert.Empty(t, a.get("/api/v1/sources")["data"])

	// In a frame the script moves the focus.
	_, body = a.browse(http.MethodPost, uri, url.Values{"action": {"connect"}, "field-host": {""}}, http.Header{"Sec-Fetch-Dest": {"iframe"}})
	assert.Contains(t, body, `id="problem"`)
	assert.NotContains(t, body, "autofocus>")
}

// Otherwise a mistyped field would count as one that was not sent.
func TestPageRefusesUnknownFields(t *testing.T) {
	const secret = "hunter2-the-secret"
	for _, field := range []string{"field-other", "hostname", "field-", "password", "Action", `<b>"`} {
		a := newAPI(t)
		uri := a.source()["uri"].(string)
		resp, body := a.browse(http.MethodPost, uri, url.Values{"action": {"connect"}, "field-hostname": {"db.acme.example"}, field: {secret}}, nil)
		assert.Equal(t, http.StatusUnprocessableEntity, resp.StatusCode, field)
		assert.Contains(t, body, "<li>There is no field “"+html.EscapeString(field)+"”</li>")
		assert.Contains(t, body, `value="db.acme.example"`, "what was entered is kept")
		assert.NotContains(t, body, secret)
		assert.NotContains(t, fmt.Sprint(a.srv.Requests()), secret)
		assert.False(t, a.srv.Links()[0].Completed)
	}

	a := newAPI(t)
	uri := a.destination()["uri"].(string)
	resp, _ := a.browse(http.MethodPost, uri, url.Values{"action": {"connect"}, "field-any": {""}}, nil)
	assert.Equal(t, http.StatusUnprocessableEntity, resp.StatusCode, "a type without fields has none")
	resp, _ = a.browse(http.MethodPost, uri, url.Values{"action": {"cancel"}, "field-any": {""}}, nil)
	assert.Equal(t, http.StatusOK, resp.StatusCode, "whoever leaves has entered nothing")
}

func TestPageOfConsent(t *testing.T) {
	for _, place := range []string{"document", "iframe"} {
		a := newAPI(t)
		header := http.Header{"Sec-Fetch-Dest": {place}}
		uri := a.create("/api/v1/destination_connect_links", `{"type":"hubspot","redirect_uri":"https://acme.example/done"}`)["uri"].(string)
		_, body := a.browse(http.MethodGet, uri, nil, header)
		assert.Equal(t, "Authorize HubSpot", found(t, body, `<h1 id="title">(.*?)</h1>`))
		assert.NotContains(t, body, "<label")
		assert.NotContains(t, body, `type="password"`)
		assert.Contains(t, body, `name="action" value="deny"`)
		note := found(t, body, `<p class="note">(.*?)</p>`)
		assert.Contains(t, note, "HubSpot is not asked")
		assert.Contains(t, note, "consent")
		assert.NotContains(t, note, "password")

		resp, body := a.browse(http.MethodPost, uri, url.Values{"action": {"deny"}}, header)
		assert.Equal(t, http.StatusUnprocessableEntity, resp.StatusCode)
		assert.Equal(t, "form", pageName(t, body))
		assert.Equal(t, [][]string{
			{"Verify connectivity", "success", "Passed", ""},
			{"Authenticate", "failure", "Failed", "HubSpot was not authorized: access denied"},
		}, steps(body))
		assert.Contains(t, body, "<li>HubSpot was not authorized: access denied</li>")
		assert.NotContains(t, body, "Passwords")
		assert.NotContains(t, body, "EXITED")
		assert.False(t, a.srv.Links()[0].Completed)
		assert.Empty(t, a.get("/api/v1/destinations")["data"])

		a.browse(http.MethodPost, uri, url.Values{"action": {"connect"}}, header)
		assert.True(t, a.srv.Links()[0].Completed, "another try")
	}

	a := newAPI(t)
	uri := a.source()["uri"].(string)
	_, body := a.browse(http.MethodGet, uri, nil, nil)
	assert.NotContains(t, body, "deny")
	assert.Contains(t, found(t, body, `<p class="note">(.*?)</p>`), "passwords and keys are not kept")
	resp, body := a.browse(http.MethodPost, uri, url.Values{"action": {"deny"}}, nil)
	assert.Equal(t, http.StatusUnprocessableEntity, resp.StatusCode)
	assert.Contains(t, body, "Press Connect or Cancel.")
}

// The pages of platforms are light, so a frame must not be dark.
func TestPageInFrameIsLight(t *testing.T) {
	a := newAPI(t)
	open, spent := a.source()["uri"].(string), a.source()
	_, err := a.srv.Complete(linkID(spent))
	require.NoError(t, err)
	for _, uri := range []string{open, spent["uri"].(string), a.srv.URL + "/pbc?auth=nothing"} {
		for dest, framed := range map[string]bool{"document": false, "iframe": true, "": false} {
			_, body := a.browse(http.MethodGet, uri, nil, http.Header{"Sec-Fetch-Dest": {dest}})
			assert.Equal(t, framed, strings.Contains(body, `<html lang="en" data-framed>`), dest)
			style := found(t, body, `<style>(.*?)</style>`)
			assert.Contains(t, style, ":root { color-scheme: light; ")
			assert.Regexp(t, `@media \(prefers-color-scheme: dark\) \{\s*:root:not\(\[data-framed\]\) \{ color-scheme: dark; `, style)
			assert.Equal(t, 1, strings.Count(style, "prefers-color-scheme"))
		}
	}
}

// steps returns the tests that a page shows.
func steps(body string) [][]string {
	var all [][]string
	for _, m := range regexp.MustCompile(`<li data-step="([^"]*)" data-status="([^"]*)"><span class="step">([^<]*)</span> <strong class="status">([^<]*)</strong>(?:<span class="failure">([^<]*)</span>)?</li>`).FindAllStringSubmatch(body, -1) {
		all = append(all, append(m[1:3:3], m[4:]...))
	}
	return all
}

func TestPageRunsTests(t *testing.T) {
	const secret = "hunter2-the-secret"
	a := newAPI(t)
	link := a.source()
	uri := link["uri"].(string)
	entered := func(field, value string) url.Values {
		form := url.Values{
			"action": {"connect"}, "field-hostname": {"db.acme.example"}, "field-port": {"5433"},
			"field-database": {"sales"}, "field-user": {"reader"}, "field-password": {secret},
		}
		form.Set("field-"+field, value)
		return form
	}

	// After a wrong host, the login is not tested.
	resp, body := a.browse(http.MethodPost, uri, entered("hostname", "wrong"), nil)
	assert.Equal(t, http.StatusUnprocessableEntity, resp.StatusCode)
	assert.Equal(t, [][]string{
		{"Verify connectivity", "failure", "Failed", "Hostname is wrong: nothing answers there"},
		{"Authenticate", "not_run", "Not run", ""},
	}, steps(body))
	assert.Contains(t, body, "The test “Verify connectivity” failed")
	assert.Contains(t, body, `<li><a href="#field-hostname">Hostname is wrong: nothing answers there</a></li>`)
	assert.Contains(t, body, `<p class="error" id="error-hostname">`)
	assert.Contains(t, body, `value="wrong"`)
	assert.NotContains(t, body, secret)

	resp, body = a.browse(http.MethodPost, uri, entered("password", "wrong"), nil)
	assert.Equal(t, http.StatusUnprocessableEntity, resp.StatusCode)
	assert.Equal(t, [][]string{
		{"Verify connectivity", "success", "Passed", ""},
		{"Authenticate", "failure", "Failed", "Password is wrong: access denied"},
	}, steps(body))
	for _, kept := range []string{"db.acme.example", "5433", "sales", "reader"} {
		assert.Contains(t, body, `value="`+kept+`"`)
	}
	assert.Contains(t, body, `<input id="field-password" name="field-password" type="password" autocomplete="new-password" required aria-invalid="true" aria-describedby="error-password">`)
	assert.Equal(t, link, a.get("/api/v1/source_connect_links/" + id(link, "id"))["data"], "the link is as it was")
	assert.Empty(t, a.get("/api/v1/sources")["data"])

	// Another try.
	resp, body = a.browse(http.MethodPost, uri, entered("password", secret), nil)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, "connected", pageName(t, body))
	assert.Contains(t, body, "You can close this page.")
	assert.Equal(t, [][]string{{"Verify connectivity", "success", "Passed", ""}, {"Authenticate", "success", "Passed", ""}}, steps(body))
	assert.NotContains(t, body, secret)
	source := a.get("/api/v1/sources")["data"].([]any)[0].(map[string]any)
	assert.Equal(t, map[string]any{"hostname": "db.acme.example", "port": "5433", "database": "sales", "user": "reader"}, source["connection_details"])
	for _, r := range a.srv.Requests() {
		assert.NotContains(t, fmt.Sprint(r), secret)
	}
}

func TestPageOfReauthorization(t *testing.T) {
	const secret = "hunter2-the-secret"
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			a := k.api(t)
			create := strings.NewReplacer("hubspot", "braze").Replace(k.create)
			fields := map[string]string{"hostname": "db.acme.example"}
			if k.name != "source" {
				fields = map[string]string{"instance_url": "db.acme.example", "api_key": secret}
			}
			made, err := a.srv.CompleteWith(linkID(a.create(k.links, create)), connectlinkstest.Submission{Name: "Acme's own", Fields: fields})
			require.NoError(t, err)
			link := a.create(k.conns+"/"+k.connectionID(made)+k.renew, "")
			uri := link["uri"].(string)

			_, body := a.browse(http.MethodGet, uri, nil, nil)
			assert.Equal(t, "Reconnect Acme&#39;s own", found(t, body, `<h1 id="title">(.*?)</h1>`))
			assert.Contains(t, body, "This renews the connection “Acme&#39;s own” (")
			assert.Contains(t, body, `value="db.acme.example"`)
			assert.NotContains(t, body, secret)

			resp, body := a.browse(http.MethodPost, uri, url.Values{"action": {"connect"}}, http.Header{"Sec-Fetch-Dest": {"iframe"}})
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			name := fmt.Sprint(made.ID)
			if k.personal {
				name = `"` + made.ActivationID + `"`
			}
			assert.Equal(t, `[{"message":"EXITED_CONNECT_FLOW","data":{"status":"created","details":{"id":`+name+`,"name":"Acme's own"}}}]`,
				strings.ReplaceAll(messages(t, body), `\u0027`, "'"))
			assert.Len(t, a.get(k.conns)["data"], 1)
		})
	}
}

func TestPageWithoutRedirect(t *testing.T) {
	a := newAPI(t)
	for _, redirect := range []string{"", "javascript:alert(1)", "/here", "%"} {
		for _, button := range []string{"cancel", "connect"} {
			link := a.create("/api/v1/source_connect_links", `{"type":"postgres","redirect_uri":"`+redirect+`"}`)
			resp, body := a.browse(http.MethodPost, link["uri"].(string), url.Values{"action": {button}}, nil)
			assert.Equal(t, http.StatusOK, resp.StatusCode, redirect)
			assert.Empty(t, resp.Header.Get("Location"))
			assert.Contains(t, body, "You can close this page.")
			assert.NotContains(t, body, `id="back"`)
		}
	}
}

func TestPageRefusesOtherSites(t *testing.T) {
	a := newAPI(t)
	uri := a.source()["uri"].(string)
	for _, header := range []http.Header{
		{"Origin": {"https://evil.example"}},
		{"Origin": {"null"}},
		{"Sec-Fetch-Site": {"cross-site"}},
		{"Sec-Fetch-Site": {"same-site"}},
		{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Dest": {"iframe"}},
	} {
		for _, button := range []string{"connect", "cancel"} {
			resp, body := a.browse(http.MethodPost, uri, url.Values{"action": {button}}, header)
			assert.Equal(t, http.StatusForbidden, resp.StatusCode)
			assert.Equal(t, "refused", pageName(t, body))
			assert.NotContains(t, body, "EXITED")
		}
	}
	assert.False(t, a.srv.Links()[0].Completed)
	assert.Zero(t, a.srv.Links()[0].Cancelled)

	// In a frame of another site, the form is still of the same origin as the page.
	resp := a.press("connect", uri, http.Header{"Origin": {a.srv.URL}, "Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"iframe"}})
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.True(t, a.srv.Links()[0].Completed)
}

func TestPageRefusesOtherRequests(t *testing.T) {
	const secret = "hunter2-the-secret"
	a := newAPI(t)
	uri := a.source()["uri"].(string)
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodOptions} {
		resp, body := a.browse(method, uri, url.Values{"action": {"connect"}, "field-password": {secret}}, nil)
		assert.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
		assert.Equal(t, "GET, HEAD, POST", resp.Header.Get("Allow"))
		assert.Equal(t, "refused", pageName(t, body))
	}
	resp, body := a.browse(http.MethodPost, uri, url.Values{"action": {"connect"}, "field-user": {strings.Repeat("x", 1<<20)}}, nil)
	assert.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
	assert.Equal(t, "refused", pageName(t, body))
	for _, r := range a.srv.Requests() {
		assert.NotContains(t, fmt.Sprint(r), secret)
	}
	assert.False(t, a.srv.Links()[0].Completed)
}

// policy returns the answer's Content-Security-Policy by directive.
func policy(t *testing.T, resp *http.Response) map[string]string {
	t.Helper()
	directives := map[string]string{}
	for d := range strings.SplitSeq(resp.Header.Get("Content-Security-Policy"), "; ") {
		name, value, _ := strings.Cut(d, " ")
		require.NotContains(t, directives, name)
		directives[name] = value
	}
	return directives
}

func TestPagePolicy(t *testing.T) {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	const redirect = `,"redirect_uri":"https://acme.example/done"`
	for _, test := range []struct {
		name, redirect, dest string
		opts                 []connectlinkstest.Option
		leads, frames        string
	}{
		{"by default", "", "document", nil, "'self'", "'self' http://localhost:* http://*.localhost:* http://127.0.0.1:*"},
		{"redirect", redirect, "document", nil, "'self' http: https:", "'self' http://localhost:* http://*.localhost:* http://127.0.0.1:*"},
		{"redirect, perhaps framed", redirect, "", nil, "'self' http: https:", "'self' http://localhost:* http://*.localhost:* http://127.0.0.1:*"},
		{
			"redirect, framed", redirect, "iframe",
			[]connectlinkstest.Option{connectlinkstest.WithEmbedOrigins("https://app.example.com", "http://*.acme.example:8080")},
			"'self'", "https://app.example.com http://*.acme.example:8080",
		},
		{"any", "", "iframe", []connectlinkstest.Option{connectlinkstest.WithEmbedOrigins("*")}, "'self'", "*"},
		{"none", "", "iframe", []connectlinkstest.Option{connectlinkstest.WithEmbedOrigins()}, "'self'", "'none'"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newAPI(t, test.opts...)
			link := a.create("/api/v1/source_connect_links", `{"type":"postgres"`+test.redirect+`}`)
			header := http.Header{}
			if test.dest != "" {
				header.Set("Sec-Fetch-Dest", test.dest)
			}
			resp, body := a.browse(http.MethodGet, link["uri"].(string), nil, header)
			want := map[string]string{
				"default-src": "'none'", "base-uri": "'none'", "form-action": test.leads, "frame-ancestors": test.frames,
				"style-src": hash(found(t, body, `<style>(.*?)</style>`)),
			}
			if script := found(t, body, `<script>(.*?)</script>`); test.dest == "document" {
				assert.Empty(t, script, "no script where there is no frame")
			} else {
				want["script-src"] = hash(script)
			}
			assert.Equal(t, want, policy(t, resp))
			assert.NotRegexp(t, ` (src|href|style|on\w+)="`, body, "nothing from elsewhere, and nothing that the policy forbids")

			resp, _ = a.browse(http.MethodGet, a.srv.PagesURL+"/pbc?auth=nothing", nil, nil)
			assert.Equal(t, "no-referrer", resp.Header.Get("Referrer-Policy"))
			assert.Equal(t, "'none'", policy(t, resp)["form-action"])
			assert.Equal(t, test.frames, policy(t, resp)["frame-ancestors"])
		})
	}
}

func TestWithEmbedOriginsRefuses(t *testing.T) {
	for _, bad := range []string{"", "app.example.com", "https://app.example.com/", "https://a.example; script-src *", "https://a.example https://b.example", "null", "'self'", "https://a.example\n", "ftp://a.example", "https://user@a.example"} {
		assert.PanicsWithValue(t, fmt.Sprintf("connectlinkstest: WithEmbedOrigins: %q is not an origin such as https://app.example.com", bad), func() {
			connectlinkstest.NewServer(connectlinkstest.WithEmbedOrigins("https://good.example", bad)).Close()
		}, bad)
	}
	connectlinkstest.NewServer(connectlinkstest.WithEmbedOrigins("https://good.example"), connectlinkstest.WithoutListener()).Close()
}

func TestWithPagesListener(t *testing.T) {
	const secret = "hunter2-the-secret"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	a := newAPI(t, connectlinkstest.WithPagesListener(l))
	assert.Equal(t, "http://"+l.Addr().String(), a.srv.PagesURL)
	assert.NotEqual(t, a.srv.URL, a.srv.PagesURL)

	for _, link := range []map[string]any{a.source(), a.destination(), a.activation()} {
		uri := link["uri"].(string)
		assert.True(t, strings.HasPrefix(uri, a.srv.PagesURL+"/pbc?auth="), uri)
		for _, uri := range []string{uri, strings.Replace(uri, "/pbc", "/pbc/", 1)} {
			resp, body := a.browse(http.MethodGet, uri, nil, nil)
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			assert.Equal(t, "form", pageName(t, body))
		}

		// The API's origin has no pages, and records no secret of a request for one.
		there := a.srv.URL + strings.TrimPrefix(uri, a.srv.PagesURL)
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			resp, body := a.browse(method, there, url.Values{"action": {"connect"}, "field-password": {secret}}, nil)
			assert.Equal(t, http.StatusNotFound, resp.StatusCode)
			assert.JSONEq(t, `{"status":404,"error":"Not Found"}`, body)
		}
		resp := a.press("connect", uri, http.Header{"Origin": {a.srv.URL}})
		assert.Equal(t, http.StatusForbidden, resp.StatusCode, "the API's origin is another")
		resp = a.press("connect", uri, http.Header{"Origin": {a.srv.PagesURL}})
		assert.Equal(t, http.StatusOK, resp.StatusCode)
	}
	for _, link := range a.srv.Links() {
		assert.True(t, link.Completed)
		_, err := a.srv.Complete(link.ConnectLink.ID)
		assert.ErrorIs(t, err, connectlinkstest.ErrDeadLink)
	}

	// The pages' origin has no API.
	for _, path := range []string{"/", "/api/v1/workspace", "/api/v1/source_connect_links"} {
		req, err := http.NewRequest(http.MethodGet, a.srv.PagesURL+path, http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+a.srv.Token())
		resp, err := a.http.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusNotFound, resp.StatusCode)
		assert.Equal(t, "unknown", pageName(t, string(body)))
	}
	for _, r := range a.srv.Requests() {
		assert.NotContains(t, fmt.Sprint(r), secret)
	}

	// A failure of the whole API does not affect the pages, on any origin.
	require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Status: 500, Times: -1}))
	for path, want := range map[string]int{"/": 404, "/pbc": 404} {
		resp, _ := a.browse(http.MethodGet, a.srv.PagesURL+path, nil, nil)
		assert.Equal(t, want, resp.StatusCode)
	}

	a.srv.Close()
	for _, base := range []string{a.srv.URL, a.srv.PagesURL} {
		_, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		assert.Error(t, err, "it listens no more")
	}
}
