package main

import (
	"cmp"
	"context"
	"errors"
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
	Works                *bool     // as of then
	Problem              string    // what the tests said, if they failed
}

// State is how the connection is doing, in one word.
func (c connection) State() string {
	switch {
	case c.Works == nil:
		return "untested"
	case *c.Works:
		return "good"
	}
	return "bad"
}

// errNotFound is what is not there, or not this tenant's.
var errNotFound = errors.New("not found")

// kind is what links are for: sources, destinations or activations. Its methods
// see what is the tenant's, and nothing else.
type kind interface {
	types(ctx context.Context) ([]integration, error)
	connections(ctx context.Context) ([]connection, error)
	connection(ctx context.Context, id string) (connection, error)
	disconnect(ctx context.Context, id string) error

	// start makes a link. It fills in f's link and since.
	start(ctx context.Context, f *flow, redirectURI string) error
	// open reports whether f's link can still be used.
	open(ctx context.Context, f *flow) (bool, error)
	// wait waits until f's customer has finished.
	wait(ctx context.Context, f *flow) (connection, error)
}

const (
	kindSource      = "source"
	kindDestination = "destination"
	kindActivation  = "activation"
)

// kinds are what the tenant can connect, in the order of display.
func (t *tenant) kinds() []string {
	if t.V2 == nil || t.Group == "" {
		return []string{kindSource, kindDestination}
	}
	return []string{kindSource, kindDestination, kindActivation}
}

func (t *tenant) kind(name string) (kind, error) {
	switch {
	case name == kindSource:
		return sources{t.V1.Sources}, nil
	case name == kindDestination:
		return destinations{t.V1.Destinations}, nil
	case name == kindActivation && len(t.kinds()) == 3:
		return activations{t.V2.Activations, t.Group}, nil
	}
	return nil, errNotFound
}

func number(id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n < 1 {
		return 0, errNotFound
	}
	return n, nil
}

type sources struct{ api *connectlinks.SourcesService }

func (s sources) types(ctx context.Context) (list []integration, err error) {
	for t, err := range s.api.AllTypes(ctx, connectlinks.ListOptions{PerPage: 100}) {
		if err != nil {
			return nil, err
		}
		if t.CreatableViaConnectLink {
			list = append(list, integration{kindSource, t.ServiceName, t.Label})
		}
	}
	return list, nil
}

func (s sources) connections(ctx context.Context) (list []connection, err error) {
	for c, err := range s.api.All(ctx, connectlinks.ListOptions{PerPage: 100}) {
		if err != nil {
			return nil, err
		}
		list = append(list, s.of(c))
	}
	return list, nil
}

func (s sources) of(c *connectlinks.Source) connection {
	return connection{kindSource, strconv.FormatInt(c.ID, 10), cmp.Or(c.Label, c.Name), c.Type, c.LastTestedAt, c.LastTestSucceeded, ""}
}

func (s sources) connection(ctx context.Context, id string) (connection, error) {
	n, err := number(id)
	if err != nil {
		return connection{}, err
	}
	c, err := s.api.Get(ctx, n)
	if err != nil {
		return connection{}, err
	}
	return s.of(c), nil
}

func (s sources) disconnect(ctx context.Context, id string) error {
	n, err := number(id)
	if err != nil {
		return err
	}
	return s.api.Delete(ctx, n)
}

func (s sources) start(ctx context.Context, f *flow, redirectURI string) error {
	var link *connectlinks.SourceConnectLink
	var err error
	if f.Renews == "" {
		link, err = s.api.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: f.Type, RedirectURI: redirectURI})
	} else {
		var n int64
		var before connection
		if n, err = number(f.Renews); err != nil {
			return err
		}
		if before, err = s.connection(ctx, f.Renews); err != nil {
			return err
		}
		f.since = before.Tested
		link, err = s.api.CreateReauthorizationLink(ctx, n, connectlinks.CreateReauthorizationLinkParams{RedirectURI: redirectURI})
	}
	if err != nil {
		return err
	}
	f.link = link.ConnectLink
	return nil
}

func (s sources) open(ctx context.Context, f *flow) (bool, error) {
	link, err := s.api.GetConnectLink(ctx, f.link.ID)
	if err != nil || link.Expired || link.Revoked {
		return false, err
	}
	if f.Renews == "" {
		return link.SourceID == 0, nil
	}
	now, err := s.connection(ctx, f.Renews)
	return err == nil && !now.Tested.After(f.since), err
}

func (s sources) wait(ctx context.Context, f *flow) (connection, error) {
	var c *connectlinks.Source
	var err error
	if f.Renews == "" {
		c, err = s.api.WaitForConnection(ctx, f.link.ID)
	} else {
		c, err = s.api.WaitForReauthorization(ctx, f.link.ID, f.since)
	}
	if err != nil {
		return connection{}, err
	}
	return s.of(c), nil
}

type destinations struct {
	api *connectlinks.DestinationsService
}

func (d destinations) types(ctx context.Context) (list []integration, err error) {
	for t, err := range d.api.AllTypes(ctx, connectlinks.ListOptions{PerPage: 100}) {
		if err != nil {
			return nil, err
		}
		if t.CreatableViaConnectLink {
			list = append(list, integration{kindDestination, t.ServiceName, t.Label})
		}
	}
	return list, nil
}

func (d destinations) connections(ctx context.Context) (list []connection, err error) {
	for c, err := range d.api.All(ctx, connectlinks.ListOptions{PerPage: 100}) {
		if err != nil {
			return nil, err
		}
		list = append(list, d.of(c))
	}
	return list, nil
}

func (d destinations) of(c *connectlinks.Destination) connection {
	return connection{
		kindDestination, strconv.FormatInt(c.ID, 10), cmp.Or(c.Label, c.Name), c.Type,
		c.LastTestedAt, c.LastTestSucceeded, problem(c.LastTestResults),
	}
}

func (d destinations) connection(ctx context.Context, id string) (connection, error) {
	n, err := number(id)
	if err != nil {
		return connection{}, err
	}
	c, err := d.api.Get(ctx, n)
	if err != nil {
		return connection{}, err
	}
	return d.of(c), nil
}

func (d destinations) disconnect(ctx context.Context, id string) error {
	n, err := number(id)
	if err != nil {
		return err
	}
	return d.api.Delete(ctx, n)
}

func (d destinations) start(ctx context.Context, f *flow, redirectURI string) error {
	var link *connectlinks.DestinationConnectLink
	var err error
	if f.Renews == "" {
		link, err = d.api.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: f.Type, RedirectURI: redirectURI})
	} else {
		var n int64
		var before connection
		if n, err = number(f.Renews); err != nil {
			return err
		}
		if before, err = d.connection(ctx, f.Renews); err != nil {
			return err
		}
		f.since = before.Tested
		link, err = d.api.CreateReauthorizationLink(ctx, n, connectlinks.CreateReauthorizationLinkParams{RedirectURI: redirectURI})
	}
	if err != nil {
		return err
	}
	f.link = link.ConnectLink
	return nil
}

func (d destinations) open(ctx context.Context, f *flow) (bool, error) {
	link, err := d.api.GetConnectLink(ctx, f.link.ID)
	if err != nil || link.Expired || link.Revoked {
		return false, err
	}
	if f.Renews == "" {
		return link.DestinationID == 0, nil
	}
	now, err := d.connection(ctx, f.Renews)
	return err == nil && !now.Tested.After(f.since), err
}

func (d destinations) wait(ctx context.Context, f *flow) (connection, error) {
	var c *connectlinks.Destination
	var err error
	if f.Renews == "" {
		c, err = d.api.WaitForConnection(ctx, f.link.ID)
	} else {
		c, err = d.api.WaitForReauthorization(ctx, f.link.ID, f.since)
	}
	if err != nil {
		return connection{}, err
	}
	return d.of(c), nil
}

// activations sees the activations of one group: the token sees all of the
// organization.
type activations struct {
	api   *connectlinks.ActivationsService
	group string
}

func (a activations) types(ctx context.Context) (list []integration, err error) {
	for t, err := range a.api.AllTypes(ctx, connectlinks.ListOptions{PerPage: 100}) {
		if err != nil {
			return nil, err
		}
		if t.CreatableViaConnectLink {
			list = append(list, integration{kindActivation, t.ServiceName, t.Label})
		}
	}
	return list, nil
}

func (a activations) connections(ctx context.Context) (list []connection, err error) {
	for c, err := range a.api.All(ctx, connectlinks.ListOptions{PerPage: 100}) {
		if err != nil {
			return nil, err
		}
		if c.GroupID == a.group {
			list = append(list, a.of(c))
		}
	}
	return list, nil
}

func (a activations) of(c *connectlinks.Activation) connection {
	d := c.Destination
	return connection{kindActivation, c.ID, c.Name, d.Type, d.LastTestedAt, d.LastTestSucceeded, problem(d.LastTestResults)}
}

func (a activations) connection(ctx context.Context, id string) (connection, error) {
	c, err := a.api.Get(ctx, id)
	if err != nil {
		return connection{}, err
	}
	if c.GroupID != a.group {
		return connection{}, errNotFound
	}
	return a.of(c), nil
}

func (a activations) disconnect(ctx context.Context, id string) error {
	if _, err := a.connection(ctx, id); err != nil {
		return err
	}
	return a.api.Delete(ctx, id)
}

func (a activations) start(ctx context.Context, f *flow, redirectURI string) error {
	var link *connectlinks.ActivationConnectLink
	var err error
	if f.Renews == "" {
		link, err = a.api.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{Type: f.Type, GroupID: a.group, RedirectURI: redirectURI})
	} else {
		var before connection
		if before, err = a.connection(ctx, f.Renews); err != nil {
			return err
		}
		f.since = before.Tested
		link, err = a.api.CreateReauthorizationLink(ctx, f.Renews, connectlinks.CreateReauthorizationLinkParams{RedirectURI: redirectURI})
	}
	if err != nil {
		return err
	}
	f.link = link.ConnectLink
	if f.Renews == "" {
		f.since = link.CreatedAt
	}
	return nil
}

// newest is when the group's newest activation of a type was connected.
func (a activations) newest(ctx context.Context, typ string) (newest time.Time, err error) {
	for c, err := range a.api.All(ctx, connectlinks.ListOptions{PerPage: 100}) {
		if err != nil {
			return newest, err
		}
		if made := c.Destination.CreatedAt; c.GroupID == a.group && c.Destination.Type == typ && made.After(newest) {
			newest = made
		}
	}
	return newest, nil
}

func (a activations) open(ctx context.Context, f *flow) (bool, error) {
	link, err := a.api.GetConnectLink(ctx, f.link.ID)
	if err != nil || link.Expired || link.Revoked {
		return false, err
	}
	if f.Renews == "" {
		newest, err := a.newest(ctx, f.Type)
		return err == nil && !newest.After(f.since), err
	}
	now, err := a.connection(ctx, f.Renews)
	return err == nil && !now.Tested.After(f.since), err
}

func (a activations) wait(ctx context.Context, f *flow) (connection, error) {
	var c *connectlinks.Activation
	var err error
	if f.Renews == "" {
		c, err = a.api.WaitForActivation(ctx, f.link.ID, f.since)
	} else {
		c, err = a.api.WaitForReauthorization(ctx, f.link.ID, f.Renews, f.since)
	}
	if err != nil {
		return connection{}, err
	}
	return a.of(c), nil
}

// problem is the first step that went wrong.
func problem(steps []connectlinks.TestStep) string {
	for _, s := range steps {
		if s.Error != "" {
			return s.Step + ": " + s.Error
		}
	}
	return ""
}
