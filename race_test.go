package connectlinks_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Many goroutines use one client for every method, With and CloseIdleConnections,
// while tokens are refused and throttled. The race detector watches.
func TestManyGoroutinesUseOneClient(t *testing.T) {
	t.Parallel()
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	ctx := t.Context()
	var wg sync.WaitGroup
	callers, calls := 40, testkit.Calls()
	if testkit.Race {
		callers = 200
	}

	shared := srv.Client()
	personal, err := shared.With(connectlinks.WithToken(srv.PersonalToken()))
	require.NoError(t, err)
	made, err := shared.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "hubspot"})
	require.NoError(t, err)
	connection, err := srv.Complete(made.ID)
	require.NoError(t, err)
	source := personal.Workspaces.TokenSource(srv.Workspace().ID)
	require.NoError(t, srv.Fail(connectlinkstest.Failure{
		Route: "GET /api/v1/destination_connect_links", Times: 3, Status: http.StatusTooManyRequests,
		Header: http.Header{"Retry-After": {"0"}}, Body: `{"status":429}`,
	}, connectlinkstest.Failure{
		Route: "GET /api/v1/workspace", Times: 3, Status: http.StatusUnauthorized, Body: `{"status":401}`,
	}))

	for n := range callers {
		wg.Go(func() {
			c, err := shared.With(connectlinks.WithTokenSource(source), connectlinks.WithUserAgent(fmt.Sprint("race/", n)))
			if !assert.NoError(t, err) {
				return
			}
			if n%10 == 0 {
				defer shared.CloseIdleConnections()
			}
			if n%3 == 0 {
				c = shared
			}
			for i := range 6 {
				op := calls[(n*6+i)%len(calls)]
				client := c
				if strings.HasPrefix(op.Name, "Activations.") || strings.HasPrefix(op.Name, "Workspaces.") && op.Name != "Workspaces.Current" {
					client = personal
				}
				if strings.Contains(op.Name, "Wait") {
					continue // for a link that this server does not have
				}
				v, err := op.Do(ctx, client)
				var refused *connectlinks.APIError
				if err != nil && !errors.Is(err, connectlinks.ErrNotFound) && !assert.ErrorAs(t, err, &refused, op.Name) {
					return
				}
				_ = fmt.Sprint(v, err)
			}
			d, err := c.Destinations.WaitForConnection(ctx, made.ID)
			if assert.NoError(t, err) {
				assert.Equal(t, connection.ID, d.ID)
			}
			link, err := c.Sources.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "postgres"})
			if assert.NoError(t, err) {
				_, err = c.Sources.RevokeConnectLink(ctx, link.ID)
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()

	others := 0 // links that were not made with Sources.CreateConnectLink above
	for _, r := range srv.Requests() {
		if r.Method == http.MethodPost && r.Status == http.StatusCreated && !strings.Contains(r.Body, "postgres") {
			others++
		}
	}
	assert.Len(t, srv.Links(), callers+others, "one link for each call")
}
