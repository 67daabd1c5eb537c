// Soak puts one client of the SDK under load for a while, against a server of connectlinkstest
// whose answers fail at random. It checks that no call made more than one link, that no link was
// lost while its caller was waiting, that every call is accounted for, and that neither memory nor
// goroutines grow. It ends with status 1 if one of these is not so.
//
// Each call names itself in its link's redirect URI, with UniqueRedirect, so that every link that
// the server has made is traced to its call. The server remembers all links. So it is replaced
// every few seconds, at the same address.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/bench"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

var (
	length  = flag.Duration("d", 5*time.Minute, "how long to go on")
	callers = flag.Int("callers", 16, "concurrent callers")
)

// timeout is the SDK's own, short enough to be met often.
const timeout = 250 * time.Millisecond

func main() {
	log.SetFlags(0)
	flag.Parse()
	if *length <= 0 || *callers < 1 {
		log.Fatal("the flags must be positive")
	}
	s := &soak{results: map[string]int{}, scripts: map[string]int{}, lost: map[string]int{}}
	if err := s.run(); err != nil {
		log.Fatal(err)
	}
	s.report()
	if len(s.violations) > 0 {
		os.Exit(1)
	}
}

// soak is what lasts: the clients, and what is counted.
type soak struct {
	address         string
	v1, v2          *connectlinks.Client
	token, personal atomic.Pointer[string]

	results, scripts map[string]int
	creates, unknown int            // calls; of these, those whose outcome stayed unknown
	links, found     int            // made by the server; of these, those that were found again
	lost             map[string]int // links that nobody has, by the reason
	heap             []int64
	goroutines       []int
	violations       []string
}

func (s *soak) violation(format string, args ...any) {
	s.violations = append(s.violations, fmt.Sprintf(format, args...))
}

func (s *soak) run() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.address = l.Addr().String()
	tokens := func(p *atomic.Pointer[string]) connectlinks.Option {
		return connectlinks.WithTokenSource(connectlinks.TokenFunc(func(context.Context) (string, error) { return *p.Load(), nil }))
	}
	s.v1, err = connectlinks.NewClient(tokens(&s.token), connectlinks.WithBaseURL("http://"+s.address),
		connectlinks.WithTimeout(timeout), connectlinks.WithCallHook(recordLook))
	if err != nil {
		return err
	}
	if s.v2, err = s.v1.With(tokens(&s.personal)); err != nil {
		return err
	}
	each := max(min(*length/20, 5*time.Second), time.Second)
	end := time.Now().Add(*length)
	for n := 0; time.Now().Before(end); n++ {
		if n > 0 {
			if l, err = net.Listen("tcp", s.address); err != nil {
				return err
			}
		}
		if err := s.epoch(n, l, each); err != nil {
			return err
		}
		s.settle()
		fmt.Printf("%4d  %7d links  %5d KiB  %3d goroutines  %d violations\n",
			n+1, s.links, s.heap[n]>>10, s.goroutines[n], len(s.violations))
	}
	s.flat()
	return nil
}

// settle measures what is left when nothing happens.
func (s *soak) settle() {
	s.v1.CloseIdleConnections()
	n := runtime.NumGoroutine()
	for range 40 {
		if n == 1 {
			break
		}
		time.Sleep(50 * time.Millisecond) // closed connections take a moment
		n = runtime.NumGoroutine()
	}
	s.goroutines = append(s.goroutines, n)
	s.heap = append(s.heap, bench.Live())
}

// flat compares the last third with the first, the warm-up left out.
func (s *soak) flat() {
	n := len(s.heap)
	if n < 6 {
		return
	}
	median := func(part []int64) int64 { return slices.Sorted(slices.Values(part))[len(part)/2] }
	first, last := median(s.heap[1:1+n/3]), median(s.heap[n-n/3:])
	if last > first+256<<10 {
		s.violation("the heap has grown from %d to %d KiB", first>>10, last>>10)
	}
	if g := s.goroutines; slices.Max(g[n-n/3:]) > slices.Max(g[1:1+n/3]) {
		s.violation("there were %d goroutines, and at the end %d", slices.Max(g[1:1+n/3]), slices.Max(g[n-n/3:]))
	}
}

func (s *soak) report() {
	fmt.Println("\nFailures switched on:")
	printCounts(s.scripts)
	fmt.Println("\nCalls, by how they ended:")
	printCounts(s.results)
	lost := 0
	for _, n := range s.lost {
		lost += n
	}
	fmt.Printf("\n%d creates, %d of them with an unknown outcome (%.1f %%).\n", s.creates, s.unknown, 100*float64(s.unknown)/float64(max(s.creates, 1)))
	fmt.Printf("%d links made, %d of them found again after their answer was lost, %d that nobody has:\n", s.links, s.found, lost)
	printCounts(s.lost)
	fmt.Println("Links that nobody has although the caller was waiting and the looks were answered: see the violations.")
	if len(s.violations) == 0 {
		fmt.Println("No violations.")
		return
	}
	fmt.Printf("%d VIOLATIONS\n", len(s.violations))
	for _, v := range s.violations[:min(len(s.violations), 20)] {
		fmt.Println("-", v)
	}
}

func printCounts(counts map[string]int) {
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Printf("%8d  %s\n", counts[name], name)
	}
}

// epoch is the life of a server.
type epoch struct {
	soak      *soak
	n         int
	srv       *connectlinkstest.Server
	workspace int64

	mu         sync.Mutex
	calls      map[string]*ending // creates, by redirect URI
	results    map[string]int
	violations []string
}

func (s *soak) epoch(n int, l net.Listener, d time.Duration) error {
	srv := connectlinkstest.NewServer(connectlinkstest.WithListener(l))
	defer srv.Close()
	token, personal := srv.Token(), srv.PersonalToken()
	s.token.Store(&token)
	s.personal.Store(&personal)
	ws, err := s.v1.Workspaces.Current(context.Background())
	if err != nil {
		return err
	}
	e := &epoch{soak: s, n: n, srv: srv, workspace: ws.ID, calls: map[string]*ending{}, results: s.results}

	var work, chaos sync.WaitGroup
	var serial atomic.Int64
	var failed error
	stop := make(chan struct{})
	chaos.Go(func() { failed = e.disturb(stop) })
	until := time.Now().Add(d)
	for range *callers {
		work.Go(func() {
			for time.Now().Before(until) {
				e.call(serial.Add(1))
				time.Sleep(rand.N(10 * time.Millisecond))
			}
		})
	}
	work.Wait()
	close(stop)
	chaos.Wait()
	if failed != nil {
		return failed
	}
	e.walk()
	srv.Close()
	e.account()
	s.violations = append(s.violations, e.violations...)
	return nil
}
