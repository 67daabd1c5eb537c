package jsonscan

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Value holds one JSON value.
type Value struct {
	Text   []byte // without blanks around it; empty for no value
	Offset int    // of Text, in the text that was split
}

// Parse returns the value that text holds: text without the blanks around it.
func Parse(text []byte) Value {
	start, end := skipBlanks(text, 0), len(text)
	for end > start && blank(text[end-1]) {
		end--
	}
	return Value{text[start:end], start}
}

// Kind returns the first byte of the value, which tells its kind: {, [, ", t, f, n, - or a digit.
// It returns 0 for no value.
func (v Value) Kind() byte {
	if len(v.Text) == 0 {
		return 0
	}
	return v.Text[0]
}

// String returns the text of a string, and any other value as it is written. For null and for no
// value it returns "".
func (v Value) String() string {
	switch v.Kind() {
	case '"':
		return unquote(v.Text)
	case 'n':
		return ""
	}
	return string(v.Text)
}

// Len returns the number of an array's elements, 0 for any other value.
func (v Value) Len() int {
	n := 0
	for c := v.Elements(); c.Next(); {
		n++
	}
	return n
}

// Members returns a Cursor on the members of an object. Any other value has none.
func (v Value) Members() Cursor { return v.cursor('{', '}') }

// Elements returns a Cursor on the elements of an array. Any other value has none.
func (v Value) Elements() Cursor { return v.cursor('[', ']') }

func (v Value) cursor(opening, closing byte) Cursor {
	if v.Kind() != opening {
		return Cursor{}
	}
	return Cursor{whole: v, pos: 1, closing: closing}
}

// Cursor walks the parts of an object or array:
//
//	for c := v.Members(); c.Next(); { ... c.Name ... c.Value ... }
//
// In text that Check did not accept, it ends where the text is not JSON.
type Cursor struct {
	Name  []byte // of a member
	Value Value

	whole   Value
	pos     int
	closing byte
}

// Next steps to the next part, and reports whether there is one.
func (c *Cursor) Next() bool {
	text := c.whole.Text
	pos := skipBlanks(text, c.pos)
	if pos < len(text) && text[pos] == ',' {
		pos = skipBlanks(text, pos+1)
	}
	if pos >= len(text) || text[pos] == c.closing {
		return false
	}
	if c.closing == '}' {
		end := skipValue(text, pos)
		if text[pos] != '"' || end >= len(text) {
			return false
		}
		c.Name = text[pos+1 : end-1]
		if bytes.IndexByte(c.Name, '\\') >= 0 {
			c.Name = []byte(unquote(text[pos:end]))
		}
		if pos = skipBlanks(text, end); pos >= len(text) || text[pos] != ':' {
			return false
		}
		pos = skipBlanks(text, pos+1)
	}
	c.pos = skipValue(text, pos)
	c.Value = Value{text[pos:c.pos], c.whole.Offset + pos}
	return c.pos > pos && c.pos < len(text) // at the end, the value is cut off
}

// unquote returns the text of a string. If the string is not valid JSON, it returns it as it is
// written.
func unquote(quoted []byte) string {
	if n := len(quoted); n > 1 && quoted[n-1] == '"' && bytes.IndexByte(quoted, '\\') < 0 && utf8.Valid(quoted) {
		return string(quoted[1 : n-1])
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return string(quoted)
	}
	return s
}

func skipBlanks(text []byte, pos int) int {
	for pos < len(text) && blank(text[pos]) {
		pos++
	}
	return pos
}

func blank(b byte) bool { return b == ' ' || b == '\n' || b == '\r' || b == '\t' }

// skipValue returns the end of the value that begins at pos, or pos if there is none. A value that
// is cut off ends with the text.
func skipValue(text []byte, pos int) int {
	depth := 0
	for pos < len(text) {
		switch b := text[pos]; {
		case b == '"':
			pos = skipString(text, pos)
		case b == '{' || b == '[':
			depth++
			pos++
		case (b == '}' || b == ']') && depth > 0:
			depth--
			pos++
		case depth > 0:
			pos++
			continue
		default:
			for pos < len(text) && !blank(text[pos]) && strings.IndexByte(`,:]}"[{`, text[pos]) < 0 {
				pos++
			}
		}
		if depth == 0 {
			return pos
		}
	}
	return pos
}

// skipString returns the end of the string that begins at pos.
func skipString(text []byte, pos int) int {
	for pos++; pos < len(text); pos++ {
		switch text[pos] {
		case '\\':
			pos++
		case '"':
			return pos + 1
		}
	}
	return len(text)
}
