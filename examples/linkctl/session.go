package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// session is the API that a command talks to.
type session struct {
	process
	baseURL string
	sandbox *sandbox // nil for another API

	// For the command's kind, if it has one.
	token, tokenFrom string
	client           *connectlinks.Client
	api              kind
}

// tokenVariable names the variable that holds the token of a kind.
var tokenVariable = map[string]string{
	"source":      "CENSUS_API_TOKEN",
	"destination": "CENSUS_API_TOKEN",
	"activation":  "CENSUS_PERSONAL_ACCESS_TOKEN",
}

// connect returns the session that the environment asks for.
func connect(ctx context.Context, p process, o options) (s session, err error) {
	s.process = p
	s.baseURL = p.getenv("CENSUS_BASE_URL")
	if s.baseURL == "" && p.getenv("CENSUS_API_TOKEN") == "" && p.getenv("CENSUS_PERSONAL_ACCESS_TOKEN") == "" {
		if s.sandbox, err = newSandbox(ctx, o, p.stderr); err != nil {
			return s, err
		}
		s.baseURL = s.sandbox.URL
	}
	s.baseURL = cmp.Or(s.baseURL, connectlinks.BaseURLUS)
	if o.kind != "" {
		s.token, s.tokenFrom = s.credential(o.kind)
		if s.client, err = s.open(o.kind, o.group); err == nil {
			if s.sandbox != nil {
				o.group = cmp.Or(o.group, s.sandbox.Group())
			}
			s.api = newKind(o, s.client)
		}
	}
	return s, err
}

// credential returns the token of a kind, and where it is from.
func (s session) credential(kind string) (token, from string) {
	from = tokenVariable[kind]
	switch {
	case s.sandbox == nil:
		return s.getenv(from), from
	case from == "CENSUS_PERSONAL_ACCESS_TOKEN":
		return s.sandbox.PersonalToken(), "the sandbox's personal token"
	}
	return s.sandbox.Token(), "the sandbox's token"
}

// open returns a client with the token of a kind, confined to a group if there is one.
func (s session) open(kind, group string) (*connectlinks.Client, error) {
	token, from := s.credential(kind)
	if token == "" {
		return nil, misuse(from+" is not set", "-kind "+kind+" takes its token from there")
	}
	opts := []connectlinks.Option{connectlinks.WithToken(token), connectlinks.WithBaseURL(s.baseURL), connectlinks.WithUserAgent("linkctl")}
	if group != "" {
		opts = append(opts, connectlinks.WithGroup(group))
	}
	return connectlinks.NewClient(opts...)
}

// close ends the session.
func (s session) close() {
	if s.sandbox != nil {
		s.sandbox.Close()
	}
}

// sandbox is an API inside this process, for trying linkctl out.
type sandbox struct{ *connectlinkstest.Server }

// newSandbox makes a sandbox with links and connections, and says so on w.
func newSandbox(ctx context.Context, o options, w io.Writer) (*sandbox, error) {
	s := &sandbox{connectlinkstest.NewServer()}
	fmt.Fprintln(w, "linkctl: no CENSUS_... variable is set: this is a sandbox, made for this command and gone after it")
	kinds := []string{o.kind}
	if o.kind == "" {
		kinds = []string{"source", "destination"}
	}
	for _, kind := range kinds {
		o.kind = kind
		if err := s.fill(ctx, o, w); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// fill makes links of the kind in every state, and a connection of two days ago.
func (s *sandbox) fill(ctx context.Context, o options, w io.Writer) error {
	typ, client := "hubspot", s.Client()
	switch o.kind {
	case "source":
		typ = "postgres"
	case "activation":
		client = s.PersonalClient()
	}
	o.group = s.Group()
	api := newKind(o, client)

	var failed error
	keep := func(l link, err error) link {
		failed = cmp.Or(failed, err)
		return l
	}
	create := func() link { return keep(api.create(ctx, connectlinks.CreateConnectLinkParams{Type: typ})) }
	s.SetNow(time.Now().Add(-48 * time.Hour))
	used, expired := create(), create()
	made, err := s.Complete(used.ID)
	failed = cmp.Or(failed, err)
	s.Advance(48 * time.Hour)
	id := cmp.Or(made.ActivationID, formatID(made.ID))
	live, revoked, renews := create(), create(), keep(api.reauthorize(ctx, id, ""))
	keep(api.revoke(ctx, revoked.ID))

	fmt.Fprintf(w, "  %s %s, which link %d made and link %d can renew; links %d (live), %d (expired), %d (revoked); group %s\n",
		o.kind, id, used.ID, renews.ID, live.ID, expired.ID, revoked.ID, s.Group())
	return failed
}

// customer finishes with the link after two seconds, unless leave is called before.
func (s *sandbox) customer(l link) (leave func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-time.After(2 * time.Second):
			_, _ = s.Complete(l.ID) // if it fails, the wait says why
		case <-quit:
		}
	}()
	return func() { close(quit); <-done }
}
