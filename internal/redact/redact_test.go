package redact_test

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/internal/redact"
)

const (
	token  = "secret-token:Zq8/xK2+vB7=nM4.tR9"
	secret = "Zq8/xK2+vB7=nM4.tR9"
	plain  = "pat_Zq8xK2vB7nM4tR9"
	auth   = "wJ5-hD3_gF6kL1~pS0%2F"
)

// spellings are the ways in which a server may write a character of a secret.
var spellings = []struct {
	name string
	of   func(c byte) string
}{
	{"itself", func(c byte) string { return string(rune(c)) }},
	{"JSON", format(`\u%04x`)},
	{"JSON, capitals", format(`\u%04X`)},
	{"JSON in JSON", format(`\\u%04x`)},
	{"backslash", format(`\%c`)},
	{"JavaScript", format(`\x%02x`)},
	{"code point", format(`\u{%x}`)},
	{"octal", format(`\%03o`)},
	{"Ruby", format(`\x%02X`)},
	{"Python", format(`\U%08x`)},
	{"percent", format("%%%02x")},
	{"percent twice", format("%%25%02X")},
	{"percent thrice", format("%%2525%02X")},
	{"percent eight times", format("%%25252525252525%02X")},
	{"HTML", format("&#%d;")},
	{"HTML, padded", format("&#%03d;")},
	{"HTML, hex", format("&#x%x;")},
	{"HTML, Hex", format("&#X00%X;")},
	{"HTML in JSON in a URL", format("%%5Cu0026#%d;")},
}

func format(layout string) func(byte) string {
	return func(c byte) string { return fmt.Sprintf(layout, c) }
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

func mayHold(text string, tokens ...string) bool { return redact.New(tokens...).MayHold(text) }

func every(byte) bool            { return true }
func isAlphanumeric(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' }
func isPunctuation(c byte) bool  { return !isAlphanumeric(c) }

// split puts sep behind every n characters of s.
func split(s, sep string, n int) string {
	var b strings.Builder
	for i := range len(s) {
		if i > 0 && i%n == 0 {
			b.WriteString(sep)
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func TestMayHoldAnEscapedToken(t *testing.T) {
	t.Parallel()
	for _, spelling := range spellings {
		for part, which := range map[string]func(byte) bool{"all": every, "punctuation": isPunctuation, "alphanumeric": isAlphanumeric} {
			if spelling.name == "backslash" && part != "punctuation" {
				continue // a backslash before a letter is another escape
			}
			for _, tok := range []string{token, plain} {
				written := spell(tok, spelling.of, which)
				assert.True(t, mayHold("before "+written+" after", tok), "%s, %s: %s", spelling.name, part, written)
				assert.True(t, mayHold(written, "another-token", tok), "%s, %s: the second token", spelling.name, part)
			}
		}
	}
}

// A text may show a part of a token, and be cut off anywhere.
func TestMayHoldAPartOfAToken(t *testing.T) {
	t.Parallel()
	for _, spelling := range spellings {
		if spelling.name == "backslash" {
			continue
		}
		for i := range len(secret) - 7 {
			written := spell(secret[i:i+8], spelling.of, every)
			assert.True(t, mayHold("key "+written, token), "%s: %s", spelling.name, written)
			assert.True(t, mayHold(written+" key", token), "%s: %s", spelling.name, written)
		}
		for end := 8; end < len(secret); end++ {
			cut := spell(secret[:end], spelling.of, every)
			assert.True(t, mayHold(cut+spelling.of(secret[end])[:1], token), "%s, cut off at %d", spelling.name, end)
		}
	}
	for i := range len(secret) - 6 {
		assert.False(t, mayHold("key "+secret[i:i+7], token), "seven characters are too few")
	}
	assert.False(t, mayHold("secret-token:"+secret[:7], token), "the prefix does not count")
}

// These are forms that replacing the token in the text let through.
func TestMayHoldADisguisedToken(t *testing.T) {
	t.Parallel()
	encoded := func(before string) string {
		return base64.StdEncoding.EncodeToString([]byte(before + secret + "~~~~"))
	}
	// The base64 of binary has + and / at each alignment. The base64 of secret does not.
	const binary = "~~~?~~~?>>>?~~~~"
	for name, text := range map[string]string{
		"upper case":       strings.ToUpper(secret),
		"lower case":       strings.ToLower(secret),
		"line breaks":      split(secret, "\n", 6),
		"folded header":    split(secret, "\r\n\t", 6),
		"JSON line breaks": split(secret, `\n`, 6),
		"tabs and returns": split(secret, `\t\r`, 6),
		"blanks":           split(secret, "  ", 4),
		"controls":         split(secret, "\x00\x1b\x7f", 4),
		"soft hyphens":     split(secret, "\u00ad", 4),
		"&shy;":            split(secret, "&shy;", 4),
		"zero width":       split(secret, "\u200b\u200d\ufeff", 4),
		"JSON zero width":  split(secret, `\u200b`, 4),
		"JSON surrogates":  split(secret, `\udb40\udc20`, 4),
		"zero width UTF-8": split(secret, `%E2%80%8B`, 4),
		"bidi controls":    split(secret, "\u202e", 4),
		"not UTF-8":        split(secret, "\xff", 4),

		"base64, first alignment":  encoded("key"),
		"base64, second alignment": encoded("a key:"[:5]),
		"base64, third alignment":  encoded("a key:"[:4]),
		"Basic authorization":      base64.StdEncoding.EncodeToString([]byte("bearer:" + token)),
		"base64 in lines":          split(encoded(""), "\r\n", 9),
		"base64 in a URL":          spell(encoded(""), format("%%%02x"), isPunctuation),
		"part of base64":           base64.StdEncoding.EncodeToString([]byte("1" + secret[5:13])),

		"hexadecimal":         fmt.Sprintf("%x", secret),
		"HEXADECIMAL":         fmt.Sprintf("%X", token),
		"hexadecimal, blanks": fmt.Sprintf("% x", secret),

		"names":              strings.NewReplacer("/", "&sol;", "+", "&plus;", "=", "&equals;", ".", "&period;").Replace(secret),
		"without semicolons": strings.NewReplacer("/", "&#47", "+", "&#43", "=", "&#61", ".", "&#46").Replace(secret),
		"the middle":         "..." + secret[4:12] + "...",
		"the end":            "*****" + secret[len(secret)-8:],
	} {
		assert.True(t, mayHold("before "+text+" after", token), "%s: %s", name, text)
	}
	for before := range 3 {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
			text := encoding.EncodeToString([]byte("xyz"[:before] + binary))
			assert.True(t, mayHold(text, "secret-token:"+binary), text)
			assert.False(t, mayHold(encoding.EncodeToString([]byte("xyz"[:before]+"????????????????")), "secret-token:"+binary))
		}
	}
	// What looks like an escape, and is a part of the token.
	assert.True(t, mayHold(`pa%32s\u0073-w%6fr\u0064`, "pa%32ss-w%6frd"))
	for _, tok := range []string{"pa%32ss-w%6frd", `tok-en\x41:25ab`, "a&amp;b&lt;c-d-e-f"} {
		for _, spelling := range spellings {
			if spelling.name != "backslash" {
				assert.True(t, mayHold(spell(tok, spelling.of, every), tok), spelling.name)
				assert.True(t, mayHold(spell(tok, spelling.of, isAlphanumeric), tok), spelling.name)
			}
		}
	}
}

func TestMayHoldInManyLayers(t *testing.T) {
	t.Parallel()
	layers := func(n int, text, escape, more string) string {
		return strings.ReplaceAll(text, "/", strings.Replace(escape, "*", strings.Repeat(more, n-1), 1))
	}
	for n := 1; n <= 9; n++ {
		assert.True(t, mayHold(layers(n, "abcd/efg", "%*2F", "25"), "abcd/efg"), "%d layers", n)
		assert.True(t, mayHold(layers(n, "abcd/efg", "&*#47;", "amp;"), "abcd/efg"), "%d layers", n)
	}
	for n := 1; n <= 8; n++ {
		assert.False(t, mayHold(layers(n, "abcd/efg", "%*2F", "25"), "another-token"), "%d layers", n)
	}
	assert.True(t, mayHold(layers(9, "abcd/efg", "%*2F", "25"), "another-token"), "nobody knows what is below")
	assert.False(t, mayHold(strings.Repeat(`\`, 256), token))
	assert.False(t, mayHold(strings.Repeat(`%`, 1000), token))
	assert.True(t, mayHold(strings.Repeat(`\`, 1000), token))
}

func TestMayHoldAShortToken(t *testing.T) {
	t.Parallel()
	for n := 1; n < 8; n++ {
		for _, tok := range []string{"Zq8/xK2"[:n], "secret-token:" + "Zq8/xK2"[:n]} {
			whole := tok[max(0, strings.IndexByte(tok, ':')+1):]
			for _, text := range []string{
				"key " + whole + " is wrong", spell(whole, format("%%%02x"), every), strings.ToUpper(whole), split(whole, "\u200b", 2),
				base64.StdEncoding.EncodeToString([]byte("a key:" + whole + "~~")), base64.StdEncoding.EncodeToString([]byte("key:" + whole + "~~")),
			} {
				assert.Equal(t, n >= 4, mayHold(text, tok), "%q in %q", tok, text)
			}
			assert.False(t, mayHold("key "+whole[:n-1]+" "+whole[1:], tok), "%q is not whole", tok)
		}
	}
	assert.False(t, mayHold("anything", ""))
	for _, tok := range []string{secret[:9] + " " + secret[9:] + "\n", "Zq8/ xK2\r\n"} { // nobody would send it
		assert.True(t, mayHold("key "+tok, tok))
		assert.True(t, mayHold("key "+strings.Join(strings.Fields(tok), ""), tok))
	}
	assert.False(t, mayHold("secret-token:", "secret-token:"))
	assert.False(t, mayHold("anything", "пароль"), "nobody would send it, and it would be in every text")
}

func TestMayHoldAnUnlikelyToken(t *testing.T) {
	t.Parallel()
	for _, tok := range []string{strings.Repeat("a", 40), "12345678901234567890", "the.token.of.the.company", "--------------------", "Secret-Token:" + strings.Repeat("a", 40)} {
		part := tok[len(tok)-8:]
		assert.True(t, mayHold("the key "+tok, tok))
		assert.True(t, mayHold("the key "+part, tok))
		assert.False(t, mayHold("the key "+part[1:], tok), part[1:])
		assert.False(t, mayHold("Invalid type: not_a_real_type", tok))
		assert.False(t, mayHold("invalid secret-token", tok))
	}
}

// Secrets that nobody told us of have a name, or look like a link.
func TestMayHoldANamedSecret(t *testing.T) {
	t.Parallel()
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
		"au\u00adth\u200b=%s",
		"{\n\t\"auth\":\n\t\"%s\"\n}",
		"auth='%s'",
		"auth: x-auth: %s",
		"auth: no-auth=[\"%s\"]",
		"uri: redirect_uri: '/links/%s'",
		`"uri":"https://app.fivetran.com/links/%s"`,
		`"uri":"https://app.fivetran.com/links?id=%s&page=2"`,
		`"uri": "/links/%s"`,
		`{"uri" => "links?page=2&id=%s"}`,
		"cannot read https://app.fivetran.com/links/%s",
		"cannot read https://app.fivetran.com/links/%s/",
		"cannot read https://app.fivetran.com/%s#top",
		"cannot read https://app.fivetran.com/#/links/%s",
		"cannot read https://app.fivetran.com?page=2&id=%s",
		"https://app.fivetran.com/login?to=https%%3A%%2F%%2Fapp.fivetran.com%%2Flinks%%2F%s",
	} {
		for _, spelling := range spellings {
			written := fmt.Sprintf(text, spell(auth, spelling.of, isPunctuation))
			for _, tok := range []string{"", token} {
				assert.True(t, mayHold(written, tok), "%s: %s", spelling.name, written)
			}
		}
		if !strings.Contains(text, "y=2") { // which counts as a part of the value
			assert.False(t, mayHold(fmt.Sprintf(text, "abcdefg"), token), "%s with seven characters", text)
		}
	}
	for _, text := range []string{"auth=%s", "auth='%s'", `auth="%s"`, `secret-token:"%s"`, `{"auth":"%s"}`, `{"auth" => "%s"}`, "secret-token:%s"} {
		assert.True(t, mayHold(fmt.Sprintf(text, "abcdefgh"), token), "%s with any value", text)
		assert.False(t, mayHold(fmt.Sprintf(text, "abcdefg"), token), "%s with seven characters", text)
	}
}

// Secrets as they are usually made look random.
func TestMayHoldARandomLink(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"aB3dE6gH9jK2", "x7Kp2mQ9", "Lw6pYs3fDg1uKe0aVoJi2r", "550e8400-e29b-41d4-a716-446655440000", "d41d8cd98f00b204e9800998ecf8427e",
		"vkk3cuy6wt4fhuk2odhz5umsyo", "3f2a9b1c", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "AVoJiLwpYsfDguKea", "abcd1efg2",
	} {
		assert.True(t, mayHold("see https://app.fivetran.com/links/"+value+" now"), value)
		assert.True(t, mayHold(`{"uri":"/links?id=`+value+`"}`), value)
	}
}

var ordinary = []string{
	"",
	"Invalid type",
	"Invalid type: not_a_real_type",
	"Invalid group_id: wandering_aimlessly",
	"No such connect link",
	"OAuth: 2.0 is required",
	"oauth: cannot refresh",
	"vault auth: permission denied",
	"unauthorized: bad credentials",
	"Authorization: required",
	"invalid secret-token",
	"invalid secret-token: expected a workspace key",
	"The token is missing or invalid",
	"the auth value is missing",
	`the "auth" parameter is missing`,
	"no author = no book",
	"auth", "auth=", `"auth":`, "secret-token:",
	"Invalid redirect_uri: must be https",
	"Invalid redirect_uri: https://platform.example/oauth2callback is not allowed",
	"redirect_uri must not be longer than 2048 characters: curiosity",
	"There is nothing at /api/v1/source_connect_links/x/revoke",
	`{"status":"error","message":"the author's authority is unknown"}`,
	`{"auth_method":"oauth","label":"HubSpot","auth":null,"oauth":false}`,
	`{"uri":null,"redirect_uri":"http://example.com","url":""}`,
	"100% of 25 \\ & more; 50%2",
	"Grüße, 世界",
	"<!doctype html><title>502 Bad Gateway</title>",
	`<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">`,
	`<a href="https://www.cloudflare.com/5xx-error-landing?utm_source=errorcode_502&utm_campaign=app.getcensus.com">`,
	"see https://www.fivetran.com/docs/activations/rest-api/api-reference/migrate-v1-to-v2",
	"see https://developers.getcensus.com/api-reference/connect-links/create-a-new-connect-link.",
	"see https://www.rfc-editor.org/rfc/rfc9110.html#section-15.5.21",
	"see https://support.example.com/hc/en-us/articles/360056557512-Connect-Links",
	`Get "https://app.getcensus.com/api/v1/sources?order=asc&page=2&per_page=25": EOF`,
	`Get "https://app.example.com/api/v1/syncs?since=2023-07-22T23:42:47.239Z": EOF`,
	`Post "https://a1b2c3d4e5f6.census.k8s.internal/api/v1/source_connect_links/12345678/revoke": EOF`,
	`"uri":"https://a1b2c3d4e5f6.census.k8s.internal"`,
	`"uri":"/a1b2c3d4e5f6/docs"`,
	"https://app.example.com/a1b2c3d4e5f6/docs",
	"https://app.example.com/login?redirect_uri=https%3A%2F%2Fplatform.example%2Fdone",
	`Post "https://app.getcensus.com/api/v2/activation_connect_links": dial tcp 34.120.1.2:443: connect: connection refused`,
	"dial tcp [2001:db8:85a3::8a2e:370:7334]:443: i/o timeout",
	"lookup app.getcensus.com on 127.0.0.53:53: no such host",
	"read tcp 10.0.0.7:53122->34.120.1.2:443: read: connection reset by peer",
	"tls: failed to verify certificate: x509: certificate is valid for *.getcensus.com, getcensus.com, not app-eu.getcensus.com",
	"tls: failed to verify certificate: x509: certificate signed by unknown authority",
	`x509: certificate signed by unknown authority (possibly because of "crypto/rsa: verification error" while trying to verify candidate authority certificate "serial:96410582394051733920144")`,
	"http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=ENHANCE_YOUR_CALM, debug=\"too_many_pings\"",
	"net/http: HTTP/1.x transport connection broken: malformed HTTP status code \"abc\"",
	"request 550e8400-e29b-41d4-a716-446655440000 of vkk3cuy6wt4fhuk2odhz5umsyo failed",
	`oauth2: "invalid_client" "Client authentication failed"`,
	"oauth2: cannot fetch token: 401 Unauthorized Response: {\"error\":\"invalid_grant\"}",
	"PUT https://vault.example.com:8200/v1/auth/approle/login: 403. Errors: permission denied",
	"rpc error: code = Unauthenticated desc = authentication is required",
	":authority=app.getcensus.com :path=/api/v1/workspace",
	`{"author":"Jane Roe-Smithson","authorized":"yes, certainly"}`,
	"cannot write C:\\users\\new to \\\\server\\share",
	redact.Withheld,
}

func TestOrdinaryTextsStay(t *testing.T) {
	t.Parallel()
	for _, text := range ordinary {
		for _, tok := range []string{"", token, plain, "secret-token:7bq4xk2ozvd6mwe3rfy5tapn2c"} {
			secrets := redact.New(tok)
			assert.Equal(t, text, secrets.Line(text, 1<<10))
			assert.Equal(t, text, string(secrets.Body([]byte(text), 1<<10)))
		}
	}
	assert.False(t, mayHold("see https://docs.example.com/from-s3-to-v2\nthen try again", token), "a line break ends a URL")
	bodies, err := filepath.Glob("../../testdata/error_*")
	require.NoError(t, err)
	require.NotEmpty(t, bodies)
	for _, name := range bodies {
		body, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.Equal(t, string(body), string(redact.New(token).Body(body, 4<<10)), name)
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	secrets := redact.New(token)
	assert.Equal(t, "one two  [31m   three", secrets.Line("one\ntwo\r\x1b[31m\x00\u0085\x7fthree", 100))
	assert.Equal(t, "one two three four five", secrets.Line("one\u2028two\u2029three\u202efour\u2066five", 100))
	assert.Equal(t, "a\ufffdb\u00e9", redact.New().Line("a\x9bb\u00e9", 100), "C1 controls are not smuggled in as bytes")
	assert.Equal(t, "one", secrets.Line("one\ntwo", 3))
	for max, want := range []string{"", "a", "a", "aä", "aä", "aäö", "aäö"} {
		assert.Equal(t, want, secrets.Line("aäö", max), "at most %d bytes", max)
	}
	assert.Equal(t, redact.Withheld, secrets.Line("key "+secret, 100))
	assert.Equal(t, redact.Withheld, secrets.Line("key "+secret, 3), "the cut does not decide")
	assert.Equal(t, redact.Withheld, secrets.Line(strings.Repeat("x", 1<<16)+secret, 512))
}

func TestBody(t *testing.T) {
	t.Parallel()
	secrets := redact.New(token)
	assert.Equal(t, "{\r\n\t\"a\": \"b \u00fc\"\n}", string(secrets.Body([]byte("{\r\n\t\"a\": \"b\x00\u00fc\"\n}"), 100)))
	assert.Equal(t, "aä", string(secrets.Body([]byte("aäö"), 4)))
	assert.Empty(t, secrets.Body(nil, 100))
	assert.Equal(t, redact.Withheld, string(secrets.Body([]byte(strings.Repeat("x", 1<<16)+secret), 512)))
	body := []byte("kept")
	secrets.Body(body, 100)[0] = 'x'
	assert.Equal(t, "kept", string(body), "the result is a copy")
}

// A secret across the cut must not survive in half.
func TestCutAcrossASecret(t *testing.T) {
	t.Parallel()
	secrets := redact.New(token, plain)
	for _, text := range []string{token, plain, "/pbc?auth=" + auth} {
		for at := 1; at <= len(text); at++ {
			body := strings.Repeat("x", 512-at) + " " + text + strings.Repeat(" y", 100)
			assert.Equal(t, redact.Withheld, secrets.Line(body, 512))
			assert.Equal(t, redact.Withheld, string(secrets.Body([]byte(body), 512)))
		}
	}
}

type formatted struct{ Secret string }

func (formatted) Format(s fmt.State, _ rune) {
	redact.Format(s, []slog.Attr{slog.Int("id", 469), slog.String("type", "hub spot"), slog.Bool("expired", true)})
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		assert.Equal(t, `{id:469 type:"hub spot" expired:true}`, fmt.Sprintf(verb, formatted{secret}), verb)
	}
}
