package connectlinks_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// One personal access token sees every group of the organization. A client of WithGroup sees
// one customer only.
func ExampleWithGroup() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	acme, birch := srv.AddWorkspace("Acme").GroupID, srv.AddWorkspace("Birch").GroupID
	org := srv.PersonalClient() // in your program: NewClient(WithToken(personalAccessToken))
	ctx := context.Background()

	customer, err := org.With(connectlinks.WithGroup(acme))
	if err != nil {
		log.Fatal(err)
	}
	link, err := customer.Activations.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{
		Type: "hubspot", // GroupID is the client's group
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("in Acme's group:", link.GroupID == acme)

	other, err := org.With(connectlinks.WithGroup(birch))
	if err != nil {
		log.Fatal(err)
	}
	_, err = other.Activations.GetConnectLink(ctx, link.ID)
	fmt.Println("not found by Birch:", errors.Is(err, connectlinks.ErrNotFound))
	// Output:
	// in Acme's group: true
	// not found by Birch: true
}

// A new activation needs the group of the source that it reads.
func ExampleActivationsService_GetSource() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.PersonalClient()
	ctx := context.Background()
	warehouse, err := srv.AddConnection(connectlinkstest.Seed{Kind: connectlinkstest.KindSource, Type: "snowflake"})
	if err != nil {
		log.Fatal(err)
	}

	source, err := client.Activations.GetSource(ctx, warehouse.ID)
	if err != nil {
		log.Fatal(err)
	}
	link, err := client.Activations.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{
		Type: "hubspot", GroupID: source.GroupID,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(source.Name, "to", link.Type)
	// Output: Snowflake to hubspot
}

// What has a customer connected, and does it work?
func ExampleActivationsService_List() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	customer := srv.PersonalClient(connectlinks.WithGroup(srv.Group()))
	if _, err := srv.AddConnection(connectlinkstest.Seed{Kind: connectlinkstest.KindActivation, Type: "hubspot"}); err != nil {
		log.Fatal(err)
	}

	page, err := customer.Activations.List(context.Background(), connectlinks.ListOptions{PerPage: 100})
	if err != nil {
		log.Fatal(err)
	}
	for _, activation := range page.Items {
		tested := activation.Destination.LastTestSucceeded // nil if it was never tested
		fmt.Println(activation.Name, "from", activation.Source.Name, "works:", tested != nil && *tested)
	}
	// Output: HubSpot from Warehouse works: true
}

// A customer leaves: revoke every live link of the group.
func ExampleActivationsService_AllConnectLinks() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	customer := srv.PersonalClient(connectlinks.WithGroup(srv.Group()))
	ctx := context.Background()
	for _, service := range []string{"hubspot", "salesforce"} {
		if _, err := customer.Activations.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{Type: service}); err != nil {
			log.Fatal(err)
		}
	}

	for link, err := range customer.Activations.AllConnectLinks(ctx, connectlinks.ListOptions{PerPage: 100}) {
		if err != nil {
			log.Fatal(err)
		}
		if !link.Live(time.Now()) {
			continue
		}
		if _, err := customer.Activations.RevokeConnectLink(ctx, link.ID); err != nil {
			log.Fatal(err)
		}
		fmt.Println("revoked the link for", link.Type)
	}
	// Output:
	// revoked the link for hubspot
	// revoked the link for salesforce
}

// A link was sent to the wrong person.
func ExampleActivationsService_RevokeConnectLink() {
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

	revoked, err := client.Activations.RevokeConnectLink(ctx, link.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("live:", revoked.Live(time.Now()))
	// Output: live: false
}

// The program stopped before it stored a link's id. It had stored the RedirectURI before it
// made the link.
func ExampleActivationsService_FindConnectLink() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.PersonalClient()
	ctx := context.Background()
	stored := "https://your-platform.example.com/connected/" + rand.Text()
	made, err := client.Activations.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{
		Type: "hubspot", GroupID: srv.Group(), RedirectURI: stored,
	})
	if err != nil {
		log.Fatal(err)
	}

	link, err := client.Activations.FindConnectLink(ctx, stored)
	switch {
	case errors.Is(err, connectlinks.ErrNotFound):
		fmt.Println("no link was made")
	case err != nil:
		log.Fatal(err)
	default:
		fmt.Println("found:", link.ID == made.ID)
	}
	// Output: found: true
}

// The customer's password has changed. On a link for the existing activation, the customer
// enters the new one.
func ExampleActivationsService_WaitForReauthorization() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.PersonalClient()
	ctx := context.Background()
	made, err := srv.AddConnection(connectlinkstest.Seed{Kind: connectlinkstest.KindActivation, Type: "hubspot"})
	if err != nil {
		log.Fatal(err)
	}

	before, err := client.Activations.Get(ctx, made.ActivationID)
	if err != nil {
		log.Fatal(err)
	}
	link, err := client.Activations.CreateReauthorizationLink(ctx, before.ID, connectlinks.CreateReauthorizationLinkParams{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := srv.Complete(link.ID); err != nil { // the customer
		log.Fatal(err)
	}
	after, err := client.Activations.WaitForReauthorization(ctx, link.ID, before.ID, before.Destination.LastTestedAt)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("it works:", *after.Destination.LastTestSucceeded)
	// Output: it works: true
}
