package otelconnectlinks_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/connectlinks/connectlinks-go/otelconnectlinks"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	linkRoute   = "/api/v1/source_connect_links/{connect_link_id}"
	createRoute = "/api/v1/source_connect_links"
)

var create = connectlinks.CreateConnectLinkParams{Type: testkit.ServiceName, RedirectURI: testkit.Redirect + "&key=" + redirectSecret}

func TestSpanOfARequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := newTelemetry()
		base := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			time.Sleep(70 * time.Millisecond)
			return testkit.Succeed(r)
		})
		c := testkit.Client(t, seen.transport(base))
		_, err := c.Sources.GetConnectLink(t.Context(), testkit.LinkID)
		require.NoError(t, err)

		spans := seen.ended()
		require.Len(t, spans, 1)
		span := spans[0]
		assert.Equal(t, "GET "+linkRoute, span.Name)
		assert.Equal(t, trace.SpanKindClient, span.SpanKind)
		assert.Equal(t, map[string]any{
			"http.request.method":       "GET",
			"url.template":              "/api/v1/source_connect_links/{connect_link_id}",
			"url.full":                  "https://app.getcensus.com/api/v1/source_connect_links/{connect_link_id}",
			"server.address":            "app.getcensus.com",
			"server.port":               int64(443),
			"http.response.status_code": int64(200),
		}, values(span.Attributes))
		assert.Zero(t, span.Status)
		assert.Empty(t, span.Events)
		assert.Equal(t, 70*time.Millisecond, span.EndTime.Sub(span.StartTime))
		scope := instrumentation.Scope{
			Name:      "github.com/connectlinks/connectlinks-go/otelconnectlinks",
			Version:   connectlinks.Version,
			SchemaURL: "https://opentelemetry.io/schemas/1.43.0",
		}
		assert.Equal(t, scope, span.InstrumentationScope)

		var all metricdata.ResourceMetrics
		require.NoError(t, seen.reader.Collect(t.Context(), &all))
		require.Len(t, all.ScopeMetrics, 1)
		assert.Equal(t, scope, all.ScopeMetrics[0].Scope)
		require.Len(t, all.ScopeMetrics[0].Metrics, 1)
		metric := all.ScopeMetrics[0].Metrics[0]
		assert.Equal(t, "http.client.request.duration", metric.Name)
		assert.Equal(t, "s", metric.Unit)
		assert.Equal(t, "Duration of HTTP client requests.", metric.Description)
		points := metric.Data.(metricdata.Histogram[float64]).DataPoints
		require.Len(t, points, 1)
		assert.Equal(t, []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}, points[0].Bounds)
		assert.Equal(t, uint64(1), points[0].Count)
		assert.InDelta(t, 0.07, points[0].Sum, 1e-9, "the same duration as the span's")
		assert.Equal(t, map[string]any{
			"http.request.method":       "GET",
			"url.template":              "/api/v1/source_connect_links/{connect_link_id}",
			"server.address":            "app.getcensus.com",
			"server.port":               int64(443),
			"http.response.status_code": int64(200),
		}, values(points[0].Attributes.ToSlice()))
	})
}

// Every call is reported with its route, and with no argument.
func TestSpansOfAllCalls(t *testing.T) {
	t.Parallel()
	for _, call := range testkit.Single() {
		t.Run(call.Name, func(t *testing.T) {
			t.Parallel()
			seen := newTelemetry()
			var attempt connectlinks.Attempt
			base := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				attempt, _ = connectlinks.AttemptFromContext(r.Context())
				return testkit.Succeed(r)
			})
			_, err := call.Do(t.Context(), seen.client(t, base, connectlinks.WithBaseURL("https://gateway.example:8443/census")))
			require.NoError(t, err)
			assert.Equal(t, []string{
				"internal connectlinks " + call.Method + " " + attempt.Route,
				"> client " + call.Method + " " + attempt.Route,
			}, seen.tree())
			span := seen.ended()[0]
			got := values(span.Attributes)
			assert.Equal(t, "https://gateway.example:8443/census"+attempt.Route, got["url.full"])
			assert.Equal(t, attempt.Route, got["url.template"])
			assert.Equal(t, "gateway.example", got["server.address"])
			assert.Equal(t, int64(8443), got["server.port"])
			for _, span := range seen.ended() {
				for _, kv := range span.Attributes {
					for _, argument := range []string{"469", testkit.ActivationID, testkit.GroupID, testkit.ServiceName, "platform.example", "page"} {
						assert.NotContains(t, kv.Value.String(), argument, kv.Key)
					}
				}
			}
		})
	}
}

func TestServerPorts(t *testing.T) {
	t.Parallel()
	for base, want := range map[string][]any{
		connectlinks.BaseURLEU:    {"app-eu.getcensus.com", int64(443), connectlinks.BaseURLEU},
		"https://[::1]":           {"::1", int64(443), "https://[::1]"},
		"http://localhost":        {"localhost", int64(80), "http://localhost"},
		"http://127.0.0.1:4010/x": {"127.0.0.1", int64(4010), "http://127.0.0.1:4010/x"},
		"https://a.example/a%2Fb": {"a.example", int64(443), "https://a.example/a%2Fb"},
	} {
		seen := newTelemetry()
		c := testkit.Client(t, seen.transport(testkit.Succeed), connectlinks.WithBaseURL(base))
		_, err := c.Sources.CreateConnectLink(t.Context(), create)
		require.NoError(t, err)
		require.Len(t, seen.ended(), 1)
		got := values(seen.ended()[0].Attributes)
		assert.Equal(t, want, []any{got["server.address"], got["server.port"], strings.TrimSuffix(got["url.full"].(string), createRoute)}, base)
	}
}

// sampler records what a sampler sees, and samples nothing.
type sampler struct{ seen []map[string]any }

func (s *sampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	seen := values(p.Attributes)
	seen["kind"], seen["name"] = p.Kind.String(), p.Name
	s.seen = append(s.seen, seen)
	return sdktrace.SamplingResult{Decision: sdktrace.Drop}
}

func (s *sampler) Description() string { return "sampler" }

func TestSamplersSeeAttributes(t *testing.T) {
	t.Parallel()
	s := &sampler{}
	seen := newTelemetry(sdktrace.WithSampler(s))
	rt := testkit.NewScript(t, testkit.Respond(http.StatusUnauthorized, ""), testkit.Succeed)
	c := seen.client(t, rt, connectlinks.WithTokenSource(testkit.NumberedTokens()))
	_, err := c.Sources.GetConnectLink(t.Context(), testkit.LinkID)
	require.NoError(t, err)
	request := map[string]any{
		"kind":                "client",
		"name":                "GET " + linkRoute,
		"http.request.method": "GET",
		"url.template":        linkRoute,
		"url.full":            connectlinks.BaseURLUS + linkRoute,
		"server.address":      "app.getcensus.com",
		"server.port":         int64(443),
	}
	again := map[string]any{"http.request.resend_count": int64(1)}
	for k, v := range request {
		again[k] = v
	}
	call := map[string]any{"kind": "internal", "name": "connectlinks GET " + linkRoute, "http.request.method": "GET", "url.template": linkRoute}
	assert.Equal(t, []map[string]any{call, request, again}, s.seen)
	assert.Empty(t, seen.ended())
	assert.Len(t, seen.durations(t), 2, "the metric does not depend on the sampler")
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	for status, failed := range map[int]bool{
		101: false, 200: false, 204: false, 302: false, 304: false, 400: true, 401: true, 404: true, 418: true, 429: true, 500: true, 503: true, 999: true,
	} {
		seen := newTelemetry()
		c := seen.client(t, testkit.Respond(status, `{"message":"text of the API"}`), testkit.NoRetries)
		_, err := c.Sources.Get(t.Context(), 7)
		require.Error(t, err)
		require.Len(t, seen.ended(), 2, status)
		span := seen.ended()[0]
		assert.Equal(t, trace.SpanKindClient, span.SpanKind)
		points := seen.durations(t)
		require.Len(t, points, 1)
		for _, got := range []map[string]any{values(span.Attributes), values(points[0].Attributes.ToSlice())} {
			assert.Equal(t, int64(status), got["http.response.status_code"], status)
			if failed {
				assert.Equal(t, fmt.Sprint(status), got["error.type"])
			} else {
				assert.NotContains(t, got, "error.type", status)
			}
		}
		want := sdktrace.Status{}
		if failed {
			want.Code = codes.Error
		}
		assert.Equal(t, want, span.Status, status)
	}
}

// secretError is an error of a transport that quotes what was sent.
type secretError struct{ error }

func (e secretError) Error() string { return "cannot send Bearer " + testkit.Token }
func (e secretError) Unwrap() error { return e.error }

func TestErrorTypesOfRequests(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want string
	}{
		{errors.New("anything"), "_OTHER"},
		{context.Canceled, "canceled"},
		{context.DeadlineExceeded, "timeout"},
		{os.ErrDeadlineExceeded, "timeout"},
		{&url.Error{Op: "Post", URL: testkit.LinkURL, Err: os.ErrDeadlineExceeded}, "timeout"},
		{&net.DNSError{Err: "no such host", Name: testkit.LinkSecret}, "dns"},
		{&net.DNSError{IsTimeout: true}, "timeout"},
		{&tls.CertificateVerificationError{Err: x509.HostnameError{Host: testkit.LinkSecret, Certificate: &x509.Certificate{}}}, "tls"},
		{tls.RecordHeaderError{Msg: testkit.LinkSecret}, "tls"},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, "tls"},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "connection_refused"},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, "connection_reset"},
		{&net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, "connection_reset"},
		{io.EOF, "connection_closed"},
		{io.ErrUnexpectedEOF, "connection_closed"},
		{net.ErrClosed, "connection_closed"},
		{&net.OpError{Op: "dial", Err: errors.New("no route")}, "_OTHER"},
	} {
		for where, base := range map[string]http.RoundTripper{
			"no response": testkit.Fail(secretError{test.err}),
			"in the body": testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				return testkit.Stream(r, http.StatusOK, io.MultiReader(strings.NewReader("{"), iotest.ErrReader(secretError{test.err}))), nil
			}),
			"in the body of an error": testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				return testkit.Stream(r, http.StatusTeapot, iotest.ErrReader(secretError{test.err})), nil
			}),
		} {
			seen := newTelemetry()
			_, err := seen.client(t, base, testkit.NoRetries).Sources.Get(t.Context(), 7)
			require.Error(t, err)
			require.Len(t, seen.ended(), 2)
			want := test.want
			if where == "in the body of an error" {
				want = "418"
			}
			span := seen.ended()[0]
			assert.Equal(t, want, values(span.Attributes)["error.type"], "%v, %s", test.err, where)
			assert.Equal(t, sdktrace.Status{Code: codes.Error}, span.Status)
			points := seen.durations(t)
			require.Len(t, points, 1)
			assert.Equal(t, want, values(points[0].Attributes.ToSlice())["error.type"])
			checkNoSecret(t, seen)
		}
	}
}

// The SDK ends a request by its context, whose cause net/http returns.
func TestErrorTypesOfContexts(t *testing.T) {
	t.Parallel()
	for _, base := range []http.RoundTripper{testkit.Hang, testkit.HangInBody(http.StatusOK)} {
		cause := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := base.RoundTrip(r)
			if err != nil {
				err = context.Cause(r.Context())
			}
			return resp, err
		})
		synctest.Test(t, func(t *testing.T) {
			seen := newTelemetry()
			_, err := seen.client(t, cause, connectlinks.WithTimeout(3*time.Second), testkit.NoRetries).Sources.Get(t.Context(), 7)
			assert.True(t, testkit.IsTimeout(err))

			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err = seen.client(t, cause).Sources.Get(ctx, 7)
			require.ErrorIs(t, err, context.DeadlineExceeded)

			ctx, cancelCause := context.WithCancelCause(t.Context())
			time.AfterFunc(2*time.Second, func() { cancelCause(errors.New("the customer has left")) })
			_, err = seen.client(t, cause).Sources.Get(ctx, 7)
			require.ErrorIs(t, err, context.Canceled)

			var types []string
			var took []time.Duration
			for _, span := range seen.ended() {
				types = append(types, fmt.Sprint(values(span.Attributes)["error.type"]))
				took = append(took, span.EndTime.Sub(span.StartTime))
			}
			assert.Equal(t, []string{"timeout", "timeout", "timeout", "timeout", "canceled", "canceled"}, types)
			assert.Equal(t, []time.Duration{3 * time.Second, 3 * time.Second, time.Second, time.Second, 2 * time.Second, 2 * time.Second}, took)
		})
	}
}

// within lets a transport act on the request of a call, through a transport that reports to
// seen and has its answers from base.
func within(t *testing.T, seen *telemetry, base http.RoundTripper, act func(r *http.Request, traced http.RoundTripper) (*http.Response, error)) {
	t.Helper()
	traced := seen.transport(base)
	c := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) { return act(r, traced) }), testkit.NoRetries)
	_, _ = c.Sources.Get(t.Context(), 7)
}

// closer is a body that counts how often it was closed.
type closer struct {
	io.Reader
	closed int
}

func (c *closer) Close() error { c.closed++; return errors.New("closing failed") }

func TestSpanEndsWithTheBody(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		body io.Reader
		read func(t *testing.T, body io.ReadCloser)
		want string // error.type
	}{
		"at its end": {strings.NewReader("body"), func(t *testing.T, body io.ReadCloser) {
			got, err := io.ReadAll(body)
			assert.NoError(t, err)
			assert.Equal(t, "body", string(got))
		}, ""},
		"at its end with data": {iotest.DataErrReader(strings.NewReader("body")), func(t *testing.T, body io.ReadCloser) {
			n, err := body.Read(make([]byte, 10))
			assert.Equal(t, 4, n)
			assert.Equal(t, io.EOF, err)
		}, ""},
		"at an error": {iotest.ErrReader(broken), func(t *testing.T, body io.ReadCloser) {
			_, err := body.Read(make([]byte, 10))
			assert.Equal(t, broken, err)
		}, "_OTHER"},
		"when it is closed": {strings.NewReader("body"), func(t *testing.T, body io.ReadCloser) {
			assert.EqualError(t, body.Close(), "closing failed")
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				seen := newTelemetry()
				inner := &closer{Reader: test.body}
				base := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
					resp := testkit.Response(r, http.StatusOK, "")
					resp.Body = inner
					return resp, nil
				})
				within(t, seen, base, func(r *http.Request, traced http.RoundTripper) (*http.Response, error) {
					resp, err := traced.RoundTrip(r)
					require.NoError(t, err)
					time.Sleep(time.Second)
					require.Empty(t, seen.ended())
					require.Empty(t, seen.durations(t))
					test.read(t, resp.Body)
					require.Len(t, seen.ended(), 1)
					time.Sleep(time.Second)
					_, _ = io.Copy(io.Discard, resp.Body)
					_, _ = resp.Body.Read(make([]byte, 1))
					_ = resp.Body.Close()
					_ = resp.Body.Close()
					return nil, errors.New("the test is over")
				})
				require.Len(t, seen.ended(), 1)
				span := seen.ended()[0]
				assert.Equal(t, time.Second, span.EndTime.Sub(span.StartTime))
				failure, _ := values(span.Attributes)["error.type"].(string)
				assert.Equal(t, test.want, failure)
				points := seen.durations(t)
				require.Len(t, points, 1)
				assert.Equal(t, uint64(1), points[0].Count)
				assert.InDelta(t, 1, points[0].Sum, 1e-9)
				assert.GreaterOrEqual(t, inner.closed, 2, "Close is handed on")
			})
		})
	}
}

// Whatever a transport returns is returned, and ends the span.
func TestTransportsThatBreakTheContract(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, base := range map[string]testkit.RoundTripper{
		"nothing": func(*http.Request) (*http.Response, error) { return nil, nil },
		"no body": func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil },
		"both":    func(r *http.Request) (*http.Response, error) { return testkit.Response(r, 200, ""), broken },
	} {
		seen := newTelemetry()
		within(t, seen, base, func(r *http.Request, traced http.RoundTripper) (*http.Response, error) {
			resp, err := traced.RoundTrip(r)
			wantResp, wantErr := base(r)
			assert.Equal(t, wantErr, err, name)
			assert.Equal(t, wantResp == nil, resp == nil, name)
			return resp, err
		})
		require.Len(t, seen.ended(), 1, name)
		assert.Equal(t, "_OTHER", values(seen.ended()[0].Attributes)["error.type"], name)
	}
}

// After a 101 the body is a connection, which may be written to.
func TestSwitchedProtocols(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer far.Close()
	seen := newTelemetry()
	base := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
		resp := testkit.Response(r, http.StatusSwitchingProtocols, "")
		resp.Body = near
		return resp, nil
	})
	within(t, seen, base, func(r *http.Request, traced http.RoundTripper) (*http.Response, error) {
		resp, err := traced.RoundTrip(r)
		require.NoError(t, err)
		assert.Implements(t, (*io.Writer)(nil), resp.Body)
		assert.Len(t, seen.ended(), 1)
		return resp, err
	})
}

func TestRequestsThatAreNotTheSDKs(t *testing.T) {
	t.Parallel()
	seen := newTelemetry()
	var got []*http.Request
	traced := seen.transport(testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
		got = append(got, r)
		return testkit.Response(r, http.StatusOK, "{}"), nil
	}), otelconnectlinks.WithPropagators(propagation.TraceContext{}))
	ctx, span := seen.tracer.Tracer("test").Start(t.Context(), "parent")
	defer span.End()

	// As Client.Warm sends them, and as anybody might.
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		foreign, err := http.NewRequestWithContext(ctx, method, connectlinks.BaseURLUS, nil)
		require.NoError(t, err)
		_, err = traced.RoundTrip(foreign)
		require.NoError(t, err)
		assert.Same(t, foreign, got[len(got)-1], "the request itself is passed on")
		assert.Empty(t, foreign.Header)
	}

	// Other requests within an attempt, which have its context.
	for _, other := range []struct{ method, url string }{
		{http.MethodGet, "https://vault.example/v1/secret"},
		{http.MethodGet, "https://vault.example/api/v1/sources"},
		{http.MethodGet, "https://vault.example/"},
		{http.MethodGet, "https://vault.example"},
		{http.MethodGet, "https://vault.example/sources/7"},
		{http.MethodPost, connectlinks.BaseURLUS + "/api/v1/sources/7"},
	} {
		c := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			req, err := http.NewRequestWithContext(r.Context(), other.method, other.url, nil)
			require.NoError(t, err)
			return traced.RoundTrip(req)
		}), testkit.NoRetries)
		_, _ = c.Sources.Get(ctx, 7)
		assert.Empty(t, got[len(got)-1].Header, "%v", other)
	}
	assert.Len(t, got, 8)
	assert.Empty(t, seen.ended())
	assert.Empty(t, seen.durations(t))
}

// Client.Warm opens a connection for no call.
func TestWarm(t *testing.T) {
	t.Parallel()
	seen := newTelemetry()
	rt := testkit.NewScript(t, testkit.Respond(http.StatusNotFound, ""))
	require.NoError(t, seen.client(t, rt).Warm(t.Context()))
	assert.Equal(t, []string{"HEAD "}, rt.Requests())
	assert.Empty(t, seen.started())
	assert.Empty(t, seen.durations(t))
}

func TestRequestIsNotModified(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]otelconnectlinks.Option{nil, {otelconnectlinks.WithPropagators(propagation.TraceContext{})}} {
		seen := newTelemetry()
		var sent *http.Request
		traced := seen.transport(testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			sent = r
			return testkit.Succeed(r)
		}), opts...)
		c := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			before := r.Clone(r.Context())
			ctx := r.Context()
			resp, err := traced.RoundTrip(r)
			assert.NotSame(t, r, sent)
			assert.Equal(t, before.Header, r.Header)
			assert.Equal(t, before.URL, r.URL)
			assert.True(t, ctx == r.Context())
			assert.Equal(t, trace.SpanContextFromContext(sent.Context()), seen.spans.Started()[0].SpanContext())
			assert.False(t, trace.SpanContextFromContext(r.Context()).IsValid())
			return resp, err
		}))
		_, err := c.Sources.CreateConnectLink(t.Context(), create)
		require.NoError(t, err)
	}
}

// global is what the global providers report to. They can be set once in a process.
var global = sync.OnceValue(func() *telemetry { return newTelemetry() })

// This test sets global values, so nothing may run beside it.
func TestGlobals(t *testing.T) {
	seen := global()
	seen.spans.Reset()
	var headers []http.Header
	base := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
		headers = append(headers, r.Header)
		return testkit.Succeed(r)
	})
	// Before the globals are set, as in a package variable.
	early := otelconnectlinks.NewTransport(base, nil, otelconnectlinks.WithTracerProvider(nil),
		otelconnectlinks.WithMeterProvider(nil), otelconnectlinks.WithPropagators(nil))
	calls := otelconnectlinks.WithCallSpans(nil)
	otel.SetTracerProvider(seen.tracer)
	otel.SetMeterProvider(seen.meter)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))

	_, err := testkit.Client(t, early, calls).Sources.CreateConnectLink(t.Context(), create)
	require.NoError(t, err)
	assert.Equal(t, []string{"internal connectlinks POST " + createRoute, "> client POST " + createRoute}, seen.tree())
	assert.Len(t, seen.durations(t), 1)
	assert.NotContains(t, headers[0], "Traceparent", "nothing goes to the vendor by itself")

	with := otelconnectlinks.NewTransport(base, otelconnectlinks.WithPropagators(otel.GetTextMapPropagator()))
	_, err = testkit.Client(t, with).Sources.CreateConnectLink(t.Context(), create)
	require.NoError(t, err)
	require.Len(t, seen.ended(), 3)
	span := seen.ended()[2]
	assert.Equal(t, []string{"00-" + span.SpanContext.TraceID().String() + "-" + span.SpanContext.SpanID().String() + "-01"}, headers[1]["Traceparent"])
}

// idler is a transport that counts calls of CloseIdleConnections.
type idler struct {
	http.RoundTripper
	closed int
}

func (i *idler) CloseIdleConnections() { i.closed++ }

func TestCloseIdleConnections(t *testing.T) {
	t.Parallel()
	base := &idler{RoundTripper: testkit.Succeed}
	c := testkit.Client(t, otelconnectlinks.NewTransport(base))
	c.CloseIdleConnections()
	assert.Equal(t, 1, base.closed)
	testkit.Client(t, otelconnectlinks.NewTransport(testkit.Succeed)).CloseIdleConnections() // which has nothing to close
}

// A nil base is the SDK's own transport: it goes to the network, and keeps connections.
func TestNilBase(t *testing.T) {
	t.Parallel()
	api := testkit.NewAPI()
	srv := testkit.Unstarted(t, api)
	srv.Start()
	seen := newTelemetry()
	c := testkit.ClientAt(t, srv.URL, seen.transport(nil))
	for range 3 {
		_, err := c.Sources.CreateConnectLink(t.Context(), create)
		require.NoError(t, err)
	}
	received := api.Received()
	require.Len(t, received, 3)
	assert.Equal(t, received[0].Peer, received[2].Peer, "one connection for all")
	c.CloseIdleConnections()
	_, err := c.Sources.CreateConnectLink(t.Context(), create)
	require.NoError(t, err)
	assert.NotEqual(t, received[0].Peer, api.Received()[3].Peer, "closed, and opened again")
	assert.Len(t, seen.ended(), 4)
}
