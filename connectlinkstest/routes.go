package connectlinkstest

import (
	"slices"
	"strings"
)

// Route names an endpoint: a method, a space and a path, like a pattern of
// [net/http.ServeMux].
type Route string

// Endpoints for sources.
const (
	RouteCreateSourceConnectLink         Route = "POST /api/v1/source_connect_links"
	RouteListSourceConnectLinks          Route = "GET /api/v1/source_connect_links"
	RouteGetSourceConnectLink            Route = "GET /api/v1/source_connect_links/{connect_link_id}"
	RouteRevokeSourceConnectLink         Route = "POST /api/v1/source_connect_links/{connect_link_id}/revoke"
	RouteCreateSourceReauthorizationLink Route = "POST /api/v1/sources/{source_id}/connect_links"
	RouteListSourceTypes                 Route = "GET /api/v1/source_types"
	RouteGetSourceType                   Route = "GET /api/v1/source_types/{service_name}"
	RouteListSources                     Route = "GET /api/v1/sources"
	RouteGetSource                       Route = "GET /api/v1/sources/{source_id}"
	RouteDeleteSource                    Route = "DELETE /api/v1/sources/{source_id}"
)

// Endpoints for destinations.
const (
	RouteCreateDestinationConnectLink         Route = "POST /api/v1/destination_connect_links"
	RouteListDestinationConnectLinks          Route = "GET /api/v1/destination_connect_links"
	RouteGetDestinationConnectLink            Route = "GET /api/v1/destination_connect_links/{connect_link_id}"
	RouteRevokeDestinationConnectLink         Route = "POST /api/v1/destination_connect_links/{connect_link_id}/revoke"
	RouteCreateDestinationReauthorizationLink Route = "POST /api/v1/destinations/{destination_id}/connect_links"
	RouteListDestinationTypes                 Route = "GET /api/v1/connectors"
	RouteGetDestinationType                   Route = "GET /api/v1/connectors/{service_name}"
	RouteListDestinations                     Route = "GET /api/v1/destinations"
	RouteGetDestination                       Route = "GET /api/v1/destinations/{destination_id}"
	RouteDeleteDestination                    Route = "DELETE /api/v1/destinations/{destination_id}"
)

// Endpoints for activations, and all others of V2.
const (
	RouteCreateActivationConnectLink         Route = "POST /api/v2/activation_connect_links"
	RouteListActivationConnectLinks          Route = "GET /api/v2/activation_connect_links"
	RouteGetActivationConnectLink            Route = "GET /api/v2/activation_connect_links/{connect_link_id}"
	RouteRevokeActivationConnectLink         Route = "POST /api/v2/activation_connect_links/{connect_link_id}/revoke"
	RouteCreateActivationReauthorizationLink Route = "POST /api/v2/activations/{activation_id}/activation_connect_links"
	RouteListActivationTypes                 Route = "GET /api/v2/activation_types"
	RouteGetActivationType                   Route = "GET /api/v2/activation_types/{service_name}"
	RouteListActivations                     Route = "GET /api/v2/activations"
	RouteGetActivation                       Route = "GET /api/v2/activations/{activation_id}"
	RouteDeleteActivation                    Route = "DELETE /api/v2/activations/{activation_id}"
	RouteGetV2Source                         Route = "GET /api/v2/sources/{source_id}"
)

// Endpoints for workspaces.
const (
	RouteGetCurrentWorkspace Route = "GET /api/v1/workspace"
	RouteListWorkspaces      Route = "GET /api/v1/workspaces"
	RouteGetWorkspace        Route = "GET /api/v1/workspaces/{workspace_id}"
	RouteGetWorkspaceAPIKey  Route = "GET /api/v1/workspaces/{workspace_id}/api_key"
)

// Endpoints that some front ends call, but not the SDK. The server answers the lists with
// an empty page, and the create with a 404.
const (
	RouteListSyncs                Route = "GET /api/v1/syncs"
	RouteListFilterSegments       Route = "GET /api/v1/sources/{source_id}/filter_segments"
	RouteListSyncManagementLinks  Route = "GET /api/v1/sync_management_links"
	RouteCreateSyncManagementLink Route = "POST /api/v1/sync_management_links"
)

// The hosted pages. They are not in [Routes].
const (
	RouteOpenPage   Route = "GET " + pagePath
	RouteSubmitPage Route = "POST " + pagePath
)

// Routes returns the API's endpoints that a server serves.
func Routes() []Route {
	var all []Route
	for _, e := range endpoints() {
		if !e.page {
			all = append(all, e.route)
		}
	}
	return all
}

// An endpoint is a route, the kind of token that it takes, and its handler.
type endpoint struct {
	route  Route // empty for requests that match no route
	token  tokenKind
	page   bool               // one of the hosted pages, whose requests hold secrets
	handle func(*call) answer // called with s.mu held
}

func (e *endpoint) v2() bool { return strings.Contains(string(e.route), " /api/v2/") }

type tokenKind int

const (
	noToken tokenKind = iota
	workspaceToken
	personalToken
)

func (r Route) served() bool {
	return slices.ContainsFunc(endpoints(), func(e *endpoint) bool { return e.route == r })
}

// A resource is one of the three kinds of connections. They have the same endpoints, under
// other names.
type resource struct {
	kind   Kind
	connID string // the placeholder of a connection's id
}

func endpoints() []*endpoint {
	type handler = func(*resource, *call) answer
	of := func(res *resource, token tokenKind) func(Route, handler) *endpoint {
		return func(route Route, handle handler) *endpoint {
			return &endpoint{route: route, token: token, handle: func(c *call) answer { return handle(res, c) }}
		}
	}
	source := of(&resource{KindSource, "source_id"}, workspaceToken)
	destination := of(&resource{KindDestination, "destination_id"}, workspaceToken)
	activation := of(&resource{KindActivation, "activation_id"}, personalToken)
	return []*endpoint{
		source(RouteCreateSourceConnectLink, (*resource).createLink),
		source(RouteListSourceConnectLinks, (*resource).listLinks),
		source(RouteGetSourceConnectLink, (*resource).getLink),
		source(RouteRevokeSourceConnectLink, (*resource).revokeLink),
		source(RouteCreateSourceReauthorizationLink, (*resource).createRenewal),
		source(RouteListSourceTypes, (*resource).listTypes),
		source(RouteGetSourceType, (*resource).getType),
		source(RouteListSources, (*resource).listConnections),
		source(RouteGetSource, (*resource).getConnection),
		source(RouteDeleteSource, (*resource).deleteConnection),

		destination(RouteCreateDestinationConnectLink, (*resource).createLink),
		destination(RouteListDestinationConnectLinks, (*resource).listLinks),
		destination(RouteGetDestinationConnectLink, (*resource).getLink),
		destination(RouteRevokeDestinationConnectLink, (*resource).revokeLink),
		destination(RouteCreateDestinationReauthorizationLink, (*resource).createRenewal),
		destination(RouteListDestinationTypes, (*resource).listTypes),
		destination(RouteGetDestinationType, (*resource).getType),
		destination(RouteListDestinations, (*resource).listConnections),
		destination(RouteGetDestination, (*resource).getConnection),
		destination(RouteDeleteDestination, (*resource).deleteConnection),

		activation(RouteCreateActivationConnectLink, (*resource).createLink),
		activation(RouteListActivationConnectLinks, (*resource).listLinks),
		activation(RouteGetActivationConnectLink, (*resource).getLink),
		activation(RouteRevokeActivationConnectLink, (*resource).revokeLink),
		activation(RouteCreateActivationReauthorizationLink, (*resource).createRenewal),
		activation(RouteListActivationTypes, (*resource).listTypes),
		activation(RouteGetActivationType, (*resource).getType),
		activation(RouteListActivations, (*resource).listConnections),
		activation(RouteGetActivation, (*resource).getConnection),
		activation(RouteDeleteActivation, (*resource).deleteConnection),
		{route: RouteGetV2Source, token: personalToken, handle: (*call).v2Source},

		{route: RouteGetCurrentWorkspace, token: workspaceToken, handle: (*call).currentWorkspace},
		{route: RouteListWorkspaces, token: personalToken, handle: (*call).listWorkspaces},
		{route: RouteGetWorkspace, token: personalToken, handle: (*call).getWorkspace},
		{route: RouteGetWorkspaceAPIKey, token: personalToken, handle: (*call).workspaceKey},

		{route: RouteListSyncs, token: workspaceToken, handle: (*call).emptyPage},
		{route: RouteListFilterSegments, token: workspaceToken, handle: (*call).emptyPage},
		{route: RouteListSyncManagementLinks, token: workspaceToken, handle: (*call).emptyPage},
		{route: RouteCreateSyncManagementLink, token: workspaceToken, handle: (*call).outsideTheSandbox},

		{route: RouteOpenPage, page: true, handle: (*call).showPage},
		{route: RouteSubmitPage, page: true, handle: (*call).submitPage},
	}
}
