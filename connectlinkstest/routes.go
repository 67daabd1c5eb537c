package connectlinkstest

import (
	"net/http"
	"slices"
)

// A route is an endpoint: the pattern that the mux and [Routes] have in common,
// whose token it takes, and what it does. handle is called with s.mu held.
type route struct {
	pattern string
	token   tokenKind
	v2      bool // errors have a numeric status
	page    bool // it is no part of the API, and holds secrets
	handle  func(*call) answer
}

type tokenKind int

const (
	noToken tokenKind = iota
	workspaceToken
	personalToken
)

// Routes are the API's endpoints that a server has, in the form of
// [net/http.ServeMux]'s patterns: POST /api/v1/source_connect_links.
func Routes() []string {
	var patterns []string
	for _, rt := range routes() {
		if !rt.page {
			patterns = append(patterns, rt.pattern)
		}
	}
	return patterns
}

func isRoute(pattern string) bool {
	return slices.ContainsFunc(routes(), func(rt *route) bool { return rt.pattern == pattern })
}

// A resource is one of the three things that links are made for. They have the
// same endpoints, under other names.
type resource struct {
	kind    Kind
	base    string
	token   tokenKind
	links   string // the collections
	types   string
	conns   string
	linkVar string // the placeholders
	connVar string
	renew   string // below a connection: makes a link that reauthorizes it
}

func resources() []*resource {
	return []*resource{
		{
			kind: KindSource, base: "/api/v1/", token: workspaceToken,
			links: "source_connect_links", types: "source_types", conns: "sources",
			linkVar: "connect_link_id", connVar: "source_id", renew: "connect_links",
		},
		{
			kind: KindDestination, base: "/api/v1/", token: workspaceToken,
			links: "destination_connect_links", types: "connectors", conns: "destinations",
			linkVar: "connect_link_id", connVar: "destination_id", renew: "connect_links",
		},
		{
			kind: KindActivation, base: "/api/v2/", token: personalToken,
			links: "activation_connect_links", types: "activation_types", conns: "activations",
			linkVar: "id", connVar: "activation_id", renew: "activation_connect_links",
		},
	}
}

func routes() []*route {
	var all []*route
	for _, res := range resources() {
		add := func(method, path string, handle func(*resource, *call) answer) {
			all = append(all, &route{
				pattern: method + " " + res.base + path,
				token:   res.token,
				v2:      res.kind == KindActivation,
				handle:  func(c *call) answer { return handle(res, c) },
			})
		}
		link, conn := res.links+"/{"+res.linkVar+"}", res.conns+"/{"+res.connVar+"}"
		add(http.MethodPost, res.links, (*resource).createLink)
		add(http.MethodGet, res.links, (*resource).listLinks)
		add(http.MethodGet, link, (*resource).getLink)
		add(http.MethodPost, link+"/revoke", (*resource).revokeLink)
		add(http.MethodPost, conn+"/"+res.renew, (*resource).createRenewal)
		add(http.MethodGet, res.types, (*resource).listTypes)
		add(http.MethodGet, res.types+"/{service_name}", (*resource).getType)
		add(http.MethodGet, res.conns, (*resource).listConnections)
		add(http.MethodGet, conn, (*resource).getConnection)
		add(http.MethodDelete, conn, (*resource).deleteConnection)
	}
	return append(all,
		&route{pattern: "GET /api/v1/workspace", token: workspaceToken, handle: (*call).currentWorkspace},
		&route{pattern: "GET /api/v1/workspaces", token: personalToken, handle: (*call).listWorkspaces},
		&route{pattern: "GET /api/v1/workspaces/{id}/api_key", token: personalToken, handle: (*call).workspaceKey},
		// Front ends ask for these before anything else; there are none here.
		&route{pattern: "GET /api/v1/syncs", token: workspaceToken, handle: (*call).emptyPage},
		&route{pattern: "GET /api/v1/sources/{id}/filter_segments", token: workspaceToken, handle: (*call).emptyPage},
		&route{pattern: "GET /api/v1/sync_management_links", token: workspaceToken, handle: (*call).emptyPage},
		&route{pattern: "GET " + pagePath, page: true, handle: (*call).showPage},
		&route{pattern: "POST " + pagePath, page: true, handle: (*call).submitPage},
	)
}
