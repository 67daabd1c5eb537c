package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/connectlinks/connectlinks-go"
)

// app is a command under way: what it was told, whom it talks to, and its answer,
// as text and as the value that -json shows.
type app struct {
	options
	session
	setup  error // why there is no session; only doctor goes on then
	tty    bool  // somebody reads stderr
	text   strings.Builder
	result any
}

// flush prints the answer, if there is one.
func (a *app) flush() error {
	if a.result == nil {
		return nil
	}
	text := a.text.String()
	if a.json {
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(a.result); err != nil {
			return err
		}
		text = escape(b.String())
	}
	_, err := io.WriteString(os.Stdout, text)
	return err
}

// escape escapes what a terminal obeys and encoding/json leaves in a string, such
// as C1 controls and changes of the writing direction. No data is lost.
func escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\n' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// say adds a line to the text.
func (a *app) say(format string, args ...any) { fmt.Fprintf(&a.text, format+"\n", args...) }

// answer is the end of a command: result is what its text says, unless it failed.
func (a *app) answer(result any, err error) error {
	if err == nil {
		a.result = result
	}
	return err
}

// table writes rows in columns, without those that are empty below their title.
func table(w io.Writer, titles []string, rows [][]string) {
	if len(rows) == 0 {
		fmt.Fprintln(w, "none")
		return
	}
	filled := make([]bool, len(titles))
	for _, row := range rows {
		for i, cell := range row {
			filled[i] = filled[i] || cell != ""
		}
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{titles}, rows...) {
		var cells []string
		for i, cell := range row {
			if filled[i] {
				cells = append(cells, cmp.Or(safe(cell), "-"))
			}
		}
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	_ = tw.Flush()
}

// safe makes text from outside harmless: customers choose names, and a terminal
// obeys what it is shown.
func safe(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// terminal reports whether f is a character device other than the null device.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// stamp is a time for people.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "?"
	}
	return t.UTC().Format(time.RFC3339)
}

// left is how long a link still lives, by this machine's clock.
func (l link) left() string {
	if !l.live() || l.ExpiresAt.IsZero() {
		return ""
	}
	return max(0, time.Until(l.ExpiresAt)).Round(time.Second).String()
}

// collect is the items that are wanted: never nil, which JSON would show.
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

// aboutLive is what a list of live links does not show.
const aboutLive = `A live link may have been used already: the API does not say. To cut somebody off,
revoke every live link, with a CONNECTION or without.`

// showLinks writes links as a table, and uncovers their URLs if that was asked for.
func (a *app) showLinks(w io.Writer, links []link) []link {
	var rows [][]string
	for i, l := range links {
		if a.showURL {
			links[i].Shown = l.URL
		}
		rows = append(rows, []string{formatID(l.ID), l.Type, l.State, stamp(l.ExpiresAt), l.left(), l.ConnectionID, l.GroupID, links[i].Shown})
	}
	table(w, []string{"LINK", "TYPE", "STATE", "EXPIRES", "LEFT", "CONNECTION", "GROUP", "URL"}, rows)
	return links
}

// verdict is how the connection's last test went.
func (c connection) verdict() string {
	switch {
	case c.TestSucceeded == nil:
		return "never tested"
	case *c.TestSucceeded:
		return "test passed at " + stamp(c.LastTestedAt)
	}
	return "test FAILED at " + stamp(c.LastTestedAt)
}

// showConnection adds a connection and its tests to the text.
func (a *app) showConnection(c connection) {
	a.say("%s %s: %q (%s), connected at %s, %s", a.kind, safe(c.ID), c.Name, safe(c.Type), stamp(c.CreatedAt), c.verdict())
	for _, t := range c.Tests {
		a.say("  %s: %s", safe(t.Step), safe(strings.TrimSpace(t.Status+" "+t.Error)))
	}
	if len(c.Details) > len("{}") {
		a.say("  details: %s", safe(string(c.Details)))
	}
}

// types is the command of that name, as are the functions like it that follow.
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
	flags := ""
	if a.kind == "activation" {
		flags = " -since " + stamp(time.Now().Add(-time.Minute)) // the API's clock is another
	}
	l, err := a.api.create(ctx, a.typ, a.redirectURI)
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

// made is the end of a command that makes a link: its URL, and how to wait for it.
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
	began := time.Now()
	l, err := a.api.link(ctx, parseID(a.arg))
	if err != nil {
		return err
	}
	await := func() (connection, error) { return a.api.wait(ctx, l.ID) }
	if a.renews != "" {
		before, err := a.api.connection(ctx, a.renews)
		if err != nil {
			return err
		}
		if l.ConnectionID != "" && l.ConnectionID != before.ID {
			return misuse(fmt.Sprintf("link %d is not for connection %s but for %s", l.ID, before.ID, l.ConnectionID), "")
		}
		await = func() (connection, error) { return a.api.waitRenewed(ctx, l.ID, cmp.Or(a.since, before.LastTestedAt)) }
	}
	if a.sandbox != nil {
		defer a.sandbox.customer(l)()
	}
	stop := func() {}
	if a.tty {
		stop = countdown(os.Stderr, l)
	}
	c, err := await()
	stop()
	if err != nil {
		return err
	}
	a.showConnection(c)
	if a.renews == "" && l.ConnectionID != "" {
		a.say("The link had this connection already. If it is there to renew it: wait -connection %s", l.ConnectionID)
	}
	switch {
	case c.TestSucceeded != nil && !*c.TestSucceeded:
		err = &failure{exitOther, "connected, but the test failed", "the customer can correct it: linkctl reauthorize -kind " + a.kind + " " + safe(c.ID), nil}
	case a.renews == "" && l.ConnectionID == "" && a.since.IsZero() && c.CreatedAt.Before(began):
		err = &failure{exitOther, "this was connected before the wait began: perhaps by another link", "say with -since when yours was made; create printed it", nil}
	}
	return cmp.Or(a.answer(c, nil), err)
}

// countdown shows on w, every second, how long the link still lives. stop ends it
// and wipes the line.
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
			rows = append(rows, []string{c.ID, c.Type, c.Name, stamp(c.CreatedAt), c.verdict(), c.GroupID})
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
			a.say("%s %s is there no more", a.kind, l.ConnectionID)
		}
	}
	return a.answer(got, nil)
}

func revoke(ctx context.Context, a *app) error {
	switch {
	case a.all == (a.arg != ""):
		return misuse("revoke takes either a LINK or -all", "")
	case a.all:
		return a.revokeAll(ctx)
	}
	l, err := a.api.revoke(ctx, parseID(a.arg))
	return a.answer(a.showLinks(&a.text, []link{l})[0], err)
}

// revokeAll revokes every live link, or those of -type. It goes on after a link that cannot be revoked.
func (a *app) revokeAll(ctx context.Context) error {
	if !a.yes && !(a.tty && terminal(os.Stdin)) {
		return errNobody
	}
	doomed, err := collect(a.api.links(ctx), func(l link) bool { return l.live() && (a.typ == "" || l.Type == a.typ) })
	if err == nil && !a.yes && len(doomed) > 0 {
		a.showLinks(os.Stderr, doomed)
		err = ask(fmt.Sprintf("Revoke these %d links of %s? Type yes: ", len(doomed), safe(a.baseURL)))
	}
	if err != nil {
		return err
	}
	revoked, failed := []link{}, error(nil)
	for _, l := range doomed {
		l, err := a.api.revoke(ctx, l.ID)
		if err == nil {
			revoked = append(revoked, l)
		} else if failed = cmp.Or(failed, err); ctx.Err() != nil || errors.Is(err, connectlinks.ErrRateLimited) {
			break // the next would go the same way
		}
	}
	if failed != nil {
		f := *explain(failed)
		f.what = fmt.Sprintf("%d of %d links were not revoked: %s", len(doomed)-len(revoked), len(doomed), f.what)
		failed = &f
	}
	return cmp.Or(a.answer(a.showLinks(&a.text, revoked), nil), failed)
}

var errNobody = misuse("revoke -all asks first, and there is nobody to ask",
	"see with linkctl list, and the same -kind and -type, what would go; then revoke with -yes")

// ask asks on the terminal, and is nil for a yes. From then on Ctrl-C ends the
// program at once: reading does not heed a context.
func ask(question string) error {
	signal.Reset(os.Interrupt)
	fmt.Fprint(os.Stderr, question)
	switch answer, err := bufio.NewReader(os.Stdin).ReadString('\n'); {
	case strings.TrimSpace(answer) == "yes":
		return nil
	case err != nil: // such as the end of an empty file
		return errNobody
	}
	return &failure{exitOther, "nothing was revoked", "", nil}
}

// finding is what doctor has to say about one thing.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok or problem
	Found  string `json:"found"`
	ToDo   string `json:"to_do,omitempty"`
}

func doctor(ctx context.Context, a *app) error {
	var findings []finding
	var problems []*failure
	report := func(check string, problem error, ok, todo string) {
		f := finding{check, "ok", ok, todo}
		if problem != nil {
			p := explain(problem)
			f = finding{check, "problem", p.what, p.todo}
			problems = append(problems, p)
		}
		findings = append(findings, f)
		a.say("%-8s %-12s %s", f.Status, f.Check, safe(f.Found))
		if f.ToDo != "" {
			a.say("%22s-> %s", "", safe(f.ToDo))
		}
	}
	if a.setup != nil {
		report("settings", a.setup, "", "")
	} else {
		a.examine(ctx, report)
	}
	a.result = findings
	if len(problems) > 0 {
		return &failure{problems[0].code, fmt.Sprintf("%d of %d checks found a problem", len(problems), len(findings)), "", nil}
	}
	return nil
}

// examine asks the API what only the API knows.
func (a *app) examine(ctx context.Context, report func(check string, problem error, ok, todo string)) {
	opened, err := a.opens(ctx)
	is := func(target error) bool { return errors.Is(err, target) }
	needs, todo := "", "copy all of it, prefix included"
	switch prefixed := strings.HasPrefix(a.token, "secret-token:"); {
	case !is(connectlinks.ErrUnauthorized) && !is(connectlinks.ErrForbidden): // what it takes for a token is one
	case a.kind == "activation" && prefixed:
		needs, todo = "a personal access token, and this is a workspace API key", "activations take no other"
	case a.kind != "activation" && !prefixed:
		needs = `a workspace API key, which begins with "secret-token:"`
	}
	if needs != "" {
		report("token", misuse(a.tokenFrom+" must be "+needs, todo), "", "")
	} else {
		report("token", nil, a.tokenFrom+" looks as it should", "")
	}

	var api *connectlinks.APIError
	if err != nil && (!errors.As(err, &api) || api.StatusCode < 400 || api.StatusCode >= 500) {
		report("region", err, "", "")
		return
	}
	region, other := "neither the US nor the EU", ""
	switch strings.TrimRight(a.baseURL, "/") {
	case connectlinks.BaseURLUS:
		region, other = "the US", "; or is it of the EU? then CENSUS_BASE_URL="+connectlinks.BaseURLEU
	case connectlinks.BaseURLEU:
		region, other = "the EU", "; or is it of the US? then CENSUS_BASE_URL="+connectlinks.BaseURLUS
	}
	todo = ""
	if a.kind != "activation" {
		todo = "API V1 ends on 15 January 2027: its destinations become -kind activation, its sources have no successor"
	}
	report("region", nil, a.baseURL+" answers, which is "+region, todo)

	switch {
	case is(connectlinks.ErrUnauthorized):
		err = &failure{exitRefused, "the API does not know the token", "make a new one in the account's settings" + other, nil}
	case is(connectlinks.ErrNotFound):
		err = &failure{exitNotFound, "there are no workspaces here", "is CENSUS_BASE_URL right? is API V1 retired? then -kind activation", nil}
	}
	if report("workspace", err, opened, ""); err == nil && a.typ != "" {
		s, err := a.api.service(ctx, a.typ)
		todo := "linkctl types -kind " + a.kind + " shows what can be linked"
		switch {
		case errors.Is(err, connectlinks.ErrNotFound):
			err = &failure{exitNotFound, fmt.Sprintf("there is no type %q", a.typ), todo, nil}
		case err == nil && !s.Linkable:
			err = &failure{exitRefused, "no link can be made for " + s.Label, todo, nil}
		}
		report("type", err, s.Label+" can be linked", "")
	}
	if a.redirectURI != "" {
		var problem error
		_, err := a.api.create(ctx, "", a.redirectURI) // without a type the SDK sends nothing, and says what is wrong
		for _, said := range inputErrors(err) {
			if strings.HasPrefix(said, "-redirect-uri") {
				problem = misuse(said, "give a whole address, such as https://app.example.com/connected")
			}
		}
		report("redirect URI", problem, "well formed", "")
	}
}

// opens is what the token opens.
func (a *app) opens(ctx context.Context) (string, error) {
	if a.kind != "activation" {
		w, err := a.client.Workspaces.Current(ctx)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%q (id %d, organization %d)", w.Name, w.ID, w.OrganizationID), nil
	}
	one := connectlinks.ListOptions{PerPage: 1}
	activations, err := a.client.Activations.List(ctx, one)
	if err != nil {
		return "", err
	}
	opened := fmt.Sprintf("activations: %d", activations.TotalRecords)
	if page, err := a.client.Workspaces.List(ctx, one); err == nil && len(page.Items) > 0 { // V1, while it lasts
		opened += fmt.Sprintf("; workspaces: %d, the newest %q (id %d)", page.TotalRecords, page.Items[0].Name, page.Items[0].ID)
	}
	return opened, nil
}
