package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinksweb"
)

type config struct {
	PublicURL string // where customers reach the app
	Tenants   []tenant
	Sandbox   bool          // the pages say that this is a sandbox
	Wait      time.Duration // the limit of WithWait; default 5 s
	Limit     time.Duration // the limit of a request, including its calls to the API; default 25 s
	Log       *slog.Logger
}

// tenant is a customer of the platform.
type tenant struct {
	ID, Name string
	kinds    []kind // the kinds of connections, in the order of display

	// warm opens a connection to the API before it is needed.
	warm func(context.Context) error
}

// newTenant returns a tenant whose data c sees: a workspace on V1, a group on V2.
func newTenant(id, name, api string, c *connectlinks.Client) tenant {
	return tenant{ID: id, Name: name, kinds: newKinds(api, c), warm: c.Warm}
}

func (t *tenant) kind(name string) (kind, error) {
	for _, k := range t.kinds {
		if k.name() == name {
			return k, nil
		}
	}
	return nil, errNotFound
}

type app struct {
	config
	host      string // the host of PublicURL, as browsers send it
	sessions  sessions
	templates *template.Template
	types     typeCache
}

//go:embed templates static
var files embed.FS

const (
	home        = "/integrations"
	revokeLimit = 3 * time.Second
)

func newApp(cfg config) (http.Handler, error) {
	u, err := url.Parse(cfg.PublicURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("the public URL %q is not an absolute http or https URL", cfg.PublicURL)
	}
	if len(cfg.Tenants) == 0 {
		return nil, errors.New("no tenants")
	}
	cfg.PublicURL = u.Scheme + "://" + u.Host
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	cfg.Wait = cmp.Or(cfg.Wait, 5*time.Second)
	cfg.Limit = cmp.Or(cfg.Limit, 25*time.Second)
	a := &app{
		config:   cfg,
		host:     strings.TrimSuffix(u.Host, map[string]string{"http": ":80", "https": ":443"}[u.Scheme]),
		sessions: sessions{secure: u.Scheme == "https", m: map[string]*session{}},
		types:    typeCache{m: map[string]cachedTypes{}},
	}
	if a.templates, err = template.New("").Funcs(template.FuncMap{
		"initial": initial, "hue": hue, "ago": ago, "script": func() string { return connectlinksweb.ScriptURL("/connect-link.js") },
	}).ParseFS(files, "templates/*.html"); err != nil {
		return nil, err
	}

	mux := http.NewServeMux()
	for pattern, handler := range a.routes() {
		mux.Handle(pattern, handler)
	}
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.render(w, r, http.StatusForbidden, "message.html", "Not accepted", "This was sent from another site. Open the page here, and try again.")
	}))
	return a.secure(protection.Handler(mux)), nil
}

// routes returns the patterns and handlers of all requests that the app answers.
func (a *app) routes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /static/app.css":          http.HandlerFunc(static),
		"GET /static/app.js":           http.HandlerFunc(static),
		"GET /connect-link.js":         connectlinksweb.Script(),
		"GET /{$}":                     http.RedirectHandler(home, http.StatusSeeOther),
		"GET /sign-in":                 http.HandlerFunc(a.signInPage),
		"POST /sign-in":                http.HandlerFunc(a.signIn),
		"POST /sign-out":               a.signedIn(a.signOut),
		"GET " + home:                  a.signedIn(a.integrations),
		"/connect/{kind}/{type}":       a.signedIn(a.connect),
		"/reauthorize/{kind}/{id}":     a.signedIn(a.reauthorize),
		"GET /sign-out":                http.RedirectHandler(home, http.StatusSeeOther),
		"POST /embed/{kind}/{type}":    a.signedIn(a.embed),
		"GET /embed/{kind}/{type}":     http.RedirectHandler(home, http.StatusSeeOther),
		"GET /embedded/{key}":          a.signedIn(a.embedded),
		"/connected/{key}":             a.signedIn(a.comeBack),
		"GET /disconnect/{kind}/{id}":  a.signedIn(a.confirmDisconnect),
		"POST /disconnect/{kind}/{id}": a.signedIn(a.disconnect),
		"/":                            http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.fail(w, r, errNotFound, connecting) }),
	}
}

func static(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=300")
	http.ServeFileFS(w, r, files, r.URL.Path)
}

// policy has no form-action, because browsers also apply it to the redirect to a link.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"

// secure sets the headers of all answers, and refuses other hosts. An attacker can point a
// host name at this app (DNS rebinding). For a browser, the attacker's page and this app
// then have the same origin.
func (a *app) secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(r.Host, a.host) {
			http.Error(w, "This app is at "+a.PublicURL, http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// signedIn calls next with the session, and with a deadline that is well before the server's
// WriteTimeout. Without a session, it redirects to the sign-in page, which leads back.
func (a *app) signedIn(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		sess := a.sessions.of(r)
		if sess == nil {
			// After a POST, the GET of the same address shows a button, or leads home.
			http.Redirect(w, r, "/sign-in?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), a.Limit)
		defer cancel()
		next(w, withSession(r.WithContext(ctx), sess))
	})
}

// view is the data of a page.
type view struct {
	Title   string
	Tenant  *tenant // nil if nobody is signed in
	Sandbox bool
	Data    any
}

func (a *app) render(w http.ResponseWriter, r *http.Request, status int, name, title string, data any) {
	v := view{Title: title, Sandbox: a.Sandbox, Data: data}
	if sess := a.sessions.of(r); sess != nil {
		v.Tenant = sess.tenant
	}
	var body bytes.Buffer
	if err := a.templates.ExecuteTemplate(&body, name, v); err != nil {
		a.Log.ErrorContext(r.Context(), "page", "error", err)
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// options returns the options for connectlinksweb, with the app's own page.
func (a *app) options(title string, texts connectlinksweb.Texts) []connectlinksweb.Option {
	return []connectlinksweb.Option{
		connectlinksweb.WithTitle(title),
		connectlinksweb.WithBack(home),
		connectlinksweb.WithTemplate(a.templates.Lookup("web.html")),
		connectlinksweb.WithTexts(texts),
		connectlinksweb.WithErrorHandler(func(w http.ResponseWriter, r *http.Request, err error) { a.fail(w, r, err, texts) }),
		connectlinksweb.WithLogger(a.Log),
		connectlinksweb.WithWait(a.Wait),
	}
}

// fail answers an error. Its page has the texts.
func (a *app) fail(w http.ResponseWriter, r *http.Request, err error, texts connectlinksweb.Texts) {
	switch {
	case errors.Is(err, errNoConnection):
		a.Log.WarnContext(r.Context(), "no such connection", "pattern", r.Pattern, "error", err)
		a.render(w, r, http.StatusNotFound, "message.html", "Not found", noConnection)
	case errors.Is(err, errNotFound):
		a.render(w, r, http.StatusNotFound, "message.html", "Not found", "There is nothing here.")
	default:
		connectlinksweb.Error(w, r, err, a.options("", texts)...)
	}
}

func (a *app) signInPage(w http.ResponseWriter, r *http.Request) {
	a.render(w, r, http.StatusOK, "signin.html", "Sign in", struct {
		Tenants []tenant
		Next    string
	}{a.Tenants, local(r.URL.Query().Get("next"))})
}

func (a *app) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	i := slices.IndexFunc(a.Tenants, func(t tenant) bool { return t.ID == r.PostFormValue("tenant") })
	if i < 0 {
		http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
		return
	}
	if old := a.sessions.of(r); old != nil {
		a.sessions.end(w, old)
	}
	a.sessions.begin(w, &a.Tenants[i])
	http.Redirect(w, r, local(r.PostFormValue("next")), http.StatusSeeOther)
}

// local returns next if it is an address of this app, and otherwise home.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(next, "/") ||
		strings.HasPrefix(next, "//") || strings.Contains(next, `\`) {
		return home
	}
	return next
}

func (a *app) signOut(w http.ResponseWriter, r *http.Request) {
	a.sessions.end(w, sessionOf(r))
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}

// section holds what the integrations page shows for a kind.
type section struct {
	Kind        string
	Types       []integration
	Connections []connection

	// What could not be loaded.
	NoTypes, NoConnections bool
}

// Label returns the name of a type for people.
func (s section) Label(typ string) string {
	for _, t := range s.Types {
		if t.Type == typ {
			return t.Label
		}
	}
	return typ
}

// integrations needs no Warm, because its list requests open the connection.
func (a *app) integrations(w http.ResponseWriter, r *http.Request) {
	sess := sessionOf(r)
	sections := make([]section, len(sess.tenant.kinds))
	var wg sync.WaitGroup
	for i, k := range sess.tenant.kinds {
		wg.Go(func() { sections[i] = a.section(r.Context(), sess.tenant, k) })
	}
	wg.Wait()
	data := struct {
		Sections  []section
		Flash     *flash
		Connected int
		All       bool // all connections could be loaded
	}{Sections: sections, Flash: sess.heard(), All: true}
	for _, s := range sections {
		data.Connected += len(s.Connections)
		data.All = data.All && !s.NoConnections
	}
	a.render(w, r, http.StatusOK, "integrations.html", "Integrations", data)
}

// section returns the section of k. If its requests fail, only this section is incomplete.
func (a *app) section(ctx context.Context, t *tenant, k kind) section {
	s := section{Kind: k.name()}
	var wg sync.WaitGroup
	var typesErr, err error
	wg.Go(func() { s.Types, typesErr = a.types.get(ctx, t, k) })
	s.Connections, err = k.connections(ctx)
	wg.Wait()
	s.NoTypes, s.NoConnections = typesErr != nil, err != nil
	if err := errors.Join(err, typesErr); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		a.Log.ErrorContext(ctx, "integrations", "tenant", t.ID, "kind", s.Kind, "error", err)
	}
	return s
}

// target returns the flow that a request asks for. The flow has no link yet.
func (a *app) target(r *http.Request) (kind, *flow, error) {
	t := sessionOf(r).tenant
	k, err := t.kind(r.PathValue("kind"))
	if err != nil {
		return nil, nil, err
	}
	f := &flow{Key: rand.Text(), Kind: r.PathValue("kind"), Type: r.PathValue("type"), Renews: r.PathValue("id")}
	if f.Renews != "" {
		c, err := k.connection(r.Context(), f.Renews)
		f.Type, f.Label = c.Type, c.Name
		return k, f, err
	}
	types, err := a.types.get(r.Context(), t, k)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(types, func(t integration) bool { return t.Type == f.Type })
	if i < 0 {
		return nil, nil, errNotFound
	}
	f.Label = types[i].Label
	return k, f, nil
}

// begin returns the flow for the customer who asked for f: the last flow for the same thing
// if its link can be reused, and otherwise f with a new link. Earlier links stay open,
// because the customer may still be at work in another tab.
func (a *app) begin(r *http.Request, k kind, f *flow) (*flow, error) {
	sess := sessionOf(r)
	if err := sess.lock(r.Context()); err != nil {
		return nil, err
	}
	defer sess.unlock()
	if earlier := sess.unfinished(f); len(earlier) > 0 {
		if newest := earlier[len(earlier)-1]; !sess.mayBeUsed(newest) && k.reusable(r.Context(), newest) {
			return newest, nil
		}
	}
	if err := k.start(r.Context(), f, a.PublicURL+"/connected/"+f.Key); err != nil {
		return nil, err
	}
	sess.remember(f)
	return f, nil
}

func (a *app) connect(w http.ResponseWriter, r *http.Request)     { a.redirect(w, r, "Connect ") }
func (a *app) reauthorize(w http.ResponseWriter, r *http.Request) { a.redirect(w, r, "Reconnect ") }

// redirect redirects the customer to the link's page.
func (a *app) redirect(w http.ResponseWriter, r *http.Request, verb string) {
	texts := textsFor(r.PathValue("id"))
	k, f, err := a.target(r)
	if err != nil {
		a.fail(w, r, err, texts)
		return
	}
	connectlinksweb.Start(func(_ http.ResponseWriter, r *http.Request) (connectlinks.ConnectLink, error) {
		f, err := a.begin(r, k, f)
		if err != nil {
			return connectlinks.ConnectLink{}, err
		}
		return f.link, nil
	}, append(a.options(verb+f.Label, texts), connectlinksweb.WithWarm(sessionOf(r).tenant.warm))...).ServeHTTP(w, r)
}

// embed makes the link, and redirects to the page that shows it. Reloading that page makes
// no other link.
func (a *app) embed(w http.ResponseWriter, r *http.Request) {
	k, f, err := a.target(r)
	if err == nil {
		f, err = a.begin(r, k, f)
	}
	if err != nil {
		a.fail(w, r, err, connecting)
		return
	}
	http.Redirect(w, r, "/embedded/"+f.Key, http.StatusSeeOther)
}

func (a *app) embedded(w http.ResponseWriter, r *http.Request) {
	sess := sessionOf(r)
	f, err := sess.flow(r.PathValue("key"))
	if err != nil {
		a.fail(w, r, err, connecting)
		return
	}
	if sess.finished(f) { // the customer used the back button
		http.Redirect(w, r, home, http.StatusSeeOther)
		return
	}
	w.Header().Set("Content-Security-Policy", policy+"; frame-src "+connectlinksweb.FrameOrigin(f.link))
	a.render(w, r, http.StatusOK, "embedded.html", "Connect "+f.Label, struct {
		Element template.HTML
		Flow    *flow
	}{connectlinksweb.Element(f.link), f})
}

// comeBack answers at the links' RedirectURI. The embedding page goes there too, when the
// frame reports that the customer has finished.
func (a *app) comeBack(w http.ResponseWriter, r *http.Request) {
	sess := sessionOf(r)
	f, err := sess.cameBack(r.PathValue("key"))
	texts := connecting
	if err == nil {
		texts = textsFor(f.Renews)
	}
	var k kind
	var made connection
	check := func(_ http.ResponseWriter, r *http.Request) error {
		if err != nil {
			return err
		}
		var err error
		if k, err = sess.tenant.kind(f.Kind); err != nil {
			return err
		}
		made, err = k.wait(r.Context(), f)
		return err
	}
	connectlinksweb.Return(check, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sess.finish(f) {
			announce(sess, f, made)
			a.revokeEarlier(r, k, f)
		} else {
			sess.say(false, lookBelow)
		}
		http.Redirect(w, r, home, http.StatusSeeOther)
	}), a.options("", texts)...).ServeHTTP(w, r)
}

// announce says on the next page what has become of f. On V2 the new connection may be a
// colleague's, and new credentials always may: the API does not say with which link they came.
func announce(sess *session, f *flow, made connection) {
	text := fmt.Sprintf("“%s” (%s) is connected", made.Name, f.Label)
	after := "."
	switch {
	case f.Renews != "":
		text = made.Name + " was tested again"
		after = ". If you finished, it has your new credentials."
	case !sess.isNew(f.Kind + " " + made.ID):
		sess.say(false, lookBelow)
		return
	case f.Kind == "activation":
		after = ". If you did not finish, somebody else connected it."
	}
	failed := made.State() == "bad"
	switch {
	case failed:
		text += ", but its test failed"
		if made.Problem != "" {
			text += ". " + strings.TrimSuffix(made.Problem, ".")
		}
		after += " Reconnect it."
	case made.State() == "untested" && f.Renews == "":
		text += ", but not tested yet"
	}
	sess.say(failed, text+after)
}

// revokeEarlier revokes the links of earlier flows for the same thing, which nobody needs
// any more. If a link cannot be revoked, it expires later.
func (a *app) revokeEarlier(r *http.Request, k kind, f *flow) {
	ctx, cancel := context.WithTimeout(r.Context(), revokeLimit)
	defer cancel()
	sess := sessionOf(r)
	var wg sync.WaitGroup
	for _, earlier := range sess.unfinished(f) {
		wg.Go(func() {
			if err := k.revoke(ctx, earlier); err != nil {
				a.Log.WarnContext(ctx, "revoke an earlier link", "link", earlier.link.ID, "error", err)
				return
			}
			sess.revoked(earlier)
		})
	}
	wg.Wait()
}

func (a *app) confirmDisconnect(w http.ResponseWriter, r *http.Request) {
	k, err := sessionOf(r).tenant.kind(r.PathValue("kind"))
	var c connection
	if err == nil {
		c, err = k.connection(r.Context(), r.PathValue("id"))
	}
	if err != nil {
		a.fail(w, r, err, disconnecting)
		return
	}
	a.render(w, r, http.StatusOK, "disconnect.html", "Disconnect "+c.Name, c)
}

func (a *app) disconnect(w http.ResponseWriter, r *http.Request) {
	sess := sessionOf(r)
	k, err := sess.tenant.kind(r.PathValue("kind"))
	var c connection
	if err == nil {
		c, err = k.connection(r.Context(), r.PathValue("id"))
	}
	if err != nil {
		a.fail(w, r, err, disconnecting)
		return
	}
	switch err := k.disconnect(r.Context(), c.ID); {
	case err == nil:
		sess.say(false, c.Name+" is disconnected.")
		http.Redirect(w, r, home, http.StatusSeeOther)
	case errors.Is(err, errPerhaps):
		a.Log.WarnContext(r.Context(), "disconnect", "kind", c.Kind, "id", c.ID, "error", err)
		a.render(w, r, http.StatusBadGateway, "message.html", "Perhaps disconnected", fmt.Sprintf(perhapsDisconnected, c.Name))
	default:
		a.fail(w, r, err, disconnecting)
	}
}

// typeCache caches the types, which change rarely.
type typeCache struct {
	mu sync.Mutex
	m  map[string]cachedTypes
}

type cachedTypes struct {
	list  []integration
	until time.Time
}

func (c *typeCache) get(ctx context.Context, t *tenant, k kind) ([]integration, error) {
	key := t.ID + " " + k.name()
	c.mu.Lock()
	cached, ok := c.m[key]
	c.mu.Unlock()
	if ok && time.Now().Before(cached.until) {
		return cached.list, nil
	}
	list, err := k.types(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b integration) int {
		return strings.Compare(strings.ToLower(a.Label), strings.ToLower(b.Label))
	})
	c.mu.Lock()
	c.m[key] = cachedTypes{list, time.Now().Add(5 * time.Minute)}
	c.mu.Unlock()
	return list, nil
}

// initial returns the letter for a type's tile.
func initial(label string) string {
	for _, r := range label {
		return strings.ToUpper(string(r))
	}
	return "?"
}

// hue returns the number of a tile's colour, 0 to 7.
func hue(typ string) int {
	sum := 0
	for _, b := range []byte(typ) {
		sum = (sum*31 + int(b)) % 997
	}
	return sum % 8
}

func ago(t time.Time) string {
	switch d := time.Since(t); {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return t.Format("2 Jan 2006")
}
