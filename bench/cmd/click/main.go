// Click measures what a customer waits for after a click on Connect, in round trips to an API that
// is far away: on a cold connection, on an open one, and after Client.Warm through
// connectlinksweb.Start, as a browser uses it. Beside it stands hand-written net/http.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/bench"
	"github.com/connectlinks/connectlinks-go/connectlinksweb"
)

var (
	rounds    = flag.Int("rounds", 30, "how often each is measured")
	roundTrip = flag.Duration("rtt", 50*time.Millisecond, "the round trip to the API")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	fmt.Printf("A round trip takes %s; medians of %d, in round trips.\n\n", *roundTrip, *rounds)
	fmt.Println("| | cold | second call | after Warm, through Start |")
	fmt.Println("|---|--:|--:|--:|")
	for _, http2 := range []bool{false, true} {
		server, err := bench.NewFar(http2, *roundTrip)
		if err != nil {
			log.Fatal(err)
		}
		protocol := map[bool]string{false: "HTTP/1.1", true: "HTTP/2"}[http2]
		if err := measureSDK(server.URL, protocol); err != nil {
			log.Fatal(err)
		}
		if err := measureByHand(server.URL, protocol); err != nil {
			log.Fatal(err)
		}
		if err := server.Close(); err != nil {
			log.Fatal(err)
		}
	}
}

func measureSDK(url, protocol string) error {
	client, err := connectlinks.NewClient(connectlinks.WithToken(bench.Token), connectlinks.WithBaseURL(url),
		connectlinks.WithHTTPClient(&http.Client{Transport: bench.FarTransport(connectlinks.NewTransport(), *roundTrip)}))
	if err != nil {
		return err
	}
	create := func() error {
		_, err := client.Destinations.CreateConnectLink(context.Background(), bench.Params)
		return err
	}
	mint := func(_ http.ResponseWriter, r *http.Request) (connectlinks.ConnectLink, error) {
		link, err := client.Destinations.CreateConnectLink(r.Context(), bench.Params)
		if err != nil {
			return connectlinks.ConnectLink{}, err
		}
		return link.ConnectLink, nil
	}
	platform := httptest.NewServer(connectlinksweb.Start(mint, connectlinksweb.WithWarm(client.Warm)))
	defer platform.Close()
	browser := platform.Client()
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	var cold, second, warm []time.Duration
	for range *rounds {
		client.CloseIdleConnections()
		if cold, err = measure(cold, create); err != nil {
			return err
		}
		if second, err = measure(second, create); err != nil {
			return err
		}
		client.CloseIdleConnections()
		if err := visit(browser, http.MethodGet, platform.URL, http.StatusOK); err != nil { // the page, and Warm
			return err
		}
		time.Sleep(10 * *roundTrip) // the customer looks at the page
		if warm, err = measure(warm, func() error {
			return visit(browser, http.MethodPost, platform.URL, http.StatusSeeOther)
		}); err != nil {
			return err
		}
	}
	fmt.Printf("| SDK, %s | %s | %s | %s |\n", protocol, median(cold), median(second), median(warm))
	return nil
}

func measureByHand(url, protocol string) error {
	transport := bench.FarTransport(bench.Tuned(), *roundTrip)
	byHand := bench.NewBare(transport, url, bench.Token)
	create := func() error {
		_, err := byHand.CreateConnectLink(context.Background(), bench.Params)
		return err
	}
	var cold, second []time.Duration
	var err error
	for range *rounds {
		transport.CloseIdleConnections()
		if cold, err = measure(cold, create); err != nil {
			return err
		}
		if second, err = measure(second, create); err != nil {
			return err
		}
	}
	fmt.Printf("| by hand, %s | %s | %s | |\n", protocol, median(cold), median(second))
	return nil
}

// visit sends a request as a browser does, and reads the answer to its end.
func visit(browser *http.Client, method, url string, want int) error {
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Accept", "text/html")
	resp, err := browser.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != want {
		return fmt.Errorf("%s: %s", method, resp.Status)
	}
	return nil
}

func measure(times []time.Duration, f func() error) ([]time.Duration, error) {
	start := time.Now()
	err := f()
	return append(times, time.Since(start)), err
}

func median(times []time.Duration) string {
	return fmt.Sprintf("%.2f", float64(slices.Sorted(slices.Values(times))[len(times)/2])/float64(*roundTrip))
}
