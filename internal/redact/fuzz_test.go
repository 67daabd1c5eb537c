package redact_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/connectlinks/connectlinks-go/internal/redact"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
)

// breakers may stand between the characters of a token.
var breakers = []string{"", "", "", "", "\n", "\r\n\t", `\n`, "\u00ad", "&shy;", "\u200b", `\u200b`, "%E2%80%8B", "\x00", "\xff", "  "}

// choices are the decisions of the fuzzer. They repeat.
type choices struct {
	bytes []byte
	n     int
}

func (c *choices) of(n int) int {
	if len(c.bytes) == 0 {
		return 0
	}
	c.n++
	return int(c.bytes[c.n%len(c.bytes)]) % n
}

// disguise writes a part of a token in some way that must not hide it.
func disguise(part string, choose *choices) string {
	switch choose.of(6) {
	case 0:
		encoding := []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding}[choose.of(4)]
		part = encoding.EncodeToString([]byte("~?>a"[:choose.of(5)] + part + "~?>a"[:choose.of(5)]))
	case 1:
		part = hex.EncodeToString([]byte(part))
	case 2:
		part = strings.ToUpper(part)
	case 3:
		part = strings.ToLower(part)
	}
	var b strings.Builder
	for i := range len(part) {
		written := part[i : i+1]
		for range choose.of(3) {
			how := spellings[choose.of(len(spellings))]
			if how.name == "backslash" && strings.ContainsFunc(written, func(r rune) bool { return isAlphanumeric(byte(r)) }) {
				continue // it would be another escape
			}
			written = spell(written, how.of, every)
		}
		b.WriteString(written + breakers[choose.of(len(breakers))])
	}
	return b.String()
}

// No eight characters of the token are in what comes out, however it was written.
func FuzzRedact(f *testing.F) {
	f.Add("the key ", token, []byte{0}, " was refused")
	f.Add("the key ", plain, []byte{4, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, " was refused")
	f.Add(`{"message":"`, plain, []byte{1, 2, 3}, `"}`)
	f.Add("%25%", `tok-en41x41:25`, []byte{9, 4, 11, 0}, "25")
	f.Add("&#", "pa25ss-word", []byte{5, 6}, ";")
	f.Add(`\\\`, `u005cu005c`, []byte{4, 0, 0, 12}, `\u00`)
	f.Add("<a href=", "wJ5-hD3_gF6kL1", []byte{7, 8}, ">")
	f.Add("key abcdefgh", "%41bcdefghi", []byte{3}, "&amp;")
	f.Add("", "Zq8xK", []byte{0, 1, 2, 2}, "")
	f.Add(`\u{`, "aaaaaaaaaaaa", []byte{11, 12, 13, 14}, "}")
	f.Fuzz(func(t *testing.T, before, tok string, how []byte, after string) {
		tok = strings.Map(func(r rune) rune {
			if r <= ' ' || r > '~' {
				return -1
			}
			return r
		}, tok)
		part := tok
		if len(tok) >= 13 && strings.EqualFold(tok[:13], "secret-token:") {
			part = tok[13:]
		}
		if len(part) < 4 || len(part) > 200 || mayHold(redact.Withheld, tok) {
			t.Skip()
		}
		secret, choose := strings.ToLower(part), &choices{bytes: how}
		if len(part) > 8 {
			from := choose.of(len(part) - 7)
			part = part[from : from+8+choose.of(len(part)-from-7)]
		}
		text := before + " " + disguise(part, choose) + " " + after

		secrets := redact.New(tok)
		line := secrets.Line(text, len(text))
		body := string(secrets.Body([]byte(text), len(text)/2))
		failed := redact.Error(errors.New(text), tok)
		hidden := redact.Error(&wrapping{errors.New(text)}, tok)
		// If the token itself has escapes, it depends on what they mean.
		if !strings.ContainsAny(tok, `%\&`) {
			for _, got := range []string{line, body, failed.Error()} {
				if got != redact.Withheld {
					t.Errorf("%q\nof %q\nwith %q", got, text, tok)
				}
			}
			if len(testkit.Walk(failed))+len(testkit.Walk(hidden)) != 2 {
				t.Errorf("a cause of %q is reachable\nwith %q", text, tok)
			}
		}
		outputs := []string{line, body}
		for _, err := range append(testkit.Walk(failed), testkit.Walk(hidden)...) {
			outputs = append(outputs, err.Error())
		}
		for _, got := range outputs {
			got = strings.ToLower(got)
			for i := range max(1, len(secret)-7) {
				if strings.Contains(got, secret[i:min(len(secret), i+8)]) {
					t.Errorf("%q is in %q\nof %q\nwith %q", secret[i:min(len(secret), i+8)], got, text, tok)
				}
			}
		}
		for max := range 20 {
			for _, cut := range []string{secrets.Line(before, max), string(secrets.Body([]byte(before), max))} {
				if cut != redact.Withheld && (len(cut) > max || !utf8.ValidString(cut)) {
					t.Errorf("cut to %d: %q", max, cut)
				}
			}
		}
		if line := secrets.Line(before, len(before)); strings.ContainsFunc(line, unicode.IsControl) {
			t.Errorf("a control character in %q", line)
		}
	})
}
