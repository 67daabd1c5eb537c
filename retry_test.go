package connectlinks_test

import (
	"errors"
	"fmt"
	"net/http"
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

// failure is a way in which the first attempt of a call ends. The attempts after it succeed.
type failure struct {
	name       string
	answer     http.HandlerFunc
	repeats    repeats
	carriedOut bool // the first attempt was, all the same
	status     int  // of the APIError, 0 for none
	bad        bool // ErrBadResponse
	wait       time.Duration
	reused     bool // on a connection that has carried a request before
}

// repeats says which calls are sent again after a failure.
type repeats int

const (
	all       repeats = iota // the API did nothing
	noCreates                // the API may have made a link: ErrOutcomeUnknown
	none                     // the API has refused the call
)

func (f failure) fault() testkit.Fault {
	return testkit.Fault{CarriedOut: f.carriedOut, Answer: f.answer}
}

// check checks the error of a call that ended with f.
func (f failure) check(t *testing.T, err error, op testkit.Call) {
	t.Helper()
	testkit.Error{Status: f.status, Bad: f.bad, Unknown: op.Creates && f.repeats == noCreates}.Check(t, err, op)
}

// refused is a failure with a status that is not repeated.
func refused(status int) failure { return failure{status: status, repeats: none} }

// failedAnswers are the answers that make an attempt fail.
func failedAnswers() []failure {
	var failures []failure
	made := func(name string, answer http.HandlerFunc) *failure {
		failures = append(failures, failure{name: "made, then " + name, answer: answer, repeats: noCreates, carriedOut: true})
		return &failures[len(failures)-1]
	}
	for _, status := range []int{408, 500, 501, 502, 503, 504, 507} {
		made(fmt.Sprintf("%d in JSON", status), testkit.AnswerJSON(status)).status = status
		made(fmt.Sprintf("%d in HTML", status), testkit.Answer(status, "text/html", testkit.HTML)).status = status
		made(fmt.Sprintf("%d without a body", status), testkit.Answer(status, "", "")).status = status
	}
	made("a 503 whose Retry-After cannot be read", testkit.AnswerJSON(503, "Retry-After", "soon")).status = 503
	for name, answer := range map[string]http.HandlerFunc{"reset": testkit.Reset, "aborted": testkit.Abort, "cut off": testkit.CutOff} {
		made(name, answer)
		made(name+" on a reused connection", answer).reused = true
	}
	made("cut off after complete JSON", testkit.CutOffAfterJSON)
	made("HTML in a 200", testkit.Answer(200, "text/html", testkit.HTML)).bad = true
	made("truncated JSON", testkit.Answer(201, "application/json", `{"status":"created","data":{"id":1`)).bad = true
	made("half a link", testkit.Answer(201, "application/json", `{"status":"created","data":{"type":"hubspot"`)).bad = true

	for _, status := range []int{300, 304, 400, 401, 402, 403, 404, 405, 406, 409, 410, 413, 418, 422, 423, 428, 431, 451} {
		f := failure{name: fmt.Sprintf("refused with %d", status), answer: testkit.AnswerJSON(status), repeats: none, status: status}
		if status == 304 {
			f.answer = testkit.Answer(status, "", "")
		}
		failures = append(failures, f)
	}
	return append(failures, []failure{
		{name: "429 with seconds", answer: testkit.AnswerJSON(429, "Retry-After", "2"), status: 429, wait: 2 * time.Second},
		{name: "429 with a date", answer: testkit.AnswerDate(429, 4*time.Second), status: 429, wait: 3 * time.Second},
		{name: "429 with a date in the past", answer: testkit.AnswerDate(429, -time.Hour), status: 429},
		{name: "429 with nothing", answer: testkit.AnswerJSON(429), status: 429, wait: 100 * time.Millisecond},
		{name: "429 with 0", answer: testkit.AnswerJSON(429, "Retry-After", "0"), status: 429},
		{name: "429 with nonsense", answer: testkit.AnswerJSON(429, "Retry-After", "soon"), status: 429},
		{name: "429 in HTML", answer: testkit.Answer(429, "text/html", testkit.HTML, "Retry-After", "1"), status: 429, wait: time.Second},
		{name: "503 with seconds", answer: testkit.AnswerJSON(503, "Retry-After", "2"), status: 503, wait: 2 * time.Second},
		{name: "503 with a date", answer: testkit.AnswerDate(503, 4*time.Second), status: 503, wait: 3 * time.Second},
		{name: "503 in HTML with seconds", answer: testkit.Answer(503, "text/html", testkit.HTML, "Retry-After", "2"), status: 503, wait: 2 * time.Second},
	}...)
}

// checkRetry makes a call whose first attempt ends with f.
func checkRetry(t *testing.T, c *connectlinks.Client, api *testkit.API, f failure, op testkit.Call) {
	t.Helper()
	if f.status == 0 {
		c.CloseIdleConnections()
	}
	if f.reused {
		api.Begin()
		require.NoError(t, testkit.GetLink(t.Context(), c))
		peer := api.Received()[0].Peer
		defer func() {
			if got := api.Received(); assert.NotEmpty(t, got) {
				assert.Equal(t, peer, got[0].Peer, "%s: the connection was not reused", op.Name)
			}
		}()
	}
	api.Begin(f.fault())
	id, err := op.LinkID(t.Context(), c)
	requests, links := api.Seen()

	want := []string{op.Request()}
	if f.repeats == none || f.repeats == noCreates && op.Creates {
		f.check(t, err, op)
		assert.Zero(t, id, "%s: a link beside an error", op.Name)
	} else {
		require.NoError(t, err, op.Name)
		assert.Equal(t, api.LinkOf(op), id, op.Name)
		want = append(want, op.Request())
		assert.GreaterOrEqual(t, api.Waited(), f.wait, op.Name)
		assert.Less(t, api.Waited(), 11*time.Second, op.Name)
	}
	made := 0
	if f.repeats != none {
		made = op.Links()
	}
	assert.Equal(t, made, links, "%s: links made", op.Name)
	if op.Is("RevokeConnectLink") && f.carriedOut {
		want = append(want, linkOfRevoke(op)) // the second revoke was refused
	}
	assert.Equal(t, want, requests, op.Name)
}

// linkOfRevoke is the request for the link that op revokes.
func linkOfRevoke(op testkit.Call) string { return "GET " + strings.TrimSuffix(op.Path, "/revoke") }

// checkProtocol checks that all requests came over HTTP/2 or all over HTTP/1.1.
func checkProtocol(t *testing.T, api *testkit.API, h2 bool) {
	t.Helper()
	for _, r := range api.Received() {
		assert.Equal(t, map[bool]int{false: 1, true: 2}[h2], r.Proto)
	}
}

func testRetries(t *testing.T, h2 bool) {
	t.Helper()
	testkit.NeedsGo126(t, h2)
	t.Parallel()
	calls := testkit.SomeLinkCalls()
	if h2 {
		calls = testkit.Representative()
	}
	count := 0
	for _, f := range failedAnswers() {
		if h2 && f.status != 0 && !testkit.Sample(&count) {
			continue // an answer is the same in both protocols
		}
		testkit.Bubble(t, f.name, func(t *testing.T) {
			n := testkit.NewNetwork(t, h2)
			c := n.Client(t)
			for _, op := range calls {
				checkRetry(t, c, n.API, f, op)
				checkProtocol(t, n.API, h2)
			}
		})
	}
}

// testRetriesOnSockets checks the creates that do not wait for a second attempt.
func testRetriesOnSockets(t *testing.T, h2 bool) {
	t.Helper()
	t.Parallel()
	api := testkit.NewAPI()
	srv, tr := testkit.Serve(t, api, h2)
	c := testkit.ClientAt(t, srv.URL, tr)
	for _, f := range failedAnswers() {
		if f.repeats == all {
			continue
		}
		t.Run(f.name, func(t *testing.T) { // one after the other: they share the server
			for _, op := range testkit.Creates() {
				checkRetry(t, c, api, f, op)
				checkProtocol(t, api, h2)
			}
		})
	}
}

func TestRetriesAfterAnAnswer(t *testing.T) { testRetries(t, false) }

func TestRetriesAfterAnAnswerOnSockets(t *testing.T) { testRetriesOnSockets(t, false) }

// A failure that lasts ends the call after its retries.
func TestRetriesOfALastingFailure(t *testing.T) {
	t.Parallel()
	for _, f := range failedAnswers() {
		if f.carriedOut && !strings.Contains(f.name, "JSON") || f.repeats == none {
			continue
		}
		testkit.Bubble(t, f.name, func(t *testing.T) {
			n := testkit.NewNetwork(t, false)
			for retries := range 3 {
				c := n.Client(t, connectlinks.WithMaxRetries(retries))
				for _, op := range testkit.SomeLinkCalls() {
					// A second revoke or delete is refused by the answer, not by the API.
					n.API.BeginAlways(testkit.Fault{CarriedOut: f.carriedOut && op.Creates, Answer: f.answer})
					id, err := op.LinkID(t.Context(), c)
					requests, links := n.API.Seen()
					f.check(t, err, op)
					assert.Zero(t, id, op.Name)
					want := 1 + retries
					if op.Creates && f.repeats == noCreates {
						want = 1
					}
					if f.status == 408 && retries > 0 && op.Is("RevokeConnectLink") {
						// After a refusal with a 4xx, the link is fetched.
						requests = slices.DeleteFunc(requests, func(r string) bool { return r != op.Request() })
					}
					assert.Len(t, requests, want, "%s with %d retries", op.Name, retries)
					made := 0
					if f.carriedOut {
						made = op.Links()
					}
					assert.Equal(t, made, links, op.Name)
				}
			}
		})
	}
}

// A create that was throttled first, and whose answer was then lost, has an unknown
// outcome.
func TestThrottledThenLostCreate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewNetwork(t, false)
		c := n.Client(t)
		for _, op := range testkit.Creates() {
			n.API.Begin(testkit.Instead(testkit.AnswerJSON(429, "Retry-After", "1")), testkit.After(testkit.AnswerJSON(502)))
			id, err := op.LinkID(t.Context(), c)
			failure{repeats: noCreates, status: 502}.check(t, err, op)
			assert.Zero(t, id, op.Name)
			n.API.CheckSeen(t, op, 2, 1)
		}
	})
}

// A pause that is too long, or ends after the deadline, is not begun.
func TestPausesThatAreNotBegun(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		failure
		deadline time.Duration // 0 for none
		asked    time.Duration
	}{
		"429 for an hour":           {failure{status: 429, answer: testkit.AnswerJSON(429, "Retry-After", "3600")}, 0, time.Hour},
		"503 for an hour":           {failure{status: 503, answer: testkit.AnswerJSON(503, "Retry-After", "3600")}, 0, time.Hour},
		"429 beyond the deadline":   {failure{status: 429, answer: testkit.AnswerJSON(429, "Retry-After", "5")}, 3 * time.Second, 5 * time.Second},
		"503 beyond the deadline":   {failure{status: 503, answer: testkit.AnswerJSON(503, "Retry-After", "5")}, 3 * time.Second, 5 * time.Second},
		"429 until the end of time": {failure{status: 429, answer: testkit.AnswerJSON(429, "Retry-After", "99999999999999999999")}, 0, 1<<63 - 1},
		"a back-off":                {failure{status: 500, answer: testkit.AnswerJSON(500), repeats: noCreates}, 100 * time.Millisecond, 0},
	} {
		testkit.Bubble(t, name, func(t *testing.T) {
			n := testkit.NewNetwork(t, false)
			for _, op := range testkit.LinkCalls() {
				c := n.Client(t) // with no pause yet
				n.API.BeginAlways(testkit.Instead(tt.answer))
				_, took, err := timeLimit{deadline: tt.deadline}.call(t, op, c)
				assert.Less(t, took, 10*time.Millisecond, op.Name)
				tt.check(t, err, op)
				var answer *connectlinks.APIError
				require.ErrorAs(t, err, &answer)
				assert.InDelta(t, tt.asked, answer.RetryAfter, float64(time.Second), op.Name)
				n.API.CheckSeen(t, op, 1, 0)
			}
		})
	}
}

// lost carries the request out and loses the answer; refuse refuses the request.
func lost(status int) testkit.Fault   { return testkit.After(testkit.AnswerJSON(status)) }
func refuse(status int) testkit.Fault { return testkit.Instead(testkit.AnswerJSON(status)) }

// repeated is a delete or a revoke that goes through these faults.
type repeated struct {
	name     string
	faults   []testkit.Fault
	requests int
	fetched  bool // the last request fetches the link
	status   int  // of the error; 0: success
}

// checkRepeated makes the calls of each test, and checks their errors and requests. made checks the
// result of a call that succeeds.
func checkRepeated(t *testing.T, calls []testkit.Call, tests []repeated, made func(t *testing.T, v any, api *testkit.API)) {
	t.Helper()
	for _, tt := range tests {
		testkit.Bubble(t, tt.name, func(t *testing.T) {
			n := testkit.NewNetwork(t, false)
			c := n.Client(t)
			for _, op := range calls {
				c.CloseIdleConnections()
				n.API.Begin(tt.faults...)
				v, err := op.Do(t.Context(), c)
				if requests, _ := n.API.Seen(); assert.Len(t, requests, tt.requests, op.Name) && tt.fetched {
					assert.Equal(t, linkOfRevoke(op), requests[len(requests)-1], op.Name)
				}
				if tt.status == 0 {
					require.NoError(t, err, op.Name)
					made(t, v, n.API)
					continue
				}
				assert.Empty(t, v, op.Name)
				refused(tt.status).check(t, err, op)
				if tt.fetched {
					assert.ErrorContains(t, err, "from the test", "the answer to the revoke, not to the fetch")
				}
			}
		})
	}
}

// A DELETE that was sent again succeeds if the answer is a 404. A DELETE whose first answer is a
// 404 fails.
func TestRepeatedDelete(t *testing.T) {
	t.Parallel()
	type faults = []testkit.Fault
	checkRepeated(t, testkit.Deletes(), []repeated{
		{"carried out, lost, found gone", faults{lost(500)}, 2, false, 0},
		{"carried out, reset, found gone", faults{testkit.After(testkit.Reset)}, 2, false, 0},
		{"carried out, unusable, found gone", faults{testkit.After(testkit.Answer(200, "text/html", testkit.HTML))}, 2, false, 0},
		{"carried out, lost twice, found gone", faults{lost(502), lost(502)}, 3, false, 0},
		{"lost, found gone with 410", faults{lost(500), refuse(410)}, 2, false, 0},
		{"lost, then refused", faults{lost(500), refuse(403)}, 2, false, 403},
		{"reset, then refused", faults{testkit.After(testkit.Reset), refuse(409)}, 2, false, 409},
		{"lost again and again", faults{lost(500), refuse(500), refuse(502)}, 3, false, 502},
		{"throttled, not found", faults{refuse(429), refuse(404)}, 2, false, 404}, // a 429 has deleted nothing
		{"not found", faults{refuse(404)}, 1, false, 404},
		{"not found, 410", faults{refuse(410)}, 1, false, 410},
		{"not found in a 200", faults{testkit.Instead(testkit.Answer(200, "application/json", `{"status":"not_found"}`))}, 1, false, 404},
		{"no body", faults{testkit.After(testkit.Answer(204, "", ""))}, 1, false, 0},
		{"an empty 200", faults{testkit.After(testkit.Answer(200, "application/json", ""))}, 1, false, 0},
	}, func(*testing.T, any, *testkit.API) {})
}

// If a revoke is sent again and then refused, the SDK fetches the link to see whether it is
// revoked. A revoke that is refused at once fails.
func TestRepeatedRevoke(t *testing.T) {
	t.Parallel()
	type faults = []testkit.Fault
	checkRepeated(t, testkit.Revokes(), []repeated{
		{"carried out, lost, refused, revoked", faults{lost(500)}, 3, true, 0},
		{"carried out, reset, refused, revoked", faults{testkit.After(testkit.Reset)}, 3, true, 0},
		{"lost, refused with 404, revoked", faults{lost(500), refuse(404)}, 3, true, 0},
		{"lost, refused with 422, revoked", faults{lost(500), refuse(422)}, 3, true, 0},
		{"lost, refused with 403, revoked", faults{lost(500), refuse(403)}, 3, true, 0},
		{"not carried out, refused, not revoked", faults{refuse(500), refuse(422)}, 3, true, 422},
		{"reset, not carried out, refused, not revoked", faults{testkit.Instead(testkit.Reset), refuse(422)}, 3, true, 422},
		{"lost, refused, gone", faults{lost(500), refuse(409), refuse(404)}, 3, true, 409},
		{"lost, then a redirect", faults{lost(500), refuse(302)}, 2, false, 302},
		{"lost, gone", faults{lost(500), refuse(404), refuse(404)}, 3, true, 404},
		{"throttled, then refused", faults{refuse(429), refuse(422)}, 2, false, 422},
		{"refused at once", faults{refuse(409)}, 1, false, 409},
		{"not found at once", faults{refuse(404)}, 1, false, 404},
		{"lost, accepted again", faults{refuse(500)}, 2, false, 0},
		{"reset, accepted again", faults{testkit.Instead(testkit.Reset)}, 2, false, 0},
	}, func(t *testing.T, v any, api *testkit.API) {
		links := testkit.LinksIn(v)
		require.Len(t, links, 1)
		assert.EqualValues(t, testkit.LinkID, links[0].ID)
		assert.True(t, links[0].Revoked)
		assert.True(t, api.Revoked())
	})
}

// A create on an idle connection that the server has closed makes one link at most.
func TestCreateOnAClosedConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewNetwork(t, false)
		c := n.Client(t)
		for _, op := range testkit.Creates() {
			n.API.Begin()
			require.NoError(t, testkit.GetLink(t.Context(), c))
			n.CloseConnections()
			id, err := op.LinkID(t.Context(), c)
			_, made := n.API.Seen()
			assert.LessOrEqual(t, made, 1, op.Name)
			if err != nil { // net/http may have noticed too late
				require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.Name)
				continue
			}
			assert.Equal(t, n.API.LinkOf(op), id, op.Name)
			assert.Equal(t, 1, made, op.Name)
		}
	})
}

// An error of an unknown outcome holds the API's answer too.
func TestAnswerInAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	c := testkit.Client(t, testkit.Respond(504, `{"status":"error","message":"upstream request timeout"}`, "X-Request-Id", "req-7"))
	link, err := c.Destinations.CreateConnectLink(t.Context(), testkit.Params)
	require.Nil(t, link)
	require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
	require.ErrorIs(t, err, connectlinks.ErrServer)
	var answer *connectlinks.APIError
	require.ErrorAs(t, err, &answer)
	assert.Equal(t, &connectlinks.APIError{
		Method: http.MethodPost, Path: "/api/v1/destination_connect_links", StatusCode: 504, Status: "error",
		Message: "upstream request timeout", RequestID: "req-7", Body: []byte(`{"status":"error","message":"upstream request timeout"}`),
	}, answer)
	assert.Contains(t, err.Error(), "504")
	assert.Contains(t, err.Error(), "upstream request timeout")
}

// The HTTP status decides, never a number in a success's envelope.
func TestEnvelopeDoesNotRepeatACreate(t *testing.T) {
	t.Parallel()
	for _, status := range []string{`401`, `"401"`, `404`, `409`, `422`, `429`, `503`, `"not_found"`, `"error"`} {
		testkit.Bubble(t, status, func(t *testing.T) {
			for _, op := range testkit.LinkCalls() {
				rt := &testkit.Counter{RoundTripper: testkit.Respond(201, `{"status":`+status+`}`, "Retry-After", "1")}
				_, err := op.Do(t.Context(), testkit.Client(t, rt, connectlinks.WithTokenSource(testkit.NumberedTokens())))
				require.Error(t, err, op.Name)
				assert.Equal(t, op.Creates, errors.Is(err, connectlinks.ErrOutcomeUnknown), "%s: %v", op.Name, err)
				assert.ErrorAs(t, err, new(*connectlinks.APIError), op.Name)
				assert.Equal(t, 1, rt.Count(), op.Name)
			}
		})
	}
}
