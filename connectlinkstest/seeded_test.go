package connectlinkstest_test

import (
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

const seeded = `{
	"workspaces": [{"name": "Acme", "token": "secret-token:acme"}, {"name": "Birch"}],
	"groups": [{"id": "shy_owl", "hidden": true}],
	"types": [{"kind": "source", "service_name": "abacus", "fields": [{"id": "beads"}]}],
	"connections": [
		{"kind": "source", "type": "abacus", "workspace_id": 105, "name": "Old beads", "fields": {"beads": "7"}},
		{"kind": "activation", "type": "hubspot", "group_id": "shy_owl"}
	],
	"failures": [{"route": "GET /api/v1/sources", "token": "secret-token:acme", "status": 503}]
}`

// A seed is there at the start and after each Reset, with the same tokens.
func TestSeededServer(t *testing.T) {
	srv, err := connectlinkstest.NewSeededServer([]byte(seeded), connectlinkstest.WithoutListener(),
		connectlinkstest.WithControl(), connectlinkstest.WithWorkspace("Customer 2", ""))
	require.NoError(t, err)
	t.Cleanup(srv.Close)
	a := api{t, srv, "", &http.Client{Transport: srv.Transport()}}
	first := a.state()
	for range 2 {
		acme := a.as("secret-token:acme")
		resp, _ := acme.raw("GET", "/api/v1/sources", "")
		assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
		old := acme.get("/api/v1/sources")["data"].([]any)
		require.Len(t, old, 1)
		assert.Equal(t, "Old beads", old[0].(map[string]any)["name"])
		assert.Equal(t, map[string]any{"beads": "7"}, old[0].(map[string]any)["connection_details"])
		assert.Len(t, a.personal().get("/api/v2/activations")["data"], 1)

		acme.destination()
		a.lever(http.StatusCreated, "POST", "workspaces", `{"name":"Extra"}`)
		a.lever(http.StatusCreated, "POST", "connections", `{"kind":"source","type":"abacus"}`)
		a.lever(http.StatusOK, "DELETE", "failures", "")
		a.lever(http.StatusOK, "POST", "reset", "")
		again := a.state()
		delete(first, "now")
		delete(again, "now")
		for _, state := range []map[string]any{first, again} {
			for _, c := range of(state, "connections") {
				delete(c.(map[string]any), "created_at")
				delete(c.(map[string]any), "tested_at")
			}
		}
		assert.Equal(t, first, again)
	}
	var names []string
	for _, ws := range srv.Workspaces() {
		names = append(names, ws.Name)
	}
	assert.Equal(t, []string{"Sandbox", "Customer 2", "Acme", "Birch"}, names)
}

// What is wrong is named, and nothing is served.
func TestSeededServerRefuses(t *testing.T) {
	for seed, names := range map[string]string{
		`{"workspaces": [`:      "seed: the body is not JSON",
		`[]`:                    "seed: the body is not a JSON object",
		`{"links": []}`:         `seed: unknown field "links"`,
		`{"groups": "shy_owl"}`: "seed: groups: a JSON string is not allowed here",
		`{"workspaces": [{"name": "A"}, {"nam": "B"}]}`:                                             `seed: workspaces[1]: unknown field "nam"`,
		`{"workspaces": [{}]}`:                                                                      "seed: workspaces[0]: name is required",
		`{"workspaces": [{"name":"A", "token": "two words"}]}`:                                      "seed: workspaces[0]: token is not a token",
		`{"workspaces": [{"name":"A", "token": "mine"}]}`:                                           `the token of workspace "A" is in use`,
		`{"groups": [{}]}`:                                                                          "seed: groups[0]: id is required",
		`{"types": [{"kind": "source"}]}`:                                                           "seed: types[0]: service_name is required",
		`{"connections": [{"kind": "source", "type": "postgres", "workspace_id": 5}]}`:              "seed: connections[0]: there is no workspace 5",
		`{"connections": [{"kind": "source", "type": "postgres", "fields": {"hostname":"wrong"}}]}`: "seed: connections[0]: ",
		`{"failures": [{"status": 500}, {"route": "GET /nowhere"}]}`:                                `seed: failures[1]: "GET /nowhere" is not a route`,
		`{"failures": [{"delay": "soon"}]}`:                                                         `seed: failures[0]: "soon" is not a duration`,
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		srv, err := connectlinkstest.NewSeededServer([]byte(seed), connectlinkstest.WithToken("mine"), connectlinkstest.WithListener(l))
		assert.Nil(t, srv, seed)
		assert.ErrorContains(t, err, "connectlinkstest: ")
		assert.ErrorContains(t, err, names)
		require.NoError(t, l.Close(), "it is the caller's")
	}
	_, err := connectlinkstest.NewSeededServer(nil, connectlinkstest.WithToken("two words"))
	assert.EqualError(t, err, "connectlinkstest: WithToken: that is not a token")
}

// The lever for workspaces takes a token that nobody has.
func TestControlWorkspaceToken(t *testing.T) {
	a := control(t)
	acme := a.lever(http.StatusCreated, "POST", "workspaces", `{"name":"Acme","token":"secret-token:acme"}`)
	assert.Equal(t, "secret-token:acme", acme["token"])
	a.as("secret-token:acme").get("/api/v1/workspace")
	for _, token := range []string{"secret-token:acme", a.srv.PersonalToken(), "two words"} {
		refused := a.lever(http.StatusUnprocessableEntity, "POST", "workspaces", `{"name":"Birch","token":"`+token+`"}`)
		assert.Contains(t, refused["error"], "token is ")
	}
	assert.Len(t, a.srv.Workspaces(), 2)
}
