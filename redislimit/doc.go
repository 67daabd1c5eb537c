// Package redislimit shares one rate limit and one throttle among many processes, in
// Redis or Valkey.
//
// A [Limiter] is a RateLimiter of connectlinks, and hears of every 429 as its
// ThrottleObserver. Pass it to connectlinks.WithRateLimiter, as it is: a limiter that
// is wrapped in another type loses Throttled. The package does not import connectlinks,
// and can limit calls of any other API.
//
// # Turns
//
// Turns are given by a script in Redis, by the server's clock. In any time t all
// processes together get at most limit * t + burst turns, and one more or those of
// 50 ms. Callers who wait hold a place in a common queue, which keeps the order of
// their calls. They come back to Redis when it is their turn, and so learn of a pause
// that began while they slept.
//
// # Pauses
//
// A pause moves the whole queue. After it, turns come one by one, without a burst.
// Every process remembers the pauses that it knows of, and tells them to a Redis that
// has lost them.
//
// # Without Redis
//
// A Redis that is slow or gone stops nobody. If it does not answer within the time of
// [WithTimeout], or with an error, the process goes over to its share of the limit, and
// looks for Redis at every first call in 500 ms. It is back when it has answered two
// scripts in time. Meanwhile:
//
//   - A process does not hear of the pauses of others.
//   - A process that has lost Redis while others have not takes its share on top of what
//     they use.
//   - The shares are those of the processes that Redis saw in its last minute.
//   - A process that has never reached Redis takes the whole limit, or its [WithFallback].
//
// Callers who are waiting when Redis is lost or back go on in the other queue. That
// queue may then let some of them through twice as fast for a moment.
package redislimit
