package connectlinks

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/redact"
)

// ActivationsService makes connect links for activations, as API V2 calls destinations, and
// manages the activations. V2 is in public preview. The token must be a personal access token,
// which sees every group of the organization. Derive a client for each customer with
// [WithGroup].
type ActivationsService service

// ActivationConnectLink describes a link for an activation. It says neither whether it was
// used, nor which activation the customer made with it. See
// [ActivationsService.WaitForActivation].
type ActivationConnectLink struct {
	ConnectLink
	GroupID string `json:"group_id,omitempty"` // the Fivetran group of the activation
}

func (l ActivationConnectLink) attrs() []slog.Attr {
	return append(l.ConnectLink.attrs(), slog.String("group_id", l.GroupID))
}

// Format redacts the URL, like [ConnectLink.Format].
func (l ActivationConnectLink) Format(s fmt.State, _ rune) { redact.Format(s, l.attrs()) }

// String redacts the URL, like [ConnectLink.String].
func (l ActivationConnectLink) String() string { return fmt.Sprint(l) }

// LogValue redacts the URL, like [ConnectLink.LogValue].
func (l ActivationConnectLink) LogValue() slog.Value { return slog.GroupValue(l.attrs()...) }

// Activation describes a connection of a source to a destination.
type Activation struct {
	ID          string                `json:"id"` // such as "glimmering_donkey"
	Name        string                `json:"name"`
	GroupID     string                `json:"group_id"`
	Source      ActivationSource      `json:"source"`
	Destination ActivationDestination `json:"destination"`
	// Raw is the activation in the JSON of the API. Assumption: the API names the two parts
	// above source or source_connection, and destination or destination_connection. The
	// reference does not make this clear.
	Raw json.RawMessage `json:"-"`
}

// ActivationSource describes the connection that an activation reads from.
type ActivationSource struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// ActivationDestination describes the connection that an activation writes to. The customer
// made it on the link's page.
type ActivationDestination struct {
	ID                string          `json:"id"`
	Type              string          `json:"type"`
	CreatedAt         time.Time       `json:"created_at,omitzero"`
	LastTestedAt      time.Time       `json:"last_tested_at,omitzero"`       // zero if it was never tested
	LastTestSucceeded *bool           `json:"last_test_succeeded,omitempty"` // nil if it was never tested
	ConnectionDetails json.RawMessage `json:"connection_details,omitempty"`  // free-form, without credentials
	LastTestResults   []TestStep      `json:"last_test_results,omitempty"`   // the steps of the last test
}

// V2Source describes a source in API V2. A new activation of its data needs its GroupID.
type V2Source struct {
	ID                int64     `json:"id"`
	GroupID           string    `json:"group_id"` // the Fivetran group of the source
	Name              string    `json:"name"`
	Type              string    `json:"type"`
	CreatedAt         time.Time `json:"created_at,omitzero"`           // zero if absent or not readable
	LastTestedAt      time.Time `json:"last_tested_at,omitzero"`       // zero if it was never tested
	LastTestSucceeded *bool     `json:"last_test_succeeded,omitempty"` // nil if it was never tested
}

// ActivationType describes a service that an activation can write to.
type ActivationType struct {
	ServiceName             string               `json:"service_name"` // what a link's Type takes
	Label                   string               `json:"label"`
	DocumentationSlug       string               `json:"documentation_slug"`
	CreatableViaAPI         bool                 `json:"creatable_via_api"`
	CreatableViaConnectLink bool                 `json:"creatable_via_connect_link"` // whether a link can be made for it
	AuthMethod              string               `json:"auth_method"`                // how the customer authorizes it
	ConfigurationFields     []ConfigurationField `json:"configuration_fields,omitempty"`
}

// CreateConnectLink makes a link for a new activation. It sends the request again only if it is
// certain that nothing was made. After [ErrOutcomeUnknown] the API may have made a link.
//
// API: POST /api/v2/activation_connect_links
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activation-connect-links/create-activation-connect-link
func (s *ActivationsService) CreateConnectLink(ctx context.Context, params CreateActivationConnectLinkParams) (*ActivationConnectLink, error) {
	if s.confined() {
		if params.GroupID != "" && params.GroupID != s.core.group {
			return nil, &InputError{"GroupID", "differs from the client's group"}
		}
		params.GroupID = s.core.group
	}
	return createLink(ctx, (*service)(s), post("/api/v2/activation_connect_links"), params, (*wireLink).activation, lostLink{
		route:   "/api/v2/activation_connect_links",
		matches: func(w *wireLink) bool { return w.Type == params.Type && w.groupID == params.GroupID },
	})
}

// CreateReauthorizationLink makes a link on which the customer renews the credentials of an
// existing activation. Like CreateConnectLink, it may return [ErrOutcomeUnknown].
//
// API: POST /api/v2/activations/{activation_id}/activation_connect_links
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activation-connect-links/reauthorize-activation-connect-link
func (s *ActivationsService) CreateReauthorizationLink(ctx context.Context, id string, params CreateReauthorizationLinkParams) (*ActivationConnectLink, error) {
	if s.confined() {
		if err := params.check(); err != nil {
			return nil, err
		}
		if _, err := s.Get(ctx, id); err != nil {
			return nil, err
		}
	}
	return createLink(ctx, (*service)(s), post("/api/v2/activations/{activation_id}/activation_connect_links").name("id", id), params, (*wireLink).activation, lostLink{
		route:   "/api/v2/activation_connect_links",
		matches: func(*wireLink) bool { return true },
	})
}

// FindConnectLink looks for a redirect URI among the newest 300 links. Use it for the link of a
// create that returned [ErrOutcomeUnknown]. If exactly one link has the redirect URI, and that
// link is live, FindConnectLink returns it. Otherwise the error matches [ErrNotFound].
//
// API: GET /api/v2/activation_connect_links
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activation-connect-links/list-activation-connect-links
func (s *ActivationsService) FindConnectLink(ctx context.Context, redirectURI string) (*ActivationConnectLink, error) {
	return findLink(ctx, (*service)(s), "/api/v2/activation_connect_links", redirectURI, (*wireLink).activation)
}

// GetConnectLink fetches a link.
//
// API: GET /api/v2/activation_connect_links/{connect_link_id}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activation-connect-links/fetch-activation-connect-link
func (s *ActivationsService) GetConnectLink(ctx context.Context, linkID int64) (*ActivationConnectLink, error) {
	return fetch(ctx, (*service)(s), get("/api/v2/activation_connect_links/{connect_link_id}").id("linkID", linkID), (*wireLink).activation)
}

// RevokeConnectLink revokes a link before it expires, and returns it. To lock a customer out,
// revoke every live link: it may have been used already, and may still be open in a browser.
//
// The documentation does not say whether the API revokes a link that is revoked or used
// already. If an earlier attempt may have worked, and the API refuses a retry with a 4xx, the SDK
// fetches the link. If the link is revoked, RevokeConnectLink succeeds.
//
// API: POST /api/v2/activation_connect_links/{connect_link_id}/revoke
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activation-connect-links/revoke-activation-connect-link
func (s *ActivationsService) RevokeConnectLink(ctx context.Context, linkID int64) (*ActivationConnectLink, error) {
	if s.confined() {
		if _, err := s.GetConnectLink(ctx, linkID); err != nil {
			return nil, err
		}
	}
	k := post("/api/v2/activation_connect_links/{connect_link_id}/revoke").id("linkID", linkID)
	return revokeLink(ctx, (*service)(s), k, linkID, (*wireLink).activation, s.GetConnectLink)
}

// ListConnectLinks returns a page of links, including expired and revoked links.
//
// API: GET /api/v2/activation_connect_links
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activation-connect-links/list-activation-connect-links
func (s *ActivationsService) ListConnectLinks(ctx context.Context, opts ListOptions) (*Page[ActivationConnectLink], error) {
	return list(ctx, (*service)(s), "/api/v2/activation_connect_links", opts, (*wireLink).activation)
}

// AllConnectLinks walks all links from opts.Page on. If opts.Order is empty, it begins with
// the oldest.
//
// API: GET /api/v2/activation_connect_links
func (s *ActivationsService) AllConnectLinks(ctx context.Context, opts ListOptions) iter.Seq2[*ActivationConnectLink, error] {
	return all(ctx, (*service)(s), "/api/v2/activation_connect_links", opts, (*wireLink).activation)
}

// WaitForActivation polls until the customer has made an activation with the link, and returns
// the activation with the result of its tests. It polls and ends like
// [DestinationsService.WaitForConnection]. It reports an expired or revoked link only if no
// activation matches.
//
// A link does not name the activation that it made. The result is the activation of the link's
// type and group whose destination was created after since. If there are several, it is the
// oldest. For since, pass the link's CreatedAt, which is a time by the API's clock. If since is
// too early, the result may be the activation of an earlier link. CreatedAt has whole seconds, so
// an activation of an earlier link in the same second counts too. A zero since is an
// [*InputError]: keep the CreatedAt of the create, since a fetched link has none.
//
// If two customers of one group connect the same type at the same time, the result may be the
// activation of the other customer. Give each customer a group, or compare ConnectionDetails
// with what you expect.
//
// A poll reads the newest activations first. It stops at the first page that is sorted newest
// first and ends with a destination that is not newer than since. This is usually the first
// page. A new activation can have an old destination, which may end a page. So every tenth poll
// reads all pages. A poll of an expired or revoked link reads all pages too.
//
// Assumption: a link makes the destination of its activation. The destination is then newer
// than the link.
func (s *ActivationsService) WaitForActivation(ctx context.Context, linkID int64, since time.Time) (*Activation, error) {
	if since.IsZero() {
		return nil, &InputError{"since", "is zero: pass the CreatedAt that the create returned, which a fetched link does not have"}
	}
	return poll(ctx, linkID, func(n int) (*Activation, ConnectLink, error) {
		link, err := s.GetConnectLink(ctx, linkID)
		if err != nil {
			return nil, ConnectLink{}, err
		}
		all := n%10 == 9 || link.Expired || link.Revoked
		found, err := s.findActivation(ctx, link, since, all)
		return found, link.ConnectLink, err
	})
}

// findActivation returns the oldest activation of the link's type and group whose destination
// was created after since, or nil. If all is false, it stops at a page that reaches back to
// since.
func (s *ActivationsService) findActivation(ctx context.Context, link *ActivationConnectLink, since time.Time, all bool) (*Activation, error) {
	var found *Activation
	opts := ListOptions{PerPage: 100, Order: OrderDesc}
	for page, err := range pages(ctx, (*service)(s), "/api/v2/activations", opts, (*wireActivation).activation) {
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			a := &page.Items[i]
			made := a.Destination.CreatedAt
			if a.GroupID == link.GroupID && a.Destination.Type == link.Type && made.After(since) &&
				(found == nil || made.Before(found.Destination.CreatedAt)) {
				found = a
			}
		}
		if !all && reachesBack(page.Items, since) {
			break
		}
	}
	return found, nil
}

// reachesBack reports whether a page is newest first and ends with an activation that is not
// newer than since, so that later pages hold only older ones. Times that could not be read do
// not count, and a page of equal times has no order.
func reachesBack(page []Activation, since time.Time) bool {
	var first, last time.Time
	for _, a := range page {
		made := a.Destination.CreatedAt
		switch {
		case made.IsZero():
			continue
		case first.IsZero():
			first = made
		case made.After(last):
			return false
		}
		last = made
	}
	return first.After(last) && !last.After(since)
}

// WaitForReauthorization polls until the activation's destination was tested after since, and
// returns the activation. For since, pass the Destination.LastTestedAt that you read before you
// made the link. Destination.LastTestSucceeded of the result says whether the new credentials
// work. It polls and ends like [DestinationsService.WaitForConnection].
//
// Assumption: a test by the customer changes LastTestedAt. The API documents nothing else that
// changes.
func (s *ActivationsService) WaitForReauthorization(ctx context.Context, linkID int64, activationID string, since time.Time) (*Activation, error) {
	if err := get("/api/v2/activations/{activation_id}").name("activationID", activationID).refused; err != nil {
		return nil, err
	}
	return poll(ctx, linkID, func(int) (*Activation, ConnectLink, error) {
		link, err := s.GetConnectLink(ctx, linkID)
		if err != nil {
			return nil, ConnectLink{}, err
		}
		a, err := s.Get(ctx, activationID)
		if err != nil || !a.Destination.LastTestedAt.After(since) {
			return nil, link.ConnectLink, err
		}
		return a, link.ConnectLink, nil
	})
}

// ListTypes returns a page of the services that an activation can write to.
//
// API: GET /api/v2/activation_types
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activation-types/list-activation-types
func (s *ActivationsService) ListTypes(ctx context.Context, opts ListOptions) (*Page[ActivationType], error) {
	return list(ctx, (*service)(s), "/api/v2/activation_types", opts, (*wireType).activation)
}

// AllTypes walks all types from opts.Page on.
//
// API: GET /api/v2/activation_types
func (s *ActivationsService) AllTypes(ctx context.Context, opts ListOptions) iter.Seq2[*ActivationType, error] {
	return all(ctx, (*service)(s), "/api/v2/activation_types", opts, (*wireType).activation)
}

// GetType fetches one type by its ServiceName.
//
// API: GET /api/v2/activation_types/{service_name}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activation-types/fetch-activation-type
func (s *ActivationsService) GetType(ctx context.Context, serviceName string) (*ActivationType, error) {
	return fetch(ctx, (*service)(s), get("/api/v2/activation_types/{service_name}").name("serviceName", serviceName), (*wireType).activation)
}

// Get fetches an activation.
//
// API: GET /api/v2/activations/{activation_id}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activations/fetch-activation
func (s *ActivationsService) Get(ctx context.Context, id string) (*Activation, error) {
	return fetch(ctx, (*service)(s), get("/api/v2/activations/{activation_id}").name("id", id), (*wireActivation).activation)
}

// List returns a page of activations.
//
// API: GET /api/v2/activations
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activations/list-activations
func (s *ActivationsService) List(ctx context.Context, opts ListOptions) (*Page[Activation], error) {
	return list(ctx, (*service)(s), "/api/v2/activations", opts, (*wireActivation).activation)
}

// All walks all activations from opts.Page on. If opts.Order is empty, it begins with the
// oldest.
//
// API: GET /api/v2/activations
func (s *ActivationsService) All(ctx context.Context, opts ListOptions) iter.Seq2[*Activation, error] {
	return all(ctx, (*service)(s), "/api/v2/activations", opts, (*wireActivation).activation)
}

// Delete deletes an activation. If an earlier attempt may have worked, and a retry is answered
// with 404 or 410, Delete returns nil.
//
// API: DELETE /api/v2/activations/{activation_id}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activations/delete-activation
func (s *ActivationsService) Delete(ctx context.Context, id string) error {
	if s.confined() {
		if _, err := s.Get(ctx, id); err != nil {
			return err
		}
	}
	return discard(ctx, (*service)(s), remove("/api/v2/activations/{activation_id}").name("id", id))
}

// GetSource fetches a source from V2. A new activation of its data needs its GroupID, which V1
// does not show. Assumption: V1 and V2 share the ids of sources.
//
// API: GET /api/v2/sources/{source_id}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/sources/fetch-source
func (s *ActivationsService) GetSource(ctx context.Context, sourceID int64) (*V2Source, error) {
	return fetch(ctx, (*service)(s), get("/api/v2/sources/{source_id}").id("sourceID", sourceID), (*wireConnection).v2Source)
}
