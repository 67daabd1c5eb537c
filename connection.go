package connectlinks

import (
	"encoding/json"
	"time"
)

// Connection describes what a [Source] and a [Destination] have in common: the service that is
// connected, and how its last test ended. It has no methods, so that a struct that embeds a Source
// gets none.
type Connection struct {
	ID                int64           `json:"id"`
	Name              string          `json:"name"`
	Type              string          `json:"type"` // the ServiceName of its type; "" in older answers for a destination
	Label             string          `json:"label,omitempty"`
	CreatedAt         time.Time       `json:"created_at,omitzero"`           // zero if the API gives none that can be read
	LastTestedAt      time.Time       `json:"last_tested_at,omitzero"`       // zero if it was never tested
	LastTestSucceeded *bool           `json:"last_test_succeeded,omitempty"` // nil if it was never tested
	ConnectionDetails json.RawMessage `json:"connection_details,omitempty"`  // free-form, without credentials
	LastTestResults   []TestStep      `json:"last_test_results,omitempty"`   // the last test, step by step; the API gives a source none
}

// TestStep reports on one step of a connection's test.
type TestStep struct {
	Step   string `json:"step"`
	Status string `json:"status"`
	Error  string `json:"error,omitempty"` // what went wrong; "" if nothing did
}

// ConfigurationField describes one field of the form on which a customer configures a connection.
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
