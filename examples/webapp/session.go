package main

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinksweb"
)

const (
	cookieName   = "webapp_session"
	sessionLife  = 12 * time.Hour
	flowsToKeep  = 20
	sessionLimit = 10_000
)

// session is a signed-in browser.
type session struct {
	id     string
	tenant *tenant
	until  time.Time

	making chan struct{} // see lock

	mu        sync.Mutex
	flows     []*flow
	announced map[string]bool // the connections that the customer was told of
	flash     *flash
}

// lock waits for the lock that is held while a link is made, so that two clicks make one
// link. It waits until ctx ends.
func (s *session) lock(ctx context.Context) error {
	select {
	case s.making <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *session) unlock() { <-s.making }

// flow is a link that the customer got, and what is needed to ask for its result.
type flow struct {
	Key               string // random; in the path of the RedirectURI
	Kind, Type, Label string
	Renews            string // the id of the connection that it reauthorizes

	link  connectlinks.ConnectLink
	since time.Time // the LastTestedAt of the connection that it reauthorizes, before

	// These fields are guarded by the session's mu. The others do not change.
	done, revoked bool
	back          bool // the customer has come back from the link's page
}

// flash is a message that is shown once.
type flash struct {
	Bad  bool
	Text string
}

// flow returns the flow with this key. If the key is of another session, or of a lost one,
// it returns ErrNoLink.
func (s *session) flow(key string) (*flow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.flows, func(f *flow) bool { return f.Key == key })
	if i < 0 {
		return nil, connectlinksweb.ErrNoLink
	}
	return s.flows[i], nil
}

// cameBack returns the flow like flow, and records that the customer has come back.
func (s *session) cameBack(key string) (*flow, error) {
	f, err := s.flow(key)
	if err == nil {
		s.mu.Lock()
		f.back = true
		s.mu.Unlock()
	}
	return f, err
}

// mayBeUsed reports whether f is a renewal whose customer has come back. The API does not
// say whether a renewal's link was used.
func (s *session) mayBeUsed(f *flow) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f.Renews != "" && f.back
}

// finished reports whether f is done.
func (s *session) finished(f *flow) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f.done
}

// isNew records that the customer is told of a connection, and reports whether this is the
// first time.
func (s *session) isNew(connection string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := !s.announced[connection]
	s.announced[connection] = true
	return news
}

// unfinished returns the flows before f for the same thing that are neither done nor
// revoked, oldest first. If f is not in the session yet, all flows are before it.
func (s *session) unfinished(f *flow) []*flow {
	s.mu.Lock()
	defer s.mu.Unlock()
	var earlier []*flow
	for _, g := range s.flows {
		if g == f {
			break
		}
		if !g.done && !g.revoked && g.Kind == f.Kind && g.Type == f.Type && g.Renews == f.Renews {
			earlier = append(earlier, g)
		}
	}
	return earlier
}

// revoked records that f's link was revoked.
func (s *session) revoked(f *flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.revoked = true
}

func (s *session) remember(f *flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flows = append(s.flows, f)
	s.flows = s.flows[max(0, len(s.flows)-flowsToKeep):]
}

// finish records that f is done, and reports whether this is the first time.
func (s *session) finish(f *flow) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := !f.done
	f.done = true
	return news
}

func (s *session) say(bad bool, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flash = &flash{bad, text}
}

// heard returns the message to show, and removes it.
func (s *session) heard() *flash {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flash
	s.flash = nil
	return f
}

// sessions holds all sessions in memory. A platform would use its database.
type sessions struct {
	secure bool

	mu sync.Mutex
	m  map[string]*session
}

// begin signs a tenant in. The browser always gets a new session id.
func (s *sessions) begin(w http.ResponseWriter, t *tenant) {
	now := time.Now()
	sess := &session{
		id: rand.Text(), tenant: t, until: now.Add(sessionLife),
		making: make(chan struct{}, 1), announced: map[string]bool{},
	}
	s.mu.Lock()
	for id, old := range s.m {
		if now.After(old.until) || len(s.m) >= sessionLimit {
			delete(s.m, id)
		}
	}
	s.m[sess.id] = sess
	s.mu.Unlock()
	s.cookie(w, sess.id, int(sessionLife.Seconds()))
}

func (s *sessions) end(w http.ResponseWriter, sess *session) {
	s.mu.Lock()
	delete(s.m, sess.id)
	s.mu.Unlock()
	s.cookie(w, "", -1)
}

func (s *sessions) cookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: value, MaxAge: maxAge, Path: "/",
		HttpOnly: true, Secure: s.secure,
		// The customer returns from a link's page with a GET from another site. With
		// Strict, the browser would not send the cookie, and the customer would seem
		// signed out.
		SameSite: http.SameSiteLaxMode,
	})
}

func (s *sessions) of(r *http.Request) *session {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sess := s.m[c.Value]
	if sess == nil || time.Now().After(sess.until) {
		return nil
	}
	return sess
}

type sessionKey struct{}

func withSession(r *http.Request, s *session) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), sessionKey{}, s))
}

// sessionOf returns the session that signedIn has put into the request.
func sessionOf(r *http.Request) *session { return r.Context().Value(sessionKey{}).(*session) }
