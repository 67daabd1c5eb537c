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

// Attributes of a call's span that the semantic conventions do not define.
const (
	attemptsKey = attribute.Key("connectlinks.attempts")
	pausedKey   = attribute.Key("connectlinks.paused")
	limitedKey  = attribute.Key("connectlinks.limited")
)

// WithCallSpans makes a span for each call. The span begins before the SDK asks for the token, and
// ends with the call's result. It includes retries and pauses. A nil provider means the global
// provider.
//
// The span has the kind internal, a name like "connectlinks GET /api/v1/sources/{source_id}", and
// these attributes:
//
//   - http.request.method and url.template, like the spans of [NewTransport], from the start
//   - connectlinks.attempts: how many requests were sent
//   - connectlinks.paused: the seconds that the call waited between attempts, and for a
//     throttled token
//   - connectlinks.limited: the seconds that the call waited for the rate limiter
//   - error.type, if the call failed
//
// The span of a failed call has the status Error, without a description. The error.type is the
// first of these that fits:
//
//   - outcome_unknown: a create failed, and the API may have made the link
//   - canceled: the caller's context was canceled
//   - timeout: the caller's deadline passed, or the time of connectlinks.WithTimeout
//   - unauthorized, forbidden, not_found, invalid_request, rate_limited, server_error,
//     bad_response: the error of package connectlinks with that name
//   - unexpected_status: another status, such as a redirect
//   - dns, tls, connection_refused, connection_reset, connection_closed: the connection failed
//   - _OTHER: anything else, such as a token source that failed
//
// Every poll of a wait and every page of a list is a call with a span of its own. When the SDK
// looks for a lost link (UniqueRedirect), each look is a call within the create.
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
