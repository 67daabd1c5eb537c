package connectlinkstest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/connectlinks/connectlinks-go"
)

// Submission describes what a customer enters on the hosted page, and the result. The zero
// value connects.
type Submission struct {
	// Name is the connection's name. Empty: the type's label, or for a reauthorization the
	// old name.
	Name string

	// Fields are the values of the type's configuration fields, by id. Missing fields are
	// filled in. The value "wrong" makes the tests fail with ErrTestFailed.
	Fields map[string]string

	// FailedTest, if not empty, is the error message of a test that fails. The connection
	// is made nevertheless, and its last_test_succeeded is false.
	//
	// Assumption: a customer can keep a connection whose test fails.
	FailedTest string

	// Denied refuses the consent that a type without fields asks for. The tests fail with
	// ErrTestFailed.
	Denied bool

	// Untested makes a connection that was never tested: its last_test_succeeded
	// and last_tested_at are null.
	Untested bool
}

// Made names the connection that a customer made or renewed with a link.
type Made struct {
	Kind         Kind
	ID           int64  // the source, the destination, or the activation's destination connection
	ActivationID string // empty for sources and destinations
	Type         string
	Name         string
}

// Link describes a link, with what the API does not tell.
type Link struct {
	ConnectLink  connectlinks.ConnectLink // as the API would return it now
	Kind         Kind
	WorkspaceID  int64     // 0 for an activation's link
	GroupID      string    // set for an activation's link only
	CreatedAt    time.Time // by the server's clock
	Renews       bool      // it reauthorizes a connection
	Completed    bool      // the customer has finished, and the link is spent
	Cancelled    int       // how many times a customer cancelled
	ConnectionID int64     // the connection that it made or renews; 0 if there is none yet
	ActivationID string    // the activation, for an activation's link; "" if there is none yet
}

// Complete finishes the flow of the link with this id, of any kind, as a customer would.
// It makes the connection, or renews it if the link reauthorizes one. The link is then
// spent. It fails with [ErrUnknownLink] or [ErrDeadLink].
func (s *Server) Complete(id int64) (Made, error) {
	return s.CompleteWith(id, Submission{})
}

// CompleteWith finishes the flow like [Server.Complete], with what the customer enters. If
// a test of sub fails, the error is [ErrTestFailed], and the link stays open. It also fails
// if sub has a field that the type does not have, or a value that the field does not take.
func (s *Server) CompleteWith(id int64, sub Submission) (Made, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(id)
	if err != nil {
		return Made{}, err
	}
	sub.Fields = s.filled(l, sub.Fields)
	c, err := s.connect(l, sub)
	if err != nil {
		return Made{}, err
	}
	return c.made(), nil
}

// filled returns the customer's values, with the missing fields filled in.
func (s *Server) filled(l *link, values map[string]string) map[string]string {
	typ, _ := s.state.typeNamed(l.kind, l.typ)
	var known map[string]string
	if l.conn != nil {
		known = l.conn.details
	}
	return typ.fill(values, known)
}

// Cancel leaves the link's page without a connection, as a customer would. The link stays
// open. It fails with [ErrUnknownLink] or [ErrDeadLink].
func (s *Server) Cancel(id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(id)
	if err != nil {
		return err
	}
	return s.cancel(l)
}

func (s *Server) cancel(l *link) error {
	if why := s.dead(l); why != "" {
		return fmt.Errorf("%w: %s", ErrDeadLink, why)
	}
	l.cancelled++
	return nil
}

// Expire makes the link expire now. To let all links expire, use [Server.Advance]. It fails
// with [ErrUnknownLink].
func (s *Server) Expire(id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(id)
	if err != nil {
		return err
	}
	l.expire(s.now())
	return nil
}

// Revoke revokes the link, as another client of the API would. It fails with
// [ErrUnknownLink].
func (s *Server) Revoke(id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(id)
	if err != nil {
		return err
	}
	s.revoke(l)
	return nil
}

// Links returns all links that were ever made, oldest first. This includes links whose
// answer was lost.
func (s *Server) Links() []Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Link, len(s.state.links))
	for i, l := range s.state.links {
		all[i] = Link{
			ConnectLink: connectlinks.ConnectLink{
				ID: l.id, Type: l.typ, URL: l.url, ExpiresAt: l.expires,
				Expired: l.expired(s.now()), Revoked: l.revoked, RedirectURI: l.redirectURI,
			},
			Kind: l.kind, WorkspaceID: l.workspace, GroupID: l.group, CreatedAt: l.created,
			Renews: l.renews, Completed: l.spent, Cancelled: l.cancelled,
		}
		if l.conn != nil {
			all[i].ConnectionID, all[i].ActivationID = l.conn.id, l.conn.activationID
		}
	}
	return all
}

// Requests returns the last 10,000 requests that the server received, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Request, len(s.requests))
	for i, r := range s.requests {
		all[i] = r.clone()
	}
	return all
}

// Fail adds failures of answers, after those of earlier calls. Each answer takes the first
// failure that is for its route and token, and that has answers left to fail.
//
// It refuses a route that is not served, a token that the server does not have, and a
// failure whose fields contradict each other. After an error, none of the failures was
// added.
func (s *Server) Fail(failures ...Failure) error {
	for _, f := range failures {
		if err := f.check(); err != nil {
			return fmt.Errorf("connectlinkstest: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range failures {
		if f.Token != "" && !s.knows(f.Token) {
			return errors.New("connectlinkstest: a failure's Token is not one of the server's")
		}
	}
	for _, f := range failures {
		f.Header = f.Header.Clone()
		s.failures = append(s.failures, &queued{Failure: f, left: cmp.Or(f.Times, 1)})
	}
	return nil
}

// knows reports whether token is the token of a workspace, or the personal token.
func (s *Server) knows(token string) bool {
	return token == s.personal || slices.ContainsFunc(s.state.workspaces, func(ws *Workspace) bool { return ws.Token == token })
}

// Unfired returns the failures that have answers left to fail. Times is how many are left.
// A failure with Times -1 is left out after it has failed one answer. At the end of a test,
// none should be left.
func (s *Server) Unfired() []Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Failure
	for _, q := range s.failures {
		if q.left < 0 && q.fired > 0 {
			continue
		}
		f := q.Failure
		f.Times, f.Header = q.left, f.Header.Clone()
		all = append(all, f)
	}
	return all
}

// StopFailing removes all failures. Answers that already fail are not affected.
func (s *Server) StopFailing() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures, s.usedUp = nil, nil
}
