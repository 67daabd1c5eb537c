package connectlinkstest_test

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := inMemory(t)
		acme := a.as(a.srv.AddWorkspace("Acme").Token)
		require.NoError(t, a.srv.RateLimit(2))
		status := func(a api) int {
			t.Helper()
			resp, body := a.raw(http.MethodPost, "/api/v1/source_connect_links", `{"type":"postgres"}`)
			if resp.StatusCode == http.StatusTooManyRequests {
				assert.Equal(t, "1", resp.Header.Get("Retry-After"))
				assert.Contains(t, body, "Too many requests")
			} else {
				assert.Empty(t, resp.Header.Get("Retry-After"))
			}
			return resp.StatusCode
		}
		assert.Equal(t, 201, status(a))
		assert.Equal(t, 201, status(a), "a second's worth may come at once")
		assert.Equal(t, 429, status(a))
		assert.Equal(t, 429, status(a))
		assert.Equal(t, 201, status(acme), "each token has its own")
		assert.Equal(t, 403, status(a.personal()), "the personal one too")
		a.srv.Advance(time.Hour)
		assert.Equal(t, 429, status(a), "the server's clock has no say")
		time.Sleep(499 * time.Millisecond)
		assert.Equal(t, 429, status(a))
		time.Sleep(time.Millisecond)
		assert.Equal(t, 201, status(a))
		assert.Equal(t, 429, status(a))
		assert.Len(t, a.srv.Links(), 4, "what is refused is not carried out")

		time.Sleep(time.Hour)
		let := 0
		for range 1000 {
			if resp, _ := a.raw(http.MethodGet, "/api/v1/sources", ""); resp.StatusCode == 200 {
				let++
			}
			time.Sleep(10 * time.Millisecond)
		}
		assert.InDelta(t, 10*2+2, let, 1)

		require.NoError(t, a.srv.RateLimit(0))
		for range 100 {
			require.Equal(t, 201, status(a))
		}
	})
}

// A client that waits for Retry-After succeeds.
func TestRateLimitSaysWhenToComeBack(t *testing.T) {
	for _, perSecond := range []float64{0.01, 0.1, 0.3, 0.9, 1, 1.5, 50} {
		t.Run(fmt.Sprint(perSecond), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := inMemory(t)
				require.NoError(t, a.srv.RateLimit(perSecond))
				for range 5 {
					var resp *http.Response
					for range 1000 {
						if resp, _ = a.raw(http.MethodGet, "/api/v1/workspace", ""); resp.StatusCode != 200 {
							break
						}
					}
					require.Equal(t, 429, resp.StatusCode)
					seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
					require.NoError(t, err)
					assert.LessOrEqual(t, float64(seconds), math.Ceil(1/perSecond))
					time.Sleep(time.Duration(seconds) * time.Second)
					resp, _ = a.raw(http.MethodGet, "/api/v1/workspace", "")
					require.Equal(t, 200, resp.StatusCode)
				}
			})
		})
	}
}

func TestRateLimitIsForTheAPI(t *testing.T) {
	a := newAPI(t)
	page := a.source()["uri"].(string)[len(a.srv.URL):]
	require.NoError(t, a.srv.RateLimit(0.001))
	a.get("/api/v1/workspace")
	a.do(http.StatusTooManyRequests, http.MethodGet, "/nowhere", "")
	for range 5 {
		resp, _ := a.raw(http.MethodGet, page, "")
		assert.Equal(t, http.StatusOK, resp.StatusCode, "the pages are not limited")
		a.as("").do(http.StatusUnauthorized, http.MethodGet, "/api/v1/workspace", "")
		a.as("guessed").do(http.StatusUnauthorized, http.MethodGet, "/api/v1/workspace", "")
	}

	// A request above the limit does not count for a failure.
	require.NoError(t, a.srv.Fail(connectlinkstest.Failure{Status: 502, Body: "{}"}))
	a.do(http.StatusTooManyRequests, http.MethodGet, "/api/v1/workspace", "")
	require.NoError(t, a.srv.RateLimit(0))
	a.do(http.StatusBadGateway, http.MethodGet, "/api/v1/workspace", "")
}

func TestRateLimitRefuses(t *testing.T) {
	a := newAPI(t)
	for _, perSecond := range []float64{-1, math.NaN(), math.Inf(1), math.Inf(-1)} {
		require.ErrorContains(t, a.srv.RateLimit(perSecond), fmt.Sprintf("connectlinkstest: a rate limit cannot be %v", perSecond))
	}
	for range 10 {
		a.get("/api/v1/workspace")
	}
}
