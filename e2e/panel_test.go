package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// panel is the sandbox's page for people, in a tab.
type panel struct {
	*tab
	sandbox *connectlinkstest.Server
}

func newPanel(t *testing.T, opts ...connectlinkstest.Option) panel {
	t.Helper()
	return panel{newTab(t), newSandbox(t, false, append(opts, connectlinkstest.WithControl())...)}
}

func (p panel) load() {
	p.t.Helper()
	p.open(p.sandbox.URL + "/")
}

// link makes a link to connect HubSpot, through a client that tries once.
func (p panel) link(token string) (int64, error) {
	link, err := p.sandbox.Client(connectlinks.WithToken(token), connectlinks.WithMaxRetries(0)).
		Destinations.CreateConnectLink(p.t.Context(), connectlinks.CreateConnectLinkParams{Type: "hubspot"})
	if err != nil {
		return 0, err
	}
	return link.ID, nil
}

// links makes some.
func (p panel) links(number int) []int64 {
	p.t.Helper()
	var ids []int64
	for range number {
		id, err := p.link(p.sandbox.Token())
		require.NoError(p.t, err)
		ids = append(ids, id)
	}
	return ids
}

// shown are the links on the page, and their states.
func (p panel) shown() []string {
	p.t.Helper()
	return get[[]string](p.view, `[...document.querySelectorAll("[data-link]")].map((e) => e.dataset.link + " " + e.querySelector(".state").innerText)`)
}

// says is what the page says of a link.
func (p panel) says(id int64) string {
	p.t.Helper()
	return p.text(fmt.Sprintf("#link-%d", id))
}

// do presses a link's button.
func (p panel) do(button string, id int64) {
	p.t.Helper()
	p.follow(fmt.Sprintf("#%s-%d", button, id))
}

// edit presses a key with Ctrl.
func (b *tab) edit(key, command string) {
	b.t.Helper()
	const ctrl = 2
	press := input.DispatchKeyEventParams{
		Type: input.DispatchKeyEventTypeKeyDown, Modifiers: ctrl, Key: key, Code: "Key" + strings.ToUpper(key),
		WindowsVirtualKeyCode: int64(strings.ToUpper(key)[0]), Commands: []string{command},
	}
	call(b, input.DispatchKeyEvent, press)
	press.Type, press.Commands = input.DispatchKeyEventTypeKeyUp, nil
	call(b, input.DispatchKeyEvent, press)
}

// clipboard is one for all tabs.
var clipboard sync.Mutex

// copied copies a field of the page, pastes it into one of a PostgreSQL link's page, and
// returns what is there.
func (p panel) copied(selector, url string) string {
	p.t.Helper()
	pages := newTab(p.t)
	pages.open(url)
	clipboard.Lock()
	defer clipboard.Unlock()
	p.click(selector)
	p.edit("a", "selectAll")
	p.edit("c", "copy")
	pages.click("#field-hostname")
	pages.edit("v", "paste")
	pages.wait(element("#field-hostname") + `.value !== ""`)
	return get[string](pages.view, element("#field-hostname")+".value")
}

// choose goes through a menu by the arrow key.
func (v view) choose(selector, value string) {
	v.tab.t.Helper()
	v.see(selector)
	v.run(element(selector) + ".focus()")
	for range get[int](v, element(selector)+".options.length") {
		if get[string](v, element(selector)+".value") == value {
			return
		}
		v.tab.press(kb.ArrowDown)
	}
	require.Equal(v.tab.t, value, get[string](v, element(selector)+".value"))
}

// The whole story of examples/sandbox/story.py, by clicking; also without script.
func TestPanelStory(t *testing.T) {
	for _, scripts := range []bool{true, false} {
		t.Run(map[bool]string{true: "script", false: "no script"}[scripts], func(t *testing.T) {
			t.Parallel()
			p := newPanel(t, connectlinkstest.WithWorkspace("Acme", ""))
			if !scripts {
				p.withoutScript()
			}
			ctx := t.Context()
			p.load()
			assert.Contains(t, p.text("#links"), "No links yet.")
			acme := p.sandbox.Workspaces()[1]
			assert.Contains(t, p.text("#customers"), "Acme")

			// A customer's token, as it is copied from the page and entered elsewhere.
			source, err := p.sandbox.Client().Sources.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "postgres"})
			require.NoError(t, err)
			token := p.copied(fmt.Sprintf("#token-%d", acme.ID), source.URL)
			require.Equal(t, acme.Token, token)

			// Links, the newest first.
			client := p.sandbox.Client(connectlinks.WithToken(token))
			var ids []int64
			for range 4 {
				id, err := p.link(token)
				require.NoError(t, err)
				ids = append(ids, id)
			}
			p.follow("#refresh")
			assert.Equal(t, []string{
				fmt.Sprint(ids[3], " open"), fmt.Sprint(ids[2], " open"), fmt.Sprint(ids[1], " open"), fmt.Sprint(ids[0], " open"),
				fmt.Sprint(source.ID, " open"),
			}, p.shown())
			fetched, err := client.Destinations.GetConnectLink(ctx, ids[0])
			require.NoError(t, err)
			assert.Contains(t, p.says(ids[0]), fmt.Sprintf("destination link %d of Acme, expires %s", ids[0], fetched.ExpiresAt.UTC().Format("2006-01-02 15:04:05 MST")))
			assert.Regexp(t, `POST /api/v1/destination_connect_links\s+201\s+\S+s, Acme, `, p.text("#requests li:nth-child(2)"), "the newest but one")

			// The buttons.
			p.do("complete", ids[0])
			made, err := client.Destinations.WaitForConnection(ctx, ids[0])
			require.NoError(t, err)
			assert.Contains(t, p.says(ids[0]), fmt.Sprintf("Made destination %d, “%s”.", made.ID, made.Name))
			assert.Contains(t, p.says(ids[0]), "completed")
			assert.Nil(t, get[any](p.view, element(fmt.Sprintf("#revoke-%d", ids[0]))), "it is spent")
			p.do("cancel", ids[1])
			assert.Contains(t, p.says(ids[1]), "Left without connecting: 1.")
			p.do("expire", ids[2])
			_, err = client.Destinations.WaitForConnection(ctx, ids[2])
			assert.ErrorIs(t, err, connectlinks.ErrLinkExpired)
			assert.Contains(t, p.says(ids[2]), ", expired 2")
			p.do("revoke", ids[3])
			_, err = client.Destinations.WaitForConnection(ctx, ids[3])
			assert.ErrorIs(t, err, connectlinks.ErrLinkRevoked)
			assert.Equal(t, []string{
				fmt.Sprint(ids[3], " revoked"), fmt.Sprint(ids[2], " expired"), fmt.Sprint(ids[1], " open"), fmt.Sprint(ids[0], " completed"),
				fmt.Sprint(source.ID, " open"),
			}, p.shown())

			// A link's own page.
			hosted := p.popup(func() { p.click(fmt.Sprintf("#open-%d", source.ID)) })
			enter(hosted.view)
			assert.Empty(t, get[string](hosted.view, "document.referrer"))
			hosted.click("#connect")
			hosted.see(`[data-page="connected"]`)

			// A button of a page that is not as it was.
			p.do("complete", source.ID)
			assert.Contains(t, p.text("#problem"), "used already")
			p.wait(`document.activeElement.id === "problem"`)
			assert.Contains(t, get[string](p.view, "document.title"), "Error")
			p.follow("#refresh")
			assert.Contains(t, p.says(source.ID), "Made source ")

			// The clock.
			before := p.sandbox.Now()
			p.follow("#hours-1")
			assert.Contains(t, p.says(ids[1]), "open")
			p.follow("#hours-24")
			now, err := time.Parse("2006-01-02 15:04:05 MST", p.text("#now"))
			require.NoError(t, err)
			assert.WithinRange(t, now, before.Add(25*time.Hour-time.Second), before.Add(25*time.Hour+patience))
			assert.Contains(t, p.says(ids[1]), "expired")
			_, err = client.Destinations.WaitForConnection(ctx, ids[1])
			assert.ErrorIs(t, err, connectlinks.ErrLinkExpired)

			// As at the start, with the same tokens.
			p.follow("#reset")
			assert.Contains(t, p.text("#links"), "No links yet.")
			assert.Contains(t, p.text("#requests"), "No requests yet.")
			assert.Equal(t, token, get[string](p.view, element(fmt.Sprintf("#token-%d", acme.ID))+".value"))
			_, err = p.link(token)
			require.NoError(t, err)
			p.quiet()
		})
	}
}

// quiet checks that the browser had nothing to complain of, such as what the policy
// of the page forbids.
func (b *tab) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.console {
		// It says so of every answer that is an error.
		if !strings.HasPrefix(text, "Failed to load resource: the server responded with a status of 4") {
			assert.Fail(b.t, "in the console", text)
		}
	}
}

// What the menu of failures has, and what clients notice.
func TestPanelFailures(t *testing.T) {
	t.Parallel()
	const create = string(connectlinkstest.RouteCreateDestinationConnectLink)
	p := newPanel(t)
	p.withoutScript()
	p.load()
	assert.Contains(t, p.text("#failures"), "None queued.")
	token := p.sandbox.Token()
	for i, test := range []struct {
		how, words string
		check      func(err error)
		links      int // how many are made all the same
	}{
		{"throttle", "429, Retry-After: 2", func(err error) {
			refused := new(connectlinks.APIError)
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, 2*time.Second, refused.RetryAfter)
		}, 0},
		{"error", "500", func(err error) { assert.ErrorIs(t, err, connectlinks.ErrServer) }, 0},
		{"reset", "reset connection", func(err error) { assert.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown) }, 0},
		{"lost", "reset connection, carried out", func(err error) { assert.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown) }, 1},
	} {
		p.choose("#route", create)
		p.choose("#how", test.how)
		p.follow("#fail")
		row := fmt.Sprintf("#failures li:nth-child(%d)", i+1)
		assert.Equal(t, test.words+" "+create+"\nHas not happened yet, still to come once.", strings.ReplaceAll(p.text(row), "\n\n", "\n"))
		before := len(p.sandbox.Links())
		_, err := p.link(token)
		test.check(err)
		p.follow("#refresh")
		assert.Contains(t, p.text(row), "Happened once, used up.")
		assert.Len(t, p.shown(), before+test.links)
		_, err = p.link(token)
		require.NoError(t, err, "once only")
	}

	// What hangs ends with its caller. It is for every route.
	p.choose("#how", "hang")
	p.follow("#fail")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() {
		_, err := p.sandbox.Client().Workspaces.Current(ctx)
		ended <- err
	}()
	require.Eventually(t, func() bool { return len(p.sandbox.Unfired()) == 0 }, patience, interval)
	p.follow("#refresh")
	assert.Contains(t, p.text("#failures li:nth-child(5)"), "never answered the whole API")
	assert.Contains(t, p.text("#requests li"), "no answer")
	cancel()
	assert.ErrorIs(t, <-ended, context.Canceled)

	// Those that are still to come are forgotten.
	p.choose("#how", "error")
	p.follow("#fail")
	p.follow("#forget")
	assert.Contains(t, p.text("#failures"), "None queued.")
	_, err := p.link(token)
	assert.NoError(t, err)
	p.quiet()
}

// crowded is a page with all that it can show, under names that are long and hostile.
func crowded(t *testing.T) panel {
	t.Helper()
	const hostile = `"><img src=x onerror=alert(1)></style><script>alert(2)</script>`
	p := newPanel(t, connectlinkstest.WithWorkspace("<script>", ""),
		connectlinkstest.WithWorkspace(hostile+strings.Repeat("long", 50), "secret-token:"+strings.Repeat("long", 50)))
	ids := p.links(5)
	_, err := p.sandbox.CompleteWith(ids[0], connectlinkstest.Submission{Name: hostile})
	require.NoError(t, err)
	require.NoError(t, p.sandbox.Cancel(ids[1]))
	require.NoError(t, p.sandbox.Expire(ids[2]))
	require.NoError(t, p.sandbox.Revoke(ids[3]))
	long := strings.Repeat("/%3Cscript%3E", 20)
	resp, err := http.Get(p.sandbox.URL + long)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.NoError(t, p.sandbox.Fail(
		connectlinkstest.Failure{Status: 503, Header: http.Header{hostile: {hostile}}, Token: p.sandbox.Workspaces()[2].Token},
		connectlinkstest.Failure{Route: connectlinkstest.RouteCreateActivationReauthorizationLink, Delay: time.Second, Drip: time.Millisecond, Cut: true},
	))
	return p
}

// Names are text, whatever is in them.
func TestPanelEscapes(t *testing.T) {
	t.Parallel()
	p := crowded(t)
	p.load()
	assert.Equal(t, "<script>", p.text("#customers li:nth-child(2) strong"))
	for _, part := range []string{"#customers", "#links", "#failures"} {
		assert.Contains(t, p.text(part), `"><img src=x onerror=alert(1)></style><script>alert(2)</script>`, part)
	}
	assert.Contains(t, p.text("#requests"), "/<script>/<script>")
	assert.Zero(t, get[int](p.view, `document.querySelectorAll("script, img").length`))
	p.quiet()
	// Had there been something, the policy would have forbidden it, and we would know.
	p.run(`document.body.append(Object.assign(document.createElement("script"), {text: "document.title = 'run'"}))`)
	p.run(`document.body.setAttribute("style", "color: red")`)
	assert.NotEqual(t, "run", get[string](p.view, "document.title"))
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.console) == 2
	}, patience, interval, "the console says nothing of it")
}

// tooLate presses a button of a link that the customer has used since the page was loaded.
func (p panel) tooLate() {
	p.t.Helper()
	id := p.links(1)[0]
	p.load()
	_, err := p.sandbox.Complete(id)
	require.NoError(p.t, err)
	p.do("complete", id)
	p.see("#problem")
}

// A telephone.
func TestPanelNarrow(t *testing.T) {
	t.Parallel()
	const width = 390
	p := crowded(t)
	p.resize(width, 844, true)
	p.load()
	p.fits(width)
	beyond := fmt.Sprintf(`[...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > %d).map((e) => e.outerHTML)`, width)
	assert.Empty(t, get[[]string](p.view, beyond))
	id := p.sandbox.Links()[4].ConnectLink.ID
	p.do("complete", id)
	p.fits(width)
	p.tooLate()
	p.fits(width)
}

// contrast is a script for the texts that are hard to read: those whose contrast with
// their background is below 4.5, as WCAG 2 calculates it.
const contrast = `(() => {
	const parse = (color) => { const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number); return {rgb: [r, g, b], a}; };
	const light = ({rgb}) => {
		const [r, g, b] = rgb.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const color = parse(getComputedStyle(e).backgroundColor);
			if (color.a === 1) return color;
			if (color.a > 0) throw new Error("a background that can be seen through");
		}
		throw new Error("no background");
	};
	const texts = [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() &&
		(e.matches("input:not([type=hidden]), select") || [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())));
	const hard = texts.map((e) => {
		const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
		return [(a + 0.05) / (b + 0.05), e.outerHTML];
	}).filter(([ratio]) => ratio < 4.5).map(String);
	return {texts: texts.length, hard, page: light(behind(document.body))};
})()`

// It is dark where the browser is, and can be read in both.
func TestPanelColors(t *testing.T) {
	t.Parallel()
	p := crowded(t)
	for _, scheme := range []string{"light", "dark"} {
		call(p.tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		p.tooLate()
		type colors struct {
			Texts int      `json:"texts"`
			Hard  []string `json:"hard"`
			Page  float64  `json:"page"`
		}
		seen := get[colors](p.view, contrast)
		assert.Greater(t, seen.Texts, 50)
		assert.Empty(t, seen.Hard, scheme)
		assert.Equal(t, scheme == "dark", seen.Page < 0.2, "the page's luminance is %f", seen.Page)
		assert.Equal(t, scheme, get[string](p.view, `getComputedStyle(document.documentElement).colorScheme`))
	}
}

// The keyboard is enough, goes from the top to the bottom, and it can be seen where
// it is.
func TestPanelKeyboard(t *testing.T) {
	t.Parallel()
	p := newPanel(t)
	first := p.links(2)[0]
	second := first + 1
	p.load()
	first1, second1 := fmt.Sprint(first), fmt.Sprint(second)
	order := []string{
		"refresh", "hours-1", "hours-24", fmt.Sprint("token-", p.sandbox.Workspace().ID), "token-personal",
		"open-" + second1, "complete-" + second1, "cancel-" + second1, "expire-" + second1, "revoke-" + second1,
		"open-" + first1, "complete-" + first1, "cancel-" + first1, "expire-" + first1, "revoke-" + first1,
		"route", "how", "fail", "reset",
	}
	for _, id := range order {
		p.press(kb.Tab)
		require.Equal(t, id, get[string](p.view, "document.activeElement.id"))
		style := get[[]string](p.view, `(({outlineStyle, outlineWidth}) => [outlineStyle, outlineWidth])(getComputedStyle(document.activeElement))`)
		assert.Equal(t, []string{"solid", "3px"}, style, "the focus on %s cannot be seen", id)
		if strings.HasPrefix(id, "token-") {
			assert.True(t, get[bool](p.view, `(({selectionStart, selectionEnd, value}) => selectionStart === 0 && selectionEnd === value.length)(document.activeElement)`), "all of it, to be copied")
		}
	}
	p.tabTo("#cancel-" + first1)
	p.leadsOn(func() { p.press(kb.Enter) })
	assert.Contains(t, p.says(first), "Left without connecting: 1.")
	p.press(kb.Tab)
	assert.Equal(t, "open-"+first1, get[string](p.view, "document.activeElement.id"), "it goes on at the same link")
	p.tabTo("#complete-" + first1)
	p.leadsOn(func() { p.press(kb.Enter) })
	assert.Contains(t, p.says(first), "completed")
	p.tabTo("#how")
	p.press(kb.ArrowDown)
	p.tabTo("#fail")
	p.leadsOn(func() { p.press(kb.Enter) })
	assert.Contains(t, p.text("#failures li"), "500")
	p.tabTo("#hours-24")
	p.leadsOn(func() { p.press(kb.Enter) })
	assert.Contains(t, p.says(second), "expired")
}

// settled waits for a promise, and returns its value as text.
func (b *tab) settled(promise string) string {
	b.t.Helper()
	b.run(`delete window.settled; void (` + promise + `).then((v) => { window.settled = String(v) })`)
	b.wait(`"settled" in window`)
	return get[string](b.view, "settled")
}

// Pages of other origins read no token and press no button. They share the browser, and
// the second one even the host.
func TestPanelOtherOrigins(t *testing.T) {
	t.Parallel()
	p := newPanel(t)
	id := p.links(1)[0]
	p.load()
	form := get[string](p.view, `document.querySelector("[name=form]").value`)
	evil := serve(t, "evil", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, fmt.Sprintf(`<!DOCTYPE html><title>evil</title><link rel="icon" href="data:,">
<form method="post" action="%s/"><input name="form" value="x"><input name="action" value="complete"><input name="value" value="%d"><button>Win a prize</button></form>`, p.sandbox.URL, id))
	}))
	near := strings.Replace(evil, "evil.localhost", "127.0.0.1", 1)
	for _, origin := range []string{evil, near} {
		b := newTab(t)
		b.open(origin + "/")
		for _, path := range []string{"/", "/_sandbox/state", "/_sandbox/requests"} {
			for _, mode := range []string{"cors", "no-cors"} {
				assert.Empty(t, b.settled(fmt.Sprintf(`fetch(%q, {mode: %q}).then((r) => r.text(), () => "")`, p.sandbox.URL+path, mode)), "%s %s", path, mode)
			}
		}
		assert.Equal(t, "error", b.settled(fmt.Sprintf(`new Promise((done) => document.body.append(Object.assign(
			document.createElement("script"), {src: %q, onload: () => done("load"), onerror: () => done("error")})))`, p.sandbox.URL+"/_sandbox/state")))
		// A script that knew the form's token, and JSON in the disguise of a text.
		b.settled(fmt.Sprintf(`fetch(%q, {method: "POST", mode: "no-cors", body: new URLSearchParams(%q)}).catch(() => "")`, p.sandbox.URL+"/", "action=reset&form="+form))
		b.settled(fmt.Sprintf(`fetch(%q, {method: "POST", mode: "no-cors", body: "{}"}).catch(() => "")`, p.sandbox.URL+"/_sandbox/reset"))
		b.follow("button")
		assert.Contains(t, get[string](b.view, "document.body.innerText"), "the request comes from another origin")

		// It may lead there, and cannot look.
		b.open(origin + "/")
		opened := b.popup(func() { b.run(fmt.Sprintf(`void (window.prey = window.open(%q))`, p.sandbox.URL+"/")) })
		opened.see("#panel")
		assert.Contains(t, []any{"closed", "forbidden"}, get[any](b.view, `(() => { if (prey.closed) return "closed"; try { return prey.document.body.innerText } catch { return "forbidden" } })()`))
	}
	links := p.sandbox.Links()
	require.Len(t, links, 1)
	assert.False(t, links[0].Completed)
}
