package otelconnectlinks

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
	"go.opentelemetry.io/otel/trace"
)

// scope is the name under which spans and metrics are reported.
const scope = "github.com/connectlinks/connectlinks-go/otelconnectlinks"

// Option configures [NewTransport].
type Option func(*transport)

// WithTracerProvider sets the provider for the spans of requests. Nil, the default, means the
// global provider.
func WithTracerProvider(provider trace.TracerProvider) Option {
	return func(t *transport) {
		if provider != nil {
			t.tracer = newTracer(provider)
		}
	}
}

// WithMeterProvider sets the provider for the metric. Nil, the default, means the global provider.
func WithMeterProvider(provider metric.MeterProvider) Option {
	return func(t *transport) {
		if provider != nil {
			t.duration = newDuration(provider)
		}
	}
}

// WithPropagators adds the trace's context to the headers of each request. Nil, the default, adds
// nothing: the vendor does not use it, and baggage may hold data that the vendor must not see.
func WithPropagators(propagators propagation.TextMapPropagator) Option {
	return func(t *transport) { t.propagators = propagators }
}

// NewTransport returns a transport that reports each request of the SDK, and sends it with base.
// A nil base means [connectlinks.NewTransport], which reuses connections. The base must not retry
// requests by itself (see [connectlinks.WithHTTPClient]).
//
// The SDK sees less through a wrapped transport. If the base uses a proxy, for example, a create
// that did not reach the proxy fails with ErrOutcomeUnknown, instead of being sent again.
//
// Each request gets a span of kind client with a name like "GET /api/v1/sources/{source_id}". The
// span begins before the call of base. It ends with the response's body: at the end of the body,
// at an error, or when the body is closed. Its attributes are:
//
//   - http.request.method
//   - url.template: the route, such as /api/v1/sources/{source_id}
//   - url.full: the base URL, its path included, and the route. User, query, fragment and ids
//     are left out.
//   - server.address and server.port, also if it is the default port
//   - http.request.resend_count, from the second request of a call on
//   - http.response.status_code, if there was a response
//   - error.type, if the request failed: a status of 400 and above, or one of canceled,
//     timeout, dns, tls, connection_refused, connection_reset, connection_closed and _OTHER
//
// Samplers see all of them except the last two, which are set when the span ends. A failed span
// has the status Error, without a description.
//
// The histogram http.client.request.duration holds the duration of each span in seconds, sampled
// or not. Its attributes are those of the span, except url.full and http.request.resend_count.
//
// A request that does not belong to a call of the SDK is sent unchanged, and not reported, since
// its URL may hold a secret. Examples are a request for a credential, and those of Client.Warm.
func NewTransport(base http.RoundTripper, opts ...Option) http.RoundTripper {
	if base == nil {
		base = connectlinks.NewTransport()
	}
	t := &transport{base: base}
	for _, opt := range opts {
		if opt != nil {
			opt(t)
		}
	}
	if t.tracer == nil {
		t.tracer = newTracer(otel.GetTracerProvider())
	}
	if t.duration.Inst() == nil {
		t.duration = newDuration(otel.GetMeterProvider())
	}
	return t
}

func newTracer(provider trace.TracerProvider) trace.Tracer {
	return provider.Tracer(scope,
		trace.WithInstrumentationVersion(connectlinks.Version), trace.WithSchemaURL(semconv.SchemaURL))
}

func newDuration(provider metric.MeterProvider) httpconv.ClientRequestDuration {
	duration, err := httpconv.NewClientRequestDuration(provider.Meter(scope,
		metric.WithInstrumentationVersion(connectlinks.Version), metric.WithSchemaURL(semconv.SchemaURL)))
	if err != nil {
		otel.Handle(err) // duration does nothing then
	}
	return duration
}

type transport struct {
	base        http.RoundTripper
	tracer      trace.Tracer
	duration    httpconv.ClientRequestDuration
	propagators propagation.TextMapPropagator // nil for none
}

// RoundTrip reports and sends a request.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	a := t.start(req)
	if a == nil {
		return t.base.RoundTrip(req)
	}
	if t.propagators == nil {
		req = req.WithContext(a.ctx)
	} else {
		req = req.Clone(a.ctx)
		t.propagators.Inject(a.ctx, propagation.HeaderCarrier(req.Header))
	}
	resp, err := t.base.RoundTrip(req)
	if resp != nil {
		a.status = resp.StatusCode
	}
	switch {
	case err != nil:
		a.end(err)
	case resp == nil, resp.Body == nil: // of a broken transport: the SDK refuses these
		a.end(errNoResponse)
	case resp.StatusCode == http.StatusSwitchingProtocols: // the body is the connection
		a.end(nil)
	default:
		resp.Body = &body{resp.Body, a}
	}
	return resp, err
}

// CloseIdleConnections closes the idle connections of the base, if it can.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// attempt is a request that is being reported.
type attempt struct {
	transport *transport
	ctx       context.Context // the request's, with the span
	span      trace.Span
	begin     time.Time
	attrs     []attribute.KeyValue // of the span and of the metric
	status    int                  // of the response, 0 if there was none
	ended     atomic.Bool
}

// start begins the span of a request. It returns nil if the SDK did not make the request.
func (t *transport) start(req *http.Request) *attempt {
	of, ok := connectlinks.AttemptFromContext(req.Context())
	if !ok || of.Method != req.Method {
		return nil
	}
	// A transport around this one may send a request of its own with the SDK's context, for
	// example to fetch a credential.
	prefix, ok := cutRoute(req.URL.EscapedPath(), of.Route)
	if !ok {
		return nil
	}
	attrs := append(make([]attribute.KeyValue, 0, 6),
		semconv.HTTPRequestMethodKey.String(of.Method),
		semconv.URLTemplate(of.Route),
		semconv.ServerAddress(req.URL.Hostname()),
		semconv.ServerPort(port(req.URL)),
	)
	a := &attempt{transport: t, begin: time.Now(), attrs: attrs}
	attrs = append(attrs, semconv.URLFull(req.URL.Scheme+"://"+req.URL.Host+prefix+of.Route))
	if of.Resend > 0 {
		attrs = append(attrs, semconv.HTTPRequestResendCount(of.Resend))
	}
	a.ctx, a.span = t.tracer.Start(req.Context(), of.Method+" "+of.Route,
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithTimestamp(a.begin),
		trace.WithAttributes(attrs...),
	)
	return a
}

// cutRoute removes the route, with anything in place of its placeholders, from the end of a
// path. It reports whether the path ends with the route.
func cutRoute(path, route string) (prefix string, found bool) {
	for route != "" {
		i, j := strings.LastIndexByte(path, '/'), strings.LastIndexByte(route, '/')
		if i < 0 || j < 0 {
			return "", false
		}
		if element := route[j+1:]; element != path[i+1:] && !strings.HasPrefix(element, "{") {
			return "", false
		}
		path, route = path[:i], route[:j]
	}
	return path, true
}

// port returns the port of a URL, or of its scheme.
func port(u *url.URL) int {
	if port, err := strconv.Atoi(u.Port()); err == nil {
		return port
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}

// end ends the span and records the duration. Only the first call counts.
func (a *attempt) end(err error) {
	if a.ended.Swap(true) {
		return
	}
	now := time.Now()
	outcome := make([]attribute.KeyValue, 0, 2)
	if a.status > 0 {
		outcome = append(outcome, semconv.HTTPResponseStatusCode(a.status))
	}
	failure := ""
	switch {
	case a.status >= 400:
		failure = strconv.Itoa(a.status)
	case err != nil:
		failure = transportFailure(a.ctx, err)
	}
	if failure != "" {
		outcome = append(outcome, semconv.ErrorTypeKey.String(failure))
		a.span.SetStatus(codes.Error, "")
	}
	a.span.SetAttributes(outcome...)
	a.span.End(trace.WithTimestamp(now))
	if duration := a.transport.duration; duration.Enabled(a.ctx) {
		// A copy: NewSet sorts what it gets, and the span may have kept a.attrs.
		set := attribute.NewSet(slices.Concat(a.attrs, outcome)...)
		duration.RecordSet(a.ctx, now.Sub(a.begin).Seconds(), set)
	}
}

// body ends the attempt when the response's body ends.
type body struct {
	io.ReadCloser
	attempt *attempt
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch err {
	case nil:
	case io.EOF:
		b.attempt.end(nil)
	default:
		b.attempt.end(err)
	}
	return n, err
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.attempt.end(nil)
	return err
}
