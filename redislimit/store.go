package redislimit

import (
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"
)

//go:embed turn.lua
var source string

const (
	opTurn    = "turn"
	opSync    = "sync" // exchanges pauses and counts the process, without a turn
	dueTicket = "due"  // of a caller that has waited in this process
)

// store runs the script.
type store struct {
	client  redis.Scripter
	keys    []string
	script  *redis.Script
	process string
	pace    [3]string // the script's arguments interval, depth and slack
}

func newStore(client redis.Scripter, key string, limit rate.Limit, burst int) store {
	interval := 1e6 / float64(limit)
	micros := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	return store{
		client:  client,
		keys:    []string{key},
		script:  redis.NewScript(source),
		process: newID(),
		pace: [3]string{
			micros(interval),
			micros(float64(burst-1) * interval),
			micros(max(interval, float64(leastSlack.Microseconds()))),
		},
	}
}

// question holds the arguments of the script.
type question struct {
	op       string
	left     time.Duration // of a pause to report; zero or less for none
	leavers  int
	patience time.Duration
	ticket   string

	sent time.Duration // when the question was asked
	ends time.Duration // when the process's pause ended at that time
}

// reply is the answer of the script.
type reply struct {
	answer
	ticket    string
	processes int
	left      time.Duration // of the pause
}

// run runs the script, and turns a panic of the client into an error.
func (s *store) run(ctx context.Context, q question) (r reply, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("redislimit: the Redis client panicked: %v", p)
		}
	}()
	v, err := s.script.Run(ctx, s.client, s.keys, q.op, s.pace[0], s.pace[1], s.pace[2], s.process,
		max(q.left, 0).Microseconds(), q.leavers, q.patience.Microseconds(), q.ticket).Slice()
	if err != nil {
		return reply{}, fmt.Errorf("redislimit: %w", err)
	}
	return parse(v)
}

func parse(v []any) (reply, error) {
	if len(v) == 5 {
		verdict, ok0 := v[0].(string)
		wait, ok1 := v[1].(int64)
		ticket, ok2 := v[2].(string)
		processes, ok3 := v[3].(int64)
		left, ok4 := v[4].(int64)
		if ok0 && ok1 && ok2 && ok3 && ok4 {
			return reply{
				answer: answer{
					wait:    time.Duration(wait) * time.Microsecond,
					refused: verdict != "ok",
					paused:  verdict == "paused",
				},
				ticket:    ticket,
				processes: int(processes),
				left:      time.Duration(left) * time.Microsecond,
			}, nil
		}
	}
	return reply{}, fmt.Errorf("redislimit: Redis returned an unexpected answer: %v", v)
}

func newID() string { return rand.Text() }
