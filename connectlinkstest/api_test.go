package connectlinkstest_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

func TestRoutes(t *testing.T) {
	routes := map[connectlinkstest.Route]string{
		connectlinkstest.RouteCreateSourceConnectLink:              "POST /api/v1/source_connect_links",
		connectlinkstest.RouteListSourceConnectLinks:               "GET /api/v1/source_connect_links",
		connectlinkstest.RouteGetSourceConnectLink:                 "GET /api/v1/source_connect_links/{connect_link_id}",
		connectlinkstest.RouteRevokeSourceConnectLink:              "POST /api/v1/source_connect_links/{connect_link_id}/revoke",
		connectlinkstest.RouteCreateSourceReauthorizationLink:      "POST /api/v1/sources/{source_id}/connect_links",
		connectlinkstest.RouteListSourceTypes:                      "GET /api/v1/source_types",
		connectlinkstest.RouteGetSourceType:                        "GET /api/v1/source_types/{service_name}",
		connectlinkstest.RouteListSources:                          "GET /api/v1/sources",
		connectlinkstest.RouteGetSource:                            "GET /api/v1/sources/{source_id}",
		connectlinkstest.RouteDeleteSource:                         "DELETE /api/v1/sources/{source_id}",
		connectlinkstest.RouteCreateDestinationConnectLink:         "POST /api/v1/destination_connect_links",
		connectlinkstest.RouteListDestinationConnectLinks:          "GET /api/v1/destination_connect_links",
		connectlinkstest.RouteGetDestinationConnectLink:            "GET /api/v1/destination_connect_links/{connect_link_id}",
		connectlinkstest.RouteRevokeDestinationConnectLink:         "POST /api/v1/destination_connect_links/{connect_link_id}/revoke",
		connectlinkstest.RouteCreateDestinationReauthorizationLink: "POST /api/v1/destinations/{destination_id}/connect_links",
		connectlinkstest.RouteListDestinationTypes:                 "GET /api/v1/connectors",
		connectlinkstest.RouteGetDestinationType:                   "GET /api/v1/connectors/{service_name}",
		connectlinkstest.RouteListDestinations:                     "GET /api/v1/destinations",
		connectlinkstest.RouteGetDestination:                       "GET /api/v1/destinations/{destination_id}",
		connectlinkstest.RouteDeleteDestination:                    "DELETE /api/v1/destinations/{destination_id}",
		connectlinkstest.RouteCreateActivationConnectLink:          "POST /api/v2/activation_connect_links",
		connectlinkstest.RouteListActivationConnectLinks:           "GET /api/v2/activation_connect_links",
		connectlinkstest.RouteGetActivationConnectLink:             "GET /api/v2/activation_connect_links/{connect_link_id}",
		connectlinkstest.RouteRevokeActivationConnectLink:          "POST /api/v2/activation_connect_links/{connect_link_id}/revoke",
		connectlinkstest.RouteCreateActivationReauthorizationLink:  "POST /api/v2/activations/{activation_id}/activation_connect_links",
		connectlinkstest.RouteListActivationTypes:                  "GET /api/v2/activation_types",
		connectlinkstest.RouteGetActivationType:                    "GET /api/v2/activation_types/{service_name}",
		connectlinkstest.RouteListActivations:                      "GET /api/v2/activations",
		connectlinkstest.RouteGetActivation:                        "GET /api/v2/activations/{activation_id}",
		connectlinkstest.RouteDeleteActivation:                     "DELETE /api/v2/activations/{activation_id}",
		connectlinkstest.RouteGetV2Source:                          "GET /api/v2/sources/{source_id}",
		connectlinkstest.RouteGetCurrentWorkspace:                  "GET /api/v1/workspace",
		connectlinkstest.RouteListWorkspaces:                       "GET /api/v1/workspaces",
		connectlinkstest.RouteGetWorkspace:                         "GET /api/v1/workspaces/{workspace_id}",
		connectlinkstest.RouteGetWorkspaceAPIKey:                   "GET /api/v1/workspaces/{workspace_id}/api_key",
		connectlinkstest.RouteListSyncs:                            "GET /api/v1/syncs",
		connectlinkstest.RouteListFilterSegments:                   "GET /api/v1/sources/{source_id}/filter_segments",
		connectlinkstest.RouteCreateSyncManagementLink:             "POST /api/v1/sync_management_links",
		connectlinkstest.RouteListSyncManagementLinks:              "GET /api/v1/sync_management_links",
	}
	for constant, want := range routes {
		assert.EqualValues(t, want, constant)
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(routes)), connectlinkstest.Routes())
	assert.EqualValues(t, "GET /pbc", connectlinkstest.RouteOpenPage)
	assert.EqualValues(t, "POST /pbc", connectlinkstest.RouteSubmitPage)
}

// kind names the endpoints of one kind of link.
type kind struct {
	name, links, conns, renew, create, own string
	personal                               bool
}

func kinds() []kind {
	return []kind{
		{
			name: "source", links: "/api/v1/source_connect_links", conns: "/api/v1/sources", renew: "/connect_links",
			create: `{"type":"postgres","redirect_uri":"https://acme.example/done?x=1"}`, own: `"source_id":null`,
		},
		{
			name: "destination", links: "/api/v1/destination_connect_links", conns: "/api/v1/destinations", renew: "/connect_links",
			create: `{"type":"hubspot","redirect_uri":"https://acme.example/done?x=1"}`, own: `"destination_id":null`,
		},
		{
			name: "activation", links: "/api/v2/activation_connect_links", conns: "/api/v2/activations", renew: "/activation_connect_links",
			create: `{"type":"hubspot","group_id":"wandering_aimlessly","redirect_uri":"https://acme.example/done?x=1"}`,
			own:    `"group_id":"wandering_aimlessly"`, personal: true,
		},
	}
}

func (k kind) api(t *testing.T, opts ...connectlinkstest.Option) api {
	a := newAPI(t, opts...)
	if k.personal {
		return a.personal()
	}
	return a
}

// connectionID returns the id, for a path, of the connection that srv.Complete returned.
func (k kind) connectionID(c connectlinkstest.Made) string {
	if k.personal {
		return c.ActivationID
	}
	return fmt.Sprint(c.ID)
}

func TestLink(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			a := k.api(t)
			a.srv.SetNow(time.Date(2026, 11, 2, 15, 4, 5, 0, time.UTC))

			resp, created := a.raw(http.MethodPost, k.links, k.create)
			assert.Equal(t, http.StatusCreated, resp.StatusCode)
			assert.NotEmpty(t, resp.Header.Get("X-Request-Id"))
			link := a.srv.Links()[0].ConnectLink
			assert.Equal(t, "2026-11-03T15:04", link.ExpiresAt.Format("2006-01-02T15:04"), "24 hours later")
			assert.True(t, strings.HasPrefix(link.URL, a.srv.URL+"/pbc?auth="), link.URL)
			open := fmt.Sprintf(`{"id":%d,"type":%q,"expiration":%q,"expired":false,"revoked":false,"uri":%q,
				"redirect_uri":"https://acme.example/done?x=1",%s}`,
				link.ID, link.Type, link.ExpiresAt.Format("2006-01-02T15:04:05.000Z"), link.URL, k.own)
			require.JSONEq(t, `{"status":"created","data":`+open+`}`, created)

			path := fmt.Sprintf("%s/%d", k.links, link.ID)
			_, got := a.raw(http.MethodGet, path, "")
			assert.JSONEq(t, `{"status":"success","data":`+open+`}`, got)
			_, list := a.raw(http.MethodGet, k.links, "")
			assert.JSONEq(t, `{"status":"success","data":[`+open+`],"next":null,"pagination":
				{"total_records":1,"per_page":25,"prev_page":null,"page":1,"next_page":null,"last_page":1}}`, list)

			revoked := a.do(http.StatusOK, http.MethodPost, path+"/revoke", "")
			assert.Equal(t, "success", revoked["status"])
			assert.Equal(t, true, revoked["data"].(map[string]any)["revoked"])
			assert.Equal(t, revoked["data"], a.get(path)["data"])
			assert.Equal(t, revoked, a.do(http.StatusOK, http.MethodPost, path+"/revoke", ""), "again")
		})
	}
}

// Two clients check different fields to decide whether a link can be used again.
func TestLinkFieldsAgree(t *testing.T) {
	for _, k := range kinds()[:2] {
		for name, lever := range map[string]struct {
			pull func(a api, link map[string]any) error
			open bool
		}{
			"new":       {func(api, map[string]any) error { return nil }, true},
			"cancelled": {func(a api, l map[string]any) error { return a.srv.Cancel(linkID(l)) }, true},
			"completed": {func(a api, l map[string]any) error { _, err := a.srv.Complete(linkID(l)); return err }, false},
			"expired":   {func(a api, l map[string]any) error { return a.srv.Expire(linkID(l)) }, false},
			"revoked":   {func(a api, l map[string]any) error { return a.srv.Revoke(linkID(l)) }, false},
			"old":       {func(a api, _ map[string]any) error { a.srv.Advance(24 * time.Hour); return nil }, false},
		} {
			t.Run(k.name+" "+name, func(t *testing.T) {
				a := k.api(t)
				link := a.create(k.links, k.create)
				require.NoError(t, lever.pull(a, link))
				link = a.get(k.links + "/" + id(link, "id"))["data"].(map[string]any)

				expiration, err := time.Parse(time.RFC3339, link["expiration"].(string))
				require.NoError(t, err)
				none := link[k.name+"_id"] == nil
				assert.Equal(t, lever.open, link["expired"] == false && none)
				assert.Equal(t, lever.open, expiration.After(a.srv.Now()) && link["revoked"] == false && none)
			})
		}
	}
}

func TestLinkWithoutRedirect(t *testing.T) {
	for _, body := range []string{`{"type":"postgres"}`, `{"type":"postgres","redirect_uri":null}`, `{"type":"postgres","redirect_uri":""}`} {
		link := newAPI(t).create("/api/v1/source_connect_links", body)
		assert.Contains(t, link, "redirect_uri")
		assert.Nil(t, link["redirect_uri"], body)
	}
}

func TestConnection(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			a := k.api(t)
			assert.Empty(t, a.get(k.conns)["data"])
			link := a.create(k.links, k.create)
			made, err := a.srv.Complete(linkID(link))
			require.NoError(t, err)

			path := k.conns + "/" + k.connectionID(made)
			conn := a.get(path)["data"].(map[string]any)
			assert.Equal(t, []any{conn}, a.get(k.conns)["data"])
			assert.NotEmpty(t, conn["name"])

			after := a.get(k.links + "/" + id(link, "id"))["data"].(map[string]any)
			if k.personal {
				assert.Equal(t, slices.Sorted(maps.Keys(link)), slices.Sorted(maps.Keys(after)), "it does not say what it made")
			} else {
				assert.Equal(t, conn["id"], after[k.name+"_id"])
			}
			_, err = a.srv.Complete(linkID(link))
			require.ErrorIs(t, err, connectlinkstest.ErrDeadLink, "it is spent")

			_, deleted := a.raw(http.MethodDelete, path, "")
			assert.JSONEq(t, `{"status":"deleted"}`, deleted)
			a.do(http.StatusNotFound, http.MethodGet, path, "")
			a.do(http.StatusNotFound, http.MethodDelete, path, "")
			assert.Empty(t, a.get(k.conns)["data"])
		})
	}
}

func TestConnectionFields(t *testing.T) {
	a := newAPI(t)
	a.srv.SetNow(time.Date(2026, 11, 2, 15, 4, 5, 0, time.UTC))
	_, err := a.srv.Complete(linkID(a.source()))
	require.NoError(t, err)
	_, err = a.srv.CompleteWith(linkID(a.destination()), connectlinkstest.Submission{Name: "CRM", FailedTest: "Scope missing"})
	require.NoError(t, err)
	_, err = a.srv.CompleteWith(linkID(a.activation()), connectlinkstest.Submission{Untested: true})
	require.NoError(t, err)

	// Replace what differs in each run.
	fetch := func(a api, path string) string {
		conn := a.get(path)["data"].([]any)[0].(map[string]any)
		for _, object := range []any{conn, conn["source_connection"], conn["destination_connection"]} {
			object, _ := object.(map[string]any)
			for key, value := range object {
				switch text, _ := value.(string); {
				case strings.HasSuffix(key, "_at") && value != nil:
					require.Regexp(t, `^2026-11-02T15:0\d:\d\d\.\d{3}Z$`, text)
					object[key] = "2026-11-02T15:04:05.000Z"
				case key == "id" && text == "":
					require.Greater(t, value, 100.0)
					object[key] = 1
				}
			}
		}
		text, err := json.Marshal(conn)
		require.NoError(t, err)
		return string(text)
	}
	assert.JSONEq(t, `{"id":1,"name":"PostgreSQL","type":"postgres","label":null,"created_at":"2026-11-02T15:04:05.000Z",
		"last_test_succeeded":true,"last_tested_at":"2026-11-02T15:04:05.000Z",
		"connection_details":{"hostname":"db.example.com","port":"5432","database":"analytics","user":"activations"}}`,
		fetch(a, "/api/v1/sources"))
	assert.JSONEq(t, `{"id":1,"name":"CRM","type":"hubspot","label":null,"created_at":"2026-11-02T15:04:05.000Z",
		"last_test_succeeded":false,"last_tested_at":"2026-11-02T15:04:05.000Z","connection_details":{},
		"last_test_results":{"steps":[{"step":"Verify connectivity","status":"success","error":null},
			{"step":"Authenticate","status":"failure","error":{"message":"Scope missing"}}]}}`,
		fetch(a, "/api/v1/destinations"))
	assert.JSONEq(t, `{"id":"glimmering_donkey","name":"HubSpot","group_id":"wandering_aimlessly",
		"source_connection":{"id":1,"name":"Warehouse","type":"snowflake"},
		"destination_connection":{"id":1,"type":"hubspot","created_at":"2026-11-02T15:04:05.000Z",
			"last_test_succeeded":null,"last_tested_at":null,"connection_details":{},"last_test_results":{"steps":[]}}}`,
		fetch(a.personal(), "/api/v2/activations"))
}

// Only V2 names the group of a V1 source.
func TestV2Source(t *testing.T) {
	a := newAPI(t)
	a.srv.SetNow(time.Date(2026, 11, 2, 15, 4, 5, 0, time.UTC))
	acme := a.srv.AddWorkspace("Acme")
	for workspace, caller := range map[connectlinkstest.Workspace]api{a.srv.Workspace(): a, acme: a.as(acme.Token)} {
		made, err := a.srv.CompleteWith(linkID(caller.source()), connectlinkstest.Submission{Name: "Ours"})
		require.NoError(t, err)
		v1 := caller.get(fmt.Sprintf("/api/v1/sources/%d", made.ID))["data"].(map[string]any)
		_, body := a.personal().raw(http.MethodGet, fmt.Sprintf("/api/v2/sources/%d", made.ID), "")
		assert.JSONEq(t, fmt.Sprintf(`{"status":"success","data":{"id":%d,"group_id":%q,"name":"Ours","type":"postgres",
			"created_at":%q,"last_test_succeeded":true,"last_tested_at":%q,
			"connection_details":{"database":"analytics","hostname":"db.example.com","port":"5432","user":"activations"},
			"last_test_results":{"steps":[{"step":"Verify connectivity","status":"success","error":null},{"step":"Authenticate","status":"success","error":null}]}}}`,
			made.ID, workspace.GroupID, v1["created_at"], v1["last_tested_at"]), body)
	}

	// An activation and its source have the same group.
	made, err := a.srv.Complete(linkID(a.personal().create("/api/v2/activation_connect_links", fmt.Sprintf(`{"type":"hubspot","group_id":%q}`, acme.GroupID))))
	require.NoError(t, err)
	activation := a.personal().get("/api/v2/activations/" + made.ActivationID)["data"].(map[string]any)
	source := activation["source_connection"].(map[string]any)
	warehouse := a.personal().get("/api/v2/sources/" + id(source, "id"))["data"].(map[string]any)
	assert.Equal(t, acme.GroupID, warehouse["group_id"])
	assert.Equal(t, source["name"], warehouse["name"])
	assert.Equal(t, source["type"], warehouse["type"])
	assert.Contains(t, warehouse["created_at"], "2026-11-02T15:04")

	untested, err := a.srv.AddConnection(connectlinkstest.Seed{
		Kind: connectlinkstest.KindSource, Type: "postgres", Submission: connectlinkstest.Submission{Untested: true},
	})
	require.NoError(t, err)
	path := fmt.Sprintf("/api/v2/sources/%d", untested.ID)
	object := a.personal().get(path)["data"].(map[string]any)
	assert.Contains(t, object, "last_tested_at")
	assert.Nil(t, object["last_tested_at"])
	assert.Nil(t, object["last_test_succeeded"])

	a.srv.HideGroup(a.srv.Group())
	assert.NotContains(t, a.personal().get(path)["data"], "group_id")
	a.do(http.StatusOK, http.MethodDelete, fmt.Sprintf("/api/v1/sources/%d", untested.ID), "")
	a.personal().do(http.StatusNotFound, http.MethodGet, path, "")
	destination, err := a.srv.Complete(linkID(a.destination()))
	require.NoError(t, err)
	for _, id := range []any{destination.ID, made.ID, made.ActivationID, 0, -1, "x", a.srv.Workspace().ID} {
		a.personal().do(http.StatusNotFound, http.MethodGet, fmt.Sprintf("/api/v2/sources/%v", id), "")
	}
}

func TestReauthorization(t *testing.T) {
	for _, k := range kinds() {
		for _, body := range []string{"", `{"redirect_uri":"https://acme.example/again"}`} {
			t.Run(k.name+" "+body, func(t *testing.T) {
				a := k.api(t)
				// It may all happen within a millisecond: last_tested_at must change nevertheless.
				made, err := a.srv.CompleteWith(linkID(a.create(k.links, k.create)), connectlinkstest.Submission{Name: "Ours"})
				require.NoError(t, err)
				path := k.conns + "/" + k.connectionID(made)
				before := a.get(path)["data"].(map[string]any)

				link := a.create(path+k.renew, body)
				assert.Equal(t, made.Type, link["type"])
				switch {
				case body == "":
					assert.Nil(t, link["redirect_uri"])
				default:
					assert.Equal(t, "https://acme.example/again", link["redirect_uri"])
				}
				if k.personal {
					assert.Equal(t, "wandering_aimlessly", link["group_id"])
				} else {
					assert.Equal(t, before["id"], link[k.name+"_id"], "from the start")
				}

				again, err := a.srv.Complete(linkID(link))
				require.NoError(t, err)
				assert.Equal(t, made, again)
				after := a.get(path)["data"].(map[string]any)
				if k.personal {
					before = before["destination_connection"].(map[string]any)
					after = after["destination_connection"].(map[string]any)
				}
				assert.Greater(t, after["last_tested_at"], before["last_tested_at"])
				before["last_tested_at"] = after["last_tested_at"]
				assert.Equal(t, before, after)
				assert.Len(t, a.get(k.conns)["data"], 1)
			})
		}
	}
}

func TestReauthorizationOfDeletedConnection(t *testing.T) {
	a := newAPI(t)
	made, err := a.srv.Complete(linkID(a.source()))
	require.NoError(t, err)
	path := fmt.Sprintf("/api/v1/sources/%d", made.ID)
	link := a.create(path+"/connect_links", "")
	a.do(http.StatusOK, http.MethodDelete, path, "")
	a.do(http.StatusNotFound, http.MethodPost, path+"/connect_links", "")
	_, err = a.srv.Complete(linkID(link))
	require.ErrorIs(t, err, connectlinkstest.ErrDeadLink)
}

func TestTypes(t *testing.T) {
	a := newAPI(t)
	types := func(a api, path string) map[string]map[string]any {
		byName := map[string]map[string]any{}
		for _, typ := range a.get(path + "?per_page=100")["data"].([]any) {
			typ := typ.(map[string]any)
			byName[typ["service_name"].(string)] = typ
			assert.Equal(t, typ, a.get(path + "/" + typ["service_name"].(string))["data"])
		}
		a.do(http.StatusNotFound, http.MethodGet, path+"/not_a_real_type", "")
		return byName
	}
	sources := types(a, "/api/v1/source_types")
	for _, name := range []string{"postgres", "snowflake", "big_query", "redshift", "databricks", "mysql"} {
		assert.Contains(t, sources, name)
	}
	assert.Equal(t, true, sources["postgres"]["creatable_via_connect_link"])
	assert.Equal(t, false, sources["http_request"]["creatable_via_connect_link"])
	_, postgres := a.raw(http.MethodGet, "/api/v1/source_types/postgres", "")
	field := func(id, label, typ, placeholder string, password bool) string {
		return fmt.Sprintf(`{"id":%q,"label":%q,"type":%q,"placeholder":%s,"hint":null,"rules":["required"],
			"is_password_type_field":%v,"possible_values":null}`, id, label, typ, placeholder, password)
	}
	assert.JSONEq(t, `{"status":"success","data":{"service_name":"postgres","label":"PostgreSQL","documentation_slug":"postgres",
		"creatable_via_api":true,"creatable_via_connect_link":true,"supported_sync_engines":["basic","advanced"],
		"configuration_fields":{"fields":[`+strings.Join([]string{
		field("hostname", "Hostname", "string", `"db.example.com"`, false),
		field("port", "Port", "integer", `"5432"`, false),
		field("database", "Database", "string", `"analytics"`, false),
		field("user", "User", "string", `"activations"`, false),
		field("password", "Password", "string", "null", true),
	}, ",")+`]}}}`, postgres)

	destinations := types(a, "/api/v1/connectors")
	for _, name := range []string{"hubspot", "salesforce", "braze", "google_ads"} {
		assert.Contains(t, destinations, name)
	}
	_, iterable := a.raw(http.MethodGet, "/api/v1/connectors/iterable", "")
	assert.JSONEq(t, `{"status":"success","data":{"service_name":"iterable","label":"Iterable","documentation_slug":"iterable",
		"creatable_via_api":true,"creatable_via_connect_link":true,"auth_method":"api_key","configuration_fields":{"fields":[
		{"id":"region","label":"Data center","type":"string","placeholder":null,"hint":null,"rules":["required"],
			"is_password_type_field":false,"possible_values":["US","EU"]},
		`+field("api_key", "API key", "string", "null", true)+`]}}}`, iterable)
	assert.Equal(t, destinations, types(a.personal(), "/api/v2/activation_types"))
}

func TestPagination(t *testing.T) {
	a := newAPI(t)
	var ids []any // oldest first
	for range 30 {
		ids = append(ids, a.source()["id"])
	}
	newest := slices.Clone(ids)
	slices.Reverse(newest)
	for _, test := range []struct {
		query                  string
		want                   []any
		page, per, prev, next_ any
		last                   int
	}{
		{"", newest[:25], 1, 25, nil, 2, 2},
		{"?page=0", newest[:25], 1, 25, nil, 2, 2},
		{"?page=2", newest[25:], 2, 25, 1, nil, 2},
		{"?order=desc&page=2&per_page=10", newest[10:20], 2, 10, 1, 3, 3},
		{"?order=asc", ids[:25], 1, 25, nil, 2, 2},
		{"?order=asc&per_page=100", ids, 1, 100, nil, nil, 1},
		{"?per_page=101", newest, 1, 100, nil, nil, 1},
		{"?page=3", nil, 3, 25, nil, nil, 2},
		{"?page=-1&per_page=-1&order=sideways", newest[:25], 1, 25, nil, 2, 2},
		{"?page=9223372036854775807", nil, 9223372036854775807, 25, nil, nil, 2},
		{"?page=x&per_page=99999999999999999999", newest[:25], 1, 25, nil, 2, 2},
	} {
		t.Run(test.query, func(t *testing.T) {
			answer := a.get("/api/v1/source_connect_links" + test.query)
			var got []any
			for _, link := range answer["data"].([]any) {
				got = append(got, link.(map[string]any)["id"])
			}
			assert.Equal(t, test.want, got)
			assert.EqualValues(t, "success", answer["status"])
			want := map[string]any{
				"total_records": 30, "per_page": test.per, "prev_page": test.prev,
				"page": test.page, "next_page": test.next_, "last_page": test.last,
			}
			text, err := json.Marshal(want)
			require.NoError(t, err)
			var decoded map[string]any
			require.NoError(t, json.Unmarshal(text, &decoded))
			assert.Equal(t, decoded, answer["pagination"])

			next, ok := answer["next"].(string)
			require.Equal(t, test.next_ != nil, ok)
			if ok {
				follow := a.get(strings.TrimPrefix(next, a.srv.URL))
				assert.EqualValues(t, test.next_, follow["pagination"].(map[string]any)["page"])
				assert.EqualValues(t, test.per, follow["pagination"].(map[string]any)["per_page"])
			}
		})
	}
}

func TestEveryCollectionIsPaginatedButSourceTypes(t *testing.T) {
	a := newAPI(t)
	for _, route := range connectlinkstest.Routes() {
		path, isGet := strings.CutPrefix(string(route), "GET ")
		if !isGet || strings.HasSuffix(path, "}") || strings.HasSuffix(path, "/workspace") || strings.HasSuffix(path, "/api_key") {
			continue
		}
		path = strings.ReplaceAll(path, "{source_id}", "1")
		caller := a
		if strings.HasPrefix(path, "/api/v2/") || path == "/api/v1/workspaces" {
			caller = a.personal()
		}
		answer := caller.get(path)
		assert.Equal(t, path != "/api/v1/source_types", answer["pagination"] != nil, path)
		assert.IsType(t, []any{}, answer["data"], path)
	}
}

// One front end requests these lists before anything else.
func TestEmptyPages(t *testing.T) {
	a := newAPI(t)
	for _, path := range []string{"/syncs", "/sources/1/filter_segments", "/sync_management_links"} {
		_, body := a.raw(http.MethodGet, "/api/v1"+path, "")
		assert.JSONEq(t, `{"status":"success","data":[],"next":null,"pagination":
			{"total_records":0,"per_page":25,"prev_page":null,"page":1,"next_page":null,"last_page":1}}`, body)
	}
}

func TestOutsideTheSandbox(t *testing.T) {
	a := newAPI(t)
	answer := a.do(http.StatusNotFound, http.MethodPost, "/api/v1/sync_management_links", `{"sync_id":7}`)
	assert.EqualValues(t, 404, answer["status"])
	assert.Contains(t, answer["message"], "outside the sandbox")
}

// Types have no creation time: lists have them in the order of the catalogue.
func TestTypesComeInCatalogueOrder(t *testing.T) {
	a := newAPI(t, connectlinkstest.WithAssumptions(connectlinkstest.Assumptions{PaginatedSourceTypes: true}))
	a.srv.AddSourceType(connectlinkstest.Type{ServiceName: "added_last"})
	a.srv.AddDestinationType(connectlinkstest.Type{ServiceName: "added_last"})
	for path, caller := range map[string]api{
		"/api/v1/source_types": a, "/api/v1/connectors": a, "/api/v2/activation_types": a.personal(),
	} {
		first := map[string]string{"/api/v1/source_types": "postgres"}[path]
		for _, order := range []string{"", "order=asc", "order=desc"} {
			var names []any
			for page := 1; page <= 4; page++ {
				for _, object := range caller.get(fmt.Sprintf("%s?page=%d&per_page=3&%s", path, page, order))["data"].([]any) {
					names = append(names, object.(map[string]any)["service_name"])
				}
			}
			require.Len(t, names, 10, path)
			assert.Equal(t, cmp.Or(first, "hubspot"), names[0], "%s %s", path, order)
			assert.Equal(t, "added_last", names[9], "%s %s", path, order)
		}
	}
}

func TestWorkspaces(t *testing.T) {
	a := newAPI(t)
	second := a.srv.AddWorkspace("Acme")
	first := a.srv.Workspace()
	assert.NotEqual(t, first.Token, second.Token)
	assert.Regexp(t, `^secret-token:\w{20,}$`, second.Token)

	object := func(ws connectlinkstest.Workspace) string {
		return fmt.Sprintf(`{"id":%d,"name":%q,"organization_id":1,"created_at":%q}`,
			ws.ID, ws.Name, ws.CreatedAt.Format("2006-01-02T15:04:05.000Z"))
	}
	for _, path := range []string{"/api/v1/workspace", "/api/v1/workspace/"} {
		_, body := a.as(second.Token).raw(http.MethodGet, path, "")
		assert.JSONEq(t, `{"status":"success","data":`+object(second)+`}`, body)
	}
	_, body := a.personal().raw(http.MethodGet, "/api/v1/workspaces?order=asc", "")
	assert.JSONEq(t, `{"status":"success","data":[`+object(first)+`,`+object(second)+`],"next":null,"pagination":
		{"total_records":2,"per_page":25,"prev_page":null,"page":1,"next_page":null,"last_page":1}}`, body)
	_, body = a.personal().raw(http.MethodGet, fmt.Sprintf("/api/v1/workspaces/%d/api_key", second.ID), "")
	assert.JSONEq(t, fmt.Sprintf(`{"api_key":%q}`, second.Token), body)
	for query, key := range map[string]string{
		"": "", "?return_workspace_api_key=false": "", "?return_workspace_api_key=": "", "?return_workspace_api_key=1": "",
		"?return_workspace_api_key=true": fmt.Sprintf(`,"api_key":%q`, second.Token),
	} {
		_, body = a.personal().raw(http.MethodGet, fmt.Sprintf("/api/v1/workspaces/%d%s", second.ID, query), "")
		assert.JSONEq(t, `{"status":"success","data":`+strings.TrimSuffix(object(second), "}")+`,"notification_emails":[]`+key+`}}`, body)
	}
	a.personal().do(http.StatusNotFound, http.MethodGet, "/api/v1/workspaces/1", "")
	a.personal().do(http.StatusNotFound, http.MethodGet, "/api/v1/workspaces/1/api_key", "")
	a.personal().do(http.StatusNotFound, http.MethodGet, "/api/v1/workspaces/x/api_key", "")
}

// A workspace sees nothing of another workspace, neither in lists nor by id.
func TestWorkspacesAreApart(t *testing.T) {
	a := newAPI(t)
	other := a.as(a.srv.AddWorkspace("Acme").Token)
	for _, k := range kinds()[:2] {
		link := a.create(k.links, k.create)
		made, err := a.srv.Complete(linkID(link))
		require.NoError(t, err)
		linkPath, connPath := k.links+"/"+id(link, "id"), fmt.Sprintf("%s/%d", k.conns, made.ID)

		assert.Empty(t, other.get(k.links)["data"])
		assert.Empty(t, other.get(k.conns)["data"])
		other.do(http.StatusNotFound, http.MethodGet, linkPath, "")
		other.do(http.StatusNotFound, http.MethodPost, linkPath+"/revoke", "")
		other.do(http.StatusNotFound, http.MethodGet, connPath, "")
		other.do(http.StatusNotFound, http.MethodDelete, connPath, "")
		other.do(http.StatusNotFound, http.MethodPost, connPath+"/connect_links", "")
		assert.Equal(t, false, a.get(linkPath)["data"].(map[string]any)["revoked"])
		assert.Len(t, a.get(k.conns)["data"], 1)
	}
}

// No two things have the same id.
func TestKindsAreApart(t *testing.T) {
	a := newAPI(t)
	links := map[string]map[string]any{"source": a.source(), "destination": a.destination(), "activation": a.activation()}
	seen := map[any]bool{}
	for _, k := range kinds() {
		caller := a
		if k.personal {
			caller = a.personal()
		}
		for name, link := range links {
			status := http.StatusNotFound
			if name == k.name {
				status = http.StatusOK
			}
			caller.do(status, http.MethodGet, k.links+"/"+id(link, "id"), "")
		}
		assert.False(t, seen[links[k.name]["id"]])
		seen[links[k.name]["id"]] = true
	}
}

func TestTokens(t *testing.T) {
	a := newAPI(t)
	for _, route := range connectlinkstest.Routes() {
		method, path, _ := strings.Cut(string(route), " ")
		v2 := strings.HasPrefix(path, "/api/v2/")
		right, wrong := a.srv.Token(), a.srv.PersonalToken()
		if v2 || strings.HasPrefix(path, "/api/v1/workspaces") {
			right, wrong = wrong, right
		}
		t.Run(string(route), func(t *testing.T) {
			for _, token := range []string{"", "secret-token:of-nobody", "Bearer " + right, right + "x"} {
				resp, body := a.as(token).raw(method, path, "")
				assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
				assert.JSONEq(t, `{"status":401,"message":"The token is missing or invalid"}`, body)
			}
			refused := a.as(wrong).do(http.StatusForbidden, method, path, "")
			assert.NotEmpty(t, refused["message"])
			resp, _ := a.as(right).raw(method, path, "")
			assert.NotContains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, resp.StatusCode)

			// Some clients, and URLs in the vendor's UI, use HTTP Basic.
			basic := func(user, password string) int {
				t.Helper()
				req := a.as("").request(method, path, "")
				req.SetBasicAuth(user, password)
				resp, err := a.http.Do(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				return resp.StatusCode
			}
			assert.Equal(t, resp.StatusCode, basic("bearer", right))
			assert.Equal(t, http.StatusForbidden, basic("bearer", wrong))
			assert.Equal(t, http.StatusUnauthorized, basic("bearer", right+"x"))
			assert.Equal(t, http.StatusUnauthorized, basic("bearer", ""))
			assert.Equal(t, http.StatusUnauthorized, basic("", right))
			assert.Equal(t, http.StatusUnauthorized, basic(right, ""))
			req := a.as("").request(method, path, "")
			req.Header.Set("Authorization", "Basic "+right)
			resp, err := a.http.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
		})
	}
}

func TestRefusals(t *testing.T) {
	a := newAPI(t)
	for _, test := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/api/v1/source_connect_links", `{"type":"not_a_real_type"}`, 422, `{"status":422,"message":"Invalid type: not_a_real_type"}`},
		{"/api/v1/source_connect_links", `{"type":"hubspot"}`, 422, `{"status":422,"message":"Invalid type: hubspot"}`},
		{"/api/v1/source_connect_links", `{"type":"http_request"}`, 422, `{"status":422,"message":"Invalid type: http_request"}`},
		{"/api/v1/source_connect_links", `{"type":7}`, 422, `{"status":422,"message":"Invalid type: "}`},
		{"/api/v1/source_connect_links", ``, 422, `{"status":422,"message":"Invalid type: "}`},
		{"/api/v1/destination_connect_links", `{"type":"snowflake"}`, 422, `{"status":422,"message":"Invalid type: snowflake"}`},
		{"/api/v1/destination_connect_links", `{"type":"internal"}`, 422, `{"status":422,"message":"Invalid type: internal"}`},
		{"/api/v2/activation_connect_links", `{"type":"not_a_real_type","group_id":"wandering_aimlessly"}`, 400, `{"status":400,"message":"Invalid type: not_a_real_type"}`},
		{"/api/v2/activation_connect_links", `{"type":"internal","group_id":"wandering_aimlessly"}`, 400, `{"status":400,"message":"Invalid type: internal"}`},
		{"/api/v2/activation_connect_links", `{"type":"hubspot","group_id":"nobodys"}`, 400, `{"status":400,"message":"Invalid group_id: nobodys"}`},
		{"/api/v2/activation_connect_links", `{"type":"hubspot"}`, 400, `{"status":400,"message":"Invalid group_id: "}`},
		{"/api/v1/source_connect_links", `{"type":`, 400, `{"status":400,"message":"The body is not a JSON object of Content-Type application/json"}`},
		{"/api/v1/source_connect_links", `["postgres"]`, 400, `{"status":400,"message":"The body is not a JSON object of Content-Type application/json"}`},
		{"/api/v1/source_connect_links/1/revoke", ``, 404, `{"status":404,"message":"There is nothing at /api/v1/source_connect_links/1/revoke"}`},
		{"/api/v1/source_connect_links/x/revoke", ``, 404, `{"status":404,"message":"There is nothing at /api/v1/source_connect_links/x/revoke"}`},
		{"/api/v1/sources/1/connect_links", ``, 404, `{"status":404,"message":"There is nothing at /api/v1/sources/1/connect_links"}`},
		{"/api/v2/activation_connect_links/1/revoke", ``, 404, `{"status":404,"message":"There is nothing at /api/v2/activation_connect_links/1/revoke"}`},
		{"/api/v2/activations/wistful_otter/activation_connect_links", ``, 404, `{"status":404,"message":"There is nothing at /api/v2/activations/wistful_otter/activation_connect_links"}`},
	} {
		t.Run(test.path+" "+test.body, func(t *testing.T) {
			caller := a
			if strings.HasPrefix(test.path, "/api/v2/") {
				caller = a.personal()
			}
			resp, body := caller.raw(http.MethodPost, test.path, test.body)
			assert.Equal(t, test.status, resp.StatusCode)
			assert.JSONEq(t, test.want, body)
		})
	}
	assert.Empty(t, a.srv.Links())
}

func TestRefusesOtherContentTypes(t *testing.T) {
	a := newAPI(t)
	for _, contentType := range []string{"", "application/x-www-form-urlencoded", "text/json; charset"} {
		req := a.request(http.MethodPost, "/api/v1/source_connect_links", `{"type":"postgres"}`)
		req.Header.Set("Content-Type", contentType)
		resp, err := a.http.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
	}
}

func TestRefusesHugeBodies(t *testing.T) {
	a := newAPI(t)
	a.do(http.StatusRequestEntityTooLarge, http.MethodPost, "/api/v1/source_connect_links",
		`{"type":"postgres","redirect_uri":"`+strings.Repeat("x", 2<<20)+`"}`)
}

func TestNoSuchRoute(t *testing.T) {
	a := newAPI(t)
	for _, request := range []string{
		"GET /", "GET /api/v1", "GET /api/v1/models", "GET /api/v3/activations", "PUT /api/v1/sources/1",
		"DELETE /api/v1/source_connect_links/1", "GET /api/v1//sources", "GET /api/v1/sources/../sources",
		"GET /api/v1/sources//", "GET /api/v2/sources", "GET /api/v1/activations", "GET /sources",
	} {
		method, path, _ := strings.Cut(request, " ")
		resp, body := a.raw(method, path, "")
		assert.Equal(t, http.StatusNotFound, resp.StatusCode, request)
		assert.JSONEq(t, `{"status":404,"error":"Not Found"}`, body, request)
	}
}
