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

// Server is an Activations API of its own, with no state but what was put into it
// since [NewServer]. All methods are safe for concurrent use.
type Server struct {
	// URL is the base URL, without a trailing slash: http://127.0.0.1:41873.
	URL string

	// PagesURL is the base URL of the hosted pages, which links point to: URL,
	// unless [WithPagesListener] says otherwise.
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
	retired  int           // what V1 answers since it was retired; 0: it was not
	rate     float64       // requests per second of a token; 0: no limit
	limiters map[*Workspace]*rate.Limiter
	failures []*queued
	usedUp   []*queued // failures that have happened as often as they should
	requests []*Request
	pipes    map[net.Conn]struct{} // open in-memory connections; nil once closed
}

// config is what the options amount to.
type config struct {
	listener      net.Listener
	pagesListener net.Listener
	unheard       bool
	lifetime      time.Duration
	assume        Assumptions
	requestLog    func(Request)
	embedOrigins  string // as frame-ancestors has them
	token         string // the first workspace's, at the start
	personal      string // the personal access token
	further       []further
	control       bool
	controlHosts  []string
	err           error // of an option
}

// Option configures a [Server].
type Option func(*config)

// WithListener serves on l, which [Server.Close] closes, instead of on a free port
// of the loopback interface.
func WithListener(l net.Listener) Option {
	return func(c *config) { c.listener = l }
}

// WithoutListener makes a server that only [Server.Transport], and so the clients
// of [Server.Client], can reach. It is the way to have a server inside a
// [testing/synctest] bubble.
func WithoutListener() Option {
	return func(c *config) { c.unheard = true }
}

// WithPagesListener serves the hosted pages of all links on l, which
// [Server.Close] closes: on an origin of their own, [Server.PagesURL], where the
// API is not, while they are not where the API is. On the real service that is so
// for V2's links, and not for V1's. [Server.Transport] does not reach them.
func WithPagesListener(l net.Listener) Option {
	return func(c *config) { c.pagesListener = l }
}

// WithEmbedOrigins approves the origins whose pages may have a link's page in a
// frame: https://app.example.com, or in the manner of a Content-Security-Policy
// https://*.example.com, http://192.0.2.1:* or *, which is every one. They replace
// the default; with none, a link's page is in no frame. [NewServer] panics if one
// is not an origin.
//
// The default is every origin of the loopback interface (localhost, its
// subdomains, 127.0.0.1) and the pages' own. Assumption: the real service approves
// origins one by one, and none on localhost.
func WithEmbedOrigins(origins ...string) Option {
	return func(c *config) {
		var err error
		if c.embedOrigins, err = ancestors(origins); err != nil {
			c.err = fmt.Errorf("WithEmbedOrigins: %w", err)
		}
	}
}

// WithLinkLifetime sets after how long links expire. The default is 24 hours.
func WithLinkLifetime(d time.Duration) Option {
	return func(c *config) { c.lifetime = d }
}

// WithAssumptions sets what the documentation leaves open.
func WithAssumptions(a Assumptions) Option {
	return func(c *config) { c.assume = a }
}

// WithRequestLog calls log after each answer, or failure to answer, from the
// request's goroutine, so of several at once. Nothing in a [Request] is a secret.
func WithRequestLog(log func(Request)) Option {
	return func(c *config) { c.requestLog = log }
}

// NewServer starts a server on the loopback interface. The caller should call
// Close when finished. Like [net/http/httptest.NewServer] it panics if it cannot
// listen, and besides only on what an option refuses: [WithEmbedOrigins],
// [WithToken], [WithPersonalToken], [WithWorkspace].
func NewServer(opts ...Option) *Server {
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
		panic("connectlinkstest: " + s.err.Error())
	}
	s.assume = s.assume.orDefault()
	s.state = s.begin()
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
	return s
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
		// What is sent there by mistake is a secret all the same.
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

// address is where clients on this machine find l.
func address(l net.Listener) string {
	addr := l.Addr().String()
	if host, port, err := net.SplitHostPort(addr); err == nil && net.ParseIP(host).IsUnspecified() {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}

// Close stops the server and cuts off every connection, so that a request that is
// slow or hangs by script ends too. It may be called more than once.
func (s *Server) Close() {
	s.closeOnce.Do(s.shutDown)
}

// Reset brings the server back to its start: the same tokens work, ids begin again, the
// clock is right, and nothing else is left. Options stay. Answers that are on their
// way go on.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset, s.retired, s.rate, s.limiters = 0, 0, 0, nil
	s.failures, s.usedUp, s.requests = nil, nil, nil
	s.state = s.begin()
}

// Token is the API key of the first workspace.
func (s *Server) Token() string { return s.Workspace().Token }

// PersonalToken is the personal access token: it is asked for by V2 and by the
// endpoints about all workspaces, and refused by all others.
func (s *Server) PersonalToken() string { return s.personal }

// Group returns the id of the group that the server begins with, the first
// workspace's.
func (s *Server) Group() string { return firstGroup }

// AddGroup makes a group with this id, which V2's links can be made in. Each workspace
// has one already.
func (s *Server) AddGroup(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.addGroup(id, s.now())
}

// HideGroup leaves group_id out of every answer about what belongs to the group, now
// and later: links, activations and sources that say of nobody that they are theirs.
//
// Assumption: group_id is there. The documentation does not promise it.
func (s *Server) HideGroup(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.addGroup(id, s.now())
	s.state.groups[id].hidden = true
}

// Workspace is a workspace and its API key.
type Workspace struct {
	ID             int64
	Name           string
	OrganizationID int64
	CreatedAt      time.Time
	Token          string // secret-token:...

	// GroupID is the group that V2 finds the workspace's sources in. Assumption: a
	// workspace has one group, and no other workspace has it.
	GroupID string
}

// Workspace is the workspace that the server begins with, whose token
// [Server.Client] uses.
func (s *Server) Workspace() Workspace { return s.Workspaces()[0] }

// Workspaces are all workspaces, oldest first.
func (s *Server) Workspaces() []Workspace {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Workspace, len(s.state.workspaces))
	for i, ws := range s.state.workspaces {
		all[i] = *ws
	}
	return all
}

// AddWorkspace makes another workspace, with a token and a group of its own. A client
// of it is srv.Client(connectlinks.WithToken(ws.Token)).
func (s *Server) AddWorkspace(name string) Workspace {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.state.addWorkspace(name, newToken(), s.now())
}

// RotateToken gives a workspace a new token, which it returns. The old one is
// answered with 401 from now on.
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

// AddSourceType adds a type of source to the catalogue, in place of one with the
// same ServiceName.
func (s *Server) AddSourceType(t Type) { s.addType(KindSource, t) }

// AddDestinationType does for destinations and activations, which have the same
// types, what [Server.AddSourceType] does for sources.
func (s *Server) AddDestinationType(t Type) { s.addType(KindDestination, t) }

func (s *Server) addType(k Kind, t Type) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.addType(k, t.clone())
}

// Client returns a client of the server with the first workspace's token: for
// sources, destinations and the workspace itself. Activations and the list of
// workspaces answer it with 403; [Server.PersonalClient] is for them. Options replace
// what the server sets: connectlinks.WithToken(ws.Token) makes it a client of another
// workspace. Client panics on a wrong option.
func (s *Server) Client(opts ...connectlinks.Option) *connectlinks.Client {
	c, err := s.client(s.Token(), opts)
	if err != nil {
		panic("connectlinkstest: Client: " + err.Error())
	}
	return c
}

// PersonalClient returns a client of the server with the personal access token: for
// activations, and for workspaces, except Workspaces.Current. It takes options, and
// panics, like [Server.Client].
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
		// The address of WithListener may be one of a private network.
		connectlinks.WithPlaintextHTTP(),
		connectlinks.WithToken(token),
	)
	if err != nil {
		return nil, err
	}
	return c.With(opts...)
}

// Now is the server's time.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

// Advance moves the server's clock by d.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
}

// SetNow sets the server's clock to t, from where it goes on.
func (s *Server) SetNow(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset = time.Until(t)
}

// now is [time.Now], which is a fake in a synctest bubble, and what was added to it.
func (s *Server) now() time.Time { return time.Now().Add(s.offset) }

// ServeHTTP answers a request, for tests that want a [net/http.Handler]. Links
// still point to s.PagesURL.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { serveClean(s.mux, w, r) }

func (s *Server) servePages(w http.ResponseWriter, r *http.Request) { serveClean(s.pages, w, r) }

func serveClean(h http.Handler, w http.ResponseWriter, r *http.Request) {
	// A trailing slash makes no difference to the API, and a ServeMux would answer
	// an unclean path with a redirect.
	p := r.URL.Path
	if trimmed := strings.TrimSuffix(p, "/"); trimmed != "" && r.URL.RawPath == "" {
		p = trimmed
	}
	if p != path.Clean("/"+p) {
		p = "/unclean" // which is not served
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
