package connectlinks

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/connectlinks/connectlinks-go/internal/httpx"
)

type envelope[D any] struct {
	Status     wireText    `json:"status"`
	Data       D           `json:"data"`
	Pagination *pagination `json:"pagination"`
}

type pagination struct {
	TotalRecords int `json:"total_records"`
	PerPage      int `json:"per_page"`
	Prev         int `json:"prev_page"`
	Number       int `json:"page"`
	Next         int `json:"next_page"`
	Last         int `json:"last_page"`
}

// wireLink is a link of any kind in the API's JSON.
type wireLink struct {
	ID            int64    `json:"id"`
	Type          string   `json:"type"`
	URL           string   `json:"uri"`
	Expiration    wireTime `json:"expiration"`
	Expired       bool     `json:"expired"`
	Revoked       bool     `json:"revoked"`
	RedirectURI   string   `json:"redirect_uri"`
	SourceID      int64    `json:"source_id"`
	DestinationID int64    `json:"destination_id"`
	GroupID       string   `json:"group_id"`
	createdAt     time.Time
}

func (w *wireLink) check(alone bool) error {
	if err := named(w.ID > 0, "link"); err != nil || !alone {
		return err
	}
	if _, reason := httpx.ParseURL(w.URL); reason != "" {
		return badResponse("the URL of link %d %s", w.ID, reason)
	}
	if w.Expiration.unreadable {
		return badResponse("the expiration of link %d is not a time", w.ID)
	}
	return nil
}

func (w *wireLink) link() ConnectLink {
	return ConnectLink{
		ID: w.ID, Type: w.Type, URL: w.URL, ExpiresAt: w.Expiration.Time, Expired: w.Expired, Revoked: w.Revoked,
		RedirectURI: w.RedirectURI, CreatedAt: w.createdAt,
	}
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
	ID wireText `json:"id"`
}

type wireActivationDestination struct {
	ActivationDestination
	ID              wireText  `json:"id"`
	LastTestResults wireSteps `json:"last_test_results"`
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
	w.Activation.Destination.LastTestResults = destination.LastTestResults
	return w.Activation
}

// wireDestination is a destination in the API's JSON.
type wireDestination struct {
	Destination
	LastTestResults wireSteps `json:"last_test_results"`
}

func (w *wireDestination) destination() Destination {
	w.Destination.LastTestResults = w.LastTestResults
	return w.Destination
}

// wireSourceType and wireDestinationType are types in the API's JSON.
type wireSourceType struct {
	SourceType
	ConfigurationFields wireFields `json:"configuration_fields"`
}

type wireDestinationType struct {
	DestinationType
	ConfigurationFields wireFields `json:"configuration_fields"`
}

func (t *SourceType) check(bool) error      { return named(t.ServiceName != "", "type") }
func (t *DestinationType) check(bool) error { return named(t.ServiceName != "", "type") }

func (w *wireSourceType) source() SourceType {
	w.SourceType.ConfigurationFields = w.ConfigurationFields
	return w.SourceType
}

func (w *wireDestinationType) destination() DestinationType {
	w.DestinationType.ConfigurationFields = w.ConfigurationFields
	return w.DestinationType
}

func (w *wireDestinationType) activation() ActivationType { return ActivationType(w.destination()) }

// itself converts what is decoded as it is.
func itself[T any](v *T) T { return *v }

// wireText is a string that may also be a number or another value.
type wireText string

func (t *wireText) UnmarshalJSON(b []byte) error {
	*t = wireText(plainText(b))
	return nil
}

// plainText is a JSON string's text, nothing for null, and other JSON as it is.
func plainText(raw []byte) string {
	if n := len(raw); n > 1 && raw[0] == '"' && raw[n-1] == '"' && bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw[1 : n-1]) // nothing is escaped
	}
	var s string
	if err := json.Unmarshal(raw, &s); err == nil {
		return s
	}
	return string(raw)
}

// failure reports whether an envelope's status speaks of a failure, and the HTTP
// status that it stands for, 0 if none.
func (t wireText) failure() (code int, failed bool) {
	switch t {
	case "not_found":
		return http.StatusNotFound, true
	case "error":
		return 0, true
	}
	if t == "" || t[0] < '0' || t[0] > '9' {
		return 0, false // any other word
	}
	n, err := strconv.Atoi(string(t))
	return n, err == nil && n >= 400
}

// wireTexts is a list of strings that may also be one string, with commas or bars
// between the parts, or have other values among them.
type wireTexts []string

func (t *wireTexts) UnmarshalJSON(b []byte) error {
	*t = nil
	var items []wireText
	if err := json.Unmarshal(b, &items); err == nil {
		for _, item := range items {
			*t = append(*t, string(item))
		}
		return nil
	}
	for _, item := range strings.FieldsFunc(plainText(b), func(r rune) bool { return r == ',' || r == '|' }) {
		*t = append(*t, strings.TrimSpace(item))
	}
	return nil
}

// wireTime is an RFC 3339 time, or null. What cannot be read is no error yet, so that
// it does not hide what is around it.
type wireTime struct {
	time.Time
	unreadable bool
}

func (t *wireTime) UnmarshalJSON(b []byte) error {
	if t.Time.UnmarshalJSON(b) == nil { // as it should be
		t.unreadable = false
		return nil
	}
	var err error
	t.Time, err = time.Parse(time.RFC3339, plainText(b))
	t.unreadable = err != nil
	return nil
}

// wireSteps are the tests of a connection: {"steps": [...]}.
type wireSteps []TestStep

func (s *wireSteps) UnmarshalJSON(b []byte) error {
	var w struct {
		Steps []struct {
			Step, Status wireText
			Error        stepError
		}
	}
	_ = json.Unmarshal(b, &w) // what is of another shape has none that can be read
	*s = make(wireSteps, len(w.Steps))
	for i, step := range w.Steps {
		(*s)[i] = TestStep{string(step.Step), string(step.Status), string(step.Error)}
	}
	return nil
}

// stepError is the message of {"message": ...}, or what is there instead.
type stepError string

func (e *stepError) UnmarshalJSON(b []byte) error {
	var w struct{ Message wireText }
	if err := json.Unmarshal(b, &w); err != nil {
		w.Message = wireText(plainText(b))
	}
	*e = stepError(w.Message)
	return nil
}

// wireFields are the form of a type: {"fields": [...]}.
type wireFields []ConfigurationField

func (f *wireFields) UnmarshalJSON(b []byte) error {
	var w struct {
		Fields []struct {
			ID, Label, Type, Hint   wireText
			Placeholder, Placholder wireText // the second as a page of the reference spells it
			Rules                   wireTexts
			Password                bool      `json:"is_password_type_field"`
			PossibleValues          wireTexts `json:"possible_values"`
		}
	}
	_ = json.Unmarshal(b, &w) // what is of another shape has none that can be read
	*f = make(wireFields, len(w.Fields))
	for i, field := range w.Fields {
		(*f)[i] = ConfigurationField{
			ID:             string(field.ID),
			Label:          string(field.Label),
			Type:           string(field.Type),
			Placeholder:    string(cmp.Or(field.Placeholder, field.Placholder)),
			Hint:           strings.TrimSpace(string(field.Hint)),
			Required:       slices.Contains(field.Rules, "required"),
			Password:       field.Password,
			PossibleValues: field.PossibleValues,
		}
	}
	return nil
}
