package connectlinks_test

import (
	"context"
	"fmt"
	"net/http"
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

// neighbours are two customers of one organization, each with a link and an activation, and a
// third whose objects name no group.
type neighbours struct {
	srv     *connectlinkstest.Server
	org     *connectlinks.Client
	client  *connectlinks.Client // confined to the first customer's group
	own     neighbour
	other   neighbour
	nobodys neighbour
}

type neighbour struct {
	group, activation string
	link              int64
}

func newNeighbours(t *testing.T) *neighbours {
	t.Helper()
	srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
	t.Cleanup(srv.Close)
	n := &neighbours{srv: srv, org: srv.PersonalClient()}
	settle := func(group string) neighbour {
		srv.AddGroup(group)
		create := func() int64 {
			link, err := n.org.Activations.CreateConnectLink(t.Context(), connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: group})
			require.NoError(t, err)
			return link.ID
		}
		made, err := srv.Complete(create())
		require.NoError(t, err)
		return neighbour{group, made.ActivationID, create()}
	}
	n.own, n.other, n.nobodys = settle("own_group"), settle("other_group"), settle("hidden_group")
	srv.HideGroup("hidden_group")
	var err error
	n.client, err = n.org.With(connectlinks.WithGroup("own_group"))
	require.NoError(t, err)
	return n
}

// state returns the server's data of all customers except the first.
func (n *neighbours) state() string {
	var b strings.Builder
	for _, l := range n.srv.Links() {
		if l.GroupID != "own_group" {
			fmt.Fprintf(&b, "%d %s %t %t\n", l.ConnectLink.ID, l.GroupID, l.ConnectLink.Revoked, l.ConnectLink.Expired)
		}
	}
	for a, err := range n.org.Activations.All(context.Background(), connectlinks.ListOptions{}) {
		if err == nil && a.GroupID != "own_group" {
			fmt.Fprintln(&b, a.ID, a.Destination.LastTestedAt)
		}
	}
	return b.String()
}

// A confined client finds nothing of another group, and changes nothing there.
func TestGroupOfAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNeighbours(t)
		ctx := t.Context()
		since := time.Now().Add(-time.Hour)
		for _, them := range []neighbour{n.other, n.nobodys} {
			before := n.state()
			a := n.client.Activations
			for name, call := range map[string]func() error{
				"Get":               func() error { return errorOf(a.Get(ctx, them.activation)) },
				"Delete":            func() error { return a.Delete(ctx, them.activation) },
				"GetConnectLink":    func() error { return errorOf(a.GetConnectLink(ctx, them.link)) },
				"RevokeConnectLink": func() error { return errorOf(a.RevokeConnectLink(ctx, them.link)) },
				"WaitForActivation": func() error { return errorOf(a.WaitForActivation(ctx, them.link, since)) },
				"WaitForReauthorization": func() error {
					return errorOf(a.WaitForReauthorization(ctx, them.link, n.own.activation, since))
				},
				"WaitForReauthorization, their activation": func() error {
					return errorOf(a.WaitForReauthorization(ctx, n.own.link, them.activation, since))
				},
				"CreateReauthorizationLink": func() error {
					return errorOf(a.CreateReauthorizationLink(ctx, them.activation, connectlinks.CreateReauthorizationLinkParams{}))
				},
			} {
				err := call()
				require.ErrorIs(t, err, connectlinks.ErrNotFound, name)
				var refused *connectlinks.APIError
				require.ErrorAs(t, err, &refused, name)
				assert.Empty(t, refused.Body, "%s: nothing of theirs is in the error", name)
				assert.NotContains(t, err.Error(), them.group)
				assert.Equal(t, before, n.state(), "%s: nothing changed there", name)
			}
		}
	})
}

func TestGroupOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNeighbours(t)
		ctx := t.Context()
		a := n.client.Activations

		got, err := a.Get(ctx, n.own.activation)
		require.NoError(t, err)
		assert.Equal(t, "own_group", got.GroupID)
		renewal, err := a.CreateReauthorizationLink(ctx, n.own.activation, connectlinks.CreateReauthorizationLinkParams{})
		require.NoError(t, err)
		assert.Equal(t, "own_group", renewal.GroupID)
		revoked, err := a.RevokeConnectLink(ctx, n.own.link)
		require.NoError(t, err)
		assert.True(t, revoked.Revoked)

		link, err := a.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{Type: "hubspot"})
		require.NoError(t, err)
		assert.Equal(t, "own_group", link.GroupID, "GroupID may be left out")
		time.AfterFunc(20*time.Second, func() {
			_, err := n.srv.Complete(link.ID)
			assert.NoError(t, err)
		})
		made, err := a.WaitForActivation(ctx, link.ID, link.CreatedAt)
		require.NoError(t, err)
		assert.Equal(t, "own_group", made.GroupID)

		_, err = a.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: "own_group"})
		require.NoError(t, err)
		before := len(n.srv.Requests())
		_, err = a.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: "other_group"})
		assert.Equal(t, []string{"GroupID"}, testkit.InputFields(t, err))
		assert.Len(t, n.srv.Requests(), before, "refused before anything is sent")

		require.NoError(t, a.Delete(ctx, n.own.activation))
		types, err := a.ListTypes(ctx, connectlinks.ListOptions{})
		require.NoError(t, err)
		assert.NotEmpty(t, types.Items, "types belong to no group")
	})
}

// Lists have only objects of the group. Their pages may be empty.
func TestGroupLists(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNeighbours(t)
		ctx := t.Context()
		for range 7 { // more of others than fit on a page
			_, err := n.org.Activations.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: "other_group"})
			require.NoError(t, err)
		}
		last, err := n.client.Activations.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{Type: "hubspot"})
		require.NoError(t, err)

		var ids []int64
		for l, err := range n.client.Activations.AllConnectLinks(ctx, connectlinks.ListOptions{PerPage: 2}) {
			require.NoError(t, err)
			assert.Equal(t, "own_group", l.GroupID)
			ids = append(ids, l.ID)
		}
		assert.Contains(t, ids, n.own.link)
		assert.Equal(t, last.ID, ids[len(ids)-1])
		assert.Len(t, ids, 3)

		page, err := n.client.Activations.ListConnectLinks(ctx, connectlinks.ListOptions{Page: 2, PerPage: 2})
		require.NoError(t, err)
		assert.Empty(t, page.Items, "others' links only")
		assert.Equal(t, 3, page.Next)
		assert.Zero(t, page.TotalRecords, "it would tell the size of others")

		var activations []string
		for a, err := range n.client.Activations.All(ctx, connectlinks.ListOptions{PerPage: 1}) {
			require.NoError(t, err)
			activations = append(activations, a.ID)
		}
		assert.Equal(t, []string{n.own.activation}, activations)
	})
}

// FindConnectLink and the search for a lost link stay in the group.
func TestGroupFindsItsOwnLinks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNeighbours(t)
		const uri = "https://platform.example/connected/x"
		_, err := n.org.Activations.CreateConnectLink(t.Context(),
			connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: "other_group", RedirectURI: uri})
		require.NoError(t, err)
		_, err = n.client.Activations.FindConnectLink(t.Context(), uri)
		require.ErrorIs(t, err, connectlinks.ErrNotFound)

		for _, reauthorize := range []bool{false, true} {
			require.NoError(t, n.srv.Fail(
				connectlinkstest.Failure{Route: connectlinkstest.RouteCreateActivationConnectLink, Reset: true, CarryOut: true},
				connectlinkstest.Failure{Route: connectlinkstest.RouteCreateActivationReauthorizationLink, Reset: true, CarryOut: true}))
			var link *connectlinks.ActivationConnectLink
			if reauthorize {
				link, err = n.client.Activations.CreateReauthorizationLink(t.Context(), n.own.activation,
					connectlinks.CreateReauthorizationLinkParams{RedirectURI: newRedirect(), UniqueRedirect: true})
			} else {
				link, err = n.client.Activations.CreateConnectLink(t.Context(),
					connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", RedirectURI: newRedirect(), UniqueRedirect: true})
			}
			require.NoError(t, err)
			assert.Equal(t, "own_group", link.GroupID)
			n.srv.StopFailing()
		}
	})
}

// A create that is answered with another group, or none, may have made a link there.
func TestGroupOfACreatesAnswer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"another": `{"status":"created","data":{"id":5,"uri":"https://app.fivetran.com/x","group_id":"other_group"}}`,
		"none":    `{"status":"created","data":{"id":5,"uri":"https://app.fivetran.com/x"}}`,
	} {
		rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return testkit.Response(r, 200, `{"status":"success","data":{"id":"a","group_id":"own_group"}}`), nil
			}
			return testkit.Response(r, 201, answer), nil
		})
		c := testkit.Client(t, rt, connectlinks.WithGroup("own_group"))
		_, err := c.Activations.CreateConnectLink(t.Context(), connectlinks.CreateActivationConnectLinkParams{Type: "hubspot"})
		require.ErrorIs(t, err, connectlinks.ErrBadResponse, name)
		require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, name)
		_, err = c.Activations.CreateReauthorizationLink(t.Context(), "a", connectlinks.CreateReauthorizationLinkParams{})
		require.ErrorIs(t, err, connectlinks.ErrBadResponse, name)
		require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, name)
	}
}

func TestGroupIsSetOnce(t *testing.T) {
	t.Parallel()
	c := testkit.Client(t, testkit.Succeed, connectlinks.WithGroup("own_group"))
	_, err := c.With(connectlinks.WithGroup("other_group"))
	assert.Equal(t, []string{"Group"}, testkit.InputFields(t, err))
	_, err = c.With(connectlinks.WithGroup("own_group"))
	require.NoError(t, err)
	_, err = c.With(connectlinks.WithGroup(""))
	assert.Equal(t, []string{"Group"}, testkit.InputFields(t, err))
	derived, err := c.With(connectlinks.WithTimeout(time.Second))
	require.NoError(t, err)
	_, err = derived.Activations.CreateConnectLink(t.Context(), connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: "other_group"})
	assert.Equal(t, []string{"GroupID"}, testkit.InputFields(t, err), "a derived client is as confined")
}

// A source names its group, and a confined client sees only sources of its own group.
func TestGetSource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
		defer srv.Close()
		link, err := srv.Client().Sources.CreateConnectLink(t.Context(), connectlinks.CreateConnectLinkParams{Type: "postgres"})
		require.NoError(t, err)
		made, err := srv.CompleteWith(link.ID, connectlinkstest.Submission{Name: "Warehouse"})
		require.NoError(t, err)

		get := func(opts ...connectlinks.Option) (*connectlinks.V2Source, error) {
			return srv.PersonalClient(opts...).Activations.GetSource(t.Context(), made.ID)
		}
		source, err := get()
		require.NoError(t, err)
		assert.Equal(t, "Warehouse", source.Name)
		assert.Equal(t, srv.Workspace().GroupID, source.GroupID, "which new activations of its data need")
		_, err = get(connectlinks.WithGroup(source.GroupID))
		require.NoError(t, err)
		_, err = get(connectlinks.WithGroup("other_group"))
		require.ErrorIs(t, err, connectlinks.ErrNotFound)
		assert.NotContains(t, err.Error(), source.GroupID)
		srv.HideGroup(source.GroupID)
		_, err = get(connectlinks.WithGroup(source.GroupID))
		require.ErrorIs(t, err, connectlinks.ErrNotFound, "what says no group is nobody's")
	})
}
