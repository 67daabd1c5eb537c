package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/connectlinks/connectlinks-go"
)

// Error answers an error of the SDK as [Start] and [Return] do, with a page, or
// JSON if the request prefers it, that says what to do and nothing that is secret,
// and logs it:
//
//   - 410: the link has expired or was revoked
//   - 429 and 503, with Retry-After: the API asks for patience
//   - 504: the API took too long
//   - 502: the API refused, made no sense, could not be reached, or its answer to
//     a create was lost
//   - 500: anything else, such as an error of the platform's own
//
// If the client has given the request up there is nobody to answer, and nothing is
// logged. [WithErrorHandler] has no effect on Error: it may call it.
func Error(w http.ResponseWriter, r *http.Request, err error, opts ...Option) {
	s := newSettings(opts)
	s.onError = nil
	private(w)
	s.fail(w, r, err)
}

// fail answers an error.
func (s *settings) fail(w http.ResponseWriter, r *http.Request, err error) {
	if gone(r) {
		return
	}
	if s.onError != nil {
		s.onError(w, r, err)
		return
	}
	v := judge(err)
	level := slog.LevelError
	if v.status < 500 {
		level = slog.LevelWarn
	}
	s.logger().LogAttrs(logContext(r), level, "connectlinks: request of a customer failed",
		slog.Int("status", v.status), slog.String("pattern", r.Pattern), slog.Any("error", err))

	if v.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(v.retryAfter))
	}
	if prefersJSON(r) {
		writeJSON(w, v.status, problem{v.status, v.message, v.retryAfter})
		return
	}
	p := Page{Kind: KindError, Status: v.status, Title: v.title, Message: v.message}
	switch {
	case v.status == http.StatusGone:
		p.Kind, p.BackText = KindEnded, "Start again"
	case returning(r):
		p.Button, p.Again = "Try again", address(r, 0)
		if v.passes {
			s.lookAgain(w, r, time.Duration(v.retryAfter)*time.Second) // the customer may well have finished
		}
	case r.Method == http.MethodPost:
		p.Button = "Try again"
		// The form's POST must say where it comes from.
		w.Header().Set("Referrer-Policy", "same-origin")
	}
	s.show(w, r, p)
}

// gone reports whether the client has given the request up.
func gone(r *http.Request) bool { return errors.Is(r.Context().Err(), context.Canceled) }

// problem is an answer without a link, in JSON.
type problem struct {
	Status     int    `json:"status"`
	Message    string `json:"message"`
	RetryAfter int    `json:"retry_after,omitempty"` // in seconds
}

// verdict is what a customer is told about an error.
type verdict struct {
	status         int
	title, message string
	retryAfter     int  // in seconds
	passes         bool // by itself, and soon
}

func judge(err error) verdict {
	var refused *connectlinks.APIError
	status := 0
	if errors.As(err, &refused) {
		status = refused.StatusCode
	}
	var timeout interface{ Timeout() bool }
	var network net.Error
	switch {
	case errors.Is(err, connectlinks.ErrLinkExpired):
		return verdict{http.StatusGone, "This took too long", "The page you were on is no longer valid, and nothing was connected. Please start again.", 0, false}
	case errors.Is(err, connectlinks.ErrLinkRevoked):
		return verdict{http.StatusGone, "This was cancelled", "The page you were on was withdrawn, and nothing was connected. Please start again.", 0, false}
	case status == http.StatusTooManyRequests:
		return patience(status, "Too many at once", refused.RetryAfter)
	case status == http.StatusServiceUnavailable:
		return patience(status, "Not available right now", refused.RetryAfter)
	case errors.Is(err, context.DeadlineExceeded), status == http.StatusGatewayTimeout, status == http.StatusRequestTimeout,
		errors.As(err, &timeout) && timeout.Timeout():
		return verdict{http.StatusGatewayTimeout, "No answer in time", "The service that we connect you with takes too long to answer. Please try again in a minute.", 0, true}
	case status != 0, errors.Is(err, connectlinks.ErrBadResponse), errors.Is(err, connectlinks.ErrOutcomeUnknown), errors.As(err, &network):
		return verdict{http.StatusBadGateway, "That did not work", "The service that we connect you with gave no usable answer. Please try again in a minute; if that does not help, contact our support.", 0, false}
	}
	return verdict{http.StatusInternalServerError, "That did not work", "Something went wrong on our side. Please try again in a minute; if that does not help, contact our support.", 0, false}
}

// defaultPatience is how long to wait where the API names no time.
const defaultPatience = 10 * time.Second

func patience(status int, title string, d time.Duration) verdict {
	if d <= 0 {
		d = defaultPatience
	}
	seconds := int((d + time.Second - 1) / time.Second)
	return verdict{status, title, "The service that we connect you with asks for a pause. Please try again in " + inWords(seconds) + ".", seconds, true}
}

func inWords(seconds int) string {
	switch {
	case seconds == 1:
		return "a second"
	case seconds <= 90:
		return strconv.Itoa(seconds) + " seconds"
	case seconds <= 90*60:
		return strconv.Itoa((seconds+59)/60) + " minutes"
	}
	return strconv.Itoa((seconds+3599)/3600) + " hours"
}
