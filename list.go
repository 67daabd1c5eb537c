package connectlinks

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/google/go-querystring/query"
)

// Order sorts a list by creation time.
type Order string

// The orders of a list.
const (
	OrderAsc  Order = "asc"  // oldest first
	OrderDesc Order = "desc" // newest first
)

// ListOptions selects a page of a list. The zero value is the API's default: the first page, 25
// items to a page, newest first.
type ListOptions struct {
	Page    int   `url:"page,omitempty"`     // from 1; 0 means 1
	PerPage int   `url:"per_page,omitempty"` // at most 100; 0 means 25
	Order   Order `url:"order,omitempty"`    // "" means OrderDesc; for the All... methods it means OrderAsc
}

func (o ListOptions) check() error {
	return inputErrors(
		refuse(o.Page < 0, "Page", "must not be negative"),
		refuse(o.PerPage < 0 || o.PerPage > 100, "PerPage", "must be between 0 and 100"),
		refuse(o.Order != "" && o.Order != OrderAsc && o.Order != OrderDesc, "Order", "must be OrderAsc or OrderDesc"))
}

// Page holds one page of a list.
type Page[T any] struct {
	Items        []T
	Number       int // this page's number, from 1
	PerPage      int // the largest number of items on a page
	Prev, Next   int // the numbers of the pages before and after this one; 0 for none
	Last         int // the number of the last page
	TotalRecords int // the number of items on all pages; 0 for links and activations of a client of WithGroup
}

// Format prints the page for every fmt verb. It prints each item with the item's own Format, so
// links show no secret.
func (p Page[T]) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "{Items:%+v Number:%d PerPage:%d Prev:%d Next:%d Last:%d TotalRecords:%d}",
		p.Items, p.Number, p.PerPage, p.Prev, p.Next, p.Last, p.TotalRecords)
}

// LogValue returns the number of items, the page's number, the last page and the total. It leaves
// out the items, because a handler may print them with their URLs.
func (p Page[T]) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("items", len(p.Items)),
		slog.Int("number", p.Number),
		slog.Int("last", p.Last),
		slog.Int("total_records", p.TotalRecords),
	)
}

// list asks for a page of objects, and converts them.
func list[T, W any, P object[W]](ctx context.Context, s *service, route string, opts ListOptions, convert func(P) T) (*Page[T], error) {
	listed, err := listWith(ctx, s, listCall(route, opts), convert)
	if err != nil {
		return nil, err
	}
	return &listed.Page, nil
}

// listCall returns a call for a page of a list.
func listCall(route string, opts ListOptions) *call {
	k := get(route)
	if k.refused = opts.check(); k.refused == nil && opts != (ListOptions{}) {
		values, err := query.Values(opts)
		k.query, k.refused = values.Encode(), err
	}
	return k
}

// listed is a page, with what only the SDK needs to know of it.
type listed[T any] struct {
	Page[T]
	received int       // how many items the answer had, of whatever group
	date     time.Time // when the API answered
}

// listWith sends a call whose answer is a page of objects, and converts them.
func listWith[T, W any, P object[W]](ctx context.Context, s *service, k *call, convert func(P) T) (*listed[T], error) {
	var page *listed[T]
	k.decode = func(ctx context.Context, a answer) (err error) {
		page, err = decodePage(ctx, a, s.group(k), convert)
		return err
	}
	if err := s.send(ctx, k); err != nil {
		return nil, err
	}
	return page, nil
}

// decodePage decodes an answer that holds a page, item by item. If group is not "", the page has
// only the items of that group. It ends with ctx.
func decodePage[T, W any, P object[W]](ctx context.Context, a answer, group string, convert func(P) T) (*listed[T], error) {
	env, err := readEnvelope(ctx, a.body, true)
	if err != nil {
		return nil, err
	}
	if env.data.Kind() != '[' {
		return nil, badResponse("data is not a list")
	}
	received := 0
	var r wireReader
	w := P(new(W)) // for one item after the other
	items := []T{}
	for c := env.data.Elements(); c.Next(); {
		switch err := ctx.Err(); {
		case err != nil:
			return nil, err
		case received == maxItems:
			return nil, badResponse("more than %d items on a page", maxItems)
		case len(c.Value.Text) > maxMember:
			return nil, badResponse("more than %d bytes in an item", maxMember)
		}
		*w = *new(W)
		r.value(c.Value, w)
		if err := cmp.Or(r.limitErr, w.check()); err != nil {
			return nil, err
		}
		received++
		if !outside(group, w) {
			items = append(items, convert(w))
		}
	}
	at := wirePagination{total: len(items), perPage: len(items), number: 1, last: 1} // of the only page
	if kind := env.pagination.Kind(); kind != 0 && kind != 'n' {
		at = wirePagination{}
		r.typeErr = nil // values of an item may be of the wrong type
		if r.value(env.pagination, &at); r.typeErr != nil {
			return nil, r.typeErr
		}
	}
	if group != "" {
		at.total = 0 // it would tell the size of other groups
	}
	return &listed[T]{
		Page: Page[T]{
			Items: items, Number: at.number, PerPage: at.perPage,
			Prev: at.prev, Next: at.next, Last: at.last, TotalRecords: at.total,
		},
		received: received,
		date:     a.date,
	}, nil
}

// all walks the items of a list from opts.Page on. It fetches a page when its first item is
// asked for.
func all[T, W any, P object[W]](ctx context.Context, s *service, route string, opts ListOptions, convert func(P) T) iter.Seq2[*T, error] {
	if opts.Order == "" {
		opts.Order = OrderAsc // newest first shifts while objects are made
	}
	return func(yield func(*T, error) bool) {
		for page, err := range pages(ctx, s, route, opts, convert) {
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page.Items {
				if !yield(&page.Items[i], nil) {
					return
				}
			}
		}
	}
}

// pages walks the pages of a list from opts.Page on.
func pages[T, W any, P object[W]](ctx context.Context, s *service, route string, opts ListOptions, convert func(P) T) iter.Seq2[*listed[T], error] {
	return func(yield func(*listed[T], error) bool) {
		opts := opts // each range starts again
		for {
			page, err := listWith(ctx, s, listCall(route, opts), convert)
			if !yield(page, err) || err != nil || page.Next == 0 {
				return
			}
			number := max(opts.Page, 1)
			switch {
			case page.Next <= number || page.received == 0:
				yield(nil, badResponse("page %d of %s is followed by page %d", number, route, page.Next))
				return
			case page.Last > 0 && page.Next > page.Last:
				yield(nil, badResponse("page %d of %s is followed by page %d of %d", number, route, page.Next, page.Last))
				return
			}
			opts.Page = page.Next
		}
	}
}
