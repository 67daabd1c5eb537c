// Package redact withholds foreign texts that may hold a secret. Foreign texts are
// an API's messages and bodies, and the errors of transports, limiters and token
// sources. Any of them may echo a request.
//
// A text that may hold a secret is replaced as a whole, because that is easier to get
// right than to cut the secret out. [Secrets.MayHold] decides.
package redact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

const (
	// Withheld replaces a text that may hold a secret.
	Withheld = "(text withheld: it may hold a secret)"
	// Redacted replaces the secret in a link that is printed.
	Redacted = "REDACTED"
)

const maxErrorText = 4 << 10 // bytes of an error's text that are kept

// MayHold reports whether text may hold a secret. It looks for the tokens, for a value
// that is named like the secret of a link or like a token, and for URLs that may be
// links. It looks in text as it is, and after each of up to eight unescapings (percent,
// JSON, JavaScript, HTML). A text with more layers of escapes counts as a secret.
//
// Any eight characters in a row of a token's part after "secret-token:" count, also in
// base64 and hexadecimal. Case does not matter, and neither do blanks, line breaks and
// characters that are not printable ASCII. A token of four to seven characters counts
// as a whole. MayHold ignores shorter tokens.
func (s *Secrets) MayHold(text string) bool {
	for range layers + 1 {
		if s.inLayer(ascii(text)) {
			return true
		}
		before := text
		if text = unescape(text); text == before {
			return false
		}
	}
	return true // further layers may hide a secret
}

// Line returns the first max bytes of text in one line, or Withheld. It replaces
// control characters by blanks. All of text decides, not only what is returned.
func (s *Secrets) Line(text string, max int) string {
	if s.MayHold(text) {
		return Withheld
	}
	return printable(text, max, "")
}

// Body returns the first max bytes of body, or Withheld. It replaces control characters
// by blanks, except tabs and line breaks. All of body decides.
func (s *Secrets) Body(body []byte, max int) []byte {
	text := string(body)
	if s.MayHold(text) {
		return []byte(Withheld)
	}
	return []byte(printable(text, max, "\t\n\r"))
}

// Error returns an error with err's text, in one line of at most 4 KiB, or with
// Withheld. The new error wraps err, unless the text of err or of an error in it may
// hold a secret. Then errors.Is and errors.As find only context.Canceled,
// context.DeadlineExceeded and a syscall.Errno in it, if err has them. Its Timeout
// method always answers like err's.
//
// Error returns nil if err is nil.
func Error(err error, tokens ...string) error {
	if err == nil {
		return nil
	}
	var timeout interface{ Timeout() bool }
	e := &redacted{text: Withheld, timeout: errors.As(err, &timeout) && timeout.Timeout()}
	s, text, causes := New(tokens...), err.Error(), known(err)
	if !s.MayHold(text) {
		e.text = printable(text, maxErrorText, "")
		if !s.inCauses(err) {
			causes = []error{err}
		}
	}
	e.causes = func() []error { return causes }
	return e
}

// known returns the errors in err that cannot hold a secret.
func known(err error) []error {
	var found []error
	for _, ended := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, ended) {
			found = append(found, ended)
		}
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		found = append(found, errno)
	}
	return found
}

// redacted is an error that shows only its text, whatever verb of fmt prints it.
type redacted struct {
	text    string
	causes  func() []error // a closure, because %d prints the fields of errors
	timeout bool
}

func (e *redacted) Error() string   { return e.text }
func (e *redacted) Unwrap() []error { return e.causes() }
func (e *redacted) Timeout() bool   { return e.timeout }

// printable returns the first max bytes of text. It replaces control characters, bidi
// controls and line separators by blanks, except those in keep.
func printable(text string, max int, keep string) string {
	text = strings.Map(func(r rune) rune {
		strange := unicode.IsControl(r) || r > unicode.MaxLatin1 && unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
		if strange && !strings.ContainsRune(keep, r) {
			return ' '
		}
		return r
	}, text)
	if len(text) <= max {
		return text
	}
	for !utf8.RuneStart(text[max]) {
		max--
	}
	return text[:max]
}

// Format prints attrs in place of a struct, the same for every verb.
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
