package connectlinks

import (
	"context"
	"time"
)

// Call describes a call of the API, for the hooks of [WithCallHook].
type Call struct {
	Method string
	Route  string // the path with placeholders, such as /api/v1/sources/{source_id}, without the prefix of WithBaseURL
}

// CallResult describes how a call ended, for the hooks of [WithCallHook].
type CallResult struct {
	Err      error         // the error of the call; nil for a success
	Attempts int           // the number of requests, without those of calls inside this call
	Paused   time.Duration // the time that the call waited between attempts and for a throttled token
	Limited  time.Duration // the time that the call waited for the rate limiter
}

// hook is the argument of WithCallHook.
type hook = func(context.Context, Call) (context.Context, func(CallResult))

// startHooks calls the hooks for a call that begins. It returns the call's context, and a function
// to call when the call has ended.
func startHooks(ctx context.Context, hooks []hook, k *call) (context.Context, func(CallResult)) {
	var ends []func(CallResult)
	for _, hook := range hooks {
		hooked, end := hook(ctx, Call{k.method, k.route})
		if hooked != nil {
			ctx = hooked
		}
		if end != nil {
			ends = append(ends, end)
		}
	}
	return ctx, func(result CallResult) {
		for _, end := range ends {
			end(result)
		}
	}
}
