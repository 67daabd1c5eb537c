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

// WithFallback sets the limiter that is asked while Redis is away. The default is
// this process's share: the limit, and the burst, divided by the processes that
// Redis saw in the last minute. A process that has never reached Redis does not know
// of the others, and takes the whole limit.
//
// The error of l is returned as it is. A pause holds up the callers of l too.
func WithFallback(l interface{ Wait(context.Context) error }) Option {
	return func(lim *Limiter) error {
		lim.fallback = l
		return notNil("the fallback", l)
	}
}

// WithErrorHandler sets a function that is told when Redis is lost, once and with
// the error, and when it is back, once and with nil. It is called on a goroutine of
// its own, so that it holds nobody up, and never twice at a time.
func WithErrorHandler(handle func(error)) Option {
	return func(l *Limiter) error {
		l.handle = handle
		return notNil("the error handler", handle)
	}
}

// WithTimeout sets how long Redis may take to answer before it counts as lost. The
// default is 50 ms. The first answer may take 250 ms, if d is not longer, since the
// client has to connect first.
func WithTimeout(d time.Duration) Option {
	return func(l *Limiter) error {
		l.timeout = d
		if d <= 0 {
			return errors.New("redislimit: the timeout must be positive")
		}
		return nil
	}
}

// check refuses a rate that gives no turns, or that no arithmetic can count.
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
