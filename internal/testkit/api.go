package testkit

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// The arguments of [Calls].
const (
	LinkID       = 469 // a link that exists already
	ConnectionID = 7   // a source or a destination
	ActivationID = "glimmering_donkey"
	GroupID      = "wandering_aimlessly"
	WorkspaceID  = 33
	ServiceName  = "hubspot" // the only type
)

// Objects in the JSON of the API.
const (
	LinkJSON = `{"id":469,"type":"hubspot","expiration":"2100-07-22T23:42:47.239Z","expired":false,"revoked":false,` +
		`"uri":"` + LinkURL + `","redirect_uri":"` + Redirect + `","source_id":7,"destination_id":7,"group_id":"wandering_aimlessly"}`
	ConnectionJSON = `{"id":7,"group_id":"wandering_aimlessly","name":"HubSpot","type":"hubspot","created_at":"2023-07-22T23:42:47.239Z",` +
		`"last_tested_at":"2023-07-22T23:42:47.239Z","last_test_succeeded":true}`
	ActivationJSON = `{"id":"glimmering_donkey","name":"HubSpot","group_id":"wandering_aimlessly",` +
		`"source_connection":{"id":1},"destination_connection":` + ConnectionJSON + `}`
	TypeJSON      = `{"service_name":"hubspot","label":"HubSpot","creatable_via_connect_link":true}`
	WorkspaceJSON = `{"id":33,"name":"Acme","organization_id":4,"created_at":"2023-07-22T23:42:47.239Z"}`
)

// Link returns [LinkJSON] with another id.
func Link(id int64) string {
	return strings.Replace(LinkJSON, `"id":469`, fmt.Sprintf(`"id":%d`, id), 1)
}

// Success returns the status and body of the API's answer to a request that succeeds. path
// may have a prefix.
func Success(method, path string) (status int, body string) {
	path = path[strings.Index(path, "/api/v"):]
	status = http.StatusOK
	var object string
	switch {
	case strings.HasSuffix(path, "/api_key"):
		return status, `{"api_key":"secret-token:of-workspace-33"}`
	case method == http.MethodDelete:
		return status, `{"status":"deleted"}`
	case strings.Contains(path, "connect_link"):
		object = LinkJSON
	case strings.Contains(path, "_types") || strings.Contains(path, "/connectors"):
		object = TypeJSON
	case strings.Contains(path, "/activations"):
		object = ActivationJSON
	case strings.Contains(path, "/workspace"):
		object = WorkspaceJSON
	default:
		object = ConnectionJSON
	}
	switch {
	case method == http.MethodPost && strings.HasSuffix(path, "/revoke"):
		object = strings.Replace(object, `"revoked":false`, `"revoked":true`, 1)
	case method == http.MethodPost:
		return http.StatusCreated, Envelope("created", object)
	case strings.HasSuffix(path, "s"):
		return status, List(object)
	}
	return status, Envelope("success", object)
}

// Envelope puts an object into the API's envelope.
func Envelope(status, object string) string {
	return `{"status":"` + status + `","data":` + object + `}`
}

// List returns the only page of a list.
func List(items ...string) string {
	return fmt.Sprintf(`{"status":"success","data":[%s],"pagination":{"total_records":%d,"per_page":25,"prev_page":null,"page":1,"next_page":null,"last_page":1}}`,
		strings.Join(items, ","), len(items))
}

// Succeed is a transport to an API where every request succeeds.
var Succeed RoundTripper = func(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	status, body := Success(r.Method, r.URL.Path)
	return Response(r, status, body), nil
}

// Fault replaces the answer to one request. The zero Fault does not.
type Fault struct {
	CarriedOut bool // the API carries the request out before it answers
	Answer     http.HandlerFunc
}

// After returns a Fault: the API carries out the request, and then answers with answer.
func After(answer http.HandlerFunc) Fault { return Fault{true, answer} }

// Instead returns a Fault: the API answers with answer, and does not carry out the request.
func Instead(answer http.HandlerFunc) Fault { return Fault{false, answer} }

// API carries out requests below [BasePath], and counts the links that it makes. Its faults
// apply to the first requests. A create that comes twice makes two links.
type API struct {
	mu       sync.Mutex
	faults   []Fault
	always   *Fault
	requests []Received
	made     int
	lastID   int64
	deleted  bool
	revoked  bool
}

// Received is a request that arrived.
type Received struct {
	Request string // method and path below BasePath
	At      time.Time
	Peer    string
	Proto   int
}

// NewAPI makes an API without faults.
func NewAPI() *API { return &API{lastID: 1000} }

// Begin forgets all requests. The faults apply to the next requests, one each.
func (a *API) Begin(faults ...Fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults, a.always = faults, nil
	a.requests, a.made, a.deleted, a.revoked = nil, 0, false, false
}

// BeginAlways forgets all requests. The fault applies to every request from now on.
func (a *API) BeginAlways(f Fault) {
	a.Begin()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.always = &f
}

// Received returns the requests so far.
func (a *API) Received() []Received {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Received(nil), a.requests...)
}

// Seen returns the methods and paths of the requests so far, and the number of
// links that were made.
func (a *API) Seen() (requests []string, made int) {
	for _, r := range a.Received() {
		requests = append(requests, r.Request)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return requests, a.made
}

// CheckSeen checks that n requests of call came and no others, and that so many links were made.
func (a *API) CheckSeen(t testing.TB, call Call, n, made int) {
	t.Helper()
	requests, links := a.Seen()
	var want []string
	for range n {
		want = append(want, call.Request())
	}
	assert.Equal(t, want, requests, call.Name)
	assert.Equal(t, made, links, "%s: links made", call.Name)
}

// Waited returns the time between the first two requests.
func (a *API) Waited() time.Duration {
	got := a.Received()
	if len(got) < 2 {
		return 0
	}
	return got[1].At.Sub(got[0].At)
}

// Revoked reports whether a link was revoked.
func (a *API) Revoked() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.revoked
}

// LinkOf returns the id of the link that call must have returned, or 0 if it returns no
// link.
func (a *API) LinkOf(call Call) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case call.Creates:
		return a.lastID
	case call.Method != http.MethodDelete && strings.Contains(call.Path, "connect_link"):
		return LinkID
	}
	return 0
}

// ServeHTTP carries out a request, or applies a fault.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Body != nil { // nil if no server has read the request
		_, _ = io.Copy(io.Discard, r.Body)
	}
	path, below := strings.CutPrefix(r.URL.Path, BasePath)
	if !below {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	a.mu.Lock()
	a.requests = append(a.requests, Received{r.Method + " " + path, time.Now(), r.RemoteAddr, r.ProtoMajor})
	var fault Fault
	if n := len(a.requests); n <= len(a.faults) {
		fault = a.faults[n-1]
	} else if a.always != nil {
		fault = *a.always
	}
	status, body := 0, ""
	if fault.CarriedOut || fault.Answer == nil {
		status, body = a.carryOut(r.Method, path)
	}
	a.mu.Unlock()
	if fault.Answer == nil {
		fault.Answer = Answer(status, "application/json", body)
	}
	fault.Answer(w, r)
}

// CarryOut carries out a request, and answers that it succeeded. The Answer of a Fault can
// call it.
func (a *API) CarryOut(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	status, body := a.carryOut(r.Method, strings.TrimPrefix(r.URL.Path, BasePath))
	a.mu.Unlock()
	Answer(status, "application/json", body)(w, r)
}

// carryOut carries out a request. Callers hold the lock.
func (a *API) carryOut(method, path string) (status int, body string) {
	status, body = Success(method, path)
	switch revoke := strings.HasSuffix(path, "/revoke"); {
	case method == http.MethodDelete && a.deleted:
		return http.StatusNotFound, `{"status":404,"message":"no such connection"}`
	case method == http.MethodDelete:
		a.deleted = true
	case revoke && a.revoked:
		return http.StatusConflict, `{"status":409,"message":"revoked already"}`
	case revoke:
		a.revoked = true
	case method == http.MethodPost:
		a.made++
		a.lastID++
		body = Envelope("created", Link(a.lastID))
	}
	if a.revoked {
		body = strings.ReplaceAll(body, `"revoked":false`, `"revoked":true`)
	}
	return status, body
}
