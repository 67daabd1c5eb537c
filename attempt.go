package connectlinks

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/httpx"
	"github.com/connectlinks/connectlinks-go/internal/pace"
)

const (
	maxSuccess   = 8 << 20  // bytes of a success that are read; a longer one is refused
	maxError     = 64 << 10 // bytes of an error that are read
	maxErrorBody = 4 << 10  // bytes of an error that APIError.Body keeps
	maxMessage   = 1 << 10  // likewise its Message, Status and RequestID
)

// errTimeout tells the SDK's own timeout from the caller's deadline.
var errTimeout = errors.New("timeout")

func (c *core) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, c.timeout, errTimeout)
}

// attempt is one request on its way.
type attempt struct {
	core    *core
	call    call
	secrets [2]string       // tokens
	ctx     context.Context // with the attempt's own timeout
	url     url.URL
	body    bytes.Reader
	req     *http.Request
	proof   httpx.Proof
	start   time.Time
}

func (c *core) newAttempt(ctx context.Context, k *call, token, denied string) (*attempt, context.CancelFunc) {
	a := &attempt{core: c, call: *k, secrets: [2]string{token, denied}, start: time.Now()}
	actx, cancel := c.limit(ctx)
	a.ctx = actx
	a.url = *c.base
	a.url.Path += k.path
	a.url.RawPath += k.escaped
	a.url.RawQuery = k.query
	// One array for all values, but none that another request has: a transport may
	// write to them.
	values := []string{"", c.userAgent, "application/json", "application/json"}
	if c.bearer != nil {
		values[0] = c.bearer()
	} else {
		values[0] = "Bearer " + token
	}
	header := http.Header{
		"Authorization": values[0:1:1],
		"User-Agent":    values[1:2:2],
		"Accept":        values[2:3:3],
	}
	req := &http.Request{Method: k.method, URL: &a.url, Host: a.url.Host, Header: header}
	if k.body != nil {
		header["Content-Type"] = values[3:4:4]
		req.ContentLength = int64(len(k.body))
		a.body.Reset(k.body)
		req.Body = io.NopCloser(&a.body)
		req.GetBody = func() (io.ReadCloser, error) {
			if a.call.mints && !a.proof.Unsent() {
				return nil, errors.New("the connection was given up before the answer")
			}
			return io.NopCloser(bytes.NewReader(a.call.body)), nil
		}
	}
	a.req = req.WithContext(a.proof.Context(actx))
	return a, cancel
}

// outcome reads the answer, or says why there is none.
func (a *attempt) outcome(ctx context.Context, resp *http.Response, err error) outcome {
	if err != nil {
		return a.lost(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		var body []byte
		if resp.StatusCode >= 200 { // after a 101 the body is the connection, and has no end
			body, _ = httpx.ReadAll(resp.Body, resp.ContentLength, maxError)
		}
		return a.answered(resp, &APIError{StatusCode: resp.StatusCode}, body)
	}
	body, err := httpx.ReadAll(resp.Body, resp.ContentLength, maxSuccess)
	switch err {
	case nil:
		err = a.call.decode(a.ctx, body)
	case httpx.ErrTooLong:
		err = badResponse("longer than %d bytes", maxSuccess)
	}
	if err == nil {
		return outcome{status: resp.StatusCode}
	}
	var failure *APIError
	if errors.As(err, &failure) {
		if failure.StatusCode == 0 {
			failure.StatusCode = resp.StatusCode
		}
		o := a.answered(resp, failure, body)
		if o.verdict == notDone { // by its envelope, but HTTP says that it was carried out
			o.verdict = unknown
		}
		return o
	}
	o := a.lost(ctx, err)
	o.status, o.verdict = resp.StatusCode, unknown
	return o
}

// answered completes an APIError from the answer, and judges it.
func (a *attempt) answered(resp *http.Response, e *APIError, body []byte) outcome {
	c := a.core
	clean := func(s wireText) string { return c.scrub.Line(string(s), maxMessage, a.secrets[:]...) }
	var env struct{ Status, Message, Error wireText }
	_ = json.Unmarshal(body, &env) // what is no JSON has none
	e.Status = clean(env.Status)
	e.Message = clean(cmp.Or(env.Message, env.Error))
	e.RequestID = clean(wireText(resp.Header.Get("X-Request-Id")))
	e.Method, e.Path = a.call.method, a.call.path
	body = body[:min(len(body), maxError)]
	e.Body = []byte(c.scrub.Cut(string(body), maxErrorBody, len(body) == maxError, a.secrets[:]...))
	var named bool
	e.RetryAfter, named = pace.RetryAfter(resp.Header.Get("Retry-After"), time.Now())
	return outcome{err: e, status: e.StatusCode, verdict: judge(e.StatusCode, named), retryAfter: e.RetryAfter}
}

// lost says how an attempt ended that got no usable answer.
func (a *attempt) lost(ctx context.Context, err error) outcome {
	o := outcome{verdict: unknown}
	e := &callError{text: "connectlinks: " + a.call.method + " " + a.call.path + ": "}
	if a.proof.NoConnection() {
		o.verdict = notDone
		e.text += "no connection: "
	}
	o.err = e
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // its URL is in the text already
	}
	clean := a.core.scrub.Error(err, a.secrets[:]...)
	switch over := pace.Ended(ctx); {
	case over != nil:
		e.text += over.Error()
		e.causes = causes(over)
		e.timeout = over == context.DeadlineExceeded
	case context.Cause(a.ctx) == errTimeout:
		e.text += fmt.Sprintf("no answer within %s", a.core.timeout)
		e.timeout = true
	case errors.Is(clean, context.DeadlineExceeded):
		// A limit of net or net/http calls itself so, but it is not the caller's.
		e.text += clean.Error()
		e.timeout = true
	default:
		e.text += clean.Error()
		e.causes = causes(clean)
		e.timeout = isTimeout(clean)
	}
	return o
}

// logAttempt writes the one record of an attempt.
func (c *core) logAttempt(ctx context.Context, k *call, a *attempt, o outcome, retries int) {
	if c.log == nil || !c.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", k.method),
		slog.String("path", k.path),
		slog.Int("retries", retries),
		slog.Int("status", o.status),
		slog.Duration("duration", time.Since(a.start)),
	}
	if o.err != nil {
		attrs = append(attrs, slog.String("error", o.err.Error()))
	}
	c.log.LogAttrs(ctx, slog.LevelDebug, "connectlinks: attempt", attrs...)
}

// verdict is what the end of an attempt proves.
type verdict int

const (
	final   verdict = iota // the API has spoken: a repeat would get the same answer
	notDone                // nothing was carried out: everything may be sent again
	unknown                // it may have been carried out: a create may not be sent again
)

// outcome is how an attempt ended.
type outcome struct {
	err        error // nil for a success
	status     int   // 0 if there was no answer
	verdict    verdict
	retryAfter time.Duration
}

// judge is the verdict of a status.
//
// Assumption: a 429, and a 503 that names a time to come back, were answered
// without carrying out the request, which is what HTTP means by them. A bare 503
// is also what hosting platforms answer for a request that ran too long.
func judge(status int, retryAfter bool) verdict {
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && retryAfter:
		return notDone
	case status < 300, status == http.StatusRequestTimeout, status >= 500:
		return unknown
	}
	return final
}
