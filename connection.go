package connectlinks

import (
	"encoding/json"
	"time"
)

// Connection describes what a [Source] and a [Destination] have in common: the connected service,
// and the result of its last test. It has no methods, so that a struct that embeds a Source gets
// none.
type Connection struct {
	ID                int64           `json:"id"`
	Name              string          `json:"name"`
	Type              string          `json:"type"` // the ServiceName of its type; "" in older answers for a destination
	Label             string          `json:"label,omitempty"`
	CreatedAt         time.Time       `json:"created_at,omitzero"`           // zero if absent or not readable
	LastTestedAt      time.Time       `json:"last_tested_at,omitzero"`       // zero if it was never tested
	LastTestSucceeded *bool           `json:"last_test_succeeded,omitempty"` // nil if it was never tested
	ConnectionDetails json.RawMessage `json:"connection_details,omitempty"`  // free-form, without credentials
	LastTestResults   []TestStep      `json:"last_test_results,omitempty"`   // the steps of the last test; the API shows none for a source
}

// TestStep describes one step of a connection's test.
type TestStep struct {
	Step   string `json:"step"`
	Status string `json:"status"`
	Error  string `json:"error,omitempty"` // "" if the step succeeded
}

// ConfigurationField describes one field of the form for a connection.
type ConfigurationField struct {
	ID             string   `json:"id"`
	Label          string   `json:"label"`
	Type           string   `json:"type"`
	Placeholder    string   `json:"placeholder,omitempty"`
	Hint           string   `json:"hint,omitempty"`
	Required       bool     `json:"required"`
	Password       bool     `json:"password"`                  // its value is a secret
	PossibleValues []string `json:"possible_values,omitempty"` // nil if any value is possible
}
