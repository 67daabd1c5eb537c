package connectlinksweb

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/httpx"
)

//go:embed connect-link.js
var script []byte

// scriptVersion changes when the script does.
var scriptVersion = func() string {
	sum := sha256.Sum256(script)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}()

// Script serves the <connect-link> element as one small script without
// dependencies. Browsers may keep it for a year if its address is from [ScriptURL].
// At another address they ask each time whether it has changed.
func Script() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			notAllowed(w, "GET, HEAD")
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-cache")
		if r.URL.Query().Get("v") == scriptVersion {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("ETag", `"`+scriptVersion+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(script))
	})
}

// ScriptURL returns the address from which a page should load the script if [Script]
// serves path. It adds the script's version, so that browsers can keep the script.
func ScriptURL(path string) string { return path + "?v=" + scriptVersion }

var elementTemplate = template.Must(template.New("element").Parse(
	`{{if .URL}}<connect-link src="{{.URL}}" title="{{.Title}}"><a href="{{.URL}}" rel="noreferrer">{{.Title}}</a></connect-link>` +
		`{{else}}<connect-link src="" title="{{.Title}}">This link cannot be opened.</connect-link>{{end}}`))

// Element returns the markup of a <connect-link> for the link. The markup contains the
// link's URL, which is a secret: do not store the page, and show it to nobody else.
// Without script the browser shows an ordinary link. If the link's URL is not an http or
// https URL, Element leaves it out, and the element says that the link cannot be opened.
// The texts are English. For another language, write the markup yourself.
func Element(link connectlinks.ConnectLink) template.HTML {
	var data struct{ URL, Title string }
	if _, reason := httpx.ParseURL(link.URL); reason == "" {
		data.URL = link.URL
	}
	data.Title = "Connect"
	if link.Type != "" {
		data.Title += " " + link.Type
	}
	var b strings.Builder
	if err := elementTemplate.Execute(&b, data); err != nil {
		panic(err) // strings only
	}
	return template.HTML(b.String())
}

// FrameOrigin returns the origin of the link's page, such as https://app.getcensus.com,
// for frame-src in a page's Content-Security-Policy. If the link's URL is not an http or
// https URL with a plain host, it returns "", which allows no frame.
func FrameOrigin(link connectlinks.ConnectLink) string {
	u, reason := httpx.ParseURL(link.URL)
	if reason != "" || !plainHost(u) {
		return ""
	}
	host := strings.ToLower(u.Host)
	if port := u.Port(); u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + strings.TrimSuffix(host, ":")
}

// plainHost reports whether the host is safe in a Content-Security-Policy. net/url accepts
// characters that end a directive there.
func plainHost(u *url.URL) bool {
	return !strings.ContainsFunc(u.Host, func(r rune) bool {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return false
		}
		return !strings.ContainsRune("-._:[]", r)
	})
}
