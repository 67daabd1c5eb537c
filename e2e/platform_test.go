package e2e

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/connectlinksweb"
)

// newSandbox is a service whose links' pages are on another host than any platform
// of these tests. With apart, they are not where its API is either, as V2's are not.
func newSandbox(t *testing.T, apart bool, opts ...connectlinkstest.Option) *connectlinkstest.Server {
	t.Helper()
	if apart {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		opts = append(opts, connectlinkstest.WithPagesListener(l))
	}
	srv := connectlinkstest.NewServer(opts...)
	t.Cleanup(srv.Close)
	return srv
}

// serve serves a handler as a site of its own, such as http://shop.localhost:4010.
func serve(t *testing.T, name string, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return strings.Replace(srv.URL, "127.0.0.1", name+".localhost", 1)
}

// platform is a small one, on package connectlinksweb alone.
type platform struct {
	t       *testing.T
	sandbox *connectlinkstest.Server
	url     string
	mux     *http.ServeMux // for pages that a test adds

	mu       sync.Mutex
	sessions map[string]*flow
	requests []string // all of each, as they came
}

// flow is what a session remembers.
type flow struct {
	mu   sync.Mutex // two clicks, one link
	kind connectlinkstest.Kind
	link connectlinks.ConnectLink
}

func newPlatform(t *testing.T, sandbox *connectlinkstest.Server) *platform {
	t.Helper()
	p := &platform{t: t, sandbox: sandbox, mux: http.NewServeMux(), sessions: map[string]*flow{}}
	quiet := connectlinksweb.WithLogger(slog.New(slog.DiscardHandler))
	back := connectlinksweb.WithBack("/")
	p.page("/{$}", "Integrations", "")
	p.page("/done", "All done", `<a href="/">Integrations</a>`)
	p.mux.Handle("/connect/{kind}/{type}", connectlinksweb.Start(p.mint, connectlinksweb.WithTitle("Connect your tool"), back, quiet))
	p.mux.Handle("/return", connectlinksweb.Return(p.check, http.RedirectHandler("/done", http.StatusSeeOther),
		back, quiet, connectlinksweb.WithWait(100*time.Millisecond), connectlinksweb.WithRefresh(time.Second)))
	p.mux.Handle("GET /connect-link.js", connectlinksweb.Script())
	p.mux.HandleFunc("GET /page.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = io.WriteString(w, pageScript)
	})
	p.mux.HandleFunc("GET /embed/{kind}/{type}", func(w http.ResponseWriter, r *http.Request) {
		link, err := p.mint(w, r)
		if err != nil {
			connectlinksweb.Error(w, r, err, quiet)
			return
		}
		p.write(w, "Connect here", connectlinksweb.Element(link)+`<p><a id="check" href="/return">Check</a></p>`, connectlinksweb.FrameOrigin(link))
	})
	p.url = serve(t, "shop", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if dump, err := httputil.DumpRequest(r, true); assert.NoError(t, err) {
			p.mu.Lock()
			p.requests = append(p.requests, string(dump))
			p.mu.Unlock()
		}
		p.mux.ServeHTTP(w, r)
	}))
	return p
}

// pageScript notes what the element raises, and what the page is told.
const pageScript = `
const raised = [], heard = [];
for (const name of ["loaded", "created", "exited", "error"])
	document.addEventListener("connectlink:" + name, (e) => raised.push({name, detail: e.detail}));
window.addEventListener("message", (e) => heard.push({origin: e.origin, data: e.data}));
// A front end that asks for the link when it is wanted.
document.addEventListener("click", async (e) => {
	if (!e.target.dataset.connect) return;
	const answer = await fetch(e.target.dataset.connect, {method: "POST", headers: {Accept: "application/json"}});
	const made = document.createElement("connect-link");
	made.title = "Connect your tool";
	made.setAttribute("autofocus", "");
	made.src = (await answer.json()).uri;
	e.target.replaceWith(made);
});
`

// page adds one to the platform.
func (p *platform) page(pattern, title string, body template.HTML) {
	p.mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { p.write(w, title, body, "*") })
}

// write answers with a page that may have frames of an origin, and no style.
func (p *platform) write(w http.ResponseWriter, title string, body template.HTML, frames string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'; frame-src "+frames)
	fmt.Fprintf(w, `<!DOCTYPE html><html lang="en"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title><link rel="icon" href="data:,">
<script src="/page.js"></script><script src=%q defer></script>
<h1>%s</h1>%s`, title, connectlinksweb.ScriptURL("/connect-link.js"), title, body)
}

// flow is the session's, or nil.
func (p *platform) flow(r *http.Request) *flow {
	c, err := r.Cookie("session")
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sessions[c.Value]
}

// mint is as package connectlinksweb's documentation has it.
func (p *platform) mint(w http.ResponseWriter, r *http.Request) (connectlinks.ConnectLink, error) {
	f := p.flow(r)
	if f == nil {
		f = &flow{}
		id := rand.Text()
		p.mu.Lock()
		p.sessions[id] = f
		p.mu.Unlock()
		http.SetCookie(w, &http.Cookie{Name: "session", Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.link.ID != 0 && p.open(f.link.ID) {
		return f.link, nil
	}
	f.kind = connectlinkstest.Kind(r.PathValue("kind"))
	params := connectlinks.CreateConnectLinkParams{Type: r.PathValue("type"), RedirectURI: p.url + "/return"}
	switch f.kind {
	case connectlinkstest.KindSource:
		link, err := p.sandbox.Client().Sources.CreateConnectLink(r.Context(), params)
		if err != nil {
			return connectlinks.ConnectLink{}, err
		}
		f.link = link.ConnectLink
	case connectlinkstest.KindDestination:
		link, err := p.sandbox.Client().Destinations.CreateConnectLink(r.Context(), params)
		if err != nil {
			return connectlinks.ConnectLink{}, err
		}
		f.link = link.ConnectLink
	default:
		link, err := p.sandbox.PersonalClient().Activations.CreateConnectLink(r.Context(), connectlinks.CreateActivationConnectLinkParams{
			Type: params.Type, GroupID: p.sandbox.Group(), RedirectURI: params.RedirectURI,
		})
		if err != nil {
			return connectlinks.ConnectLink{}, err
		}
		f.link = link.ConnectLink
	}
	return f.link, nil
}

// open reports whether a link can still be used.
func (p *platform) open(id int64) bool {
	for _, l := range p.sandbox.Links() {
		if l.ConnectLink.ID == id {
			return !l.Completed && !l.ConnectLink.Expired && !l.ConnectLink.Revoked
		}
	}
	return false
}

// check asks what became of the session's link.
func (p *platform) check(_ http.ResponseWriter, r *http.Request) error {
	f := p.flow(r)
	if f == nil {
		return errors.New("no session")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	switch f.kind {
	case connectlinkstest.KindSource:
		_, err = p.sandbox.Client().Sources.WaitForConnection(r.Context(), f.link.ID)
	case connectlinkstest.KindDestination:
		_, err = p.sandbox.Client().Destinations.WaitForConnection(r.Context(), f.link.ID)
	default:
		_, err = p.sandbox.PersonalClient().Activations.WaitForActivation(r.Context(), f.link.ID, f.link.CreatedAt)
	}
	return err
}

// link is the only one that there is.
func link(t *testing.T, sandbox *connectlinkstest.Server) connectlinkstest.Link {
	t.Helper()
	all := sandbox.Links()
	require.Len(t, all, 1)
	return all[0]
}

// secret returns the secret in a link's URL.
func secret(t *testing.T, l connectlinkstest.Link) string {
	t.Helper()
	u, err := url.Parse(l.ConnectLink.URL)
	require.NoError(t, err)
	return cmp.Or(u.Query().Get("auth"), "none")
}

// event is what an element has raised.
type event struct {
	Name   string         `json:"name"`
	Detail map[string]any `json:"detail"`
}

// raised is what elements of the platform's page have raised by now.
func raised(b *tab) []event {
	b.t.Helper()
	return get[[]event](b.view, "raised")
}

// hears waits until an element has raised an event, and returns it.
func hears(b *tab, name string) event {
	b.t.Helper()
	b.wait(fmt.Sprintf("raised.some((e) => e.name === %q)", name))
	return get[event](b.view, fmt.Sprintf("raised.find((e) => e.name === %q)", name))
}

// keepsSecret checks that the browser has told a link's secret to nobody but the
// link's own page, and that page not where on the platform the customer was.
func keepsSecret(b *tab, l connectlinkstest.Link, platform, pages string) {
	b.t.Helper()
	s := secret(b.t, l)
	require.NotEmpty(b.t, b.sent(platform))
	for _, r := range b.sent(platform) {
		assert.NotContains(b.t, r.raw, s, "%s %s", r.method, r.url)
		assert.NotContains(b.t, r.referrer, pages, "%s %s", r.method, r.url)
	}
	require.NotEmpty(b.t, b.sent(pages))
	for _, r := range b.sent(pages) {
		assert.NotRegexp(b.t, "^"+regexp.QuoteMeta(platform)+"/.", r.referrer, "%s %s", r.method, r.url)
	}
	for _, script := range []string{"document.referrer", "document.documentElement.outerHTML", "location.href"} {
		assert.NotContains(b.t, get[string](b.view, script), s, script)
	}
}

// createHubspot asks for a link to connect HubSpot.
func createHubspot(p *platform) connectlinks.CreateConnectLinkParams {
	return connectlinks.CreateConnectLinkParams{Type: "hubspot", RedirectURI: p.url + "/return"}
}
