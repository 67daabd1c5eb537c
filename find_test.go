package connectlinks_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// uniqueCreate is a create whose redirect URI no other link has.
type uniqueCreate struct {
	name   string
	route  connectlinkstest.Route
	list   connectlinkstest.Route
	create linkCall
	find   linkCall
}

// linkCall returns the link with a redirect URI.
type linkCall func(ctx context.Context, p *findPlatform, redirectURI string) (connectlinks.ConnectLink, error)

// findPlatform has a client for each version, and a connection of each kind.
type findPlatform struct {
	srv                 *connectlinkstest.Server
	v1, v2              *connectlinks.Client
	source, destination int64
	activation          string
}

func newFindPlatform(t testing.TB, srv *connectlinkstest.Server, opts ...connectlinks.Option) *findPlatform {
	t.Helper()
	p := &findPlatform{srv: srv, v1: srv.Client(opts...), v2: srv.PersonalClient(opts...)}
	var made [3]connectlinkstest.Made
	for i, c := range uniqueCreates()[:3] {
		link, err := c.create(t.Context(), p, "https://platform.example/first/"+fmt.Sprint(i))
		require.NoError(t, err)
		made[i], err = srv.Complete(link.ID)
		require.NoError(t, err)
	}
	p.source, p.destination, p.activation = made[0].ID, made[1].ID, made[2].ActivationID
	return p
}

// with returns p with other options of the clients.
func (p findPlatform) with(t testing.TB, opt connectlinks.Option) *findPlatform {
	t.Helper()
	for _, c := range []**connectlinks.Client{&p.v1, &p.v2} {
		derived, err := (*c).With(opt)
		require.NoError(t, err)
		*c = derived
	}
	return &p
}

func uniqueCreates() []uniqueCreate {
	type (
		ctx      = context.Context
		platform = *findPlatform
		link     = connectlinks.ConnectLink
		params   = connectlinks.CreateConnectLinkParams
		renewal  = connectlinks.CreateReauthorizationLinkParams
	)
	findSource := func(ctx ctx, p platform, uri string) (link, error) {
		return linkOf(p.v1.Sources.FindConnectLink(ctx, uri))
	}
	findDestination := func(ctx ctx, p platform, uri string) (link, error) {
		return linkOf(p.v1.Destinations.FindConnectLink(ctx, uri))
	}
	findActivation := func(ctx ctx, p platform, uri string) (link, error) {
		return linkOf(p.v2.Activations.FindConnectLink(ctx, uri))
	}
	return []uniqueCreate{
		{"source", connectlinkstest.RouteCreateSourceConnectLink, connectlinkstest.RouteListSourceConnectLinks,
			func(ctx ctx, p platform, uri string) (link, error) {
				return linkOf(p.v1.Sources.CreateConnectLink(ctx, params{Type: "postgres", RedirectURI: uri, UniqueRedirect: true}))
			}, findSource},
		{"destination", connectlinkstest.RouteCreateDestinationConnectLink, connectlinkstest.RouteListDestinationConnectLinks,
			func(ctx ctx, p platform, uri string) (link, error) {
				return linkOf(p.v1.Destinations.CreateConnectLink(ctx, params{Type: "hubspot", RedirectURI: uri, UniqueRedirect: true}))
			}, findDestination},
		{"activation", connectlinkstest.RouteCreateActivationConnectLink, connectlinkstest.RouteListActivationConnectLinks,
			func(ctx ctx, p platform, uri string) (link, error) {
				return linkOf(p.v2.Activations.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{
					Type: "hubspot", GroupID: p.srv.Group(), RedirectURI: uri, UniqueRedirect: true}))
			}, findActivation},
		{"source, reauthorized", connectlinkstest.RouteCreateSourceReauthorizationLink, connectlinkstest.RouteListSourceConnectLinks,
			func(ctx ctx, p platform, uri string) (link, error) {
				return linkOf(p.v1.Sources.CreateReauthorizationLink(ctx, p.source, renewal{RedirectURI: uri, UniqueRedirect: true}))
			}, findSource},
		{"destination, reauthorized", connectlinkstest.RouteCreateDestinationReauthorizationLink, connectlinkstest.RouteListDestinationConnectLinks,
			func(ctx ctx, p platform, uri string) (link, error) {
				return linkOf(p.v1.Destinations.CreateReauthorizationLink(ctx, p.destination, renewal{RedirectURI: uri, UniqueRedirect: true}))
			}, findDestination},
		{"activation, reauthorized", connectlinkstest.RouteCreateActivationReauthorizationLink, connectlinkstest.RouteListActivationConnectLinks,
			func(ctx ctx, p platform, uri string) (link, error) {
				return linkOf(p.v2.Activations.CreateReauthorizationLink(ctx, p.activation, renewal{RedirectURI: uri, UniqueRedirect: true}))
			}, findActivation},
	}
}

// linkOf returns the link in the result of a call.
func linkOf[L any](l *L, err error) (connectlinks.ConnectLink, error) {
	if err != nil {
		return connectlinks.ConnectLink{}, err
	}
	return testkit.LinksIn(l)[0], nil
}

// newRedirect is an address that no other link has.
func newRedirect() string { return "https://platform.example/connected/" + rand.Text() }

// eachUniqueCreate runs f for each create, in a bubble with a sandbox of its own.
func eachUniqueCreate(t *testing.T, assume connectlinkstest.Assumptions, f func(t *testing.T, p *findPlatform, c uniqueCreate)) {
	t.Helper()
	for _, c := range uniqueCreates() {
		testkit.Bubble(t, c.name, func(t *testing.T) {
			f(t, newFindPlatform(t, sandbox(t, connectlinkstest.WithAssumptions(assume))), c)
		})
	}
}

// requestsOf makes a create, and returns how many requests the server got.
func (p *findPlatform) requestsOf(t testing.TB, c uniqueCreate, uri string) (link connectlinks.ConnectLink, requests int, err error) {
	t.Helper()
	before := len(p.srv.Requests())
	link, err = c.create(t.Context(), p, uri)
	return link, len(p.srv.Requests()) - before, err
}

// made returns the links that have the redirect URI.
func (p *findPlatform) made(uri string) (links []connectlinkstest.Link) {
	for _, l := range p.srv.Links() {
		if strings.EqualFold(strings.TrimSuffix(l.ConnectLink.RedirectURI, "/"), uri) {
			links = append(links, l)
		}
	}
	return links
}

// lose makes the server carry out every create of a route, and lose its answer.
func (p *findPlatform) lose(t testing.TB, c uniqueCreate, f connectlinkstest.Failure) {
	t.Helper()
	f.Route, f.CarryOut = c.route, true
	if f.Status == 0 && !f.Hang {
		f.Reset = true
	}
	require.NoError(t, p.srv.Fail(f))
}

func TestLostLinkIsFound(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]connectlinkstest.Failure{
		"reset":   {Times: -1},
		"504":     {Times: -1, Status: http.StatusGatewayTimeout},
		"timeout": {Times: -1, Hang: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachUniqueCreate(t, connectlinkstest.Assumptions{}, func(t *testing.T, p *findPlatform, c uniqueCreate) {
				p.srv.Advance(time.Hour) // the API's clock is not ours
				p.lose(t, c, failure)
				time.Sleep(300 * time.Millisecond)
				began := p.srv.Now()
				uri := newRedirect()
				link, err := c.create(t.Context(), p, uri)
				require.NoError(t, err)
				require.Len(t, p.made(uri), 1, "one call, one link")
				want := p.made(uri)[0].ConnectLink
				assert.Equal(t, want.ID, link.ID)
				assert.Equal(t, want.URL, link.URL)
				assert.Equal(t, uri, link.RedirectURI)
				assert.Equal(t, began.UTC().Truncate(time.Second), link.CreatedAt.UTC(), "when the create began, by the API's clock")
			})
		})
	}
}

func TestUniqueRedirectNeedsARedirectURI(t *testing.T) {
	t.Parallel()
	c := testkit.Client(t, testkit.Unused(t))
	_, err := c.Sources.CreateConnectLink(t.Context(), connectlinks.CreateConnectLinkParams{Type: "postgres", UniqueRedirect: true})
	assert.Equal(t, []string{"UniqueRedirect"}, testkit.InputFields(t, err))
	_, err = c.Activations.CreateConnectLink(t.Context(), connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: "g", UniqueRedirect: true})
	assert.Equal(t, []string{"UniqueRedirect"}, testkit.InputFields(t, err))
	_, err = c.Destinations.CreateReauthorizationLink(t.Context(), 1, connectlinks.CreateReauthorizationLinkParams{UniqueRedirect: true})
	assert.Equal(t, []string{"UniqueRedirect"}, testkit.InputFields(t, err))
}

// The SDK never returns a link that may be another caller's: one of two, a dead one, or one of
// another type, connection or group.
func TestLostLinkThatIsNotTheOnlyOne(t *testing.T) {
	t.Parallel()
	for _, revoked := range []bool{false, true} {
		eachUniqueCreate(t, connectlinkstest.Assumptions{}, func(t *testing.T, p *findPlatform, c uniqueCreate) {
			uri := newRedirect()
			first, err := c.create(t.Context(), p, uri)
			require.NoError(t, err)
			if revoked {
				require.NoError(t, p.srv.Revoke(first.ID))
			}
			p.lose(t, c, connectlinkstest.Failure{Times: -1})
			_, err = c.create(t.Context(), p, uri)
			require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
			assert.Len(t, p.made(uri), 2)
			_, err = c.find(t.Context(), p, uri)
			require.ErrorIs(t, err, connectlinks.ErrNotFound)
			require.ErrorContains(t, err, "2 links")
			assert.NotContains(t, err.Error(), uri)
		})
	}
}

func TestLostLinkThatWasNotMade(t *testing.T) {
	t.Parallel()
	eachUniqueCreate(t, connectlinkstest.Assumptions{}, func(t *testing.T, p *findPlatform, c uniqueCreate) {
		// Another caller's link with the same redirect URI: of another type, or dead.
		uri := newRedirect()
		other := connectlinks.CreateConnectLinkParams{Type: "braze", RedirectURI: uri}
		switch c.list {
		case connectlinkstest.RouteListSourceConnectLinks:
			other.Type = "snowflake"
			_, err := p.v1.Sources.CreateConnectLink(t.Context(), other)
			require.NoError(t, err)
		case connectlinkstest.RouteListDestinationConnectLinks:
			_, err := p.v1.Destinations.CreateConnectLink(t.Context(), other)
			require.NoError(t, err)
		default:
			if c.name == "activation, reauthorized" {
				return // a V2 link does not say what it reauthorizes
			}
			p.srv.AddGroup("another")
			_, err := p.v2.Activations.CreateConnectLink(t.Context(),
				connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: "another", RedirectURI: uri})
			require.NoError(t, err)
		}
		require.NoError(t, p.srv.Fail(connectlinkstest.Failure{Route: c.route, Reset: true, Times: -1})) // not carried out
		_, requests, err := p.requestsOf(t, c, uri)
		require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
		assert.Equal(t, 2, requests, "the first look says that it is another's")

		start := time.Now()
		_, requests, err = p.requestsOf(t, c, newRedirect())
		require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
		assert.Equal(t, 4, requests, "a create and three looks")
		assert.LessOrEqual(t, time.Since(start), 10*time.Second)
	})
}

func TestLostLinkThatIsDead(t *testing.T) {
	t.Parallel()
	eachUniqueCreate(t, connectlinkstest.Assumptions{ListDelay: connectlinkstest.ListDelay{Looks: 1}}, func(t *testing.T, p *findPlatform, c uniqueCreate) {
		p.lose(t, c, connectlinkstest.Failure{Times: -1})
		uri := newRedirect()
		time.AfterFunc(500*time.Millisecond, func() { assert.NoError(t, p.srv.Revoke(p.made(uri)[0].ConnectLink.ID)) })
		_, err := c.create(t.Context(), p, uri)
		require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
		_, err = c.find(t.Context(), p, uri)
		require.ErrorIs(t, err, connectlinks.ErrNotFound)
		require.ErrorContains(t, err, "not live")
	})
}

// If the API differs from the assumptions, the link is not found, and nothing else happens.
func TestLostLinkOfAnotherAPI(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		assume connectlinkstest.Assumptions
		found  bool
	}{
		"shown at the second look":       {connectlinkstest.Assumptions{ListDelay: connectlinkstest.ListDelay{Looks: 1}}, true},
		"shown at the third look":        {connectlinkstest.Assumptions{ListDelay: connectlinkstest.ListDelay{Looks: 2}}, true},
		"shown after the third look":     {connectlinkstest.Assumptions{ListDelay: connectlinkstest.ListDelay{Looks: 5}}, false},
		"shown after two seconds":        {connectlinkstest.Assumptions{ListDelay: connectlinkstest.ListDelay{Time: 2 * time.Second}}, true},
		"shown after a minute":           {connectlinkstest.Assumptions{ListDelay: connectlinkstest.ListDelay{Time: time.Minute}}, false},
		"another redirect URI":           {connectlinkstest.Assumptions{NormalizeRedirect: true}, false},
		"oldest first, with a few links": {connectlinkstest.Assumptions{IgnoreOrder: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachUniqueCreate(t, tc.assume, func(t *testing.T, p *findPlatform, c uniqueCreate) {
				p.lose(t, c, connectlinkstest.Failure{Times: -1})
				uri := newRedirect()
				link, err := c.create(t.Context(), p, uri)
				assert.Len(t, p.made(strings.ToLower(uri)), 1)
				if !tc.found {
					require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, p.made(strings.ToLower(uri))[0].ConnectLink.ID, link.ID)
			})
		})
	}
	for _, order := range []bool{false, true} {
		testkit.Bubble(t, fmt.Sprintf("many links, oldest first %t", order), func(t *testing.T) {
			p := newFindPlatform(t, sandbox(t, connectlinkstest.WithAssumptions(connectlinkstest.Assumptions{IgnoreOrder: order})))
			for range 400 {
				_, err := p.v1.Sources.CreateConnectLink(t.Context(), connectlinks.CreateConnectLinkParams{Type: "postgres"})
				require.NoError(t, err)
			}
			c := uniqueCreates()[0]
			p.lose(t, c, connectlinkstest.Failure{Times: -1})
			link, requests, err := p.requestsOf(t, c, newRedirect())
			if order {
				require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
				assert.Equal(t, 1+1+1+3, requests, "only the last look reads pages 2 and 3")
				return
			}
			require.NoError(t, err)
			assert.NotZero(t, link.ID)
			assert.Equal(t, 2, requests)
		})
	}
}

// A look is one attempt. An error that will not pass ends the search.
func TestLooksForALostLink(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 500, 503} {
		eachUniqueCreate(t, connectlinkstest.Assumptions{}, func(t *testing.T, p *findPlatform, c uniqueCreate) {
			p.lose(t, c, connectlinkstest.Failure{Times: -1})
			require.NoError(t, p.srv.Fail(connectlinkstest.Failure{Route: c.list, Status: status, Times: -1}))
			_, requests, err := p.requestsOf(t, c, newRedirect())
			require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
			assert.Equal(t, 2, requests, "%d", status)
		})
	}
	t.Run("a look that is lost as well", func(t *testing.T) {
		t.Parallel()
		eachUniqueCreate(t, connectlinkstest.Assumptions{}, func(t *testing.T, p *findPlatform, c uniqueCreate) {
			p.lose(t, c, connectlinkstest.Failure{Times: -1})
			require.NoError(t, p.srv.Fail(connectlinkstest.Failure{Route: c.list, Reset: true, Times: 2}))
			_, requests, err := p.requestsOf(t, c, newRedirect())
			require.NoError(t, err)
			assert.Equal(t, 4, requests)
		})
	})
	testkit.Bubble(t, "a look that is refused with 401", func(t *testing.T) {
		var requests []string
		c := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			requests = append(requests, r.Method+" "+r.Header.Get("Authorization"))
			if r.Method == http.MethodPost {
				return testkit.Response(r, http.StatusGatewayTimeout, ""), nil
			}
			return testkit.Response(r, http.StatusUnauthorized, ""), nil
		}), connectlinks.WithTokenSource(testkit.NumberedTokens()))
		_, err := c.Sources.CreateConnectLink(t.Context(), connectlinks.CreateConnectLinkParams{
			Type: "hubspot", RedirectURI: newRedirect(), UniqueRedirect: true,
		})
		require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
		assert.Equal(t, []string{"POST Bearer token-1", "GET Bearer token-2", "GET Bearer token-3", "GET Bearer token-4"}, requests)
	})
	t.Run("the caller's patience", func(t *testing.T) {
		t.Parallel()
		eachUniqueCreate(t, connectlinkstest.Assumptions{ListDelay: connectlinkstest.ListDelay{Looks: 5}}, func(t *testing.T, p *findPlatform, c uniqueCreate) {
			p.lose(t, c, connectlinkstest.Failure{Times: -1})
			for _, limit := range []timeLimit{
				{deadline: 1500 * time.Millisecond}, {cancel: 700 * time.Millisecond},
			} {
				ctx, cancel := limit.context(t.Context())
				start := time.Now()
				_, err := c.create(ctx, p, newRedirect())
				cancel()
				require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
				took := limit.cancel
				if limit.deadline > 0 {
					took = time.Second // a pause that the deadline cuts off is not begun
				}
				assert.Equal(t, took, time.Since(start))
			}
		})
	})
}

func TestFindConnectLink(t *testing.T) {
	t.Parallel()
	eachUniqueCreate(t, connectlinkstest.Assumptions{}, func(t *testing.T, p *findPlatform, c uniqueCreate) {
		uri := newRedirect()
		made, err := c.create(t.Context(), p, uri)
		require.NoError(t, err)
		found, err := c.find(t.Context(), p, uri)
		require.NoError(t, err)
		assert.Equal(t, made.ID, found.ID)
		assert.Equal(t, made.URL, found.URL)
		assert.Zero(t, found.CreatedAt, "a list does not say")

		_, err = c.find(t.Context(), p, newRedirect())
		require.ErrorIs(t, err, connectlinks.ErrNotFound)
		for _, wrong := range []string{"", "connected/x"} {
			_, err = c.find(t.Context(), p, wrong)
			assert.Equal(t, []string{"redirectURI"}, testkit.InputFields(t, err))
		}
	})
}

// A page that names itself as the next one is read once.
func TestFindConnectLinkOnAPageThatDoesNotAdvance(t *testing.T) {
	t.Parallel()
	page := strings.Replace(testkit.List(testkit.LinkJSON), `"next_page":null`, `"next_page":1`, 1)
	rt := &testkit.Counter{RoundTripper: testkit.Respond(http.StatusOK, page)}
	link, err := testkit.Client(t, rt).Sources.FindConnectLink(t.Context(), testkit.Redirect)
	require.NoError(t, err)
	assert.EqualValues(t, testkit.LinkID, link.ID)
	assert.Equal(t, 1, rt.Count())
}

// The log says once that a link was found again, and a hook sees one call with looks inside.
func TestFoundLinkIsLogged(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	var record []string
	var results []connectlinks.CallResult
	opts := []connectlinks.Option{
		connectlinks.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo}))),
		recordCalls(&record, &results, "hook"),
	}
	synctest.Test(t, func(t *testing.T) {
		c := uniqueCreates()[1]
		p := newFindPlatform(t, sandbox(t), opts...)
		p.lose(t, c, connectlinkstest.Failure{})
		record, results = nil, nil
		link, err := c.create(t.Context(), p, newRedirect())
		require.NoError(t, err)
		assert.Equal(t, 1, strings.Count(log.String(), "level=INFO"))
		assert.Contains(t, log.String(), fmt.Sprintf("path=/api/v1/destination_connect_links link_id=%d", link.ID))
		assert.NotContains(t, log.String(), link.RedirectURI)
		assert.Equal(t, []string{"hook begins " + string(c.route), "hook begins " + string(c.list), "hook ends", "hook ends"}, record)
		assert.NoError(t, results[1].Err, "the create has succeeded in the end")
	})
}

// The server loses every answer to a create, and every caller still gets the one link of the
// call.
func TestManyLostLinksAreFound(t *testing.T) {
	t.Parallel()
	for _, h2 := range []bool{false, true} {
		t.Run(map[bool]string{false: "HTTP/1.1", true: "HTTP/2"}[h2], func(t *testing.T) {
			t.Parallel()
			srv := sandbox(t)
			front, tr := testkit.Serve(t, srv, h2)
			p := newFindPlatform(t, srv, connectlinks.WithBaseURL(front.URL), connectlinks.WithHTTPClient(&http.Client{Transport: tr}))
			creates := uniqueCreates()
			for _, c := range creates {
				p.lose(t, c, connectlinkstest.Failure{Times: -1})
			}
			const callers = 64
			var wg sync.WaitGroup
			uris, ids := make([]string, callers), make([]int64, callers)
			for i := range callers {
				wg.Go(func() {
					uris[i] = newRedirect()
					link, err := creates[i%len(creates)].create(t.Context(), p, uris[i])
					assert.NoError(t, err)
					ids[i] = link.ID
				})
			}
			wg.Wait()
			for i, uri := range uris {
				if made := p.made(strings.ToLower(uri)); assert.Len(t, made, 1) {
					assert.Equal(t, made[0].ConnectLink.ID, ids[i])
				}
			}
		})
	}
}

// The SDK does not look for a link if the caller went away, or if the token is throttled.
func TestLostLinkThatNobodyLooksFor(t *testing.T) {
	t.Parallel()
	t.Run("the caller went away", func(t *testing.T) {
		t.Parallel()
		eachUniqueCreate(t, connectlinkstest.Assumptions{}, func(t *testing.T, p *findPlatform, c uniqueCreate) {
			var record []string
			var results []connectlinks.CallResult
			p.lose(t, c, connectlinkstest.Failure{Hang: true})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := c.create(ctx, p.with(t, recordCalls(&record, &results, "hook")), newRedirect())
			require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, []string{"hook begins " + string(c.route), "hook ends"}, record)
		})
	})
	t.Run("the token is throttled", func(t *testing.T) {
		t.Parallel()
		eachUniqueCreate(t, connectlinkstest.Assumptions{}, func(t *testing.T, p *findPlatform, c uniqueCreate) {
			p.lose(t, c, connectlinkstest.Failure{Hang: true})
			throttled := connectlinkstest.Failure{Route: c.list, Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"5"}}}
			require.NoError(t, p.srv.Fail(throttled))
			time.AfterFunc(29*time.Second, func() { // just before the create times out
				_, err := c.find(t.Context(), p.with(t, testkit.NoRetries), newRedirect())
				assert.ErrorIs(t, err, connectlinks.ErrRateLimited)
			})
			start := time.Now()
			_, err := c.create(t.Context(), p, newRedirect())
			require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
			assert.Equal(t, 30*time.Second, time.Since(start), "a look does not wait for a throttle")
		})
	})
}
