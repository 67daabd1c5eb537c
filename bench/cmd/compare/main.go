// Compare measures the SDK beside hand-written net/http, and prints tables in
// Markdown.
//
// Subjects take turns, in rounds that each begin with another one, so that what
// else the machine does hits all of them. A ratio is taken within each round; the
// tables have the medians of all rounds.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/bench"
)

var (
	rounds  = flag.Int("rounds", 51, "rounds of each comparison")
	calls   = flag.Int("calls", 2000, "calls of a turn in memory")
	turn    = flag.Duration("turn", 250*time.Millisecond, "length of a turn over loopback")
	callers = flag.Int("callers", 64, "concurrent callers over loopback")
	think   = flag.Duration("think", 2*time.Millisecond, "time that the loopback server thinks")
	only    = flag.String("only", "", "one of create, http1, http2, walk, derived; empty: all")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	if *rounds < 1 || *calls < 1 || *callers < 1 || *turn <= 0 {
		log.Fatal("the flags' numbers must be positive")
	}
	start := time.Now()
	fmt.Println(machine())
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"create", create},
		{"http1", func() error { return loopback("HTTP/1.1", false) }},
		{"http2", func() error { return loopback("HTTP/2", true) }},
		{"walk", walk},
		{"derived", derived},
	} {
		if *only == "" || *only == part.name {
			if err := part.run(); err != nil {
				log.Fatalf("%s: %v", part.name, err)
			}
		}
	}
	fmt.Printf("\nTook %s.\n", time.Since(start).Round(time.Second))
}

// machine describes where the figures come from.
func machine() string {
	cpu := runtime.GOARCH
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if key, model, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(key) == "model name" {
				cpu = strings.TrimSpace(model)
				break
			}
		}
	}
	return fmt.Sprintf("connectlinks-go %s, %s %s/%s, %s, %d cores (GOMAXPROCS %d), %d rounds.",
		connectlinks.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH, cpu, runtime.NumCPU(), runtime.GOMAXPROCS(0), *rounds)
}

// interleave lets n subjects take their turns. Garbage of one is not collected at
// the cost of the next. The first round is for warming up: do is told that it is
// round -1.
func interleave(n int, do func(round, subject int) error) error {
	for round := -1; round < *rounds; round++ {
		for i := range n {
			runtime.GC()
			if err := do(round, (i+round+n)%n); err != nil {
				return err
			}
		}
	}
	return nil
}

// series is what a subject got in each round.
type series []float64

func (s series) at(q float64) float64 {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func (s series) median() float64 { return s.at(.5) }

// over is the median of s in terms of t, with the quartiles.
func (s series) over(t series) string {
	ratios := make(series, len(s))
	for i := range s {
		ratios[i] = s[i] / t[i]
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", ratios.median(), ratios.at(.25), ratios.at(.75))
}

// one calls n times, and returns nanoseconds, allocations and bytes per call.
func one(n int, call func() error) (ns, allocs, bytes float64, err error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	for range n {
		if err := call(); err != nil {
			return 0, 0, 0, err
		}
	}
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	per := func(total uint64) float64 { return float64(total) / float64(n) }
	return per(uint64(took)), per(after.Mallocs - before.Mallocs), per(after.TotalAlloc - before.TotalAlloc), nil
}

func create() error {
	makers, err := bench.InMemory()
	if err != nil {
		return err
	}
	ns, allocs, bytes := make([]series, len(makers)), make([]series, len(makers)), make([]series, len(makers))
	err = interleave(len(makers), func(round, i int) error {
		t, a, b, err := one(*calls, func() error {
			_, err := makers[i].Create(context.Background(), bench.Params)
			return err
		})
		if round >= 0 {
			ns[i], allocs[i], bytes[i] = append(ns[i], t), append(allocs[i], a), append(bytes[i], b)
		}
		return err
	})
	if err != nil {
		return err
	}
	fmt.Printf("\n**Creating a link, over a transport in memory** (%d calls a turn)\n\n", *calls)
	fmt.Println("| | µs | allocations | bytes | × like-for-like | × bare |")
	fmt.Println("|---|--:|--:|--:|--:|--:|")
	for i, m := range makers {
		fmt.Printf("| %s | %.2f | %.0f | %.0f | %s | %s |\n", m.Name, ns[i].median()/1000,
			allocs[i].median(), bytes[i].median(), ns[i].over(ns[1]), ns[i].over(ns[2]))
	}
	return nil
}

func loopback(protocol string, http2 bool) error {
	s, err := bench.NewLoopback(http2, *think)
	if err != nil {
		return err
	}
	defer s.Close()
	makers, err := bench.OverLoopback(s.URL)
	if err != nil {
		return err
	}
	if http2 {
		makers = makers[:3] // the default transport has nothing to say here
	}
	n := len(makers)
	rate, p50, p99 := make([]series, n), make([]series, n), make([]series, n)
	atFirst, later := make([]int64, n), make([]int64, n) // connections
	err = interleave(n, func(round, i int) error {
		before := s.Conns()
		load, err := bench.Run(*callers, 0, *turn, func() error {
			_, err := makers[i].Create(context.Background(), bench.Params)
			return err
		})
		opened := s.Conns() - before
		if round < 0 {
			atFirst[i] = opened
		} else {
			later[i] += opened
			rate[i] = append(rate[i], load.Rate())
			p50[i] = append(p50[i], load.Quantile(.5).Seconds()*1000)
			p99[i] = append(p99[i], load.Quantile(.99).Seconds()*1000)
		}
		return err
	})
	if err != nil {
		return err
	}
	fmt.Printf("\n**%d callers over TLS on loopback, %s, the server thinks for %s** (turns of %s)\n\n", *callers, protocol, *think, *turn)
	fmt.Println("| | calls/s | p50 ms | p99 ms | connections opened at first | later | rate × bare |")
	fmt.Println("|---|--:|--:|--:|--:|--:|--:|")
	for i, m := range makers {
		fmt.Printf("| %s | %.0f | %.2f | %.2f | %d | %d | %s |\n", m.Name,
			rate[i].median(), p50[i].median(), p99[i].median(), atFirst[i], later[i], rate[i].over(rate[2]))
	}
	return nil
}

func walk() error {
	sizes := []int{1_000, 10_000, 100_000}
	fmt.Print("\n**Walking all links, 100 to a page, over a transport in memory**\n\n")
	fmt.Println("| | links | µs a link | allocations a link | peak live heap, KiB | × like-for-like |")
	fmt.Println("|---|--:|--:|--:|--:|--:|")
	for _, size := range sizes {
		walkers, err := bench.Walkers(size)
		if err != nil {
			return err
		}
		walkOnce := func(i int, at func()) error {
			n, err := bench.WalkAll(context.Background(), walkers[i].Walk, at)
			if err == nil && n != size {
				err = fmt.Errorf("%d links of %d", n, size)
			}
			return err
		}
		var ns, allocs [2]series
		if size <= 10_000 { // beyond, only memory is of interest
			err = interleave(len(walkers), func(round, i int) error {
				t, a, _, err := one(1, func() error { return walkOnce(i, nil) })
				if round >= 0 {
					ns[i], allocs[i] = append(ns[i], t/float64(size)), append(allocs[i], a/float64(size))
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		for i, w := range walkers {
			base, peak := bench.Live(), int64(0)
			if err := walkOnce(i, func() { peak = max(peak, bench.Live()-base) }); err != nil {
				return err
			}
			if ns[i] == nil {
				fmt.Printf("| %s | %d | | | %.0f | |\n", w.Name, size, float64(peak)/1024)
				continue
			}
			fmt.Printf("| %s | %d | %.2f | %.1f | %.0f | %s |\n", w.Name, size,
				ns[i].median()/1000, allocs[i].median(), float64(peak)/1024, ns[i].over(ns[1]))
		}
	}
	return nil
}

const tenants = 1000

func derived() error {
	parent, err := bench.Client(bench.Created{})
	if err != nil {
		return err
	}
	var ns, allocs, held series
	var clients []*connectlinks.Client
	err = interleave(1, func(round, _ int) error {
		clients = nil
		before := bench.Live()
		t, a, _, err := one(1, func() error { // all of them
			var err error
			clients, err = bench.Derive(parent, tenants)
			return err
		})
		if round >= 0 {
			ns, allocs = append(ns, t/tenants), append(allocs, a/tenants)
			held = append(held, float64(bench.Live()-before)/tenants)
		}
		return err
	})
	if err != nil {
		return err
	}
	fmt.Printf("\n**%d clients derived with With, one per tenant**\n\n", tenants)
	fmt.Println("| | |")
	fmt.Println("|---|--:|")
	fmt.Printf("| deriving one | %.2f µs, %.0f allocations |\n", ns.median()/1000, allocs.median())
	fmt.Printf("| memory that one holds | %.0f bytes |\n", held.median())

	turns := [][]*connectlinks.Client{clients, {parent}}
	var use [2]series
	err = interleave(2, func(round, i int) error {
		n := 0
		t, _, _, err := one(*calls, func() error {
			n++
			_, err := turns[i][n%len(turns[i])].Destinations.CreateConnectLink(context.Background(), bench.Params)
			return err
		})
		if round >= 0 {
			use[i] = append(use[i], t)
		}
		return err
	})
	if err != nil {
		return err
	}
	fmt.Printf("| creating links with all of them in turn, in memory, × one client | %s |\n", use[0].over(use[1]))

	s, err := bench.NewLoopback(false, *think)
	if err != nil {
		return err
	}
	defer s.Close()
	root, err := connectlinks.NewClient(connectlinks.WithToken(bench.Token), connectlinks.WithBaseURL(s.URL))
	if err != nil {
		return err
	}
	if clients, err = bench.Derive(root, tenants); err != nil {
		return err
	}
	var n atomic.Int64
	load, err := bench.Run(*callers, 20*tenants, time.Minute, func() error {
		_, err := clients[n.Add(1)%tenants].Destinations.CreateConnectLink(context.Background(), bench.Params)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Printf("| connections opened for %d calls through all of them, %d callers, HTTP/1.1 | %d |\n", load.Calls, *callers, s.Conns())
	return nil
}
