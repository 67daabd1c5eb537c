package connectlinkstest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

const create = "POST /api/v1/source_connect_links"

// attempt creates a link, and returns the part of the answer that arrives.
func (a api) attempt() (status int, body string, err error) {
	resp, err := a.http.Do(a.request(http.MethodPost, "/api/v1/source_connect_links", `{"type":"postgres"}`))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func TestFailStatus(t *testing.T) {
	a := newAPI(t)
	require.NoError(t, a.srv.Fail(connectlinkstest.Failure{
		Route: create, Times: 2, Status: 429, Header: http.Header{"Retry-After": {"7"}}, Body: `{"status":429}`,
	}))
	a.destination() // another route
	for range 2 {
		resp, body := a.raw(http.MethodPost, "/api/v1/source_connect_links", `{"type":"postgres"}`)
		assert.Equal(t, 429, resp.StatusCode)
		assert.Equal(t, "7", resp.Header.Get("Retry-After"))
		assert.Equal(t, "application/json; charset=utf-8", resp.Header.Get("Content-Type"))
		assert.Equal(t, `{"status":429}`, body)
	}
	assert.Len(t, a.srv.Links(), 1, "nothing was made")
	a.source()
	assert.Equal(t, 429, a.srv.Requests()[1].Status)
}

func TestFailWithPage(t *testing.T) {
	a := newAPI(t)
	require.NoError(t, a.srv.Fail(connectlinkstest.Failure{
		Times: 1, Status: 502, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<h1>Bad Gateway</h1>",
	}, connectlinkstest.Failure{Times: 1, Status: 503}, connectlinkstest.Failure{Times: 1, Status: 204}))
	resp, body := a.raw(http.MethodGet, "/api/v1/sources", "")
	assert.Equal(t, "text/html", resp.Header.Get("Content-Type"))
	assert.Equal(t, "<h1>Bad Gateway</h1>", body)
	for _, status := range []int{503, 204} {
		resp, body = a.raw(http.MethodGet, "/nowhere", "")
		assert.Equal(t, status, resp.StatusCode)
		assert.Empty(t, body)
	}
	a.source()
}

// Failures are used in the order in which they were added, each for its own route.
func TestFailOrder(t *testing.T) {
	a := newAPI(t)
	require.NoError(t, a.srv.Fail(
		connectlinkstest.Failure{Route: connectlinkstest.RouteGetSource, Status: 500, Times: -1},
		connectlinkstest.Failure{Times: 1, Status: 502},
	))
	require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Times: 1, Status: 503}))
	status := func(path string) int {
		resp, _ := a.raw(http.MethodGet, path, "")
		return resp.StatusCode
	}
	assert.Equal(t, 500, status("/api/v1/sources/1"))
	assert.Equal(t, 502, status("/api/v1/sources"))
	assert.Equal(t, 500, status("/api/v1/sources/2"), "all of the route")
	assert.Equal(t, 503, status("/api/v1/sources"))
	assert.Equal(t, 200, status("/api/v1/sources"))
	assert.Equal(t, 500, status("/api/v1/sources/1"))
	a.srv.StopFailing()
	assert.Equal(t, 404, status("/api/v1/sources/1"))
}

func TestFailTimes(t *testing.T) {
	for times, failing := range map[int]int{0: 1, 1: 1, 3: 3, -1: 5} {
		t.Run(fmt.Sprint(times), func(t *testing.T) {
			a := newAPI(t)
			require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Status: 500, Times: times}))
			failed := 0
			for range 5 {
				if resp, _ := a.raw(http.MethodGet, "/api/v1/sources", ""); resp.StatusCode == 500 {
					failed++
				}
			}
			assert.Equal(t, failing, failed)
		})
	}
}

// Only one customer's requests fail.
func TestFailForToken(t *testing.T) {
	a := newAPI(t)
	acme := a.as(a.srv.AddWorkspace("Acme").Token)
	require.NoError(t, a.srv.Fail(
		connectlinkstest.Failure{Token: acme.token, Status: 500, Times: 2},
		connectlinkstest.Failure{Token: a.srv.PersonalToken(), Route: connectlinkstest.RouteListActivations, Status: 502},
		connectlinkstest.Failure{Route: connectlinkstest.RouteListActivations, Status: 503},
	))
	status := func(a api, path string) int {
		resp, _ := a.raw(http.MethodGet, path, "")
		return resp.StatusCode
	}
	assert.Equal(t, 200, status(a, "/api/v1/sources"))
	assert.Equal(t, 500, status(acme, "/api/v1/sources"))
	assert.Equal(t, 200, status(a.personal(), "/api/v2/activation_types"))
	assert.Equal(t, 401, status(a.as(""), "/api/v1/sources"))
	assert.Equal(t, 503, status(a, "/api/v2/activations"), "of the two for this route, the one for every token")
	assert.Equal(t, 502, status(a.personal(), "/api/v2/activations"))
	assert.Equal(t, 500, status(acme, "/nowhere"))
	assert.Equal(t, 200, status(acme, "/api/v1/sources"))

	// The token may be sent with HTTP Basic, too.
	require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Token: acme.token, Status: 500}))
	req := a.request(http.MethodGet, "/api/v1/sources", "")
	req.SetBasicAuth("bearer", acme.token)
	resp, err := a.http.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 500, resp.StatusCode)
}

func TestFailRefusesUnknownTokens(t *testing.T) {
	a := newAPI(t)
	old := a.srv.Token()
	_, err := a.srv.RotateToken(a.srv.Workspace().ID)
	require.NoError(t, err)
	for _, token := range []string{"secret-token:of-nobody", old, "Sandbox"} {
		err := a.srv.Fail(connectlinkstest.Failure{Status: 500}, connectlinkstest.Failure{Token: token, Status: 500})
		require.EqualError(t, err, "connectlinkstest: a failure's Token is not one of the server's")
	}
	err = a.srv.Fail(connectlinkstest.Failure{Token: a.srv.Token(), Route: connectlinkstest.RouteOpenPage, Status: 500})
	require.EqualError(t, err, "connectlinkstest: the hosted pages take no token")
	a.as(a.srv.Token()).source() // none was added
}

func TestUnfired(t *testing.T) {
	a := newAPI(t)
	assert.Empty(t, a.srv.Unfired())
	sources, pages := connectlinkstest.RouteListSources, connectlinkstest.RouteOpenPage
	require.NoError(t, a.srv.Fail(
		connectlinkstest.Failure{Route: sources, Status: 500, Times: 3, Header: http.Header{"X-Why": {"because"}}},
		connectlinkstest.Failure{Route: pages, Status: 502},
		connectlinkstest.Failure{Route: connectlinkstest.RouteListDestinations, Status: 503, Times: -1},
		connectlinkstest.Failure{Route: connectlinkstest.RouteListSourceTypes, Status: 503, Times: -1},
	))
	require.Len(t, a.srv.Unfired(), 4)
	for range 2 {
		a.raw(http.MethodGet, "/api/v1/sources", "")
		a.raw(http.MethodGet, "/api/v1/destinations", "")
	}
	left := a.srv.Unfired()
	assert.Equal(t, []connectlinkstest.Failure{
		{Route: sources, Status: 500, Times: 1, Header: http.Header{"X-Why": {"because"}}},
		{Route: pages, Status: 502, Times: 1},
		{Route: connectlinkstest.RouteListSourceTypes, Status: 503, Times: -1},
	}, left, "one that is to last has fired once it has failed an answer")
	left[0].Header.Set("X-Why", "changed")
	resp, _ := a.raw(http.MethodGet, "/api/v1/sources", "")
	assert.Equal(t, "because", resp.Header.Get("X-Why"))
	a.raw(http.MethodGet, "/pbc", "")
	a.raw(http.MethodGet, "/api/v1/source_types", "")
	assert.Empty(t, a.srv.Unfired())
	resp, _ = a.raw(http.MethodGet, "/api/v1/destinations", "")
	assert.Equal(t, 503, resp.StatusCode, "it goes on")

	require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Status: 500}))
	a.srv.StopFailing()
	assert.Empty(t, a.srv.Unfired(), "those are forgotten")
}

func TestFailLater(t *testing.T) {
	a := newAPI(t)
	require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Times: 2}, connectlinkstest.Failure{Times: 1, Status: 500}))
	for i, want := range []int{201, 201, 500, 201} {
		status, _, err := a.attempt()
		require.NoError(t, err)
		assert.Equal(t, want, status, i)
	}
}

func TestFailPages(t *testing.T) {
	a := newAPI(t)
	a.source()
	page := a.srv.Links()[0].ConnectLink.URL[len(a.srv.URL):]
	require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Status: 500, Times: -1}))
	resp, _ := a.raw(http.MethodGet, page, "")
	assert.Equal(t, 200, resp.StatusCode, "a page is not the API")
	require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Route: "GET /pbc", Times: 1, Status: 502}))
	resp, _ = a.raw(http.MethodGet, page, "")
	assert.Equal(t, 502, resp.StatusCode)
}

func TestFailRefusesNonsense(t *testing.T) {
	a := newAPI(t)
	for _, test := range []struct {
		want    string
		failure connectlinkstest.Failure
	}{
		{`"POST /sources" is not a route that is served`, connectlinkstest.Failure{Route: "POST /sources", Status: 500}},
		{"a failure's Times must not be -2", connectlinkstest.Failure{Times: -2}},
		{"a failure's Delay and Drip must not be negative", connectlinkstest.Failure{Delay: -1}},
		{"a failure's Delay and Drip must not be negative", connectlinkstest.Failure{Drip: -1}},
		{"a failure's Status must not be 99", connectlinkstest.Failure{Status: 99}},
		{"an answer of status 204 has no body", connectlinkstest.Failure{Status: 204, Body: "x"}},
		{"a failure's Header and Body need a Status", connectlinkstest.Failure{Body: "x"}},
		{"a failure that resets or hangs has no answer", connectlinkstest.Failure{Reset: true, Cut: true}},
		{"a failure that resets or hangs has no answer", connectlinkstest.Failure{Hang: true, Status: 500}},
		{"a failure that resets or hangs has no answer", connectlinkstest.Failure{Hang: true, Reset: true}},
	} {
		require.EqualError(t, a.srv.Fail(connectlinkstest.Failure{Status: 500}, test.failure), "connectlinkstest: "+test.want)
	}
	a.source() // none was added
}

// both runs a test over TCP, and through memory.
func both(t *testing.T, test func(t *testing.T, a api)) {
	t.Run("TCP", func(t *testing.T) { test(t, newAPI(t)) })
	t.Run("memory", func(t *testing.T) { test(t, inMemory(t)) })
}

func TestFailReset(t *testing.T) {
	both(t, func(t *testing.T, a api) {
		require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Route: create, Times: 1, Reset: true}))
		_, _, err := a.attempt()
		require.ErrorIs(t, err, syscall.ECONNRESET)
		assert.Empty(t, a.srv.Links())
		assert.Zero(t, a.srv.Requests()[0].Status)
		a.source()
	})
}

func TestFailCut(t *testing.T) {
	both(t, func(t *testing.T, a api) {
		require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Route: create, Times: 1, Cut: true}))
		status, body, err := a.attempt()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.Equal(t, 201, status)
		assert.Contains(t, body, `{"status":"created"`)
		assert.Len(t, a.srv.Links(), 1, "it was made")

		require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Route: create, Times: 1, Cut: true, Status: 500}))
		status, body, err = a.attempt()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.Equal(t, 500, status)
		assert.Empty(t, body)
		assert.Len(t, a.srv.Links(), 1, "it was not made")
	})
}

// The answer is lost after the link was made.
func TestFailCarryOut(t *testing.T) {
	for name, test := range map[string]struct {
		failure connectlinkstest.Failure
		status  int
		err     error
	}{
		"Reset":  {connectlinkstest.Failure{Reset: true}, 0, syscall.ECONNRESET},
		"Hang":   {connectlinkstest.Failure{Hang: true}, 0, context.Canceled},
		"Status": {connectlinkstest.Failure{Status: 502, Body: "<html>"}, 502, nil},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, a api) {
				test.failure.Route, test.failure.Times, test.failure.CarryOut = create, 1, true
				require.NoError(t, a.srv.Fail(test.failure))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() {
					for test.failure.Hang && len(a.srv.Links()) == 0 && ctx.Err() == nil {
						runtime.Gosched()
					}
					if test.failure.Hang {
						cancel()
					}
				}()
				resp, err := a.http.Do(a.request(http.MethodPost, "/api/v1/source_connect_links", `{"type":"postgres"}`).WithContext(ctx))
				require.ErrorIs(t, err, test.err)
				if test.status != 0 {
					require.NoError(t, resp.Body.Close())
					assert.Equal(t, test.status, resp.StatusCode)
				}
				links := a.srv.Links()
				require.Len(t, links, 1, "it was made all the same")
				_, err = a.srv.Complete(links[0].ConnectLink.ID)
				require.NoError(t, err)
			})
		})
	}
}

func TestFailDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := inMemory(t)
		require.NoError(t, a.srv.Fail(
			connectlinkstest.Failure{Times: 1, Delay: time.Hour},
			connectlinkstest.Failure{Times: 1, Delay: time.Minute, Status: 504},
			connectlinkstest.Failure{Times: 1, Delay: time.Second, Reset: true},
		))
		start := time.Now()
		status, _, err := a.attempt()
		require.NoError(t, err)
		assert.Equal(t, 201, status)
		assert.Equal(t, time.Hour, time.Since(start))

		start = time.Now()
		status, _, err = a.attempt()
		require.NoError(t, err)
		assert.Equal(t, 504, status)
		assert.Equal(t, time.Minute, time.Since(start))
		assert.Len(t, a.srv.Links(), 1)

		start = time.Now()
		_, _, err = a.attempt()
		require.ErrorIs(t, err, syscall.ECONNRESET)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestFailDrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := inMemory(t)
		want := `{"status":"success","data":"slowly"}`
		require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Drip: time.Second, Status: 200, Body: want, Times: -1}))
		resp, err := a.http.Do(a.request(http.MethodGet, "/api/v1/sources", ""))
		require.NoError(t, err)
		defer resp.Body.Close()
		start := time.Now()
		b := make([]byte, 1)
		for i := range 3 {
			_, err = io.ReadFull(resp.Body, b)
			require.NoError(t, err)
			assert.Equal(t, want[i], b[0])
			assert.Equal(t, time.Duration(i+1)*time.Second, time.Since(start))
		}
		rest, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Equal(t, want[3:], string(rest))
		assert.Equal(t, time.Duration(len(want))*time.Second, time.Since(start))
	})
}

func TestFailHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := inMemory(t)
		require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Hang: true, Times: -1}))
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		start := time.Now()
		_, err := a.http.Do(a.request(http.MethodGet, "/api/v1/sources", "").WithContext(ctx))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 30*time.Second, time.Since(start))
	})
}

// If a client gives up, its delayed request ends. No goroutine stays in the bubble, and
// Close has nothing to wait for.
func TestGivingUp(t *testing.T) {
	for name, f := range map[string]connectlinkstest.Failure{
		"Delay": {Delay: time.Hour, Times: -1},
		"Drip":  {Drip: time.Hour, Times: -1},
		"Hang":  {Hang: true, Times: -1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				done := make(chan connectlinkstest.Request, 1)
				a := inMemory(t, connectlinkstest.WithRequestLog(func(r connectlinkstest.Request) { done <- r }))
				require.NoError(t, a.srv.Fail(f))
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				resp, err := a.http.Do(a.request(http.MethodGet, "/api/v1/sources", "").WithContext(ctx))
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					require.NoError(t, resp.Body.Close())
				}
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, time.Second, (<-done).Duration)
			})
		})
	}
}

func TestCloseEndsSlowRequests(t *testing.T) {
	for name, f := range map[string]connectlinkstest.Failure{
		"Delay": {Delay: time.Hour, Times: -1},
		"Drip":  {Drip: time.Hour, Times: -1},
		"Hang":  {Hang: true, Times: -1},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, a api) {
				require.NoError(t, a.srv.Fail(f))
				failed := make(chan error, 1)
				go func() {
					_, _, err := a.attempt()
					failed <- err
				}()
				require.Eventually(t, func() bool { return len(a.srv.Requests()) == 1 }, 10*time.Second, time.Millisecond)
				a.srv.Close()
				assert.Error(t, <-failed)
			})
		})
	}
}

func TestTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := inMemory(t)
		a.source()
		start := a.srv.Now()
		assert.Equal(t, time.Now(), start, "the bubble's clock is the server's")
		time.Sleep(24 * time.Hour)
		assert.True(t, a.srv.Links()[0].ConnectLink.Expired)

		for _, url := range []string{"http://sandbox.example/api/v1/workspace", "https://app.getcensus.com/api/v1/workspace"} {
			req := a.request(http.MethodGet, "/", "")
			var err error
			req.URL, err = req.URL.Parse(url)
			require.NoError(t, err)
			resp, err := a.http.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, http.StatusOK, resp.StatusCode, url)
		}
	})
}

// Several bubbles use a server outside of them, which also serves TCP.
func TestTransportFromBubbles(t *testing.T) {
	a := newAPI(t)
	a.source()
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			transport := a.srv.Transport()
			defer transport.CloseIdleConnections()
			a := api{t, a.srv, a.token, &http.Client{Transport: transport}}
			require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Times: 1, Delay: time.Hour}))
			start := time.Now()
			a.source()
			assert.Equal(t, time.Hour, time.Since(start))
		})
	}
	a.source()
	assert.Len(t, a.srv.Links(), 4)
}

func TestTransportAfterReset(t *testing.T) {
	a := inMemory(t)
	require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Times: 1, Reset: true}))
	_, _, err := a.attempt()
	assert.False(t, errors.Is(err, io.EOF), "as over TCP, it is no orderly end")
	a.source()
}
