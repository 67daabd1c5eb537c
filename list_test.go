package connectlinks_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
)

// collection is a list of the API. The answers below hold items like {"id":11}. item is what they
// look like in this list.
type collection struct {
	testkit.Call
	item string
}

func collections() (lists []collection) {
	for _, call := range testkit.Select(func(c testkit.Call) bool { return c.All != nil }) {
		item := `{"id":$1}`
		switch {
		case call.Is("AllTypes"):
			item = `{"service_name":"$1"}`
		case call.Name == "Activations.All":
			item = `{"id":"$1"}`
		}
		lists = append(lists, collection{call, item})
	}
	return lists
}

func eachCollection(t *testing.T, f func(t *testing.T, a collection)) {
	t.Helper()
	lists := collections()
	require.Len(t, lists, 10)
	for _, a := range lists {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			f(t, a)
		})
	}
}

// read returns the sequence of the collection. The answers are pages of list.
func (a collection) read(t *testing.T, list *pages, opts connectlinks.ListOptions) iter.Seq2[any, error] {
	t.Helper()
	list.item = a.item
	return a.All(t.Context(), testkit.Client(t, list, testkit.NoRetries), opts)
}

// pages answers for a list of pages of two: page 1 holds 11 and 12, page 2
// holds 21 and 22. special answers in place of a page.
type pages struct {
	last    int
	special map[int]answer
	item    string

	mu      sync.Mutex
	queries []string
}

var itemOfPage = regexp.MustCompile(`\{"id":(\d+)\}`)

func (p *pages) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queries = append(p.queries, r.URL.RawQuery)
	page := 1
	if s := r.URL.Query().Get("page"); s != "" {
		page, _ = strconv.Atoi(s)
	}
	a, ok := p.special[page]
	if !ok {
		next := "null"
		if page < p.last {
			next = strconv.Itoa(page + 1)
		}
		a = pageOf(next, p.last, page*10+1, page*10+2)
	}
	return testkit.Response(r, a.status, itemOfPage.ReplaceAllString(a.body, p.item)), nil
}

func (p *pages) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queries)
}

// pageOf is a page with these ids.
func pageOf(next string, last int, ids ...int) answer {
	items := make([]string, len(ids))
	for i, id := range ids {
		items[i] = fmt.Sprintf(`{"id":%d}`, id)
	}
	return ok(fmt.Sprintf(`{"status":"success","pagination":{"total_records":6,"per_page":2,"prev_page":null,"page":1,`+
		`"next_page":%s,"last_page":%d},"data":[%s]}`, next, last, strings.Join(items, ",")))
}

// idOf returns the id or the service name of an object.
func idOf(v any) string {
	object := reflect.ValueOf(v).Elem()
	for _, name := range []string{"ID", "ServiceName"} {
		if field := object.FieldByName(name); field.IsValid() {
			return fmt.Sprint(field)
		}
	}
	return "without an id"
}

// collect returns the ids of a sequence in its order, with "error" for an error, and the errors.
// It stops after 99 of them.
func collect(t *testing.T, seq iter.Seq2[any, error]) (ids string, errs []error) {
	t.Helper()
	var got []string
	for v, err := range seq {
		if len(got) > 99 {
			break
		}
		if err != nil {
			assert.Nil(t, v, "beside an error")
			got, errs = append(got, "error"), append(errs, err)
			continue
		}
		got = append(got, idOf(v))
	}
	return strings.Join(got, " "), errs
}

func TestAllFetchesAPageWhenItIsRead(t *testing.T) {
	t.Parallel()
	eachCollection(t, func(t *testing.T, a collection) {
		list := &pages{last: 3, item: a.item}
		client := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			assert.Equal(t, "GET "+a.Path, r.Method+" "+r.URL.Path)
			return list.RoundTrip(r)
		}))
		seq := a.All(t.Context(), client, connectlinks.ListOptions{})
		assert.Zero(t, list.requests(), "nothing before the range")
		var fetched []int
		var ids []string
		for v, err := range seq {
			require.NoError(t, err)
			ids = append(ids, idOf(v))
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
			list := &pages{last: 3}
			for v, err := range a.read(t, list, connectlinks.ListOptions{}) {
				require.NoError(t, err)
				if idOf(v) == stop {
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
		list := &pages{last: 2}
		seq := a.read(t, list, connectlinks.ListOptions{})
		for v, err := range seq { // left in the middle
			require.NoError(t, err)
			if idOf(v) == "21" {
				break
			}
		}
		for range 2 {
			ids, errs := collect(t, seq)
			assert.Empty(t, errs)
			assert.Equal(t, "11 12 21 22", ids)
		}
		assert.Equal(t, 6, list.requests())

		// Two at the same time.
		one, stopOne := iter.Pull2(seq)
		defer stopOne()
		two, stopTwo := iter.Pull2(seq)
		defer stopTwo()
		for _, want := range []string{"11", "12", "21", "22"} {
			for _, next := range []func() (any, error, bool){one, two} {
				v, err, ok := next()
				require.True(t, ok)
				require.NoError(t, err)
				assert.Equal(t, want, idOf(v))
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
			ids     string
		}{
			{connectlinks.ListOptions{Page: 2}, []string{"order=asc&page=2", "order=asc&page=3"}, "21 22 31 32"},
			{connectlinks.ListOptions{Page: 3}, []string{"order=asc&page=3"}, "31 32"},
			{
				connectlinks.ListOptions{Page: 2, PerPage: 2, Order: connectlinks.OrderDesc},
				[]string{"order=desc&page=2&per_page=2", "order=desc&page=3&per_page=2"}, "21 22 31 32",
			},
			{
				connectlinks.ListOptions{PerPage: 100, Order: connectlinks.OrderAsc},
				[]string{"order=asc&per_page=100", "order=asc&page=2&per_page=100", "order=asc&page=3&per_page=100"},
				"11 12 21 22 31 32",
			},
		} {
			list := &pages{last: 3}
			ids, errs := collect(t, a.read(t, list, c.opts))
			assert.Empty(t, errs)
			assert.Equal(t, c.ids, ids, "%+v", c.opts)
			assert.Equal(t, c.queries, list.queries, "%+v", c.opts)
		}
	})
}

// Pages that do not lead on, and pages that cannot be read. A list that goes on after its last page,
// or on a page that is not a later one, has no end.
func TestOddPagesInAll(t *testing.T) {
	t.Parallel()
	on := func(page int, a answer) map[int]answer { return map[int]answer{page: a} }
	goesOn := func(last, from int) map[int]answer { // to page 3
		all := map[int]answer{1: pageOf("2", last, 11), 2: pageOf("3", last, 21), 3: pageOf("null", last, 31)}
		for page := 1; page < from; page++ {
			delete(all, page)
		}
		return all
	}
	for _, tt := range []struct {
		name     string
		first    int // the page to begin with
		last     int
		special  map[int]answer
		ids      string
		requests int
		want     error
	}{
		{"the next page is the same", 0, 9, on(2, pageOf("2", 9, 21)), "11 12 21 error", 2, connectlinks.ErrBadResponse},
		{"the next page is the first", 0, 9, on(2, pageOf("1", 9, 21)), "11 12 21 error", 2, connectlinks.ErrBadResponse},
		{"the next page is negative", 0, 9, on(2, pageOf("-1", 9, 21)), "11 12 21 error", 2, connectlinks.ErrBadResponse},
		{"the next page is the same, from page 5", 5, 9, on(6, pageOf("6", 9, 61)), "51 52 61 error", 2, connectlinks.ErrBadResponse},
		{"the next page is an earlier one, from page 5", 5, 9, on(6, pageOf("2", 9, 61)), "51 52 61 error", 2, connectlinks.ErrBadResponse},

		{"on after the last page, 1", 0, 1, goesOn(1, 1), "11 error", 1, connectlinks.ErrBadResponse},
		{"on after the last page, 2", 0, 2, goesOn(2, 2), "11 12 21 error", 2, connectlinks.ErrBadResponse},
		{"on to the last page", 0, 3, goesOn(3, 2), "11 12 21 31", 3, nil},
		{"an end before the last page", 0, 9, goesOn(9, 2), "11 12 21 31", 3, nil},
		{"on, with last page 0", 0, 0, goesOn(0, 1), "11 21 31", 3, nil},
		{"on, with last page -1", 0, -1, goesOn(-1, 1), "11 21 31", 3, nil},

		{"an empty page before another", 0, 9, on(2, pageOf("3", 9)), "11 12 error", 2, connectlinks.ErrBadResponse},
		{"an empty last page", 0, 9, on(2, pageOf("null", 9)), "11 12", 2, nil},
		{"no pagination", 0, 0, on(1, ok(`{"status":"success","data":[{"id":1}]}`)), "1", 1, nil},
		{"null as pagination", 0, 0, on(1, ok(`{"status":"success","pagination":null,"data":[{"id":1}]}`)), "1", 1, nil},
		{"an empty pagination", 0, 0, on(1, ok(`{"status":"success","pagination":{},"data":[{"id":1}]}`)), "1", 1, nil},
		{"a legacy next", 0, 0, on(1, ok(`{"status":"success","next":"https://app.getcensus.com/x?page=2","data":[{"id":1}]}`)), "1", 1, nil},
		{"no pagination, empty", 0, 0, on(1, ok(`{"status":"success","data":[]}`)), "", 1, nil},

		{"a 500", 0, 3, on(2, answer{status: 500}), "11 12 error", 2, connectlinks.ErrServer},
		{"a 404", 0, 3, on(2, answer{status: 404, body: `{"status":"not_found"}`}), "11 12 error", 2, connectlinks.ErrNotFound},
		{"HTML", 0, 3, on(2, ok(`<html></html>`)), "11 12 error", 2, connectlinks.ErrBadResponse},
		{"an item without an id", 0, 3, on(2, ok(`{"status":"success","data":[{}]}`)), "11 12 error", 2, connectlinks.ErrBadResponse},
		{"no data", 0, 3, on(2, ok(`{"status":"success"}`)), "11 12 error", 2, connectlinks.ErrBadResponse},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachCollection(t, func(t *testing.T, a collection) {
				list := &pages{last: tt.last, special: tt.special}
				ids, errs := collect(t, a.read(t, list, connectlinks.ListOptions{Page: tt.first}))
				assert.Equal(t, tt.ids, ids)
				assert.Equal(t, tt.requests, list.requests())
				for _, err := range errs {
					assert.ErrorIs(t, err, tt.want)
				}
			})
		})
	}
}

func TestAllEndsWithItsContext(t *testing.T) {
	t.Parallel()
	eachCollection(t, func(t *testing.T, a collection) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		list := &pages{last: 3, item: a.item}
		seq := a.All(ctx, testkit.Client(t, list, testkit.NoRetries), connectlinks.ListOptions{})
		ids, errs := collect(t, func(yield func(any, error) bool) {
			for v, err := range seq {
				if err == nil && idOf(v) == "12" {
					cancel()
				}
				if !yield(v, err) {
					return
				}
			}
		})
		assert.Equal(t, "11 12 error", ids)
		require.NotEmpty(t, errs)
		assert.ErrorIs(t, errs[0], context.Canceled)
		assert.Equal(t, 1, list.requests())
	})
}

func TestListOptionsInTheQuery(t *testing.T) {
	t.Parallel()
	eachCollection(t, func(t *testing.T, a collection) {
		for _, c := range []struct {
			opts connectlinks.ListOptions
			want string
		}{
			{connectlinks.ListOptions{}, ""},
			{connectlinks.ListOptions{Page: 1}, "page=1"},
			{connectlinks.ListOptions{Page: 1 << 30}, "page=1073741824"},
			{connectlinks.ListOptions{PerPage: 1}, "per_page=1"},
			{connectlinks.ListOptions{PerPage: 100}, "per_page=100"},
			{connectlinks.ListOptions{Order: connectlinks.OrderAsc}, "order=asc"},
			{connectlinks.ListOptions{Order: connectlinks.OrderDesc}, "order=desc"},
			{connectlinks.ListOptions{Page: 3, PerPage: 50, Order: connectlinks.OrderDesc}, "order=desc&page=3&per_page=50"},
		} {
			list := &pages{item: a.item}
			_, err := a.List(t.Context(), testkit.Client(t, list), c.opts)
			require.NoError(t, err)
			assert.Equal(t, []string{c.want}, list.queries)
		}
	})
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
			page, err := a.List(t.Context(), client, c.opts)
			checkRefused(t, rt, page, err, c.fields...)
			ids, errs := collect(t, a.All(t.Context(), client, c.opts))
			assert.Equal(t, "error", ids, a.Name)
			if assert.Len(t, errs, 1, a.Name) {
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
