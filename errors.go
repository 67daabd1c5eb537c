package connectlinks

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Errors that an [APIError] matches by its status, for [errors.Is]. An APIError with another
// status, such as a redirect or a less common 4xx, matches none of them.
var (
	ErrUnauthorized   = errors.New("connectlinks: unauthorized")    // 401
	ErrForbidden      = errors.New("connectlinks: forbidden")       // 403
	ErrNotFound       = errors.New("connectlinks: not found")       // 404, 410
	ErrInvalidRequest = errors.New("connectlinks: invalid request") // 400, 409, 422
	ErrRateLimited    = errors.New("connectlinks: rate limited")    // 429
	ErrServer         = errors.New("connectlinks: server error")    // 5xx
)

// Errors that end a wait, because the customer can no longer finish.
var (
	ErrLinkExpired = errors.New("connectlinks: the link has expired")
	ErrLinkRevoked = errors.New("connectlinks: the link was revoked")
)

var (
	// ErrBadResponse reports a success that cannot be used: HTML, truncated JSON, a link without
	// an id or a URL (in a list: without an id), a page that does not advance. The error that
	// wraps it says what is wrong, and does not quote the answer.
	ErrBadResponse = errors.New("connectlinks: bad response")

	// ErrOutcomeUnknown reports a create that failed, but may have been carried out. The API may
	// have a link whose URL nobody has. The SDK never repeats such a create. With UniqueRedirect
	// this error is rare.
	//
	// Ask the customer to try again, and use a new RedirectURI. The lost link expires. If its
	// RedirectURI was unique, you can revoke it before: call FindConnectLink with a new context
	// and that RedirectURI.
	ErrOutcomeUnknown = errors.New("connectlinks: outcome unknown: the API may hold a link that nobody has")
)

// APIError reports an answer of the API that is not a success. The SDK makes one itself in two
// cases: a 429 for a call that it did not send because of a throttle, and a 404 for an object of
// another group than the client's (see [WithGroup]). By its StatusCode it matches
// [ErrUnauthorized] and its siblings:
//
//	if errors.Is(err, connectlinks.ErrNotFound) { ... }
//
// No field holds a token or a link's secret: the SDK withholds a text that may hold one.
type APIError struct {
	// StatusCode is the HTTP status. If the envelope of a 2xx answer reports a failure, it is the
	// envelope's number, 404 for "not_found", or the 2xx for "error".
	StatusCode int
	Status     string        // the envelope's status: a word such as "not_found", or a number; "" if absent
	Message    string        // the API's message; "" if absent
	RequestID  string        // the X-Request-Id header, for the vendor's support; "" if absent
	Method     string        // the request's method
	Path       string        // the request's path, relative to the base URL
	RetryAfter time.Duration // the time to wait that the API or the rate limiter named, or the rest of it; 0 if absent
	Body       []byte        // the first 4 KiB of the answer
}

// Error names the request and the answer, and for some statuses what to do.
func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "connectlinks: %s %s: %d", e.Method, e.Path, e.StatusCode)
	if text := http.StatusText(e.StatusCode); text != "" {
		b.WriteString(" " + text)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, " (retry after %s)", e.RetryAfter.Round(time.Millisecond))
	}
	if e.RequestID != "" {
		b.WriteString(" (request id " + e.RequestID + ")")
	}
	if hint := e.hint(); hint != "" {
		b.WriteString("; " + hint)
	}
	return b.String()
}

// Is reports whether target is the sentinel for e.StatusCode.
func (e *APIError) Is(target error) bool {
	switch e.StatusCode {
	case http.StatusUnauthorized:
		return target == ErrUnauthorized
	case http.StatusForbidden:
		return target == ErrForbidden
	case http.StatusNotFound, http.StatusGone:
		return target == ErrNotFound
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
		return target == ErrInvalidRequest
	case http.StatusTooManyRequests:
		return target == ErrRateLimited
	}
	return e.StatusCode >= 500 && target == ErrServer
}

func (e *APIError) hint() string {
	v1, isV1 := strings.CutPrefix(e.Path, "/api/v1/")
	switch {
	case e.StatusCode < 200:
		return "this is not an answer of the API: check the base URL, and proxies"
	case e.StatusCode < 300:
		return "the answer's own status is a failure"
	case e.StatusCode < 400 && isV1:
		return "redirects are refused: check the base URL; " + retiredHint
	case e.StatusCode < 400:
		return "redirects are refused: check the base URL"
	case isV1 && (e.StatusCode == http.StatusGone || e.StatusCode == http.StatusNotFound):
		return "check the id and the base URL; " + retiredHint
	case e.StatusCode != http.StatusUnauthorized && e.StatusCode != http.StatusForbidden:
		return ""
	case !isV1 || strings.HasPrefix(v1, "workspaces"):
		return "this call takes a personal access token"
	}
	return "this call takes a workspace API key"
}

// retiredHint is appended to errors that V1 may return after its retirement.
const retiredHint = "if API V1 has been retired (15 January 2027), use Client.Activations"

// InputError reports an argument or option that the SDK refused before it sent the request. Field
// is its name in Go: Type, RedirectURI, Token, linkID and so on. Reason completes the sentence
// that Field begins.
type InputError struct{ Field, Reason string }

func (e *InputError) Error() string { return "connectlinks: " + e.Field + " " + e.Reason }

// refuse returns an InputError if the input is bad.
func refuse(bad bool, field, reason string) error {
	if !bad {
		return nil
	}
	return &InputError{field, reason}
}

// inputErrors returns nil for no error, the error itself for one, and a join for more.
func inputErrors(errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// badResponse returns an ErrBadResponse that says what is wrong.
func badResponse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBadResponse, fmt.Sprintf(format, args...))
}
