package connectlinks_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/stretchr/testify/require"
)

const (
	outcomeToken  = "secret-token:outcome-Q7x2Lm9"
	outcomePrefix = "/proxy/census" // of every base URL, so that absolute paths are noticed
	outcomeHost   = "api.test"      // where the API is reached through memory
)

// outcomeIdentity is a certificate for the test servers, and a pool that trusts it.
func outcomeIdentity() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: outcomeHost},
		NotBefore:    time.Unix(0, 0), // a bubble's clock starts in 2000
		NotAfter:     time.Date(2084, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IsCA:         true,
		DNSNames:     []string{outcomeHost, "other.test"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},

		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// outcomeCert is what the test servers present, and outcomeRoots what trusts it.
var outcomeCert, outcomeRoots = outcomeIdentity()

var outcomeQuiet = log.New(io.Discard, "", 0)

func outcomeServerTLS(cert tls.Certificate, h2 bool) *tls.Config {
	c := &tls.Config{Certificates: []tls.Certificate{cert}}
	if h2 {
		c.NextProtos = []string{"h2", "http/1.1"}
	}
	return c
}

// outcomeAnswer is what becomes of a request. Reaching the API, it has been
// carried out already or not; that is the fault's to say.
type outcomeAnswer func(http.ResponseWriter, *http.Request)

// outcomeFault is what happens to one request.
type outcomeFault struct {
	done   bool          // after it was carried out
	answer outcomeAnswer // nil: as if there was no fault
}

// outcomeAPI carries out requests, counts what it makes, and answers the first
// requests as its faults say. It does nothing against a request that comes twice.
type outcomeAPI struct {
	mu       sync.Mutex
	faults   []outcomeFault
	forever  *outcomeFault // what happens to those after them
	requests []string      // method and path below the prefix
	times    []time.Time
	peers    []string // whom they came from
	protos   []int
	made     int // links
	lastID   int64
	deleted  bool
	revoked  bool
	changed  chan struct{} // closed when a request arrives
}

func outcomeNewAPI() *outcomeAPI { return &outcomeAPI{lastID: 1000, changed: make(chan struct{})} }

// begin forgets what was, for another call.
func (a *outcomeAPI) begin(faults ...outcomeFault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults, a.forever = faults, nil
	a.requests, a.times, a.peers, a.protos = nil, nil, nil, nil
	a.made, a.deleted, a.revoked = 0, false, false
	a.changed = make(chan struct{})
}

// beginForever is begin with a fault for every request.
func (a *outcomeAPI) beginForever(f outcomeFault) {
	a.begin()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forever = &f
}

func (a *outcomeAPI) arrived() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed
}

// seen is the requests so far, and the number of links made.
func (a *outcomeAPI) seen() (requests []string, made int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.requests...), a.made
}

// waited is the time between the first two requests.
func (a *outcomeAPI) waited() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.times) < 2 {
		return 0
	}
	return a.times[1].Sub(a.times[0])
}

func (a *outcomeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Body != nil { // as it is where no server has read the request
		_, _ = io.Copy(io.Discard, r.Body)
	}
	path, below := strings.CutPrefix(r.URL.Path, outcomePrefix)
	if !below {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	a.mu.Lock()
	a.requests = append(a.requests, r.Method+" "+path)
	a.times = append(a.times, time.Now())
	a.peers = append(a.peers, r.RemoteAddr)
	a.protos = append(a.protos, r.ProtoMajor)
	var fault outcomeFault
	if n := len(a.requests); n <= len(a.faults) {
		fault = a.faults[n-1]
	} else if a.forever != nil {
		fault = *a.forever
	}
	status, body := 0, ""
	if fault.done || fault.answer == nil {
		status, body = a.carryOut(r.Method, path)
	}
	if len(a.requests) == 1 {
		close(a.changed)
	}
	a.mu.Unlock()
	if fault.answer != nil {
		fault.answer(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// carryOut has the lock.
func (a *outcomeAPI) carryOut(method, path string) (status int, body string) {
	switch {
	case method == http.MethodDelete && a.deleted:
		return 404, `{"status":404,"message":"no such connection"}`
	case method == http.MethodDelete:
		a.deleted = true
		return 200, `{"status":"deleted"}`
	case method == http.MethodPost && strings.HasSuffix(path, "/revoke") && a.revoked:
		return 409, `{"status":409,"message":"revoked already"}`
	case method == http.MethodPost && strings.HasSuffix(path, "/revoke"):
		a.revoked = true
		return 200, `{"status":"success","data":` + a.link(outcomeLinkID) + `}`
	case method == http.MethodPost && strings.HasSuffix(path, "connect_links"):
		a.made++
		a.lastID++
		return 201, `{"status":"created","data":` + a.link(a.lastID) + `}`
	case method == http.MethodGet && strings.HasSuffix(path, "connect_links"):
		return 200, `{"status":"success","data":[` + a.link(outcomeLinkID) + `],"pagination":{"total_records":1,"per_page":25,"prev_page":null,"page":1,"next_page":null,"last_page":1}}`
	case method == http.MethodGet:
		return 200, `{"status":"success","data":` + a.link(outcomeLinkID) + `}`
	}
	return http.StatusTeapot, ""
}

func (a *outcomeAPI) link(id int64) string {
	return fmt.Sprintf(`{"id":%d,"type":"hubspot","expiration":"2023-07-22T23:42:47.239Z","expired":false,"revoked":%t,`+
		`"uri":"https://app.getcensus.com/pbc?auth=expiring_auth_key","redirect_uri":null,"group_id":"wandering_aimlessly"}`, id, a.revoked)
}

const outcomeLinkID = 469 // of a link that exists already

// outcomeOp is something that a user asks for.
type outcomeOp struct {
	name    string
	request string // what reaches the API
	creates bool
	call    func(context.Context, *connectlinks.Client) (id int64, err error) // id: of the link in hand, 0 for none
}

// outcomeID is the id of the link in hand.
func outcomeID(link any, err error) (int64, error) {
	switch l := link.(type) {
	case *connectlinks.SourceConnectLink:
		if l != nil {
			return l.ID, err
		}
	case *connectlinks.DestinationConnectLink:
		if l != nil {
			return l.ID, err
		}
	case *connectlinks.ActivationConnectLink:
		if l != nil {
			return l.ID, err
		}
	}
	return 0, err
}

func outcomeFirstID[L any](page *connectlinks.Page[L], err error) (int64, error) {
	if page == nil || len(page.Items) == 0 {
		return 0, err
	}
	return outcomeID(&page.Items[0], err)
}

var (
	outcomeParams           = connectlinks.CreateConnectLinkParams{Type: "hubspot"}
	outcomeActivationParams = connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: "wandering_aimlessly"}
	outcomeReauthorization  = connectlinks.CreateReauthorizationLinkParams{}
)

var outcomeCreates = []outcomeOp{
	{"create source link", "POST /api/v1/source_connect_links", true, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return outcomeID(c.Sources.CreateConnectLink(ctx, outcomeParams))
	}},
	{"create destination link", "POST /api/v1/destination_connect_links", true, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return outcomeID(c.Destinations.CreateConnectLink(ctx, outcomeParams))
	}},
	{"create activation link", "POST /api/v2/activation_connect_links", true, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return outcomeID(c.Activations.CreateConnectLink(ctx, outcomeActivationParams))
	}},
	{"reauthorize source", "POST /api/v1/sources/7/connect_links", true, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return outcomeID(c.Sources.CreateReauthorizationLink(ctx, 7, outcomeReauthorization))
	}},
	{"reauthorize destination", "POST /api/v1/destinations/7/connect_links", true, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return outcomeID(c.Destinations.CreateReauthorizationLink(ctx, 7, outcomeReauthorization))
	}},
	{"reauthorize activation", "POST /api/v2/activations/glimmering_donkey/activation_connect_links", true, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return outcomeID(c.Activations.CreateReauthorizationLink(ctx, "glimmering_donkey", outcomeReauthorization))
	}},
}

var outcomeReads = []outcomeOp{
	{"get source link", "GET /api/v1/source_connect_links/469", false, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return outcomeID(c.Sources.GetConnectLink(ctx, outcomeLinkID))
	}},
	{"get destination link", "GET /api/v1/destination_connect_links/469", false, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return outcomeID(c.Destinations.GetConnectLink(ctx, outcomeLinkID))
	}},
	{"get activation link", "GET /api/v2/activation_connect_links/469", false, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return outcomeID(c.Activations.GetConnectLink(ctx, outcomeLinkID))
	}},
	{"list source links", "GET /api/v1/source_connect_links", false, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return outcomeFirstID(c.Sources.ListConnectLinks(ctx, connectlinks.ListOptions{}))
	}},
	{"list destination links", "GET /api/v1/destination_connect_links", false, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return outcomeFirstID(c.Destinations.ListConnectLinks(ctx, connectlinks.ListOptions{}))
	}},
	{"list activation links", "GET /api/v2/activation_connect_links", false, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return outcomeFirstID(c.Activations.ListConnectLinks(ctx, connectlinks.ListOptions{}))
	}},
}

var outcomeRevokes = []outcomeOp{
	{"revoke source link", "POST /api/v1/source_connect_links/469/revoke", false, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return outcomeID(c.Sources.RevokeConnectLink(ctx, outcomeLinkID))
	}},
	{"revoke destination link", "POST /api/v1/destination_connect_links/469/revoke", false, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return outcomeID(c.Destinations.RevokeConnectLink(ctx, outcomeLinkID))
	}},
	{"revoke activation link", "POST /api/v2/activation_connect_links/469/revoke", false, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return outcomeID(c.Activations.RevokeConnectLink(ctx, outcomeLinkID))
	}},
}

// Their id is always 0.
var outcomeDeletes = []outcomeOp{
	{"delete source", "DELETE /api/v1/sources/7", false, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return 0, c.Sources.Delete(ctx, 7)
	}},
	{"delete destination", "DELETE /api/v1/destinations/7", false, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return 0, c.Destinations.Delete(ctx, 7)
	}},
	{"delete activation", "DELETE /api/v2/activations/glimmering_donkey", false, func(ctx context.Context, c *connectlinks.Client) (int64, error) {
		return 0, c.Activations.Delete(ctx, "glimmering_donkey")
	}},
}

// outcomeRepeatable are the operations that may take effect twice.
func outcomeRepeatable() []outcomeOp {
	return append(append(append([]outcomeOp(nil), outcomeReads...), outcomeRevokes...), outcomeDeletes...)
}

// outcomeSome are all creates, and one of each other kind.
func outcomeSome() []outcomeOp {
	return append([]outcomeOp{outcomeReads[0], outcomeReads[4], outcomeRevokes[2], outcomeDeletes[1]}, outcomeCreates...)
}

func outcomeAll() []outcomeOp { return append(outcomeRepeatable(), outcomeCreates...) }

// hand is the id of the link that the operation must have put into the caller's
// hand by now.
func (op outcomeOp) hand(api *outcomeAPI) int64 {
	api.mu.Lock()
	defer api.mu.Unlock()
	switch {
	case op.creates:
		return api.lastID
	case strings.HasPrefix(op.request, http.MethodDelete):
		return 0
	}
	return outcomeLinkID
}

// outcomeClient is a client of the API at base.
func outcomeClient(t testing.TB, base string, rt http.RoundTripper, opts ...connectlinks.Option) *connectlinks.Client {
	t.Helper()
	c, err := connectlinks.NewClient(append([]connectlinks.Option{
		connectlinks.WithToken(outcomeToken),
		connectlinks.WithBaseURL(base + outcomePrefix),
		connectlinks.WithHTTPClient(&http.Client{Transport: rt}),
	}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// outcomeServe is a real server with TLS, on a real socket, and a transport that
// trusts it.
func outcomeServe(t testing.TB, h http.Handler, h2 bool) (*httptest.Server, *http.Transport) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = outcomeQuiet
	srv.EnableHTTP2 = h2
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{outcomeCert}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv, srv.Client().Transport.(*http.Transport)
}

// outcomeNet is a network in memory, for a synctest bubble: whoever is dialled is
// there, with TLS and all that net/http does, but without sockets and real time.
type outcomeNet struct {
	api      *outcomeAPI
	conns    chan net.Conn // to the API
	closed   chan struct{}
	stop     func() // closes closed
	mu       sync.Mutex
	pipes    []net.Conn
	dials    int
	dialed   []string
	misdial  func(n int, addr string, far net.Conn) error // what happens to the n-th dial, from 1; errOutcomeReach to go on
	tr       *http.Transport
	shutdown func()
}

// errOutcomeReach is what misdial returns for a connection that is put through.
var errOutcomeReach = errors.New("put through")

// outcomeNeedsGo126 skips a test that has a server of HTTP/2 in a bubble: that of
// Go 1.25 keeps channels in a pool, and so carries them from one bubble to another.
func outcomeNeedsGo126(t testing.TB, h2 bool) {
	t.Helper()
	if h2 && strings.HasPrefix(runtime.Version(), "go1.25") {
		t.Skip("needs the HTTP/2 of Go 1.26")
	}
}

// outcomeInMemory starts the API in a bubble. What it started ends with the test.
func outcomeInMemory(t testing.TB, h2 bool) *outcomeNet {
	t.Helper()
	n := outcomeUnserved(t, h2)
	n.serve(t, n.api, h2)
	return n
}

func outcomeUnserved(t testing.TB, h2 bool) *outcomeNet {
	n := &outcomeNet{
		api:    outcomeNewAPI(),
		conns:  make(chan net.Conn),
		closed: make(chan struct{}),
	}
	n.stop = sync.OnceFunc(func() { close(n.closed) })
	n.tr = &http.Transport{
		DialContext:         n.dial,
		TLSClientConfig:     &tls.Config{RootCAs: outcomeRoots},
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 128,
		ForceAttemptHTTP2:   h2,
	}
	t.Cleanup(func() {
		n.tr.CloseIdleConnections()
		n.stop()
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, c := range n.pipes {
			_ = c.Close()
		}
	})
	return n
}

func (n *outcomeNet) serve(t testing.TB, h http.Handler, h2 bool) {
	srv := &http.Server{Handler: h, ErrorLog: outcomeQuiet, TLSConfig: outcomeServerTLS(outcomeCert, h2)}
	if !h2 {
		srv.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	n.shutdown = func() { _ = srv.Close() }
	t.Cleanup(n.shutdown)
	go func() { _ = srv.ServeTLS(n, "", "") }()
}

func (n *outcomeNet) url() string { return "https://" + outcomeHost }

func (n *outcomeNet) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	near, far := outcomePipe()
	n.mu.Lock()
	n.pipes = append(n.pipes, near, far)
	n.dials++
	n.dialed = append(n.dialed, addr)
	count, misdial := n.dials, n.misdial
	n.mu.Unlock()
	if misdial != nil {
		if err := misdial(count, addr, far); err != errOutcomeReach {
			return near, err
		}
	}
	return near, n.put(ctx, far)
}

// put through to the API.
func (n *outcomeNet) put(ctx context.Context, far net.Conn) error {
	select {
	case n.conns <- far:
		return nil
	case <-n.closed:
		return net.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *outcomeNet) dialCount() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials
}

func (n *outcomeNet) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *outcomeNet) Close() error   { n.stop(); return nil }
func (n *outcomeNet) Addr() net.Addr { return outcomeAddr(outcomeHost) }

// outcomePipe is a connection in memory. Like one of TCP, and unlike net.Pipe, it
// has buffers: TLS writes where nobody may be reading.
func outcomePipe() (near, far net.Conn) {
	there, back := outcomeNewStream(), outcomeNewStream()
	return &outcomePipeEnd{in: back, out: there}, &outcomePipeEnd{in: there, out: back}
}

// outcomeStream is one direction of it.
type outcomeStream struct {
	mu       sync.Mutex
	changed  *sync.Cond
	buf      []byte
	deadline time.Time // of reading
	ended    bool      // by the writer
	dropped  bool      // by the reader
}

func outcomeNewStream() *outcomeStream {
	s := &outcomeStream{}
	s.changed = sync.NewCond(&s.mu)
	return s
}

type outcomePipeEnd struct{ in, out *outcomeStream }

func (c *outcomePipeEnd) Read(b []byte) (int, error) {
	s := c.in
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.dropped:
			return 0, net.ErrClosed
		case !s.deadline.IsZero() && !time.Now().Before(s.deadline):
			return 0, os.ErrDeadlineExceeded
		case len(s.buf) > 0:
			n := copy(b, s.buf)
			s.buf = s.buf[n:]
			return n, nil
		case s.ended:
			return 0, io.EOF
		}
		s.changed.Wait()
	}
}

func (c *outcomePipeEnd) Write(b []byte) (int, error) {
	s := c.out
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return 0, net.ErrClosed
	case s.dropped:
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: syscall.ECONNRESET}
	}
	s.buf = append(s.buf, b...)
	s.changed.Broadcast()
	return len(b), nil
}

func (c *outcomePipeEnd) Close() error {
	for _, s := range []*outcomeStream{c.in, c.out} {
		s.mu.Lock()
		if s == c.in {
			s.dropped = true
		} else {
			s.ended = true
		}
		s.changed.Broadcast()
		s.mu.Unlock()
	}
	return nil
}

func (c *outcomePipeEnd) SetReadDeadline(t time.Time) error {
	s := c.in
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	s.changed.Broadcast()
	if d := time.Until(t); !t.IsZero() && d > 0 {
		time.AfterFunc(d, s.changed.Broadcast)
	}
	return nil
}

func (c *outcomePipeEnd) SetDeadline(t time.Time) error    { return c.SetReadDeadline(t) }
func (c *outcomePipeEnd) SetWriteDeadline(time.Time) error { return nil } // writing never waits
func (c *outcomePipeEnd) LocalAddr() net.Addr              { return outcomeAddr(fmt.Sprintf("%p", c.in)) }
func (c *outcomePipeEnd) RemoteAddr() net.Addr             { return outcomeAddr(fmt.Sprintf("%p", c.out)) }

type outcomeAddr string

func (outcomeAddr) Network() string  { return "memory" }
func (a outcomeAddr) String() string { return string(a) }

// outcomeRefused is what a dial to a port says that nobody listens on.
func outcomeRefused() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// outcomeProxyAnswers reads a CONNECT and answers it. It returns whether it could.
func outcomeProxyAnswers(far net.Conn, status string) bool {
	req, err := http.ReadRequest(bufio.NewReader(far))
	if err != nil || req.Method != http.MethodConnect {
		return false
	}
	_, err = io.WriteString(far, "HTTP/1.1 "+status+"\r\n\r\n")
	return err == nil
}

// outcomeRoundTripper is a transport that is not net/http's.
type outcomeRoundTripper func(*http.Request) (*http.Response, error)

func (f outcomeRoundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// outcomeResponse is an answer of such a transport.
func outcomeResponse(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
		Request:       r,
	}
}

var outcomeSentinels = map[string]error{
	"ErrUnauthorized":   connectlinks.ErrUnauthorized,
	"ErrForbidden":      connectlinks.ErrForbidden,
	"ErrNotFound":       connectlinks.ErrNotFound,
	"ErrInvalidRequest": connectlinks.ErrInvalidRequest,
	"ErrRateLimited":    connectlinks.ErrRateLimited,
	"ErrServer":         connectlinks.ErrServer,
}

// outcomeSentinel is the name of the only sentinel for a status, "" if there is none.
func outcomeSentinel(status int) string {
	switch {
	case status == 401:
		return "ErrUnauthorized"
	case status == 403:
		return "ErrForbidden"
	case status == 404 || status == 410:
		return "ErrNotFound"
	case status == 400 || status == 409 || status == 422:
		return "ErrInvalidRequest"
	case status == 429:
		return "ErrRateLimited"
	case status >= 500:
		return "ErrServer"
	}
	return ""
}

// outcomeTimeout is what err answers to Timeout().
func outcomeTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
