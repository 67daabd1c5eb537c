package connectlinks_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
)

// answer is an answer of the API, an error of the transport, or no answer (hang).
type answer struct {
	status int
	body   string
	err    error
	hang   bool
}

// ok is a 200.
func ok(body string) answer { return answer{status: http.StatusOK, body: body} }

func always(a answer) func(int) answer { return func(int) answer { return a } }

// linkState is the state of the link. The zero value is a live link that the customer has used.
type linkState struct {
	pending, expired, revoked bool
	expiration                string
}

func (l linkState) answer() answer {
	link := testkit.LinkJSON
	if l.pending {
		link = strings.ReplaceAll(link, `_id":7`, `_id":null`)
	}
	if l.expired {
		link = strings.Replace(link, `"expired":false`, `"expired":true`, 1)
	}
	if l.revoked {
		link = strings.Replace(link, `"revoked":false`, `"revoked":true`, 1)
	}
	if l.expiration != "" {
		link = strings.Replace(link, "2100-07-22T23:42:47.239Z", l.expiration, 1)
	}
	return ok(testkit.Envelope("success", link))
}

// Times around testkit.Since, in JSON.
const (
	beforeSince = `"2019-12-31T23:59:59.999Z"`
	atSince     = `"2020-01-01T00:00:00.000Z"`
	afterSince  = `"2020-01-01T00:00:00.001Z"`
	laterSince  = `"2020-01-01T00:00:01.000Z"`
)

// waitedAPI answers for a link and its connection, and records the times of the requests.
type waitedAPI struct {
	start time.Time
	link  func(n int) answer // the n-th answer, from 0
	made  func(n int) answer
	list  *pages          // of activations, in place of made
	asked []time.Duration // for the link
	found []time.Duration // for what it made
	paths []string
}

// begin forgets the requests, and sets the answers.
func (a *waitedAPI) begin(link, made func(n int) answer) {
	*a = waitedAPI{start: time.Now(), link: link, made: made}
}

func (a *waitedAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	since := time.Since(a.start)
	a.paths = append(a.paths, r.URL.Path)
	var next answer
	switch {
	case strings.Contains(r.URL.Path, "connect_links/"):
		next = a.link(len(a.asked))
		a.asked = append(a.asked, since)
	case a.list != nil:
		return a.list.RoundTrip(r)
	default:
		next = a.made(len(a.found))
		a.found = append(a.found, since)
	}
	switch {
	case next.hang:
		return testkit.Hang(r)
	case next.err != nil:
		return nil, next.err
	}
	return testkit.Response(r, next.status, next.body), nil
}

// wait is a wait for a link: for a new connection, or for a renewal (renew).
type wait struct {
	testkit.Call
	renew bool
	fetch testkit.Call // for what the link makes
}

func waits() (waits []wait) {
	for _, call := range testkit.Select(func(c testkit.Call) bool { return strings.Contains(c.Name, ".Wait") }) {
		service, _, _ := strings.Cut(call.Name, ".")
		waits = append(waits, wait{call, call.Is("WaitForReauthorization"), testkit.Named(service + ".Get")})
	}
	return waits
}

// run waits with a client whose transport is rt.
func (w wait) run(ctx context.Context, t *testing.T, rt http.RoundTripper, opts ...connectlinks.Option) (any, error) {
	t.Helper()
	return w.Do(ctx, testkit.Client(t, rt, append([]connectlinks.Option{testkit.NoRetries}, opts...)...))
}

// open is the link before the customer has finished, and done after that. Only V1's new
// links differ.
func (w wait) open() answer { return linkState{pending: !w.renew}.answer() }
func (w wait) done() answer { return linkState{}.answer() }

// made returns the answer with the connection that the link made, with its last test at a time in
// JSON. none returns the answer before the customer has finished.
func (w wait) made(tested string) answer {
	object := testkit.ConnectionJSON
	if strings.HasPrefix(w.Name, "Activations.") {
		object = testkit.ActivationJSON
	}
	object = strings.Replace(object, `"last_tested_at":"2023-07-22T23:42:47.239Z"`, `"last_tested_at":`+tested, 1)
	if w.Is("WaitForActivation") {
		return ok(testkit.List(object))
	}
	return ok(testkit.Envelope("success", object))
}

func (w wait) none() answer {
	switch {
	case w.renew:
		return w.made(beforeSince)
	case w.Is("WaitForActivation"):
		return ok(testkit.List())
	}
	return answer{status: http.StatusNotFound}
}

// eachWait runs f for each wait in a bubble of its own. The API's customer has
// not finished yet.
func eachWait(t *testing.T, f func(t *testing.T, w wait, api *waitedAPI)) {
	t.Helper()
	list := waits()
	require.Len(t, list, 6)
	for _, w := range list {
		testkit.Bubble(t, w.Name, func(t *testing.T) {
			f(t, w, &waitedAPI{start: time.Now(), link: always(w.open()), made: always(w.none())})
		})
	}
}

func TestWaitReturnsTheConnectionAndItsTests(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI) {
		const polls = 5
		failed := func(a answer) answer { // that the test failed is for the caller to see
			a.body = strings.Replace(a.body, `"last_test_succeeded":true`, `"last_test_succeeded":false`, 1)
			return a
		}
		api.link = func(n int) answer {
			if n < polls {
				return w.open()
			}
			return w.done()
		}
		api.made = func(int) answer {
			if len(api.asked) <= polls {
				return w.none()
			}
			return failed(w.made(afterSince))
		}
		got, err := w.run(t.Context(), t, api)
		require.NoError(t, err)
		assert.Len(t, api.asked, polls+1)
		path := w.fetch.Path
		if w.Is("WaitForActivation") {
			path = testkit.Named("Activations.List").Path
		}
		assert.Subset(t, []string{w.Path, path}, api.paths)

		want, err := w.fetch.Do(t.Context(), testkit.Client(t, testkit.Respond(200, failed(wait{Call: w.fetch}.made(afterSince)).body)))
		require.NoError(t, err)
		assert.Equal(t, want, got)
	})
}

func TestWaitPollsAtOnceAndThenMoreSeldom(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := w.run(ctx, t, api)
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
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI) {
		second := map[time.Duration]bool{}
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), 1800*time.Millisecond)
			api.begin(api.link, api.made)
			_, err := w.run(ctx, t, api)
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
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI) {
		for _, link := range []linkState{{expired: true}, {revoked: true}, {expired: true, revoked: true}} {
			want, not := connectlinks.ErrLinkExpired, connectlinks.ErrLinkRevoked
			if link.revoked {
				want, not = not, want
			}
			link.pending = !w.renew
			api.begin(always(link.answer()), always(w.none()))
			v, err := w.run(t.Context(), t, api)
			assert.ErrorIs(t, err, want, "%v", link)
			assert.NotErrorIs(t, err, not)
			assert.ErrorContains(t, err, "469")
			assert.Nil(t, v)
			assert.Zero(t, time.Since(api.start))

			link.pending = false
			api.begin(always(link.answer()), always(w.made(afterSince)))
			v, err = w.run(t.Context(), t, api)
			require.NoError(t, err)
			assert.NotNil(t, v)
		}
	})
}

// The API's clock decides when a link has expired, not the local clock.
func TestWaitEndsWithTheLink(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI) {
		for _, tt := range []struct {
			dead linkState
			want error
		}{
			{linkState{expired: true}, connectlinks.ErrLinkExpired},
			{linkState{revoked: true}, connectlinks.ErrLinkRevoked},
			{linkState{expired: true, expiration: "1999-01-01T00:00:00.000Z"}, connectlinks.ErrLinkExpired}, // long ago
			{linkState{expired: true, expiration: "2000-01-01T00:00:30.000Z"}, connectlinks.ErrLinkExpired}, // during the wait
		} {
			tt.dead.pending = !w.renew
			live := linkState{pending: !w.renew, expiration: tt.dead.expiration}
			api.begin(func(n int) answer {
				if n < 30 {
					return live.answer()
				}
				return tt.dead.answer()
			}, api.made)
			_, err := w.run(t.Context(), t, api)
			assert.ErrorIs(t, err, tt.want, "%v", tt.dead)
			assert.Len(t, api.asked, 31)
			assert.Greater(t, time.Since(api.start), time.Minute)
		}
	})
}

var errReset = errors.New("connection reset by peer")

// Answers to the first poll that end a wait. always says whether they end it later, too.
var failedPolls = map[string]struct {
	answer answer
	want   error
	always bool
}{
	"400":                  {answer{status: 400, body: `{"status":"error"}`}, connectlinks.ErrInvalidRequest, true},
	"401":                  {answer{status: 401, body: `{"status":401}`}, connectlinks.ErrUnauthorized, true},
	"403":                  {answer{status: 403, body: `{"status":"error"}`}, connectlinks.ErrForbidden, true},
	"404":                  {answer{status: 404, body: `{"status":"not_found"}`}, connectlinks.ErrNotFound, true},
	"410":                  {answer{status: 410}, connectlinks.ErrNotFound, true},
	"not_found in a 200":   {ok(`{"status":"not_found"}`), connectlinks.ErrNotFound, true},
	"429":                  {answer{status: 429}, connectlinks.ErrRateLimited, false},
	"500":                  {answer{status: 500}, connectlinks.ErrServer, false},
	"HTML in a 200":        {ok(`<html></html>`), connectlinks.ErrBadResponse, false},
	"a reset":              {answer{err: errReset}, errReset, false},
	"a link without a URL": {ok(`{"status":"success","data":{"id":469}}`), connectlinks.ErrBadResponse, false},
}

func TestWaitEndsWithAFirstError(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI) {
		for name, poll := range failedPolls {
			api.begin(always(poll.answer), api.made)
			v, err := w.run(t.Context(), t, api)
			assert.ErrorIs(t, err, poll.want, name)
			assert.Nil(t, v, name)
			assert.Zero(t, time.Since(api.start), name)
			assert.Len(t, api.paths, 1, name)
		}
	})
}

func TestWaitEndsWithALater4xx(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI) {
		for name, poll := range failedPolls {
			if !poll.always {
				continue
			}
			api.begin(func(n int) answer {
				if n < 3 {
					return w.open()
				}
				return poll.answer
			}, always(w.none()))
			_, err := w.run(t.Context(), t, api)
			assert.ErrorIs(t, err, poll.want, "the link: %s", name)
			assert.Len(t, api.asked, 4, name)

			api.begin(always(w.done()), always(poll.answer))
			_, err = w.run(t.Context(), t, api)
			assert.ErrorIs(t, err, poll.want, "what it made: %s", name)
			assert.Len(t, api.asked, 1, name)
		}
	})
}

func TestWaitGoesOnAfterALaterError(t *testing.T) {
	t.Parallel()
	passing := []answer{
		{status: 500, body: `{"status":"error"}`}, {status: 502, body: `<html></html>`}, {status: 503},
		{status: 429}, {status: 408}, {err: errReset}, ok(`<html></html>`), ok(""),
	}
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI) {
		api.link = func(n int) answer {
			switch {
			case n >= 2*len(passing):
				return w.done()
			case n%2 == 0:
				return w.open()
			}
			return passing[n/2]
		}
		m := 0
		api.made = func(int) answer { // and so does what was made
			if len(api.asked) <= 2*len(passing) {
				return w.none()
			}
			if m++; m <= len(passing) {
				return passing[m-1]
			}
			return w.made(afterSince)
		}
		_, err := w.run(t.Context(), t, api)
		require.NoError(t, err)
		for i := 1; i < len(api.asked); i++ {
			assert.LessOrEqual(t, api.asked[i]-api.asked[i-1], 10*time.Second)
		}
		assert.Equal(t, len(passing)+1, m)
	})
}

// A Retry-After of an hour does not end a wait.
func TestWaitGoesOnAfterAThrottle(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI) {
		api.begin(always(w.done()), func(int) answer {
			if len(api.asked) < 3 {
				return answer{status: 500}
			}
			return w.made(afterSince)
		})
		throttled := true
		_, err := w.run(t.Context(), t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := api.RoundTrip(r)
			if err == nil && len(api.asked) == 2 && throttled {
				throttled = false
				return testkit.Response(r, 429, `{"status":"error"}`, "Retry-After", "3600"), nil
			}
			return resp, err
		}), connectlinks.WithMaxRetries(2))
		require.NoError(t, err)
		assert.False(t, throttled)
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	until := func(hang int, a answer) func(int) answer {
		return func(n int) answer {
			if n >= hang {
				return answer{hang: true}
			}
			return a
		}
	}
	const never = 1 << 30
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI) {
		for _, limit := range []timeLimit{
			{deadline: 100 * time.Second, is: context.DeadlineExceeded},
			{cancel: 77 * time.Second, is: context.Canceled},
		} {
			for name, hangs := range map[string]struct{ link, made int }{ // the first answers that never come
				"between two requests":            {never, never},
				"in the first request":            {0, never},
				"in a later request":              {5, never},
				"in a request for the connection": {never, 2},
			} {
				api.begin(until(hangs.link, w.open()), until(hangs.made, w.none()))
				ctx, cancel := limit.context(t.Context())
				v, err := w.run(ctx, t, api, connectlinks.WithTimeout(0))
				cancel()
				testkit.Error{Context: limit.is, Timeout: limit.deadline > 0}.Check(t, err, w.Call)
				assert.Nil(t, v, name)
				assert.Equal(t, limit.deadline+limit.cancel, time.Since(api.start), name)
				assert.NotContains(t, err.Error(), "the last answer", name)
				if hangs.link > 0 {
					assert.ErrorContains(t, err, "waiting for link 469", name)
				} else {
					assert.Len(t, api.asked, 1, name)
				}
			}
		}
	})
}

// The error of a wait that ended with its context says whether the API's last answer was "not
// finished". Package connectlinksweb shows another page if it was not.
func TestWaitTellsNotFinishedFromNoAnswer(t *testing.T) {
	t.Parallel()
	hang, broken, nonsense := answer{hang: true}, answer{status: 500}, ok("")
	for name, test := range map[string]struct {
		first, later answer // to requests for the link in the first poll, and in later polls; zero: the link
		made         answer // to requests for the connection; zero: the customer has not finished
		want         bool
	}{
		"not finished":                            {want: true},
		"not finished, then no answer":            {later: hang, want: true},
		"not finished, then an error":             {later: broken},
		"not finished, then unusable":             {later: nonsense},
		"not finished, then a throttle":           {later: answer{status: 429}},
		"no answer":                               {first: hang, later: hang},
		"the link, and no answer about the rest":  {made: hang},
		"the link, and an error about the rest":   {made: broken},
		"the link, and nonsense about the rest":   {made: nonsense},
		"the link, and a throttle about the rest": {made: answer{status: 429}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWait(t, func(t *testing.T, w wait, api *waitedAPI) {
				link := w.open()
				if test.made != (answer{}) {
					link, api.made = w.done(), always(test.made)
				}
				api.link = func(n int) answer {
					if n == 0 {
						return cmp.Or(test.first, link)
					}
					return cmp.Or(test.later, link)
				}
				checkNotFinished(t, test.want, w, api)
			})
		})
	}
}

// checkNotFinished checks the error of a wait that ends after five seconds.
func checkNotFinished(t *testing.T, want bool, w wait, api *waitedAPI, opts ...connectlinks.Option) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := w.run(ctx, t, api, opts...)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	var over interface{ NotFinished() bool }
	assert.Equal(t, want, errors.As(err, &over) && over.NotFinished(), "%v", err)
}

// A poll that the rate limiter refused tells nothing new.
func TestWaitNotFinishedAtALimiter(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI) {
		for allowed, want := range map[int]bool{2: true, 1: false} {
			if allowed == 1 && !w.renew && !w.Is("WaitForActivation") {
				continue // the link alone says that the customer has not finished
			}
			n := 0
			checkNotFinished(t, want, w, api, connectlinks.WithRateLimiter(testkit.Limiter(func(context.Context) error {
				if n++; n > allowed {
					return errors.New("would exceed context deadline")
				}
				return nil
			})))
		}
	})
}

// A request that times out does not end a wait.
func TestWaitGoesOnAfterATimeout(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI) {
		api.begin(func(n int) answer {
			switch {
			case n < 3:
				return w.open()
			case n == 3:
				return answer{hang: true}
			}
			return w.done()
		}, func(int) answer {
			if len(api.asked) <= 3 {
				return w.none()
			}
			return w.made(afterSince)
		})
		_, err := w.run(t.Context(), t, api)
		require.NoError(t, err)
		assert.Greater(t, time.Since(api.start), 30*time.Second)
	})
}

func TestWaitForReauthorizationEndsWithANewTest(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI) {
		if !w.renew {
			return
		}
		at := []string{"null", beforeSince, atSince, afterSince}
		api.made = func(n int) answer { return w.made(at[n]) }
		_, err := w.run(t.Context(), t, api)
		require.NoError(t, err)
		assert.Len(t, api.found, len(at))
	})
}

func TestWaitForActivationNeedsATime(t *testing.T) {
	t.Parallel()
	_, err := testkit.Client(t, testkit.Unused(t)).Activations.WaitForActivation(t.Context(), 469, time.Time{})
	assert.Equal(t, []string{"since"}, testkit.InputFields(t, err))
}

func TestWaitForReauthorizationOfAnotherLink(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI) {
		if !w.renew || w.Name == "Activations.WaitForReauthorization" { // V2's links do not say
			return
		}
		for _, id := range []string{"null", "0"} {
			link := linkState{pending: true}.answer()
			link.body = strings.ReplaceAll(link.body, "null", id)
			api.begin(always(link), api.made)
			_, err := w.run(t.Context(), t, api)
			require.ErrorIs(t, err, connectlinks.ErrInvalidRequest)
			require.EqualError(t, err, "connectlinks: waiting for link 469: invalid request: this is not a reauthorization link")
		}
	})
}

// Ten unusable responses in a row end a wait.
func TestWaitEndsWithNonsense(t *testing.T) {
	t.Parallel()
	eachWait(t, func(t *testing.T, w wait, api *waitedAPI) {
		api.link = func(n int) answer {
			if n == 0 || n == 10 { // nine in a row do not end it
				return w.open()
			}
			return ok(`<html></html>`)
		}
		_, err := w.run(t.Context(), t, api)
		require.ErrorIs(t, err, connectlinks.ErrBadResponse, "the link")
		assert.Len(t, api.asked, 21)

		api.begin(always(w.done()), always(ok(`{"status":"success","data":"x"}`)))
		_, err = w.run(t.Context(), t, api)
		require.ErrorIs(t, err, connectlinks.ErrBadResponse, "what it made")
		assert.Len(t, api.found, 10)
	})
}

// madeActivation is an activation in JSON whose destination was created at a time in JSON.
func madeActivation(id, group, typ, created string) string {
	return fmt.Sprintf(`{"id":%q,"group_id":%q,"destination":{"type":%q,"created_at":%s}}`, id, group, typ, created)
}

// activationPages is a list of activations, so many to a page.
func activationPages(perPage int, items ...string) *pages {
	list := &pages{special: map[int]answer{}}
	chunks := slices.Collect(slices.Chunk(items, perPage))
	for i, chunk := range chunks {
		page, next := i+1, "null"
		if page < len(chunks) {
			next = fmt.Sprint(page + 1)
		}
		list.special[page] = ok(fmt.Sprintf(`{"status":"success","pagination":{"page":%d,"next_page":%s},"data":[%s]}`,
			page, next, strings.Join(chunk, ",")))
	}
	return list
}

func TestWaitForActivationFindsTheOldestThatFits(t *testing.T) {
	t.Parallel()
	a := func(id, created string) string { return madeActivation(id, testkit.GroupID, "hubspot", created) }
	others := []string{
		a("early", beforeSince),
		a("since", atSince),
		a("never", "null"),
		madeActivation("group", "another", "hubspot", afterSince),
		madeActivation("type", testkit.GroupID, "braze", afterSince),
		madeActivation("case", strings.ToUpper(testkit.GroupID), "hubspot", afterSince),
	}
	for name, c := range map[string]struct {
		items []string
		want  string
	}{
		"none":             {others, ""},
		"one":              {append(others, a("it", afterSince)), "it"},
		"oldest first":     {append(others, a("it", afterSince), a("later", laterSince)), "it"},
		"oldest last":      {append(others, a("later", laterSince), a("it", afterSince)), "it"},
		"only a later one": {append(others, a("it", laterSince)), "it"},
	} {
		testkit.Bubble(t, name, func(t *testing.T) {
			api := &waitedAPI{
				link: func(n int) answer { return linkState{expired: n > 2}.answer() },
				list: activationPages(1, c.items...), // it is found wherever it is
			}
			found, err := testkit.Client(t, api).Activations.WaitForActivation(t.Context(), 469, testkit.Since)
			assert.Contains(t, api.list.queries[0], "order=desc", "the newest are asked for")
			if c.want == "" {
				assert.ErrorIs(t, err, connectlinks.ErrLinkExpired)
				assert.Len(t, api.asked, 4)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, found.ID)
			assert.Len(t, api.asked, 1)
		})
	}
}

// A poll sends one request for the list, however many activations there are, and every tenth poll
// reads all. A server that ignores the order is read to the end.
func TestWaitForActivationReadsLittle(t *testing.T) {
	t.Parallel()
	oldestFirst := make([]string, 6) // all older than the link
	for i := range oldestFirst {
		oldestFirst[i] = madeActivation(fmt.Sprint("a", i), testkit.GroupID, "hubspot", fmt.Sprintf(`"2019-12-31T00:00:0%dZ"`, i))
	}
	newestFirst := slices.Clone(oldestFirst)
	slices.Reverse(newestFirst)
	for name, tt := range map[string]struct {
		items   []string
		perPoll int
	}{
		"newest first": {newestFirst, 1},
		"oldest first": {oldestFirst, 3},
	} {
		testkit.Bubble(t, name, func(t *testing.T) {
			api := &waitedAPI{link: always(linkState{}.answer()), list: activationPages(2, tt.items...)}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			_, err := testkit.Client(t, api).Activations.WaitForActivation(ctx, 469, testkit.Since)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			polls := len(api.asked)
			assert.Greater(t, polls, 20)
			assert.Equal(t, tt.perPoll*(polls-polls/10)+3*(polls/10), api.list.requests())
		})
	}
}

// Before a wait gives up on a dead link, it reads all activations: the customer may have finished
// with a connection that is older than the first page.
func TestWaitForActivationReadsAllForADeadLink(t *testing.T) {
	t.Parallel()
	a := func(id, created string) string { return madeActivation(id, testkit.GroupID, "hubspot", created) }
	for _, dead := range []linkState{{expired: true}, {revoked: true}} {
		api := &waitedAPI{
			link: always(dead.answer()),
			list: activationPages(2, a("b", beforeSince), a("a", `"2019-01-01T00:00:00Z"`), a("made", afterSince)),
		}
		made, err := testkit.Client(t, api).Activations.WaitForActivation(t.Context(), 469, testkit.Since)
		require.NoError(t, err, dead)
		assert.Equal(t, "made", made.ID, dead)
		assert.Len(t, api.asked, 1)
	}
}

// sandbox makes a sandbox for a bubble.
func sandbox(t *testing.T, opts ...connectlinkstest.Option) *connectlinkstest.Server {
	t.Helper()
	srv := connectlinkstest.NewServer(append(opts, connectlinkstest.WithoutListener())...)
	t.Cleanup(srv.Close)
	return srv
}

// activationLink makes a link for an activation of a group of srv.
func activationLink(t *testing.T, srv *connectlinkstest.Server, group string) *connectlinks.ActivationConnectLink {
	t.Helper()
	link, err := srv.PersonalClient().Activations.CreateConnectLink(t.Context(),
		connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: group})
	require.NoError(t, err)
	return link
}

// The whole flow on the sandbox, for each kind, with its default assumptions and with
// others. The API's clock is behind ours, or ahead.
func TestWaitsOfTheWholeFlow(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		ahead  time.Duration
		assume connectlinkstest.Assumptions
	}{
		"default": {-2 * time.Minute, connectlinkstest.Assumptions{}},
		"other": {2 * time.Minute, connectlinkstest.Assumptions{
			WordStatus: true, PaginatedSourceTypes: true, ExpireSpentLinks: true,
			KeepRevokedLinks: true, ShortActivationNames: true, NoTypeOnDestinations: true,
		}},
	} {
		for kind, flow := range map[string]func(t *testing.T, srv *connectlinkstest.Server){
			"source": func(t *testing.T, srv *connectlinkstest.Server) {
				connectionFlow(t, srv, "postgres", srv.Client().Sources, func(s *connectlinks.Source) connectlinks.Connection { return s.Connection })
			},
			"destination": func(t *testing.T, srv *connectlinkstest.Server) {
				connectionFlow(t, srv, "hubspot", srv.Client().Destinations, func(d *connectlinks.Destination) connectlinks.Connection { return d.Connection })
			},
			"activation": activationFlow,
		} {
			testkit.Bubble(t, kind+"/"+name, func(t *testing.T) {
				srv := sandbox(t, connectlinkstest.WithAssumptions(tt.assume))
				srv.Advance(tt.ahead)
				time.Sleep(300 * time.Millisecond) // CreatedAt has whole seconds
				flow(t, srv)
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

// connectionService is a service of V1.
type connectionService[L, C any] interface {
	CreateConnectLink(context.Context, connectlinks.CreateConnectLinkParams) (*L, error)
	WaitForConnection(context.Context, int64) (*C, error)
	CreateReauthorizationLink(context.Context, int64, connectlinks.CreateReauthorizationLinkParams) (*L, error)
	WaitForReauthorization(context.Context, int64, time.Time) (*C, error)
}

func connectionFlow[L, C any](t *testing.T, srv *connectlinkstest.Server, service string,
	s connectionService[L, C], of func(*C) connectlinks.Connection,
) {
	ctx := t.Context()
	created, err := s.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: service})
	require.NoError(t, err)
	link := testkit.LinksIn(created)[0]
	finished := completeLater(t, srv, link, connectlinkstest.Submission{Name: "Warehouse", FailedTest: "access denied"})
	found, err := s.WaitForConnection(ctx, link.ID)
	require.NoError(t, err)
	finished()
	made := of(found)
	assert.Equal(t, "Warehouse", made.Name)
	require.NotNil(t, made.LastTestSucceeded)
	assert.False(t, *made.LastTestSucceeded)
	if service == "hubspot" { // a source says no more
		require.NotEmpty(t, made.LastTestResults)
		assert.Equal(t, "access denied", made.LastTestResults[len(made.LastTestResults)-1].Error)
	}

	created, err = s.CreateReauthorizationLink(ctx, made.ID, connectlinks.CreateReauthorizationLinkParams{})
	require.NoError(t, err)
	link = testkit.LinksIn(created)[0]
	finished = completeLater(t, srv, link, connectlinkstest.Submission{})
	found, err = s.WaitForReauthorization(ctx, link.ID, made.LastTestedAt)
	require.NoError(t, err)
	finished()
	renewed := of(found)
	assert.Equal(t, made.ID, renewed.ID)
	assert.True(t, renewed.LastTestedAt.After(made.LastTestedAt))
	assert.Equal(t, &refYes, renewed.LastTestSucceeded)
}

func activationFlow(t *testing.T, srv *connectlinkstest.Server) {
	ctx, s := t.Context(), srv.PersonalClient().Activations
	// An older activation of the same group, and one of another group.
	older := activationLink(t, srv, srv.Group())
	_, err := srv.Complete(older.ID)
	require.NoError(t, err)
	time.Sleep(time.Minute)
	srv.AddGroup("another")
	other := activationLink(t, srv, "another")
	link := activationLink(t, srv, srv.Group())
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
}
