package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// newMove returns a server with nothing in it, for a command without a kind.
func newMove(t *testing.T) *world {
	w := &world{Server: connectlinkstest.NewServer()}
	t.Cleanup(w.Close)
	return w
}

// add makes a connection without a link, in the first workspace or in a group.
func (w *world) add(t *testing.T, kind connectlinkstest.Kind, typ, name, group string) {
	t.Helper()
	_, err := w.AddConnection(connectlinkstest.Seed{Kind: kind, Type: typ, GroupID: group, Submission: connectlinkstest.Submission{Name: name}})
	require.NoError(t, err)
}

// makeLink makes a V1 link.
func (w *world) makeLink(t *testing.T, kind, typ string) link {
	t.Helper()
	l, err := newKind(options{kind: kind}, w.Client()).create(t.Context(), connectlinks.CreateConnectLinkParams{Type: typ})
	require.NoError(t, err)
	return l
}

// migrate runs linkctl migrate, which sends nothing but GET.
func (w *world) migrate(t *testing.T, args string, settings ...string) (stdout, stderr string, code int) {
	t.Helper()
	before := len(w.Requests())
	stdout, stderr, code = execute(t, w.linkctl("migrate"+args, settings...))
	for _, r := range w.Requests()[before:] {
		assert.Equal(t, http.MethodGet, r.Method, r.Route)
	}
	return stdout, stderr, code
}

func answers(t *testing.T, w *world, route connectlinkstest.Route, status int, body string) {
	t.Helper()
	require.NoError(t, w.Fail(connectlinkstest.Failure{Route: route, Times: -1, Status: status, Body: body}))
}

const (
	tokenWorks   = "ok  token  CENSUS_PERSONAL_ACCESS_TOKEN works on API V2\n"
	isAWorkspace = "ok  workspace  \"Sandbox\" (id 101)\n"
	allTypes     = "ok  types  V2 can link 8 of 8 types of destinations\n"
	noLinks      = "ok  links  live source links that stop working with V1: 0; live destination links that stop working with V1: 0\n"
)

func TestMigrateWithNothingLeft(t *testing.T) {
	t.Parallel()
	w := newMove(t)
	stdout, stderr, code := w.migrate(t, "")
	assert.Equal(t, tokenWorks+isAWorkspace+allTypes+"ok  sources  V2 names the group of 0 of 0 sources\n"+
		"ok  destinations V1 has 0\n"+noLinks+"\nNothing is left to do.\n", stdout)
	assert.Empty(t, stderr)
	assert.Zero(t, code)

	w.add(t, connectlinkstest.KindSource, "postgres", "Warehouse", "")
	w.add(t, connectlinkstest.KindDestination, "hubspot", "CRM", "")
	w.add(t, connectlinkstest.KindActivation, "hubspot", "CRM", w.Group())
	expired, revoked := w.makeLink(t, "source", "postgres"), w.makeLink(t, "destination", "braze")
	require.NoError(t, w.Expire(expired.ID))
	require.NoError(t, w.Revoke(revoked.ID))
	stdout, stderr, code = w.migrate(t, "")
	assert.Equal(t, tokenWorks+isAWorkspace+allTypes+
		"ok  sources  V2 names the group of 1 of 1 sources\n"+
		"  SOURCE  TYPE  NAME  GROUP\n  103  postgres  Warehouse  "+w.Group()+"\n"+
		"ok  destinations V1 has 1; activations of their types on V2: 1\n"+
		"  DESTINATION  TYPE  NAME  ACTIVATIONS\n  104  hubspot  CRM  glimmering_donkey\n"+
		noLinks+"\nNothing is left to do.\n", stdout)
	assert.Empty(t, stderr)
	assert.Zero(t, code)
}

// Another group's activations do not count. Neither do types that are not used.
func TestMigrateWithMuchLeft(t *testing.T) {
	t.Parallel()
	w := newMove(t)
	w.AddGroup("another_group")
	w.add(t, connectlinkstest.KindSource, "postgres", "Ware\x1b[2Jhouse", "")
	w.add(t, connectlinkstest.KindDestination, "hubspot", "CRM", "")
	w.add(t, connectlinkstest.KindDestination, "hubspot", "Other CRM", "")
	w.add(t, connectlinkstest.KindDestination, "salesforce", "Sales", "")
	w.add(t, connectlinkstest.KindDestination, "klaviyo", "Mail", "")
	w.add(t, connectlinkstest.KindActivation, "hubspot", "CRM", w.Group())
	w.add(t, connectlinkstest.KindActivation, "hubspot", "CRM", "another_group")
	w.add(t, connectlinkstest.KindActivation, "salesforce", "Sales", "another_group")
	used := w.makeLink(t, "destination", "hubspot")
	_, err := w.Complete(used.ID)
	require.NoError(t, err)
	require.NoError(t, w.Client().Destinations.Delete(t.Context(), w.Links()[0].ConnectionID))
	w.makeLink(t, "source", "postgres")
	w.makeLink(t, "destination", "braze")

	// V2 has lost klaviyo, braze and iterable, and cannot link google_ads.
	v2 := []map[string]any{}
	for _, name := range []string{"hubspot", "salesforce", "facebook_ads", "postgres", "google_ads"} {
		v2 = append(v2, map[string]any{"service_name": name, "creatable_via_connect_link": name != "google_ads"})
	}
	body, err := json.Marshal(map[string]any{"status": "success", "data": v2})
	require.NoError(t, err)
	answers(t, w, connectlinkstest.RouteListActivationTypes, http.StatusOK, string(body))

	stdout, stderr, code := w.migrate(t, "")
	assert.Equal(t, tokenWorks+isAWorkspace+
		"to do  types  V2 can link 4 of 8 types of destinations\n"+
		"  TYPE  ON V2  USED HERE\n"+
		"  braze  not there  yes\n"+
		"  google_ads  cannot be linked  -\n"+
		"  klaviyo  not there  yes\n"+
		"  iterable  not there  -\n"+
		"ok  sources  V2 names the group of 1 of 1 sources\n"+
		"  SOURCE  TYPE  NAME  GROUP\n"+
		"  104  postgres  Ware?[2Jhouse  wandering_aimlessly\n"+
		"to do  destinations V1 has 4; activations of their types on V2: 1\n"+
		"  DESTINATION  TYPE  NAME  ACTIVATIONS\n"+
		"  105  hubspot  CRM  glimmering_donkey\n"+
		"  106  hubspot  Other CRM  glimmering_donkey\n"+
		"  107  salesforce  Sales  none\n"+
		"  108  klaviyo  Mail  none\n"+
		"to do  links  live source links that stop working with V1: 1; live destination links that stop working with V1: 2\n"+
		"  LINK  KIND  TYPE  EXPIRES  CONNECTION\n"+
		"  114  source  postgres  TIME  -\n"+
		"  112  destination  hubspot  TIME  113\n"+
		"  115  destination  braze  TIME  -\n"+
		"\nto do\n"+
		"  1. ask the vendor what becomes of braze, which is used here: V2 makes no links for it\n"+
		"  2. ask the vendor what becomes of klaviyo, which is used here: V2 makes no links for it\n"+
		"  3. have hubspot connected again (V1 has 2, V2 has 1): linkctl create -kind activation -type hubspot -group wandering_aimlessly\n"+
		"  4. have salesforce connected again (V1 has 1, V2 has 0): linkctl create -kind activation -type salesforce -group wandering_aimlessly\n"+
		"  5. let customers finish with live source links (114), or revoke them: V2 has no links for sources\n"+
		"  6. replace live destination links (112, 115) by links of V2, and revoke them\n", stdout)
	assert.Equal(t, "linkctl: left to do: 6\n", stderr)
	assert.Equal(t, exitOther, code)
}

// What V2 says of a source's id is no more than a hint.
func TestMigrateSources(t *testing.T) {
	t.Parallel()
	const here = `"Warehouse" (postgres)`
	source := func(name, typ, group string) string {
		return fmt.Sprintf(`{"status":"success","data":{"id":103,"name":%q,"type":%q,"group_id":%q}}`, name, typ, group)
	}
	for _, tt := range []struct {
		name   string
		status int
		body   string
		row    string // of the source
		todo   string
	}{
		{"not found", 404, `{"status":404}`, "-  not found there", "find by hand the Fivetran group of source 103, " + here},
		{"of another type", 200, source("Other", "mysql", "own_group"), `-  not found there: this id is "Other" (mysql)`, "find by hand the Fivetran group of source 103, " + here},
		{"without a group", 200, source("Warehouse", "postgres", ""), "-  V2 names no group", "find by hand the Fivetran group of source 103, " + here},
		{"called otherwise", 200, source("Other", "postgres", "own_group"), `own_group  called "Other" there`, `see by hand whether V2's source 103, "Other", is this workspace's "Warehouse"`},
		{"of another group", 200, source("Warehouse", "postgres", "own_group"), "own_group", "decide which customer gets which group: this workspace has sources in own_group, wandering_aimlessly"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newMove(t)
			w.add(t, connectlinkstest.KindSource, "postgres", "Warehouse", "")
			w.add(t, connectlinkstest.KindSource, "mysql", "Shop", "")
			w.add(t, connectlinkstest.KindDestination, "hubspot", "CRM", "")
			w.add(t, connectlinkstest.KindActivation, "hubspot", "CRM", w.Group())
			require.NoError(t, w.Fail(connectlinkstest.Failure{Route: connectlinkstest.RouteGetV2Source, Status: tt.status, Body: tt.body}))
			stdout, _, code := w.migrate(t, "")
			assert.Contains(t, stdout, "  103  postgres  Warehouse  "+tt.row+"\n")
			assert.Contains(t, stdout, "  104  mysql  Shop  wandering_aimlessly")
			assert.Contains(t, stdout, "  105  hubspot  CRM  glimmering_donkey\n", "found in the other source's group")
			assert.Contains(t, stdout, "  1. "+tt.todo)
			assert.Equal(t, exitOther, code)
		})
	}
}

func TestMigrateWithoutGroup(t *testing.T) {
	t.Parallel()
	w := newMove(t)
	w.add(t, connectlinkstest.KindDestination, "hubspot", "CRM", "")
	w.add(t, connectlinkstest.KindActivation, "hubspot", "CRM", w.Group())
	stdout, _, code := w.migrate(t, "")
	assert.Contains(t, stdout, "unknown  destinations V1 has 1; their activations cannot be seen: no source names a group\n")
	assert.Contains(t, stdout, "  1. find by hand the Fivetran group for new activations\n")
	assert.Equal(t, exitOther, code)
}

func TestMigrateDestinationsWithoutType(t *testing.T) {
	t.Parallel()
	w := &world{Server: connectlinkstest.NewServer(connectlinkstest.WithAssumptions(connectlinkstest.Assumptions{NoTypeOnDestinations: true}))}
	t.Cleanup(w.Close)
	w.add(t, connectlinkstest.KindSource, "postgres", "Warehouse", "")
	w.add(t, connectlinkstest.KindDestination, "hubspot", "CRM", "")
	stdout, _, code := w.migrate(t, "")
	assert.Contains(t, stdout, "  1. find by hand what V2 has in place of destinations whose type V1 does not name\n")
	assert.Equal(t, exitOther, code)
}

func TestMigrateAfterRetirementOfV1(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 301, 404, 410} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			w := newMove(t)
			w.add(t, connectlinkstest.KindSource, "postgres", "Warehouse", "")
			w.makeLink(t, "destination", "hubspot")
			require.NoError(t, w.RetireV1(status))
			stdout, stderr, code := w.migrate(t, "")
			assert.Equal(t, tokenWorks+
				"unknown  workspace  API V1 cannot be seen: it is retired, or CENSUS_BASE_URL is wrong\n"+
				"unknown  types  the types cannot be seen: there is no API V1\n"+
				"unknown  sources  the sources cannot be seen: there is no API V1\n"+
				"unknown  destinations the destinations cannot be seen: there is no API V1\n"+
				"unknown  links  source links cannot be seen: there is no API V1; destination links cannot be seen: there is no API V1\n"+
				"\nto do\n"+
				"  1. take from your own records what V1 held: sources, destinations, and links that customers have\n"+
				"  2. find out what could not be seen here: workspace, types, sources, destinations, links\n", stdout)
			assert.Equal(t, "linkctl: left to do: 2\n", stderr)
			assert.Equal(t, exitOther, code)
		})
	}
}

// What cannot be seen does not keep the rest.
func TestMigrateInPart(t *testing.T) {
	t.Parallel()
	fails := func(route connectlinkstest.Route, status int) func(*testing.T, *world) {
		return func(t *testing.T, w *world) { answers(t, w, route, status, "") }
	}
	const (
		useToken     = "1. put a personal access token that API V2 accepts into CENSUS_PERSONAL_ACCESS_TOKEN, and run this again\n"
		useWorkspace = "1. put the workspace's API key into CENSUS_API_TOKEN, and run this again\n"
		sourceTable  = "  SOURCE  TYPE  NAME  NOTE\n  103  postgres  Warehouse  not seen\n"
	)
	for _, tt := range []struct {
		name     string
		settings []string
		fail     func(*testing.T, *world)
		out      []string
		ok       []string // rows that could be seen
	}{
		{
			name: "no personal token", settings: []string{"CENSUS_PERSONAL_ACCESS_TOKEN="},
			out: []string{
				"unknown  token  API V2 cannot be seen: CENSUS_PERSONAL_ACCESS_TOKEN is not set\n", useToken,
				"unknown  types  the types cannot be seen: CENSUS_PERSONAL_ACCESS_TOKEN is not set\n",
				"; the rest cannot be seen: CENSUS_PERSONAL_ACCESS_TOKEN is not set\n" + sourceTable,
				"unknown  destinations V1 has 1; all of their activations cannot be seen: CENSUS_PERSONAL_ACCESS_TOKEN is not set\n",
				"2. find out what could not be seen here: token, types, sources, destinations\n",
			},
			ok: []string{"workspace", "links"},
		},
		{
			name: "nobody's personal token", settings: []string{"CENSUS_PERSONAL_ACCESS_TOKEN=nobodys-token"},
			out: []string{"unknown  token  API V2 cannot be seen: the API does not know the token\n", useToken}, ok: []string{"workspace", "links"},
		},
		{
			name: "V2 is forbidden", fail: fails(connectlinkstest.RouteListActivations, 403),
			out: []string{
				"unknown  token  API V2 cannot be seen: the token may not do this\n", useToken,
				"2. if it is one, ask the vendor to switch V2, a public preview, on for your organization\n",
			},
			ok: []string{"workspace", "links"},
		},
		{
			name: "no workspace key", settings: []string{"CENSUS_API_TOKEN="},
			out: []string{
				"unknown  workspace  API V1 cannot be seen: CENSUS_API_TOKEN is not set\n", useWorkspace,
				"2. find out what could not be seen here: workspace, types, sources, destinations, links\n",
			},
			ok: []string{"token"},
		},
		{
			name: "no token at all", settings: []string{"CENSUS_API_TOKEN=", "CENSUS_PERSONAL_ACCESS_TOKEN="},
			out: []string{"CENSUS_PERSONAL_ACCESS_TOKEN is not set\n", "CENSUS_API_TOKEN is not set\n"},
		},
		{
			name: "V1 has a bad day", fail: fails(connectlinkstest.RouteGetCurrentWorkspace, 500),
			out: []string{"unknown  workspace  API V1 cannot be seen: the API reports an error of its own\n", "  1. find out"}, ok: []string{"token"},
		},
		{
			name: "types are forbidden", fail: fails(connectlinkstest.RouteListDestinationTypes, 403),
			out: []string{"unknown  types  the types cannot be seen: the token may not do this\n", "  1. find out what could not be seen here: types\n"},
			ok:  []string{"token", "workspace", "sources", "destinations", "links"},
		},
		{
			name: "sources are forbidden", fail: fails(connectlinkstest.RouteListSources, 403),
			out: []string{"unknown  sources  the sources cannot be seen: the token may not do this\n"},
			ok:  []string{"token", "workspace", "types", "links"},
		},
		{
			name: "sources of V2 are forbidden", fail: fails(connectlinkstest.RouteGetV2Source, 403),
			out: []string{
				"unknown  sources  V2 names the group of 0 of 1 sources; the rest cannot be seen: the token may not do this\n" + sourceTable,
				"unknown  destinations V1 has 1; all of their activations cannot be seen: the token may not do this\n",
				"  1. find out what could not be seen here: sources, destinations\n",
			},
			ok: []string{"token", "workspace", "types", "links"},
		},
		{
			name: "destinations are forbidden", fail: fails(connectlinkstest.RouteListDestinations, 403),
			out: []string{"unknown  destinations the destinations cannot be seen: the token may not do this\n"},
			ok:  []string{"token", "workspace", "types", "sources", "links"},
		},
		{
			name: "source links are forbidden", fail: fails(connectlinkstest.RouteListSourceConnectLinks, 403),
			out: []string{"unknown  links  source links cannot be seen: the token may not do this; live destination links that stop working with V1: 0\n"},
			ok:  []string{"token", "workspace", "types", "sources", "destinations"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newMove(t)
			w.add(t, connectlinkstest.KindSource, "postgres", "Warehouse", "")
			w.add(t, connectlinkstest.KindDestination, "hubspot", "CRM", "")
			w.add(t, connectlinkstest.KindActivation, "hubspot", "CRM", w.Group())
			if tt.fail != nil {
				tt.fail(t, w)
			}
			stdout, stderr, code := w.migrate(t, "", tt.settings...)
			for _, text := range tt.out {
				assert.Contains(t, stdout, text)
			}
			var ok []string
			for line := range strings.Lines(stdout) {
				if row, found := strings.CutPrefix(line, "ok "); found {
					ok = append(ok, strings.Fields(row)[0])
				}
			}
			assert.Equal(t, tt.ok, ok, stdout)
			assert.Regexp(t, `^linkctl: left to do: \d\n$`, stderr)
			assert.Equal(t, exitOther, code)
		})
	}
}

// docs/migrate.md shows what migrate prints.
func TestMigrateAsDocumented(t *testing.T) {
	t.Parallel()
	w := newMove(t)
	w.add(t, connectlinkstest.KindSource, "postgres", "Warehouse", "")
	w.add(t, connectlinkstest.KindDestination, "hubspot", "CRM", "")
	w.makeLink(t, "destination", "hubspot")
	stdout, stderr, _ := w.migrate(t, "")
	page, err := os.ReadFile("../../docs/migrate.md")
	require.NoError(t, err)
	shown := steady(strings.ReplaceAll(string(page), "\n   ", "\n")) // it is in a list
	assert.Contains(t, shown, "linkctl migrate\n"+stdout+stderr)
}

func TestMigrateJSON(t *testing.T) {
	t.Parallel()
	w := newMove(t)
	w.add(t, connectlinkstest.KindSource, "postgres", "Warehouse", "")
	w.add(t, connectlinkstest.KindDestination, "hubspot", "CRM", "")
	l := w.makeLink(t, "source", "postgres")
	stdout, stderr, code := w.migrate(t, " -json")
	assert.Equal(t, "linkctl: left to do: 2\n", stderr)
	assert.Equal(t, exitOther, code)
	var r report
	require.NoError(t, json.Unmarshal([]byte(strings.ReplaceAll(stdout, "TIME", "2026-01-02T03:04:05Z")), &r), stdout)
	assert.Equal(t, statusOK, r.Token.Status)
	assert.Equal(t, `"Sandbox" (id 101)`, r.Workspace.Found)
	assert.Len(t, r.Types.Items, 8)
	assert.Equal(t, movedType{Name: "hubspot", OnV2: true, Linkable: true, Used: true}, r.Types.Items[0])
	assert.Equal(t, []movedSource{{ID: "103", Type: "postgres", Name: "Warehouse", GroupID: w.Group()}}, r.Sources.Items)
	assert.Equal(t, []movedDestination{{ID: "104", Type: "hubspot", Name: "CRM", Activations: []string{}}}, r.Destinations.Items)
	require.Len(t, r.Links.Items, 1)
	assert.Equal(t, l.ID, r.Links.Items[0].ID)
	assert.Equal(t, "source", r.Links.Items[0].Kind)
	assert.Len(t, r.ToDo, 2)

	stdout, _, code = newMove(t).migrate(t, " -json")
	assert.Contains(t, stdout, `"to_do": []`)
	assert.Zero(t, code)
}

func TestMigrateInterrupted(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no os.Interrupt to send")
	}
	asked := make(chan struct{}, 100)
	w := &world{Server: connectlinkstest.NewServer(connectlinkstest.WithRequestLog(func(r connectlinkstest.Request) {
		if r.Route == connectlinkstest.RouteListSources {
			asked <- struct{}{}
		}
	}))}
	t.Cleanup(w.Close)
	w.add(t, connectlinkstest.KindSource, "postgres", "Warehouse", "")
	require.NoError(t, w.Fail(connectlinkstest.Failure{Route: connectlinkstest.RouteGetV2Source, Times: -1, Hang: true}))
	c := w.linkctl("migrate")
	cmd := c.process(t)
	require.NoError(t, cmd.Start())
	<-asked
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	stdout, stderr, code := c.finish(t, cmd)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "linkctl: interrupted\n")
	assert.Equal(t, exitInterrupted, code)
}

func TestMigrateOnSandbox(t *testing.T) {
	t.Parallel()
	stdout, stderr, code := execute(t, linkctl("migrate"))
	assert.Contains(t, stderr, "this is a sandbox")
	assert.Contains(t, stdout, "ok  sources  V2 names the group of 1 of 1 sources\n")
	assert.Contains(t, stdout, "have hubspot connected again")
	assert.Equal(t, exitOther, code)
}
