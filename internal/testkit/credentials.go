package testkit

import (
	"context"
	"fmt"
	"sync"

	"github.com/connectlinks/connectlinks-go"
)

// Tokens is a token source. It returns one token until that was refused, and then the next.
// It keeps returning the last token.
type Tokens struct {
	List    []string
	Rotate  bool                                    // return the next token at each call
	Renewed func() (string, error)                  // called instead of List after a token was refused; may be nil
	Note    func(ctx context.Context, event string) // called for each call; may be nil

	mu      sync.Mutex
	refused []string
}

// Token returns the current token.
func (s *Tokens) Token(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Note != nil {
		s.Note(ctx, "token")
	}
	if s.Renewed != nil && len(s.refused) > 0 {
		return s.Renewed()
	}
	token := s.List[0]
	if s.Rotate && len(s.List) > 1 {
		s.List = s.List[1:]
	}
	return token, nil
}

// Invalidate makes Token return the next token, if token is the current one.
func (s *Tokens) Invalidate(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Note != nil {
		s.Note(context.Background(), "invalidate "+token)
	}
	s.refused = append(s.refused, token)
	if token == s.List[0] && len(s.List) > 1 {
		s.List = s.List[1:]
	}
}

// Refused returns the tokens that Invalidate was called with.
func (s *Tokens) Refused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// NumberedTokens makes a token source that returns token-1, token-2 and so on. It has no
// Invalidate.
func NumberedTokens() connectlinks.TokenFunc {
	var mu sync.Mutex
	n := 0
	return func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		n++
		return fmt.Sprint("token-", n), nil
	}
}

// Limiter is a rate limiter in a function.
type Limiter func(context.Context) error

// Wait calls l.
func (l Limiter) Wait(ctx context.Context) error { return l(ctx) }
