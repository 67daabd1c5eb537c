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
// request prefers it. A customer who cancelled may be sent here too: after three looks
// the page says "If you did not finish, start again", and its first button leads to
// the address of [WithBack].
//
// If check returns [ErrNoLink], the answer is 404 with a page that claims nothing about
// the connection. [connectlinks.ErrLinkExpired] and [connectlinks.ErrLinkRevoked] are
// answered with 410 and a page that leads to the address of WithBack to start again.
// [Error] answers all other errors, including deadlines that check set itself. Since
// the customer may be connected, those pages do not say otherwise.
//
// Return does not believe the query: anybody can type it. It keeps one number there,
// how often the page has looked.
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
		ranOut := !time.Now().Before(limit) && errors.Is(err, context.DeadlineExceeded)
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
	t := &s.texts
	p := Page{
		Kind: KindWaiting, Status: http.StatusAccepted, Title: t.Waiting.Title, Message: t.Waiting.Message,
		Button: t.LookAgain, Again: customersLook(r),
	}
	if prefersJSON(r) {
		writeJSON(w, p.Status, problem{Status: p.Status, Message: p.Message})
		return
	}
	p.Spinner = s.lookAgain(w, r, 0)
	looksAgain := p.Spinner
	if looks(r) >= asksAt {
		// Most likely the customer cancelled, and was sent here all the same.
		p.Message += " " + t.IfNotFinished
		p.BackFirst, p.BackText, p.Spinner = true, t.StartAgain, false
	}
	if looksAgain {
		p.Message += " " + t.LooksAgain
	}
	s.show(w, r, p)
}

const (
	lookParam  = "connectlink_look" // how many looks there were before this one
	asksAt     = 2                  // the third look
	lastLook   = 28                 // 2 s, 4 s, ... 30 s: a quarter of an hour, waits included
	maxRefresh = 30 * time.Second
)

func looks(r *http.Request) int {
	n, err := strconv.Atoi(r.URL.Query().Get(lookParam))
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// lookAgain makes the page load itself again, unless it has done so often enough.
// atLeast is how long the API has asked to wait.
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

// customersLook is the address of a look that the customer asks for. The page then
// looks often again, and does not forget that it has asked whether the customer finished.
func customersLook(r *http.Request) string { return address(r, min(looks(r)+1, asksAt)) }

// address is that of this page, after so many looks. It begins with the query:
// where the handler is mounted does not matter.
func address(r *http.Request, look int) string {
	query := r.URL.Query()
	query.Del(lookParam)
	if look > 0 {
		query.Set(lookParam, strconv.Itoa(look))
	}
	return "?" + query.Encode()
}
