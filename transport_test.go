package connectlinks_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// All clients that With derives use the connections of the first one, and any of
// them closes the idle ones.
func TestDerivedClientsShareConnections(t *testing.T) {
	t.Parallel()
	var opened, closed atomic.Int64
	srv := httptest.NewUnstartedServer(testkit.NewAPI())
	gone := make(chan struct{}, 10)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			opened.Add(1)
		case http.StateClosed:
			closed.Add(1)
			gone <- struct{}{}
		}
	}
	srv.Start()
	defer srv.Close()

	parent, err := connectlinks.NewClient(connectlinks.WithToken(testkit.Token), connectlinks.WithBaseURL(srv.URL+testkit.BasePath))
	require.NoError(t, err)
	require.NoError(t, testkit.CreateLink(t.Context(), parent))
	for n := range 50 {
		c, err := parent.With(connectlinks.WithToken(fmt.Sprint("tenant-", n)), connectlinks.WithTimeout(time.Minute))
		require.NoError(t, err)
		c, err = c.With(connectlinks.WithMaxRetries(1))
		require.NoError(t, err)
		require.NoError(t, testkit.GetLink(t.Context(), c))
		if n == 49 {
			c.CloseIdleConnections()
		}
	}
	assert.Equal(t, int64(1), opened.Load())
	<-gone
	assert.Equal(t, int64(1), closed.Load())

	require.NoError(t, testkit.GetLink(t.Context(), parent), "a later call is not affected")
	assert.Equal(t, int64(2), opened.Load())
	parent.CloseIdleConnections()
}
