// Package otelconnectlinks reports the SDK's calls to OpenTelemetry: a span and a duration for
// each request, and a span for each call with the time that it waited.
//
//	client, err := connectlinks.NewClient(
//		connectlinks.WithToken(token),
//		connectlinks.WithHTTPClient(&http.Client{Transport: otelconnectlinks.NewTransport(nil)}),
//		otelconnectlinks.WithCallSpans(nil),
//	)
//
// Either can be used without the other. With both, the spans of a call's requests are children
// of the call's span.
//
// # Secrets
//
// A connect link is a password, and servers and transports quote what they were sent. So no
// span and no metric holds a text of the API, of the transport or of an error, nor a header, a
// query or a body. URLs show the route's placeholders in place of ids, since an id is a
// caller's argument, and may be anything. What is left of them is the base URL of the client.
//
// # Names
//
// Spans and the metric follow the OpenTelemetry semantic conventions for HTTP clients,
// version 1.43.0. The attributes are listed at [NewTransport] and [WithCallSpans].
package otelconnectlinks
