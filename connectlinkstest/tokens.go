package connectlinkstest

import (
	"fmt"
	"regexp"
)

// tokenForm matches a Bearer token (RFC 6750) with colons, which workspace tokens have.
var tokenForm = regexp.MustCompile(`^[A-Za-z0-9._~+/:=-]+$`)

// WithToken sets the first workspace's token, so that clients need no new configuration
// after a restart. By default the token is random. [NewServer] panics if token is empty or
// has a character that tokens cannot have.
func WithToken(token string) Option {
	return func(c *config) { c.setToken("WithToken", &c.token, token) }
}

// WithPersonalToken sets the personal access token. By default it is random. [NewServer]
// panics for the same tokens as in [WithToken].
func WithPersonalToken(token string) Option {
	return func(c *config) { c.setToken("WithPersonalToken", &c.personal, token) }
}

func (c *config) setToken(option string, to *string, token string) {
	if !tokenForm.MatchString(token) {
		c.err = fmt.Errorf("%s: that is not a token", option) // not quoted: it may be a secret
		return
	}
	*to = token
}

// further is a workspace of WithWorkspace.
type further struct{ name, token string }

// WithWorkspace adds a workspace to the server's first state. If token is empty, the server
// makes a random one. The workspace and its token are there again after [Server.Reset]. The
// option may be given more than once. [NewServer] panics if token has a character that tokens
// cannot have, or is another workspace's.
func WithWorkspace(name, token string) Option {
	return func(c *config) {
		f := further{name, newToken()}
		if token != "" {
			c.setToken("WithWorkspace", &f.token, token)
		}
		c.further = append(c.further, f)
	}
}
