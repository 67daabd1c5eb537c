package connectlinks

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/redact"
)

// SourcesService makes connect links for sources, which data is read from, and manages the sources
// that they lead to. It speaks API V1, which the vendor retires on 15 January 2027. V2 has no
// connect links for sources. It takes a workspace API key.
type SourcesService service

// SourceConnectLink describes a link for a source.
type SourceConnectLink struct {
	ConnectLink
	// SourceID is 0 until the customer has finished. On a reauthorization link it
	// is set from the start.
	SourceID int64 `json:"source_id,omitempty"`
}

func (l SourceConnectLink) attrs() []slog.Attr {
	return append(l.ConnectLink.attrs(), slog.Int64("source_id", l.SourceID))
}

// Format redacts the URL, like [ConnectLink.Format].
func (l SourceConnectLink) Format(s fmt.State, _ rune) { redact.Format(s, l.attrs()) }

// String redacts the URL, like [ConnectLink.String].
func (l SourceConnectLink) String() string { return fmt.Sprint(l) }

// LogValue redacts the URL, like [ConnectLink.LogValue].
func (l SourceConnectLink) LogValue() slog.Value { return slog.GroupValue(l.attrs()...) }

// Source describes a connection that data is read from. The documentation gives it no LastTestResults.
type Source struct{ Connection }

// SourceType describes a service that a source can belong to.
type SourceType struct {
	ServiceName             string               `json:"service_name"` // what a link's Type takes
	Label                   string               `json:"label"`
	DocumentationSlug       string               `json:"documentation_slug"`
	CreatableViaAPI         bool                 `json:"creatable_via_api"`
	CreatableViaConnectLink bool                 `json:"creatable_via_connect_link"` // whether a link can be made for it
	SupportedSyncEngines    []string             `json:"supported_sync_engines,omitempty"`
	ConfigurationFields     []ConfigurationField `json:"configuration_fields,omitempty"`
}

// CreateConnectLink makes a link for a new source. The request is sent again only if it is certain
// that nothing was made. After [ErrOutcomeUnknown] the API may have made a link.
//
// API: POST /api/v1/source_connect_links
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/source-connect-links/create-source-connect-link
func (s *SourcesService) CreateConnectLink(ctx context.Context, params CreateConnectLinkParams) (*SourceConnectLink, error) {
	return createLink(ctx, (*service)(s), post("/api/v1/source_connect_links"), params, (*wireLink).source, lostLink{
		route:   "/api/v1/source_connect_links",
		matches: func(w *wireLink) bool { return w.Type == params.Type },
	})
}

// CreateReauthorizationLink makes a link on which the customer renews the credentials of an existing
// source. Its outcome can be unknown, like that of CreateConnectLink.
//
// API: POST /api/v1/sources/{source_id}/connect_links
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/source-connect-links/create-destination-connect-link-for-source
func (s *SourcesService) CreateReauthorizationLink(ctx context.Context, id int64, params CreateReauthorizationLinkParams) (*SourceConnectLink, error) {
	return createLink(ctx, (*service)(s), post("/api/v1/sources/{source_id}/connect_links").id("id", id), params, (*wireLink).source, lostLink{
		route:   "/api/v1/source_connect_links",
		matches: func(w *wireLink) bool { return w.sourceID == id },
	})
}

// FindConnectLink returns the one live link with that redirect URI among the newest 300, such as
// the link of a create whose outcome is unknown. Its error matches [ErrNotFound] if there is no
// such link, or more than one link with that redirect URI, live or not.
//
// API: GET /api/v1/source_connect_links
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/source-connect-links/list-source-connect-links
func (s *SourcesService) FindConnectLink(ctx context.Context, redirectURI string) (*SourceConnectLink, error) {
	return findLink(ctx, (*service)(s), "/api/v1/source_connect_links", redirectURI, (*wireLink).source)
}

// GetConnectLink fetches a link.
//
// API: GET /api/v1/source_connect_links/{connect_link_id}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/source-connect-links/fetch-source-connect-link
func (s *SourcesService) GetConnectLink(ctx context.Context, linkID int64) (*SourceConnectLink, error) {
	return fetch(ctx, (*service)(s), get("/api/v1/source_connect_links/{connect_link_id}").id("linkID", linkID), (*wireLink).source)
}

// RevokeConnectLink ends a link before its time, and returns it. To cut a customer off, revoke every
// live link, also those whose connection is made already: a live link may still be open in a
// browser. Whether the API accepts this for a link that is revoked or used already is not
// documented. A request that the SDK had to repeat succeeds if the link is revoked.
//
// API: POST /api/v1/source_connect_links/{connect_link_id}/revoke
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/source-connect-links/revoke-source-connect-link
func (s *SourcesService) RevokeConnectLink(ctx context.Context, linkID int64) (*SourceConnectLink, error) {
	k := post("/api/v1/source_connect_links/{connect_link_id}/revoke").id("linkID", linkID)
	return revokeLink(ctx, (*service)(s), k, linkID, (*wireLink).source, s.GetConnectLink)
}

// ListConnectLinks returns a page of links, expired and revoked ones included.
//
// API: GET /api/v1/source_connect_links
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/source-connect-links/list-source-connect-links
func (s *SourcesService) ListConnectLinks(ctx context.Context, opts ListOptions) (*Page[SourceConnectLink], error) {
	return list(ctx, (*service)(s), "/api/v1/source_connect_links", opts, (*wireLink).source)
}

// AllConnectLinks walks all links from opts.Page on, oldest first unless opts say
// otherwise.
//
// API: GET /api/v1/source_connect_links
func (s *SourcesService) AllConnectLinks(ctx context.Context, opts ListOptions) iter.Seq2[*SourceConnectLink, error] {
	return all(ctx, (*service)(s), "/api/v1/source_connect_links", opts, (*wireLink).source)
}

// WaitForConnection polls until the customer has finished with the link, and returns the
// source with the result of its tests. It polls after about a second at first, and at least
// every 11 seconds. It ends with ctx, with [ErrLinkExpired] or [ErrLinkRevoked], with an error
// of its first request, with a later 4xx other than 408 and 429, and after ten answers in a row
// that make no sense. For a reauthorization link, whose SourceID is set from the start, it returns
// at once: use WaitForReauthorization.
func (s *SourcesService) WaitForConnection(ctx context.Context, linkID int64) (*Source, error) {
	return poll(ctx, linkID, func(int) (*Source, ConnectLink, error) {
		link, err := s.GetConnectLink(ctx, linkID)
		switch {
		case err != nil:
			return nil, ConnectLink{}, err
		case link.SourceID == 0:
			return nil, link.ConnectLink, nil
		}
		source, err := s.Get(ctx, link.SourceID)
		return source, link.ConnectLink, err
	})
}

// WaitForReauthorization polls until the connection of a reauthorization link was tested after
// since, and returns it. For since, pass the LastTestedAt that you read before you made the
// link. Look at LastTestSucceeded of the result. It polls and ends like WaitForConnection, and
// with [ErrInvalidRequest] for a link that reauthorizes nothing.
//
// Assumption: LastTestedAt moves on when the customer has finished. The API documents no other
// trace.
func (s *SourcesService) WaitForReauthorization(ctx context.Context, linkID int64, since time.Time) (*Source, error) {
	return poll(ctx, linkID, func(int) (*Source, ConnectLink, error) {
		link, err := s.GetConnectLink(ctx, linkID)
		switch {
		case err != nil:
			return nil, ConnectLink{}, err
		case link.SourceID == 0:
			return nil, link.ConnectLink, linkError(linkID, errNotReauthorization)
		}
		source, err := s.Get(ctx, link.SourceID)
		if err != nil || !source.LastTestedAt.After(since) {
			return nil, link.ConnectLink, err
		}
		return source, link.ConnectLink, nil
	})
}

// ListTypes returns a page of the services that a source can be of. This list
// does not always come in pages: it may all be on the first.
//
// API: GET /api/v1/source_types
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/source-types/list-source-types
func (s *SourcesService) ListTypes(ctx context.Context, opts ListOptions) (*Page[SourceType], error) {
	return list(ctx, (*service)(s), "/api/v1/source_types", opts, (*wireType).source)
}

// AllTypes walks all types from opts.Page on.
//
// API: GET /api/v1/source_types
func (s *SourcesService) AllTypes(ctx context.Context, opts ListOptions) iter.Seq2[*SourceType, error] {
	return all(ctx, (*service)(s), "/api/v1/source_types", opts, (*wireType).source)
}

// GetType fetches one type by its ServiceName.
//
// API: GET /api/v1/source_types/{service_name}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/source-types/fetch-source-type
func (s *SourcesService) GetType(ctx context.Context, serviceName string) (*SourceType, error) {
	return fetch(ctx, (*service)(s), get("/api/v1/source_types/{service_name}").name("serviceName", serviceName), (*wireType).source)
}

// Get fetches a source.
//
// API: GET /api/v1/sources/{source_id}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/sources/fetch-source
func (s *SourcesService) Get(ctx context.Context, id int64) (*Source, error) {
	return fetch(ctx, (*service)(s), get("/api/v1/sources/{source_id}").id("id", id), (*wireConnection).source)
}

// List returns a page of sources.
//
// API: GET /api/v1/sources
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/sources/list-sources
func (s *SourcesService) List(ctx context.Context, opts ListOptions) (*Page[Source], error) {
	return list(ctx, (*service)(s), "/api/v1/sources", opts, (*wireConnection).source)
}

// All walks all sources from opts.Page on, oldest first unless opts say otherwise.
//
// API: GET /api/v1/sources
func (s *SourcesService) All(ctx context.Context, opts ListOptions) iter.Seq2[*Source, error] {
	return all(ctx, (*service)(s), "/api/v1/sources", opts, (*wireConnection).source)
}

// Delete deletes a source. A request that the SDK had to repeat and that then
// finds nothing has succeeded.
//
// API: DELETE /api/v1/sources/{source_id}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/sources/delete-source
func (s *SourcesService) Delete(ctx context.Context, id int64) error {
	return discard(ctx, (*service)(s), remove("/api/v1/sources/{source_id}").id("id", id))
}
