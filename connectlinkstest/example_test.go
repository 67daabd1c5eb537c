package connectlinkstest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// A customer connects HubSpot.
func Example() {
	ctx := context.Background()
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()

	link, err := client.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "hubspot"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("destination before:", link.DestinationID)

	// The customer finishes.
	made, err := srv.Complete(link.ID)
	if err != nil {
		fmt.Println(err)
		return
	}

	destination, err := client.Destinations.WaitForConnection(ctx, link.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("connected:", destination.Name, destination.ID == made.ID)
	// Output:
	// destination before: 0
	// connected: HubSpot true
}

// V2 needs the personal access token and a group.
func ExampleServer_PersonalClient() {
	ctx := context.Background()
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.PersonalClient()

	link, err := client.Activations.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{
		Type: "hubspot", GroupID: srv.Group(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	made, err := srv.Complete(link.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(link.GroupID, made.ActivationID)
	// Output: wandering_aimlessly glimmering_donkey
}

// A customer enters values, and the connection fails its test. The password is not stored.
func ExampleServer_CompleteWith() {
	ctx := context.Background()
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()

	link, err := client.Sources.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "postgres"})
	if err != nil {
		fmt.Println(err)
		return
	}
	made, err := srv.CompleteWith(link.ID, connectlinkstest.Submission{
		Name:       "Acme's warehouse",
		Fields:     map[string]string{"hostname": "db.acme.example", "password": "hunter2"},
		FailedTest: "permission denied for schema public",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	source, err := client.Sources.Get(ctx, made.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(source.Name, *source.LastTestSucceeded)
	fmt.Println(string(source.ConnectionDetails))
	// Output:
	// Acme's warehouse false
	// {"database":"analytics","hostname":"db.acme.example","port":"5432","user":"activations"}
}

// The answer to a create is lost after the link was made. The SDK does not repeat the
// create, since that would make a second link.
func ExampleServer_Fail() {
	ctx := context.Background()
	srv := connectlinkstest.NewServer()
	defer srv.Close()

	err := srv.Fail(connectlinkstest.Failure{
		Route: connectlinkstest.RouteCreateDestinationConnectLink, Times: 1,
		CarryOut: true, Reset: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = srv.Client().Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "hubspot"})
	fmt.Println("outcome unknown:", errors.Is(err, connectlinks.ErrOutcomeUnknown))
	fmt.Println("links:", len(srv.Links()))
	// Output:
	// outcome unknown: true
	// links: 1
}

// The API throttles once.
func ExampleServer_Fail_status() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()

	err := srv.Fail(connectlinkstest.Failure{
		Times: 1, Status: http.StatusTooManyRequests,
		Header: http.Header{"Retry-After": {"1"}}, Body: `{"status":429,"message":"Slow down"}`,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := srv.Client(connectlinks.WithMaxRetries(0))
	_, err = client.Workspaces.Current(context.Background())
	fmt.Println(errors.Is(err, connectlinks.ErrRateLimited))
	// Output: true
}

// After a day the link has expired.
func ExampleServer_Advance() {
	ctx := context.Background()
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()

	link, err := client.Sources.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "snowflake"})
	if err != nil {
		fmt.Println(err)
		return
	}
	srv.Advance(24 * time.Hour)
	_, err = client.Sources.WaitForConnection(ctx, link.ID)
	fmt.Println("expired:", errors.Is(err, connectlinks.ErrLinkExpired))
	_, err = srv.Complete(link.ID)
	fmt.Println(err)
	// Output:
	// expired: true
	// connectlinkstest: the link cannot be used: it has expired
}

// Two workspaces have their own tokens, and do not see each other's links.
func ExampleServer_AddWorkspace() {
	ctx := context.Background()
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	ours := srv.Client()
	theirs := srv.Client(connectlinks.WithToken(srv.AddWorkspace("Acme").Token))

	link, err := ours.Sources.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "postgres"})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = theirs.Sources.GetConnectLink(ctx, link.ID)
	fmt.Println("not found:", errors.Is(err, connectlinks.ErrNotFound))
	// Output: not found: true
}

// V1 was retired.
func ExampleServer_RetireV1() {
	ctx := context.Background()
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	if err := srv.RetireV1(http.StatusGone); err != nil {
		fmt.Println(err)
		return
	}
	_, err := srv.Client().Destinations.List(ctx, connectlinks.ListOptions{})
	fmt.Println("V1 is gone:", errors.Is(err, connectlinks.ErrNotFound))
	_, err = srv.PersonalClient().Activations.List(ctx, connectlinks.ListOptions{})
	fmt.Println("V2 continues:", err == nil)
	// Output:
	// V1 is gone: true
	// V2 continues: true
}

// One customer connected HubSpot earlier. The requests of the other customer fail.
func ExampleServer_AddConnection() {
	ctx := context.Background()
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	acme := srv.AddWorkspace("Acme")
	_, err := srv.AddConnection(connectlinkstest.Seed{
		Kind: connectlinkstest.KindDestination, Type: "hubspot", WorkspaceID: acme.ID,
	})
	if err == nil {
		err = srv.Fail(connectlinkstest.Failure{Token: srv.Token(), Status: http.StatusForbidden})
	}
	if err != nil {
		fmt.Println(err)
		return
	}

	theirs, err := srv.Client(connectlinks.WithToken(acme.Token)).Destinations.List(ctx, connectlinks.ListOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(theirs.Items[0].Name)
	fmt.Println("unfired:", len(srv.Unfired()))
	_, err = srv.Client().Destinations.List(ctx, connectlinks.ListOptions{})
	fmt.Println("forbidden:", errors.Is(err, connectlinks.ErrForbidden))
	fmt.Println("unfired:", len(srv.Unfired()))
	// Output:
	// HubSpot
	// unfired: 1
	// forbidden: true
	// unfired: 0
}

// The server recorded the request, and whose token it had.
func ExampleServer_Requests() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	_, err := srv.Client().Sources.Get(context.Background(), 7)
	fmt.Println(errors.Is(err, connectlinks.ErrNotFound))
	for _, r := range srv.Requests() {
		fmt.Println(r.Caller, r.Method, r.Path, r.Status)
	}
	// Output:
	// true
	// Sandbox GET /api/v1/sources/7 404
}

// A customer enters a wrong key on the hosted page, and tries again. No browser is needed.
func Example_hostedPage() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	link, err := srv.Client().Destinations.CreateConnectLink(context.Background(), connectlinks.CreateConnectLinkParams{
		Type: "klaviyo", RedirectURI: "https://app.example.com/connected",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, key := range []string{"wrong", "pk_123"} {
		resp, err := browser.PostForm(link.URL, url.Values{"action": {"connect"}, "field-api_key": {key}})
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = resp.Body.Close()
		fmt.Printf("%d %q\n", resp.StatusCode, resp.Header.Get("Location"))
	}
	fmt.Println("connected:", srv.Links()[0].Completed)
	// Output:
	// 422 ""
	// 303 "https://app.example.com/connected"
	// connected: true
}

// The pages have their own origin, and only one platform may embed them.
func ExampleWithPagesListener() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := connectlinkstest.NewServer(
		connectlinkstest.WithPagesListener(l),
		connectlinkstest.WithEmbedOrigins("https://app.example.com"),
	)
	defer srv.Close()
	link, err := srv.Client().Sources.CreateConnectLink(context.Background(), connectlinks.CreateConnectLinkParams{Type: "postgres"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("with the API:", strings.HasPrefix(link.URL, srv.URL))
	fmt.Println("with the pages:", strings.HasPrefix(link.URL, srv.PagesURL))
	// Output:
	// with the API: false
	// with the pages: true
}

// Code that uses the real API's address reaches the server.
func ExampleServer_Transport() {
	srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
	defer srv.Close()
	client, err := connectlinks.NewClient(
		connectlinks.WithToken(srv.Token()),
		connectlinks.WithBaseURL(connectlinks.BaseURLEU),
		connectlinks.WithHTTPClient(&http.Client{Transport: srv.Transport()}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	workspace, err := client.Workspaces.Current(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(workspace.Name)
	// Output: Sandbox
}

// In a bubble of testing/synctest an hour passes at once. The test has no output.
func ExampleWithoutListener() {
	testPatience := func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
			defer srv.Close()
			client := srv.Client()
			link, err := client.Sources.CreateConnectLink(t.Context(), connectlinks.CreateConnectLinkParams{Type: "postgres"})
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Hour, func() {
				if _, err := srv.Complete(link.ID); err != nil {
					t.Error(err)
				}
			})
			if _, err := client.Sources.WaitForConnection(t.Context(), link.ID); err != nil {
				t.Error(err)
			}
		})
	}
	_ = testPatience
}

// A program in another language uses the levers over HTTP.
func ExampleWithControl() {
	srv := connectlinkstest.NewServer(connectlinkstest.WithControl())
	defer srv.Close()
	link, err := srv.Client().Destinations.CreateConnectLink(context.Background(), connectlinks.CreateConnectLinkParams{Type: "hubspot"})
	if err != nil {
		fmt.Println(err)
		return
	}

	resp, err := http.Post(fmt.Sprintf("%s/_sandbox/links/%d/complete", srv.URL, link.ID), "application/json", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, "completed:", srv.Links()[0].Completed)
	// Output: 200 completed: true
}

// The API allows one request in 100 seconds for each token.
func ExampleServer_RateLimit() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	if err := srv.RateLimit(0.01); err != nil {
		fmt.Println(err)
		return
	}
	client := srv.Client()
	for range 2 {
		_, err := client.Workspaces.Current(context.Background())
		fmt.Println("rate limited:", errors.Is(err, connectlinks.ErrRateLimited))
	}
	// Output:
	// rate limited: false
	// rate limited: true
}

// Several tests share a server.
func ExampleServer_Reset() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()
	ctx := context.Background()
	for range 2 {
		if _, err := client.Sources.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "postgres"}); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("links:", len(srv.Links()))
		srv.Reset() // the client's token stays valid
	}
	// Output:
	// links: 1
	// links: 1
}

// At its end, a test checks that every failure has happened. Here one has not, because the
// client never lists sources.
func ExampleServer_Unfired() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	err := srv.Fail(
		connectlinkstest.Failure{Route: connectlinkstest.RouteGetCurrentWorkspace, Status: http.StatusForbidden},
		connectlinkstest.Failure{Route: connectlinkstest.RouteListSources, Status: http.StatusBadGateway, Times: 3},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = srv.Client().Workspaces.Current(context.Background())
	fmt.Println("forbidden:", errors.Is(err, connectlinks.ErrForbidden))
	for _, failure := range srv.Unfired() {
		fmt.Println("unfired:", failure.Route, failure.Times)
	}
	// Output:
	// forbidden: true
	// unfired: GET /api/v1/sources 3
}
