package connectlinkstest

import (
	"fmt"
	"net/http"
	"strconv"
)

// The endpoints. Callers hold the server's mutex, and have checked the token.

func (res *resource) createLink(c *call) answer {
	params, refusal := c.params()
	if refusal != nil {
		return *refusal
	}
	status := c.assume.UnknownTypeStatus
	if res.kind == KindActivation {
		status = http.StatusBadRequest
	}

	l := &link{kind: res.kind, typ: text(params["type"])}
	if t, ok := c.state.typeNamed(res.kind, l.typ); !ok || t.NotLinkable {
		return c.refuse(status, "Invalid type: "+l.typ)
	}
	if res.kind == KindActivation {
		l.group = text(params["group_id"])
		if c.state.groups[l.group] == nil {
			return c.refuse(status, "Invalid group_id: "+l.group)
		}
	} else {
		l.workspace = c.workspace.ID
	}
	return res.addLink(c, l, params)
}

func (res *resource) createRenewal(c *call) answer {
	conn := res.connection(c)
	if conn == nil {
		return c.notFound()
	}
	params, refusal := c.params()
	if refusal != nil {
		return *refusal
	}
	return res.addLink(c, &link{
		kind: res.kind, typ: conn.typ, workspace: conn.workspace, group: conn.group,
		renews: true, conn: conn,
	}, params)
}

func (res *resource) addLink(c *call, l *link, params map[string]any) answer {
	// Assumption: a redirect_uri of another JSON type is ignored.
	l.redirectURI = text(params["redirect_uri"])
	if c.assume.NormalizeRedirect {
		l.redirectURI = normalized(l.redirectURI)
	}
	return c.ok(http.StatusCreated, "created", c.linkJSON(c.Server.addLink(l)))
}

func (res *resource) listLinks(c *call) answer {
	var data []any
	for _, l := range c.state.links {
		if res.ownsLink(c, l) && !c.unlisted(l) {
			data = append(data, c.linkJSON(l))
		}
	}
	return c.list(data)
}

func (res *resource) getLink(c *call) answer {
	l := res.link(c)
	if l == nil {
		return c.notFound()
	}
	return c.ok(http.StatusOK, "success", c.linkJSON(l))
}

func (res *resource) revokeLink(c *call) answer {
	l := res.link(c)
	switch {
	case l == nil:
		return c.notFound()
	case c.dead(l) != "" && c.assume.RevokeAgainStatus >= 300:
		return c.refuse(c.assume.RevokeAgainStatus, "The link cannot be revoked: "+c.dead(l))
	}
	c.revoke(l)
	return c.ok(http.StatusOK, "success", c.linkJSON(l))
}

func (res *resource) listTypes(c *call) answer {
	var data []any
	for _, t := range c.state.types[res.kind.types()] {
		data = append(data, typeJSON(res.kind, t))
	}
	if res.kind == KindSource && !c.assume.PaginatedSourceTypes {
		return c.ok(http.StatusOK, "success", data)
	}
	return c.listInOrder(data)
}

func (res *resource) getType(c *call) answer {
	t, ok := c.state.typeNamed(res.kind, c.r.PathValue("service_name"))
	if !ok {
		return c.notFound()
	}
	return c.ok(http.StatusOK, "success", typeJSON(res.kind, t))
}

func (res *resource) listConnections(c *call) answer {
	var data []any
	for _, conn := range c.state.connections {
		if res.owns(c, conn) {
			data = append(data, c.connectionJSON(conn))
		}
	}
	return c.list(data)
}

func (res *resource) getConnection(c *call) answer {
	conn := res.connection(c)
	if conn == nil {
		return c.notFound()
	}
	return c.ok(http.StatusOK, "success", c.connectionJSON(conn))
}

func (res *resource) deleteConnection(c *call) answer {
	conn := res.connection(c)
	if conn == nil {
		return c.notFound()
	}
	conn.deleted = true
	return c.json(http.StatusOK, map[string]string{"status": "deleted"})
}

// ownsLink reports whether the token sees the link. A workspace's token sees the workspace's
// own links, the personal token sees the links of all groups.
func (res *resource) ownsLink(c *call, l *link) bool {
	return l.kind == res.kind && (c.workspace == nil || c.workspace.ID == l.workspace)
}

func (res *resource) owns(c *call, conn *connection) bool {
	return conn.kind == res.kind && !conn.deleted && (c.workspace == nil || c.workspace.ID == conn.workspace)
}

// link returns the link that the path names, or nil.
func (res *resource) link(c *call) *link {
	id, err := strconv.ParseInt(c.r.PathValue("connect_link_id"), 10, 64)
	if l := c.state.byID[id]; err == nil && l != nil && res.ownsLink(c, l) {
		return l
	}
	return nil
}

// connection returns the connection that the path names, or nil.
func (res *resource) connection(c *call) *connection {
	name := c.r.PathValue(res.connID)
	for _, conn := range c.state.connections {
		id := conn.activationID
		if res.kind != KindActivation {
			id = strconv.FormatInt(conn.id, 10)
		}
		if id == name && res.owns(c, conn) {
			return conn
		}
	}
	return nil
}

// v2Source answers with a source of V1, or with one that activations read.
//
// Assumption: V1 and V2 share the ids of sources. This server has no V2 endpoint that
// makes a source.
func (c *call) v2Source() answer {
	id, _ := strconv.ParseInt(c.r.PathValue("source_id"), 10, 64)
	for _, conn := range c.state.connections {
		if conn.id == id && conn.kind == KindSource && !conn.deleted {
			return c.ok(http.StatusOK, "success", c.v2SourceJSON(conn, c.state.workspace(conn.workspace).GroupID))
		}
	}
	for _, g := range c.state.groups {
		if g.warehouse.id == id {
			return c.ok(http.StatusOK, "success", c.v2SourceJSON(g.warehouse, g.id))
		}
	}
	return c.notFound()
}

func (c *call) currentWorkspace() answer {
	return c.ok(http.StatusOK, "success", workspaceJSON(c.workspace))
}

func (c *call) listWorkspaces() answer {
	var data []any
	for _, ws := range c.state.workspaces {
		data = append(data, workspaceJSON(ws))
	}
	return c.list(data)
}

// namedWorkspace returns the workspace that the path names, or nil.
func (c *call) namedWorkspace() *Workspace {
	id, err := strconv.ParseInt(c.r.PathValue("workspace_id"), 10, 64)
	if err != nil {
		return nil
	}
	return c.state.workspace(id)
}

func (c *call) getWorkspace() answer {
	ws := c.namedWorkspace()
	if ws == nil {
		return c.notFound()
	}
	body := workspaceJSON(ws)
	body.NotificationEmails = []string{}
	if c.r.URL.Query().Get("return_workspace_api_key") == "true" {
		body.APIKey = ws.Token
	}
	return c.ok(http.StatusOK, "success", body)
}

func (c *call) workspaceKey() answer {
	ws := c.namedWorkspace()
	if ws == nil {
		return c.notFound()
	}
	return c.json(http.StatusOK, map[string]string{"api_key": ws.Token})
}

func (c *call) emptyPage() answer { return c.list(nil) }

func (c *call) outsideTheSandbox() answer {
	return c.refuse(http.StatusNotFound, "This is outside the sandbox, which has connect links and what they make")
}

func (c *call) noRoute() answer {
	return c.json(http.StatusNotFound, railsError{http.StatusNotFound, "Not Found"})
}

func (c *call) notFound() answer {
	return c.refuse(http.StatusNotFound, fmt.Sprintf("There is nothing at %s", c.r.URL.Path))
}

// text returns v if it is a string, and "" otherwise.
func text(v any) string {
	s, _ := v.(string)
	return s
}
