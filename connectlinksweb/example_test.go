package connectlinksweb_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/connectlinksweb"
)

// session holds what a platform stores for a customer.
type session struct {
	mu      sync.Mutex
	linkIDs map[string]int64 // by the key in the link's RedirectURI
}

// open returns a link of the session that the customer can still use.
func (s *session) open(ctx context.Context, client *connectlinks.Client) (*connectlinks.DestinationConnectLink, bool) {
	for _, id := range s.linkIDs {
		link, err := client.Destinations.GetConnectLink(ctx, id)
		if err == nil && !link.Expired && !link.Revoked && link.DestinationID == 0 {
			return link, true
		}
	}
	return nil, false
}

func (s *session) linkID(key string) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok := s.linkIDs[key]
	return id, ok
}

// A customer clicks, connects, and returns.
func Example() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()
	customer := &session{linkIDs: map[string]int64{}} // a platform looks it up by a cookie

	mux := http.NewServeMux()
	mux.Handle("/connect/hubspot", connectlinksweb.Start(func(_ http.ResponseWriter, r *http.Request) (connectlinks.ConnectLink, error) {
		customer.mu.Lock() // so that two clicks make one link
		defer customer.mu.Unlock()
		if link, ok := customer.open(r.Context(), client); ok {
			return link.ConnectLink, nil
		}
		key := rand.Text()
		link, err := client.Destinations.CreateConnectLink(r.Context(), connectlinks.CreateConnectLinkParams{
			Type:           "hubspot",
			RedirectURI:    "https://platform.example/connected/" + key,
			UniqueRedirect: true,
		})
		if err != nil {
			return connectlinks.ConnectLink{}, err
		}
		customer.linkIDs[key] = link.ID
		return link.ConnectLink, nil
	}, connectlinksweb.WithTitle("Connect HubSpot"), connectlinksweb.WithBack("/integrations")))

	mux.Handle("/connected/{key}", connectlinksweb.Return(func(_ http.ResponseWriter, r *http.Request) error {
		id, ok := customer.linkID(r.PathValue("key"))
		if !ok {
			return connectlinksweb.ErrNoLink
		}
		_, err := client.Destinations.WaitForConnection(r.Context(), id)
		return err
	}, http.RedirectHandler("/integrations", http.StatusSeeOther), connectlinksweb.WithBack("/integrations"),
		connectlinksweb.WithLogger(slog.New(slog.DiscardHandler))))

	visit := func(method, address string) *http.Response {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(method, address, nil))
		return w.Result()
	}
	fmt.Println("a mail scanner:", visit("GET", "/connect/hubspot").StatusCode, "links:", len(srv.Links()))
	fmt.Println("the click:", visit("POST", "/connect/hubspot").StatusCode, "links:", len(srv.Links()))
	fmt.Println("once more:", visit("POST", "/connect/hubspot").StatusCode, "links:", len(srv.Links()))

	link := srv.Links()[0].ConnectLink
	if _, err := srv.Complete(link.ID); err != nil {
		fmt.Println(err)
	}
	fmt.Println("back:", visit("GET", link.RedirectURI).StatusCode, visit("GET", link.RedirectURI).Header.Get("Location"))
	fmt.Println("a guess:", visit("GET", "/connected/guess").StatusCode)
	// Output:
	// a mail scanner: 200 links: 0
	// the click: 303 links: 1
	// once more: 303 links: 1
	// back: 303 /integrations
	// a guess: 404
}

// The customer returns from a link of API V2. The session holds the link's id, and its
// CreatedAt for the wait.
func ExampleReturn() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	customer := srv.PersonalClient(connectlinks.WithGroup(srv.Group()))
	link, err := customer.Activations.CreateConnectLink(context.Background(), connectlinks.CreateActivationConnectLinkParams{Type: "hubspot"})
	if err != nil {
		fmt.Println(err)
		return
	}
	session := map[string]connectlinks.ConnectLink{"key-of-this-link": link.ConnectLink}

	check := func(_ http.ResponseWriter, r *http.Request) error {
		link, ok := session[r.PathValue("key")]
		if !ok {
			return connectlinksweb.ErrNoLink
		}
		_, err := customer.Activations.WaitForActivation(r.Context(), link.ID, link.CreatedAt)
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/connected/{key}", connectlinksweb.Return(check, http.RedirectHandler("/integrations", http.StatusSeeOther)))

	if _, err := srv.Complete(link.ID); err != nil { // the customer
		fmt.Println(err)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/connected/key-of-this-link", nil))
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output: 303 /integrations
}

// The page with the button opens a connection to the API, so that the click does not wait for
// it.
func ExampleWithWarm() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	client := srv.Client()
	mint := func(_ http.ResponseWriter, r *http.Request) (connectlinks.ConnectLink, error) {
		link, err := client.Destinations.CreateConnectLink(r.Context(), connectlinks.CreateConnectLinkParams{Type: "hubspot"})
		if err != nil {
			return connectlinks.ConnectLink{}, err
		}
		return link.ConnectLink, nil
	}
	start := connectlinksweb.Start(mint, connectlinksweb.WithWarm(client.Warm))

	for _, method := range []string{"GET", "POST"} { // the page, then the click
		w := httptest.NewRecorder()
		start.ServeHTTP(w, httptest.NewRequest(method, "/connect/hubspot", nil))
		fmt.Println(method, w.Code)
	}
	for _, r := range srv.Requests() {
		fmt.Println("the API got", r.Method, r.Path)
	}
	// Output:
	// GET 200
	// POST 303
	// the API got HEAD /
	// the API got POST /api/v1/destination_connect_links
}

// A handler of the platform answers errors of the SDK like Start and Return.
func ExampleError() {
	srv := connectlinkstest.NewServer()
	defer srv.Close()
	if err := srv.Fail(connectlinkstest.Failure{
		Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"30"}},
	}); err != nil {
		fmt.Println(err)
		return
	}
	client := srv.Client()
	integrations := func(w http.ResponseWriter, r *http.Request) {
		page, err := client.Destinations.List(r.Context(), connectlinks.ListOptions{})
		if err != nil {
			connectlinksweb.Error(w, r, err, connectlinksweb.WithBack("/"),
				connectlinksweb.WithLogger(slog.New(slog.DiscardHandler))) // the default is slog.Default
			return
		}
		fmt.Fprint(w, len(page.Items))
	}

	r := httptest.NewRequest("GET", "/integrations", nil)
	r.Header.Set("Accept", "application/json")
	w := httptest.NewRecorder()
	integrations(w, r)
	fmt.Print(w.Code, " ", w.Body)
	// Output: 429 {"status":429,"message":"We have to wait before we can go on. Please try again in 30 seconds.","retry_after":30}
}

// A page embeds a link, with a Content-Security-Policy that allows it.
func ExampleElement() {
	link := connectlinks.ConnectLink{Type: "hubspot", URL: "https://app.getcensus.com/pbc?auth=example"}
	page := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy",
			"script-src 'self'; frame-src "+connectlinksweb.FrameOrigin(link))
		fmt.Fprintf(w, "<script src=%q defer></script>\n%s",
			connectlinksweb.ScriptURL("/connect-link.js"), connectlinksweb.Element(link))
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

// A page loads the script from an address that browsers may keep for a year.
func ExampleScript() {
	mux := http.NewServeMux()
	mux.Handle("GET /connect-link.js", connectlinksweb.Script())
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", connectlinksweb.ScriptURL("/connect-link.js"), nil))
	fmt.Println(w.Header().Get("Cache-Control"))
	// Output: public, max-age=31536000, immutable
}

// The language depends on the customer, so Start is called for each request.
func ExampleWithTexts() {
	german := connectlinksweb.Texts{
		Lang:     "de",
		Start:    connectlinksweb.Text{Title: "Konto verbinden", Message: "Sie fahren auf einer sicheren Seite fort und kommen danach hierher zurück."},
		Continue: "Weiter", OneMoment: "Einen Moment…", Back: "Zurück",
		TryAgainIn: func(pause time.Duration) string {
			return fmt.Sprintf("Bitte versuchen Sie es in %.0f Sekunden noch einmal.", math.Ceil(pause.Seconds()))
		},
		// and so on: empty fields stay English
	}
	mint := func(http.ResponseWriter, *http.Request) (connectlinks.ConnectLink, error) {
		return connectlinks.ConnectLink{URL: "https://app.getcensus.com/pbc?auth=example"}, nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/connect/hubspot", func(w http.ResponseWriter, r *http.Request) {
		var texts connectlinksweb.Texts
		if strings.HasPrefix(r.Header.Get("Accept-Language"), "de") {
			texts = german
		}
		connectlinksweb.Start(mint, connectlinksweb.WithTexts(texts)).ServeHTTP(w, r)
	})
	r := httptest.NewRequest("GET", "/connect/hubspot", nil)
	r.Header.Set("Accept-Language", "de-CH")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "<html") || strings.HasPrefix(line, "<h1") || strings.HasPrefix(line, "<button") {
			fmt.Print(line)
		}
	}
	// Output:
	// <html lang="de">
	// <h1>Konto verbinden</h1>
	// <button id="connectlink-start" type="submit" data-pressed="Einen Moment…">Weiter</button>
}

// The title depends on the request, so Start is called for each request.
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
