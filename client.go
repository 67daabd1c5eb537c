package connectlinks

import (
	"time"

	"github.com/connectlinks/connectlinks-go/internal/httpx"
	"github.com/connectlinks/connectlinks-go/internal/pace"
)

// Version is the SDK's version.
const Version = "0.2.0"

const userAgent = "connectlinks-go/" + Version

// Client calls the API. Make one per process with [NewClient], and one for each further token
// or group with [Client.With]. The zero Client refuses every call with an [*InputError].
type Client struct {
	Sources      *SourcesService
	Destinations *DestinationsService
	Activations  *ActivationsService
	Workspaces   *WorkspacesService

	core *core
}

// service is the common underlying type of the services.
type service struct{ core *core }

// NewClient makes a client. The options must have [WithToken] or [WithTokenSource]. The error
// joins an [*InputError] for each wrong option.
func NewClient(opts ...Option) (*Client, error) {
	return newClient(core{
		pauses:    &pace.Pauses{},
		rawURL:    BaseURLUS,
		retries:   defaultMaxRetries,
		timeout:   defaultTimeout,
		userAgent: userAgent,
	}, opts)
}

// With derives a client, for example for another token, group or timeout. It does not change c.
// The new client shares connections, the rate limiter and the pauses of throttled tokens with c.
// It opens no connection, starts no goroutine, and needs no Close. Make one for each customer.
// Keep it if its token source keeps a token.
func (c *Client) With(opts ...Option) (*Client, error) {
	if c == nil || c.core == nil {
		return nil, errNoClient()
	}
	return newClient(*c.core, opts)
}

func newClient(c core, opts []Option) (*Client, error) {
	if err := c.apply(opts); err != nil {
		return nil, err
	}
	if c.transport == nil {
		c.transport = httpx.NewTransport()
	}
	if c.lastUse == nil || c.lastUse.baseURL != c.base.String() {
		c.lastUse = &lastUse{baseURL: c.base.String()}
	}
	c.attemptTimeout = c.timeout
	if c.attemptTimeout == 0 || c.clientTimeout > 0 && c.clientTimeout < c.timeout {
		c.attemptTimeout = c.clientTimeout
	}
	return &Client{
		Sources:      &SourcesService{&c},
		Destinations: &DestinationsService{&c},
		Activations:  &ActivationsService{&c},
		Workspaces:   &WorkspacesService{&c},
		core:         &c,
	}, nil
}

// CloseIdleConnections closes the connections that no call is using, of c and of every client
// that shares them. Later calls open new ones.
func (c *Client) CloseIdleConnections() {
	if c == nil || c.core == nil {
		return
	}
	c.core.lastUse.set(time.Time{})
	if t, ok := c.core.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

func errNoClient() error { return &InputError{"Client", "was not made by NewClient or With"} }
