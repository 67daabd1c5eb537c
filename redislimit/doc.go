// Package redislimit shares one rate limit and one throttle among many processes, in
// Redis or Valkey.
//
// A [Limiter] implements RateLimiter and ThrottleObserver of connectlinks. Pass it to
// connectlinks.WithRateLimiter as it is. If you wrap it in another type, the SDK does not find
// its method Throttled. The package does not import connectlinks, and can limit the calls of any
// other API.
//
// # Turns
//
// [Limiter.Wait] asks a script in Redis for a turn. The script uses the server's clock. In any
// time t all processes together get at most limit * t + burst turns, plus one turn or those of
// 50 ms, whichever is more. Waiting callers have a place in a common queue, in the order of their
// calls. Each sleeps until its turn and then asks the script again. So it learns of a pause that
// began while it slept.
//
// # Pauses
//
// [Limiter.Throttled] begins a pause, which delays the whole queue. After a pause there is no
// burst: turns come one by one. Each process remembers the pauses that it knows of, and writes
// them again to a Redis that has lost its data.
//
// # Without Redis
//
// A slow or unreachable Redis stops no calls. If it answers with an error, or not within the time
// of [WithTimeout], it counts as lost. The process then gives turns by itself, at its share of the
// limit. At most every 500 ms, a call starts a probe of Redis. The limit is shared again after
// two answers in time. Until then:
//
//   - The process does not learn of the pauses of others.
//   - If only some processes have lost Redis, their shares add to what the others use.
//   - A share is the limit divided by the processes that Redis saw in its last minute.
//   - A process that has never reached Redis uses the whole limit, or its [WithFallback].
//
// When Redis is lost or found again, waiting callers move to the other queue. For a moment, that
// queue may give them turns at twice the rate.
package redislimit
