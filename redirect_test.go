package connectlinks_test

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
)

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
					testkit.ClientAt(t, srv.URL, tr, testkit.NoRetries),
					testkit.ClientAt(t, srv.URL, tr, testkit.NoRetries, connectlinks.WithHTTPClient(eager)),
				}
				for i, status := range redirects {
					var header []string
					if location != "" {
						header = []string{"Location", location}
					}
					answer := testkit.Answer(status, "text/html", testkit.HTML, header...)
					for j, op := range testkit.Representative() {
						checkRedirect(t, clients[(i+j)%2], api, status, answer, op)
					}
				}
				assert.Zero(t, reached.Load(), "requests that reached the target")
			})
		}
	}
}

var redirects = []int{301, 302, 303, 307, 308}

// checkRedirect makes a call that is answered with a redirect.
func checkRedirect(t *testing.T, c *connectlinks.Client, api *testkit.API, status int, answer http.HandlerFunc, op testkit.Call) {
	t.Helper()
	api.BeginAlways(testkit.Instead(answer))
	id, err := op.LinkID(t.Context(), c)
	// A server may answer a POST that it carried out with a 303.
	testkit.Error{Status: status, Unknown: op.Creates && status == http.StatusSeeOther}.Check(t, err, op)
	assert.Zero(t, id, op.Name)
	api.CheckSeen(t, op, 1, 0)
}

// A redirect is an answer: the call is not sent again, retries or not.
func TestRedirectsAreNotRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewNetwork(t, false)
		c := n.Client(t)
		for _, status := range redirects {
			for _, op := range testkit.LinkCalls() {
				checkRedirect(t, c, n.API, status, testkit.Answer(status, "", "", "Location", "https://other.test/"), op)
			}
		}
		assert.NotContains(t, n.Dialed(), "other.test:443")
	})
}
