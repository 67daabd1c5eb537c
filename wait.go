package connectlinks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/pace"
)

const firstPoll = time.Second

// linked is a V1 link of either kind.
type linked[L any] interface {
	*L
	connection() (ConnectLink, int64)
}

// tested is what a reauthorization tests anew.
type tested[C any] interface {
	*C
	lastTested() time.Time
}

func waitForConnection[L, C any, P linked[L]](ctx context.Context, linkID int64,
	getLink func(context.Context, int64) (*L, error), get func(context.Context, int64) (*C, error),
) (*C, error) {
	return poll(ctx, linkID, func(heard *bool) (*C, error) {
		l, err := getLink(ctx, linkID)
		if err != nil {
			return nil, err
		}
		*heard = true
		link, id := P(l).connection()
		if id == 0 {
			return nil, dead(link)
		}
		return get(ctx, id)
	})
}

func waitForReauthorization[L, C any, P linked[L], T tested[C]](ctx context.Context, l *L, since time.Time,
	getLink func(context.Context, int64) (*L, error), get func(context.Context, int64) (*C, error),
) (*C, error) {
	if l == nil {
		return nil, &InputError{"link", "is nil"}
	}
	link, id := P(l).connection()
	return pollTested[C, T](ctx, link.ID, since,
		func() (ConnectLink, error) {
			l, err := getLink(ctx, link.ID)
			if err != nil {
				return ConnectLink{}, err
			}
			link, _ := P(l).connection()
			return link, nil
		},
		func() (*C, error) { return get(ctx, id) })
}

// pollTested polls until a connection was tested after since. It asks for the
// link first: one that ends because it was used must not look dead before the
// connection shows it.
func pollTested[C any, T tested[C]](ctx context.Context, linkID int64, since time.Time,
	getLink func() (ConnectLink, error), get func() (*C, error),
) (*C, error) {
	return poll(ctx, linkID, func(heard *bool) (*C, error) {
		link, err := getLink()
		if err != nil {
			return nil, err
		}
		*heard = true
		c, err := get()
		if err != nil {
			return nil, err
		}
		if T(c).lastTested().After(since) {
			return c, nil
		}
		return nil, dead(link)
	})
}

// poll asks until there is something; nil means not yet. It ends with the
// context, with the death of the link, with an error before anything was heard,
// and with one that will not pass.
func poll[T any](ctx context.Context, linkID int64, ask func(heard *bool) (*T, error)) (*T, error) {
	heard := false
	for n := 0; ; n++ {
		v, err := ask(&heard)
		if err == nil && v != nil {
			return v, nil
		}
		if err != nil && (!heard || hopeless(err)) {
			return nil, err
		}
		if over := pace.Sleep(ctx, pace.Backoff(firstPoll, n)); over != nil {
			if err == nil || errors.Is(err, over) {
				return nil, fmt.Errorf("connectlinks: waiting for link %d: %w", linkID, over)
			}
			return nil, fmt.Errorf("connectlinks: waiting for link %d: %w; the last answer: %w", linkID, over, err)
		}
	}
}

// hopeless reports whether a wait that has begun well must end with err.
func hopeless(err error) bool {
	if errors.Is(err, ErrLinkExpired) || errors.Is(err, ErrLinkRevoked) {
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
