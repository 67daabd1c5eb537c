package connectlinks_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHTTP2RetriesAfterAnAnswer(t *testing.T) { testRetries(t, true) }

func TestHTTP2RetriesAfterAnAnswerOnSockets(t *testing.T) { testRetriesOnSockets(t, true) }

func TestHTTP2TimeLimitsOfAnAnswer(t *testing.T) { testNeverAnswered(t, true) }

func TestHTTP2CancelOnSockets(t *testing.T) { testCancelOnSockets(t, true) }

// A server that shuts down sends GOAWAY and lets requests finish. A server in a hurry
// closes its connections.
func TestHTTP2ServerGoesAway(t *testing.T) {
	testkit.NeedsGo126(t, true)
	t.Parallel()
	for _, op := range testkit.LinkCalls() {
		testkit.Bubble(t, op.Name+", gracefully", func(t *testing.T) {
			n := testkit.NewNetwork(t, true)
			c := n.Client(t)
			for i := range 3 {
				synctest.Wait() // for the GOAWAY before
				n.API.Begin(testkit.Instead(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Connection", "close") // GOAWAY, in HTTP/2
					n.API.CarryOut(w, r)
				}))
				id, err := op.LinkID(t.Context(), c)
				require.NoError(t, err)
				assert.Equal(t, n.API.LinkOf(op), id)
				n.API.CheckSeen(t, op, 1, op.Links())
				assert.Equal(t, i+1, n.Dials())
			}
		})
		testkit.Bubble(t, op.Name+", in the midst", func(t *testing.T) {
			n := testkit.NewNetwork(t, true)
			n.API.Begin(testkit.After(func(w http.ResponseWriter, r *http.Request) {
				n.CloseConnections()
				testkit.Abort(w, r)
			}))
			id, err := op.LinkID(t.Context(), n.Client(t))
			if op.Creates {
				failure{repeats: noCreates}.check(t, err, op)
				assert.Zero(t, id)
				n.API.CheckSeen(t, op, 1, 1)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, n.API.LinkOf(op), id)
			assert.GreaterOrEqual(t, len(n.API.Received()), 2)
		})
	}
}

func TestHTTP2ServerShutsDownOnASocket(t *testing.T) {
	t.Parallel()
	for _, op := range testkit.Creates() {
		api := testkit.NewAPI()
		srv, tr := testkit.Serve(t, api, true)
		var down sync.WaitGroup
		api.Begin(testkit.After(func(w http.ResponseWriter, _ *http.Request) {
			down.Go(func() { _ = srv.Config.Shutdown(context.Background()) })
			testkit.Answer(http.StatusCreated, "application/json", testkit.Envelope("created", testkit.Link(1001)))(w, nil)
		}))
		id, err := op.LinkID(t.Context(), testkit.ClientAt(t, srv.URL, tr, testkit.NoRetries))
		require.NoError(t, err, op.Name)
		assert.EqualValues(t, 1001, id, op.Name)
		down.Wait()
		api.CheckSeen(t, op, 1, 1)
	}
}

// The frames and error codes of HTTP/2 that these tests send and read.
const (
	http2Data     = 0x0
	http2Headers  = 0x1
	http2Reset    = 0x3
	http2Settings = 0x4
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

// http2Server counts the requests on the wire. It calls spoil for the first request, and
// answers the others with a link.
type http2Server struct {
	net.Listener
	spoil func(c *http2Conn, stream uint32)

	mu       sync.Mutex
	requests int // HEADERS frames, on all connections
	conns    int
	open     []net.Conn
}

type http2Conn struct {
	net.Conn
	server *http2Server
}

func http2Listen(t *testing.T, spoil func(*http2Conn, uint32)) *http2Server {
	t.Helper()
	l := testkit.Listen(t)
	s := &http2Server{Listener: l, spoil: spoil}
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
		for _, conn := range s.open { // net/http does not close a connection after GOAWAY
			_ = conn.Close()
		}
		s.mu.Unlock()
		running.Wait()
	})
	return s
}

// client makes a client that negotiates HTTP/2 with s.
func (s *http2Server) client(t *testing.T) *connectlinks.Client {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: testkit.ClientTLS(), ForceAttemptHTTP2: true}
	return testkit.ClientAt(t, "https://"+s.Addr().String(), tr, testkit.NoRetries)
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
			c.frame(http2Data, http2EndStream, stream, []byte(testkit.Envelope("success", testkit.LinkJSON)))
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

func refuseStream(c *http2Conn, stream uint32) { c.reset(stream, http2RefusedStream) }

// A server may report that it did not process a request. net/http then sends the request once
// more by itself. It must not do so for a create.
func TestHTTP2CreateIsNotReplayed(t *testing.T) {
	t.Parallel()
	spoils := map[string]func(c *http2Conn, stream uint32){
		"RST_STREAM, REFUSED_STREAM":    refuseStream,
		"RST_STREAM, PROTOCOL_ERROR":    func(c *http2Conn, stream uint32) { c.reset(stream, http2ProtocolError) },
		"RST_STREAM, INTERNAL_ERROR":    func(c *http2Conn, stream uint32) { c.reset(stream, http2InternalError) },
		"RST_STREAM, CANCEL":            func(c *http2Conn, stream uint32) { c.reset(stream, http2Cancel) },
		"RST_STREAM, HTTP_1_1_REQUIRED": func(c *http2Conn, stream uint32) { c.reset(stream, http2RequireHTTP11) },
		"RST_STREAM, NO_ERROR":          func(c *http2Conn, stream uint32) { c.reset(stream, http2NoError) },
		"GOAWAY, 0, NO_ERROR":           func(c *http2Conn, _ uint32) { c.goAway(0, http2NoError) },
		"GOAWAY, 0, NO_ERROR, closed":   func(c *http2Conn, _ uint32) { c.goAway(0, http2NoError); _ = c.Close() },
		"GOAWAY, 0, ENHANCE_YOUR_CALM":  func(c *http2Conn, _ uint32) { c.goAway(0, http2EnhanceCalm); _ = c.Close() },
		"GOAWAY, the stream itself":     func(c *http2Conn, stream uint32) { c.goAway(stream, http2NoError); _ = c.Close() },
		"GOAWAY, INTERNAL_ERROR":        func(c *http2Conn, stream uint32) { c.goAway(stream, http2InternalError); _ = c.Close() },
		"closed without a word":         func(c *http2Conn, _ uint32) { _ = c.Close() },
		"GOAWAY and RST_STREAM":         func(c *http2Conn, stream uint32) { c.goAway(0, http2NoError); c.reset(stream, http2RefusedStream) },
		"a frame that makes no sense":   func(c *http2Conn, stream uint32) { c.frame(http2Settings, 0, stream, []byte{1}) },
		"headers that make no sense":    func(c *http2Conn, stream uint32) { c.frame(http2Headers, http2EndHeaders, stream, []byte{0xff, 0xff}) },
		"RST_STREAM after headers": func(c *http2Conn, stream uint32) {
			c.frame(http2Headers, http2EndHeaders, stream, []byte{0x88})
			c.reset(stream, http2RefusedStream)
		},
		"GOAWAY after headers, and closed": func(c *http2Conn, stream uint32) {
			c.frame(http2Headers, http2EndHeaders, stream, []byte{0x88})
			c.goAway(0, http2NoError)
			_ = c.Close()
		},
	}
	for name, spoil := range spoils {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, op := range testkit.Creates() {
				s := http2Listen(t, spoil)
				id, err := op.LinkID(t.Context(), s.client(t))
				require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.Name)
				assert.Zero(t, id, op.Name)
				requests, conns := s.seen()
				assert.Equal(t, 1, requests, "%s: HEADERS on the wire", op.Name)
				assert.LessOrEqual(t, conns, 2, op.Name)
			}
		})
	}
}

// net/http sends a GET again if the server refuses the stream. So it is the SDK that
// keeps a create from being sent again.
func TestHTTP2GetIsReplayed(t *testing.T) {
	t.Parallel()
	for _, op := range testkit.Gets() {
		s := http2Listen(t, refuseStream)
		id, err := op.LinkID(t.Context(), s.client(t))
		require.NoError(t, err, op.Name)
		assert.EqualValues(t, testkit.LinkID, id, op.Name)
		requests, _ := s.seen()
		assert.Equal(t, 2, requests, "%s: HEADERS on the wire", op.Name)
	}
}

func TestHTTP2Request(t *testing.T) {
	t.Parallel()
	var got []string
	srv, tr := testkit.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, fmt.Sprintf("%d %s %s %s %s", r.ProtoMajor, r.Method, r.URL.Path, r.Header.Get("Authorization"), body))
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"status":"created","data":{"id":1,"uri":"https://app.getcensus.com/pbc?auth=x"}}`)
	}), true)
	_, err := testkit.ClientAt(t, srv.URL, tr).Sources.CreateConnectLink(t.Context(), connectlinks.CreateConnectLinkParams{Type: "postgres"})
	require.NoError(t, err)
	assert.Equal(t, []string{"2 POST " + testkit.BasePath + `/api/v1/source_connect_links Bearer ` + testkit.Token + ` {"type":"postgres"}`}, got)
}

// A server may speak HTTP/2 on a connection whose handshake did not negotiate it.
func TestHTTP2WithoutNegotiationIsNotReplayed(t *testing.T) {
	t.Parallel()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	for _, op := range testkit.Creates() {
		srv := http2Listen(t, refuseStream)
		tr := &http.Transport{Protocols: &protocols, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			d := tls.Dialer{Config: &tls.Config{RootCAs: testkit.Roots, ServerName: "127.0.0.1", NextProtos: []string{"h2"}}}
			return d.DialContext(ctx, network, srv.Addr().String())
		}}
		c := testkit.ClientAt(t, "http://127.0.0.1:1", tr)
		_, err := op.LinkID(t.Context(), c)
		require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.Name)
		requests, _ := srv.seen()
		assert.Equal(t, 1, requests, op.Name)
	}
}
