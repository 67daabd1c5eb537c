package connectlinks

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/redact"
)

// DestinationsService makes connect links for destinations, which data is written to, and
// manages the destinations. It uses API V1, which the vendor retires on 15 January 2027. In V2
// a destination is an activation: see [ActivationsService]. The token must be a workspace API
// key.
type DestinationsService service

// DestinationConnectLink describes a link for a destination.
type DestinationConnectLink struct {
	ConnectLink
	// DestinationID is 0 until the customer has finished. A reauthorization link has it from the
	// start.
	DestinationID int64 `json:"destination_id,omitempty"`
}

func (l DestinationConnectLink) attrs() []slog.Attr {
	return append(l.ConnectLink.attrs(), slog.Int64("destination_id", l.DestinationID))
}

// Format redacts the URL, like [ConnectLink.Format].
func (l DestinationConnectLink) Format(s fmt.State, _ rune) { redact.Format(s, l.attrs()) }

// String redacts the URL, like [ConnectLink.String].
func (l DestinationConnectLink) String() string { return fmt.Sprint(l) }

// LogValue redacts the URL, like [ConnectLink.LogValue].
func (l DestinationConnectLink) LogValue() slog.Value { return slog.GroupValue(l.attrs()...) }

// Destination describes a connection that data is written to.
type Destination struct{ Connection }

// DestinationType describes a service that a destination can belong to.
type DestinationType struct {
	ServiceName             string               `json:"service_name"` // what a link's Type takes
	Label                   string               `json:"label"`
	DocumentationSlug       string               `json:"documentation_slug"`
	CreatableViaAPI         bool                 `json:"creatable_via_api"`
	CreatableViaConnectLink bool                 `json:"creatable_via_connect_link"` // whether a link can be made for it
	AuthMethod              string               `json:"auth_method"`                // how the customer authorizes it
	ConfigurationFields     []ConfigurationField `json:"configuration_fields,omitempty"`
}

// CreateConnectLink makes a link for a new destination. It sends the request again only if it is
// certain that nothing was made. After [ErrOutcomeUnknown] the API may have made a link.
//
// API: POST /api/v1/destination_connect_links
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/destination-connect-links/create-destination-connect-link
func (s *DestinationsService) CreateConnectLink(ctx context.Context, params CreateConnectLinkParams) (*DestinationConnectLink, error) {
	return createLink(ctx, (*service)(s), post("/api/v1/destination_connect_links"), params, (*wireLink).destination, lostLink{
		route:   "/api/v1/destination_connect_links",
		matches: func(w *wireLink) bool { return w.Type == params.Type },
	})
}

// CreateReauthorizationLink makes a link on which the customer renews the credentials of an
// existing destination. Like CreateConnectLink, it may return [ErrOutcomeUnknown].
//
// API: POST /api/v1/destinations/{destination_id}/connect_links
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/destination-connect-links/create-destination-connect-link-for-destination
func (s *DestinationsService) CreateReauthorizationLink(ctx context.Context, id int64, params CreateReauthorizationLinkParams) (*DestinationConnectLink, error) {
	return createLink(ctx, (*service)(s), post("/api/v1/destinations/{destination_id}/connect_links").id("id", id), params, (*wireLink).destination, lostLink{
		route:   "/api/v1/destination_connect_links",
		matches: func(w *wireLink) bool { return w.destinationID == id },
	})
}

// FindConnectLink looks for a redirect URI among the newest 300 links. Use it for the link of a
// create that returned [ErrOutcomeUnknown]. If exactly one link has the redirect URI, and that
// link is live, FindConnectLink returns it. Otherwise the error matches [ErrNotFound].
//
// API: GET /api/v1/destination_connect_links
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/destination-connect-links/list-destination-connect-links
func (s *DestinationsService) FindConnectLink(ctx context.Context, redirectURI string) (*DestinationConnectLink, error) {
	return findLink(ctx, (*service)(s), "/api/v1/destination_connect_links", redirectURI, (*wireLink).destination)
}

// GetConnectLink fetches a link. The reference does not give the path of this endpoint.
// Assumption: the path is like the one for sources.
//
// API: GET /api/v1/destination_connect_links/{connect_link_id}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/destination-connect-links/fetch-destination-connect-link
func (s *DestinationsService) GetConnectLink(ctx context.Context, linkID int64) (*DestinationConnectLink, error) {
	return fetch(ctx, (*service)(s), get("/api/v1/destination_connect_links/{connect_link_id}").id("linkID", linkID), (*wireLink).destination)
}

// RevokeConnectLink revokes a link before it expires, and returns it. To lock a customer out,
// revoke every live link, also those that have made their connection: a live link may still be
// open in a browser.
//
// The documentation does not say whether the API revokes a link that is revoked or used
// already. If an earlier attempt may have worked, and the API refuses a retry with a 4xx, the SDK
// fetches the link. If the link is revoked, RevokeConnectLink succeeds.
//
// API: POST /api/v1/destination_connect_links/{connect_link_id}/revoke
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/destination-connect-links/revoke-destination-connect-link
func (s *DestinationsService) RevokeConnectLink(ctx context.Context, linkID int64) (*DestinationConnectLink, error) {
	k := post("/api/v1/destination_connect_links/{connect_link_id}/revoke").id("linkID", linkID)
	return revokeLink(ctx, (*service)(s), k, linkID, (*wireLink).destination, s.GetConnectLink)
}

// ListConnectLinks returns a page of links, including expired and revoked links.
//
// API: GET /api/v1/destination_connect_links
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/destination-connect-links/list-destination-connect-links
func (s *DestinationsService) ListConnectLinks(ctx context.Context, opts ListOptions) (*Page[DestinationConnectLink], error) {
	return list(ctx, (*service)(s), "/api/v1/destination_connect_links", opts, (*wireLink).destination)
}

// AllConnectLinks walks all links from opts.Page on. If opts.Order is empty, it begins with
// the oldest.
//
// API: GET /api/v1/destination_connect_links
func (s *DestinationsService) AllConnectLinks(ctx context.Context, opts ListOptions) iter.Seq2[*DestinationConnectLink, error] {
	return all(ctx, (*service)(s), "/api/v1/destination_connect_links", opts, (*wireLink).destination)
}

// WaitForConnection polls until the customer has finished with the link, and returns the
// destination with the result of its tests. Between polls it waits about a second at first, then
// longer, at most 10 seconds.
//
// It ends when ctx ends, and with [ErrLinkExpired] or [ErrLinkRevoked]. It also ends if its
// first request fails. Later it ends after a 4xx other than 408 and 429, or after ten unusable
// responses in a row.
//
// A reauthorization link has its DestinationID from the start, so WaitForConnection returns at
// once. Use WaitForReauthorization for it.
func (s *DestinationsService) WaitForConnection(ctx context.Context, linkID int64) (*Destination, error) {
	return poll(ctx, linkID, func(int) (*Destination, ConnectLink, error) {
		link, err := s.GetConnectLink(ctx, linkID)
		switch {
		case err != nil:
			return nil, ConnectLink{}, err
		case link.DestinationID == 0:
			return nil, link.ConnectLink, nil
		}
		destination, err := s.Get(ctx, link.DestinationID)
		return destination, link.ConnectLink, err
	})
}

// WaitForReauthorization polls until the connection of a reauthorization link was tested after
// since, and returns the destination. For since, pass the LastTestedAt that you read before you
// made the link. LastTestSucceeded of the result says whether the new credentials work. It polls
// and ends like WaitForConnection. If the link has no DestinationID, it returns
// [ErrInvalidRequest].
//
// Assumption: a test by the customer changes LastTestedAt. The API documents nothing else that
// changes.
func (s *DestinationsService) WaitForReauthorization(ctx context.Context, linkID int64, since time.Time) (*Destination, error) {
	return poll(ctx, linkID, func(int) (*Destination, ConnectLink, error) {
		link, err := s.GetConnectLink(ctx, linkID)
		switch {
		case err != nil:
			return nil, ConnectLink{}, err
		case link.DestinationID == 0:
			return nil, link.ConnectLink, linkError(linkID, errNotReauthorization)
		}
		destination, err := s.Get(ctx, link.DestinationID)
		if err != nil || !destination.LastTestedAt.After(since) {
			return nil, link.ConnectLink, err
		}
		return destination, link.ConnectLink, nil
	})
}

// ListTypes returns a page of the services that a destination can belong to.
//
// API: GET /api/v1/connectors
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/destination-types/list-connectors
func (s *DestinationsService) ListTypes(ctx context.Context, opts ListOptions) (*Page[DestinationType], error) {
	return list(ctx, (*service)(s), "/api/v1/connectors", opts, (*wireType).destination)
}

// AllTypes walks all types from opts.Page on.
//
// API: GET /api/v1/connectors
func (s *DestinationsService) AllTypes(ctx context.Context, opts ListOptions) iter.Seq2[*DestinationType, error] {
	return all(ctx, (*service)(s), "/api/v1/connectors", opts, (*wireType).destination)
}

// GetType fetches one type by its ServiceName.
//
// API: GET /api/v1/connectors/{service_name}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/destination-types/fetch-connector
func (s *DestinationsService) GetType(ctx context.Context, serviceName string) (*DestinationType, error) {
	return fetch(ctx, (*service)(s), get("/api/v1/connectors/{service_name}").name("serviceName", serviceName), (*wireType).destination)
}

// Get fetches a destination.
//
// API: GET /api/v1/destinations/{destination_id}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/destinations/fetch-destination
func (s *DestinationsService) Get(ctx context.Context, id int64) (*Destination, error) {
	return fetch(ctx, (*service)(s), get("/api/v1/destinations/{destination_id}").id("id", id), (*wireConnection).destination)
}

// List returns a page of destinations.
//
// API: GET /api/v1/destinations
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/destinations/list-destinations
func (s *DestinationsService) List(ctx context.Context, opts ListOptions) (*Page[Destination], error) {
	return list(ctx, (*service)(s), "/api/v1/destinations", opts, (*wireConnection).destination)
}

// All walks all destinations from opts.Page on. If opts.Order is empty, it begins with the oldest.
//
// API: GET /api/v1/destinations
func (s *DestinationsService) All(ctx context.Context, opts ListOptions) iter.Seq2[*Destination, error] {
	return all(ctx, (*service)(s), "/api/v1/destinations", opts, (*wireConnection).destination)
}

// Delete deletes a destination. If an earlier attempt may have worked, and a retry is
// answered with 404 or 410, Delete returns nil.
//
// API: DELETE /api/v1/destinations/{destination_id}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/destinations/delete-destination
func (s *DestinationsService) Delete(ctx context.Context, id int64) error {
	return discard(ctx, (*service)(s), remove("/api/v1/destinations/{destination_id}").id("id", id))
}
