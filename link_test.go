package connectlinks_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
)

func TestLinkWithoutAConnection(t *testing.T) {
	t.Parallel()
	for name, redirect := range map[string]string{"source_connect_link_null.json": "", "source_connect_link_zero.json": "http://example.com"} {
		answer := testkit.Testdata(t, name)
		link, err := testkit.Client(t, testkit.Respond(200, answer)).Sources.GetConnectLink(t.Context(), 469)
		require.NoError(t, err)
		want := refSourceLink
		want.SourceID, want.RedirectURI = 0, redirect
		assert.Equal(t, &want, link)

		answer = strings.Replace(answer, "source_id", "destination_id", 1)
		destination, err := testkit.Client(t, testkit.Respond(200, answer)).Destinations.GetConnectLink(t.Context(), 469)
		require.NoError(t, err)
		assert.Equal(t, &connectlinks.DestinationConnectLink{ConnectLink: want.ConnectLink}, destination)
	}
}

func TestOpenLinksOfAList(t *testing.T) {
	t.Parallel()
	links := []connectlinks.ConnectLink{
		{ID: 469, Type: "postgres", URL: "https://app.getcensus.com/pbc?auth=expiring_auth_key", ExpiresAt: refExpires},
		{
			ID: 470, Type: "postgres", URL: "https://app.getcensus.com/pbc?auth=expiring_auth_key", ExpiresAt: refExpires,
			Expired: true, Revoked: true, RedirectURI: "http://example.com",
		},
		{ID: 471, Type: "snowflake", URL: "https://app.getcensus.com/pbc?auth=expiring_auth_key", RedirectURI: "http://example.com"},
		{ID: 472},
	}
	client := testkit.Client(t, testkit.Respond(200, testkit.Testdata(t, "source_connect_links_open.json")), testkit.NoRetries)
	page, err := client.Sources.ListConnectLinks(t.Context(), connectlinks.ListOptions{})
	require.NoError(t, err)
	var sources []connectlinks.SourceConnectLink
	for _, link := range links {
		sources = append(sources, connectlinks.SourceConnectLink{ConnectLink: link})
	}
	assert.Equal(t, &connectlinks.Page[connectlinks.SourceConnectLink]{
		Items: sources, Number: 1, PerPage: 25, Last: 1, TotalRecords: 4,
	}, page)

	client = testkit.Client(t, testkit.Respond(200, testkit.Testdata(t, "destination_connect_links_open.json")), testkit.NoRetries)
	var got []connectlinks.ConnectLink
	for l, err := range client.Destinations.AllConnectLinks(t.Context(), connectlinks.ListOptions{}) {
		require.NoError(t, err)
		assert.Zero(t, l.DestinationID)
		got = append(got, l.ConnectLink)
	}
	assert.Equal(t, links, got)
}

func TestLinkWithoutAnIDInAList(t *testing.T) {
	t.Parallel()
	for _, item := range []string{`{}`, `{"id":null}`, `{"id":0}`, `{"id":-1}`, `null`, `{"id":"469"}`} {
		client := testkit.Client(t, testkit.Respond(200, `{"status":"success","data":[{"id":1},`+item+`]}`), testkit.NoRetries)
		_, err := client.Sources.ListConnectLinks(t.Context(), connectlinks.ListOptions{})
		assert.ErrorIs(t, err, connectlinks.ErrBadResponse, item)
	}
}

func TestLive(t *testing.T) {
	t.Parallel()
	now := refExpires
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

// The JSON of a link has the API's own names.
func TestLinksKeepTheirURLInJSON(t *testing.T) {
	t.Parallel()
	for want, link := range map[string]any{
		"source_connect_link.json":      refSourceLink,
		"destination_connect_link.json": &refDestinationLink,
		"activation_connect_link.json":  refActivationLink,
	} {
		data, err := json.Marshal(link)
		require.NoError(t, err)
		var published struct{ Data json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(testkit.Testdata(t, want)), &published))
		assert.JSONEq(t, string(published.Data), string(data))
	}
	var back connectlinks.ActivationConnectLink
	data, err := json.Marshal(refActivationLink)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &back))
	assert.Equal(t, refActivationLink, back)
}

// Without a Date header, CreatedAt is when the create began, by the local clock.
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

// A printed link shows neither its secret nor the query of its redirect URI, whoever prints it.
func TestPrintedLink(t *testing.T) {
	t.Parallel()
	link := connectlinks.ConnectLink{ID: 469, Type: "hubspot", URL: testkit.LinkURL, RedirectURI: "https://platform.example/done?state=customer-7"}
	for _, l := range []fmt.Stringer{
		link, connectlinks.SourceConnectLink{ConnectLink: link}, connectlinks.DestinationConnectLink{ConnectLink: link},
		connectlinks.ActivationConnectLink{ConnectLink: link},
	} {
		assert.Contains(t, l.String(), "id:469")
		assert.Contains(t, l.String(), `redirect_uri:"https://platform.example/done?REDACTED"`)
		for _, text := range []string{l.String(), fmt.Sprintf("%v %+v %#v %d", l, l, l, l), fmt.Sprint(l.(slog.LogValuer).LogValue())} {
			assert.NotContains(t, text, testkit.LinkSecret)
			assert.NotContains(t, text, "customer-7")
		}
	}
}
