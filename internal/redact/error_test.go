package redact_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/internal/redact"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
)

// wrapping keeps the text of what it wraps to itself.
type wrapping struct{ cause error }

func (e *wrapping) Error() string { return "it failed" }
func (e *wrapping) Unwrap() error { return e.cause }

// telling is an error by value. It gives itself away in many ways.
type telling struct {
	Header http.Header
	text   string
}

func (e telling) Error() string   { return e.text }
func (e telling) Is(error) bool   { return true }
func (e telling) Timeout() bool   { return true }
func (e telling) Temporary() bool { return true }

func (e telling) As(target any) bool {
	if p, ok := target.(*error); ok {
		*p = errors.New(e.text)
		return true
	}
	if p, ok := target.(**url.Error); ok {
		*p = &url.Error{Op: "Get", URL: "https://app.getcensus.com/", Err: errors.New(e.text)}
		return true
	}
	return false
}

func TestErrorWithholds(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"text":           errors.New("bad key " + secret),
		"escaped":        errors.New("bad key " + url.QueryEscape(token)),
		"link":           errors.New("cannot read https://app.getcensus.com/pbc?auth=" + auth),
		"wrapped":        fmt.Errorf("%w: %w", io.EOF, errors.New(token)),
		"joined":         errors.Join(io.EOF, errors.New(token)),
		"out of sight":   &wrapping{errors.New(token)},
		"farther":        fmt.Errorf("a: %w", &wrapping{errors.Join(io.EOF, nil, &wrapping{errors.New(token)})}),
		"among siblings": errors.Join(&wrapping{io.EOF}, &wrapping{errors.New(token)}, &wrapping{io.EOF}),
		"network":        &net.OpError{Op: "read", Net: "tcp", Err: errors.New(token)},
		"URL":            &url.Error{Op: "Get", URL: "https://app.getcensus.com/", Err: telling{text: token}},
		"value":          telling{http.Header{"Authorization": {token}}, token},
		"JSON":           &os.PathError{Op: "open", Path: fmt.Sprintf(`\u%04x%s`, token[13], token[14:]), Err: syscall.ENOENT},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := redact.Error(err, "another-token", token)
			require.Error(t, got)
			assert.Equal(t, redact.New(token).Line(err.Error(), 4<<10), got.Error(), "only a text that holds a secret is withheld")
			for _, e := range testkit.Walk(got) {
				for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%t"} {
					for _, v := range []any{e, struct{ Err error }{e}, []error{e}} {
						assert.False(t, mayHold(fmt.Sprintf(verb, v), token), "%s of %T: "+verb, verb, e, v)
					}
				}
			}
			for _, target := range []any{new(*net.OpError), new(*url.Error), new(*os.PathError), new(telling), new(*wrapping)} {
				assert.False(t, errors.As(got, target), "%T", target)
			}
			for _, e := range testkit.Walk(got)[1:] {
				assert.Contains(t, []error{context.Canceled, context.DeadlineExceeded, syscall.ENOENT}, e)
			}
			assert.NotErrorIs(t, got, io.EOF)
			assert.NotErrorIs(t, got, err)
			assert.NotErrorIs(t, got, http.ErrServerClosed)
		})
	}
}

func TestErrorKeepsWhatCannotHoldASecret(t *testing.T) {
	t.Parallel()
	hide := func(err error) error { return redact.Error(fmt.Errorf("%s: %w", token, err), token) }
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, syscall.ECONNRESET} {
		err := hide(&net.OpError{Op: "read", Err: os.NewSyscallError("read", known)})
		assert.Equal(t, redact.Withheld, err.Error())
		for _, other := range []error{context.Canceled, context.DeadlineExceeded, syscall.ECONNRESET} {
			assert.Equal(t, known == other, errors.Is(err, other), "%v behind %v", other, known)
		}
		assert.NotErrorAs(t, err, new(*net.OpError))
	}
	var errno syscall.Errno
	require.ErrorAs(t, hide(syscall.ECONNREFUSED), &errno)
	assert.Equal(t, syscall.ECONNREFUSED, errno)
	require.NotErrorAs(t, hide(io.EOF), &errno)

	for want, cause := range map[bool]error{true: &net.DNSError{IsTimeout: true}, false: &net.DNSError{}} {
		for _, err := range []error{hide(cause), redact.Error(&wrapping{cause}, token)} {
			var timeout interface{ Timeout() bool }
			require.ErrorAs(t, err, &timeout)
			assert.Equal(t, want, timeout.Timeout(), "%v", err)
		}
	}
}

func TestErrorKeepsTheRest(t *testing.T) {
	t.Parallel()
	require.NoError(t, redact.Error(nil, token))
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, err := range []error{
		errors.New("limit of 5 calls a second"),
		io.ErrUnexpectedEOF,
		context.DeadlineExceeded,
		refused,
		&url.Error{Op: "Get", URL: "https://app.getcensus.com/api/v1/sources?page=2", Err: refused},
		&net.DNSError{Err: "no such host", Name: "app.getcensus.com", IsNotFound: true},
		x509.UnknownAuthorityError{},
		x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"*.getcensus.com"}}, Host: "app-eu.getcensus.com"},
		errors.Join(io.EOF, refused),
		&wrapping{refused},
		&wrapping{},
		telling{http.Header{"Authorization": {token}}, "harmless"},
	} {
		got := redact.Error(err, token)
		assert.Equal(t, strings.ReplaceAll(err.Error(), "\n", " "), got.Error())
		assert.Equal(t, err, got.(interface{ Unwrap() []error }).Unwrap()[0])
		for _, verb := range []string{"%v", "%+v", "%#v", "%d", "%x"} {
			assert.NotContains(t, fmt.Sprintf(verb, got)+fmt.Sprintf(verb, struct{ Err error }{got}), secret)
		}
	}
	got := redact.Error(&wrapping{refused}, token)
	var op *net.OpError
	require.ErrorAs(t, got, &op)
	assert.Same(t, refused, op)
	assert.ErrorIs(t, got, syscall.ECONNREFUSED)

	long := redact.Error(errors.New("one\ntwo\x1b[31m\u202e"+strings.Repeat("é", 1<<12)), token)
	assert.True(t, strings.HasPrefix(long.Error(), "one two [31m é"), long.Error()[:30])
	assert.LessOrEqual(t, len(long.Error()), 4<<10)
	assert.Equal(t, redact.Withheld, redact.Error(errors.New(strings.Repeat("é", 1<<12)+token), token).Error(), "the cut does not decide")
}

func TestErrorOfADeepChain(t *testing.T) {
	t.Parallel()
	for _, depth := range []int{1, 10, 1000, 10_000} {
		safe, unsafe := io.EOF, errors.New(token)
		for i := range depth {
			safe, unsafe = &wrapping{safe}, &wrapping{unsafe}
			if i < 1000 {
				safe, unsafe = fmt.Errorf("again: %w", safe), fmt.Errorf("again: %w", unsafe)
			}
		}
		assert.ErrorIs(t, redact.Error(safe, token), io.EOF, depth)
		err := redact.Error(unsafe, token)
		assert.NotErrorAs(t, err, new(*wrapping), depth)
		assert.Len(t, testkit.Walk(err), 1, depth)
	}
}
