package connectlinkstest

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Seed describes a connection that no link made, for [Server.AddConnection].
type Seed struct {
	Kind Kind
	Type string // its service name

	// WorkspaceID is the workspace of a source or destination. 0: the first one.
	WorkspaceID int64

	// GroupID is the group of an activation. Empty: the first one.
	GroupID string

	// CreatedAt is when it was made and tested. Zero: now. Lists are in the order of the
	// calls, not of CreatedAt.
	CreatedAt time.Time

	Submission
}

// AddConnection makes a connection without a link, like somebody in the vendor's own
// application. It fails if the kind, type, workspace or group does not exist, or does not
// fit the others. It also fails for a Submission that fails in [Server.CompleteWith].
func (s *Server) AddConnection(seed Seed) (Made, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &connection{kind: seed.Kind, typ: seed.Type, created: millis(seed.CreatedAt)}
	if seed.CreatedAt.IsZero() {
		c.created = millis(s.now())
	}
	if err := s.own(c, seed); err != nil {
		return Made{}, fmt.Errorf("connectlinkstest: %w", err)
	}
	typ, ok := s.state.typeNamed(seed.Kind, seed.Type)
	if !ok {
		return Made{}, fmt.Errorf("connectlinkstest: there is no %s type %q", seed.Kind, seed.Type)
	}
	sub := seed.Submission
	sub.Fields = typ.fill(sub.Fields, nil)
	steps, err := typ.try(sub)
	if err != nil {
		return Made{}, err
	}
	s.state.addConnection(c, typ)
	c.fill(typ, sub, steps, c.created)
	return c.made(), nil
}

// own sets the workspace or the group of c.
func (s *Server) own(c *connection, seed Seed) error {
	switch seed.Kind {
	case KindSource, KindDestination:
		if seed.GroupID != "" {
			return fmt.Errorf("a %s has no GroupID", seed.Kind)
		}
		c.workspace = cmp.Or(seed.WorkspaceID, s.state.workspaces[0].ID)
		if s.state.workspace(c.workspace) == nil {
			return fmt.Errorf("there is no workspace %d", c.workspace)
		}
	case KindActivation:
		if seed.WorkspaceID != 0 {
			return errors.New("an activation has no WorkspaceID")
		}
		c.group = cmp.Or(seed.GroupID, firstGroup)
		if s.state.groups[c.group] == nil {
			return fmt.Errorf("there is no group %q", c.group)
		}
	default:
		return fmt.Errorf("there is no kind %q", seed.Kind)
	}
	return nil
}
