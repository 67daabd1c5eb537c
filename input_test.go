package connectlinks_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// checkRefused asserts that err is of these fields and that nothing was sent.
func checkRefused(t *testing.T, rt *testkit.Counter, v any, err error, fields ...string) {
	t.Helper()
	assert.Nil(t, v)
	assert.Equal(t, fields, testkit.InputFields(t, err))
	var input *connectlinks.InputError
	require.ErrorAs(t, err, &input)
	assert.NotContains(t, err.Error(), "Wq7")
	assert.Zero(t, rt.Count(), "sent")
	for _, sentinel := range testkit.Sentinels {
		assert.NotErrorIs(t, err, sentinel)
	}
	assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
}

func errorOf[T any](_ T, err error) error { return err }

// The tests of httpx.ParseURL try more redirect URIs.
func TestLinkParamsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kind, group, redirect string
		fields                []string
	}{
		"no type":      {"", "g", "", []string{"Type"}},
		"blank type":   {" \t\n\u00a0", "g", "", []string{"Type"}},
		"no group":     {"hubspot", "", "", []string{"GroupID"}},
		"blank group":  {"hubspot", "  ", "", []string{"GroupID"}},
		"relative":     {"hubspot", "g", "/done", []string{"RedirectURI"}},
		"javascript":   {"hubspot", "g", "javascript:alert(1)", []string{"RedirectURI"}},
		"credentials":  {"hubspot", "g", "https://user:Wq7@platform.example/", []string{"RedirectURI"}},
		"line break":   {"hubspot", "g", "https://platform.example/\r\nLocation: x", []string{"RedirectURI"}},
		"blank":        {"hubspot", "g", "https://platform.example/a b", []string{"RedirectURI"}},
		"only a blank": {"hubspot", "g", " ", []string{"RedirectURI"}},
		"bad escape":   {"hubspot", "g", "https://platform.example/%zz?state=Wq7", []string{"RedirectURI"}},
		"everything":   {"", "", "Wq7", []string{"Type", "GroupID", "RedirectURI"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rt := &testkit.Counter{}
			c := testkit.Client(t, rt)
			ctx := t.Context()
			params := connectlinks.CreateConnectLinkParams{Type: tc.kind, RedirectURI: tc.redirect}
			v2 := connectlinks.CreateActivationConnectLinkParams{Type: tc.kind, GroupID: tc.group, RedirectURI: tc.redirect}
			renewal := connectlinks.CreateReauthorizationLinkParams{RedirectURI: tc.redirect}
			for _, call := range []struct {
				takes string
				do    func() (any, error)
			}{
				{"Type RedirectURI", func() (any, error) { return c.Sources.CreateConnectLink(ctx, params) }},
				{"Type RedirectURI", func() (any, error) { return c.Destinations.CreateConnectLink(ctx, params) }},
				{"Type GroupID RedirectURI", func() (any, error) { return c.Activations.CreateConnectLink(ctx, v2) }},
				{"RedirectURI", func() (any, error) { return c.Sources.CreateReauthorizationLink(ctx, 7, renewal) }},
				{"RedirectURI", func() (any, error) { return c.Destinations.CreateReauthorizationLink(ctx, 7, renewal) }},
				{"RedirectURI", func() (any, error) {
					return c.Activations.CreateReauthorizationLink(ctx, testkit.ActivationID, renewal)
				}},
			} {
				fields := slices.DeleteFunc(slices.Clone(tc.fields), func(f string) bool { return !strings.Contains(call.takes, f) })
				if len(fields) > 0 {
					v, err := call.do()
					checkRefused(t, rt, v, err, fields...)
				}
			}
			if slices.Contains(tc.fields, "RedirectURI") {
				checkRefused(t, rt, nil, errorOf(c.Sources.CreateReauthorizationLink(ctx, 0, renewal)), "id", "RedirectURI")
			}
		})
	}
}

func TestRedirectURIsThatAreAccepted(t *testing.T) {
	t.Parallel()
	for _, redirect := range []string{
		"",
		"https://your-redirect-url.com",
		"http://localhost:3000/path?x=y",
		"http://127.0.0.1:8080/",
		"http://[::1]:3000/done#part",
		"http://platform.example/done?state=a%2Fb%3D&x=<&y=\"'",
		"https://bücher.example/ü",
	} {
		t.Run(redirect, func(t *testing.T) {
			t.Parallel()
			var body map[string]string
			c, ctx := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				body = nil
				require.NoError(t, json.NewDecoder(r.Body).Decode(&body))
				return testkit.Succeed(r)
			})), t.Context()
			check := func(err error, want map[string]string) {
				require.NoError(t, err)
				if redirect != "" {
					want["redirect_uri"] = redirect
				}
				assert.Equal(t, want, body)
			}
			check(errorOf(c.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "hubspot", RedirectURI: redirect})),
				map[string]string{"type": "hubspot"})
			check(errorOf(c.Activations.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: "g", RedirectURI: redirect})),
				map[string]string{"type": "hubspot", "group_id": "g"})
			check(errorOf(c.Sources.CreateReauthorizationLink(ctx, 7, connectlinks.CreateReauthorizationLinkParams{RedirectURI: redirect})),
				map[string]string{})
		})
	}
}

func TestIDsThatAreRefused(t *testing.T) {
	t.Parallel()
	rt := &testkit.Counter{}
	c, ctx, none := testkit.Client(t, rt), t.Context(), connectlinks.CreateReauthorizationLinkParams{}
	for field, calls := range map[string][]func(id int64) error{
		"linkID": {
			func(id int64) error { return errorOf(c.Sources.GetConnectLink(ctx, id)) },
			func(id int64) error { return errorOf(c.Sources.RevokeConnectLink(ctx, id)) },
			func(id int64) error { return errorOf(c.Sources.WaitForConnection(ctx, id)) },
			func(id int64) error { return errorOf(c.Destinations.GetConnectLink(ctx, id)) },
			func(id int64) error { return errorOf(c.Destinations.RevokeConnectLink(ctx, id)) },
			func(id int64) error { return errorOf(c.Destinations.WaitForConnection(ctx, id)) },
			func(id int64) error { return errorOf(c.Activations.GetConnectLink(ctx, id)) },
			func(id int64) error { return errorOf(c.Activations.RevokeConnectLink(ctx, id)) },
			func(id int64) error { return errorOf(c.Sources.WaitForReauthorization(ctx, id, time.Now())) },
			func(id int64) error { return errorOf(c.Destinations.WaitForReauthorization(ctx, id, time.Now())) },
			func(id int64) error { return errorOf(c.Activations.WaitForActivation(ctx, id, time.Now())) },
			func(id int64) error {
				return errorOf(c.Activations.WaitForReauthorization(ctx, id, testkit.ActivationID, time.Now()))
			},
		},
		"id": {
			func(id int64) error { return errorOf(c.Sources.Get(ctx, id)) },
			func(id int64) error { return c.Sources.Delete(ctx, id) },
			func(id int64) error { return errorOf(c.Sources.CreateReauthorizationLink(ctx, id, none)) },
			func(id int64) error { return errorOf(c.Destinations.Get(ctx, id)) },
			func(id int64) error { return c.Destinations.Delete(ctx, id) },
			func(id int64) error { return errorOf(c.Workspaces.Get(ctx, id)) },
			func(id int64) error { return errorOf(c.Destinations.CreateReauthorizationLink(ctx, id, none)) },
		},
		"sourceID": {
			func(id int64) error { return errorOf(c.Activations.GetSource(ctx, id)) },
		},
		"workspaceID": {
			func(id int64) error { return errorOf(c.Workspaces.APIKey(ctx, id)) },
			func(id int64) error { return errorOf(c.Workspaces.TokenSource(id).Token(ctx)) },
		},
	} {
		for _, call := range calls {
			for _, id := range []int64{0, -1, -1 << 63} {
				checkRefused(t, rt, nil, call(id), field)
			}
		}
	}
	for field, calls := range map[string][]func(name string) error{
		"id": {
			func(id string) error { return errorOf(c.Activations.Get(ctx, id)) },
			func(id string) error { return c.Activations.Delete(ctx, id) },
			func(id string) error { return errorOf(c.Activations.CreateReauthorizationLink(ctx, id, none)) },
		},
		"activationID": {
			func(id string) error {
				return errorOf(c.Activations.WaitForReauthorization(ctx, testkit.LinkID, id, time.Now()))
			},
		},
		"serviceName": {
			func(name string) error { return errorOf(c.Sources.GetType(ctx, name)) },
			func(name string) error { return errorOf(c.Destinations.GetType(ctx, name)) },
			func(name string) error { return errorOf(c.Activations.GetType(ctx, name)) },
		},
	} {
		for _, call := range calls {
			for _, name := range []string{
				"", ".", "..", "/", "a/b", "a/", "../a", "../activations/other", `a\b`, "?", "a?b=c", "%", "a%b", "a%2Fb", "%2e%2e", "%2F",
				" ", "a b", " a", "a ", "a\tb", "a\nb", "a\n", "a\x00b", "a\x00", "a\x7fb", "a\u00a0b", "\u00a0", "Wq7/",
			} {
				checkRefused(t, rt, nil, call(name), field)
			}
		}
	}
}

// A client that NewClient did not make, and a nil context, are errors, not panics.
func TestWithoutClientOrContext(t *testing.T) {
	t.Parallel()
	rt := &testkit.Counter{}
	ready := testkit.Client(t, rt)
	made := func() *connectlinks.Client {
		return &connectlinks.Client{
			Sources:      &connectlinks.SourcesService{},
			Destinations: &connectlinks.DestinationsService{},
			Activations:  &connectlinks.ActivationsService{},
			Workspaces:   &connectlinks.WorkspacesService{},
		}
	}
	for _, op := range testkit.Calls() {
		t.Run(op.Name, func(t *testing.T) {
			t.Parallel()
			for name, c := range map[string]*connectlinks.Client{"zero client": {}, "zero services": made()} {
				_, err := op.Do(t.Context(), c)
				var input *connectlinks.InputError
				require.ErrorAs(t, err, &input, name)
				assert.Equal(t, "Client", input.Field)
			}
			_, err := op.Do(nil, ready)
			var input *connectlinks.InputError
			require.ErrorAs(t, err, &input)
			assert.Equal(t, "ctx", input.Field)
			assert.Zero(t, rt.Count())
		})
	}
	for _, c := range []*connectlinks.Client{nil, {}} {
		derived, err := c.With(connectlinks.WithToken(testkit.Token))
		assert.Nil(t, derived)
		assert.Equal(t, []string{"Client"}, testkit.InputFields(t, err))
		assert.NotPanics(t, c.CloseIdleConnections)
	}
}
