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

// Return answers requests to the links' RedirectURI, where the customer returns.
//
// check looks up in the customer's session which link was used. It then asks the API with
// the WaitFor... method of the link's kind and the request's context, which ends after the
// time of [WithWait]. check writes no answer. What check returns decides:
//
//   - nil: connected answers. Its request has no such time limit.
//   - [context.DeadlineExceeded] after that time, from a wait to which the API answered last
//     that the customer has not finished: 202 with a "not yet" page, or JSON if the request
//     prefers it.
//   - Any other [context.DeadlineExceeded] after that time, or a refusal of the client's rate
//     limiter that names no time: 202 with a page that says that we do not know yet. The API
//     has not answered, or its last answer was an error that can pass. This is logged at
//     level Warn.
//   - [ErrNoLink]: 404 with a page that makes no claim about the connection.
//   - [connectlinks.ErrLinkExpired] or [connectlinks.ErrLinkRevoked]: 410 with a page
//     that leads to the address of [WithBack], to start again.
//   - Any other error, also of a deadline that check set itself: see [Error]. The page does
//     not say that the customer is not connected, because that is not known.
//
// Both pages look again by themselves, with script or without, at growing intervals: see
// [WithRefresh]. They wait at least for the API's Retry-After. A customer who cancelled may
// get here too. So from the third look on the "not yet" page says "If you did not finish,
// start again.", and its first button leads to the address of WithBack. The other page does
// not, because that customer may be connected. From the third look on it says "If this goes on,
// contact our support.", and its first button leads to the integrations.
//
// Return reads one number from the query: how often the page has looked. It trusts nothing
// else there, since anybody can type it.
//
// Methods other than GET and HEAD are refused with 405. No answer may be stored.
func Return(check func(w http.ResponseWriter, r *http.Request) error, connected http.Handler, opts ...Option) http.Handler {
	if check == nil || connected == nil {
		panic("connectlinksweb: Return without check or connected")
	}
	s := newSettings(opts)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		private(w)
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			notAllowed(w, "GET, HEAD")
			return
		}
		limit := time.Now().Add(s.wait)
		ctx, cancel := context.WithDeadline(r.Context(), limit)
		err := check(w, r.WithContext(ctx))
		cancel()
		private(w)
		// Other deadlines are the server's, or check set them itself.
		ranOut := !time.Now().Before(limit) && errors.Is(err, context.DeadlineExceeded)
		switch {
		case err == nil:
			connected.ServeHTTP(w, r)
		case ranOut && notFinished(err):
			s.notYet(w, r)
		case ranOut && !final(err), refusedByLimiter(err):
			s.noWord(w, r, err)
		default:
			s.fail(w, r.WithContext(context.WithValue(r.Context(), returnKey{}, true)), err)
		}
	})
}

// notFinished reports whether err is from a wait whose last answer said that the customer has not
// finished.
func notFinished(err error) bool {
	var over interface{ NotFinished() bool }
	return errors.As(err, &over) && over.NotFinished()
}

// refusedByLimiter reports whether the client's rate limiter refused the call. A 429 of
// the API is an APIError, and so is a limiter's error that names a pause.
func refusedByLimiter(err error) bool {
	return errors.Is(err, connectlinks.ErrRateLimited) && !errors.As(err, new(*connectlinks.APIError))
}

// returnKey marks requests to Return, so that Error, called by an error handler, chooses
// the texts of Return.
type returnKey struct{}

func returning(r *http.Request) bool { return r.Context().Value(returnKey{}) != nil }

// notYet answers if the API says that the customer has not finished. Most likely the customer
// cancelled if that goes on: the service may redirect here then, too.
func (s *settings) notYet(w http.ResponseWriter, r *http.Request) {
	s.waiting(w, r, s.texts.Waiting, 0, s.texts.IfNotFinished, s.texts.StartAgain)
}

// noWord answers if the API has not said whether the customer has finished.
func (s *settings) noWord(w http.ResponseWriter, r *http.Request, err error) {
	level := slog.LevelWarn
	if cancelled(r) {
		level = slog.LevelDebug
	}
	s.logError(r, level, http.StatusAccepted, err)
	var pause time.Duration
	var refused *connectlinks.APIError
	if errors.As(err, &refused) {
		pause = refused.RetryAfter
	}
	s.waiting(w, r, s.texts.NoWord, pause, s.texts.IfItGoesOn, s.texts.Integrations)
}

// waiting answers with a page that looks again by itself, after the API's pause. From the third
// look on the page adds the sentence late, and its first button has the text lateBack.
func (s *settings) waiting(w http.ResponseWriter, r *http.Request, text Text, pause time.Duration, late, lateBack string) {
	retryAfter := s.retryAfter(w, pause, &text)
	if prefersJSON(r) {
		writeJSON(w, http.StatusAccepted, problem{http.StatusAccepted, text.Message, retryAfter})
		return
	}
	p := Page{
		Kind: KindWaiting, Status: http.StatusAccepted, Title: text.Title, Message: text.Message,
		Button: s.texts.LookAgain, Again: customersLook(r), BackText: s.texts.Integrations,
	}
	looksAgain := s.lookAgain(w, r, pause)
	p.Spinner = looksAgain
	if looks(r) >= asksAt {
		p.Message += " " + late
		p.BackFirst, p.BackText, p.Spinner = true, lateBack, false
	}
	if looksAgain {
		p.Message += " " + s.texts.LooksAgain
	}
	s.show(w, r, p)
}

const (
	lookParam  = "connectlink_look" // the number of looks before this one
	asksAt     = 2                  // the third look
	lastLook   = 28                 // a quarter of an hour: pauses of 2 s to 30 s, and the waits
	maxRefresh = 30 * time.Second
)

func looks(r *http.Request) int {
	n, err := strconv.Atoi(r.URL.Query().Get(lookParam))
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// lookAgain sets the header that loads the page again, and reports whether it did: not
// after the last look. The pause is at least atLeast, the API's Retry-After.
func (s *settings) lookAgain(w http.ResponseWriter, r *http.Request, atLeast time.Duration) bool {
	look := looks(r)
	if s.refresh <= 0 || look >= lastLook {
		return false
	}
	pause := s.refresh
	for range look {
		if pause < maxRefresh {
			pause = min(2*pause, maxRefresh)
		}
	}
	pause = max(pause, atLeast)
	w.Header().Set("Refresh", strconv.FormatInt(seconds(pause), 10)+"; url="+address(r, look+1))
	return true
}

// customersLook returns the address of the button "Look again". Its look number is at most
// asksAt: the intervals are short again, and the page still says IfNotFinished.
func customersLook(r *http.Request) string { return address(r, min(looks(r)+1, asksAt)) }

// address returns the relative URL of this page with the look number. It has only a query,
// so it works wherever the handler is mounted.
func address(r *http.Request, look int) string {
	query := r.URL.Query()
	query.Del(lookParam)
	if look > 0 {
		query.Set(lookParam, strconv.Itoa(look))
	}
	return "?" + query.Encode()
}
