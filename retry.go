package connectlinks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/pace"
	"github.com/connectlinks/connectlinks-go/internal/redact"
)

const firstBackoff = 500 * time.Millisecond

// exchange runs the attempts of a call.
type exchange struct {
	core     *core
	call     *call
	attempts int
	began    time.Time // when the last attempt began
	retries  int       // attempts that WithMaxRetries limits
	pauses   int       // the number of pauses of a throttled token that it has waited for
	rejected string    // the token that was answered with 401, or ""
	last     error     // the error of the last attempt; nil before the first
	repeated bool      // the request was sent again after an attempt that may have worked

	paused, limited time.Duration // time spent between attempts, and in the limiter
}

// do makes an exchange for a call, and calls run with it. The error of run is the error that the
// caller gets. The hooks see everything that run sends as a part of this call.
func (s *service) do(ctx context.Context, k *call, run func(context.Context, *exchange) error) error {
	switch {
	case s == nil || s.core == nil:
		return errNoClient()
	case ctx == nil:
		return &InputError{"ctx", "is nil"}
	case k.refused != nil:
		return k.refused
	}
	x := &exchange{core: s.core, call: k}
	if len(s.core.hooks) == 0 {
		return run(ctx, x)
	}
	ctx, end := startHooks(ctx, s.core.hooks, k)
	err := run(ctx, x)
	end(CallResult{Err: err, Attempts: x.attempts, Paused: x.paused, Limited: x.limited})
	return err
}

// send sends a call.
func (s *service) send(ctx context.Context, k *call) error {
	return s.do(ctx, k, func(ctx context.Context, x *exchange) error { return x.run(ctx) })
}

// run sends the request as often as it may be sent. The order of an attempt is: token, the token's
// pause, limiter, request.
func (x *exchange) run(ctx context.Context) error {
	var renew bool // the token was rejected, so the next attempt needs another
	for {
		token, err := x.token(ctx)
		if err != nil {
			return x.notSentError(err)
		}
		if renew && token == x.rejected {
			return x.last
		}
		renew = false
		if err := x.wait(ctx, token); err != nil {
			return err
		}

		x.began = time.Now()
		o := x.core.sendOnce(ctx, x.call, x.attempts, token, x.rejected)
		if o.notSent {
			return x.notSentError(o.err)
		}
		x.attempts++
		x.repeated = x.repeated || o.resent
		if o.err == nil {
			return nil
		}
		x.last = o.err
		if o.status == http.StatusUnauthorized && x.rejected == "" && !x.call.once {
			x.rejected, renew = token, true
			if x.core.invalidate != nil {
				x.core.invalidate(token)
			}
			continue
		}
		if o.status == http.StatusTooManyRequests && o.retryAfter > 0 {
			x.core.pauses.Begin(x.pauseKey(token), o.retryAfter)
			if observer, ok := x.core.limiter.(ThrottleObserver); ok {
				observer.Throttled(context.WithoutCancel(ctx), o.retryAfter)
			}
		}
		if !x.mayRetry(o) {
			return x.last
		}
		delay, ok := x.delay(ctx, o)
		if !ok {
			return x.last
		}
		x.repeated = x.repeated || o.maybeDone
		if err := x.pause(ctx, delay); err != nil {
			return x.notSentError(err)
		}
		x.retries++
	}
}

func (x *exchange) mayRetry(o outcome) bool {
	allowed := o.retryable == retryAll || o.retryable == retryIdempotent && !x.call.creates
	return allowed && !x.call.once && x.retries < x.core.retries
}

// delay returns the time to wait before the next attempt, or false if it is too long.
func (x *exchange) delay(ctx context.Context, o outcome) (time.Duration, bool) {
	d := pace.Backoff(firstBackoff, x.retries)
	if o.retryable == retryAll && o.retryAfter > 0 { // a 429 or 503
		if o.retryAfter > pace.MaxPause {
			return 0, false
		}
		if o.status == http.StatusTooManyRequests {
			return 0, true // the token's pause makes this caller wait, like all others
		}
		d = o.retryAfter + pace.Spread(o.retryAfter)
	}
	return d, pace.Fits(ctx, d)
}

// token returns the token of the token source, which it calls with the timeout.
func (x *exchange) token(ctx context.Context) (string, error) {
	c := x.core
	if c.fixedToken {
		return c.source(ctx)
	}
	tctx, cancel := withTimeout(ctx, c.timeout)
	defer cancel()
	token, err := c.source(tctx)
	if err == nil {
		if reason := checkToken(token); reason != "" {
			err = errors.New("the token " + reason)
		}
	} else if pace.Ended(ctx) == nil && pace.Ended(tctx) != nil {
		err = &callError{text: fmt.Sprintf("no token within %s", c.timeout), timeout: true}
	}
	if err != nil {
		return "", wrap("token source", redact.Error(err, token, x.rejected))
	}
	return token, nil
}

func (x *exchange) pauseKey(token string) pace.Key { return pace.NewKey(token, x.core.base.Host) }

// wait waits while the token is throttled, and then for the limiter. If the pause would be too
// long, it returns a 429 at once.
func (x *exchange) wait(ctx context.Context, token string) error {
	c := x.core
	key := x.pauseKey(token)
	for {
		for left, d := c.pauses.Left(key); left > 0; left, d = c.pauses.Left(key) {
			// Other callers may be throttled again and again. This call must not wait forever.
			tooOften := x.pauses > c.retries
			if x.call.once || tooOften || left > pace.MaxPause || !pace.Fits(ctx, d) {
				return x.throttledError("not sent: the API has asked this token to wait", left)
			}
			x.pauses++
			if err := x.pause(ctx, d); err != nil {
				return x.notSentError(err)
			}
		}
		if c.limiter != nil {
			if over := pace.Ended(ctx); over != nil { // not the limiter's doing
				return x.notSentError(over)
			}
			start := time.Now()
			err := c.limiter.Wait(ctx)
			x.limited += time.Since(start)
			if err != nil {
				return x.limitError(ctx, err, token)
			}
			if left, _ := c.pauses.Left(key); left > 0 { // the token was throttled in the meantime
				continue
			}
		}
		return nil
	}
}

// pause sleeps, and counts the time.
func (x *exchange) pause(ctx context.Context, d time.Duration) error {
	start := time.Now()
	err := pace.Sleep(ctx, d)
	x.paused += time.Since(start)
	return err
}

// limitError returns the error of a call that the limiter refused with err.
func (x *exchange) limitError(ctx context.Context, err error, token string) error {
	clean := redact.Error(err, token, x.rejected)
	if pace.Ended(ctx) != nil {
		return x.notSentError(wrap("rate limiter", clean))
	}
	var wait interface{ RetryAfter() time.Duration }
	if errors.As(err, &wait) {
		return x.throttledError("not sent: the rate limiter refused it", wait.RetryAfter())
	}
	return x.notSentError(wrap("rate limiter", &limiterError{clean}))
}

// limiterError makes the error of a limiter match ErrRateLimited.
type limiterError struct{ error }

func (e *limiterError) Unwrap() []error { return []error{ErrRateLimited, e.error} }

// throttledError returns the error of a call that would wait too long for a pause or the limiter: a
// 429. If the API's last answer was a 429, it returns that.
func (x *exchange) throttledError(message string, retryAfter time.Duration) error {
	switch {
	case x.last == nil:
		return x.call.tooManyRequests(message, retryAfter)
	case errors.Is(x.last, ErrRateLimited):
		return x.last
	}
	return x.notSentError(x.call.tooManyRequests(message, retryAfter))
}

// tooManyRequests returns the 429 of a call that was not sent.
func (k *call) tooManyRequests(message string, retryAfter time.Duration) *APIError {
	return &APIError{
		StatusCode: http.StatusTooManyRequests,
		Message:    message,
		Method:     k.method,
		Path:       k.path,
		RetryAfter: retryAfter,
	}
}

// notSentError returns the error of a call that ended with err before an attempt. If attempts
// before it failed, it names the last error too.
func (x *exchange) notSentError(err error) error {
	if x.last == nil {
		return x.call.newError("not sent: ", err)
	}
	e := x.call.newError("not sent again: ", err, x.last)
	e.text += "; before that: " + x.call.brief(x.last)
	return e
}
