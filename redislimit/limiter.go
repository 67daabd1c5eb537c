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

// Limiter is a rate limit, and a pause, that processes share by a key in Redis.
// It is safe for concurrent use.
type Limiter struct {
	store    store
	limit    rate.Limit
	burst    int
	timeout  time.Duration
	fallback interface{ Wait(context.Context) error }
	handle   func(error)
	start    time.Time

	mu      sync.Mutex
	local   schedule // its pause is the process's; its turns are for while Redis is away
	untold  bool     // Redis may not know of the pause
	leavers int      // callers who left the queue in Redis, which it does not know yet
	contact
}

// New returns a limiter of limit calls a second and bursts of at most burst, shared
// by all processes that pass the same key. They must also pass the same limit and
// burst. The client can be a *redis.Client, a *redis.ClusterClient or a *redis.Ring;
// New does not connect.
//
// The limiter keeps one hash under the key, which expires after a minute without
// calls. Do not put a token into the key.
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

// place is where a caller stands: in the queue in Redis, in that of this process, or
// in both one after the other.
type place struct {
	ticket string        // of Redis; empty for none
	local  bool          // whether base holds a slot of this process's schedule
	late   bool          // whether that slot is in front of the queue
	base   time.Duration // the slot, less what slots of its kind have moved
	waited bool          // for a turn, which gives a right to the next one anywhere
}

// answer is a turn, if wait is zero, or how long to wait before asking again. A
// refused caller does not wait: a turn would come after wait.
type answer struct {
	wait            time.Duration
	refused, paused bool
}

// Wait waits for a turn. Turns are given in the order of the calls, whichever process
// they come from.
//
// Where the turn would come after the deadline of ctx, or a pause has more than
// 10 s left, Wait returns an error at once. That error has a method
// RetryAfter() time.Duration, which says when a turn would come. Other errors are those
// of ctx, and of the limiter of [WithFallback].
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

// Throttled holds up all processes for pause, an hour at most: no call of Wait that
// begins later gets a turn before, and callers who wait already get theirs later by as
// much. It holds this process up at once, and returns when Redis knows of the
// pause, or is lost. If Redis is away, the pause is told when it is back.
//
// A pause never ends earlier because of a later, shorter one.
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

// turn asks Redis, or where it is away the process's own schedule or fallback.
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

// leave is for a caller that has given up while it waited.
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

// refusal is the error for a caller that should not wait.
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

// RetryAfter says when a turn would have come.
func (e *refusal) RetryAfter() time.Duration { return e.wait }

// ended returns the context's error. A deadline may pass before the context notices.
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
