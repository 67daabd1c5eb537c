package connectlinks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
)

// linkState is the state of a link in the API's answers. The zero value is a live link.
type linkState struct {
	id               int64 // of the connection; 0: null
	expired, revoked bool
	expiration       string
}

func (l linkState) String() string {
	id := "null"
	if l.id != 0 {
		id = fmt.Sprint(l.id)
	}
	if l.expiration == "" {
		l.expiration = "2100-01-01T00:00:00.000Z"
	}
	return fmt.Sprintf(`{"status":"success","data":{"id":469,"type":"hubspot","uri":"https://app.getcensus.com/pbc?auth=x",`+
		`"expiration":%q,"expired":%t,"revoked":%t,"group_id":"g","source_id":%s,"destination_id":%s}}`,
		l.expiration, l.expired, l.revoked, id, id)
}

func testedConnection(id int64, tested string) string {
	if tested != "null" {
		tested = `"` + tested + `"`
	}
	const steps = `{"steps":[{"step":"Verify connectivity","status":"success"},{"step":"Authenticate","status":"failure","error":{"message":"access denied"}}]}`
	return fmt.Sprintf(`{"status":"success","data":{"id":%d,"name":"n","type":"hubspot","created_at":"2023-07-22T23:42:47.239Z",`+
		`"last_tested_at":%s,"last_test_succeeded":false,"last_test_results":%s}}`, id, tested, steps)
}

func testedActivation(id, group, typ, created, tested string) string {
	quote := func(s string) string {
		if s == "null" {
			return s
		}
		return `"` + s + `"`
	}
	return fmt.Sprintf(`{"id":%q,"name":"n","group_id":%q,"source_connection":{"id":1},"destination_connection":{"id":12,"type":%q,`+
		`"created_at":%s,"last_tested_at":%s,"last_test_succeeded":true}}`, id, group, typ, quote(created), quote(tested))
}

// waitedAPI answers for a link and its connection, and records the times of the requests.
type waitedAPI struct {
	start time.Time
	link  func(n int) (int, string, error) // the n-th answer, from 0
	made  func(n int) (int, string, error)
	asked []time.Duration // for the link
	found []time.Duration // for what it made
	paths []string
}

func always(body fmt.Stringer) func(int) (int, string, error) {
	return func(int) (int, string, error) { return 200, body.String(), nil }
}

func alwaysBody(body string) func(int) (int, string, error) {
	return func(int) (int, string, error) { return 200, body, nil }
}

func (a *waitedAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	since := time.Since(a.start)
	a.paths = append(a.paths, r.Method+" "+r.URL.Path)
	answer, n := a.made, len(a.found)
	if strings.Contains(r.URL.Path, "connect_links/") {
		answer, n = a.link, len(a.asked)
		a.asked = append(a.asked, since)
	} else {
		a.found = append(a.found, since)
	}
	if answer == nil {
		return testkit.Response(r, http.StatusNotFound, `{"status":"not_found"}`), nil
	}
	status, body, err := answer(n)
	if err != nil {
		return nil, err
	}
	return testkit.Response(r, status, body), nil
}

// wait is a wait for link 469: for a new connection, or for a renewal (renew).
type wait struct {
	name  string
	renew bool
	wait  func(ctx context.Context, c *connectlinks.Client, since time.Time) (any, error)
	paths [2]string // of the link, and of what it makes
	made  string    // what it makes, tested at 2023-11-07T05:31:56.000Z
	none  string    // as made, before the customer has finished
}

var errReset = errors.New("connection reset by peer")

const (
	beforeSince = "2023-11-07T05:31:55.000Z"
	afterSince  = "2023-11-07T05:31:57.000Z"
)

func waits() []wait {
	type (
		ctx    = context.Context
		client = *connectlinks.Client
	)
	list := func(items ...string) string {
		return `{"status":"success","pagination":{"next_page":null},"data":[` + strings.Join(items, ",") + `]}`
	}
	renewed := `{"status":"success","data":` + testedActivation("a", "g", "hubspot", beforeSince, afterSince) + `}`
	stale := `{"status":"success","data":` + testedActivation("a", "g", "hubspot", beforeSince, beforeSince) + `}`
	return []wait{
		{
			"Sources.WaitForConnection", false,
			func(ctx ctx, c client, _ time.Time) (any, error) { return c.Sources.WaitForConnection(ctx, 469) },
			[2]string{"GET /api/v1/source_connect_links/469", "GET /api/v1/sources/12"}, testedConnection(12, afterSince), "",
		},
		{
			"Destinations.WaitForConnection", false,
			func(ctx ctx, c client, _ time.Time) (any, error) { return c.Destinations.WaitForConnection(ctx, 469) },
			[2]string{"GET /api/v1/destination_connect_links/469", "GET /api/v1/destinations/12"}, testedConnection(12, afterSince), "",
		},
		{
			"Activations.WaitForActivation", false,
			func(ctx ctx, c client, since time.Time) (any, error) {
				return c.Activations.WaitForActivation(ctx, 469, since)
			},
			[2]string{"GET /api/v2/activation_connect_links/469", "GET /api/v2/activations"},
			list(testedActivation("a", "g", "hubspot", afterSince, afterSince)), list(),
		},
		{
			"Sources.WaitForReauthorization", true,
			func(ctx ctx, c client, since time.Time) (any, error) {
				return c.Sources.WaitForReauthorization(ctx, 469, since)
			},
			[2]string{"GET /api/v1/source_connect_links/469", "GET /api/v1/sources/12"},
			testedConnection(12, afterSince), testedConnection(12, beforeSince),
		},
		{
			"Destinations.WaitForReauthorization", true,
			func(ctx ctx, c client, since time.Time) (any, error) {
				return c.Destinations.WaitForReauthorization(ctx, 469, since)
			},
			[2]string{"GET /api/v1/destination_connect_links/469", "GET /api/v1/destinations/12"},
			testedConnection(12, afterSince), testedConnection(12, beforeSince),
		},
		{
			"Activations.WaitForReauthorization", true,
			func(ctx ctx, c client, since time.Time) (any, error) {
				return c.Activations.WaitForReauthorization(ctx, 469, "a", since)
			},
			[2]string{"GET /api/v2/activation_connect_links/469", "GET /api/v2/activations/a"}, renewed, stale,
		},
	}
}

// open is the link before the customer has finished, and done after that. Only V1's new
// links differ.
func (w wait) open() linkState {
	if w.renew {
		return linkState{id: 12}
	}
	return linkState{}
}

func (w wait) done() linkState { return linkState{id: 12} }

// eachWait runs f for each wait in a bubble of its own. The API's customer has
// not finished yet.
func eachWait(t *testing.T, f func(t *testing.T, w wait, api *waitedAPI, run func(ctx context.Context) (any, error))) {
	t.Helper()
	for _, w := range waits() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				api := &waitedAPI{start: time.Now(), link: always(w.open())}
				if w.none != "" {
					api.made = alwaysBody(w.none)
				}
				client := testkit.Client(t, api, testkit.NoRetries)
				f(t, w, api, func(ctx context.Context) (any, error) { return w.wait(ctx, client, refTestedAt) })
			})
		})
	}
}

func checkSuccess(t *testing.T, v any, err error) {
	t.Helper()
	require.NoError(t, err)
	require.NotNil(t, v)
}

func TestWaitReturnsTheConnectionAndItsTests(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI, run func(context.Context) (any, error)) {
		const polls = 5
		api.link = func(n int) (int, string, error) {
			if n < polls {
				return 200, w.open().String(), nil
			}
			return 200, w.done().String(), nil
		}
		api.made = func(int) (int, string, error) {
			if len(api.asked) <= polls {
				return 200, w.none, nil
			}
			return 200, w.made, nil
		}
		v, err := run(t.Context())
		checkSuccess(t, v, err)
		assert.Len(t, api.asked, polls+1)
		for _, p := range api.paths {
			assert.Contains(t, w.paths, p)
		}
		no := false
		steps := []connectlinks.TestStep{
			{Step: "Verify connectivity", Status: "success"},
			{Step: "Authenticate", Status: "failure", Error: "access denied"},
		}
		after := refTestedAt.Add(time.Second)
		switch v := v.(type) {
		case *connectlinks.Source:
			assert.EqualValues(t, 12, v.ID)
			assert.Equal(t, &no, v.LastTestSucceeded)
			assert.Equal(t, after, v.LastTestedAt)
		case *connectlinks.Destination:
			assert.EqualValues(t, 12, v.ID)
			assert.Equal(t, &no, v.LastTestSucceeded, "that it failed is for the caller to see")
			assert.Equal(t, after, v.LastTestedAt)
			assert.Equal(t, steps, v.LastTestResults)
		case *connectlinks.Activation:
			assert.Equal(t, "a", v.ID)
			assert.Equal(t, after, v.Destination.LastTestedAt)
			assert.NotEmpty(t, v.Raw)
		default:
			t.Errorf("unexpected %T", v)
		}
	})
}

func TestWaitPollsAtOnceAndThenMoreSeldom(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, _ wait, api *waitedAPI, run func(context.Context) (any, error)) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := run(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Zero(t, api.asked[0], "a link that is done already costs no time")
		whole := 0
		for i := 1; i < len(api.asked); i++ {
			gap := api.asked[i] - api.asked[i-1]
			assert.LessOrEqual(t, gap, 10*time.Second)
			assert.GreaterOrEqual(t, gap, 500*time.Millisecond)
			if gap%time.Second == 0 {
				whole++
			}
			if i == 1 {
				assert.LessOrEqual(t, gap, 1500*time.Millisecond)
			}
		}
		assert.Less(t, whole, len(api.asked)*3/4, "jittered")
		assert.Less(t, len(api.asked), 500, "seldom after a while")
	})
}

func TestWaitsPollAtDifferentMoments(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, _ wait, api *waitedAPI, run func(context.Context) (any, error)) {
		second := map[time.Duration]bool{}
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), 1800*time.Millisecond)
			api.start, api.asked = time.Now(), nil
			_, err := run(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.GreaterOrEqual(t, len(api.asked), 2)
			second[api.asked[1]] = true
		}
		assert.Greater(t, len(second), 5)
	})
}

func TestWaitPrefersTheConnectionToRevokedToExpired(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI, run func(context.Context) (any, error)) {
		none := api.made
		for _, link := range []linkState{{expired: true}, {revoked: true}, {expired: true, revoked: true}} {
			want, not := connectlinks.ErrLinkExpired, connectlinks.ErrLinkRevoked
			if link.revoked {
				want, not = not, want
			}
			link.id = w.open().id
			api.link, api.made = always(link), none
			start := time.Now()
			v, err := run(t.Context())
			assert.ErrorIs(t, err, want, "%v", link)
			assert.NotErrorIs(t, err, not)
			assert.ErrorContains(t, err, "469")
			assert.Nil(t, v)
			assert.Zero(t, time.Since(start))

			link.id = 12
			api.link, api.made = always(link), alwaysBody(w.made)
			v, err = run(t.Context())
			checkSuccess(t, v, err)
		}
	})
}

// The API's clock decides, not the local clock.
func TestWaitIgnoresTheLocalClock(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI, run func(context.Context) (any, error)) {
		for _, expiration := range []string{"1999-01-01T00:00:00.000Z", "2000-01-01T00:00:30.000Z"} { // long ago, and during the wait
			link := w.open()
			link.expiration = expiration
			api.link, api.asked = func(n int) (int, string, error) {
				link.expired = n == 30
				return 200, link.String(), nil
			}, nil
			start := time.Now()
			_, err := run(t.Context())
			assert.ErrorIs(t, err, connectlinks.ErrLinkExpired)
			assert.Len(t, api.asked, 31)
			assert.Greater(t, time.Since(start), time.Minute)
		}
	})
}

func TestWaitEndsWithTheLink(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI, run func(context.Context) (any, error)) {
		for want, dead := range map[error]linkState{
			connectlinks.ErrLinkExpired: {expired: true, id: w.open().id},
			connectlinks.ErrLinkRevoked: {revoked: true, id: w.open().id},
		} {
			api.link, api.asked = func(n int) (int, string, error) {
				if n < 7 {
					return 200, w.open().String(), nil
				}
				return 200, dead.String(), nil
			}, nil
			_, err := run(t.Context())
			assert.ErrorIs(t, err, want)
			assert.Len(t, api.asked, 8)
		}
	})
}

var firstErrors = map[string]struct {
	status int
	body   string
	err    error
	want   error
}{
	"400":                  {400, `{"status":"error"}`, nil, connectlinks.ErrInvalidRequest},
	"401":                  {401, `{"status":401}`, nil, connectlinks.ErrUnauthorized},
	"403":                  {403, `{"status":"error"}`, nil, connectlinks.ErrForbidden},
	"404":                  {404, `{"status":"not_found"}`, nil, connectlinks.ErrNotFound},
	"410":                  {410, ``, nil, connectlinks.ErrNotFound},
	"429":                  {429, ``, nil, connectlinks.ErrRateLimited},
	"500":                  {500, ``, nil, connectlinks.ErrServer},
	"not_found in a 200":   {200, `{"status":"not_found"}`, nil, connectlinks.ErrNotFound},
	"HTML in a 200":        {200, `<html></html>`, nil, connectlinks.ErrBadResponse},
	"a reset":              {0, ``, errReset, errReset},
	"a link without a URL": {200, `{"status":"success","data":{"id":469}}`, nil, connectlinks.ErrBadResponse},
}

func TestWaitEndsWithAFirstError(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, _ wait, api *waitedAPI, run func(context.Context) (any, error)) {
		for name, c := range firstErrors {
			api.link, api.asked, api.found = func(int) (int, string, error) { return c.status, c.body, c.err }, nil, nil
			start := time.Now()
			v, err := run(t.Context())
			assert.ErrorIs(t, err, c.want, name)
			assert.Nil(t, v, name)
			assert.Zero(t, time.Since(start), name)
			assert.Len(t, append(api.asked, api.found...), 1, name)
		}
	})
}

func TestWaitGoesOnAfterALaterError(t *testing.T) {
	t.Parallel()
	passing := []func() (int, string, error){
		func() (int, string, error) { return 500, `{"status":"error"}`, nil },
		func() (int, string, error) { return 502, `<html></html>`, nil },
		func() (int, string, error) { return 503, ``, nil },
		func() (int, string, error) { return 429, ``, nil },
		func() (int, string, error) { return 408, ``, nil },
		func() (int, string, error) { return 0, ``, errReset },
		func() (int, string, error) { return 200, `<html></html>`, nil },
		func() (int, string, error) { return 200, ``, nil },
	}
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI, run func(context.Context) (any, error)) {
		n := 0
		api.link = func(int) (int, string, error) {
			if n++; n%2 == 1 && n < 2*len(passing) {
				return 200, w.open().String(), nil
			}
			if n < 2*len(passing) {
				return passing[n/2]()
			}
			return 200, w.done().String(), nil
		}
		m := 0
		none := api.made
		api.made = func(int) (int, string, error) { // and so does what was made
			if n < 2*len(passing) {
				return none(0)
			}
			if m++; m <= len(passing) {
				return passing[m-1]()
			}
			return 200, w.made, nil
		}
		v, err := run(t.Context())
		checkSuccess(t, v, err)
		for i := 1; i < len(api.asked); i++ {
			assert.LessOrEqual(t, api.asked[i]-api.asked[i-1], 10*time.Second)
		}
		assert.Equal(t, len(passing)+1, m)
	})
}

func TestWaitEndsWithALater4xx(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI, run func(context.Context) (any, error)) {
		for name, c := range firstErrors {
			if c.status < 400 && !errors.Is(c.want, connectlinks.ErrNotFound) || c.status == 429 || c.status >= 500 {
				continue
			}
			api.link, api.asked = func(n int) (int, string, error) {
				if n < 3 {
					return 200, w.open().String(), nil
				}
				return c.status, c.body, c.err
			}, nil
			_, err := run(t.Context())
			assert.ErrorIs(t, err, c.want, "the link: %s", name)
			assert.Len(t, api.asked, 4, name)

			api.link, api.asked, api.found = always(w.done()), nil, nil
			none := api.made
			api.made = func(int) (int, string, error) { return c.status, c.body, c.err }
			_, err = run(t.Context())
			assert.ErrorIs(t, err, c.want, "what it made: %s", name)
			assert.Len(t, api.asked, 1, name)
			api.made = none
		}
	})
}

// A Retry-After of an hour does not end a wait.
func TestWaitGoesOnAfterAThrottle(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI, run func(context.Context) (any, error)) {
		api.link = always(w.done())
		throttled := true
		client := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := api.RoundTrip(r)
			if err == nil && len(api.asked) == 2 && throttled {
				throttled = false
				resp.Body.Close()
				resp = testkit.Response(r, 429, `{"status":"error"}`)
				resp.Header.Set("Retry-After", "3600")
			}
			return resp, err
		}), connectlinks.WithMaxRetries(2))
		none := api.made
		api.made = func(n int) (int, string, error) {
			if len(api.asked) < 3 && none == nil {
				return 500, "", nil
			}
			if len(api.asked) < 3 {
				return none(n)
			}
			return 200, w.made, nil
		}
		v, err := w.wait(t.Context(), client, refTestedAt)
		checkSuccess(t, v, err)
		assert.False(t, throttled)
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	hang := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI, run func(context.Context) (any, error)) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
		v, err := run(ctx)
		cancel()
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Nil(t, v)
		assert.Equal(t, 100*time.Second, time.Since(start))
		assert.ErrorContains(t, err, "469")

		// Cancelled between two requests.
		start = time.Now()
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(77*time.Second, cancel)
		_, err = run(ctx)
		assert.ErrorIs(t, err, context.Canceled)
		assert.NotErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 77*time.Second, time.Since(start))
		assert.NotContains(t, err.Error(), "the last answer")

		// Ended during a request: the first one, or a later one.
		for _, after := range []int{0, 5} {
			n := 0
			client := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				if n++; n > after {
					return hang(r)
				}
				return api.RoundTrip(r)
			}), connectlinks.WithTimeout(0), testkit.NoRetries)
			for want, end := range map[error]func() (context.Context, context.CancelFunc){
				context.DeadlineExceeded: func() (context.Context, context.CancelFunc) {
					return context.WithTimeout(t.Context(), 50*time.Second)
				},
				context.Canceled: func() (context.Context, context.CancelFunc) {
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(50*time.Second, cancel)
					return ctx, cancel
				},
			} {
				n = 0
				start := time.Now()
				ctx, cancel := end()
				_, err := w.wait(ctx, client, refTestedAt)
				cancel()
				assert.ErrorIs(t, err, want, "after %d", after)
				assert.NotContains(t, err.Error(), "the last answer", "after %d", after)
				assert.Equal(t, 50*time.Second, time.Since(start))
				assert.Equal(t, after+1, n)
			}
		}

		// Ended before it began.
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		api.paths = nil
		_, err = run(ctx)
		assert.ErrorIs(t, err, context.Canceled)
		assert.Empty(t, api.paths)
	})
}

// The error of a wait that ended with its context says whether the API's last answer was "not
// finished". Package connectlinksweb shows another page if it was not.
func TestWaitTellsNotFinishedFromNoAnswer(t *testing.T) {
	t.Parallel()
	type answer func(r *http.Request, api *waitedAPI) (*http.Response, error)
	hang := func(r *http.Request, _ *waitedAPI) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	status := func(code int) answer {
		return func(r *http.Request, _ *waitedAPI) (*http.Response, error) { return testkit.Response(r, code, ""), nil }
	}
	answers := func(r *http.Request, api *waitedAPI) (*http.Response, error) { return api.RoundTrip(r) }
	isLink := func(r *http.Request) bool { return strings.Contains(r.URL.Path, "connect_links/") }
	for name, test := range map[string]struct {
		first, later answer // to requests for the link in the first poll, and in later polls
		made         answer // to requests for the connection; nil: the customer has not finished
		want         bool
	}{
		"not finished":                            {answers, answers, nil, true},
		"not finished, then no answer":            {answers, hang, nil, true},
		"not finished, then an error":             {answers, status(500), nil, false},
		"not finished, then unusable":             {answers, status(200), nil, false},
		"no answer":                               {hang, hang, nil, false},
		"the link, and no answer about the rest":  {answers, answers, hang, false},
		"the link, and an error about the rest":   {answers, answers, status(500), false},
		"the link, and nonsense about the rest":   {answers, answers, status(200), false},
		"the link, and a throttle about the rest": {answers, answers, status(429), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWait(t, func(t *testing.T, w wait, api *waitedAPI, _ func(context.Context) (any, error)) {
				polls := 0
				if test.made != nil {
					api.link = always(w.done())
				}
				client := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
					switch {
					case !isLink(r) && test.made != nil:
						return test.made(r, api)
					case !isLink(r):
						return api.RoundTrip(r)
					}
					if polls++; polls == 1 {
						return test.first(r, api)
					}
					return test.later(r, api)
				}), testkit.NoRetries)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				_, err := w.wait(ctx, client, refTestedAt)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				var over interface{ NotFinished() bool }
				assert.Equal(t, test.want, errors.As(err, &over) && over.NotFinished(), "%v", err)
			})
		})
	}
}

// A poll that the rate limiter refused tells nothing new.
func TestWaitNotFinishedAtALimiter(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI, _ func(context.Context) (any, error)) {
		for allowed, want := range map[int]bool{2: true, 1: false} {
			if allowed == 1 && w.none == "" {
				continue // the link alone says that the customer has not finished
			}
			n := 0
			client := testkit.Client(t, api, testkit.NoRetries, connectlinks.WithRateLimiter(testkit.Limiter(func(context.Context) error {
				if n++; n > allowed {
					return errors.New("would exceed context deadline")
				}
				return nil
			})))
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			_, err := w.wait(ctx, client, refTestedAt)
			cancel()
			var over interface{ NotFinished() bool }
			assert.Equal(t, want, errors.As(err, &over) && over.NotFinished(), "%d: %v", allowed, err)
		}
	})
}

// A request that times out does not end a wait.
func TestWaitGoesOnAfterATimeout(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI, _ func(context.Context) (any, error)) {
		n := 0
		client := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if n++; n == 4 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			if n > 4 {
				api.link, api.made = always(w.done()), alwaysBody(w.made)
			}
			return api.RoundTrip(r)
		}), testkit.NoRetries)
		start := time.Now()
		v, err := w.wait(t.Context(), client, refTestedAt)
		checkSuccess(t, v, err)
		assert.Greater(t, time.Since(start), 30*time.Second)
	})
}

func TestWaitForReauthorizationEndsWithANewTest(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI, run func(context.Context) (any, error)) {
		if !w.renew {
			return
		}
		at := []string{"null", beforeSince, "2023-11-07T05:31:56.000Z", "2023-11-07T05:31:56.001Z"} // since is 56.000
		api.made = func(n int) (int, string, error) {
			if strings.HasPrefix(w.name, "Activations") {
				return 200, `{"status":"success","data":` + testedActivation("a", "g", "hubspot", afterSince, at[n]) + `}`, nil
			}
			return 200, testedConnection(12, at[n]), nil
		}
		v, err := run(t.Context())
		checkSuccess(t, v, err)
		assert.Len(t, api.found, len(at))
	})
}

func TestWaitsThatCannotBegin(t *testing.T) {
	t.Parallel()
	client := testkit.Client(t, testkit.Unused(t))
	ctx := t.Context()
	for name, f := range map[string]func() error{
		"linkID": func() error {
			_, err := client.Sources.WaitForReauthorization(ctx, 0, refTestedAt)
			return err
		},
		"activationID": func() error {
			_, err := client.Activations.WaitForReauthorization(ctx, 469, "", refTestedAt)
			return err
		},
		"since": func() error {
			_, err := client.Activations.WaitForActivation(ctx, 469, time.Time{})
			return err
		},
	} {
		input := new(connectlinks.InputError)
		if assert.ErrorAs(t, f(), &input, name) {
			assert.Equal(t, name, input.Field)
		}
	}
}

func TestWaitForReauthorizationOfAnotherLink(t *testing.T) {
	t.Parallel()
	for _, w := range waits() {
		if !w.renew || strings.HasPrefix(w.name, "Activations") { // V2's links do not say
			continue
		}
		for _, id := range []string{"null", "0"} {
			client := testkit.Client(t, testkit.Respond(200, strings.ReplaceAll(linkState{}.String(), "null", id)))
			_, err := w.wait(t.Context(), client, refTestedAt)
			require.ErrorIs(t, err, connectlinks.ErrInvalidRequest, w.name)
			require.EqualError(t, err, "connectlinks: waiting for link 469: invalid request: this is not a reauthorization link")
		}
	}
}

// Ten unusable responses in a row end a wait.
func TestWaitEndsWithNonsense(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI, run func(context.Context) (any, error)) {
		none := api.made
		api.link = func(n int) (int, string, error) {
			if n == 0 || n == 10 { // nine in a row do not end it
				return 200, w.open().String(), nil
			}
			return 200, `<html></html>`, nil
		}
		_, err := run(t.Context())
		require.ErrorIs(t, err, connectlinks.ErrBadResponse, "the link")
		assert.Len(t, api.asked, 21)

		api.asked, api.found = nil, nil
		api.link, api.made = always(w.done()), alwaysBody(`{"status":"success","data":"x"}`)
		_, err = run(t.Context())
		require.ErrorIs(t, err, connectlinks.ErrBadResponse, "what it made")
		assert.Len(t, api.found, 10)
		api.made = none
	})
}

func TestWaitForActivationFindsTheOldestThatFits(t *testing.T) {
	t.Parallel()
	a := func(id, group, typ, created string) string {
		return testedActivation(id, group, typ, created, "null")
	}
	const (
		early = "2023-11-07T05:31:55.999Z"
		since = "2023-11-07T05:31:56.000Z"
		first = "2023-11-07T05:31:56.001Z"
		later = "2023-11-07T05:31:57.000Z"
	)
	others := []string{
		a("early", "g", "hubspot", early),
		a("since", "g", "hubspot", since),
		a("never", "g", "hubspot", "null"),
		a("group", "another", "hubspot", first),
		a("type", "g", "braze", first),
		a("case", "G", "hubspot", first),
	}
	for name, c := range map[string]struct {
		items []string
		want  string
	}{
		"none":             {others, ""},
		"one":              {append(others, a("it", "g", "hubspot", first)), "it"},
		"oldest first":     {append(others, a("it", "g", "hubspot", first), a("later", "g", "hubspot", later)), "it"},
		"oldest last":      {append(others, a("later", "g", "hubspot", later), a("it", "g", "hubspot", first)), "it"},
		"only a later one": {append(others, a("it", "g", "hubspot", later)), "it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				polls := 0
				client := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, "/activation_connect_links/469") {
						polls++
						return testkit.Response(r, 200, linkState{expired: polls > 3}.String()), nil
					}
					assert.Equal(t, "/api/v2/activations", r.URL.Path)
					assert.Equal(t, "desc", r.URL.Query().Get("order"), "the newest are asked for")
					// One activation to a page: it is found wherever it is.
					page := 1
					_, _ = fmt.Sscan(r.URL.Query().Get("page"), &page)
					next := "null"
					if page < len(c.items) {
						next = fmt.Sprint(page + 1)
					}
					return testkit.Response(r, 200, fmt.Sprintf(`{"status":"success","pagination":{"page":%d,"next_page":%s},"data":[%s]}`, page, next, c.items[page-1])), nil
				}))
				found, err := client.Activations.WaitForActivation(t.Context(), 469, refTestedAt)
				if c.want == "" {
					assert.ErrorIs(t, err, connectlinks.ErrLinkExpired)
					assert.Equal(t, 4, polls)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, c.want, found.ID)
				assert.Equal(t, 1, polls)
			})
		})
	}
}

// sandbox makes a sandbox for a bubble.
func sandbox(t *testing.T, opts ...connectlinkstest.Option) *connectlinkstest.Server {
	t.Helper()
	srv := connectlinkstest.NewServer(append(opts, connectlinkstest.WithoutListener())...)
	t.Cleanup(srv.Close)
	return srv
}

// The whole flow on the sandbox, for each kind, with its default assumptions and with
// others.
func TestWaitsOfTheWholeFlow(t *testing.T) {
	t.Parallel()
	for name, assume := range map[string]connectlinkstest.Assumptions{
		"default": {},
		"other": {
			WordStatus: true, PaginatedSourceTypes: true, ExpireSpentLinks: true,
			KeepRevokedLinks: true, ShortActivationNames: true, NoTypeOnDestinations: true,
		},
	} {
		for kind, f := range map[string]func(t *testing.T, srv *connectlinkstest.Server){
			"source": sourceFlow, "destination": destinationFlow, "activation": activationFlow,
		} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { f(t, sandbox(t, connectlinkstest.WithAssumptions(assume))) })
			})
		}
	}
}

// completeLater lets the customer finish after some time.
func completeLater(t *testing.T, srv *connectlinkstest.Server, link connectlinks.ConnectLink, sub connectlinkstest.Submission) (wait func()) {
	t.Helper()
	done := make(chan struct{})
	time.AfterFunc(42*time.Second, func() {
		defer close(done)
		_, err := srv.CompleteWith(link.ID, sub)
		assert.NoError(t, err)
	})
	start := time.Now()
	return func() {
		<-done
		assert.LessOrEqual(t, time.Since(start), 53*time.Second)
		assert.GreaterOrEqual(t, time.Since(start), 42*time.Second)
	}
}

func sourceFlow(t *testing.T, srv *connectlinkstest.Server) {
	ctx, s := t.Context(), srv.Client().Sources
	link, err := s.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "postgres"})
	require.NoError(t, err)
	finished := completeLater(t, srv, link.ConnectLink, connectlinkstest.Submission{Name: "Warehouse"})
	made, err := s.WaitForConnection(ctx, link.ID)
	require.NoError(t, err)
	finished()
	assert.Equal(t, "Warehouse", made.Name)
	assert.Equal(t, "postgres", made.Type)
	assert.Equal(t, &refYes, made.LastTestSucceeded)

	renewal, err := s.CreateReauthorizationLink(ctx, made.ID, connectlinks.CreateReauthorizationLinkParams{})
	require.NoError(t, err)
	assert.Equal(t, made.ID, renewal.SourceID)
	finished = completeLater(t, srv, renewal.ConnectLink, connectlinkstest.Submission{})
	renewed, err := s.WaitForReauthorization(ctx, renewal.ID, made.LastTestedAt)
	require.NoError(t, err)
	finished()
	assert.Equal(t, made.ID, renewed.ID)
	assert.True(t, renewed.LastTestedAt.After(made.LastTestedAt))
}

func destinationFlow(t *testing.T, srv *connectlinkstest.Server) {
	ctx, s := t.Context(), srv.Client().Destinations
	link, err := s.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "hubspot"})
	require.NoError(t, err)
	finished := completeLater(t, srv, link.ConnectLink, connectlinkstest.Submission{FailedTest: "access denied"})
	made, err := s.WaitForConnection(ctx, link.ID)
	require.NoError(t, err)
	finished()
	require.NotNil(t, made.LastTestSucceeded)
	assert.False(t, *made.LastTestSucceeded)
	require.NotEmpty(t, made.LastTestResults)
	assert.Equal(t, "access denied", made.LastTestResults[len(made.LastTestResults)-1].Error)

	renewal, err := s.CreateReauthorizationLink(ctx, made.ID, connectlinks.CreateReauthorizationLinkParams{})
	require.NoError(t, err)
	assert.Equal(t, made.ID, renewal.DestinationID)
	finished = completeLater(t, srv, renewal.ConnectLink, connectlinkstest.Submission{})
	renewed, err := s.WaitForReauthorization(ctx, renewal.ID, made.LastTestedAt)
	require.NoError(t, err)
	finished()
	assert.Equal(t, &refYes, renewed.LastTestSucceeded)
}

func activationFlow(t *testing.T, srv *connectlinkstest.Server) {
	ctx, s := t.Context(), srv.PersonalClient().Activations
	create := func(group string) *connectlinks.ActivationConnectLink {
		link, err := s.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: group})
		require.NoError(t, err)
		return link
	}
	// An older activation of the same group, and one of another group.
	older := create(srv.Group())
	_, err := srv.Complete(older.ID)
	require.NoError(t, err)
	time.Sleep(time.Minute)
	srv.AddGroup("another")
	other := create("another")
	link := create(srv.Group())
	_, err = srv.Complete(other.ID)
	require.NoError(t, err)

	finished := completeLater(t, srv, link.ConnectLink, connectlinkstest.Submission{Name: "CRM"})
	made, err := s.WaitForActivation(ctx, link.ID, link.CreatedAt)
	require.NoError(t, err)
	finished()
	assert.Equal(t, "CRM", made.Name)
	assert.Equal(t, srv.Group(), made.GroupID)
	assert.Equal(t, "hubspot", made.Destination.Type)

	renewal, err := s.CreateReauthorizationLink(ctx, made.ID, connectlinks.CreateReauthorizationLinkParams{})
	require.NoError(t, err)
	finished = completeLater(t, srv, renewal.ConnectLink, connectlinkstest.Submission{})
	renewed, err := s.WaitForReauthorization(ctx, renewal.ID, made.ID, made.Destination.LastTestedAt)
	require.NoError(t, err)
	finished()
	assert.Equal(t, made.ID, renewed.ID)
	assert.True(t, renewed.Destination.LastTestedAt.After(made.Destination.LastTestedAt))

	// Revocation and expiry end waits, too.
	link = create(srv.Group())
	time.AfterFunc(20*time.Second, func() { assert.NoError(t, srv.Revoke(link.ID)) })
	_, err = s.WaitForActivation(ctx, link.ID, link.CreatedAt)
	assert.ErrorIs(t, err, connectlinks.ErrLinkRevoked)
	link = create(srv.Group())
	time.AfterFunc(20*time.Second, func() { srv.Advance(24 * time.Hour) })
	_, err = s.WaitForActivation(ctx, link.ID, link.CreatedAt)
	assert.ErrorIs(t, err, connectlinks.ErrLinkExpired)
}

// With a local clock two minutes ahead of the API's, a wait since the link's CreatedAt finds
// what the customer made after 90 seconds.
func TestWaitForActivationWithAnotherClock(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-2 * time.Minute, 0, 2 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
			defer srv.Close()
			srv.Advance(2*time.Minute + skew)
			client := srv.PersonalClient()
			time.Sleep(300 * time.Millisecond)
			link, err := client.Activations.CreateConnectLink(t.Context(),
				connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: srv.Group()})
			require.NoError(t, err)
			time.AfterFunc(90*time.Second, func() {
				_, err := srv.Complete(link.ID)
				assert.NoError(t, err)
			})
			activation, err := client.Activations.WaitForActivation(t.Context(), link.ID, link.CreatedAt)
			require.NoError(t, err)
			assert.Equal(t, "hubspot", activation.Destination.Type)
		})
	}
}

// A poll sends one request for the list, however many activations there are, and every tenth poll
// reads all. A server that ignores the order is read to the end.
func TestWaitForActivationReadsLittle(t *testing.T) {
	t.Parallel()
	for _, ignoresOrder := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener(),
				connectlinkstest.WithAssumptions(connectlinkstest.Assumptions{IgnoreOrder: ignoresOrder}))
			defer srv.Close()
			client := srv.PersonalClient()
			create := func() *connectlinks.ActivationConnectLink {
				link, err := client.Activations.CreateConnectLink(t.Context(),
					connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: srv.Group()})
				require.NoError(t, err)
				return link
			}
			for range 250 {
				_, err := srv.Complete(create().ID)
				require.NoError(t, err)
				srv.Advance(time.Second)
			}
			srv.Advance(time.Minute)
			link := create()
			lists := func() (n int) {
				for _, r := range srv.Requests() {
					if r.Route == connectlinkstest.RouteListActivations {
						n++
					}
				}
				return n
			}
			polls := func() (n int) {
				for _, r := range srv.Requests() {
					if r.Route == connectlinkstest.RouteGetActivationConnectLink {
						n++
					}
				}
				return n
			}
			time.AfterFunc(2*time.Minute, func() {
				perPoll := map[bool]int{false: 1, true: 3}[ignoresOrder]
				tenth := 3 * (polls() / 10)
				assert.Equal(t, perPoll*(polls()-polls()/10)+tenth, lists())
				assert.Greater(t, polls(), 10)
				_, err := srv.Complete(link.ID)
				assert.NoError(t, err)
			})
			made, err := client.Activations.WaitForActivation(t.Context(), link.ID, link.CreatedAt)
			require.NoError(t, err)
			assert.True(t, made.Destination.CreatedAt.After(link.CreatedAt))
		})
	}
}

// Before a wait gives up on a dead link, it reads all activations: the customer may have finished
// with a connection that is older than the first page.
func TestWaitForActivationReadsAllForADeadLink(t *testing.T) {
	t.Parallel()
	const since = "2026-11-23T12:00:00Z"
	activation := func(id, made string) string {
		return fmt.Sprintf(`{"id":%q,"group_id":%q,"destination":{"type":"hubspot","created_at":%q}}`, id, testkit.GroupID, made)
	}
	older := testkit.List(activation("b", "2026-11-23T11:00:00Z"), activation("a", "2026-11-23T10:00:00Z"))
	first := strings.Replace(older, `"next_page":null,"last_page":1`, `"next_page":2,"last_page":2`, 1)
	second := testkit.List(activation("made", "2026-11-23T12:00:01Z"))
	for _, dead := range []string{"expired", "revoked"} {
		link := strings.Replace(testkit.LinkJSON, `"`+dead+`":false`, `"`+dead+`":true`, 1)
		c := testkit.Client(t, testkit.NewScript(t,
			testkit.Respond(200, testkit.Envelope("success", link)), testkit.Respond(200, first), testkit.Respond(200, second)))
		made, err := c.Activations.WaitForActivation(t.Context(), testkit.LinkID, testkit.Time(since))
		require.NoError(t, err, dead)
		assert.Equal(t, "made", made.ID, dead)
	}
}
