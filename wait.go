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

const firstPoll = time.Second

// poll asks for a link and then for what was made with it, nil meaning not yet. In
// this order, a link that ends because it was used does not look dead before its
// connection shows it. It ends with the context, with the death of the link, with
// an error before anything was heard, and with one that will not pass.
func poll[T any, L interface{ base() ConnectLink }](ctx context.Context, linkID int64,
	getLink func(context.Context, int64) (L, error), made func(L) (*T, error),
) (*T, error) {
	heard := false
	for n := 0; ; n++ {
		link, err := getLink(ctx, linkID)
		if err == nil {
			heard = true
			var v *T
			if v, err = made(link); v != nil {
				return v, nil
			}
			if err == nil {
				err = dead(link.base())
			}
		}
		if err != nil && (!heard || hopeless(err)) {
			return nil, err
		}
		if over := pace.Sleep(ctx, pace.Backoff(firstPoll, n)); over != nil {
			e := &callError{fmt.Sprintf("connectlinks: waiting for link %d: %v", linkID, over), []error{over}, isTimeout(over)}
			if err != nil && !errors.Is(err, over) {
				e.text += "; the last answer: " + strings.TrimPrefix(err.Error(), "connectlinks: ")
				e.causes = []error{over, err}
			}
			return nil, e
		}
	}
}

// ifMade gets what a link has made, if anything yet.
func ifMade[T any](ctx context.Context, id int64, get func(context.Context, int64) (*T, error)) (*T, error) {
	if id == 0 {
		return nil, nil
	}
	return get(ctx, id)
}

// ifTested passes on a connection that was tested after since.
func ifTested[T any, P interface {
	*T
	lastTested() time.Time
}](since time.Time, v P, err error) (*T, error) {
	if err != nil || !v.lastTested().After(since) {
		return nil, err
	}
	return v, nil
}

// hopeless reports whether a wait that has begun well must end with err.
func hopeless(err error) bool {
	if errors.Is(err, ErrLinkExpired) || errors.Is(err, ErrLinkRevoked) || errors.As(err, new(*InputError)) {
		return true
	}
	var e *APIError
	return errors.As(err, &e) && e.StatusCode >= 400 && e.StatusCode < 500 &&
		e.StatusCode != http.StatusRequestTimeout && e.StatusCode != http.StatusTooManyRequests
}

// dead says why nothing can come of a link any more: revoked counts before
// expired, and only the API's word, never the local clock.
func dead(l ConnectLink) error {
	switch {
	case l.Revoked:
		return fmt.Errorf("connectlinks: waiting for link %d: %w", l.ID, ErrLinkRevoked)
	case l.Expired:
		return fmt.Errorf("connectlinks: waiting for link %d: %w", l.ID, ErrLinkExpired)
	}
	return nil
}
