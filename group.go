package connectlinks

import (
	"net/http"
	"strings"
)

// grouped is a wire type that belongs to a Fivetran group, or to none: "".
type grouped interface{ group() string }

func (w *wireLink) group() string       { return w.groupID }
func (w *wireActivation) group() string { return w.GroupID }
func (w *wireConnection) group() string { return w.groupID }

// group returns the group that a call is confined to, or "". WithGroup confines all calls of API
// V2 except those for types, which belong to no group. It goes by the route, so that a new call is
// confined too, unless it is named here.
func (s *service) group(k *call) string {
	if s == nil || s.core == nil || !strings.HasPrefix(k.route, "/api/v2/") || strings.HasPrefix(k.route, "/api/v2/activation_types") {
		return ""
	}
	return s.core.group
}

// outside reports whether an object belongs to another group, or to none.
func outside(group string, w any) bool {
	if group == "" {
		return false
	}
	g, ok := w.(grouped)
	return !ok || g.group() != group
}

// notInGroup returns the 404 for an object of another group than the client's.
func (k *call) notInGroup() error {
	return &APIError{
		StatusCode: http.StatusNotFound,
		Message:    "not in the client's group",
		Method:     k.method,
		Path:       k.path,
	}
}

// confined reports whether the client has a group.
func (s *ActivationsService) confined() bool { return s != nil && s.core != nil && s.core.group != "" }
