package connectlinks

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"strings"

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
	err := s.use().do(ctx, &k)
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

func checkConnection(id int64) error {
	if id < 1 {
		return badResponse("a connection without an id")
	}
	return nil
}

// wireDestination is a destination in the API's JSON.
type wireDestination struct {
	Destination
	LastTestResults wireTests `json:"last_test_results"`
}

func (w *wireDestination) destination() Destination {
	w.Destination.LastTestResults = w.LastTestResults.steps()
	return w.Destination
}

type wireTests struct {
	Steps []struct {
		Step, Status wire.Text
		Error        struct{ Message wire.Text }
	}
}

func (w wireTests) steps() []TestStep {
	steps := make([]TestStep, len(w.Steps))
	for i, s := range w.Steps {
		steps[i] = TestStep{string(s.Step), string(s.Status), string(s.Error.Message)}
	}
	return steps
}

// wireSourceType and wireDestinationType are types in the API's JSON.
type wireSourceType struct {
	SourceType
	SupportedSyncEngines wire.Texts `json:"supported_sync_engines"`
	ConfigurationFields  wireFields `json:"configuration_fields"`
}

type wireDestinationType struct {
	DestinationType
	ConfigurationFields wireFields `json:"configuration_fields"`
}

func (w *wireSourceType) check(bool) error      { return checkType(w.ServiceName) }
func (w *wireDestinationType) check(bool) error { return checkType(w.ServiceName) }

func checkType(serviceName string) error {
	if serviceName == "" {
		return badResponse("a type without a service_name")
	}
	return nil
}

func (w *wireSourceType) source() SourceType {
	w.SourceType.SupportedSyncEngines = w.SupportedSyncEngines
	w.SourceType.ConfigurationFields = w.ConfigurationFields.fields()
	return w.SourceType
}

func (w *wireDestinationType) destination() DestinationType {
	w.DestinationType.ConfigurationFields = w.ConfigurationFields.fields()
	return w.DestinationType
}

func (w *wireDestinationType) activation() ActivationType { return ActivationType(w.destination()) }

type wireFields struct {
	Fields []struct {
		ID, Label, Type, Hint   wire.Text
		Placeholder, Placholder wire.Text // the second as a page of the reference spells it
		Rules                   wire.Texts
		Password                bool       `json:"is_password_type_field"`
		PossibleValues          wire.Texts `json:"possible_values"`
	}
}

func (w wireFields) fields() []ConfigurationField {
	fields := make([]ConfigurationField, len(w.Fields))
	for i, f := range w.Fields {
		fields[i] = ConfigurationField{
			ID:             string(f.ID),
			Label:          string(f.Label),
			Type:           string(f.Type),
			Placeholder:    string(cmp.Or(f.Placeholder, f.Placholder)),
			Hint:           strings.TrimSpace(string(f.Hint)),
			Required:       f.Rules.Has("required"),
			Password:       f.Password,
			PossibleValues: f.PossibleValues,
		}
	}
	return fields
}
