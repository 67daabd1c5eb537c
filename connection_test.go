package connectlinks_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
)

func TestTypesOfOlderAnswers(t *testing.T) {
	t.Parallel()
	client := testkit.Client(t, testkit.Respond(200, testkit.Testdata(t, "source_types_unpaginated.json")), testkit.NoRetries)
	page, err := client.Sources.ListTypes(t.Context(), connectlinks.ListOptions{})
	require.NoError(t, err)
	assert.Equal(t, &connectlinks.Page[connectlinks.SourceType]{
		Number: 1, PerPage: 2, Last: 1, TotalRecords: 2,
		Items: []connectlinks.SourceType{
			{
				ServiceName: "redshift", Label: "Redshift", DocumentationSlug: "redshift",
				CreatableViaAPI: true, SupportedSyncEngines: []string{"basic", "advanced"},
				ConfigurationFields: []connectlinks.ConfigurationField{
					{ID: "hostname", Label: "Hostname", Type: "string", Placeholder: "db.example.com", Required: true},
					{ID: "port", Label: "Port", Type: "integer", Placeholder: "5439", Required: true},
					{ID: "ssl", Label: "SSL", Type: "boolean", PossibleValues: []string{"true", "false"}},
					{ID: "region", Label: "Region", Type: "string", Placeholder: "US", PossibleValues: []string{"US", "EU"}},
					{ID: "comment", Label: "Comment", Type: "string"},
					{ID: "password", Label: "Password", Type: "string", Required: true, Password: true},
				},
			},
			{ServiceName: "bare", CreatableViaConnectLink: true, ConfigurationFields: []connectlinks.ConfigurationField{}},
		},
	}, page)
}

func TestSourcesOfOlderAnswers(t *testing.T) {
	t.Parallel()
	client := testkit.Client(t, testkit.Respond(200, testkit.Testdata(t, "sources_older.json")), testkit.NoRetries)
	page, err := client.Sources.List(t.Context(), connectlinks.ListOptions{PerPage: 2})
	require.NoError(t, err)
	assert.Equal(t, &connectlinks.Page[connectlinks.Source]{
		Number: 1, PerPage: 2, Next: 2, Last: 2, TotalRecords: 4,
		Items: []connectlinks.Source{
			{Connection: connectlinks.Connection{
				ID: 4, Name: "Snowflake - xxxxxxx.us-east-1", Type: "snowflake",
				ConnectionDetails: json.RawMessage(`{"account": "xxxxxxx.us-east-1", "user": "DEV", "warehouse": "TEST", "use_keypair": false}`),
			}},
			{Connection: connectlinks.Connection{
				ID: 10, Name: "BigQuery - Development", Type: "big_query", Label: "BigQuery",
				LastTestedAt: time.Date(2021, 10, 7, 20, 2, 19, 544e6, time.UTC), LastTestSucceeded: &refYes,
				ConnectionDetails: json.RawMessage(`{"project_id": "development", "location": "US", ` +
					`"service_account": "xxxxxx.iam.gserviceaccount.com", "location_editable": false}`),
			}},
		},
	}, page)
}

func TestDestinationsOfOlderAnswers(t *testing.T) {
	t.Parallel()
	client := testkit.Client(t, testkit.Respond(200, testkit.Testdata(t, "destinations_older.json")), testkit.NoRetries)
	page, err := client.Destinations.List(t.Context(), connectlinks.ListOptions{})
	require.NoError(t, err)
	no := false
	assert.Equal(t, []connectlinks.Destination{
		{Connection: connectlinks.Connection{
			ID: 12, Name: "Google Sheets",
			ConnectionDetails: json.RawMessage(`{"service_account_email": "xxxxxxx.iam.gserviceaccount.com"}`),
		}},
		{Connection: connectlinks.Connection{
			ID: 14, Name: "HubSpot", Type: "hubspot",
			CreatedAt: refExpires, LastTestedAt: refTestedAt, LastTestSucceeded: &no,
			LastTestResults: []connectlinks.TestStep{
				{Step: "Verify connectivity", Status: "success"},
				{Step: "Authenticate", Status: "failure", Error: "access denied"},
			},
		}},
		{Connection: connectlinks.Connection{ID: 15, LastTestResults: []connectlinks.TestStep{}}},
	}, page.Items)
}

func TestActivationOfNulls(t *testing.T) {
	t.Parallel()
	client := testkit.Client(t, testkit.Respond(200, testkit.Testdata(t, "activation_bare.json")), testkit.NoRetries)
	a, err := client.Activations.Get(t.Context(), "glimmering_donkey")
	require.NoError(t, err)
	a.Raw = nil
	assert.Equal(t, &connectlinks.Activation{
		ID:          "glimmering_donkey",
		Source:      connectlinks.ActivationSource{ID: "abounding_hazard"},
		Destination: connectlinks.ActivationDestination{ID: "12", LastTestResults: []connectlinks.TestStep{}},
	}, a)
}

func TestConnectionsWithoutAnIDAreRefused(t *testing.T) {
	t.Parallel()
	calls := testkit.Select(func(c testkit.Call) bool { return c.Is("Get", "GetType", "GetSource", "Current") })
	for _, data := range []string{`{}`, `{"id":null}`, `{"id":0}`, `null`, `[]`, `{"service_name":""}`} {
		client := testkit.Client(t, testkit.Respond(200, testkit.Envelope("success", data)), testkit.NoRetries)
		for _, call := range calls {
			_, err := call.Do(t.Context(), client)
			assert.ErrorIs(t, err, connectlinks.ErrBadResponse, "%s: %s", call.Name, data)
		}
	}
}

func TestAnswersToADelete(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		answer
		want error
	}{
		{ok(`{"status":"deleted"}`), nil},
		{ok(`{"status":"deleted","data":null}`), nil},
		{ok(`{"status":"success","data":{"id":4}}`), nil},
		{ok(""), nil},
		{ok(" \n"), nil},
		{answer{status: 204}, nil},
		{answer{status: 202, body: "{}"}, nil},
		{ok("<html></html>"), connectlinks.ErrBadResponse},
		{ok(`{"status":`), connectlinks.ErrBadResponse},
		{ok(`[]`), connectlinks.ErrBadResponse},
		{ok(`"deleted"`), connectlinks.ErrBadResponse},
		{ok(`{"status":"deleted"} and more`), connectlinks.ErrBadResponse},
		{answer{status: 404, body: `{"status":"not_found"}`}, connectlinks.ErrNotFound},
	} {
		client := testkit.Client(t, testkit.Respond(tt.status, tt.body), testkit.NoRetries)
		for _, call := range testkit.Deletes() {
			_, err := call.Do(t.Context(), client)
			assert.ErrorIs(t, err, tt.want, "%s: %d %q", call.Name, tt.status, tt.body)
		}
	}
}
