package testkit

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/connectlinks/connectlinks-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Sentinels are the errors that an [connectlinks.APIError] may match, by name.
var Sentinels = map[string]error{
	"ErrUnauthorized":   connectlinks.ErrUnauthorized,
	"ErrForbidden":      connectlinks.ErrForbidden,
	"ErrNotFound":       connectlinks.ErrNotFound,
	"ErrInvalidRequest": connectlinks.ErrInvalidRequest,
	"ErrRateLimited":    connectlinks.ErrRateLimited,
	"ErrServer":         connectlinks.ErrServer,
}

// Sentinel returns the name of the only sentinel for a status, or "".
func Sentinel(status int) string {
	switch {
	case status == 401:
		return "ErrUnauthorized"
	case status == 403:
		return "ErrForbidden"
	case status == 404 || status == 410:
		return "ErrNotFound"
	case status == 400 || status == 409 || status == 422:
		return "ErrInvalidRequest"
	case status == 429:
		return "ErrRateLimited"
	case status >= 500:
		return "ErrServer"
	}
	return ""
}

// IsTimeout returns the result of err.Timeout(), or false without that method.
func IsTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// Error describes the error that a call must return. The zero value describes an error that
// matches nothing.
type Error struct {
	Status  int   // of the APIError; 0 for none
	Unknown bool  // ErrOutcomeUnknown
	Bad     bool  // ErrBadResponse
	Context error // the caller's own context.Canceled or context.DeadlineExceeded, or nil
	Timeout bool  // the result of Timeout()
}

// Check checks that err, the error of call, matches want and nothing else.
func (want Error) Check(t testing.TB, err error, call Call) {
	t.Helper()
	require.Error(t, err, call.Name)
	assert.Equal(t, 1, strings.Count(err.Error(), "connectlinks:"), "%s: %v", call.Name, err)
	assert.Equal(t, want.Unknown, errors.Is(err, connectlinks.ErrOutcomeUnknown), "%s: is ErrOutcomeUnknown: %v", call.Name, err)
	assert.Equal(t, want.Bad, errors.Is(err, connectlinks.ErrBadResponse), "%s: is ErrBadResponse: %v", call.Name, err)
	assert.Equal(t, want.Timeout, IsTimeout(err), "%s: Timeout(): %v", call.Name, err)
	for _, over := range []error{context.Canceled, context.DeadlineExceeded} {
		assert.Equal(t, want.Context == over, errors.Is(err, over), "%s: is %v: %v", call.Name, over, err)
	}
	var answer *connectlinks.APIError
	if assert.Equal(t, want.Status != 0, errors.As(err, &answer), "%s: is an APIError: %v", call.Name, err) && answer != nil {
		assert.Equal(t, want.Status, answer.StatusCode, call.Name)
		assert.Equal(t, call.Request(), answer.Method+" "+answer.Path, call.Name)
	}
	for name, sentinel := range Sentinels {
		assert.Equal(t, name == Sentinel(want.Status), errors.Is(err, sentinel), "%s: is %s: %v", call.Name, name, err)
	}
}

// InputFields returns the fields of all InputErrors in err, in order. Another error in err
// fails the test.
func InputFields(t testing.TB, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	if input, ok := err.(*connectlinks.InputError); ok {
		assert.NotEmpty(t, input.Reason)
		assert.Equal(t, "connectlinks: "+input.Field+" "+input.Reason, input.Error())
		return []string{input.Field}
	}
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok, "%T: %v", err, err)
	var fields []string
	for _, err := range joined.Unwrap() {
		fields = append(fields, InputFields(t, err)...)
	}
	return fields
}

// Walk returns err and every error in it.
func Walk(err error) []error {
	errs := []error{err}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			errs = append(errs, Walk(inner)...)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			errs = append(errs, Walk(inner)...)
		}
	}
	return errs
}
