//go:build unix

package otelconnectlinks_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
)

// BenchmarkThroughput lets 64 callers create links over TLS on the loopback interface, with a
// server that thinks for 2 ms. The subjects take turns of 250 ms, and each iteration is a round.
// It reports medians, so run it with -benchtime 41x. Each subject has calls per second, and two
// parts of what the plain transport reached in the same round: of its rate, and of its calls
// for each second of CPU time, which depends less on what else the machine does. The server
// and TLS take their part of the CPU.
func BenchmarkThroughput(b *testing.B) {
	for _, h2 := range []bool{false, true} {
		protocol := "HTTP/1.1"
		if h2 {
			protocol = "HTTP/2"
		}
		b.Run(protocol, func(b *testing.B) {
			url := thinker(b, h2)
			list := append(subjects(b), subject{"default-transport", nil, nil})
			clients := make([]*connectlinks.Client, len(list))
			for i, s := range list {
				base := connectlinks.NewTransport()
				if s.transport == nil {
					base = http.DefaultTransport.(*http.Transport).Clone()
					s.transport = list[0].transport
				}
				base.TLSClientConfig = &tls.Config{RootCAs: testkit.Roots}
				clients[i] = testkit.ClientAt(b, url, s.transport(base), s.opts...)
			}
			rates, ratios, perCPU := make([][]float64, len(list)), make([][]float64, len(list)), make([][]float64, len(list))
			for round := range b.N {
				now := make([]turn, len(list))
				for i := range list {
					who := (round + i) % len(list)
					now[who] = load(b, clients[who], 64, 250*time.Millisecond)
				}
				for i := range list {
					rates[i] = append(rates[i], now[i].rate)
					ratios[i] = append(ratios[i], now[i].rate/now[0].rate)
					perCPU[i] = append(perCPU[i], now[i].perCPU/now[0].perCPU)
				}
			}
			b.ReportMetric(0, "ns/op")
			for i, s := range list {
				b.ReportMetric(median(rates[i]), s.name+"/s")
				if i > 0 {
					b.ReportMetric(median(ratios[i]), s.name+"-x-rate")
					b.ReportMetric(median(perCPU[i]), s.name+"-x-CPU")
				}
			}
		})
	}
}

// thinker starts a server that answers a create after 2 ms, and returns its origin.
func thinker(b *testing.B, h2 bool) string {
	status, body := testkit.Success(http.MethodPost, testkit.BasePath+createRoute)
	srv := testkit.Unstarted(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(2 * time.Millisecond)
		testkit.Answer(status, "application/json", body)(w, r)
	}))
	srv.EnableHTTP2 = h2
	srv.StartTLS()
	return srv.URL
}

// turn is what a subject reached: calls per second, and per second of CPU time.
type turn struct{ rate, perCPU float64 }

// load lets callers create links for a while.
func load(b *testing.B, c *connectlinks.Client, callers int, d time.Duration) turn {
	var calls atomic.Int64
	var done sync.WaitGroup
	start, busy := time.Now(), cpuTime(b)
	for range callers {
		done.Go(func() {
			for time.Since(start) < d {
				if _, err := c.Sources.CreateConnectLink(b.Context(), create); err != nil {
					b.Error(err)
					return
				}
				calls.Add(1)
			}
		})
	}
	done.Wait()
	n := float64(calls.Load())
	return turn{n / time.Since(start).Seconds(), n / (cpuTime(b) - busy).Seconds()}
}

// cpuTime returns the CPU time of this process.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
