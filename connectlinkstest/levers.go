package connectlinkstest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/connectlinks/connectlinks-go"
)

// Submission is what a customer enters on the hosted page, and how it goes.
type Submission struct {
	// Name is the connection's name. Empty: the type's label, or for a
	// reauthorization the name that it has.
	Name string

	// Fields are the values of the type's configuration fields, by id. What is
	// missing is filled in. The value "wrong" makes the tests fail, for which see
	// ErrTestFailed.
	Fields map[string]string

	// FailedTest, if not empty, is the error message of a test that fails, and the
	// connection is made all the same, with last_test_succeeded false.
	//
	// Assumption: a customer can keep a connection whose test fails.
	FailedTest string

	// Denied refuses the consent that a type without fields asks for: the tests fail,
	// for which see ErrTestFailed.
	Denied bool

	// Untested makes a connection that was never tested: its last_test_succeeded
	// and last_tested_at are null.
	Untested bool
}

// Made is what a customer made or renewed with a link.
type Made struct {
	Kind         Kind
	ID           int64  // of the source or destination; of an activation's destination connection
	ActivationID string // of the activation, empty for other kinds
	Type         string
	Name         string
}

// Link is a link as the service sees it.
type Link struct {
	ConnectLink  connectlinks.ConnectLink // as the API would answer now
	Kind         Kind
	WorkspaceID  int64     // 0 for an activation's link
	GroupID      string    // empty, except for an activation's link
	CreatedAt    time.Time // which the API does not tell
	Renews       bool      // it reauthorizes a connection
	Completed    bool      // the customer has finished: it is spent
	Cancelled    int       // how often a customer has left it
	ConnectionID int64     // of what it has made, or renews; 0 if there is none yet
	ActivationID string    // likewise, for an activation's link
}

// Complete finishes the flow of the link with this id, of any kind, as a customer
// would: the connection is made, or renewed if the link reauthorizes one, and the
// link is spent. It fails with [ErrUnknownLink] or [ErrDeadLink].
func (s *Server) Complete(id int64) (Made, error) {
	return s.CompleteWith(id, Submission{})
}

// CompleteWith does what [Server.Complete] does for a customer who enters sub. If
// the tests of what was entered fail, the error is an [ErrTestFailed] and the link
// stays open.
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

// filled adds to a customer's values what is missing.
func (s *Server) filled(l *link, values map[string]string) map[string]string {
	typ, _ := s.state.typeNamed(l.kind, l.typ)
	var known map[string]string
	if l.conn != nil {
		known = l.conn.details
	}
	return typ.fill(values, known)
}

// Cancel leaves the link's page without connecting, as a customer would. The link
// stays open. It fails with [ErrUnknownLink] or [ErrDeadLink].
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

// Expire makes the link expire now. [Server.Advance] does so for all links. It fails
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

// Links are all links that were ever made, oldest first: also those whose answer
// was lost.
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

// Requests are the requests that the server has got, oldest first, the last
// 10,000 of them.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Request, len(s.requests))
	for i, r := range s.requests {
		all[i] = r.clone()
	}
	return all
}

// Fail makes answers fail as the failures say. Each answer takes the first of all
// failures, those of earlier calls included, that is for its route and not used
// up. An error, about a route that is not served, a token that is not one of the
// server's, or a failure that contradicts itself, means that none was added.
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

// knows reports whether token is a workspace's or the personal one.
func (s *Server) knows(token string) bool {
	return token == s.personal || slices.ContainsFunc(s.state.workspaces, func(ws *Workspace) bool { return ws.Token == token })
}

// Unfired returns the failures that have not happened yet, each with Times as often as
// it is still to happen. One that lasts (-1) has happened once an answer failed by it.
// At the end of a test, none should be left.
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

// StopFailing forgets all failures. Answers that are failing already go on.
func (s *Server) StopFailing() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures, s.usedUp = nil, nil
}
