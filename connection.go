package connectlinks

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
