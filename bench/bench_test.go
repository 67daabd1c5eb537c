package bench

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/connectlinks/connectlinks-go"
)

// The baselines do what the SDK does, or the comparison means nothing.
func TestTheSameLink(t *testing.T) {
	makers, err := InMemory()
	if err != nil {
		t.Fatal(err)
	}
	var first *connectlinks.DestinationConnectLink
	for _, m := range makers {
		link, err := m.Create(t.Context(), Params)
		if err != nil {
			t.Fatalf("%s: %v", m.Name, err)
		}
		link.CreatedAt = time.Time{} // the baselines do not tell the API's time
		if first == nil {
			first = link
		}
		if *link != *first || link.ID != 469 || !strings.HasPrefix(link.URL, "https://app.example.com/pbc?auth=") || link.ExpiresAt.IsZero() {
			t.Errorf("%s: %v, not %v", m.Name, link, first)
		}
	}
}

func TestWalkersSeeAllLinks(t *testing.T) {
	walkers, err := Walkers(1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range walkers {
		if n, err := WalkAll(t.Context(), w.Walk, nil); n != 1000 || err != nil {
			t.Errorf("%s: %d links, %v", w.Name, n, err)
		}
	}
}

type answer func(*http.Request) (*http.Response, error)

func (a answer) RoundTrip(req *http.Request) (*http.Response, error) { return a(req) }

func TestBaselinesRefuse(t *testing.T) {
	for name, a := range map[string]answer{
		"a redirect": func(req *http.Request) (*http.Response, error) {
			resp, err := respond(req, http.StatusTemporaryRedirect, created)
			resp.Header = http.Header{"Location": {Base}}
			return resp, err
		},
		"an error":         func(req *http.Request) (*http.Response, error) { return respond(req, 422, created) },
		"an empty body":    func(req *http.Request) (*http.Response, error) { return respond(req, 201, nil) },
		"no link":          func(req *http.Request) (*http.Response, error) { return respond(req, 201, []byte(`{"data":{}}`)) },
		"trailing garbage": func(req *http.Request) (*http.Response, error) { return respond(req, 201, []byte(createdJSON+"x")) },
	} {
		for _, create := range []Create{
			NewBare(a, Base, Token).CreateConnectLink,
			NewLikeForLike(a, Base, Token).CreateConnectLink,
		} {
			if link, err := create(t.Context(), Params); err == nil {
				t.Errorf("%s: %v", name, link)
			}
		}
	}
}

func TestLikeForLikeProof(t *testing.T) {
	s, err := NewLoopback(false, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := NewLikeForLike(Tuned(), s.URL, Token)
	c.timeout = 500 * time.Millisecond
	if _, err := c.CreateConnectLink(t.Context(), Params); !errors.Is(err, errTimeout) || !errors.Is(err, errOutcomeUnknown) {
		t.Errorf("after a connection: %v", err)
	}
	s.Close()
	if _, err := c.CreateConnectLink(t.Context(), Params); err == nil || errors.Is(err, errOutcomeUnknown) {
		t.Errorf("without a connection: %v", err)
	}
}

func BenchmarkCreate(b *testing.B) {
	makers, err := InMemory()
	if err != nil {
		b.Fatal(err)
	}
	for _, m := range makers {
		b.Run("client="+m.Name, func(b *testing.B) {
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Create(ctx, Params); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// 64 callers over TLS on the loopback interface, to a server that thinks for 2 ms.
func BenchmarkCallers(b *testing.B) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		s, err := NewLoopback(protocol == "HTTP/2", 2*time.Millisecond)
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		makers, err := OverLoopback(s.URL)
		if err != nil {
			b.Fatal(err)
		}
		for _, m := range makers {
			b.Run("protocol="+protocol+"/client="+m.Name, func(b *testing.B) {
				before := s.Conns()
				load, err := Run(64, b.N, time.Hour, func() error {
					_, err := m.Create(context.Background(), Params)
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(load.Rate(), "calls/s")
				b.ReportMetric(milliseconds(load.Quantile(.5)), "p50-ms")
				b.ReportMetric(milliseconds(load.Quantile(.99)), "p99-ms")
				b.ReportMetric(float64(s.Conns()-before), "connections")
			})
		}
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func BenchmarkWalk(b *testing.B) {
	for _, links := range []int{1_000, 10_000, 100_000} {
		walkers, err := Walkers(links)
		if err != nil {
			b.Fatal(err)
		}
		for _, w := range walkers {
			b.Run("links="+strconv.Itoa(links)+"/client="+w.Name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if n, err := WalkAll(context.Background(), w.Walk, nil); n != links || err != nil {
						b.Fatal(n, err)
					}
				}
				b.StopTimer()
				base, peak := Live(), int64(0)
				if _, err := WalkAll(context.Background(), w.Walk, func() { peak = max(peak, Live()-base) }); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(peak), "peak-live-B")
			})
		}
	}
}

func BenchmarkDerived(b *testing.B) {
	parent, err := Client(Created{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("with", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := parent.With(connectlinks.WithToken(Token)); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, n := range []int{1, 1000} {
		clients, err := Derive(parent, n)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("create/clients="+strconv.Itoa(n), func(b *testing.B) {
			var i atomic.Int64
			b.ReportAllocs()
			for b.Loop() {
				c := clients[i.Add(1)%int64(n)]
				if _, err := c.Destinations.CreateConnectLink(context.Background(), Params); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
