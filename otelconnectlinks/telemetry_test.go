package otelconnectlinks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/connectlinks/connectlinks-go/otelconnectlinks"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// telemetry keeps the spans and the metric of a test.
type telemetry struct {
	spans  *tracetest.SpanRecorder
	tracer *sdktrace.TracerProvider
	reader *sdkmetric.ManualReader
	meter  *sdkmetric.MeterProvider
}

func newTelemetry(opts ...sdktrace.TracerProviderOption) *telemetry {
	t := &telemetry{spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	t.tracer = sdktrace.NewTracerProvider(append(opts, sdktrace.WithSpanProcessor(t.spans))...)
	t.meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(t.reader))
	return t
}

// transport makes a transport that reports to t.
func (t *telemetry) transport(base http.RoundTripper, opts ...otelconnectlinks.Option) http.RoundTripper {
	return otelconnectlinks.NewTransport(base, append([]otelconnectlinks.Option{
		otelconnectlinks.WithTracerProvider(t.tracer), otelconnectlinks.WithMeterProvider(t.meter),
	}, opts...)...)
}

// client makes a client whose calls and requests are reported to t, and sent by base.
func (t *telemetry) client(tb testing.TB, base http.RoundTripper, opts ...connectlinks.Option) *connectlinks.Client {
	tb.Helper()
	return testkit.Client(tb, t.transport(base), append(opts, otelconnectlinks.WithCallSpans(t.tracer))...)
}

// ended returns the spans that have ended.
func (t *telemetry) ended() tracetest.SpanStubs {
	return tracetest.SpanStubsFromReadOnlySpans(t.spans.Ended())
}

// started returns the spans that have started.
func (t *telemetry) started() (spans tracetest.SpanStubs) {
	for _, s := range t.spans.Started() {
		spans = append(spans, tracetest.SpanStubFromReadOnlySpan(s))
	}
	return spans
}

// tree returns the spans in the order in which they started, with a > for each ancestor.
func (t *telemetry) tree() []string {
	parents := map[string]tracetest.SpanStub{}
	started := t.started()
	for _, s := range started {
		parents[s.SpanContext.SpanID().String()] = s
	}
	var tree []string
	for _, s := range started {
		line := fmt.Sprintf("%s %s", s.SpanKind, s.Name)
		for parent, ok := parents[s.Parent.SpanID().String()]; ok; parent, ok = parents[parent.Parent.SpanID().String()] {
			line = "> " + line
		}
		if s.EndTime.IsZero() {
			line += " (not ended)"
		}
		tree = append(tree, line)
	}
	return tree
}

// durations returns the points of the histogram, nil if nothing was recorded.
func (t *telemetry) durations(tb testing.TB) []metricdata.HistogramDataPoint[float64] {
	tb.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(tb, t.reader.Collect(context.Background(), &all))
	if len(all.ScopeMetrics) == 0 {
		return nil
	}
	require.Len(tb, all.ScopeMetrics, 1)
	require.Len(tb, all.ScopeMetrics[0].Metrics, 1)
	histogram, ok := all.ScopeMetrics[0].Metrics[0].Data.(metricdata.Histogram[float64])
	require.True(tb, ok)
	return histogram.DataPoints
}

// dump writes down everything that t was told.
func (t *telemetry) dump(tb testing.TB) string {
	tb.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(tb, t.reader.Collect(context.Background(), &all))
	text, err := json.MarshalIndent([]any{t.started(), all}, "", " ")
	require.NoError(tb, err)
	return string(text)
}

// values returns attributes by name.
func values(attrs []attribute.KeyValue) map[string]any {
	m := map[string]any{}
	for _, kv := range attrs {
		m[string(kv.Key)] = kv.Value.AsInterface()
	}
	return m
}
