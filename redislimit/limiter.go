package redislimit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"
)

// Limiter gives turns to the callers of all processes that share a key in Redis. It is safe for
// concurrent use. Make it with [New]: the zero value does not work.
type Limiter struct {
	store    store
	limit    rate.Limit
	burst    int
	timeout  time.Duration
	fallback interface{ Wait(context.Context) error }
	handle   func(error)
	start    time.Time

	mu      sync.Mutex
	local   schedule // the pause of this process, and its turns while Redis is lost
	untold  bool     // Redis may not know of the pause
	leavers int      // callers who left the queue in Redis without telling it
	contact
}

// New returns a limiter that all processes with the same key share. It allows limit calls a
// second, and at most burst at once. All processes must pass the same limit and burst. The client
// can be a *redis.Client, a *redis.ClusterClient or a *redis.Ring. New does not connect.
//
// The limiter keeps one hash under the key. The hash expires after a minute without calls. Do not
// put a token into the key.
//
// New returns an error if the client is nil, the key is empty, the limit or burst is not positive,
// the limit is not finite, the burst takes more than a year, or an option is wrong.
func New(client redis.Scripter, key string, limit rate.Limit, burst int, opts ...Option) (*Limiter, error) {
	l := &Limiter{
		store:   newStore(client, key, limit, burst),
		limit:   limit,
		burst:   burst,
		timeout: defaultTimeout,
		start:   time.Now(),
	}
	errs := []error{notNil("the client", client), check(limit, burst)}
	if key == "" {
		errs = append(errs, errors.New("redislimit: the key is empty"))
	}
	for _, opt := range opts {
		err := notNil("an option", opt)
		if err == nil {
			err = opt(l)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	l.local = newSchedule(newPace(limit, burst))
	return l, nil
}

// place is a caller's place in the queue in Redis, in the queue of this process, or in both one
// after the other.
type place struct {
	ticket string        // of Redis; empty for none
	local  bool          // whether base holds a slot of this process's schedule
	late   bool          // whether that slot is in front of the queue
	base   time.Duration // the slot, less what slots of its kind have moved
	waited bool          // whether it has waited: then it gets the next turn in any queue
}

// answer is a turn, if wait is zero, or how long to wait before asking again. A
// refused caller does not wait: a turn would come after wait.
type answer struct {
	wait            time.Duration
	refused, paused bool
}

// Wait waits for a turn. Callers of all processes get their turns in the order of their calls.
//
// Wait returns an error at once if the turn would come after the deadline of ctx, or if a pause
// has more than 10 s left. That error has a method RetryAfter() time.Duration, which returns the
// time until the turn. Wait also returns the error of ctx, and of the limiter of [WithFallback].
func (l *Limiter) Wait(ctx context.Context) error {
	var p place
	for {
		patience := time.Duration(math.MaxInt64)
		if err := ended(ctx); err != nil {
			l.leave(&p)
			return err
		}
		if deadline, ok := ctx.Deadline(); ok {
			patience = time.Until(deadline)
		}
		a, err := l.turn(ctx, &p, patience)
		switch {
		case err != nil:
			l.leave(&p)
			return err
		case a.refused:
			return &refusal{a.wait, a.paused}
		case a.wait <= 0:
			return nil
		}
		p.waited = true
		if err := sleep(ctx, a.wait); err != nil {
			l.leave(&p)
			return err
		}
	}
}

// Throttled pauses all processes for the given time, an hour at most. Calls of Wait that begin
// later get no turn before its end. The turns of callers who wait already are delayed by the pause.
// If a longer pause is running, Throttled does nothing. So it does for a pause of zero or less.
//
// The pause begins in this process at once. Throttled returns when Redis knows of the pause, when
// Redis is lost, or when ctx ends. If Redis is lost, it learns of the pause when it is found again.
func (l *Limiter) Throttled(ctx context.Context, pause time.Duration) {
	l.mu.Lock()
	longer := l.local.hold(l.now(), min(pause, time.Hour))
	if longer {
		l.untold = true
	}
	l.mu.Unlock()
	if longer && l.reachable() {
		l.ask(ctx, opSync, "", 0)
	}
}

// turn asks Redis. While Redis is lost, it asks the fallback or the process's own schedule.
func (l *Limiter) turn(ctx context.Context, p *place, patience time.Duration) (answer, error) {
	if l.reachable() {
		ticket := p.ticket
		if ticket == "" && p.waited {
			ticket = dueTicket
		}
		r, err := l.ask(ctx, opTurn, ticket, patience)
		if err == nil {
			p.ticket = r.ticket
			return r.answer, nil
		}
		if err := ctx.Err(); err != nil {
			return answer{}, err
		}
	}
	if l.fallback == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.local.turn(l.now(), p, patience), nil
	}
	left := l.pauseLeft()
	if left <= 0 {
		if err := l.fallback.Wait(ctx); err != nil {
			return answer{}, err
		}
		left = l.pauseLeft()
	}
	return answer{wait: max(left, 0), refused: left > min(longestPause, patience), paused: left > longestPause}, nil
}

// leave takes a caller that has given up out of its queues.
func (l *Limiter) leave(p *place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.local.leave(l.now(), p)
	if p.ticket != "" {
		l.leavers++
	}
}

func (l *Limiter) pauseLeft() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.local.ends - l.now()
}

func (l *Limiter) now() time.Duration { return time.Since(l.start) }

// refusal is the error of a caller that would wait too long.
type refusal struct {
	wait   time.Duration
	paused bool
}

func (e *refusal) Error() string {
	if e.paused {
		return fmt.Sprintf("redislimit: paused, the next turn is in %v", e.wait.Round(time.Millisecond))
	}
	return fmt.Sprintf("redislimit: the next turn is in %v, after the context's deadline", e.wait.Round(time.Millisecond))
}

// RetryAfter returns the time until the turn would have come.
func (e *refusal) RetryAfter() time.Duration { return e.wait }

// ended returns the context's error, also if its deadline passed before its timer fired.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= 0 {
		return context.DeadlineExceeded
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
