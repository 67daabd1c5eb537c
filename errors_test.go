package connectlinks_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
)

func TestSentinelOfEachStatus(t *testing.T) {
	t.Parallel()
	call := testkit.Named("Sources.Get")
	for status := 300; status < 600; status++ {
		_, err := call.Do(t.Context(), testkit.Client(t, testkit.Respond(status, ""), testkit.NoRetries))
		testkit.Error{Status: status}.Check(t, err, call)
	}
}

// Every known form of an API error, for every method.
func TestErrorBodies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status          int
		body            string // in testdata; "" for none
		word, message   string
		alsoInASuccess  int // the StatusCode if it comes with a 200
		successIsBroken bool
	}{
		{status: 404, body: "error_rails.json", word: "404", message: "Not Found", alsoInASuccess: 404},
		{status: 404, body: "error_not_found.json", word: "not_found", message: "No such connect link", alsoInASuccess: 404},
		{status: 422, body: "error_word.json", word: "error", message: "Invalid type", alsoInASuccess: 200},
		{status: 400, body: "error_number.json", word: "400", message: "Invalid type: not_a_real_type", alsoInASuccess: 400},
		{status: 401, body: "error_status_only.json", word: "401", alsoInASuccess: 401},
		{status: 502, body: "error_proxy.html", successIsBroken: true},
		{status: 503, successIsBroken: true},
	} {
		t.Run(c.body, func(t *testing.T) {
			t.Parallel()
			body := ""
			if c.body != "" {
				body = testkit.Testdata(t, c.body)
			}
			for _, call := range testkit.Single() {
				rt := &testkit.Counter{RoundTripper: testkit.Respond(c.status, body)}
				client := testkit.Client(t, rt, testkit.NoRetries)
				v, err := call.Do(t.Context(), client)
				testkit.Error{Status: c.status, Unknown: call.Creates && c.status >= 500}.Check(t, err, call)
				api := new(connectlinks.APIError)
				require.ErrorAs(t, err, &api, call.Name)
				assert.Empty(t, v, call.Name)
				assert.Equal(t, c.word, api.Status, call.Name)
				assert.Equal(t, c.message, api.Message, call.Name)
				assert.Equal(t, body, string(api.Body), call.Name)
				assert.Zero(t, api.RetryAfter)
				assert.Equal(t, 1, rt.Count())
				assert.ErrorContains(t, err, call.Request())
				assert.NotContains(t, err.Error(), "<", "no HTML in a log line")
				if c.message != "" {
					assert.ErrorContains(t, err, c.message)
				}

				client = testkit.Client(t, testkit.Respond(200, body), testkit.NoRetries)
				v, err = call.Do(t.Context(), client)
				assert.Empty(t, v, call.Name)
				switch {
				case c.successIsBroken && call.Method == http.MethodDelete && body == "":
					assert.NoError(t, err, call.Name)
				case c.successIsBroken:
					assert.ErrorIs(t, err, connectlinks.ErrBadResponse, call.Name)
				default:
					api := new(connectlinks.APIError)
					require.ErrorAs(t, err, &api, call.Name)
					assert.Equal(t, c.alsoInASuccess, api.StatusCode, call.Name)
					assert.Equal(t, c.message, api.Message, call.Name)
				}
			}
		})
	}
}

// A success whose envelope reports a failure may have a Retry-After, too.
func TestRetryAfterOfAnEnvelope(t *testing.T) {
	t.Parallel()
	err := testkit.GetLink(t.Context(), testkit.Client(t, testkit.Respond(200, `{"status":429}`, "Retry-After", "7")))
	var e *connectlinks.APIError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, 429, e.StatusCode)
	assert.Equal(t, 7*time.Second, e.RetryAfter)
}

func TestErrorsSayWhenV1Ends(t *testing.T) {
	t.Parallel()
	const v1ends = "15 January 2027"
	withID := func(path string) bool {
		rest := strings.TrimPrefix(strings.TrimPrefix(path, "/api/v1/"), "/api/v2/")
		return strings.Contains(rest, "/")
	}
	seen := map[[2]bool]int{}
	for _, call := range testkit.Single() {
		v1 := strings.HasPrefix(call.Path, "/api/v1/")
		seen[[2]bool{v1, withID(call.Path)}]++
		type answer struct {
			status int
			body   string
			want   bool
		}
		answers := []answer{
			{410, "", v1},
			{410, `{"status":"error","message":"gone for good"}`, v1},
			{410, testkit.Testdata(t, "error_proxy.html"), v1},
			{404, "", v1},
			{404, testkit.Testdata(t, "error_rails.json"), v1},
			{200, `{"status":"not_found"}`, v1},
			{200, testkit.Testdata(t, "error_proxy.html"), v1},
			{200, `{"status":410}`, v1},
			{301, "", v1},
		}
		for _, status := range []int{400, 401, 403, 409, 422, 429, 500} {
			answers = append(answers, answer{status, "", false})
		}
		for _, c := range answers {
			client := testkit.Client(t, testkit.Respond(c.status, c.body), testkit.NoRetries)
			_, err := call.Do(t.Context(), client)
			require.Error(t, err, "%s: %d %s", call.Name, c.status, c.body)
			assert.Equal(t, c.want, strings.Contains(err.Error(), v1ends), "%s: %d %s: %v", call.Name, c.status, c.body, err)
		}
	}
	assert.Len(t, seen, 4, "V1 and V2, with and without an id: %v", seen)
}

// A user's test may make an APIError by hand.
func TestAPIErrorMadeByHand(t *testing.T) {
	t.Parallel()
	gone := &connectlinks.APIError{StatusCode: 410, Method: "GET", Path: "/api/v1/sources/4"}
	assert.ErrorIs(t, gone, connectlinks.ErrNotFound)
	assert.ErrorContains(t, gone, "GET /api/v1/sources/4: 410 Gone")
	assert.ErrorContains(t, gone, "15 January 2027")

	busy := &connectlinks.APIError{
		StatusCode: 429, Method: "POST", Path: "/api/v2/activation_connect_links",
		Message: "slow down", RetryAfter: 1500 * time.Millisecond, RequestID: "r-1",
	}
	for _, part := range []string{"POST /api/v2/activation_connect_links", "429 Too Many Requests", "slow down", "1.5s", "r-1"} {
		assert.ErrorContains(t, busy, part)
	}
	assert.NotContains(t, busy.Error(), "2027")

	odd := &connectlinks.APIError{StatusCode: 599}
	assert.ErrorContains(t, odd, "599")
	assert.ErrorIs(t, odd, connectlinks.ErrServer)
	assert.NotErrorIs(t, &connectlinks.APIError{}, connectlinks.ErrServer)
}

func TestFailuresReturnNoValue(t *testing.T) {
	t.Parallel()
	c := testkit.Client(t, testkit.Respond(422, `{}`))
	for _, call := range testkit.Calls() {
		v, err := call.Do(t.Context(), c)
		assert.Error(t, err, call.Name)
		assert.Empty(t, v, call.Name)
	}
}
