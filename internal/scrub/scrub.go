// Package scrub takes secrets out of text that is not ours: answers of servers
// and errors of transports, which may echo the request.
package scrub

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Redacted stands where a secret was.
const Redacted = "REDACTED"

// Any character may be written as itself, as %3D or %253D, as \u003d or \\u003d,
// as &#61; or &#x3d;.
const (
	escape    = `(?:%(?:25)*[0-9a-fA-F]{2}|\\+u[0-9a-fA-F]{4}|\\+/|&#[0-9]+;|&#[xX][0-9a-fA-F]+;)`
	quoting   = `(?:[\s"'\\]|%(?:25)*2[0127]|\\+u002[0127]|&(?:quot|#34|#39|#x22|#x27);)*`
	separator = `(?:[=:]|%(?:25)*3[aAdD]|\\+u003[aAdD]|&#0*(?:58|61);|&#[xX]0*3[aAdD];)`
)

// A value of auth, as in a link's URL, or anything that looks like a token of
// this API. It goes on to a character that cannot belong to it, and rather too far.
const named = `(?i)((?:auth|secret-token)` + quoting + separator + quoting + `)(?:` + escape + `|[^\s"'<>&\\])+`

// Scrubber replaces secrets. Its zero value is not usable.
type Scrubber struct{ named *regexp.Regexp }

// New returns a Scrubber.
func New() *Scrubber { return &Scrubber{regexp.MustCompile(named)} }

// Text returns s without token, in part or whole, and without the secrets that it
// can tell by their names.
func (sc *Scrubber) Text(s, token string) string {
	if token != "" {
		s = strike(s, token)
		if _, random, ok := strings.Cut(token, ":"); ok && len(random) >= 8 {
			s = strike(s, random)
		}
	}
	return sc.named.ReplaceAllString(s, "${1}"+Redacted)
}

// Cut is Text, shortened to at most n bytes. If s itself was cut off, its end may
// be a part of a secret, and is dropped.
func (sc *Scrubber) Cut(s, token string, n int, cutOff bool) string {
	s = sc.Text(s, token)
	if cutOff {
		s = s[:max(0, len(s)-len(token)*len(`\\u0000`))]
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
func (sc *Scrubber) Line(s, token string, n int) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, sc.Cut(s, token, n, false))
}

// strike replaces a secret however its characters are escaped, and at the end of
// s what may be the beginning of it.
func strike(s, secret string) string {
	const noted = 8 // characters: fewer are not worth a redaction
	var b strings.Builder
	kept := 0
	for i := 0; i < len(s); {
		var end, matched int
		if c := s[i]; c == secret[0] || c == '%' || c == '\\' || c == '&' {
			end, matched = spelled(s[i:], secret)
		}
		switch {
		case matched == len(secret):
			end += i
		case end == len(s)-i && matched >= noted:
			end = len(s)
		default:
			i++
			continue
		}
		b.WriteString(s[kept:i])
		b.WriteString(Redacted)
		i, kept = end, end
	}
	if kept == 0 {
		return s
	}
	return b.String() + s[kept:]
}

// spelled is how many characters of secret s begins with, however they are
// escaped, and where they end. An escape that s cuts off counts as one.
func spelled(s, secret string) (end, matched int) {
	ends := []int{0} // a backslash may be itself, or part of an escape: there can be several
	var next []int
	for matched = range len(secret) {
		next = next[:0]
		for _, at := range ends {
			next = character(next, s, at, secret[matched])
		}
		if len(next) == 0 {
			return slices.Max(ends), matched
		}
		slices.Sort(next)
		ends, next = slices.Compact(next), ends
	}
	return slices.Max(ends), len(secret)
}

// character appends to ends where c can end if it begins at s[at:].
func character(ends []int, s string, at int, c byte) []int {
	if at == len(s) {
		return ends
	}
	if s[at] == c {
		ends = append(ends, at+1)
	}
	// What an escape within an escape repeats is counted up to here.
	const deep = 16
	skip := func(at int, repeated string) int {
		for range deep {
			if !strings.HasPrefix(s[at:], repeated) {
				break
			}
			at += len(repeated)
		}
		return at
	}
	// number reads the code of c, of so many digits if width is not 0, and what ends it.
	number := func(at, base, width int, end string) {
		digits := at
		for digits < len(s) && digits-at < cmp.Or(width, 4) && isHex(s[digits]) {
			digits++
		}
		switch n, err := strconv.ParseUint(s[at:digits], base, 32); {
		case digits == len(s) && (width == 0 || digits-at < width):
			ends = append(ends, len(s))
		case err == nil && n == uint64(c) && (width == 0 || digits-at == width) && strings.HasPrefix(s[digits:], end):
			ends = append(ends, digits+len(end))
		}
	}
	switch s[at] {
	case '%':
		number(at+1, 16, 2, "")
		if deeper := skip(at+1, "25"); deeper > at+1 {
			number(deeper, 16, 2, "")
			number(deeper-2, 16, 2, "")
		}
	case '\\':
		first := at + 1
		at = skip(at, `\`)
		switch {
		case c == '\\':
			for ; first < at; first++ {
				ends = append(ends, first+1)
			}
		case at == len(s):
			ends = append(ends, at)
		case s[at] == c:
			ends = append(ends, at+1)
		}
		switch {
		case at == len(s):
		case s[at] == 'u':
			number(at+1, 16, 4, "")
		case s[at] == 'x':
			number(at+1, 16, 2, "")
		}
	case '&':
		if strings.HasPrefix("&amp;", s[at:]) {
			ends = append(ends, len(s))
		}
		at = skip(at+1, "amp;")
		switch rest, isNumber := strings.CutPrefix(s[at:], "#"); {
		case !isNumber:
			if name := names[c]; name != "" && strings.HasPrefix(rest, name) {
				ends = append(ends, at+len(name))
			}
		case strings.HasPrefix(rest, "x"), strings.HasPrefix(rest, "X"):
			number(skip(at+2, "0"), 16, 0, ";")
		default:
			number(skip(at+1, "0"), 10, 0, ";")
		}
	}
	return ends
}

// names are the entities that HTML needs.
var names = map[byte]string{'&': "amp;", '<': "lt;", '>': "gt;", '"': "quot;", '\'': "apos;"}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
