package connectlinkstest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// seed lists the bodies of requests to the levers of these names.
type seed struct {
	Workspaces  []json.RawMessage `json:"workspaces"`
	Groups      []json.RawMessage `json:"groups"`
	Types       []json.RawMessage `json:"types"`
	Connections []json.RawMessage `json:"connections"`
	Failures    []json.RawMessage `json:"failures"`
}

// NewSeededServer starts a server like [NewServer], with the objects that seed describes. They
// are there again after each [Server.Reset].
//
// seed is a JSON object with the lists workspaces, groups, types, connections and failures.
// Each list is optional. The items are the bodies of requests to the levers with these names
// (see [WithControl]). They are made in this order. The ids of the workspaces are 101, 103 and
// so on, first those of [WithWorkspace].
//
// An error names the option, or the field or value of the seed, that is wrong. After an error
// nothing is served, and the caller must close the listeners of the options.
func NewSeededServer(seed []byte, opts ...Option) (*Server, error) {
	s, err := newServer(seed, opts)
	if err != nil {
		return nil, fmt.Errorf("connectlinkstest: %w", err)
	}
	return s, nil
}

// sow decodes a seed, and sets the first state.
func (s *Server) sow(text []byte) error {
	if err := decodeBody(text, &s.seed); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	// Like those of WithWorkspace, these workspaces have the same tokens after a Reset.
	for i, body := range s.seed.Workspaces {
		var ws newWorkspaceJSON
		err := decodeBody(body, &ws)
		if err == nil {
			err = ws.check()
		}
		if err != nil {
			return fmt.Errorf("seed: workspaces[%d]: %w", i, err)
		}
		s.further = append(s.further, further{ws.Name, cmp.Or(ws.Token, newToken())})
	}
	var err error
	s.state, s.failures, err = s.begin()
	return err
}

// begin returns the server's first state and failures.
func (s *Server) begin() (state, []*queued, error) {
	fresh := &Server{config: s.config, state: newState(s.token, s.now())}
	for _, f := range s.further {
		if fresh.knows(f.token) {
			return state{}, nil, fmt.Errorf("the token of workspace %q is in use", f.name)
		}
		fresh.state.addWorkspace(f.name, f.token, s.now())
	}
	for _, list := range []struct {
		name   string
		bodies []json.RawMessage
		lever  func(*http.Request) (int, any, error)
	}{
		{"groups", s.seed.Groups, fresh.controlGroup},
		{"types", s.seed.Types, fresh.controlType},
		{"connections", s.seed.Connections, fresh.controlConnection},
		{"failures", s.seed.Failures, fresh.controlFail},
	} {
		for i, body := range list.bodies {
			if _, _, err := list.lever(&http.Request{Body: io.NopCloser(bytes.NewReader(body))}); err != nil {
				return state{}, nil, fmt.Errorf("seed: %s[%d]: %s", list.name, i, reason(err))
			}
		}
	}
	return fresh.state, fresh.failures, nil
}
