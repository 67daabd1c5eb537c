package testkit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/connectlinks/connectlinks-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// PersonalToken is a token without the prefix secret-token:.
const PersonalToken = "Kq3Vd8/Rz1+Mx6=Nc0Fy5Tb9Ws"

// Secrets are the secrets that the checks below look for.
var Secrets = []string{TokenSecret, PersonalToken, LinkSecret}

// Verbs are all verbs of fmt except %p, %T and %w, some with flags, if [Thorough]. Otherwise they
// are those that print each kind of field.
var Verbs = func() []string {
	verbs := []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%c", "%z"}
	if Thorough {
		verbs = append(verbs, "%+q", "%t", "% x", "%X", "%#X", "%o", "%O", "%b", "%e", "%E", "%f", "%F", "%g", "%G", "%U", "%#U", "%9v", "%-40.60s")
	}
	return verbs
}()

// fewVerbs are enough for a value that holds an error, if the error passed with all verbs.
var fewVerbs = []string{"%+v", "%#v", "%d"}

// needles are parts of the secrets, as each verb or a log prints them.
var needles = func() map[string][]string {
	needles := map[string][]string{}
	for _, verb := range append([]string{"slog"}, Verbs...) {
		for _, secret := range Secrets {
			for _, part := range []string{secret[:8], secret[len(secret)/2-4 : len(secret)/2+4], secret[len(secret)-8:]} {
				needles[verb] = append(needles[verb], part)
				if verb == "slog" || strings.ContainsAny(verb, "0123456789") {
					continue
				}
				for _, text := range []string{fmt.Sprintf(verb, part), fmt.Sprintf(verb, []byte(part))} {
					if i := strings.IndexByte(text, '{'); i >= 0 { // []byte{0x41, 0x42}
						text = text[i+1:]
					}
					if text = strings.TrimPrefix(strings.TrimPrefix(text, "0x"), "0X"); !strings.HasPrefix(text, "%!") {
						needles[verb] = append(needles[verb], strings.Trim(text, `[]}"`))
					}
				}
			}
		}
	}
	return needles
}()

var (
	percentEscapes = regexp.MustCompile(`%(?:25)*([0-9a-fA-F]{2})`)
	unicodeEscapes = regexp.MustCompile(`\\+u00([0-9a-fA-F]{2})`)
)

// Decoded replaces the escapes with which a server may write a secret.
func Decoded(s string) string {
	if !strings.ContainsAny(s, `%\&`) {
		return s
	}
	for _, re := range []*regexp.Regexp{unicodeEscapes, percentEscapes} {
		s = re.ReplaceAllStringFunc(s, func(m string) string {
			n, _ := strconv.ParseUint(re.FindStringSubmatch(m)[1], 16, 8)
			return string(rune(n))
		})
	}
	return strings.ReplaceAll(html.UnescapeString(s), `\`, "")
}

// Shown returns the part of a secret in text, or "". verb is the verb that printed text, or
// slog for a log.
func Shown(verb, text string) string {
	for _, s := range []string{text, Decoded(text)} {
		for _, needle := range needles[verb] {
			if strings.Contains(s, needle) {
				return needle
			}
		}
	}
	return ""
}

// CheckText checks that text shows no secret, and reports whether it does. See [Shown].
func CheckText(t testing.TB, where, verb, text string) (found bool) {
	t.Helper()
	part := Shown(verb, text)
	if part != "" {
		t.Errorf("%s: %s shows %q:\n%s", where, verb, part, text)
	}
	return part != ""
}

// CheckPrints checks that v shows no secret when it is printed. With inJSON it checks the
// JSON too, which has the URL of a link.
func CheckPrints(t testing.TB, where string, v any, inJSON bool) {
	t.Helper()
	checkPrintsBy(t, Verbs, where, v, inJSON)
}

func checkPrintsBy(t testing.TB, verbs []string, where string, v any, inJSON bool) {
	t.Helper()
	for _, verb := range verbs {
		if CheckText(t, where, verb, fmt.Sprintf(verb, v)) {
			return
		}
	}
	CheckText(t, where, "%v", fmt.Sprint(v)+fmt.Sprintln(v, "and", v))
	for _, handler := range []func(io.Writer) slog.Handler{
		func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
		func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
	} {
		var buf bytes.Buffer
		h := handler(&buf)
		if _, isJSON := h.(*slog.JSONHandler); isJSON && !inJSON {
			continue
		}
		slog.New(h).Info("m", "v", v)
		slog.New(h).With("v", v).WithGroup("g").Info("m", slog.Group("h", slog.Any("v", v)))
		CheckText(t, where, "slog", buf.String())
	}
}

// CheckError checks that err, and every error in it, shows no secret.
func CheckError(t testing.TB, where string, err error) {
	t.Helper()
	if !assert.Error(t, err, where) {
		return
	}
	for _, e := range Walk(err) {
		where := fmt.Sprintf("%s: %T", where, e)
		CheckPrints(t, where, e, true)
		if api, ok := e.(*connectlinks.APIError); ok {
			CheckPrints(t, where+", by value", *api, true)
			for _, field := range []string{string(api.Body), api.Message, api.Status, api.RequestID, api.Path, api.RetryAfter.String()} {
				CheckText(t, where, "slog", field)
			}
			raw, err := json.Marshal(api)
			require.NoError(t, err)
			var plain struct{ Body []byte }
			require.NoError(t, json.Unmarshal(raw, &plain))
			CheckText(t, where, "slog", string(raw)+string(plain.Body))
		}
	}
	checkPrintsBy(t, fewVerbs, where+", joined", errors.Join(errors.New("other"), err), true)
	checkPrintsBy(t, fewVerbs, where+", wrapped", fmt.Errorf("creating a link: %w", err), true)
	checkPrintsBy(t, fewVerbs, where+", in a struct", struct{ Err error }{err}, true)
	checkPrintsBy(t, fewVerbs, where+", in a slice", []error{err}, true)
}

// Spellings are ways in which an answer may write a secret.
var Spellings = map[string]func(string) string{
	"raw":           func(s string) string { return s },
	"JSON":          func(s string) string { return Spell(s, `\u%04x`, false) },
	"JSON, all":     func(s string) string { return Spell(s, `\u%04X`, true) },
	"JSON in JSON":  func(s string) string { return Spell(s, `\\u%04x`, false) },
	"slashes":       func(s string) string { return strings.ReplaceAll(s, "/", `\/`) },
	"percent":       func(s string) string { return Spell(s, "%%%02X", false) },
	"percent, all":  func(s string) string { return Spell(s, "%%%02x", true) },
	"percent twice": func(s string) string { return Spell(s, "%%25%02X", false) },
	"HTML":          func(s string) string { return Spell(s, "&#%d;", false) },
	"HTML, hex":     func(s string) string { return Spell(s, "&#x%x;", false) },
}

// Spell writes s with each byte in a format, except letters and digits. With all, it writes
// every byte in the format.
func Spell(s, format string, all bool) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'; all || !letter {
			fmt.Fprintf(&b, format, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
