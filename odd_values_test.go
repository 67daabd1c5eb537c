package connectlinks_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
)

// oddSample is an object of the API with all members that the SDK reads, and the calls that read
// it.
type oddSample struct {
	members map[string]string
	id      string // the member that no object may be without
	get     []string
	list    []string
}

func (s oddSample) json(t *testing.T, changed ...string) string {
	t.Helper()
	all := map[string]json.RawMessage{}
	for name, value := range s.members {
		all[name] = json.RawMessage(value)
	}
	for i := 0; i < len(changed); i += 2 {
		all[changed[i]] = json.RawMessage(changed[i+1])
	}
	text, err := json.Marshal(all)
	require.NoError(t, err)
	return string(text)
}

func oddSamples() map[string]oddSample {
	connection := map[string]string{
		"id": `7`, "name": `"HubSpot"`, "type": `"hubspot"`, "label": `"ours"`, "created_at": `"2023-07-22T23:42:47.239Z"`,
		"last_tested_at": `"2023-11-07T05:31:56Z"`, "last_test_succeeded": `true`, "connection_details": `{"a":1}`,
		"last_test_results": `{"steps":[{"step":"a","status":"failure","error":{"message":"b"}}]}`,
	}
	return map[string]oddSample{
		"connection": {connection, "id", []string{"Sources.Get", "Destinations.Get"}, []string{"Sources.List", "Destinations.List"}},
		"activation": {map[string]string{
			"id": `"glimmering_donkey"`, "name": `"x"`, "group_id": `"wandering_aimlessly"`, "source": `{"id":4,"name":"y","type":"z"}`,
			"destination": `{"id":12,"type":"hubspot","created_at":"2023-07-22T23:42:47.239Z","last_tested_at":"2023-11-07T05:31:56Z","last_test_succeeded":false}`,
		}, "id", []string{"Activations.Get"}, []string{"Activations.List"}},
		"type": {map[string]string{
			"service_name": `"hubspot"`, "label": `"HubSpot"`, "documentation_slug": `"h"`, "creatable_via_api": `true`, "creatable_via_connect_link": `true`,
			"auth_method": `"oauth"`, "supported_sync_engines": `["basic"]`, "configuration_fields": `{"fields":[{"id":"a","rules":"required","possible_values":["b"]}]}`,
		}, "service_name", []string{"Sources.GetType", "Activations.GetType"}, []string{"Sources.ListTypes", "Destinations.ListTypes"}},
		"link": {map[string]string{
			"id": `469`, "type": `"hubspot"`, "uri": `"` + testkit.LinkURL + `"`, "expiration": `"2026-07-22T23:42:47.239Z"`, "expired": `true`, "revoked": `true`,
			"redirect_uri": `"https://platform.example/"`, "source_id": `7`, "destination_id": `8`, "group_id": `"g"`,
		}, "id", nil, []string{"Sources.ListConnectLinks", "Destinations.ListConnectLinks", "Activations.ListConnectLinks"}},
		"workspace": {map[string]string{
			"id": `33`, "name": `"Acme"`, "organization_id": `4`, "created_at": `"2023-07-22T23:42:47.239Z"`,
		}, "id", []string{"Workspaces.Current"}, []string{"Workspaces.List"}},
	}
}

var oddTimes = []string{
	`""`, `"tomorrow"`, `1690069367`, `true`, `{}`, `["2023-07-22T23:42:47Z"]`, `"2023-07-22"`, `"2023-07-22 23:42:47"`, `"2023-13-01T00:00:00Z"`,
	`"2023-07-22T23:42:47` + strings.Repeat("7", 999) + `Z"`, `"2023-07-22T23:42:47Z` + strings.Repeat(" ", 1<<10) + `"`,
}

// A time that is not readable is zero, like null, and does not affect other fields.
func TestTimesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, s := range oddSamples() {
		for _, call := range append(s.get, s.list...) {
			answer := func(object string) any {
				if strings.Contains(call, ".List") {
					object = `[` + object + `,` + s.json(t) + `]`
				}
				v, err := testkit.Named(call).Do(t.Context(), testkit.Client(t, testkit.Respond(200, success(object)), testkit.NoRetries))
				require.NoError(t, err, "%s: %s", call, object)
				return v
			}
			for _, field := range []string{"created_at", "last_tested_at", "expiration"} {
				if _, ok := s.members[field]; !ok {
					continue
				}
				want := answer(s.json(t, field, "null"))
				assert.NotEqual(t, answer(s.json(t)), want, "the table itself is sound: %s", field)
				for _, odd := range oddTimes {
					assert.Equal(t, want, answer(s.json(t, field, odd)), "%s: %s: %s: %s", name, call, field, odd)
				}
			}
		}
	}
	for _, odd := range oddTimes {
		object := oddSamples()["activation"].json(t, "destination",
			`{"id":12,"type":"hubspot","created_at":`+odd+`,"last_tested_at":"2023-11-07T05:31:56Z","last_test_succeeded":false}`)
		a, err := testkit.Client(t, testkit.Respond(200, success(object))).Activations.Get(t.Context(), "a")
		require.NoError(t, err)
		no := false
		assert.Equal(t, connectlinks.ActivationDestination{
			ID: "12", Type: "hubspot", LastTestedAt: testkit.Time("2023-11-07T05:31:56Z"), LastTestSucceeded: &no,
		}, a.Destination, odd)
		assert.Equal(t, "x", a.Name)
	}
}

// A value of the wrong kind affects only its own field of an item.
func TestValuesOfTheWrongKindInLists(t *testing.T) {
	t.Parallel()
	for name, s := range oddSamples() {
		for _, call := range s.list {
			item := func(object string) map[string]any {
				v, err := testkit.Named(call).Do(t.Context(), testkit.Client(t, testkit.Respond(200, success(`[`+object+`,`+s.json(t)+`]`)), testkit.NoRetries))
				require.NoError(t, err, "%s: %s", call, object)
				items := reflect.ValueOf(v).Elem().FieldByName("Items")
				require.Equal(t, 2, items.Len())
				text, err := json.Marshal(items.Index(0).Interface())
				require.NoError(t, err)
				var members map[string]any
				require.NoError(t, json.Unmarshal(text, &members))
				return members
			}
			whole := item(s.json(t))
			for field := range s.members {
				if field == s.id {
					continue
				}
				for _, odd := range []string{`null`, `true`, `-7.5`, `"odd"`, `{"odd":{}}`, `[["odd"]]`, `99999999999999999999`, `[]`, `"` + strings.Repeat("a", 1<<12) + `"`} {
					spoiled := item(s.json(t, field, odd))
					for other := range whole {
						if other != field {
							assert.Equal(t, whole[other], spoiled[other], "%s: %s: %s: %s", name, call, field, odd)
						}
					}
				}
			}
		}
	}
}

// A single object has no field of the wrong kind.
func TestValuesOfTheWrongKindAlone(t *testing.T) {
	t.Parallel()
	for call, objects := range map[string][]string{
		"Sources.Get":          {`{"id":7,"name":8}`, `{"id":7,"label":[]}`, `{"id":7,"type":true}`, `{"id":7,"last_test_succeeded":"yes"}`, `{"id":"7"}`, `{"id":7.5}`, `[]`, `7`},
		"Activations.Get":      {`{"id":"a","name":7}`, `{"id":"a","source":[]}`, `{"id":"a","destination":{"type":7}}`, `{"id":"a","destination_connection":"x"}`},
		"Destinations.GetType": {`{"service_name":7}`, `{"service_name":"a","creatable_via_api":"true"}`, `{"service_name":"a","label":{}}`},
		"Workspaces.Current":   {`{"id":1,"organization_id":"x"}`, `{"id":1,"name":false}`},
		"Sources.GetConnectLink": {
			`{"id":1,"uri":"https://h/","expired":"no"}`, `{"id":1,"uri":"https://h/","revoked":0}`, `{"id":1,"uri":"https://h/","source_id":"7"}`,
			`{"id":1,"uri":["https://h/"]}`, `{"id":1,"uri":"https://h/","expiration":7}`,
		},
	} {
		for _, object := range objects {
			_, err := testkit.Named(call).Do(t.Context(), testkit.Client(t, testkit.Respond(200, success(object)), testkit.NoRetries))
			assert.ErrorIs(t, err, connectlinks.ErrBadResponse, "%s: %s", call, object)
		}
	}
}

// JSON leaves out what is not known, in particular times.
func TestUnknownTimesInJSON(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		connectlinks.ConnectLink{}, connectlinks.SourceConnectLink{}, connectlinks.DestinationConnectLink{}, connectlinks.ActivationConnectLink{},
		connectlinks.Connection{}, connectlinks.Source{}, connectlinks.Destination{}, connectlinks.V2Source{},
		connectlinks.Activation{}, connectlinks.ActivationSource{}, connectlinks.ActivationDestination{},
		connectlinks.SourceType{}, connectlinks.DestinationType{}, connectlinks.ActivationType{}, connectlinks.ConfigurationField{},
		connectlinks.TestStep{}, connectlinks.Workspace{},
	} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		assert.NotContains(t, string(text), "0001-01-01", "%T", v)
	}
}

// Null is read like a member that is missing.
func TestNullIsReadLikeNothing(t *testing.T) {
	t.Parallel()
	for _, s := range oddSamples() {
		for _, call := range s.get {
			nulls := map[string]json.RawMessage{}
			for field, value := range s.members {
				if nulls[field] = json.RawMessage("null"); field == s.id {
					nulls[field] = json.RawMessage(value)
				}
			}
			text, err := json.Marshal(nulls)
			require.NoError(t, err)
			var got [2]any
			for i, object := range []string{string(text), `{"` + s.id + `":` + s.members[s.id] + `}`} {
				got[i], err = testkit.Named(call).Do(t.Context(), testkit.Client(t, testkit.Respond(200, success(object)), testkit.NoRetries))
				require.NoError(t, err, object)
				if a, ok := got[i].(*connectlinks.Activation); ok {
					a.Raw = nil
				}
			}
			text, err = json.Marshal(got[0])
			require.NoError(t, err)
			want, err := json.Marshal(got[1])
			require.NoError(t, err)
			assert.JSONEq(t, string(want), string(text), call)
		}
	}
}

// Source and Destination are a Connection, in Go and in JSON, and have no methods that a struct
// which embeds them would get.
func TestConnectionIsEmbedded(t *testing.T) {
	t.Parallel()
	for _, typ := range []reflect.Type{reflect.TypeFor[*connectlinks.Connection](), reflect.TypeFor[*connectlinks.Source](), reflect.TypeFor[*connectlinks.Destination]()} {
		assert.Zero(t, typ.NumMethod(), typ)
	}
	c := connectlinks.Connection{ID: 7, Name: "HubSpot", LastTestedAt: testkit.Time("2023-11-07T05:31:56Z")}
	const want = `{"id":7,"name":"HubSpot","type":"","last_tested_at":"2023-11-07T05:31:56Z"}`
	for _, v := range []any{c, connectlinks.Source{Connection: c}, &connectlinks.Destination{Connection: c}} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		assert.JSONEq(t, want, string(text))
	}
	var back connectlinks.Destination
	require.NoError(t, json.Unmarshal([]byte(want), &back))
	assert.Equal(t, c, back.Connection)
}
