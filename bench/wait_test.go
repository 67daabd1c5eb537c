package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// activations is an API with so many activations in a list, and a link whose customer never
// finishes.
type activations struct {
	n      int
	lists  int    // requests for a page
	polled func() // called when a page is asked for
}

var epochStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (a *activations) RoundTrip(r *http.Request) (*http.Response, error) {
	body := `{"status":"success","data":{"id":1,"type":"hubspot","uri":"https://app.example.com/pbc?auth=x","group_id":"g"}}`
	if strings.HasSuffix(r.URL.Path, "/activations") {
		a.lists++
		body = a.page(r)
		a.polled()
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

func (a *activations) page(r *http.Request) string {
	query := r.URL.Query()
	page, _ := strconv.Atoi(query.Get("page"))
	page = max(page, 1)
	var items []string
	for i := (page - 1) * 100; i < min(page*100, a.n); i++ {
		made := i
		if query.Get("order") == "desc" {
			made = a.n - 1 - i
		}
		items = append(items, fmt.Sprintf(`{"id":"a%d","group_id":"h","destination_connection":{"id":%d,"type":"hubspot","created_at":%q}}`,
			made, made, epochStart.Add(time.Duration(made)*time.Second).Format(time.RFC3339)))
	}
	next := "null"
	if page*100 < a.n {
		next = strconv.Itoa(page + 1)
	}
	return fmt.Sprintf(`{"status":"success","data":[%s],"pagination":{"page":%d,"next_page":%s,"last_page":%d}}`,
		strings.Join(items, ","), page, next, (a.n+99)/100)
}

// How many requests a poll for an activation sends that is not there yet, and what they take. Every
// tenth poll reads all pages.
func BenchmarkWaitForActivation(b *testing.B) {
	for _, n := range []int{10, 1_000, 100_000} {
		b.Run("activations="+strconv.Itoa(n), func(b *testing.B) {
			api := &activations{n: n}
			client, err := Client(api)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				ctx, cancel := context.WithCancel(context.Background())
				api.polled = cancel // the wait ends with the pause after the first poll
				_, err := client.Activations.WaitForActivation(ctx, 1, epochStart.Add(time.Duration(n)*time.Second))
				if !errors.Is(err, context.Canceled) {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(api.lists)/float64(b.N), "lists/poll")
		})
	}
}
