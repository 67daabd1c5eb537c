package connectlinks_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNewTransport(t *testing.T) {
	t.Parallel()
	tr := connectlinks.NewTransport()
	assert.NotSame(t, tr, connectlinks.NewTransport())
	assert.Equal(t, 45*time.Second, tr.IdleConnTimeout)
	assert.GreaterOrEqual(t, tr.MaxIdleConnsPerHost, 64)
	assert.True(t, tr.MaxIdleConns == 0 || tr.MaxIdleConns >= tr.MaxIdleConnsPerHost)
	assert.Zero(t, tr.MaxConnsPerHost)
	assert.True(t, tr.ForceAttemptHTTP2)
}

// All clients that With derives use the connections of the first one, also to fetch their
// tokens. Any of them closes the idle ones.
func TestDerivedClientsShareConnections(t *testing.T) {
	t.Parallel()
	var opened, closed atomic.Int64
	srv := httptest.NewUnstartedServer(testkit.NewAPI())
	gone := make(chan struct{}, 10)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			opened.Add(1)
		case http.StateClosed:
			closed.Add(1)
			gone <- struct{}{}
		}
	}
	srv.Start()
	defer srv.Close()

	parent, err := connectlinks.NewClient(connectlinks.WithToken(testkit.Token), connectlinks.WithBaseURL(srv.URL+testkit.BasePath))
	require.NoError(t, err)
	require.NoError(t, testkit.CreateLink(t.Context(), parent))
	for n := range 50 {
		c, err := parent.With(connectlinks.WithTokenSource(parent.Workspaces.TokenSource(int64(n+1))), connectlinks.WithTimeout(time.Minute))
		require.NoError(t, err)
		c, err = c.With(connectlinks.WithMaxRetries(1))
		require.NoError(t, err)
		require.NoError(t, testkit.GetLink(t.Context(), c))
		if n == 49 {
			c.CloseIdleConnections()
		}
	}
	assert.Equal(t, int64(1), opened.Load())
	<-gone
	assert.Equal(t, int64(1), closed.Load())

	require.NoError(t, testkit.GetLink(t.Context(), parent), "a later call is not affected")
	assert.Equal(t, int64(2), opened.Load())
	parent.CloseIdleConnections()
}

// A transport other than net/http's does not report whether it got a connection, so the outcome is
// unknown.
func TestForeignTransport(t *testing.T) {
	t.Parallel()
	loses := map[string]func(*http.Request) (*http.Response, error){
		"an error":               func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
		"an error like a dial's": func(*http.Request) (*http.Response, error) { return nil, testkit.Refused() },
		"nothing":                func(*http.Request) (*http.Response, error) { return nil, nil },
		"a body that fails": func(r *http.Request) (*http.Response, error) {
			return testkit.Stream(r, 201, io.MultiReader(strings.NewReader(`{"status":"created"`), iotest.ErrReader(io.ErrUnexpectedEOF))), nil
		},
		"a body that is not there": func(r *http.Request) (*http.Response, error) { return &http.Response{StatusCode: 201, Request: r}, nil },
	}
	for name, lose := range loses {
		testkit.Bubble(t, name, func(t *testing.T) {
			for _, op := range testkit.LinkCalls() {
				api := testkit.NewAPI()
				rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
					resp, err := testkit.Handle(api)(r)
					if requests, _ := api.Seen(); len(requests) == 1 {
						return lose(r)
					}
					return resp, err
				})
				id, err := op.LinkID(t.Context(), testkit.ClientAt(t, testkit.Origin, rt))
				requests, made := api.Seen()
				if op.Creates {
					require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.Name)
					assert.Zero(t, id, op.Name)
					assert.Equal(t, 1, made, op.Name)
					assert.Len(t, requests, 1, op.Name)
					if name == "an error" {
						require.ErrorIs(t, err, io.ErrUnexpectedEOF, op.Name)
					}
					continue
				}
				if op.Request()[:6] == "DELETE" && name == "a body that is not there" {
					require.NoError(t, err, op.Name) // a DELETE needs no body
					continue
				}
				require.NoError(t, err, op.Name)
				assert.Equal(t, api.LinkOf(op), id, op.Name)
				assert.GreaterOrEqual(t, len(requests), 2, op.Name)
			}
		})
	}
}

// The SDK does not change the caller's client or http.DefaultClient. Not parallel: the test looks
// at variables of the process.
func TestCallersClientIsUnchanged(t *testing.T) {
	refuses := errors.New("the caller's own CheckRedirect")
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	var cookies []string
	api := testkit.NewAPI()
	srv, tr := testkit.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookies = append(cookies, r.Header.Get("Cookie"))
		http.SetCookie(w, &http.Cookie{Name: "balancer", Value: "a", Path: "/"})
		api.ServeHTTP(w, r)
	}), false)
	redirect := testkit.Instead(testkit.Answer(302, "", "", "Location", "https://other.test/"))

	hc := &http.Client{Transport: tr, Jar: jar, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return refuses }}
	before := *hc
	maxIdle, proxy := tr.MaxIdleConnsPerHost, tr.Proxy == nil
	c := testkit.ClientAt(t, srv.URL, nil, connectlinks.WithHTTPClient(hc), connectlinks.WithTimeout(time.Second))
	derived, err := c.With(connectlinks.WithToken("other"), connectlinks.WithTimeout(time.Hour))
	require.NoError(t, err)
	for _, client := range []*connectlinks.Client{c, derived} {
		api.Begin()
		_, err = client.Sources.CreateConnectLink(t.Context(), testkit.Params)
		require.NoError(t, err)
		api.Begin(redirect)
		_, err = client.Sources.CreateConnectLink(t.Context(), testkit.Params)
		var answer *connectlinks.APIError
		require.ErrorAs(t, err, &answer)
		require.NotErrorIs(t, err, refuses)
	}
	assert.Same(t, before.Transport, hc.Transport)
	assert.Same(t, before.Jar, hc.Jar)
	assert.Equal(t, before.Timeout, hc.Timeout)
	assert.ErrorIs(t, hc.CheckRedirect(nil, nil), refuses)
	assert.Equal(t, maxIdle, tr.MaxIdleConnsPerHost)
	assert.Equal(t, proxy, tr.Proxy == nil)
	assert.Equal(t, []string{"", "balancer=a", "balancer=a", "balancer=a"}, cookies, "the caller's Jar is used")

	// http.DefaultClient stays as it was, whether it was given or not.
	untouched := http.Client{}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	plain := httptest.NewServer(api)
	t.Cleanup(plain.Close)
	for _, opts := range [][]connectlinks.Option{nil, {connectlinks.WithHTTPClient(http.DefaultClient)}, {connectlinks.WithHTTPClient(&http.Client{})}} {
		opts = append(opts, connectlinks.WithToken(testkit.Token), connectlinks.WithBaseURL(plain.URL+testkit.BasePath))
		c, err := connectlinks.NewClient(opts...)
		require.NoError(t, err)
		t.Cleanup(c.CloseIdleConnections)
		api.Begin()
		_, err = c.Destinations.CreateConnectLink(t.Context(), testkit.Params)
		require.NoError(t, err)
		api.Begin(redirect)
		_, err = c.Destinations.CreateConnectLink(t.Context(), testkit.Params)
		require.Error(t, err)
		assert.True(t, reflect.DeepEqual(&untouched, http.DefaultClient))
	}
	now := http.DefaultTransport.(*http.Transport)
	assert.Equal(t, transport.MaxIdleConnsPerHost, now.MaxIdleConnsPerHost)
	assert.Equal(t, transport.IdleConnTimeout, now.IdleConnTimeout)
	assert.Equal(t, transport.ForceAttemptHTTP2, now.ForceAttemptHTTP2)
	assert.Equal(t, transport.ResponseHeaderTimeout, now.ResponseHeaderTimeout)
}

// gate lets a round of requests pass when all of them have arrived.
type gate struct {
	mu   sync.Mutex
	want int
	here int
	open chan struct{}
}

func (g *gate) pass(ctx context.Context) {
	g.mu.Lock()
	open := g.open
	if g.here++; g.here == g.want {
		g.here, g.open = 0, make(chan struct{})
		close(open)
	}
	g.mu.Unlock()
	select {
	case <-open:
	case <-ctx.Done():
	}
}

// 64 concurrent callers do not reconnect, whatever the answers are.
func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	const callers = 64
	rounds := 1 // with each answer
	if testkit.Thorough {
		rounds = 2
	}
	answers := []http.HandlerFunc{
		nil, // success
		testkit.Answer(404, "text/html", strings.Repeat("<p>Sorry</p>", 500)),
		testkit.Answer(302, "text/html", testkit.HTML, "Location", "https://other.test/"),
		testkit.Answer(200, "text/html", testkit.HTML), // unusable
	}
	for _, proto := range []string{"HTTP/1.1", "HTTP/1.1, the SDK's own transport", "HTTP/2"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			var conns atomic.Int64
			api := testkit.NewAPI()
			pass := &gate{want: callers, open: make(chan struct{})}
			srv := testkit.Unstarted(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasPrefix(r.Header.Get("User-Agent"), "warm") {
					pass.pass(r.Context())
				}
				api.ServeHTTP(w, r)
			}))
			srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					conns.Add(1)
				}
			}
			want, tr := int64(callers), http.RoundTripper(nil)
			switch proto {
			case "HTTP/2":
				want = 1
				srv.EnableHTTP2 = true
				srv.StartTLS()
				tr = srv.Client().Transport
			case "HTTP/1.1":
				srv.StartTLS()
				srv.Client().Transport.(*http.Transport).TLSClientConfig = testkit.ClientTLS()
				srv.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = callers
				tr = srv.Client().Transport
			default:
				srv.Start() // the SDK's own transport does not trust a test's certificate
			}
			c := testkit.ClientAt(t, srv.URL, tr, testkit.NoRetries)
			// In HTTP/2 the first callers would all dial, before one knows that one is enough.
			warm, err := c.With(connectlinks.WithUserAgent("warm"))
			require.NoError(t, err)
			require.NoError(t, testkit.GetLink(t.Context(), warm))

			for n, answer := range answers {
				calls := append(testkit.Gets(), testkit.Lists()...)
				if answer != nil {
					calls = testkit.Representative()
				}
				for round := range rounds {
					api.Begin()
					if answer != nil {
						api.BeginAlways(testkit.Instead(answer))
					}
					var group sync.WaitGroup
					for i := range callers {
						group.Go(func() {
							call := calls[i%len(calls)]
							_, err := call.Do(t.Context(), c)
							assert.Equal(t, answer != nil, err != nil, "%s: %v", call.Name, err)
						})
					}
					group.Wait()
					// net/http hands a connection back a moment after the body has ended: a caller of
					// the next round may be faster. Without reuse there would be 64 more for each round.
					assert.LessOrEqual(t, conns.Load(), want+callers/4, "after round %d of answer %d", round+1, n)
					assert.GreaterOrEqual(t, conns.Load(), want)
					checkProtocol(t, api, proto == "HTTP/2")
				}
			}
		})
	}
}
