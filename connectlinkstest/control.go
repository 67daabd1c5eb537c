package connectlinkstest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// controlPath is the path of the levers of [WithControl].
const controlPath = "/_sandbox/"

// maxUsedUp is the number of used-up failures in the state.
const maxUsedUp = 100

// WithControl serves the levers as JSON over HTTP below /_sandbox/, and a page for people at
// /. They show every token, so whoever reaches them can use the whole server.
//
// The host of a request must be the loopback interface or one of hosts, which have no port.
// Requests of pages of other origins are refused. Requests to the levers are not logged, not
// limited, and do not fail. By default the levers are not served.
func WithControl(hosts ...string) Option {
	return func(c *config) {
		c.control = true
		c.controlHosts = append(c.controlHosts, hosts...)
	}
}

// handleControl serves the levers on the API's mux.
func (s *Server) handleControl() {
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	if !s.control {
		return
	}
	s.handlePanel()
	levers := http.NewServeMux()
	lever := func(pattern string, do func(*http.Request) (int, any, error)) {
		method, path, _ := strings.Cut(pattern, " ")
		levers.HandleFunc(method+" "+controlPath+path, func(w http.ResponseWriter, r *http.Request) {
			status, v, err := do(r)
			if err != nil {
				status, v = controlStatus(err), controlError{Error: reason(err)}
			}
			writeJSON(w, status, v)
		})
	}
	lever("GET state", func(*http.Request) (int, any, error) { return http.StatusOK, s.controlState(), nil })
	lever("GET requests", func(*http.Request) (int, any, error) { return http.StatusOK, s.controlRequests(), nil })
	lever("POST links/{id}/complete", s.controlComplete)
	lever("POST links/{id}/cancel", s.onLink((*Server).Cancel))
	lever("POST links/{id}/expire", s.onLink((*Server).Expire))
	lever("POST links/{id}/revoke", s.onLink((*Server).Revoke))
	lever("POST failures", s.controlFail)
	lever("DELETE failures", func(*http.Request) (int, any, error) {
		s.StopFailing()
		return http.StatusOK, struct{}{}, nil
	})
	lever("POST clock", s.controlClock)
	lever("POST workspaces", s.controlWorkspace)
	lever("POST groups", s.controlGroup)
	lever("POST types", s.controlType)
	lever("POST connections", s.controlConnection)
	lever("POST rotate-token", s.controlRotate)
	lever("POST rate-limit", s.controlRate)
	lever("POST retire-v1", s.controlRetire)
	lever("POST reset", func(r *http.Request) (int, any, error) {
		if err := decode(r, &struct{}{}); err != nil {
			return 0, nil, err
		}
		s.Reset()
		return http.StatusOK, s.controlState(), nil
	})
	levers.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusNotFound, controlError{Error: "there is no " + r.Method + " " + r.URL.Path})
	})
	s.mux.HandleFunc(controlPath, func(w http.ResponseWriter, r *http.Request) {
		if err := s.admit(r, false); err != nil {
			writeJSON(w, http.StatusForbidden, controlError{Error: err.Error()})
			return
		}
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if r.Method == http.MethodPost && kind != "application/json" {
			writeJSON(w, http.StatusUnsupportedMediaType, controlError{Error: "a POST needs Content-Type: application/json"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		levers.ServeHTTP(w, r)
	})
}

// admit refuses requests for other hosts, as after DNS rebinding, and requests of pages of
// other origins. Browsers add Sec-Fetch-Site to each request for a loopback host, and Origin
// to each request that scripts of other origins can read. A page of another origin can only
// navigate to the page for people, and cannot read it.
func (s *Server) admit(r *http.Request, navigable bool) error {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	named := slices.ContainsFunc(s.controlHosts, func(h string) bool { return strings.EqualFold(h, host) })
	if !named && !loopbackHost(host) {
		return fmt.Errorf("the host %q is neither loopback nor named", host)
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return errors.New("the request comes from another origin")
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return nil
	}
	if navigable && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" {
		return nil
	}
	return errors.New("the request comes from another origin")
}

func loopbackHost(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
}

type controlError struct {
	Error string `json:"error"`
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// malformed is a body that is not JSON.
type malformed struct{ error }

// controlStatus returns the status of the answer for an error. Most errors are about a
// field's value.
func controlStatus(err error) int {
	switch {
	case errors.As(err, new(malformed)):
		return http.StatusBadRequest
	case errors.As(err, new(*http.MaxBytesError)):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrUnknownLink):
		return http.StatusNotFound
	case errors.Is(err, ErrDeadLink):
		return http.StatusConflict
	}
	return http.StatusUnprocessableEntity
}

// reason returns the error without names of Go.
func reason(err error) string { return strings.TrimPrefix(err.Error(), "connectlinkstest: ") }

// decode reads the body, a JSON object or nothing, into v.
func decode(r *http.Request, v any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	return decodeBody(body, v)
}

func decodeBody(body []byte, v any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if !json.Valid(body) {
		return malformed{errors.New("the body is not JSON")}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) {
		if wrong.Field == "" {
			return errors.New("the body is not a JSON object")
		}
		return fmt.Errorf("%s: a JSON %s is not allowed here", wrong.Field, wrong.Value)
	}
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// duration is a [time.Duration] that JSON writes like Go: "1m30s".
type duration time.Duration

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 1m30s", text)
	}
	*d = duration(parsed)
	return nil
}

// instant is a [time.Time] whose JSON errors name the value.
type instant struct{ time.Time }

func (t *instant) UnmarshalText(text []byte) error {
	parsed, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return fmt.Errorf("%q is not a time such as 2027-01-16T00:00:00Z", text)
	}
	t.Time = parsed
	return nil
}

// UnmarshalJSON replaces the one of time.Time.
func (t *instant) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("%s is not a time such as \"2027-01-16T00:00:00Z\"", data)
	}
	return t.UnmarshalText([]byte(text))
}

type linkJSON struct {
	ID           int64     `json:"id"`
	Kind         Kind      `json:"kind"`
	Type         string    `json:"type"`
	State        string    `json:"state"`
	WorkspaceID  int64     `json:"workspace_id,omitempty"`
	GroupID      string    `json:"group_id,omitempty"`
	URI          string    `json:"uri"`
	RedirectURI  string    `json:"redirect_uri,omitempty"`
	CreatedAt    time.Time `json:"created_at"`
	ExpiresAt    time.Time `json:"expires_at"`
	Cancelled    int       `json:"cancelled"`
	Renews       bool      `json:"renews"`
	ConnectionID int64     `json:"connection_id,omitempty"`
	ActivationID string    `json:"activation_id,omitempty"`
}

func viewLink(l Link) linkJSON {
	state := "open"
	switch {
	case l.Completed:
		state = "completed"
	case l.ConnectLink.Revoked:
		state = "revoked"
	case l.ConnectLink.Expired:
		state = "expired"
	}
	return linkJSON{
		ID: l.ConnectLink.ID, Kind: l.Kind, Type: l.ConnectLink.Type, State: state,
		WorkspaceID: l.WorkspaceID, GroupID: l.GroupID,
		URI: l.ConnectLink.URL, RedirectURI: l.ConnectLink.RedirectURI,
		CreatedAt: l.CreatedAt, ExpiresAt: l.ConnectLink.ExpiresAt, Cancelled: l.Cancelled,
		Renews: l.Renews, ConnectionID: l.ConnectionID, ActivationID: l.ActivationID,
	}
}

type connectionJSON struct {
	ID           int64             `json:"id"`
	ActivationID string            `json:"activation_id,omitempty"`
	Kind         Kind              `json:"kind"`
	Type         string            `json:"type"`
	Name         string            `json:"name"`
	WorkspaceID  int64             `json:"workspace_id,omitempty"`
	GroupID      string            `json:"group_id,omitempty"`
	CreatedAt    time.Time         `json:"created_at"`
	TestedAt     *time.Time        `json:"tested_at"`
	Details      map[string]string `json:"details"`
	Deleted      bool              `json:"deleted"`
}

type customerJSON struct {
	ID      int64  `json:"id"`
	Name    string `json:"name"`
	Token   string `json:"token"`
	GroupID string `json:"group_id"`
}

func viewWorkspace(ws Workspace) customerJSON {
	return customerJSON{ws.ID, ws.Name, ws.Token, ws.GroupID}
}

type groupJSON struct {
	ID     string `json:"id"`
	Hidden bool   `json:"hidden"`
}

type failureJSON struct {
	Route    Route       `json:"route,omitempty"`
	Token    string      `json:"token,omitempty"`
	Times    int         `json:"times,omitempty"`
	Status   int         `json:"status,omitempty"`
	Header   http.Header `json:"header,omitempty"`
	Body     string      `json:"body,omitempty"`
	Delay    duration    `json:"delay,omitempty"`
	Drip     duration    `json:"drip,omitempty"`
	Cut      bool        `json:"cut,omitempty"`
	Reset    bool        `json:"reset,omitempty"`
	Hang     bool        `json:"hang,omitempty"`
	CarryOut bool        `json:"carry_out,omitempty"`
}

// firedJSON is a failure, with the number of answers that failed, and that will fail.
type firedJSON struct {
	failureJSON
	Fired int `json:"fired"`
	Left  int `json:"left"` // -1: always
}

type stateJSON struct {
	Now           time.Time        `json:"now"`
	URL           string           `json:"url"`
	PagesURL      string           `json:"pages_url"`
	PersonalToken string           `json:"personal_token"`
	Workspaces    []customerJSON   `json:"workspaces"`
	Groups        []groupJSON      `json:"groups"`
	Links         []linkJSON       `json:"links"`
	Connections   []connectionJSON `json:"connections"`
	Failures      []firedJSON      `json:"failures"`
	RatePerSecond float64          `json:"rate_limit_per_second"`
	RetiredV1     int              `json:"retired_v1_status"`
	Assumptions   map[string]any   `json:"assumptions"`
}

// controlState is the whole state of the server. Lists are oldest first.
func (s *Server) controlState() stateJSON {
	st := stateJSON{
		URL: s.URL, PagesURL: s.PagesURL, PersonalToken: s.personal,
		Workspaces: []customerJSON{}, Links: []linkJSON{}, Connections: []connectionJSON{}, Failures: []firedJSON{},
		Assumptions: s.assume.values(),
	}
	for _, ws := range s.Workspaces() {
		st.Workspaces = append(st.Workspaces, viewWorkspace(ws))
	}
	for _, l := range s.Links() {
		st.Links = append(st.Links, viewLink(l))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Now, st.RatePerSecond, st.RetiredV1 = millis(s.now()), s.rate, s.retired
	for _, id := range slices.Sorted(maps.Keys(s.state.groups)) {
		st.Groups = append(st.Groups, groupJSON{id, s.state.groups[id].hidden})
	}
	for _, c := range s.state.connections {
		view := connectionJSON{
			ID: c.id, ActivationID: c.activationID, Kind: c.kind, Type: c.typ, Name: c.name, WorkspaceID: c.workspace,
			GroupID: c.group, CreatedAt: c.created, Details: maps.Clone(c.details), Deleted: c.deleted,
		}
		if !c.tested.IsZero() {
			tested := c.tested
			view.TestedAt = &tested
		}
		st.Connections = append(st.Connections, view)
	}
	for _, q := range slices.Concat(s.usedUp, s.failures) {
		st.Failures = append(st.Failures, firedJSON{viewFailure(q.Failure), q.fired, q.left})
	}
	return st
}

type requestJSON struct {
	Time     time.Time   `json:"time"`
	Method   string      `json:"method"`
	Path     string      `json:"path"`
	Query    url.Values  `json:"query,omitempty"`
	Route    Route       `json:"route,omitempty"`
	Header   http.Header `json:"header,omitempty"`
	Body     string      `json:"body,omitempty"`
	Caller   string      `json:"caller,omitempty"`
	Status   int         `json:"status"`
	Duration duration    `json:"duration"`
}

func (s *Server) controlRequests() any {
	all := []requestJSON{}
	for _, r := range s.Requests() {
		all = append(all, requestJSON{
			millis(r.Time), r.Method, r.Path, r.Query, r.Route, r.Header, r.Body, r.Caller, r.Status, duration(r.Duration),
		})
	}
	return map[string]any{"requests": all}
}

type submissionJSON struct {
	Name       string            `json:"name"`
	Fields     map[string]string `json:"fields"`
	FailedTest string            `json:"failed_test"`
	Denied     bool              `json:"denied"`
	Untested   bool              `json:"untested"`
}

func (sub submissionJSON) submission() Submission {
	return Submission(sub)
}

type madeJSON struct {
	Kind         Kind   `json:"kind"`
	ID           int64  `json:"id"`
	ActivationID string `json:"activation_id,omitempty"`
	Type         string `json:"type"`
	Name         string `json:"name"`
}

func pathID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: id %q", ErrUnknownLink, r.PathValue("id"))
	}
	return id, nil
}

func (s *Server) controlComplete(r *http.Request) (int, any, error) {
	id, err := pathID(r)
	if err != nil {
		return 0, nil, err
	}
	var sub submissionJSON
	if err := decode(r, &sub); err != nil {
		return 0, nil, err
	}
	made, err := s.CompleteWith(id, sub.submission())
	return http.StatusOK, madeJSON(made), err
}

// onLink handles a lever for one link. It answers with the link.
func (s *Server) onLink(pull func(*Server, int64) error) func(*http.Request) (int, any, error) {
	return func(r *http.Request) (int, any, error) {
		id, err := pathID(r)
		if err != nil {
			return 0, nil, err
		}
		if err := decode(r, &struct{}{}); err != nil {
			return 0, nil, err
		}
		if err := pull(s, id); err != nil {
			return 0, nil, err
		}
		for _, l := range s.Links() {
			if l.ConnectLink.ID == id {
				return http.StatusOK, viewLink(l), nil
			}
		}
		return 0, nil, fmt.Errorf("%w: id %d", ErrUnknownLink, id) // Reset came in between
	}
}

func viewFailure(f Failure) failureJSON {
	return failureJSON{
		f.Route, f.Token, f.Times, f.Status, f.Header.Clone(), f.Body,
		duration(f.Delay), duration(f.Drip), f.Cut, f.Reset, f.Hang, f.CarryOut,
	}
}

func (s *Server) controlFail(r *http.Request) (int, any, error) {
	var f failureJSON
	if err := decode(r, &f); err != nil {
		return 0, nil, err
	}
	// net/http looks header names up in this form.
	var header http.Header
	for name, values := range f.Header {
		if header == nil {
			header = http.Header{}
		}
		for _, v := range values {
			header.Add(name, v)
		}
	}
	f.Header = header
	return http.StatusCreated, f, s.Fail(Failure{
		f.Route, f.Token, f.Times, f.Status, f.Header, f.Body,
		time.Duration(f.Delay), time.Duration(f.Drip), f.Cut, f.Reset, f.Hang, f.CarryOut,
	})
}

func (s *Server) controlClock(r *http.Request) (int, any, error) {
	var body struct {
		Advance *duration `json:"advance"`
		Now     *instant  `json:"now"`
	}
	if err := decode(r, &body); err != nil {
		return 0, nil, err
	}
	if (body.Advance == nil) == (body.Now == nil) {
		return 0, nil, errors.New("the clock takes one of advance and now")
	}
	var err error
	if body.Now != nil {
		if err = sane(body.Now.Time); err == nil {
			s.SetNow(body.Now.Time)
		}
	} else {
		err = s.advance(time.Duration(*body.Advance))
	}
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]time.Time{"now": millis(s.Now())}, nil
}

// sane refuses a time that answers cannot have: a JSON time has no year above 9999, and a
// Duration at most 292 years.
func sane(t time.Time) error {
	if y := t.Year(); y < 1970 || y > 2200 {
		return fmt.Errorf("the clock cannot be in the year %d: it goes from 1970 to 2200", y)
	}
	return nil
}

// advance calls [Server.Advance] if the new time is sane.
func (s *Server) advance(d time.Duration) error {
	if err := sane(s.Now().Add(d)); err != nil {
		return err
	}
	s.Advance(d)
	return nil
}

type newWorkspaceJSON struct {
	Name  string `json:"name"`
	Token string `json:"token"`
}

func (body newWorkspaceJSON) check() error {
	switch {
	case body.Name == "":
		return errors.New("name is required")
	case body.Token != "" && !tokenForm.MatchString(body.Token):
		return errors.New("token is not a token") // not quoted: it may be a secret
	}
	return nil
}

func (s *Server) controlWorkspace(r *http.Request) (int, any, error) {
	var body newWorkspaceJSON
	if err := decode(r, &body); err != nil {
		return 0, nil, err
	}
	if err := body.check(); err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.knows(body.Token) {
		return 0, nil, errors.New("token is in use")
	}
	ws := s.state.addWorkspace(body.Name, cmp.Or(body.Token, newToken()), s.now())
	return http.StatusCreated, viewWorkspace(*ws), nil
}

func (s *Server) controlGroup(r *http.Request) (int, any, error) {
	var body groupJSON
	if err := decode(r, &body); err != nil {
		return 0, nil, err
	}
	if body.ID == "" {
		return 0, nil, errors.New("id is required")
	}
	if body.Hidden {
		s.HideGroup(body.ID)
	} else {
		s.AddGroup(body.ID)
	}
	return http.StatusCreated, body, nil
}

type fieldJSON struct {
	ID             string   `json:"id"`
	Label          string   `json:"label,omitempty"`
	Type           string   `json:"type,omitempty"`
	Placeholder    string   `json:"placeholder,omitempty"`
	Hint           string   `json:"hint,omitempty"`
	Required       bool     `json:"required,omitempty"`
	Password       bool     `json:"password,omitempty"`
	PossibleValues []string `json:"possible_values,omitempty"`
}

type newTypeJSON struct {
	Kind              Kind        `json:"kind"`
	ServiceName       string      `json:"service_name"`
	Label             string      `json:"label,omitempty"`
	DocumentationSlug string      `json:"documentation_slug,omitempty"`
	NotLinkable       bool        `json:"not_linkable,omitempty"`
	NotViaAPI         bool        `json:"not_via_api,omitempty"`
	SyncEngines       []string    `json:"sync_engines,omitempty"`
	AuthMethod        string      `json:"auth_method,omitempty"`
	Fields            []fieldJSON `json:"fields,omitempty"`
}

func (s *Server) controlType(r *http.Request) (int, any, error) {
	var body newTypeJSON
	if err := decode(r, &body); err != nil {
		return 0, nil, err
	}
	if body.ServiceName == "" {
		return 0, nil, errors.New("service_name is required")
	}
	typ := Type{
		ServiceName: body.ServiceName, Label: body.Label, DocumentationSlug: body.DocumentationSlug,
		NotLinkable: body.NotLinkable, NotViaAPI: body.NotViaAPI, SyncEngines: body.SyncEngines, AuthMethod: body.AuthMethod,
	}
	for _, f := range body.Fields {
		switch {
		case f.ID == "":
			return 0, nil, errors.New("fields: id is required")
		case !slices.Contains([]string{"", "string", "integer", "boolean"}, f.Type):
			return 0, nil, fmt.Errorf("fields: type of %s must not be %q", f.ID, f.Type)
		}
		typ.Fields = append(typ.Fields, Field(f))
	}
	switch body.Kind {
	case KindSource:
		s.AddSourceType(typ)
	case KindDestination:
		s.AddDestinationType(typ)
	default:
		return 0, nil, fmt.Errorf("kind must be source or destination, not %q", body.Kind)
	}
	return http.StatusCreated, body, nil
}

func (s *Server) controlConnection(r *http.Request) (int, any, error) {
	var body struct {
		Kind        Kind    `json:"kind"`
		Type        string  `json:"type"`
		WorkspaceID int64   `json:"workspace_id"`
		GroupID     string  `json:"group_id"`
		CreatedAt   instant `json:"created_at"`
		submissionJSON
	}
	if err := decode(r, &body); err != nil {
		return 0, nil, err
	}
	made, err := s.AddConnection(Seed{
		body.Kind, body.Type, body.WorkspaceID, body.GroupID, body.CreatedAt.Time, body.submission(),
	})
	return http.StatusCreated, madeJSON(made), err
}

func (s *Server) controlRotate(r *http.Request) (int, any, error) {
	var body struct {
		WorkspaceID int64 `json:"workspace_id"`
	}
	if err := decode(r, &body); err != nil {
		return 0, nil, err
	}
	token, err := s.RotateToken(body.WorkspaceID)
	return http.StatusOK, map[string]string{"token": token}, err
}

func (s *Server) controlRate(r *http.Request) (int, any, error) {
	var body struct {
		PerSecond *float64 `json:"per_second"`
	}
	if err := decode(r, &body); err != nil {
		return 0, nil, err
	}
	if body.PerSecond == nil {
		return 0, nil, errors.New("per_second is required; 0 switches the limit off")
	}
	return http.StatusOK, body, s.RateLimit(*body.PerSecond)
}

func (s *Server) controlRetire(r *http.Request) (int, any, error) {
	var body struct {
		Status *int `json:"status"`
	}
	if err := decode(r, &body); err != nil {
		return 0, nil, err
	}
	if body.Status == nil {
		return 0, nil, errors.New("status is required; 0 brings V1 back")
	}
	return http.StatusOK, body, s.RetireV1(*body.Status)
}
