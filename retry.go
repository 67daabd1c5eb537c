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

// exchange is a call on its way: the loop around its attempts.
type exchange struct {
	core     *core
	call     *call
	attempts int
	began    time.Time // when the last attempt began
	retries  int       // attempts that WithMaxRetries limits
	pauses   int       // pauses of a throttled token that were waited out
	rejected string    // the token that was answered with 401, "" for none
	last     error     // how the last attempt ended, nil before the first

	paused, limited time.Duration // time spent between attempts, and in the limiter
}

// do sends a call, as often as it may be sent, and tells the hooks. The order of an attempt is:
// token, the token's pause, limiter, request.
func (s *service) do(ctx context.Context, k *call) error {
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
		return x.runAndFind(ctx)
	}
	ctx, end := startHooks(ctx, s.core.hooks, k)
	err := x.runAndFind(ctx)
	end(CallResult{Err: err, Attempts: x.attempts, Paused: x.paused, Limited: x.limited})
	return err
}

// runAndFind sends a call, and looks for the link of a create whose answer was lost.
func (x *exchange) runAndFind(ctx context.Context) error {
	err := x.run(ctx)
	if x.call.find != nil && errors.Is(err, ErrOutcomeUnknown) && pace.Ended(ctx) == nil && x.call.find(ctx, x.began) {
		return nil
	}
	return err
}

// run is the loop around the attempts of a call.
func (x *exchange) run(ctx context.Context) error {
	k := x.call
	var renew bool // the token was rejected, and another one is needed
	for {
		token, err := x.token(ctx)
		if err == nil {
			if renew && token == x.rejected {
				return x.last
			}
			renew = false
			err = x.wait(ctx, token)
		}
		if err != nil {
			return x.notSent(err)
		}

		x.began = time.Now()
		o := x.core.attempt(ctx, k, x.attempts, token, x.rejected)
		if o.notSent {
			return x.notSent(o.err)
		}
		x.attempts++
		k.repeated = k.repeated || o.resent
		if o.err == nil {
			return nil
		}
		x.last = k.failure(o)
		if o.status == http.StatusUnauthorized && x.rejected == "" && !k.once {
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
		k.repeated = k.repeated || o.maybeDone
		if err := x.pause(ctx, delay); err != nil {
			return x.notSent(err)
		}
		x.retries++
	}
}

func (x *exchange) mayRetry(o outcome) bool {
	allowed := o.retryable == retryAll || o.retryable == retryIdempotent && !x.call.creates
	return allowed && !x.call.once && x.retries < x.core.retries
}

// delay returns how long to wait before the next attempt, and false if that is too long.
func (x *exchange) delay(ctx context.Context, o outcome) (time.Duration, bool) {
	d := pace.Backoff(firstBackoff, x.retries)
	if o.retryAfter > 0 {
		if o.retryAfter > pace.MaxPause || !pace.Fits(ctx, o.retryAfter) {
			return 0, false
		}
		if o.status == http.StatusTooManyRequests {
			return 0, true // the token's pause makes it wait, and everybody else
		}
		d = o.retryAfter + pace.Spread(o.retryAfter)
	}
	return d, pace.Fits(ctx, d)
}

// token asks the token source, within the timeout.
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

// wait waits while the token is throttled, and then for the limiter, until neither holds the
// call up. It returns the API's 429 at once where that would take too long.
func (x *exchange) wait(ctx context.Context, token string) error {
	c := x.core
	key := x.pauseKey(token)
	for {
		for left, d := c.pauses.Left(key); left > 0; left, d = c.pauses.Left(key) {
			if x.call.once || left > pace.MaxPause || x.pauses > c.retries || !pace.Fits(ctx, d) {
				return x.call.tooMany("not sent: the API has asked this token to wait", left)
			}
			x.pauses++
			if err := x.pause(ctx, d); err != nil {
				return err
			}
		}
		if c.limiter == nil {
			return ctx.Err()
		}
		start := time.Now()
		err := c.limiter.Wait(ctx)
		x.limited += time.Since(start)
		if err != nil {
			return x.limitError(ctx, err, token)
		}
		if left, _ := c.pauses.Left(key); left <= 0 { // else it was throttled meanwhile
			return ctx.Err()
		}
	}
}

// pause sleeps, and adds to the time that the call has spent so.
func (x *exchange) pause(ctx context.Context, d time.Duration) error {
	start := time.Now()
	err := pace.Sleep(ctx, d)
	x.paused += time.Since(start)
	return err
}

// limitError returns the error of a limiter that refused a call.
func (x *exchange) limitError(ctx context.Context, err error, token string) error {
	clean := redact.Error(err, token, x.rejected)
	if pace.Ended(ctx) != nil {
		return wrap("rate limiter", clean)
	}
	var wait interface{ RetryAfter() time.Duration }
	if errors.As(err, &wait) {
		return x.call.tooMany("not sent: the rate limiter refused it", wait.RetryAfter())
	}
	return wrap("rate limiter", &limiterError{clean})
}

// limiterError makes the error of a limiter match ErrRateLimited.
type limiterError struct{ error }

func (e *limiterError) Unwrap() []error { return []error{ErrRateLimited, e.error} }

// tooMany returns the 429 of a call that was not sent.
func (k *call) tooMany(message string, retryAfter time.Duration) *APIError {
	return &APIError{
		StatusCode: http.StatusTooManyRequests,
		Message:    message,
		Method:     k.method,
		Path:       k.path,
		RetryAfter: retryAfter,
	}
}

// failure returns the error of an attempt as the caller sees it.
func (k *call) failure(o outcome) error {
	if !k.creates || !o.maybeDone {
		return o.err
	}
	return &callError{
		text:    o.err.Error() + "; the API may hold a link that nobody has",
		causes:  []error{ErrOutcomeUnknown, o.err},
		timeout: isTimeout(o.err),
	}
}

// notSent returns the error of a call that ended before an attempt, and perhaps after others
// that failed.
func (x *exchange) notSent(err error) error {
	var refused *APIError
	if errors.As(err, &refused) { // from wait
		switch {
		case errors.Is(x.last, ErrRateLimited): // the API's own answer says more
			return x.last
		case x.last == nil:
			return refused
		}
	}
	if x.last == nil {
		return x.call.failed("not sent: ", err)
	}
	e := x.call.failed("not sent again: ", err, x.last)
	e.text += "; before that: " + x.call.brief(x.last)
	return e
}
