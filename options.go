package connectlinks

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/httpx"
	"golang.org/x/time/rate"
)

// The regions of the API, for [WithBaseURL].
const (
	BaseURLUS = "https://app.getcensus.com"
	BaseURLEU = "https://app-eu.getcensus.com"
)

const (
	defaultMaxRetries = 2
	defaultTimeout    = 30 * time.Second
)

// Option configures a [Client], in [NewClient] and [Client.With]. The order of
// options does not matter.
type Option func(*settings) error

// settings is what the options amount to.
type settings struct {
	source    TokenSource
	static    bool // source answers at once: WithToken
	rawURL    string
	base      *url.URL // rawURL, checked
	plaintext bool
	hc        *http.Client
	limiter   RateLimiter
	retries   int
	timeout   time.Duration
	log       *slog.Logger
	userAgent string

	gotToken, gotSource bool // in the NewClient or With call at hand
}

// TokenSource provides the token of each attempt, so that a rotated token is
// picked up without a new client. Token must be safe for concurrent use and must
// honour its context, which carries the call's values and ends with it or after
// the time of [WithTimeout].
//
// If the source also has a method Invalidate(token string), it is called with a
// token that the API answered with 401. The source is then asked again, and if
// it has another token, the request is made once more.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
}

// TokenFunc is a function as a [TokenSource].
type TokenFunc func(ctx context.Context) (string, error)

// Token calls f.
func (f TokenFunc) Token(ctx context.Context) (string, error) { return f(ctx) }

// RateLimiter is asked before every attempt, retries included. Wait must honour
// its context. A [*rate.Limiter] is one; so is a limiter that several processes
// share.
type RateLimiter interface {
	Wait(ctx context.Context) error
}

var _ RateLimiter = (*rate.Limiter)(nil)

// WithToken sets the token: for V1 a workspace API key (secret-token:...), for
// V2 and the organization's endpoints a personal access token.
func WithToken(token string) Option {
	return func(s *settings) error {
		s.gotToken = true
		if err := checkToken(token); err != nil {
			return err
		}
		// A closure, so that nothing that prints a client by reflection finds it.
		s.source = TokenFunc(func(context.Context) (string, error) { return token, nil })
		s.static = true
		return nil
	}
}

// WithTokenSource sets where the token of each attempt comes from, in place of
// [WithToken].
func WithTokenSource(src TokenSource) Option {
	return func(s *settings) error {
		s.gotSource = true
		s.source, s.static = src, false
		return notNil("TokenSource", src)
	}
}

// WithBaseURL sets the API's address: [BaseURLUS], which is the default,
// [BaseURLEU], or that of a proxy or test server. A trailing slash, /api/v1 or
// /api/v2 is dropped; another path is kept as a prefix.
func WithBaseURL(rawURL string) Option {
	return func(s *settings) error {
		s.rawURL = rawURL
		return nil
	}
}

// WithHTTPClient sets the HTTP client whose Transport, Timeout and Jar are used.
// It is copied, never modified; redirects are refused whatever it says. As
// everywhere in Go, a nil Transport means [http.DefaultTransport], which keeps
// two idle connections: for many concurrent callers set MaxIdleConnsPerHost.
// A Timeout of its own limits each attempt, as [WithTimeout] does.
func WithHTTPClient(hc *http.Client) Option {
	return func(s *settings) error {
		if hc == nil {
			return notNil("HTTPClient", nil)
		}
		s.hc = httpx.WithoutRedirects(hc)
		return nil
	}
}

// WithRateLimiter sets a limiter that is asked before every attempt.
func WithRateLimiter(l RateLimiter) Option {
	return func(s *settings) error {
		s.limiter = l
		return notNil("RateLimiter", l)
	}
}

// WithMaxRetries sets how often a request that may be sent again is sent again;
// see the package doc for which may. The default is 2; 0 switches retries off.
// Waiting while a token is throttled, and the one repeat after a 401, do not count.
func WithMaxRetries(n int) Option {
	return func(s *settings) error {
		s.retries = n
		if n < 0 {
			return &InputError{"MaxRetries", "must not be negative"}
		}
		return nil
	}
}

// WithTimeout limits each attempt, from sending the request to the end of the
// answer, and separately each call of the token source. The default is 30
// seconds; 0 leaves it to the context. An error of this limit answers
// Timeout() bool with true, and is not [context.DeadlineExceeded].
func WithTimeout(d time.Duration) Option {
	return func(s *settings) error {
		s.timeout = d
		if d < 0 {
			return &InputError{"Timeout", "must not be negative"}
		}
		return nil
	}
}

// WithLogger logs one Debug record per attempt: method, path, status, duration.
// It never logs a body, a token or a link.
func WithLogger(l *slog.Logger) Option {
	return func(s *settings) error {
		s.log = l
		if l == nil {
			return notNil("Logger", nil)
		}
		return nil
	}
}

// WithUserAgent puts a product, such as "acme-integrations/2.1", in front of the
// SDK's own User-Agent.
func WithUserAgent(product string) Option {
	return func(s *settings) error {
		if product == "" || strings.ContainsFunc(product, func(r rune) bool { return r < ' ' || r > '~' }) {
			return &InputError{"UserAgent", "must be printable ASCII, and not empty"}
		}
		s.userAgent = product + " " + userAgent
		return nil
	}
}

// WithPlaintextHTTP allows http:// to a host that is not loopback. The token then
// crosses the network for all to read: for a sandbox in a private network only.
func WithPlaintextHTTP() Option {
	return func(s *settings) error {
		s.plaintext = true
		return nil
	}
}

// apply changes s as opts say, and reports everything that is wrong.
func (s *settings) apply(opts []Option) error {
	var errs []error
	s.gotToken, s.gotSource = false, false
	for _, opt := range opts {
		if opt == nil {
			errs = append(errs, notNil("Option", nil))
			continue
		}
		errs = append(errs, opt(s))
	}
	switch {
	case s.gotToken && s.gotSource:
		errs = append(errs, &InputError{"Token", "is set twice: by WithToken and by WithTokenSource"})
	case s.source == nil && !s.gotToken && !s.gotSource:
		errs = append(errs, &InputError{"Token", "is missing: use WithToken or WithTokenSource"})
	}
	var reason string
	if s.base, reason = httpx.ParseBaseURL(s.rawURL, s.plaintext); reason != "" {
		errs = append(errs, &InputError{"BaseURL", reason})
	}
	return inputErrors(errs...)
}

func checkToken(token string) error {
	switch {
	case token == "":
		return &InputError{"Token", "is empty"}
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return &InputError{"Token", "holds a blank, a line break or a character that is not ASCII"}
	}
	return nil
}

// notNil refuses nil, and a nil pointer or function inside an interface.
func notNil(field string, v any) error {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan:
		if !r.IsNil() {
			return nil
		}
	default:
		return nil
	}
	return &InputError{field, "is nil"}
}
