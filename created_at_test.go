package connectlinks_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Without a Date header, the local clock must do: the time at which the create began.
func TestCreatedAtWithoutADate(t *testing.T) {
	t.Parallel()
	for _, date := range []string{"", "yesterday"} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(1500 * time.Millisecond)
			start := time.Now()
			rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				time.Sleep(10 * time.Second)
				resp, err := testkit.Succeed.RoundTrip(r)
				if err == nil {
					resp.Header.Set("Date", date)
				}
				return resp, err
			})
			link, err := testkit.Client(t, rt).Destinations.CreateConnectLink(t.Context(), testkit.Params)
			require.NoError(t, err)
			assert.Equal(t, start.UTC().Truncate(time.Second), link.CreatedAt)
		})
	}
}

// With a local clock two minutes ahead of the API's, a wait since the link's CreatedAt finds
// what the customer made after 90 seconds.
func TestWaitForActivationWithAnotherClock(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-2 * time.Minute, 0, 2 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
			defer srv.Close()
			srv.Advance(2*time.Minute + skew)
			client := srv.PersonalClient()
			time.Sleep(300 * time.Millisecond)
			link, err := client.Activations.CreateConnectLink(t.Context(),
				connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: srv.Group()})
			require.NoError(t, err)
			time.AfterFunc(90*time.Second, func() {
				_, err := srv.Complete(link.ID)
				assert.NoError(t, err)
			})
			activation, err := client.Activations.WaitForActivation(t.Context(), link.ID, link.CreatedAt)
			require.NoError(t, err)
			assert.Equal(t, "hubspot", activation.Destination.Type)
		})
	}
}

// A time that is unknown is left out of JSON.
func TestUnknownTimesAreNotInJSON(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		connectlinks.ConnectLink{ID: 1}, connectlinks.SourceConnectLink{}, connectlinks.DestinationConnectLink{}, connectlinks.ActivationConnectLink{},
	} {
		body, err := json.Marshal(v)
		require.NoError(t, err)
		assert.NotContains(t, string(body), "0001-01-01", "%T", v)
	}
}
