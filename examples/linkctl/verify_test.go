package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
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

// newVerification belongs into a synctest bubble. The caller must close it.
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
		"HTML":      {connectlinkstest.Failure{Status: 200, Header: html, Body: "<p>Welcome"}, "what answers does not talk like the API: status 200, and the body is not a JSON object (text/html), without a list"},
		"redirect":  {connectlinkstest.Failure{Status: 302, Header: http.Header{"Location": {"/"}}}, "what answers does not talk like the API: status 302, and the body is not a JSON object (no Content-Type), without a list"},
		"404":       {connectlinkstest.Failure{Status: 404, Body: `{"status":404}`}, "what answers does not talk like the API: status 404, without a list"},
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
	for name, failure := range map[string]connectlinkstest.Failure{
		"silence":       {Hang: true},
		"a lost answer": {Hang: true, CarryOut: true},
		"500":           {Status: 500},
		"a lost 500":    {Status: 500, CarryOut: true},
		"throttled":     {Status: 429},
	} {
		t.Run(name, func(t *testing.T) {
			for good := 1; good < 30; good++ {
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
	for _, kind := range kinds {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, " ", late), func(t *testing.T) {
				for at := 1; ; at++ {
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
		"verify -type hubspot":            "verify asks first, and there is nobody to ask",
		"verify -kind activation -type x": "-group is missing",
	} {
		stdout, stderr, code := execute(t, w.linkctl(t, args))
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
	stdout, stderr, code := execute(t, w.linkctl(t, "verify -yes -type hubspot -json"))
	assert.Equal(t, 8, code)
	assert.Contains(t, stderr, "the token may not do this (status 403)")
	var rep verifyReport
	require.NoError(t, json.Unmarshal([]byte(stdout), &rep))
	assert.Equal(t, "destination", rep.Kind)
	assert.Equal(t, couldNotTell, rep.Questions[0].Answer)
}

// Ctrl-C ends the process only when the links are revoked.
func TestVerifySignal(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no os.Interrupt for processes")
	}
	t.Parallel()
	created := make(chan struct{}, 10)
	w := &world{Server: connectlinkstest.NewServer(connectlinkstest.WithRequestLog(func(r connectlinkstest.Request) {
		if r.Route == connectlinkstest.RouteCreateDestinationConnectLink {
			created <- struct{}{}
		}
	}))}
	t.Cleanup(w.Close)
	cmd := w.linkctl(t, "verify -yes -type hubspot")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Start())
	<-created
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_, stderr, code := finish(t, cmd)
	assert.Equal(t, exitInterrupted, code, stderr)
	require.NotEmpty(t, w.Links())
	for _, l := range w.Links() {
		assert.True(t, l.ConnectLink.Revoked)
	}
}
