package connectlinks

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/httpx"
	"github.com/connectlinks/connectlinks-go/internal/pace"
	"github.com/connectlinks/connectlinks-go/internal/redact"
)

const (
	maxSuccess   = 8 << 20  // bytes of a success; a longer one is refused
	maxError     = 64 << 10 // bytes of an error that are read
	maxErrorBody = 4 << 10  // bytes of an error in APIError.Body
	maxMessage   = 1 << 10  // bytes of its Message, Status and RequestID
)

// outcome says how an attempt ended.
type outcome struct {
	err           error         // nil for a success
	notSent       bool          // the caller's context ended before the transport was called
	status        int           // of the HTTP response, 0 if there was none
	retryAfter    time.Duration // the Retry-After of an error, or 0
	hasRetryAfter bool          // an error has a Retry-After, which may be 0
	final         bool          // the caller's context ended, or a success says that the request failed
	resent        bool          // a transport sent the request more than once

	// Set by classify:
	retryable retryable
	maybeDone bool // the API may have carried out the request, although it failed
}

// retryable says which requests may be sent again after an attempt.
type retryable int

const (
	retryNone       retryable = iota
	retryIdempotent           // all except creates: the API may have carried out the request
	retryAll                  // the API has not carried out the request
)

// classify decides which requests may be sent again after a failed attempt, and whether the outcome
// of a create is unknown.
//
// Assumption: a 401, a 429, or a 503 with Retry-After was not carried out, as HTTP defines them.
// Hosting platforms also answer a bare 503 to a request that ran too long.
func (a *attempt) classify(o *outcome) {
	switch status := o.status; {
	case status == 0 && a.trace.NoConnection():
		o.retryable = retryAll
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && o.hasRetryAfter:
		o.retryable = retryAll
	case status == http.StatusSeeOther: // servers answer this to a POST that they carried out
		o.maybeDone = true
	case status < 300, status == http.StatusRequestTimeout, status >= 500: // 0: no response
		o.retryable, o.maybeDone = retryIdempotent, true
	}
	if o.final {
		o.retryable = retryNone
	}
	if o.maybeDone && a.call.creates {
		o.err = unknownOutcome(o.err)
	}
}

// errTimeout is the cause of a context that the SDK's own timeout ended. The caller's deadline has
// another cause.
var errTimeout = errors.New("timeout")

// withTimeout limits ctx to d; zero means no limit.
func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d, errTimeout)
}

// attempt is one request and its response.
type attempt struct {
	core    *core
	call    *call
	token   string
	secrets []string        // secrets that a foreign text may hold: the token, and a rejected one
	caller  context.Context // the caller's context
	ctx     attemptContext  // the caller's context with the attempt's timeout
	trace   httpx.Trace
	start   time.Time
}

// sendOnce sends a call's request once. resend is the number of attempts before this one. rejected
// is a token that was answered with 401, or "".
func (c *core) sendOnce(ctx context.Context, k *call, resend int, token, rejected string) outcome {
	a := &attempt{core: c, call: k, token: token, secrets: []string{token, rejected}, caller: ctx, start: time.Now()}
	actx, cancel := withTimeout(ctx, c.attemptTimeout)
	defer cancel()
	a.ctx = attemptContext{actx, Attempt{k.method, k.route, resend}}
	req := a.request()
	var onResend func()
	if k.creates {
		onResend = cancel
	}
	req = req.WithContext(a.trace.Start(&a.ctx, c.transport, req, onResend))
	if over := pace.Ended(ctx); over != nil {
		return outcome{err: over, notSent: true}
	}
	var o outcome
	if resp, err := a.roundTrip(req); err != nil {
		o = outcome{err: a.attemptError(err), final: pace.Ended(ctx) != nil}
	} else {
		o = a.readResponse(resp)
	}
	o.resent = a.trace.Resent()
	if o.resent && k.creates { // there may be two links, whatever the answer is
		o = outcome{err: a.resentError(), final: true, resent: true}
	}
	a.log(o)
	if o.err != nil {
		a.classify(&o)
	}
	return o
}

// request builds the request.
func (a *attempt) request() *http.Request {
	c, k := a.core, a.call
	u := *c.base
	u.Path += k.path
	u.RawPath += k.escaped
	u.RawQuery = k.query
	req := &http.Request{
		Method: k.method,
		URL:    &u,
		Host:   u.Host,
		Header: http.Header{
			"Authorization": {"Bearer " + a.token},
			"User-Agent":    {c.userAgent},
			"Accept":        {"application/json"},
		},
	}
	if c.jar != nil {
		for _, cookie := range c.jar.Cookies(&u) {
			req.AddCookie(cookie)
		}
	}
	if k.body != nil {
		req.Header["Content-Type"] = []string{"application/json"}
		req.ContentLength = int64(len(k.body))
		req.Body = io.NopCloser(bytes.NewReader(k.body))
		req.GetBody = func() (io.ReadCloser, error) {
			if k.creates && !a.trace.AllowRewind() {
				return nil, errors.New("the request may have been carried out, and is not sent again")
			}
			return io.NopCloser(bytes.NewReader(k.body)), nil
		}
	}
	return req
}

// roundTrip sends the request. It calls the transport directly, because http.Client would follow
// redirects.
func (a *attempt) roundTrip(req *http.Request) (*http.Response, error) {
	resp, err := a.core.transport.RoundTrip(req)
	switch {
	case err != nil:
		var notTLS tls.RecordHeaderError
		if errors.As(err, &notTLS) && string(notTLS.RecordHeader[:]) == "HTTP/" {
			err = http.ErrSchemeMismatch // like http.Client
		}
		return nil, err
	case resp == nil:
		return nil, errors.New("the transport returned no response")
	case resp.Body == nil:
		return nil, errors.New("the transport returned a response without a body")
	}
	a.core.lastUse.set(time.Now())
	if jar := a.core.jar; jar != nil {
		if cookies := resp.Cookies(); len(cookies) > 0 {
			jar.SetCookies(req.URL, cookies)
		}
	}
	return resp, nil
}

// readResponse reads a response to its end, and closes it.
func (a *attempt) readResponse(resp *http.Response) outcome {
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return a.readError(resp)
	}
	return a.readSuccess(resp)
}

// readSuccess reads a response whose status is a success, and decodes it. Decoding is a part of the
// attempt, because an unusable success is a failure that may be retried.
func (a *attempt) readSuccess(resp *http.Response) outcome {
	body, err := httpx.ReadAll(resp.Body, resp.ContentLength, maxSuccess)
	switch err {
	case nil:
		err = a.call.decode(&a.ctx, answer{body, a.date(resp)})
	case httpx.ErrTooLong:
		err = badResponse("longer than %d bytes", maxSuccess)
	}
	o := outcome{status: resp.StatusCode}
	var failure *APIError
	if errors.As(err, &failure) { // the envelope says that the request failed
		failure.StatusCode = cmp.Or(failure.StatusCode, resp.StatusCode)
		a.describe(failure, resp, body)
		failure.RetryAfter, _ = retryAfter(resp)
		o.err, o.final = failure, true
	} else if err != nil {
		o.err, o.final = a.attemptError(err), pace.Ended(a.caller) != nil
	}
	return o
}

// date returns when the API answered, in whole seconds: the response's Date, by the API's clock.
// Without it, date returns when the attempt began, by the local clock.
func (a *attempt) date(resp *http.Response) time.Time {
	if header := resp.Header.Get("Date"); header != "" {
		if date, err := http.ParseTime(header); err == nil {
			return date
		}
	}
	return a.start.UTC().Truncate(time.Second)
}

// readError reads a response whose status is not a success, and its Retry-After.
func (a *attempt) readError(resp *http.Response) outcome {
	var body []byte
	var cut error
	if resp.StatusCode >= 200 { // the body of a 101 is the connection, which does not end
		body, cut = httpx.ReadAll(resp.Body, resp.ContentLength, maxError)
	}
	e := &APIError{StatusCode: resp.StatusCode}
	a.describe(e, resp, body)
	o := outcome{err: e, status: resp.StatusCode}
	o.retryAfter, o.hasRetryAfter = retryAfter(resp)
	e.RetryAfter = o.retryAfter
	if cut != nil && pace.Ended(&a.ctx) != nil { // errors.Is finds why the body was cut off
		ended := a.attemptError(cut)
		o.err = &callError{e.Error() + "; " + a.call.brief(ended), []error{e, ended}, ended.timeout}
	}
	return o
}

// retryAfter returns the Retry-After of a response, and false if it has none.
func retryAfter(resp *http.Response) (time.Duration, bool) {
	return pace.RetryAfter(resp.Header.Get("Retry-After"), time.Now())
}

// describe sets the fields of an APIError from a response, without secrets.
func (a *attempt) describe(e *APIError, resp *http.Response, body []byte) {
	secrets := redact.New(a.secrets...)
	status, message := failureText(body)
	body = body[:min(len(body), maxError)]
	e.Status = secrets.Line(status, maxMessage)
	e.Message = secrets.Line(message, maxMessage)
	e.RequestID = secrets.Line(resp.Header.Get("X-Request-Id"), maxMessage)
	e.Method, e.Path = a.call.method, a.call.path
	e.Body = secrets.Body(body, maxErrorBody)
}

// attemptError returns the error of an attempt that ended with err. err may be an error of the
// transport, of the caller's context, or of the SDK's timeout.
func (a *attempt) attemptError(err error) *callError {
	what := ""
	if a.trace.NoConnection() {
		what = "no connection: "
	}
	if over := pace.Ended(a.caller); over != nil {
		return a.call.newError(what, over)
	}
	if context.Cause(&a.ctx) == errTimeout {
		e := a.call.newError(what + fmt.Sprintf("no answer within %s", a.core.attemptTimeout))
		e.timeout = true
		return e
	}
	e := a.call.newError(what, redact.Error(err, a.secrets...))
	if errors.Is(err, errHTML) && strings.HasPrefix(a.call.path, "/api/v1/") {
		e.text += "; " + retiredHint
	}
	if errors.Is(err, context.DeadlineExceeded) {
		// net and net/http use this error for their own limits. It is not the caller's deadline.
		e.causes = nil
	}
	return e
}

// resentError returns the error of a create that the transport sent more than once.
func (a *attempt) resentError() error {
	const what = "the transport sent the request again by itself"
	if over := pace.Ended(a.caller); over != nil {
		return a.call.newError(what+": ", over)
	}
	return a.call.newError(what)
}

// log writes the one record of an attempt.
func (a *attempt) log(o outcome) {
	l := a.core.log
	if l == nil || !l.Enabled(a.caller, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", a.call.method),
		slog.String("path", a.call.path),
		slog.Int("resend", a.ctx.attempt.Resend),
		slog.Int("status", o.status),
		slog.Duration("duration", time.Since(a.start)),
	}
	if o.err != nil {
		attrs = append(attrs, slog.String("error", o.err.Error()))
	}
	l.LogAttrs(a.caller, slog.LevelDebug, "connectlinks: attempt", attrs...)
}

// callError is the error of a call without a usable answer, or with an unknown outcome. Its text
// and its causes hold no secret.
type callError struct {
	text    string
	causes  []error
	timeout bool
}

// newError returns the error of a call. Its text is what, followed by the text of the first cause.
func (k *call) newError(what string, causes ...error) *callError {
	e := &callError{text: "connectlinks: " + k.method + " " + k.path + ": " + what, causes: causes}
	if len(causes) > 0 {
		e.text += k.brief(causes[0])
		e.timeout = isTimeout(causes[0])
	}
	return e
}

// unknownOutcome returns the error of a create that failed with err, but may have been carried out.
func unknownOutcome(err error) error {
	return &callError{
		text:    err.Error() + "; the API may hold a link that nobody has",
		causes:  []error{ErrOutcomeUnknown, err},
		timeout: isTimeout(err),
	}
}

// wrap returns an error whose text begins with whose error err is.
func wrap(whose string, err error) error {
	return &callError{whose + ": " + strings.TrimPrefix(err.Error(), "connectlinks: "), []error{err}, isTimeout(err)}
}

// brief returns an error's text without the prefixes that the text around it has already.
func (k *call) brief(err error) string {
	text := strings.TrimPrefix(err.Error(), "connectlinks: ")
	return strings.TrimPrefix(text, k.method+" "+k.path+": ")
}

func (e *callError) Error() string   { return e.text }
func (e *callError) Unwrap() []error { return e.causes }

// Timeout reports whether the call ran out of time.
func (e *callError) Timeout() bool { return e.timeout }

// Format prints the text for every verb.
func (e *callError) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, e.text) }

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
