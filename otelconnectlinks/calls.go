package otelconnectlinks

import (
	"context"

	"github.com/connectlinks/connectlinks-go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Attributes of a call's span, which no convention names.
const (
	attemptsKey = attribute.Key("connectlinks.attempts")
	pausedKey   = attribute.Key("connectlinks.paused")
	limitedKey  = attribute.Key("connectlinks.limited")
)

// WithCallSpans makes a span for each call: the span lasts from before the token is asked for
// to the call's result, retries and pauses included. A nil provider means the global one.
//
// The span has the kind internal, the name "connectlinks GET /api/v1/sources/{source_id}", and
// these attributes:
//
//   - http.request.method and url.template, as [NewTransport] has them, from the start
//   - connectlinks.attempts: how many requests were sent
//   - connectlinks.paused: the seconds spent between attempts, and until a throttled token
//     may be used again
//   - connectlinks.limited: the seconds spent in the rate limiter
//   - error.type, if the call failed
//
// A call that failed has the status Error, without a description. The error.type is the first
// of these that fits:
//
//   - outcome_unknown: a create, after which the API may hold a link that nobody has
//   - canceled: the caller's context was canceled
//   - timeout: the caller's deadline passed, or the time of connectlinks.WithTimeout
//   - unauthorized, forbidden, not_found, invalid_request, rate_limited, server_error,
//     bad_response: the error of package connectlinks with that name
//   - unexpected_status: another status, such as a redirect
//   - dns, tls, connection_refused, connection_reset, connection_closed: the connection failed
//   - _OTHER: anything else, such as a token source that failed
//
// Every poll of a wait, and every page of a list, is a call and gets a span of its own. The
// looks for a lost link (UniqueRedirect) are calls within the create.
func WithCallSpans(provider trace.TracerProvider) connectlinks.Option {
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	tracer := newTracer(provider)
	return connectlinks.WithCallHook(func(ctx context.Context, call connectlinks.Call) (context.Context, func(connectlinks.CallResult)) {
		ctx, span := tracer.Start(ctx, "connectlinks "+call.Method+" "+call.Route,
			trace.WithSpanKind(trace.SpanKindInternal),
			trace.WithAttributes(semconv.HTTPRequestMethodKey.String(call.Method), semconv.URLTemplate(call.Route)),
		)
		return ctx, func(result connectlinks.CallResult) {
			span.SetAttributes(
				attemptsKey.Int(result.Attempts),
				pausedKey.Float64(result.Paused.Seconds()),
				limitedKey.Float64(result.Limited.Seconds()),
			)
			if result.Err != nil {
				span.SetAttributes(semconv.ErrorTypeKey.String(callFailure(result.Err)))
				span.SetStatus(codes.Error, "")
			}
			span.End()
		}
	})
}
