package connectlinkstest

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// RetireV1 answers all requests below /api/v1 as after the retirement of API V1, with any
// token. V2 continues. The pages of V1's links say that the link cannot be used, and levers
// fail for such links with [ErrDeadLink]. status chooses the answer:
//
//   - 200: a page of HTML
//   - 301, 302, 303, 307 or 308: a redirect to the server's own /
//   - 400 to 599: a JSON error that does not mention the retirement
//   - 0: V1 is back
//
// Another status is an error. Assumption: all of it. The documentation does not say what V1
// will answer after its retirement.
func (s *Server) RetireV1(status int) error {
	switch {
	case status == 0, status == http.StatusOK, isRedirect(status), status >= 400 && status < 600:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.retired = status
		return nil
	}
	return fmt.Errorf("connectlinkstest: V1 cannot retire with status %d", status)
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// retirementDay is when the vendor retires API V1.
var retirementDay = time.Date(2027, time.January, 15, 0, 0, 0, 0, time.UTC)

// isV1 reports whether a request is for API V1.
func isV1(r *http.Request) bool { return strings.HasPrefix(r.URL.Path+"/", "/api/v1/") }

// retiredV1 returns the answer to a request of V1 after its retirement. It returns nil
// before the retirement, and for other requests.
func (c *call) retiredV1() *answer {
	if c.retired == 0 || !isV1(c.r) {
		return nil
	}
	var a answer
	switch {
	case c.retired == http.StatusOK:
		a.header = http.Header{"Content-Type": {"text/html; charset=utf-8"}}
		a.body = []byte("<!DOCTYPE html>\n<title>Activations</title>\n<p>Welcome to Activations.</p>\n")
	case isRedirect(c.retired):
		a.header = http.Header{"Location": {c.URL + "/"}}
	default:
		a = c.json(c.retired, railsError{c.retired, http.StatusText(c.retired)})
	}
	a.status = c.retired
	return &a
}
