package connectlinkstest_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

func TestAssumptions(t *testing.T) {
	with := func(t *testing.T, a connectlinkstest.Assumptions) api {
		return newAPI(t, connectlinkstest.WithAssumptions(a))
	}
	t.Run("UnknownTypeStatus", func(t *testing.T) {
		a := with(t, connectlinkstest.Assumptions{UnknownTypeStatus: 400})
		a.do(400, http.MethodPost, "/api/v1/source_connect_links", `{"type":"not_a_real_type"}`)
	})
	t.Run("WrongTokenStatus", func(t *testing.T) {
		a := with(t, connectlinkstest.Assumptions{WrongTokenStatus: 401})
		a.do(401, http.MethodGet, "/api/v2/activations", "")
		a.personal().do(401, http.MethodGet, "/api/v1/sources", "")
	})
	t.Run("RevokeAgainStatus", func(t *testing.T) {
		a := with(t, connectlinkstest.Assumptions{RevokeAgainStatus: 422})
		path := "/api/v1/source_connect_links/" + id(a.source(), "id")
		a.do(200, http.MethodPost, path+"/revoke", "")
		a.do(422, http.MethodPost, path+"/revoke", "")
		assert.Equal(t, true, a.get(path)["data"].(map[string]any)["revoked"])
	})
	t.Run("RevokeAgainStatus by default", func(t *testing.T) {
		a := newAPI(t)
		link := a.source()
		_, err := a.srv.Complete(linkID(link))
		require.NoError(t, err)
		revoked := a.do(200, http.MethodPost, "/api/v1/source_connect_links/"+id(link, "id")+"/revoke", "")["data"].(map[string]any)
		assert.Equal(t, true, revoked["revoked"])
		assert.NotNil(t, revoked["source_id"])
	})
	t.Run("RefuseBasic", func(t *testing.T) {
		for want, refuse := range map[int]bool{200: false, 401: true} {
			a := with(t, connectlinkstest.Assumptions{RefuseBasic: refuse})
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.srv.URL+"/api/v1/sources", nil)
			require.NoError(t, err)
			req.SetBasicAuth("bearer", a.srv.Token())
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			assert.NoError(t, resp.Body.Close())
			assert.Equal(t, want, resp.StatusCode)
		}
	})
	t.Run("WordStatus", func(t *testing.T) {
		for _, word := range []bool{false, true} {
			a := with(t, connectlinkstest.Assumptions{WordStatus: word})
			notFound, invalid := any(404.0), any(422.0)
			if word {
				notFound, invalid = "not_found", "error"
			}
			assert.Equal(t, notFound, a.do(404, http.MethodGet, "/api/v1/sources/1", "")["status"])
			assert.Equal(t, invalid, a.do(422, http.MethodPost, "/api/v1/source_connect_links", "")["status"])
			assert.Equal(t, 404.0, a.personal().do(404, http.MethodGet, "/api/v2/activations/none", "")["status"], "V2 has numbers")
		}
	})
	t.Run("PaginatedSourceTypes", func(t *testing.T) {
		a := with(t, connectlinkstest.Assumptions{PaginatedSourceTypes: true})
		answer := a.get("/api/v1/source_types?per_page=2")
		assert.Len(t, answer["data"], 2)
		assert.EqualValues(t, 2, answer["pagination"].(map[string]any)["next_page"])
	})
	t.Run("ExpireSpentLinks", func(t *testing.T) {
		for _, expire := range []bool{false, true} {
			a := with(t, connectlinkstest.Assumptions{ExpireSpentLinks: expire})
			link := a.activation()
			_, err := a.srv.Complete(linkID(link))
			require.NoError(t, err)
			link = a.personal().get("/api/v2/activation_connect_links/" + id(link, "id"))["data"].(map[string]any)
			assert.Equal(t, expire, link["expired"])
		}
	})
	t.Run("KeepRevokedLinks", func(t *testing.T) {
		for _, keep := range []bool{false, true} {
			a := with(t, connectlinkstest.Assumptions{KeepRevokedLinks: keep})
			link := a.source()
			revoked := a.do(200, http.MethodPost, "/api/v1/source_connect_links/"+id(link, "id")+"/revoke", "")["data"].(map[string]any)
			assert.Equal(t, !keep, revoked["expired"])
			assert.Equal(t, keep, revoked["expiration"] == link["expiration"])
		}
	})
	t.Run("ShortActivationNames", func(t *testing.T) {
		a := with(t, connectlinkstest.Assumptions{ShortActivationNames: true})
		_, err := a.srv.Complete(linkID(a.activation()))
		require.NoError(t, err)
		activation := a.personal().get("/api/v2/activations/glimmering_donkey")["data"]
		assert.Contains(t, activation, "source")
		assert.Contains(t, activation, "destination")
		assert.NotContains(t, activation, "destination_connection")
	})
	t.Run("NoTypeOnDestinations", func(t *testing.T) {
		a := with(t, connectlinkstest.Assumptions{NoTypeOnDestinations: true})
		made, err := a.srv.Complete(linkID(a.destination()))
		require.NoError(t, err)
		assert.NotContains(t, a.get(fmt.Sprintf("/api/v1/destinations/%d", made.ID))["data"], "type")
	})
	t.Run("DeadPageStatus", func(t *testing.T) {
		for status, want := range map[int]int{0: 410, 200: 200, 404: 404} {
			a := with(t, connectlinkstest.Assumptions{DeadPageStatus: status})
			link := a.source()
			assert.Equal(t, 200, a.open(link["uri"]).StatusCode)
			require.NoError(t, a.srv.Revoke(linkID(link)))
			assert.Equal(t, want, a.open(link["uri"]).StatusCode)
		}
	})
	t.Run("BareErrors", func(t *testing.T) {
		for _, bare := range []bool{false, true} {
			a := with(t, connectlinkstest.Assumptions{BareErrors: bare})
			for _, body := range []map[string]any{
				a.do(422, http.MethodPost, "/api/v1/source_connect_links", `{"type":"none"}`),
				a.personal().do(400, http.MethodPost, "/api/v2/activation_connect_links", `{"type":"none"}`),
			} {
				assert.Equal(t, !bare, body["message"] != nil)
				assert.NotNil(t, body["status"])
			}
		}
	})
	t.Run("NoRequestID", func(t *testing.T) {
		for _, none := range []bool{false, true} {
			a := with(t, connectlinkstest.Assumptions{NoRequestID: none})
			resp := a.open(a.srv.URL + "/api/v1/sources")
			assert.Equal(t, none, resp.Header.Get("X-Request-Id") == "")
		}
	})
	t.Run("AnnounceRetirement", func(t *testing.T) {
		for _, announce := range []bool{false, true} {
			a := with(t, connectlinkstest.Assumptions{AnnounceRetirement: announce})
			v1, v2 := a.open(a.srv.URL+"/api/v1/sources").Header, a.open(a.srv.URL+"/api/v2/activations").Header
			want := http.Header{}
			if announce {
				want = http.Header{"Sunset": {"Fri, 15 Jan 2027 00:00:00 GMT"}, "Deprecation": {"@1799971200"}}
			}
			for _, name := range []string{"Sunset", "Deprecation"} {
				assert.Equal(t, want[name], v1[name])
				assert.Empty(t, v2[name])
			}
		}
	})
	t.Run("SpacedTimes", func(t *testing.T) {
		a := with(t, connectlinkstest.Assumptions{SpacedTimes: true})
		const form = `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$`
		made, err := a.srv.Complete(linkID(a.source()))
		require.NoError(t, err)
		source := a.get(fmt.Sprintf("/api/v1/sources/%d", made.ID))["data"].(map[string]any)
		assert.Regexp(t, form, source["created_at"])
		assert.Regexp(t, form, source["last_tested_at"])
		read, err := a.srv.Client().Sources.Get(t.Context(), made.ID)
		require.NoError(t, err)
		assert.True(t, read.CreatedAt.IsZero())
		_, err = a.srv.Complete(linkID(a.activation()))
		require.NoError(t, err)
		activation := a.personal().get("/api/v2/activations/glimmering_donkey")["data"].(map[string]any)
		assert.Regexp(t, form, activation["destination_connection"].(map[string]any)["created_at"])
	})
}

// open fetches an address without a token.
func (a api) open(uri any) *http.Response {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, fmt.Sprint(uri), nil)
	require.NoError(a.t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(a.t, err)
	assert.NoError(a.t, resp.Body.Close())
	return resp
}

// listed returns the ids in a list.
func (a api) listed(path string) []string {
	a.t.Helper()
	ids := []string{}
	for _, object := range a.get(path)["data"].([]any) {
		ids = append(ids, fmt.Sprint(object.(map[string]any)["id"]))
	}
	return ids
}

func TestListDelayByLooks(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			a := k.api(t, connectlinkstest.WithAssumptions(connectlinkstest.Assumptions{
				ListDelay: connectlinkstest.ListDelay{Looks: 2},
			}))
			first := id(a.create(k.links, k.create), "id")
			assert.Empty(t, a.listed(k.links))
			assert.Equal(t, 0.0, a.get(k.links + "?page=2")["pagination"].(map[string]any)["total_records"], "every page is a look")
			assert.Equal(t, []string{first}, a.listed(k.links))

			second := id(a.create(k.links, k.create), "id")
			assert.Equal(t, second, id(a.get(k.links + "/" + second)["data"].(map[string]any), "id"), "by its id it is there at once")
			assert.Equal(t, []string{first}, a.listed(k.links))
			assert.Equal(t, []string{first}, a.listed(k.links))
			assert.Equal(t, []string{second, first}, a.listed(k.links))
			assert.Equal(t, []string{second, first}, a.listed(k.links))
		})
	}
}

// List requests of another customer do not count for this customer's links.
func TestListDelayIsForEachWorkspace(t *testing.T) {
	a := newAPI(t, connectlinkstest.WithAssumptions(connectlinkstest.Assumptions{
		ListDelay: connectlinkstest.ListDelay{Looks: 1},
	}))
	link := id(a.source(), "id")
	a.as(a.srv.AddWorkspace("Acme").Token).listed("/api/v1/source_connect_links")
	a.listed("/api/v1/destination_connect_links")
	assert.Empty(t, a.listed("/api/v1/source_connect_links"))
	assert.Equal(t, []string{link}, a.listed("/api/v1/source_connect_links"))
}

func TestListDelayByTime(t *testing.T) {
	for _, k := range kinds() {
		for _, looks := range []int{0, 3} {
			t.Run(fmt.Sprint(k.name, " ", looks, " looks"), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a := inMemory(t, connectlinkstest.WithAssumptions(connectlinkstest.Assumptions{
						ListDelay: connectlinkstest.ListDelay{Looks: looks, Time: 5 * time.Second},
					}))
					if k.personal {
						a = a.personal()
					}
					link := id(a.create(k.links, k.create), "id")
					assert.Empty(t, a.listed(k.links))
					time.Sleep(5*time.Second - time.Millisecond)
					assert.Empty(t, a.listed(k.links))
					time.Sleep(time.Millisecond)
					for range looks - 2 {
						assert.Empty(t, a.listed(k.links), "both must be over")
					}
					assert.Equal(t, []string{link}, a.listed(k.links))
				})
			})
		}
	}
}

func TestIgnoreOrder(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			a := k.api(t, connectlinkstest.WithAssumptions(connectlinkstest.Assumptions{IgnoreOrder: true}))
			var links, conns []string
			for range 3 {
				link := a.create(k.links, k.create)
				made, err := a.srv.Complete(linkID(link))
				require.NoError(t, err)
				links, conns = append(links, id(link, "id")), append(conns, k.connectionID(made))
			}
			for _, order := range []string{"", "?order=asc", "?order=desc"} {
				assert.Equal(t, links, a.listed(k.links+order), order)
				assert.Equal(t, conns, a.listed(k.conns+order), order)
			}
			assert.Equal(t, links[:2], a.listed(k.links+"?order=desc&per_page=2"))
			assert.Equal(t, links[2:], a.listed(k.links+"?order=desc&per_page=2&page=2"))

			ordered := k.api(t)
			links = nil
			for range 2 {
				links = append(links, id(ordered.create(k.links, k.create), "id"))
			}
			assert.Equal(t, links, ordered.listed(k.links+"?order=asc"))
			slices.Reverse(links)
			assert.Equal(t, links, ordered.listed(k.links+"?order=desc"), "by default a list has the order asked for")
		})
	}
}

func TestNormalizeRedirect(t *testing.T) {
	for sent, want := range map[string]string{
		"https://Acme.Example/done":            "https://acme.example/done/",
		"https://acme.example/done/":           "https://acme.example/done/",
		"HTTPS://acme.example:443":             "https://acme.example/",
		"http://LOCALHOST:80/a?x=Y&y=%2F#Z":    "http://localhost/a/?x=Y&y=%2F#Z",
		"http://[::1]:8080/KEY":                "http://[::1]:8080/KEY/",
		"https://acme.example:8443/a%2FB?to=/": "https://acme.example:8443/a%2FB/?to=/",
		"https://acme.example/a//b/../c":       "https://acme.example/a//b/../c/",
		"not an address":                       "not an address",
		"/connected":                           "/connected",
		"https://exa mple/":                    "https://exa mple/",
	} {
		for _, k := range kinds() {
			for _, normalize := range []bool{true, false} {
				t.Run(fmt.Sprint(k.name, " ", sent, " ", normalize), func(t *testing.T) {
					a := k.api(t, connectlinkstest.WithAssumptions(connectlinkstest.Assumptions{NormalizeRedirect: normalize}))
					want := want
					if !normalize {
						want = sent
					}
					redirect := fmt.Sprintf(`"redirect_uri":%q}`, sent)
					link := a.create(k.links, strings.Replace(k.create, `"redirect_uri":"https://acme.example/done?x=1"}`, redirect, 1))
					assert.Equal(t, want, link["redirect_uri"])
					assert.Equal(t, want, a.get(k.links + "/" + id(link, "id"))["data"].(map[string]any)["redirect_uri"])
					assert.Equal(t, want, a.get(k.links)["data"].([]any)[0].(map[string]any)["redirect_uri"])
					assert.Equal(t, want, a.srv.Links()[0].ConnectLink.RedirectURI)

					made, err := a.srv.Complete(linkID(link))
					require.NoError(t, err)
					renewal := a.create(k.conns+"/"+k.connectionID(made)+k.renew, "{"+redirect)
					assert.Equal(t, want, renewal["redirect_uri"])
				})
			}
		}
	}
}
