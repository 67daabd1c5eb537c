package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/connectlinks/connectlinks-go"
)

// integration is something that a tenant can connect.
type integration struct{ Kind, Type, Label string }

// connection is something that a tenant has connected.
type connection struct {
	Kind, ID, Name, Type string
	Tested               time.Time // zero if never
	Works                *bool     // the result of the last test; nil without one
	Problem              string    // the error of the test that failed
}

// State returns the state of the connection: untested, good or bad.
func (c connection) State() string {
	switch {
	case c.Works == nil:
		return "untested"
	case *c.Works:
		return "good"
	}
	return "bad"
}

var (
	// errNotFound reports that the app has no such page.
	errNotFound = errors.New("not found")

	// errNoConnection reports that a connection does not exist, or does not belong to the
	// tenant.
	errNoConnection = errors.New("no such connection")

	// errPerhaps reports that it is not known whether a connection was deleted.
	errPerhaps = errors.New("perhaps disconnected")
)

// lookLimit limits the look whether a connection still exists.
const lookLimit = 5 * time.Second

// kind is a kind of connection of one tenant: sources, destinations or activations. Its
// methods see only what belongs to the tenant.
type kind interface {
	name() string
	types(ctx context.Context) ([]integration, error)
	connections(ctx context.Context) ([]connection, error)
	connection(ctx context.Context, id string) (connection, error)
	// disconnect deletes a connection. It returns errPerhaps if that is not known.
	disconnect(ctx context.Context, id string) error

	// start makes a link, and sets f's link and since.
	start(ctx context.Context, f *flow, redirectURI string) error
	// reusable reports whether f's link is open, and was not used.
	reusable(ctx context.Context, f *flow) bool
	revoke(ctx context.Context, f *flow) error
	// wait waits until the customer has finished f.
	wait(ctx context.Context, f *flow) (connection, error)
}

// newKinds returns the kinds of a version of the API, in the order of display. V2 has only
// activations.
func newKinds(api string, c *connectlinks.Client) []kind {
	if api == apiV2 {
		return []kind{newActivations(c.Activations)}
	}
	return []kind{newSources(c.Sources), newDestinations(c.Destinations)}
}

// sdk has the methods that the SDK's services share, for links L, connections C with ids
// ID, and types T.
type sdk[L, C, T, ID any] interface {
	AllTypes(context.Context, connectlinks.ListOptions) iter.Seq2[*T, error]
	All(context.Context, connectlinks.ListOptions) iter.Seq2[*C, error]
	Get(context.Context, ID) (*C, error)
	Delete(context.Context, ID) error
	CreateReauthorizationLink(context.Context, ID, connectlinks.CreateReauthorizationLinkParams) (*L, error)
	GetConnectLink(context.Context, int64) (*L, error)
	RevokeConnectLink(context.Context, int64) (*L, error)
}

// service is a kind that uses a service of the SDK. The functions differ between services.
type service[L, C, T, ID any] struct {
	sdk     sdk[L, C, T, ID]
	kind    string
	id      func(string) ID
	linkOf  func(*L) connectlinks.ConnectLink
	typeOf  func(*T) (name, label string, linkable bool)
	connOf  func(*C) connection
	create  func(context.Context, connectlinks.CreateConnectLinkParams) (*L, error)
	connID  func(*L) int64 // the connection that a link made or renews; nil if a link does not say
	made    func(context.Context, *flow) (*C, error)
	renewed func(context.Context, *flow) (*C, error)
}

func newSources(api *connectlinks.SourcesService) kind {
	return service[connectlinks.SourceConnectLink, connectlinks.Source, connectlinks.SourceType, int64]{
		sdk: api, kind: "source", id: number,
		linkOf: func(l *connectlinks.SourceConnectLink) connectlinks.ConnectLink { return l.ConnectLink },
		typeOf: func(t *connectlinks.SourceType) (string, string, bool) {
			return t.ServiceName, t.Label, t.CreatableViaConnectLink
		},
		connOf: func(s *connectlinks.Source) connection { return ofV1(s.Connection) },
		create: api.CreateConnectLink,
		connID: func(l *connectlinks.SourceConnectLink) int64 { return l.SourceID },
		made: func(ctx context.Context, f *flow) (*connectlinks.Source, error) {
			return api.WaitForConnection(ctx, f.link.ID)
		},
		renewed: func(ctx context.Context, f *flow) (*connectlinks.Source, error) {
			return api.WaitForReauthorization(ctx, f.link.ID, f.since)
		},
	}
}

func newDestinations(api *connectlinks.DestinationsService) kind {
	return service[connectlinks.DestinationConnectLink, connectlinks.Destination, connectlinks.DestinationType, int64]{
		sdk: api, kind: "destination", id: number,
		linkOf: func(l *connectlinks.DestinationConnectLink) connectlinks.ConnectLink { return l.ConnectLink },
		typeOf: func(t *connectlinks.DestinationType) (string, string, bool) {
			return t.ServiceName, t.Label, t.CreatableViaConnectLink
		},
		connOf: func(d *connectlinks.Destination) connection { return ofV1(d.Connection) },
		create: api.CreateConnectLink,
		connID: func(l *connectlinks.DestinationConnectLink) int64 { return l.DestinationID },
		made: func(ctx context.Context, f *flow) (*connectlinks.Destination, error) {
			return api.WaitForConnection(ctx, f.link.ID)
		},
		renewed: func(ctx context.Context, f *flow) (*connectlinks.Destination, error) {
			return api.WaitForReauthorization(ctx, f.link.ID, f.since)
		},
	}
}

// newActivations returns the kind for activations. The client of api must be confined to the
// tenant's group.
func newActivations(api *connectlinks.ActivationsService) kind {
	return service[connectlinks.ActivationConnectLink, connectlinks.Activation, connectlinks.ActivationType, string]{
		sdk: api, kind: "activation", id: func(id string) string { return id },
		linkOf: func(l *connectlinks.ActivationConnectLink) connectlinks.ConnectLink { return l.ConnectLink },
		typeOf: func(t *connectlinks.ActivationType) (string, string, bool) {
			return t.ServiceName, t.Label, t.CreatableViaConnectLink
		},
		connOf: func(a *connectlinks.Activation) connection {
			d := a.Destination
			return connection{
				ID: a.ID, Name: a.Name, Type: d.Type,
				Tested: d.LastTestedAt, Works: d.LastTestSucceeded, Problem: problem(d.LastTestResults),
			}
		},
		create: func(ctx context.Context, p connectlinks.CreateConnectLinkParams) (*connectlinks.ActivationConnectLink, error) {
			return api.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{
				Type: p.Type, RedirectURI: p.RedirectURI, UniqueRedirect: p.UniqueRedirect,
			})
		},
		made: func(ctx context.Context, f *flow) (*connectlinks.Activation, error) {
			return api.WaitForActivation(ctx, f.link.ID, f.link.CreatedAt)
		},
		renewed: func(ctx context.Context, f *flow) (*connectlinks.Activation, error) {
			return api.WaitForReauthorization(ctx, f.link.ID, f.Renews, f.since)
		},
	}
}

// number returns the number in id, or 0 if id is not a number. The SDK refuses 0.
func number(id string) int64 {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func ofV1(c connectlinks.Connection) connection {
	return connection{
		ID: strconv.FormatInt(c.ID, 10), Name: cmp.Or(c.Label, c.Name), Type: c.Type,
		Tested: c.LastTestedAt, Works: c.LastTestSucceeded, Problem: problem(c.LastTestResults),
	}
}

// problem returns the error of the first step that failed.
func problem(steps []connectlinks.TestStep) string {
	for _, s := range steps {
		if s.Error != "" {
			return s.Step + ": " + s.Error
		}
	}
	return ""
}

func (s service[L, C, T, ID]) name() string { return s.kind }

func (s service[L, C, T, ID]) types(ctx context.Context) (list []integration, err error) {
	for t, err := range s.sdk.AllTypes(ctx, connectlinks.ListOptions{PerPage: 100}) {
		if err != nil {
			return nil, err
		}
		if name, label, linkable := s.typeOf(t); linkable {
			list = append(list, integration{s.kind, name, label})
		}
	}
	return list, nil
}

func (s service[L, C, T, ID]) connections(ctx context.Context) (list []connection, err error) {
	for c, err := range s.sdk.All(ctx, connectlinks.ListOptions{PerPage: 100}) {
		if err != nil {
			return nil, err
		}
		list = append(list, s.conn(c))
	}
	return list, nil
}

func (s service[L, C, T, ID]) conn(c *C) connection {
	conn := s.connOf(c)
	conn.Kind = s.kind
	return conn
}

func (s service[L, C, T, ID]) connection(ctx context.Context, id string) (connection, error) {
	c, err := s.sdk.Get(ctx, s.id(id))
	switch {
	case errors.As(err, new(*connectlinks.InputError)): // the id comes from the URL
		return connection{}, errNoConnection
	case err != nil:
		return connection{}, s.missing(ctx, err, id)
	}
	return s.conn(c), nil
}

// exists reports whether the list has the connection.
func (s service[L, C, T, ID]) exists(ctx context.Context, id string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	list, err := s.connections(ctx)
	return slices.ContainsFunc(list, func(c connection) bool { return c.ID == id }), err
}

// missing returns errNoConnection if err is a 404 and the connection does not exist. Any
// other 404 is for the platform to fix: for example, the workspace is gone, or API V1 is.
func (s service[L, C, T, ID]) missing(ctx context.Context, err error, id string) error {
	if !errors.Is(err, connectlinks.ErrNotFound) {
		return err
	}
	if exists, lookErr := s.exists(ctx, id); exists || lookErr != nil {
		return err
	}
	return fmt.Errorf("%w: %w", errNoConnection, err)
}

func (s service[L, C, T, ID]) disconnect(ctx context.Context, id string) error {
	err := s.sdk.Delete(ctx, s.id(id))
	if err == nil {
		return nil
	}
	// An earlier attempt may have worked, whatever the last one was answered with.
	exists, lookErr := s.exists(ctx, id)
	switch {
	case lookErr == nil && !exists:
		return nil
	case lookErr == nil && refused(err):
		return err
	}
	return fmt.Errorf("%w: %w", errPerhaps, errors.Join(err, lookErr))
}

// refused reports whether the API refused the last attempt.
func refused(err error) bool {
	var e *connectlinks.APIError
	return errors.As(err, &e) && e.StatusCode >= 300 && e.StatusCode < 500 && e.StatusCode != http.StatusRequestTimeout
}

func (s service[L, C, T, ID]) start(ctx context.Context, f *flow, redirectURI string) error {
	var link *L
	var err error
	if f.Renews == "" {
		link, err = s.create(ctx, connectlinks.CreateConnectLinkParams{
			Type: f.Type, RedirectURI: redirectURI, UniqueRedirect: true,
		})
	} else {
		var before connection
		if before, err = s.connection(ctx, f.Renews); err != nil {
			return err
		}
		f.since = before.Tested
		link, err = s.sdk.CreateReauthorizationLink(ctx, s.id(f.Renews), connectlinks.CreateReauthorizationLinkParams{
			RedirectURI: redirectURI, UniqueRedirect: true,
		})
	}
	if err != nil {
		return err
	}
	f.link = s.linkOf(link)
	return nil
}

func (s service[L, C, T, ID]) reusable(ctx context.Context, f *flow) bool {
	if s.connID == nil {
		return false
	}
	link, err := s.sdk.GetConnectLink(ctx, f.link.ID)
	if err != nil || s.linkOf(link).Expired || s.linkOf(link).Revoked {
		return false
	}
	if f.Renews == "" {
		return s.connID(link) == 0
	}
	now, err := s.connection(ctx, f.Renews)
	return err == nil && !now.Tested.After(f.since)
}

func (s service[L, C, T, ID]) revoke(ctx context.Context, f *flow) error {
	_, err := s.sdk.RevokeConnectLink(ctx, f.link.ID)
	return err
}

func (s service[L, C, T, ID]) wait(ctx context.Context, f *flow) (connection, error) {
	wait := s.made
	if f.Renews != "" {
		wait = s.renewed
	}
	c, err := wait(ctx, f)
	if err == nil {
		return s.conn(c), nil
	}
	// The connection may have been deleted before the customer came back.
	if id := f.Renews; id != "" {
		return connection{}, s.missing(ctx, err, id)
	}
	if errors.Is(err, connectlinks.ErrNotFound) && s.connID != nil {
		if link, linkErr := s.sdk.GetConnectLink(ctx, f.link.ID); linkErr == nil && s.connID(link) != 0 {
			err = s.missing(ctx, err, strconv.FormatInt(s.connID(link), 10))
		}
	}
	return connection{}, err
}
