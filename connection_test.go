package connectlinks_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
)

// The values of the reference's examples.
var (
	lifeYes = true

	lifeFields = []connectlinks.ConfigurationField{{
		ID: "instance_url", Label: "Endpoint URL", Type: "string", Placeholder: "https://rest.iad-01.braze.com",
		Hint: "Settings > Integrations > API Key", Required: true, PossibleValues: []string{"<string>"},
	}}
	lifeSourceType = connectlinks.SourceType{
		ServiceName: "snowflake", Label: "Snowflake", DocumentationSlug: "snowflake",
		CreatableViaAPI: true, CreatableViaConnectLink: true,
		SupportedSyncEngines: []string{"advanced"}, ConfigurationFields: lifeFields,
	}
	lifeDestinationType = connectlinks.DestinationType{
		ServiceName: "braze", Label: "Braze", DocumentationSlug: "braze", AuthMethod: "credentials",
		CreatableViaAPI: true, CreatableViaConnectLink: true, ConfigurationFields: lifeFields,
	}
	lifeActivationType = connectlinks.ActivationType(lifeDestinationType)

	lifeTestedAt = time.Date(2023, 11, 7, 5, 31, 56, 0, time.UTC)
	lifeSteps    = []connectlinks.TestStep{{Step: "Verify connectivity", Status: "success", Error: "<string>"}}
	lifeDetails  = json.RawMessage(`{"account_id": "7515011393,", "account_name": "Manager Account Test"}`)

	lifeASource = connectlinks.Source{
		ID: 4, Name: "Snowflake - xxxxxxx.us-east-1", Type: "snowflake", Label: "Acme Inc. Snowflake",
		CreatedAt: lifeExpires, LastTestedAt: lifeTestedAt, LastTestSucceeded: &lifeYes,
		ConnectionDetails: json.RawMessage(`{"account": "xxxxxxx.us-east-1,", "user": "DEV,", "warehouse": "TEST,", "use_keypair": false}`),
	}
	lifeADestination = connectlinks.Destination{ // which has no type in the reference
		ID: 12, Name: "Google Sheets",
		CreatedAt: lifeExpires, LastTestedAt: lifeTestedAt, LastTestSucceeded: &lifeYes,
		ConnectionDetails: lifeDetails, LastTestResults: lifeSteps,
	}
	lifeAnActivation = connectlinks.Activation{
		ID: "glimmering_donkey", Name: "Google Sheets", GroupID: "wandering_aimlessly",
		Source: connectlinks.ActivationSource{ID: "4", Name: "Snowflake - xxxxxxx.us-east-1", Type: "snowflake"},
		Destination: connectlinks.ActivationDestination{
			ID: "12", Type: "google_sheets",
			CreatedAt: lifeExpires, LastTestedAt: lifeTestedAt, LastTestSucceeded: &lifeYes,
			ConnectionDetails: lifeDetails, LastTestResults: lifeSteps,
		},
	}
)

func lifeTypeCalls() []lifeCall {
	type (
		ctx    = context.Context
		client = *connectlinks.Client
	)
	page3 := connectlinks.ListOptions{Page: 3}
	return []lifeCall{
		{
			"Sources.ListTypes",
			func(ctx ctx, c client) (any, error) { return c.Sources.ListTypes(ctx, page3) },
			"GET", "/api/v1/source_types", "page=3", "",
			200, "source_types.json", lifePage(lifeSourceType),
		},
		{
			"Sources.GetType",
			func(ctx ctx, c client) (any, error) { return c.Sources.GetType(ctx, "snowflake") },
			"GET", "/api/v1/source_types/snowflake", "", "",
			200, "source_type.json", &lifeSourceType,
		},
		{
			"Destinations.ListTypes",
			func(ctx ctx, c client) (any, error) { return c.Destinations.ListTypes(ctx, page3) },
			"GET", "/api/v1/connectors", "page=3", "",
			200, "connectors.json", lifePage(lifeDestinationType),
		},
		{
			"Destinations.GetType",
			func(ctx ctx, c client) (any, error) { return c.Destinations.GetType(ctx, "braze") },
			"GET", "/api/v1/connectors/braze", "", "",
			200, "connector.json", &lifeDestinationType,
		},
		{
			"Activations.ListTypes",
			func(ctx ctx, c client) (any, error) { return c.Activations.ListTypes(ctx, page3) },
			"GET", "/api/v2/activation_types", "page=3", "",
			200, "activation_types.json", lifePage(lifeActivationType),
		},
		{
			"Activations.GetType",
			func(ctx ctx, c client) (any, error) { return c.Activations.GetType(ctx, "braze") },
			"GET", "/api/v2/activation_types/braze", "", "",
			200, "activation_type.json", &lifeActivationType,
		},
	}
}

func lifeConnectionCalls() []lifeCall {
	type (
		ctx    = context.Context
		client = *connectlinks.Client
	)
	oldest := connectlinks.ListOptions{PerPage: 100, Order: connectlinks.OrderAsc}
	return []lifeCall{
		{
			"Sources.Get",
			func(ctx ctx, c client) (any, error) { return c.Sources.Get(ctx, 4) },
			"GET", "/api/v1/sources/4", "", "",
			200, "source.json", &lifeASource,
		},
		{
			"Sources.List",
			func(ctx ctx, c client) (any, error) { return c.Sources.List(ctx, oldest) },
			"GET", "/api/v1/sources", "order=asc&per_page=100", "",
			200, "sources.json", lifePage(lifeASource),
		},
		{
			"Sources.Delete",
			func(ctx ctx, c client) (any, error) { return nil, c.Sources.Delete(ctx, 4) },
			"DELETE", "/api/v1/sources/4", "", "",
			200, "deleted.json", nil,
		},
		{
			"Destinations.Get",
			func(ctx ctx, c client) (any, error) { return c.Destinations.Get(ctx, 12) },
			"GET", "/api/v1/destinations/12", "", "",
			200, "destination.json", &lifeADestination,
		},
		{
			"Destinations.List",
			func(ctx ctx, c client) (any, error) { return c.Destinations.List(ctx, oldest) },
			"GET", "/api/v1/destinations", "order=asc&per_page=100", "",
			200, "destinations.json", lifePage(lifeADestination),
		},
		{
			"Destinations.Delete",
			func(ctx ctx, c client) (any, error) { return nil, c.Destinations.Delete(ctx, 12) },
			"DELETE", "/api/v1/destinations/12", "", "",
			200, "deleted.json", nil,
		},
		{
			"Activations.Get",
			func(ctx ctx, c client) (any, error) { return c.Activations.Get(ctx, "glimmering_donkey") },
			"GET", "/api/v2/activations/glimmering_donkey", "", "",
			200, "activation.json", &lifeAnActivation,
		},
		{
			"Activations.Get",
			func(ctx ctx, c client) (any, error) { return c.Activations.Get(ctx, "glimmering_donkey") },
			"GET", "/api/v2/activations/glimmering_donkey", "", "",
			200, "activation_short.json", &lifeAnActivation,
		},
		{
			"Activations.List",
			func(ctx ctx, c client) (any, error) { return c.Activations.List(ctx, oldest) },
			"GET", "/api/v2/activations", "order=asc&per_page=100", "",
			200, "activations.json", lifePage(lifeAnActivation),
		},
		{
			"Activations.Delete",
			func(ctx ctx, c client) (any, error) { return nil, c.Activations.Delete(ctx, "glimmering_donkey") },
			"DELETE", "/api/v2/activations/glimmering_donkey", "", "",
			200, "deleted.json", nil,
		},
	}
}

func TestTypesInEveryShapeTheyCameIn(t *testing.T) {
	t.Parallel()
	client, _ := lifeServer(t, http.StatusOK, lifeData(t, "source_types_unpaginated.json"))
	page, err := client.Sources.ListTypes(t.Context(), connectlinks.ListOptions{})
	require.NoError(t, err)
	require.Len(t, page.Items, 2)

	redshift := page.Items[0]
	fields := redshift.ConfigurationFields
	redshift.ConfigurationFields = nil
	assert.Equal(t, connectlinks.SourceType{
		ServiceName: "redshift", Label: "Redshift", DocumentationSlug: "redshift",
		CreatableViaAPI: true, SupportedSyncEngines: []string{"basic", "advanced"},
	}, redshift)
	require.Len(t, fields, 6)
	for i := range fields {
		if len(fields[i].PossibleValues) == 0 {
			assert.Nil(t, fields[i].PossibleValues, "nil for any value: %s", fields[i].ID)
		}
	}
	assert.Equal(t, []connectlinks.ConfigurationField{
		{ID: "hostname", Label: "Hostname", Type: "string", Placeholder: "db.example.com", Required: true},
		{ID: "port", Label: "Port", Type: "integer", Placeholder: "5439", Required: true},
		{ID: "ssl", Label: "SSL", Type: "boolean", PossibleValues: []string{"true", "false"}},
		{ID: "region", Label: "Region", Type: "string", Placeholder: "US", PossibleValues: []string{"US", "EU"}},
		{ID: "comment", Label: "Comment", Type: "string"},
		{ID: "password", Label: "Password", Type: "string", Required: true, Password: true},
	}, fields)

	bare := page.Items[1]
	assert.Empty(t, bare.ConfigurationFields)
	assert.Empty(t, bare.SupportedSyncEngines)
	bare.ConfigurationFields, bare.SupportedSyncEngines = nil, nil
	assert.Equal(t, connectlinks.SourceType{ServiceName: "bare", CreatableViaConnectLink: true}, bare)

	page.Items = nil
	assert.Equal(t, &connectlinks.Page[connectlinks.SourceType]{Number: 1, PerPage: 2, Last: 1, TotalRecords: 2}, page)
}

func TestSourcesOfOlderAnswers(t *testing.T) {
	t.Parallel()
	client, _ := lifeServer(t, http.StatusOK, lifeData(t, "sources_older.json"))
	page, err := client.Sources.List(t.Context(), connectlinks.ListOptions{PerPage: 2})
	require.NoError(t, err)
	assert.Equal(t, &connectlinks.Page[connectlinks.Source]{
		Number: 1, PerPage: 2, Next: 2, Last: 2, TotalRecords: 4,
		Items: []connectlinks.Source{
			{
				ID: 4, Name: "Snowflake - xxxxxxx.us-east-1", Type: "snowflake",
				ConnectionDetails: json.RawMessage(`{"account": "xxxxxxx.us-east-1", "user": "DEV", "warehouse": "TEST", "use_keypair": false}`),
			},
			{
				ID: 10, Name: "BigQuery - Development", Type: "big_query", Label: "BigQuery",
				LastTestedAt: time.Date(2021, 10, 7, 20, 2, 19, 544e6, time.UTC), LastTestSucceeded: &lifeYes,
				ConnectionDetails: json.RawMessage(`{"project_id": "development", "location": "US", ` +
					`"service_account": "xxxxxx.iam.gserviceaccount.com", "location_editable": false}`),
			},
		},
	}, page)
}

func TestDestinationsOfOlderAnswers(t *testing.T) {
	t.Parallel()
	client, _ := lifeServer(t, http.StatusOK, lifeData(t, "destinations_older.json"))
	page, err := client.Destinations.List(t.Context(), connectlinks.ListOptions{})
	require.NoError(t, err)
	require.Len(t, page.Items, 3)
	no := false

	assert.Empty(t, page.Items[0].LastTestResults)
	page.Items[0].LastTestResults = nil
	assert.Equal(t, connectlinks.Destination{
		ID: 12, Name: "Google Sheets",
		ConnectionDetails: json.RawMessage(`{"service_account_email": "xxxxxxx.iam.gserviceaccount.com"}`),
	}, page.Items[0])

	assert.Equal(t, connectlinks.Destination{
		ID: 14, Name: "HubSpot", Type: "hubspot",
		CreatedAt: lifeExpires, LastTestedAt: lifeTestedAt, LastTestSucceeded: &no,
		LastTestResults: []connectlinks.TestStep{
			{Step: "Verify connectivity", Status: "success"},
			{Step: "Authenticate", Status: "failure", Error: "access denied"},
		},
	}, page.Items[1])

	nulls := page.Items[2]
	assert.Empty(t, nulls.LastTestResults)
	assert.Contains(t, []string{"", "null"}, string(nulls.ConnectionDetails))
	nulls.LastTestResults, nulls.ConnectionDetails = nil, nil
	assert.Equal(t, connectlinks.Destination{ID: 15}, nulls)
}

func TestAnActivationOfNulls(t *testing.T) {
	t.Parallel()
	client, _ := lifeServer(t, http.StatusOK, lifeData(t, "activation_bare.json"))
	a, err := client.Activations.Get(t.Context(), "glimmering_donkey")
	require.NoError(t, err)
	assert.Equal(t, "glimmering_donkey", a.ID)
	assert.Empty(t, a.Name+a.GroupID)
	assert.Equal(t, connectlinks.ActivationSource{ID: "abounding_hazard"}, a.Source)
	assert.Equal(t, "12", a.Destination.ID)
	assert.Empty(t, a.Destination.Type)
	assert.Nil(t, a.Destination.LastTestSucceeded)
	assert.True(t, a.Destination.CreatedAt.IsZero() && a.Destination.LastTestedAt.IsZero())
	assert.Empty(t, a.Destination.LastTestResults)
}

func TestConnectionsWithoutAnIDAreNoSuccess(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for _, data := range []string{`{}`, `{"id":null}`, `{"id":0}`, `null`, `[]`, `{"service_name":""}`} {
		client, _ := lifeServer(t, http.StatusOK, `{"status":"success","data":`+data+`}`)
		calls := map[string]error{}
		_, calls["Sources.Get"] = client.Sources.Get(ctx, 1)
		_, calls["Destinations.Get"] = client.Destinations.Get(ctx, 1)
		_, calls["Activations.Get"] = client.Activations.Get(ctx, "a")
		_, calls["Sources.GetType"] = client.Sources.GetType(ctx, "a")
		_, calls["Destinations.GetType"] = client.Destinations.GetType(ctx, "a")
		_, calls["Activations.GetType"] = client.Activations.GetType(ctx, "a")
		_, calls["Workspaces.Current"] = client.Workspaces.Current(ctx)
		for name, err := range calls {
			assert.ErrorIs(t, err, connectlinks.ErrBadResponse, "%s: %s", name, data)
		}
	}
}

// lifeDeletes are the methods that delete a connection.
var lifeDeletes = map[string]func(context.Context, *connectlinks.Client) error{
	"Sources.Delete":      func(ctx context.Context, c *connectlinks.Client) error { return c.Sources.Delete(ctx, 4) },
	"Destinations.Delete": func(ctx context.Context, c *connectlinks.Client) error { return c.Destinations.Delete(ctx, 12) },
	"Activations.Delete": func(ctx context.Context, c *connectlinks.Client) error {
		return c.Activations.Delete(ctx, "glimmering_donkey")
	},
}

func TestDeletesNeedNoBody(t *testing.T) {
	t.Parallel()
	for _, answer := range []struct {
		status int
		body   string
	}{
		{200, `{"status":"deleted"}`},
		{200, `{"status":"deleted","data":null}`},
		{200, `{"status":"success","data":{"id":4}}`},
		{200, ""},
		{200, " \n"},
		{204, ""},
		{202, "{}"},
	} {
		client := lifeClient(t, lifeRT(func(*http.Request) (*http.Response, error) { return lifeAnswer(answer.status, answer.body) }))
		for name, f := range lifeDeletes {
			assert.NoError(t, f(t.Context(), client), "%s: %d %q", name, answer.status, answer.body)
		}
	}
	for _, body := range []string{"<html></html>", `{"status":`, `[]`, `"deleted"`, `{"status":"deleted"} and more`} {
		client := lifeClient(t, lifeRT(func(*http.Request) (*http.Response, error) { return lifeAnswer(200, body) }))
		for name, f := range lifeDeletes {
			assert.ErrorIs(t, f(t.Context(), client), connectlinks.ErrBadResponse, "%s: %q", name, body)
		}
	}
	client := lifeClient(t, lifeRT(func(*http.Request) (*http.Response, error) { return lifeAnswer(404, `{"status":"not_found"}`) }))
	for name, f := range lifeDeletes {
		assert.ErrorIs(t, f(t.Context(), client), connectlinks.ErrNotFound, name)
	}
}

var errLifeReset = errors.New("connection reset by peer")
