package connectlinkstest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Type describes a service that can be a source or a destination.
type Type struct {
	ServiceName       string // the type of a link, such as postgres
	Label             string // the name for people, such as PostgreSQL
	DocumentationSlug string
	NotLinkable       bool     // no link can be made for it
	NotViaAPI         bool     // creatable_via_api is false
	SyncEngines       []string // sources only
	AuthMethod        string   // destinations only
	Fields            []Field
}

// Field describes a value that a customer enters to connect.
type Field struct {
	ID             string
	Label          string
	Type           string // string (the default), integer or boolean
	Placeholder    string
	Hint           string
	Required       bool
	Password       bool // the value is used for the tests only, and not stored
	PossibleValues []string
}

func (t Type) clone() Type {
	t.SyncEngines = slices.Clone(t.SyncEngines)
	t.Fields = slices.Clone(t.Fields)
	for i := range t.Fields {
		t.Fields[i].PossibleValues = slices.Clone(t.Fields[i].PossibleValues)
	}
	return t
}

// check returns an error if the type does not take the values.
func (t Type) check(values map[string]string) error {
	for _, id := range slices.Sorted(maps.Keys(values)) {
		if !slices.ContainsFunc(t.Fields, func(f Field) bool { return f.ID == id }) {
			// The value is not in the error, because it may be a secret.
			return fmt.Errorf("type %s has no field %q", t.ServiceName, id)
		}
	}
	for _, f := range t.Fields {
		if wrong := f.problem(values[f.ID]); wrong != "" {
			return fmt.Errorf("field %s %s", f.ID, wrong)
		}
	}
	return nil
}

// name returns the name for people.
func (f Field) name() string { return cmp.Or(f.Label, f.ID) }

// problem says what is wrong with a value, without the value. It returns "" if the value is
// right.
func (f Field) problem(value string) string {
	switch {
	case value == "" && f.Required:
		return "is required"
	case value != "" && len(f.PossibleValues) > 0 && !slices.Contains(f.PossibleValues, value):
		return fmt.Sprintf("takes one of %q", f.PossibleValues)
	}
	return ""
}

// fill returns values, with a plausible value for each field that the customer did not
// enter: the one in known, or the placeholder.
func (t Type) fill(values, known map[string]string) map[string]string {
	filled := maps.Clone(values)
	if filled == nil {
		filled = map[string]string{}
	}
	for _, f := range t.Fields {
		_, given := filled[f.ID]
		old, had := known[f.ID]
		switch {
		case given:
		case had:
			filled[f.ID] = old
		case len(f.PossibleValues) > 0:
			filled[f.ID] = f.PossibleValues[0]
		case f.Placeholder != "":
			filled[f.ID] = f.Placeholder
		case f.Required:
			filled[f.ID] = "sandbox"
		}
	}
	return filled
}

// public returns the values that may be stored: those of fields that are not passwords.
func (t Type) public(values map[string]string) map[string]string {
	kept := map[string]string{}
	for _, f := range t.Fields {
		if v, ok := values[f.ID]; ok && !f.Password {
			kept[f.ID] = v
		}
	}
	return kept
}

// Assumption: the names of the steps and statuses. Only "Verify connectivity" and
// "success" are in a documented example.
const (
	stepConnect  = "Verify connectivity"
	stepLogIn    = "Authenticate"
	stepSucceeds = "success"
	stepFails    = "failure"
)

// wrongValue is the value that makes a test fail.
const wrongValue = "wrong"

// test runs the automated tests. It ends with the first step that fails.
func (t Type) test(values map[string]string) []step {
	for _, f := range t.Fields {
		if !f.Password && values[f.ID] == wrongValue {
			return []step{{stepConnect, fmt.Sprintf("%s is wrong: nothing answers there", f.name()), f.ID}}
		}
	}
	for _, f := range t.Fields {
		if f.Password && values[f.ID] == wrongValue {
			return []step{{name: stepConnect}, {stepLogIn, fmt.Sprintf("%s is wrong: access denied", f.name()), f.ID}}
		}
	}
	return []step{{name: stepConnect}, {name: stepLogIn}}
}

// try checks and tests what a customer enters. The error is an ErrTestFailed, or names a
// value that the type does not take.
func (t Type) try(sub Submission) ([]step, error) {
	if err := t.check(sub.Fields); err != nil {
		return nil, fmt.Errorf("connectlinkstest: %w", err)
	}
	steps := t.test(sub.Fields)
	if sub.Denied {
		if len(t.Fields) > 0 {
			return nil, fmt.Errorf("connectlinkstest: type %s does not ask for consent", t.ServiceName)
		}
		steps = t.deny()
	}
	if failed(steps) {
		return nil, &testError{steps}
	}
	if sub.FailedTest != "" {
		steps = []step{{name: stepConnect}, {name: stepLogIn, failure: sub.FailedTest}}
	}
	return steps, nil
}

// deny returns the steps of the tests if the customer refuses consent.
func (t Type) deny() []step {
	return []step{{name: stepConnect}, {name: stepLogIn, failure: cmp.Or(t.Label, t.ServiceName) + " was not authorized: access denied"}}
}

// testSteps returns the names of all steps, in their order.
func testSteps() []string { return []string{stepConnect, stepLogIn} }

// A step is one automated test of a connection.
type step struct {
	name    string
	failure string // empty if it succeeded
	field   string // the id of the field that was wrong, if it is known
}

func failed(steps []step) bool {
	return slices.ContainsFunc(steps, func(s step) bool { return s.failure != "" })
}

func required(id, label, placeholder string) Field {
	return Field{ID: id, Label: label, Placeholder: placeholder, Required: true}
}

func password(id, label string) Field {
	return Field{ID: id, Label: label, Required: true, Password: true}
}

// sourceTypes returns the source types of a new server.
//
// Assumption: the types and their fields. The documentation shows the shape, and a few
// service names.
func sourceTypes() []Type {
	database := func(name, label, host, port, db string) Type {
		return Type{
			ServiceName: name, Label: label, DocumentationSlug: name,
			SyncEngines: []string{"basic", "advanced"},
			Fields: []Field{
				required("hostname", "Hostname", host),
				{ID: "port", Label: "Port", Type: "integer", Placeholder: port, Required: true},
				required("database", "Database", db),
				required("user", "User", "activations"),
				password("password", "Password"),
			},
		}
	}
	return []Type{
		database("postgres", "PostgreSQL", "db.example.com", "5432", "analytics"),
		{
			ServiceName: "snowflake", Label: "Snowflake", DocumentationSlug: "snowflake",
			SyncEngines: []string{"basic", "advanced"},
			Fields: []Field{
				{ID: "account", Label: "Account", Placeholder: "xy12345.us-east-1", Required: true,
					Hint: "The part of your Snowflake URL in front of .snowflakecomputing.com"},
				required("warehouse", "Warehouse", "ACTIVATIONS"),
				required("database", "Database", "ANALYTICS"),
				required("user", "User", "ACTIVATIONS"),
				password("password", "Password"),
			},
		},
		{
			ServiceName: "big_query", Label: "BigQuery", DocumentationSlug: "bigquery",
			SyncEngines: []string{"basic", "advanced"},
			Fields: []Field{
				required("project_id", "Project ID", "acme-analytics"),
				{ID: "location", Label: "Location", Required: true, PossibleValues: []string{"US", "EU"}},
				password("service_account_key", "Service account key"),
			},
		},
		database("redshift", "Redshift", "acme.abc123.us-east-1.redshift.amazonaws.com", "5439", "analytics"),
		{
			ServiceName: "databricks", Label: "Databricks", DocumentationSlug: "databricks",
			SyncEngines: []string{"basic", "advanced"},
			Fields: []Field{
				required("hostname", "Server hostname", "dbc-a1b2c3d4-e5f6.cloud.databricks.com"),
				required("http_path", "HTTP path", "/sql/1.0/warehouses/abc123"),
				{ID: "catalog", Label: "Catalog", Placeholder: "main"},
				password("access_token", "Access token"),
			},
		},
		database("mysql", "MySQL", "mysql.example.com", "3306", "shop"),
		database("sql_server", "SQL Server", "mssql.example.com", "1433", "shop"),
		{
			ServiceName: "google_sheets", Label: "Google Sheets", DocumentationSlug: "google-sheets",
			NotViaAPI: true, SyncEngines: []string{"basic"},
		},
		{
			ServiceName: "http_request", Label: "HTTP Request", DocumentationSlug: "http-request",
			NotLinkable: true, NotViaAPI: true, SyncEngines: []string{"basic"},
		},
	}
}

// destinationTypes returns the destination types of a new server. Assumption: see
// [sourceTypes].
func destinationTypes() []Type {
	oauth := func(name, label, slug string) Type {
		return Type{ServiceName: name, Label: label, DocumentationSlug: slug, AuthMethod: "oauth", NotViaAPI: true}
	}
	return []Type{
		oauth("hubspot", "HubSpot", "hubspot"),
		oauth("salesforce", "Salesforce", "salesforce"),
		{
			ServiceName: "braze", Label: "Braze", DocumentationSlug: "braze", AuthMethod: "api_key",
			Fields: []Field{
				required("instance_url", "Endpoint URL", "https://rest.iad-01.braze.com"),
				password("api_key", "API key"),
			},
		},
		oauth("google_ads", "Google Ads", "google-ads"),
		oauth("facebook_ads", "Facebook Ads", "facebook"),
		{
			ServiceName: "klaviyo", Label: "Klaviyo", DocumentationSlug: "klaviyo", AuthMethod: "api_key",
			Fields: []Field{password("api_key", "Private API key")},
		},
		{
			ServiceName: "iterable", Label: "Iterable", DocumentationSlug: "iterable", AuthMethod: "api_key",
			Fields: []Field{
				{ID: "region", Label: "Data center", Required: true, PossibleValues: []string{"US", "EU"}},
				password("api_key", "API key"),
			},
		},
		{
			ServiceName: "postgres", Label: "PostgreSQL", DocumentationSlug: "postgres", AuthMethod: "password",
			Fields: []Field{
				required("hostname", "Hostname", "db.example.com"),
				{ID: "port", Label: "Port", Type: "integer", Placeholder: "5432", Required: true},
				required("database", "Database", "crm"),
				required("user", "User", "activations"),
				password("password", "Password"),
			},
		},
		{
			ServiceName: "internal", Label: "Internal", DocumentationSlug: "internal", AuthMethod: "none",
			NotLinkable: true, NotViaAPI: true,
		},
	}
}
