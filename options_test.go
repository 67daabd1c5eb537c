package connectlinks_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

func TestOptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	var (
		noSource  *testkit.Tokens
		noLimiter *rate.Limiter
		noFunc    connectlinks.TokenFunc
		noWait    testkit.Limiter
	)
	token := connectlinks.WithToken(testkit.Token)
	for name, tc := range map[string]struct {
		field string
		opts  []connectlinks.Option
	}{
		"no token":              {"Token", nil},
		"token and source":      {"Token", []connectlinks.Option{token, connectlinks.WithTokenSource(&testkit.Tokens{List: []string{"x"}})}},
		"source and token":      {"Token", []connectlinks.Option{connectlinks.WithTokenSource(&testkit.Tokens{List: []string{"x"}}), token}},
		"nil source":            {"TokenSource", []connectlinks.Option{connectlinks.WithTokenSource(nil)}},
		"nil *source":           {"TokenSource", []connectlinks.Option{connectlinks.WithTokenSource(noSource)}},
		"nil TokenFunc":         {"TokenSource", []connectlinks.Option{connectlinks.WithTokenSource(noFunc)}},
		"nil client":            {"HTTPClient", []connectlinks.Option{token, connectlinks.WithHTTPClient(nil)}},
		"nil limiter":           {"RateLimiter", []connectlinks.Option{token, connectlinks.WithRateLimiter(nil)}},
		"nil *limiter":          {"RateLimiter", []connectlinks.Option{token, connectlinks.WithRateLimiter(noLimiter)}},
		"nil limiter func":      {"RateLimiter", []connectlinks.Option{token, connectlinks.WithRateLimiter(noWait)}},
		"nil logger":            {"Logger", []connectlinks.Option{token, connectlinks.WithLogger(nil)}},
		"nil option":            {"Option", []connectlinks.Option{token, nil}},
		"negative retries":      {"MaxRetries", []connectlinks.Option{token, connectlinks.WithMaxRetries(-1)}},
		"negative timeout":      {"Timeout", []connectlinks.Option{token, connectlinks.WithTimeout(-1)}},
		"empty user agent":      {"UserAgent", []connectlinks.Option{token, connectlinks.WithUserAgent("")}},
		"user agent of 2 lines": {"UserAgent", []connectlinks.Option{token, connectlinks.WithUserAgent("a\r\nX-Injected: 1")}},
		"user agent not ASCII":  {"UserAgent", []connectlinks.Option{token, connectlinks.WithUserAgent("ü")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := connectlinks.NewClient(tc.opts...)
			assert.Nil(t, c)
			assert.Equal(t, []string{tc.field}, testkit.InputFields(t, err))
			var input *connectlinks.InputError
			require.ErrorAs(t, err, &input)
			if name == "no token" {
				return
			}

			parent := testkit.Client(t, testkit.Succeed)
			c, err = parent.With(tc.opts...)
			assert.Nil(t, c)
			assert.Equal(t, []string{tc.field}, testkit.InputFields(t, err))
			assert.NoError(t, testkit.CreateLink(t.Context(), parent), "the parent is as it was")
		})
	}
}

// Everything that is wrong is reported at once.
func TestAllThatIsWrongIsReported(t *testing.T) {
	t.Parallel()
	c, err := connectlinks.NewClient(
		connectlinks.WithToken("Wq7 Zp3"),
		connectlinks.WithHTTPClient(nil),
		nil,
		connectlinks.WithRateLimiter(nil),
		connectlinks.WithLogger(nil),
		connectlinks.WithMaxRetries(-3),
		connectlinks.WithTimeout(-time.Second),
		connectlinks.WithUserAgent("Wq7\n"),
		connectlinks.WithBaseURL("http://user:Wq7@example.com"),
	)
	assert.Nil(t, c)
	assert.ElementsMatch(t, []string{
		"Token", "HTTPClient", "Option", "RateLimiter", "Logger", "MaxRetries", "Timeout", "UserAgent", "BaseURL",
	}, testkit.InputFields(t, err))
	assert.NotContains(t, err.Error(), "Wq7")
	assert.Len(t, strings.Split(err.Error(), "\n"), 9)
}

// The tests of httpx.ParseBaseURL try more.
func TestBaseURL(t *testing.T) {
	t.Parallel()
	const create = "/api/v1/destination_connect_links"
	for base, want := range map[string]string{
		"https://app.getcensus.com":         "https://app.getcensus.com" + create,
		connectlinks.BaseURLEU:              "https://app-eu.getcensus.com" + create,
		"https://app.getcensus.com/api/v1/": "https://app.getcensus.com" + create,
		"https://proxy.example/a/api/v1/":   "https://proxy.example/a" + create,
		"https://proxy.example/a%2Fb/c%20d": "https://proxy.example/a%2Fb/c%20d" + create,
		"https://proxy.example/%C3%BC/":     "https://proxy.example/%C3%BC" + create,
		"https://proxy.example:8443":        "https://proxy.example:8443" + create,
		"http://localhost:3000":             "http://localhost:3000" + create,
		"http://LOCALHOST":                  "http://localhost" + create,
		"HTTPS://app.getcensus.com":         "https://app.getcensus.com" + create,
	} {
		t.Run(base, func(t *testing.T) {
			t.Parallel()
			var sent *http.Request
			rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				sent = r
				return testkit.Succeed(r)
			})
			c := testkit.Client(t, rt, connectlinks.WithBaseURL(base))
			require.NoError(t, testkit.CreateLink(t.Context(), c))
			assert.Equal(t, want, sent.URL.String())
			assert.Equal(t, sent.URL.Host, sent.Host)

			_, err := c.Activations.Get(t.Context(), "a#b")
			require.NoError(t, err)
			assert.Equal(t, strings.Replace(want, create, "/api/v2/activations/a%23b", 1), sent.URL.String())
		})
	}
	for name, base := range map[string]string{
		"empty":                 "",
		"relative":              "/api/v1",
		"credentials":           "https://user:Wq7Zp3@app.getcensus.com",
		"query":                 "https://app.getcensus.com?key=Wq7Zp3",
		"fragment":              "https://app.getcensus.com#Wq7Zp3",
		"blank":                 "https://app.getcensus.com/Wq7 Zp3",
		"plain":                 "http://app.getcensus.com",
		"plain, private":        "http://10.0.0.8",
		"plain, like localhost": "http://localhost.evil.com",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rt := &testkit.Counter{}
			sends := []connectlinks.Option{connectlinks.WithToken(testkit.Token), connectlinks.WithHTTPClient(&http.Client{Transport: rt})}
			c, err := connectlinks.NewClient(append(sends, connectlinks.WithBaseURL(base))...)
			assert.Nil(t, c)
			assert.Equal(t, []string{"BaseURL"}, testkit.InputFields(t, err))
			assert.NotContains(t, err.Error(), "Wq7")
			assert.Zero(t, rt.Count())
			if !strings.HasPrefix(name, "plain") {
				_, err = connectlinks.NewClient(append(sends, connectlinks.WithBaseURL(base), connectlinks.WithPlaintextHTTP())...)
				assert.Error(t, err)
				return
			}
			for _, opts := range [][]connectlinks.Option{
				{connectlinks.WithBaseURL(base), connectlinks.WithPlaintextHTTP()},
				{connectlinks.WithPlaintextHTTP(), connectlinks.WithBaseURL(base)},
			} {
				c, err := connectlinks.NewClient(append(sends, opts...)...)
				require.NoError(t, err)
				assert.NoError(t, testkit.CreateLink(t.Context(), c))
			}
		})
	}
}

// The order of options does not matter, and the last of a kind counts.
func TestOptionsInAnyOrder(t *testing.T) {
	t.Parallel()
	var agent, host string
	rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
		agent, host = r.Header.Get("User-Agent"), r.URL.Host
		return testkit.Succeed(r)
	})
	opts := []connectlinks.Option{
		connectlinks.WithPlaintextHTTP(),
		connectlinks.WithUserAgent("acme/1"),
		connectlinks.WithHTTPClient(&http.Client{Transport: rt}),
		connectlinks.WithBaseURL("http://sandbox.internal"),
		connectlinks.WithToken(testkit.Token),
	}
	for range opts {
		opts = append(opts[1:], opts[0])
		c, err := connectlinks.NewClient(opts...)
		require.NoError(t, err)
		require.NoError(t, testkit.CreateLink(t.Context(), c))
		assert.Equal(t, "acme/1 connectlinks-go/"+connectlinks.Version, agent)
		assert.Equal(t, "sandbox.internal", host)
	}
	c, err := connectlinks.NewClient(append(opts, connectlinks.WithUserAgent("acme/2"), connectlinks.WithToken("x"))...)
	require.NoError(t, err)
	require.NoError(t, testkit.CreateLink(t.Context(), c))
	assert.Equal(t, "acme/2 connectlinks-go/"+connectlinks.Version, agent)
}

// A derived client differs only in what its options say. Its parent does not change.
func TestWithLeavesTheParentUnchanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type seen struct {
			token, agent, host string
			attempts           int
		}
		var last seen
		rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			last = seen{r.Header.Get("Authorization"), r.Header.Get("User-Agent"), r.URL.Host, last.attempts + 1}
			return testkit.Response(r, http.StatusInternalServerError, ""), nil
		})
		asked := 0
		limiter := testkit.Limiter(func(context.Context) error { asked++; return nil })
		parent := testkit.Client(t, rt, connectlinks.WithMaxRetries(1), connectlinks.WithRateLimiter(limiter))
		send := func(c *connectlinks.Client) seen {
			last, asked = seen{}, 0
			require.ErrorIs(t, testkit.GetLink(t.Context(), c), connectlinks.ErrServer)
			assert.Equal(t, last.attempts, asked, "the limiter is shared")
			return last
		}
		const agent = "connectlinks-go/" + connectlinks.Version
		before := seen{"Bearer " + testkit.Token, agent, "app.getcensus.com", 2}
		require.Equal(t, before, send(parent))

		var log strings.Builder
		child, err := parent.With(
			connectlinks.WithTokenSource(&testkit.Tokens{List: []string{"tenant"}}),
			connectlinks.WithUserAgent("acme/1"),
			connectlinks.WithBaseURL(connectlinks.BaseURLEU),
			connectlinks.WithMaxRetries(3),
			connectlinks.WithTimeout(time.Second),
			testkit.LogTo(&log),
		)
		require.NoError(t, err)
		assert.Equal(t, seen{"Bearer tenant", "acme/1 " + agent, "app-eu.getcensus.com", 4}, send(child))
		logged := log.Len()
		assert.Positive(t, logged)

		grandchild, err := child.With(connectlinks.WithToken("other"))
		require.NoError(t, err)
		assert.Equal(t, seen{"Bearer other", "acme/1 " + agent, "app-eu.getcensus.com", 4}, send(grandchild))

		logged = log.Len()
		assert.Equal(t, before, send(parent))
		assert.Equal(t, logged, log.Len(), "the parent does not log")
		_, err = parent.With(connectlinks.WithBaseURL("nonsense"), connectlinks.WithToken("wrong one"))
		require.Error(t, err)
		assert.Equal(t, before, send(parent))

		same, err := parent.With()
		require.NoError(t, err)
		assert.NotSame(t, parent, same)
		assert.Equal(t, before, send(same))
	})
}

// The logger gets one record of each attempt, at level Debug.
func TestLoggerRecordsAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		n := 0
		rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if n++; n == 1 {
				return nil, errors.New("no route")
			}
			return testkit.Succeed(r)
		})
		c := testkit.Client(t, rt, testkit.LogTo(&log))
		require.NoError(t, testkit.GetLink(t.Context(), c))
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		require.Len(t, lines, 2, "one per attempt")
		for i, want := range []string{"resend=0 status=0", "resend=1 status=200"} {
			assert.Contains(t, lines[i], "level=DEBUG")
			assert.Contains(t, lines[i], "method=GET path=/api/v1/destination_connect_links/469")
			assert.Contains(t, lines[i], want)
		}
		assert.Contains(t, lines[0], "no route")

		log.Reset()
		c, err := c.With(connectlinks.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		require.NoError(t, err)
		require.NoError(t, testkit.GetLink(t.Context(), c))
		assert.Empty(t, log.String(), "Debug only")
	})
}

// A timeout of 0 means no timeout, and 0 retries mean no retry.
func TestZeroTimeoutAndRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			n++
			select {
			case <-time.After(24 * time.Hour):
				return testkit.Response(r, http.StatusInternalServerError, ""), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})
		c := testkit.Client(t, rt, connectlinks.WithTimeout(0), connectlinks.WithMaxRetries(0))
		start := time.Now()
		require.ErrorIs(t, testkit.GetLink(t.Context(), c), connectlinks.ErrServer)
		assert.Equal(t, 24*time.Hour, time.Since(start))
		assert.Equal(t, 1, n)
	})
}

func TestDefaultTimeoutAndRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			n++
			if n%2 == 0 {
				return testkit.HangInBody(http.StatusOK)(r)
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		start := time.Now()
		err := testkit.GetLink(t.Context(), testkit.Client(t, rt))
		require.Error(t, err)
		assert.Equal(t, 3, n)
		assert.NotErrorIs(t, err, context.DeadlineExceeded)
		assert.True(t, testkit.IsTimeout(err))
		assert.GreaterOrEqual(t, time.Since(start), 90*time.Second, "30 s each, and two back-offs")
		assert.Less(t, time.Since(start), 92*time.Second)
	})
}
