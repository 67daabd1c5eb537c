package connectlinks

import (
	"bytes"
	"encoding/json"

	"github.com/connectlinks/connectlinks-go/internal/httpx"
	"github.com/connectlinks/connectlinks-go/internal/wire"
)

// wireLink is a link of any kind in the API's JSON.
type wireLink struct {
	ID            int64     `json:"id"`
	Type          string    `json:"type"`
	URL           string    `json:"uri"`
	Expiration    wire.Time `json:"expiration"`
	Expired       bool      `json:"expired"`
	Revoked       bool      `json:"revoked"`
	RedirectURI   string    `json:"redirect_uri"`
	SourceID      int64     `json:"source_id"`
	DestinationID int64     `json:"destination_id"`
	GroupID       string    `json:"group_id"`
}

func (w *wireLink) check(alone bool) error {
	if err := named(w.ID > 0, "link"); err != nil || !alone {
		return err
	}
	if _, reason := httpx.ParseURL(w.URL); reason != "" {
		return badResponse("the URL of link %d %s", w.ID, reason)
	}
	if w.Expiration.Unreadable {
		return badResponse("the expiration of link %d is not a time", w.ID)
	}
	return nil
}

func (w *wireLink) link() ConnectLink {
	return ConnectLink{w.ID, w.Type, w.URL, w.Expiration.Time, w.Expired, w.Revoked, w.RedirectURI}
}

func (w *wireLink) source() SourceConnectLink { return SourceConnectLink{w.link(), w.SourceID} }

func (w *wireLink) destination() DestinationConnectLink {
	return DestinationConnectLink{w.link(), w.DestinationID}
}

func (w *wireLink) activation() ActivationConnectLink {
	return ActivationConnectLink{w.link(), w.GroupID}
}

// wireActivation is an activation in the API's JSON.
type wireActivation struct {
	Activation
	Source                wireActivationSource      `json:"source"`
	SourceConnection      wireActivationSource      `json:"source_connection"`
	Destination           wireActivationDestination `json:"destination"`
	DestinationConnection wireActivationDestination `json:"destination_connection"`
}

// Their ids may be numbers.
type wireActivationSource struct {
	ActivationSource
	ID wire.Text `json:"id"`
}

type wireActivationDestination struct {
	ActivationDestination
	ID              wire.Text  `json:"id"`
	LastTestResults wire.Steps `json:"last_test_results"`
}

func (w *wireActivation) UnmarshalJSON(b []byte) error {
	type plain wireActivation // without this method
	w.Raw = bytes.Clone(b)
	return json.Unmarshal(b, (*plain)(w))
}

func (w *wireActivation) check(bool) error { return named(w.ID != "", "activation") }

func (w *wireActivation) activation() Activation {
	source, destination := w.Source, w.Destination
	if source.ID == "" && source.Type == "" {
		source = w.SourceConnection
	}
	if destination.ID == "" && destination.Type == "" {
		destination = w.DestinationConnection
	}
	w.Activation.Source = source.ActivationSource
	w.Activation.Source.ID = string(source.ID)
	w.Activation.Destination = destination.ActivationDestination
	w.Activation.Destination.ID = string(destination.ID)
	w.Activation.Destination.LastTestResults = steps(destination.LastTestResults)
	return w.Activation
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

// itself converts what is decoded as it is.
func itself[T any](v *T) T { return *v }
