package redislimit

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

const (
	firstTimeout = 250 * time.Millisecond // the client has to connect
	longestRun   = 2 * time.Second        // of a script that no caller waits for any more
	probeEvery   = 500 * time.Millisecond
	maxProbes    = 16 // at a time: a client may ignore its context
	maxNews      = 16 // that wait for the error handler
)

// contact is the state of the connection to Redis.
type contact struct {
	met       bool // Redis has answered once
	away      bool // Redis is lost
	processes int  // that share the key, by the last answer
	found     int  // how often Redis was found again
	probes    int  // that are running
	nextProbe time.Duration

	news    []error // for the error handler
	telling bool    // a goroutine delivers them
}

// ask runs the script, and waits for its answer until the context ends or Redis counts as lost.
// It does not wait for a late script: that ends with its own context, whatever the timeouts of
// the client are.
func (l *Limiter) ask(ctx context.Context, op, ticket string, patience time.Duration) (reply, error) {
	type outcome struct {
		reply
		err error
	}
	for {
		l.mu.Lock()
		q := l.question(op)
		q.ticket, q.patience = ticket, patience
		timeout, found := l.allowed(), l.found
		l.mu.Unlock()

		done, late, gone := make(chan outcome), make(chan error, 1), make(chan struct{})
		timer := time.AfterFunc(timeout, func() {
			err := fmt.Errorf("redislimit: Redis did not answer within %v", timeout)
			l.lose(err, found)
			late <- err
		})
		go func() {
			r, err := l.run(ctx, q)
			timer.Stop()
			if err != nil {
				l.lose(err, found)
			}
			select {
			case done <- outcome{r, err}:
			case <-gone:
				if r.wait > 0 && !r.refused && q.ticket == "" {
					l.leave(&place{ticket: r.ticket})
				}
			}
		}()

		var o outcome
		select {
		case o = <-done:
		case err := <-late:
			close(gone)
			return reply{}, err
		case <-ctx.Done():
			close(gone)
			return reply{}, ctx.Err()
		}
		if o.err != nil || op != opTurn || o.refused || o.wait > 0 || l.pauseLeft() <= 0 {
			return o.reply, o.err
		}
		// Redis did not know yet that this process was throttled, or has forgotten.
		l.mu.Lock()
		l.untold = true
		l.mu.Unlock()
		ticket = o.ticket
	}
}

// question returns a question with the news of this process. The caller holds l.mu.
func (l *Limiter) question(op string) question {
	q := question{op: op, leavers: l.leavers, sent: l.now(), ends: l.local.ends}
	if l.untold {
		q.left = q.ends - q.sent
	}
	l.leavers = 0
	return q
}

// run runs the script with a context of its own. It learns from the answer even if no caller
// waits for it.
func (l *Limiter) run(ctx context.Context, q question) (reply, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(longestRun, l.timeout))
	defer cancel()
	r, err := l.store.run(ctx, q)
	if err != nil {
		return reply{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.met, l.processes = true, r.processes
	l.learn(q, r.left)
	return r, nil
}

// learn compares the pause in Redis with the pause of this process. The caller holds l.mu. The
// pause in Redis ends at some time between q.sent + left and now + left. The process adopts the
// earlier time, and reports its own pause only if that ends after the later time. Otherwise both
// would take the network's delay for a longer pause, again and again, and it would never end.
func (l *Limiter) learn(q question, left time.Duration) {
	if q.left > 0 && q.ends == l.local.ends {
		l.untold = false
	}
	now := l.now()
	if q.ends > now+left {
		l.untold = true
	}
	l.local.hold(now, q.sent+left-now)
}

// allowed returns how long Redis may take to answer. The caller holds l.mu.
func (l *Limiter) allowed() time.Duration {
	if l.met {
		return l.timeout
	}
	return max(l.timeout, firstTimeout)
}

// reachable reports whether to ask Redis. While Redis is lost, it starts a probe now and then.
func (l *Limiter) reachable() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away && l.now() >= l.nextProbe && l.probes < maxProbes {
		l.nextProbe = l.now() + probeEvery
		l.probes++
		go l.probe()
	}
	return !l.away
}

// probe checks whether Redis answers twice in time. The first script may have to connect.
func (l *Limiter) probe() {
	defer func() {
		l.mu.Lock()
		l.probes--
		l.mu.Unlock()
	}()
	for _, timeout := range []time.Duration{max(l.timeout, firstTimeout), l.timeout} {
		l.mu.Lock()
		q := l.question(opSync)
		l.mu.Unlock()
		start := time.Now()
		if _, err := l.run(context.Background(), q); err != nil || time.Since(start) > timeout {
			return
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		l.away = false
		l.found++
		l.tell(nil)
	}
}

// lose switches to the process's share. found is l.found when the script began: if Redis was found
// again since, an old failure does not count.
func (l *Limiter) lose(err error, found int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away || found != l.found {
		return
	}
	l.away, l.nextProbe = true, l.now()+probeEvery
	n := max(l.processes, 1)
	l.local.setPace(newPace(l.limit/rate.Limit(n), max(l.burst/n, 1)))
	l.tell(err)
}

// tell queues a call of the error handler. The caller holds l.mu. If the queue is full, tell
// removes the last event instead of adding its opposite.
func (l *Limiter) tell(err error) {
	if l.handle == nil {
		return
	}
	if n := len(l.news); n == maxNews {
		l.news = l.news[:n-1]
		return
	}
	l.news = append(l.news, err)
	if !l.telling {
		l.telling = true
		go l.deliver()
	}
}

func (l *Limiter) deliver() {
	for {
		l.mu.Lock()
		if len(l.news) == 0 {
			l.telling = false
			l.mu.Unlock()
			return
		}
		err := l.news[0]
		l.news = l.news[1:]
		l.mu.Unlock()
		l.handle(err)
	}
}
