package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// harbor is the example webapp as a program, on a sandbox.
type harbor struct {
	sandbox *connectlinkstest.Server
	url     string
	acme    string // how a tenant signs in
	birch   string
	log     *output
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

func newHarbor(t *testing.T) *harbor {
	t.Helper()
	h := &harbor{sandbox: newSandbox(t, true), log: &output{}}
	h.sandbox.AddGroup("silver_bark")
	acme, birch := h.sandbox.Workspace(), h.sandbox.AddWorkspace("Birch & Co")
	h.acme, h.birch = fmt.Sprintf("#sign-in-%d", acme.ID), fmt.Sprintf("#sign-in-%d", birch.ID)
	env := append(os.Environ(),
		"CENSUS_BASE_URL="+h.sandbox.URL,
		"CENSUS_PERSONAL_ACCESS_TOKEN="+h.sandbox.PersonalToken(),
		fmt.Sprintf("CENSUS_TENANTS=Acme Coffee=%d:%s,Birch & Co=%d:silver_bark", acme.ID, h.sandbox.Group(), birch.ID),
		"CENSUS_API_TOKEN=", "CENSUS_GROUP=",
	)
	// It is to know its own address, so the port has to be chosen before it starts:
	// another program may be faster.
	for range 5 {
		if h.start(t, env) {
			return h
		}
	}
	require.FailNow(t, "the webapp does not start", "%s", h.log)
	return nil
}

// start runs the webapp on a port that is free at this moment.
func (h *harbor) start(t *testing.T, env []string) bool {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	h.url = "http://harbor.localhost" + strings.TrimPrefix(addr, "127.0.0.1")

	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, webapp, "-addr", addr, "-public-url", h.url)
	cmd.Env = env
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
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
	stop := func() {
		cancel()
		<-gone
	}
	select {
	case <-ready:
		t.Cleanup(func() {
			stop()
			if t.Failed() {
				t.Logf("the webapp: %s", h.log)
			}
		})
		return true
	case <-gone:
		stop()
		return false
	case <-t.Context().Done():
		stop()
		return false
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
	for _, what := range []string{"source-postgres", "destination-braze", "activation-hubspot"} {
		for _, embedded := range []bool{false, true} {
			t.Run(what+"/"+name(embedded), func(t *testing.T) {
				t.Parallel()
				h := newHarbor(t)
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
	t.Parallel()
	h := newHarbor(t)
	b := h.customer(t)
	h.connect(b, "destination-braze", false)
	b.click(`[id^="reauthorize-destination-"]`)
	b.see("#form")
	assert.Contains(t, b.text("h1"), "Reconnect")
	enter(b.view)
	b.click("#connect")
	b.at("/integrations")
	assert.Contains(t, b.text("#flash"), "has new credentials.")

	other := newTab(t)
	h.signIn(other, h.birch)
	other.see("#nothing-connected")

	b.click(`[id^="disconnect-destination-"]`)
	b.click("#keep")
	b.at("/integrations")
	b.see("#connections")
	b.click(`[id^="disconnect-destination-"]`)
	b.click("#disconnect")
	b.at("/integrations")
	assert.Contains(t, b.text("#flash"), "is disconnected.")
	b.see("#nothing-connected")

	b.click("#sign-out")
	b.at("/sign-in")
	b.back()
	b.at("/sign-in")
	assert.Nil(t, get[any](b.view, element("#sign-out")), "the back button does not sign in again")
}

// A customer who thinks better of it, and then of that.
func TestWebappCancel(t *testing.T) {
	for _, embedded := range []bool{false, true} {
		t.Run(name(embedded), func(t *testing.T) {
			t.Parallel()
			h := newHarbor(t)
			b := h.customer(t)
			b.stopReloads()
			h.begin(b, "destination-braze", embedded).click("#cancel")
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
			assert.False(t, link(t, h.sandbox).Completed)
			b.allowReloads()
			h.connect(b, "destination-braze", embedded)
			assert.Len(t, h.sandbox.Links(), 1, "the link was open still")
		})
	}
}

// A link that dies while its page is open.
func TestWebappExpired(t *testing.T) {
	for _, embedded := range []bool{false, true} {
		t.Run(name(embedded), func(t *testing.T) {
			t.Parallel()
			h := newHarbor(t)
			b := h.customer(t)
			v := h.begin(b, "activation-hubspot", embedded)
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
			h.connect(b, "activation-hubspot", embedded)
			assert.Len(t, h.sandbox.Links(), 2)
			assert.Contains(t, b.text("#flash"), "is connected.")
		})
	}
}

// The return address without having connected, and somebody else's.
func TestWebappForgedReturn(t *testing.T) {
	t.Parallel()
	h := newHarbor(t)
	b := h.customer(t)
	b.stopReloads()
	h.begin(b, "destination-braze", false)
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
}

// The back button makes no other link.
func TestWebappBack(t *testing.T) {
	for _, embedded := range []bool{false, true} {
		t.Run(name(embedded), func(t *testing.T) {
			t.Parallel()
			h := newHarbor(t)
			b := h.customer(t)
			h.connect(b, "source-postgres", embedded)
			b.see("#flash")
			b.back()
			b.wait(`location.pathname !== "/integrations" && document.readyState === "complete"`)
			if embedded {
				// What was sent in the frame is a step of its own, which shows nothing new.
				b.travel(-2)
			} else {
				b.back()
			}
			b.at("/integrations")
			b.wait(`[...document.querySelectorAll("button")].every((e) => !e.disabled)`)
			b.travel(1)
			b.wait(`location.pathname !== "/integrations" && document.readyState === "complete"`)
			assert.Len(t, h.sandbox.Links(), 1)
			assert.Len(t, connections(t, h.sandbox), 1)
		})
	}
}

// Without script everything is still there, what is embedded in a window of its own.
func TestWebappWithoutScript(t *testing.T) {
	for _, embedded := range []bool{false, true} {
		t.Run(name(embedded), func(t *testing.T) {
			t.Parallel()
			h := newHarbor(t)
			b := newTab(t)
			b.withoutScript()
			h.signIn(b, h.acme)
			if embedded {
				b.click("#embed-destination-braze")
				b.click("connect-link a")
			} else {
				b.click("#connect-destination-braze")
			}
			enter(b.view)
			b.click("#connect")
			b.at("/integrations")
			assert.Contains(t, b.text("#flash"), "is connected.")
			assert.Len(t, connections(t, h.sandbox), 1)
		})
	}
}

// The keyboard is enough, and it can be seen where it is.
func TestWebappKeyboard(t *testing.T) {
	for _, embedded := range []bool{false, true} {
		t.Run(name(embedded), func(t *testing.T) {
			t.Parallel()
			h := newHarbor(t)
			b := newTab(t)
			b.open(h.url + "/")
			b.see(h.acme)
			b.tabTo(h.acme)
			b.press(kb.Enter)
			b.at("/integrations")
			v, button := b.view, "#connect-destination-braze"
			if embedded {
				v, button = b.frame(h.sandbox.PagesURL), "#embed-destination-braze"
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
}

// A telephone.
func TestWebappNarrow(t *testing.T) {
	t.Parallel()
	const width = 390
	h := newHarbor(t)
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
	b.see("#not-found")
	b.fits(width)
}

// link2 is where the second of two links leads back to.
func link2(t *testing.T, sandbox *connectlinkstest.Server) string {
	t.Helper()
	all := sandbox.Links()
	require.Len(t, all, 2)
	return all[1].ConnectLink.RedirectURI
}
