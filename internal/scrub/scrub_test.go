package scrub_test

import (
	"errors"
	"fmt"
	"html"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/connectlinks/connectlinks-go/internal/scrub"
)

const (
	token  = "secret-token:Zq8/xK2+vB7=nM4.tR9"
	random = "Zq8/xK2+vB7=nM4.tR9"
	plain  = "pat_Zq8xK2vB7nM4tR9"
	auth   = "wJ5-hD3_gF6kL1~pS0%2F"
)

// spellings are the ways in which a server may write a character of a secret.
var spellings = map[string]func(c byte) string{
	"itself":         func(c byte) string { return string(rune(c)) },
	"JSON":           func(c byte) string { return fmt.Sprintf(`\u%04x`, c) },
	"JSON, capitals": func(c byte) string { return fmt.Sprintf(`\u%04X`, c) },
	"JSON in JSON":   func(c byte) string { return fmt.Sprintf(`\\u%04x`, c) },
	"backslash":      func(c byte) string { return `\` + string(rune(c)) },
	"percent":        func(c byte) string { return fmt.Sprintf("%%%02x", c) },
	"percent twice":  func(c byte) string { return fmt.Sprintf("%%25%02X", c) },
	"percent thrice": func(c byte) string { return fmt.Sprintf("%%2525%02X", c) },
	"HTML":           func(c byte) string { return fmt.Sprintf("&#%d;", c) },
	"HTML, padded":   func(c byte) string { return fmt.Sprintf("&#%03d;", c) },
	"HTML, hex":      func(c byte) string { return fmt.Sprintf("&#x%x;", c) },
	"HTML, Hex":      func(c byte) string { return fmt.Sprintf("&#X00%X;", c) },
	"Ruby":           func(c byte) string { return fmt.Sprintf(`\x%02X`, c) },
}

func spell(s string, how func(byte) string, which func(byte) bool) string {
	var b strings.Builder
	for i := range len(s) {
		if which(s[i]) {
			b.WriteString(how(s[i]))
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' }

var (
	percents = regexp.MustCompile(`%(?:25)*([0-9a-fA-F]{2})`)
	slashes  = regexp.MustCompile(`\\+(?:u00|x)([0-9a-fA-F]{2})`)
)

// decoded is s with every escape undone.
func decoded(s string) string {
	undo := func(re *regexp.Regexp) func(string) string {
		return func(m string) string {
			n, _ := strconv.ParseUint(re.FindStringSubmatch(m)[1], 16, 8)
			return string(rune(n))
		}
	}
	s = slashes.ReplaceAllStringFunc(s, undo(slashes))
	s = percents.ReplaceAllStringFunc(s, undo(percents))
	return strings.ReplaceAll(html.UnescapeString(s), `\`, "")
}

func TestTextStrikesTheToken(t *testing.T) {
	t.Parallel()
	sc := scrub.New()
	parts := map[string]func(byte) bool{
		"all":         func(byte) bool { return true },
		"punctuation": func(c byte) bool { return !isLetter(c) },
		"letters":     isLetter,
	}
	for name, how := range spellings {
		for part, which := range parts {
			for _, tok := range []string{token, plain} {
				t.Run(name+"/"+part+"/"+tok[:3], func(t *testing.T) {
					t.Parallel()
					if name == "backslash" && part != "punctuation" {
						t.Skip("a backslash before a letter is another escape")
					}
					text := sc.Text("before "+spell(tok, how, which)+" after", tok)
					assert.NotContains(t, decoded(text), tok)
					assert.NotContains(t, decoded(text), random)
					assert.True(t, strings.HasPrefix(text, "before "), text)
					assert.Contains(t, text, "REDACTED")
				})
			}
		}
	}
}

func TestTextStrikesTheTokenWithoutItsPrefix(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "key REDACTED was refused", scrub.New().Text("key "+random+" was refused", token))
}

func TestTextStrikesTheBeginningOfATokenAtTheEnd(t *testing.T) {
	t.Parallel()
	sc := scrub.New()
	for name, how := range spellings {
		if name == "backslash" {
			continue
		}
		whole := spell(plain, how, func(byte) bool { return true })
		for n := range len(whole) {
			text := decoded(sc.Text("bad key "+whole[:n], plain))
			assert.NotContains(t, text, plain[:8], "%s, cut off at %d", name, n)
		}
	}
	assert.Equal(t, "bad key pat_", sc.Text("bad key pat_", plain), "too short to be a secret")
}

// Secrets that nobody has told the Scrubber of are found by their names.
func TestTextStrikesWhatIsNamed(t *testing.T) {
	t.Parallel()
	sc := scrub.New()
	for _, text := range []string{
		"https://app.getcensus.com/pbc?auth=%s",
		"https://app.getcensus.com/pbc?x=1&amp;auth=%s&amp;y=2",
		"https:\\/\\/app.getcensus.com\\/pbc?auth=%s",
		`"uri":"https://app.getcensus.com/pbc?auth\u003d%s"`,
		`\"uri\":\"https://app.getcensus.com/pbc?auth\\u003d%s\"`,
		"/pbc?auth%%3D%s",
		"/pbc?auth%%3d%s",
		"/pbc%%253Fauth%%253D%s",
		"/pbc?auth&#61;%s",
		"/pbc?auth&#061;%s",
		"/pbc?auth&#x3d;%s",
		"/pbc?auth&#x3D;%s",
		`{"auth":"%s"}`,
		`{"auth": "%s"}`,
		`{\"auth\": \"%s\"}`,
		`{&quot;auth&quot;:&quot;%s&quot;}`,
		`{&#34;auth&#34;: &#34;%s&#34;}`,
		`{\u0022auth\u0022:\u0022%s\u0022}`,
		`Parameters: {"auth"=>"%s"}`,
		`Parameters: {"auth" => "%s"}`,
		`Parameters: {&quot;auth&quot;=&gt;&quot;%s&quot;}`,
		`{\"auth\"=\u003e\"%s\"}`,
		`{auth: '%s'}`,
		"map[auth:[%s]]",
		"AUTH=%s",
		"Auth: %s",
		"wrong secret-token:%s",
		"wrong secret-token%%3A%s",
		`wrong secret-token\u003a%s`,
		"wrong Secret-Token: %s",
		`auth\x3d%s`,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			for _, how := range spellings {
				whole := spell(auth, how, func(c byte) bool { return !isLetter(c) })
				got := sc.Text(fmt.Sprintf(text, whole), "")
				for _, part := range []string{auth[:6], auth[8:14], auth[len(auth)-6:]} {
					assert.NotContains(t, decoded(got), decoded(part), "from %s", whole)
				}
			}
		})
	}
}

func TestTextKeepsTheRest(t *testing.T) {
	t.Parallel()
	sc := scrub.New()
	for _, text := range []string{
		"",
		"Invalid type: not_a_real_type",
		`{"status":"error","message":"the author's authority is unknown"}`,
		`{"auth_method":"oauth","label":"HubSpot"}`,
		"100% of 25 \\ & more; 50%2",
		"Grüße, 世界 \xff\xfe",
		"<!doctype html><title>502 Bad Gateway</title>",
		"auth", "auth=",
	} {
		for _, tok := range []string{"", token, plain} {
			assert.Equal(t, text, sc.Text(text, tok))
		}
	}
	assert.Equal(t, "/pbc?auth=REDACTED&page=2", sc.Text("/pbc?auth=abc&page=2", ""))
	assert.Equal(t, `{"auth":"REDACTED","id":4}`, sc.Text(`{"auth":"abc","id":4}`, ""))
}

// A secret across the cut must not survive in half.
func TestCutAfterScrubbing(t *testing.T) {
	t.Parallel()
	sc := scrub.New()
	for _, secret := range []string{token, plain, "/pbc?auth=" + auth} {
		tok := secret
		if strings.Contains(secret, "auth=") {
			tok = "another-token"
		}
		for at := 1; at <= len(secret); at++ {
			const n = 512
			body := strings.Repeat("x", n-at) + " " + secret + strings.Repeat(" y", 100)
			got := sc.Cut(body, n, false, tok)
			assert.LessOrEqual(t, len(got), n)
			for i := strings.IndexAny(secret, ":_=") + 1; i+6 <= len(secret); i++ {
				assert.NotContains(t, got, secret[i:i+6])
			}
		}
	}
}

// Where the text itself was cut off, what may be the beginning of a secret goes.
func TestCutOfWhatWasCutOff(t *testing.T) {
	t.Parallel()
	sc := scrub.New()
	for name, how := range spellings {
		if name == "backslash" {
			continue
		}
		whole := spell(plain, how, func(byte) bool { return true })
		for n := range len(whole) {
			// What goes before shrinks, so that the end stays below the limit.
			body := "auth=" + strings.Repeat("z", 400) + " " + whole[:n]
			got := decoded(sc.Cut(body, 4096, true, plain))
			assert.NotContains(t, got, plain[:5], "%s, cut off at %d", name, n)
		}
	}
	assert.Empty(t, sc.Cut("abc", 4096, true, plain))
}

func TestCutKeepsCharactersWhole(t *testing.T) {
	t.Parallel()
	sc := scrub.New()
	assert.Equal(t, "aä", sc.Cut("aäö", 3, false, ""))
	assert.Equal(t, "aä", sc.Cut("aäö", 4, false, ""))
	assert.Equal(t, "aäö", sc.Cut("aäö", 5, false, ""))
	assert.Empty(t, sc.Cut("世", 2, false, ""))
	assert.Empty(t, sc.Cut("世", 0, false, ""))
}

func TestLine(t *testing.T) {
	t.Parallel()
	got := scrub.New().Line("one\ntwo\r\x1b[31m\x00"+token+" \u0085", 100, token)
	assert.Equal(t, "one two  [31m REDACTED  ", got)
	assert.Equal(t, "one", scrub.New().Line("one\ntwo", 3, ""))
}

func FuzzText(f *testing.F) {
	f.Add("the key ", token, []byte{0}, " was refused", false)
	f.Add(`{"message":"`, plain, []byte{1, 2, 3}, `"}`, false)
	f.Add("%25%", `tok-en41x41:25`, []byte{9, 4, 11, 0}, "25", false)
	f.Add("&#", "pa25ss-word", []byte{5, 6}, ";", true)
	f.Add(`\\\`, `u005cu005c`, []byte{4, 0, 0, 12}, `\u00`, true)
	f.Add("<a href=", "wJ5-hD3_gF6kL1", []byte{7, 8}, ">", true)
	names := []string{
		"itself", "JSON", "JSON, capitals", "JSON in JSON", "backslash", "percent", "percent twice",
		"percent thrice", "HTML", "HTML, padded", "HTML, hex", "HTML, Hex", "Ruby",
	}
	sc := scrub.New()
	f.Fuzz(func(t *testing.T, before, secret string, how []byte, after string, link bool) {
		// REDACTED has capitals only, and so cannot be a part of a secret without.
		secret = strings.Map(func(r rune) rune {
			// The characters that RFC 6750 has for tokens, and RFC 8959's colon.
			if r > '~' || !isLetter(byte(r)) && !strings.ContainsRune("-._~+/=:", r) {
				return -1
			}
			return r
		}, strings.ToLower(secret))
		lower := strings.ToLower(decoded(before))
		if len(secret) < 8 || len(secret) > 200 || strings.Contains(lower, "auth") || strings.Contains(lower, "secret-token") {
			t.Skip()
		}
		if link { // the value of a query's parameter
			secret = strings.Map(func(r rune) rune {
				if isLetter(byte(r)) || strings.ContainsRune("-_.~", r) {
					return r
				}
				return 'x'
			}, secret)
		}
		spelt := 0
		which := func(byte) bool { return len(how) > 0 }
		text := before + " " // or % would make another escape of it
		if link {
			text += "/pbc?auth="
		}
		text += spell(secret, func(c byte) string {
			name := names[int(how[spelt%len(how)])%len(names)]
			spelt++
			if name == "backslash" && isLetter(c) {
				name = "itself"
			}
			return spellings[name](c)
		}, which) + after
		tok := secret
		if link {
			tok = ""
		}
		got := sc.Text(text, tok)
		if strings.Contains(decoded(got), secret) && !strings.Contains(decoded(before+" "+after), secret) {
			t.Errorf("%q\nof %q\nwith %q", got, text, secret)
		}
		for n := range 20 {
			cut := sc.Cut(text, n, len(how) == 0, tok)
			if len(cut) > n || utf8.ValidString(text) && !utf8.ValidString(cut) {
				t.Errorf("cut to %d: %q", n, cut)
			}
		}
	})
}

// What is no secret is left as it is: an error that is changed cannot be unwrapped.
func TestTextLeavesProse(t *testing.T) {
	t.Parallel()
	sc := scrub.New()
	for _, text := range []string{
		"vault auth: permission denied",
		"oauth: cannot refresh",
		"Authorization: required",
		"no author = no book",
		"the auth value is missing",
	} {
		assert.Equal(t, text, sc.Text(text, token))
	}
	err := errors.New("vault auth: permission denied")
	assert.Equal(t, err, sc.Error(err, token))
}
