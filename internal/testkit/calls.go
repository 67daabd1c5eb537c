package testkit

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/connectlinks/connectlinks-go"
)

// Call is a call of a public method, with arguments that [API] and [Succeed] know.
type Call struct {
	Name     string // Service.Method
	Method   string // the method of its first request
	Path     string // the path of that request, relative to the base URL
	Query    string // the query of that request
	Body     string // the JSON body of that request, "" if it has none
	Creates  bool   // it makes a link
	Composed bool   // it may send more than one request
	Do       func(context.Context, *connectlinks.Client) (any, error)

	// The methods that read a list, if this is a call of All.
	List func(context.Context, *connectlinks.Client, connectlinks.ListOptions) (any, error)
	All  func(context.Context, *connectlinks.Client, connectlinks.ListOptions) iter.Seq2[any, error]
}

// Request returns the method and path of the call's first request.
func (c Call) Request() string { return c.Method + " " + c.Path }

// Links returns the number of links that the call makes.
func (c Call) Links() int {
	if c.Creates {
		return 1
	}
	return 0
}

// Is reports whether the call is of one of these methods, whatever the service.
func (c Call) Is(methods ...string) bool {
	_, method, _ := strings.Cut(c.Name, ".")
	return slices.Contains(methods, method)
}

// Redirect is the redirect URI of the links that the calls make.
const Redirect = "https://platform.example/done?state=a%2Fb&x=1"

// Params for creates that succeed.
var (
	Params           = connectlinks.CreateConnectLinkParams{Type: ServiceName, RedirectURI: Redirect}
	ActivationParams = connectlinks.CreateActivationConnectLinkParams{Type: ServiceName, GroupID: GroupID, RedirectURI: Redirect}
	Reauthorization  = connectlinks.CreateReauthorizationLinkParams{RedirectURI: Redirect}
)

// Since is the since of the waits: before the connection of [ConnectionJSON] was made and tested.
var Since = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// Calls returns a call of every public method that talks to the API.
func Calls() []Call {
	type (
		ctx    = context.Context
		client = *connectlinks.Client
	)
	const (
		sources      = "/api/v1/source_connect_links"
		destinations = "/api/v1/destination_connect_links"
		activations  = "/api/v2/activation_connect_links"
		body         = `{"type":"hubspot","redirect_uri":"https://platform.example/done?state=a%2Fb\u0026x=1"}`
	)
	calls := slices.Concat(
		serviceCalls(func(c client) *connectlinks.SourcesService { return c.Sources }, "Sources",
			sources, "/api/v1/source_types", "/api/v1/sources", "/connect_links", ConnectionID),
		serviceCalls(func(c client) *connectlinks.DestinationsService { return c.Destinations }, "Destinations",
			destinations, "/api/v1/connectors", "/api/v1/destinations", "/connect_links", ConnectionID),
		serviceCalls(func(c client) *connectlinks.ActivationsService { return c.Activations }, "Activations",
			activations, "/api/v2/activation_types", "/api/v2/activations", "/activation_connect_links", ActivationID),
	)
	workspaces := listCalls("", "/api/v1/workspaces", connectlinks.ListOptions{Page: 2}, "page=2",
		func(c client) (list[connectlinks.Workspace], all[connectlinks.Workspace]) {
			return c.Workspaces.List, c.Workspaces.All
		})
	return slices.Concat(calls, named("Workspaces", workspaces), []Call{
		{Name: "Sources.CreateConnectLink", Method: http.MethodPost, Path: sources, Body: body, Creates: true,
			Do: func(ctx ctx, c client) (any, error) { return c.Sources.CreateConnectLink(ctx, Params) }},
		{Name: "Destinations.CreateConnectLink", Method: http.MethodPost, Path: destinations, Body: body, Creates: true,
			Do: func(ctx ctx, c client) (any, error) { return c.Destinations.CreateConnectLink(ctx, Params) }},
		{Name: "Activations.CreateConnectLink", Method: http.MethodPost, Path: activations, Creates: true,
			Body: strings.Replace(body, `,`, `,"group_id":"wandering_aimlessly",`, 1),
			Do:   func(ctx ctx, c client) (any, error) { return c.Activations.CreateConnectLink(ctx, ActivationParams) }},

		{Name: "Sources.WaitForConnection", Method: http.MethodGet, Path: sources + "/469", Composed: true,
			Do: func(ctx ctx, c client) (any, error) { return c.Sources.WaitForConnection(ctx, LinkID) }},
		{Name: "Destinations.WaitForConnection", Method: http.MethodGet, Path: destinations + "/469", Composed: true,
			Do: func(ctx ctx, c client) (any, error) { return c.Destinations.WaitForConnection(ctx, LinkID) }},
		{Name: "Activations.WaitForActivation", Method: http.MethodGet, Path: activations + "/469", Composed: true,
			Do: func(ctx ctx, c client) (any, error) { return c.Activations.WaitForActivation(ctx, LinkID, Since) }},
		{Name: "Sources.WaitForReauthorization", Method: http.MethodGet, Path: sources + "/469", Composed: true,
			Do: func(ctx ctx, c client) (any, error) { return c.Sources.WaitForReauthorization(ctx, LinkID, Since) }},
		{Name: "Destinations.WaitForReauthorization", Method: http.MethodGet, Path: destinations + "/469", Composed: true,
			Do: func(ctx ctx, c client) (any, error) { return c.Destinations.WaitForReauthorization(ctx, LinkID, Since) }},
		{Name: "Activations.WaitForReauthorization", Method: http.MethodGet, Path: activations + "/469", Composed: true,
			Do: func(ctx ctx, c client) (any, error) {
				return c.Activations.WaitForReauthorization(ctx, LinkID, ActivationID, Since)
			}},

		{Name: "Workspaces.Current", Method: http.MethodGet, Path: "/api/v1/workspace",
			Do: func(ctx ctx, c client) (any, error) { return c.Workspaces.Current(ctx) }},
		{Name: "Workspaces.Get", Method: http.MethodGet, Path: "/api/v1/workspaces/33",
			Do: func(ctx ctx, c client) (any, error) { return c.Workspaces.Get(ctx, WorkspaceID) }},
		{Name: "Activations.GetSource", Method: http.MethodGet, Path: "/api/v2/sources/7",
			Do: func(ctx ctx, c client) (any, error) { return c.Activations.GetSource(ctx, ConnectionID) }},
		{Name: "Workspaces.APIKey", Method: http.MethodGet, Path: "/api/v1/workspaces/33/api_key",
			Do: func(ctx ctx, c client) (any, error) { return c.Workspaces.APIKey(ctx, WorkspaceID) }},
		{Name: "Workspaces.TokenSource", Method: http.MethodGet, Path: "/api/v1/workspaces/33/api_key", Composed: true,
			Do: func(ctx ctx, c client) (any, error) { return c.Workspaces.TokenSource(WorkspaceID).Token(ctx) }},
	})
}

// service has the methods that the three services of connect links share. ID is the type of
// a connection's id.
type service[L, C, T, ID any] interface {
	CreateReauthorizationLink(context.Context, ID, connectlinks.CreateReauthorizationLinkParams) (*L, error)
	FindConnectLink(context.Context, string) (*L, error)
	GetConnectLink(context.Context, int64) (*L, error)
	RevokeConnectLink(context.Context, int64) (*L, error)
	ListConnectLinks(context.Context, connectlinks.ListOptions) (*connectlinks.Page[L], error)
	AllConnectLinks(context.Context, connectlinks.ListOptions) iter.Seq2[*L, error]
	ListTypes(context.Context, connectlinks.ListOptions) (*connectlinks.Page[T], error)
	AllTypes(context.Context, connectlinks.ListOptions) iter.Seq2[*T, error]
	GetType(context.Context, string) (*T, error)
	Get(context.Context, ID) (*C, error)
	List(context.Context, connectlinks.ListOptions) (*connectlinks.Page[C], error)
	All(context.Context, connectlinks.ListOptions) iter.Seq2[*C, error]
	Delete(context.Context, ID) error
}

// serviceCalls returns calls of these methods. links, types and connections are the paths of
// lists. renewal is appended to a connection's path.
func serviceCalls[S service[L, C, T, ID], L, C, T, ID any](of func(*connectlinks.Client) S,
	name, links, types, connections, renewal string, id ID,
) []Call {
	type (
		ctx    = context.Context
		client = *connectlinks.Client
	)
	var (
		opts       = connectlinks.ListOptions{Page: 2, PerPage: 25, Order: connectlinks.OrderDesc}
		connection = fmt.Sprintf("%s/%v", connections, id)
	)
	const optsQuery = "order=desc&page=2&per_page=25"
	calls := []Call{
		{Name: "CreateReauthorizationLink", Method: http.MethodPost, Path: connection + renewal, Creates: true,
			Body: `{"redirect_uri":"https://platform.example/done?state=a%2Fb\u0026x=1"}`,
			Do:   func(ctx ctx, c client) (any, error) { return of(c).CreateReauthorizationLink(ctx, id, Reauthorization) }},
		{Name: "GetConnectLink", Method: http.MethodGet, Path: links + "/469",
			Do: func(ctx ctx, c client) (any, error) { return of(c).GetConnectLink(ctx, LinkID) }},
		{Name: "RevokeConnectLink", Method: http.MethodPost, Path: links + "/469/revoke",
			Do: func(ctx ctx, c client) (any, error) { return of(c).RevokeConnectLink(ctx, LinkID) }},
		{Name: "FindConnectLink", Method: http.MethodGet, Path: links, Query: "order=desc&per_page=100", Composed: true,
			Do: func(ctx ctx, c client) (any, error) { return of(c).FindConnectLink(ctx, Redirect) }},
		{Name: "GetType", Method: http.MethodGet, Path: types + "/hubspot",
			Do: func(ctx ctx, c client) (any, error) { return of(c).GetType(ctx, ServiceName) }},
		{Name: "Get", Method: http.MethodGet, Path: connection,
			Do: func(ctx ctx, c client) (any, error) { return of(c).Get(ctx, id) }},
		{Name: "Delete", Method: http.MethodDelete, Path: connection,
			Do: func(ctx ctx, c client) (any, error) { return nil, of(c).Delete(ctx, id) }},
	}
	return named(name, slices.Concat(calls,
		listCalls("ConnectLinks", links, opts, optsQuery, func(c client) (list[L], all[L]) {
			return of(c).ListConnectLinks, of(c).AllConnectLinks
		}),
		listCalls("Types", types, connectlinks.ListOptions{Page: 2}, "page=2", func(c client) (list[T], all[T]) {
			return of(c).ListTypes, of(c).AllTypes
		}),
		listCalls("", connections, opts, optsQuery, func(c client) (list[C], all[C]) { return of(c).List, of(c).All }),
	))
}

// named puts the name of the service before the names of the methods.
func named(service string, calls []Call) []Call {
	for i := range calls {
		calls[i].Name = service + "." + calls[i].Name
	}
	return calls
}

// list and all are the two methods that read a list.
type (
	list[T any] = func(context.Context, connectlinks.ListOptions) (*connectlinks.Page[T], error)
	all[T any]  = func(context.Context, connectlinks.ListOptions) iter.Seq2[*T, error]
)

// listCalls returns a call of List and of All, with what appended to their names. query is opts in
// a query.
func listCalls[T any](what, path string, opts connectlinks.ListOptions, query string,
	of func(*connectlinks.Client) (list[T], all[T]),
) []Call {
	type (
		ctx    = context.Context
		client = *connectlinks.Client
		with   = connectlinks.ListOptions
	)
	readPage := func(ctx ctx, c client, opts with) (any, error) {
		list, _ := of(c)
		return list(ctx, opts)
	}
	readAll := func(ctx ctx, c client, opts with) iter.Seq2[any, error] {
		return func(yield func(any, error) bool) {
			_, all := of(c)
			for v, err := range all(ctx, opts) {
				var object any // nil if v is
				if v != nil {
					object = v
				}
				if !yield(object, err) {
					return
				}
			}
		}
	}
	allQuery := query
	if opts.Order == "" {
		allQuery = "order=asc&" + query
	}
	return []Call{
		{Name: "List" + what, Method: http.MethodGet, Path: path, Query: query,
			Do: func(ctx ctx, c client) (any, error) { return readPage(ctx, c, opts) }},
		{Name: "All" + what, Method: http.MethodGet, Path: path, Query: allQuery, Composed: true, List: readPage, All: readAll,
			Do: func(ctx ctx, c client) (any, error) {
				for v, err := range readAll(ctx, c, opts) {
					return v, err
				}
				return nil, nil
			}},
	}
}

// Named returns the call with this name.
func Named(name string) Call {
	return Select(func(c Call) bool { return c.Name == name })[0]
}

// Select returns the calls for which keep returns true.
func Select(keep func(Call) bool) []Call {
	return slices.DeleteFunc(Calls(), func(c Call) bool { return !keep(c) })
}

// Creates returns the calls that make a link.
func Creates() []Call { return Select(func(c Call) bool { return c.Creates }) }

// Single returns the calls that send one request.
func Single() []Call { return Select(func(c Call) bool { return !c.Composed }) }

// Gets, Lists, Revokes and Deletes return calls of one method, one for each service.
func Gets() []Call    { return Select(func(c Call) bool { return c.Is("GetConnectLink") }) }
func Lists() []Call   { return Select(func(c Call) bool { return c.Is("ListConnectLinks") }) }
func Revokes() []Call { return Select(func(c Call) bool { return c.Is("RevokeConnectLink") }) }
func Deletes() []Call { return Select(func(c Call) bool { return c.Is("Delete") }) }

// Repeatable returns the calls that the SDK may send again: gets, lists, revokes, deletes.
func Repeatable() []Call { return slices.Concat(Gets(), Lists(), Revokes(), Deletes()) }

// LinkCalls returns [Creates] and [Repeatable].
func LinkCalls() []Call { return append(Creates(), Repeatable()...) }

// SomeLinkCalls returns [LinkCalls] if [Thorough], and otherwise [Representative].
func SomeLinkCalls() []Call {
	if Thorough {
		return LinkCalls()
	}
	return Representative()
}

// Representative returns [Creates], and one call each of the other methods.
func Representative() []Call {
	return append(Creates(), Named("Sources.GetConnectLink"), Named("Destinations.ListConnectLinks"),
		Named("Activations.RevokeConnectLink"), Named("Destinations.Delete"))
}

// CreateLink makes a link with c.
func CreateLink(ctx context.Context, c *connectlinks.Client) error {
	_, err := c.Destinations.CreateConnectLink(ctx, Params)
	return err
}

// GetLink fetches a link with c.
func GetLink(ctx context.Context, c *connectlinks.Client) error {
	_, err := c.Destinations.GetConnectLink(ctx, LinkID)
	return err
}

// LinksIn returns the links in a result of a call: one link, or the links of a page.
func LinksIn(v any) (links []connectlinks.ConnectLink) {
	object := reflect.Indirect(reflect.ValueOf(v))
	if object.Kind() != reflect.Struct {
		return nil
	}
	if link := object.FieldByName("ConnectLink"); link.IsValid() {
		return []connectlinks.ConnectLink{link.Interface().(connectlinks.ConnectLink)}
	}
	if items := object.FieldByName("Items"); items.IsValid() {
		for i := range items.Len() {
			links = append(links, LinksIn(items.Index(i).Interface())...)
		}
	}
	return links
}

// LinkID calls c, and returns the id of the first link in the result, or 0.
func (c Call) LinkID(ctx context.Context, client *connectlinks.Client) (int64, error) {
	v, err := c.Do(ctx, client)
	if links := LinksIn(v); len(links) > 0 {
		return links[0].ID, err
	}
	return 0, err
}
