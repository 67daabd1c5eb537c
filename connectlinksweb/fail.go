package connectlinksweb

import (
	"context"
	"errors"
	"fmt"
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
//   - 429 and 503, with Retry-After: the API, or the client's rate limiter, asks for patience
//   - 503, without it: the request's context was cancelled before there was an answer
//   - 504: the API took too long
//   - 502: the API refused, made no sense, could not be reached, or its answer to
//     a create was lost
//   - 500: anything else, such as an error of the platform's own
//
// A context that was cancelled is logged at Debug only: the client has given the
// request up, or the server is shutting down. [WithErrorHandler] has no effect on
// Error: it may call it.
func Error(w http.ResponseWriter, r *http.Request, err error, opts ...Option) {
	s := newSettings(opts)
	s.onError = nil
	private(w)
	s.fail(w, r, err)
}

// fail answers an error.
func (s *settings) fail(w http.ResponseWriter, r *http.Request, err error) {
	// Nothing tells a client that went away from a server that shuts down, and a
	// client that still listens must get an answer.
	cancelled := errors.Is(r.Context().Err(), context.Canceled)
	if s.onError != nil && !cancelled {
		s.onError(w, r, err)
		return
	}
	a, level := answerTo(err), slog.LevelError
	switch {
	case cancelled:
		a, level = interrupted, slog.LevelDebug
	case a.status < 500:
		level = slog.LevelWarn
	}
	s.logger().LogAttrs(logContext(r), level, "connectlinks: request of a customer failed",
		slog.Int("status", a.status), slog.String("pattern", r.Pattern), slog.Any("error", err))

	retryAfter := seconds(a.pause)
	if retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(retryAfter, 10))
	}
	if prefersJSON(r) {
		writeJSON(w, a.status, problem{a.status, a.message, retryAfter})
		return
	}
	p := Page{Kind: KindError, Status: a.status, Title: a.title, Message: a.message}
	switch {
	case a.status == http.StatusGone:
		p.Kind, p.BackText = KindEnded, "Start again"
	case returning(r):
		p.Button, p.Again = "Try again", address(r, 0)
		if a.passes {
			s.lookAgain(w, r, a.pause) // the customer may well have finished
		}
	case r.Method == http.MethodPost:
		p.Button = "Try again"
		// The form's POST must say where it comes from.
		w.Header().Set("Referrer-Policy", "same-origin")
	}
	s.show(w, r, p)
}

// problem is an answer without a link, in JSON.
type problem struct {
	Status     int    `json:"status"`
	Message    string `json:"message"`
	RetryAfter int64  `json:"retry_after,omitempty"` // in seconds
}

// answer is what a customer is told about an error.
type answer struct {
	status         int
	title, message string
	pause          time.Duration // before another try; 0 if nobody named one
	passes         bool          // by itself, and soon
}

var interrupted = answer{
	status: http.StatusServiceUnavailable, title: "Interrupted", passes: true,
	message: "We were interrupted before we had an answer. Please try again.",
}

// answerTo says what to tell a customer about err.
func answerTo(err error) answer {
	var refused *connectlinks.APIError
	var status int
	var pause time.Duration
	if errors.As(err, &refused) {
		status, pause = refused.StatusCode, refused.RetryAfter
	}
	var timeout interface{ Timeout() bool }
	var network net.Error
	switch {
	case errors.Is(err, connectlinks.ErrLinkExpired):
		return answer{
			status: http.StatusGone, title: "This took too long",
			message: "The page you were on is no longer valid, and nothing was connected. Please start again.",
		}
	case errors.Is(err, connectlinks.ErrLinkRevoked):
		return answer{
			status: http.StatusGone, title: "This was cancelled",
			message: "The page you were on was withdrawn, and nothing was connected. Please start again.",
		}
	case errors.Is(err, connectlinks.ErrRateLimited):
		return busy(http.StatusTooManyRequests, "Too many at once", pause)
	case status == http.StatusServiceUnavailable:
		return busy(http.StatusServiceUnavailable, "Not available right now", pause)
	case errors.Is(err, context.DeadlineExceeded), status == http.StatusGatewayTimeout, status == http.StatusRequestTimeout,
		errors.As(err, &timeout) && timeout.Timeout():
		return answer{
			status: http.StatusGatewayTimeout, title: "No answer in time", passes: true,
			message: "This took too long. Please try again in a minute.",
		}
	case status != 0, errors.Is(err, connectlinks.ErrBadResponse), errors.Is(err, connectlinks.ErrOutcomeUnknown), errors.As(err, &network):
		return answer{
			status: http.StatusBadGateway, title: "That did not work",
			message: "The service that we connect you with gave no usable answer. Please try again in a minute; if that does not help, contact our support.",
		}
	}
	return answer{
		status: http.StatusInternalServerError, title: "That did not work",
		message: "Something went wrong on our side. Please try again in a minute; if that does not help, contact our support.",
	}
}

// defaultPause is how long to wait where the API names no time.
const defaultPause = 10 * time.Second

func busy(status int, title string, pause time.Duration) answer {
	if pause <= 0 {
		pause = defaultPause
	}
	return answer{status: status, title: title, message: "Please try again in " + inWords(pause) + ".", pause: pause, passes: true}
}

// seconds rounds up.
func seconds(d time.Duration) int64 {
	n := int64(d / time.Second)
	if d%time.Second > 0 {
		n++
	}
	return n
}

func inWords(d time.Duration) string {
	n := seconds(d)
	switch {
	case n == 1:
		return "a second"
	case n <= 90:
		return fmt.Sprintf("%d seconds", n)
	case n <= 90*60:
		return fmt.Sprintf("%d minutes", (n+59)/60)
	}
	return fmt.Sprintf("%d hours", (n+3599)/3600)
}
