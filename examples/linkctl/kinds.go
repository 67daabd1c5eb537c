package main

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/connectlinks/connectlinks-go"
)

// kind is what the commands need of sources, destinations or activations.
type kind interface {
	types(ctx context.Context) iter.Seq2[service, error]
	service(ctx context.Context, name string) (service, error)
	create(ctx context.Context, typ, redirectURI string) (link, error)
	links(ctx context.Context) iter.Seq2[link, error]
	link(ctx context.Context, id int64) (link, error)
	revoke(ctx context.Context, id int64) (link, error)
	reauthorize(ctx context.Context, connection, redirectURI string) (link, error)
	connections(ctx context.Context) iter.Seq2[connection, error]
	connection(ctx context.Context, id string) (connection, error)
	wait(ctx context.Context, id int64) (connection, error)
	waitRenewed(ctx context.Context, id int64, since time.Time) (connection, error) // for a test later than since
}

// service is what a link can be for.
type service struct {
	Name     string `json:"service_name"`
	Label    string `json:"label"`
	Linkable bool   `json:"creatable_via_connect_link"`
}

// link is a link of any kind.
type link struct {
	connectlinks.ConnectLink
	Shown        string    `json:"uri,omitempty"` // the URL if it may be seen: it hides that of ConnectLink
	ExpiresAt    time.Time `json:"expiration,omitzero"`
	State        string    `json:"state"`
	ConnectionID string    `json:"connection_id,omitempty"`
	GroupID      string    `json:"group_id,omitempty"`
}

// newLink converts a link. The API says whether it is expired, not the local clock.
// A live link may have been used already: the API does not say whether it was. A link
// with a connection has made it, or is there to renew it.
func newLink(l connectlinks.ConnectLink, connection int64, group string) link {
	state := "live"
	switch {
	case l.Revoked:
		state = "revoked"
	case l.Expired:
		state = "expired"
	}
	return link{ConnectLink: l, ExpiresAt: l.ExpiresAt, State: state, ConnectionID: formatID(connection), GroupID: group}
}

// live reports whether somebody can still open the link.
func (l link) live() bool { return l.State == "live" }

// connection is a source, a destination or an activation.
type connection struct {
	ID            string                  `json:"id"`
	Name          string                  `json:"name"`
	Type          string                  `json:"type"`
	GroupID       string                  `json:"group_id,omitempty"`
	CreatedAt     time.Time               `json:"created_at,omitzero"`
	LastTestedAt  time.Time               `json:"last_tested_at,omitzero"`
	TestSucceeded *bool                   `json:"last_test_succeeded"` // null if it was never tested
	Tests         []connectlinks.TestStep `json:"tests,omitempty"`
	Details       json.RawMessage         `json:"connection_details,omitempty"`
}

// formatID is empty for no id, and parseID 0 for what is none: the SDK refuses that.
func formatID(id int64) string { return strings.TrimPrefix(strconv.FormatInt(id, 10), "0") }

func parseID(s string) int64 {
	if id, err := strconv.ParseInt(s, 10, 64); err == nil {
		return id
	}
	return 0
}

// sdk is one of the SDK's services for links L, connections C with ids ID,
// and types T. Sources and destinations are it as they are.
type sdk[L, C, T, ID any] interface {
	AllTypes(context.Context, connectlinks.ListOptions) iter.Seq2[*T, error]
	GetType(context.Context, string) (*T, error)
	CreateConnectLink(context.Context, connectlinks.CreateConnectLinkParams) (*L, error)
	AllConnectLinks(context.Context, connectlinks.ListOptions) iter.Seq2[*L, error]
	GetConnectLink(context.Context, int64) (*L, error)
	RevokeConnectLink(context.Context, int64) (*L, error)
	CreateReauthorizationLink(context.Context, ID, connectlinks.CreateReauthorizationLinkParams) (*L, error)
	WaitForConnection(context.Context, int64) (*C, error)
	WaitForReauthorization(context.Context, int64, time.Time) (*C, error)
	All(context.Context, connectlinks.ListOptions) iter.Seq2[*C, error]
	Get(context.Context, ID) (*C, error)
}

// activations have the methods of sources and destinations. What V2 wants to know
// besides is in the options.
type activations struct {
	*connectlinks.ActivationsService
	opts options
}

func (s activations) CreateConnectLink(ctx context.Context, p connectlinks.CreateConnectLinkParams) (*connectlinks.ActivationConnectLink, error) {
	return s.ActivationsService.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{
		GroupID: s.opts.group, Type: p.Type, RedirectURI: p.RedirectURI,
	})
}

func (s activations) WaitForConnection(ctx context.Context, linkID int64) (*connectlinks.Activation, error) {
	return s.WaitForActivation(ctx, linkID, cmp.Or(s.opts.since, time.Now().Add(-24*time.Hour))) // as long as links usually live
}

func (s activations) WaitForReauthorization(ctx context.Context, linkID int64, since time.Time) (*connectlinks.Activation, error) {
	return s.ActivationsService.WaitForReauthorization(ctx, linkID, s.opts.renews, since)
}

// newKind is the kind that the options name.
func newKind(o options, c *connectlinks.Client) kind {
	switch o.kind {
	case "source":
		return adapter[connectlinks.SourceConnectLink, connectlinks.Source, connectlinks.SourceType, int64]{
			c.Sources, parseID,
			func(l *connectlinks.SourceConnectLink) link { return newLink(l.ConnectLink, l.SourceID, "") },
			func(s *connectlinks.Source) connection {
				return connection{formatID(s.ID), s.Name, s.Type, "", s.CreatedAt, s.LastTestedAt, s.LastTestSucceeded, nil, s.ConnectionDetails}
			},
			func(t *connectlinks.SourceType) service {
				return service{t.ServiceName, t.Label, t.CreatableViaConnectLink}
			},
		}
	case "destination":
		return adapter[connectlinks.DestinationConnectLink, connectlinks.Destination, connectlinks.DestinationType, int64]{
			c.Destinations, parseID,
			func(l *connectlinks.DestinationConnectLink) link { return newLink(l.ConnectLink, l.DestinationID, "") },
			func(d *connectlinks.Destination) connection {
				return connection{formatID(d.ID), d.Name, d.Type, "", d.CreatedAt, d.LastTestedAt, d.LastTestSucceeded, d.LastTestResults, d.ConnectionDetails}
			},
			func(t *connectlinks.DestinationType) service {
				return service{t.ServiceName, t.Label, t.CreatableViaConnectLink}
			},
		}
	}
	return adapter[connectlinks.ActivationConnectLink, connectlinks.Activation, connectlinks.ActivationType, string]{
		activations{c.Activations, o}, func(id string) string { return id },
		func(l *connectlinks.ActivationConnectLink) link { return newLink(l.ConnectLink, 0, l.GroupID) },
		func(a *connectlinks.Activation) connection {
			d := a.Destination
			return connection{a.ID, a.Name, d.Type, a.GroupID, d.CreatedAt, d.LastTestedAt, d.LastTestSucceeded, d.LastTestResults, d.ConnectionDetails}
		},
		func(t *connectlinks.ActivationType) service {
			return service{t.ServiceName, t.Label, t.CreatableViaConnectLink}
		},
	}
}

// adapter makes a kind of one of the SDK's services, and of how to read its ids and
// convert what it returns.
type adapter[L, C, T, ID any] struct {
	sdk[L, C, T, ID]
	id           func(string) ID
	toLink       func(*L) link
	toConnection func(*C) connection
	toService    func(*T) service
}

func (a adapter[L, C, T, ID]) types(ctx context.Context) iter.Seq2[service, error] {
	return each(a.AllTypes(ctx, everything), a.toService)
}

func (a adapter[L, C, T, ID]) service(ctx context.Context, name string) (service, error) {
	return one(a.toService)(a.GetType(ctx, name))
}

func (a adapter[L, C, T, ID]) create(ctx context.Context, typ, redirectURI string) (link, error) {
	return one(a.toLink)(a.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: typ, RedirectURI: redirectURI}))
}

func (a adapter[L, C, T, ID]) links(ctx context.Context) iter.Seq2[link, error] {
	return each(a.AllConnectLinks(ctx, everything), a.toLink)
}

func (a adapter[L, C, T, ID]) link(ctx context.Context, id int64) (link, error) {
	return one(a.toLink)(a.GetConnectLink(ctx, id))
}

func (a adapter[L, C, T, ID]) revoke(ctx context.Context, id int64) (link, error) {
	return one(a.toLink)(a.RevokeConnectLink(ctx, id))
}

func (a adapter[L, C, T, ID]) reauthorize(ctx context.Context, connection, redirectURI string) (link, error) {
	params := connectlinks.CreateReauthorizationLinkParams{RedirectURI: redirectURI}
	return one(a.toLink)(a.CreateReauthorizationLink(ctx, a.id(connection), params))
}

func (a adapter[L, C, T, ID]) connections(ctx context.Context) iter.Seq2[connection, error] {
	return each(a.All(ctx, everything), a.toConnection)
}

func (a adapter[L, C, T, ID]) connection(ctx context.Context, id string) (connection, error) {
	return one(a.toConnection)(a.Get(ctx, a.id(id)))
}

func (a adapter[L, C, T, ID]) wait(ctx context.Context, id int64) (connection, error) {
	return one(a.toConnection)(a.WaitForConnection(ctx, id))
}

func (a adapter[L, C, T, ID]) waitRenewed(ctx context.Context, id int64, since time.Time) (connection, error) {
	return one(a.toConnection)(a.WaitForReauthorization(ctx, id, since))
}

var everything = connectlinks.ListOptions{PerPage: 100} // in as few requests as possible

// one converts what the SDK answers, and each what it lists.
func one[From, To any](convert func(*From) To) func(*From, error) (To, error) {
	return func(v *From, err error) (to To, _ error) {
		if err == nil {
			to = convert(v)
		}
		return to, err
	}
}

func each[From, To any](items iter.Seq2[*From, error], convert func(*From) To) iter.Seq2[To, error] {
	return func(yield func(To, error) bool) {
		items(func(v *From, err error) bool { return yield(one(convert)(v, err)) })
	}
}
