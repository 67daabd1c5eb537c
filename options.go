package connectlinks

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/httpx"
	"github.com/connectlinks/connectlinks-go/internal/pace"
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

// Option configures a [Client], in [NewClient] and [Client.With]. The order of options does not
// matter. Only the With... functions of this package make options.
type Option interface{ isOption() }

type option func(*core) error

func (option) isOption() {}

// core holds the settings that the options make, and what the services of a client share. It is
// behind a pointer, so that printing a Client or a service shows an address.
type core struct {
	pauses *pace.Pauses // of this client and of all that are derived from it

	source                        func(context.Context) (string, error)
	invalidate                    func(token string) // nil if the source has none
	fixedToken                    bool               // the source is WithToken, which needs no timeout
	rawURL                        string
	base                          *url.URL // rawURL, checked
	plaintext                     bool
	transport                     http.RoundTripper
	jar                           http.CookieJar
	limiter                       RateLimiter
	retries                       int
	timeout                       time.Duration // WithTimeout
	clientTimeout, attemptTimeout time.Duration // of WithHTTPClient, and the shorter of the two
	log                           *slog.Logger
	userAgent                     string
	hooks                         []hook
	group                         string // of WithGroup; "" for none
	lastUse                       *lastUse

	gotToken, gotSource bool // in the NewClient or With call at hand
}

// TokenSource provides the token of each attempt, so that a rotated token is picked up without
// a new client. Token must be safe for concurrent use and must honour its context, which
// carries the call's values and ends with the call or after the time of [WithTimeout].
//
// After a 401 the source is asked again. If it has another token, the request is sent once more.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
}

// TokenInvalidator is an optional interface of a [TokenSource]. Invalidate is called with a
// token that the API answered with 401, before the source is asked again. A source that keeps
// a token should forget it, if it is still this one.
type TokenInvalidator interface {
	Invalidate(token string)
}

// TokenFunc is a function as a [TokenSource].
type TokenFunc func(ctx context.Context) (string, error)

// Token calls f.
func (f TokenFunc) Token(ctx context.Context) (string, error) { return f(ctx) }

// RateLimiter is asked before every attempt, retries included. Wait must honour its context. A
// [*rate.Limiter] is one; so is a limiter that several processes share.
//
// If Wait refuses, the call's error matches [ErrRateLimited]. If the refusal also has a method
// RetryAfter() time.Duration, the call's error is an [*APIError] 429 with that RetryAfter.
//
// Use one limiter for one token and region. [Client.With] hands it on, so a client for another
// token needs another limiter:
//
//	org.With(connectlinks.WithTokenSource(source), connectlinks.WithRateLimiter(limiterOf(id)))
type RateLimiter interface {
	Wait(ctx context.Context) error
}

var _ RateLimiter = (*rate.Limiter)(nil)

// ThrottleObserver is an optional interface of a [RateLimiter]. Throttled is called when the API
// answered 429 with Retry-After, with how long it asked to wait, so that replicas can share the
// pause. Its context has the call's values, and no deadline. It is called in line: it must
// return soon, and be safe for concurrent use. A limiter that is wrapped in another type loses
// this method.
type ThrottleObserver interface {
	Throttled(ctx context.Context, pause time.Duration)
}

// WithToken sets the token: for V1 a workspace API key (secret-token:...), for
// V2 and the organization's endpoints a personal access token.
func WithToken(token string) Option {
	return option(func(c *core) error {
		c.gotToken = true
		// A closure, so that printing a client by reflection does not show the token.
		c.source, c.invalidate, c.fixedToken = func(context.Context) (string, error) { return token, nil }, nil, true
		reason := checkToken(token)
		return refuse(reason != "", "Token", reason)
	})
}

// WithTokenSource sets where the token of each attempt comes from, in place of
// [WithToken].
func WithTokenSource(src TokenSource) Option {
	return option(func(c *core) error {
		c.gotSource = true
		if err := notNil("TokenSource", src); err != nil {
			return err
		}
		c.source, c.invalidate, c.fixedToken = src.Token, nil, false
		if source, ok := src.(TokenInvalidator); ok {
			c.invalidate = source.Invalidate
		}
		return nil
	})
}

// WithBaseURL sets the API's address: [BaseURLUS], which is the default,
// [BaseURLEU], or that of a proxy or test server. A trailing slash, /api/v1 or
// /api/v2 is dropped; another path is kept as a prefix.
func WithBaseURL(rawURL string) Option {
	return option(func(c *core) error {
		c.rawURL = rawURL
		return nil
	})
}

// WithHTTPClient sets the HTTP client whose Transport, Jar and Timeout are used. The client is
// never modified, and its CheckRedirect is not asked: redirects are refused. As everywhere in
// Go, a nil Transport means [http.DefaultTransport], which keeps two idle connections: for many
// concurrent callers set MaxIdleConnsPerHost. A Timeout of its own limits each attempt, as
// [WithTimeout] does.
//
// The SDK watches with [net/http/httptrace] how far a request got. If a transport sends a
// create again by itself, the SDK cancels the attempt, and returns [ErrOutcomeUnknown] instead
// of a link that may be the second one. It cannot notice this for a transport that reports
// nothing to httptrace, and for one that wraps a transport with a proxy. Do not give the SDK a
// transport that retries.
func WithHTTPClient(hc *http.Client) Option {
	return option(func(c *core) error {
		if err := notNil("HTTPClient", hc); err != nil {
			return err
		}
		c.transport, c.jar, c.clientTimeout = cmp.Or(hc.Transport, http.DefaultTransport), hc.Jar, hc.Timeout
		c.lastUse = nil // it has connections of its own
		return refuse(hc.Timeout < 0, "HTTPClient", "has a negative Timeout")
	})
}

// WithRateLimiter sets a limiter that is asked before every attempt.
func WithRateLimiter(l RateLimiter) Option {
	return option(func(c *core) error {
		c.limiter = l
		return notNil("RateLimiter", l)
	})
}

// WithMaxRetries sets how often a request that may be sent again is sent again;
// see the package doc for which may. The default is 2; 0 switches retries off.
// Waiting while a token is throttled, and the one repeat after a 401, do not count.
func WithMaxRetries(n int) Option {
	return option(func(c *core) error {
		c.retries = n
		return refuse(n < 0, "MaxRetries", "must not be negative")
	})
}

// WithTimeout limits each attempt, from sending the request to the end of the
// answer, and separately each call of the token source. The default is 30
// seconds; 0 leaves it to the context. An error of this limit answers
// Timeout() bool with true, and is not [context.DeadlineExceeded].
func WithTimeout(d time.Duration) Option {
	return option(func(c *core) error {
		c.timeout = d
		return refuse(d < 0, "Timeout", "must not be negative")
	})
}

// WithLogger logs one Debug record per attempt: method, path, resend (how many attempts of the
// same call came before), status, duration, and the error, free of secrets. It never logs a
// request or a link.
func WithLogger(l *slog.Logger) Option {
	return option(func(c *core) error {
		c.log = l
		return notNil("Logger", l)
	})
}

// WithCallHook adds a hook around every call, for tracing and metrics: it alone sees how long a
// call paused, and how long the rate limiter held it up. The hook is called when a call begins.
// It returns the context for the call, and a function that is called when the call has ended;
// either may be nil. A call that is refused for its input reaches no hook. Hooks add up, in
// their order, also in [Client.With]. They must be safe for concurrent use, and return soon.
//
// Its context holds no token, and CallResult.Err no secret. For a span of each request, wrap
// [NewTransport], and see [AttemptFromContext].
func WithCallHook(hook func(context.Context, Call) (context.Context, func(CallResult))) Option {
	return option(func(c *core) error {
		c.hooks = append(slices.Clip(c.hooks), hook)
		return notNil("CallHook", hook)
	})
}

// WithUserAgent puts a product, such as "acme-integrations/2.1", in front of the
// SDK's own User-Agent.
func WithUserAgent(product string) Option {
	return option(func(c *core) error {
		c.userAgent = product + " " + userAgent
		strange := strings.ContainsFunc(product, func(r rune) bool { return r < ' ' || r > '~' })
		return refuse(product == "" || strange, "UserAgent", "must be printable ASCII, and not empty")
	})
}

// WithGroup confines [Client.Activations] to one Fivetran group, such as "wandering_aimlessly".
// One personal access token sees every group of the organization. So derive a client for each
// customer:
//
//	customer, err := org.With(connectlinks.WithGroup(customerGroupID))
//
// It makes links in that group: GroupID of the params may be left out. Its lists give what belongs
// to the group, so a page may have fewer items, or none, and TotalRecords is 0. What belongs to
// another group, or says no group, is [ErrNotFound]: Get, RevokeConnectLink,
// CreateReauthorizationLink, Delete and the waits look before they act, with one more request. A
// create that is answered with another group is [ErrBadResponse] and [ErrOutcomeUnknown]. Types
// belong to no group. A group can be set once: another one for a confined client is an
// [*InputError].
func WithGroup(groupID string) Option {
	return option(func(c *core) error {
		if groupID == "" {
			return &InputError{"Group", "is empty"}
		}
		if c.group != "" && c.group != groupID {
			return &InputError{"Group", "is set already, and cannot be changed"}
		}
		c.group = groupID
		return nil
	})
}

// WithPlaintextHTTP allows http:// to a host that is not loopback. The token then
// crosses the network for all to read: for a sandbox in a private network only.
func WithPlaintextHTTP() Option {
	return option(func(c *core) error {
		c.plaintext = true
		return nil
	})
}

// apply changes c as opts say, and reports everything that is wrong.
func (c *core) apply(opts []Option) error {
	var errs []error
	c.gotToken, c.gotSource = false, false
	for _, opt := range opts {
		apply, ok := opt.(option)
		if !ok || apply == nil {
			errs = append(errs, &InputError{"Option", "was not made by a function of this package"})
			continue
		}
		errs = append(errs, apply(c))
	}
	errs = append(errs,
		refuse(c.gotToken && c.gotSource, "Token", "is set twice: by WithToken and by WithTokenSource"),
		refuse(c.source == nil && !c.gotToken && !c.gotSource, "Token", "is missing: use WithToken or WithTokenSource"))
	var reason string
	c.base, reason = httpx.ParseBaseURL(c.rawURL, c.plaintext)
	return inputErrors(append(errs, refuse(reason != "", "BaseURL", reason))...)
}

// checkToken says why a token cannot be used, or returns "".
func checkToken(token string) string {
	strange := strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
	switch {
	case token == "":
		return "is empty"
	case strange:
		return "holds a blank, a line break or a character that is not ASCII"
	}
	return ""
}

// notNil refuses nil, and a nil pointer or function inside an interface.
func notNil(field string, v any) error {
	r := reflect.ValueOf(v)
	empty := !r.IsValid() || (r.Kind() == reflect.Pointer || r.Kind() == reflect.Func) && r.IsNil()
	return refuse(empty, field, "is nil")
}
