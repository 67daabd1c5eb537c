// Package scrub takes secrets out of text that is not ours: answers of servers
// and errors of transports, which may echo the request.
package scrub

import (
	"fmt"
	"regexp"
	"strings"
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
		s = spelled(token).ReplaceAllLiteralString(s, Redacted)
		if _, random, ok := strings.Cut(token, ":"); ok && len(random) >= 8 {
			s = spelled(random).ReplaceAllLiteralString(s, Redacted)
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

// spelled matches a secret however its characters are escaped.
func spelled(secret string) *regexp.Regexp {
	var b strings.Builder
	for i := range len(secret) {
		c := secret[i]
		fmt.Fprintf(&b, `(?:%s|(?:%%(?:25)*|\\+u00)(?i:%02x)|\\+%s|&#0*(?:%d|(?i:x0*%x));)`,
			regexp.QuoteMeta(string(rune(c))), c, regexp.QuoteMeta(string(rune(c))), c, c)
	}
	return regexp.MustCompile(b.String())
}
