package connectlinks_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// The examples run on the test double. With an account, leave out WithBaseURL and
// give the real token.

func Example() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	ctx := context.Background()

	client, err := connectlinks.NewClient(
		connectlinks.WithToken(srv.Token()),
		connectlinks.WithBaseURL(srv.URL),
	)
	if err != nil {
		log.Fatal(err)
	}
	link, err := client.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "hubspot"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := srv.Complete(link.ID); err != nil { // the customer, on the page at link.URL
		log.Fatal(err)
	}
	destination, err := client.Destinations.WaitForConnection(ctx, link.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("connected", destination.Name)
	// Output: connected HubSpot
}

func ExampleNewClient() {
	client, err := connectlinks.NewClient(
		connectlinks.WithToken("secret-token:example"), // from the workspace's settings
		connectlinks.WithBaseURL(connectlinks.BaseURLEU),
		connectlinks.WithUserAgent("acme-integrations/2.1"),
		connectlinks.WithTimeout(10*time.Second),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseIdleConnections()

	_, err = connectlinks.NewClient(connectlinks.WithToken("")) // an unset variable, say
	input := new(connectlinks.InputError)
	fmt.Println(errors.As(err, &input), input.Field)
	// Output: true Token
}

// Just in time, in the handler of a Connect button.
func ExampleDestinationsService_CreateConnectLink() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()

	connect := func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		link, err := client.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{
			Type:        "hubspot",
			RedirectURI: "https://your-platform.example.com/connected",
		})
		if err != nil {
			log.Print(err) // holds neither the token nor a link
			http.Error(w, "Please try again.", http.StatusBadGateway)
			return
		}
		// Keep link.ID in the customer's session: it tells what became of the link.
		http.Redirect(w, r, link.URL, http.StatusSeeOther)
	}

	w := httptest.NewRecorder()
	connect(w, httptest.NewRequest(http.MethodPost, "/connect/hubspot", nil))
	fmt.Println(w.Code, w.Header().Get("Location") == srv.Links()[0].ConnectLink.URL)
	// Output: 303 true
}

func ExampleSourcesService_CreateConnectLink() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()

	link, err := client.Sources.CreateConnectLink(context.Background(), connectlinks.CreateConnectLinkParams{Type: "postgres"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(link.Type, link.Live(time.Now()), link.SourceID)
	// Output: postgres true 0
}

// V2 takes another kind of token: derive a client for it from the one for V1.
func ExampleActivationsService_CreateConnectLink() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()

	v2, err := client.With(connectlinks.WithToken(srv.PersonalToken()))
	if err != nil {
		log.Fatal(err)
	}
	link, err := v2.Activations.CreateConnectLink(context.Background(), connectlinks.CreateActivationConnectLinkParams{
		Type:    "hubspot",
		GroupID: "wandering_aimlessly",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(link.Type, "for", link.GroupID)
	// Output: hubspot for wandering_aimlessly
}

func ExampleClient_With() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()

	// A client for each tenant, or for each request: it shares the connections.
	acme := srv.AddWorkspace("Acme")
	tenant, err := client.With(connectlinks.WithToken(acme.Token))
	if err != nil {
		log.Fatal(err)
	}
	workspace, err := tenant.Workspaces.Current(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(workspace.Name)
	// Output: Acme
}

// When the customer is back, only the API's word counts, not the redirect.
func ExampleDestinationsService_WaitForConnection() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()
	link, err := client.Destinations.CreateConnectLink(context.Background(), connectlinks.CreateConnectLinkParams{Type: "braze"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := srv.Complete(link.ID); err != nil { // the customer
		log.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	destination, err := client.Destinations.WaitForConnection(ctx, link.ID)
	switch {
	case err == nil:
		fmt.Println("connected", destination.Name)
		for _, step := range destination.LastTestResults {
			fmt.Println("-", step.Step+":", step.Status)
		}
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Println("not yet: ask again")
	case errors.Is(err, connectlinks.ErrLinkExpired), errors.Is(err, connectlinks.ErrLinkRevoked):
		fmt.Println("start again with a new link")
	default:
		log.Fatal(err)
	}
	// Output:
	// connected Braze
	// - Verify connectivity: success
	// - Authenticate: success
}

func ExampleActivationsService_WaitForActivation() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.PersonalClient()
	ctx := context.Background()

	link, err := client.Activations.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{
		Type: "hubspot", GroupID: srv.Group(),
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := srv.Complete(link.ID); err != nil { // the customer
		log.Fatal(err)
	}
	activation, err := client.Activations.WaitForActivation(ctx, link.ID, link.CreatedAt)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(activation.ID, "writes to", activation.Destination.Type)
	// Output: glimmering_donkey writes to hubspot
}

// Which links still work?
func ExampleDestinationsService_ListConnectLinks() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	for _, service := range []string{"hubspot", "salesforce", "braze"} {
		link, err := client.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: service})
		if err != nil {
			log.Fatal(err)
		}
		if service == "salesforce" {
			if err := srv.Expire(link.ID); err != nil {
				log.Fatal(err)
			}
		}
	}

	page, err := client.Destinations.ListConnectLinks(ctx, connectlinks.ListOptions{PerPage: 100}) // newest first
	if err != nil {
		log.Fatal(err)
	}
	for _, link := range page.Items {
		if link.DestinationID == 0 && link.Live(time.Now()) {
			fmt.Println(link.Type)
		}
	}
	// Output:
	// braze
	// hubspot
}

func ExampleDestinationsService_AllConnectLinks() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	for range 60 {
		if _, err := client.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "hubspot"}); err != nil {
			log.Fatal(err)
		}
	}

	n := 0
	for link, err := range client.Destinations.AllConnectLinks(ctx, connectlinks.ListOptions{}) { // oldest first
		if err != nil {
			log.Fatal(err)
		}
		if link.Live(time.Now()) {
			n++
		}
	}
	fmt.Println(n, "links are live")
	// Output: 60 links are live
}

func ExampleDestinationsService_RevokeConnectLink() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	link, err := client.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "hubspot"})
	if err != nil {
		log.Fatal(err)
	}

	revoked, err := client.Destinations.RevokeConnectLink(ctx, link.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("live:", revoked.Live(time.Now()))

	_, err = client.Destinations.WaitForConnection(ctx, link.ID)
	fmt.Println("revoked:", errors.Is(err, connectlinks.ErrLinkRevoked))
	// Output:
	// live: false
	// revoked: true
}

// A customer's password has changed: they enter the new one on a link for the
// connection that exists.
func ExampleDestinationsService_WaitForReauthorization() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	id := connectedDestination(srv, client)

	before, err := client.Destinations.Get(ctx, id)
	if err != nil {
		log.Fatal(err)
	}
	link, err := client.Destinations.CreateReauthorizationLink(ctx, id, connectlinks.CreateReauthorizationLinkParams{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := srv.Complete(link.ID); err != nil { // the customer
		log.Fatal(err)
	}
	after, err := client.Destinations.WaitForReauthorization(ctx, link.ID, before.LastTestedAt)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("it works:", *after.LastTestSucceeded)
	// Output: it works: true
}

// connectedDestination is a destination that a customer has connected.
func connectedDestination(srv *connectlinkstest.Server, client *connectlinks.Client) int64 {
	link, err := client.Destinations.CreateConnectLink(context.Background(), connectlinks.CreateConnectLinkParams{Type: "hubspot"})
	if err != nil {
		log.Fatal(err)
	}
	made, err := srv.Complete(link.ID)
	if err != nil {
		log.Fatal(err)
	}
	return made.ID
}

// What can a link be made for?
func ExampleSourcesService_AllTypes() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()

	for t, err := range client.Sources.AllTypes(context.Background(), connectlinks.ListOptions{}) {
		if err != nil {
			log.Fatal(err)
		}
		if !t.CreatableViaConnectLink {
			fmt.Println("no links for", t.Label)
		}
	}
	// Output: no links for HTTP Request
}

// What will the customer be asked for?
func ExampleDestinationsService_GetType() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()

	braze, err := client.Destinations.GetType(context.Background(), "braze")
	if err != nil {
		log.Fatal(err)
	}
	for _, field := range braze.ConfigurationFields {
		fmt.Printf("%s, required: %t, password: %t\n", field.Label, field.Required, field.Password)
	}
	// Output:
	// Endpoint URL, required: true, password: false
	// API key, required: true, password: true
}

func ExampleDestinationsService_List() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()
	connectedDestination(srv, client)

	page, err := client.Destinations.List(context.Background(), connectlinks.ListOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, destination := range page.Items {
		fmt.Println(destination.Name, "of type", destination.Type)
	}
	fmt.Println(page.TotalRecords, "in all")
	// Output:
	// HubSpot of type hubspot
	// 1 in all
}

// A customer has gone.
func ExampleDestinationsService_Delete() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	id := connectedDestination(srv, client)

	if err := client.Destinations.Delete(ctx, id); err != nil {
		log.Fatal(err)
	}
	_, err := client.Destinations.Get(ctx, id)
	fmt.Println("gone:", errors.Is(err, connectlinks.ErrNotFound))
	// Output: gone: true
}

// A check for when a program starts.
func ExampleWorkspacesService_Current() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()

	workspace, err := client.Workspaces.Current(context.Background())
	if errors.Is(err, connectlinks.ErrUnauthorized) {
		log.Fatal("the token is wrong, or was revoked")
	} else if err != nil {
		log.Fatal(err)
	}
	fmt.Println("working in", workspace.Name)
	// Output: working in Sandbox
}

// With the organization's token, those of its workspaces need not be stored.
func ExampleWorkspacesService_TokenSource() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	acme := srv.AddWorkspace("Acme")
	ctx := context.Background()

	org := srv.PersonalClient()
	tenant, err := org.With(connectlinks.WithTokenSource(org.Workspaces.TokenSource(acme.ID)))
	if err != nil {
		log.Fatal(err)
	}
	for range 3 { // the key is fetched once
		if _, err := tenant.Sources.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "postgres"}); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(len(srv.Requests()), "requests")

	// After the API has refused the key, it is fetched again.
	if _, err := srv.RotateToken(acme.ID); err != nil {
		log.Fatal(err)
	}
	_, err = tenant.Sources.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "postgres"})
	fmt.Println(err)
	// Output:
	// 4 requests
	// <nil>
}

// A token that somebody else rotates, such as a file or a vault.
func ExampleWithTokenSource() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()

	var current atomic.Value
	current.Store(srv.Token())
	client, err := connectlinks.NewClient(
		connectlinks.WithBaseURL(srv.URL),
		connectlinks.WithTokenSource(connectlinks.TokenFunc(func(context.Context) (string, error) {
			return current.Load().(string), nil
		})),
	)
	if err != nil {
		log.Fatal(err)
	}
	rotated, err := srv.RotateToken(srv.Workspace().ID)
	if err != nil {
		log.Fatal(err)
	}
	current.Store(rotated)
	workspace, err := client.Workspaces.Current(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(workspace.Name)
	// Output: Sandbox
}

func ExampleAPIError() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()

	_, err := client.Destinations.CreateConnectLink(context.Background(), connectlinks.CreateConnectLinkParams{Type: "not_a_real_type"})
	refused := new(connectlinks.APIError)
	switch {
	case errors.Is(err, connectlinks.ErrInvalidRequest) && errors.As(err, &refused):
		fmt.Println(refused.StatusCode, refused.Message)
	case errors.Is(err, connectlinks.ErrRateLimited) && errors.As(err, &refused):
		fmt.Println("come back in", refused.RetryAfter)
	case errors.Is(err, connectlinks.ErrOutcomeUnknown):
		fmt.Println("there may be a link that nobody has")
	}
	// Output: 422 Invalid type: not_a_real_type
}

func ExampleInputError() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()

	_, err := client.Destinations.CreateConnectLink(context.Background(), connectlinks.CreateConnectLinkParams{
		Type:        "hubspot",
		RedirectURI: "/connected",
	})
	input := new(connectlinks.InputError)
	if errors.As(err, &input) {
		fmt.Println(input.Field, "is wrong;", len(srv.Requests()), "requests were sent")
	}
	// Output: RedirectURI is wrong; 0 requests were sent
}

// The answer to a create was lost, and with it the link. Before the customer tries again, the link
// that nobody has is found by its address, and revoked.
func ExampleErrOutcomeUnknown() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	if err := srv.Fail(connectlinkstest.Failure{
		Route: connectlinkstest.RouteCreateDestinationConnectLink, Reset: true, CarryOut: true,
	}); err != nil {
		log.Fatal(err)
	}

	params := connectlinks.CreateConnectLinkParams{Type: "hubspot", RedirectURI: "https://your-platform.example.com/connected/" + rand.Text()}
	_, err := client.Destinations.CreateConnectLink(ctx, params)
	if errors.Is(err, connectlinks.ErrOutcomeUnknown) {
		link, err := client.Destinations.FindConnectLink(ctx, params.RedirectURI)
		if err != nil {
			log.Fatal(err)
		}
		_, err = client.Destinations.RevokeConnectLink(ctx, link.ID)
		fmt.Println("revoked, error:", err)
	}
	// Output: revoked, error: <nil>
}

// With a redirect URI that no other link has, a link is not lost although the answer to its
// create is.
func ExampleCreateConnectLinkParams() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	if err := srv.Fail(connectlinkstest.Failure{
		Route: connectlinkstest.RouteCreateDestinationConnectLink, Reset: true, CarryOut: true,
	}); err != nil {
		log.Fatal(err)
	}

	link, err := srv.Client().Destinations.CreateConnectLink(context.Background(), connectlinks.CreateConnectLinkParams{
		Type:           "hubspot",
		RedirectURI:    "https://your-platform.example.com/connected/" + rand.Text(), // new for each call
		UniqueRedirect: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(link.Type, "link; links made:", len(srv.Links()))
	// Output: hubspot link; links made: 1
}

func ExampleWithRateLimiter() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()

	client, err := connectlinks.NewClient(
		connectlinks.WithToken(srv.Token()),
		connectlinks.WithBaseURL(srv.URL),
		connectlinks.WithRateLimiter(rate.NewLimiter(5, 10)), // 5 a second, up to 10 at once
	)
	if err != nil {
		log.Fatal(err)
	}
	workspace, err := client.Workspaces.Current(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(workspace.Name)
	// Output: Sandbox
}

func ExampleWithLogger() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()

	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { // for an output that is always the same
			if a.Key == slog.TimeKey || a.Key == "duration" {
				return slog.Attr{}
			}
			return a
		},
	}))
	client := srv.Client(connectlinks.WithLogger(logger))
	if _, err := client.Workspaces.Current(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output: level=DEBUG msg="connectlinks: attempt" method=GET path=/api/v1/workspace resend=0 status=200
}

// A link can be printed and logged: its secret stays out.
func ExampleConnectLink() {
	link := connectlinks.DestinationConnectLink{
		ConnectLink: connectlinks.ConnectLink{
			ID:        469,
			Type:      "hubspot",
			URL:       "https://app.getcensus.com/pbc?auth=expiring_auth_key",
			ExpiresAt: time.Date(2026, 7, 22, 23, 42, 47, 0, time.UTC),
		},
	}
	fmt.Println(link)
	// Output: {id:469 type:"hubspot" url:"https://app.getcensus.com/REDACTED" expires_at:2026-07-22 23:42:47 +0000 UTC expired:false revoked:false redirect_uri:"" destination_id:0}
}

func ExampleConnectLink_Live() {
	link := connectlinks.ConnectLink{ExpiresAt: time.Date(2026, 7, 22, 23, 42, 47, 0, time.UTC)}
	fmt.Println(link.Live(link.ExpiresAt.Add(-time.Minute)))
	fmt.Println(link.Live(link.ExpiresAt))
	// Output:
	// true
	// false
}
