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
