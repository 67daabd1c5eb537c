package connectlinkstest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// control is an API whose levers are served too; they need no token.
func control(t *testing.T, opts ...connectlinkstest.Option) api {
	return inMemory(t, append(opts, connectlinkstest.WithControl())...).as("")
}

// lever sends a body, which may be empty, to a lever and wants this status.
func (a api) lever(status int, method, path, body string) map[string]any {
	a.t.Helper()
	return a.sent(status, method, path, body, http.Header{"Content-Type": {"application/json"}})
}

// sent is lever with these headers; Host is the host.
func (a api) sent(status int, method, path, body string, header http.Header) map[string]any {
	a.t.Helper()
	req := a.request(method, "/_sandbox/"+path, body)
	req.Host = header.Get("Host")
	req.Header = header.Clone()
	req.Header.Del("Host")
	resp, err := a.http.Do(req)
	require.NoError(a.t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(a.t, err)
	require.Equal(a.t, status, resp.StatusCode, string(answer))
	var object map[string]any
	require.NoError(a.t, json.Unmarshal(answer, &object), string(answer))
	assert.Empty(a.t, resp.Header.Get("Access-Control-Allow-Origin"))
	assert.Equal(a.t, "no-store", resp.Header.Get("Cache-Control"))
	assert.Equal(a.t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
	assert.Equal(a.t, "same-origin", resp.Header.Get("Cross-Origin-Resource-Policy"))
	return object
}

func (a api) state() map[string]any {
	a.t.Helper()
	return a.lever(http.StatusOK, "GET", "state", "")
}

// of returns a list of the state.
func of(state map[string]any, list string) []any { return state[list].([]any) }

func TestControlLinks(t *testing.T) {
	a := control(t)
	owner := a.as(a.srv.Token())
	first, second := owner.destination(), owner.destination()

	made := a.lever(http.StatusOK, "POST", "links/"+id(first, "id")+"/complete", `{"name":"Acme","failed_test":"no access"}`)
	assert.Equal(t, "Acme", made["name"])
	assert.Equal(t, "destination", made["kind"])
	conn := owner.get("/api/v1/destinations/" + id(made, "id"))["data"].(map[string]any)
	assert.Equal(t, "Acme", conn["name"])
	assert.Equal(t, false, conn["last_test_succeeded"])

	path := "links/" + id(second, "id")
	assert.Equal(t, 1.0, a.lever(http.StatusOK, "POST", path+"/cancel", "")["cancelled"])
	assert.Equal(t, "expired", a.lever(http.StatusOK, "POST", path+"/expire", "{}")["state"])
	assert.Equal(t, "revoked", a.lever(http.StatusOK, "POST", path+"/revoke", "")["state"])

	links := of(a.state(), "links")
	require.Len(t, links, 2)
	assert.Equal(t, "completed", links[0].(map[string]any)["state"])
	assert.Equal(t, made["id"], links[0].(map[string]any)["connection_id"])
	assert.Equal(t, second["uri"], links[1].(map[string]any)["uri"])
	connections := of(a.state(), "connections")
	require.Len(t, connections, 1)
	assert.Equal(t, "Acme", connections[0].(map[string]any)["name"])

	// A source, with a field of its own that the tests refuse, and one that it does not have.
	source := "links/" + id(owner.source(), "id") + "/complete"
	a.lever(http.StatusUnprocessableEntity, "POST", source, `{"fields":{"hostname":"wrong"}}`)
	wrong := a.lever(http.StatusUnprocessableEntity, "POST", source, `{"fields":{"nonsense":"x"}}`)
	assert.Contains(t, wrong["error"], `"nonsense"`)

	dead := a.lever(http.StatusConflict, "POST", "links/"+id(first, "id")+"/complete", "")
	assert.Contains(t, dead["error"], "used already")
	for _, unknown := range []string{"999", "nonsense"} {
		for _, lever := range []string{"complete", "cancel", "expire", "revoke"} {
			answer := a.lever(http.StatusNotFound, "POST", "links/"+unknown+"/"+lever, "")
			assert.Contains(t, answer["error"], unknown)
		}
	}
}

func TestControlFailures(t *testing.T) {
	a := control(t)
	owner := a.as(a.srv.Token())
	a.lever(http.StatusCreated, "POST", "failures",
		`{"route":"POST /api/v1/source_connect_links","times":2,"status":429,"header":{"retry-after":["2"]},"body":"{}"}`)
	other := a.lever(http.StatusCreated, "POST", "workspaces", `{"name":"Acme"}`)["token"].(string)
	a.lever(http.StatusCreated, "POST", "failures", fmt.Sprintf(`{"token":%q,"status":503,"times":-1}`, other))

	resp, _ := owner.raw("POST", "/api/v1/source_connect_links", `{"type":"postgres"}`)
	assert.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
	assert.Equal(t, "2", resp.Header.Get("Retry-After"))
	owner.get("/api/v1/workspace")
	resp, _ = a.as(other).raw("GET", "/api/v1/workspace", "")
	assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)

	failures := of(a.state(), "failures")
	require.Len(t, failures, 2)
	assert.Equal(t, []any{1.0, 1.0}, []any{failures[0].(map[string]any)["fired"], failures[0].(map[string]any)["left"]})
	owner.raw("POST", "/api/v1/source_connect_links", `{"type":"postgres"}`)
	owner.source()
	failures = of(a.state(), "failures")
	require.Len(t, failures, 2)
	assert.Equal(t, []any{2.0, 0.0}, []any{failures[0].(map[string]any)["fired"], failures[0].(map[string]any)["left"]}, "it is used up, and still shown")

	a.lever(http.StatusOK, "DELETE", "failures", "")
	assert.Empty(t, of(a.state(), "failures"))
	a.as(other).get("/api/v1/workspace")

	a.lever(http.StatusCreated, "POST", "failures", `{"delay":"1ms","drip":"2us","cut":true}`)
	failure := of(a.state(), "failures")[0].(map[string]any)
	assert.Equal(t, []any{"1ms", "2µs", true}, []any{failure["delay"], failure["drip"], failure["cut"]})
}

// The state shows the last 100 failures that are used up, not all.
func TestControlFailuresBounded(t *testing.T) {
	a := control(t)
	for i := range 103 {
		a.lever(http.StatusCreated, "POST", "failures", fmt.Sprintf(`{"status":%d}`, 300+i))
		a.raw("GET", "/api/v1/workspace", "")
	}
	failures := of(a.state(), "failures")
	require.Len(t, failures, 100)
	assert.Equal(t, 402.0, failures[99].(map[string]any)["status"])
}

func TestControlServer(t *testing.T) {
	a := control(t)
	owner := a.as(a.srv.Token())

	// The clock.
	link := owner.destination()
	before := a.srv.Now()
	a.lever(http.StatusOK, "POST", "clock", `{"advance":"25h"}`)
	assert.WithinRange(t, a.srv.Now(), before.Add(25*time.Hour), before.Add(26*time.Hour))
	assert.Equal(t, true, owner.get("/api/v1/destination_connect_links/" + id(link, "id"))["data"].(map[string]any)["expired"])
	now := a.lever(http.StatusOK, "POST", "clock", `{"now":"2027-01-16T00:00:00Z"}`)["now"].(string)
	assert.True(t, strings.HasPrefix(now, "2027-01-16T00:"), now)

	// Customers, and what they have.
	acme := a.lever(http.StatusCreated, "POST", "workspaces", `{"name":"Acme"}`)
	customer := a.as(acme["token"].(string))
	assert.Equal(t, "Acme", customer.get("/api/v1/workspace")["data"].(map[string]any)["name"])
	seeded := a.lever(http.StatusCreated, "POST", "connections", fmt.Sprintf(
		`{"kind":"source","type":"postgres","workspace_id":%v,"created_at":"2026-01-02T03:04:05Z","name":"Old","fields":{"hostname":"db"}}`, acme["id"]))
	source := customer.get("/api/v1/sources/" + id(seeded, "id"))["data"].(map[string]any)
	assert.Equal(t, "Old", source["name"])
	assert.Equal(t, "2026-01-02T03:04:05.000Z", source["created_at"])
	rotated := a.lever(http.StatusOK, "POST", "rotate-token", fmt.Sprintf(`{"workspace_id":%v}`, acme["id"]))["token"].(string)
	customer.do(http.StatusUnauthorized, "GET", "/api/v1/workspace", "")
	a.as(rotated).get("/api/v1/workspace")

	// Groups and types.
	a.lever(http.StatusCreated, "POST", "groups", `{"id":"shy_owl","hidden":true}`)
	a.lever(http.StatusCreated, "POST", "types",
		`{"kind":"source","service_name":"abacus","label":"Abacus","fields":[{"id":"beads","type":"integer","required":true}]}`)
	abacus := owner.get("/api/v1/source_types/abacus")["data"].(map[string]any)
	assert.Equal(t, "Abacus", abacus["label"])
	owner.create("/api/v1/source_connect_links", `{"type":"abacus"}`)
	a.lever(http.StatusCreated, "POST", "types", `{"kind":"destination","service_name":"sundial"}`)
	owner.create("/api/v1/destination_connect_links", `{"type":"sundial"}`)

	// What the API answers.
	a.lever(http.StatusOK, "POST", "retire-v1", `{"status":410}`)
	owner.do(http.StatusGone, "GET", "/api/v1/workspace", "")
	state := a.state()
	assert.Equal(t, 410.0, state["retired_v1_status"])
	assert.Contains(t, state["groups"], map[string]any{"id": "shy_owl", "hidden": true})
	a.lever(http.StatusOK, "POST", "retire-v1", `{"status":0}`)
	a.lever(http.StatusOK, "POST", "rate-limit", `{"per_second":0.001}`)
	owner.get("/api/v1/workspace")
	owner.do(http.StatusTooManyRequests, "GET", "/api/v1/workspace", "")

	// The log has the API's requests, and not the levers'.
	requests := of(a.lever(http.StatusOK, "GET", "requests", ""), "requests")
	require.NotEmpty(t, requests)
	for _, r := range requests {
		assert.NotContains(t, r.(map[string]any)["path"], "_sandbox")
	}
	last := requests[len(requests)-1].(map[string]any)
	assert.Equal(t, []any{429.0, "/api/v1/workspace", "Sandbox"}, []any{last["status"], last["path"], last["caller"]})
	_, err := time.ParseDuration(last["duration"].(string))
	assert.NoError(t, err)
}

// Reset brings the same tokens back, also those that were rotated.
func TestControlReset(t *testing.T) {
	a := control(t, connectlinkstest.WithToken("secret-token:fixed"), connectlinkstest.WithPersonalToken("mine"),
		connectlinkstest.WithWorkspace("Acme", "secret-token:acme"), connectlinkstest.WithWorkspace("Umbrella", ""))
	atStart := a.state()
	assert.Equal(t, "mine", atStart["personal_token"])
	require.Len(t, of(atStart, "workspaces"), 3)
	tokens := map[string]any{}
	for _, ws := range of(atStart, "workspaces") {
		ws := ws.(map[string]any)
		tokens[ws["name"].(string)] = ws["token"]
	}
	assert.Equal(t, "secret-token:fixed", tokens["Sandbox"])
	assert.Equal(t, "secret-token:acme", tokens["Acme"])
	assert.Regexp(t, `^secret-token:\w{20,}$`, tokens["Umbrella"])

	for path, body := range map[string]string{
		"workspaces": `{"name":"Extra"}`, "failures": `{"status":500,"times":2}`, "groups": `{"id":"extra"}`,
		"connections": `{"kind":"source","type":"postgres"}`, "types": `{"kind":"source","service_name":"abacus"}`,
	} {
		a.lever(http.StatusCreated, "POST", path, body)
	}
	for path, body := range map[string]string{
		"clock": `{"advance":"25h"}`, "rate-limit": `{"per_second":9}`, "retire-v1": `{"status":410}`,
		"rotate-token": fmt.Sprintf(`{"workspace_id":%v}`, of(atStart, "workspaces")[0].(map[string]any)["id"]),
	} {
		a.lever(http.StatusOK, "POST", path, body)
	}
	a.raw("GET", "/api/v1/workspace", "")
	answered := a.lever(http.StatusOK, "POST", "reset", "")
	afterwards := a.state()
	for _, state := range []map[string]any{atStart, answered, afterwards} {
		delete(state, "now")
	}
	assert.Equal(t, atStart, afterwards)
	assert.Equal(t, atStart, answered)
	assert.Empty(t, of(a.lever(http.StatusOK, "GET", "requests", ""), "requests"))
	a.as("secret-token:fixed").do(http.StatusOK, "GET", "/api/v1/workspace", "")
}

func TestControlRefusesFields(t *testing.T) {
	a := control(t)
	link := id(a.as(a.srv.Token()).source(), "id")
	before := a.state()
	for _, test := range []struct{ path, body, names string }{
		{"links/" + link + "/complete", `{"nam":"x"}`, `"nam"`},
		{"links/" + link + "/cancel", `{"why":"x"}`, `"why"`},
		{"failures", `{"status":"429"}`, "status"},
		{"failures", `{"status":42}`, "42"},
		{"failures", `{"route":"GET /nowhere"}`, "GET /nowhere"},
		{"failures", `{"delay":"soon"}`, `"soon"`},
		{"failures", `{"delay":5}`, "delay"},
		{"failures", `{"retry_after":5}`, `"retry_after"`},
		{"failures", `{"token":"not-one-of-ours","status":500}`, "Token"},
		{"clock", `{}`, "advance"},
		{"clock", `{"advance":"1h","now":"2027-01-16T00:00:00Z"}`, "advance"},
		{"clock", `{"advance":"1 day"}`, `"1 day"`},
		{"clock", `{"now":"tomorrow"}`, `"tomorrow"`},
		{"clock", `{"now":7}`, "7 is not a time"},
		{"clock", `{"now":"9999-01-01T00:00:00Z"}`, "9999"},
		{"clock", `{"advance":"2500000h"}`, "year"},
		{"workspaces", `{"name":""}`, "name"},
		{"workspaces", `[]`, "not a JSON object"},
		{"groups", ``, "id"},
		{"types", `{"kind":"source"}`, "service_name"},
		{"types", `{"kind":"activation","service_name":"x"}`, `"activation"`},
		{"types", `{"kind":"source","service_name":"x","fields":[{}]}`, "id"},
		{"types", `{"kind":"source","service_name":"x","fields":[{"id":"f","type":"date"}]}`, `"date"`},
		{"connections", `{"kind":"source","type":"nonsense"}`, `"nonsense"`},
		{"connections", `{"kind":"source","type":"postgres","workspace_id":5}`, "5"},
		{"connections", `{"kind":"pipe"}`, `"pipe"`},
		{"rotate-token", `{"workspace_id":5}`, "5"},
		{"rate-limit", `{}`, "per_second"},
		{"rate-limit", `{"per_second":-1}`, "-1"},
		{"retire-v1", `{}`, "status"},
		{"retire-v1", `{"status":42}`, "42"},
		{"reset", `{"hard":true}`, `"hard"`},
	} {
		answer := a.lever(http.StatusUnprocessableEntity, "POST", test.path, test.body)
		assert.Contains(t, answer["error"], test.names, "%s %s", test.path, test.body)
	}
	a.lever(http.StatusBadRequest, "POST", "failures", `{"status":`)
	a.lever(http.StatusRequestEntityTooLarge, "POST", "workspaces", `{"name":"`+strings.Repeat("x", 1<<20)+`"}`)
	unknown := a.lever(http.StatusNotFound, "POST", "nonsense", `{}`)
	assert.Contains(t, unknown["error"], "POST /_sandbox/nonsense")
	a.lever(http.StatusNotFound, "PUT", "state", `{}`)
	after := a.state()
	delete(before, "now")
	delete(after, "now")
	assert.Equal(t, before, after, "nothing that was refused has changed anything")
}

func TestControlAdmits(t *testing.T) {
	a := inMemory(t, connectlinkstest.WithControl("sandbox.test")).as("")
	for _, test := range []struct {
		name   string
		status int
		header map[string]string
	}{
		{"localhost", 200, nil},
		{"loopback", 200, map[string]string{"Host": "127.0.0.1:4010"}},
		{"all of loopback", 200, map[string]string{"Host": "127.9.9.9"}},
		{"IPv6", 200, map[string]string{"Host": "[::1]:4010"}},
		{"IPv6 without a port", 200, map[string]string{"Host": "[::1]"}},
		{"below localhost", 200, map[string]string{"Host": "Acme.LocalHost:4010"}},
		{"named", 200, map[string]string{"Host": "Sandbox.test:80"}},
		{"its own page", 200, map[string]string{"Host": "localhost:1", "Origin": "http://localhost:1", "Sec-Fetch-Site": "same-origin"}},
		{"behind TLS", 200, map[string]string{"Host": "sandbox.test", "Origin": "https://sandbox.test"}},
		{"the address bar", 200, map[string]string{"Sec-Fetch-Site": "none"}},
		{"rebound DNS", 403, map[string]string{"Host": "evil.test:4010", "Origin": "http://evil.test:4010", "Sec-Fetch-Site": "same-origin"}},
		{"a private network", 403, map[string]string{"Host": "192.168.0.7:4010"}},
		{"looks like loopback", 403, map[string]string{"Host": "localhost.evil.test"}},
		{"ends like a name", 403, map[string]string{"Host": "evil-sandbox.test"}},
		{"begins like a name", 403, map[string]string{"Host": "sandbox.test.evil.test"}},
		{"ends like localhost", 403, map[string]string{"Host": "evil-localhost:4010"}},
		{"all addresses", 403, map[string]string{"Host": "0.0.0.0:4010"}},
		{"no host", 403, map[string]string{"Host": ":4010"}},
		{"another port", 403, map[string]string{"Host": "localhost:1", "Origin": "http://localhost:2"}},
		{"another site", 403, map[string]string{"Origin": "https://evil.test"}},
		{"an opaque origin", 403, map[string]string{"Origin": "null"}},
		{"a cross-site image", 403, map[string]string{"Sec-Fetch-Site": "cross-site"}},
		{"another port's script", 403, map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}},
		{"a cross-site navigation", 403, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for path, method := range map[string]string{"state": "GET", "requests": "GET", "reset": "POST", "failures": "DELETE"} {
				header := http.Header{"Content-Type": {"application/json"}}
				for name, v := range test.header {
					header.Set(name, v)
				}
				a := a
				a.t = t
				answer := a.sent(test.status, method, path, "", header)
				if test.status != 200 {
					assert.NotContains(t, fmt.Sprint(answer), a.srv.Token())
				}
			}
		})
	}
}

// A form, or a script without a preflight request, cannot send JSON.
func TestControlContentType(t *testing.T) {
	a := control(t)
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
		header := http.Header{}
		if kind != "" {
			header.Set("Content-Type", kind)
		}
		for _, path := range []string{"workspaces", "reset"} {
			a.sent(http.StatusUnsupportedMediaType, "POST", path, `{"name":"Acme"}`, header)
		}
	}
	a.sent(http.StatusCreated, "POST", "workspaces", `{"name":"Acme"}`, http.Header{"Content-Type": {"Application/JSON; charset=utf-8"}})
	assert.Len(t, a.srv.Workspaces(), 2)
}

// The levers go on when the API fails, is limited or retired.
func TestControlApart(t *testing.T) {
	a := control(t)
	require.NoError(t, a.srv.RetireV1(410))
	require.NoError(t, a.srv.RateLimit(0.001))
	require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Status: 500, Times: -1}))
	for range 3 {
		a.state()
	}
	assert.Empty(t, a.srv.Requests())
	assert.Len(t, a.srv.Unfired(), 1)
}

func TestControlOffByDefault(t *testing.T) {
	a := inMemory(t)
	a.as("").do(http.StatusNotFound, "GET", "/_sandbox/state", "")
	a.as("").do(http.StatusNotFound, "POST", "/_sandbox/reset", "{}")
	resp, body := a.as("").raw("GET", "/healthz", "")
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, "ok\n", body)
	a.as("").do(http.StatusNotFound, "GET", "/", "")
}

func TestTokensAreChecked(t *testing.T) {
	for name, opt := range map[string]connectlinkstest.Option{
		"WithToken":         connectlinkstest.WithToken("two words"),
		"WithPersonalToken": connectlinkstest.WithPersonalToken(""),
		"WithWorkspace":     connectlinkstest.WithWorkspace("Acme", "line\nbreak"),
	} {
		assert.PanicsWithValue(t, "connectlinkstest: "+name+": that is not a token", func() { connectlinkstest.NewServer(opt) })
	}
}

func TestAssumptionsSet(t *testing.T) {
	var a connectlinkstest.Assumptions
	word := regexp.MustCompile(`([a-z])([A-Z])`)
	set := 0
	var fill func(v reflect.Value, prefix string)
	fill = func(v reflect.Value, prefix string) {
		for i := range v.NumField() {
			field := v.Field(i)
			name := prefix + strings.ToLower(word.ReplaceAllString(v.Type().Field(i).Name, "${1}_$2"))
			value := map[reflect.Kind]string{reflect.Bool: "true", reflect.Int: "404", reflect.Int64: "2s"}[field.Kind()]
			if field.Kind() == reflect.Struct {
				fill(field, name+"_")
				continue
			}
			require.NoError(t, a.Set(name, value))
			assert.False(t, field.IsZero(), name)
			set++
			for _, wrong := range []string{"", "maybe", "-1", "-2s"} {
				assert.ErrorContains(t, a.Set(name, wrong), name)
			}
		}
	}
	fill(reflect.ValueOf(&a).Elem(), "")
	assert.Equal(t, 2*time.Second, a.ListDelay.Time)
	assert.ErrorContains(t, a.Set("unknown_type_status", "42"), "unknown_type_status")
	assert.ErrorContains(t, a.Set("nonsense", "true"), "there are announce_retirement, ")

	assumed := control(t, connectlinkstest.WithAssumptions(a)).state()["assumptions"].(map[string]any)
	assert.Len(t, assumed, set)
	assert.Equal(t, []any{404.0, true, "2s"}, []any{assumed["unknown_type_status"], assumed["word_status"], assumed["list_delay_time"]})
}
