package connectlinkstest_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

func TestRetireV1(t *testing.T) {
	for _, test := range []struct {
		status      int
		contentType string
		body        string // "": HTML
		location    string // relative to the server
	}{
		{200, "text/html; charset=utf-8", "", ""},
		{301, "", "", "/"},
		{302, "", "", "/"},
		{308, "", "", "/"},
		{404, "application/json; charset=utf-8", `{"status":404,"error":"Not Found"}`, ""},
		{410, "application/json; charset=utf-8", `{"status":410,"error":"Gone"}`, ""},
		{503, "application/json; charset=utf-8", `{"status":503,"error":"Service Unavailable"}`, ""},
	} {
		t.Run(http.StatusText(test.status), func(t *testing.T) {
			a := newAPI(t)
			before := a.source()
			require.NoError(t, a.srv.RetireV1(test.status))
			retired := func(a api, method, path string) {
				t.Helper()
				resp, body := a.raw(method, path, `{"type":"postgres"}`)
				assert.Equal(t, test.status, resp.StatusCode)
				assert.Equal(t, test.contentType, resp.Header.Get("Content-Type"))
				switch {
				case test.body != "":
					assert.JSONEq(t, test.body, body)
				case test.location != "":
					assert.Equal(t, a.srv.URL+test.location, resp.Header.Get("Location"))
				default:
					assert.True(t, strings.HasPrefix(body, "<!DOCTYPE html>"), body)
				}
			}
			for _, route := range connectlinkstest.Routes() {
				method, path, _ := strings.Cut(string(route), " ")
				if strings.HasPrefix(path, "/api/v1/") {
					retired(a, method, path)
					retired(a.personal(), method, path)
					retired(a.as(""), method, path)
				}
			}
			retired(a, http.MethodGet, "/api/v1")
			retired(a, http.MethodGet, "/api/v1/never_there")
			assert.Len(t, a.srv.Links(), 1, "nothing was carried out")

			// V2 continues to work.
			link := a.activation()
			made, err := a.srv.Complete(linkID(link))
			require.NoError(t, err)
			a.personal().get("/api/v2/activations/" + made.ActivationID)
			a.do(http.StatusNotFound, http.MethodGet, "/nowhere", "")

			// A V1 link cannot be used any more.
			_, err = a.srv.Complete(linkID(before))
			require.ErrorIs(t, err, connectlinkstest.ErrDeadLink)
			resp, page := a.raw(http.MethodGet, strings.TrimPrefix(before["uri"].(string), a.srv.URL), "")
			assert.Equal(t, http.StatusGone, resp.StatusCode)
			assert.Contains(t, page, "retired")

			require.NoError(t, a.srv.RetireV1(0))
			a.source()
			_, err = a.srv.Complete(linkID(before))
			require.NoError(t, err, "V1 is back")
		})
	}
}

func TestRetireV1Refuses(t *testing.T) {
	a := newAPI(t)
	for _, status := range []int{-1, 1, 100, 199, 201, 204, 300, 304, 399, 600} {
		require.EqualError(t, a.srv.RetireV1(status), "connectlinkstest: V1 cannot retire with status "+strconv.Itoa(status))
	}
	a.source()
}

// Failures come before the retirement.
func TestRetiredV1Fails(t *testing.T) {
	a := newAPI(t)
	require.NoError(t, a.srv.RetireV1(http.StatusGone))
	require.NoError(t, a.srv.Fail(
		connectlinkstest.Failure{Route: connectlinkstest.RouteListSources, Status: 502, Body: "{}"},
		connectlinkstest.Failure{Route: connectlinkstest.RouteCreateSourceConnectLink, Status: 500, Body: "{}", CarryOut: true},
	))
	a.do(502, http.MethodGet, "/api/v1/sources", "")
	a.do(410, http.MethodGet, "/api/v1/sources", "")
	a.do(500, http.MethodPost, "/api/v1/source_connect_links", `{"type":"postgres"}`)
	assert.Empty(t, a.srv.Links())
}
