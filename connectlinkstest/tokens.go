package connectlinkstest

import (
	"fmt"
	"regexp"
)

// tokenForm is what a Bearer token may consist of, and a colon: workspaces have one.
var tokenForm = regexp.MustCompile(`^[A-Za-z0-9._~+/:=-]+$`)

// WithToken sets the first workspace's token, so that a client's configuration outlives
// a restart. The default is random. [NewServer] panics if the token is empty or has
// characters that no token has.
func WithToken(token string) Option {
	return func(c *config) { c.setToken("WithToken", &c.token, token) }
}

// WithPersonalToken does for the personal access token what [WithToken] does for the
// first workspace's.
func WithPersonalToken(token string) Option {
	return func(c *config) { c.setToken("WithPersonalToken", &c.personal, token) }
}

func (c *config) setToken(option string, to *string, token string) {
	if !tokenForm.MatchString(token) {
		c.err = fmt.Errorf("%s: that is not a token", option) // without it: it may be one
		return
	}
	*to = token
}

// further is a workspace that the server begins with, beyond the first.
type further struct{ name, token string }

// WithWorkspace begins with another workspace, beyond the first, whose token, random if
// it is empty, stays the same after [Server.Reset]. It may be given more than once.
// [NewServer] panics if it is not a token.
func WithWorkspace(name, token string) Option {
	return func(c *config) {
		f := further{name, newToken()}
		if token != "" {
			c.setToken("WithWorkspace", &f.token, token)
		}
		c.further = append(c.further, f)
	}
}

// begin is the state at the start.
func (s *Server) begin() state {
	st := newState(s.token, s.now())
	for _, f := range s.further {
		st.addWorkspace(f.name, f.token, s.now())
	}
	return st
}
