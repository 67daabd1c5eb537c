package connectlinkstest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// api sends requests to a server without the SDK: with net/http, literal bodies and maps.
type api struct {
	t     testing.TB
	srv   *connectlinkstest.Server
	token string
	http  *http.Client
}

func newAPI(t testing.TB, opts ...connectlinkstest.Option) api {
	t.Helper()
	srv := connectlinkstest.NewServer(opts...)
	t.Cleanup(srv.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return api{t, srv, srv.Token(), &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// inMemory returns an api without sockets, for bubbles.
func inMemory(t testing.TB, opts ...connectlinkstest.Option) api {
	t.Helper()
	srv := connectlinkstest.NewServer(append(opts, connectlinkstest.WithoutListener())...)
	t.Cleanup(srv.Close)
	transport := srv.Transport()
	t.Cleanup(transport.CloseIdleConnections)
	return api{t, srv, srv.Token(), &http.Client{Transport: transport}}
}

func (a api) as(token string) api {
	a.token = token
	return a
}

func (a api) personal() api { return a.as(a.srv.PersonalToken()) }

func (a api) request(method, path, body string) *http.Request {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.srv.URL+path, strings.NewReader(body))
	require.NoError(a.t, err)
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

// raw sends a request, and returns the answer and its body.
func (a api) raw(method, path, body string) (*http.Response, string) {
	a.t.Helper()
	resp, err := a.http.Do(a.request(method, path, body))
	require.NoError(a.t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(a.t, err)
	return resp, string(answer)
}

// do sends a request. It fails unless the answer has this status and a JSON object.
func (a api) do(status int, method, path, body string) map[string]any {
	a.t.Helper()
	resp, answer := a.raw(method, path, body)
	require.Equal(a.t, status, resp.StatusCode, answer)
	require.Equal(a.t, "application/json; charset=utf-8", resp.Header.Get("Content-Type"))
	var object map[string]any
	require.NoError(a.t, json.Unmarshal([]byte(answer), &object), answer)
	return object
}

func (a api) get(path string) map[string]any {
	a.t.Helper()
	return a.do(http.StatusOK, http.MethodGet, path, "")
}

// create makes a link. path is the path of the collection.
func (a api) create(path, body string) map[string]any {
	a.t.Helper()
	return a.do(http.StatusCreated, http.MethodPost, path, body)["data"].(map[string]any)
}

func (a api) source() map[string]any {
	a.t.Helper()
	return a.create("/api/v1/source_connect_links", `{"type":"postgres"}`)
}

func (a api) destination() map[string]any {
	a.t.Helper()
	return a.create("/api/v1/destination_connect_links", `{"type":"hubspot"}`)
}

func (a api) activation() map[string]any {
	a.t.Helper()
	return a.personal().create("/api/v2/activation_connect_links", `{"type":"hubspot","group_id":"wandering_aimlessly"}`)
}

// linkID returns the id of a link that the API answered with, for a lever.
func linkID(link map[string]any) int64 { return int64(link["id"].(float64)) }

// id formats an id for a path.
func id(object map[string]any, key string) string {
	return strconv.Itoa(int(object[key].(float64)))
}
