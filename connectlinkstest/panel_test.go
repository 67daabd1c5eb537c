package connectlinkstest_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

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
	policy := resp.Header.Get("Content-Security-Policy")
	assert.Contains(t, policy, "default-src 'none'")
	assert.Contains(t, policy, "frame-ancestors 'none'")
	assert.NotContains(t, body, "<script")
	assert.Contains(t, body, "&lt;script&gt;")
	assert.Contains(t, body, a.srv.Token())
	assert.Less(t, strings.Index(body, "hubspot"), strings.Index(body, "postgres"), "newest first")
	assert.Contains(t, body, "POST /api/v1/source_connect_links 201 ")
}

func TestPanelPresses(t *testing.T) {
	a := control(t)
	owner := a.as(a.srv.Token())
	token := formToken(a)
	for action, state := range map[string]string{"complete": "completed", "cancel": "open", "expire": "expired", "revoke": "revoked"} {
		link := id(owner.destination(), "id")
		status, _ := press(a, url.Values{"form": {token}, "action": {action}, "value": {link}}, nil)
		assert.Equal(t, http.StatusSeeOther, status)
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
}

func TestPanelRefuses(t *testing.T) {
	a := control(t)
	a.as(a.srv.Token()).destination()
	token := formToken(a)
	reset := url.Values{"form": {token}, "action": {"reset"}}
	for name, test := range map[string]struct {
		form   url.Values
		header http.Header
	}{
		"no token":       {url.Values{"action": {"reset"}}, nil},
		"a wrong token":  {url.Values{"form": {"x"}, "action": {"reset"}}, nil},
		"another origin": {reset, http.Header{"Origin": {"https://evil.test"}}},
		"another site":   {reset, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}},
		"not a form":     {reset, http.Header{"Content-Type": {"text/plain"}}},
	} {
		status, body := press(a, test.form, test.header)
		assert.Equal(t, http.StatusForbidden, status, name)
		assert.NotContains(t, body, a.srv.Token())
	}
	assert.Len(t, a.srv.Links(), 1)
}
