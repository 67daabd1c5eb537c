// Package wire reads the API's JSON, which is not always of the type it is
// documented to be.
package wire

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Text is a string that may also be a number or another value.
type Text string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Text) UnmarshalJSON(b []byte) error {
	*t = Text(Plain(b))
	return nil
}

// Plain is a JSON string's text, nothing for null, and other JSON as it is.
func Plain(raw []byte) string {
	if n := len(raw); n > 1 && raw[0] == '"' && raw[n-1] == '"' && bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw[1 : n-1]) // nothing is escaped
	}
	var s string
	if err := json.Unmarshal(raw, &s); err == nil {
		return s
	}
	return string(raw)
}

// Failure reports whether an envelope's status speaks of a failure, and the HTTP
// status that it stands for, 0 if none.
func (t Text) Failure() (code int, failed bool) {
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

// Texts is a list of strings that may also be one string, with commas or bars
// between the parts, or have other values among them.
type Texts []string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Texts) UnmarshalJSON(b []byte) error {
	*t = nil
	var items []Text
	if err := json.Unmarshal(b, &items); err == nil {
		for _, item := range items {
			*t = append(*t, string(item))
		}
		return nil
	}
	for _, item := range strings.FieldsFunc(Plain(b), func(r rune) bool { return r == ',' || r == '|' }) {
		*t = append(*t, strings.TrimSpace(item))
	}
	return nil
}

// Time is an RFC 3339 time, or null. What cannot be read is no error yet, so that
// it does not hide what is around it.
type Time struct {
	time.Time
	Unreadable bool
}

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Time) UnmarshalJSON(b []byte) error {
	if t.Time.UnmarshalJSON(b) == nil { // as it should be
		t.Unreadable = false
		return nil
	}
	var err error
	t.Time, err = time.Parse(time.RFC3339, Plain(b))
	t.Unreadable = err != nil
	return nil
}

// Step is one step of a connection's tests.
type Step struct{ Step, Status, Error string }

// Steps are the tests of a connection: {"steps": [...]}.
type Steps []Step

// UnmarshalJSON implements [json.Unmarshaler].
func (s *Steps) UnmarshalJSON(b []byte) error {
	var w struct {
		Steps []struct {
			Step, Status Text
			Error        stepError
		}
	}
	_ = json.Unmarshal(b, &w) // what is of another shape has none that can be read
	*s = make(Steps, len(w.Steps))
	for i, step := range w.Steps {
		(*s)[i] = Step{string(step.Step), string(step.Status), string(step.Error)}
	}
	return nil
}

// stepError is the message of {"message": ...}, or what is there instead.
type stepError string

// UnmarshalJSON implements [json.Unmarshaler].
func (e *stepError) UnmarshalJSON(b []byte) error {
	var w struct{ Message Text }
	if err := json.Unmarshal(b, &w); err != nil {
		w.Message = Text(Plain(b))
	}
	*e = stepError(w.Message)
	return nil
}

// Field is a field of a type's form.
type Field struct {
	ID, Label, Type, Placeholder, Hint string
	Required, Password                 bool
	PossibleValues                     []string
}

// Fields are the form of a type: {"fields": [...]}.
type Fields []Field

// UnmarshalJSON implements [json.Unmarshaler].
func (f *Fields) UnmarshalJSON(b []byte) error {
	var w struct {
		Fields []struct {
			ID, Label, Type, Hint   Text
			Placeholder, Placholder Text // the second as a page of the reference spells it
			Rules                   Texts
			Password                bool  `json:"is_password_type_field"`
			PossibleValues          Texts `json:"possible_values"`
		}
	}
	_ = json.Unmarshal(b, &w) // what is of another shape has none that can be read
	*f = make(Fields, len(w.Fields))
	for i, field := range w.Fields {
		(*f)[i] = Field{
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

// Wrong says what is wrong with a body that json.Unmarshal refused with err,
// without quoting it.
func Wrong(body []byte, err error) string {
	var (
		syntax *json.SyntaxError
		kind   *json.UnmarshalTypeError
	)
	switch trimmed := bytes.TrimSpace(body); {
	case len(trimmed) == 0:
		return "empty"
	case trimmed[0] == '<':
		return "HTML in place of JSON"
	case errors.As(err, &syntax):
		return fmt.Sprintf("no JSON at byte %d of %d", syntax.Offset, len(body))
	case errors.As(err, &kind):
		return fmt.Sprintf("%q is not of type %s", kind.Field, kind.Type.Kind())
	}
	return "JSON of another shape"
}
