package connectlinkstest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

func TestComplete(t *testing.T) {
	a := newAPI(t)
	source, destination, activation := a.source(), a.destination(), a.activation()

	made, err := a.srv.Complete(linkID(source))
	require.NoError(t, err)
	assert.Equal(t, connectlinkstest.Made{Kind: connectlinkstest.KindSource, ID: made.ID, Type: "postgres", Name: "PostgreSQL"}, made)
	made, err = a.srv.Complete(linkID(destination))
	require.NoError(t, err)
	assert.Equal(t, connectlinkstest.Made{Kind: connectlinkstest.KindDestination, ID: made.ID, Type: "hubspot", Name: "HubSpot"}, made)
	made, err = a.srv.Complete(linkID(activation))
	require.NoError(t, err)
	assert.Equal(t, connectlinkstest.Made{
		Kind: connectlinkstest.KindActivation, ID: made.ID, ActivationID: "glimmering_donkey", Type: "hubspot", Name: "HubSpot",
	}, made)

	for i, link := range a.srv.Links() {
		assert.True(t, link.Completed, i)
		assert.NotZero(t, link.ConnectionID, i)
	}
}

func TestCompleteWith(t *testing.T) {
	const path = "/api/v1/sources/"
	a := newAPI(t)
	complete := func(sub connectlinkstest.Submission) (map[string]any, error) {
		made, err := a.srv.CompleteWith(linkID(a.source()), sub)
		if err != nil {
			return nil, err
		}
		return a.get(fmt.Sprint(path, made.ID))["data"].(map[string]any), nil
	}
	t.Run("Name", func(t *testing.T) {
		conn, err := complete(connectlinkstest.Submission{Name: "Acme's warehouse"})
		require.NoError(t, err)
		assert.Equal(t, "Acme's warehouse", conn["name"])
	})
	t.Run("Fields", func(t *testing.T) {
		conn, err := complete(connectlinkstest.Submission{Fields: map[string]string{"hostname": "db.acme.example", "password": "hunter2"}})
		require.NoError(t, err)
		assert.Equal(t, map[string]any{
			"hostname": "db.acme.example", "port": "5432", "database": "analytics", "user": "activations",
		}, conn["connection_details"])
	})
	t.Run("FailedTest", func(t *testing.T) {
		conn, err := complete(connectlinkstest.Submission{FailedTest: "access denied"})
		require.NoError(t, err)
		assert.Equal(t, false, conn["last_test_succeeded"])
		assert.NotNil(t, conn["last_tested_at"])
	})
	t.Run("Untested", func(t *testing.T) {
		conn, err := complete(connectlinkstest.Submission{Untested: true})
		require.NoError(t, err)
		assert.Contains(t, conn, "last_test_succeeded")
		assert.Nil(t, conn["last_test_succeeded"])
		assert.Contains(t, conn, "last_tested_at")
		assert.Nil(t, conn["last_tested_at"])
	})
	t.Run("values that fail", func(t *testing.T) {
		link := a.source()
		for field, why := range map[string]string{"hostname": "Verify connectivity: Hostname is wrong", "password": "Authenticate: Password is wrong"} {
			_, err := a.srv.CompleteWith(linkID(link), connectlinkstest.Submission{Fields: map[string]string{field: "wrong"}})
			require.ErrorIs(t, err, connectlinkstest.ErrTestFailed)
			assert.ErrorContains(t, err, why)
		}
		assert.Nil(t, a.get("/api/v1/source_connect_links/" + id(link, "id"))["data"].(map[string]any)["source_id"])
		_, err := a.srv.Complete(linkID(link))
		require.NoError(t, err, "the customer tries again")
	})
	t.Run("values that make no sense", func(t *testing.T) {
		link := a.create("/api/v1/source_connect_links", `{"type":"big_query"}`)
		for _, test := range []struct{ field, value, want string }{
			{"pasword", "hunter2", `type big_query has no field "pasword"`},
			{"project_id", "", "field project_id is required"},
			{"location", "Mars", `field location takes one of ["US" "EU"]`},
		} {
			_, err := a.srv.CompleteWith(linkID(link), connectlinkstest.Submission{Fields: map[string]string{test.field: test.value}})
			assert.EqualError(t, err, "connectlinkstest: "+test.want)
		}
	})
	t.Run("reauthorization", func(t *testing.T) {
		made, err := a.srv.CompleteWith(linkID(a.source()), connectlinkstest.Submission{Name: "Old", Fields: map[string]string{"user": "ann"}})
		require.NoError(t, err)
		link := a.create(fmt.Sprint(path, made.ID, "/connect_links"), "")
		_, err = a.srv.CompleteWith(linkID(link), connectlinkstest.Submission{Name: "New", Fields: map[string]string{"database": "crm"}})
		require.NoError(t, err)
		conn := a.get(fmt.Sprint(path, made.ID))["data"].(map[string]any)
		assert.Equal(t, "New", conn["name"])
		assert.Equal(t, map[string]any{
			"hostname": "db.example.com", "port": "5432", "database": "crm", "user": "ann",
		}, conn["connection_details"])
	})
}

func TestDenied(t *testing.T) {
	a := newAPI(t)
	link := linkID(a.destination())
	_, err := a.srv.CompleteWith(link, connectlinkstest.Submission{Denied: true})
	require.ErrorIs(t, err, connectlinkstest.ErrTestFailed)
	assert.ErrorContains(t, err, "HubSpot was not authorized")
	assert.False(t, a.srv.Links()[0].Completed)
	_, err = a.srv.Complete(link)
	require.NoError(t, err)

	_, err = a.srv.CompleteWith(linkID(a.source()), connectlinkstest.Submission{Denied: true})
	require.EqualError(t, err, "connectlinkstest: type postgres does not ask for consent")
}

func TestCancel(t *testing.T) {
	a := newAPI(t)
	link := a.source()
	require.NoError(t, a.srv.Cancel(linkID(link)))
	assert.Equal(t, link, a.get("/api/v1/source_connect_links/" + id(link, "id"))["data"])
	assert.Equal(t, 1, a.srv.Links()[0].Cancelled)
	_, err := a.srv.Complete(linkID(link))
	require.NoError(t, err, "the link is still open")
	require.ErrorIs(t, a.srv.Cancel(linkID(link)), connectlinkstest.ErrDeadLink)
}

func TestExpire(t *testing.T) {
	a := newAPI(t)
	link, other := a.source(), a.source()
	require.NoError(t, a.srv.Expire(linkID(link)))
	path := "/api/v1/source_connect_links/"
	expired := a.get(path + id(link, "id"))["data"].(map[string]any)
	assert.Equal(t, true, expired["expired"])
	assert.Equal(t, false, expired["revoked"])
	assert.Equal(t, other, a.get(path + id(other, "id"))["data"])
	_, err := a.srv.Complete(linkID(link))
	require.ErrorIs(t, err, connectlinkstest.ErrDeadLink)
	assert.ErrorContains(t, err, "it has expired")
	assert.Len(t, a.get(path)["data"], 2, "expired links are listed")

	require.NoError(t, a.srv.Expire(linkID(link)), "again")
	assert.Equal(t, expired, a.get(path + id(link, "id"))["data"])
}

func TestRevoke(t *testing.T) {
	a := newAPI(t)
	link := a.source()
	require.NoError(t, a.srv.Revoke(linkID(link)))
	revoked := a.get("/api/v1/source_connect_links/" + id(link, "id"))["data"].(map[string]any)
	assert.Equal(t, true, revoked["revoked"])
	_, err := a.srv.Complete(linkID(link))
	require.ErrorIs(t, err, connectlinkstest.ErrDeadLink)
	assert.ErrorContains(t, err, "it was revoked")
	require.NoError(t, a.srv.Revoke(linkID(link)), "again")
}

func TestLeversRefuseUnknownLinks(t *testing.T) {
	a := newAPI(t)
	link := linkID(a.source())
	made, err := a.srv.Complete(link)
	require.NoError(t, err)
	for name, id := range map[string]int64{"zero": 0, "negative": -link, "unknown": 999, "a connection's": made.ID} {
		t.Run(name, func(t *testing.T) {
			_, err := a.srv.Complete(id)
			for lever, err := range map[string]error{
				"Complete": err, "Cancel": a.srv.Cancel(id), "Expire": a.srv.Expire(id), "Revoke": a.srv.Revoke(id),
			} {
				require.ErrorIs(t, err, connectlinkstest.ErrUnknownLink, lever)
				assert.Contains(t, err.Error(), fmt.Sprint(id))
			}
		})
	}
}

func TestClock(t *testing.T) {
	a := newAPI(t)
	link := a.source()
	expired := func() any {
		return a.get("/api/v1/source_connect_links/" + id(link, "id"))["data"].(map[string]any)["expired"]
	}
	a.srv.Advance(23 * time.Hour)
	assert.Equal(t, false, expired())
	a.srv.Advance(time.Hour)
	assert.Equal(t, true, expired())
	a.srv.Advance(-time.Hour)
	assert.Equal(t, false, expired())

	day := time.Date(2027, 1, 15, 0, 0, 0, 0, time.UTC)
	a.srv.SetNow(day)
	assert.WithinRange(t, a.srv.Now(), day, day.Add(time.Minute))
	assert.Equal(t, true, expired())
	assert.Contains(t, a.source()["expiration"], "2027-01-16T00:0")
}

// Clients compare the time of an answer with times that they find later.
func TestDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := inMemory(t)
		a.srv.SetNow(time.Date(2027, 1, 15, 9, 0, 0, 999_999_999, time.UTC))
		date := func(a api, method, path, body string) string {
			t.Helper()
			resp, _ := a.raw(method, path, body)
			require.Len(t, resp.Header["Date"], 1)
			return resp.Header.Get("Date")
		}
		const want = "Fri, 15 Jan 2027 09:00:00 GMT"
		const links = "/api/v1/source_connect_links"
		assert.Equal(t, want, date(a, http.MethodPost, links, `{"type":"postgres"}`))
		assert.Equal(t, want, date(a, http.MethodPost, links, `{"type":"nothing"}`))
		assert.Equal(t, want, date(a, http.MethodGet, "/api/v1/sources", ""))
		assert.Equal(t, want, date(a.personal(), http.MethodGet, "/api/v2/activations", ""))
		assert.Equal(t, want, date(a.as(""), http.MethodGet, "/api/v1/sources", ""), "401")
		assert.Equal(t, want, date(a, http.MethodGet, "/nowhere", ""))
		assert.Equal(t, want, date(a, http.MethodGet, "/pbc", ""))
		assert.Equal(t, want, date(a, http.MethodPut, "/pbc", ""))

		a.srv.Advance(24 * time.Hour)
		require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Status: 502}))
		assert.Equal(t, "Sat, 16 Jan 2027 09:00:00 GMT", date(a, http.MethodGet, "/api/v1/sources", ""))
		require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Delay: 90 * time.Second}))
		assert.Equal(t, "Sat, 16 Jan 2027 09:00:00 GMT", date(a, http.MethodPost, links, `{"type":"postgres"}`), "when it was made")
		assert.Equal(t, "Sat, 16 Jan 2027 09:01:30 GMT", date(a, http.MethodGet, "/api/v1/sources", ""))

		require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Status: 502, Header: http.Header{"Date": {"yesterday"}}}))
		assert.Equal(t, "yesterday", date(a, http.MethodGet, "/api/v1/sources", ""))
		require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Status: 502, Header: http.Header{"Date": nil}}))
		resp, _ := a.raw(http.MethodGet, "/api/v1/sources", "")
		assert.Empty(t, resp.Header["Date"], "a failure can leave it out")
	})
}

func TestWithLinkLifetime(t *testing.T) {
	a := newAPI(t, connectlinkstest.WithLinkLifetime(time.Hour))
	a.source()
	link := a.srv.Links()[0]
	assert.InDelta(t, time.Hour, link.ConnectLink.ExpiresAt.Sub(link.CreatedAt), float64(time.Second))
}

func TestLinks(t *testing.T) {
	a := newAPI(t)
	assert.Empty(t, a.srv.Links())
	first := a.source()
	made, err := a.srv.Complete(linkID(first))
	require.NoError(t, err)
	a.activation()
	a.create(fmt.Sprintf("/api/v1/sources/%d/connect_links", made.ID), `{"redirect_uri":"https://acme.example/"}`)

	links := a.srv.Links()
	require.Len(t, links, 3)
	assert.Equal(t, first["uri"], links[0].ConnectLink.URL)
	assert.Equal(t, "https://acme.example/", links[2].ConnectLink.RedirectURI)
	for i := range links {
		links[i].ConnectLink = connectlinks.ConnectLink{}
		links[i].CreatedAt = time.Time{}
	}
	workspace := a.srv.Workspace().ID
	assert.Equal(t, []connectlinkstest.Link{
		{Kind: connectlinkstest.KindSource, WorkspaceID: workspace, Completed: true, ConnectionID: made.ID},
		{Kind: connectlinkstest.KindActivation, GroupID: "wandering_aimlessly"},
		{Kind: connectlinkstest.KindSource, WorkspaceID: workspace, Renews: true, ConnectionID: made.ID},
	}, links)
}

func TestRequests(t *testing.T) {
	a := newAPI(t)
	a.create("/api/v1/source_connect_links", `{"type":"postgres"}`)
	a.personal().get("/api/v2/activations?page=2&order=asc")
	a.as("nobody's").do(http.StatusUnauthorized, http.MethodGet, "/api/v1/sources/7", "")
	a.raw(http.MethodGet, "/nowhere/", "")
	a.as("").raw(http.MethodGet, strings.TrimPrefix(a.srv.Links()[0].ConnectLink.URL, a.srv.URL), "")

	requests := a.srv.Requests()
	assert.Equal(t, "application/json", requests[0].Header.Get("Content-Type"))
	for i := range requests {
		assert.WithinDuration(t, time.Now(), requests[i].Time, time.Minute)
		requests[i].Time, requests[i].Duration, requests[i].Header = time.Time{}, 0, nil
	}
	assert.Equal(t, []connectlinkstest.Request{
		{
			Method: "POST", Path: "/api/v1/source_connect_links", Query: url.Values{}, Body: `{"type":"postgres"}`,
			Route: "POST /api/v1/source_connect_links", Caller: "Sandbox", Status: 201,
		},
		{
			Method: "GET", Path: "/api/v2/activations", Query: url.Values{"page": {"2"}, "order": {"asc"}},
			Route: "GET /api/v2/activations", Caller: "personal", Status: 200,
		},
		{Method: "GET", Path: "/api/v1/sources/7", Query: url.Values{}, Route: "GET /api/v1/sources/{source_id}", Status: 401},
		{Method: "GET", Path: "/nowhere/", Query: url.Values{}, Caller: "Sandbox", Status: 404},
		{Method: "GET", Path: "/pbc", Query: url.Values{"auth": {"REDACTED"}}, Route: "GET /pbc", Status: 200},
	}, requests)
}

func TestRequestsAreBounded(t *testing.T) {
	a := newAPI(t)
	for i := range 10_001 {
		req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("/%d", i), http.NoBody)
		require.NoError(t, err)
		a.srv.ServeHTTP(discard{}, req)
	}
	requests := a.srv.Requests()
	assert.Len(t, requests, 10_000)
	assert.Equal(t, "/10000", requests[9_999].Path)
}

// The server stores the beginning of a body, and only if it knows the token.
func TestRequestBodiesAreBounded(t *testing.T) {
	a := newAPI(t)
	// The token crosses the limit. If the body were cut first, redaction would not find it.
	long := strings.Repeat("x", 64<<10-20) + a.srv.Token() + strings.Repeat("y", 512<<10)
	for _, test := range []struct {
		name, token, path string
		status, kept      int
	}{
		{"known", a.srv.Token(), "/api/v1/source_connect_links", http.StatusBadRequest, 64 << 10},
		{"known, wrong kind of token", a.srv.PersonalToken(), "/api/v1/source_connect_links", http.StatusForbidden, 64 << 10},
		{"wrong token", "secret-token:guessed", "/api/v1/source_connect_links", http.StatusUnauthorized, 0},
		{"no token", "", "/api/v1/source_connect_links", http.StatusUnauthorized, 0},
		{"no token, no route", "", "/nowhere", http.StatusNotFound, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, _ := a.as(test.token).raw(http.MethodPost, test.path, long)
			assert.Equal(t, test.status, resp.StatusCode)
			requests := a.srv.Requests()
			body := requests[len(requests)-1].Body
			assert.Equal(t, test.kept, len(body))
			assert.NotContains(t, body, strings.TrimPrefix(a.srv.Token(), "secret-token:")[:6])
		})
	}
}

// The stored beginning must not keep the rest of the body in memory.
func TestRequestBodiesAreReleased(t *testing.T) {
	a := inMemory(t)
	body := strings.Repeat("x", 1<<20)
	live := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := live()
	for range 64 {
		req := a.request(http.MethodPost, "/api/v1/source_connect_links", body)
		a.srv.ServeHTTP(discard{}, req)
	}
	assert.Less(t, live()-before, int64(16<<20), "64 bodies of 1 MiB")
	assert.Len(t, a.srv.Requests(), 64)
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

func TestWithRequestLog(t *testing.T) {
	logged := make(chan connectlinkstest.Request, 1)
	a := newAPI(t, connectlinkstest.WithRequestLog(func(r connectlinkstest.Request) { logged <- r }))
	a.source()
	r := <-logged
	assert.Equal(t, connectlinkstest.RouteCreateSourceConnectLink, r.Route)
	assert.Equal(t, http.StatusCreated, r.Status)
	assert.Positive(t, r.Duration)
}

func TestAddWorkspace(t *testing.T) {
	a := newAPI(t)
	acme := a.srv.AddWorkspace("Acme")
	a.as(acme.Token).source()
	assert.Equal(t, acme.ID, a.srv.Links()[0].WorkspaceID)
	assert.Equal(t, []connectlinkstest.Workspace{a.srv.Workspace(), acme}, a.srv.Workspaces())
}

func TestWorkspacesHaveGroups(t *testing.T) {
	a := newAPI(t)
	assert.Equal(t, a.srv.Group(), a.srv.Workspace().GroupID)
	groups := map[string]bool{a.srv.Group(): true}
	for i := range 100 {
		group := a.srv.AddWorkspace(fmt.Sprint("Tenant ", i)).GroupID
		require.Regexp(t, `^[a-z]+_[a-z]+(_\d+)?$`, group)
		require.False(t, groups[group], group)
		groups[group] = true
		a.personal().create("/api/v2/activation_connect_links", fmt.Sprintf(`{"type":"hubspot","group_id":%q}`, group))
	}

	other := inMemory(t)
	next := inMemory(t).srv.AddWorkspace("Acme").GroupID
	other.srv.AddGroup(next)
	assert.NotEqual(t, next, other.srv.AddWorkspace("Acme").GroupID, "a group that a test has added stays apart")
}

func TestRotateToken(t *testing.T) {
	a := newAPI(t)
	token, err := a.srv.RotateToken(a.srv.Workspace().ID)
	require.NoError(t, err)
	assert.Equal(t, token, a.srv.Token())
	a.do(http.StatusUnauthorized, http.MethodGet, "/api/v1/workspace", "")
	a.as(token).get("/api/v1/workspace")
	_, err = a.srv.RotateToken(1)
	require.EqualError(t, err, "connectlinkstest: there is no workspace 1")
}

func TestAddGroup(t *testing.T) {
	a := newAPI(t).personal()
	assert.Equal(t, "wandering_aimlessly", a.srv.Group())
	const body = `{"type":"hubspot","group_id":"decent_dropsy"}`
	a.do(http.StatusBadRequest, http.MethodPost, "/api/v2/activation_connect_links", body)
	a.srv.AddGroup("decent_dropsy")
	a.srv.AddGroup("decent_dropsy")
	link := a.create("/api/v2/activation_connect_links", body)
	_, err := a.srv.Complete(linkID(link))
	require.NoError(t, err)
	activation := a.get("/api/v2/activations")["data"].([]any)[0]
	assert.Equal(t, "decent_dropsy", activation.(map[string]any)["group_id"])
}

// Two customers share a personal token, and some links name no group.
func TestHideGroup(t *testing.T) {
	a := newAPI(t).personal()
	a.srv.AddGroup("decent_dropsy")
	a.srv.AddGroup("lost_luggage")
	links, activations := map[string]string{}, map[string]string{}
	for _, group := range []string{a.srv.Group(), "decent_dropsy", "lost_luggage"} {
		create := fmt.Sprintf(`{"type":"hubspot","group_id":%q}`, group)
		made, err := a.srv.Complete(linkID(a.create("/api/v2/activation_connect_links", create)))
		require.NoError(t, err)
		activations[group] = "/api/v2/activations/" + made.ActivationID
		links[group] = "/api/v2/activation_connect_links/" + id(a.create("/api/v2/activation_connect_links", create), "id")
	}

	a.srv.HideGroup("lost_luggage")
	for group := range links {
		link, activation := a.get(links[group])["data"], a.get(activations[group])["data"]
		if group == "lost_luggage" {
			assert.NotContains(t, link, "group_id")
			assert.NotContains(t, activation, "group_id")
			continue
		}
		assert.Equal(t, group, link.(map[string]any)["group_id"])
		assert.Equal(t, group, activation.(map[string]any)["group_id"])
	}
	for _, list := range []string{"/api/v2/activation_connect_links", "/api/v2/activations"} {
		var groups []any
		for _, object := range a.get(list + "?order=asc")["data"].([]any) {
			groups = append(groups, object.(map[string]any)["group_id"])
		}
		assert.Equal(t, []any{a.srv.Group(), "decent_dropsy", nil}, slices.Compact(groups), list)
	}
	created := a.create("/api/v2/activation_connect_links", `{"type":"hubspot","group_id":"lost_luggage"}`)
	assert.NotContains(t, created, "group_id")
	assert.Equal(t, "lost_luggage", a.srv.Links()[6].GroupID, "a test sees it all the same")
}

func TestActivationIDsDiffer(t *testing.T) {
	a := newAPI(t)
	seen := map[string]bool{}
	for range 150 {
		made, err := a.srv.Complete(linkID(a.activation()))
		require.NoError(t, err)
		assert.Regexp(t, `^[a-z]+_[a-z]+(_\d+)?$`, made.ActivationID)
		assert.False(t, seen[made.ActivationID], made.ActivationID)
		seen[made.ActivationID] = true
	}
}

func TestAddTypes(t *testing.T) {
	a := newAPI(t)
	ours := connectlinkstest.Type{
		ServiceName: "acme_db", Label: "Acme DB",
		Fields: []connectlinkstest.Field{{ID: "key", Label: "Key", Password: true, Required: true}},
	}
	a.srv.AddSourceType(ours)
	ours.Label = "Acme CRM"
	a.srv.AddDestinationType(ours)
	ours.Fields[0].ID = "changed by the caller"

	assert.Equal(t, "Acme DB", a.get("/api/v1/source_types/acme_db")["data"].(map[string]any)["label"])
	for _, path := range []string{"/api/v1/connectors/acme_db", "/api/v2/activation_types/acme_db"} {
		caller := a
		if strings.HasPrefix(path, "/api/v2") {
			caller = a.personal()
		}
		typ := caller.get(path)["data"].(map[string]any)
		assert.Equal(t, "Acme CRM", typ["label"])
		fields := typ["configuration_fields"].(map[string]any)["fields"].([]any)
		assert.Equal(t, "key", fields[0].(map[string]any)["id"])
	}
	link := a.create("/api/v1/source_connect_links", `{"type":"acme_db"}`)
	_, err := a.srv.Complete(linkID(link))
	require.NoError(t, err)

	a.srv.AddSourceType(connectlinkstest.Type{ServiceName: "postgres", NotLinkable: true})
	a.do(http.StatusUnprocessableEntity, http.MethodPost, "/api/v1/source_connect_links", `{"type":"postgres"}`)
}

// Values of password fields, and tokens, are neither in answers, nor in what the levers
// show, nor in the server's memory.
func TestNoSecretIsKept(t *testing.T) {
	const secret = "hunter2-the-secret"
	a := newAPI(t)
	link := a.source()
	fields := map[string]string{"password": secret, "hostname": "db.acme.example"}
	_, err := a.srv.CompleteWith(linkID(link), connectlinkstest.Submission{Fields: map[string]string{"password": secret, "port": "wrong"}})
	require.ErrorIs(t, err, connectlinkstest.ErrTestFailed)
	assert.NotContains(t, err.Error(), secret)
	_, err = a.srv.CompleteWith(linkID(link), connectlinkstest.Submission{Fields: fields})
	require.NoError(t, err)

	other := a.source()
	page := strings.TrimPrefix(other["uri"].(string), a.srv.URL)
	req := a.as("").request(http.MethodPost, page, "action=connect&field-password="+secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := a.http.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)

	// A client puts its tokens into every part of a request.
	token := a.srv.Token()
	req = a.request(http.MethodPost, "/api/v1/source_connect_links?token="+token, `{"type":"`+token+`"}`)
	req.Header.Set("X-Token", token)
	req.Header.Set("Cookie", "t="+token)
	resp, err = a.http.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())

	_, sources := a.raw(http.MethodGet, "/api/v1/sources", "")
	assert.NotContains(t, sources, secret)
	assert.Contains(t, sources, "db.acme.example")

	a.srv.Close()
	server := reflect.ValueOf(a.srv).Elem()
	for _, part := range []string{"state", "requests", "failures"} {
		assert.False(t, holds(server.FieldByName(part), secret, map[uintptr]bool{}), part)
	}
	assert.True(t, holds(server.FieldByName("state"), "db.acme.example", map[uintptr]bool{}), "holds works")
	secrets := []string{strings.TrimPrefix(token, "secret-token:"), a.srv.PersonalToken()}
	for _, l := range a.srv.Links() {
		_, auth, _ := strings.Cut(l.ConnectLink.URL, "auth=")
		secrets = append(secrets, auth)
	}
	for _, s := range secrets {
		assert.False(t, holds(server.FieldByName("requests"), s, map[uintptr]bool{}))
	}
}

// holds reports whether any string that v references contains text.
func holds(v reflect.Value, text string, seen map[uintptr]bool) bool {
	switch v.Kind() {
	case reflect.String:
		return strings.Contains(v.String(), text)
	case reflect.Pointer:
		if v.IsNil() || seen[v.Pointer()] {
			return false
		}
		seen[v.Pointer()] = true
		return holds(v.Elem(), text, seen)
	case reflect.Interface:
		return !v.IsNil() && holds(v.Elem(), text, seen)
	case reflect.Struct:
		for i := range v.NumField() {
			if holds(v.Field(i), text, seen) {
				return true
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if holds(v.Index(i), text, seen) {
				return true
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if holds(it.Key(), text, seen) || holds(it.Value(), text, seen) {
				return true
			}
		}
	}
	return false
}

func TestConcurrentClients(t *testing.T) {
	a := newAPI(t)
	const clients = 100
	errs := make(chan error, clients)
	for i := range clients {
		go func() {
			tenant := a.as(a.srv.AddWorkspace(fmt.Sprint("Tenant ", i)).Token)
			_, body, err := tenant.attempt()
			var created struct{ Data map[string]any }
			errs <- errors.Join(err, json.Unmarshal([]byte(body), &created), use(a.srv, created.Data))
		}()
	}
	for range clients {
		require.NoError(t, <-errs)
	}
	ids := map[int64]bool{}
	for _, l := range a.srv.Links() {
		assert.True(t, l.Completed)
		ids[l.ConnectLink.ID], ids[l.ConnectionID] = true, true
	}
	assert.Len(t, ids, 2*clients)
}

// use calls all levers, to race with other goroutines.
func use(srv *connectlinkstest.Server, link map[string]any) error {
	srv.Links()
	srv.Requests()
	srv.Workspaces()
	srv.Advance(time.Millisecond)
	srv.AddGroup("decent_dropsy")
	srv.AddSourceType(connectlinkstest.Type{ServiceName: "acme_db"})
	_, err := srv.Complete(linkID(link))
	return errors.Join(err, srv.Revoke(linkID(link)), srv.Fail(connectlinkstest.Failure{Route: "GET /api/v1/syncs", Status: 500, Times: -1}))
}

func TestClose(t *testing.T) {
	a := newAPI(t)
	a.source()
	a.srv.Close()
	a.srv.Close()
	_, err := a.http.Get(a.srv.URL)
	require.Error(t, err)
	_, err = (&http.Client{Transport: a.srv.Transport()}).Get(a.srv.URL)
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestWithListener(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", ":0"} {
		l, err := net.Listen("tcp", addr)
		require.NoError(t, err)
		a := newAPI(t, connectlinkstest.WithListener(l))
		_, port, err := net.SplitHostPort(l.Addr().String())
		require.NoError(t, err)
		assert.Contains(t, []string{"http://127.0.0.1:" + port, "http://localhost:" + port}, a.srv.URL)
		a.source()
		a.srv.Close()
		_, err = l.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
	}
}
