package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
)

var update = flag.Bool("update", false, "write docs/assumptions.md")

func TestAssumptionsPage(t *testing.T) {
	const path = "../../docs/assumptions.md"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(assumptionsPage()), 0o644))
	}
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, assumptionsPage(), string(page), "go test ./examples/linkctl -run TestAssumptionsPage -update")
}

// verification is a verifier of a sandbox in which one link of each kind was used.
type verification struct {
	*connectlinkstest.Server
	*app
	base http.RoundTripper
	v    *verifier
	was  []connectlinkstest.Link // before the verification
}

// newVerification must be called in a synctest bubble. The caller must close what it returns.
func newVerification(t *testing.T, kind string, a connectlinkstest.Assumptions) *verification {
	srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener(), connectlinkstest.WithAssumptions(a))
	typ, client := "hubspot", srv.Client()
	for _, k := range kinds {
		each := options{kind: k, typ: "hubspot", group: srv.Group()}
		c := client
		switch k {
		case "source":
			each.typ = "postgres"
		case "activation":
			c = srv.PersonalClient()
		}
		l, err := newKind(each, c).create(t.Context(), connectlinks.CreateConnectLinkParams{Type: each.typ})
		require.NoError(t, err)
		srv.Advance(time.Minute)
		_, err = srv.Complete(l.ID)
		require.NoError(t, err)
		srv.Advance(time.Minute)
		for range a.ListDelay.Looks {
			_, err = collect(newKind(each, c).links(t.Context()), func(link) bool { return true })
			require.NoError(t, err)
		}
		if k == kind {
			typ = each.typ
		}
	}
	if kind == "activation" {
		client = srv.PersonalClient()
	}
	s := session{baseURL: srv.URL, sandbox: &sandbox{srv}, client: client}
	s.token, s.tokenFrom = s.credential(kind)
	return &verification{Server: srv, base: srv.Transport(), was: srv.Links(),
		app: &app{options: options{kind: kind, typ: typ}, session: s}}
}

// run runs verify, and checks what must hold whatever happens: limits, methods, secrets,
// and that no link is left that the report does not name.
func (w *verification) run(t *testing.T, ctx context.Context) (*verifyReport, error) {
	t.Helper()
	before := len(w.Requests())
	var err error
	w.v, err = newVerifier(w.app, w.base)
	require.NoError(t, err)
	rep := w.v.run(ctx)
	err = w.showVerified(ctx, rep, w.v)

	sent := w.Requests()[before:]
	assert.LessOrEqual(t, len(sent), verifyRequests)
	for i, r := range sent {
		if i >= 2 {
			assert.GreaterOrEqual(t, r.Time.Sub(sent[i-2].Time), time.Second, "at most two a second")
		}
		if r.Method != http.MethodGet {
			assert.Contains(t, string(r.Route), "connect_links")
			assert.Equal(t, http.MethodPost, r.Method)
			assert.NotContains(t, string(r.Route), "{activation_id}")
		}
	}
	for i, l := range w.Links() {
		if i < len(w.was) {
			assert.Equal(t, w.was[i].ConnectLink.Revoked, l.ConnectLink.Revoked, "a link that verify did not make")
			continue
		}
		assert.False(t, l.Completed)
		if !l.ConnectLink.Revoked && rep.MaybeLeft == "" {
			assert.Contains(t, rep.NotRevoked, l.ConnectLink.ID)
		}
	}
	text, jsonErr := json.Marshal(rep)
	require.NoError(t, jsonErr)
	for _, shown := range []string{string(text), w.text.String(), fmt.Sprint(err)} {
		assert.NotContains(t, shown, strings.TrimPrefix(w.Token(), "secret-token:"))
		assert.NotContains(t, shown, w.PersonalToken())
		assert.NotContains(t, shown, "auth=")
	}
	return rep, err
}

// exitCode returns the exit code for an error of a command.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	return explain(err).code
}

func TestVerifyAsAssumed(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newVerification(t, kind, connectlinkstest.Assumptions{})
				defer w.Close()
				rep, err := w.run(t, t.Context())
				assert.NoError(t, err)
				for _, f := range rep.Questions {
					assert.Equal(t, asAssumed, f.Answer, "%s: %s", f.Question, f.Found)
				}
				assert.Equal(t, "connectlinkstest.Assumptions{}", rep.Assumptions)
				assert.Len(t, w.Links(), len(w.was)+2)
				assert.Empty(t, rep.NotRevoked)
				assert.Equal(t, "present", rep.Observed["header x-request-id"])
				assert.Contains(t, rep.Observed["clock"], "6m0s ahead", "newVerification advanced it")
			})
		})
	}
}

// Every field of Assumptions is turned round, alone: verify reports it, and nothing else.
func TestVerifyOneAssumptionTurnedRound(t *testing.T) {
	v1 := []string{"source", "destination"}
	turned := map[string]struct {
		connectlinkstest.Assumptions
		kinds []string
	}{
		"UnknownTypeStatus":    {connectlinkstest.Assumptions{UnknownTypeStatus: 400}, v1},
		"WrongTokenStatus":     {connectlinkstest.Assumptions{WrongTokenStatus: 401}, kinds},
		"RevokeAgainStatus":    {connectlinkstest.Assumptions{RevokeAgainStatus: 422}, kinds},
		"RefuseBasic":          {connectlinkstest.Assumptions{RefuseBasic: true}, kinds},
		"WordStatus":           {connectlinkstest.Assumptions{WordStatus: true}, v1},
		"PaginatedSourceTypes": {connectlinkstest.Assumptions{PaginatedSourceTypes: true}, []string{"source"}},
		"ExpireSpentLinks":     {connectlinkstest.Assumptions{ExpireSpentLinks: true}, v1},
		"KeepRevokedLinks":     {connectlinkstest.Assumptions{KeepRevokedLinks: true}, kinds},
		"ShortActivationNames": {connectlinkstest.Assumptions{ShortActivationNames: true}, []string{"activation"}},
		"NoTypeOnDestinations": {connectlinkstest.Assumptions{NoTypeOnDestinations: true}, []string{"destination"}},
		"ListDelay":            {connectlinkstest.Assumptions{ListDelay: connectlinkstest.ListDelay{Looks: 2}}, kinds},
		"IgnoreOrder":          {connectlinkstest.Assumptions{IgnoreOrder: true}, kinds},
		"NormalizeRedirect":    {connectlinkstest.Assumptions{NormalizeRedirect: true}, kinds},
		"DeadPageStatus":       {connectlinkstest.Assumptions{DeadPageStatus: 404}, kinds},
		"BareErrors":           {connectlinkstest.Assumptions{BareErrors: true}, kinds},
		"NoRequestID":          {connectlinkstest.Assumptions{NoRequestID: true}, kinds},
		"AnnounceRetirement":   {connectlinkstest.Assumptions{AnnounceRetirement: true}, v1},
		"SpacedTimes":          {connectlinkstest.Assumptions{SpacedTimes: true}, kinds},
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[connectlinkstest.Assumptions]()) {
		one, there := turned[field.Name]
		require.True(t, there, "%s has no question", field.Name)
		for _, kind := range one.kinds {
			t.Run(field.Name+" "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newVerification(t, kind, one.Assumptions)
					defer w.Close()
					rep, err := w.run(t, t.Context())
					assert.Equal(t, exitOtherwise, exitCode(err))
					for _, f := range rep.Questions {
						want := asAssumed
						if f.Field == field.Name {
							want = otherwise
						}
						assert.Equal(t, want, f.Answer, "%s: %s", f.Question, f.Found)
					}
					assert.Equal(t, one.Assumptions, w.v.assume, "the sandbox would behave as was found")
					assert.Equal(t, literal(one.Assumptions), rep.Assumptions)
				})
			})
		}
	}
}

// verify opens one page only: the page of a link that it made. It opens the page once, without a
// token, after it has revoked the link.
func TestVerifyOpensOnlyARevokedPage(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newVerification(t, kind, connectlinkstest.Assumptions{})
				defer w.Close()
				base, opened := w.base, 0
				w.base = roundTripper(func(r *http.Request) (*http.Response, error) {
					if strings.HasPrefix(r.URL.Path, "/api/") {
						return base.RoundTrip(r)
					}
					opened++
					assert.Equal(t, http.MethodGet, r.Method)
					assert.Empty(t, r.Header["Authorization"])
					first := w.Links()[len(w.was)].ConnectLink
					assert.Equal(t, first.URL, r.URL.String())
					assert.True(t, first.Revoked)
					return base.RoundTrip(r)
				})
				_, err := w.run(t, t.Context())
				assert.NoError(t, err)
				assert.Equal(t, 1, opened)
			})
		})
	}
}

// A page that leads elsewhere is not followed, and a page that fails tells nothing.
func TestVerifyOddPages(t *testing.T) {
	for _, c := range []struct {
		failure       connectlinkstest.Failure
		answer, found string
	}{
		{connectlinkstest.Failure{Status: 302, Header: http.Header{"Location": {"/login"}}}, otherwise, "a redirect (status 302)"},
		{connectlinkstest.Failure{Status: 500}, couldNotTell, "the page had a problem of its own (status 500)"},
		{connectlinkstest.Failure{Status: 429}, couldNotTell, "the page had a problem of its own (status 429)"},
		{connectlinkstest.Failure{Status: 200, Body: "Welcome"}, otherwise, "status 200"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newVerification(t, "source", connectlinkstest.Assumptions{})
			defer w.Close()
			c.failure.Route = connectlinkstest.RouteOpenPage
			require.NoError(t, w.Fail(c.failure))
			rep, _ := w.run(t, t.Context())
			for _, f := range rep.Questions {
				if f.Question == "revoked-page" {
					assert.Equal(t, []string{c.answer, c.found}, []string{f.Answer, f.Found})
				} else {
					assert.Equal(t, asAssumed, f.Answer, "%s: %s", f.Question, f.Found)
				}
			}
			pages := 0
			for _, r := range w.Requests() {
				if !strings.HasPrefix(r.Path, "/api/") {
					pages++
				}
			}
			assert.Equal(t, 1, pages)
		})
	}
}

// The other region is asked whether it has API V2, and never gets a token.
func TestVerifyOtherRegion(t *testing.T) {
	respond := func(status int, body string) *http.Response {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	}
	for name, c := range map[string]struct {
		own, other    string
		there         func(path string) *http.Response // nil: silence
		answer, found string
	}{
		"the EU has it": {connectlinks.BaseURLUS, connectlinks.BaseURLEU, func(path string) *http.Response {
			if strings.HasPrefix(path, "/api/v2/activation_connect_links") {
				return respond(401, `{"status":401}`)
			}
			return respond(404, `{"status":404}`)
		}, asAssumed, "https://app-eu.getcensus.com answers 401 without a token"},
		"the US has it not": {connectlinks.BaseURLEU, connectlinks.BaseURLUS, func(string) *http.Response {
			return respond(404, `{"status":404}`)
		}, otherwise, "https://app.getcensus.com answers 404"},
		"always 401": {connectlinks.BaseURLUS, connectlinks.BaseURLEU, func(string) *http.Response {
			return respond(401, `{"status":401}`)
		}, couldNotTell, "https://app-eu.getcensus.com answers 401 without a token, whatever the path"},
		"HTML": {connectlinks.BaseURLUS, connectlinks.BaseURLEU, func(string) *http.Response {
			return respond(200, "<p>Welcome")
		}, couldNotTell, "https://app-eu.getcensus.com: status 200, and the body is not a JSON object (no Content-Type)"},
		"silence": {connectlinks.BaseURLUS, connectlinks.BaseURLEU, nil, couldNotTell, "app-eu.getcensus.com did not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newVerification(t, "activation", connectlinkstest.Assumptions{})
				defer w.Close()
				sandboxed, asked := w.base, 0
				here := strings.TrimPrefix(w.URL, "http://")
				w.app.baseURL = c.own
				var err error
				w.app.client, err = w.app.client.With(connectlinks.WithBaseURL(c.own))
				require.NoError(t, err)
				w.base = roundTripper(func(r *http.Request) (*http.Response, error) {
					switch "https://" + r.URL.Host {
					case c.other:
						asked++
						assert.Equal(t, http.MethodGet, r.Method)
						assert.Empty(t, r.Header["Authorization"])
						if c.there == nil {
							return nil, io.ErrUnexpectedEOF
						}
						return c.there(r.URL.Path), nil
					case c.own:
						r = r.Clone(r.Context())
						r.URL.Scheme, r.URL.Host, r.Host = "http", here, here
					}
					return sandboxed.RoundTrip(r)
				})
				rep, _ := w.run(t, t.Context())
				last := rep.Questions[len(rep.Questions)-1]
				assert.Equal(t, []string{"other-region", c.answer, c.found}, []string{last.Question, last.Answer, last.Found})
				for _, f := range rep.Questions[:len(rep.Questions)-1] {
					assert.Equal(t, asAssumed, f.Answer, "%s: %s", f.Question, f.Found)
				}
				assert.Equal(t, 2, asked)
			})
		})
	}
}

// CENSUS_BASE_URL may be written in the ways that the SDK takes.
func TestVerifyBaseURL(t *testing.T) {
	for _, form := range []string{"%s/", "%s/api/v1", "%s/api/v2/", "HTTP://%.0sLOCALHOST:1234"} {
		synctest.Test(t, func(t *testing.T) {
			w := newVerification(t, "destination", connectlinkstest.Assumptions{})
			defer w.Close()
			w.app.baseURL = fmt.Sprintf(form, w.URL)
			var err error
			w.app.client, err = w.app.client.With(connectlinks.WithBaseURL(w.app.baseURL))
			require.NoError(t, err)
			base, here := w.base, strings.TrimPrefix(w.URL, "http://")
			w.base = roundTripper(func(r *http.Request) (*http.Response, error) {
				r = r.Clone(r.Context())
				r.URL.Host, r.Host = here, here
				return base.RoundTrip(r)
			})
			rep, err := w.run(t, t.Context())
			assert.NoError(t, err, form)
			assert.NotEmpty(t, rep.Questions)
		})
	}
}

// A token for another host than the API's is refused before it is sent.
func TestVerifySendsTheTokenToTheAPIOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newVerification(t, "destination", connectlinkstest.Assumptions{})
		defer w.Close()
		v, err := newVerifier(w.app, roundTripper(func(r *http.Request) (*http.Response, error) {
			t.Error("sent to", r.URL.Host)
			return nil, io.ErrUnexpectedEOF
		}))
		require.NoError(t, err)
		for _, address := range []string{"https://app.example.com/api/v1/sources", w.URL + "/pbc", "https://" + strings.TrimPrefix(w.URL, "http://") + "/api/v1/sources"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+w.Token())
			_, err = v.RoundTrip(req)
			assert.EqualError(t, err, "a token is for the API only")
		}
	})
}

func TestVerifyLiteral(t *testing.T) {
	assert.Equal(t, `connectlinkstest.Assumptions{RevokeAgainStatus: 422, WordStatus: true, ListDelay: connectlinkstest.ListDelay{Looks:2, Time:0}}`,
		literal(connectlinkstest.Assumptions{WordStatus: true, RevokeAgainStatus: 422, ListDelay: connectlinkstest.ListDelay{Looks: 2}}))
}

// Many links are there already: the new ones are not on the first page if the order is not
// heeded.
func TestVerifyAmongManyLinks(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newVerification(t, "destination", connectlinkstest.Assumptions{IgnoreOrder: ignore})
			defer w.Close()
			for range 150 {
				_, err := w.Server.Client().Destinations.CreateConnectLink(t.Context(), connectlinks.CreateConnectLinkParams{Type: "hubspot"})
				require.NoError(t, err)
			}
			w.was = w.Links()
			rep, _ := w.run(t, t.Context())
			for _, f := range rep.Questions {
				switch {
				case f.Question == "list-order" && ignore:
					assert.Equal(t, otherwise, f.Answer)
				case f.Question == "used-link" && !ignore:
					assert.Equal(t, couldNotTell, f.Answer, "the used link is on a later page")
				default:
					assert.Equal(t, asAssumed, f.Answer, "%s: %s", f.Question, f.Found)
				}
			}
		})
	}
}

// A server that is not the API, or that lets the token do nothing, answers no question.
func TestVerifyCouldNotTell(t *testing.T) {
	html := http.Header{"Content-Type": {"text/html"}}
	for name, c := range map[string]struct {
		connectlinkstest.Failure
		why string
	}{
		"403":       {connectlinkstest.Failure{Status: 403, Body: `{"status":403,"message":"no"}`}, "the token may not do this (status 403)"},
		"401":       {connectlinkstest.Failure{Status: 401, Body: `{"status":401}`}, "the API does not know the token (status 401)"},
		"HTML":      {connectlinkstest.Failure{Status: 200, Header: html, Body: "<p>Welcome"}, "the answer is not one of the API: status 200, and the body is not a JSON object (text/html), without a list"},
		"redirect":  {connectlinkstest.Failure{Status: 302, Header: http.Header{"Location": {"/"}}}, "the answer is not one of the API: status 302, and the body is not a JSON object (no Content-Type), without a list"},
		"404":       {connectlinkstest.Failure{Status: 404, Body: `{"status":404}`}, "the answer is not one of the API: status 404, without a list"},
		"silence":   {connectlinkstest.Failure{Hang: true}, "the API did not answer"},
		"reset":     {connectlinkstest.Failure{Reset: true}, "the API did not answer"},
		"500":       {connectlinkstest.Failure{Status: 500}, "the API had a problem of its own (status 500)"},
		"throttled": {connectlinkstest.Failure{Status: 429}, "the API throttles this token (429): wait, then try again"},
	} {
		for _, kind := range kinds {
			t.Run(name+" "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newVerification(t, kind, connectlinkstest.Assumptions{})
					defer w.Close()
					c.Times = -1
					require.NoError(t, w.Fail(c.Failure))
					rep, err := w.run(t, t.Context())
					assert.Equal(t, exitCouldNotTell, exitCode(err))
					assert.ErrorContains(t, err, c.why)
					assert.NotEmpty(t, rep.Questions)
					for _, f := range rep.Questions {
						assert.Equal(t, couldNotTell, f.Answer, f.Question)
						assert.Equal(t, c.why, f.Found, f.Question)
					}
					assert.Equal(t, 1, rep.Requests)
					assert.Len(t, w.Links(), len(w.was), "nothing was made")
				})
			})
		}
	}
}

// Failures come after any number of good answers. None of them passes for an answer that
// differs from what is assumed, and run checks that links are revoked or named.
func TestVerifyFailsLater(t *testing.T) {
	n := 0
	for name, failure := range map[string]connectlinkstest.Failure{
		"silence":       {Hang: true},
		"a lost answer": {Hang: true, CarryOut: true},
		"500":           {Status: 500},
		"a lost 500":    {Status: 500, CarryOut: true},
		"throttled":     {Status: 429},
	} {
		t.Run(name, func(t *testing.T) {
			for good := 1; good < 30; good++ {
				if !testkit.Race && !testkit.Sample(&n) {
					continue
				}
				synctest.Test(t, func(t *testing.T) {
					w := newVerification(t, "destination", connectlinkstest.Assumptions{})
					defer w.Close()
					require.NoError(t, w.Fail(connectlinkstest.Failure{Times: good}))
					failure.Times = 3
					require.NoError(t, w.Fail(failure))
					rep, _ := w.run(t, t.Context())
					for _, f := range rep.Questions {
						assert.NotEqual(t, otherwise, f.Answer, "%s after %d: %s", f.Question, good, f.Found)
						assert.NotEmpty(t, f.Found)
					}
				})
			}
		})
	}
}

// Interrupted at any request, before it is sent or after, it revokes what it made.
func TestVerifyInterrupted(t *testing.T) {
	n := 0
	for _, kind := range kinds {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, " ", late), func(t *testing.T) {
				for at := 1; ; at++ {
					if !testkit.Race && !testkit.Sample(&n) {
						continue
					}
					ended := false
					synctest.Test(t, func(t *testing.T) {
						w := newVerification(t, kind, connectlinkstest.Assumptions{})
						defer w.Close()
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						w.base = &interrupter{base: w.base, at: at, late: late, cancel: cancel}
						rep, err := w.run(t, ctx)
						if ended = ctx.Err() == nil; ended {
							assert.NoError(t, err)
							return
						}
						assert.Empty(t, rep.NotRevoked)
						for _, l := range w.Links()[len(w.was):] {
							assert.True(t, l.ConnectLink.Revoked, "interrupted at %d: link %d, %q", at, l.ConnectLink.ID, rep.MaybeLeft)
						}
						if rep.MaybeLeft == "" {
							assert.Equal(t, exitInterrupted, exitCode(err))
						} else {
							assert.Equal(t, exitUnknown, exitCode(err))
						}
					})
					if ended {
						assert.Greater(t, at, 20)
						return
					}
				}
			})
		}
	}
}

// interrupter cancels at a request: before it is sent, or when it was answered, so that the
// answer is lost.
type interrupter struct {
	base   http.RoundTripper
	at     int
	late   bool
	cancel func()
}

func (i *interrupter) RoundTrip(r *http.Request) (*http.Response, error) {
	i.at--
	if i.at != 0 {
		return i.base.RoundTrip(r)
	}
	if i.late {
		resp, err := i.base.RoundTrip(r)
		if err == nil {
			resp.Body.Close()
		}
	}
	i.cancel()
	return nil, context.Canceled
}

// At any limit it stops, says so, and still revokes what it made.
func TestVerifyLimit(t *testing.T) {
	const reached = "the limit of requests was reached"
	for _, kind := range kinds {
		for limit := 1; limit <= 20; limit++ {
			synctest.Test(t, func(t *testing.T) {
				w := newVerification(t, kind, connectlinkstest.Assumptions{})
				defer w.Close()
				var err error
				w.v, err = newVerifier(w.app, w.base)
				require.NoError(t, err)
				w.v.limit = limit
				before := len(w.Requests())
				rep := w.v.run(t.Context())
				assert.Equal(t, rep.Requests, len(w.Requests())-before)
				assert.LessOrEqual(t, rep.Requests, limit+2, "two links are revoked")
				stopped := 0
				for _, f := range rep.Questions {
					if f.Found == reached {
						stopped++
						assert.Equal(t, couldNotTell, f.Answer)
					}
				}
				assert.NotZero(t, stopped, "%s, %d", kind, limit)
				for _, l := range w.Links()[len(w.was):] {
					assert.True(t, l.ConnectLink.Revoked)
				}
				err = w.showVerified(t.Context(), rep, w.v)
				assert.Equal(t, exitCouldNotTell, exitCode(err))
				assert.ErrorContains(t, err, "could not be answered: ")
			})
		}
	}
}

// An API that never lists a new link, makes links for any type, and cannot revoke, costs the
// most requests: 60 at most, with the clean-up. already: requests for more questions.
func TestVerifyNeverSendsMore(t *testing.T) {
	for i, kind := range slices.Concat(kinds, kinds) {
		already := 29 * (i / len(kinds))
		synctest.Test(t, func(t *testing.T) {
			w := newVerification(t, kind, connectlinkstest.Assumptions{})
			defer w.Close()
			base := w.base
			w.base = roundTripper(func(r *http.Request) (*http.Response, error) {
				links := strings.HasSuffix(r.URL.Path, "_connect_links")
				answer := ""
				switch {
				case links && r.Method == http.MethodGet:
					answer = `{"status":"success","pagination":{"page":1,"per_page":100,"last_page":3,"next_page":2,"total_records":250},"data":[]}`
				case links:
					answer = `{"status":"created","data":{"id":9` + fmt.Sprint(len(w.v.made)) + `,"uri":"http://127.0.0.1/pbc"}}`
				case strings.HasSuffix(r.URL.Path, "/revoke"):
					answer = `{"status":"success","data":{"revoked":false}}`
				default:
					return base.RoundTrip(r)
				}
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer))}, nil
			})
			var err error
			w.v, err = newVerifier(w.app, w.base)
			require.NoError(t, err)
			began := time.Now()
			w.v.sent = already
			rep := w.v.run(t.Context())
			assert.LessOrEqual(t, rep.Requests, verifyRequests)
			assert.Greater(t, rep.Requests, verifyRequests-15, "or this API is too kind")
			assert.GreaterOrEqual(t, time.Since(began), time.Duration(rep.Requests-already-1)*time.Second/2, "two a second")
			assert.Equal(t, []int64{90, 91, 92}[:len(w.v.made)], rep.NotRevoked)
			assert.GreaterOrEqual(t, len(rep.NotRevoked), 2)
			assert.Equal(t, exitOther, exitCode(w.showVerified(t.Context(), rep, w.v)))
		})
	}
}

// One answer of the API is altered: the question about it finds that.
func TestVerifyOddAnswers(t *testing.T) {
	type answer struct {
		*http.Response
		envelope, data map[string]any // data: an object, or the first of a list
		html           string         // in place of the envelope
	}
	const (
		create  = "POST _connect_links"
		get     = "GET _connect_links/{}"
		revoke  = "POST _connect_links/{}/revoke"
		list    = "GET _connect_links"
		conns   = "GET s"
		v2conns = "GET activations"
	)
	// route is the kind of a request, without the API's version and the kind of link.
	route := func(r *http.Request) string {
		path := regexp.MustCompile(`/\d+`).ReplaceAllString(r.URL.Path, "/{}")
		path = regexp.MustCompile(`^/api/v\d/`).ReplaceAllString(path, "")
		if !strings.HasPrefix(path, "activations") {
			path = regexp.MustCompile(`^(source|destination|activation)`).ReplaceAllString(path, "")
		}
		return r.Method + " " + path
	}
	set := func(name string, value any) func(*answer) { return func(a *answer) { a.data[name] = value } }
	header := func(name, value string) func(*answer) {
		return func(a *answer) {
			if a.Header.Set(name, value); value == "" {
				a.Header.Del(name)
			}
		}
	}
	for _, c := range []struct {
		question, found, kind string
		route, query          string
		nth                   int // of the requests of that route; 0: all
		alter                 func(*answer)
	}{
		{"create-status", `200 and "created"`, "source", create, "", 1, func(a *answer) { a.StatusCode = 200 }},
		{"create-status", `201 and "success"`, "source", create, "", 1, func(a *answer) { a.envelope["status"] = "success" }},
		{"link-fields", "expired is missing", "source", create, "", 1, func(a *answer) { delete(a.data, "expired") }},
		{"link-fields", "expired is string", "source", create, "", 1, set("expired", "no")},
		{"link-fields", "source_id is number", "source", create, "", 1, set("source_id", 1.5)},
		{"link-fields", "group_id is another group than the one that was sent", "activation", create, "", 1, set("group_id", "other")},
		{"link-expiration", "not RFC 3339", "source", create, "", 1, set("expiration", "tomorrow")},
		{"link-expiration", "not later than the answer's Date", "source", create, "", 1, set("expiration", "1999-01-01T00:00:00Z")},
		{"redirect-uri", "they came back changed in another way than NormalizeRedirect does it", "source", create, "", 2, set("redirect_uri", nil)},
		{"list-order", "by default desc, with desc desc, with asc desc", "source", list, "order=asc", 0, func(a *answer) {
			slices.Reverse(a.envelope["data"].([]any))
		}},
		{"per-page-limit", "pages of 1000", "source", list, "per_page=1000", 0, func(a *answer) { a.envelope["pagination"].(map[string]any)["per_page"] = 1000 }},
		{"per-page-limit", "the list has no pagination with per_page", "source", list, "per_page=1000", 0, func(a *answer) { delete(a.envelope, "pagination") }},
		{"per-page-limit", "status 400", "source", list, "per_page=1000", 0, func(a *answer) { a.StatusCode = 400 }},
		{"page-beyond-last", "200 with 1 links", "source", list, "page=1000000", 0, func(a *answer) { a.envelope["data"] = []any{map[string]any{"id": 1}} }},
		{"page-beyond-last", "status 404", "source", list, "page=1000000", 0, func(a *answer) { a.StatusCode = 404 }},
		{"get-link", "uri is not the same as in the create's answer", "source", get, "", 1, set("uri", "https://example.com/other")},
		{"get-link", `200 and "ok"`, "source", get, "", 1, func(a *answer) { a.envelope["status"] = "ok" }},
		{"sdk-reads-link", "the SDK reads something else than the API sent", "source", get, "", 2, set("id", 1)},
		{"sdk-reads-link", "the SDK reads something else than the API sent", "source", get, "", 2, set("type", "other")},
		{"sdk-reads-link", "the SDK reads something else than the API sent", "source", get, "", 2, set("uri", "https://example.com/other")},
		{"sdk-reads-link", "the SDK reads something else than the API sent", "source", get, "", 2, set("redirect_uri", "https://example.com/other")},
		{"sdk-reads-link", "the SDK reads another expiration than the API sent", "source", get, "", 2, set("expiration", "2099-01-01T00:00:00Z")},
		{"missing-link", "status 410", "source", get, "", 3, func(a *answer) { a.StatusCode = 410 }},
		{"error-status-v1", "neither the number 404 nor a word", "source", get, "", 3, func(a *answer) { delete(a.envelope, "status") }},
		{"error-status-v1", "the body of the 404 is not a JSON object", "source", get, "", 3, func(a *answer) { a.html = "<p>Not found" }},
		{"error-message", "status 422, and the body is not a JSON object", "source", create, "", 3, func(a *answer) { a.html = "<p>No" }},
		{"error-status-v2", "a word", "activation", get, "", 3, func(a *answer) { a.envelope["status"] = "not_found" }},
		{"revoke", "200, and revoked is not true", "source", revoke, "", 1, set("revoked", false)},
		{"revoked-expires", "expired is false, and the expiration was moved by -23h59m", "source", get, "", 4, set("expired", false)},
		{"no-token", "status 400", "source", list, "per_page=1", 1, func(a *answer) { a.StatusCode = 400 }},
		{"wrong-token", "status 403", "source", list, "per_page=1", 2, func(a *answer) { a.StatusCode = 403 }},
		{"error-message", `no message; the body has ["error" "status"]`, "source", create, "", 3, func(a *answer) {
			a.envelope["error"] = a.envelope["message"]
			delete(a.envelope, "message")
		}},
		{"connection-times", "1 of 2 times: created_at is missing", "source", conns, "", 1, func(a *answer) { delete(a.data, "created_at") }},
		{"connection-times", "1 of 2 times: last_tested_at is not a time", "source", conns, "", 1, set("last_tested_at", "never")},
		{"connection-times", "1 of 2 times: created_at is not a time", "source", conns, "", 1, set("created_at", nil)},
		{"activation-names", `the objects are called ["from" "to"]`, "activation", v2conns, "", 1, func(a *answer) {
			a.data["from"], a.data["to"] = a.data["source_connection"], a.data["destination_connection"]
			delete(a.data, "source_connection")
			delete(a.data, "destination_connection")
		}},
		{"v2-source", "the source names no group", "activation", "GET s/{}", "", 1, func(a *answer) { delete(a.data, "group_id") }},
		{"v2-source", "the source names another group than its activation", "activation", "GET s/{}", "", 1, set("group_id", "other")},
		{"v2-source", "status 404", "activation", "GET s/{}", "", 1, func(a *answer) { a.StatusCode = 404 }},
		{"date", "2 of ", "source", revoke, "", 0, header("Date", "")},
		{"request-id", "1 of ", "source", create, "", 1, header("X-Request-Id", "")},
		{"rate-limit-headers", "there is x-ratelimit-limit", "source", create, "", 1, header("X-RateLimit-Limit", "5")},
		{"retirement-headers", "a sunset: 2027-01-15", "source", create, "", 1, header("Sunset", "Fri, 15 Jan 2027 00:00:00 GMT")},
		{"retirement-headers", "only a deprecation", "source", create, "", 1, header("Deprecation", "@1")},
		// The headers of a page are not the API's.
		{"request-id", "", "source", "GET /pbc", "", 1, header("X-Request-Id", "")},
	} {
		t.Run(c.question+" "+c.found, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newVerification(t, c.kind, connectlinkstest.Assumptions{})
				defer w.Close()
				base, matching, altered := w.base, 0, 0
				w.base = roundTripper(func(r *http.Request) (*http.Response, error) {
					resp, err := base.RoundTrip(r)
					if err != nil || route(r) != c.route || c.query != "" && !slices.Contains(strings.Split(r.URL.RawQuery, "&"), c.query) {
						return resp, err
					}
					if matching++; c.nth != 0 && c.nth != matching {
						return resp, nil
					}
					altered++
					a := &answer{Response: resp}
					text, err := io.ReadAll(resp.Body)
					require.NoError(t, err)
					if json.Unmarshal(text, &a.envelope) == nil {
						switch data := a.envelope["data"].(type) {
						case map[string]any:
							a.data = data
						case []any:
							if len(data) > 0 {
								a.data = data[0].(map[string]any)
							}
						}
					}
					c.alter(a)
					switch {
					case a.html != "":
						text = []byte(a.html)
					case a.envelope != nil:
						text, err = json.Marshal(a.envelope)
						require.NoError(t, err)
					}
					resp.Header.Del("Content-Length")
					resp.ContentLength = -1
					resp.Body = io.NopCloser(bytes.NewReader(text))
					return resp, nil
				})
				rep, _ := w.run(t, t.Context())
				assert.NotZero(t, altered)
				asked := false
				for _, f := range rep.Questions {
					if f.Question != c.question {
						continue
					}
					asked = true
					if c.found == "" {
						assert.Equal(t, asAssumed, f.Answer, f.Found)
						continue
					}
					assert.Equal(t, otherwise, f.Answer, f.Found)
					assert.True(t, strings.HasPrefix(f.Found, c.found), f.Found)
				}
				assert.True(t, asked)
			})
		})
	}
}

// After two requests in a row without an answer it asks no more.
func TestVerifyGivesUp(t *testing.T) {
	for good := 1; good < 20; good++ {
		synctest.Test(t, func(t *testing.T) {
			w := newVerification(t, "source", connectlinkstest.Assumptions{})
			defer w.Close()
			require.NoError(t, w.Fail(connectlinkstest.Failure{Times: good}))
			require.NoError(t, w.Fail(connectlinkstest.Failure{Times: -1, Hang: true}))
			rep, _ := w.run(t, t.Context())
			cleanUp := rep.Requests - good - 2
			assert.LessOrEqual(t, cleanUp, 2*3+3, "after %d", good)
			assert.Equal(t, "the API stopped answering", rep.Questions[len(rep.Questions)-4].Found)
		})
	}
}

// A link gets three tries to be revoked, also after verify has stopped.
func TestVerifyRevokesAtTheThirdTry(t *testing.T) {
	for _, limit := range []int{2, verifyRequests - verifyCleanUp} {
		for failures, want := range map[int]int{2: 0, 3: 1} {
			synctest.Test(t, func(t *testing.T) {
				w := newVerification(t, "destination", connectlinkstest.Assumptions{})
				defer w.Close()
				if limit > 2 {
					failures++ // of the question
				}
				require.NoError(t, w.Fail(connectlinkstest.Failure{Route: connectlinkstest.RouteRevokeDestinationConnectLink, Times: failures, Status: 500}))
				var err error
				w.v, err = newVerifier(w.app, w.base)
				require.NoError(t, err)
				w.v.limit = limit
				assert.Len(t, w.v.run(t.Context()).NotRevoked, want, "limit %d, %d failures", limit, failures)
			})
		}
	}
}

func TestVerifySkew(t *testing.T) {
	for ahead, want := range map[time.Duration]string{
		time.Minute:             "the API's is 1m0s ahead of this machine's",
		-3 * time.Second:        "the API's is 3s behind this machine's",
		-900 * time.Millisecond: "the API's and this machine's agree",
	} {
		assert.Equal(t, want, skew(ahead))
	}
}

// A link that cannot be revoked is named by its id.
func TestVerifyNamesLinksThatItCannotRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newVerification(t, "source", connectlinkstest.Assumptions{})
		defer w.Close()
		require.NoError(t, w.Fail(connectlinkstest.Failure{Route: connectlinkstest.RouteRevokeSourceConnectLink, Times: -1, Status: 500}))
		rep, err := w.run(t, t.Context())
		links := w.Links()[len(w.was):]
		require.Len(t, links, 2)
		assert.Equal(t, []int64{links[0].ConnectLink.ID, links[1].ConnectLink.ID}, rep.NotRevoked)
		assert.EqualError(t, err, fmt.Sprintf("these links could not be revoked: %d %d", links[0].ConnectLink.ID, links[1].ConnectLink.ID))
		assert.Equal(t, exitOther, exitCode(err))
	})
}

// If the API makes a link for a type that does not exist, it is revoked too.
func TestVerifyRevokesALinkOfAnUnknownType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newVerification(t, "destination", connectlinkstest.Assumptions{})
		defer w.Close()
		base := w.base
		w.base = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Body != nil {
				var body bytes.Buffer
				_, _ = body.ReadFrom(r.Body)
				var params map[string]any
				if json.Unmarshal(body.Bytes(), &params) == nil && strings.HasPrefix(fmt.Sprint(params["type"]), "no_such_type") {
					w.AddDestinationType(connectlinkstest.Type{ServiceName: fmt.Sprint(params["type"])})
				}
				r = r.Clone(r.Context())
				r.Body, _ = r.GetBody()
			}
			return base.RoundTrip(r)
		})
		rep, err := w.run(t, t.Context())
		assert.Equal(t, exitOtherwise, exitCode(err))
		assert.Len(t, w.Links(), len(w.was)+3)
		assert.Empty(t, rep.NotRevoked)
		assert.False(t, w.v.uncertain, "its id is known")
		assert.Zero(t, w.v.assume)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestVerifyWithoutTheOtherToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newVerification(t, "source", connectlinkstest.Assumptions{})
		defer w.Close()
		v, err := newVerifier(w.app, w.base)
		require.NoError(t, err)
		v.otherToken, v.otherFrom = "", "CENSUS_PERSONAL_ACCESS_TOKEN"
		for _, f := range v.run(t.Context()).Questions {
			if f.Question == "other-kind-of-token" {
				assert.Equal(t, unknown("CENSUS_PERSONAL_ACCESS_TOKEN is not set").Found, f.Found)
				assert.Equal(t, couldNotTell, f.Answer)
			}
		}
	})
}

func TestVerifyCommandLine(t *testing.T) {
	t.Parallel()
	w := newMove(t)
	for args, want := range map[string]string{
		"verify":                          "-type is missing",
		"verify -kind source":             "-type is missing",
		"verify -type hubspot":            "verify asks first, and needs a terminal for that",
		"verify -kind activation -type x": "-group is missing",
	} {
		stdout, stderr, code := execute(t, w.linkctl(args))
		assert.Equal(t, exitUsage, code, args)
		assert.Empty(t, stdout, args)
		assert.Contains(t, stderr, want, args)
	}
	assert.Empty(t, w.Requests())
}

func TestVerifyExitCode(t *testing.T) {
	t.Parallel()
	w := newMove(t)
	require.NoError(t, w.Fail(connectlinkstest.Failure{Times: -1, Status: 403, Body: `{"status":403}`}))
	stdout, stderr, code := execute(t, w.linkctl("verify -yes -type hubspot -json"))
	assert.Equal(t, 8, code)
	assert.Contains(t, stderr, "the token may not do this (status 403)")
	var rep verifyReport
	require.NoError(t, json.Unmarshal([]byte(stdout), &rep))
	assert.Equal(t, "destination", rep.Kind)
	assert.Equal(t, couldNotTell, rep.Questions[0].Answer)
}

// Ctrl-C ends the process only when the links are revoked, also if it is pressed twice.
func TestVerifySignal(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no os.Interrupt for processes")
	}
	t.Parallel()
	created, revoked := make(chan struct{}, 10), make(chan struct{}, 10)
	w := &world{Server: connectlinkstest.NewServer(connectlinkstest.WithRequestLog(func(r connectlinkstest.Request) {
		switch r.Route {
		case connectlinkstest.RouteCreateDestinationConnectLink:
			created <- struct{}{}
		case connectlinkstest.RouteRevokeDestinationConnectLink:
			revoked <- struct{}{}
		}
	}))}
	t.Cleanup(w.Close)
	cmd := w.linkctl("verify -yes -type hubspot").process(t)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	for _, event := range []chan struct{}{created, created, revoked} {
		select {
		case <-event:
		case <-ended:
			require.Fail(t, "it ended too early", errs.String())
		}
		if len(w.Links()) == 2 {
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
		}
	}
	<-ended
	assert.Equal(t, exitInterrupted, cmd.ProcessState.ExitCode(), errs.String())
	assert.Contains(t, errs.String(), "interrupted: every link that was made is revoked")
	require.Len(t, w.Links(), 2)
	for _, l := range w.Links() {
		assert.True(t, l.ConnectLink.Revoked)
	}
}
