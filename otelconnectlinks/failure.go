package otelconnectlinks

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/connectlinks/connectlinks-go"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

var errNoResponse = errors.New("no response")

const (
	canceled = "canceled"
	timedOut = "timeout"
)

// callFailure returns the error.type of a failed call. It uses no text and no type name of err.
func callFailure(err error) string {
	for _, known := range []struct {
		err  error
		name string
	}{
		{connectlinks.ErrOutcomeUnknown, "outcome_unknown"},
		{context.Canceled, canceled},
		{context.DeadlineExceeded, timedOut},
		{connectlinks.ErrUnauthorized, "unauthorized"},
		{connectlinks.ErrForbidden, "forbidden"},
		{connectlinks.ErrNotFound, "not_found"},
		{connectlinks.ErrInvalidRequest, "invalid_request"},
		{connectlinks.ErrRateLimited, "rate_limited"},
		{connectlinks.ErrServer, "server_error"},
		{connectlinks.ErrBadResponse, "bad_response"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	if errors.As(err, new(*connectlinks.APIError)) {
		return "unexpected_status"
	}
	return connectionFailure(err)
}

// transportFailure returns the error.type of a request that failed with err. It asks the context
// first, since net/http returns the context's cause, which may be any error.
func transportFailure(ctx context.Context, err error) string {
	for _, over := range []error{ctx.Err(), err} {
		switch {
		case errors.Is(over, context.Canceled):
			return canceled
		case errors.Is(over, context.DeadlineExceeded):
			return timedOut
		}
	}
	return connectionFailure(err)
}

// connectionFailure returns the error.type of an error of net, crypto/tls or net/http.
func connectionFailure(err error) string {
	var timeout interface{ Timeout() bool }
	var op *net.OpError
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return timedOut
	case errors.As(err, new(*net.DNSError)):
		return "dns"
	case errors.As(err, new(*tls.CertificateVerificationError)),
		errors.As(err, new(tls.RecordHeaderError)),
		errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"): // a TLS alert
		return "tls"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection_refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection_reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "connection_closed"
	}
	return semconv.ErrorTypeOther.Value.AsString()
}
