package connectlinkstest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// The JSON of the API's answers.

const timeFormat = "2006-01-02T15:04:05.000Z"

func timestamp(t time.Time) string { return t.UTC().Format(timeFormat) }

// orNull returns a pointer to v, or nil (null in JSON) if v is zero.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

type pagination struct {
	TotalRecords int  `json:"total_records"`
	PerPage      int  `json:"per_page"`
	PrevPage     *int `json:"prev_page"`
	Page         int  `json:"page"`
	NextPage     *int `json:"next_page"`
	LastPage     int  `json:"last_page"`
}

func (c *call) ok(status int, word string, data any) answer {
	return c.json(status, struct {
		Status string `json:"status"`
		Data   any    `json:"data"`
	}{word, data})
}

// list answers with a page of all, in the request's order. all is sorted oldest first.
func (c *call) list(all []any) answer {
	if c.r.URL.Query().Get("order") != "asc" && !c.assume.IgnoreOrder {
		slices.Reverse(all)
	}
	return c.listInOrder(all)
}

// listInOrder answers with the requested page of all.
func (c *call) listInOrder(all []any) answer {
	query := c.r.URL.Query()
	p := pagination{
		TotalRecords: len(all),
		PerPage:      min(positive(query.Get("per_page"), 25), 100),
		Page:         positive(query.Get("page"), 1),
	}
	p.LastPage = max(1, (len(all)+p.PerPage-1)/p.PerPage)
	data := []any{}
	var next string
	if p.Page <= p.LastPage {
		from := (p.Page - 1) * p.PerPage
		data = append(data, all[from:min(from+p.PerPage, len(all))]...)
		p.PrevPage = orNull(p.Page - 1)
		if p.Page < p.LastPage {
			p.NextPage = orNull(p.Page + 1)
			query.Set("page", strconv.Itoa(p.Page+1))
			next = (&url.URL{Path: c.r.URL.Path, RawQuery: query.Encode()}).String()
			next = c.URL + next
		}
	}
	return c.json(http.StatusOK, struct {
		Status     string     `json:"status"`
		Pagination pagination `json:"pagination"`
		Next       *string    `json:"next"`
		Data       []any      `json:"data"`
	}{"success", p, orNull(next), data})
}

// positive returns the number in text, or otherwise if text is not a number above 0.
func positive(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// refuse returns an error answer.
func (c *call) refuse(status int, message string) answer {
	body := struct {
		Status  any    `json:"status"`
		Message string `json:"message,omitempty"`
	}{status, message}
	if c.assume.BareErrors {
		body.Message = ""
	}
	if c.assume.WordStatus && !c.endpoint.v2() {
		body.Status = "error"
		if status == http.StatusNotFound {
			body.Status = "not_found"
		}
	}
	return c.json(status, body)
}

// railsError is the body of a Rails server's own errors.
type railsError struct {
	Status int    `json:"status"`
	Error  string `json:"error"`
}

func (c *call) json(status int, v any) answer {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, numbers and times only
	}
	return answer{status: status, body: body}
}

func decodeObject(body []byte) (map[string]any, error) {
	var object map[string]any
	err := json.Unmarshal(body, &object)
	return object, err
}

type linkBody struct {
	ID          int64   `json:"id"`
	Type        string  `json:"type"`
	Expiration  string  `json:"expiration"`
	Expired     bool    `json:"expired"`
	Revoked     bool    `json:"revoked"`
	URI         string  `json:"uri"`
	RedirectURI *string `json:"redirect_uri"`
}

func (c *call) linkJSON(l *link) any {
	body := linkBody{
		ID: l.id, Type: l.typ, Expiration: timestamp(l.expires), Expired: l.expired(c.now()),
		Revoked: l.revoked, URI: l.url, RedirectURI: orNull(l.redirectURI),
	}
	var connection *int64
	if l.conn != nil {
		connection = &l.conn.id
	}
	switch l.kind {
	case KindSource:
		return struct {
			linkBody
			SourceID *int64 `json:"source_id"`
		}{body, connection}
	case KindDestination:
		return struct {
			linkBody
			DestinationID *int64 `json:"destination_id"`
		}{body, connection}
	}
	return struct {
		linkBody
		GroupID string `json:"group_id,omitempty"`
	}{body, c.groupID(l.group)}
}

// connectionBody has the fields that sources, destinations and the destination connections
// of activations share.
type connectionBody struct {
	CreatedAt         string            `json:"created_at"`
	LastTestSucceeded *bool             `json:"last_test_succeeded"`
	LastTestedAt      *string           `json:"last_tested_at"`
	ConnectionDetails map[string]string `json:"connection_details"`
}

type testResults struct {
	Steps []testStep `json:"steps"`
}

type testStep struct {
	Step   string     `json:"step"`
	Status string     `json:"status"`
	Error  *stepError `json:"error"`
}

type stepError struct {
	Message string `json:"message"`
}

// parts returns the parts of a connection's JSON that every kind and version has.
func (c *call) parts(conn *connection) (connectionBody, testResults) {
	timestamp := timestamp
	if c.assume.SpacedTimes {
		timestamp = func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
	}
	body := connectionBody{CreatedAt: timestamp(conn.created), ConnectionDetails: conn.details}
	results := testResults{Steps: []testStep{}}
	if !conn.tested.IsZero() {
		at, succeeded := timestamp(conn.tested), !failed(conn.steps)
		body.LastTestedAt, body.LastTestSucceeded = &at, &succeeded
	}
	for _, s := range conn.steps {
		step := testStep{Step: s.name, Status: stepSucceeds}
		if s.failure != "" {
			step.Status, step.Error = stepFails, &stepError{s.failure}
		}
		results.Steps = append(results.Steps, step)
	}
	return body, results
}

func (c *call) connectionJSON(conn *connection) any {
	body, results := c.parts(conn)
	switch conn.kind {
	case KindSource:
		return struct {
			ID    int64   `json:"id"`
			Name  string  `json:"name"`
			Type  string  `json:"type"`
			Label *string `json:"label"`
			connectionBody
		}{conn.id, conn.name, conn.typ, nil, body}
	case KindDestination:
		typ := conn.typ
		if c.assume.NoTypeOnDestinations {
			typ = ""
		}
		return struct {
			ID    int64   `json:"id"`
			Name  string  `json:"name"`
			Type  string  `json:"type,omitempty"`
			Label *string `json:"label"`
			connectionBody
			LastTestResults testResults `json:"last_test_results"`
		}{conn.id, conn.name, typ, nil, body, results}
	}
	return c.activationJSON(conn, body, results)
}

func (c *call) activationJSON(conn *connection, body connectionBody, results testResults) any {
	source, destination := "source_connection", "destination_connection"
	if c.assume.ShortActivationNames {
		source, destination = "source", "destination"
	}
	warehouse := c.state.groups[conn.group].warehouse
	activation := map[string]any{
		"id":   conn.activationID,
		"name": conn.name,
		source: map[string]any{
			"id": warehouse.id, "name": warehouse.name, "type": warehouse.typ,
		},
		destination: struct {
			ID   int64  `json:"id"`
			Type string `json:"type"`
			connectionBody
			LastTestResults testResults `json:"last_test_results"`
		}{conn.id, conn.typ, body, results},
	}
	if group := c.groupID(conn.group); group != "" {
		activation["group_id"] = group
	}
	return activation
}

func (c *call) v2SourceJSON(conn *connection, group string) any {
	body, results := c.parts(conn)
	return struct {
		ID      int64  `json:"id"`
		GroupID string `json:"group_id,omitempty"`
		Name    string `json:"name"`
		Type    string `json:"type"`
		connectionBody
		LastTestResults testResults `json:"last_test_results"`
	}{conn.id, c.groupID(group), conn.name, conn.typ, body, results}
}

// groupID returns the group_id of answers: id, or "" if the group is hidden.
func (c *call) groupID(id string) string {
	if c.state.groups[id].hidden {
		return ""
	}
	return id
}

type typeBody struct {
	ServiceName             string `json:"service_name"`
	Label                   string `json:"label"`
	DocumentationSlug       string `json:"documentation_slug"`
	CreatableViaAPI         bool   `json:"creatable_via_api"`
	CreatableViaConnectLink bool   `json:"creatable_via_connect_link"`
	ConfigurationFields     struct {
		Fields []fieldBody `json:"fields"`
	} `json:"configuration_fields"`
}

type fieldBody struct {
	ID                  string   `json:"id"`
	Rules               []string `json:"rules"`
	Label               string   `json:"label"`
	Type                string   `json:"type"`
	Placeholder         *string  `json:"placeholder"`
	Hint                *string  `json:"hint"`
	IsPasswordTypeField bool     `json:"is_password_type_field"`
	PossibleValues      []string `json:"possible_values"`
}

func typeJSON(k Kind, t Type) any {
	body := typeBody{
		ServiceName: t.ServiceName, Label: t.Label, DocumentationSlug: t.DocumentationSlug,
		CreatableViaAPI: !t.NotViaAPI, CreatableViaConnectLink: !t.NotLinkable,
	}
	body.ConfigurationFields.Fields = []fieldBody{}
	for _, f := range t.Fields {
		field := fieldBody{
			ID: f.ID, Rules: []string{}, Label: f.Label, Type: f.Type,
			Placeholder: orNull(f.Placeholder), Hint: orNull(f.Hint),
			IsPasswordTypeField: f.Password, PossibleValues: f.PossibleValues,
		}
		if f.Type == "" {
			field.Type = "string"
		}
		if f.Required {
			field.Rules = append(field.Rules, "required")
		}
		body.ConfigurationFields.Fields = append(body.ConfigurationFields.Fields, field)
	}
	if k == KindSource {
		return struct {
			typeBody
			SupportedSyncEngines []string `json:"supported_sync_engines"`
		}{body, append([]string{}, t.SyncEngines...)}
	}
	return struct {
		typeBody
		AuthMethod string `json:"auth_method"`
	}{body, t.AuthMethod}
}

type workspaceBody struct {
	ID                 int64    `json:"id"`
	Name               string   `json:"name"`
	OrganizationID     int64    `json:"organization_id"`
	CreatedAt          string   `json:"created_at"`
	NotificationEmails []string `json:"notification_emails,omitzero"` // only of a workspace fetched by its id
	APIKey             string   `json:"api_key,omitempty"`
}

func workspaceJSON(ws *Workspace) workspaceBody {
	return workspaceBody{
		ID: ws.ID, Name: ws.Name, OrganizationID: ws.OrganizationID, CreatedAt: timestamp(ws.CreatedAt),
	}
}
