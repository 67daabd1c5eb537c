package connectlinks_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/connectlinks/connectlinks-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHTTP2OutcomeOfAnswers(t *testing.T) { outcomeTable(t, true) }

func TestHTTP2OutcomeOfAnswersOnSockets(t *testing.T) { outcomeTableOnSockets(t, true) }

func TestHTTP2OutcomeOfAnswersThatNeverCome(t *testing.T) { outcomeNeverAnswered(t, true) }

func TestHTTP2OutcomeOfCancelOnSockets(t *testing.T) { outcomeCancelledOnSockets(t, true) }

// A server that shuts down says so with GOAWAY, and lets what is under way come to
// its end; one that is in a hurry does not.
func TestHTTP2OutcomeOfAServerThatGoesAway(t *testing.T) {
	t.Parallel()
	for _, op := range outcomeAll() {
		t.Run(op.name+", gracefully", func(t *testing.T) {
			outcomeNeedsGo126(t, true)
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := outcomeInMemory(t, true)
				c := outcomeClient(t, n.url(), n.tr)
				for i := range 3 {
					n.api.begin(outcomeFault{false, func(w http.ResponseWriter, r *http.Request) {
						w.Header().Set("Connection", "close") // GOAWAY, in HTTP/2
						n.api.mu.Lock()
						status, body := n.api.carryOut(r.Method, strings.TrimPrefix(r.URL.Path, outcomePrefix))
						n.api.mu.Unlock()
						w.WriteHeader(status)
						_, _ = io.WriteString(w, body)
					}})
					id, err := op.call(t.Context(), c)
					require.NoError(t, err)
					assert.Equal(t, op.hand(n.api), id)
					requests, made := n.api.seen()
					assert.Equal(t, []string{op.request}, requests)
					assert.Equal(t, i+1, n.dialCount())
					if op.creates {
						assert.Equal(t, 1, made)
					}
				}
			})
		})
		t.Run(op.name+", in the midst", func(t *testing.T) {
			outcomeNeedsGo126(t, true)
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := outcomeInMemory(t, true)
				c := outcomeClient(t, n.url(), n.tr)
				n.api.begin(outcomeFault{true, func(_ http.ResponseWriter, r *http.Request) {
					n.mu.Lock()
					for _, conn := range n.pipes {
						_ = conn.Close()
					}
					n.mu.Unlock()
					panic(http.ErrAbortHandler)
				}})
				id, err := op.call(t.Context(), c)
				requests, made := n.api.seen()
				if op.creates {
					outcomeCheckError(t, err, outcomeRow{verdict: outcomeUnknown}, op)
					assert.Zero(t, id)
					assert.Len(t, requests, 1)
					assert.Equal(t, 1, made)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, op.hand(n.api), id)
				assert.GreaterOrEqual(t, len(requests), 2)
			})
		})
	}
	t.Run("shut down on a socket", func(t *testing.T) {
		t.Parallel()
		for _, op := range outcomeCreates {
			api := outcomeNewAPI()
			srv, tr := outcomeServe(t, api, true)
			var down sync.WaitGroup
			api.begin(outcomeFault{true, func(w http.ResponseWriter, _ *http.Request) {
				down.Go(func() { _ = srv.Config.Shutdown(context.Background()) })
				w.WriteHeader(http.StatusCreated)
				_, _ = io.WriteString(w, `{"status":"created","data":`+api.link(1001)+`}`)
			}})
			id, err := op.call(t.Context(), outcomeClient(t, srv.URL, tr, connectlinks.WithMaxRetries(0)))
			require.NoError(t, err, op.name)
			assert.EqualValues(t, 1001, id, op.name)
			down.Wait()
			_, made := api.seen()
			assert.Equal(t, 1, made, op.name)
		}
	})
}

// Frames of HTTP/2, as far as a server needs them that answers nothing well.
const (
	http2Data     = 0x0
	http2Headers  = 0x1
	http2Reset    = 0x3
	http2Settings = 0x4
	http2Ping     = 0x6
	http2GoAway   = 0x7

	http2EndStream  = 0x1
	http2Ack        = 0x1
	http2EndHeaders = 0x4

	http2NoError       = 0x0
	http2ProtocolError = 0x1
	http2InternalError = 0x2
	http2RefusedStream = 0x7
	http2Cancel        = 0x8
	http2EnhanceCalm   = 0xb
	http2RequireHTTP11 = 0xd
)

// http2Server is a server that counts the requests on the wire, and spoils the
// first ones as a test has it. The others get body in a 200.
type http2Server struct {
	net.Listener
	spoil func(c *http2Conn, stream uint32) // the first request
	body  string

	mu       sync.Mutex
	requests int // HEADERS frames, on all connections
	conns    int
	open     []net.Conn
}

type http2Conn struct {
	net.Conn
	server *http2Server
}

func http2Listen(t *testing.T, body string, spoil func(*http2Conn, uint32)) *http2Server {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", outcomeServerTLS(outcomeCert, true))
	require.NoError(t, err)
	s := &http2Server{Listener: l, spoil: spoil, body: body}
	var accepting, running sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.open = append(s.open, conn)
			s.mu.Unlock()
			running.Go(func() {
				defer conn.Close()
				s.serve(&http2Conn{conn, s})
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		accepting.Wait()
		s.mu.Lock()
		for _, conn := range s.open { // net/http leaves one that went away to the server
			_ = conn.Close()
		}
		s.mu.Unlock()
		running.Wait()
	})
	return s
}

func (s *http2Server) seen() (requests, conns int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, s.conns
}

func (s *http2Server) serve(c *http2Conn) {
	preface := make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	if _, err := io.ReadFull(c, preface); err != nil {
		return
	}
	s.mu.Lock()
	s.conns++
	s.mu.Unlock()
	c.frame(http2Settings, 0, 0, nil)
	for {
		var head [9]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(c, payload); err != nil {
			return
		}
		flags, stream := head[4], binary.BigEndian.Uint32(head[5:])
		switch head[3] {
		case http2Settings:
			if flags&http2Ack == 0 {
				c.frame(http2Settings, http2Ack, 0, nil)
			}
		case http2Ping:
			if flags&http2Ack == 0 {
				c.frame(http2Ping, http2Ack, 0, payload)
			}
		case http2Headers:
			s.mu.Lock()
			s.requests++
			first := s.requests == 1
			s.mu.Unlock()
			if first {
				s.spoil(c, stream)
				continue
			}
			c.frame(http2Headers, http2EndHeaders, stream, []byte{0x88}) // :status 200
			c.frame(http2Data, http2EndStream, stream, []byte(s.body))
		}
	}
}

func (c *http2Conn) frame(kind, flags byte, stream uint32, payload []byte) {
	b := make([]byte, 9, 9+len(payload))
	b[0], b[1], b[2], b[3], b[4] = byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags
	binary.BigEndian.PutUint32(b[5:], stream)
	_, _ = c.Write(append(b, payload...))
}

func (c *http2Conn) reset(stream, code uint32) {
	c.frame(http2Reset, 0, stream, binary.BigEndian.AppendUint32(nil, code))
}

func (c *http2Conn) goAway(last, code uint32) {
	c.frame(http2GoAway, 0, 0, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), code))
}

// That it has not looked at a request is only the server's word: net/http believes
// it, and sends the request once more by itself. A create it may not.
func TestHTTP2CreateIsNotReplayed(t *testing.T) {
	t.Parallel()
	spoils := map[string]struct {
		spoil    func(c *http2Conn, stream uint32)
		replayed bool // a GET, by net/http itself
	}{
		"RST_STREAM, REFUSED_STREAM":    {func(c *http2Conn, stream uint32) { c.reset(stream, http2RefusedStream) }, true},
		"RST_STREAM, PROTOCOL_ERROR":    {func(c *http2Conn, stream uint32) { c.reset(stream, http2ProtocolError) }, true},
		"RST_STREAM, INTERNAL_ERROR":    {func(c *http2Conn, stream uint32) { c.reset(stream, http2InternalError) }, false},
		"RST_STREAM, CANCEL":            {func(c *http2Conn, stream uint32) { c.reset(stream, http2Cancel) }, false},
		"RST_STREAM, HTTP_1_1_REQUIRED": {func(c *http2Conn, stream uint32) { c.reset(stream, http2RequireHTTP11) }, false},
		"RST_STREAM, NO_ERROR":          {func(c *http2Conn, stream uint32) { c.reset(stream, http2NoError) }, false},
		"GOAWAY, 0, NO_ERROR":           {func(c *http2Conn, _ uint32) { c.goAway(0, http2NoError) }, true},
		"GOAWAY, 0, NO_ERROR, closed":   {func(c *http2Conn, _ uint32) { c.goAway(0, http2NoError); _ = c.Close() }, true},
		"GOAWAY, 0, ENHANCE_YOUR_CALM":  {func(c *http2Conn, _ uint32) { c.goAway(0, http2EnhanceCalm); _ = c.Close() }, false},
		"GOAWAY, the stream itself":     {func(c *http2Conn, stream uint32) { c.goAway(stream, http2NoError); _ = c.Close() }, false},
		"GOAWAY, INTERNAL_ERROR":        {func(c *http2Conn, stream uint32) { c.goAway(stream, http2InternalError); _ = c.Close() }, false},
		"closed without a word":         {func(c *http2Conn, _ uint32) { _ = c.Close() }, false},
		"GOAWAY and RST_STREAM":         {func(c *http2Conn, stream uint32) { c.goAway(0, http2NoError); c.reset(stream, http2RefusedStream) }, true},
		"a frame that makes no sense":   {func(c *http2Conn, stream uint32) { c.frame(http2Settings, 0, stream, []byte{1}) }, false},
		"headers that make no sense":    {func(c *http2Conn, stream uint32) { c.frame(http2Headers, http2EndHeaders, stream, []byte{0xff, 0xff}) }, false},
		"RST_STREAM after headers": {func(c *http2Conn, stream uint32) {
			c.frame(http2Headers, http2EndHeaders, stream, []byte{0x88})
			c.reset(stream, http2RefusedStream)
		}, false},
		"GOAWAY after headers, and closed": {func(c *http2Conn, stream uint32) {
			c.frame(http2Headers, http2EndHeaders, stream, []byte{0x88})
			c.goAway(0, http2NoError)
			_ = c.Close()
		}, false},
	}
	api := outcomeNewAPI()
	body := `{"status":"success","data":` + api.link(outcomeLinkID) + `}`
	client := func(t *testing.T, s *http2Server) *connectlinks.Client {
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: outcomeRoots}, ForceAttemptHTTP2: true}
		return outcomeClient(t, "https://"+s.Addr().String(), tr, connectlinks.WithMaxRetries(0))
	}
	for name, tt := range spoils {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, op := range outcomeCreates {
				s := http2Listen(t, body, tt.spoil)
				id, err := op.call(t.Context(), client(t, s))
				require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.name)
				assert.Zero(t, id, op.name)
				requests, conns := s.seen()
				assert.Equal(t, 1, requests, "%s: HEADERS on the wire", op.name)
				assert.LessOrEqual(t, conns, 2, op.name)
			}
			for _, op := range outcomeReads[:3] {
				s := http2Listen(t, body, tt.spoil)
				id, err := op.call(t.Context(), client(t, s))
				requests, _ := s.seen()
				if tt.replayed { // or the test would prove nothing of creates
					require.NoError(t, err, op.name)
					assert.EqualValues(t, outcomeLinkID, id, op.name)
					assert.GreaterOrEqual(t, requests, 2, op.name)
					continue
				}
				require.Error(t, err, op.name)
				assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.name)
				assert.Equal(t, 1, requests, op.name)
			}
		})
	}
}

// http2Gate lets a round of requests pass when all of them have arrived.
type http2Gate struct {
	mu   sync.Mutex
	want int
	here int
	open chan struct{}
}

func (g *http2Gate) pass(ctx context.Context) {
	g.mu.Lock()
	open := g.open
	if g.here++; g.here == g.want {
		g.here, g.open = 0, make(chan struct{})
		close(open)
	}
	g.mu.Unlock()
	select {
	case <-open:
	case <-ctx.Done():
	}
}

// 64 callers at a time do not reconnect, whatever they are answered.
func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	const callers, rounds = 64, 3
	answers := map[string]outcomeAnswer{
		"success": nil,
		"a long refusal": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, strings.Repeat("<p>Sorry</p>", 500))
		},
		"a redirect": outcomeAnswers(302, "text/html", outcomeHTML, "Location", "https://other.test/"),
		"unusable":   outcomeAnswers(200, "text/html", outcomeHTML),
	}
	for _, proto := range []string{"HTTP/1.1", "HTTP/1.1, the SDK's own transport", "HTTP/2"} {
		for name, answer := range answers {
			t.Run(proto+", "+name, func(t *testing.T) {
				t.Parallel()
				var (
					mu    sync.Mutex
					conns int
				)
				api := outcomeNewAPI()
				gate := &http2Gate{want: callers, open: make(chan struct{})}
				srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("User-Agent")[:4] != "warm" {
						gate.pass(r.Context())
					}
					api.ServeHTTP(w, r)
				}))
				srv.Config.ErrorLog = outcomeQuiet
				srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
					if state == http.StateNew {
						mu.Lock()
						defer mu.Unlock()
						conns++
					}
				}
				srv.TLS = &tls.Config{Certificates: []tls.Certificate{outcomeCert}}
				opts := []connectlinks.Option{connectlinks.WithToken(outcomeToken), connectlinks.WithMaxRetries(0)}
				want := callers
				switch proto {
				case "HTTP/2":
					want = 1
					srv.EnableHTTP2 = true
					srv.StartTLS()
					opts = append(opts, connectlinks.WithHTTPClient(srv.Client()))
				case "HTTP/1.1":
					srv.StartTLS()
					srv.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = callers
					opts = append(opts, connectlinks.WithHTTPClient(srv.Client()))
				default:
					srv.Start() // there is no way to make it trust a test's certificate
				}
				t.Cleanup(srv.Close)
				c, err := connectlinks.NewClient(append(opts, connectlinks.WithBaseURL(srv.URL+outcomePrefix))...)
				require.NoError(t, err)
				t.Cleanup(c.CloseIdleConnections)
				// In HTTP/2 the first callers would all dial, before one knows that one is enough.
				warm, err := c.With(connectlinks.WithUserAgent("warm"))
				require.NoError(t, err)
				_, err = warm.Sources.GetConnectLink(t.Context(), 1)
				require.NoError(t, err)

				for round := range rounds {
					api.begin()
					if answer != nil {
						api.beginForever(outcomeFault{false, answer})
					}
					var calls sync.WaitGroup
					ops := outcomeSome()
					for i := range callers {
						calls.Go(func() {
							op := ops[i%len(ops)]
							if answer == nil {
								op = outcomeReads[i%len(outcomeReads)]
							}
							_, err := op.call(t.Context(), c)
							if answer == nil {
								assert.NoError(t, err, op.name)
							} else {
								assert.Error(t, err, op.name)
							}
						})
					}
					calls.Wait()
					mu.Lock()
					assert.Equal(t, want, conns, "after round %d", round+1)
					mu.Unlock()
				}
				for _, p := range api.protos {
					assert.Equal(t, map[bool]int{false: 1, true: 2}[proto == "HTTP/2"], p)
				}
			})
		}
	}
}

// What arrived over HTTP/2 is what arrives over HTTP/1.1.
func TestHTTP2Request(t *testing.T) {
	t.Parallel()
	var got []string
	srv, tr := outcomeServe(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, fmt.Sprintf("%d %s %s %s %s", r.ProtoMajor, r.Method, r.URL.Path, r.Header.Get("Authorization"), body))
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"status":"created","data":{"id":1,"uri":"https://app.getcensus.com/pbc?auth=x"}}`)
	}), true)
	_, err := outcomeClient(t, srv.URL, tr).Sources.CreateConnectLink(t.Context(), connectlinks.CreateConnectLinkParams{Type: "postgres"})
	require.NoError(t, err)
	assert.Equal(t, []string{"2 POST " + outcomePrefix + `/api/v1/source_connect_links Bearer ` + outcomeToken + ` {"type":"postgres"}`}, got)
}
