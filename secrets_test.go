package connectlinks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hardPersonal is a token that nothing about its looks gives away.
const hardPersonal = "Kq3Vd8/Rz1+Mx6=Nc0Fy5Tb9Ws"

// hardSecrets are all that is looked for, wherever something is printed.
var hardSecrets = []string{testkit.TokenSecret, hardPersonal, testkit.LinkSecret}

// hardVerbs are all of fmt's but %p of a value, %T and %w, some with flags.
var hardVerbs = []string{
	"%v", "%+v", "%#v", "%s", "%q", "%+q", "%d", "%t", "%x", "% x", "%X", "%#X", "%o", "%O", "%b", "%e", "%E", "%f", "%F", "%g", "%G", "%c", "%U", "%#U",
	"%9v", "%-40.60s", "%z",
}

// hardFewVerbs are enough for what holds an error that all were tried on.
var hardFewVerbs = []string{"%+v", "%#v", "%d"}

// hardNeedles are the parts of the secrets in the spelling of each verb, and for
// the logs that of %v.
var hardNeedles = func() map[string][]string {
	needles := map[string][]string{}
	for _, verb := range append([]string{"slog"}, hardVerbs...) {
		for _, secret := range hardSecrets {
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
	hardPercents = regexp.MustCompile(`%(?:25)*([0-9a-fA-F]{2})`)
	hardSlashes  = regexp.MustCompile(`\\+u00([0-9a-fA-F]{2})`)
)

// hardDecoded undoes what a server may do to a secret.
func hardDecoded(s string) string {
	if !strings.ContainsAny(s, `%\&`) {
		return s
	}
	for _, re := range []*regexp.Regexp{hardSlashes, hardPercents} {
		s = re.ReplaceAllStringFunc(s, func(m string) string {
			n, _ := strconv.ParseUint(re.FindStringSubmatch(m)[1], 16, 8)
			return string(rune(n))
		})
	}
	return strings.ReplaceAll(html.UnescapeString(s), `\`, "")
}

func hardFind(t *testing.T, where, verb, text string) (found bool) {
	t.Helper()
	for _, s := range []string{text, hardDecoded(text)} {
		for _, needle := range hardNeedles[verb] {
			if strings.Contains(s, needle) {
				t.Errorf("%s: %s shows %q:\n%s", where, verb, needle, text)
				return true
			}
		}
	}
	return false
}

// hardHides looks for the secrets in all that prints v. The JSON of what holds a
// link has its URL, which is documented: inJSON says whether to look there.
func hardHides(t *testing.T, where string, v any, inJSON bool) {
	t.Helper()
	hardHidesBy(t, hardVerbs, where, v, inJSON)
}

func hardHidesBy(t *testing.T, verbs []string, where string, v any, inJSON bool) {
	t.Helper()
	for _, verb := range verbs {
		if hardFind(t, where, verb, fmt.Sprintf(verb, v)) {
			return // one is enough
		}
	}
	hardFind(t, where, "%v", fmt.Sprint(v)+fmt.Sprintln(v, "and", v))
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
		hardFind(t, where, "slog", buf.String())
	}
}

// hardErrorHides looks for the secrets in an error, and in all that can be got
// out of it.
func hardErrorHides(t *testing.T, where string, err error) {
	t.Helper()
	if !assert.Error(t, err, where) {
		return
	}
	for _, e := range testkit.Walk(err) {
		where := fmt.Sprintf("%s: %T", where, e)
		hardHides(t, where, e, true)
		if api, ok := e.(*connectlinks.APIError); ok {
			hardHides(t, where+", by value", *api, true)
			for _, field := range []string{string(api.Body), api.Message, api.Status, api.RequestID, api.Path, api.RetryAfter.String()} {
				hardFind(t, where, "slog", field)
			}
			raw, err := json.Marshal(api)
			require.NoError(t, err)
			var plain struct{ Body []byte }
			require.NoError(t, json.Unmarshal(raw, &plain))
			hardFind(t, where, "slog", string(raw)+string(plain.Body))
		}
	}
	hardHidesBy(t, hardFewVerbs, where+", joined", errors.Join(errors.New("other"), err), true)
	hardHidesBy(t, hardFewVerbs, where+", wrapped", fmt.Errorf("creating a link: %w", err), true)
	hardHidesBy(t, hardFewVerbs, where+", in a struct", struct{ Err error }{err}, true)
	hardHidesBy(t, hardFewVerbs, where+", in a slice", []error{err}, true)
}

// The helpers above find what they are there to find.
func TestSecretsWouldBeFound(t *testing.T) {
	t.Parallel()
	found := func(verb, out string) bool {
		for _, needle := range hardNeedles[verb] {
			if strings.Contains(out, needle) || strings.Contains(hardDecoded(out), needle) {
				return true
			}
		}
		return false
	}
	for _, secret := range hardSecrets {
		for _, verb := range hardVerbs {
			if strings.ContainsAny(verb, "0123456789") {
				continue
			}
			for _, v := range []any{secret, []byte(secret), struct{ S string }{secret}, struct{ s []byte }{[]byte("a" + secret)}} {
				out := fmt.Sprintf(verb, v)
				assert.True(t, found(verb, out), "%s of %T: %s", verb, v, out)
			}
		}
		for name, echo := range hardEchoes {
			assert.True(t, found("%s", echo(secret)), name)
		}
	}
}

func TestSecretsOfLinks(t *testing.T) {
	t.Parallel()
	n := 0
	for _, address := range []string{
		testkit.LinkURL, "https://app.fivetran.com/" + testkit.LinkSecret, "https://user:" + testkit.LinkSecret + "@app.getcensus.com/pbc", "/pbc?auth=" + testkit.LinkSecret,
		"https://app.getcensus.com/%zz?auth=" + testkit.LinkSecret, "auth=" + testkit.LinkSecret, testkit.LinkSecret + ":x", "https:" + testkit.LinkSecret, "https://app.getcensus.com#" + testkit.LinkSecret,
		"https://app.getcensus.com/\n?auth=" + testkit.LinkSecret, "//app.getcensus.com/pbc?auth=" + testkit.LinkSecret, "https:///pbc?auth=" + testkit.LinkSecret,
	} {
		if !testkit.Sample(&n) {
			continue
		}
		base := connectlinks.ConnectLink{ID: 469, Type: "hubspot", URL: address, ExpiresAt: time.Unix(1e9, 0), RedirectURI: "https://platform.example/done"}
		hardLinkHides(t, base)
		hardLinkHides(t, connectlinks.SourceConnectLink{ConnectLink: base, SourceID: 7})
		hardLinkHides(t, connectlinks.DestinationConnectLink{ConnectLink: base, DestinationID: 7})
		hardLinkHides(t, connectlinks.ActivationConnectLink{ConnectLink: base, GroupID: "wandering_aimlessly"})
	}
}

func hardLinkHides[L interface {
	fmt.Formatter
	slog.LogValuer
}](t *testing.T, link L) {
	t.Helper()
	where := fmt.Sprintf("%T", link)
	type embedded struct {
		Note string
		Link L
	}
	type chained struct {
		Link *L
		Next *chained
	}
	pp := &link
	for name, v := range map[string]any{"value": link, "pointer": &link, "page": connectlinks.Page[L]{Items: []L{link}}, "*page": &connectlinks.Page[L]{Items: []L{link}}} {
		hardHides(t, where+": "+name, v, true)
	}
	for name, v := range map[string]any{
		"slice": []L{link}, "pointers": []*L{&link}, "array": [2]L{link, link}, "map": map[string]L{"a": link},
		"pointers in a map": map[int]*L{1: &link}, "interfaces": []any{link, &link}, "struct": embedded{"n", link}, "*struct": &embedded{"n", link},
		"chain": &chained{&link, &chained{&link, nil}}, "slice in struct": struct{ Links []L }{[]L{link}}, "pointer to slice": &[]L{link},
		"pointer to pointer": &pp, "pages": []connectlinks.Page[L]{{Items: []L{link}}}, "page in struct": struct{ Page *connectlinks.Page[L] }{&connectlinks.Page[L]{Items: []L{link}}},
	} {
		hardHides(t, where+": "+name, v, false)
	}
	assert.Contains(t, fmt.Sprint(link), "469", "the rest is shown")
	assert.Contains(t, fmt.Sprint(link), "hubspot")

	raw, err := json.Marshal(link)
	require.NoError(t, err)
	assert.Contains(t, string(raw), testkit.LinkSecret, "JSON is how a link reaches a front end")
	var back L
	require.NoError(t, json.Unmarshal(raw, &back))
}

// hardValueSource and hardStringSource are sources that are no pointers.
type hardValueSource struct{ Secret string }

func (s hardValueSource) Token(context.Context) (string, error) { return s.Secret, nil }

type hardStringSource string

func (s hardStringSource) Token(context.Context) (string, error) { return string(s), nil }

func TestSecretsOfClients(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, token := range []string{testkit.Token, hardPersonal} {
		for name, opt := range map[string]connectlinks.Option{
			"token":         connectlinks.WithToken(token),
			"func":          connectlinks.WithTokenSource(connectlinks.TokenFunc(func(context.Context) (string, error) { return token, nil })),
			"pointer":       connectlinks.WithTokenSource(&testkit.Tokens{List: []string{token}}),
			"pointer, open": connectlinks.WithTokenSource(&hardValueSource{token}),
			"struct":        connectlinks.WithTokenSource(hardValueSource{token}),
			"string":        connectlinks.WithTokenSource(hardStringSource(token)),
		} {
			hardHides(t, name+": option", opt, false)
			answer := testkit.Succeed
			c, err := connectlinks.NewClient(opt, connectlinks.WithLogger(logger),
				connectlinks.WithHTTPClient(&http.Client{Transport: testkit.RoundTripper(func(r *http.Request) (*http.Response, error) { return answer(r) })}))
			require.NoError(t, err)
			require.NoError(t, testkit.CreateLink(t.Context(), c))
			answer = func(r *http.Request) (*http.Response, error) {
				return testkit.Response(r, http.StatusTooManyRequests, ``, "Retry-After", "60"), nil
			}
			require.ErrorIs(t, testkit.CreateLink(t.Context(), c), connectlinks.ErrRateLimited) // the token is in the table of pauses
			derived, err := c.With(connectlinks.WithUserAgent("acme/1"))
			require.NoError(t, err)
			for what, v := range map[string]any{
				"client": c, "client by value": *c, "derived": derived, "slice": []*connectlinks.Client{c},
				"struct": struct{ Client *connectlinks.Client }{c}, "struct by value": struct{ Client connectlinks.Client }{*c},
				"map":     map[string]any{"client": c},
				"sources": c.Sources, "destinations": c.Destinations, "activations": c.Activations, "workspaces": c.Workspaces,
				"sources by value": *c.Sources, "workspaces by value": *c.Workspaces,
			} {
				hardHides(t, name+": "+what, v, what != "struct by value")
			}
		}
	}
	hardFind(t, "log", "slog", log.String())
}

// A source of a workspace's key keeps the key, but not where it can be seen.
func TestSecretsOfTokenSources(t *testing.T) {
	t.Parallel()
	org := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
		return testkit.Response(r, http.StatusOK, `{"api_key":"`+hardPersonal+`"}`), nil
	}))
	source := org.Workspaces.TokenSource(33)
	token, err := source.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, hardPersonal, token)
	c, err := org.With(connectlinks.WithTokenSource(source))
	require.NoError(t, err)
	for name, v := range map[string]any{
		"source": source, "slice": []any{source}, "struct": struct{ Source connectlinks.TokenSource }{source},
		"hidden": struct{ source connectlinks.TokenSource }{source}, "map": map[int]connectlinks.TokenSource{1: source},
		"client": c, "service": c.Sources,
	} {
		hardHides(t, name, v, true)
	}
}

// hardEchoes are ways to write a secret into an answer.
var hardEchoes = map[string]func(string) string{
	"raw":           func(s string) string { return s },
	"JSON":          func(s string) string { return hardSpell(s, `\u%04x`, false) },
	"JSON, all":     func(s string) string { return hardSpell(s, `\u%04X`, true) },
	"JSON in JSON":  func(s string) string { return hardSpell(s, `\\u%04x`, false) },
	"slashes":       func(s string) string { return strings.ReplaceAll(s, "/", `\/`) },
	"percent":       func(s string) string { return hardSpell(s, "%%%02X", false) },
	"percent, all":  func(s string) string { return hardSpell(s, "%%%02x", true) },
	"percent twice": func(s string) string { return hardSpell(s, "%%25%02X", false) },
	"HTML":          func(s string) string { return hardSpell(s, "&#%d;", false) },
	"HTML, hex":     func(s string) string { return hardSpell(s, "&#x%x;", false) },
}

func hardSpell(s, format string, all bool) string {
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

// hardShapes are answers that hold a text.
var hardShapes = map[string]string{
	"message":   `{"status":"error","message":"Bearer %s is wrong"}`,
	"error":     `{"status":"%s","error":"no %s"}`,
	"nested":    `{"errors":[{"detail":"%s"}],"status":{"of":"%s"},"message":["%s"]}`,
	"HTML":      `<html><title>%s</title><pre>Parameters: {"authorization"=>"Bearer %s"}</pre></html>`,
	"text":      "%s",
	"truncated": `{"status":"error","message":"Bearer %s`,
	"garbage":   `{"status":"success"}{"%s":1}`,
}

// hardEcho makes a client of token whose every answer is that of echo, and what
// it logs.
func hardEcho(t *testing.T, token string, echo func(*http.Request) (*http.Response, error)) (*connectlinks.Client, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	return testkit.Client(t, testkit.RoundTripper(echo), connectlinks.WithToken(token), connectlinks.WithMaxRetries(0),
		connectlinks.WithLogger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))), log
}

func TestSecretsInAnswers(t *testing.T) {
	t.Parallel()
	for echoName, echo := range hardEchoes {
		t.Run(echoName, func(t *testing.T) {
			t.Parallel()
			n := 0
			for shapeName, shape := range hardShapes {
				for i, status := range []int{400, 500, 201, 401, 403, 404, 410, 422, 429, 503, 302, 308, 418, 101} {
					if i >= 3 && shapeName != "message" {
						break // the status makes no difference to the body
					}
					if !testkit.Sample(&n) {
						continue
					}
					token := []string{testkit.Token, hardPersonal}[i%2]
					written := echo(token) + " or " + echo(testkit.LinkURL)
					body := strings.ReplaceAll(shape, "%s", written)
					c, log := hardEcho(t, token, func(r *http.Request) (*http.Response, error) {
						return testkit.Response(r, status, body, "X-Request-Id", written, "Retry-After", written,
							"Location", "https://evil.example/?"+written, "Www-Authenticate", written), nil
					})
					err := testkit.CreateLink(t.Context(), c)
					where := fmt.Sprintf("%s, %s, %d", echoName, shapeName, status)
					hardErrorHides(t, where, err)
					hardFind(t, where, "slog", log.String())
					assert.NotEmpty(t, log.String())
				}
			}
		})
	}
}

// What is left of an answer that was cut is free of half secrets.
func TestSecretsAcrossTheCut(t *testing.T) {
	t.Parallel()
	n := 0
	for _, token := range []string{testkit.Token, hardPersonal} {
		for _, secret := range []string{token, testkit.LinkURL} {
			for _, cut := range []int{1 << 10, 4 << 10} {
				for at := 1; at <= len(secret); at += 3 {
					if !testkit.Sample(&n) {
						continue
					}
					lead := `{"status":"error","message":"`
					body := lead + strings.Repeat("x", cut-len(lead)-at-1) + " " + secret + strings.Repeat(" y", 50) + `"}`
					c, log := hardEcho(t, token, func(r *http.Request) (*http.Response, error) {
						return testkit.Response(r, http.StatusBadRequest, body, "X-Request-Id", body[len(lead):]), nil
					})
					var refused *connectlinks.APIError
					require.ErrorAs(t, testkit.CreateLink(t.Context(), c), &refused)
					assert.LessOrEqual(t, len(refused.Body), 4<<10)
					for _, text := range []string{string(refused.Body), refused.Message, refused.RequestID, refused.Error(), log.String()} {
						hardNoWindow(t, text, secret)
					}
				}
			}
		}
	}
}

// hardNoWindow looks for any eight characters of a secret in a row.
func hardNoWindow(t *testing.T, text, secret string) {
	t.Helper()
	for _, prefix := range []string{"secret-token:", "auth="} {
		if i := strings.Index(secret, prefix); i >= 0 {
			secret = secret[i+len(prefix):]
		}
	}
	for i := range len(secret) - 7 {
		require.NotContains(t, text, secret[i:i+8])
	}
}

// Where reading ends, or the connection, the beginning of a secret may be at the
// end of what was read.
func TestSecretsInCutOffAnswers(t *testing.T) {
	t.Parallel()
	n := 0
	for _, token := range []string{testkit.Token, hardPersonal} {
		for _, secret := range []string{token, testkit.LinkURL, hardSpell(token, `\u%04x`, true)} {
			for at := 1; at < len(secret); at += 1 + len(secret)/12 {
				for name, answer := range map[string]func(*http.Request) *http.Response{
					"64 KiB": func(r *http.Request) *http.Response {
						// What comes first shrinks, so that the end of what is read is not cut.
						lead := "auth="
						return testkit.Response(r, 400, lead+strings.Repeat("z", 64<<10-len(lead)-1-at)+" "+secret+strings.Repeat(" y", 100))
					},
					"connection": func(r *http.Request) *http.Response {
						resp := testkit.Response(r, 400, "")
						resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("bad key "+secret[:at]), iotest.ErrReader(io.ErrUnexpectedEOF)))
						resp.ContentLength = 1000
						return resp
					},
					"server": func(r *http.Request) *http.Response {
						return testkit.Response(r, 400, `{"message":"bad key `+secret[:at])
					},
				} {
					if !testkit.Sample(&n) {
						continue
					}
					c, log := hardEcho(t, token, func(r *http.Request) (*http.Response, error) { return answer(r), nil })
					err := testkit.CreateLink(t.Context(), c)
					var refused *connectlinks.APIError
					require.ErrorAs(t, err, &refused)
					for _, text := range []string{string(refused.Body), refused.Error(), log.String()} {
						if len(hardDecoded(text)) > 8 {
							text += hardDecoded(text)
						}
						hardNoTail(t, name, text, secret, token)
					}
				}
			}
		}
	}
}

func hardNoTail(t *testing.T, name, text string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		secret = hardDecoded(secret)
		for _, prefix := range []string{"secret-token:", "auth="} {
			if i := strings.Index(secret, prefix); i >= 0 {
				secret = secret[i+len(prefix):]
			}
		}
		require.NotContains(t, text, secret[:8], name)
	}
}

// A success that is none, with the secrets where something else belongs.
func TestSecretsInUnreadableSuccesses(t *testing.T) {
	t.Parallel()
	n := 0
	link := func(field, value string) string {
		fields := map[string]string{
			"id": "469", "type": `"hubspot"`, "expiration": "null", "expired": "false", "revoked": "false", "uri": `"` + testkit.LinkURL + `"`, "redirect_uri": "null",
			"destination_id": "null", "group_id": "null",
		}
		fields[field] = value
		var list []string
		for k, v := range fields {
			list = append(list, strconv.Quote(k)+":"+v)
		}
		return "{" + strings.Join(list, ",") + "}"
	}
	for _, token := range []string{testkit.Token, hardPersonal} {
		wrong := []string{strconv.Quote(token), strconv.Quote(testkit.LinkURL), `["` + token + `"]`, `{"` + token + `":"` + testkit.LinkURL + `"}`}
		var data []string
		for _, v := range wrong {
			data = append(data, v, "["+v+"]")
			for _, field := range []string{"id", "expired", "revoked", "destination_id", "expiration"} {
				data = append(data, link(field, v))
			}
		}
		for _, v := range wrong[2:] {
			for _, field := range []string{"type", "uri", "redirect_uri", "group_id"} {
				data = append(data, link(field, v))
			}
		}
		data = append(data, link("uri", `"/pbc?auth=`+testkit.LinkSecret+`"`), link("uri", `"ftp://x/?auth=`+testkit.LinkSecret+`"`), link("uri", `"`+token+`"`), link("id", "0"), link("id", "-1"))
		for _, d := range data {
			for _, body := range []string{`{"status":"created","data":` + d + `}`, `{"status":"created","data":` + d, `{"status":"created","data":` + d + `}` + token, `{"status":["` + token + `"],"data":` + d + `}`} {
				if !testkit.Sample(&n) {
					continue
				}
				c, log := hardEcho(t, token, func(r *http.Request) (*http.Response, error) {
					return testkit.Response(r, http.StatusCreated, body), nil
				})
				err := testkit.CreateLink(t.Context(), c)
				require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, body)
				for _, e := range testkit.Walk(err) {
					hardFind(t, body, "%+v", fmt.Sprintf("%+v", e))
					hardFind(t, body, "%d", fmt.Sprintf("%d", e))
				}
				hardFind(t, body, "slog", log.String())
			}
		}
		for _, body := range []string{
			`{"status":"success","data":{"id":7,"created_at":"` + token + `"}}`,
			`{"status":"success","data":{"id":7,"created_at":"` + testkit.LinkURL + `"}}`,
			`{"status":"success","data":{"id":7,"last_test_succeeded":"` + token + `"}}`,
			`{"status":"success","data":{"id":"` + token + `"}}`,
			`{"status":"success","pagination":{"page":"` + token + `"},"data":[]}`,
			`{"status":"success","pagination":"` + token + `","data":[]}`,
			`{"api_key":"` + token + ` "}`, `{"api_key":["` + token + `"]}`, `{"api_key":"` + token, token, `"` + token + `"`, `<` + testkit.LinkURL,
		} {
			c, log := hardEcho(t, token, func(r *http.Request) (*http.Response, error) { return testkit.Response(r, http.StatusOK, body), nil })
			for _, op := range testkit.Calls() {
				if !testkit.Sample(&n) {
					continue
				}
				if _, err := op.Do(t.Context(), c); err != nil {
					hardErrorHides(t, op.Name+" "+body, err)
				}
			}
			hardFind(t, body, "slog", log.String())
		}
	}
}

// hardEchoError is an error of a transport that is no pointer and knows too much.
type hardEchoError struct {
	Header http.Header
	text   string
}

func (e hardEchoError) Error() string { return e.text }

// hardWrapping hides what it wraps from its text.
type hardWrapping struct{ cause error }

func (e *hardWrapping) Error() string { return "it failed" }
func (e *hardWrapping) Unwrap() error { return e.cause }

func TestSecretsInTransportErrors(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*http.Request) error{
		"header":        func(r *http.Request) error { return fmt.Errorf("cannot send %v", r.Header) },
		"quoted header": func(r *http.Request) error { return fmt.Errorf("cannot send %q", r.Header) },
		"request":       func(r *http.Request) error { return fmt.Errorf("cannot send %+v", *r) },
		"value":         func(r *http.Request) error { return hardEchoError{r.Header, r.Header.Get("Authorization")} },
		"URL": func(r *http.Request) error {
			return &url.Error{Op: "Post", URL: testkit.LinkURL, Err: errors.New(r.Header.Get("Authorization"))}
		},
		"network": func(r *http.Request) error {
			return &net.OpError{Op: "read", Net: "tcp", Err: errors.New(r.Header.Get("Authorization"))}
		},
		"joined": func(r *http.Request) error { return errors.Join(io.EOF, errors.New(r.Header.Get("Authorization"))) },
		"wrapped": func(r *http.Request) error {
			return fmt.Errorf("%w: %w", io.EOF, errors.New(r.Header.Get("Authorization")))
		},
		"wrapped out of sight": func(r *http.Request) error {
			return &hardWrapping{errors.New(r.Header.Get("Authorization"))}
		},
		"link":          func(*http.Request) error { return errors.New("cannot read " + testkit.LinkURL) },
		"link, escaped": func(*http.Request) error { return errors.New("cannot read " + url.QueryEscape(testkit.LinkURL)) },
		"time-out":      func(r *http.Request) error { return &net.DNSError{Err: r.Header.Get("Authorization"), IsTimeout: true} },
		"deadline": func(r *http.Request) error {
			return fmt.Errorf("%s: %w", r.Header.Get("Authorization"), context.DeadlineExceeded)
		},
		"cancelled": func(r *http.Request) error {
			return fmt.Errorf("%s: %w", r.Header.Get("Authorization"), context.Canceled)
		},
		"API's": func(r *http.Request) error { return &connectlinks.APIError{Message: r.Header.Get("Authorization")} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, token := range []string{testkit.Token, hardPersonal} {
				for where, transport := range map[string]func(*http.Request) (*http.Response, error){
					"no answer": func(r *http.Request) (*http.Response, error) { return nil, fail(r) },
					"no body": func(r *http.Request) (*http.Response, error) {
						resp := testkit.Response(r, http.StatusCreated, "")
						resp.Body = io.NopCloser(iotest.ErrReader(fail(r)))
						return resp, nil
					},
				} {
					c, log := hardEcho(t, token, transport)
					hardErrorHides(t, where, testkit.CreateLink(t.Context(), c))
					hardErrorHides(t, where, testkit.GetLink(t.Context(), c))
					hardFind(t, where, "slog", log.String())
				}
			}
		})
	}
	t.Run("is still what it was", func(t *testing.T) {
		t.Parallel()
		c, _ := hardEcho(t, hardPersonal, func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("%s: %w", r.Header.Get("Authorization"), io.ErrUnexpectedEOF)
		})
		assert.ErrorIs(t, testkit.GetLink(t.Context(), c), io.ErrUnexpectedEOF)
		c, _ = hardEcho(t, hardPersonal, func(*http.Request) (*http.Response, error) { return nil, hardEchoError{text: "harmless"} })
		assert.ErrorAs(t, testkit.GetLink(t.Context(), c), new(hardEchoError))
	})
	t.Run("a value's fields", func(t *testing.T) {
		t.Parallel()
		c, _ := hardEcho(t, hardPersonal, func(r *http.Request) (*http.Response, error) { return nil, hardEchoError{r.Header, "harmless"} })
		err := testkit.CreateLink(t.Context(), c)
		hardHides(t, "by itself", err, true)
		hardHides(t, "in a struct", struct{ Err error }{err}, true)
	})
}

// A redirect's address may be a link, or hold the token.
func TestSecretsInRedirects(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{
			testkit.LinkURL, "https://evil.example/?token=" + url.QueryEscape(hardPersonal), "https://evil.example/%zz?auth=" + testkit.LinkSecret, "http://[" + hardPersonal,
			"https://user:" + hardPersonal + "@evil.example:x/", testkit.LinkURL + "\x7f",
		} {
			sent := 0
			c, log := hardEcho(t, hardPersonal, func(r *http.Request) (*http.Response, error) {
				sent++
				return testkit.Response(r, status, `<a href="`+location+`">`, "Location", location), nil
			})
			for _, err := range []error{testkit.CreateLink(t.Context(), c), testkit.GetLink(t.Context(), c)} {
				var refused *connectlinks.APIError
				require.ErrorAs(t, err, &refused, location)
				assert.Equal(t, status, refused.StatusCode)
				hardErrorHides(t, location, err)
			}
			assert.Equal(t, 2, sent)
			hardFind(t, location, "slog", log.String())
		}
	}
}

// After a 401, sources and limiters may say which token was refused.
func TestSecretsAfterA401(t *testing.T) {
	t.Parallel()
	for _, token := range []string{testkit.Token, hardPersonal} {
		answer := func(r *http.Request) (*http.Response, error) {
			return testkit.Response(r, http.StatusUnauthorized, `{"status":401,"message":"`+token+`"}`), nil
		}
		for name, opts := range map[string][]connectlinks.Option{
			"source": {connectlinks.WithTokenSource(once(token, func() (string, error) {
				return "", fmt.Errorf("the token %s was refused", token)
			}))},
			"source, escaped": {connectlinks.WithTokenSource(once(token, func() (string, error) {
				return "", fmt.Errorf("the token %s was refused", url.QueryEscape(token))
			}))},
			"source's wrapped": {connectlinks.WithTokenSource(once(token, func() (string, error) {
				return "", &hardWrapping{errors.New(token)}
			}))},
			"source, bad token": {connectlinks.WithTokenSource(once(token, func() (string, error) { return token + "\n", nil }))},
			"limiter": {
				connectlinks.WithTokenSource(once(token, func() (string, error) { return "another", nil })),
				connectlinks.WithRateLimiter(limitAfterOne(fmt.Errorf("%s has no calls left", token))),
			},
			"limiter, the same": {
				connectlinks.WithTokenSource(once(token, func() (string, error) { return token + "2", nil })),
				connectlinks.WithRateLimiter(limitAfterOne(fmt.Errorf("%s2 has no calls left after %s", token, token))),
			},
		} {
			var log bytes.Buffer
			c, err := connectlinks.NewClient(append(opts, connectlinks.WithHTTPClient(&http.Client{Transport: testkit.RoundTripper(answer)}),
				connectlinks.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))...)
			require.NoError(t, err)
			hardErrorHides(t, name, testkit.CreateLink(t.Context(), c))
			hardFind(t, name, "slog", log.String())
		}
	}
}

// once makes a source of a token, and of something else after that was refused.
func once(token string, renewed func() (string, error)) connectlinks.TokenSource {
	return &testkit.Tokens{List: []string{token}, Renewed: renewed}
}

// limitAfterOne lets one attempt pass.
func limitAfterOne(err error) connectlinks.RateLimiter {
	asked := 0
	return testkit.Limiter(func(context.Context) error {
		if asked++; asked == 1 {
			return nil
		}
		return err
	})
}

// A limiter's error may name the token that it counts for.
func TestSecretsInLimiterErrors(t *testing.T) {
	t.Parallel()
	for _, token := range []string{testkit.Token, hardPersonal} {
		c := testkit.Client(t, testkit.Succeed, connectlinks.WithToken(token),
			connectlinks.WithRateLimiter(testkit.Limiter(func(context.Context) error { return fmt.Errorf("%s: %w", token, errBudget) })))
		err := testkit.CreateLink(t.Context(), c)
		require.ErrorIs(t, err, errBudget)
		hardErrorHides(t, "limiter", err)
	}
}

// The errors of waits and lists are made of those of calls.
func TestSecretsInErrorsOfWaits(t *testing.T) {
	t.Parallel()
	for _, token := range []string{testkit.Token, hardPersonal} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			c, log := hardEcho(t, token, func(r *http.Request) (*http.Response, error) {
				if n++; n == 1 {
					return testkit.Response(r, http.StatusOK, `{"data":{"id":469,"type":"hubspot","uri":"`+testkit.LinkURL+`"}}`), nil
				}
				if n%2 == 0 {
					return nil, fmt.Errorf("cannot send %v for %s", r.Header, testkit.LinkURL)
				}
				return testkit.Response(r, http.StatusInternalServerError, token+testkit.LinkURL), nil
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := c.Destinations.WaitForConnection(ctx, 469)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			hardErrorHides(t, "wait", err)
			for _, err := range c.Destinations.AllConnectLinks(t.Context(), connectlinks.ListOptions{}) {
				hardErrorHides(t, "list", err)
			}
			hardFind(t, "log", "slog", log.String())
		})
	}
}

// Every kind of failure that the other tests know, at a client whose token is
// looked for.
func TestSecretsInFaults(t *testing.T) {
	t.Parallel()
	for name, fault := range failures {
		c, log := hardEcho(t, hardPersonal, fault)
		hardErrorHides(t, name, testkit.CreateLink(t.Context(), c))
		hardErrorHides(t, name, testkit.GetLink(t.Context(), c))
		hardErrorHides(t, name, testkit.GetLink(t.Context(), c)) // what is throttled by now is not sent
		hardFind(t, name, "slog", log.String())
	}
}

// The token leaves in one header, to one host.
func TestSecretsOnTheWire(t *testing.T) {
	t.Parallel()
	var dump bytes.Buffer
	rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
		assert.Equal(t, "Bearer "+hardPersonal, r.Header.Get("Authorization"))
		assert.Equal(t, "app.getcensus.com", r.URL.Host)
		assert.Equal(t, "https", r.URL.Scheme)
		clone := r.Clone(r.Context())
		clone.Header.Del("Authorization")
		if err := clone.Write(&dump); err != nil {
			return nil, err
		}
		dump.WriteString(r.URL.String())
		return testkit.Succeed(r)
	})
	c := testkit.Client(t, rt, connectlinks.WithToken(hardPersonal))
	for _, op := range testkit.Calls() {
		_, err := op.Do(t.Context(), c)
		require.NoError(t, err, op.Name)
	}
	hardFind(t, "requests", "slog", dump.String())
}
