package connectlinks

import (
	"net/http"
	"strings"
)

// grouped is a wire type that names the Fivetran group it belongs to, or "" for none.
type grouped interface{ group() string }

func (w *wireLink) group() string       { return w.groupID }
func (w *wireActivation) group() string { return w.GroupID }
func (w *wireConnection) group() string { return w.groupID }

// group returns the group that a call is confined to, or "". Every call of API V2 is, except for
// types, which belong to no group. The route decides, so that a call that is added later is
// confined, unless it is named here.
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

// notInGroup returns the 404 of something that belongs to another group than the client's.
func (k *call) notInGroup() error {
	return &APIError{
		StatusCode: http.StatusNotFound,
		Message:    "not in the client's group",
		Method:     k.method,
		Path:       k.path,
	}
}

// confined reports whether the client sees one group only.
func (s *ActivationsService) confined() bool { return s != nil && s.core != nil && s.core.group != "" }
