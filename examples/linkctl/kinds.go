package main

import (
	"cmp"
	"context"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/connectlinks/connectlinks-go"
)

// kind holds what the commands need of sources, destinations or activations.
type kind struct {
	types       func(context.Context) iter.Seq2[service, error]
	links       func(context.Context) iter.Seq2[link, error]
	connections func(context.Context) iter.Seq2[connection, error]
	service     func(ctx context.Context, name string) (service, error)
	link        func(ctx context.Context, id int64) (link, error)
	connection  func(ctx context.Context, id string) (connection, error)
	create      func(context.Context, connectlinks.CreateConnectLinkParams) (link, error)
	reauthorize func(ctx context.Context, connection, redirectURI string) (link, error)
	revoke      func(ctx context.Context, id int64) (link, error)
	wait        func(ctx context.Context, id int64) (connection, error)
	waitRenewed func(ctx context.Context, id int64, since time.Time) (connection, error) // for a test later than since
}

// service can be connected.
type service struct {
	Name     string `json:"service_name"`
	Label    string `json:"label"`
	Linkable bool   `json:"creatable_via_connect_link"`
}

// link is a link of any kind.
type link struct {
	connectlinks.ConnectLink
	Shown        string `json:"uri,omitempty"` // the URL if it may be seen: it hides the field of ConnectLink
	State        string `json:"state"`
	ConnectionID string `json:"connection_id,omitempty"`
	GroupID      string `json:"group_id,omitempty"`
}

// newLink converts a link. The API says whether it is expired, not the local clock.
// A live link may have been used already: the API does not say whether it was. A link with a
// connection has made it, or is for renewing it.
func newLink(l connectlinks.ConnectLink, connection int64, group string) link {
	state := "live"
	switch {
	case l.Revoked:
		state = "revoked"
	case l.Expired:
		state = "expired"
	}
	return link{ConnectLink: l, State: state, ConnectionID: formatID(connection), GroupID: group}
}

// live reports whether somebody can still open the link.
func (l link) live() bool { return l.State == "live" }

// connection is a source, a destination or an activation.
type connection struct {
	connectlinks.Connection
	ID      string `json:"id"` // the id of an activation is a word
	GroupID string `json:"group_id,omitempty"`
}

func newConnection(c connectlinks.Connection) connection {
	return connection{Connection: c, ID: formatID(c.ID)}
}

// formatID returns "" for no id, and parseID returns 0 for what is not an id. The SDK
// refuses 0.
func formatID(id int64) string { return strings.TrimPrefix(strconv.FormatInt(id, 10), "0") }

func parseID(s string) int64 {
	if id, err := strconv.ParseInt(s, 10, 64); err == nil {
		return id
	}
	return 0
}

// newKind returns the kind that the options name.
func newKind(o options, c *connectlinks.Client) kind {
	switch o.kind {
	case "source":
		return kindOf(c.Sources, parseID,
			func(l *connectlinks.SourceConnectLink) link { return newLink(l.ConnectLink, l.SourceID, "") },
			func(s *connectlinks.Source) connection { return newConnection(s.Connection) },
			func(t *connectlinks.SourceType) service {
				return service{t.ServiceName, t.Label, t.CreatableViaConnectLink}
			})
	case "destination":
		return kindOf(c.Destinations, parseID,
			func(l *connectlinks.DestinationConnectLink) link { return newLink(l.ConnectLink, l.DestinationID, "") },
			func(d *connectlinks.Destination) connection { return newConnection(d.Connection) },
			func(t *connectlinks.DestinationType) service {
				return service{t.ServiceName, t.Label, t.CreatableViaConnectLink}
			})
	}
	return kindOf(activations{c.Activations, o}, func(id string) string { return id },
		func(l *connectlinks.ActivationConnectLink) link { return newLink(l.ConnectLink, 0, l.GroupID) },
		func(a *connectlinks.Activation) connection {
			d := a.Destination
			return connection{ID: a.ID, GroupID: a.GroupID, Connection: connectlinks.Connection{
				Name: a.Name, Type: d.Type, CreatedAt: d.CreatedAt, LastTestedAt: d.LastTestedAt, LastTestSucceeded: d.LastTestSucceeded,
				ConnectionDetails: d.ConnectionDetails, LastTestResults: d.LastTestResults,
			}}
		},
		func(t *connectlinks.ActivationType) service {
			return service{t.ServiceName, t.Label, t.CreatableViaConnectLink}
		})
}

// activations have the methods of sources and destinations. The options say what else V2
// needs to know.
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
	return s.ActivationsService.WaitForReauthorization(ctx, linkID, s.opts.connection, since)
}

// sdk is one of the SDK's services, for links L, connections C with ids ID, and types T.
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

// kindOf makes a kind of one of the SDK's services. It reads ids, and converts results.
func kindOf[L, C, T, ID any](s sdk[L, C, T, ID], id func(string) ID,
	toLink func(*L) link, toConnection func(*C) connection, toService func(*T) service) kind {
	return kind{
		types:       each(s.AllTypes, toService),
		links:       each(s.AllConnectLinks, toLink),
		connections: each(s.All, toConnection),
		service:     one(s.GetType, toService),
		link:        one(s.GetConnectLink, toLink),
		connection: func(ctx context.Context, name string) (connection, error) {
			return one(s.Get, toConnection)(ctx, id(name))
		},
		create: one(s.CreateConnectLink, toLink),
		reauthorize: func(ctx context.Context, name, redirectURI string) (link, error) {
			params := connectlinks.CreateReauthorizationLinkParams{RedirectURI: redirectURI}
			return result(toLink)(s.CreateReauthorizationLink(ctx, id(name), params))
		},
		revoke: one(s.RevokeConnectLink, toLink),
		wait:   one(s.WaitForConnection, toConnection),
		waitRenewed: func(ctx context.Context, linkID int64, since time.Time) (connection, error) {
			return result(toConnection)(s.WaitForReauthorization(ctx, linkID, since))
		},
	}
}

// result returns a function that converts a result of the SDK. one does so for a method, and
// each for a walk.
func result[From, To any](convert func(*From) To) func(*From, error) (To, error) {
	return func(v *From, err error) (to To, _ error) {
		if err == nil {
			to = convert(v)
		}
		return to, err
	}
}

func one[Arg, From, To any](f func(context.Context, Arg) (*From, error), convert func(*From) To) func(context.Context, Arg) (To, error) {
	return func(ctx context.Context, arg Arg) (To, error) { return result(convert)(f(ctx, arg)) }
}

func each[From, To any](all func(context.Context, connectlinks.ListOptions) iter.Seq2[*From, error], convert func(*From) To) func(context.Context) iter.Seq2[To, error] {
	return func(ctx context.Context) iter.Seq2[To, error] {
		return func(yield func(To, error) bool) {
			for v, err := range all(ctx, connectlinks.ListOptions{PerPage: 100}) { // in as few requests as possible
				if !yield(result(convert)(v, err)) {
					return
				}
			}
		}
	}
}
