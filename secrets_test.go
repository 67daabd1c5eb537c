package connectlinks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
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

// tokens are what the clients of these tests hold.
var tokens = []string{testkit.Token, testkit.PersonalToken}

// The checks find every secret in every spelling.
func TestSecretsWouldBeFound(t *testing.T) {
	t.Parallel()
	for _, secret := range testkit.Secrets {
		for _, verb := range testkit.Verbs {
			if strings.ContainsAny(verb, "0123456789") {
				continue
			}
			for _, v := range []any{secret, []byte(secret), struct{ S string }{secret}, struct{ s []byte }{[]byte("a" + secret)}} {
				out := fmt.Sprintf(verb, v)
				assert.NotEmpty(t, testkit.Shown(verb, out), "%s of %T: %s", verb, v, out)
			}
		}
		for name, echo := range testkit.Spellings {
			assert.NotEmpty(t, testkit.Shown("%s", echo(secret)), name)
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
		checkLink(t, base)
		checkLink(t, connectlinks.SourceConnectLink{ConnectLink: base, SourceID: 7})
		checkLink(t, connectlinks.DestinationConnectLink{ConnectLink: base, DestinationID: 7})
		checkLink(t, connectlinks.ActivationConnectLink{ConnectLink: base, GroupID: "wandering_aimlessly"})
	}
}

func checkLink[L interface {
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
		testkit.CheckPrints(t, where+": "+name, v, true)
	}
	for name, v := range map[string]any{
		"slice": []L{link}, "pointers": []*L{&link}, "array": [2]L{link, link}, "map": map[string]L{"a": link},
		"pointers in a map": map[int]*L{1: &link}, "interfaces": []any{link, &link}, "struct": embedded{"n", link}, "*struct": &embedded{"n", link},
		"chain": &chained{&link, &chained{&link, nil}}, "slice in struct": struct{ Links []L }{[]L{link}}, "pointer to slice": &[]L{link},
		"pointer to pointer": &pp, "pages": []connectlinks.Page[L]{{Items: []L{link}}}, "page in struct": struct{ Page *connectlinks.Page[L] }{&connectlinks.Page[L]{Items: []L{link}}},
	} {
		testkit.CheckPrints(t, where+": "+name, v, false)
	}
	assert.Contains(t, fmt.Sprint(link), "469", "the rest is shown")
	assert.Contains(t, fmt.Sprint(link), "hubspot")

	raw, err := json.Marshal(link)
	require.NoError(t, err)
	assert.Contains(t, string(raw), testkit.LinkSecret, "JSON is how a link reaches a front end")
	var back L
	require.NoError(t, json.Unmarshal(raw, &back))
}

// structSource and stringSource are token sources that are not pointers.
type structSource struct{ Secret string }

func (s structSource) Token(context.Context) (string, error) { return s.Secret, nil }

type stringSource string

func (s stringSource) Token(context.Context) (string, error) { return string(s), nil }

func TestSecretsOfClients(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	for _, token := range tokens {
		for name, opt := range map[string]connectlinks.Option{
			"token":         connectlinks.WithToken(token),
			"func":          connectlinks.WithTokenSource(connectlinks.TokenFunc(func(context.Context) (string, error) { return token, nil })),
			"pointer":       connectlinks.WithTokenSource(&testkit.Tokens{List: []string{token}}),
			"pointer, open": connectlinks.WithTokenSource(&structSource{token}),
			"struct":        connectlinks.WithTokenSource(structSource{token}),
			"string":        connectlinks.WithTokenSource(stringSource(token)),
		} {
			testkit.CheckPrints(t, name+": option", opt, false)
			c, err := connectlinks.NewClient(opt, testkit.LogTo(&log), connectlinks.WithHTTPClient(&http.Client{
				Transport: testkit.NewScript(t, testkit.Succeed, testkit.Respond(429, ``, "Retry-After", "60")),
			}))
			require.NoError(t, err)
			require.NoError(t, testkit.CreateLink(t.Context(), c))
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
				testkit.CheckPrints(t, name+": "+what, v, what != "struct by value")
			}
		}
	}
	testkit.CheckText(t, "log", "slog", log.String())
}

// A printed source of a workspace's key does not show the key.
func TestSecretsOfTokenSources(t *testing.T) {
	t.Parallel()
	org := testkit.Client(t, testkit.Respond(http.StatusOK, `{"api_key":"`+testkit.PersonalToken+`"}`))
	source := org.Workspaces.TokenSource(33)
	token, err := source.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, testkit.PersonalToken, token)
	c, err := org.With(connectlinks.WithTokenSource(source))
	require.NoError(t, err)
	for name, v := range map[string]any{
		"source": source, "slice": []any{source}, "struct": struct{ Source connectlinks.TokenSource }{source},
		"hidden": struct{ source connectlinks.TokenSource }{source}, "map": map[int]connectlinks.TokenSource{1: source},
		"client": c, "service": c.Sources,
	} {
		testkit.CheckPrints(t, name, v, true)
	}
}

// shapes are answers that hold a text.
var shapes = map[string]string{
	"message":   `{"status":"error","message":"Bearer %s is wrong"}`,
	"error":     `{"status":"%s","error":"no %s"}`,
	"nested":    `{"errors":[{"detail":"%s"}],"status":{"of":"%s"},"message":["%s"]}`,
	"HTML":      `<html><title>%s</title><pre>Parameters: {"authorization"=>"Bearer %s"}</pre></html>`,
	"text":      "%s",
	"truncated": `{"status":"error","message":"Bearer %s`,
	"garbage":   `{"status":"success"}{"%s":1}`,
}

// loggingClient makes a client that does not retry, and returns what it logs.
func loggingClient(t *testing.T, token string, rt testkit.RoundTripper) (*connectlinks.Client, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	return testkit.Client(t, rt, connectlinks.WithToken(token), testkit.NoRetries, testkit.LogTo(log)), log
}

func TestSecretsInAnswers(t *testing.T) {
	t.Parallel()
	for echoName, echo := range testkit.Spellings {
		t.Run(echoName, func(t *testing.T) {
			t.Parallel()
			n := 0
			for shapeName, shape := range shapes {
				for i, status := range []int{400, 500, 201, 401, 403, 404, 410, 422, 429, 503, 302, 308, 418, 101} {
					if i >= 3 && shapeName != "message" {
						break // the status makes no difference to the body
					}
					if !testkit.Sample(&n) {
						continue
					}
					token := tokens[i%2]
					written := echo(token) + " or " + echo(testkit.LinkURL)
					body := strings.ReplaceAll(shape, "%s", written)
					c, log := loggingClient(t, token, testkit.Respond(status, body, "X-Request-Id", written, "Retry-After", written,
						"Location", "https://evil.example/?"+written, "Www-Authenticate", written))
					err := testkit.CreateLink(t.Context(), c)
					where := fmt.Sprintf("%s, %s, %d", echoName, shapeName, status)
					testkit.CheckError(t, where, err)
					testkit.CheckText(t, where, "slog", log.String())
					assert.NotEmpty(t, log.String())
				}
			}
		})
	}
}

// What the SDK or the network cuts off shows no part of a secret.
func TestSecretsAtACut(t *testing.T) {
	t.Parallel()
	n := 0
	const lead, after = `{"status":"error","message":"`, " y y y y y y y y y y y y y y y y y y y y y y y y y"
	for _, token := range tokens {
		for _, secret := range []string{token, testkit.LinkURL, testkit.Spell(token, `\u%04x`, true)} {
			for at := 1; at <= len(secret); at += 1 + len(secret)/24 {
				limited := func(limit int) testkit.RoundTripper { // at characters of the secret are below the limit
					body := lead + strings.Repeat("x", limit-len(lead)-at-1) + " " + secret + after + `"}`
					return testkit.Respond(400, body, "X-Request-Id", body[len(lead):])
				}
				for name, answer := range map[string]testkit.RoundTripper{
					"message": limited(1 << 10),
					"body":    limited(4 << 10),
					// What comes first shrinks, so that the end of what is read is not cut.
					"reading": testkit.Respond(400, "auth="+strings.Repeat("z", 64<<10-len("auth=")-1-at)+" "+secret+after),
					"server":  testkit.Respond(400, lead+"bad key "+secret[:at]),
					"connection": func(r *http.Request) (*http.Response, error) {
						return testkit.Stream(r, 400, io.MultiReader(strings.NewReader("bad key "+secret[:at]), iotest.ErrReader(io.ErrUnexpectedEOF))), nil
					},
				} {
					if !testkit.Sample(&n) {
						continue
					}
					c, log := loggingClient(t, token, answer)
					var refused *connectlinks.APIError
					require.ErrorAs(t, testkit.CreateLink(t.Context(), c), &refused)
					assert.LessOrEqual(t, len(refused.Body), 4<<10)
					for _, text := range []string{string(refused.Body), refused.Message, refused.RequestID, refused.Error(), log.String()} {
						checkNoPart(t, name, text, secret, token)
					}
				}
			}
		}
	}
}

// checkNoPart looks for any eight characters of secrets in a row.
func checkNoPart(t *testing.T, where, text string, secrets ...string) {
	t.Helper()
	text += testkit.Decoded(text)
	for _, secret := range secrets {
		secret = testkit.Decoded(secret)
		for _, prefix := range []string{"secret-token:", "auth="} {
			if i := strings.Index(secret, prefix); i >= 0 {
				secret = secret[i+len(prefix):]
			}
		}
		for i := range len(secret) - 7 {
			require.NotContains(t, text, secret[i:i+8], where)
		}
	}
}

// A success that cannot be read may hold secrets where something else belongs.
func TestSecretsInUnreadableSuccesses(t *testing.T) {
	t.Parallel()
	n := 0
	for _, token := range tokens {
		wrong := []string{strconv.Quote(token), strconv.Quote(testkit.LinkURL), `["` + token + `"]`, `{"` + token + `":"` + testkit.LinkURL + `"}`}
		var data []string
		for _, v := range wrong {
			data = append(data, v, "["+v+"]")
			for _, field := range []string{"id", "expired", "revoked", "destination_id", "expiration"} {
				data = append(data, linkJSON(field, v))
			}
		}
		for _, v := range wrong[2:] {
			for _, field := range []string{"type", "uri", "redirect_uri", "group_id"} {
				data = append(data, linkJSON(field, v))
			}
		}
		data = append(data, linkJSON("uri", `"/pbc?auth=`+testkit.LinkSecret+`"`), linkJSON("uri", `"ftp://x/?auth=`+testkit.LinkSecret+`"`), linkJSON("uri", `"`+token+`"`), linkJSON("id", "0"), linkJSON("id", "-1"))
		for _, d := range data {
			for _, body := range []string{`{"status":"created","data":` + d + `}`, `{"status":"created","data":` + d, `{"status":"created","data":` + d + `}` + token, `{"status":["` + token + `"],"data":` + d + `}`} {
				if !testkit.Sample(&n) {
					continue
				}
				c, log := loggingClient(t, token, testkit.Respond(http.StatusCreated, body))
				err := testkit.CreateLink(t.Context(), c)
				require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, body)
				for _, e := range testkit.Walk(err) {
					testkit.CheckText(t, body, "%+v", fmt.Sprintf("%+v", e))
					testkit.CheckText(t, body, "%d", fmt.Sprintf("%d", e))
				}
				testkit.CheckText(t, body, "slog", log.String())
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
			c, log := loggingClient(t, token, testkit.Respond(http.StatusOK, body))
			for _, op := range testkit.Calls() {
				if !testkit.Sample(&n) {
					continue
				}
				if _, err := op.Do(t.Context(), c); err != nil {
					testkit.CheckError(t, op.Name+" "+body, err)
				}
			}
			testkit.CheckText(t, body, "slog", log.String())
		}
	}
}

// leakyError is a transport's error, not a pointer, that holds the request's header.
type leakyError struct {
	Header http.Header
	text   string
}

func (e leakyError) Error() string { return e.text }

// hidingError hides what it wraps from its text.
type hidingError struct{ cause error }

func (e *hidingError) Error() string { return "it failed" }
func (e *hidingError) Unwrap() error { return e.cause }

// The tests of redact.Error have more forms of errors.
func TestSecretsInTransportErrors(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*http.Request) error{
		"header":  func(r *http.Request) error { return fmt.Errorf("cannot send %v", r.Header) },
		"request": func(r *http.Request) error { return fmt.Errorf("cannot send %+v", *r) },
		"value":   func(r *http.Request) error { return leakyError{r.Header, r.Header.Get("Authorization")} },
		"URL": func(r *http.Request) error {
			return &url.Error{Op: "Post", URL: testkit.LinkURL, Err: errors.New(r.Header.Get("Authorization"))}
		},
		"wrapped out of sight": func(r *http.Request) error {
			return &hidingError{errors.New(r.Header.Get("Authorization"))}
		},
		"link":     func(*http.Request) error { return errors.New("cannot read " + testkit.LinkURL) },
		"time-out": func(r *http.Request) error { return &net.DNSError{Err: r.Header.Get("Authorization"), IsTimeout: true} },
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
			for _, token := range tokens {
				for where, transport := range map[string]func(*http.Request) (*http.Response, error){
					"no answer": func(r *http.Request) (*http.Response, error) { return nil, fail(r) },
					"no body": func(r *http.Request) (*http.Response, error) {
						resp := testkit.Response(r, http.StatusCreated, "")
						resp.Body = io.NopCloser(iotest.ErrReader(fail(r)))
						return resp, nil
					},
				} {
					c, log := loggingClient(t, token, transport)
					testkit.CheckError(t, where, testkit.CreateLink(t.Context(), c))
					testkit.CheckError(t, where, testkit.GetLink(t.Context(), c))
					testkit.CheckText(t, where, "slog", log.String())
				}
			}
		})
	}
}

// A redirect's address may be a link, or hold the token.
func TestSecretsInRedirects(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{
			testkit.LinkURL, "https://evil.example/?token=" + url.QueryEscape(testkit.PersonalToken), "https://evil.example/%zz?auth=" + testkit.LinkSecret, "http://[" + testkit.PersonalToken,
			"https://user:" + testkit.PersonalToken + "@evil.example:x/", testkit.LinkURL + "\x7f",
		} {
			sent := 0
			c, log := loggingClient(t, testkit.PersonalToken, func(r *http.Request) (*http.Response, error) {
				sent++
				return testkit.Response(r, status, `<a href="`+location+`">`, "Location", location), nil
			})
			for _, err := range []error{testkit.CreateLink(t.Context(), c), testkit.GetLink(t.Context(), c)} {
				var refused *connectlinks.APIError
				require.ErrorAs(t, err, &refused, location)
				assert.Equal(t, status, refused.StatusCode)
				testkit.CheckError(t, location, err)
			}
			assert.Equal(t, 2, sent)
			testkit.CheckText(t, location, "slog", log.String())
		}
	}
}

// After a 401, sources and limiters may say which token was refused.
func TestSecretsAfterA401(t *testing.T) {
	t.Parallel()
	for _, token := range tokens {
		answer := testkit.Respond(http.StatusUnauthorized, `{"status":401,"message":"`+token+`"}`)
		for name, opts := range map[string][]connectlinks.Option{
			"source": {connectlinks.WithTokenSource(once(token, func() (string, error) {
				return "", fmt.Errorf("the token %s was refused", token)
			}))},
			"source's wrapped": {connectlinks.WithTokenSource(once(token, func() (string, error) {
				return "", &hidingError{errors.New(token)}
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
			c := testkit.Client(t, answer, append(opts, testkit.LogTo(&log))...)
			testkit.CheckError(t, name, testkit.CreateLink(t.Context(), c))
			testkit.CheckText(t, name, "slog", log.String())
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
	for _, token := range tokens {
		c := testkit.Client(t, testkit.Succeed, connectlinks.WithToken(token),
			connectlinks.WithRateLimiter(testkit.Limiter(func(context.Context) error { return fmt.Errorf("%s: %w", token, errBudget) })))
		err := testkit.CreateLink(t.Context(), c)
		require.ErrorIs(t, err, connectlinks.ErrRateLimited)
		assert.NotErrorIs(t, err, errBudget, "behind a withheld text")
		testkit.CheckError(t, "limiter", err)
	}
}

// The errors of waits and lists wrap errors of calls.
func TestSecretsInErrorsOfWaits(t *testing.T) {
	t.Parallel()
	for _, token := range tokens {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			c, log := loggingClient(t, token, func(r *http.Request) (*http.Response, error) {
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
			testkit.CheckError(t, "wait", err)
			for _, err := range c.Destinations.AllConnectLinks(t.Context(), connectlinks.ListOptions{}) {
				testkit.CheckError(t, "list", err)
			}
			testkit.CheckText(t, "log", "slog", log.String())
		})
	}
}

func TestSecretsInFailures(t *testing.T) {
	t.Parallel()
	for name, fault := range failingTransports {
		c, log := loggingClient(t, testkit.PersonalToken, fault)
		testkit.CheckError(t, name, testkit.CreateLink(t.Context(), c))
		testkit.CheckError(t, name, testkit.GetLink(t.Context(), c))
		testkit.CheckError(t, name, testkit.GetLink(t.Context(), c)) // what is throttled by now is not sent
		testkit.CheckText(t, name, "slog", log.String())
	}
}

// The token is sent in one header, to one host.
func TestSecretsOnTheWire(t *testing.T) {
	t.Parallel()
	var dump bytes.Buffer
	rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
		assert.Equal(t, "Bearer "+testkit.PersonalToken, r.Header.Get("Authorization"))
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
	c := testkit.Client(t, rt, connectlinks.WithToken(testkit.PersonalToken))
	for _, op := range testkit.Calls() {
		_, err := op.Do(t.Context(), c)
		require.NoError(t, err, op.Name)
	}
	testkit.CheckText(t, "requests", "slog", dump.String())
}
