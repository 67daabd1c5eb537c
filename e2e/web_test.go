package e2e

import (
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/connectlinksweb"
)

// braze is a destination whose page has a field and a password.
const braze = "/destination/braze"

// The button, the link's page, and the way back.
func TestWebRedirect(t *testing.T) {
	for _, c := range []struct {
		path  string
		apart bool
	}{
		{"/source/postgres", false},
		{braze, false},
		{"/activation/hubspot", true},
	} {
		t.Run(strings.ReplaceAll(c.path[1:], "/", "-"), func(t *testing.T) {
			t.Parallel()
			sandbox := newSandbox(t, c.apart)
			p, b := newPlatform(t, sandbox), newTab(t)
			b.open(p.url + "/connect" + c.path)
			assert.Equal(t, "Connect your tool", b.text("h1"))
			require.Empty(t, sandbox.Links(), "a page that is only looked at makes no link")
			b.click("#connectlink-start")
			enter(b.view)
			assert.Equal(t, sandbox.PagesURL, "http://"+b.address().Host)
			b.click("#connect")
			b.at("/done")
			l := link(t, sandbox)
			assert.True(t, l.Completed)
			keepsSecret(b, l, p.url, sandbox.PagesURL)
			for _, r := range b.sent(sandbox.PagesURL) {
				assert.NotContains(t, r.referrer, p.url, "a redirect sends no Referer")
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, r := range p.requests {
				assert.NotContains(t, r, secret(t, l))
			}
		})
	}
}

// enter fills in what a link's page asks for, whatever that is.
func enter(v view) {
	v.tab.t.Helper()
	v.see("#form")
	for _, id := range get[[]string](v, `[...document.querySelectorAll("#form input:not([type=hidden])")].map((e) => e.id)`) {
		v.fill("#"+id, "something")
	}
}

// The link's page in the platform's: markup of the server's, or made by a script.
func TestWebEmbedded(t *testing.T) {
	for _, c := range []struct {
		path  string
		apart bool
		made  bool // by a script
	}{
		{"/source/postgres", false, false},
		{braze, false, true},
		{"/activation/hubspot", true, true},
		{"/activation/klaviyo", true, false},
	} {
		t.Run(strings.ReplaceAll(c.path[1:], "/", "-"), func(t *testing.T) {
			t.Parallel()
			sandbox := newSandbox(t, c.apart)
			p, b := newPlatform(t, sandbox), newTab(t)
			if c.made {
				p.page("/front-end", "Connect", template.HTML(fmt.Sprintf(`<button data-connect="/connect%s">Connect</button>`, c.path)))
				b.open(p.url + "/front-end")
				require.Empty(t, sandbox.Links())
				b.click("button")
			} else {
				b.open(p.url + "/embed" + c.path)
			}
			hears(b, "loaded")
			assert.Equal(t, []event{{"loaded", map[string]any{}}}, raised(b))
			frame := b.frame(sandbox.PagesURL)
			enter(frame)
			assert.Equal(t, "clipboard-read; clipboard-write", get[string](b.view, `document.querySelector("connect-link").shadowRoot.querySelector("iframe").allow`))
			frame.click("#connect")

			created := hears(b, "created")
			l := link(t, sandbox)
			assert.True(t, l.Completed)
			if l.ActivationID != "" {
				assert.Equal(t, l.ActivationID, created.Detail["id"])
			} else {
				assert.EqualValues(t, l.ConnectionID, created.Detail["id"])
			}
			assert.NotEmpty(t, created.Detail["name"])
			assert.Contains(t, get[string](b.view, `document.querySelector("connect-link").shadowRoot.textContent`), "Finished.")
			assert.Len(t, raised(b), 2)
			assert.NotEqual(t, "/return", b.address().Path, "the frame has not led the page away")
			assert.Nil(t, get[any](b.view, `document.querySelector("connect-link").shadowRoot.querySelector("iframe")`))

			b.open(p.url + "/return")
			b.at("/done")
			keepsSecret(b, l, p.url, sandbox.PagesURL)
		})
	}
}

// A credential that is wrong, then one that is right.
func TestWebSecondTry(t *testing.T) {
	for _, embedded := range []bool{false, true} {
		t.Run(name(embedded), func(t *testing.T) {
			t.Parallel()
			sandbox := newSandbox(t, false)
			p, b := newPlatform(t, sandbox), newTab(t)
			v := p.begin(b, braze, embedded)
			v.fill("#field-instance_url", "https://rest.example.com")
			v.fill("#field-api_key", "wrong")
			v.click("#connect")
			v.see("#problem")
			v.wait(`document.activeElement.id === "problem"`)
			assert.Contains(t, v.text("#problem"), "Authenticate")
			assert.Equal(t, "success,failure", get[string](v, `[...document.querySelectorAll("#steps li")].map((e) => e.dataset.status).join()`))
			assert.Equal(t, "https://rest.example.com", get[string](v, element("#field-instance_url")+".value"))
			assert.Empty(t, get[string](v, element("#field-api_key")+".value"), "a password is not sent back")
			assert.Equal(t, "true", get[string](v, element("#field-api_key")+".ariaInvalid"))
			assert.False(t, link(t, sandbox).Completed)
			if embedded {
				assert.Len(t, raised(b), 1, "there is nothing to say to the platform yet")
			}

			v.fill("#field-api_key", "right")
			v.click("#connect")
			if embedded {
				hears(b, "created")
				b.click("#check")
			}
			b.at("/done")
			assert.True(t, link(t, sandbox).Completed)
		})
	}
}

func name(embedded bool) string {
	if embedded {
		return "embedded"
	}
	return "redirect"
}

// begin is a customer who has come as far as the link's page.
func (p *platform) begin(b *tab, path string, embedded bool) view {
	p.t.Helper()
	v := b.view
	if embedded {
		b.open(p.url + "/embed" + path)
		hears(b, "loaded")
		v = b.frame(p.sandbox.PagesURL)
	} else {
		b.open(p.url + "/connect" + path)
		b.click("#connectlink-start")
	}
	v.see("#form")
	return v
}

// A customer who thinks better of it.
func TestWebCancel(t *testing.T) {
	for _, embedded := range []bool{false, true} {
		t.Run(name(embedded), func(t *testing.T) {
			t.Parallel()
			sandbox := newSandbox(t, true)
			p, b := newPlatform(t, sandbox), newTab(t)
			b.stopReloads()
			p.begin(b, braze, embedded).click("#cancel")
			if embedded {
				assert.Equal(t, map[string]any{"status": "not_created"}, hears(b, "exited").Detail)
				b.click("#check")
			}
			assert.Equal(t, "Not connected yet", b.text(".waiting h1"))
			l := link(t, sandbox)
			assert.Equal(t, 1, l.Cancelled)
			assert.False(t, l.Completed)
			b.click("#connectlink-back")
			b.at("/")
			// The link is open still: it is the one that is handed out again.
			p.begin(b, braze, embedded)
			assert.Len(t, sandbox.Links(), 1)
		})
	}
}

// A customer who does not agree to what the service asks for, and then does.
func TestWebDeny(t *testing.T) {
	for _, embedded := range []bool{false, true} {
		t.Run(name(embedded), func(t *testing.T) {
			t.Parallel()
			sandbox := newSandbox(t, true)
			p, b := newPlatform(t, sandbox), newTab(t)
			v := p.begin(b, "/activation/hubspot", embedded)
			assert.Equal(t, "Authorize HubSpot", v.text("h1"))
			v.click("#deny")
			v.see("#problem")
			assert.Contains(t, v.text("#problem"), "Authenticate")
			assert.Contains(t, v.text("#page"), "Nothing has been connected yet.")
			assert.False(t, link(t, sandbox).Completed)
			assert.Zero(t, link(t, sandbox).Cancelled)
			if embedded {
				assert.Len(t, raised(b), 1, "there is nothing to say to the platform yet")
			}
			v.click("#connect")
			if embedded {
				created := hears(b, "created")
				assert.Equal(t, link(t, sandbox).ActivationID, created.Detail["id"])
				b.click("#check")
			}
			b.at("/done")
			assert.True(t, link(t, sandbox).Completed)
		})
	}
}

// A frame whose link is dead can be left, and the platform learns of it.
func TestWebClose(t *testing.T) {
	kill := map[string]func(*connectlinkstest.Server, int64) error{
		"expired": (*connectlinkstest.Server).Expire, "revoked": (*connectlinkstest.Server).Revoke,
	}
	closes := func(t *testing.T, sandbox *connectlinkstest.Server, b *tab, pages, why string) {
		t.Helper()
		frame := b.frame(pages)
		frame.see(`[data-page="dead"]`)
		assert.Contains(t, frame.text("#page"), why)
		assert.Equal(t, []event{{"loaded", map[string]any{}}}, raised(b))
		assert.Equal(t, "Close", frame.text("#cancel"))
		frame.click("#cancel")
		assert.Equal(t, map[string]any{"status": "not_created"}, hears(b, "exited").Detail)
		assert.Len(t, raised(b), 2)
		assert.Contains(t, get[string](b.view, `document.querySelector("connect-link").shadowRoot.textContent`), "Finished.")
		assert.False(t, link(t, sandbox).Completed)
		assert.Zero(t, link(t, sandbox).Cancelled, "it was dead already")
	}
	for why, kill := range kill {
		t.Run(why+" while it was open", func(t *testing.T) {
			t.Parallel()
			sandbox := newSandbox(t, true)
			p, b := newPlatform(t, sandbox), newTab(t)
			v := p.begin(b, "/activation/hubspot", true)
			require.NoError(t, kill(sandbox, link(t, sandbox).ConnectLink.ID))
			v.click("#connect")
			closes(t, sandbox, b, sandbox.PagesURL, why)
		})
		t.Run(why+" before", func(t *testing.T) {
			t.Parallel()
			sandbox := newSandbox(t, true)
			p, b := newPlatform(t, sandbox), newTab(t)
			made, err := sandbox.Client().Destinations.CreateConnectLink(t.Context(), createHubspot(p))
			require.NoError(t, err)
			require.NoError(t, kill(sandbox, made.ID))
			p.page("/late", "Connect", connectlinksweb.Element(made.ConnectLink))
			b.open(p.url + "/late")
			hears(b, "loaded")
			closes(t, sandbox, b, sandbox.PagesURL, why)

			// On its own, without a platform around it, there is nobody to tell.
			b.open(made.URL)
			b.see("#back")
			assert.Nil(t, get[any](b.view, element("#form")))
		})
	}
	t.Run("where the browser does not say that it is a frame", func(t *testing.T) {
		t.Parallel()
		sandbox := newSandbox(t, true)
		p, b := newPlatform(t, sandbox), newTab(t)
		made, err := sandbox.Client().Destinations.CreateConnectLink(t.Context(), createHubspot(p))
		require.NoError(t, err)
		require.NoError(t, sandbox.Expire(made.ID))
		target, err := url.Parse(sandbox.PagesURL)
		require.NoError(t, err)
		pages := serve(t, "pages", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Del("Sec-Fetch-Dest")
		}})
		made.URL = strings.Replace(made.URL, sandbox.PagesURL, pages, 1)
		p.page("/late", "Connect", connectlinksweb.Element(made.ConnectLink))
		b.open(p.url + "/late")
		hears(b, "loaded")
		closes(t, sandbox, b, pages, "expired")
		b.open(made.URL)
		b.see("#back")
		assert.True(t, get[bool](b.view, element("#form")+".hidden"))
	})
}

// A link that dies while its page is open.
func TestWebExpired(t *testing.T) {
	for _, embedded := range []bool{false, true} {
		t.Run(name(embedded), func(t *testing.T) {
			t.Parallel()
			sandbox := newSandbox(t, true)
			p, b := newPlatform(t, sandbox), newTab(t)
			v := p.begin(b, "/activation/hubspot", embedded)
			require.NoError(t, sandbox.Expire(link(t, sandbox).ConnectLink.ID))
			v.click("#connect")
			v.see(`[data-page="dead"]`)
			assert.Contains(t, v.text("#page"), "it has expired")
			if embedded {
				assert.Equal(t, "loaded", raised(b)[len(raised(b))-1].Name)
				assert.Nil(t, get[any](v, element("#back")), "the frame has no way out of the flow")
				b.click("#check")
			} else {
				v.click("#back")
			}
			assert.Equal(t, "This took too long", b.text(".ended h1"))
			assert.Equal(t, "Start again", b.text("#connectlink-back"))
			b.click("#connectlink-back")
			b.at("/")
			p.begin(b, "/activation/hubspot", embedded)
			assert.Len(t, sandbox.Links(), 2, "starting again makes another")
		})
	}
}

// Nothing but the link's own page, in the element's own frame, is believed.
func TestWebForgedMessage(t *testing.T) {
	const forged = `{message: "EXITED_CONNECT_FLOW", data: {status: "created", details: {id: 1, name: "forged"}}}`
	// It says what it is told to, to whoever has it in a frame or has been opened.
	evil := serve(t, "evil", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<!DOCTYPE html><h1>evil</h1><script>
			const victim = window.opener || window.parent;
			if (victim !== window) for (const m of [{message: "LOADED"}, `+forged+`, "last"]) victim.postMessage(m, "*");
		</script>`)
	}))
	victim := func(t *testing.T) (*connectlinkstest.Server, *platform, *tab) {
		t.Helper()
		sandbox := newSandbox(t, true)
		p, b := newPlatform(t, sandbox), newTab(t)
		p.mux.HandleFunc("GET /victim", func(w http.ResponseWriter, r *http.Request) {
			r.SetPathValue("kind", "destination")
			r.SetPathValue("type", "braze")
			link, err := p.mint(w, r)
			assert.NoError(t, err)
			p.write(w, "Victim", template.HTML(fmt.Sprintf(`<connect-link src=%q></connect-link>`, link.URL)), "*")
		})
		b.open(p.url + "/victim")
		hears(b, "loaded")
		return sandbox, p, b
	}
	unmoved := func(t *testing.T, b *tab, origin string) {
		t.Helper()
		b.wait(fmt.Sprintf(`heard.some((m) => m.origin === %q && m.data === "last")`, origin))
		b.wait(fmt.Sprintf(`heard.some((m) => m.origin === %q && m.data.message === "EXITED_CONNECT_FLOW")`, origin))
		assert.Equal(t, []event{{"loaded", map[string]any{}}}, raised(b))
	}

	t.Run("another frame", func(t *testing.T) {
		t.Parallel()
		sandbox, _, b := victim(t)
		b.run(fmt.Sprintf(`document.body.append(Object.assign(document.createElement("iframe"), {src: %q}))`, evil+"/"))
		unmoved(t, b, evil)
		assert.False(t, link(t, sandbox).Completed)
	})
	t.Run("a window that was opened", func(t *testing.T) {
		t.Parallel()
		_, _, b := victim(t)
		b.run(fmt.Sprintf(`void window.open(%q)`, evil+"/"))
		unmoved(t, b, evil)
	})
	t.Run("the window that has opened it", func(t *testing.T) {
		t.Parallel()
		sandbox, p, first := victim(t) // with the session's cookie
		first.open(evil + "/")
		b := first.popup(func() { first.run(fmt.Sprintf(`void (window.prey = window.open(%q))`, p.url+"/victim")) })
		hears(b, "loaded")
		first.run(`for (const m of [` + forged + `, "last"]) prey.postMessage(m, "*")`)
		unmoved(t, b, evil)
		assert.False(t, link(t, sandbox).Completed)
	})
	t.Run("the page itself", func(t *testing.T) {
		t.Parallel()
		_, p, b := victim(t)
		b.run(`for (const m of [` + forged + `, "last"]) window.postMessage(m, "*")`)
		unmoved(t, b, p.url)
	})
	t.Run("another link's page", func(t *testing.T) {
		t.Parallel()
		sandbox, p, b := victim(t)
		other, err := sandbox.Client().Destinations.CreateConnectLink(t.Context(), createHubspot(p))
		require.NoError(t, err)
		// The frame of the element cannot be seen from the page, this one can.
		b.run(fmt.Sprintf(`document.body.prepend(Object.assign(document.createElement("iframe"), {src: %q, height: 500}))`, other.URL))
		frame := b.frame(other.URL)
		frame.click("#connect")
		b.wait(fmt.Sprintf(`heard.some((m) => m.origin === %q && m.data.message === "EXITED_CONNECT_FLOW")`, sandbox.PagesURL))
		assert.Equal(t, []event{{"loaded", map[string]any{}}}, raised(b), "it is the right origin, but not the element's frame")
	})
	t.Run("the frame, led elsewhere", func(t *testing.T) {
		t.Parallel()
		_, _, b := victim(t)
		b.run(fmt.Sprintf(`document.querySelector("connect-link").shadowRoot.querySelector("iframe").src = %q`, evil+"/"))
		unmoved(t, b, evil)
	})
}

// That a browser is at the return address proves nothing, whatever it brings along.
func TestWebForgedReturn(t *testing.T) {
	t.Parallel()
	sandbox := newSandbox(t, false)
	p, b := newPlatform(t, sandbox), newTab(t)
	b.stopReloads()
	p.begin(b, braze, false)
	l := link(t, sandbox)
	forged := url.Values{"status": {"created"}, "id": {"1"}, "destination_id": {"1"}, "connect_link_id": {fmt.Sprint(l.ConnectLink.ID)}}
	for _, query := range []string{"", "?" + forged.Encode()} {
		b.open(p.url + "/return" + query)
		assert.Equal(t, "Not connected yet", b.text(".waiting h1"))
	}
	assert.False(t, link(t, sandbox).Completed)

	// A customer who has never begun.
	stranger := newTab(t)
	stranger.open(p.url + "/return")
	stranger.see(".error h1")

	// The page looks again by itself, and then it is true.
	b.open(p.url + "/")
	b.allowReloads()
	b.open(p.url + "/return")
	_, err := sandbox.Complete(l.ConnectLink.ID)
	require.NoError(t, err)
	b.at("/done")
}

// The back button brings no other link, and nothing of the last one to life.
func TestWebBack(t *testing.T) {
	t.Run("restored", func(t *testing.T) {
		t.Parallel()
		sandbox, p, b := finished(t)
		// The browser may show its page as it was left.
		b.back()
		b.at("/pbc")
		if get[bool](b.view, element("#connect")+" !== null") {
			b.click("#connect")
		}
		b.see(`[data-page="dead"]`)
		b.click("#back")
		b.at("/done")
		assert.Len(t, sandbox.Links(), 1)
		assert.Len(t, connections(t, sandbox), 1)
		keepsSecret(b, link(t, sandbox), p.url, sandbox.PagesURL)
	})
	t.Run("loaded again", func(t *testing.T) {
		t.Parallel()
		sandbox, _, b := finished(t)
		// A new cookie, and the browser does not dare to restore a page that it was
		// asked not to store.
		yes := true
		call(b, network.SetCookie, network.SetCookieParams{Name: "new", Value: "yes", URL: sandbox.PagesURL, HTTPOnly: &yes})
		b.back()
		b.at("/pbc")
		b.see(`[data-page="dead"]`)
		assert.NotContains(t, get[string](b.view, "document.documentElement.outerHTML"), "hunter2")
		assert.Nil(t, get[any](b.view, element("#form")))
		b.back()
		b.at("/connect" + braze)
		b.wait(element("#connectlink-start") + ".disabled === false")
		assert.Equal(t, "Continue", b.text("#connectlink-start"))
		b.back()
		b.at("/")
		b.travel(3)
		b.at("/done")
		assert.Len(t, sandbox.Links(), 1)
	})
	t.Run("before the end", func(t *testing.T) {
		t.Parallel()
		sandbox := newSandbox(t, false)
		p, b := newPlatform(t, sandbox), newTab(t)
		p.begin(b, braze, false)
		for range 2 { // the second time, the page is restored as it was left
			b.back()
			b.at("/connect" + braze)
			b.click("#connectlink-start")
			b.see("#form")
		}
		assert.Len(t, sandbox.Links(), 1, "the link that is open is handed out again")
	})
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		sandbox := newSandbox(t, true)
		p, b := newPlatform(t, sandbox), newTab(t)
		p.begin(b, "/activation/hubspot", true).click("#connect")
		hears(b, "created")
		b.click("#check")
		b.at("/done")
		b.back()
		b.at("/embed/activation/hubspot")
		b.travel(1)
		b.at("/done")
		assert.Len(t, connections(t, sandbox), 1)
	})
}

// finished is a customer who has connected, by redirect.
func finished(t *testing.T) (*connectlinkstest.Server, *platform, *tab) {
	t.Helper()
	sandbox := newSandbox(t, false)
	p, b := newPlatform(t, sandbox), newTab(t)
	b.open(p.url + "/")
	v := p.begin(b, braze, false)
	v.fill("#field-instance_url", "https://rest.example.com")
	v.fill("#field-api_key", "hunter2-hunter2")
	v.click("#connect")
	b.at("/done")
	return sandbox, p, b
}

// connections are the links that have made one.
func connections(t *testing.T, sandbox *connectlinkstest.Server) (made []connectlinkstest.Link) {
	t.Helper()
	for _, l := range sandbox.Links() {
		if l.ConnectionID != 0 {
			made = append(made, l)
		}
	}
	return made
}

// A customer who cannot wait presses the button in vain.
func TestWebTwoClicks(t *testing.T) {
	t.Parallel()
	p, b := newPlatform(t, newSandbox(t, false)), newTab(t)
	var asked atomic.Int32
	answer := make(chan struct{})
	p.mux.Handle("/slow", connectlinksweb.Start(func(w http.ResponseWriter, r *http.Request) (connectlinks.ConnectLink, error) {
		asked.Add(1)
		select {
		case <-answer:
		case <-r.Context().Done():
		}
		r.SetPathValue("kind", "destination")
		r.SetPathValue("type", "braze")
		return p.mint(w, r)
	}))
	b.open(p.url + "/slow")
	b.see("#connectlink-start")
	at := get[[]float64](b.view, `(() => { const r = `+element("#connectlink-start")+`.getBoundingClientRect(); return [r.x + 9, r.y + 9] })()`)
	for range 3 {
		require.NoError(t, chromedp.Do(b.ctx, chromedp.MouseClickXY(at[0], at[1])))
		require.Eventually(t, func() bool { return asked.Load() > 0 }, patience, interval)
	}
	close(answer)
	b.see("#form")
	assert.EqualValues(t, 1, asked.Load())
}

// Without script everything is still there.
func TestWebWithoutScript(t *testing.T) {
	for _, embedded := range []bool{false, true} {
		t.Run(name(embedded), func(t *testing.T) {
			t.Parallel()
			sandbox := newSandbox(t, true)
			p, b := newPlatform(t, sandbox), newTab(t)
			b.withoutScript()
			if embedded {
				b.open(p.url + "/embed" + braze)
				b.click("connect-link a")
			} else {
				b.open(p.url + "/connect" + braze)
				b.click("#connectlink-start")
			}
			b.click("#connect")
			assert.Equal(t, "form", get[string](b.view, element("#page")+".dataset.page"), "what is missing is asked for")
			b.fill("#field-instance_url", "wrong")
			b.fill("#field-api_key", "secret")
			b.click("#connect")
			b.see("#problem")
			b.fill("#field-instance_url", "https://rest.example.com")
			b.fill("#field-api_key", "secret")
			b.click("#connect")
			b.at("/done")
			keepsSecret(b, link(t, sandbox), p.url, sandbox.PagesURL)
			for _, r := range b.sent(sandbox.PagesURL) {
				assert.NotContains(t, r.referrer, p.url)
			}
		})
	}
	t.Run("not yet", func(t *testing.T) {
		t.Parallel()
		sandbox := newSandbox(t, false)
		p, b := newPlatform(t, sandbox), newTab(t)
		b.withoutScript()
		p.begin(b, braze, false).click("#cancel")
		b.see(".waiting")
		_, err := sandbox.Complete(link(t, sandbox).ConnectLink.ID)
		require.NoError(t, err)
		b.at("/done")
	})
}

// The keyboard is enough, and it can be seen where it is.
func TestWebKeyboard(t *testing.T) {
	for _, embedded := range []bool{false, true} {
		t.Run(name(embedded), func(t *testing.T) {
			t.Parallel()
			sandbox := newSandbox(t, true)
			p, b := newPlatform(t, sandbox), newTab(t)
			v := b.view
			if embedded {
				b.open(p.url + "/embed/destination/iterable")
				hears(b, "loaded")
				v = b.frame(sandbox.PagesURL)
				v.see("#form")
			} else {
				b.open(p.url + "/connect/destination/iterable")
				b.see("#connectlink-start")
				b.tabTo("#connectlink-start")
				b.press(kb.Enter)
				b.see("#form")
			}
			v.tabTo("#field-region")
			b.press("E")
			v.wait(element("#field-region") + `.value === "EU"`)
			v.tabTo("#field-api_key")
			b.press("wrong" + kb.Enter)
			v.wait(`document.activeElement.id === "problem"`)
			v.tabTo("#field-api_key")
			b.press("right")
			v.tabTo("#connect")
			b.press(kb.Enter)
			if embedded {
				hears(b, "created")
				assert.Equal(t, "connect-link", get[string](b.view, "document.activeElement.localName"), "the focus stays where the frame was")
				b.tabTo("#check")
				b.press(kb.Enter)
			}
			b.at("/done")
		})
	}
}

// A telephone.
func TestWebNarrow(t *testing.T) {
	t.Parallel()
	const width = 390
	sandbox := newSandbox(t, false)
	p, b := newPlatform(t, sandbox), newTab(t)
	b.resize(width, 844, true)
	b.open(p.url + "/connect/source/snowflake")
	b.see("#connectlink-start")
	b.fits(width)
	b.click("#connectlink-start")
	b.see("#form")
	b.fits(width)
	enter(b.view)
	b.fill("#field-account", "wrong")
	b.click("#connect")
	b.see("#problem")
	b.fits(width)
	b.stopReloads()
	b.open(p.url + "/return")
	b.see(".waiting")
	b.fits(width)
	require.NoError(t, sandbox.Expire(link(t, sandbox).ConnectLink.ID))
	b.open(link(t, sandbox).ConnectLink.URL)
	b.see(`[data-page="dead"]`)
	b.fits(width)
	b.allowReloads() // on a busy machine "ended" may come after a "not yet"
	b.open(p.url + "/return")
	b.see(".ended")
	b.fits(width)
	b.open(p.url + "/connect/source/nonsense")
	b.click("#connectlink-start")
	b.see(".error")
	b.fits(width)
	b.open(p.url + "/embed/source/snowflake")
	hears(b, "loaded")
	frame := b.frame(sandbox.PagesURL)
	frame.see("#form")
	b.fits(width)
	assert.LessOrEqual(t, get[int](frame, "document.documentElement.scrollWidth"), get[int](frame, "innerWidth"))
}

// A platform whose origin is not approved finds out, and so does the customer.
func TestWebNotApproved(t *testing.T) {
	t.Parallel()
	sandbox := newSandbox(t, true, connectlinkstest.WithEmbedOrigins("https://app.example.com"))
	p, b := newPlatform(t, sandbox), newTab(t)
	link, err := sandbox.Client().Destinations.CreateConnectLink(t.Context(), createHubspot(p))
	require.NoError(t, err)
	p.page("/refused", "Connect", template.HTML(fmt.Sprintf(`<connect-link src=%q timeout="1"></connect-link>`, link.URL)))
	b.open(p.url + "/refused")
	assert.Equal(t, map[string]any{"reason": "timeout"}, hears(b, "error").Detail)
	assert.Len(t, raised(b), 1)
	window := b.popup(func() {
		b.run(`document.querySelector("connect-link").shadowRoot.querySelector("a").click()`)
	})
	window.see("#form")
	assert.Equal(t, link.URL, window.address().String())
	assert.Empty(t, get[string](window.view, "document.referrer"))
	assert.Nil(t, get[any](window.view, "window.opener"))
}
