package connectlinks_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
)

// lifeAll is an All... method: the ids of what it yields, and how such an object
// looks in JSON.
type lifeAll struct {
	name string
	all  func(context.Context, *connectlinks.Client, connectlinks.ListOptions) iter.Seq2[string, error]
	item string
	path string
}

// lifeIDs names what a sequence yields; what comes with an error must be nil.
func lifeIDs[T any](seq iter.Seq2[*T, error], id func(*T) any) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for v, err := range seq {
			name := ""
			switch {
			case err == nil:
				name = strings.TrimPrefix(fmt.Sprint(id(v)), "n")
			case v != nil:
				name = "something beside an error"
			}
			if !yield(name, err) {
				return
			}
		}
	}
}

func lifeAlls() []lifeAll {
	type (
		ctx    = context.Context
		client = *connectlinks.Client
		opts   = connectlinks.ListOptions
		ids    = iter.Seq2[string, error]
	)
	return []lifeAll{
		{"Sources.AllConnectLinks", func(ctx ctx, c client, o opts) ids {
			return lifeIDs(c.Sources.AllConnectLinks(ctx, o), func(v *connectlinks.SourceConnectLink) any { return v.ID })
		}, `{"id":%d}`, "/api/v1/source_connect_links"},
		{"Sources.AllTypes", func(ctx ctx, c client, o opts) ids {
			return lifeIDs(c.Sources.AllTypes(ctx, o), func(v *connectlinks.SourceType) any { return v.ServiceName })
		}, `{"service_name":"n%d"}`, "/api/v1/source_types"},
		{"Sources.All", func(ctx ctx, c client, o opts) ids {
			return lifeIDs(c.Sources.All(ctx, o), func(v *connectlinks.Source) any { return v.ID })
		}, `{"id":%d}`, "/api/v1/sources"},
		{"Destinations.AllConnectLinks", func(ctx ctx, c client, o opts) ids {
			return lifeIDs(c.Destinations.AllConnectLinks(ctx, o), func(v *connectlinks.DestinationConnectLink) any { return v.ID })
		}, `{"id":%d}`, "/api/v1/destination_connect_links"},
		{"Destinations.AllTypes", func(ctx ctx, c client, o opts) ids {
			return lifeIDs(c.Destinations.AllTypes(ctx, o), func(v *connectlinks.DestinationType) any { return v.ServiceName })
		}, `{"service_name":"n%d"}`, "/api/v1/connectors"},
		{"Destinations.All", func(ctx ctx, c client, o opts) ids {
			return lifeIDs(c.Destinations.All(ctx, o), func(v *connectlinks.Destination) any { return v.ID })
		}, `{"id":%d}`, "/api/v1/destinations"},
		{"Activations.AllConnectLinks", func(ctx ctx, c client, o opts) ids {
			return lifeIDs(c.Activations.AllConnectLinks(ctx, o), func(v *connectlinks.ActivationConnectLink) any { return v.ID })
		}, `{"id":%d}`, "/api/v2/activation_connect_links"},
		{"Activations.AllTypes", func(ctx ctx, c client, o opts) ids {
			return lifeIDs(c.Activations.AllTypes(ctx, o), func(v *connectlinks.ActivationType) any { return v.ServiceName })
		}, `{"service_name":"n%d"}`, "/api/v2/activation_types"},
		{"Activations.All", func(ctx ctx, c client, o opts) ids {
			return lifeIDs(c.Activations.All(ctx, o), func(v *connectlinks.Activation) any { return v.ID })
		}, `{"id":"n%d"}`, "/api/v2/activations"},
		{"Workspaces.All", func(ctx ctx, c client, o opts) ids {
			return lifeIDs(c.Workspaces.All(ctx, o), func(v *connectlinks.Workspace) any { return v.ID })
		}, `{"id":%d}`, "/api/v1/workspaces"},
	}
}

// lifePages answers for a list of pages of two: page 1 holds 11 and 12, page 2
// holds 21 and 22. special answers in place of a page.
type lifePages struct {
	item    string
	last    int
	special func(page int) (status int, body string, ok bool)

	mu      sync.Mutex
	queries []string
}

func (p *lifePages) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queries = append(p.queries, r.URL.RawQuery)
	page := 1
	if s := r.URL.Query().Get("page"); s != "" {
		page, _ = strconv.Atoi(s)
	}
	if p.special != nil {
		if status, body, ok := p.special(page); ok {
			return lifeAnswer(status, body)
		}
	}
	next := "null"
	if page < p.last {
		next = strconv.Itoa(page + 1)
	}
	return lifeAnswer(http.StatusOK, p.body(next, page*10+1, page*10+2))
}

func (p *lifePages) body(next string, ids ...int) string {
	items := make([]string, len(ids))
	for i, id := range ids {
		items[i] = fmt.Sprintf(p.item, id)
	}
	return fmt.Sprintf(`{"status":"success","pagination":{"total_records":6,"per_page":2,"prev_page":null,"page":1,"next_page":%s,"last_page":%d},"data":[%s]}`,
		next, p.last, strings.Join(items, ","))
}

func (p *lifePages) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queries)
}

// lifeWalk collects what a sequence yields, and the errors among it. It leaves one
// that does not seem to end.
func lifeWalk(seq iter.Seq2[string, error]) (ids []string, errs []error) {
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

func lifeEachAll(t *testing.T, f func(t *testing.T, a lifeAll)) {
	t.Helper()
	for _, a := range lifeAlls() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			f(t, a)
		})
	}
}

func TestAllFetchesAPageWhenItIsRead(t *testing.T) {
	t.Parallel()
	lifeEachAll(t, func(t *testing.T, a lifeAll) {
		pages := &lifePages{item: a.item, last: 3}
		client := lifeClient(t, lifeRT(func(r *http.Request) (*http.Response, error) {
			assert.Equal(t, a.path, r.URL.Path)
			assert.Equal(t, http.MethodGet, r.Method)
			return pages.RoundTrip(r)
		}))
		seq := a.all(t.Context(), client, connectlinks.ListOptions{})
		assert.Zero(t, pages.requests(), "nothing before the range")
		var fetched []int
		var ids []string
		for id, err := range seq {
			require.NoError(t, err)
			ids = append(ids, id)
			fetched = append(fetched, pages.requests())
		}
		assert.Equal(t, []string{"11", "12", "21", "22", "31", "32"}, ids)
		assert.Equal(t, []int{1, 1, 2, 2, 3, 3}, fetched)
		assert.Equal(t, 3, pages.requests(), "nothing after the last page")
		assert.Equal(t, []string{"order=asc", "order=asc&page=2", "order=asc&page=3"}, pages.queries)
	})
}

func TestStoppingEarlyCostsNothingMore(t *testing.T) {
	t.Parallel()
	lifeEachAll(t, func(t *testing.T, a lifeAll) {
		for _, stop := range []string{"11", "12", "21"} {
			pages := &lifePages{item: a.item, last: 3}
			for id, err := range a.all(t.Context(), lifeClient(t, pages), connectlinks.ListOptions{}) {
				require.NoError(t, err)
				if id == stop {
					break
				}
			}
			assert.Equal(t, int(stop[0]-'0'), pages.requests(), "stopped at %s", stop)
		}
	})
}

func TestEveryRangeStartsAgain(t *testing.T) {
	t.Parallel()
	lifeEachAll(t, func(t *testing.T, a lifeAll) {
		pages := &lifePages{item: a.item, last: 2}
		seq := a.all(t.Context(), lifeClient(t, pages), connectlinks.ListOptions{})
		for id, err := range seq { // one that is left in the middle
			require.NoError(t, err)
			if id == "21" {
				break
			}
		}
		for range 2 {
			ids, errs := lifeWalk(seq)
			assert.Empty(t, errs)
			assert.Equal(t, []string{"11", "12", "21", "22"}, ids)
		}
		assert.Equal(t, 6, pages.requests())

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
	lifeEachAll(t, func(t *testing.T, a lifeAll) {
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
			pages := &lifePages{item: a.item, last: 3}
			ids, errs := lifeWalk(a.all(t.Context(), lifeClient(t, pages), c.opts))
			assert.Empty(t, errs)
			assert.Equal(t, c.ids, ids, "%+v", c.opts)
			assert.Equal(t, c.queries, pages.queries, "%+v", c.opts)
		}
	})
}

func TestAPageThatDoesNotAdvanceEndsAll(t *testing.T) {
	t.Parallel()
	lifeEachAll(t, func(t *testing.T, a lifeAll) {
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
			pages := &lifePages{item: a.item, last: 9}
			second := max(c.start, 1) + 1
			pages.special = func(page int) (int, string, bool) {
				return 200, pages.body(c.next, page*10+1), page == second
			}
			ids, errs := lifeWalk(a.all(t.Context(), lifeClient(t, pages), connectlinks.ListOptions{Page: c.start}))
			assert.Equal(t, 2, pages.requests(), name)
			if assert.Len(t, errs, 1, name) {
				assert.ErrorIs(t, errs[0], connectlinks.ErrBadResponse, name)
			}
			assert.LessOrEqual(t, len(ids), 3, name)
			assert.GreaterOrEqual(t, len(ids), 2, "%s: the first page was good", name)
		}
	})
}

func TestAnEmptyPageBeforeAnotherEndsAll(t *testing.T) {
	t.Parallel()
	lifeEachAll(t, func(t *testing.T, a lifeAll) {
		pages := &lifePages{item: a.item, last: 9}
		pages.special = func(page int) (int, string, bool) { return 200, pages.body("3"), page == 2 }
		ids, errs := lifeWalk(a.all(t.Context(), lifeClient(t, pages), connectlinks.ListOptions{}))
		assert.Equal(t, []string{"11", "12"}, ids)
		assert.Equal(t, 2, pages.requests())
		if assert.Len(t, errs, 1) {
			assert.ErrorIs(t, errs[0], connectlinks.ErrBadResponse)
		}

		pages = &lifePages{item: a.item, last: 9}
		pages.special = func(page int) (int, string, bool) { return 200, pages.body("null"), page == 2 }
		ids, errs = lifeWalk(a.all(t.Context(), lifeClient(t, pages), connectlinks.ListOptions{}))
		assert.Equal(t, []string{"11", "12"}, ids)
		assert.Empty(t, errs, "an empty last page is no error")
	})
}

func TestAMissingPaginationIsTheOnlyPage(t *testing.T) {
	t.Parallel()
	lifeEachAll(t, func(t *testing.T, a lifeAll) {
		item := fmt.Sprintf(a.item, 1)
		for _, body := range []string{
			`{"status":"success","data":[` + item + `]}`,
			`{"status":"success","pagination":null,"data":[` + item + `]}`,
			`{"status":"success","pagination":{},"data":[` + item + `]}`,
			`{"status":"success","next":"https://app.getcensus.com` + a.path + `?page=2","data":[` + item + `]}`, // a legacy
		} {
			pages := &lifePages{item: a.item, special: func(int) (int, string, bool) { return 200, body, true }}
			ids, errs := lifeWalk(a.all(t.Context(), lifeClient(t, pages), connectlinks.ListOptions{}))
			assert.Empty(t, errs, body)
			assert.Equal(t, []string{"1"}, ids, body)
			assert.Equal(t, 1, pages.requests(), body)
		}
		pages := &lifePages{item: a.item, special: func(int) (int, string, bool) { return 200, `{"status":"success","data":[]}`, true }}
		ids, errs := lifeWalk(a.all(t.Context(), lifeClient(t, pages), connectlinks.ListOptions{}))
		assert.Empty(t, errs)
		assert.Empty(t, ids)
	})
}

func TestAnErrorInTheMiddleOfAllIsYieldedOnce(t *testing.T) {
	t.Parallel()
	lifeEachAll(t, func(t *testing.T, a lifeAll) {
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
			pages := &lifePages{item: a.item, last: 3}
			pages.special = func(page int) (int, string, bool) { return c.status, c.body, page == 2 }
			var ids []string
			var errs []error
			for id, err := range a.all(t.Context(), lifeClient(t, pages), connectlinks.ListOptions{}) {
				if ids, errs = append(ids, id), append(errs, err); len(ids) > 9 {
					break
				}
			}
			assert.Equal(t, []string{"11", "12", ""}, ids, c.body)
			if assert.Len(t, errs, 3) {
				assert.ErrorIs(t, errs[2], c.want, c.body)
			}
			assert.Equal(t, 2, pages.requests())
		}
	})
}

func TestAllEndsWithItsContext(t *testing.T) {
	t.Parallel()
	lifeEachAll(t, func(t *testing.T, a lifeAll) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		pages := &lifePages{item: a.item, last: 3}
		seq := a.all(ctx, lifeClient(t, pages), connectlinks.ListOptions{})
		got, errs := lifeWalk(func(yield func(string, error) bool) {
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
		assert.Equal(t, 1, pages.requests())
	})
}

// lifeLists are the methods that return a page.
func lifeLists() map[string]func(context.Context, *connectlinks.Client, connectlinks.ListOptions) (any, error) {
	type (
		ctx    = context.Context
		client = *connectlinks.Client
		opts   = connectlinks.ListOptions
	)
	return map[string]func(ctx, client, opts) (any, error){
		"Sources.ListConnectLinks":      func(ctx ctx, c client, o opts) (any, error) { return c.Sources.ListConnectLinks(ctx, o) },
		"Sources.ListTypes":             func(ctx ctx, c client, o opts) (any, error) { return c.Sources.ListTypes(ctx, o) },
		"Sources.List":                  func(ctx ctx, c client, o opts) (any, error) { return c.Sources.List(ctx, o) },
		"Destinations.ListConnectLinks": func(ctx ctx, c client, o opts) (any, error) { return c.Destinations.ListConnectLinks(ctx, o) },
		"Destinations.ListTypes":        func(ctx ctx, c client, o opts) (any, error) { return c.Destinations.ListTypes(ctx, o) },
		"Destinations.List":             func(ctx ctx, c client, o opts) (any, error) { return c.Destinations.List(ctx, o) },
		"Activations.ListConnectLinks":  func(ctx ctx, c client, o opts) (any, error) { return c.Activations.ListConnectLinks(ctx, o) },
		"Activations.ListTypes":         func(ctx ctx, c client, o opts) (any, error) { return c.Activations.ListTypes(ctx, o) },
		"Activations.List":              func(ctx ctx, c client, o opts) (any, error) { return c.Activations.List(ctx, o) },
		"Workspaces.List":               func(ctx ctx, c client, o opts) (any, error) { return c.Workspaces.List(ctx, o) },
	}
}

func TestListOptionsInTheQuery(t *testing.T) {
	t.Parallel()
	for name, list := range lifeLists() {
		t.Run(name, func(t *testing.T) {
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
				client := lifeClient(t, lifeRT(func(r *http.Request) (*http.Response, error) {
					got = r.URL.RawQuery
					return lifeAnswer(200, `{"status":"success","data":[]}`)
				}))
				_, err := list(t.Context(), client, c.opts)
				require.NoError(t, err)
				assert.Equal(t, c.want.Encode(), got)
			}
		})
	}
}

func TestListOptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	client := lifeClient(t, lifeRT(func(r *http.Request) (*http.Response, error) {
		t.Errorf("sent: %s", r.URL)
		return lifeAnswer(200, `{"status":"success","data":[]}`)
	}))
	for _, c := range []struct {
		opts  connectlinks.ListOptions
		field string
	}{
		{connectlinks.ListOptions{Page: -1}, "Page"},
		{connectlinks.ListOptions{PerPage: -1}, "PerPage"},
		{connectlinks.ListOptions{PerPage: 101}, "PerPage"},
		{connectlinks.ListOptions{Order: "newest"}, "Order"},
		{connectlinks.ListOptions{Order: "ASC"}, "Order"},
	} {
		for name, list := range lifeLists() {
			_, err := list(t.Context(), client, c.opts)
			input := new(connectlinks.InputError)
			if assert.ErrorAs(t, err, &input, "%s: %+v", name, c.opts) {
				assert.Equal(t, c.field, input.Field, name)
			}
		}
		for _, a := range lifeAlls() {
			_, errs := lifeWalk(a.all(t.Context(), client, c.opts))
			if assert.Len(t, errs, 1, a.name) {
				input := new(connectlinks.InputError)
				assert.ErrorAs(t, errs[0], &input, a.name)
			}
		}
	}
	_, err := client.Sources.List(t.Context(), connectlinks.ListOptions{Page: -1, PerPage: 101, Order: "x"})
	for _, field := range []string{"Page", "PerPage", "Order"} {
		assert.ErrorContains(t, err, " "+field+" ", "all that is wrong is named")
	}
}

// One odd object of a list does not hide the rest, whatever is odd about it.
func TestAnOddItemDoesNotHideTheRest(t *testing.T) {
	t.Parallel()
	for _, odd := range []string{
		`{"id":7,"name":"odd","created_at":""}`,
		`{"id":7,"name":"odd","last_tested_at":"yesterday"}`,
		`{"id":7,"name":"odd","last_test_results":[]}`,
		`{"id":7,"name":"odd","last_test_results":{"steps":[{"step":"a","status":"failure","error":"no"}]}}`,
		`{"id":7,"name":"odd","type":["x"]}`,
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"status":"success","data":[{"id":6,"name":"before","created_at":"2023-07-22T23:42:47.239Z"},`+
				odd+`,{"id":8,"name":"after"}],"pagination":{"page":1,"last_page":1,"next_page":null,"total_records":3}}`)
		}))
		client, err := connectlinks.NewClient(connectlinks.WithToken("token"), connectlinks.WithBaseURL(srv.URL))
		require.NoError(t, err)
		page, err := client.Destinations.List(t.Context(), connectlinks.ListOptions{})
		srv.Close()
		require.NoError(t, err, odd)
		require.Len(t, page.Items, 3, odd)
		assert.Equal(t, "before", page.Items[0].Name)
		assert.False(t, page.Items[0].CreatedAt.IsZero())
		assert.EqualValues(t, 7, page.Items[1].ID)
		assert.Equal(t, "after", page.Items[2].Name)
		assert.Equal(t, 3, page.TotalRecords)
	}
}
