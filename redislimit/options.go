package redislimit

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"golang.org/x/time/rate"
)

const defaultTimeout = 50 * time.Millisecond

// Option configures a [Limiter], in [New].
type Option func(*Limiter) error

// WithFallback sets a limiter for the time while Redis is lost. The default is this process's
// share: the limit and the burst, divided by the processes that Redis saw in its last minute. A
// process that has never reached Redis does not know of the others, and uses the whole limit.
//
// Wait returns the error of l as it is. Pauses apply to the callers of l too.
func WithFallback(l interface{ Wait(context.Context) error }) Option {
	return func(lim *Limiter) error {
		lim.fallback = l
		return notNil("the fallback", l)
	}
}

// WithErrorHandler sets a function that is called with the error when Redis is lost, and with nil
// when Redis is found again. It is called once for each such event, one call at a time, on a
// goroutine of its own, so that it delays no caller. If more than 16 events wait for it, the newest
// two are left out, which cancel each other.
func WithErrorHandler(handle func(error)) Option {
	return func(l *Limiter) error {
		l.handle = handle
		return notNil("the error handler", handle)
	}
}

// WithTimeout sets how long Redis may take to answer before it counts as lost. The default is
// 50 ms. Until Redis has answered once, the limit is at least 250 ms, since the client has to
// connect.
func WithTimeout(d time.Duration) Option {
	return func(l *Limiter) error {
		l.timeout = d
		if d <= 0 {
			return errors.New("redislimit: the timeout must be positive")
		}
		return nil
	}
}

// check refuses a limit or burst that gives no turns, or that overflows.
func check(limit rate.Limit, burst int) error {
	var errs []error
	if !(limit > 0 && limit < rate.Inf) {
		errs = append(errs, fmt.Errorf("redislimit: the limit must be positive and finite, and is %v", float64(limit)))
	}
	if burst <= 0 {
		errs = append(errs, fmt.Errorf("redislimit: the burst must be positive, and is %d", burst))
	}
	if errs == nil && float64(burst)/float64(limit) > 365*24*60*60 {
		errs = append(errs, fmt.Errorf("redislimit: a burst of %d takes more than a year at %v a second", burst, float64(limit)))
	}
	return errors.Join(errs...)
}

// notNil refuses nil, and a nil pointer, map or function inside an interface.
func notNil(what string, v any) error {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Chan, reflect.Slice:
		if !r.IsNil() {
			return nil
		}
	case reflect.Invalid:
	default:
		return nil
	}
	return fmt.Errorf("redislimit: %s is nil", what)
}
