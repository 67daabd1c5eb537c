package otelconnectlinks_test

import (
	"net/http"
	"testing"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/connectlinks/connectlinks-go/otelconnectlinks"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// subject is a way to send the SDK's requests.
type subject struct {
	name      string
	transport func(base http.RoundTripper) http.RoundTripper
	opts      []connectlinks.Option
}

// subjects are what the benchmarks compare. The first one has no telemetry.
func subjects(b *testing.B) []subject {
	// What a program has: spans that are exported in batches, and a metric that is read.
	exporter := tracetest.NewNoopExporter()
	all := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
	none := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithSampler(sdktrace.NeverSample()))
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	b.Cleanup(func() {
		_ = all.Shutdown(b.Context())
		_ = none.Shutdown(b.Context())
	})
	traced := func(opts ...otelconnectlinks.Option) func(http.RoundTripper) http.RoundTripper {
		return func(base http.RoundTripper) http.RoundTripper { return otelconnectlinks.NewTransport(base, opts...) }
	}
	noop := tracenoop.NewTracerProvider()
	return []subject{
		{"plain", func(base http.RoundTripper) http.RoundTripper { return base }, nil},
		{"noop", traced(otelconnectlinks.WithTracerProvider(noop), otelconnectlinks.WithMeterProvider(metricnoop.NewMeterProvider())),
			[]connectlinks.Option{otelconnectlinks.WithCallSpans(noop)}},
		{"metric", traced(otelconnectlinks.WithTracerProvider(noop), otelconnectlinks.WithMeterProvider(meter)), nil},
		{"not-sampled", traced(otelconnectlinks.WithTracerProvider(none), otelconnectlinks.WithMeterProvider(meter)),
			[]connectlinks.Option{otelconnectlinks.WithCallSpans(none)}},
		{"sampled", traced(otelconnectlinks.WithTracerProvider(all), otelconnectlinks.WithMeterProvider(meter)),
			[]connectlinks.Option{otelconnectlinks.WithCallSpans(all)}},
	}
}

// BenchmarkCreate creates links over a transport in memory: what is measured is the client
// alone.
func BenchmarkCreate(b *testing.B) {
	for _, s := range subjects(b) {
		b.Run("client="+s.name, func(b *testing.B) {
			c := testkit.Client(b, s.transport(testkit.Succeed), s.opts...)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Sources.CreateConnectLink(b.Context(), create); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
