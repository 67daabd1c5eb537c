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

// ActivationsService makes connect links for activations, as API V2 calls destinations, and manages
// the activations that they lead to. V2 is in public preview. It takes a personal access token,
// which sees every group of the organization: derive a client for each customer with [WithGroup].
type ActivationsService service

// ActivationConnectLink describes a link for an activation. It says neither whether it was used nor
// which activation the customer made with it: see WaitForActivation.
type ActivationConnectLink struct {
	ConnectLink
	GroupID string `json:"group_id,omitempty"` // the Fivetran group the activation belongs to
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
	// Raw is the activation as the API wrote it. Assumption: the API calls the two parts above
	// source or source_connection, and destination or destination_connection. The reference is
	// not clear about it.
	Raw json.RawMessage `json:"-"`
}

// ActivationSource describes where an activation's data comes from.
type ActivationSource struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// ActivationDestination describes where an activation's data goes: the connection that the customer
// made on the link's page.
type ActivationDestination struct {
	ID                string          `json:"id"`
	Type              string          `json:"type"`
	CreatedAt         time.Time       `json:"created_at,omitzero"`
	LastTestedAt      time.Time       `json:"last_tested_at,omitzero"`       // zero if it never was
	LastTestSucceeded *bool           `json:"last_test_succeeded,omitempty"` // nil if it was never tested
	ConnectionDetails json.RawMessage `json:"connection_details,omitempty"`  // free-form, without credentials
	LastTestResults   []TestStep      `json:"last_test_results,omitempty"`   // what was tested last, step by step
}

// V2Source describes a source as API V2 knows it. Its GroupID is what new activations of its data
// need.
type V2Source struct {
	ID                int64     `json:"id"`
	GroupID           string    `json:"group_id"` // the Fivetran group that the source belongs to
	Name              string    `json:"name"`
	Type              string    `json:"type"`
	CreatedAt         time.Time `json:"created_at,omitzero"`           // zero if the API gives none that can be read
	LastTestedAt      time.Time `json:"last_tested_at,omitzero"`       // zero if it was never tested
	LastTestSucceeded *bool     `json:"last_test_succeeded,omitempty"` // nil if it was never tested
}

// ActivationType describes a service that an activation can lead to.
type ActivationType struct {
	ServiceName             string               `json:"service_name"` // what a link's Type takes
	Label                   string               `json:"label"`
	DocumentationSlug       string               `json:"documentation_slug"`
	CreatableViaAPI         bool                 `json:"creatable_via_api"`
	CreatableViaConnectLink bool                 `json:"creatable_via_connect_link"` // whether a link can be made for it
	AuthMethod              string               `json:"auth_method"`                // how the customer authorizes it
	ConfigurationFields     []ConfigurationField `json:"configuration_fields,omitempty"`
}

// CreateConnectLink makes a link for a new activation. The request is sent again only if it is
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

// CreateReauthorizationLink makes a link on which the customer renews the credentials of an existing
// activation. Its outcome can be unknown, like that of CreateConnectLink.
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

// FindConnectLink returns the one live link with that redirect URI among the newest 300, such as
// the link of a create whose outcome is unknown. Its error matches [ErrNotFound] if there is no
// such link, or more than one link with that redirect URI, live or not.
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

// RevokeConnectLink ends a link before its time, and returns it. To cut a customer off, revoke every
// live link: a live link may have been used already, and may still be open in a browser. Whether
// the API accepts this for a link that is revoked or used already is not documented. A request
// that the SDK had to repeat succeeds if the link is revoked.
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

// ListConnectLinks returns a page of links, expired and revoked ones included.
//
// API: GET /api/v2/activation_connect_links
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activation-connect-links/list-activation-connect-links
func (s *ActivationsService) ListConnectLinks(ctx context.Context, opts ListOptions) (*Page[ActivationConnectLink], error) {
	return list(ctx, (*service)(s), "/api/v2/activation_connect_links", opts, (*wireLink).activation)
}

// AllConnectLinks walks all links from opts.Page on, oldest first unless opts say
// otherwise.
//
// API: GET /api/v2/activation_connect_links
func (s *ActivationsService) AllConnectLinks(ctx context.Context, opts ListOptions) iter.Seq2[*ActivationConnectLink, error] {
	return all(ctx, (*service)(s), "/api/v2/activation_connect_links", opts, (*wireLink).activation)
}

// WaitForActivation polls until the customer has made an activation with the link, and returns
// it with the result of its tests. It polls and ends like [DestinationsService.WaitForConnection],
// but reports an expired or revoked link only if no activation matches.
//
// A link does not name what it made. The result is the activation of the link's type and group
// whose destination was connected after since, and the oldest if there are several. For since,
// pass the link's CreatedAt, which is a time by the API's clock. If since is too early, the wait
// also finds what an earlier link made. If two customers of one group connect the same type at
// the same time, the result may be the other's: give each customer a group, or compare
// ConnectionDetails with what you expect. A zero since is an [*InputError].
//
// Each poll asks for the newest activations. It stops at the first page that is newest first
// and reaches back to since, and so sends one list request, however many activations there are.
// Every tenth poll reads all pages, because an activation may join an older connection.
//
// Assumption: the destination of an activation that a link made was created after the link.
func (s *ActivationsService) WaitForActivation(ctx context.Context, linkID int64, since time.Time) (*Activation, error) {
	if since.IsZero() {
		return nil, &InputError{"since", "is required: pass the link's CreatedAt"}
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

// findActivation looks for the oldest activation of the link's type and group whose destination
// was connected after since, on all pages or only on the newest.
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
// made the link. Look at Destination.LastTestSucceeded of the result. It polls and ends like
// [DestinationsService.WaitForConnection].
//
// Assumption: LastTestedAt moves on when the customer has finished. The API documents no other
// trace.
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

// ListTypes returns a page of the services that an activation can lead to.
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

// All walks all activations from opts.Page on, oldest first unless opts say
// otherwise.
//
// API: GET /api/v2/activations
func (s *ActivationsService) All(ctx context.Context, opts ListOptions) iter.Seq2[*Activation, error] {
	return all(ctx, (*service)(s), "/api/v2/activations", opts, (*wireActivation).activation)
}

// Delete deletes an activation. A request that the SDK had to repeat and that
// then finds nothing has succeeded.
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

// GetSource fetches a source as V2 knows it. Its GroupID is what new activations of its data need;
// V1 has no such field. Whether V1 and V2 share the ids of sources is an assumption.
//
// API: GET /api/v2/sources/{source_id}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/sources/fetch-source
func (s *ActivationsService) GetSource(ctx context.Context, sourceID int64) (*V2Source, error) {
	return fetch(ctx, (*service)(s), get("/api/v2/sources/{source_id}").id("sourceID", sourceID), (*wireConnection).v2Source)
}
