package connectlinks_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
)

func TestAPIKeyThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	key := func(body string) (string, error) {
		return testkit.Client(t, testkit.Respond(200, body), testkit.NoRetries).Workspaces.APIKey(t.Context(), 123)
	}
	for _, body := range []string{
		`{}`, `null`, ``, `{"api_key":null}`, `{"api_key":""}`, `{"api_key":"two words"}`, `{"api_key":"line\nbreak"}`,
		`{"status":"success","data":{"api_key":"enveloped"}}`, `<html></html>`, `{"api_key":"k"}x`,
	} {
		got, err := key(body)
		assert.ErrorIs(t, err, connectlinks.ErrBadResponse, body)
		assert.Empty(t, got)
	}
	got, err := key(`{"api_key":"k"} `)
	require.NoError(t, err)
	assert.Equal(t, "k", got)
	_, err = key(`{"status":"not_found"}`)
	assert.ErrorIs(t, err, connectlinks.ErrNotFound)
}

// organization is the API of an organization. A key takes a second to fetch.
type organization struct {
	mu      sync.Mutex
	key     string // of all workspaces
	fetches int
	creates []string // the tokens that they came with
	hang    bool
}

func (o *organization) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost {
		_ = r.Body.Close()
		o.mu.Lock()
		defer o.mu.Unlock()
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		o.creates = append(o.creates, token)
		if token != o.key {
			return testkit.Response(r, 401, `{"status":"error"}`), nil
		}
		return testkit.Response(r, 201, `{"status":"created","data":{"id":1,"type":"hubspot","uri":"https://app.getcensus.com/pbc?auth=x"}}`), nil
	}
	o.mu.Lock()
	o.fetches++
	key, hang := o.key, o.hang
	o.mu.Unlock()
	delay := time.Second
	if hang {
		delay = 24 * time.Hour
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return testkit.Response(r, 200, fmt.Sprintf(`{"api_key":%q}`, key)), nil
}

func (o *organization) count() (fetches, creates int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.fetches, len(o.creates)
}

// Many callers wait for one fetch that hangs. When the caller that fetches runs out of
// time before the others, one of them fetches.
func TestHangingFetchIsShared(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ org, tenant time.Duration }{
		"the fetch times out":         {5 * time.Second, 30 * time.Second},
		"who fetches times out":       {30 * time.Second, 5 * time.Second},
		"who fetches times out first": {30*time.Second + time.Microsecond, 30 * time.Second},
	} {
		testkit.Bubble(t, name, func(t *testing.T) {
			org := &organization{hang: true}
			client := testkit.Client(t, org, testkit.NoRetries, connectlinks.WithTimeout(c.org))
			tenant, err := client.With(
				connectlinks.WithTokenSource(client.Workspaces.TokenSource(7)), connectlinks.WithTimeout(c.tenant))
			require.NoError(t, err)
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					start := time.Now()
					err := testkit.CreateLink(t.Context(), tenant)
					assert.Error(t, err)
					assert.True(t, testkit.IsTimeout(err), "%v", err)
					assert.NotErrorIs(t, err, context.DeadlineExceeded, "it is not the caller's")
					assert.LessOrEqual(t, time.Since(start), min(c.org, c.tenant))
				})
				time.Sleep(time.Millisecond)
			}
			wg.Wait()
			fetches, creates := org.count()
			if c.org < c.tenant {
				assert.Equal(t, 1, fetches)
			}
			assert.Less(t, fetches, 25, "of 50")
			assert.Zero(t, creates)
		})
	}
}

func TestRotatedKeyIsFetchedOnceForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		org := &organization{key: "k1"}
		client := testkit.Client(t, org, testkit.NoRetries)
		tenant, err := client.With(connectlinks.WithTokenSource(client.Workspaces.TokenSource(7)))
		require.NoError(t, err)
		require.NoError(t, testkit.CreateLink(t.Context(), tenant))

		org.mu.Lock()
		org.key, org.creates = "k2", nil
		org.mu.Unlock()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { assert.NoError(t, testkit.CreateLink(t.Context(), tenant)) })
		}
		wg.Wait()
		fetches, _ := org.count()
		assert.Equal(t, 2, fetches)
		used := map[string]int{}
		for _, token := range org.creates {
			used[token]++
		}
		assert.Equal(t, 50, used["k2"], "each is made once")
		assert.LessOrEqual(t, used["k1"], 50)
		assert.Positive(t, used["k1"])
	})
}

func TestCreateAfterTheKeyWasRotated(t *testing.T) {
	t.Parallel()
	srv := connectlinkstest.NewServer()
	t.Cleanup(srv.Close)
	org := srv.PersonalClient(connectlinks.WithMaxRetries(0))
	tenant, err := org.With(connectlinks.WithTokenSource(org.Workspaces.TokenSource(srv.Workspace().ID)))
	require.NoError(t, err)
	posts := func() (n int) {
		for _, r := range srv.Requests() {
			if r.Method == http.MethodPost {
				n++
			}
		}
		return n
	}
	require.NoError(t, testkit.CreateLink(t.Context(), tenant))
	assert.Equal(t, 1, posts())

	_, err = srv.RotateToken(srv.Workspace().ID)
	require.NoError(t, err)
	require.NoError(t, testkit.CreateLink(t.Context(), tenant))
	assert.Equal(t, 3, posts(), "refused, and made again")
	assert.Len(t, srv.Links(), 2)

	// The same key is not tried twice, and no third key is fetched.
	require.NoError(t, srv.Fail(connectlinkstest.Failure{
		Route: "POST /api/v1/destination_connect_links", Times: 5, Status: 401, Body: `{"status":"error"}`,
	}))
	err = testkit.CreateLink(t.Context(), tenant)
	assert.ErrorIs(t, err, connectlinks.ErrUnauthorized)
	assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
	assert.Equal(t, 4, posts())
	assert.Len(t, srv.Links(), 2)
}
