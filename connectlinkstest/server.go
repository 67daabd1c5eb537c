package connectlinkstest

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/connectlinks/connectlinks-go"
)

// Server serves the API. Make it with [NewServer]. It shares no state with other servers.
// All methods are safe for concurrent use.
type Server struct {
	// URL is the base URL, without a trailing slash: http://127.0.0.1:41873.
	URL string

	// PagesURL is the base URL of the hosted pages, which links point to. It is the same
	// as URL, except with [WithPagesListener].
	PagesURL string

	config
	mux       *http.ServeMux
	pages     *http.ServeMux  // mux, unless the pages have an origin of their own
	transport *http.Transport // of the server's own clients
	stops     []func() error  // close the listeners and their connections
	closeOnce sync.Once

	mu       sync.Mutex // guards what follows
	state    state
	offset   time.Duration // what Advance and SetNow have added to the clock
	retired  int           // the status of V1 after its retirement; 0 before
	rate     float64       // requests per second of a token; 0: no limit
	limiters map[*Workspace]*rate.Limiter
	failures []*queued
	usedUp   []*queued // failures that have no answers left to fail
	requests []*Request
	pipes    map[net.Conn]struct{} // open in-memory connections; nil once closed
}

// config holds what the options set.
type config struct {
	listener      net.Listener
	pagesListener net.Listener
	unheard       bool
	lifetime      time.Duration
	assume        Assumptions
	requestLog    func(Request)
	embedOrigins  string // the value of frame-ancestors
	token         string // the first workspace's token, after NewServer and Reset
	personal      string // the personal access token
	further       []further
	seed          seed
	control       bool
	controlHosts  []string
	err           error // the last error of an option
}

// Option configures a [Server].
type Option func(*config)

// WithListener serves on l. The default is a free port of the loopback interface.
// [Server.Close] closes l.
func WithListener(l net.Listener) Option {
	return func(c *config) { c.listener = l }
}

// WithoutListener makes a server without a network listener, for use inside a
// [testing/synctest] bubble. Only [Server.Transport] reaches it, which the clients of
// [Server.Client] and [Server.PersonalClient] use.
func WithoutListener() Option {
	return func(c *config) { c.unheard = true }
}

// WithPagesListener serves the hosted pages of all links on l, at [Server.PagesURL]. The
// API is not served there. The pages are not served on the API's origin, and
// [Server.Transport] does not reach them. On the real service, only the pages of V2's links
// have their own origin. [Server.Close] closes l.
func WithPagesListener(l net.Listener) Option {
	return func(c *config) { c.pagesListener = l }
}

// WithEmbedOrigins sets the origins that may show a link's page in a frame, such as
// https://app.example.com. The forms of a Content-Security-Policy are allowed too:
// https://*.example.com, http://192.0.2.1:*, and * for every origin. Without any origin, no
// page may be framed. [NewServer] panics if one of them is not an origin.
//
// The default is every origin of the loopback interface (localhost, its subdomains,
// 127.0.0.1) and the pages' own origin. Assumption: the real service approves single
// origins, and none on localhost.
func WithEmbedOrigins(origins ...string) Option {
	return func(c *config) {
		var err error
		if c.embedOrigins, err = ancestors(origins); err != nil {
			c.err = fmt.Errorf("WithEmbedOrigins: %w", err)
		}
	}
}

// WithLinkLifetime sets how long links live. The default is 24 hours.
func WithLinkLifetime(d time.Duration) Option {
	return func(c *config) { c.lifetime = d }
}

// WithAssumptions sets the server's answers to questions that the documentation leaves
// open. The default is the zero [Assumptions].
func WithAssumptions(a Assumptions) Option {
	return func(c *config) { c.assume = a }
}

// WithRequestLog calls log after each request, whether it was answered or not. Calls come
// from the goroutines of the requests, so log must be safe for concurrent use. A [Request]
// holds no secret.
func WithRequestLog(log func(Request)) Option {
	return func(c *config) { c.requestLog = log }
}

// NewServer starts a server on the loopback interface. Call Close when finished. It panics
// if it cannot listen, like [net/http/httptest.NewServer]. It also panics if an option
// refuses its value: [WithEmbedOrigins], [WithToken], [WithPersonalToken] or [WithWorkspace].
func NewServer(opts ...Option) *Server {
	s, err := newServer(nil, opts)
	if err != nil {
		panic("connectlinkstest: " + err.Error())
	}
	return s
}

// newServer returns an error if an option or the seed is wrong, before it serves anything.
func newServer(seed []byte, opts []Option) (*Server, error) {
	s := &Server{
		config: config{
			lifetime: 24 * time.Hour, embedOrigins: loopback, token: newToken(), personal: rand.Text(),
		},
		mux:   http.NewServeMux(),
		pipes: map[net.Conn]struct{}{},
	}
	for _, opt := range opts {
		opt(&s.config)
	}
	if s.err != nil {
		return nil, s.err
	}
	s.assume = s.assume.orDefault()
	if err := s.sow(seed); err != nil {
		return nil, err
	}
	s.handleAll()

	if s.unheard {
		s.URL = "http://localhost"
		s.transport = s.Transport()
	} else {
		if s.listener == nil {
			s.listener = listen()
		}
		s.URL = "http://" + address(s.listener)
		s.transport = &http.Transport{MaxIdleConnsPerHost: 128, IdleConnTimeout: 45 * time.Second}
	}
	s.PagesURL = s.URL
	if s.pagesListener != nil {
		s.PagesURL = "http://" + address(s.pagesListener)
		s.serveListener(s.pagesListener, http.HandlerFunc(s.servePages))
	}
	if !s.unheard {
		s.serveListener(s.listener, s)
	}
	return s, nil
}

// handleAll fills the muxes.
func (s *Server) handleAll() {
	handle := func(mux *http.ServeMux, pattern string, e *endpoint) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, e) })
	}
	s.pages = s.mux
	if s.pagesListener != nil {
		s.pages = http.NewServeMux()
		handle(s.pages, "/", &endpoint{page: true, handle: (*call).noPage})
		// A request for a page here is a mistake, but its query still holds a secret.
		handle(s.mux, pagePath, &endpoint{page: true, handle: (*call).noRoute})
	}
	handle(s.pages, pagePath, &endpoint{page: true, handle: (*call).otherMethod})
	handle(s.mux, "/", &endpoint{handle: (*call).noRoute})
	for _, e := range endpoints() {
		mux := s.mux
		if e.page {
			mux = s.pages
		}
		handle(mux, string(e.route), e)
	}
	s.handleControl()
}

func listen() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		if l, err = net.Listen("tcp6", "[::1]:0"); err != nil {
			panic(fmt.Sprintf("connectlinkstest: cannot listen on a port: %v", err))
		}
	}
	return l
}

// address returns the host and port by which clients on this machine reach l.
func address(l net.Listener) string {
	addr := l.Addr().String()
	if host, port, err := net.SplitHostPort(addr); err == nil && net.ParseIP(host).IsUnspecified() {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}

// Close stops the server and closes every connection. This also ends requests that a
// [Failure] delays or hangs. It may be called more than once.
func (s *Server) Close() {
	s.closeOnce.Do(s.shutDown)
}

// Reset brings the server back to its first state. The options and the first tokens apply
// again, ids begin again, and the clock is right. Links, connections, requests and failures
// are gone. Answers that are being sent are still sent.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset, s.retired, s.rate, s.limiters = 0, 0, 0, nil
	s.usedUp, s.requests = nil, nil
	s.state, s.failures, _ = s.begin() // newServer has checked that this works
}

// Token returns the API key of the first workspace.
func (s *Server) Token() string { return s.Workspace().Token }

// PersonalToken returns the personal access token. V2 and the endpoints below
// /api/v1/workspaces require it. All other endpoints refuse it.
func (s *Server) PersonalToken() string { return s.personal }

// Group returns the id of the first workspace's group.
func (s *Server) Group() string { return firstGroup }

// AddGroup adds a group, in which V2 links can be made. If there is a group with this id, it
// does nothing. Each workspace has a group already: see [Workspace].
func (s *Server) AddGroup(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.addGroup(id, s.now())
}

// HideGroup leaves group_id out of every answer about the group's links, activations and
// sources. It also affects objects that are made later. If there is no group with this id,
// HideGroup adds it.
//
// Assumption: answers have group_id unless HideGroup was called. The documentation does not
// promise it.
func (s *Server) HideGroup(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.addGroup(id, s.now())
	s.state.groups[id].hidden = true
}

// Workspace describes a workspace, with its API key.
type Workspace struct {
	ID             int64
	Name           string
	OrganizationID int64
	CreatedAt      time.Time
	Token          string // secret-token:...

	// GroupID is the group of the workspace's sources in V2. Assumption: a workspace has
	// one group, which no other workspace has.
	GroupID string
}

// Workspace returns the first workspace, whose token [Server.Client] uses.
func (s *Server) Workspace() Workspace { return s.Workspaces()[0] }

// Workspaces returns all workspaces, oldest first.
func (s *Server) Workspaces() []Workspace {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Workspace, len(s.state.workspaces))
	for i, ws := range s.state.workspaces {
		all[i] = *ws
	}
	return all
}

// AddWorkspace adds a workspace, with a random token and its own group. For a client of
// this workspace, call srv.Client(connectlinks.WithToken(ws.Token)). [Server.Reset] removes
// the workspace; see also [WithWorkspace].
func (s *Server) AddWorkspace(name string) Workspace {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.state.addWorkspace(name, newToken(), s.now())
}

// RotateToken gives a workspace a new token, and returns it. The old token is answered
// with 401 from now on. It fails if there is no such workspace.
func (s *Server) RotateToken(workspaceID int64) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ws := s.state.workspace(workspaceID)
	if ws == nil {
		return "", fmt.Errorf("connectlinkstest: there is no workspace %d", workspaceID)
	}
	ws.Token = newToken()
	return ws.Token, nil
}

// AddSourceType adds a source type to the catalogue. It replaces a source type with the
// same ServiceName.
func (s *Server) AddSourceType(t Type) { s.addType(KindSource, t) }

// AddDestinationType adds a type of destinations and activations to the catalogue. It
// replaces one with the same ServiceName.
func (s *Server) AddDestinationType(t Type) { s.addType(KindDestination, t) }

func (s *Server) addType(k Kind, t Type) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.addType(k, t.clone())
}

// Client returns a client of the server with the first workspace's token, for Sources,
// Destinations and Workspaces.Current. For Activations and other workspaces the server
// answers 403: use [Server.PersonalClient]. Options replace what the server sets. With
// connectlinks.WithToken(ws.Token) it is a client of another workspace. Client panics if an
// option refuses its value.
func (s *Server) Client(opts ...connectlinks.Option) *connectlinks.Client {
	c, err := s.client(s.Token(), opts)
	if err != nil {
		panic("connectlinkstest: Client: " + err.Error())
	}
	return c
}

// PersonalClient returns a client of the server with the personal access token, for
// Activations, and for Workspaces except Workspaces.Current. It takes options, and panics,
// like [Server.Client].
func (s *Server) PersonalClient(opts ...connectlinks.Option) *connectlinks.Client {
	c, err := s.client(s.PersonalToken(), opts)
	if err != nil {
		panic("connectlinkstest: PersonalClient: " + err.Error())
	}
	return c
}

func (s *Server) client(token string, opts []connectlinks.Option) (*connectlinks.Client, error) {
	c, err := connectlinks.NewClient(
		connectlinks.WithBaseURL(s.URL),
		connectlinks.WithHTTPClient(&http.Client{Transport: s.transport}),
		// The address of WithListener may be in a private network.
		connectlinks.WithPlaintextHTTP(),
		connectlinks.WithToken(token),
	)
	if err != nil {
		return nil, err
	}
	return c.With(opts...)
}

// Now returns the time of the server's clock.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

// Advance moves the server's clock forward by d, or back if d is negative.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
}

// SetNow sets the server's clock to t. The clock runs on from there.
func (s *Server) SetNow(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset = time.Until(t)
}

// now returns [time.Now] plus the offset of Advance and SetNow. In a synctest bubble,
// time.Now is the bubble's clock.
func (s *Server) now() time.Time { return time.Now().Add(s.offset) }

// ServeHTTP answers a request, for tests that need a [net/http.Handler]. Links still point
// to s.PagesURL.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { serveClean(s.mux, w, r) }

func (s *Server) servePages(w http.ResponseWriter, r *http.Request) { serveClean(s.pages, w, r) }

func serveClean(h http.Handler, w http.ResponseWriter, r *http.Request) {
	// The API ignores a trailing slash. A ServeMux would answer an unclean path with a
	// redirect.
	p := r.URL.Path
	if trimmed := strings.TrimSuffix(p, "/"); trimmed != "" && r.URL.RawPath == "" {
		p = trimmed
	}
	if p != path.Clean("/"+p) {
		p = "/unclean" // no route
	}
	if p != r.URL.Path {
		u := *r.URL
		u.Path, u.RawPath = p, ""
		clone := *r
		clone.URL = &u
		r = &clone
	}
	h.ServeHTTP(w, r)
}

func newToken() string { return "secret-token:" + rand.Text() }
