package connectlinkstest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

func TestClient(t *testing.T) {
	for name, opts := range map[string][]connectlinkstest.Option{
		"TCP":    nil,
		"memory": {connectlinkstest.WithoutListener()},
	} {
		t.Run(name, func(t *testing.T) {
			srv := connectlinkstest.NewServer(opts...)
			defer srv.Close()
			client := srv.Client()
			link, err := client.Destinations.CreateConnectLink(t.Context(), connectlinks.CreateConnectLinkParams{Type: "hubspot"})
			require.NoError(t, err)
			made, err := srv.Complete(link.ID)
			require.NoError(t, err)
			destination, err := client.Destinations.Get(t.Context(), made.ID)
			require.NoError(t, err)
			assert.Equal(t, "HubSpot", destination.Name)

			_, err = client.Activations.ListConnectLinks(t.Context(), connectlinks.ListOptions{})
			require.ErrorIs(t, err, connectlinks.ErrForbidden)
			_, err = srv.PersonalClient().Activations.ListConnectLinks(t.Context(), connectlinks.ListOptions{})
			require.NoError(t, err)
		})
	}
}

func TestClientOptions(t *testing.T) {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	acme := srv.AddWorkspace("Acme")
	for name, opt := range map[string]connectlinks.Option{
		"token":  connectlinks.WithToken(acme.Token),
		"source": connectlinks.WithTokenSource(srv.PersonalClient().Workspaces.TokenSource(acme.ID)),
	} {
		workspace, err := srv.Client(opt).Workspaces.Current(t.Context())
		require.NoError(t, err, name)
		assert.Equal(t, "Acme", workspace.Name, name)
	}
	transport := srv.Transport()
	defer transport.CloseIdleConnections()
	_, err := srv.Client(connectlinks.WithHTTPClient(&http.Client{Transport: transport})).Workspaces.Current(t.Context())
	require.NoError(t, err)
}

func TestClientPanicsOnBadOptions(t *testing.T) {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	bad := []connectlinks.Option{connectlinks.WithMaxRetries(-1), connectlinks.WithUserAgent("")}
	for name, client := range map[string]func(...connectlinks.Option) *connectlinks.Client{
		"Client": srv.Client, "PersonalClient": srv.PersonalClient,
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				message, _ := recover().(string)
				assert.True(t, strings.HasPrefix(message, "connectlinkstest: "+name+": "), message)
				assert.Contains(t, message, "MaxRetries")
				assert.Contains(t, message, "UserAgent")
				assert.NotContains(t, message, strings.TrimPrefix(srv.Token(), "secret-token:"))
			}()
			client(bad...)
			t.Error("it returned")
		})
	}
}

// This is the test of ExampleWithoutListener.
func TestClientInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
		defer srv.Close()
		client := srv.Client()
		link, err := client.Sources.CreateConnectLink(t.Context(), connectlinks.CreateConnectLinkParams{Type: "postgres"})
		require.NoError(t, err)
		start := time.Now()
		time.AfterFunc(time.Hour, func() {
			_, err := srv.Complete(link.ID)
			assert.NoError(t, err)
		})
		_, err = client.Sources.WaitForConnection(t.Context(), link.ID)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, time.Since(start), time.Hour)
	})
}

// A customer's action is later than any time before it, however fast the customer is.
func TestTimesMoveOn(t *testing.T) {
	test := func(t *testing.T, srv *connectlinkstest.Server) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range 20 {
			since := time.Now()
			link, err := srv.PersonalClient().Activations.CreateConnectLink(ctx,
				connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: srv.Group()})
			require.NoError(t, err)
			made, err := srv.Complete(link.ID)
			require.NoError(t, err)
			activation, err := srv.PersonalClient().Activations.Get(ctx, made.ActivationID)
			require.NoError(t, err)
			assert.True(t, activation.Destination.CreatedAt.After(since))

			since = time.Now()
			again, err := srv.PersonalClient().Activations.CreateReauthorizationLink(ctx, made.ActivationID, connectlinks.CreateReauthorizationLinkParams{})
			require.NoError(t, err)
			_, err = srv.Complete(again.ID)
			require.NoError(t, err)
			_, err = srv.PersonalClient().Activations.WaitForReauthorization(ctx, again.ID, made.ActivationID, since)
			require.NoError(t, err)
		}
	}
	t.Run("clock", func(t *testing.T) {
		srv := connectlinkstest.NewServer()
		defer srv.Close()
		test(t, srv)
	})
	t.Run("bubble, where time stands still", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
			defer srv.Close()
			test(t, srv)
		})
	})
}
