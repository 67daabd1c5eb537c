package otelconnectlinks_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/otelconnectlinks"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"golang.org/x/time/rate"
)

// A program has an exporter for its collector. Here the spans stay in memory, and the API is
// the sandbox.
func Example() {
	spans := tracetest.NewInMemoryExporter()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	srv := connectlinkstest.NewServer()
	defer srv.Close()

	transport := otelconnectlinks.NewTransport(nil, otelconnectlinks.WithTracerProvider(tracer))
	client := srv.Client(
		connectlinks.WithHTTPClient(&http.Client{Transport: transport}),
		otelconnectlinks.WithCallSpans(tracer),
	)
	_, err := client.Destinations.GetConnectLink(context.Background(), 4711)
	fmt.Println(err != nil)

	for _, span := range spans.GetSpans() { // in the order in which they ended
		fmt.Println(span.SpanKind, span.Name)
		for _, kv := range span.Attributes {
			if kv.Key == "error.type" || kv.Key == "connectlinks.attempts" {
				fmt.Println(" ", kv.Key, kv.Value)
			}
		}
	}
	// Output:
	// true
	// client GET /api/v1/destination_connect_links/{connect_link_id}
	//   error.type 404
	// internal connectlinks GET /api/v1/destination_connect_links/{connect_link_id}
	//   connectlinks.attempts 1
	//   error.type not_found
}

// The span of a call shows what held it up before a request was sent.
func ExampleWithCallSpans() {
	spans := tracetest.NewInMemoryExporter()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	srv := connectlinkstest.NewServer()
	defer srv.Close()

	client := srv.Client(
		connectlinks.WithRateLimiter(rate.NewLimiter(rate.Every(time.Hour), 1)),
		otelconnectlinks.WithCallSpans(tracer),
	)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range 2 {
		_, err := client.Workspaces.Current(ctx)
		fmt.Println(err == nil)
	}
	for _, span := range spans.GetSpans() {
		for _, kv := range span.Attributes {
			if kv.Key == "error.type" || kv.Key == "connectlinks.attempts" {
				fmt.Println(kv.Key, kv.Value)
			}
		}
	}
	// Output:
	// true
	// false
	// connectlinks.attempts 1
	// connectlinks.attempts 0
	// error.type rate_limited
}

// The metric needs no spans.
func ExampleWithMeterProvider() {
	reader := sdkmetric.NewManualReader()
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	srv := connectlinkstest.NewServer()
	defer srv.Close()

	transport := otelconnectlinks.NewTransport(nil, otelconnectlinks.WithMeterProvider(meter))
	client := srv.Client(connectlinks.WithHTTPClient(&http.Client{Transport: transport}))
	ctx := context.Background()
	for range 3 {
		if _, err := client.Workspaces.Current(ctx); err != nil {
			fmt.Println(err)
			return
		}
	}
	var metrics metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &metrics); err != nil {
		fmt.Println(err)
		return
	}
	m := metrics.ScopeMetrics[0].Metrics[0]
	for _, point := range m.Data.(metricdata.Histogram[float64]).DataPoints {
		route, _ := point.Attributes.Value("url.template")
		fmt.Println(m.Name, route, point.Count)
	}
	// Output:
	// http.client.request.duration /api/v1/workspace 3
}

// Something of your own between the SDK and the API, such as a gateway, may take part in the
// trace.
func ExampleWithPropagators() {
	tracer := sdktrace.NewTracerProvider()
	gateway := gatewayFunc(func(r *http.Request) {
		fmt.Println(r.Header.Get("Traceparent") != "")
	})
	for _, opts := range [][]otelconnectlinks.Option{
		{otelconnectlinks.WithTracerProvider(tracer)},
		{otelconnectlinks.WithTracerProvider(tracer), otelconnectlinks.WithPropagators(propagation.TraceContext{})},
	} {
		srv := connectlinkstest.NewServer()
		transport := otelconnectlinks.NewTransport(gateway, opts...)
		client := srv.Client(connectlinks.WithHTTPClient(&http.Client{Transport: transport}))
		if _, err := client.Workspaces.Current(context.Background()); err != nil {
			fmt.Println(err)
		}
		srv.Close()
	}
	// Output:
	// false
	// true
}

// gatewayFunc is a transport that looks at requests.
type gatewayFunc func(*http.Request)

func (f gatewayFunc) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return http.DefaultTransport.RoundTrip(r)
}
