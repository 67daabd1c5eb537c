package otelconnectlinks_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// redirectSecret is in the redirect URI of links that tests make.
const redirectSecret = "Rq5mWz8tBn2xLd9v"

// checkNoSecret checks that seen was told neither the token, nor the secret of a link, nor the
// one in a redirect URI.
func checkNoSecret(t *testing.T, seen *telemetry) {
	t.Helper()
	dump := seen.dump(t)
	require.Contains(t, dump, "http.request.method")
	for _, secret := range []string{testkit.TokenSecret, testkit.LinkSecret, redirectSecret} {
		assert.False(t, contains(dump, secret), secret)
	}
}

// contains looks for a secret, however it may be spelled.
func contains(text, secret string) bool {
	return strings.Contains(strings.ToLower(testkit.Decoded(text)), strings.ToLower(secret))
}

// quote is what broken servers answer: all that they were sent, and more.
const quote = testkit.LinkURL + "&token=" + testkit.TokenSecret + " " + redirectSecret

// raw answers with these bytes, whatever they are.
func raw(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn := testkit.Hijack(w)
		defer conn.Close()
		_, _ = io.WriteString(conn, answer)
	}
}

// witness is a transport that writes down all that a transport around it gets to see.
type witness struct {
	base http.RoundTripper
	mu   sync.Mutex
	saw  strings.Builder
}

func (w *witness) write(args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintln(&w.saw, args...)
}

func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.base.RoundTrip(r)
	if err != nil {
		w.write(err)
		return resp, err
	}
	w.write(resp.Status, resp.Header)
	resp.Body = &witnessedBody{resp.Body, w}
	return resp, err
}

type witnessedBody struct {
	io.ReadCloser
	*witness
}

func (b *witnessedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.write(string(p[:n]), err)
	return n, err
}

// certificateFor makes a certificate for a name.
func certificateFor(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Servers quote what they were sent, and net/http quotes servers.
func TestServersThatQuoteSecrets(t *testing.T) {
	t.Parallel()
	serve := func(h http.Handler) func(*testing.T) (string, *http.Transport) {
		return func(t *testing.T) (string, *http.Transport) {
			srv := testkit.Unstarted(t, h)
			srv.Start()
			return srv.URL, connectlinks.NewTransport()
		}
	}
	for name, test := range map[string]struct {
		start func(t *testing.T) (origin string, transport *http.Transport)
		want  string // error.type of the request
	}{
		"in the body":               {serve(testkit.Answer(http.StatusBadRequest, "application/json", `{"status":400,"message":"`+quote+`"}`)), "400"},
		"in a body that is cut off": {serve(raw("HTTP/1.1 201 Created\r\nContent-Length: 9999\r\n\r\n" + quote)), "connection_closed"},
		"in a header": {serve(testkit.Answer(http.StatusUnprocessableEntity, "text/plain", "no",
			"X-Request-Id", quote, "WWW-Authenticate", "Bearer "+quote, "Set-Cookie", "a="+testkit.LinkSecret)), "422"},
		"in a header that is none":   {serve(raw("HTTP/1.1 201 Created\r\n" + testkit.LinkSecret + "\r\n\r\n")), "_OTHER"},
		"in the status line":         {serve(raw("HTTP/1.1 500 " + quote + "\r\nContent-Length: 0\r\n\r\n")), "500"},
		"in a status line of no use": {serve(raw("HTTP/1.1 " + quote + "\r\n\r\n")), "_OTHER"},
		"in a redirect":              {serve(http.RedirectHandler(testkit.LinkURL+"&token="+url.QueryEscape(testkit.Token), http.StatusFound)), ""},
		"in a certificate": {func(t *testing.T) (string, *http.Transport) {
			srv := testkit.Unstarted(t, http.NotFoundHandler())
			srv.TLS = testkit.ServerTLS(certificateFor(t, strings.ToLower(testkit.LinkSecret)+".example"), false)
			srv.StartTLS()
			tr := connectlinks.NewTransport()
			tr.TLSClientConfig = &tls.Config{ServerName: testkit.Host}
			return srv.URL, tr
		}, "tls"},
		"by the proxy": {func(t *testing.T) (string, *http.Transport) {
			proxy := testkit.Unstarted(t, raw("HTTP/1.1 407 "+quote+"\r\n\r\n"))
			proxy.Start()
			at, err := url.Parse(proxy.URL)
			require.NoError(t, err)
			tr := connectlinks.NewTransport()
			tr.Proxy = http.ProxyURL(at)
			return testkit.Origin, tr
		}, "_OTHER"},
		"when the connection fails": {func(t *testing.T) (string, *http.Transport) {
			at, err := url.Parse("socks5://" + testkit.LinkSecret + ".invalid:1")
			require.NoError(t, err)
			tr := connectlinks.NewTransport()
			tr.Proxy = http.ProxyURL(at)
			return testkit.Origin, tr
		}, "dns"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := newTelemetry()
			origin, tr := test.start(t)
			w := &witness{base: tr}
			t.Cleanup(tr.CloseIdleConnections)
			c := seen.client(t, w, connectlinks.WithBaseURL(origin+testkit.BasePath), testkit.NoRetries)
			for _, do := range []func() error{
				func() error { _, err := c.Sources.CreateConnectLink(t.Context(), create); return err },
				func() error { _, err := c.Activations.Get(t.Context(), testkit.LinkSecret); return err },
			} {
				require.Error(t, do())
			}
			assert.True(t, contains(w.saw.String(), testkit.LinkSecret), "there was something to hide")

			spans := seen.ended()
			require.Len(t, spans, 4)
			for i := 0; i < len(spans); i += 2 {
				failure, _ := values(spans[i].Attributes)["error.type"].(string)
				assert.Equal(t, test.want, failure)
				assert.Empty(t, spans[i].Events)
				assert.Empty(t, spans[i].Status.Description)
			}
			checkNoSecret(t, seen)
		})
	}
}
