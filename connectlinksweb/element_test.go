package connectlinksweb_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinksweb"
)

func TestElement(t *testing.T) {
	for _, test := range []struct{ typ, url, want string }{
		{
			"hubspot", "https://app.getcensus.com/pbc?auth=a&b=c",
			`<connect-link src="https://app.getcensus.com/pbc?auth=a&amp;b=c" title="Connect hubspot">` +
				`<a href="https://app.getcensus.com/pbc?auth=a&amp;b=c" rel="noreferrer">Connect hubspot</a></connect-link>`,
		},
		{
			`"><script>`, "http://127.0.0.1:4010/pbc?auth=a",
			`<connect-link src="http://127.0.0.1:4010/pbc?auth=a" title="Connect &#34;&gt;&lt;script&gt;">` +
				`<a href="http://127.0.0.1:4010/pbc?auth=a" rel="noreferrer">Connect &#34;&gt;&lt;script&gt;</a></connect-link>`,
		},
		{"", "javascript:alert(1)", `<connect-link src="" title="Connect">This link cannot be opened.</connect-link>`},
		{"", "data:text/html,x", `<connect-link src="" title="Connect">This link cannot be opened.</connect-link>`},
		{"", "", `<connect-link src="" title="Connect">This link cannot be opened.</connect-link>`},
		{"", "/pbc?auth=a", `<connect-link src="" title="Connect">This link cannot be opened.</connect-link>`},
	} {
		got := connectlinksweb.Element(connectlinks.ConnectLink{Type: test.typ, URL: test.url})
		assert.Equal(t, test.want, string(got))
	}
}

// Characters that end an attribute in HTML are escaped.
func TestElementEscapes(t *testing.T) {
	got := string(connectlinksweb.Element(connectlinks.ConnectLink{Type: `x' onload='y`, URL: `https://h/?a="><script>alert(1)</script>`}))
	assert.NotContains(t, got, "<script")
	assert.NotContains(t, got, "'")
	assert.Equal(t, 8, strings.Count(got, `"`), got)
}

func TestFrameOrigin(t *testing.T) {
	for _, test := range []struct{ url, want string }{
		{"https://app.getcensus.com/pbc?auth=a", "https://app.getcensus.com"},
		{"https://app.fivetran.com/pbc?auth=a", "https://app.fivetran.com"},
		{"http://127.0.0.1:41873/pbc?auth=a", "http://127.0.0.1:41873"},
		{"http://[::1]:41873/pbc?auth=a", "http://[::1]:41873"},
		{"HTTPS://App.GetCensus.com:443/pbc", "https://app.getcensus.com"},
		{"http://localhost:80/", "http://localhost"},
		{"http://localhost:443/", "http://localhost:443"},
		{"https://h:/", "https://h"},
		{"https://user:pw@h/", ""},
		{"https://evil;script-src/", ""},
		{"https://a,b/", ""},
		{"https://*/", ""},
		{"https://'none'/", ""},
		{"https://ex%20ample/", ""},
		{"https://bücher.example/", ""},
		{"https://h:99999/", ""},
		{"javascript://h/", ""},
		{"//h/", ""},
		{"", ""},
	} {
		assert.Equal(t, test.want, connectlinksweb.FrameOrigin(connectlinks.ConnectLink{URL: test.url}), test.url)
	}
}

func TestScript(t *testing.T) {
	srv := httptest.NewServer(connectlinksweb.Script())
	defer srv.Close()
	get := func(target string, header ...string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+target, nil)
		require.NoError(t, err)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := srv.Client().Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp, string(body)
	}

	versioned := connectlinksweb.ScriptURL("/connect-link.js")
	assert.Regexp(t, `^/connect-link\.js\?v=[\w-]{16}$`, versioned)
	resp, body := get(versioned)
	assert.Equal(t, "public, max-age=31536000, immutable", resp.Header.Get("Cache-Control"))
	assert.Equal(t, "text/javascript; charset=utf-8", resp.Header.Get("Content-Type"))
	assert.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
	assert.Contains(t, body, `customElements.define("connect-link"`)

	etag := resp.Header.Get("ETag")
	assert.Regexp(t, `^"[\w-]{16}"$`, etag)
	resp, body = get(versioned, "If-None-Match", etag)
	assert.Equal(t, http.StatusNotModified, resp.StatusCode)
	assert.Empty(t, body)

	// The address of another version must not cache this script.
	for _, target := range []string{"/connect-link.js", "/connect-link.js?v=", "/connect-link.js?v=AAAAAAAAAAAAAAAA"} {
		resp, _ = get(target)
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		assert.Equal(t, "no-cache", resp.Header.Get("Cache-Control"))
	}

	assert.Equal(t, http.StatusMethodNotAllowed, ask(connectlinksweb.Script(), "POST", "/").Code)
}
