package connectlinks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/pace"
)

const (
	firstPoll   = time.Second // the first pause of a wait; later pauses are longer
	maxNonsense = 10          // a wait ends after so many unusable responses in a row
)

// poll calls look until it returns a result. look fetches the link first, and then the connection,
// so a link that expired because it was used does not hide its connection. The argument of look
// counts from 0. look returns a link with an id after the API has answered, and a nil result if the
// customer has not finished.
func poll[T any](ctx context.Context, linkID int64, look func(n int) (*T, ConnectLink, error)) (*T, error) {
	answered := false
	nonsense := 0  // unusable responses in a row
	var last error // of the API's last answer; nil if it said that the customer has not finished
	for n := 0; ; n++ {
		found, link, err := look(n)
		if found != nil {
			return found, nil
		}
		answered = answered || link.ID > 0
		if err == nil {
			err = linkEnded(link)
		}
		if makesNoSense(err) {
			nonsense++
		} else {
			nonsense = 0
		}
		if err != nil && (!answered || nonsense >= maxNonsense || endsWait(err)) {
			return nil, err
		}
		if link.ID > 0 || !notAsked(ctx, err) {
			last = err
		}
		if over := pace.Sleep(ctx, pace.Backoff(firstPoll, n)); over != nil {
			return nil, waitOver(linkID, over, last)
		}
	}
}

// makesNoSense reports whether err is an unusable response. A later poll may get a better one.
func makesNoSense(err error) bool {
	var e *APIError
	return errors.Is(err, ErrBadResponse) || errors.As(err, &e) && e.StatusCode < 400
}

// notAsked reports whether a poll failed for a reason that is not the API's: ctx ended during the
// poll, or the rate limiter refused it.
func notAsked(ctx context.Context, err error) bool {
	over := pace.Ended(ctx)
	ours := over != nil && errors.Is(err, over) || errors.Is(err, ErrRateLimited)
	return ours && !errors.As(err, new(*APIError))
}

// waitError is the error of a wait that ended with its context after the API has answered.
type waitError struct {
	*callError
	notFinished bool
}

// NotFinished reports whether the API's last answer said that the customer has not finished. It is
// false if the last answer was an error. Package connectlinksweb calls it.
func (e *waitError) NotFinished() bool { return e.notFinished }

// waitOver returns the error of a wait that ended with its context. last is the error of the API's
// last answer, or nil.
func waitOver(linkID int64, over, last error) error {
	e := &callError{fmt.Sprintf("connectlinks: waiting for link %d: %v", linkID, over), []error{over}, isTimeout(over)}
	if last != nil {
		e.causes = []error{over, last}
		if !errors.Is(last, over) {
			e.text += "; the last answer: " + strings.TrimPrefix(last.Error(), "connectlinks: ")
		}
	}
	return &waitError{e, last == nil}
}

// endsWait reports whether err ends a wait after the API has answered once.
func endsWait(err error) bool {
	if errors.Is(err, ErrLinkExpired) || errors.Is(err, ErrLinkRevoked) || errors.Is(err, errNotReauthorization) ||
		errors.As(err, new(*InputError)) {
		return true
	}
	var e *APIError
	return errors.As(err, &e) && e.StatusCode >= 400 && e.StatusCode < 500 &&
		e.StatusCode != http.StatusRequestTimeout && e.StatusCode != http.StatusTooManyRequests
}

// linkEnded returns why a customer can no longer use a link, or nil. It goes by the API's answer,
// not by the local clock. Revoked counts before expired.
func linkEnded(l ConnectLink) error {
	switch {
	case l.Revoked:
		return linkError(l.ID, ErrLinkRevoked)
	case l.Expired:
		return linkError(l.ID, ErrLinkExpired)
	}
	return nil
}

// errNotReauthorization ends a WaitForReauthorization for a link that is not for reauthorization.
var errNotReauthorization = fmt.Errorf("%w: this is not a reauthorization link", ErrInvalidRequest)

// linkError returns the error that ends the wait for a link.
func linkError(id int64, cause error) error {
	text := strings.TrimPrefix(cause.Error(), "connectlinks: ")
	return &callError{text: fmt.Sprintf("connectlinks: waiting for link %d: %s", id, text), causes: []error{cause}}
}
