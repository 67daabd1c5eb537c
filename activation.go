package connectlinks

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/scrub"
)

// ActivationsService makes connect links for activations, which is what API V2
// calls destinations, and manages the activations they lead to. V2 is in public
// preview; V1, which [SourcesService] and [DestinationsService] speak, is retired
// on 15 January 2027. It takes a personal access token: derive a client for it
// with [Client.With].
type ActivationsService service

// ActivationConnectLink is a link for an activation. It does not say which
// activation the customer made with it: see WaitForActivation.
type ActivationConnectLink struct {
	ConnectLink
	GroupID string `json:"group_id,omitempty"` // the Fivetran group the activation belongs to
}

func (l ActivationConnectLink) attrs() []slog.Attr {
	return append(l.ConnectLink.attrs(), slog.String("group_id", l.GroupID))
}

// Format is as of [ConnectLink.Format].
func (l ActivationConnectLink) Format(s fmt.State, _ rune) { scrub.Format(s, l.attrs()) }

// LogValue is as of [ConnectLink.LogValue].
func (l ActivationConnectLink) LogValue() slog.Value { return slog.GroupValue(l.attrs()...) }

// Activation is a connection of a source to a destination.
type Activation struct {
	ID          string                `json:"id"` // such as "glimmering_donkey"
	Name        string                `json:"name"`
	GroupID     string                `json:"group_id"`
	Source      ActivationSource      `json:"source"`
	Destination ActivationDestination `json:"destination"`
	// Raw is the activation as the API wrote it. Assumption: the two parts above
	// are called source or source_connection, and destination or
	// destination_connection; the reference is not clear about it.
	Raw json.RawMessage `json:"-"`
}

func (a *Activation) lastTested() time.Time { return a.Destination.LastTestedAt }

// ActivationSource is where an activation's data comes from.
type ActivationSource struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// ActivationDestination is where an activation's data goes: the connection that
// the customer made on the link's page.
type ActivationDestination struct {
	ID                string          `json:"id"`
	Type              string          `json:"type"`
	CreatedAt         time.Time       `json:"created_at"`
	LastTestedAt      time.Time       `json:"last_tested_at"`                // zero if it never was
	LastTestSucceeded *bool           `json:"last_test_succeeded,omitempty"` // nil if it was never tested
	ConnectionDetails json.RawMessage `json:"connection_details,omitempty"`  // free-form, without credentials
	LastTestResults   []TestStep      `json:"last_test_results,omitempty"`   // what was tested last, step by step
}

// ActivationType is a service that an activation can lead to.
type ActivationType struct {
	ServiceName             string               `json:"service_name"` // what a link's Type takes
	Label                   string               `json:"label"`
	DocumentationSlug       string               `json:"documentation_slug"`
	CreatableViaAPI         bool                 `json:"creatable_via_api"`
	CreatableViaConnectLink bool                 `json:"creatable_via_connect_link"` // whether a link can be made for it
	AuthMethod              string               `json:"auth_method"`                // how the customer authorizes it
	ConfigurationFields     []ConfigurationField `json:"configuration_fields,omitempty"`
}

// CreateConnectLink makes a link for a new activation. The request is never
// repeated unless nothing can have been made: an error that is
// [ErrOutcomeUnknown] leaves a link behind, perhaps.
//
// API: POST /api/v2/activation_connect_links
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activation-connect-links/create-activation-connect-link
func (s *ActivationsService) CreateConnectLink(ctx context.Context, params CreateActivationConnectLinkParams) (*ActivationConnectLink, error) {
	return createLink(ctx, (*service)(s), post("/api/v2/activation_connect_links"), params, (*wireLink).activation)
}

// CreateReauthorizationLink makes a link on which the customer renews the
// credentials of an existing activation. Its outcome can be unknown, as that of
// CreateConnectLink.
//
// API: POST /api/v2/activations/{activation_id}/activation_connect_links
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activation-connect-links/reauthorize-activation-connect-link
func (s *ActivationsService) CreateReauthorizationLink(ctx context.Context, id string, params CreateReauthorizationLinkParams) (*ActivationConnectLink, error) {
	return createLink(ctx, (*service)(s), post("/api/v2/activations/{activation_id}/activation_connect_links").name("id", id), params, (*wireLink).activation)
}

// GetConnectLink fetches a link.
//
// API: GET /api/v2/activation_connect_links/{connect_link_id}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activation-connect-links/fetch-activation-connect-link
func (s *ActivationsService) GetConnectLink(ctx context.Context, linkID int64) (*ActivationConnectLink, error) {
	return fetch(ctx, (*service)(s), get("/api/v2/activation_connect_links/{connect_link_id}").id("linkID", linkID), (*wireLink).activation)
}

// RevokeConnectLink ends a link before its time, and returns it. Whether the API
// accepts this for a link that is revoked or used already is not documented; a
// request that the SDK had to repeat succeeds if the link is revoked.
//
// API: POST /api/v2/activation_connect_links/{connect_link_id}/revoke
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activation-connect-links/revoke-activation-connect-link
func (s *ActivationsService) RevokeConnectLink(ctx context.Context, linkID int64) (*ActivationConnectLink, error) {
	k := post("/api/v2/activation_connect_links/{connect_link_id}/revoke").id("linkID", linkID)
	link, err := fetch(ctx, (*service)(s), k, (*wireLink).activation)
	return revoked(ctx, k, linkID, link, err, s.GetConnectLink)
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

// WaitForActivation polls until the customer has made an activation with the
// link, and returns it with the result of its tests. It ends, and how often it
// asks, is as [DestinationsService.WaitForConnection] has it.
//
// A link does not name what it made. What is returned is the activation of the
// link's type and group whose destination was connected after since: if there are
// several, the oldest. Let since be just before the link was made, by a clock
// that agrees with the API's. That is ambiguous when two customers of one group
// connect the same type at the same time: give each customer a group, or compare
// ConnectionDetails with what you expect. It also finds what an earlier link made,
// if since is too early; only when it finds nothing does the link's death count.
//
// Assumption: the destination of an activation that a link made was created after
// the link was. Each poll walks all the token's activations.
func (s *ActivationsService) WaitForActivation(ctx context.Context, link *ActivationConnectLink, since time.Time) (*Activation, error) {
	if link == nil {
		return nil, &InputError{"link", "is nil"}
	}
	return poll(ctx, link.ID, s.GetConnectLink, func(l *ActivationConnectLink) (found *Activation, err error) {
		for a, err := range s.All(ctx, ListOptions{PerPage: 100}) {
			if err != nil {
				return nil, err
			}
			made := a.Destination.CreatedAt
			if a.GroupID == l.GroupID && a.Destination.Type == l.Type && made.After(since) &&
				(found == nil || made.Before(found.Destination.CreatedAt)) {
				found = a
			}
		}
		return found, nil
	})
}

// WaitForReauthorization polls until the activation's destination was tested
// after since, best its LastTestedAt from before the link was made. Look at
// Destination.LastTestSucceeded of what it returns. It ends as WaitForActivation
// does.
//
// Assumption: LastTestedAt moves on when the customer has finished. The API
// documents no other trace.
func (s *ActivationsService) WaitForReauthorization(ctx context.Context, activationID string, link *ActivationConnectLink, since time.Time) (*Activation, error) {
	if link == nil {
		return nil, &InputError{"link", "is nil"}
	}
	k := get("/api/v2/activations/{activation_id}").name("activationID", activationID)
	if k.refused != nil {
		return nil, k.refused
	}
	return poll(ctx, link.ID, s.GetConnectLink, func(*ActivationConnectLink) (*Activation, error) {
		v, err := fetch(ctx, (*service)(s), k, (*wireActivation).activation)
		return ifTested(since, v, err)
	})
}

// ListTypes returns a page of the services that an activation can lead to.
//
// API: GET /api/v2/activation_types
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activation-types/list-activation-types
func (s *ActivationsService) ListTypes(ctx context.Context, opts ListOptions) (*Page[ActivationType], error) {
	return list(ctx, (*service)(s), "/api/v2/activation_types", opts, (*wireDestinationType).activation)
}

// AllTypes walks all types from opts.Page on.
//
// API: GET /api/v2/activation_types
func (s *ActivationsService) AllTypes(ctx context.Context, opts ListOptions) iter.Seq2[*ActivationType, error] {
	return all(ctx, (*service)(s), "/api/v2/activation_types", opts, (*wireDestinationType).activation)
}

// GetType fetches one type by its ServiceName.
//
// API: GET /api/v2/activation_types/{service_name}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/activation-types/fetch-activation-type
func (s *ActivationsService) GetType(ctx context.Context, serviceName string) (*ActivationType, error) {
	return fetch(ctx, (*service)(s), get("/api/v2/activation_types/{service_name}").name("serviceName", serviceName), (*wireDestinationType).activation)
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
	return discard(ctx, (*service)(s), remove("/api/v2/activations/{activation_id}").name("id", id))
}
