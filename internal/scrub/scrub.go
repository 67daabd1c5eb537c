// Package scrub takes secrets out of text that is not ours: answers of servers
// and errors of transports, which may echo the request.
package scrub

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Redacted stands where a secret was.
const Redacted = "REDACTED"

const (
	layers = 8 // of escapes within escapes that are looked through
	noted  = 8 // characters of a token, at the end of a text, are worth a redaction
)

// Scrubber replaces secrets. Its zero value is not usable.
type Scrubber struct{ named, halfEscape *regexp.Regexp }

// New returns a Scrubber.
func New() *Scrubber {
	// A value of auth, as in a link's URL, or anything that looks like a token of
	// this API. It goes on to a character that cannot belong to it, rather too far.
	// After "auth: " it must have a digit, or it is prose.
	return &Scrubber{
		named:      regexp.MustCompile(`(?i)(?:auth["'\\]+\s*(?:=>|[=:])["'\s\\]*|auth\s*=>?["'\s\\]*|auth:(?:\s*["'\\]+)?|secret-token["'\s\\]*(?:=>|[=:])["'\s\\]*)([^\s"'<>&\\]+)|auth:\s+([^\s"'<>&\\]*[0-9][^\s"'<>&\\]*)`),
		halfEscape: regexp.MustCompile(`(?:%[0-9a-fA-F]?|\\+[ux]?[0-9a-fA-F]{0,3}|&#?[xX]?[0-9a-fA-F]*)$`),
	}
}

// span is a part of a text.
type span struct{ start, end int }

// Text returns s without the tokens, and without the secrets that it can tell by
// their names, also where they are escaped. It prefers to redact too much.
func (sc *Scrubber) Text(s string, tokens ...string) string {
	var found []span
	for _, token := range tokens {
		if _, random, ok := strings.Cut(token, ":"); ok && len(random) >= noted {
			tokens = append(slices.Clip(tokens), random)
		}
	}
	layer := decoded{text: s}
	for range layers {
		for i, token := range tokens {
			found = sc.find(layer, found, token)
			if bare, more := (decoded{text: token}).decode(); more { // what looks like an escape, and is none
				tokens = slices.Clone(tokens)
				tokens[i] = bare.text
				found = sc.find(layer, found, bare.text)
			}
		}
		for _, at := range sc.named.FindAllStringSubmatchIndex(layer.text, -1) {
			value := at[2:4]
			if value[0] < 0 {
				value = at[4:6]
			}
			found = append(found, layer.origin(value[0], value[1]))
		}
		var more bool
		if layer, more = layer.decode(); !more {
			break
		}
	}
	if len(found) == 0 {
		return s
	}
	slices.SortFunc(found, func(a, b span) int { return a.start - b.start })
	var b strings.Builder
	done := 0
	for _, f := range found {
		if f.end <= done {
			continue
		}
		if f.start >= done {
			b.WriteString(s[done:f.start] + Redacted)
		}
		done = f.end
	}
	return b.String() + s[done:]
}

// Cut is Text, shortened to at most n bytes. If s itself was cut off, its end may
// be a part of a secret, and is dropped.
func (sc *Scrubber) Cut(s string, n int, cutOff bool, tokens ...string) string {
	s = sc.Text(s, tokens...)
	for _, token := range tokens {
		if cutOff {
			s = s[:max(0, len(s)-len(token)*len(`\\u0000`))]
		}
	}
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Line is Cut for a log line: what could break one becomes a blank.
func (sc *Scrubber) Line(s string, n int, tokens ...string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, sc.Cut(s, n, false, tokens...))
}

// Error returns err, or a stand-in if its text, or that of an error it wraps,
// holds a secret: errors.Is sees what it was, and nothing else of it can be reached.
func (sc *Scrubber) Error(err error, tokens ...string) error {
	if !sc.tells(err, tokens) {
		return err
	}
	return &veiled{sc.Text(err.Error(), tokens...), func(target error) bool { return errors.Is(err, target) }}
}

func (sc *Scrubber) tells(err error, tokens []string) bool {
	if text := err.Error(); sc.Text(text, tokens...) != text {
		return true
	}
	var wrapped []error
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		wrapped = []error{e.Unwrap()}
	case interface{ Unwrap() []error }:
		wrapped = e.Unwrap()
	}
	return slices.ContainsFunc(wrapped, func(e error) bool { return e != nil && sc.tells(e, tokens) })
}

type veiled struct {
	text string
	is   func(target error) bool
}

func (v *veiled) Error() string        { return v.text }
func (v *veiled) Is(target error) bool { return v.is(target) }

// decoded is a text that had some layers of escapes, and where in the original
// each of its bytes begins; nil if it is the original.
type decoded struct {
	text string
	from []int
}

func (d decoded) origin(start, end int) span {
	if d.from == nil {
		return span{start, end}
	}
	return span{d.from[start], d.from[end]}
}

// find appends where the token is, and the beginning of it at the text's end.
func (sc *Scrubber) find(d decoded, found []span, token string) []span {
	if token == "" {
		return found
	}
	at := 0
	for {
		i := strings.Index(d.text[at:], token)
		if i < 0 {
			break
		}
		found = append(found, d.origin(at+i, at+i+len(token)))
		at += i + len(token)
	}
	end, enough := len(d.text), noted // but for an escape that it cuts off
	if tail := d.text[max(0, end-16):]; strings.ContainsAny(tail, `%\&`) {
		if half := sc.halfEscape.FindStringIndex(tail); half != nil {
			end -= len(tail) - half[0]
			enough--
		}
	}
	for n := min(len(token)-1, end-at); n >= enough; n-- {
		if strings.HasSuffix(d.text[:end], token[:n]) {
			return append(found, d.origin(end-n, len(d.text)))
		}
	}
	return found
}

// decode takes one layer of escapes off, if there is one.
func (d decoded) decode() (decoded, bool) {
	if !strings.ContainsAny(d.text, `%\&`) {
		return d, false
	}
	text := make([]byte, 0, len(d.text))
	from := make([]int, 0, len(d.text)+1)
	for i := 0; i < len(d.text); {
		c, n := unescape(d.text[i:])
		text = append(text, c)
		from = append(from, d.origin(i, i).start)
		i += n
	}
	from = append(from, d.origin(len(d.text), len(d.text)).end)
	return decoded{string(text), from}, len(text) < len(d.text)
}

// unescape reads one byte of s, which may be written as %3D, \u003d, \x3d, \/,
// &#61;, &#x3d; or &amp;, and says how many bytes it takes.
func unescape(s string) (byte, int) {
	number := func(at, base, digits, end int) (byte, int) {
		if at+digits+end <= len(s) {
			if c, err := strconv.ParseUint(s[at:at+digits], base, 7); err == nil {
				return byte(c), at + digits + end
			}
		}
		return s[0], 1
	}
	switch {
	case s[0] == '%':
		return number(1, 16, 2, 0)
	case s[0] == '\\' && len(s) > 1 && s[1] < utf8.RuneSelf:
		digits := 0
		switch s[1] {
		case 'u':
			digits = 4
		case 'x':
			digits = 2
		}
		if c, n := number(2, 16, digits, 0); digits > 0 && (n > 1 || len(s) < 2+digits) {
			return c, n
		}
		return s[1], 2
	case s[0] == '&':
		entity, _, ok := strings.Cut(s[:min(len(s), 12)], ";")
		switch {
		case !ok:
		case strings.HasPrefix(entity, "&#x"), strings.HasPrefix(entity, "&#X"):
			return number(3, 16, len(entity)-3, 1)
		case strings.HasPrefix(entity, "&#"):
			return number(2, 10, len(entity)-2, 1)
		default:
			if i := slices.Index([]string{"&amp", "&lt", "&gt", "&quot", "&apos"}, entity); i >= 0 {
				return `&<>"'`[i], len(entity) + 1
			}
		}
	}
	return s[0], 1
}

// Format prints attributes in place of a struct, the same for every verb.
func Format(s fmt.State, attrs []slog.Attr) {
	open := "{"
	for _, a := range attrs {
		verb := "%s%s:%v"
		if a.Value.Kind() == slog.KindString {
			verb = "%s%s:%q"
		}
		fmt.Fprintf(s, verb, open, a.Key, a.Value.Any())
		open = " "
	}
	_, _ = io.WriteString(s, "}")
}
