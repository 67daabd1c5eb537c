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
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// The example runs on the sandbox of package connectlinkstest. With an account, leave out
// WithBaseURL, and pass your token.
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
		connectlinks.WithToken("secret-token:example"), // the API key of a workspace
		connectlinks.WithBaseURL(connectlinks.BaseURLEU),
		connectlinks.WithUserAgent("acme-integrations/2.1"),
		connectlinks.WithTimeout(10*time.Second),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseIdleConnections()

	_, err = connectlinks.NewClient(connectlinks.WithToken("")) // for example, a variable that is not set
	input := new(connectlinks.InputError)
	fmt.Println(errors.As(err, &input), input.Field)
	// Output: true Token
}

// The handler of a Connect button makes the link when the customer clicks.
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
		// Store link.ID in the customer's session, for the wait.
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

// V2 needs a personal access token. A client for it can share the connections of a V1 client.
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

	// One client for each customer. They share the connections.
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

// When the customer returns, ask the API. A redirect can be forged.
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

// The customer's password has changed. On a link for the existing connection, the customer
// enters the new one.
func ExampleDestinationsService_WaitForReauthorization() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	made, err := srv.AddConnection(connectlinkstest.Seed{Kind: connectlinkstest.KindDestination, Type: "hubspot"})
	if err != nil {
		log.Fatal(err)
	}

	before, err := client.Destinations.Get(ctx, made.ID)
	if err != nil {
		log.Fatal(err)
	}
	link, err := client.Destinations.CreateReauthorizationLink(ctx, made.ID, connectlinks.CreateReauthorizationLinkParams{})
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

// Which types take no links?
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

// What does the link's page ask for?
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
	if _, err := srv.AddConnection(connectlinkstest.Seed{Kind: connectlinkstest.KindDestination, Type: "hubspot"}); err != nil {
		log.Fatal(err)
	}

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

// A customer leaves.
func ExampleDestinationsService_Delete() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	made, err := srv.AddConnection(connectlinkstest.Seed{Kind: connectlinkstest.KindDestination, Type: "hubspot"})
	if err != nil {
		log.Fatal(err)
	}

	if err := client.Destinations.Delete(ctx, made.ID); err != nil {
		log.Fatal(err)
	}
	_, err = client.Destinations.Get(ctx, made.ID)
	fmt.Println("gone:", errors.Is(err, connectlinks.ErrNotFound))
	// Output: gone: true
}

// Check the token when the program starts.
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

// With a personal access token, the API keys of the workspaces need not be stored.
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

	// After a 401, the key is fetched again.
	if _, err := srv.RotateToken(acme.ID); err != nil {
		log.Fatal(err)
	}
	_, err = tenant.Sources.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "postgres"})
	fmt.Println(err)
	// Output:
	// 4 requests
	// <nil>
}

// Another program rotates the token, for example in a file or a vault.
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
		fmt.Println("try again in", refused.RetryAfter)
	case errors.Is(err, connectlinks.ErrOutcomeUnknown):
		fmt.Println("the API may have made a link")
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

// The answer to a create was lost. Find the link by its RedirectURI, and revoke it, before the
// customer tries again.
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

// With UniqueRedirect, the SDK finds the link although the answer to its create was lost.
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

// The page with the button opens a connection to the API, so that the click does not wait for it.
func ExampleClient_Warm() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()

	page := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `<form method="post" action="/connect/hubspot"><button>Connect</button></form>`)
		_ = http.NewResponseController(w).Flush() // the customer does not wait
		if err := client.Warm(r.Context()); err != nil {
			log.Print(err) // the click will report it too
		}
	}
	page(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/connect/hubspot", nil))
	for _, r := range srv.Requests() {
		fmt.Println(r.Method, r.Path)
	}
	// Output: HEAD /
}

// Count calls and their requests, by route.
func ExampleWithCallHook() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client(connectlinks.WithCallHook(
		func(ctx context.Context, call connectlinks.Call) (context.Context, func(connectlinks.CallResult)) {
			return ctx, func(result connectlinks.CallResult) { // when the call has ended
				fmt.Println(call.Method, call.Route, "requests:", result.Attempts, "failed:", result.Err != nil)
			}
		}))

	_, err := client.Destinations.Get(context.Background(), 7)
	fmt.Println("not found:", errors.Is(err, connectlinks.ErrNotFound))
	// Output:
	// GET /api/v1/destinations/{destination_id} requests: 1 failed: true
	// not found: true
}

// Use the SDK's transport, with a proxy.
func ExampleNewTransport() {
	transport := connectlinks.NewTransport()
	transport.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("http://proxy.internal:3128") }
	client, err := connectlinks.NewClient(
		connectlinks.WithToken("secret-token:example"),
		connectlinks.WithHTTPClient(&http.Client{Transport: transport}),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseIdleConnections()
	fmt.Println(transport.MaxIdleConnsPerHost > http.DefaultMaxIdleConnsPerHost)
	// Output: true
}

// Another program has made the link, and stored only its RedirectURI.
func ExampleDestinationsService_FindConnectLink() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	stored := "https://your-platform.example.com/connected/" + rand.Text()
	if _, err := client.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{
		Type: "hubspot", RedirectURI: stored,
	}); err != nil {
		log.Fatal(err)
	}

	link, err := client.Destinations.FindConnectLink(ctx, stored)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("found a link for", link.Type)

	_, err = client.Destinations.FindConnectLink(ctx, stored+"x")
	fmt.Println("not found:", errors.Is(err, connectlinks.ErrNotFound))
	// Output:
	// found a link for hubspot
	// not found: true
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
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { // so that the output is always the same
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

// A printed or logged link does not show its secret.
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
