package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Loopback is a server on the loopback interface, over TLS, that thinks for a
// while and then answers with a new link.
type Loopback struct {
	URL string

	conns  atomic.Int64
	server *http.Server
}

// NewLoopback starts a server that speaks HTTP/2 or, without it, HTTP/1.1 only.
// The process trusts its certificate: see the godebug line in go.mod.
func NewLoopback(http2 bool, think time.Duration) (*Loopback, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return serve(l, http2, think)
}

// NewFar starts a server whose answers take half a round trip. See [FarTransport] for the requests.
func NewFar(http2 bool, roundTrip time.Duration) (*Loopback, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return serve(farListener{l, roundTrip / 2}, http2, 0)
}

func serve(l net.Listener, http2 bool, think time.Duration) (*Loopback, error) {
	cert, err := certificate()
	if err != nil {
		return nil, err
	}
	s := &Loopback{URL: "https://" + l.Addr().String()}
	s.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			time.Sleep(think)
			w.Header()["Content-Type"] = jsonHeader["Content-Type"]
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write(created)
		}),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
		Protocols: new(http.Protocols),
		ErrorLog:  log.New(io.Discard, "", 0), // of connections that Go's default transport gives up
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				s.conns.Add(1)
			}
		},
	}
	s.server.Protocols.SetHTTP1(true)
	s.server.Protocols.SetHTTP2(http2)
	go func() { _ = s.server.ServeTLS(l, "", "") }()
	return s, nil
}

// Conns is how many connections have been opened.
func (s *Loopback) Conns() int64 { return s.conns.Load() }

// Close stops the server.
func (s *Loopback) Close() error { return s.server.Close() }

// certificate is a new one for 127.0.0.1, which the whole process trusts.
var certificate = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "bench"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	x509.SetFallbackRoots(roots)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
})

// Load is what some callers got done.
type Load struct {
	Calls     int
	Elapsed   time.Duration
	latencies []time.Duration // sorted
}

// Rate is in calls per second.
func (l *Load) Rate() float64 { return float64(l.Calls) / l.Elapsed.Seconds() }

// Quantile is the latency that a part q of the calls did not exceed.
func (l *Load) Quantile(q float64) time.Duration {
	if len(l.latencies) == 0 {
		return 0
	}
	return l.latencies[min(int(q*float64(len(l.latencies))), len(l.latencies)-1)]
}

// Run lets so many callers call again and again until the time is over or as many
// calls are done, whichever comes first. With 0 calls only the time counts. It returns the
// first error.
func Run(callers, calls int, d time.Duration, call func() error) (*Load, error) {
	var (
		mu    sync.Mutex
		load  Load
		first error
		done  sync.WaitGroup
		begun atomic.Int64
	)
	start := time.Now()
	for range callers {
		done.Go(func() {
			latencies := make([]time.Duration, 0, 1024)
			var err error
			for now := time.Now(); err == nil && now.Sub(start) < d; {
				if n := begun.Add(1); calls > 0 && n > int64(calls) {
					break
				}
				err = call()
				end := time.Now()
				latencies = append(latencies, end.Sub(now))
				now = end
			}
			mu.Lock()
			defer mu.Unlock()
			load.latencies = append(load.latencies, latencies...)
			if first == nil {
				first = err
			}
		})
	}
	done.Wait()
	load.Elapsed, load.Calls = time.Since(start), len(load.latencies)
	slices.Sort(load.latencies)
	return &load, first
}
