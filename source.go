package connectlinks

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/redact"
)

// SourcesService makes connect links for sources, which data is read from, and manages the
// sources. It uses API V1, which the vendor retires on 15 January 2027. V2 has no connect links
// for sources. The token must be a workspace API key.
type SourcesService service

// SourceConnectLink describes a link for a source.
type SourceConnectLink struct {
	ConnectLink
	// SourceID is 0 until the customer has finished. A reauthorization link has it from the
	// start.
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

// Source describes a connection that data is read from. The documentation shows no
// LastTestResults for it.
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

// CreateConnectLink makes a link for a new source. It sends the request again only if it is
// certain that nothing was made. After [ErrOutcomeUnknown] the API may have made a link.
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

// CreateReauthorizationLink makes a link on which the customer renews the credentials of an
// existing source. Like CreateConnectLink, it may return [ErrOutcomeUnknown].
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

// FindConnectLink looks for a redirect URI among the newest 300 links. Use it for the link of a
// create that returned [ErrOutcomeUnknown]. If exactly one link has the redirect URI, and that
// link is live, FindConnectLink returns it. Otherwise the error matches [ErrNotFound].
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

// RevokeConnectLink revokes a link before it expires, and returns it. To lock a customer out,
// revoke every live link, also those that have made their connection: a live link may still be
// open in a browser.
//
// The documentation does not say whether the API revokes a link that is revoked or used
// already. If an earlier attempt may have worked, and the API refuses a retry with a 4xx, the SDK
// fetches the link. If the link is revoked, RevokeConnectLink succeeds.
//
// API: POST /api/v1/source_connect_links/{connect_link_id}/revoke
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/source-connect-links/revoke-source-connect-link
func (s *SourcesService) RevokeConnectLink(ctx context.Context, linkID int64) (*SourceConnectLink, error) {
	k := post("/api/v1/source_connect_links/{connect_link_id}/revoke").id("linkID", linkID)
	return revokeLink(ctx, (*service)(s), k, linkID, (*wireLink).source, s.GetConnectLink)
}

// ListConnectLinks returns a page of links, including expired and revoked links.
//
// API: GET /api/v1/source_connect_links
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/source-connect-links/list-source-connect-links
func (s *SourcesService) ListConnectLinks(ctx context.Context, opts ListOptions) (*Page[SourceConnectLink], error) {
	return list(ctx, (*service)(s), "/api/v1/source_connect_links", opts, (*wireLink).source)
}

// AllConnectLinks walks all links from opts.Page on. If opts.Order is empty, it begins with
// the oldest.
//
// API: GET /api/v1/source_connect_links
func (s *SourcesService) AllConnectLinks(ctx context.Context, opts ListOptions) iter.Seq2[*SourceConnectLink, error] {
	return all(ctx, (*service)(s), "/api/v1/source_connect_links", opts, (*wireLink).source)
}

// WaitForConnection polls until the customer has finished with the link, and returns the
// source with the result of its tests. Between polls it waits about a second at first, then
// longer, at most 10 seconds.
//
// It ends when ctx ends, and with [ErrLinkExpired] or [ErrLinkRevoked]. It also ends if its
// first request fails. Later it ends after a 4xx other than 408 and 429, or after ten unusable
// responses in a row.
//
// A reauthorization link has its SourceID from the start, so WaitForConnection returns at
// once. Use WaitForReauthorization for it.
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
// since, and returns the source. For since, pass the LastTestedAt that you read before you made
// the link. LastTestSucceeded of the result says whether the new credentials work. It polls and
// ends like WaitForConnection. If the link has no SourceID, it returns [ErrInvalidRequest].
//
// Assumption: a test by the customer changes LastTestedAt. The API documents nothing else that
// changes.
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

// ListTypes returns a page of the services that a source can belong to. The API may answer
// with all of them on one page.
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

// All walks all sources from opts.Page on. If opts.Order is empty, it begins with the oldest.
//
// API: GET /api/v1/sources
func (s *SourcesService) All(ctx context.Context, opts ListOptions) iter.Seq2[*Source, error] {
	return all(ctx, (*service)(s), "/api/v1/sources", opts, (*wireConnection).source)
}

// Delete deletes a source. If an earlier attempt may have worked, and a retry is
// answered with 404 or 410, Delete returns nil.
//
// API: DELETE /api/v1/sources/{source_id}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis/sources/delete-source
func (s *SourcesService) Delete(ctx context.Context, id int64) error {
	return discard(ctx, (*service)(s), remove("/api/v1/sources/{source_id}").id("id", id))
}
