package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// harbor is the example webapp as a program, on a sandbox.
type harbor struct {
	sandbox *connectlinkstest.Server
	url     string
	braze   string // how the page names the type that most tests connect
	acme    string // how a tenant signs in
	birch   string
	log     *output
	stop    func()
	restart func() bool // like a deployment: it forgets its sessions
}

// output is what a program says.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) add(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b.WriteString(line + "\n")
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// newHarbor starts the webapp on a version of the API. On V2, V1 is retired.
func newHarbor(t *testing.T, api string) *harbor {
	t.Helper()
	h := &harbor{sandbox: newSandbox(t, true), log: &output{}}
	acme, birch := h.sandbox.Workspace(), h.sandbox.AddWorkspace("Birch & Co")
	ids := []string{fmt.Sprint(acme.ID), fmt.Sprint(birch.ID)}
	h.braze = "destination-braze"
	if api == "v2" {
		ids = []string{acme.GroupID, birch.GroupID}
		h.braze = "activation-braze"
		require.NoError(t, h.sandbox.RetireV1(http.StatusGone))
		t.Cleanup(func() {
			for _, r := range h.sandbox.Requests() {
				assert.NotContains(t, r.Path, "/api/v1/")
			}
		})
	}
	h.acme, h.birch = "#sign-in-"+ids[0], "#sign-in-"+ids[1]
	env := append(os.Environ(),
		"CENSUS_BASE_URL="+h.sandbox.URL,
		"CENSUS_PERSONAL_ACCESS_TOKEN="+h.sandbox.PersonalToken(),
		fmt.Sprintf("CENSUS_TENANTS=Acme Coffee=%s,Birch & Co=%s", ids[0], ids[1]),
		"CENSUS_API_TOKEN=",
	)
	t.Cleanup(func() {
		if h.stop != nil {
			h.stop()
		}
		if t.Failed() {
			t.Logf("the webapp: %s", h.log)
		}
	})
	// It is to know its own address, so the port has to be chosen before it starts:
	// another program may be faster.
	for range 5 {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		addr := l.Addr().String()
		require.NoError(t, l.Close())
		h.url = "http://harbor.localhost" + strings.TrimPrefix(addr, "127.0.0.1")
		if h.start(t, addr, api, env) {
			return h
		}
	}
	require.FailNow(t, "the webapp does not start", "%s", h.log)
	return nil
}

// start runs the webapp until h.stop, and reports whether it could.
func (h *harbor) start(t *testing.T, addr, api string, env []string) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, webapp, "-api", api, "-addr", addr, "-public-url", h.url)
	cmd.Env = env
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	// It gives requests that are being answered 5 seconds.
	cmd.WaitDelay = time.Minute
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	ready, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			h.log.add(lines.Text())
			if strings.HasPrefix(lines.Text(), "Open ") {
				close(ready)
			}
		}
		_ = cmd.Wait()
	}()
	h.stop = func() {
		cancel()
		<-gone
	}
	select {
	case <-ready:
		h.restart = func() bool {
			h.stop()
			return h.start(t, addr, api, env)
		}
		return true
	case <-gone:
	case <-t.Context().Done():
	}
	h.stop()
	return false
}

// eachWay runs a test on both versions of the API, by redirect and embedded.
func eachWay(t *testing.T, test func(t *testing.T, h *harbor, embedded bool)) {
	for _, api := range []string{"v1", "v2"} {
		for _, embedded := range []bool{false, true} {
			t.Run(api+"/"+name(embedded), func(t *testing.T) {
				t.Parallel()
				test(t, newHarbor(t, api), embedded)
			})
		}
	}
}

// eachVersion runs a test on both versions of the API.
func eachVersion(t *testing.T, test func(t *testing.T, h *harbor)) {
	for _, api := range []string{"v1", "v2"} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			test(t, newHarbor(t, api))
		})
	}
}

// customer is one of Acme Coffee's, on the integrations page.
func (h *harbor) customer(t *testing.T) *tab {
	t.Helper()
	b := newTab(t)
	h.signIn(b, h.acme)
	return b
}

func (h *harbor) signIn(b *tab, tenant string) {
	b.t.Helper()
	b.open(h.url + "/")
	b.click(tenant)
	b.at("/integrations")
}

// connect connects something, and is back on the integrations page.
func (h *harbor) connect(b *tab, what string, embedded bool) {
	b.t.Helper()
	v := h.begin(b, what, embedded)
	enter(v)
	v.click("#connect")
	b.at("/integrations")
}

// begin goes as far as the link's page.
func (h *harbor) begin(b *tab, what string, embedded bool) view {
	b.t.Helper()
	if !embedded {
		b.click("#connect-" + what)
		b.see("#form")
		return b.view
	}
	b.click("#embed-" + what)
	v := b.frame(h.sandbox.PagesURL)
	v.see("#form")
	b.wait(`document.querySelector("connect-link").ariaBusy !== "true"`)
	return v
}

// All there is to connect, in both ways.
func TestWebappConnect(t *testing.T) {
	for what, api := range map[string]string{"source-postgres": "v1", "destination-braze": "v1", "activation-hubspot": "v2"} {
		for _, embedded := range []bool{false, true} {
			t.Run(what+"/"+name(embedded), func(t *testing.T) {
				t.Parallel()
				h := newHarbor(t, api)
				b := h.customer(t)
				b.see("#nothing-connected")
				assert.Empty(t, h.sandbox.Links(), "looking makes no link")
				h.connect(b, what, embedded)
				assert.Contains(t, b.text("#flash"), "is connected.")
				assert.Equal(t, 1, get[int](b.view, `document.querySelectorAll("#connections > li").length`))
				assert.Contains(t, b.text("#connections"), "Working")
				l := link(t, h.sandbox)
				assert.True(t, l.Completed)
				keepsSecret(b, l, h.url, h.sandbox.PagesURL)
				assert.NotContains(t, h.log.String(), secret(t, l))
			})
		}
	}
}

// What is connected is renewed and disconnected, and nobody else's business.
func TestWebappLife(t *testing.T) {
	eachVersion(t, func(t *testing.T, h *harbor) {
		b := h.customer(t)
		h.connect(b, h.braze, false)
		b.click(`[id^="reauthorize-"]`)
		b.see("#form")
		assert.Contains(t, b.text("h1"), "Reconnect")
		enter(b.view)
		b.click("#connect")
		b.at("/integrations")
		assert.Contains(t, b.text("#flash"), "it has your new credentials.")

		other := newTab(t)
		h.signIn(other, h.birch)
		other.see("#nothing-connected")

		b.click(`[id^="disconnect-"]`)
		b.click("#keep")
		b.at("/integrations")
		b.see("#connections")
		b.click(`[id^="disconnect-"]`)
		b.click("#disconnect")
		b.at("/integrations")
		assert.Contains(t, b.text("#flash"), "is disconnected.")
		b.see("#nothing-connected")

		b.click("#sign-out")
		b.at("/sign-in")
		b.back()
		b.at("/sign-in")
		assert.Nil(t, get[any](b.view, element("#sign-out")), "the back button does not sign in again")
	})
}

// Two customers at the same time, each in a group of its own. Acme's addresses lead
// Birch nowhere.
func TestWebappTwoCustomers(t *testing.T) {
	eachVersion(t, func(t *testing.T, h *harbor) {
		acme, birch := h.customer(t), newTab(t)
		h.signIn(birch, h.birch)
		h.connect(acme, h.braze, false)
		made := link(t, h.sandbox)
		kind, _, _ := strings.Cut(h.braze, "-")
		id := cmp.Or(made.ActivationID, fmt.Sprint(made.ConnectionID))
		h.begin(acme, h.braze, true)
		open := h.sandbox.Links()[1]

		for _, l := range []connectlinkstest.Link{made, open} {
			key := strings.TrimPrefix(l.ConnectLink.RedirectURI, h.url+"/connected/")
			for _, path := range []string{"/connected/", "/embedded/"} {
				birch.open(h.url + path + key)
				birch.see(".nolink h1")
			}
		}
		for _, path := range []string{"/disconnect/", "/reauthorize/"} {
			birch.open(h.url + path + kind + "/" + id)
			birch.see("#message")
		}
		birch.open(h.url + "/integrations")
		birch.see("#nothing-connected")
		assert.Equal(t, []connectlinkstest.Link{made, open}, h.sandbox.Links(), "nothing has changed")

		h.connect(birch, h.braze, false)
		assert.Contains(t, birch.text("#flash"), "is connected.")
		birch.see("#connections")
		assert.Nil(t, get[any](birch.view, element("#disconnect-"+kind+"-"+id)))
		birchs := h.sandbox.Links()[2]
		assert.True(t, birchs.Completed)
		assert.NotEqual(t, [2]any{made.WorkspaceID, made.GroupID}, [2]any{birchs.WorkspaceID, birchs.GroupID})
		assert.Equal(t, []connectlinkstest.Link{made, open}, h.sandbox.Links()[:2], "nothing of Acme's has changed")

		v := acme.frame(h.sandbox.PagesURL)
		enter(v)
		v.click("#connect")
		acme.at("/integrations")
		assert.Equal(t, 2, get[int](acme.view, `document.querySelectorAll("#connections > li").length`))
		assert.Len(t, connections(t, h.sandbox), 3)
	})
}

// The customer begins in two tabs. The one that finishes decides. The link of the other is
// used by then, or revoked, or a later one, which still works.
func TestWebappTwoTabs(t *testing.T) {
	for _, api := range []string{"v1", "v2"} {
		for _, finishes := range []string{"first", "second"} {
			t.Run(api+"/"+finishes, func(t *testing.T) {
				t.Parallel()
				h := newHarbor(t, api)
				first := h.customer(t)
				second := first.popup(func() { first.run(`void window.open("/integrations")`) })
				second.at("/integrations")
				h.begin(first, h.braze, false)
				h.begin(second, h.braze, false)
				links := h.sandbox.Links()
				assert.Len(t, links, map[string]int{"v1": 1, "v2": 2}[api])
				assert.False(t, links[0].ConnectLink.Revoked, "the first tab is at work")

				at, other := first, second
				if finishes == "second" {
					at, other = second, first
				}
				enter(at.view)
				at.click("#connect")
				at.at("/integrations")
				assert.Contains(t, at.text("#flash"), "is connected.")

				enter(other.view)
				other.click("#connect")
				if api == "v2" && finishes == "first" {
					other.at("/integrations")
					assert.Equal(t, "See below what is connected.", other.text("#flash"))
					assert.Len(t, connections(t, h.sandbox), 2)
					return
				}
				other.see(`[data-page="dead"]`)
				other.click("#back")
				other.at("/integrations")
				other.see("#connections")
				assert.Len(t, connections(t, h.sandbox), 1)
				assert.Equal(t, api == "v2", h.sandbox.Links()[0].ConnectLink.Revoked)
			})
		}
	}
}

// A customer who cannot wait clicks twice, and connects once.
func TestWebappDoubleClick(t *testing.T) {
	eachVersion(t, func(t *testing.T, h *harbor) {
		b := h.customer(t)
		route := connectlinkstest.RouteCreateDestinationConnectLink
		if h.braze == "activation-braze" {
			route = connectlinkstest.RouteCreateActivationConnectLink
		}
		require.NoError(t, h.sandbox.Fail(connectlinkstest.Failure{Route: route, Delay: time.Second}))
		b.see("#connect-" + h.braze)
		at := get[[]float64](b.view, `(() => {
			const e = `+element("#connect-"+h.braze)+`;
			e.scrollIntoView({block: "nearest"});
			const r = e.getBoundingClientRect();
			return [r.x + r.width / 2, r.y + r.height / 2];
		})()`)
		for range 2 {
			require.NoError(t, chromedp.Do(b.ctx, chromedp.MouseClickXY(at[0], at[1])))
		}
		b.see("#form")
		assert.Len(t, h.sandbox.Links(), 1)
		enter(b.view)
		b.click("#connect")
		b.at("/integrations")
		assert.Contains(t, b.text("#flash"), "is connected.")
		assert.Len(t, connections(t, h.sandbox), 1)
	})
}

// The platform forgets its sessions, or the browser its cookies, while the customer is on
// the link's page.
func TestWebappLostSession(t *testing.T) {
	for _, api := range []string{"v1", "v2"} {
		for _, how := range []string{"restart", "cookie"} {
			t.Run(api+"/"+how, func(t *testing.T) {
				t.Parallel()
				h := newHarbor(t, api)
				b := h.customer(t)
				h.begin(b, h.braze, false)
				if how == "restart" {
					require.True(t, h.restart(), "on the same port")
				} else {
					call(b, network.ClearBrowserCookies, cdp.Empty{})
				}
				enter(b.view)
				b.click("#connect")
				b.at("/sign-in")
				b.click(h.acme)
				b.see(".nolink h1")
				assert.Equal(t, "We cannot tell what became of your connection. Look at your integrations.", b.text("#connectlink-message"))
				b.click("#connectlink-back")
				b.at("/integrations")
				b.see("#connections")
				assert.Len(t, connections(t, h.sandbox), 1)
			})
		}
	}
}

// The API's clock and the platform's differ.
func TestWebappWrongClock(t *testing.T) {
	for _, api := range []string{"v1", "v2"} {
		for _, off := range []time.Duration{-time.Hour, 5 * time.Second, time.Hour} {
			t.Run(api+"/"+off.String(), func(t *testing.T) {
				t.Parallel()
				h := newHarbor(t, api)
				h.sandbox.Advance(off)
				b := h.customer(t)
				h.connect(b, h.braze, false)
				assert.Contains(t, b.text("#flash"), "is connected.")
				b.click(`[id^="reauthorize-"]`)
				enter(b.view)
				b.click("#connect")
				b.at("/integrations")
				assert.Contains(t, b.text("#flash"), "it has your new credentials.")
			})
		}
	}
}

// A customer who thinks better of it, and then of that.
func TestWebappCancel(t *testing.T) {
	eachWay(t, func(t *testing.T, h *harbor, embedded bool) {
		b := h.customer(t)
		b.stopReloads()
		h.begin(b, h.braze, embedded).click("#cancel")
		if embedded {
			b.see("#embed-left")
			b.wait(`document.activeElement.id === "embed-left"`)
			b.click("#embed-again")
			v := b.frame(h.sandbox.PagesURL)
			v.see("#form")
			v.click("#cancel")
			b.click("#embed-back")
		} else {
			assert.Equal(t, "Not connected yet", b.text(".waiting h1"))
			b.click("#connectlink-back")
		}
		b.at("/integrations")
		b.see("#nothing-connected")
		assert.Empty(t, connections(t, h.sandbox))
		b.allowReloads()
		h.connect(b, h.braze, embedded)
		links := h.sandbox.Links()
		if links[0].Kind == connectlinkstest.KindDestination {
			assert.Len(t, links, 1, "the link was open still")
			return
		}
		for _, l := range links[:len(links)-1] {
			assert.True(t, l.ConnectLink.Revoked, "once another try has finished")
		}
		assert.True(t, links[len(links)-1].Completed)
	})
}

// A link that dies while its page is open.
func TestWebappExpired(t *testing.T) {
	eachWay(t, func(t *testing.T, h *harbor, embedded bool) {
		b := h.customer(t)
		v := h.begin(b, h.braze, embedded)
		enter(v)
		require.NoError(t, h.sandbox.Expire(link(t, h.sandbox).ConnectLink.ID))
		v.click("#connect")
		v.see(`[data-page="dead"]`)
		if embedded {
			b.click("#embed-check")
		} else {
			v.click("#back")
		}
		b.see(".ended")
		b.click("#connectlink-back")
		b.at("/integrations")
		h.connect(b, h.braze, embedded)
		assert.Len(t, h.sandbox.Links(), 2)
		assert.Contains(t, b.text("#flash"), "is connected.")
	})
}

// The return address without having connected, and somebody else's.
func TestWebappForgedReturn(t *testing.T) {
	eachVersion(t, func(t *testing.T, h *harbor) {
		b := h.customer(t)
		b.stopReloads()
		h.begin(b, h.braze, false)
		address := link(t, h.sandbox).ConnectLink.RedirectURI
		require.True(t, strings.HasPrefix(address, h.url+"/connected/"), address)

		other := newTab(t)
		h.signIn(other, h.birch)
		other.open(address)
		other.see(".nolink h1")

		b.open(address + "?status=created&id=1")
		assert.Equal(t, "Not connected yet", b.text(".waiting h1"))
		b.click("#connectlink-back")
		b.see("#nothing-connected")
	})
}

// The back button makes no other link.
func TestWebappBack(t *testing.T) {
	eachWay(t, func(t *testing.T, h *harbor, embedded bool) {
		b := h.customer(t)
		h.connect(b, h.braze, embedded)
		b.see("#flash")
		b.back()
		if embedded {
			// The page with the frame has nothing to show any more, and leads on.
			b.at("/integrations")
		} else {
			b.wait(`location.pathname !== "/integrations" && document.readyState === "complete"`)
		}
		b.back()
		b.at("/integrations")
		b.wait(`[...document.querySelectorAll("button")].every((e) => !e.disabled)`)
		b.travel(1)
		if !embedded {
			b.wait(`location.pathname !== "/integrations" && document.readyState === "complete"`)
		}
		assert.Len(t, h.sandbox.Links(), 1)
		assert.Len(t, connections(t, h.sandbox), 1)
	})
}

// Without script everything is still there, what is embedded in a window of its own.
func TestWebappWithoutScript(t *testing.T) {
	eachWay(t, func(t *testing.T, h *harbor, embedded bool) {
		b := newTab(t)
		b.withoutScript()
		h.signIn(b, h.acme)
		if embedded {
			b.click("#embed-" + h.braze)
			b.click("connect-link a")
		} else {
			b.click("#connect-" + h.braze)
		}
		enter(b.view)
		b.click("#connect")
		b.at("/integrations")
		assert.Contains(t, b.text("#flash"), "is connected.")
		assert.Len(t, connections(t, h.sandbox), 1)
	})
}

// The keyboard is enough, and it can be seen where it is.
func TestWebappKeyboard(t *testing.T) {
	eachWay(t, func(t *testing.T, h *harbor, embedded bool) {
		b := newTab(t)
		b.open(h.url + "/")
		b.see(h.acme)
		b.tabTo(h.acme)
		b.press(kb.Enter)
		b.at("/integrations")
		v, button := b.view, "#connect-"+h.braze
		if embedded {
			v, button = b.frame(h.sandbox.PagesURL), "#embed-"+h.braze
		}
		b.tabTo(button)
		b.press(kb.Enter)
		v.see("#form")
		if embedded {
			b.wait(`document.querySelector("connect-link").ariaBusy !== "true"`)
		}
		v.tabTo("#field-instance_url")
		b.press("https://rest.example.com")
		v.tabTo("#field-api_key")
		b.press("right" + kb.Enter)
		b.at("/integrations")
		assert.Contains(t, b.text("#flash"), "is connected.")
	})
}

// A telephone.
func TestWebappNarrow(t *testing.T) {
	t.Parallel()
	const width = 390
	h := newHarbor(t, "v1")
	b := newTab(t)
	b.resize(width, 844, true)
	b.open(h.url + "/")
	b.see(h.acme)
	b.fits(width)
	b.click(h.acme)
	b.at("/integrations")
	b.fits(width)
	v := h.begin(b, "source-snowflake", true)
	b.fits(width)
	assert.LessOrEqual(t, get[int](v, "document.documentElement.scrollWidth"), get[int](v, "innerWidth"))
	enter(v)
	v.click("#connect")
	b.at("/integrations")
	b.see("#flash")
	b.fits(width)
	b.click(`[id^="disconnect-source-"]`)
	b.see("#disconnect")
	b.fits(width)
	b.open(h.url + "/connect/destination/braze")
	b.see("#connectlink-start")
	b.fits(width)
	b.click("#connectlink-start")
	b.see("#form")
	b.stopReloads()
	b.open(link2(t, h.sandbox))
	b.see(".waiting")
	b.fits(width)
	b.open(h.url + "/nothing")
	b.see("#message")
	b.fits(width)
}

// link2 is where the second of two links leads back to.
func link2(t *testing.T, sandbox *connectlinkstest.Server) string {
	t.Helper()
	all := sandbox.Links()
	require.Len(t, all, 2)
	return all[1].ConnectLink.RedirectURI
}
