package connectlinks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/httpx"
	"github.com/connectlinks/connectlinks-go/internal/pace"
)

const (
	searchPages = 3           // pages of 100 links, newest first
	maxLooks    = 3           // looks for a lost link
	firstPause  = time.Second // the first pause between looks; the second is twice as long
)

// lostLink says how to find the link of a create whose answer was lost.
type lostLink struct {
	route       string               // the list that the link is in
	redirectURI string               // the unique redirect URI; "" if the caller does not promise one
	matches     func(*wireLink) bool // whether the link also fits the other params of the create
}

// findLost looks for the link of a create whose outcome is unknown. It looks at most three times,
// because the API may still carry out the create. began is when the create was sent. If it finds no
// link with the redirect URI, several, or one that does not match or is not live, it returns nil.
func (s *service) findLost(ctx context.Context, k *call, lost lostLink, began time.Time) *wireLink {
	for look := range maxLooks {
		if look > 0 {
			if d := firstPause << (look - 1); !pace.Fits(ctx, d) || pace.Sleep(ctx, d) != nil {
				return nil
			}
		}
		pages := 1
		if look == maxLooks-1 {
			pages = searchPages
		}
		found, date, err := s.search(ctx, lost.route, lost.redirectURI, pages, true)
		switch {
		case errors.Is(err, ErrRateLimited), errors.Is(err, ErrServer): // more looks would add to the API's load
			return nil
		case err != nil || len(found) == 0: // the next look may find it
			continue
		case len(found) > 1, !found[0].usable(date), !lost.matches(&found[0]):
			return nil
		}
		// date is the API's time of the answer. The create began earlier.
		found[0].CreatedAt = date.Add(-time.Since(began)).Truncate(time.Second)
		s.logFound(ctx, k, found[0].ID)
		return &found[0]
	}
	return nil
}

// search returns those of the newest links that have the redirect URI, and the API's time. If
// once is set, a page is not retried.
func (s *service) search(ctx context.Context, route, redirectURI string, pages int, once bool) (found []wireLink, date time.Time, err error) {
	opts := ListOptions{PerPage: 100, Order: OrderDesc}
	for range pages {
		k := listCall(route, opts)
		k.once = once
		page, err := listWith(ctx, s, k, func(w *wireLink) wireLink { return *w })
		if err != nil {
			return nil, date, err
		}
		date = page.date
		for i := range page.Items {
			if page.Items[i].RedirectURI == redirectURI {
				found = append(found, page.Items[i])
			}
		}
		if page.Next <= max(opts.Page, 1) {
			break
		}
		opts.Page = page.Next
	}
	return found, date, nil
}

// usable reports whether a customer can open the link at now, by the API's clock.
func (w *wireLink) usable(now time.Time) bool {
	_, reason := httpx.ParseURL(w.URL)
	return reason == "" && !w.expiration.unreadable && w.link().Live(now)
}

// logFound writes the record of a link that was found again.
func (s *service) logFound(ctx context.Context, k *call, id int64) {
	if l := s.core.log; l != nil {
		l.LogAttrs(ctx, slog.LevelInfo, "connectlinks: found the link of a create whose answer was lost",
			slog.String("method", k.method), slog.String("path", k.path), slog.Int64("link_id", id))
	}
}

// findLink returns the one live link with a redirect URI among the newest.
func findLink[L any](ctx context.Context, s *service, route, redirectURI string, convert func(*wireLink) L) (*L, error) {
	if err := checkURL("redirectURI", redirectURI); err != nil {
		return nil, err
	}
	found, date, err := s.search(ctx, route, redirectURI, searchPages, false)
	if err != nil {
		return nil, err
	}
	if len(found) != 1 || !found[0].usable(date) {
		text := fmt.Sprintf("connectlinks: %s %s: ", http.MethodGet, route)
		switch {
		case len(found) == 0:
			text += fmt.Sprintf("none of the newest %d links has this redirect URI", 100*searchPages)
		case len(found) > 1:
			text += fmt.Sprintf("%d links have this redirect URI", len(found))
		default:
			text += fmt.Sprintf("the link with this redirect URI, %d, is not live", found[0].ID)
		}
		return nil, &callError{text: text, causes: []error{ErrNotFound}}
	}
	link := convert(&found[0])
	return &link, nil
}
