package connectlinks_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
)

// The values of the reference's examples.
var (
	lifeExpires   = time.Date(2023, 7, 22, 23, 42, 47, 239e6, time.UTC)
	lifeExpiresV2 = time.Date(2027, 9, 28, 23, 42, 47, 239e6, time.UTC)

	lifeSourceLink = connectlinks.SourceConnectLink{
		ConnectLink: connectlinks.ConnectLink{
			ID: 469, Type: "postgres", URL: "https://app.getcensus.com/pbc?auth=expiring_auth_key",
			ExpiresAt: lifeExpires, RedirectURI: "http://example.com",
		},
		SourceID: 123,
	}
	lifeDestinationLink = connectlinks.DestinationConnectLink{
		ConnectLink: connectlinks.ConnectLink{
			ID: 469, Type: "hubspot", URL: "https://app.getcensus.com/pbc?auth=expiring_auth_key",
			ExpiresAt: lifeExpires, RedirectURI: "http://example.com",
		},
		DestinationID: 123,
	}
	lifeActivationLink = connectlinks.ActivationConnectLink{
		ConnectLink: connectlinks.ConnectLink{
			ID: 469, Type: "hubspot", URL: "https://app.fivetran.com/pbc?auth=expiring_auth_key",
			ExpiresAt: lifeExpiresV2, RedirectURI: "https://your-app.example.com/oauth/callback",
		},
		GroupID: "wandering_aimlessly",
	}
)

// lifePage is a page with the pagination of the reference's examples.
func lifePage[T any](items ...T) *connectlinks.Page[T] {
	return &connectlinks.Page[T]{Items: items, Number: 2, PerPage: 25, Prev: 1, Next: 3, Last: 10, TotalRecords: 14}
}

func lifeLinkCalls() []lifeCall {
	type (
		ctx    = context.Context
		client = *connectlinks.Client
	)
	page2 := connectlinks.ListOptions{Page: 2, PerPage: 25, Order: connectlinks.OrderDesc}
	const page2Query = "order=desc&page=2&per_page=25"
	return []lifeCall{
		{
			"Sources.CreateConnectLink",
			func(ctx ctx, c client) (any, error) {
				return c.Sources.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "postgres", RedirectURI: "http://example.com"})
			},
			"POST", "/api/v1/source_connect_links", "", `{"type":"postgres","redirect_uri":"http://example.com"}`,
			201, "source_connect_link.json", &lifeSourceLink,
		},
		{
			"Sources.CreateConnectLink",
			func(ctx ctx, c client) (any, error) {
				return c.Sources.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "postgres"})
			},
			"POST", "/api/v1/source_connect_links", "", `{"type":"postgres"}`,
			201, "source_connect_link.json", &lifeSourceLink,
		},
		{
			"Sources.CreateReauthorizationLink",
			func(ctx ctx, c client) (any, error) {
				return c.Sources.CreateReauthorizationLink(ctx, 123, connectlinks.CreateReauthorizationLinkParams{RedirectURI: "http://example.com"})
			},
			"POST", "/api/v1/sources/123/connect_links", "", `{"redirect_uri":"http://example.com"}`,
			201, "source_connect_link.json", &lifeSourceLink,
		},
		{
			"Sources.CreateReauthorizationLink",
			func(ctx ctx, c client) (any, error) {
				return c.Sources.CreateReauthorizationLink(ctx, 123, connectlinks.CreateReauthorizationLinkParams{})
			},
			"POST", "/api/v1/sources/123/connect_links", "", `{}`,
			201, "source_connect_link.json", &lifeSourceLink,
		},
		{
			"Sources.GetConnectLink",
			func(ctx ctx, c client) (any, error) { return c.Sources.GetConnectLink(ctx, 469) },
			"GET", "/api/v1/source_connect_links/469", "", "",
			200, "source_connect_link.json", &lifeSourceLink,
		},
		{
			"Sources.RevokeConnectLink",
			func(ctx ctx, c client) (any, error) { return c.Sources.RevokeConnectLink(ctx, 469) },
			"POST", "/api/v1/source_connect_links/469/revoke", "", "",
			200, "source_connect_link.json", &lifeSourceLink,
		},
		{
			"Sources.ListConnectLinks",
			func(ctx ctx, c client) (any, error) { return c.Sources.ListConnectLinks(ctx, page2) },
			"GET", "/api/v1/source_connect_links", page2Query, "",
			200, "source_connect_links.json", lifePage(lifeSourceLink),
		},
		{
			"Destinations.CreateConnectLink",
			func(ctx ctx, c client) (any, error) {
				return c.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "hubspot", RedirectURI: "https://your-redirect-url.com"})
			},
			"POST", "/api/v1/destination_connect_links", "", `{"type":"hubspot","redirect_uri":"https://your-redirect-url.com"}`,
			201, "destination_connect_link.json", &lifeDestinationLink,
		},
		{
			"Destinations.CreateReauthorizationLink",
			func(ctx ctx, c client) (any, error) {
				return c.Destinations.CreateReauthorizationLink(ctx, 123, connectlinks.CreateReauthorizationLinkParams{RedirectURI: "http://example.com"})
			},
			"POST", "/api/v1/destinations/123/connect_links", "", `{"redirect_uri":"http://example.com"}`,
			201, "destination_connect_link.json", &lifeDestinationLink,
		},
		{
			"Destinations.GetConnectLink",
			func(ctx ctx, c client) (any, error) { return c.Destinations.GetConnectLink(ctx, 469) },
			"GET", "/api/v1/destination_connect_links/469", "", "",
			200, "destination_connect_link.json", &lifeDestinationLink,
		},
		{
			"Destinations.RevokeConnectLink",
			func(ctx ctx, c client) (any, error) { return c.Destinations.RevokeConnectLink(ctx, 469) },
			"POST", "/api/v1/destination_connect_links/469/revoke", "", "",
			200, "destination_connect_link.json", &lifeDestinationLink,
		},
		{
			"Destinations.ListConnectLinks",
			func(ctx ctx, c client) (any, error) { return c.Destinations.ListConnectLinks(ctx, page2) },
			"GET", "/api/v1/destination_connect_links", page2Query, "",
			200, "destination_connect_links.json", lifePage(lifeDestinationLink),
		},
		{
			"Activations.CreateConnectLink",
			func(ctx ctx, c client) (any, error) {
				return c.Activations.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{
					Type: "hubspot", GroupID: "wandering_aimlessly", RedirectURI: "https://your-app.example.com/oauth/callback",
				})
			},
			"POST", "/api/v2/activation_connect_links", "",
			`{"type":"hubspot","group_id":"wandering_aimlessly","redirect_uri":"https://your-app.example.com/oauth/callback"}`,
			201, "activation_connect_link.json", &lifeActivationLink,
		},
		{
			"Activations.CreateReauthorizationLink",
			func(ctx ctx, c client) (any, error) {
				return c.Activations.CreateReauthorizationLink(ctx, "glimmering_donkey",
					connectlinks.CreateReauthorizationLinkParams{RedirectURI: "https://your-app.example.com/oauth/callback"})
			},
			"POST", "/api/v2/activations/glimmering_donkey/activation_connect_links", "",
			`{"redirect_uri":"https://your-app.example.com/oauth/callback"}`,
			201, "activation_connect_link.json", &lifeActivationLink,
		},
		{
			"Activations.GetConnectLink",
			func(ctx ctx, c client) (any, error) { return c.Activations.GetConnectLink(ctx, 469) },
			"GET", "/api/v2/activation_connect_links/469", "", "",
			200, "activation_connect_link.json", &lifeActivationLink,
		},
		{
			"Activations.RevokeConnectLink",
			func(ctx ctx, c client) (any, error) { return c.Activations.RevokeConnectLink(ctx, 469) },
			"POST", "/api/v2/activation_connect_links/469/revoke", "", "",
			200, "activation_connect_link.json", &lifeActivationLink,
		},
		{
			"Activations.ListConnectLinks",
			func(ctx ctx, c client) (any, error) { return c.Activations.ListConnectLinks(ctx, page2) },
			"GET", "/api/v2/activation_connect_links", page2Query, "",
			200, "activation_connect_links.json", lifePage(lifeActivationLink),
		},
	}
}

func TestNullAndZeroIDsMeanThatNothingWasMadeYet(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"source_connect_link_null.json", "source_connect_link_zero.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, _ := lifeServer(t, http.StatusOK, lifeData(t, name))
			link, err := client.Sources.GetConnectLink(t.Context(), 469)
			require.NoError(t, err)
			want := lifeSourceLink
			want.SourceID = 0
			if name == "source_connect_link_null.json" {
				want.RedirectURI = ""
			}
			assert.Equal(t, &want, link)
		})
	}
}

func TestOddLinksDoNotHideTheRestOfAList(t *testing.T) {
	t.Parallel()
	links := []connectlinks.ConnectLink{
		{ID: 469, Type: "postgres", URL: "https://app.getcensus.com/pbc?auth=expiring_auth_key", ExpiresAt: lifeExpires},
		{
			ID: 470, Type: "postgres", URL: "https://app.getcensus.com/pbc?auth=expiring_auth_key", ExpiresAt: lifeExpires,
			Expired: true, Revoked: true, RedirectURI: "http://example.com",
		},
		{ID: 471, Type: "snowflake", URL: "https://app.getcensus.com/pbc?auth=expiring_auth_key", RedirectURI: "http://example.com"},
		{ID: 472},
	}
	where := func(n int) connectlinks.Page[struct{}] {
		return connectlinks.Page[struct{}]{Number: 1, PerPage: 25, Last: 1, TotalRecords: n}
	}

	t.Run("source", func(t *testing.T) {
		t.Parallel()
		client, _ := lifeServer(t, http.StatusOK, lifeData(t, "source_connect_links_open.json"))
		page, err := client.Sources.ListConnectLinks(t.Context(), connectlinks.ListOptions{})
		require.NoError(t, err)
		var got []connectlinks.ConnectLink
		for _, l := range page.Items {
			assert.Zero(t, l.SourceID)
			got = append(got, l.ConnectLink)
		}
		assert.Equal(t, links, got)
		assert.Equal(t, where(4), connectlinks.Page[struct{}]{
			Number: page.Number, PerPage: page.PerPage, Prev: page.Prev, Next: page.Next, Last: page.Last, TotalRecords: page.TotalRecords,
		})
	})
	t.Run("destination", func(t *testing.T) {
		t.Parallel()
		client, _ := lifeServer(t, http.StatusOK, lifeData(t, "destination_connect_links_open.json"))
		var got []connectlinks.ConnectLink
		for l, err := range client.Destinations.AllConnectLinks(t.Context(), connectlinks.ListOptions{}) {
			require.NoError(t, err)
			assert.Zero(t, l.DestinationID)
			got = append(got, l.ConnectLink)
		}
		assert.Equal(t, links, got)
	})
}

func TestALinkWithoutAnIDSpoilsAList(t *testing.T) {
	t.Parallel()
	for _, item := range []string{`{}`, `{"id":null}`, `{"id":0}`, `{"id":-1}`, `null`, `{"id":"469"}`} {
		client, _ := lifeServer(t, http.StatusOK, `{"status":"success","data":[{"id":1},`+item+`]}`)
		_, err := client.Sources.ListConnectLinks(t.Context(), connectlinks.ListOptions{})
		assert.ErrorIs(t, err, connectlinks.ErrBadResponse, item)
	}
}

func TestLive(t *testing.T) {
	t.Parallel()
	now := lifeExpires
	for name, c := range map[string]struct {
		link connectlinks.ConnectLink
		want bool
	}{
		"open":                           {connectlinks.ConnectLink{ExpiresAt: now.Add(time.Hour)}, true},
		"its last moment":                {connectlinks.ConnectLink{ExpiresAt: now.Add(1)}, true},
		"its end":                        {connectlinks.ConnectLink{ExpiresAt: now}, false},
		"past, by the clock":             {connectlinks.ConnectLink{ExpiresAt: now.Add(-1)}, false},
		"expired, by the API":            {connectlinks.ConnectLink{ExpiresAt: now.Add(time.Hour), Expired: true}, false},
		"revoked":                        {connectlinks.ConnectLink{ExpiresAt: now.Add(time.Hour), Revoked: true}, false},
		"no time":                        {connectlinks.ConnectLink{}, true},
		"no time, expired":               {connectlinks.ConnectLink{Expired: true}, false},
		"no time, revoked":               {connectlinks.ConnectLink{Revoked: true}, false},
		"another zone, the same instant": {connectlinks.ConnectLink{ExpiresAt: now.In(time.FixedZone("", 3600))}, false},
	} {
		assert.Equal(t, c.want, c.link.Live(now), name)
	}
	assert.True(t, connectlinks.SourceConnectLink{SourceID: 123}.Live(now), "whether it was used is not in the link")
}

// A front end is given a link in the API's own names.
func TestLinksKeepTheirURLInJSON(t *testing.T) {
	t.Parallel()
	for want, link := range map[string]any{
		"source_connect_link.json":      lifeSourceLink,
		"destination_connect_link.json": &lifeDestinationLink,
		"activation_connect_link.json":  lifeActivationLink,
	} {
		data, err := json.Marshal(link)
		require.NoError(t, err)
		var published struct{ Data json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(lifeData(t, want)), &published))
		assert.JSONEq(t, string(published.Data), string(data))
	}
	var back connectlinks.ActivationConnectLink
	data, err := json.Marshal(lifeActivationLink)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &back))
	assert.Equal(t, lifeActivationLink, back)
}
