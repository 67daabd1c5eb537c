package connectlinks_test

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The values of the examples in the API's reference.
var (
	refYes = true

	refFields = []connectlinks.ConfigurationField{{
		ID: "instance_url", Label: "Endpoint URL", Type: "string", Placeholder: "https://rest.iad-01.braze.com",
		Hint: "Settings > Integrations > API Key", Required: true, PossibleValues: []string{"<string>"},
	}}
	refSourceType = connectlinks.SourceType{
		ServiceName: "snowflake", Label: "Snowflake", DocumentationSlug: "snowflake",
		CreatableViaAPI: true, CreatableViaConnectLink: true,
		SupportedSyncEngines: []string{"advanced"}, ConfigurationFields: refFields,
	}
	refDestinationType = connectlinks.DestinationType{
		ServiceName: "braze", Label: "Braze", DocumentationSlug: "braze", AuthMethod: "credentials",
		CreatableViaAPI: true, CreatableViaConnectLink: true, ConfigurationFields: refFields,
	}
	refActivationType = connectlinks.ActivationType(refDestinationType)

	refTestedAt  = time.Date(2023, 11, 7, 5, 31, 56, 0, time.UTC)
	refTestSteps = []connectlinks.TestStep{{Step: "Verify connectivity", Status: "success", Error: "<string>"}}
	refDetails   = json.RawMessage(`{"account_id": "7515011393,", "account_name": "Manager Account Test"}`)

	refSource = connectlinks.Source{Connection: connectlinks.Connection{
		ID: 4, Name: "Snowflake - xxxxxxx.us-east-1", Type: "snowflake", Label: "Acme Inc. Snowflake",
		CreatedAt: refExpires, LastTestedAt: refTestedAt, LastTestSucceeded: &refYes,
		ConnectionDetails: json.RawMessage(`{"account": "xxxxxxx.us-east-1,", "user": "DEV,", "warehouse": "TEST,", "use_keypair": false}`),
	}}
	refDestination = connectlinks.Destination{Connection: connectlinks.Connection{ // which has no type in the reference
		ID: 12, Name: "Google Sheets",
		CreatedAt: refExpires, LastTestedAt: refTestedAt, LastTestSucceeded: &refYes,
		ConnectionDetails: refDetails, LastTestResults: refTestSteps,
	}}
	refActivation = connectlinks.Activation{
		ID: "glimmering_donkey", Name: "Google Sheets", GroupID: "wandering_aimlessly",
		Source: connectlinks.ActivationSource{ID: "4", Name: "Snowflake - xxxxxxx.us-east-1", Type: "snowflake"},
		Destination: connectlinks.ActivationDestination{
			ID: "12", Type: "google_sheets",
			CreatedAt: refExpires, LastTestedAt: refTestedAt, LastTestSucceeded: &refYes,
			ConnectionDetails: refDetails, LastTestResults: refTestSteps,
		},
	}

	refExpires   = time.Date(2023, 7, 22, 23, 42, 47, 239e6, time.UTC)
	refExpiresV2 = time.Date(2027, 9, 28, 23, 42, 47, 239e6, time.UTC)

	refSourceLink = connectlinks.SourceConnectLink{
		ConnectLink: connectlinks.ConnectLink{
			ID: 469, Type: "postgres", URL: "https://app.getcensus.com/pbc?auth=expiring_auth_key",
			ExpiresAt: refExpires, RedirectURI: "http://example.com",
		},
		SourceID: 123,
	}
	refDestinationLink = connectlinks.DestinationConnectLink{
		ConnectLink: connectlinks.ConnectLink{
			ID: 469, Type: "hubspot", URL: "https://app.getcensus.com/pbc?auth=expiring_auth_key",
			ExpiresAt: refExpires, RedirectURI: "http://example.com",
		},
		DestinationID: 123,
	}
	refActivationLink = connectlinks.ActivationConnectLink{
		ConnectLink: connectlinks.ConnectLink{
			ID: 469, Type: "hubspot", URL: "https://app.fivetran.com/pbc?auth=expiring_auth_key",
			ExpiresAt: refExpiresV2, RedirectURI: "https://your-app.example.com/oauth/callback",
		},
		GroupID: "wandering_aimlessly",
	}

	refV2Source = connectlinks.V2Source{
		ID: 7, GroupID: "wandering_aimlessly", Name: "Warehouse", Type: "postgres", LastTestSucceeded: &refYes,
		CreatedAt: time.Date(2023, 7, 22, 23, 42, 47, 239e6, time.UTC), LastTestedAt: time.Date(2023, 7, 22, 23, 42, 47, 239e6, time.UTC),
	}
	refWorkspace = connectlinks.Workspace{
		ID: 123, Name: "My Workspace", OrganizationID: 1, CreatedAt: time.Date(2023, 9, 5, 19, 42, 42, 672e6, time.UTC),
	}
)

// onPage2 is a page with the pagination of the reference's examples.
func onPage2[T any](items ...T) *connectlinks.Page[T] {
	return &connectlinks.Page[T]{Items: items, Number: 2, PerPage: 25, Prev: 1, Next: 3, Last: 10, TotalRecords: 14}
}

// published are the answers of the API's reference to the calls of testkit, and the results
// of the calls.
var published = []struct {
	call string
	file string // in testdata
	want any
}{
	{"Sources.CreateConnectLink", "source_connect_link.json", &refSourceLink},
	{"Sources.CreateReauthorizationLink", "source_connect_link.json", &refSourceLink},
	{"Sources.GetConnectLink", "source_connect_link.json", &refSourceLink},
	{"Sources.RevokeConnectLink", "source_connect_link.json", &refSourceLink},
	{"Sources.ListConnectLinks", "source_connect_links.json", onPage2(refSourceLink)},
	{"Sources.ListTypes", "source_types.json", onPage2(refSourceType)},
	{"Sources.GetType", "source_type.json", &refSourceType},
	{"Sources.Get", "source.json", &refSource},
	{"Sources.List", "sources.json", onPage2(refSource)},
	{"Sources.Delete", "deleted.json", nil},
	{"Destinations.CreateConnectLink", "destination_connect_link.json", &refDestinationLink},
	{"Destinations.CreateReauthorizationLink", "destination_connect_link.json", &refDestinationLink},
	{"Destinations.GetConnectLink", "destination_connect_link.json", &refDestinationLink},
	{"Destinations.RevokeConnectLink", "destination_connect_link.json", &refDestinationLink},
	{"Destinations.ListConnectLinks", "destination_connect_links.json", onPage2(refDestinationLink)},
	{"Destinations.ListTypes", "connectors.json", onPage2(refDestinationType)},
	{"Destinations.GetType", "connector.json", &refDestinationType},
	{"Destinations.Get", "destination.json", &refDestination},
	{"Destinations.List", "destinations.json", onPage2(refDestination)},
	{"Destinations.Delete", "deleted.json", nil},
	{"Activations.CreateConnectLink", "activation_connect_link.json", &refActivationLink},
	{"Activations.CreateReauthorizationLink", "activation_connect_link.json", &refActivationLink},
	{"Activations.GetConnectLink", "activation_connect_link.json", &refActivationLink},
	{"Activations.RevokeConnectLink", "activation_connect_link.json", &refActivationLink},
	{"Activations.ListConnectLinks", "activation_connect_links.json", onPage2(refActivationLink)},
	{"Activations.ListTypes", "activation_types.json", onPage2(refActivationType)},
	{"Activations.GetType", "activation_type.json", &refActivationType},
	{"Activations.Get", "activation.json", &refActivation},
	{"Activations.Get", "activation_short.json", &refActivation},
	{"Activations.List", "activations.json", onPage2(refActivation)},
	{"Activations.Delete", "deleted.json", nil},
	{"Activations.GetSource", "v2_source.json", &refV2Source},
	{"Workspaces.Current", "workspace.json", &refWorkspace},
	{"Workspaces.Get", "workspace.json", &refWorkspace},
	{"Workspaces.List", "workspaces.json", onPage2(refWorkspace)},
	{"Workspaces.APIKey", "api_key.json", "YourAPIKeyHere"},
}

// Every method sends its request, and reads the answer that the reference shows.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	for _, p := range published {
		for _, prefix := range []string{"", "/proxy", "/proxy/census/"} {
			t.Run(p.call+", "+p.file+", below "+prefix, func(t *testing.T) {
				t.Parallel()
				call, answer := testkit.Named(p.call), testkit.Testdata(t, p.file)
				status := http.StatusOK
				if call.Creates {
					status = http.StatusCreated
				}
				var got []*http.Request
				var body string
				srv := testkit.Unstarted(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					sent, err := io.ReadAll(r.Body)
					assert.NoError(t, err)
					got, body = append(got, r), string(sent)
					w.Header().Set("Date", refDate.Format(http.TimeFormat))
					testkit.Answer(status, "application/json; charset=utf-8", answer)(w, r)
				}))
				srv.Start()
				client := testkit.Client(t, nil, connectlinks.WithBaseURL(srv.URL+prefix), testkit.NoRetries)

				v, err := call.Do(t.Context(), client)
				require.NoError(t, err)
				assert.Equal(t, call.Creates, takeCreatedAt(v).Equal(refDate), "only a create says when a link was made")
				if p.want != nil {
					assert.Equal(t, p.want, withoutRaw(t, v, answer))
				}
				require.Len(t, got, 1)
				r := got[0]
				assert.Equal(t, call.Method, r.Method)
				assert.Equal(t, strings.TrimSuffix(prefix, "/")+call.Path, r.URL.EscapedPath())
				assert.Equal(t, call.Query, r.URL.RawQuery)
				assert.Equal(t, call.Body, body)
				assert.EqualValues(t, len(call.Body), r.ContentLength)
				want := http.Header{
					"Accept":          {"application/json"},
					"Accept-Encoding": {"gzip"},
					"Authorization":   {"Bearer " + testkit.Token},
					"User-Agent":      {"connectlinks-go/" + connectlinks.Version},
				}
				if call.Method == http.MethodPost {
					want["Content-Length"] = []string{strconv.Itoa(len(call.Body))}
				}
				if call.Body != "" {
					want["Content-Type"] = []string{"application/json"}
				}
				assert.Equal(t, want, r.Header, "all headers, and so no Idempotency-Key")
			})
		}
	}
}

// refDate is the Date of the answers.
var refDate = time.Date(2023, 7, 22, 12, 0, 0, 0, time.UTC)

// takeCreatedAt returns a link's CreatedAt and sets it to zero, so that the rest can be
// compared.
func takeCreatedAt(v any) (at time.Time) {
	object := reflect.Indirect(reflect.ValueOf(v))
	if object.Kind() != reflect.Struct || !object.FieldByName("ConnectLink").IsValid() {
		return at
	}
	link := object.FieldByName("ConnectLink").Addr().Interface().(*connectlinks.ConnectLink)
	at, link.CreatedAt = link.CreatedAt, at
	return at
}

// withoutRaw checks the Raw of an activation, and removes it, so that the rest can be compared.
func withoutRaw(t *testing.T, v any, answer string) any {
	t.Helper()
	var env struct{ Data json.RawMessage }
	switch v := v.(type) {
	case *connectlinks.Activation:
		require.NoError(t, json.Unmarshal([]byte(answer), &env))
		assert.JSONEq(t, string(env.Data), string(v.Raw))
		v.Raw = nil
	case *connectlinks.Page[connectlinks.Activation]:
		require.NoError(t, json.Unmarshal([]byte(answer), &env))
		var items []json.RawMessage
		require.NoError(t, json.Unmarshal(env.Data, &items))
		require.Len(t, v.Items, len(items))
		for i := range v.Items {
			assert.JSONEq(t, string(items[i]), string(v.Items[i].Raw))
			v.Items[i].Raw = nil
		}
	}
	return v
}

func TestEveryMethodIsCalled(t *testing.T) {
	t.Parallel()
	var methods, calls, single, answers []string
	client := reflect.TypeFor[connectlinks.Client]()
	for i := range client.NumField() {
		if f := client.Field(i); f.IsExported() {
			for j := range f.Type.NumMethod() {
				methods = append(methods, f.Name+"."+f.Type.Method(j).Name)
			}
		}
	}
	for _, call := range testkit.Calls() {
		calls = append(calls, call.Name)
	}
	assert.ElementsMatch(t, methods, calls, "the calls of testkit")
	for _, call := range testkit.Single() {
		single = append(single, call.Name)
	}
	for _, p := range published {
		answers = append(answers, p.call)
	}
	assert.ElementsMatch(t, single, slices.Compact(answers), "the published answers")
}

// The other tests rely on the calls of testkit and on its API.
func TestEveryCallSucceeds(t *testing.T) {
	t.Parallel()
	api := testkit.NewAPI()
	for name, rt := range map[string]http.RoundTripper{"Succeed": testkit.Succeed, "API": testkit.Handle(api)} {
		counter := &testkit.Counter{RoundTripper: rt}
		c := testkit.ClientAt(t, testkit.Origin, counter)
		for _, call := range testkit.Calls() {
			counter.Reset()
			api.Begin()
			_, err := call.Do(t.Context(), c)
			require.NoError(t, err, "%s: %s", name, call.Name)
			assert.Positive(t, counter.Count(), "%s: %s", name, call.Name)
			assert.True(t, call.Composed || counter.Count() == 1, "%s: %s", name, call.Name)
		}
	}
}
