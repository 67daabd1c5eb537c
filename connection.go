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
func discard(ctx context.Context, s *service, k *call) error {
	k.decode = func(body []byte) error {
		if len(bytes.TrimSpace(body)) == 0 {
			return nil
		}
		var env struct{ Status wire.Text }
		return decode(body, &env, &env.Status)
	}
	err := s.do(ctx, k)
	if k.repeated && errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// revoked settles how a revocation ended. Where the request was repeated and then
// refused, the first one may have been carried out: the link itself tells.
func revoked[L interface{ base() ConnectLink }](ctx context.Context, k *call, linkID int64, link L, err error,
	getLink func(context.Context, int64) (L, error),
) (L, error) {
	var refused *APIError
	if !k.repeated || !errors.As(err, &refused) || refused.StatusCode < 400 || refused.StatusCode > 499 {
		return link, err
	}
	if now, getErr := getLink(ctx, linkID); getErr == nil && now.base().Revoked {
		return now, nil
	}
	return link, err
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
