// Package otelconnectlinks reports the SDK's calls to OpenTelemetry. Each request gets a span and
// a duration. Each call gets a span, which shows how long it waited.
//
//	client, err := connectlinks.NewClient(
//		connectlinks.WithToken(token),
//		connectlinks.WithHTTPClient(&http.Client{Transport: otelconnectlinks.NewTransport(nil)}),
//		otelconnectlinks.WithCallSpans(nil),
//	)
//
// You can use [NewTransport] without [WithCallSpans], and the reverse. With both, the spans of a
// call's requests are children of the call's span.
//
// # Secrets
//
// A connect link is a password, and servers and transports quote what they receive. So spans and
// metrics hold no text of the API, of the transport or of an error, no header, no query and no
// body. URLs consist of the client's base URL and the route, with placeholders instead of ids: an
// id is a caller's argument, and may be anything.
//
// # Names
//
// Spans and the metric follow the OpenTelemetry semantic conventions for HTTP clients,
// version 1.43.0. [NewTransport] and [WithCallSpans] list the attributes.
package otelconnectlinks
