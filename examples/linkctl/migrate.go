package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/connectlinks/connectlinks-go"
)

// report holds what migrate found, row by row, and what must be done, in order.
type report struct {
	Token        row[struct{}]         `json:"token"`
	Workspace    row[struct{}]         `json:"workspace"`
	Types        row[movedType]        `json:"types"`
	Sources      row[movedSource]      `json:"sources"`
	Destinations row[movedDestination] `json:"destinations"`
	Links        row[endingLink]       `json:"links"`
	ToDo         []string              `json:"to_do"`
}

// row says what was found about one thing.
type row[T any] struct {
	Status string `json:"status"`
	Found  string `json:"found"`
	Items  []T    `json:"items,omitempty"`
	todo   []string
}

const (
	statusOK      = "ok"
	statusToDo    = "to do"
	statusUnknown = "unknown" // a part could not be read
)

// found adds to what was found.
func (r *row[T]) found(format string, args ...any) {
	if r.Status = cmp.Or(r.Status, statusOK); r.Found != "" {
		r.Found += "; "
	}
	r.Found += fmt.Sprintf(format, args...)
}

// needs adds to what must be done.
func (r *row[T]) needs(format string, args ...any) {
	if r.Status != statusUnknown {
		r.Status = statusToDo
	}
	r.todo = append(r.todo, fmt.Sprintf(format, args...))
}

// unseen records why something could not be read.
func (r *row[T]) unseen(what string, err error) {
	r.found("%s cannot be seen: %s", what, explain(err).what)
	r.Status = statusUnknown
}

// movedType is a type that links can be made for on V1, or that is used there.
type movedType struct {
	Name     string `json:"service_name"`
	OnV2     bool   `json:"on_v2"`
	Linkable bool   `json:"creatable_via_connect_link_on_v2"`
	Used     bool   `json:"used"` // by a destination or a live link
}

type movedSource struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Name    string `json:"name"`
	GroupID string `json:"group_id,omitempty"`
	Note    string `json:"note,omitempty"`
}

type movedDestination struct {
	ID          string   `json:"id"`
	Type        string   `json:"type"`
	Name        string   `json:"name"`
	Activations []string `json:"activations"` // of its type, in the groups of the sources
}

// endingLink is a live link of V1.
type endingLink struct {
	Kind string `json:"kind"`
	link
}

// migrate reports what is left to do for the move to V2. It only reads. Where it cannot see
// something, it says so in the row, and goes on.
func migrate(ctx context.Context, a *app) error {
	var r report
	v2, noV2 := a.open("activation", "")
	if noV2 == nil {
		_, noV2 = v2.Activations.List(ctx, connectlinks.ListOptions{PerPage: 1})
	}
	r.Token = tokenRow(noV2)
	v1, noV1 := a.open("destination", "")
	var workspace *connectlinks.Workspace
	if noV1 == nil {
		workspace, noV1 = v1.Workspaces.Current(ctx)
	}
	r.Workspace = workspaceRow(workspace, noV1)
	if retired(noV1) {
		noV1 = &failure{exitNotFound, "there is no API V1", "", noV1}
	}

	var source, destination, activation kind
	if noV1 == nil {
		source, destination = newKind(options{kind: "source"}, v1), newKind(options{kind: "destination"}, v1)
	}
	if noV2 == nil {
		activation = newKind(options{kind: "activation"}, v2)
	}
	r.Links = linksRow(read(ctx, noV1, source.links), read(ctx, noV1, destination.links))
	destinations := read(ctx, noV1, destination.connections)
	r.Types = typesRow(read(ctx, noV1, destination.types), read(ctx, noV2, activation.types), destinations.items, r.Links.Items)
	var groups known[string]
	r.Sources, groups = sourcesRow(ctx, read(ctx, noV1, source.connections), v2, noV2)
	var activations known[connection]
	if len(destinations.items) > 0 {
		activations = read(ctx, noV2, activation.connections)
	}
	r.Destinations = destinationsRow(destinations, activations, groups, r.Types.Items)
	if err := ctx.Err(); err != nil {
		return err
	}

	r.ToDo = append([]string{}, slices.Concat(r.Token.todo, r.Workspace.todo, r.Types.todo, r.Sources.todo, r.Destinations.todo, r.Links.todo)...) // not null in JSON
	var unseen []string
	for _, row := range []struct{ name, status string }{
		{"token", r.Token.Status}, {"workspace", r.Workspace.Status}, {"types", r.Types.Status},
		{"sources", r.Sources.Status}, {"destinations", r.Destinations.Status}, {"links", r.Links.Status},
	} {
		if row.status == statusUnknown {
			unseen = append(unseen, row.name)
		}
	}
	if unseen != nil {
		r.ToDo = append(r.ToDo, "find out what could not be seen here: "+strings.Join(unseen, ", "))
	}
	a.showReport(&r)
	a.result = r
	if n := len(r.ToDo); n > 0 {
		return &failure{exitOther, fmt.Sprintf("left to do: %d", n), "", nil}
	}
	return nil
}

// known is a list of the API, or the error of reading it.
type known[T any] struct {
	items []T
	err   error
}

// read reads a list, unless it is known that it cannot be read.
func read[T any](ctx context.Context, unable error, all func(context.Context) iter.Seq2[T, error]) known[T] {
	if unable != nil {
		return known[T]{err: unable}
	}
	items, err := collect(all(ctx), func(T) bool { return true })
	return known[T]{items, err}
}

func tokenRow(err error) (r row[struct{}]) {
	if err == nil {
		r.found("CENSUS_PERSONAL_ACCESS_TOKEN works on API V2")
		return r
	}
	r.unseen("API V2", err)
	if wrongToken(err) {
		r.needs("put a personal access token that API V2 accepts into CENSUS_PERSONAL_ACCESS_TOKEN, and run this again")
	}
	if errors.Is(err, connectlinks.ErrForbidden) {
		r.needs("if it is one, ask the vendor to switch V2, a public preview, on for your organization")
	}
	return r
}

func workspaceRow(w *connectlinks.Workspace, err error) (r row[struct{}]) {
	switch {
	case err == nil:
		r.found("%q (id %d)", w.Name, w.ID)
	case retired(err):
		r.unseen("API V1", &failure{what: "it is retired, or CENSUS_BASE_URL is wrong"})
		r.needs("take from your own records what V1 held: sources, destinations, and links that customers have")
	default:
		r.unseen("API V1", err)
		if wrongToken(err) {
			r.needs("put the workspace's API key into CENSUS_API_TOKEN, and run this again")
		}
	}
	return r
}

// wrongToken reports whether another token may help.
func wrongToken(err error) bool {
	return errors.As(err, new(*failure)) || errors.Is(err, connectlinks.ErrUnauthorized) || errors.Is(err, connectlinks.ErrForbidden)
}

// typesRow looks for V1's types of destinations on V2. It has no types of sources.
func typesRow(v1, v2 known[service], destinations []connection, links []endingLink) (r row[movedType]) {
	if err := cmp.Or(v1.err, v2.err); err != nil {
		r.unseen("the types", err)
		return r
	}
	used := map[string]bool{}
	for _, d := range destinations {
		used[d.Type] = true
	}
	for _, l := range links {
		used[l.Type] = used[l.Type] || l.Kind == "destination"
	}
	linkable := 0
	for _, t := range v1.items {
		if !t.Linkable && !used[t.Name] {
			continue
		}
		moved := movedType{Name: t.Name, Used: used[t.Name]}
		if i := slices.IndexFunc(v2.items, func(s service) bool { return s.Name == t.Name }); i >= 0 {
			moved.OnV2, moved.Linkable = true, v2.items[i].Linkable
		}
		r.Items = append(r.Items, moved)
		switch {
		case moved.Linkable:
			linkable++
		case moved.Used:
			r.needs("ask the vendor what becomes of %s, which is used here: V2 makes no links for it", t.Name)
		}
	}
	r.found("V2 can link %d of %d types of destinations", linkable, len(r.Items))
	return r
}

// sourcesRow looks for V1's sources on V2, and returns their groups. That a source has the same
// id there is an assumption. If it has another type there, it is another source.
func sourcesRow(ctx context.Context, v1 known[connection], v2 *connectlinks.Client, noV2 error) (r row[movedSource], groups known[string]) {
	if v1.err != nil {
		r.unseen("the sources", v1.err)
		return r, known[string]{err: v1.err}
	}
	found := 0
	for _, s := range v1.items {
		moved := movedSource{ID: s.ID, Type: s.Type, Name: s.Name}
		byHand := func(note string) {
			moved.Note = note
			r.needs("find by hand the Fivetran group of source %s, %q (%s)", s.ID, s.Name, s.Type)
		}
		var there *connectlinks.V2Source
		err := noV2
		if err == nil {
			there, err = v2.Activations.GetSource(ctx, s.Connection.ID)
		}
		switch {
		case errors.Is(err, connectlinks.ErrNotFound):
			byHand("not found there")
		case err != nil:
			moved.Note, noV2 = "not seen", err // and the others are not asked for
		case there.Type != s.Type:
			byHand(fmt.Sprintf("not found there: this id is %q (%s)", there.Name, there.Type))
		case there.GroupID == "":
			byHand("V2 names no group")
		default:
			found++
			moved.GroupID = there.GroupID
			if !slices.Contains(groups.items, there.GroupID) {
				groups.items = append(groups.items, there.GroupID)
			}
			if there.Name != s.Name {
				moved.Note = fmt.Sprintf("called %q there", there.Name)
				r.needs("see by hand whether V2's source %s, %q, is this workspace's %q", s.ID, there.Name, s.Name)
			}
		}
		r.Items = append(r.Items, moved)
	}
	r.found("V2 names the group of %d of %d sources", found, len(r.Items))
	if noV2 != nil && len(r.Items) > 0 {
		r.unseen("the rest", noV2)
		groups.err = noV2
	}
	if len(groups.items) > 1 {
		r.needs("decide which customer gets which group: this workspace has sources in %s", strings.Join(groups.items, ", "))
	}
	return r, groups
}

// destinationsRow looks for activations of the destinations' types in the groups. Nothing says
// which activation replaces which destination, so it counts them for each type.
func destinationsRow(v1, v2 known[connection], groups known[string], moved []movedType) (r row[movedDestination]) {
	if v1.err != nil {
		r.unseen("the destinations", v1.err)
		return r
	}
	activations, destinations := map[string][]string{}, map[string]int{} // by type
	for _, a := range v2.items {
		if slices.Contains(groups.items, a.GroupID) {
			activations[a.Type] = append(activations[a.Type], a.ID)
		}
	}
	total := 0
	var types []string
	for _, d := range v1.items {
		r.Items = append(r.Items, movedDestination{d.ID, d.Type, d.Name, append([]string{}, activations[d.Type]...)})
		if destinations[d.Type]++; destinations[d.Type] == 1 {
			types = append(types, d.Type)
			total += len(activations[d.Type])
		}
	}
	r.found("V1 has %d", len(r.Items))
	switch {
	case len(r.Items) == 0:
		return r
	case cmp.Or(v2.err, groups.err) != nil:
		r.unseen("all of their activations", cmp.Or(v2.err, groups.err))
		return r
	case len(groups.items) == 0:
		r.unseen("their activations", &failure{what: "no source names a group"})
		r.needs("find by hand the Fivetran group for new activations")
		return r
	}
	r.found("activations of their types on V2: %d", total)
	group := groups.items[0]
	if len(groups.items) > 1 {
		group = "GROUP"
	}
	for _, t := range types {
		notLinkable := slices.ContainsFunc(moved, func(m movedType) bool { return m.Name == t && !m.Linkable })
		switch have := len(activations[t]); {
		case t == "":
			r.needs("find by hand what V2 has in place of destinations whose type V1 does not name")
		case have < destinations[t] && !notLinkable:
			r.needs("have %s connected again (V1 has %d, V2 has %d): linkctl create -kind activation -type %s -group %s",
				t, destinations[t], have, t, group)
		}
	}
	return r
}

// linksRow lists the live links of V1, which end with it.
func linksRow(sources, destinations known[link]) (r row[endingLink]) {
	list := func(kind, todo string, links known[link]) {
		var ids []string
		for _, l := range links.items {
			if l.live() {
				r.Items = append(r.Items, endingLink{kind, l})
				ids = append(ids, formatID(l.ID))
			}
		}
		if links.err != nil {
			r.unseen(kind+" links", links.err)
			return
		}
		r.found("live %s links that stop working with V1: %d", kind, len(ids))
		if len(ids) > 0 {
			r.needs(todo, strings.Join(ids, ", "))
		}
	}
	list("source", "let customers finish with live source links (%s), or revoke them: V2 has no links for sources", sources)
	list("destination", "replace live destination links (%s) by links of V2, and revoke them", destinations)
	return r
}

// showReport adds a report to the text.
func (a *app) showReport(r *report) {
	show := func(name, status, found string) { a.say("%-8s %-12s %s", status, name, safe(found)) }
	details := func(titles []string, rows [][]string) {
		if len(rows) > 0 {
			var b strings.Builder
			table(&b, titles, rows)
			for line := range strings.Lines(b.String()) {
				a.text.WriteString("  " + line)
			}
		}
	}
	show("token", r.Token.Status, r.Token.Found)
	show("workspace", r.Workspace.Status, r.Workspace.Found)

	show("types", r.Types.Status, r.Types.Found)
	var rows [][]string
	for _, t := range r.Types.Items {
		if !t.Linkable {
			rows = append(rows, []string{t.Name, map[bool]string{true: "cannot be linked", false: "not there"}[t.OnV2], map[bool]string{true: "yes"}[t.Used]})
		}
	}
	details([]string{"TYPE", "ON V2", "USED HERE"}, rows)

	show("sources", r.Sources.Status, r.Sources.Found)
	rows = nil
	for _, s := range r.Sources.Items {
		rows = append(rows, []string{s.ID, s.Type, s.Name, s.GroupID, s.Note})
	}
	details([]string{"SOURCE", "TYPE", "NAME", "GROUP", "NOTE"}, rows)

	show("destinations", r.Destinations.Status, r.Destinations.Found)
	rows = nil
	for _, d := range r.Destinations.Items {
		activations := strings.Join(d.Activations, " ")
		if r.Destinations.Status != statusUnknown {
			activations = cmp.Or(activations, "none")
		}
		rows = append(rows, []string{d.ID, d.Type, d.Name, activations})
	}
	details([]string{"DESTINATION", "TYPE", "NAME", "ACTIVATIONS"}, rows)

	show("links", r.Links.Status, r.Links.Found)
	rows = nil
	for _, l := range r.Links.Items {
		rows = append(rows, []string{formatID(l.ID), l.Kind, l.Type, stamp(l.ExpiresAt), l.ConnectionID})
	}
	details([]string{"LINK", "KIND", "TYPE", "EXPIRES", "CONNECTION"}, rows)

	if len(r.ToDo) == 0 {
		a.say("\nNothing is left to do.")
		return
	}
	a.say("\nto do")
	for i, todo := range r.ToDo {
		a.say("%3d. %s", i+1, safe(todo))
	}
}
