package bench

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinksweb"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
)

// memory is a network in memory for one server.
type memory struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error   { m.once.Do(func() { close(m.closed) }); return nil }
func (m *memory) Addr() net.Addr { return &net.TCPAddr{} }

func (m *memory) dial(context.Context, string, string) (net.Conn, error) {
	near, far := testkit.Pipe()
	m.conns <- far
	return near, nil
}

// An hour in which a customer opens a page every five minutes, looks at it for ten seconds and
// clicks, in fake time, so that only round trips cost any: the click takes one with Warm, and three
// without.
func TestAnHourOfClicks(t *testing.T) {
	const roundTrip = 50 * time.Millisecond
	cert, roots := testkit.Identity()
	for _, http2 := range []bool{false, true} {
		if http2 && strings.HasPrefix(runtime.Version(), "go1.25") {
			continue // its HTTP/2 server keeps channels in a pool, and so carries them between bubbles
		}
		for _, warm := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				network := &memory{conns: make(chan net.Conn), closed: make(chan struct{})}
				requests := map[string]int{}
				var mu sync.Mutex
				server := &http.Server{
					Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						mu.Lock()
						requests[r.Method]++
						mu.Unlock()
						w.WriteHeader(http.StatusCreated)
						_, _ = w.Write(created)
					}),
					TLSConfig: testkit.ServerTLS(cert, http2),
				}
				if !http2 {
					server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					_ = server.ServeTLS(farListener{network, roundTrip / 2}, "", "")
				}()
				transport := connectlinks.NewTransport()
				transport.DialContext = FarDial(roundTrip, network.dial)
				transport.TLSClientConfig = &tls.Config{RootCAs: roots}
				client, err := connectlinks.NewClient(connectlinks.WithToken(Token), connectlinks.WithBaseURL(testkit.Origin),
					connectlinks.WithHTTPClient(&http.Client{Transport: transport}))
				if err != nil {
					t.Fatal(err)
				}
				defer func() {
					client.CloseIdleConnections()
					_ = server.Close()
					<-done
					time.Sleep(time.Second) // for what is on its way
				}()
				mint := func(_ http.ResponseWriter, r *http.Request) (connectlinks.ConnectLink, error) {
					link, err := client.Destinations.CreateConnectLink(r.Context(), Params)
					if err != nil {
						return connectlinks.ConnectLink{}, err
					}
					return link.ConnectLink, nil
				}
				var opts []connectlinksweb.Option
				if warm {
					opts = append(opts, connectlinksweb.WithWarm(client.Warm))
				}
				page := connectlinksweb.Start(mint, opts...)
				for range 12 {
					time.Sleep(5*time.Minute - 10*time.Second)
					w := httptest.NewRecorder()
					page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/connect", nil))
					if w.Code != http.StatusOK {
						t.Fatal(w.Code)
					}
					time.Sleep(10 * time.Second)
					click := httptest.NewRequest(http.MethodPost, "/connect", nil)
					click.Header.Set("Sec-Fetch-Site", "same-origin")
					w = httptest.NewRecorder()
					start := time.Now()
					page.ServeHTTP(w, click)
					took := float64(time.Since(start)) / float64(roundTrip)
					if w.Code != http.StatusSeeOther {
						t.Fatal(w.Code, w.Body)
					}
					if warm && took > 1.1 || !warm && took < 2.9 {
						t.Errorf("HTTP/2 %t, warm %t: a click took %.2f round trips", http2, warm, took)
					}
				}
				if warm && requests[http.MethodHead] != 12 {
					t.Errorf("%d requests to warm, for 12 pages", requests[http.MethodHead])
				}
			})
		}
	}
}
