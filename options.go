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

// Option configures a [Client], in [NewClient] and [Client.With]. Only the With... functions of
// this package make options. The order of different options does not matter.
type Option interface{ isOption() }

type option func(*core) error

func (option) isOption() {}

// core holds the settings of the options, and what the services of a client share. Client and
// services hold a pointer to it, so printing them shows an address.
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

// TokenSource provides the token of each attempt, so that a rotated token needs no new client.
// Token must be safe for concurrent use, and must honour its context. The context has the call's
// values, and ends with the call or after the time of [WithTimeout].
//
// After the first 401 of a call the SDK calls Token again. If it returns another token, the SDK
// sends the request once more.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
}

// TokenInvalidator is an optional interface of a [TokenSource]. After the first 401 of a call, the
// SDK calls Invalidate with the refused token, and then Token again. A source that keeps a token
// should forget it, if it is still this one.
type TokenInvalidator interface {
	Invalidate(token string)
}

// TokenFunc makes a [TokenSource] of a function.
type TokenFunc func(ctx context.Context) (string, error)

// Token calls f.
func (f TokenFunc) Token(ctx context.Context) (string, error) { return f(ctx) }

// RateLimiter limits requests: the SDK calls Wait before every attempt, including retries. Wait
// must honour its context. A [*rate.Limiter] is a RateLimiter. For a limit that several processes
// share, see the module redislimit.
//
// If Wait returns an error, the call's error matches [ErrRateLimited], unless the context ended.
// If that error has a method RetryAfter() time.Duration, the call's error is an [*APIError] 429
// with this RetryAfter, or the API's own 429 if the call had one before.
//
// Use one limiter for one token and region. Clients of [Client.With] have the same limiter, so a
// client for another token needs another one:
//
//	org.With(connectlinks.WithTokenSource(source), connectlinks.WithRateLimiter(limiterOf(id)))
type RateLimiter interface {
	Wait(ctx context.Context) error
}

var _ RateLimiter = (*rate.Limiter)(nil)

// ThrottleObserver is an optional interface of a [RateLimiter]. After a 429 with Retry-After, the
// SDK calls Throttled with the time to wait, so that replicas can share the pause. The context
// has the call's values, and no deadline. The call waits for Throttled, so it must return soon.
// It must be safe for concurrent use. A type that wraps a limiter must have this method too.
type ThrottleObserver interface {
	Throttled(ctx context.Context, pause time.Duration)
}

// WithToken sets the token. V1 needs a workspace API key (secret-token:...). V2, and the methods
// of Workspaces except Current, need a personal access token.
func WithToken(token string) Option {
	return option(func(c *core) error {
		c.gotToken = true
		// A closure, so that printing a client by reflection does not show the token.
		c.source, c.invalidate, c.fixedToken = func(context.Context) (string, error) { return token, nil }, nil, true
		reason := checkToken(token)
		return refuse(reason != "", "Token", reason)
	})
}

// WithTokenSource sets the source of each attempt's token, in place of [WithToken].
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

// WithBaseURL sets the API's address: [BaseURLUS], which is the default, [BaseURLEU], or the
// address of a proxy or test server. WithBaseURL drops a trailing slash, /api/v1 or /api/v2.
// Another path stays as a prefix.
func WithBaseURL(rawURL string) Option {
	return option(func(c *core) error {
		c.rawURL = rawURL
		return nil
	})
}

// WithHTTPClient sets the HTTP client whose Transport, Jar and Timeout the SDK uses. The SDK
// never changes the client. It refuses redirects, so it does not call CheckRedirect. A Timeout
// limits each attempt, like [WithTimeout]. A nil Transport means [http.DefaultTransport], which
// keeps two idle connections for each host. For many concurrent callers wrap [NewTransport].
//
// Do not use a transport that retries. If the SDK sees that a transport sends a create again by
// itself, it cancels the attempt. There may be two links, so it returns [ErrOutcomeUnknown] and
// not the link of that answer. It uses [net/http/httptrace] to detect this. It cannot detect it
// if the transport does not report to httptrace, or if the transport wraps an http.Transport that
// uses a proxy.
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

// WithRateLimiter sets a limiter for all attempts. By default there is none.
func WithRateLimiter(l RateLimiter) Option {
	return option(func(c *core) error {
		c.limiter = l
		return notNil("RateLimiter", l)
	})
}

// WithMaxRetries limits how many times the SDK sends a request again. The package doc lists which
// requests it sends again. The default is 2, and 0 means no retries. The one repeat after a 401
// does not count, and neither does waiting while a token is throttled.
func WithMaxRetries(n int) Option {
	return option(func(c *core) error {
		c.retries = n
		return refuse(n < 0, "MaxRetries", "must not be negative")
	})
}

// WithTimeout limits each attempt, from sending the request to the end of the response. It also
// limits each call of the token source. The default is 30 seconds. With 0, only the context and
// the Timeout of the client of [WithHTTPClient] limit them. The error has a method Timeout() bool
// that returns true. It is not [context.DeadlineExceeded].
func WithTimeout(d time.Duration) Option {
	return option(func(c *core) error {
		c.timeout = d
		return refuse(d < 0, "Timeout", "must not be negative")
	})
}

// WithLogger sets a logger. Each attempt is one record at level Debug: method, path, resend (the
// number of attempts of the call before it), status, duration and error. If the SDK finds the link
// of a create whose answer was lost, it logs one record at level Info, with the link's id. No
// record holds a secret. By default nothing is logged.
func WithLogger(l *slog.Logger) Option {
	return option(func(c *core) error {
		c.log = l
		return notNil("Logger", l)
	})
}

// WithCallHook adds a hook around every call, for tracing and metrics. The SDK calls the hook when
// a call begins. The hook returns the context for the call, and a function that the SDK calls when
// the call has ended. Either may be nil. A call that is refused for its input calls no hook.
//
// Hooks add up, in their order, also in [Client.With]. They must be safe for concurrent use, and
// return soon. The context holds no token, and CallResult.Err no secret. For each request, wrap
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
// The client makes links in its group, so the params need no GroupID. Its lists have only objects
// of the group: a page may have fewer items, or none, and TotalRecords is 0. Lists of types are
// complete, because types belong to no group.
//
// The API has no list of one group: All and AllConnectLinks read the pages of the whole
// organization, and leave out what belongs to others. If the organization has thousands of
// objects, store the ids of each customer's activations and links, and use Get and
// GetConnectLink.
//
// An object of another group, or of no group, is [ErrNotFound]. RevokeConnectLink,
// CreateReauthorizationLink and Delete send a GET request first to check the group. If the answer
// to a create names another group, or none, the error matches [ErrBadResponse] and
// [ErrOutcomeUnknown].
//
// The group of a confined client cannot be changed: another WithGroup is an [*InputError].
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

// WithPlaintextHTTP allows http:// to a host that is not loopback. Everybody on the network can
// then read the token. Use it only for a sandbox in a private network.
func WithPlaintextHTTP() Option {
	return option(func(c *core) error {
		c.plaintext = true
		return nil
	})
}

// apply applies opts to c, and reports all errors.
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

// checkToken returns why a token cannot be used, or "".
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
