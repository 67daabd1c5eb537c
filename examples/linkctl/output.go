package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"
)

// flush prints the result as text or, with -json, as JSON. It prints nothing if the
// command failed before it had a result.
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
	_, err := io.WriteString(a.stdout, text)
	return err
}

// escape escapes what a terminal obeys and encoding/json leaves in a string, such as C1
// controls and changes of the writing direction. No data is lost.
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

// safe replaces what a terminal obeys in text from outside: customers choose names.
func safe(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// say adds a line to the text.
func (a *app) say(format string, args ...any) { fmt.Fprintf(&a.text, format+"\n", args...) }

// answer sets the result of a command that did not fail.
func (a *app) answer(result any, err error) error {
	if err == nil {
		a.result = result
	}
	return err
}

// table writes rows in columns. It leaves out columns that are empty below their title.
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

// terminal reports whether f is a file, and a character device other than the null device.
func terminal(f any) bool {
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// stamp formats a time for people.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "?"
	}
	return t.UTC().Format(time.RFC3339)
}

// left returns how long a live link still lives, by the local clock.
func (l link) left() string {
	if !l.live() || l.ExpiresAt.IsZero() {
		return ""
	}
	return max(0, time.Until(l.ExpiresAt)).Round(time.Second).String()
}

// aboutLive says what a list of live links does not show.
const aboutLive = `A live link may have been used already: the API does not say. To cut somebody off,
revoke every live link, with a CONNECTION or without.`

// showLinks writes links as a table. With -show-url it puts their URLs into Shown.
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

// lastTest says how the connection's last test went.
func (c connection) lastTest() string {
	switch {
	case c.LastTestSucceeded == nil:
		return "never tested"
	case *c.LastTestSucceeded:
		return "test passed at " + stamp(c.LastTestedAt)
	}
	return "test FAILED at " + stamp(c.LastTestedAt)
}

// showConnection adds a connection and its tests to the text.
func (a *app) showConnection(c connection) {
	a.say("%s %s: %q (%s), connected at %s, %s", a.kind, safe(c.ID), c.Name, safe(c.Type), stamp(c.CreatedAt), c.lastTest())
	for _, t := range c.LastTestResults {
		a.say("  %s: %s", safe(t.Step), safe(strings.TrimSpace(t.Status+" "+t.Error)))
	}
	if len(c.ConnectionDetails) > len("{}") {
		a.say("  details: %s", safe(string(c.ConnectionDetails)))
	}
}
