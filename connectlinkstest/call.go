package connectlinkstest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	maxBody     = 1 << 20  // bytes of a request
	maxKept     = 64 << 10 // bytes of a body in a Request
	maxRequests = 10_000   // of Server.Requests
)

// A call is a request to answer.
type call struct {
	*Server
	endpoint  *endpoint
	r         *http.Request
	body      []byte
	workspace *Workspace // the workspace of its token; nil for the personal token
}

// Request describes a request that the server received. It holds no secrets: no token of
// the server, no link's secret, and nothing that a customer entered.
type Request struct {
	Time     time.Time // when it came, by the server's clock
	Method   string
	Path     string
	Query    url.Values  // without a link's secret
	Route    Route       // empty if no route matched
	Header   http.Header // without Authorization and cookies; nil for the hosted pages
	Body     string      // its first 64 KiB; empty for the hosted pages, and without a valid token
	Caller   string      // the name of the token's workspace, "personal", or empty
	Status   int         // of the answer; 0 if there is none, or none yet
	Duration time.Duration
}

func (r Request) clone() Request {
	r.Header = r.Header.Clone()
	r.Query = url.Values(http.Header(r.Query).Clone())
	return r
}

// serve answers a request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, e *endpoint) {
	start := time.Now()
	// net/http notices that the client goes away only after the body was read.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); err != nil && !errors.As(err, &tooLarge) {
		panic(http.ErrAbortHandler)
	}

	c := &call{Server: s, endpoint: e, r: r, body: body}
	record, f, a := c.carryOut(err != nil)
	defer func() {
		s.mu.Lock()
		record.Duration = time.Since(start)
		done := record.clone()
		s.mu.Unlock()
		if s.requestLog != nil {
			s.requestLog(done)
		}
	}()
	if !s.assume.NoRequestID {
		w.Header().Set("X-Request-Id", strings.ToLower(rand.Text()))
	}
	if s.assume.AnnounceRetirement && isV1(r) {
		w.Header().Set("Deprecation", fmt.Sprintf("@%d", retirementDay.Unix())) // RFC 9745
		w.Header().Set("Sunset", retirementDay.Format(http.TimeFormat))         // RFC 8594
	}
	w.Header().Set("Date", record.Time.UTC().Format(http.TimeFormat))
	deliver(w, r, f, a, func(status int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		record.Status = status
	})
}

// carryOut records the request, decides whether it fails, and does what it asks.
func (c *call) carryOut(tooLarge bool) (*Request, Failure, answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	caller, refusal := c.authorize()
	record := c.record(caller)
	c.requests = append(c.requests, record)
	if len(c.requests) > maxRequests {
		c.requests = c.requests[1:]
	}

	if !c.endpoint.page {
		if a := c.limited(caller); a != nil {
			return record, Failure{}, *a
		}
	}
	f := c.takeFailure()
	retired := c.retiredV1()
	switch {
	case !f.carriesOut():
		return record, f, answer{}
	case retired != nil:
		return record, f, *retired
	case refusal != nil:
		return record, f, *refusal
	case tooLarge && c.endpoint.page:
		return record, f, c.tooLargePage()
	case tooLarge:
		return record, f, c.refuse(http.StatusRequestEntityTooLarge, "The body is too large")
	}
	return record, f, c.endpoint.handle(c)
}

// authorize returns the name of the token's owner, and the answer if the token is wrong.
func (c *call) authorize() (caller string, refusal *answer) {
	token, have := c.token(), noToken
	if token == c.personal {
		caller, have = "personal", personalToken
	}
	for _, ws := range c.state.workspaces {
		if token == ws.Token {
			c.workspace, caller, have = ws, ws.Name, workspaceToken
		}
	}
	var a answer
	switch {
	case c.endpoint.token == noToken || have == c.endpoint.token:
		return caller, nil
	case have == noToken:
		a = c.refuse(http.StatusUnauthorized, "The token is missing or invalid")
	case have == workspaceToken:
		a = c.refuse(c.assume.WrongTokenStatus, "This takes a personal access token, and this is a workspace's API key")
	default:
		a = c.refuse(c.assume.WrongTokenStatus, "This takes a workspace's API key, and this is a personal access token")
	}
	return caller, &a
}

// token returns the request's token, or "".
//
// Assumption: the password of HTTP Basic with the user name bearer is a token too, unless
// RefuseBasic is set.
func (c *call) token() string {
	if user, password, ok := c.r.BasicAuth(); ok && user == "bearer" && !c.assume.RefuseBasic {
		return password
	}
	if scheme, token, _ := strings.Cut(c.r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		return token
	}
	return ""
}

func (c *call) record(caller string) *Request {
	path := c.r.URL.Path
	if u, err := url.ParseRequestURI(c.r.RequestURI); err == nil {
		path = u.Path // as it was sent, before ServeHTTP cleaned it
	}
	r := &Request{
		Time: c.now(), Method: c.r.Method, Path: c.redact(path),
		Route: c.endpoint.route, Caller: caller, Query: url.Values{},
	}
	for name, values := range c.r.URL.Query() {
		for _, v := range values {
			if name == "auth" {
				v = "REDACTED"
			}
			r.Query.Add(c.redact(name), c.redact(v))
		}
	}
	if c.endpoint.page {
		return r
	}
	if caller != "" {
		r.Body = c.redact(string(c.body))
		if len(r.Body) > maxKept {
			r.Body = strings.Clone(r.Body[:maxKept]) // so that the rest can be freed
		}
	}
	r.Header = http.Header{}
	for name, values := range c.r.Header {
		switch name {
		case "Authorization", "Proxy-Authorization", "Cookie", "Referer":
			continue
		}
		for _, v := range values {
			r.Header.Add(name, c.redact(v))
		}
	}
	return r
}

// redact removes the server's own tokens, which a client may have put in the wrong place.
func (c *call) redact(text string) string {
	text = strings.ReplaceAll(text, c.personal, "REDACTED")
	for _, ws := range c.state.workspaces {
		text = strings.ReplaceAll(text, strings.TrimPrefix(ws.Token, "secret-token:"), "REDACTED")
	}
	return text
}

// params returns the request's body, which is a JSON object or empty.
func (c *call) params() (map[string]any, *answer) {
	if len(c.body) == 0 {
		return nil, nil
	}
	kind, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	params, err := decodeObject(c.body)
	if kind != "application/json" || err != nil {
		a := c.refuse(http.StatusBadRequest, "The body is not a JSON object of Content-Type application/json")
		return nil, &a
	}
	return params, nil
}
