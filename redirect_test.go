package connectlinks_test

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
)

// A redirect is an answer: the SDK does not follow it, and does not send the call again.
func TestRedirectsAreRefused(t *testing.T) {
	t.Parallel()
	var reached atomic.Int64
	target := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	other, _ := testkit.Serve(t, target, false)
	plain := testkit.Unstarted(t, target)
	plain.Start()

	locations := map[string]string{
		"another host":        "https://other.test/api/v1/destination_connect_links",
		"another port":        other.URL + "/stolen",
		"https to http":       plain.URL + "/stolen",
		"the host by name":    "//other.test/stolen",
		"the same host":       testkit.BasePath + "/api/v1/moved",
		"no location":         "",
		"no readable address": "https://[::1",
	}
	for _, proto := range []string{"HTTP/1.1", "HTTP/2", "without TLS"} {
		for name, location := range locations {
			t.Run(proto+", "+name, func(t *testing.T) {
				t.Parallel()
				api := testkit.NewAPI()
				srv := testkit.Unstarted(t, api)
				if srv.EnableHTTP2 = proto == "HTTP/2"; proto == "without TLS" {
					srv.Start()
				} else {
					srv.StartTLS()
				}
				tr := &http.Transport{
					TLSClientConfig:   testkit.ClientTLS(),
					ForceAttemptHTTP2: proto == "HTTP/2",
					DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
						if addr == "other.test:443" {
							addr = other.Listener.Addr().String()
						}
						return (&net.Dialer{}).DialContext(ctx, network, addr)
					},
				}
				// The caller's client follows every redirect.
				eager := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
				clients := []*connectlinks.Client{
					testkit.ClientAt(t, srv.URL, tr),
					testkit.ClientAt(t, srv.URL, tr, connectlinks.WithHTTPClient(eager)),
				}
				for i, status := range []int{301, 302, 303, 307, 308} {
					var header []string
					if location != "" {
						header = []string{"Location", location}
					}
					for j, op := range testkit.Representative() {
						api.BeginAlways(testkit.Instead(testkit.Answer(status, "text/html", testkit.HTML, header...)))
						id, err := op.LinkID(t.Context(), clients[(i+j)%2])
						// A server may answer a POST that it carried out with a 303.
						testkit.Error{Status: status, Unknown: op.Creates && status == http.StatusSeeOther}.Check(t, err, op)
						assert.Zero(t, id, op.Name)
						api.CheckSeen(t, op, 1, 0)
					}
				}
				assert.Zero(t, reached.Load(), "requests that reached the target")
			})
		}
	}
}
