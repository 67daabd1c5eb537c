package connectlinks

import (
	"bytes"
	"context"
	"errors"

	"github.com/connectlinks/connectlinks-go/internal/wire"
)

// TestStep is one step of the tests that a connection was put to.
type TestStep struct {
	Step   string `json:"step"`
	Status string `json:"status"`
	Error  string `json:"error,omitempty"` // what went wrong, "" if nothing
}

// ConfigurationField is a field of the form on which a connection of a type is
// configured.
type ConfigurationField struct {
	ID             string   `json:"id"`
	Label          string   `json:"label"`
	Type           string   `json:"type"`
	Placeholder    string   `json:"placeholder,omitempty"`
	Hint           string   `json:"hint,omitempty"`
	Required       bool     `json:"required"`
	Password       bool     `json:"password"`                  // its value is a secret
	PossibleValues []string `json:"possible_values,omitempty"` // nil for any value
}

// discard sends a call whose answer, of which there may be none, says nothing
// more. What was there no more when it was repeated is what was wanted.
func discard(ctx context.Context, s *service, k call) error {
	k.decode = func(body []byte) error {
		if len(bytes.TrimSpace(body)) == 0 {
			return nil
		}
		var env struct{ Status wire.Text }
		return decode(body, &env, &env.Status)
	}
	var repeated bool
	k.repeated = &repeated
	err := s.do(ctx, &k)
	if repeated && errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// revoke revokes a link. Where the request was repeated and then refused, the
// first one may have been carried out: the link itself tells.
func revoke[T any](ctx context.Context, s *service, path string, linkID int64, convert func(*wireLink) T) (*T, error) {
	var repeated, revoked bool
	k := post(path).id("linkID", linkID).then("/revoke")
	k.repeated = &repeated
	link, err := fetch(ctx, s, k, convert)
	var refused *APIError
	if !repeated || !errors.As(err, &refused) || refused.StatusCode < 400 || refused.StatusCode > 499 {
		return link, err
	}
	link, getErr := fetch(ctx, s, get(path).id("linkID", linkID), func(w *wireLink) T {
		revoked = w.Revoked
		return convert(w)
	})
	if getErr != nil || !revoked {
		return nil, err
	}
	return link, nil
}

// wireDestination is a destination in the API's JSON.
type wireDestination struct {
	Destination
	LastTestResults wire.Steps `json:"last_test_results"`
}

func (w *wireDestination) destination() Destination {
	w.Destination.LastTestResults = steps(w.LastTestResults)
	return w.Destination
}

func steps(w wire.Steps) []TestStep {
	steps := make([]TestStep, len(w))
	for i := range w {
		steps[i] = TestStep(w[i])
	}
	return steps
}

// wireSourceType and wireDestinationType are types in the API's JSON.
type wireSourceType struct {
	SourceType
	ConfigurationFields wire.Fields `json:"configuration_fields"`
}

type wireDestinationType struct {
	DestinationType
	ConfigurationFields wire.Fields `json:"configuration_fields"`
}

func (t *SourceType) check(bool) error      { return named(t.ServiceName != "", "type") }
func (t *DestinationType) check(bool) error { return named(t.ServiceName != "", "type") }

func (w *wireSourceType) source() SourceType {
	w.SourceType.ConfigurationFields = fields(w.ConfigurationFields)
	return w.SourceType
}

func (w *wireDestinationType) destination() DestinationType {
	w.DestinationType.ConfigurationFields = fields(w.ConfigurationFields)
	return w.DestinationType
}

func (w *wireDestinationType) activation() ActivationType { return ActivationType(w.destination()) }

func fields(w wire.Fields) []ConfigurationField {
	fields := make([]ConfigurationField, len(w))
	for i := range w {
		fields[i] = ConfigurationField(w[i])
	}
	return fields
}
