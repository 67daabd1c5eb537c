package connectlinks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Secrets that are looked for. No part of them appears in any other text.
const (
	hardToken   = "secret-token:" + hardRandom
	hardRandom  = "Hj4kT9vQ2mX7/bN5w+R8cZ="
	hardAuth    = "Lw6pYs3fDg1uKe0aVoJi2r"
	hardLinkURL = "https://app.getcensus.com/pbc?auth=" + hardAuth
)

// hardTransport is a transport in a function.
type hardTransport func(*http.Request) (*http.Response, error)

func (f hardTransport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// hardAnswer is an answer of such a transport; header is names and values in turn.
func hardAnswer(r *http.Request, status int, body string, header ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i+1 < len(header); i += 2 {
		h[http.CanonicalHeaderKey(header[i])] = []string{header[i+1]}
	}
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h, Request: r,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

const (
	hardLink = `{"id":469,"type":"hubspot","expiration":"2026-07-22T23:42:47.239Z","expired":false,"revoked":false,` +
		`"uri":"` + hardLinkURL + `","redirect_uri":null,"source_id":7,"destination_id":7,"group_id":"wandering_aimlessly"}`
	hardConnection = `{"id":7,"name":"HubSpot","type":"hubspot","created_at":"2023-07-22T23:42:47.239Z",` +
		`"last_tested_at":"2023-07-22T23:42:47.239Z","last_test_succeeded":true}`
	hardActivation = `{"id":"glimmering_donkey","name":"HubSpot","group_id":"wandering_aimlessly",` +
		`"source_connection":{"id":1},"destination_connection":` + hardConnection + `}`
	hardType      = `{"service_name":"hubspot","label":"HubSpot","creatable_via_connect_link":true}`
	hardWorkspace = `{"id":33,"name":"Acme","organization_id":4,"created_at":"2023-07-22T23:42:47.239Z"}`
)

// hardSuccess is what the API answers when all is well.
func hardSuccess(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	path := r.URL.Path[strings.Index(r.URL.Path, "/api/v"):]
	one, status := "", http.StatusOK
	switch {
	case strings.HasSuffix(path, "/api_key"):
		return hardAnswer(r, status, `{"api_key":"secret-token:of-workspace-33"}`), nil
	case r.Method == http.MethodDelete:
		return hardAnswer(r, status, `{"status":"deleted"}`), nil
	case strings.Contains(path, "connect_link"):
		one = hardLink
	case strings.Contains(path, "_types") || strings.Contains(path, "/connectors"):
		one = hardType
	case strings.Contains(path, "/activations"):
		one = hardActivation
	case strings.Contains(path, "/workspace"):
		one = hardWorkspace
	default:
		one = hardConnection
	}
	if r.Method == http.MethodPost {
		status = http.StatusCreated
	} else if strings.HasSuffix(path, "s") { // a collection
		one = "[" + one + "]"
	}
	return hardAnswer(r, status, `{"status":"success","data":`+one+`}`), nil
}

// hardCounter counts what would be sent.
type hardCounter struct {
	n atomic.Int64
	http.RoundTripper
}

func (c *hardCounter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	if c.RoundTripper == nil {
		return hardSuccess(r)
	}
	return c.RoundTripper.RoundTrip(r)
}

func hardClient(t testing.TB, rt http.RoundTripper, opts ...connectlinks.Option) *connectlinks.Client {
	t.Helper()
	c, err := connectlinks.NewClient(hardOptions(rt, opts...)...)
	require.NoError(t, err)
	return c
}

func hardOptions(rt http.RoundTripper, opts ...connectlinks.Option) []connectlinks.Option {
	return append([]connectlinks.Option{
		connectlinks.WithToken(hardToken),
		connectlinks.WithHTTPClient(&http.Client{Transport: rt}),
	}, opts...)
}

// hardMethods are what the services have in common. ID: of a connection.
type hardMethods[L, C, T, ID any] interface {
	CreateReauthorizationLink(context.Context, ID, connectlinks.CreateReauthorizationLinkParams) (*L, error)
	GetConnectLink(context.Context, int64) (*L, error)
	RevokeConnectLink(context.Context, int64) (*L, error)
	ListConnectLinks(context.Context, connectlinks.ListOptions) (*connectlinks.Page[L], error)
	AllConnectLinks(context.Context, connectlinks.ListOptions) iter.Seq2[*L, error]
	ListTypes(context.Context, connectlinks.ListOptions) (*connectlinks.Page[T], error)
	AllTypes(context.Context, connectlinks.ListOptions) iter.Seq2[*T, error]
	GetType(context.Context, string) (*T, error)
	Get(context.Context, ID) (*C, error)
	List(context.Context, connectlinks.ListOptions) (*connectlinks.Page[C], error)
	All(context.Context, connectlinks.ListOptions) iter.Seq2[*C, error]
	Delete(context.Context, ID) error
}

// hardOp is one thing that a user can ask for. v is what it returned.
type hardOp struct {
	name string
	call func(ctx context.Context, c *connectlinks.Client) (v any, err error)
}

func hardFirst[T any](all iter.Seq2[*T, error]) (any, error) {
	for v, err := range all {
		return v, err
	}
	return nil, nil
}

func hardMethodOps[L, C, T, ID any](name string, id ID, of func(*connectlinks.Client) hardMethods[L, C, T, ID]) []hardOp {
	var (
		renew connectlinks.CreateReauthorizationLinkParams
		opts  = connectlinks.ListOptions{PerPage: 10}
	)
	type client = *connectlinks.Client
	return []hardOp{
		{name + ".CreateReauthorizationLink", func(ctx context.Context, c client) (any, error) {
			return of(c).CreateReauthorizationLink(ctx, id, renew)
		}},
		{name + ".GetConnectLink", func(ctx context.Context, c client) (any, error) { return of(c).GetConnectLink(ctx, 469) }},
		{name + ".RevokeConnectLink", func(ctx context.Context, c client) (any, error) { return of(c).RevokeConnectLink(ctx, 469) }},
		{name + ".ListConnectLinks", func(ctx context.Context, c client) (any, error) { return of(c).ListConnectLinks(ctx, opts) }},
		{name + ".AllConnectLinks", func(ctx context.Context, c client) (any, error) { return hardFirst(of(c).AllConnectLinks(ctx, opts)) }},
		{name + ".ListTypes", func(ctx context.Context, c client) (any, error) { return of(c).ListTypes(ctx, opts) }},
		{name + ".AllTypes", func(ctx context.Context, c client) (any, error) { return hardFirst(of(c).AllTypes(ctx, opts)) }},
		{name + ".GetType", func(ctx context.Context, c client) (any, error) { return of(c).GetType(ctx, "hubspot") }},
		{name + ".Get", func(ctx context.Context, c client) (any, error) { return of(c).Get(ctx, id) }},
		{name + ".List", func(ctx context.Context, c client) (any, error) { return of(c).List(ctx, opts) }},
		{name + ".All", func(ctx context.Context, c client) (any, error) { return hardFirst(of(c).All(ctx, opts)) }},
		{name + ".Delete", func(ctx context.Context, c client) (any, error) { return nil, of(c).Delete(ctx, id) }},
	}
}

// hardOps are all operations.
var hardOps = func() []hardOp {
	type client = *connectlinks.Client
	var (
		params     = connectlinks.CreateConnectLinkParams{Type: "hubspot", RedirectURI: "https://platform.example/done"}
		activation = connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: "wandering_aimlessly"}
		link       = connectlinks.ConnectLink{ID: 469, Type: "hubspot"}
		since      time.Time
	)
	ops := []hardOp{
		{"Sources.CreateConnectLink", func(ctx context.Context, c client) (any, error) { return c.Sources.CreateConnectLink(ctx, params) }},
		{"Destinations.CreateConnectLink", func(ctx context.Context, c client) (any, error) {
			return c.Destinations.CreateConnectLink(ctx, params)
		}},
		{"Activations.CreateConnectLink", func(ctx context.Context, c client) (any, error) {
			return c.Activations.CreateConnectLink(ctx, activation)
		}},
		{"Sources.WaitForConnection", func(ctx context.Context, c client) (any, error) { return c.Sources.WaitForConnection(ctx, 469) }},
		{"Destinations.WaitForConnection", func(ctx context.Context, c client) (any, error) {
			return c.Destinations.WaitForConnection(ctx, 469)
		}},
		{"Activations.WaitForActivation", func(ctx context.Context, c client) (any, error) {
			return c.Activations.WaitForActivation(ctx, &connectlinks.ActivationConnectLink{ConnectLink: link, GroupID: "wandering_aimlessly"}, since)
		}},
		{"Sources.WaitForReauthorization", func(ctx context.Context, c client) (any, error) {
			return c.Sources.WaitForReauthorization(ctx, &connectlinks.SourceConnectLink{ConnectLink: link, SourceID: 7}, since)
		}},
		{"Destinations.WaitForReauthorization", func(ctx context.Context, c client) (any, error) {
			return c.Destinations.WaitForReauthorization(ctx, &connectlinks.DestinationConnectLink{ConnectLink: link, DestinationID: 7}, since)
		}},
		{"Activations.WaitForReauthorization", func(ctx context.Context, c client) (any, error) {
			return c.Activations.WaitForReauthorization(ctx, "glimmering_donkey", &connectlinks.ActivationConnectLink{ConnectLink: link}, since)
		}},
		{"Workspaces.Current", func(ctx context.Context, c client) (any, error) { return c.Workspaces.Current(ctx) }},
		{"Workspaces.List", func(ctx context.Context, c client) (any, error) {
			return c.Workspaces.List(ctx, connectlinks.ListOptions{})
		}},
		{"Workspaces.All", func(ctx context.Context, c client) (any, error) {
			return hardFirst(c.Workspaces.All(ctx, connectlinks.ListOptions{}))
		}},
		{"Workspaces.APIKey", func(ctx context.Context, c client) (any, error) { return c.Workspaces.APIKey(ctx, 33) }},
		{"Workspaces.TokenSource", func(ctx context.Context, c client) (any, error) { return c.Workspaces.TokenSource(33).Token(ctx) }},
	}
	ops = append(ops, hardMethodOps("Sources", int64(7),
		func(c client) hardMethods[connectlinks.SourceConnectLink, connectlinks.Source, connectlinks.SourceType, int64] {
			return c.Sources
		})...)
	ops = append(ops, hardMethodOps("Destinations", int64(7),
		func(c client) hardMethods[connectlinks.DestinationConnectLink, connectlinks.Destination, connectlinks.DestinationType, int64] {
			return c.Destinations
		})...)
	return append(ops, hardMethodOps("Activations", "glimmering_donkey",
		func(c client) hardMethods[connectlinks.ActivationConnectLink, connectlinks.Activation, connectlinks.ActivationType, string] {
			return c.Activations
		})...)
}()

// The operations that the other tests are about work.
func TestHardOpsSucceed(t *testing.T) {
	t.Parallel()
	rt := &hardCounter{}
	c := hardClient(t, rt)
	for _, op := range hardOps {
		_, err := op.call(t.Context(), c)
		assert.NoError(t, err, op.name)
	}
	assert.GreaterOrEqual(t, rt.n.Load(), int64(len(hardOps)))
}

// hardCreate is the operation that matters most.
func hardCreate(ctx context.Context, c *connectlinks.Client) error {
	_, err := c.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "hubspot"})
	return err
}

func hardGet(ctx context.Context, c *connectlinks.Client) error {
	_, err := c.Destinations.GetConnectLink(ctx, 469)
	return err
}

// One client and 200 goroutines: every operation, With and CloseIdleConnections,
// while tokens are refused and throttled. It is for the race detector.
func TestRaces(t *testing.T) {
	t.Parallel()
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	ctx := t.Context()
	var wg sync.WaitGroup

	shared := srv.Client()
	personal, err := shared.With(connectlinks.WithToken(srv.PersonalToken()))
	require.NoError(t, err)
	made, err := shared.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "hubspot"})
	require.NoError(t, err)
	connection, err := srv.Complete(made.ID)
	require.NoError(t, err)
	source := personal.Workspaces.TokenSource(srv.Workspace().ID)
	require.NoError(t, srv.Fail(connectlinkstest.Failure{
		Route: "GET /api/v1/destination_connect_links", Times: 3, Status: http.StatusTooManyRequests,
		Header: http.Header{"Retry-After": {"0"}}, Body: `{"status":429}`,
	}, connectlinkstest.Failure{
		Route: "GET /api/v1/workspace", Times: 3, Status: http.StatusUnauthorized, Body: `{"status":401}`,
	}))

	for n := range 200 {
		wg.Go(func() {
			c, err := shared.With(connectlinks.WithTokenSource(source), connectlinks.WithUserAgent(fmt.Sprint("race/", n)))
			if !assert.NoError(t, err) {
				return
			}
			if n%10 == 0 {
				defer shared.CloseIdleConnections()
			}
			if n%3 == 0 {
				c = shared
			}
			for i := range 6 {
				op := hardOps[(n*6+i)%len(hardOps)]
				client := c
				if strings.HasPrefix(op.name, "Activations.") || strings.HasPrefix(op.name, "Workspaces.") && op.name != "Workspaces.Current" {
					client = personal
				}
				if strings.Contains(op.name, "Wait") {
					continue // for a link that this server does not have
				}
				v, err := op.call(ctx, client)
				var refused *connectlinks.APIError
				if err != nil && !assert.ErrorAs(t, err, &refused, op.name) {
					return
				}
				_ = fmt.Sprint(v, err)
			}
			d, err := c.Destinations.WaitForConnection(ctx, made.ID)
			if assert.NoError(t, err) {
				assert.Equal(t, connection.ID, d.ID)
			}
			link, err := c.Sources.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "postgres"})
			if assert.NoError(t, err) {
				_, err = c.Sources.RevokeConnectLink(ctx, link.ID)
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	assert.Len(t, srv.Links(), 201+hardCountRenewals(srv), "one link per call")
}

// hardCountRenewals is how many links of the operations in TestRaces were made
// by those that are not counted there.
func hardCountRenewals(srv *connectlinkstest.Server) int {
	n := 0
	for _, r := range srv.Requests() {
		creates := r.Method == http.MethodPost && r.Status == http.StatusCreated
		if creates && (r.Route != "POST /api/v1/source_connect_links" || !strings.Contains(r.Body, "postgres")) {
			n++
		}
	}
	return n - 1 // made
}

// hardBody is the body of an answer that knows whether it was closed.
type hardBody struct {
	io.Reader
	open *atomic.Int64
	once sync.Once
}

func (b *hardBody) Close() error {
	b.once.Do(func() { b.open.Add(-1) })
	return nil
}

// hardFaults are answers that make a call fail, in process. A call that is
// cancelled or times out is not among them.
var hardFaults = map[string]func(*http.Request) (*http.Response, error){
	"no answer": func(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset") },
	"400": func(r *http.Request) (*http.Response, error) {
		return hardAnswer(r, 400, `{"status":400,"message":"no"}`), nil
	},
	"401": func(r *http.Request) (*http.Response, error) { return hardAnswer(r, 401, ``), nil },
	"429": func(r *http.Request) (*http.Response, error) { return hardAnswer(r, 429, ``), nil },
	"500": func(r *http.Request) (*http.Response, error) {
		return hardAnswer(r, 500, strings.Repeat("x", 500)), nil
	},
	"503":      func(r *http.Request) (*http.Response, error) { return hardAnswer(r, 503, ``, "Retry-After", "11"), nil },
	"redirect": func(r *http.Request) (*http.Response, error) { return hardAnswer(r, 307, ``, "Location", "/x"), nil },
	"bad redirect": func(r *http.Request) (*http.Response, error) {
		return hardAnswer(r, 302, ``, "Location", "http://["), nil
	},
	"101":            func(r *http.Request) (*http.Response, error) { return hardAnswer(r, 101, ``), nil },
	"not JSON":       func(r *http.Request) (*http.Response, error) { return hardAnswer(r, 200, `<html>`), nil },
	"error in a 200": func(r *http.Request) (*http.Response, error) { return hardAnswer(r, 200, `{"status":"error"}`), nil },
	"cut off": func(r *http.Request) (*http.Response, error) {
		resp := hardAnswer(r, 200, "")
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"status":`), hardBroken{}))
		resp.ContentLength = 100
		return resp, nil
	},
}

type hardBroken struct{}

func (hardBroken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// hardRace: with the race detector everything takes ten times as long, and what
// happens in one goroutine is of no interest to it.
var hardRace = func() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}()

// hardCalls is n, or a part of it.
func hardCalls(n int) int {
	if hardRace {
		return n / 20
	}
	return n
}

// hardSample reports whether the n-th of many similar cases is to be tried.
func hardSample(n *int) bool {
	*n++
	return !hardRace || *n%20 == 1
}

// Ten thousand failed calls of each kind leave nothing behind: no goroutine (the
// bubble would not end), no open body.
func TestFailedCallsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	calls := hardCalls(10_000)
	for name, fault := range hardFaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var open atomic.Int64
				rt := hardTransport(func(r *http.Request) (*http.Response, error) {
					resp, err := fault(r)
					if resp != nil {
						open.Add(1)
						resp.Body = &hardBody{Reader: resp.Body, open: &open}
					}
					return resp, err
				})
				c := hardClient(t, rt, connectlinks.WithMaxRetries(1))
				before := runtime.NumGoroutine()
				for n := range calls {
					call := hardCreate
					if n%2 == 0 {
						call = hardGet
					}
					if call(t.Context(), c) == nil {
						t.Fatal("no error")
					}
				}
				synctest.Wait()
				assert.Zero(t, open.Load(), "open bodies")
				hardSettled(t, before)
			})
		})
	}
	for name, start := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancelled": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Millisecond, cancel)
			return ctx, cancel
		},
		"deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Millisecond)
		},
		"time-out": func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var open atomic.Int64
				rt := hardTransport(func(r *http.Request) (*http.Response, error) {
					if time.Now().UnixNano()%2 == 0 {
						<-r.Context().Done()
						return nil, r.Context().Err()
					}
					resp := hardAnswer(r, 200, "")
					open.Add(1)
					resp.Body = &hardBody{Reader: hardStalled{r.Context()}, open: &open}
					return resp, nil
				})
				c := hardClient(t, rt, connectlinks.WithMaxRetries(0), connectlinks.WithTimeout(time.Second+1))
				before := runtime.NumGoroutine()
				for range calls {
					ctx, cancel := start(t.Context())
					if hardCreate(ctx, c) == nil {
						t.Fatal("no error")
					}
					cancel()
				}
				synctest.Wait()
				assert.Zero(t, open.Load(), "open bodies")
				hardSettled(t, before)
			})
		})
	}
}

// hardSettled fails if there are more goroutines than before. Other tests may run
// at the same time: what is looked for is one for each call.
func hardSettled(t *testing.T, before int) {
	t.Helper()
	assert.Less(t, runtime.NumGoroutine(), before+400, "goroutines")
}

// hardStalled is a body that never comes.
type hardStalled struct{ ctx context.Context }

func (s hardStalled) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// hardConns counts connections: those that a client has open, and those that it
// ever opened.
type hardConns struct {
	open, all atomic.Int64
	dial      func(context.Context, string, string) (net.Conn, error)
}

func (c *hardConns) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := c.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.open.Add(1)
	c.all.Add(1)
	return &hardConn{Conn: conn, closed: sync.OnceFunc(func() { c.open.Add(-1) })}, nil
}

type hardConn struct {
	net.Conn
	closed func()
}

func (c *hardConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// Failed calls over connections leave none open, nor their goroutines, and reuse
// those that can be reused.
func TestFailedCallsLeaveNoConnection(t *testing.T) {
	t.Parallel()
	calls := hardCalls(1500)
	for name, tc := range map[string]struct {
		failure connectlinkstest.Failure
		most    int // connections
	}{
		"400":      {connectlinkstest.Failure{Status: 400, Body: `{"status":400}`, Times: -1}, 1},
		"500":      {connectlinkstest.Failure{Status: 500, Body: strings.Repeat("<p>no</p>", 100), Times: -1}, 1},
		"429":      {connectlinkstest.Failure{Status: 429, Times: -1}, 1},
		"not JSON": {connectlinkstest.Failure{Status: 201, Body: "<html>", Times: -1}, 1},
		"redirect": {connectlinkstest.Failure{Status: 302, Header: http.Header{"Location": {"/elsewhere"}}, Times: -1}, 1},
		"cut off":  {connectlinkstest.Failure{Cut: true, Times: -1}, calls},
		"reset":    {connectlinkstest.Failure{Reset: true, Times: -1}, calls},
		"time-out": {connectlinkstest.Failure{Hang: true, Times: -1}, calls},
		"stalled":  {connectlinkstest.Failure{Drip: time.Hour, Times: -1}, calls},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
				defer srv.Close()
				require.NoError(t, srv.Fail(tc.failure))
				tr := srv.Transport()
				conns := &hardConns{dial: tr.DialContext}
				tr.DialContext, tr.DialTLSContext = conns.DialContext, conns.DialContext
				c := hardClient(t, tr, connectlinks.WithToken(srv.Token()), connectlinks.WithMaxRetries(0), connectlinks.WithTimeout(time.Minute))
				for range calls {
					if hardCreate(t.Context(), c) == nil {
						t.Fatal("no error")
					}
				}
				synctest.Wait()
				assert.LessOrEqual(t, conns.open.Load(), int64(1), "open connections")
				assert.LessOrEqual(t, conns.all.Load(), int64(tc.most), "connections")
				c.CloseIdleConnections()
				synctest.Wait()
				assert.Zero(t, conns.open.Load())
			})
		})
	}
}

// The default transport: what one client has opened, all that are derived from it
// use, and CloseIdleConnections of any of them closes.
func TestDerivedClientsShareConnections(t *testing.T) {
	t.Parallel()
	var opened, closed atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, _ := hardSuccess(r)
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
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

	parent, err := connectlinks.NewClient(connectlinks.WithToken(hardToken), connectlinks.WithBaseURL(srv.URL))
	require.NoError(t, err)
	require.NoError(t, hardCreate(t.Context(), parent))
	for n := range 50 {
		c, err := parent.With(connectlinks.WithToken(fmt.Sprint("tenant-", n)), connectlinks.WithTimeout(time.Minute))
		require.NoError(t, err)
		c, err = c.With(connectlinks.WithMaxRetries(1))
		require.NoError(t, err)
		require.NoError(t, hardGet(t.Context(), c))
		if n == 49 {
			c.CloseIdleConnections()
		}
	}
	assert.Equal(t, int64(1), opened.Load())
	<-gone
	assert.Equal(t, int64(1), closed.Load())

	require.NoError(t, hardGet(t.Context(), parent), "a later call is not affected")
	assert.Equal(t, int64(2), opened.Load())
	parent.CloseIdleConnections()
}
