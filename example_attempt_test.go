package connectlinks_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// printing is a transport that prints each request. It names the route, and no id.
type printing struct{ next http.RoundTripper }

func (t printing) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if attempt, ok := connectlinks.AttemptFromContext(r.Context()); ok && err == nil {
		fmt.Println(attempt.Method, attempt.Route, "sent before:", attempt.Resend, "status:", resp.StatusCode)
	}
	return resp, err
}

func ExampleAttemptFromContext() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client, err := connectlinks.NewClient(
		connectlinks.WithToken(srv.Token()),
		connectlinks.WithBaseURL(srv.URL),
		connectlinks.WithHTTPClient(&http.Client{Transport: printing{connectlinks.NewTransport()}}),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseIdleConnections()

	_, err = client.Destinations.Get(context.Background(), 7)
	fmt.Println(errors.Is(err, connectlinks.ErrNotFound))
	// Output:
	// GET /api/v1/destinations/{destination_id} sent before: 0 status: 404
	// true
}
