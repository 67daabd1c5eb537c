package connectlinks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/pace"
)

const firstBackoff = 500 * time.Millisecond

// failure is the error of an attempt as the caller sees it.
func (k *call) failure(o outcome) error {
	if !k.mints || o.verdict != unknown {
		return o.err
	}
	const note = "; the API may hold a link that nobody has"
	e, ok := o.err.(*callError)
	if !ok {
		return &callError{text: o.err.Error() + note, causes: causes(ErrOutcomeUnknown, o.err)}
	}
	return &callError{text: e.text + note, causes: causes(append([]error{ErrOutcomeUnknown}, e.Unwrap()...)...), timeout: e.timeout}
}

// notSent is the error of a call that ended before an attempt, and perhaps after
// one that failed.
func (c *core) notSent(k *call, err, last error, tokens ...string) error {
	switch err.(type) {
	case *InputError:
		return err
	case *APIError: // of awaitTurn: what the API itself has said says more
		if errors.Is(last, ErrRateLimited) {
			return last
		} else if last == nil {
			return err
		}
	}
	clean := c.scrub.Error(err, tokens...)
	e := &callError{
		text:    "connectlinks: " + k.method + " " + k.path + ": not sent: " + clean.Error(),
		causes:  causes(clean),
		timeout: isTimeout(err),
	}
	if last != nil {
		e.text = "connectlinks: " + k.method + " " + k.path + ": not sent again: " + clean.Error() + "; before that: " + last.Error()
		e.causes = causes(clean, last)
	}
	return e
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// delay is how long to wait before the next attempt; false if that is too long.
func (o outcome) delay(ctx context.Context, retries int) (time.Duration, bool) {
	d := pace.Backoff(firstBackoff, retries)
	if o.retryAfter > 0 && o.verdict == notDone {
		if o.retryAfter > pace.MaxPause || !pace.Fits(ctx, o.retryAfter) {
			return 0, false
		}
		if o.status == http.StatusTooManyRequests {
			return 0, true // the token's pause holds it up, and everybody else
		}
		d = min(o.retryAfter+pace.Spread(o.retryAfter), pace.MaxPause)
	}
	return d, pace.Fits(ctx, d)
}

// awaitTurn waits while the token is throttled, and then for the limiter, until
// neither holds the call up. It returns the API's 429 at once where that would
// take too long. waits counts the pauses of a call, which are bounded as its
// attempts are.
func (c *core) awaitTurn(ctx context.Context, k *call, token string, waits *int) error {
	key := pace.Key{Token: token, Host: c.base.Host}
	for {
		for left, d := c.pauses.Left(key); left > 0; left, d = c.pauses.Left(key) {
			if left > pace.MaxPause || *waits > c.retries || !pace.Fits(ctx, d) {
				return &APIError{
					StatusCode: http.StatusTooManyRequests,
					Message:    "not sent: the API has asked this token to wait",
					Method:     k.method,
					Path:       k.path,
					RetryAfter: left,
				}
			}
			*waits++
			if err := pace.Sleep(ctx, d); err != nil {
				return err
			}
		}
		if c.limiter == nil {
			return ctx.Err()
		}
		if err := c.limiter.Wait(ctx); err != nil {
			return fmt.Errorf("rate limiter: %w", err)
		}
		if left, _ := c.pauses.Left(key); left <= 0 { // else it was throttled meanwhile
			return ctx.Err()
		}
	}
}

// do takes a call to the wire and back, as often as retry.go allows. The order
// of an attempt is: token, the token's pause, limiter, request.
func (s *service) do(ctx context.Context, k *call) error {
	switch {
	case s == nil || s.core == nil:
		return errNoClient()
	case ctx == nil:
		return &InputError{"ctx", "is nil"}
	case k.refused != nil:
		return k.refused
	}
	c := s.core
	var (
		last     error  // how the attempt before ended
		denied   string // the token that was answered with 401
		renewing bool   // it is to be replaced
		retries  int
		waits    int // pauses waited out
	)
	for {
		token, err := c.token(ctx)
		if err == nil && renewing && token == denied {
			return last
		}
		renewing = false
		if err == nil {
			err = c.awaitTurn(ctx, k, token, &waits)
		}
		if err != nil {
			return c.notSent(k, err, last, token, denied)
		}

		a, cancel := c.newAttempt(ctx, k, token, denied)
		resp, err := c.hc.Do(a.req)
		o := a.outcome(ctx, resp, err)
		cancel()
		c.logAttempt(ctx, k, a, o, retries)
		k.repeated = k.repeated || a.proof.Repeated()
		if o.err == nil {
			return nil
		}

		last = k.failure(o)
		if o.status == http.StatusUnauthorized && denied == "" {
			denied, renewing = token, true
			if c.invalidate != nil {
				c.invalidate(token)
			}
			continue
		}
		if o.status == http.StatusTooManyRequests && o.retryAfter > 0 {
			c.pauses.Begin(pace.Key{Token: token, Host: c.base.Host}, o.retryAfter)
		}
		mayRepeat := o.verdict == notDone || o.verdict == unknown && !k.mints
		if !mayRepeat || retries >= c.retries || ctx.Err() != nil {
			return last
		}
		delay, ok := o.delay(ctx, retries)
		if !ok {
			return last
		}
		k.repeated = k.repeated || o.verdict == unknown
		if err := pace.Sleep(ctx, delay); err != nil {
			return c.notSent(k, err, last, token, denied)
		}
		retries++
	}
}

// token asks the source, within the timeout.
func (c *core) token(ctx context.Context) (string, error) {
	if c.bearer != nil { // it answers at once
		return c.source(ctx)
	}
	tctx, cancel := c.limit(ctx)
	defer cancel()
	token, err := c.source(tctx)
	switch {
	case err == nil:
		return token, checkToken(token)
	case pace.Ended(ctx) == nil && pace.Ended(tctx) != nil:
		err = &callError{text: fmt.Sprintf("no token within %s", c.timeout), timeout: true}
	}
	return "", fmt.Errorf("token source: %w", err)
}
