package connectlinkstest_test

import (
	"net/http"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

func TestAddConnection(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			a := k.api(t)
			// To compare, make one with a link.
			linked, err := a.srv.Complete(linkID(a.create(k.links, k.create)))
			require.NoError(t, err)
			seeded, err := a.srv.AddConnection(connectlinkstest.Seed{Kind: linked.Kind, Type: linked.Type})
			require.NoError(t, err)
			assert.Len(t, a.srv.Links(), 1, "no link made it")
			assert.Equal(t, linked.Name, seeded.Name)
			assert.Equal(t, linked.Type, seeded.Type)

			get := func(made connectlinkstest.Made) map[string]any {
				conn := a.get(k.conns + "/" + k.connectionID(made))["data"].(map[string]any)
				for _, object := range []map[string]any{conn, child(conn, "destination_connection")} {
					delete(object, "id")
					delete(object, "created_at")
					delete(object, "last_tested_at")
				}
				return conn
			}
			assert.Equal(t, get(linked), get(seeded))
			assert.Len(t, a.get(k.conns)["data"], 2)
			renewal := a.create(k.conns+"/"+k.connectionID(seeded)+k.renew, "")
			_, err = a.srv.Complete(linkID(renewal))
			require.NoError(t, err)
			a.do(http.StatusOK, http.MethodDelete, k.conns+"/"+k.connectionID(seeded), "")
		})
	}
}

// child returns the object with this name in another, or an empty object.
func child(object map[string]any, key string) map[string]any {
	inner, _ := object[key].(map[string]any)
	return inner
}

func TestAddConnectionOfOthers(t *testing.T) {
	a := newAPI(t)
	acme := a.srv.AddWorkspace("Acme")
	made, err := a.srv.AddConnection(connectlinkstest.Seed{
		Kind: connectlinkstest.KindDestination, Type: "internal", WorkspaceID: acme.ID,
		Submission: connectlinkstest.Submission{Name: "Ours", FailedTest: "no such host"},
	})
	require.NoError(t, err, "also of a type that no link can be made for")
	assert.Empty(t, a.get("/api/v1/destinations")["data"])
	conn := a.as(acme.Token).get("/api/v1/destinations/" + strconv.FormatInt(made.ID, 10))["data"].(map[string]any)
	assert.Equal(t, "Ours", conn["name"])
	assert.Equal(t, false, conn["last_test_succeeded"])

	made, err = a.srv.AddConnection(connectlinkstest.Seed{Kind: connectlinkstest.KindActivation, Type: "braze", GroupID: acme.GroupID})
	require.NoError(t, err)
	assert.Equal(t, acme.GroupID, a.personal().get("/api/v2/activations/" + made.ActivationID)["data"].(map[string]any)["group_id"])
}

// Lists are not sorted by created_at.
func TestAddConnectionOfThePast(t *testing.T) {
	a := newAPI(t)
	old := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	_, err := a.srv.AddConnection(connectlinkstest.Seed{Kind: connectlinkstest.KindSource, Type: "postgres"})
	require.NoError(t, err)
	made, err := a.srv.AddConnection(connectlinkstest.Seed{Kind: connectlinkstest.KindSource, Type: "mysql", CreatedAt: old})
	require.NoError(t, err)
	newest := a.get("/api/v1/sources")["data"].([]any)[0].(map[string]any)
	assert.EqualValues(t, made.ID, newest["id"])
	assert.Equal(t, "2024-02-29T12:00:00.000Z", newest["created_at"])
	assert.Equal(t, "2024-02-29T12:00:00.000Z", newest["last_tested_at"])

	_, err = a.srv.AddConnection(connectlinkstest.Seed{
		Kind: connectlinkstest.KindSource, Type: "postgres", Submission: connectlinkstest.Submission{Untested: true},
	})
	require.NoError(t, err)
	newest = a.get("/api/v1/sources")["data"].([]any)[0].(map[string]any)
	assert.Nil(t, newest["last_tested_at"])
}

func TestAddConnectionRefuses(t *testing.T) {
	a := newAPI(t)
	for want, seed := range map[string]connectlinkstest.Seed{
		`there is no kind ""`:                    {Type: "postgres"},
		`there is no kind "connection"`:          {Kind: "connection", Type: "postgres"},
		`there is no source type "hubspot"`:      {Kind: connectlinkstest.KindSource, Type: "hubspot"},
		`there is no activation type ""`:         {Kind: connectlinkstest.KindActivation},
		`there is no workspace 7`:                {Kind: connectlinkstest.KindSource, Type: "postgres", WorkspaceID: 7},
		`there is no group "nobodys"`:            {Kind: connectlinkstest.KindActivation, Type: "hubspot", GroupID: "nobodys"},
		`a source has no GroupID`:                {Kind: connectlinkstest.KindSource, Type: "postgres", GroupID: a.srv.Group()},
		`an activation has no WorkspaceID`:       {Kind: connectlinkstest.KindActivation, Type: "hubspot", WorkspaceID: a.srv.Workspace().ID},
		`type postgres has no field "pasword"`:   {Kind: connectlinkstest.KindSource, Type: "postgres", Submission: connectlinkstest.Submission{Fields: map[string]string{"pasword": "x"}}},
		`type postgres does not ask for consent`: {Kind: connectlinkstest.KindSource, Type: "postgres", Submission: connectlinkstest.Submission{Denied: true}},
	} {
		_, err := a.srv.AddConnection(seed)
		require.EqualError(t, err, "connectlinkstest: "+want)
	}
	_, err := a.srv.AddConnection(connectlinkstest.Seed{
		Kind: connectlinkstest.KindSource, Type: "postgres", Submission: connectlinkstest.Submission{Fields: map[string]string{"hostname": "wrong"}},
	})
	require.ErrorIs(t, err, connectlinkstest.ErrTestFailed)
	assert.Empty(t, a.get("/api/v1/sources")["data"])
}

func TestReset(t *testing.T) {
	a := newAPI(t, connectlinkstest.WithAssumptions(connectlinkstest.Assumptions{UnknownTypeStatus: 400}))
	first := a.source()
	workspace, personal := a.srv.Workspace(), a.srv.PersonalToken()

	made, err := a.srv.Complete(linkID(first))
	require.NoError(t, err)
	a.activation()
	_, err = a.srv.RotateToken(workspace.ID)
	require.NoError(t, err)
	acme := a.srv.AddWorkspace("Acme")
	a.srv.AddGroup("decent_dropsy")
	a.srv.HideGroup(a.srv.Group())
	a.srv.AddSourceType(connectlinkstest.Type{ServiceName: "acme_db"})
	a.srv.Advance(-time.Hour)
	require.NoError(t, a.srv.RetireV1(410))
	require.NoError(t, a.srv.RateLimit(0.001))
	require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Status: 500, Times: -1}))

	a.srv.Reset()
	assert.Empty(t, a.srv.Links())
	assert.Empty(t, a.srv.Requests())
	assert.Empty(t, a.srv.Unfired())
	assert.WithinRange(t, a.srv.Now(), workspace.CreatedAt, time.Now())
	again := a.srv.Workspace()
	again.CreatedAt = workspace.CreatedAt
	assert.Equal(t, workspace, again, "with the token of the start")
	assert.Len(t, a.srv.Workspaces(), 1)
	assert.Equal(t, personal, a.srv.PersonalToken())
	for range 3 {
		a.get("/api/v1/workspace")
	}
	assert.Empty(t, a.get("/api/v1/sources")["data"])
	a.do(http.StatusNotFound, http.MethodGet, "/api/v1/sources/"+strconv.FormatInt(made.ID, 10), "")
	a.do(http.StatusNotFound, http.MethodGet, "/api/v1/source_types/acme_db", "")
	a.as(acme.Token).do(http.StatusUnauthorized, http.MethodGet, "/api/v1/workspace", "")
	a.personal().do(http.StatusBadRequest, http.MethodPost, "/api/v2/activation_connect_links", `{"type":"hubspot","group_id":"decent_dropsy"}`)
	a.do(http.StatusBadRequest, http.MethodPost, "/api/v1/source_connect_links", `{"type":"none"}`)
	resp, _ := a.raw(http.MethodGet, first["uri"].(string)[len(a.srv.URL):], "")
	assert.Equal(t, http.StatusNotFound, resp.StatusCode, "the link is gone")
	assert.Equal(t, first["id"], a.source()["id"], "ids begin again")
	assert.Equal(t, a.srv.Group(), a.activation()["group_id"])
}

func TestResetWhileAnswering(t *testing.T) {
	a := newAPI(t)
	require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Hang: true, CarryOut: true}))
	ended := make(chan error, 1)
	req := a.request(http.MethodPost, "/api/v1/source_connect_links", `{"type":"postgres"}`)
	go func() {
		resp, err := a.http.Do(req)
		if err == nil {
			err = resp.Body.Close()
		}
		ended <- err
	}()
	for len(a.srv.Links()) == 0 {
		runtime.Gosched()
	}
	done := make(chan struct{})
	for range 4 {
		go func() {
			for range 50 {
				_ = a.srv.Token() + a.srv.PersonalToken()
				a.srv.Requests()
			}
			done <- struct{}{}
		}()
	}
	for range 50 {
		a.srv.Reset()
		a.source()
	}
	for range 4 {
		<-done
	}
	a.srv.Close()
	require.Error(t, <-ended, "it hangs until the server ends")
}
