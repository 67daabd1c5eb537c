package connectlinksweb_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/connectlinksweb"
)

// session is what a platform remembers of a customer.
type session struct {
	mu     sync.Mutex
	linkID int64
}

// open is the session's link if the customer can still use it.
func (s *session) open(ctx context.Context, client *connectlinks.Client) (*connectlinks.DestinationConnectLink, bool) {
	if s.linkID == 0 {
		return nil, false
	}
	link, err := client.Destinations.GetConnectLink(ctx, s.linkID)
	return link, err == nil && !link.Expired && !link.Revoked && link.DestinationID == 0
}

// Both handlers, and what a customer does with them.
func Example() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()
	customer := &session{} // looked up by a cookie in real life

	mux := http.NewServeMux()
	mux.Handle("/connect/hubspot", connectlinksweb.Start(func(_ http.ResponseWriter, r *http.Request) (connectlinks.ConnectLink, error) {
		customer.mu.Lock() // two clicks, one link
		defer customer.mu.Unlock()
		if link, ok := customer.open(r.Context(), client); ok {
			return link.ConnectLink, nil
		}
		link, err := client.Destinations.CreateConnectLink(r.Context(), connectlinks.CreateConnectLinkParams{
			Type:        "hubspot",
			RedirectURI: "https://platform.example/connected",
		})
		if err != nil {
			return connectlinks.ConnectLink{}, err
		}
		customer.linkID = link.ID
		return link.ConnectLink, nil
	}, connectlinksweb.WithTitle("Connect HubSpot"), connectlinksweb.WithBack("/integrations")))

	mux.Handle("/connected", connectlinksweb.Return(func(_ http.ResponseWriter, r *http.Request) error {
		_, err := client.Destinations.WaitForConnection(r.Context(), customer.linkID)
		return err
	}, http.RedirectHandler("/integrations", http.StatusSeeOther), connectlinksweb.WithBack("/integrations")))

	visit := func(method, path string) *http.Response {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Result()
	}
	fmt.Println("a mail scanner:", visit("GET", "/connect/hubspot").StatusCode, "links:", len(srv.Links()))
	fmt.Println("the click:", visit("POST", "/connect/hubspot").StatusCode, "links:", len(srv.Links()))
	fmt.Println("once more:", visit("POST", "/connect/hubspot").StatusCode, "links:", len(srv.Links()))

	if _, err := srv.Complete(srv.Links()[0].ConnectLink.ID); err != nil {
		fmt.Println(err)
	}
	fmt.Println("back:", visit("GET", "/connected").StatusCode, visit("GET", "/connected").Header.Get("Location"))
	// Output:
	// a mail scanner: 200 links: 0
	// the click: 303 links: 1
	// once more: 303 links: 1
	// back: 303 /integrations
}

// A page that embeds a link, and the policy that lets it.
func ExampleElement() {
	link := connectlinks.ConnectLink{Type: "hubspot", URL: "https://app.getcensus.com/pbc?auth=example"}
	page := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", "script-src 'self'; frame-src "+connectlinksweb.FrameOrigin(link))
		fmt.Fprintf(w, "<script src=%q defer></script>\n%s", connectlinksweb.ScriptURL("/connect-link.js"), connectlinksweb.Element(link))
	}
	w := httptest.NewRecorder()
	page(w, httptest.NewRequest("GET", "/embed", nil))
	fmt.Println(w.Header().Get("Content-Security-Policy"))
	fmt.Println(connectlinksweb.Element(link))
	// Output:
	// script-src 'self'; frame-src https://app.getcensus.com
	// <connect-link src="https://app.getcensus.com/pbc?auth=example" title="Connect hubspot"><a href="https://app.getcensus.com/pbc?auth=example" rel="noreferrer">Connect hubspot</a></connect-link>
}

// A front end asks for the link as JSON, and sets the element's src to its uri.
func ExampleStart_json() {
	h := connectlinksweb.Start(func(http.ResponseWriter, *http.Request) (connectlinks.ConnectLink, error) {
		return connectlinks.ConnectLink{
			ID: 469, Type: "hubspot", URL: "https://app.getcensus.com/pbc?auth=example",
			ExpiresAt: time.Date(2026, 7, 22, 23, 42, 47, 0, time.UTC),
		}, nil
	})
	r := httptest.NewRequest("POST", "/connect/hubspot", nil)
	r.Header.Set("Accept", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Print(w.Code, " ", w.Body)
	// Output:
	// 200 {"id":469,"type":"hubspot","uri":"https://app.getcensus.com/pbc?auth=example","expiration":"2026-07-22T23:42:47Z","expired":false,"revoked":false}
}

// The script at an address that browsers may keep for a year.
func ExampleScript() {
	mux := http.NewServeMux()
	mux.Handle("GET /connect-link.js", connectlinksweb.Script())
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", connectlinksweb.ScriptURL("/connect-link.js"), nil))
	fmt.Println(w.Header().Get("Cache-Control"))
	// Output: public, max-age=31536000, immutable
}

// A handler per request, where the title depends on it.
func ExampleWithTitle() {
	mux := http.NewServeMux()
	mux.HandleFunc("/connect/{type}", func(w http.ResponseWriter, r *http.Request) {
		mint := func(_ http.ResponseWriter, r *http.Request) (connectlinks.ConnectLink, error) {
			return connectlinks.ConnectLink{URL: "https://app.getcensus.com/pbc?auth=" + r.PathValue("type")}, nil
		}
		connectlinksweb.Start(mint, connectlinksweb.WithTitle("Connect "+r.PathValue("type"))).ServeHTTP(w, r)
	})
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/connect/braze", nil))
	fmt.Println(w.Code, strings.Contains(w.Body.String(), "<h1>Connect braze</h1>"))
	// Output: 200 true
}
