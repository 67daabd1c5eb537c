package connectlinks

import (
	"context"
	"iter"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/tokencache"
)

// WorkspacesService fetches the workspace of a client's token. With a personal access token, it
// fetches the organization's workspaces and their API keys. It uses API V1, which the vendor
// retires on 15 January 2027.
type WorkspacesService service

// Workspace describes a workspace. A platform can have one for each customer, or one for all.
type Workspace struct {
	ID             int64     `json:"id"`
	Name           string    `json:"name"`
	OrganizationID int64     `json:"organization_id"`
	CreatedAt      time.Time `json:"created_at,omitzero"` // zero if absent or not readable
}

// Current fetches the workspace of the client's token, which must be a workspace API key. Use it
// to check the token when the program starts.
//
// API: GET /api/v1/workspace
//
// https://fivetran.com/docs/activations/rest-api/api-reference/organization-apis/workspaces/fetch-authenticated-workspace
func (s *WorkspacesService) Current(ctx context.Context) (*Workspace, error) {
	return fetch(ctx, (*service)(s), get("/api/v1/workspace"), (*wireWorkspace).workspace)
}

// Get fetches one workspace of the organization. The token must be a personal access token.
//
// API: GET /api/v1/workspaces/{workspace_id}
//
// https://fivetran.com/docs/activations/rest-api/api-reference/organization-apis/workspaces/fetch-workspace
func (s *WorkspacesService) Get(ctx context.Context, id int64) (*Workspace, error) {
	return fetch(ctx, (*service)(s), get("/api/v1/workspaces/{workspace_id}").id("id", id), (*wireWorkspace).workspace)
}

// List returns a page of the organization's workspaces. The token must be a personal access
// token.
//
// API: GET /api/v1/workspaces
//
// https://fivetran.com/docs/activations/rest-api/api-reference/organization-apis/workspaces/list-workspaces
func (s *WorkspacesService) List(ctx context.Context, opts ListOptions) (*Page[Workspace], error) {
	return list(ctx, (*service)(s), "/api/v1/workspaces", opts, (*wireWorkspace).workspace)
}

// All walks the organization's workspaces from opts.Page on. If opts.Order is empty, it begins
// with the oldest. The token must be a personal access token.
//
// API: GET /api/v1/workspaces
func (s *WorkspacesService) All(ctx context.Context, opts ListOptions) iter.Seq2[*Workspace, error] {
	return all(ctx, (*service)(s), "/api/v1/workspaces", opts, (*wireWorkspace).workspace)
}

// APIKey fetches a workspace's API key, which is a secret. The token must be the personal access
// token of an administrator, or of the workspace's owner.
//
// API: GET /api/v1/workspaces/{workspace_id}/api_key
//
// https://fivetran.com/docs/activations/rest-api/api-reference/organization-apis/workspaces/get-workspace-api-key
func (s *WorkspacesService) APIKey(ctx context.Context, workspaceID int64) (string, error) {
	var key string
	k := get("/api/v1/workspaces/{workspace_id}/api_key").id("workspaceID", workspaceID)
	k.decode = func(ctx context.Context, a answer) error {
		env, err := readEnvelope(ctx, a.body, false)
		if err != nil {
			return err
		}
		if env.apiKey.Kind() != '"' || checkToken(env.apiKey.String()) != "" {
			return badResponse("no usable api_key")
		}
		key = env.apiKey.String()
		return nil
	}
	if err := (*service)(s).send(ctx, k); err != nil {
		return "", err
	}
	return key, nil
}

// TokenSource returns a source of a workspace's API key, for the client of a customer:
//
//	customer, err := org.With(connectlinks.WithTokenSource(org.Workspaces.TokenSource(id)))
//
// The source fetches the key on first use, and keeps it. Concurrent callers share one fetch.
// After a 401 for this key, the source fetches it again. The token of org must be a personal
// access token. Keep one source for each workspace, because each source fetches the key itself.
func (s *WorkspacesService) TokenSource(workspaceID int64) TokenSource {
	return tokencache.New(func(ctx context.Context) (string, error) { return s.APIKey(ctx, workspaceID) })
}
