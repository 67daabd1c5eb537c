//go:build unix

package redislimit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/connectlinks/connectlinks-go/redislimit"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const jobVariable = "REDISLIMIT_TEST_JOB"

// job is what a process of the test does: callers call an API until it is stopped.
type job struct {
	Redis   string
	API     string
	Limit   float64
	Burst   int
	Callers int
	Timeout time.Duration // of the limiter
}

// event is a line that such a process prints.
type event struct {
	Turn      *grant        `json:",omitempty"`
	Throttled *grant        `json:",omitempty"` // from the 429 until Throttled had returned
	Pause     time.Duration `json:",omitempty"`
	Lost      string        `json:",omitempty"`
	Back      bool          `json:",omitempty"`
	Error     string        `json:",omitempty"`
}

// work is the main function of a process. It ends when its input does.
func work(description string) {
	var j job
	if err := json.Unmarshal([]byte(description), &j); err != nil {
		panic(err)
	}
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	say := func(e event) {
		mu.Lock()
		defer mu.Unlock()
		_ = out.Encode(e)
	}
	client := &recorder{Scripter: redis.NewClient(&redis.Options{Addr: j.Redis})}
	l, err := redislimit.New(client, "limit", rateLimit(j.Limit), j.Burst, redislimit.WithTimeout(j.Timeout),
		redislimit.WithErrorHandler(func(err error) {
			if err == nil {
				say(event{Back: true})
			} else {
				say(event{Lost: err.Error()})
			}
		}))
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	var wg sync.WaitGroup
	for range j.Callers {
		wg.Go(func() {
			for ctx.Err() == nil {
				from := monotonic()
				if err := l.Wait(recorded(ctx, &from)); err != nil {
					if ctx.Err() == nil {
						say(event{Error: err.Error()})
					}
					continue
				}
				say(event{Turn: &grant{from, monotonic()}})
				resp, err := http.Get(j.API)
				if err != nil {
					say(event{Error: err.Error()})
					continue
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode == http.StatusTooManyRequests {
					begun := monotonic()
					seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
					pause := time.Duration(seconds) * time.Second
					l.Throttled(ctx, pause)
					say(event{Throttled: &grant{begun, monotonic()}, Pause: pause})
				}
			}
		})
	}
	wg.Wait()
}

// process is a process that shares a limit.
type process struct {
	grants
	cmd   *exec.Cmd
	input io.Closer
	done  chan struct{} // closed when all its events are read

	news chan event // losses and their ends
	mu   sync.Mutex
	told []event // 429s
}

func startProcess(t *testing.T, j job) *process {
	t.Helper()
	description, err := json.Marshal(j)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	p := &process{cmd: exec.Command(self), done: make(chan struct{}), news: make(chan event, 10000)}
	p.cmd.Env = append(os.Environ(), jobVariable+"="+string(description))
	p.cmd.Stderr = os.Stderr
	dieWithTheTest(p.cmd)
	p.input, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.done)
		for lines := json.NewDecoder(out); ; {
			var e event
			if err := lines.Decode(&e); err != nil {
				return
			}
			switch {
			case e.Turn != nil:
				p.add(*e.Turn)
			case e.Throttled != nil:
				p.mu.Lock()
				p.told = append(p.told, e)
				p.mu.Unlock()
			case e.Error != "":
				t.Errorf("process %d: %s", p.cmd.Process.Pid, e.Error)
			default:
				p.news <- e
			}
		}
	}()
	t.Cleanup(p.kill)
	return p
}

// stop lets the process end, and waits until all its events are read.
func (p *process) stop() {
	_ = p.input.Close()
	<-p.done
	_ = p.cmd.Wait()
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
	_ = p.cmd.Wait()
}

// next returns the next loss or its end.
func (p *process) next(t *testing.T) event {
	t.Helper()
	select {
	case e := <-p.news:
		return e
	case <-time.After(patience):
		t.Fatal("a process said nothing of Redis")
		return event{}
	}
}

// api counts requests, and answers some of them with 429.
type api struct {
	*httptest.Server
	requests atomic.Int64
	throttle atomic.Int64 // seconds that the next request is told to wait
}

func startAPI(t *testing.T) *api {
	a := &api{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a.requests.Add(1)
		if seconds := a.throttle.Swap(0); seconds > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(seconds))
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	t.Cleanup(a.Close)
	return a
}

const (
	sharedLimit = 50
	sharedBurst = 10
)

// startProcesses starts six processes that share a limit.
func startProcesses(t *testing.T, s *server, a *api, timeout time.Duration) []*process {
	var ps []*process
	for range 6 {
		ps = append(ps, startProcess(t, job{Redis: s.addr, API: a.URL, Limit: sharedLimit, Burst: sharedBurst, Callers: 8, Timeout: timeout}))
	}
	return ps
}

// stopAll returns the turns of all processes.
func stopAll(ps []*process) (list []grant) {
	for _, p := range ps {
		_ = p.input.Close()
	}
	for _, p := range ps {
		p.stop()
		list = append(list, p.all()...)
	}
	return list
}

func TestSixProcessesShareALimit(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		a := startAPI(t)
		ps := startProcesses(t, s, a, patience)
		for _, p := range ps {
			p.atLeast(t, 40)
		}
		list := stopAll(ps)
		assertTurns(t, list, sharedLimit, sharedBurst)
		first, last := list[0].To, list[0].To
		for _, turn := range list {
			first, last = min(first, turn.To), max(last, turn.To)
		}
		t.Logf("%d turns in %v: %.1f a second", len(list), last-first, float64(len(list)-sharedBurst)/(last-first).Seconds())
	})
}

func TestOne429StopsSixProcesses(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		a := startAPI(t)
		ps := startProcesses(t, s, a, patience)
		for _, p := range ps {
			p.atLeast(t, 5)
		}
		a.throttle.Store(2)
		var throttled *event
		require.Eventually(t, func() bool {
			for _, p := range ps {
				p.mu.Lock()
				if len(p.told) > 0 {
					throttled = &p.told[0]
				}
				p.mu.Unlock()
			}
			return throttled != nil
		}, patience, 10*time.Millisecond)
		for _, p := range ps {
			p.atLeast(t, len(p.all())+3)
		}
		var g grants
		g.list = stopAll(ps)
		g.assertWithin(t, sharedLimit, sharedBurst)
		g.assertPaused(t, throttled.Throttled.To, throttled.Throttled.From+throttled.Pause, sharedLimit)
	})
}

// kill -9 for Redis: the processes go on, each at its share, and share again later.
func TestSixProcessesSurviveRedis(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		a := startAPI(t)
		ps := startProcesses(t, s, a, patience)
		for _, p := range ps {
			p.atLeast(t, 10)
		}
		s.kill()
		for _, p := range ps {
			require.NotEmpty(t, p.next(t).Lost)
		}
		lost := monotonic()
		for _, p := range ps {
			p.atLeast(t, len(p.all())+10)
		}
		found := monotonic()
		s.restart(t)
		for _, p := range ps {
			require.True(t, p.next(t).Back)
		}
		back := monotonic()
		for _, p := range ps {
			p.atLeast(t, len(p.all())+10)
		}
		var shared []grant
		for _, turn := range stopAll(ps) {
			if turn.From >= back {
				shared = append(shared, turn)
			}
		}
		assertTurns(t, shared, sharedLimit, sharedBurst)
		for _, p := range ps {
			var alone []grant
			for _, turn := range p.all() {
				if turn.From >= lost && turn.To <= found {
					alone = append(alone, turn)
				}
			}
			assert.NotEmpty(t, alone)
			assertTurns(t, alone, sharedLimit/6.0, sharedBurst/6)
			assert.Empty(t, p.news, "each loss and its end are told once")
		}
	})
}

// The others take over what a killed process does not use any more.
func TestAKilledProcessLeavesItsTurnsToOthers(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		a := startAPI(t)
		ps := startProcesses(t, s, a, patience)
		for _, p := range ps {
			p.atLeast(t, 5)
		}
		for _, p := range ps[:3] {
			p.kill()
		}
		for _, p := range ps[3:] {
			p.atLeast(t, len(p.all())+30)
		}
		list := stopAll(ps[3:])
		for _, p := range ps[:3] {
			list = append(list, p.all()...)
		}
		assertTurns(t, list, sharedLimit, sharedBurst)
	})
}
