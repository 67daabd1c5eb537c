package redislimit

import (
	"time"

	"golang.org/x/time/rate"
)

const (
	longestPause = 10 * time.Second      // callers are refused in a longer one
	leastSlack   = 50 * time.Millisecond // how late a caller may come back without moving the queue
)

// pace is a limit in the units of the algorithm.
type pace struct {
	interval time.Duration // between two turns
	depth    time.Duration // of the bucket, less the turn at hand
	slack    time.Duration
}

func newPace(limit rate.Limit, burst int) pace {
	p := pace{interval: time.Duration(float64(time.Second) / float64(limit))}
	p.depth = time.Duration(burst-1) * p.interval
	p.slack = max(p.interval, leastSlack)
	return p
}

// schedule gives turns to the callers of one process, like turn.lua to the callers of all. Its
// fields have the same names and meanings. Times count from the limiter's start.
type schedule struct {
	pace
	queue, late, grants, shift, push, ends time.Duration
}

func newSchedule(p pace) schedule {
	const never = -1 << 62
	return schedule{pace: p, ends: never, late: never}
}

// setPace changes the pace, but not the time of the next turn.
func (s *schedule) setPace(p pace) {
	s.queue += p.depth - s.depth
	s.grants += p.depth + p.slack - s.depth - s.slack
	s.pace = p
}

// hold pauses the schedule for left. It reports false if it is paused for longer already.
func (s *schedule) hold(now, left time.Duration) bool {
	if left <= 0 || now+left <= s.ends {
		return false
	}
	longer := now + left - max(s.ends, now)
	s.ends = now + left
	s.shift += longer
	s.queue = max(s.queue, now+s.depth) + longer
	s.late += longer
	s.grants = max(s.grants, s.ends+s.depth+s.slack)
	return true
}

// turn grants a turn, returns how long to wait for it, or refuses.
func (s *schedule) turn(now time.Duration, p *place, patience time.Duration) answer {
	s.queue = max(s.queue, now, s.ends+s.depth)
	free := max(s.ends, s.grants-s.depth-s.slack)
	slot, queued, late := now, p.local, p.late
	switch {
	case queued && late:
		slot = p.base + s.shift
	case queued:
		slot = p.base + s.shift + s.push
	case p.waited:
		late = true
	default:
		slot, late = max(now, s.queue-s.depth, s.late), false
	}
	wait := max(slot, free, now) - now
	if paused := s.ends-now > longestPause; paused || wait > patience {
		s.leave(now, p)
		return answer{wait: wait, refused: true, paused: paused}
	}
	if !queued {
		if !late && slot > now {
			s.queue = slot + s.depth
		}
		s.queue += s.interval
	}
	if wait == 0 {
		s.grants = max(s.grants, now) + s.interval
	} else if slot <= now {
		slot, late = max(free, s.late), true
		wait = slot - now
		s.late = slot + s.interval
		s.push += s.interval
		if queued {
			s.queue += s.interval
		}
	}
	p.local, p.late, p.base = true, late, slot-s.shift
	if !late {
		p.base -= s.push
	}
	return answer{wait: wait}
}

// leave takes p out of the queue.
func (s *schedule) leave(now time.Duration, p *place) {
	if p.local {
		s.queue = max(s.queue-s.interval, now, s.ends+s.depth)
	}
	p.local = false
}
