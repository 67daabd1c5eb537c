package connectlinksweb

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

// ErrNoLink is what check of [Return] returns if the session knows no link: after a
// lost session, or a bookmark. Its page claims nothing about the connection.
var ErrNoLink = errors.New("connectlinksweb: the session knows no link")

// Error answers an error of the SDK as [Start] and [Return] do, with a page, or
// JSON if the request prefers it, that says what to do and nothing that is secret,
// and logs it:
//
//   - 404: [ErrNoLink]
//   - 410: the link has expired or was revoked
//   - 429, with Retry-After: the API or the client's rate limiter asked to wait
//   - 500: only the platform can mend it (an [*connectlinks.InputError], and every
//     4xx of the API except 408 and 429); trying again is not offered
//   - 500: anything that is not in this list, such as an error of the platform's own
//   - 502: the API could not be reached, gave no usable answer, or its answer to a
//     create was lost
//   - 503, with Retry-After: the API is not available
//   - 503, without it: the request's context was cancelled before there was an answer
//   - 504: something took too long
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
	var a answer
	level := slog.LevelError
	if cancelled {
		a = answer{kind: KindError, status: http.StatusServiceUnavailable, text: s.texts.Interrupted, again: true, soon: true}
		level = slog.LevelDebug
	} else if a = s.texts.answer(err); a.status < 500 {
		level = slog.LevelWarn
	}
	if returning(r) && a.kind == KindError {
		a.text.Title = s.texts.NotSure
		if !a.again {
			a.text = s.texts.CannotTell
		}
	}
	s.logger().LogAttrs(logContext(r), level, "connectlinks: request of a customer failed",
		slog.Int("status", a.status), slog.String("pattern", r.Pattern), slog.Any("error", err))

	retryAfter := seconds(a.pause)
	if retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(retryAfter, 10))
		a.text.Message += " " + s.texts.TryAgainIn(a.pause)
	}
	if prefersJSON(r) {
		writeJSON(w, a.status, problem{a.status, a.text.Message, retryAfter})
		return
	}
	p := Page{Kind: a.kind, Status: a.status, Title: a.text.Title, Message: a.text.Message, BackFirst: a.kind != KindError}
	switch {
	case a.kind == KindEnded:
		p.BackText = s.texts.StartAgain
	case !a.again:
	case returning(r):
		p.Button, p.Again = s.texts.TryAgain, customersLook(r)
		if a.soon {
			s.lookAgain(w, r, a.pause) // the customer may well have finished
		}
	case r.Method == http.MethodPost:
		p.Button = s.texts.TryAgain
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
	kind   Kind
	status int
	text   Text
	pause  time.Duration // before another try; 0 if nobody asked for one
	again  bool          // another try can help
	soon   bool          // and soon, so that a page may look again by itself
}

const defaultPause = 10 * time.Second // where the API asks for one, and does not say how long

// answer chooses what to tell a customer about err.
func (t *Texts) answer(err error) answer {
	var refused *connectlinks.APIError
	var status int
	pause := defaultPause
	if errors.As(err, &refused) {
		status = refused.StatusCode
		if refused.RetryAfter > 0 {
			pause = refused.RetryAfter
		}
	}
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, ErrNoLink):
		return answer{kind: KindNoLink, status: http.StatusNotFound, text: t.NoLink}
	case errors.Is(err, connectlinks.ErrLinkExpired):
		return answer{kind: KindEnded, status: http.StatusGone, text: t.Expired}
	case errors.Is(err, connectlinks.ErrLinkRevoked):
		return answer{kind: KindEnded, status: http.StatusGone, text: t.Revoked}
	case errors.Is(err, connectlinks.ErrRateLimited):
		return answer{kind: KindError, status: http.StatusTooManyRequests, text: t.Busy, pause: pause, again: true, soon: true}
	case errors.As(err, new(*connectlinks.InputError)), status >= 400 && status < 500 && status != http.StatusRequestTimeout:
		return answer{kind: KindError, status: http.StatusInternalServerError, text: t.CannotConnect}
	case status == http.StatusServiceUnavailable:
		return answer{kind: KindError, status: status, text: t.Unavailable, pause: pause, again: true, soon: true}
	case status == http.StatusRequestTimeout, status == http.StatusGatewayTimeout,
		errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return answer{kind: KindError, status: http.StatusGatewayTimeout, text: t.TimedOut, again: true, soon: true}
	case status != 0, errors.Is(err, connectlinks.ErrBadResponse), errors.Is(err, connectlinks.ErrOutcomeUnknown):
		return answer{kind: KindError, status: http.StatusBadGateway, text: t.BadAnswer, again: true}
	case errors.As(err, new(net.Error)): // of the API, or of the platform's own
		return answer{kind: KindError, status: http.StatusBadGateway, text: t.Failed, again: true}
	}
	return answer{kind: KindError, status: http.StatusInternalServerError, text: t.Failed, again: true}
}
