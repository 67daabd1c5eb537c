package connectlinks_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// retiredStatuses are the ways in which V1 may answer after its retirement.
var retiredStatuses = []int{404, 410, 302, 200}

// After V1's retirement, every method of V1 returns an error that names it and Activations, and V2
// goes on.
func TestRetirement(t *testing.T) {
	t.Parallel()
	for _, status := range retiredStatuses {
		synctest.Test(t, func(t *testing.T) {
			srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
			defer srv.Close()
			srv.RetireV1(status)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			for _, call := range testkit.Calls() {
				if strings.HasPrefix(call.Name, "Activations.") {
					continue
				}
				client := srv.Client()
				if strings.HasPrefix(call.Name, "Workspaces.") && call.Name != "Workspaces.Current" {
					client = srv.PersonalClient()
				}
				start := time.Now()
				_, err := call.Do(ctx, client)
				require.ErrorContains(t, err, "API V1 has been retired (15 January 2027)", "%d: %s", status, call.Name)
				require.ErrorContains(t, err, "Client.Activations", "%d: %s", status, call.Name)
				assert.Less(t, time.Since(start), time.Minute, "%d: %s", status, call.Name)
			}
			_, err := srv.PersonalClient().Activations.CreateConnectLink(ctx,
				connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: srv.Group()})
			require.NoError(t, err)
		})
	}
}

// A wait that is under way when V1 is retired does not hang.
func TestRetirementDuringAWait(t *testing.T) {
	t.Parallel()
	for _, status := range retiredStatuses {
		synctest.Test(t, func(t *testing.T) {
			srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
			defer srv.Close()
			link, err := srv.Client().Destinations.CreateConnectLink(t.Context(), testkit.Params)
			require.NoError(t, err)
			time.AfterFunc(30*time.Second, func() { srv.RetireV1(status) })
			start := time.Now()
			_, err = srv.Client().Destinations.WaitForConnection(t.Context(), link.ID)
			require.ErrorContains(t, err, "Client.Activations", "%d", status)
			assert.Less(t, time.Since(start), 5*time.Minute, "%d", status)
		})
	}
}
