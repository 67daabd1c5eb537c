package connectlinks_test

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// linkJSON is testkit.LinkJSON, with one field replaced or, by "", left out.
func linkJSON(field, value string) string {
	var out []string
	for _, f := range strings.Split(strings.Trim(testkit.LinkJSON, "{}"), `,"`) {
		f = `"` + strings.TrimPrefix(f, `"`)
		if !strings.HasPrefix(f, `"`+field+`":`) {
			out = append(out, f)
		}
	}
	if value != "" {
		out = append(out, `"`+field+`":`+value)
	}
	return "{" + strings.Join(out, ",") + "}"
}

// linkWith is the answer with this link.
func linkWith(field, value string) string { return testkit.Envelope("created", linkJSON(field, value)) }

// whole is the answer with testkit.LinkJSON.
const whole = `{"status":"created","data":` + testkit.LinkJSON + `}`

func TestNothingEmptyIsASuccess(t *testing.T) {
	t.Parallel()
	type unusable struct {
		name   string
		status int
		body   string
		answer int // StatusCode of the APIError; 0: ErrBadResponse
	}
	tests := []unusable{
		{"null", 201, `null`, 0},
		{"an empty object", 201, `{}`, 0},
		{"an empty list", 201, `[]`, 0},
		{"a string", 201, `"created"`, 0},
		{"a number", 201, `1`, 0},
		{"true", 201, `true`, 0},
		{"nothing", 201, ``, 0},
		{"blanks", 201, " \r\n\t ", 0},
		{"nothing, 204", 204, ``, 0},
		{"nothing, 202", 202, ``, 0},
		{"nothing, 205", 205, ``, 0},
		{"HTML", 200, testkit.HTML, 0},
		{"truncated", 201, whole[:len(whole)-1], 0},
		{"truncated in the link", 201, whole[:len(whole)/2], 0},
		{"garbage behind", 201, whole + "x", 0},
		{"another object behind", 201, whole + whole, 0},
		{"HTML behind", 201, whole + testkit.HTML, 0},
		{"garbage before", 201, ")]}'\n" + whole, 0},
		{"brackets", 201, strings.Repeat("[", 100_000), 0},
		{"no data", 201, `{"status":"created"}`, 0},
		{"null data", 201, `{"status":"created","data":null}`, 0},
		{"empty data", 201, `{"status":"created","data":{}}`, 0},
		{"a list for data", 201, `{"status":"created","data":[` + testkit.LinkJSON + `]}`, 0},
		{"a string for data", 201, `{"status":"created","data":"` + "https://app.getcensus.com/pbc?auth=x" + `"}`, 0},
		{"without the envelope", 201, testkit.LinkJSON, 0},
		{"no id", 201, linkWith("id", ""), 0},
		{"null id", 201, linkWith("id", "null"), 0},
		{"id 0", 201, linkWith("id", "0"), 0},
		{"negative id", 201, linkWith("id", "-1"), 0},
		{"broken id", 201, linkWith("id", "1.5"), 0},
		{"huge id", 201, linkWith("id", "92233720368547758080"), 0},
		{"an object for the id", 201, linkWith("id", "{}"), 0},
		{"no URL", 201, linkWith("uri", ""), 0},
		{"null URL", 201, linkWith("uri", "null"), 0},
		{"empty URL", 201, linkWith("uri", `""`), 0},
		{"blank URL", 201, linkWith("uri", `" "`), 0},
		{"relative URL", 201, linkWith("uri", `"/pbc?auth=x"`), 0},
		{"the names of another client", 201, `{"status":"created","data":{"id":469,"type":"hubspot","url":"https://app.getcensus.com/pbc?auth=x","expires_at":"2023-07-22T23:42:47.239Z"}}`, 0},
		{"a number for a URL", 201, linkWith("uri", `1`), 0},
		{"revoked, but not said how", 201, linkWith("revoked", `"perhaps"`), 0},

		{"a failure by word", 200, `{"status":"error"}`, 200},
		{"a failure by word, with a link", 201, `{"status":"error","data":` + testkit.LinkJSON + `}`, 201},
		{"not_found", 200, `{"status":"not_found"}`, 404},
		{"not_found, with a link", 200, `{"status":"not_found","data":` + testkit.LinkJSON + `}`, 404},
		{"404", 200, `{"status":404}`, 404},
		{"404, in a string", 200, `{"status":"404","message":"nobody home"}`, 404},
		{"422, in a string", 200, `{"status":"422"}`, 422},
		{"400, with a link", 201, `{"status":400,"data":` + testkit.LinkJSON + `}`, 400},
		{"403", 200, `{"status":403,"data":null}`, 403},
		{"500", 200, `{"status":500}`, 500},
		{"503, in a string", 200, `{"status":"503"}`, 503},

		{"300 and nothing more", 300, ``, 300},
		{"304", 304, ``, 304},
		{"305", 305, whole, 305},
		{"306 with a link", 306, whole, 306},
		{"399", 399, whole, 399},
		{"404 with a link", 404, whole, 404},
		{"500 with a link", 500, whole, 500},
	}
	for _, odd := range oddTimes {
		tests = append(tests, unusable{"expiration " + odd[:min(len(odd), 30)], 201, linkWith("expiration", odd), 0})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				calls++
				return testkit.Response(r, tt.status, tt.body), nil
			})
			c := testkit.Client(t, rt, testkit.NoRetries)
			ops := slices.Concat(testkit.Creates(), testkit.Gets(), testkit.Revokes())
			for _, op := range ops {
				calls = 0
				id, err := op.LinkID(t.Context(), c)
				require.Error(t, err, op.Name)
				assert.Zero(t, id, op.Name)
				unknown := op.Creates && (tt.status < 300 || tt.status >= 500)
				testkit.Error{Status: tt.answer, Bad: tt.answer == 0, Unknown: unknown}.Check(t, err, op)
				if op.Creates {
					assert.Equal(t, 1, calls, op.Name)
				}
			}
		})
	}
	// Only what the table changes makes the difference.
	rt := testkit.Respond(201, linkWith("id", "7"))
	link, err := testkit.Client(t, rt).Sources.CreateConnectLink(t.Context(), testkit.Params)
	require.NoError(t, err)
	assert.EqualValues(t, 7, link.ID)
}

// An answer that changes protocols is an error, and its connection is closed.
func TestAnswer101(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewNetwork(t, false)
		c := n.Client(t, testkit.NoRetries)
		for _, op := range testkit.LinkCalls() {
			n.API.Begin(testkit.After(func(w http.ResponseWriter, _ *http.Request) {
				conn := testkit.Hijack(w)
				_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: links\r\n\r\n"+testkit.LinkJSON)
				_, _ = io.Copy(io.Discard, conn) // until the other end goes away, or this test hangs
				_ = conn.Close()
			}))
			start := time.Now()
			id, err := op.LinkID(t.Context(), c)
			require.Error(t, err, op.Name)
			assert.Zero(t, id, op.Name)
			assert.Zero(t, time.Since(start), op.Name)
			var answer *connectlinks.APIError
			if assert.ErrorAs(t, err, &answer, op.Name) {
				assert.Equal(t, 101, answer.StatusCode)
			}
			assert.Equal(t, op.Creates, errors.Is(err, connectlinks.ErrOutcomeUnknown), op.Name)
			n.API.CheckSeen(t, op, 1, op.Links())
		}
		synctest.Wait()
		assert.Zero(t, n.Open(), "open connections")
	})
}

func TestInterimAnswersAreIgnored(t *testing.T) {
	t.Parallel()
	for _, h2 := range []bool{false, true} {
		api := testkit.NewAPI()
		srv, tr := testkit.Serve(t, api, h2)
		c := testkit.ClientAt(t, srv.URL, tr)
		for _, interim := range []int{102, 103, 199} {
			for _, op := range testkit.Creates() {
				api.Begin(testkit.After(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Link", "</style.css>; rel=preload")
					w.WriteHeader(interim)
					w.WriteHeader(interim)
					w.WriteHeader(http.StatusCreated)
					_, _ = io.WriteString(w, whole)
				}))
				id, err := op.LinkID(t.Context(), c)
				require.NoError(t, err, op.Name)
				assert.EqualValues(t, testkit.LinkID, id, op.Name)
				api.CheckSeen(t, op, 1, 1)
			}
		}
	}
}

func TestWhatTheAPIAddsIsIgnored(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"fields":                   `{"status":"created","data":` + strings.TrimSuffix(testkit.LinkJSON, "}") + `,"shiny":{"a":[1,"b",null]},"uris":[]},"extra":true,"warnings":["x"]}`,
		"status":                   `{"status":"frobnicated","data":` + testkit.LinkJSON + `}`,
		"status by number":         `{"status":201,"data":` + testkit.LinkJSON + `}`,
		"status by another number": `{"status":399,"data":` + testkit.LinkJSON + `}`,
		"status by object":         `{"status":{"code":1},"data":` + testkit.LinkJSON + `}`,
		"null status":              `{"status":null,"data":` + testkit.LinkJSON + `}`,
		"no status":                `{"data":` + testkit.LinkJSON + `}`,
		"type":                     linkWith("type", `"quantum_ledger"`),
		"no type":                  linkWith("type", ""),
		"no expiration":            linkWith("expiration", ""),
		"null expiration":          linkWith("expiration", "null"),
		"expiration with a zone":   linkWith("expiration", `"2023-07-23T01:42:47+02:00"`),
		"http":                     linkWith("uri", `"http://app.getcensus.com/pbc?auth=x"`),
		"another host":             linkWith("uri", `"https://app.fivetran.com/pbc?auth=x"`),
		"null redirect":            linkWith("redirect_uri", "null"),
		"null connection":          strings.Replace(linkWith("source_id", "null"), `"type"`, `"destination_id":null,"group_id":null,"type"`, 1),
		"blanks around":            "\r\n " + linkWith("id", "469") + "\n\n",
	} {
		for _, status := range []int{200, 201, 202} {
			rt := testkit.Respond(status, body)
			c := testkit.Client(t, rt)
			for _, op := range append(testkit.Creates(), testkit.Gets()...) {
				id, err := op.LinkID(t.Context(), c)
				require.NoError(t, err, "%s: %s", name, op.Name)
				assert.EqualValues(t, testkit.LinkID, id, "%s: %s", name, op.Name)
			}
		}
	}
	for _, contentType := range []string{"", "text/plain", "application/vnd.api+json; charset=utf-8"} {
		require.NoError(t, testkit.CreateLink(t.Context(), testkit.Client(t, testkit.Respond(201, whole, "Content-Type", contentType))))
	}
}

// One odd link does not hide the others, unless it has no id. TestWrongQuotesNothing has the pages
// that are odd as a whole.
func TestOddLinksInLists(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]int64{ // the ids; nil: an error
		testkit.List(testkit.LinkJSON, `{"id":2,"type":"hubspot"}`):             {469, 2},
		testkit.List(`{"id":2,"uri":null,"expiration":null}`, testkit.LinkJSON): {2, 469},
		testkit.List(`{"id":2,"uri":"/pbc"}`, testkit.LinkJSON):                 {2, 469},
		testkit.List(`{"id":2}`):                           {2},
		testkit.List(testkit.LinkJSON, linkJSON("id", "")): nil,
		testkit.List(testkit.LinkJSON, `null`):             nil,
	} {
		for _, op := range testkit.Lists() {
			v, err := op.Do(t.Context(), testkit.Client(t, testkit.Respond(200, body), testkit.NoRetries))
			if want == nil {
				require.ErrorIs(t, err, connectlinks.ErrBadResponse, body)
				assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
				continue
			}
			require.NoError(t, err, body)
			var ids []int64
			for _, link := range testkit.LinksIn(v) {
				ids = append(ids, link.ID)
			}
			assert.Equal(t, want, ids, body)
		}
	}
	// What can be read of an odd link is read.
	rt := testkit.Respond(200, testkit.List(`{"id":1,"type":"hubspot","uri":"/pbc","expiration":"tomorrow","expired":true,"destination_id":9}`))
	page, err := testkit.Client(t, rt).Destinations.ListConnectLinks(t.Context(), connectlinks.ListOptions{})
	require.NoError(t, err)
	want := connectlinks.DestinationConnectLink{DestinationID: 9}
	want.ID, want.Type, want.URL, want.Expired = 1, "hubspot", "/pbc", true
	assert.True(t, reflect.DeepEqual([]connectlinks.DestinationConnectLink{want}, page.Items))
}
