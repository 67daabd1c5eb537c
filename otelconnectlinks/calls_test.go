package otelconnectlinks_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/connectlinks/connectlinks-go/otelconnectlinks"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// One call with everything that the SDK does about an answer: a token that is renewed, a token
// that is throttled, a retry.
func TestSpansOfACallWithRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := newTelemetry()
		rt := testkit.NewScript(t,
			testkit.Respond(http.StatusUnauthorized, ""),
			testkit.Respond(http.StatusTooManyRequests, "", "Retry-After", "5"),
			testkit.Respond(http.StatusServiceUnavailable, "", "Retry-After", "3"),
			testkit.Succeed)
		c := seen.client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return rt.RoundTrip(r)
		}), connectlinks.WithTokenSource(testkit.NumberedTokens()),
			connectlinks.WithRateLimiter(testkit.Limiter(func(context.Context) error { time.Sleep(time.Minute); return nil })))
		ctx, parent := seen.tracer.Tracer("test").Start(t.Context(), "request of a customer")
		_, err := c.Sources.CreateConnectLink(ctx, create)
		parent.End()
		require.NoError(t, err)
		assert.Equal(t, []string{
			"internal request of a customer",
			"> internal connectlinks POST /api/v1/source_connect_links",
			"> > client POST /api/v1/source_connect_links",
			"> > client POST /api/v1/source_connect_links",
			"> > client POST /api/v1/source_connect_links",
			"> > client POST /api/v1/source_connect_links",
		}, seen.tree())

		spans := seen.ended()
		require.Len(t, spans, 6)
		for i, want := range []struct {
			status  int64
			failure any
			resend  any
		}{{401, "401", nil}, {429, "429", int64(1)}, {503, "503", int64(2)}, {201, nil, int64(3)}} {
			got := values(spans[i].Attributes)
			assert.Equal(t, want.status, got["http.response.status_code"])
			assert.Equal(t, want.failure, got["error.type"])
			assert.Equal(t, want.resend, got["http.request.resend_count"])
			assert.Equal(t, time.Second, spans[i].EndTime.Sub(spans[i].StartTime))
		}
		call := spans[4]
		assert.Equal(t, trace.SpanKindInternal, call.SpanKind)
		assert.Zero(t, call.Status)
		got := values(call.Attributes)
		paused, limited := got["connectlinks.paused"].(float64), got["connectlinks.limited"].(float64)
		delete(got, "connectlinks.paused")
		delete(got, "connectlinks.limited")
		assert.Equal(t, map[string]any{
			"http.request.method":   "POST",
			"url.template":          "/api/v1/source_connect_links",
			"connectlinks.attempts": int64(4),
		}, got)
		assert.GreaterOrEqual(t, limited, 240.0)
		assert.GreaterOrEqual(t, paused, 3.0)
		assert.InDelta(t, call.EndTime.Sub(call.StartTime).Seconds(), limited+paused+4, 1e-6, "nothing else took time")
	})
}

// A pause that is waited out before the first request is seen by the call's span alone.
func TestSpanOfACallThatWaitsForAThrottledToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := newTelemetry()
		rt := testkit.NewScript(t, testkit.Respond(http.StatusTooManyRequests, "", "Retry-After", "5"), testkit.Succeed)
		c := seen.client(t, rt, testkit.NoRetries)
		_, err := c.Sources.Get(t.Context(), 7)
		require.ErrorIs(t, err, connectlinks.ErrRateLimited)
		_, err = c.Sources.Get(t.Context(), 7)
		require.NoError(t, err)
		spans := seen.ended()
		require.Len(t, spans, 4)
		assert.Zero(t, spans[2].EndTime.Sub(spans[2].StartTime), "the request")
		assert.GreaterOrEqual(t, spans[3].EndTime.Sub(spans[3].StartTime), 5*time.Second, "the call")
		assert.GreaterOrEqual(t, values(spans[3].Attributes)["connectlinks.paused"], 5.0)
	})
}

func TestErrorTypesOfCalls(t *testing.T) {
	t.Parallel()
	refuse := connectlinks.WithRateLimiter(testkit.Limiter(func(context.Context) error { return errors.New("no more today") }))
	noToken := connectlinks.WithTokenSource(connectlinks.TokenFunc(func(context.Context) (string, error) {
		return "", errors.New("the vault is closed; " + testkit.Token)
	}))
	oneToken := func() connectlinks.Option { // and then none before the context ends
		calls := 0
		return connectlinks.WithTokenSource(connectlinks.TokenFunc(func(ctx context.Context) (string, error) {
			if calls++; calls == 1 {
				return testkit.Token, nil
			}
			<-ctx.Done()
			return "", ctx.Err()
		}))
	}
	get := func(ctx context.Context, c *connectlinks.Client) error {
		_, err := c.Sources.Get(ctx, 7)
		return err
	}
	post := func(ctx context.Context, c *connectlinks.Client) error {
		_, err := c.Sources.CreateConnectLink(ctx, create)
		return err
	}
	canceled := func(ctx context.Context, c *connectlinks.Client) error {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		_, err := c.Sources.CreateConnectLink(ctx, create)
		return err
	}
	late := func(ctx context.Context, c *connectlinks.Client) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := c.Sources.Get(ctx, 7)
		return err
	}
	status := func(status int) http.RoundTripper { return testkit.Respond(status, testkit.LinkSecret) }
	for _, test := range []struct {
		want     string
		do       func(context.Context, *connectlinks.Client) error
		rt       http.RoundTripper
		opts     []connectlinks.Option
		attempts int
	}{
		{"invalid_request", get, status(422), nil, 1},
		{"unauthorized", get, status(401), nil, 1},
		{"forbidden", get, status(403), nil, 1},
		{"not_found", get, status(404), nil, 1},
		{"not_found", get, status(410), nil, 1},
		{"rate_limited", get, status(429), nil, 3},
		{"rate_limited", get, testkit.Succeed, []connectlinks.Option{refuse}, 0},
		{"server_error", get, status(500), nil, 3},
		{"unexpected_status", get, status(302), nil, 1},
		{"unexpected_status", get, status(418), nil, 1},
		{"bad_response", get, status(200), nil, 3},
		{"outcome_unknown", post, status(200), nil, 1},
		{"outcome_unknown", post, status(500), nil, 1},
		{"outcome_unknown", post, testkit.Hang, nil, 1},
		{"outcome_unknown", post, testkit.Fail(secretError{io.EOF}), nil, 1},
		{"timeout", get, testkit.Hang, nil, 3},
		{"timeout", late, testkit.Hang, nil, 1},
		{"timeout", late, status(500), []connectlinks.Option{oneToken()}, 1},
		{"canceled", canceled, testkit.Succeed, nil, 0},
		{"connection_closed", get, testkit.Fail(io.ErrUnexpectedEOF), nil, 3},
		{"connection_refused", get, testkit.Fail(testkit.Refused()), nil, 3},
		{"_OTHER", get, testkit.Fail(secretError{}), nil, 3},
		{"_OTHER", get, testkit.Succeed, []connectlinks.Option{noToken}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			seen := newTelemetry()
			require.Error(t, test.do(t.Context(), seen.client(t, test.rt, test.opts...)))
			spans := seen.ended()
			require.NotEmpty(t, spans)
			call := spans[len(spans)-1]
			got := values(call.Attributes)
			assert.Equal(t, test.want, got["error.type"])
			assert.Equal(t, int64(test.attempts), got["connectlinks.attempts"], test.want)
			assert.Len(t, spans, test.attempts+1)
			assert.Equal(t, sdktrace.Status{Code: codes.Error}, call.Status)
			checkNoSecret(t, seen)
		})
	}
}

func TestCallSpansAlone(t *testing.T) {
	t.Parallel()
	seen := newTelemetry()
	c := testkit.Client(t, testkit.Succeed, otelconnectlinks.WithCallSpans(seen.tracer))
	_, err := c.Sources.Get(t.Context(), 0)
	require.Error(t, err)
	assert.Empty(t, seen.tree(), "refused input is no call")
	_, err = c.Sources.GetConnectLink(t.Context(), testkit.LinkID)
	require.NoError(t, err)
	assert.Equal(t, []string{"internal connectlinks GET " + linkRoute}, seen.tree())
}

// Each poll of a wait has its own span.
func TestSpansOfAWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := newTelemetry()
		open := strings.Replace(testkit.LinkJSON, `"source_id":7`, `"source_id":null`, 1)
		c := seen.client(t, testkit.NewScript(t,
			testkit.Respond(http.StatusOK, testkit.Envelope("success", open)), testkit.Succeed, testkit.Succeed))
		_, err := c.Sources.WaitForConnection(t.Context(), testkit.LinkID)
		require.NoError(t, err)
		assert.Equal(t, []string{
			"internal connectlinks GET " + linkRoute, "> client GET " + linkRoute,
			"internal connectlinks GET " + linkRoute, "> client GET " + linkRoute,
			"internal connectlinks GET /api/v1/sources/{source_id}", "> client GET /api/v1/sources/{source_id}",
		}, seen.tree())
	})
}

// The looks for a lost link are calls within the create.
func TestSpansOfALostLink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := newTelemetry()
		link := strings.Replace(testkit.LinkJSON, `"redirect_uri":null`, `"redirect_uri":"`+testkit.Redirect+`"`, 1)
		link = strings.Replace(link, "2026-07-22", time.Now().Add(time.Hour).Format(time.DateOnly), 1)
		c := seen.client(t, testkit.NewScript(t,
			testkit.Respond(http.StatusInternalServerError, ""),
			testkit.Respond(http.StatusOK, testkit.List(link))))
		_, err := c.Sources.CreateConnectLink(t.Context(), connectlinks.CreateConnectLinkParams{
			Type: testkit.ServiceName, RedirectURI: testkit.Redirect, UniqueRedirect: true,
		})
		require.NoError(t, err)
		assert.Equal(t, []string{
			"internal connectlinks POST " + createRoute,
			"> client POST " + createRoute,
			"> internal connectlinks GET " + createRoute,
			"> > client GET " + createRoute,
		}, seen.tree())
		call := seen.ended()[3]
		assert.NotContains(t, values(call.Attributes), "error.type", "the create has succeeded")
		assert.Equal(t, int64(1), values(call.Attributes)["connectlinks.attempts"])
	})
}
