package connectlinks_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
)

// collection is a list of the API, and the two methods that read it.
type collection struct {
	name string
	path string
	item string // one object in JSON
	list func(context.Context, *connectlinks.Client, connectlinks.ListOptions) error
	all  func(context.Context, *connectlinks.Client, connectlinks.ListOptions) iter.Seq2[string, error] // the ids
}

type (
	lister[T any] = func(context.Context, connectlinks.ListOptions) (*connectlinks.Page[T], error)
	walker[T any] = func(context.Context, connectlinks.ListOptions) iter.Seq2[*T, error]
)

func newCollection[T any](name, path, item string, of func(*connectlinks.Client) (lister[T], walker[T])) collection {
	return collection{name, path, item,
		func(ctx context.Context, c *connectlinks.Client, opts connectlinks.ListOptions) error {
			list, _ := of(c)
			_, err := list(ctx, opts)
			return err
		},
		func(ctx context.Context, c *connectlinks.Client, opts connectlinks.ListOptions) iter.Seq2[string, error] {
			_, all := of(c)
			return idsOf(all(ctx, opts))
		},
	}
}

// idsOf replaces the objects of a sequence by their ids.
func idsOf[T any](seq iter.Seq2[*T, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for v, err := range seq {
			id := ""
			switch {
			case err == nil:
				object := reflect.ValueOf(v).Elem()
				field := object.FieldByName("ID")
				if !field.IsValid() {
					field = object.FieldByName("ServiceName")
				}
				id = strings.TrimPrefix(fmt.Sprint(field), "n")
			case v != nil:
				id = "something beside an error"
			}
			if !yield(id, err) {
				return
			}
		}
	}
}

func collections() []collection {
	type client = *connectlinks.Client
	const number, name, service = `{"id":%d}`, `{"id":"n%d"}`, `{"service_name":"n%d"}`
	return []collection{
		newCollection("links of sources", "/api/v1/source_connect_links", number,
			func(c client) (lister[connectlinks.SourceConnectLink], walker[connectlinks.SourceConnectLink]) {
				return c.Sources.ListConnectLinks, c.Sources.AllConnectLinks
			}),
		newCollection("types of sources", "/api/v1/source_types", service,
			func(c client) (lister[connectlinks.SourceType], walker[connectlinks.SourceType]) {
				return c.Sources.ListTypes, c.Sources.AllTypes
			}),
		newCollection("sources", "/api/v1/sources", number,
			func(c client) (lister[connectlinks.Source], walker[connectlinks.Source]) {
				return c.Sources.List, c.Sources.All
			}),
		newCollection("links of destinations", "/api/v1/destination_connect_links", number,
			func(c client) (lister[connectlinks.DestinationConnectLink], walker[connectlinks.DestinationConnectLink]) {
				return c.Destinations.ListConnectLinks, c.Destinations.AllConnectLinks
			}),
		newCollection("types of destinations", "/api/v1/connectors", service,
			func(c client) (lister[connectlinks.DestinationType], walker[connectlinks.DestinationType]) {
				return c.Destinations.ListTypes, c.Destinations.AllTypes
			}),
		newCollection("destinations", "/api/v1/destinations", number,
			func(c client) (lister[connectlinks.Destination], walker[connectlinks.Destination]) {
				return c.Destinations.List, c.Destinations.All
			}),
		newCollection("links of activations", "/api/v2/activation_connect_links", number,
			func(c client) (lister[connectlinks.ActivationConnectLink], walker[connectlinks.ActivationConnectLink]) {
				return c.Activations.ListConnectLinks, c.Activations.AllConnectLinks
			}),
		newCollection("types of activations", "/api/v2/activation_types", service,
			func(c client) (lister[connectlinks.ActivationType], walker[connectlinks.ActivationType]) {
				return c.Activations.ListTypes, c.Activations.AllTypes
			}),
		newCollection("activations", "/api/v2/activations", name,
			func(c client) (lister[connectlinks.Activation], walker[connectlinks.Activation]) {
				return c.Activations.List, c.Activations.All
			}),
		newCollection("workspaces", "/api/v1/workspaces", number,
			func(c client) (lister[connectlinks.Workspace], walker[connectlinks.Workspace]) {
				return c.Workspaces.List, c.Workspaces.All
			}),
	}
}

// pages answers for a list of pages of two: page 1 holds 11 and 12, page 2
// holds 21 and 22. special answers in place of a page.
type pages struct {
	item    string
	last    int
	special func(page int) (status int, body string, ok bool)

	mu      sync.Mutex
	queries []string
}

func (p *pages) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queries = append(p.queries, r.URL.RawQuery)
	page := 1
	if s := r.URL.Query().Get("page"); s != "" {
		page, _ = strconv.Atoi(s)
	}
	if p.special != nil {
		if status, body, ok := p.special(page); ok {
			return testkit.Response(r, status, body), nil
		}
	}
	next := "null"
	if page < p.last {
		next = strconv.Itoa(page + 1)
	}
	return testkit.Response(r, http.StatusOK, p.body(next, page*10+1, page*10+2)), nil
}

func (p *pages) body(next string, ids ...int) string {
	items := make([]string, len(ids))
	for i, id := range ids {
		items[i] = fmt.Sprintf(p.item, id)
	}
	return fmt.Sprintf(`{"status":"success","pagination":{"total_records":6,"per_page":2,"prev_page":null,"page":1,"next_page":%s,"last_page":%d},"data":[%s]}`,
		next, p.last, strings.Join(items, ","))
}

func (p *pages) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queries)
}

// collect returns the ids and the errors of a sequence. It stops after 99 of them.
func collect(seq iter.Seq2[string, error]) (ids []string, errs []error) {
	for id, err := range seq {
		if len(ids)+len(errs) > 99 {
			break
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ids = append(ids, id)
	}
	return ids, errs
}

func eachCollection(t *testing.T, f func(t *testing.T, a collection)) {
	t.Helper()
	for _, a := range collections() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			f(t, a)
		})
	}
}

func TestAllFetchesAPageWhenItIsRead(t *testing.T) {
	t.Parallel()
	eachCollection(t, func(t *testing.T, a collection) {
		list := &pages{item: a.item, last: 3}
		client := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			assert.Equal(t, a.path, r.URL.Path)
			assert.Equal(t, http.MethodGet, r.Method)
			return list.RoundTrip(r)
		}))
		seq := a.all(t.Context(), client, connectlinks.ListOptions{})
		assert.Zero(t, list.requests(), "nothing before the range")
		var fetched []int
		var ids []string
		for id, err := range seq {
			require.NoError(t, err)
			ids = append(ids, id)
			fetched = append(fetched, list.requests())
		}
		assert.Equal(t, []string{"11", "12", "21", "22", "31", "32"}, ids)
		assert.Equal(t, []int{1, 1, 2, 2, 3, 3}, fetched)
		assert.Equal(t, 3, list.requests(), "nothing after the last page")
		assert.Equal(t, []string{"order=asc", "order=asc&page=2", "order=asc&page=3"}, list.queries)
	})
}

func TestAllFetchesNothingAfterABreak(t *testing.T) {
	t.Parallel()
	eachCollection(t, func(t *testing.T, a collection) {
		for _, stop := range []string{"11", "12", "21"} {
			list := &pages{item: a.item, last: 3}
			for id, err := range a.all(t.Context(), testkit.Client(t, list, testkit.NoRetries), connectlinks.ListOptions{}) {
				require.NoError(t, err)
				if id == stop {
					break
				}
			}
			assert.Equal(t, int(stop[0]-'0'), list.requests(), "stopped at %s", stop)
		}
	})
}

func TestEveryRangeOfAllStartsAgain(t *testing.T) {
	t.Parallel()
	eachCollection(t, func(t *testing.T, a collection) {
		list := &pages{item: a.item, last: 2}
		seq := a.all(t.Context(), testkit.Client(t, list, testkit.NoRetries), connectlinks.ListOptions{})
		for id, err := range seq { // left in the middle
			require.NoError(t, err)
			if id == "21" {
				break
			}
		}
		for range 2 {
			ids, errs := collect(seq)
			assert.Empty(t, errs)
			assert.Equal(t, []string{"11", "12", "21", "22"}, ids)
		}
		assert.Equal(t, 6, list.requests())

		// Two at the same time.
		one, stopOne := iter.Pull2(seq)
		defer stopOne()
		two, stopTwo := iter.Pull2(seq)
		defer stopTwo()
		for _, want := range []string{"11", "12", "21", "22"} {
			for _, next := range []func() (string, error, bool){one, two} {
				id, err, ok := next()
				assert.True(t, ok)
				assert.NoError(t, err)
				assert.Equal(t, want, id)
			}
		}
	})
}

func TestAllKeepsTheOptions(t *testing.T) {
	t.Parallel()
	eachCollection(t, func(t *testing.T, a collection) {
		for _, c := range []struct {
			opts    connectlinks.ListOptions
			queries []string
			ids     []string
		}{
			{connectlinks.ListOptions{Page: 2}, []string{"order=asc&page=2", "order=asc&page=3"}, []string{"21", "22", "31", "32"}},
			{connectlinks.ListOptions{Page: 3}, []string{"order=asc&page=3"}, []string{"31", "32"}},
			{
				connectlinks.ListOptions{Page: 2, PerPage: 2, Order: connectlinks.OrderDesc},
				[]string{"order=desc&page=2&per_page=2", "order=desc&page=3&per_page=2"},
				[]string{"21", "22", "31", "32"},
			},
			{
				connectlinks.ListOptions{PerPage: 100, Order: connectlinks.OrderAsc},
				[]string{"order=asc&per_page=100", "order=asc&page=2&per_page=100", "order=asc&page=3&per_page=100"},
				[]string{"11", "12", "21", "22", "31", "32"},
			},
		} {
			list := &pages{item: a.item, last: 3}
			ids, errs := collect(a.all(t.Context(), testkit.Client(t, list, testkit.NoRetries), c.opts))
			assert.Empty(t, errs)
			assert.Equal(t, c.ids, ids, "%+v", c.opts)
			assert.Equal(t, c.queries, list.queries, "%+v", c.opts)
		}
	})
}

func TestPageThatDoesNotAdvance(t *testing.T) {
	t.Parallel()
	eachCollection(t, func(t *testing.T, a collection) {
		for name, c := range map[string]struct {
			start int
			next  string // of the page that is read second
		}{
			"itself":      {0, "2"},
			"the first":   {0, "1"},
			"negative":    {0, "-1"},
			"later start": {5, "6"},
			"backwards":   {5, "2"},
		} {
			list := &pages{item: a.item, last: 9}
			second := max(c.start, 1) + 1
			list.special = func(page int) (int, string, bool) {
				return 200, list.body(c.next, page*10+1), page == second
			}
			ids, errs := collect(a.all(t.Context(), testkit.Client(t, list, testkit.NoRetries), connectlinks.ListOptions{Page: c.start}))
			assert.Equal(t, 2, list.requests(), name)
			if assert.Len(t, errs, 1, name) {
				assert.ErrorIs(t, errs[0], connectlinks.ErrBadResponse, name)
			}
			assert.LessOrEqual(t, len(ids), 3, name)
			assert.GreaterOrEqual(t, len(ids), 2, "%s: the first page was good", name)
		}
	})
}

// A list that goes on after its last page has no end.
func TestPageAfterTheLast(t *testing.T) {
	t.Parallel()
	eachCollection(t, func(t *testing.T, a collection) {
		for last, ends := range map[int]bool{1: true, 2: true, 3: false, 9: false, 0: false, -1: false} {
			list := &pages{item: a.item, last: last}
			list.special = func(page int) (int, string, bool) {
				next := strconv.Itoa(page + 1)
				if page == 3 {
					next = "null"
				}
				return 200, list.body(next, page*10+1), page > 1 || last < 2
			}
			ids, errs := collect(a.all(t.Context(), testkit.Client(t, list, testkit.NoRetries), connectlinks.ListOptions{}))
			if !ends {
				assert.Empty(t, errs, "last page %d", last)
				assert.Equal(t, 3, list.requests(), "last page %d", last)
				continue
			}
			if assert.Len(t, errs, 1, "last page %d", last) {
				assert.ErrorIs(t, errs[0], connectlinks.ErrBadResponse)
			}
			assert.Equal(t, last, list.requests(), "last page %d", last)
			assert.NotEmpty(t, ids, "the items up to the last page are good")
		}
	})
}

func TestEmptyPageBeforeAnother(t *testing.T) {
	t.Parallel()
	eachCollection(t, func(t *testing.T, a collection) {
		list := &pages{item: a.item, last: 9}
		list.special = func(page int) (int, string, bool) { return 200, list.body("3"), page == 2 }
		ids, errs := collect(a.all(t.Context(), testkit.Client(t, list, testkit.NoRetries), connectlinks.ListOptions{}))
		assert.Equal(t, []string{"11", "12"}, ids)
		assert.Equal(t, 2, list.requests())
		if assert.Len(t, errs, 1) {
			assert.ErrorIs(t, errs[0], connectlinks.ErrBadResponse)
		}

		list = &pages{item: a.item, last: 9}
		list.special = func(page int) (int, string, bool) { return 200, list.body("null"), page == 2 }
		ids, errs = collect(a.all(t.Context(), testkit.Client(t, list, testkit.NoRetries), connectlinks.ListOptions{}))
		assert.Equal(t, []string{"11", "12"}, ids)
		assert.Empty(t, errs, "an empty last page is no error")
	})
}

func TestMissingPagination(t *testing.T) {
	t.Parallel()
	eachCollection(t, func(t *testing.T, a collection) {
		item := fmt.Sprintf(a.item, 1)
		for _, body := range []string{
			`{"status":"success","data":[` + item + `]}`,
			`{"status":"success","pagination":null,"data":[` + item + `]}`,
			`{"status":"success","pagination":{},"data":[` + item + `]}`,
			`{"status":"success","next":"https://app.getcensus.com` + a.path + `?page=2","data":[` + item + `]}`, // a legacy
		} {
			list := &pages{item: a.item, special: func(int) (int, string, bool) { return 200, body, true }}
			ids, errs := collect(a.all(t.Context(), testkit.Client(t, list, testkit.NoRetries), connectlinks.ListOptions{}))
			assert.Empty(t, errs, body)
			assert.Equal(t, []string{"1"}, ids, body)
			assert.Equal(t, 1, list.requests(), body)
		}
		list := &pages{item: a.item, special: func(int) (int, string, bool) { return 200, `{"status":"success","data":[]}`, true }}
		ids, errs := collect(a.all(t.Context(), testkit.Client(t, list, testkit.NoRetries), connectlinks.ListOptions{}))
		assert.Empty(t, errs)
		assert.Empty(t, ids)
	})
}

func TestErrorInTheMiddleOfAList(t *testing.T) {
	t.Parallel()
	eachCollection(t, func(t *testing.T, a collection) {
		for _, c := range []struct {
			status int
			body   string
			want   error
		}{
			{500, ``, connectlinks.ErrServer},
			{404, `{"status":"not_found"}`, connectlinks.ErrNotFound},
			{200, `<html></html>`, connectlinks.ErrBadResponse},
			{200, `{"status":"success","data":[{}]}`, connectlinks.ErrBadResponse},
			{200, `{"status":"success"}`, connectlinks.ErrBadResponse},
		} {
			list := &pages{item: a.item, last: 3}
			list.special = func(page int) (int, string, bool) { return c.status, c.body, page == 2 }
			var ids []string
			var errs []error
			for id, err := range a.all(t.Context(), testkit.Client(t, list, testkit.NoRetries), connectlinks.ListOptions{}) {
				if ids, errs = append(ids, id), append(errs, err); len(ids) > 9 {
					break
				}
			}
			assert.Equal(t, []string{"11", "12", ""}, ids, c.body)
			if assert.Len(t, errs, 3) {
				assert.ErrorIs(t, errs[2], c.want, c.body)
			}
			assert.Equal(t, 2, list.requests())
		}
	})
}

func TestAllEndsWithItsContext(t *testing.T) {
	t.Parallel()
	eachCollection(t, func(t *testing.T, a collection) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		list := &pages{item: a.item, last: 3}
		seq := a.all(ctx, testkit.Client(t, list, testkit.NoRetries), connectlinks.ListOptions{})
		got, errs := collect(func(yield func(string, error) bool) {
			seq(func(id string, err error) bool {
				if id == "12" {
					cancel()
				}
				return yield(id, err)
			})
		})
		assert.Equal(t, []string{"11", "12"}, got)
		if assert.Len(t, errs, 1) {
			assert.ErrorIs(t, errs[0], context.Canceled)
		}
		assert.Equal(t, 1, list.requests())
	})
}

func TestListOptionsInTheQuery(t *testing.T) {
	t.Parallel()
	for _, a := range collections() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range []struct {
				opts connectlinks.ListOptions
				want url.Values
			}{
				{connectlinks.ListOptions{}, nil},
				{connectlinks.ListOptions{Page: 1}, url.Values{"page": {"1"}}},
				{connectlinks.ListOptions{Page: 1 << 30}, url.Values{"page": {"1073741824"}}},
				{connectlinks.ListOptions{PerPage: 1}, url.Values{"per_page": {"1"}}},
				{connectlinks.ListOptions{PerPage: 100}, url.Values{"per_page": {"100"}}},
				{connectlinks.ListOptions{Order: connectlinks.OrderAsc}, url.Values{"order": {"asc"}}},
				{connectlinks.ListOptions{Order: connectlinks.OrderDesc}, url.Values{"order": {"desc"}}},
				{
					connectlinks.ListOptions{Page: 3, PerPage: 50, Order: connectlinks.OrderDesc},
					url.Values{"page": {"3"}, "per_page": {"50"}, "order": {"desc"}},
				},
			} {
				var got string
				client := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
					got = r.URL.RawQuery
					return testkit.Response(r, 200, `{"status":"success","data":[]}`), nil
				}))
				err := a.list(t.Context(), client, c.opts)
				require.NoError(t, err)
				assert.Equal(t, c.want.Encode(), got)
			}
		})
	}
}

func TestListOptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	rt := &testkit.Counter{}
	client := testkit.Client(t, rt)
	for _, c := range []struct {
		opts   connectlinks.ListOptions
		fields []string
	}{
		{connectlinks.ListOptions{Page: -1}, []string{"Page"}},
		{connectlinks.ListOptions{PerPage: -1}, []string{"PerPage"}},
		{connectlinks.ListOptions{PerPage: 101}, []string{"PerPage"}},
		{connectlinks.ListOptions{Order: "newest"}, []string{"Order"}},
		{connectlinks.ListOptions{Order: "ASC"}, []string{"Order"}},
		{connectlinks.ListOptions{Order: "asc&auth=Wq7"}, []string{"Order"}},
		{connectlinks.ListOptions{Page: -1, PerPage: 1000, Order: "x"}, []string{"Page", "PerPage", "Order"}},
	} {
		for _, a := range collections() {
			checkRefused(t, rt, nil, a.list(t.Context(), client, c.opts), c.fields...)
			ids, errs := collect(a.all(t.Context(), client, c.opts))
			assert.Empty(t, ids, a.name)
			if assert.Len(t, errs, 1, a.name) {
				checkRefused(t, rt, nil, errs[0], c.fields...)
			}
		}
	}
}

// One odd object does not hide the rest of a list.
func TestOddItemsInLists(t *testing.T) {
	t.Parallel()
	for _, odd := range []string{
		`{"id":7,"name":"odd","created_at":""}`,
		`{"id":7,"name":"odd","last_tested_at":"yesterday"}`,
		`{"id":7,"name":"odd","last_test_results":[]}`,
		`{"id":7,"name":"odd","last_test_results":{"steps":[{"step":"a","status":"failure","error":"no"}]}}`,
		`{"id":7,"name":"odd","type":["x"]}`,
	} {
		client := testkit.Client(t, testkit.Respond(200, testkit.List(`{"id":6,"name":"before","created_at":"2023-07-22T23:42:47.239Z"}`, odd, `{"id":8,"name":"after"}`)))
		page, err := client.Destinations.List(t.Context(), connectlinks.ListOptions{})
		require.NoError(t, err, odd)
		require.Len(t, page.Items, 3, odd)
		assert.Equal(t, "before", page.Items[0].Name)
		assert.False(t, page.Items[0].CreatedAt.IsZero())
		assert.EqualValues(t, 7, page.Items[1].ID)
		assert.Equal(t, "after", page.Items[2].Name)
		assert.Equal(t, 3, page.TotalRecords)
	}
}
