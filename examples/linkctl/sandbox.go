package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// session is whom a command talks to.
type session struct {
	api                       kind
	client                    *connectlinks.Client
	token, tokenFrom, baseURL string
	sandbox                   *sandbox // nil for the real thing
}

// tokenVariable is where the token of each kind is found.
var tokenVariable = map[string]string{
	"source":      "CENSUS_API_TOKEN",
	"destination": "CENSUS_API_TOKEN",
	"activation":  "CENSUS_PERSONAL_ACCESS_TOKEN",
}

// connect opens the session that the environment asks for.
func connect(ctx context.Context, o options) (s session, err error) {
	s.tokenFrom = tokenVariable[o.kind]
	s.token, s.baseURL = os.Getenv(s.tokenFrom), os.Getenv("CENSUS_BASE_URL")
	if os.Getenv("CENSUS_API_TOKEN") == "" && os.Getenv("CENSUS_PERSONAL_ACCESS_TOKEN") == "" && s.baseURL == "" {
		return newSandbox(ctx, o)
	}
	if s.token == "" {
		return s, misuse(s.tokenFrom+" is not set", "-kind "+o.kind+" takes its token from there")
	}
	s.baseURL = cmp.Or(s.baseURL, connectlinks.BaseURLUS)
	s.client, err = connectlinks.NewClient(connectlinks.WithToken(s.token), connectlinks.WithBaseURL(s.baseURL), connectlinks.WithUserAgent("linkctl"))
	if err == nil {
		s.api = newKind(o, s.client)
	}
	return s, err
}

// close ends the session.
func (s session) close() {
	if s.sandbox != nil {
		s.sandbox.Close()
	}
}

// sandbox is an API inside this process, for trying linkctl out.
type sandbox struct{ *connectlinkstest.Server }

// newSandbox makes a sandbox, puts links of the kind in every state into it and a
// connection of two days ago, and says so.
func newSandbox(ctx context.Context, o options) (session, error) {
	srv := connectlinkstest.NewServer()
	s := session{tokenFrom: "the sandbox's token", token: srv.Token(), baseURL: srv.URL, client: srv.Client(), sandbox: &sandbox{srv}}
	typ := "hubspot"
	switch o.kind {
	case "source":
		typ = "postgres"
	case "activation":
		s.token, s.client = srv.PersonalToken(), srv.PersonalClient()
	}
	o.group = cmp.Or(o.group, srv.Group())
	s.api = newKind(o, s.client)

	var failed error
	keep := func(l link, err error) link {
		failed = cmp.Or(failed, err)
		return l
	}
	create := func() link { return keep(s.api.create(ctx, typ, "")) }
	srv.SetNow(time.Now().Add(-48 * time.Hour))
	used, late := create(), create()
	c, err := srv.Complete(used.ID)
	srv.Advance(48 * time.Hour)
	id := cmp.Or(c.ActivationID, formatID(c.ID))
	open, dead, renews := create(), create(), keep(s.api.reauthorize(ctx, id, ""))
	keep(s.api.revoke(ctx, dead.ID))

	fmt.Fprintf(os.Stderr, `linkctl: no CENSUS_... variable is set: this is a sandbox, made for this command and gone after it
  %s %s, which link %d made and link %d can renew; links %d (live), %d (expired), %d (revoked); group %s
`, o.kind, id, used.ID, renews.ID, open.ID, late.ID, dead.ID, srv.Group())
	return s, cmp.Or(failed, err)
}

// customer finishes with the link in two seconds, unless leave is called before.
func (s *sandbox) customer(l link) (leave func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-time.After(2 * time.Second):
			_, _ = s.Complete(l.ID) // if it cannot be, the wait says why
		case <-quit:
		}
	}()
	return func() { close(quit); <-done }
}
