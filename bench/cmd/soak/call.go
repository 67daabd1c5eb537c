package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// ending says how a create ended.
type ending struct {
	link  connectlinks.ConnectLink
	err   error
	looks *looks
	gone  bool // the caller's context had ended
	newer int  // links of the same kind that were made later, when the call ended
}

// looks records how the SDK looked for a lost link.
type looks struct {
	mu  sync.Mutex
	n   int
	err error // of one that failed
}

type looksKey struct{}

// recordLook is a hook: the calls inside the context of a create are looks for its link.
func recordLook(ctx context.Context, call connectlinks.Call) (context.Context, func(connectlinks.CallResult)) {
	l, ok := ctx.Value(looksKey{}).(*looks)
	if !ok || call.Method != http.MethodGet {
		return nil, nil
	}
	return nil, func(result connectlinks.CallResult) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.n++
		if result.Err != nil {
			l.err = result.Err
		}
	}
}

// lost says why nobody has the link of a create whose outcome is unknown, and "" if there is no
// reason.
func (c *ending) lost() string {
	switch {
	case c.gone || errors.Is(c.err, context.Canceled) || errors.Is(c.err, context.DeadlineExceeded):
		return "the caller had gone away"
	case c.looks.err != nil:
		return "a look failed: " + classify(c.looks.err)
	case c.looks.n < 3:
		return "the caller's deadline left no time for another look"
	case c.newer >= 300:
		return "made after the first look, and no longer among the newest 300 at the last"
	}
	return ""
}

func (e *epoch) violation(format string, args ...any) {
	e.violations = append(e.violations, fmt.Sprintf(format, args...))
}

// call makes one call of the SDK, mostly a create.
func (e *epoch) call(serial int64) {
	ctx, cancel := e.context()
	defer cancel()
	seen := &looks{}
	v1, v2 := e.soak.v1, e.soak.v2
	if rand.N(4) == 0 { // as for a tenant
		derived, err := v1.With(connectlinks.WithMaxRetries(rand.N(3)))
		if err == nil {
			v1 = derived
		}
	}
	name := fmt.Sprintf("https://example.com/back/%d/%d", e.n, serial)
	params := connectlinks.CreateConnectLinkParams{Type: "hubspot", RedirectURI: name, UniqueRedirect: true}
	create := context.WithValue(ctx, looksKey{}, seen)
	var link connectlinks.ConnectLink
	switch rand.N(10) {
	case 0, 1:
		params.Type = "postgres"
		l, err := v1.Sources.CreateConnectLink(create, params)
		if err == nil {
			link = l.ConnectLink
		}
		e.created(name, &ending{link: link, err: err, looks: seen, gone: ctx.Err() != nil})
	case 2, 3, 4:
		l, err := v1.Destinations.CreateConnectLink(create, params)
		if err == nil {
			link = l.ConnectLink
		}
		e.created(name, &ending{link: link, err: err, looks: seen, gone: ctx.Err() != nil})
	case 5, 6:
		l, err := v2.Activations.CreateConnectLink(create, connectlinks.CreateActivationConnectLinkParams{
			GroupID: e.srv.Group(), Type: params.Type, RedirectURI: name, UniqueRedirect: true,
		})
		if err == nil {
			link = l.ConnectLink
		}
		e.created(name, &ending{link: link, err: err, looks: seen, gone: ctx.Err() != nil})
	case 7:
		id := e.some()
		l, err := v1.Destinations.GetConnectLink(ctx, id)
		e.read("get", err, err != nil || l.ID == id)
	case 8:
		id := e.some()
		l, err := v1.Destinations.RevokeConnectLink(ctx, id)
		e.read("revoke", err, err != nil || l.ID == id && l.Revoked)
	case 9:
		if rand.N(10) > 0 {
			_, err := v1.Workspaces.Current(ctx)
			e.read("workspace", err, true)
			return
		}
		page, err := v1.Destinations.ListConnectLinks(ctx, connectlinks.ListOptions{PerPage: 10})
		e.read("list", err, err != nil || len(page.Items) <= 10)
	}
}

// context is patient for most calls, and runs out or is cancelled for some.
func (e *epoch) context() (context.Context, context.CancelFunc) {
	ctx := context.Background()
	switch rand.N(10) {
	case 0:
		return context.WithTimeout(ctx, rand.N(5*time.Millisecond))
	case 1:
		ctx, cancel := context.WithCancel(ctx)
		timer := time.AfterFunc(rand.N(5*time.Millisecond), cancel)
		return ctx, func() { timer.Stop(); cancel() }
	}
	return context.WithTimeout(ctx, 5*time.Second)
}

// some is the id of a link that a call has returned, or of none.
func (e *epoch) some() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.calls { // in any order
		if c.err == nil {
			return c.link.ID
		}
	}
	return 1
}

func (e *epoch) created(name string, c *ending) {
	class := classify(c.err)
	if errors.Is(c.err, connectlinks.ErrOutcomeUnknown) && c.lost() == "" {
		c.newer = e.newer(name)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls[name] = c
	e.results["create: "+class]++
	e.soak.creates++
	switch {
	case errors.Is(c.err, connectlinks.ErrOutcomeUnknown):
		e.soak.unknown++
	case c.err == nil && c.looks.n > 0:
		e.soak.found++
	case class == "":
		e.violation("a create ended with an error of no type: %v", c.err)
	}
}

// newer counts the links of the same kind that were made after a call's link.
func (e *epoch) newer(name string) (n int) {
	links := e.srv.Links()
	i := slices.IndexFunc(links, func(l connectlinkstest.Link) bool { return l.ConnectLink.RedirectURI == name })
	if i < 0 {
		return 0 // it was not made
	}
	for _, l := range links {
		if l.Kind == links[i].Kind && l.ConnectLink.ID > links[i].ConnectLink.ID {
			n++
		}
	}
	return n
}

func (e *epoch) read(what string, err error, right bool) {
	class := classify(err)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.results[what+": "+class]++
	switch {
	case class == "" || errors.Is(err, connectlinks.ErrOutcomeUnknown):
		e.violation("a %s ended with %v", what, err)
	case !right:
		e.violation("a %s returned something else", what)
	}
}

// classify names the type of an error; "" if it has none.
func classify(err error) string {
	var (
		api     *connectlinks.APIError
		network net.Error
		timeout interface{ Timeout() bool }
		prefix  string
	)
	if errors.Is(err, connectlinks.ErrOutcomeUnknown) {
		prefix = "outcome unknown, "
	}
	switch {
	case err == nil:
		return "success"
	case errors.Is(err, context.Canceled):
		return prefix + "cancelled"
	case errors.Is(err, context.DeadlineExceeded):
		return prefix + "deadline"
	case errors.As(err, &api):
		return prefix + fmt.Sprintf("APIError %d", api.StatusCode)
	case errors.Is(err, connectlinks.ErrBadResponse):
		return prefix + "bad response"
	case errors.As(err, &timeout) && timeout.Timeout():
		return prefix + "timeout"
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return prefix + "connection lost"
	case prefix != "":
		return prefix + "something else"
	}
	return ""
}

// walk compares the links of a kind, through the API, with the server's own list.
func (e *epoch) walk() {
	token, err := e.srv.RotateToken(e.workspace) // the one before may be throttled
	if err != nil {
		e.violation("%v", err)
		return
	}
	client, err := e.soak.v1.With(connectlinks.WithToken(token), connectlinks.WithTimeout(0))
	if err != nil {
		e.violation("%v", err)
		return
	}
	listed := map[int64]bool{}
	collect(e, listed, client.Sources.AllConnectLinks(context.Background(), connectlinks.ListOptions{PerPage: 100}),
		func(l *connectlinks.SourceConnectLink) int64 { return l.ID })
	collect(e, listed, client.Destinations.AllConnectLinks(context.Background(), connectlinks.ListOptions{PerPage: 100}),
		func(l *connectlinks.DestinationConnectLink) int64 { return l.ID })
	for _, l := range e.srv.Links() {
		if l.GroupID == "" && !listed[l.ConnectLink.ID] {
			e.violation("link %d is missing from the list", l.ConnectLink.ID)
		}
	}
}

func collect[L any](e *epoch, into map[int64]bool, links iter.Seq2[*L, error], id func(*L) int64) {
	for l, err := range links {
		if err != nil {
			e.violation("a walk of all links ended with %v", err)
			return
		}
		if into[id(l)] {
			e.violation("link %d is listed twice", id(l))
		}
		into[id(l)] = true
	}
}

// account traces every link that the server has made to the call that made it.
func (e *epoch) account() {
	made := map[string]int64{}
	for _, l := range e.srv.Links() {
		e.soak.links++
		name := l.ConnectLink.RedirectURI
		call, ours := e.calls[name]
		switch {
		case !ours:
			e.violation("link %d was made by no call", l.ConnectLink.ID)
		case made[name] != 0:
			e.violation("links %d and %d were made by one call", made[name], l.ConnectLink.ID)
		case errors.Is(call.err, connectlinks.ErrOutcomeUnknown) && call.lost() == "":
			e.violation("link %d was lost although its caller was waiting and every look was answered; %d newer ones", l.ConnectLink.ID, call.newer)
		case errors.Is(call.err, connectlinks.ErrOutcomeUnknown):
			e.soak.lost[call.lost()]++
		case call.err != nil:
			e.violation("link %d was made by a call whose error denies it: %v", l.ConnectLink.ID, call.err)
		case call.link.ID != l.ConnectLink.ID || call.link.URL != l.ConnectLink.URL:
			e.violation("link %d was returned as link %d", l.ConnectLink.ID, call.link.ID)
		}
		made[name] = l.ConnectLink.ID
	}
	for name, call := range e.calls {
		if call.err == nil && made[name] == 0 {
			e.violation("link %d was returned, and never made", call.link.ID)
		}
	}
}
