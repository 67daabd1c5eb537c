package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	patience = 4 * time.Minute // with a tab, on a machine that is busy otherwise
	interval = 25 * time.Millisecond
)

// tab is a browser window of a customer who has never been here before.
type tab struct {
	view
	t   *testing.T
	ctx context.Context

	mu        sync.Mutex
	requests  []request
	console   []string      // warnings and errors
	documents []document    // in the order in which the tab showed them
	loaded    chan struct{} // closed, and replaced, whenever documents changes
}

// document describes a page that the tab shows or has shown. A page that the browser
// restores from its history gets an entry of its own.
type document struct {
	loader   cdp.LoaderID // the navigation that loaded it
	url      string
	complete bool // loaded, or restored
}

// request is one that the browser has sent.
type request struct {
	id            network.RequestID
	method, url   string
	referrer, raw string // raw is all of it
	whole         bool   // with the headers that the network adds
}

// view is a page in a tab, or a frame in it.
type view struct {
	tab   *tab
	where string // what a frame's address begins with; empty for the page
}

// newTab opens a window. 1000 pixels of height have room for all that is clicked.
func newTab(t *testing.T) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	return follow(t, ctx)
}

// follow makes a tab of a context.
func follow(t *testing.T, ctx context.Context) *tab {
	t.Helper()
	require.NoError(t, chromedp.Do(ctx))
	t.Cleanup(func() { explain(t, ctx) })
	bounded, stop := context.WithTimeout(ctx, patience)
	t.Cleanup(stop)
	b := &tab{t: t, ctx: bounded, loaded: make(chan struct{})}
	b.view.tab = b
	require.NoError(t, chromedp.Listen(ctx, b.listen))
	b.resize(1200, 1000, false)
	call(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	return b
}

// call sends the tab a command that cannot fail.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	result, err := chromedp.Call(b.ctx, command, params)
	require.NoError(b.t, err, command.Method)
	return result
}

func (b *tab) resize(width, height int64, phone bool) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: phone,
	})
}

// withoutScript is a browser that runs no script.
func (b *tab) withoutScript() {
	b.t.Helper()
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		raw, _ := json.Marshal(e.Request)
		body := ""
		for _, entry := range e.Request.PostDataEntries {
			body += string(entry.Bytes)
		}
		referrer, _ := e.Request.Headers["Referer"].(string)
		b.requests = append(b.requests, request{e.RequestID, e.Request.Method, e.Request.URL, referrer, string(raw) + body, false})
	case *network.EventRequestWillBeSentExtraInfo:
		// A redirect goes on with the id, and may be heard of earlier.
		for i := range b.requests {
			r := &b.requests[i]
			u, err := url.Parse(r.url)
			if r.id != e.RequestID || r.whole || err != nil || e.Headers["Host"] != u.Host {
				continue
			}
			raw, _ := json.Marshal(e.Headers)
			r.raw, r.whole = r.raw+string(raw), true
			if referrer, ok := e.Headers["Referer"].(string); ok {
				r.referrer = referrer
			}
			break
		}
	case *fetch.EventRequestPaused:
		go func() { // a listener must not call the browser
			// An error means that another navigation has cancelled the request.
			_, _ = chromedp.Call(b.ctx, fetch.FailRequest, fetch.FailRequestParams{
				RequestID: e.RequestID, ErrorReason: network.ErrorReasonAborted,
			})
		}()
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelWarning || e.Entry.Level == log.EntryLevelError {
			b.console = append(b.console, e.Entry.Text)
		}
	case *page.EventFrameNavigated:
		if e.Frame.ParentID == "" {
			restored := e.Type == page.NavigationTypeBackForwardCacheRestore
			b.documents = append(b.documents, document{e.Frame.LoaderID, e.Frame.URL, restored})
			b.documentsChanged()
		}
	case *page.EventLifecycleEvent:
		for i := range b.documents {
			if d := &b.documents[i]; e.Name == "load" && d.loader == e.LoaderID {
				d.complete = true
				b.documentsChanged()
			}
		}
	}
}

// documentsChanged wakes awaitDocument. The caller holds b.mu.
func (b *tab) documentsChanged() {
	close(b.loaded)
	b.loaded = make(chan struct{})
}

// awaitDocument waits until one of the tab's documents, not counting the first skip,
// is complete and matches.
func (b *tab) awaitDocument(skip int, what string, matches func(document) bool) {
	b.t.Helper()
	for {
		b.mu.Lock()
		documents, loaded := b.documents[skip:], b.loaded
		found := slices.ContainsFunc(documents, func(d document) bool { return d.complete && matches(d) })
		seen := fmt.Sprintf("%+v", documents)
		b.mu.Unlock()
		if found {
			return
		}
		select {
		case <-loaded:
		case <-b.ctx.Done():
			require.FailNow(b.t, "the page did not load", "%s\nother pages: %s", what, seen)
		}
	}
}

// sent are the browser's requests to an origin.
func (b *tab) sent(origin string) []request {
	b.mu.Lock()
	defer b.mu.Unlock()
	var sent []request
	for _, r := range b.requests {
		if strings.HasPrefix(r.url, origin+"/") {
			sent = append(sent, r)
		}
	}
	return sent
}

// explain says what a test has failed on.
func explain(t *testing.T, ctx context.Context) {
	if !t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	seen, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.title + "\n" + (document.body ? document.body.innerText : "")`))
	t.Logf("the page: %s (%v)", seen, err)
	dir := os.Getenv("E2E_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = errors.Join(os.MkdirAll(dir, 0o777),
			os.WriteFile(filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-")+".png"), picture, 0o666))
	}
	if err != nil {
		t.Log("no screenshot:", err)
	}
}

// open goes to an address, and waits until the page of this navigation is loaded. If
// the tab shows a page that reloads itself, call stopReloads before that page is
// opened: a reload that is about to be shown cancels every other navigation.
func (b *tab) open(address string) {
	b.t.Helper()
	started := call(b, page.Navigate, page.NavigateParams{URL: address})
	require.Empty(b.t, started.ErrorText, address)
	require.NotEmpty(b.t, started.LoaderID, "%s loads nothing", address)
	b.awaitDocument(0, address, func(d document) bool { return d.loader == started.LoaderID })
}

// back presses the browser's back button, and waits for the page.
func (b *tab) back() {
	b.t.Helper()
	b.travel(-1)
}

// travel goes through the tab's history, like the back (-1) and forward (1) buttons,
// and waits until the page there is loaded, or restored. It does not wait for a step
// that only changes a frame of the current page.
func (b *tab) travel(steps int) {
	b.t.Helper()
	history := call(b, page.GetNavigationHistory, cdp.Empty{})
	i := int(history.CurrentIndex) + steps
	require.True(b.t, i >= 0 && i < len(history.Entries), "step %d of a history of %d", i, len(history.Entries))
	b.mu.Lock()
	before := len(b.documents)
	b.mu.Unlock()
	call(b, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: history.Entries[i].ID})
	b.awaitDocument(before, history.Entries[i].URL, func(document) bool { return true })
}

// follow clicks on what leads to another page, and waits until that is loaded.
func (b *tab) follow(selector string) {
	b.t.Helper()
	b.leadsOn(func() { b.click(selector) })
}

// leadsOn waits until the page that do leads to is loaded.
func (b *tab) leadsOn(do func()) {
	b.t.Helper()
	b.mu.Lock()
	before := len(b.documents)
	b.mu.Unlock()
	do()
	b.awaitDocument(before, "another page", func(document) bool { return true })
}

// stopReloads stops "not yet" pages from reloading themselves: the browser cancels
// the request, and the page stays. A page whose reload was cancelled does not try
// again, also after allowReloads.
func (b *tab) stopReloads() {
	b.t.Helper()
	call(b, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: "*connectlink_look=*"}}})
}

// allowReloads ends stopReloads. Call it while the tab shows a page that does not
// reload itself: otherwise a reload may begin that nobody waits for.
func (b *tab) allowReloads() {
	b.t.Helper()
	call(b, fetch.Disable, cdp.Empty{})
}

// press presses keys, on whatever has the focus.
func (b *tab) press(keys string) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, chromedp.KeyEvent(keys)))
}

// frame is the frame whose address begins so.
func (b *tab) frame(where string) view { return view{b, where} }

// popup is the window that the page opens while do runs.
func (b *tab) popup(do func()) *tab {
	b.t.Helper()
	own := chromedp.FromContext(b.ctx).Target.TargetID // events are of all tabs
	opened := chromedp.WaitNewTarget(b.ctx, func(i *target.Info) bool { return i.OpenerID == own })
	do()
	select {
	case id := <-opened:
		ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
		b.t.Cleanup(cancel)
		return follow(b.t, ctx)
	case <-b.ctx.Done():
		require.FailNow(b.t, "no window was opened")
		return nil
	}
}

// errNoFrame is said of a frame that is not there, or not yet.
var errNoFrame = errors.New("no such frame")

// world is where scripts of a view run: in a frame, one of their own, that is there
// whatever the page's own scripts do.
func (v view) world() (runtime.ExecutionContextID, *page.FrameTree, error) {
	if v.where == "" {
		return 0, nil, nil
	}
	tree, err := chromedp.Call(v.tab.ctx, page.GetFrameTree, cdp.Empty{})
	if err != nil {
		return 0, nil, err
	}
	for _, child := range tree.FrameTree.ChildFrames {
		if strings.HasPrefix(child.Frame.URL, v.where) {
			made, err := chromedp.Call(v.tab.ctx, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{
				FrameID: child.Frame.ID, WorldName: "e2e",
			})
			return made.ExecutionContextID, child, err
		}
	}
	return 0, nil, errNoFrame
}

// evaluate is the value of a script.
func evaluate[T any](v view, script string) (T, error) {
	var zero T
	id, _, err := v.world()
	if err != nil {
		return zero, err
	}
	var options []chromedp.EvaluateOption
	if id != 0 {
		options = append(options, func(p *runtime.EvaluateParams) { p.ContextID = id })
	}
	return chromedp.Run(v.tab.ctx, chromedp.Evaluate[T](script, options...))
}

// get is the value of a script that cannot fail.
func get[T any](v view, script string) T {
	v.tab.t.Helper()
	value, err := evaluate[T](v, script)
	require.NoError(v.tab.t, err, script)
	return value
}

// run runs a script for what it does.
func (v view) run(script string) {
	v.tab.t.Helper()
	_, err := evaluate[chromedp.Void](v, script)
	require.NoError(v.tab.t, err, script)
}

// wait runs a script until its value is true. While the browser goes from one page to
// another, scripts fail, and wait runs them again.
func (v view) wait(script string) {
	v.tab.t.Helper()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var last error
	for {
		ok, err := evaluate[bool](v, "!!("+script+")")
		if ok && err == nil {
			return
		}
		if err != nil && v.tab.ctx.Err() == nil {
			last = err
		}
		select {
		case <-ticker.C:
		case <-v.tab.ctx.Done():
			require.FailNow(v.tab.t, "waited in vain", "for %s\nlast error: %v", script, last)
		}
	}
}

// element is a script for the element of a selector.
func element(selector string) string { return fmt.Sprintf("document.querySelector(%q)", selector) }

// see waits until an element is shown.
func (v view) see(selector string) {
	v.tab.t.Helper()
	v.wait(fmt.Sprintf("%s?.checkVisibility({visibilityProperty: true})", element(selector)))
}

// text waits for an element, and is what it says.
func (v view) text(selector string) string {
	v.tab.t.Helper()
	v.see(selector)
	return strings.TrimSpace(get[string](v, element(selector)+".innerText"))
}

// at waits until the page has this path.
func (b *tab) at(path string) {
	b.t.Helper()
	b.wait(fmt.Sprintf("location.pathname === %q && document.readyState === 'complete'", path))
}

// address is where the page is.
func (b *tab) address() *url.URL {
	b.t.Helper()
	u, err := url.Parse(get[string](b.view, "location.href"))
	require.NoError(b.t, err)
	return u
}

// click clicks on an element with the mouse, once it can be.
func (v view) click(selector string) {
	v.tab.t.Helper()
	b := v.tab
	place := fmt.Sprintf(`(() => {
		const e = %s;
		if (!e || e.disabled || document.readyState !== "complete") return [];
		e.scrollIntoView({block: "nearest"});
		const r = e.getBoundingClientRect(), x = r.left + r.width / 2, y = r.top + r.height / 2;
		return e.contains(document.elementFromPoint(x, y)) ? [x, y] : [];
	})()`, element(selector))
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		// Twice the same: nothing moves.
		first, err1 := v.point(place)
		second, err2 := v.point(place)
		if err1 == nil && err2 == nil && len(first) == 2 && len(second) == 2 && first[0] == second[0] && first[1] == second[1] {
			require.NoError(b.t, chromedp.Do(b.ctx, chromedp.MouseClickXY(second[0], second[1])))
			return
		}
		select {
		case <-ticker.C:
		case <-b.ctx.Done():
			require.FailNow(b.t, "there is nothing to click on", "%s: %v", selector, errors.Join(err1, err2))
		}
	}
}

// point is where a script says, in the coordinates of the tab.
func (v view) point(script string) ([]float64, error) {
	at, err := evaluate[[]float64](v, script)
	if err != nil || len(at) != 2 || v.where == "" {
		return at, err
	}
	_, tree, err := v.world()
	if err != nil {
		return nil, err
	}
	owner, err := chromedp.Call(v.tab.ctx, dom.GetFrameOwner, dom.GetFrameOwnerParams{FrameID: tree.Frame.ID})
	if err != nil {
		return nil, err
	}
	box, err := chromedp.Call(v.tab.ctx, dom.GetBoxModel, dom.GetBoxModelParams{BackendNodeID: owner.BackendNodeID})
	if err != nil {
		return nil, err
	}
	return []float64{box.Model.Content[0] + at[0], box.Model.Content[1] + at[1]}, nil
}

// fill enters a text into a field, in place of what it has.
func (v view) fill(selector, text string) {
	v.tab.t.Helper()
	v.click(selector)
	v.wait(element(selector) + " === document.activeElement")
	v.run(element(selector) + ".select()")
	v.tab.insert(text)
	v.wait(fmt.Sprintf("%s.value === %q", element(selector), text))
}

// insert enters a text into what has the focus.
func (b *tab) insert(text string) {
	b.t.Helper()
	call(b, input.InsertText, input.InsertTextParams{Text: text})
}

// tabTo presses Tab until an element has the focus, as it can be seen to have.
func (v view) tabTo(selector string) {
	v.tab.t.Helper()
	for range 150 {
		v.tab.press(kb.Tab)
		// In a frame there is nothing until it is entered.
		on, err := evaluate[bool](v, fmt.Sprintf("document.hasFocus() && document.activeElement === %s", element(selector)))
		if err == nil && on {
			assert.NotEqual(v.tab.t, "none", get[string](v, "getComputedStyle(document.activeElement).outlineStyle"), "the focus on %s cannot be seen", selector)
			return
		}
	}
	require.FailNow(v.tab.t, "the keyboard does not get there", selector)
}

// fits checks that nothing has to be scrolled sideways for.
func (v view) fits(width int) {
	v.tab.t.Helper()
	v.wait("document.readyState === 'complete'")
	assert.Equal(v.tab.t, width, get[int](v, "innerWidth"), "the page has made the window wider")
	assert.LessOrEqual(v.tab.t, get[int](v, "document.documentElement.scrollWidth"), width, "at %s", get[string](v, "location.pathname"))
}
