package redact

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const (
	scheme   = "secret-token:" // of RFC 8959, the same for every token
	window   = 8               // characters in a row that count as a secret
	shortest = 4               // characters of the shortest token that is looked for
	layers   = 8               // layers of escapes that are undone
)

// Secrets holds the parts of tokens that a text must not hold, in lower case.
type Secrets struct {
	windows map[string]bool // the parts of eight characters
	short   []string        // whole tokens of four to seven characters
}

// New prepares the search for tokens.
func New(tokens ...string) *Secrets {
	s := &Secrets{windows: map[string]bool{}}
	for _, token := range tokens {
		if len(token) >= len(scheme) && strings.EqualFold(token[:len(scheme)], scheme) {
			token = token[len(scheme):]
		}
		if len(token) < shortest {
			continue
		}
		s.add(hex.EncodeToString([]byte(token)))
		for before := range 3 { // bytes that are encoded in front of the token
			data := append(make([]byte, before), token...)
			from, to := (before*8+5)/6, len(data)*8/6 // drops characters that depend on other bytes too
			s.add(base64.StdEncoding.EncodeToString(data)[from:to])
			s.add(base64.URLEncoding.EncodeToString(data)[from:to])
		}
		for before := ""; token != before; before, token = token, unescape(token) {
			s.add(token) // what looks like an escape in a token may have been undone
		}
	}
	return s
}

// add adds the parts of a token, or of an encoding of it.
func (s *Secrets) add(text string) {
	text = strings.ReplaceAll(strings.ToLower(ascii(text)), " ", "")
	if shortest <= len(text) && len(text) < window {
		s.short = append(s.short, text)
	}
	for end := window; end <= len(text); end++ {
		s.windows[text[end-window:end]] = true
	}
}

// inLayer reports whether text may hold a secret that is not escaped.
func (s *Secrets) inLayer(text string) bool {
	lower := strings.ToLower(text)
	dense := strings.ReplaceAll(lower, " ", "")
	for end := window; end <= len(dense); end++ {
		if s.windows[dense[end-window:end]] {
			return true
		}
	}
	return slices.ContainsFunc(s.short, func(token string) bool { return strings.Contains(dense, token) }) || named(text, lower)
}

// inCauses reports whether the text of an error that err wraps may hold a secret.
func (s *Secrets) inCauses(err error) bool {
	var causes []error
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		causes = []error{e.Unwrap()}
	case interface{ Unwrap() []error }:
		causes = e.Unwrap()
	}
	return slices.ContainsFunc(causes, func(e error) bool { return e != nil && (s.MayHold(e.Error()) || s.inCauses(e)) })
}

// ascii returns the printable ASCII of text, with blanks for tabs and line breaks.
func ascii(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case r < ' ' || r > '~':
			return -1
		}
		return r
	}, text)
}

// unescape undoes one layer of HTML escapes. Without these it undoes one layer of
// percent, JSON and JavaScript escapes.
func unescape(text string) string {
	if plain := html.UnescapeString(text); plain != text || !strings.ContainsAny(text, `%\`) {
		return plain
	}
	var b strings.Builder
	for text != "" {
		if c, rest, ok := escaped(text); ok {
			b.WriteRune(c)
			text = rest
		} else {
			b.WriteByte(text[0])
			text = text[1:]
		}
	}
	return b.String()
}

// escaped returns the escaped character at the start of text, and the rest of text.
func escaped(text string) (c rune, rest string, ok bool) {
	digits := func(from, to, after int) (rune, string, bool) {
		if to < from || after > len(text) {
			return 0, "", false
		}
		code, err := strconv.ParseUint(text[from:to], 16, 32)
		return rune(code), text[after:], err == nil
	}
	switch {
	case text[0] == '%':
		return digits(1, 3, 3) // %3D
	case strings.HasPrefix(text, `\u{`):
		end := strings.IndexByte(text[:min(len(text), len(`\u{10ffff}`))], '}')
		return digits(3, end, end+1) // \u{3d}
	case strings.HasPrefix(text, `\u`):
		return digits(2, 6, 6) // \u003d, and each half of \ud83d\ude00
	case text[0] == '\\' && len(text) > 1:
		if c, _, rest, err := strconv.UnquoteChar(text, 0); err == nil {
			return c, rest, true // \x3d, \075, \n
		}
		return rune(text[1]), text[2:], true // \/
	}
	return 0, "", false
}

// named reports whether text holds a value whose name says that it is a secret, or a
// URL that may be a link. lower is text in lower case.
func named(text, lower string) bool {
	for _, rule := range [...]struct {
		name, between string // between lists what may stand between name and value
		secret        func(value string) bool
	}{
		{`auth=`, `"'`, long},
		{`secret-token:`, `"'`, long},
		{`"auth"`, ` =:>"'`, long},
		{`auth`, ` =:>"'[`, random}, // because prose may follow here
		{`secret-token`, ` =:>"'[`, random},
		{`uri`, ` =:>"'[`, link},
		{`://`, ``, func(value string) bool { return link("://" + value) }},
	} {
		for at := 0; ; {
			i := strings.Index(lower[at:], rule.name)
			if i < 0 {
				break
			}
			at += i + len(rule.name)
			value := strings.TrimLeft(text[at:], rule.between)
			between := text[at : len(text)-len(value)]
			if !strings.ContainsAny(rule.name+between, "=:") {
				continue
			}
			if end := strings.IndexAny(value, " \"'`<>{},\\"); end >= 0 {
				value = value[:end]
			}
			if rule.secret(value) {
				return true
			}
			// Skip the value, because a name in it changes nothing, except at its end.
			at += len(between) + max(0, len(strings.TrimRight(value, rule.between))-len(rule.name))
		}
	}
	return false
}

func long(value string) bool { return len(value) >= window }

// link reports whether the query or the last path element of a URL looks random.
func link(url string) bool {
	path, query, _ := strings.Cut(url, "?")
	if _, rest, ok := strings.Cut(path, "://"); ok {
		_, path, _ = strings.Cut(rest, "/") // skips the host, which may look random
	}
	path = strings.TrimRight(path, "/")
	return random(query) || random(path[strings.LastIndexByte(path, '/')+1:])
}

// random reports whether a part of value has eight characters or more, and changes
// three times between letters and digits, or from a small letter to a capital.
func random(value string) bool {
	for part := range strings.FieldsFuncSeq(value, func(r rune) bool { return strings.ContainsRune("&=:%", r) }) {
		changes := 0
		for i := range len(part) - 1 {
			a, b := rune(part[i]), rune(part[i+1])
			if unicode.IsLetter(a) && unicode.IsDigit(b) || unicode.IsDigit(a) && unicode.IsLetter(b) || unicode.IsLower(a) && unicode.IsUpper(b) {
				changes++
			}
		}
		if long(part) && changes >= 3 {
			return true
		}
	}
	return false
}
