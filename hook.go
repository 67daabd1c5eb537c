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

// CallResult says how a call ended, for the hooks of [WithCallHook].
type CallResult struct {
	Err      error         // what the caller gets; nil for a success
	Attempts int           // requests that were sent
	Paused   time.Duration // how long the call waited between attempts and for a throttled token
	Limited  time.Duration // how long the rate limiter held it up
}

// hook is what WithCallHook takes.
type hook = func(context.Context, Call) (context.Context, func(CallResult))

// startHooks tells the hooks that a call begins, and returns the call's context and a function
// that tells them how it ended.
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
