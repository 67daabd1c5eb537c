package connectlinks

import (
	"net/url"
	"strings"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/httpx"
	"github.com/connectlinks/connectlinks-go/internal/wire"
)

// ConnectLink is what every connect link has: a hosted page, for a limited time,
// on which a customer connects a source, a destination or an activation.
//
// The URL is a password: who holds it can attach a connection to the workspace.
// Printing and logging a link leaves it out; encoding it as JSON keeps it, since
// that is how it reaches a front end.
type ConnectLink struct {
	ID   int64  `json:"id"`
	Type string `json:"type"` // the service's name, such as "hubspot"
	URL  string `json:"uri"`  // where to send the customer
	// ExpiresAt is when the link ends: 24 hours after it was made, unless the
	// organization's settings say otherwise. It is zero if the API names no time.
	ExpiresAt   time.Time `json:"expiration"`
	Expired     bool      `json:"expired"` // as the API saw it when it answered
	Revoked     bool      `json:"revoked"`
	RedirectURI string    `json:"redirect_uri,omitempty"` // where the customer is sent at the end; "" for the organization's default
}

// Usable reports whether a customer can still open the link at now: it is neither
// revoked nor expired. Whether it has been used is not in the link: for that see
// SourceID, DestinationID and the waits.
func (l ConnectLink) Usable(now time.Time) bool {
	return !l.Revoked && !l.Expired && (l.ExpiresAt.IsZero() || now.Before(l.ExpiresAt))
}

// CreateConnectLinkParams says what a V1 link is for.
type CreateConnectLinkParams struct {
	// Type is what to connect: the ServiceName of a type whose
	// CreatableViaConnectLink is true. It is required.
	Type string `json:"type"`
	// RedirectURI is where the customer is sent at the end, an absolute http or
	// https URL. If it is empty, the organization's default holds.
	RedirectURI string `json:"redirect_uri,omitempty"`
}

func (p CreateConnectLinkParams) check() error {
	return inputErrors(required("Type", p.Type), checkRedirectURI(p.RedirectURI))
}

// CreateActivationConnectLinkParams says what a V2 link is for.
type CreateActivationConnectLinkParams struct {
	// Type is what to connect: the ServiceName of an [ActivationType] whose
	// CreatableViaConnectLink is true. It is required.
	Type string `json:"type"`
	// GroupID is the Fivetran group that the activation will belong to, such as
	// "wandering_aimlessly". It is required.
	GroupID string `json:"group_id"`
	// RedirectURI is as in [CreateConnectLinkParams].
	RedirectURI string `json:"redirect_uri,omitempty"`
}

func (p CreateActivationConnectLinkParams) check() error {
	return inputErrors(required("Type", p.Type), required("GroupID", p.GroupID), checkRedirectURI(p.RedirectURI))
}

// CreateReauthorizationLinkParams says how a link that renews the credentials of
// an existing connection ends.
type CreateReauthorizationLinkParams struct {
	// RedirectURI is as in [CreateConnectLinkParams].
	RedirectURI string `json:"redirect_uri,omitempty"`
}

func (p CreateReauthorizationLinkParams) check() error { return checkRedirectURI(p.RedirectURI) }

func required(field, s string) error {
	if strings.TrimSpace(s) == "" {
		return &InputError{field, "is required"}
	}
	return nil
}

// checkRedirectURI does not quote the URI, which may carry a platform's state.
func checkRedirectURI(raw string) error {
	if raw == "" {
		return nil
	}
	if _, reason := httpx.ParseURL(raw); reason != "" {
		return &InputError{"RedirectURI", reason}
	}
	return nil
}

// wireLink is a link of any kind in the API's JSON.
type wireLink struct {
	ConnectLink
	Expiration    wire.Time `json:"expiration"` // before that of ConnectLink
	SourceID      int64     `json:"source_id"`
	DestinationID int64     `json:"destination_id"`
	GroupID       string    `json:"group_id"`
}

func (w *wireLink) check(alone bool) error {
	if w.ID < 1 {
		return badResponse("a link without an id")
	}
	if !alone {
		return nil
	}
	if u, err := url.Parse(w.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return badResponse("link %d has no absolute URL", w.ID)
	}
	if w.Expiration.Unreadable {
		return badResponse("the expiration of link %d is not a time", w.ID)
	}
	return nil
}

func (w *wireLink) link() ConnectLink {
	w.ExpiresAt = w.Expiration.Time
	return w.ConnectLink
}
