package connectlinksweb

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/connectlinks/connectlinks-go"
)

// Return answers at the links' RedirectURI, where the customer comes back to.
//
// check looks up in the customer's session which link this is about, and asks the
// API with the fitting WaitFor... and the request's context, which ends after the
// time of [WithWait]. If it returns nil, connected answers, to the request without
// that limit. If that time runs out ([context.DeadlineExceeded]), or the client's
// rate limiter refuses, the answer is 202 with a page that says "not yet" and looks
// again by itself, with script or without, at growing intervals; or JSON, if the
// request prefers it. [connectlinks.ErrLinkExpired] and [connectlinks.ErrLinkRevoked]
// are answered with 410 and a page that leads to the address of [WithBack] to start
// again. [Error] answers all other errors, including deadlines that check set itself.
//
// The query is not believed: that the browser is here proves nothing, a customer
// who cancels may be sent here too. Return keeps one number in it, how often the
// page has looked.
//
// Only GET and HEAD are answered. No answer may be stored.
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
		// Other deadlines are the server's, or of check's own making.
		ranOut := r.Context().Err() == nil && !time.Now().Before(limit) && errors.Is(err, context.DeadlineExceeded)
		switch {
		case err == nil:
			connected.ServeHTTP(w, r)
		case ranOut, refusedByLimiter(err):
			s.notYet(w, r)
		default:
			s.fail(w, r.WithContext(context.WithValue(r.Context(), returnKey{}, true)), err)
		}
	})
}

// refusedByLimiter reports whether a rate limiter of the platform's own refused
// the call, and not the API.
func refusedByLimiter(err error) bool {
	return errors.Is(err, connectlinks.ErrRateLimited) && !errors.As(err, new(*connectlinks.APIError))
}

// returnKey marks the request of an error, so that Error knows whose it is.
type returnKey struct{}

func returning(r *http.Request) bool { return r.Context().Value(returnKey{}) != nil }

func (s *settings) notYet(w http.ResponseWriter, r *http.Request) {
	p := Page{
		Kind: KindWaiting, Status: http.StatusAccepted, Title: "Not connected yet",
		Message: "We have had no word yet that you are connected. If you left before the end, go back and start again.",
		Button:  "Look again", Again: address(r, 0),
	}
	if prefersJSON(r) {
		writeJSON(w, p.Status, problem{Status: p.Status, Message: p.Title})
		return
	}
	if s.lookAgain(w, r, 0) {
		p.Message = "We are waiting for word that you are connected, and look again by ourselves. If you left before the end, go back and start again."
	}
	s.show(w, r, p)
}

const (
	lookParam  = "connectlink_look"
	lastLook   = 28 // 2 s, 4 s, ... 30 s: a quarter of an hour, waits included
	maxRefresh = 30 * time.Second
)

// lookAgain makes the page load itself again, unless it has done so often enough.
// atLeast is how long the API has asked to wait.
func (s *settings) lookAgain(w http.ResponseWriter, r *http.Request, atLeast time.Duration) bool {
	look, err := strconv.Atoi(r.URL.Query().Get(lookParam))
	if err != nil || look < 0 {
		look = 0
	}
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

// address is that of this page, having looked so many times. It begins with the
// query: where the handler is mounted does not matter.
func address(r *http.Request, look int) string {
	query := r.URL.Query()
	query.Del(lookParam)
	if look > 0 {
		query.Set(lookParam, strconv.Itoa(look))
	}
	return "?" + query.Encode()
}
