package connectlinkstest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
)

// press is a customer who presses a button on a link's page.
func (a api) press(button, link string, header http.Header) *http.Response {
	a.t.Helper()
	form := url.Values{"action": {button}}.Encode()
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, link, strings.NewReader(form))
	require.NoError(a.t, err)
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := a.http.Do(req)
	require.NoError(a.t, err)
	require.NoError(a.t, resp.Body.Close())
	return resp
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
				assert.Equal(t, "no-referrer", resp.Header.Get("Referrer-Policy"))
				assert.Contains(t, body, `<button name="action" value="connect">Connect</button>`)
				assert.Contains(t, body, `<button name="action" value="cancel">Cancel</button>`)
			}
			assert.Equal(t, http.StatusUnprocessableEntity, a.press("neither", uri, nil).StatusCode)
			path := k.links + "/" + id(link, "id")
			assert.Equal(t, link, a.get(path)["data"], "nothing has changed")

			resp := a.press("cancel", uri, nil)
			assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
			assert.Equal(t, "https://acme.example/done?x=1", resp.Header.Get("Location"))
			assert.Equal(t, link, a.get(path)["data"])

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

func TestPageOfDeadLinks(t *testing.T) {
	a := newAPI(t)
	for want, lever := range map[string]func(connectlinks.ConnectLink) error{
		"it has expired": a.srv.Expire,
		"it was revoked": a.srv.Revoke,
		"it has been used already": func(l connectlinks.ConnectLink) error {
			_, err := a.srv.Complete(l)
			return err
		},
	} {
		a.source()
		link := a.srv.Links()[len(a.srv.Links())-1].ConnectLink
		require.NoError(t, lever(link))
		resp, body := a.raw(http.MethodGet, strings.TrimPrefix(link.URL, a.srv.URL), "")
		assert.Equal(t, http.StatusGone, resp.StatusCode)
		assert.Contains(t, body, want)
	}
	for _, path := range []string{"/pbc", "/pbc?auth=", "/pbc?auth=nothing"} {
		resp, _ := a.raw(http.MethodGet, path, "")
		assert.Equal(t, http.StatusNotFound, resp.StatusCode)
		assert.Equal(t, http.StatusNotFound, a.press("connect", a.srv.URL+path, nil).StatusCode)
	}
}

func TestPageWithoutRedirect(t *testing.T) {
	a := newAPI(t)
	for _, redirect := range []string{"", "javascript:alert(1)", "/here", "%"} {
		link := a.create("/api/v1/source_connect_links", `{"type":"postgres","redirect_uri":"`+redirect+`"}`)
		resp := a.press("connect", link["uri"].(string), nil)
		assert.Equal(t, http.StatusOK, resp.StatusCode, redirect)
		assert.Empty(t, resp.Header.Get("Location"))
	}
}

func TestPageRefusesOtherSites(t *testing.T) {
	a := newAPI(t)
	link := a.source()
	for _, header := range []http.Header{{"Origin": {"https://evil.example"}}, {"Sec-Fetch-Site": {"cross-site"}}} {
		assert.Equal(t, http.StatusForbidden, a.press("connect", link["uri"].(string), header).StatusCode)
	}
	assert.False(t, a.srv.Links()[0].Completed)
}
