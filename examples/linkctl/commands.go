package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/connectlinks/connectlinks-go"
)

// app is a running command: its options, its API, and its result, as text and as the value of
// -json.
type app struct {
	options
	session
	setup  error // why there is no session; only doctor goes on then
	tty    bool  // stderr is a terminal
	text   strings.Builder
	result any
}

// collect returns the items that are wanted. The slice is never nil, which JSON would show.
func collect[T any](items iter.Seq2[T, error], wanted func(T) bool) ([]T, error) {
	kept := []T{}
	for v, err := range items {
		if err != nil {
			return nil, err
		}
		if wanted(v) {
			kept = append(kept, v)
		}
	}
	return kept, nil
}

// types is the command types. The functions below are the commands with their names.
func types(ctx context.Context, a *app) error {
	text := strings.ToLower(a.arg)
	found, err := collect(a.api.types(ctx), func(s service) bool {
		return (a.all || s.Linkable) && strings.Contains(strings.ToLower(s.Name+" "+s.Label), text)
	})
	var rows [][]string
	for _, s := range found {
		rows = append(rows, []string{s.Name, s.Label, map[bool]string{true: "yes"}[s.Linkable]})
	}
	table(&a.text, []string{"TYPE", "LABEL", "LINK"}, rows)
	return a.answer(found, err)
}

func create(ctx context.Context, a *app) error {
	l, err := a.api.create(ctx, connectlinks.CreateConnectLinkParams{Type: a.typ, RedirectURI: a.redirectURI})
	flags := ""
	if a.kind == "activation" {
		flags = " -since " + stamp(l.CreatedAt)
	}
	return a.made(l, flags, err)
}

func reauthorize(ctx context.Context, a *app) error {
	before, err := a.api.connection(ctx, a.arg)
	if err != nil {
		return err
	}
	l, err := a.api.reauthorize(ctx, a.arg, a.redirectURI)
	since := cmp.Or(before.LastTestedAt, before.CreatedAt).Format(time.RFC3339Nano)
	return a.made(l, " -connection "+safe(before.ID)+" -since "+since, err)
}

// made shows a new link: its URL, and how to wait for it.
func (a *app) made(l link, flags string, err error) error {
	l.Shown = l.URL
	a.say("%s\n", safe(l.URL))
	if a.sandbox != nil {
		a.say("That is link %d (%s) of the sandbox, and ends with it: now.", l.ID, safe(l.Type))
		return a.answer(l, err)
	}
	a.say("That is link %d (%s), which ends at %s. Give it to your customer", l.ID, safe(l.Type), stamp(l.ExpiresAt))
	a.say("and to nobody else: who has it can connect. To wait for the customer:")
	a.say("  linkctl wait -kind %s%s %d", a.kind, flags, l.ID)
	return a.answer(l, err)
}

func wait(ctx context.Context, a *app) error {
	l, err := a.api.link(ctx, parseID(a.arg))
	if err != nil {
		return err
	}
	var earlier []connection // the wait may find one of these, since the link does not name its activation
	if a.kind == "activation" && a.connection == "" && a.since.IsZero() {
		if earlier, err = collect(a.api.connections(ctx), func(c connection) bool { return c.Type == l.Type && c.GroupID == l.GroupID }); err != nil {
			return err
		}
	}
	waitFor := func() (connection, error) { return a.api.wait(ctx, l.ID) }
	if a.connection != "" {
		before, err := a.api.connection(ctx, a.connection)
		if err != nil {
			return err
		}
		if l.ConnectionID != "" && l.ConnectionID != before.ID {
			return misuse(fmt.Sprintf("link %d is not for connection %s but for %s", l.ID, before.ID, l.ConnectionID), "")
		}
		waitFor = func() (connection, error) { return a.api.waitRenewed(ctx, l.ID, cmp.Or(a.since, before.LastTestedAt)) }
	}
	if a.sandbox != nil {
		defer a.sandbox.customer(l)()
	}
	stop := func() {}
	if a.tty {
		stop = countdown(a.stderr, l)
	}
	c, err := waitFor()
	stop()
	if err != nil {
		return err
	}
	a.showConnection(c)
	if a.connection == "" && l.ConnectionID != "" {
		a.say("The link had this connection already. If it is there to renew it: wait -connection %s", l.ConnectionID)
	}
	switch {
	case c.LastTestSucceeded != nil && !*c.LastTestSucceeded:
		err = &failure{exitOther, "connected, but the test failed", "the customer can correct it: linkctl reauthorize -kind " + a.kind + " " + safe(c.ID), nil}
	case slices.ContainsFunc(earlier, func(e connection) bool { return e.ID == c.ID }):
		err = &failure{exitOther, "this was connected before the wait began: perhaps by another link", "say with -since when yours was made; create printed it", nil}
	}
	return cmp.Or(a.answer(c, nil), err)
}

// countdown shows on w, every second, how long the link still lives. stop ends it, and
// clears the line.
func countdown(w io.Writer, l link) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		second := time.NewTicker(time.Second)
		defer second.Stop()
		for {
			fmt.Fprintf(w, "\r%-70s", fmt.Sprintf("waiting for the customer with link %d, %s left", l.ID, cmp.Or(l.left(), "unknown time")))
			select {
			case <-second.C:
			case <-quit:
				fmt.Fprintf(w, "\r%70s\r", "")
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

func list(ctx context.Context, a *app) error {
	if a.connections {
		found, err := collect(a.api.connections(ctx), func(c connection) bool { return a.typ == "" || a.typ == c.Type })
		var rows [][]string
		for _, c := range found {
			rows = append(rows, []string{c.ID, c.Type, c.Name, stamp(c.CreatedAt), c.lastTest(), c.GroupID})
		}
		table(&a.text, []string{"CONNECTION", "TYPE", "NAME", "CONNECTED", "TEST", "GROUP"}, rows)
		return a.answer(found, err)
	}
	found, err := collect(a.api.links(ctx), func(l link) bool {
		return (a.all || l.live()) && (a.typ == "" || a.typ == l.Type)
	})
	a.showLinks(&a.text, found)
	if slices.ContainsFunc(found, link.live) {
		a.say("\n%s", aboutLive)
	}
	return a.answer(found, err)
}

func get(ctx context.Context, a *app) error {
	l, err := a.api.link(ctx, parseID(a.arg))
	if err != nil {
		return err
	}
	got := struct {
		link
		Connection *connection `json:"connection,omitempty"`
	}{link: a.showLinks(&a.text, []link{l})[0]}
	a.say("redirect URI: %s", cmp.Or(safe(l.RedirectURI), "the organization's default"))
	if l.ConnectionID != "" {
		c, err := a.api.connection(ctx, l.ConnectionID)
		switch {
		case err == nil:
			got.Connection = &c
			a.showConnection(c)
		case !errors.Is(err, connectlinks.ErrNotFound):
			return err
		default:
			a.say("%s %s does not exist any more", a.kind, l.ConnectionID)
		}
	}
	return a.answer(got, nil)
}

func revoke(ctx context.Context, a *app) error {
	switch {
	case a.all == (a.arg != ""):
		return misuse("revoke takes either a LINK or -all", "")
	case a.all && a.kind == "activation" && a.group == "":
		return misuse("-group is missing", "one personal token sees all customers' links: say whose -all is to revoke")
	case a.all:
		return a.revokeAll(ctx)
	}
	l, err := a.api.revoke(ctx, parseID(a.arg))
	return a.answer(a.showLinks(&a.text, []link{l})[0], err)
}

// revokeAll revokes every live link, or those of -type. If one cannot be revoked, it goes on.
func (a *app) revokeAll(ctx context.Context) error {
	if !a.yes && !(a.tty && terminal(a.stdin)) {
		return errNobody
	}
	live, err := collect(a.api.links(ctx), func(l link) bool { return l.live() && (a.typ == "" || l.Type == a.typ) })
	if err == nil && !a.yes && len(live) > 0 {
		a.showLinks(a.stderr, live)
		err = a.ask(fmt.Sprintf("Revoke these %d links of %s? Type yes: ", len(live), safe(a.baseURL)), errNobody, "nothing was revoked")
	}
	if err != nil {
		return err
	}
	revoked, failed := []link{}, error(nil)
	for _, l := range live {
		l, err := a.api.revoke(ctx, l.ID)
		if err == nil {
			revoked = append(revoked, l)
		} else if failed = cmp.Or(failed, err); ctx.Err() != nil || errors.Is(err, connectlinks.ErrRateLimited) {
			break // the next one would fail too
		}
	}
	if failed != nil {
		f := *explain(failed)
		f.what = fmt.Sprintf("%d of %d links were not revoked: %s", len(live)-len(revoked), len(live), f.what)
		failed = &f
	}
	return cmp.Or(a.answer(a.showLinks(&a.text, revoked), nil), failed)
}

var errNobody = misuse("revoke -all asks first, and needs a terminal for that",
	"linkctl list with the same -kind and -type shows the links; then revoke with -yes")

// ask asks a question on the terminal. It returns nil for yes, an error with the text no for
// another answer, and nobody without an answer. From then on Ctrl-C ends the program at once,
// because a context does not end a read.
func (p process) ask(question string, nobody error, no string) error {
	signal.Reset(os.Interrupt)
	fmt.Fprint(p.stderr, question)
	switch answer, err := bufio.NewReader(p.stdin).ReadString('\n'); {
	case strings.TrimSpace(answer) == "yes":
		return nil
	case err != nil: // such as the end of an empty file
		return nobody
	}
	return &failure{exitOther, no, "", nil}
}
