package connectlinksweb

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/connectlinks/connectlinks-go"
)

// ErrNoLink tells [Return] that the session knows no such link, for example because the
// session was lost. check returns it. Its page makes no claim about the connection.
var ErrNoLink = errors.New("connectlinksweb: the session knows no link")

// Error answers err, an error of the SDK, like [Start] and [Return], and logs it. The
// answer is a page, or JSON if the request prefers it. It says what to do, and holds no
// secret:
//
//   - 404: [ErrNoLink]
//   - 410: the link has expired or was revoked
//   - 429, with Retry-After: the API or the client's rate limiter refused for a while
//   - 500: only the platform can fix it (an [*connectlinks.InputError], or any 3xx or 4xx of
//     the API except 408 and 429); the page offers no other try
//   - 500: an error that is not in this list, such as one of the platform's own
//   - 502: the API was not reached, its answer was an error, not usable or cut off, or its
//     answer to a create was lost
//   - 503, with Retry-After: the API is not available
//   - 503, without it: the request's context was cancelled before there was an answer
//   - 504: something took too long
//
// If the request's context was cancelled, the error is logged at level Debug only: the
// client has gone, or the server is shutting down. Error ignores [WithErrorHandler], so
// that an error handler can call Error.
func Error(w http.ResponseWriter, r *http.Request, err error, opts ...Option) {
	s := newSettings(opts)
	s.onError = nil
	private(w)
	s.fail(w, r, err)
}

// fail answers an error.
func (s *settings) fail(w http.ResponseWriter, r *http.Request, err error) {
	gone := cancelled(r)
	if s.onError != nil && !gone {
		s.onError(w, r, err)
		return
	}
	var a answer
	level := slog.LevelError
	if gone {
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
	s.logError(r, level, a.status, err)

	retryAfter := s.retryAfter(w, a.pause, &a.text)
	json := prefersJSON(r)
	switch {
	case !json && a.soon && returning(r) && s.lookAgain(w, r, a.pause):
		a.text.Message += " " + s.texts.LooksAgain
	case a.inAMinute:
		a.text.Message += " " + s.texts.InAMinute
	}
	if json {
		writeJSON(w, a.status, problem{a.status, a.text.Message, retryAfter})
		return
	}
	p := Page{Kind: a.kind, Status: a.status, Title: a.text.Title, Message: a.text.Message, BackFirst: a.kind != KindError}
	if returning(r) || a.kind == KindNoLink {
		p.BackText = s.texts.Integrations
	}
	switch {
	case a.kind == KindEnded:
		p.BackText = s.texts.StartAgain
	case !a.again:
	case returning(r):
		p.Button, p.Again = s.texts.TryAgain, customersLook(r)
	case r.Method == http.MethodPost:
		p.Button = s.texts.TryAgain
		// With no-referrer, browsers send the form with Origin: null.
		w.Header().Set("Referrer-Policy", "same-origin")
	}
	s.show(w, r, p)
}

// cancelled reports whether the client has gone, or the server is shutting down. The context does
// not say which, and in the second case the client needs an answer.
func cancelled(r *http.Request) bool { return errors.Is(r.Context().Err(), context.Canceled) }

func (s *settings) logError(r *http.Request, level slog.Level, status int, err error) {
	s.logger().LogAttrs(logContext(r), level, "connectlinks: request of a customer failed",
		slog.Int("status", status), slog.String("pattern", r.Pattern), slog.Any("error", err))
}

// retryAfter tells the client and the customer how long to wait, and returns it in seconds. It does
// nothing if pause is 0.
func (s *settings) retryAfter(w http.ResponseWriter, pause time.Duration, text *Text) int64 {
	n := seconds(pause)
	if n > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(n, 10))
		text.Message += " " + s.texts.TryAgainIn(pause)
	}
	return n
}

// problem is the JSON of an error, and of the pages that look again.
type problem struct {
	Status     int    `json:"status"`
	Message    string `json:"message"`
	RetryAfter int64  `json:"retry_after,omitempty"` // in seconds
}

// answer describes the page for an error.
type answer struct {
	kind   Kind
	status int
	text   Text
	pause  time.Duration // until another try; 0 if the error names none
	again  bool          // another try can help
	soon   bool          // Return's page may look again by itself

	inAMinute bool // add InAMinute, unless the page looks again by itself
}

// final reports whether only the platform can fix err. No request succeeds before that.
func final(err error) bool {
	var refused *connectlinks.APIError
	if errors.Is(err, connectlinks.ErrRateLimited) {
		return false
	}
	return errors.As(err, new(*connectlinks.InputError)) || errors.As(err, &refused) &&
		refused.StatusCode >= 300 && refused.StatusCode < 500 && refused.StatusCode != http.StatusRequestTimeout
}

const defaultPause = 10 * time.Second // if the API refuses for a while without a Retry-After

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
	case final(err):
		return answer{kind: KindError, status: http.StatusInternalServerError, text: t.CannotConnect}
	case status == http.StatusServiceUnavailable:
		return answer{kind: KindError, status: status, text: t.Unavailable, pause: pause, again: true, soon: true}
	case status == http.StatusRequestTimeout, status == http.StatusGatewayTimeout,
		errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return answer{kind: KindError, status: http.StatusGatewayTimeout, text: t.TimedOut, again: true, soon: true, inAMinute: true}
	case status != 0, errors.Is(err, connectlinks.ErrBadResponse), errors.Is(err, connectlinks.ErrOutcomeUnknown):
		return answer{kind: KindError, status: http.StatusBadGateway, text: t.BadAnswer, again: true}
	case errors.As(err, &timeout): // an error of the SDK or of package net: no answer, or a part of one
		return answer{kind: KindError, status: http.StatusBadGateway, text: t.Failed, again: true}
	}
	return answer{kind: KindError, status: http.StatusInternalServerError, text: t.Failed, again: true}
}
