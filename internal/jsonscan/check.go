// Package jsonscan checks JSON text against limits, and splits it into its values without
// allocating memory for them.
package jsonscan

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxDepth is how deep Check lets objects and arrays be nested.
const MaxDepth = 1_000

// lookEvery is how many bytes Check reads before it looks at its context again.
const lookEvery = 32 << 10

// ErrNotUTF8 is returned by Check.
var ErrNotUTF8 = errors.New("not valid UTF-8")

// SyntaxError says where a text stops being JSON. It does not quote the text.
type SyntaxError struct{ Offset int }

func (e *SyntaxError) Error() string { return fmt.Sprintf("not JSON at byte %d", e.Offset) }

// LimitError says which limit a text exceeds.
type LimitError struct {
	Limit int
	Of    string // what there is too much of
}

func (e *LimitError) Error() string { return fmt.Sprintf("more than %d %s", e.Limit, e.Of) }

// Check returns an error if text is not exactly one JSON value in UTF-8: a *SyntaxError or
// ErrNotUTF8. If the text has more than maxValues values, or is nested more deeply than MaxDepth,
// the error is a *LimitError. Every object, array, string, number and literal is a value; a
// member's name is not. Soon after ctx has ended, Check returns ctx's error.
func Check(ctx context.Context, text []byte, maxValues int) error {
	if !utf8.Valid(text) {
		return ErrNotUTF8
	}
	c := checker{ctx: ctx, text: text, maxValues: maxValues}
	if err := c.value(0); err != nil {
		return err
	}
	if c.blanks(); c.pos < len(text) {
		return c.syntax()
	}
	return nil
}

type checker struct {
	ctx       context.Context
	text      []byte
	pos       int
	looked    int // the position at which ctx was last looked at
	values    int
	maxValues int
}

func (c *checker) syntax() error { return &SyntaxError{c.pos} }

// peek returns the byte at pos, 0 at the end. No JSON outside of strings holds a zero.
func (c *checker) peek() byte {
	if c.pos < len(c.text) {
		return c.text[c.pos]
	}
	return 0
}

// take steps over the byte b, if it is the next.
func (c *checker) take(b byte) bool {
	if c.peek() != b {
		return false
	}
	c.pos++
	return true
}

func (c *checker) blanks() { c.pos = skipBlanks(c.text, c.pos) }

func (c *checker) value(depth int) error {
	if c.pos == 0 || c.pos-c.looked >= lookEvery {
		c.looked = c.pos
		if err := c.ctx.Err(); err != nil {
			return err
		}
	}
	c.blanks()
	if c.values++; c.values > c.maxValues {
		return &LimitError{c.maxValues, "JSON values"}
	}
	switch b := c.peek(); {
	case b == '{' || b == '[':
		if depth == MaxDepth {
			return &LimitError{MaxDepth, "levels of nesting"}
		}
		c.pos++
		return c.parts(b == '{', depth+1)
	case b == '"':
		return c.str()
	case b == '-' || digit(b):
		return c.number()
	}
	for _, literal := range []string{"null", "true", "false"} {
		if end := c.pos + len(literal); end <= len(c.text) && string(c.text[c.pos:end]) == literal {
			c.pos = end
			return nil
		}
	}
	return c.syntax()
}

// parts checks what follows an opening bracket, up to the closing one.
func (c *checker) parts(object bool, depth int) error {
	closing := byte(']')
	if object {
		closing = '}'
	}
	if c.blanks(); c.take(closing) {
		return nil
	}
	for {
		if object {
			c.blanks()
			if err := c.str(); err != nil {
				return err
			}
			if c.blanks(); !c.take(':') {
				return c.syntax()
			}
		}
		if err := c.value(depth); err != nil {
			return err
		}
		switch c.blanks(); {
		case c.take(closing):
			return nil
		case !c.take(','):
			return c.syntax()
		}
	}
}

func (c *checker) str() error {
	if !c.take('"') {
		return c.syntax()
	}
	for c.pos < len(c.text) {
		switch b := c.text[c.pos]; {
		case b == '"':
			c.pos++
			return nil
		case b < ' ':
			return c.syntax()
		case b != '\\':
			c.pos++
			continue
		}
		c.pos++
		switch c.peek() {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			c.pos++
		case 'u':
			c.pos++
			for range 4 {
				if !hex(c.peek()) {
					return c.syntax()
				}
				c.pos++
			}
		default:
			return c.syntax()
		}
	}
	return c.syntax()
}

func (c *checker) number() error {
	c.take('-')
	if !c.take('0') && !c.digits() {
		return c.syntax()
	}
	if c.take('.') && !c.digits() {
		return c.syntax()
	}
	if c.take('e') || c.take('E') {
		if !c.take('+') {
			c.take('-')
		}
		if !c.digits() {
			return c.syntax()
		}
	}
	return nil
}

// digits steps over digits, and reports whether there was one.
func (c *checker) digits() bool {
	start := c.pos
	for digit(c.peek()) {
		c.pos++
	}
	return c.pos > start
}

func digit(b byte) bool { return '0' <= b && b <= '9' }

func hex(b byte) bool { return digit(b) || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F' }
