package httpx_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/internal/httpx"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"https://example.com", "http://localhost:3000/path?x=y", "HTTPS://Example.com/a%2Fb#c", "http://[::1]:8080/", "https://example.com:65535",
		"https://xn--bcher-kva.example/", "https://bücher.example/ü?q=ö",
	} {
		u, reason := httpx.ParseURL(raw)
		assert.Empty(t, reason, raw)
		assert.NotNil(t, u, raw)
	}
	for raw, want := range map[string]string{
		"":                           "absolute",
		"example.com":                "absolute",
		"/path":                      "absolute",
		"//example.com/path":         "absolute",
		"ftp://example.com":          "absolute",
		"file:///etc/passwd":         "absolute",
		"localhost:3000":             "absolute",
		"acme://done":                "absolute",
		"data:text/html,x":           "absolute",
		"javascript:alert(1)":        "absolute",
		"https:":                     "no host",
		"https:example.com":          "no host",
		"https:///path":              "no host",
		"https://:443":               "no host",
		"https://u@example.com":      "credentials",
		"https://u:p@example.com":    "credentials",
		"https://@example.com":       "credentials",
		"https://example.com:0":      "port",
		"https://example.com:x":      "not a URL",
		"https://example.com:-1":     "not a URL",
		"https://example.com:65536":  "port",
		"https://exa mple.com":       "blank",
		" https://example.com":       "blank",
		"https://[::1%25eth0]":       "zone",
		"https://example.com\n":      "control",
		"https://e.com/\r\nX: y":     "control",
		"https://example.com/\u0085": "control",
		"https://example.com/\x00":   "control",
		"https://example.com/\x7f":   "control",
		"https://example.com/%zz":    "not a URL",
		"https://[::1":               "not a URL",
	} {
		u, reason := httpx.ParseURL(raw)
		assert.Nil(t, u, raw)
		assert.Contains(t, reason, want, raw)
	}
}

func TestParseBaseURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://app.getcensus.com":          "https://app.getcensus.com",
		"https://app.getcensus.com/":         "https://app.getcensus.com",
		"https://app.getcensus.com//":        "https://app.getcensus.com",
		"https://app.getcensus.com/api/v1":   "https://app.getcensus.com",
		"https://app.getcensus.com/api/v1/":  "https://app.getcensus.com",
		"https://app.getcensus.com/api/v2":   "https://app.getcensus.com",
		"https://app.getcensus.com/api/v2/":  "https://app.getcensus.com",
		"https://app.getcensus.com/api/v3":   "https://app.getcensus.com/api/v3",
		"https://app.getcensus.com/xapi/v1":  "https://app.getcensus.com/xapi/v1",
		"https://proxy.example/census":       "https://proxy.example/census",
		"https://proxy.example/census/":      "https://proxy.example/census",
		"https://proxy.example/a%2Fb/api/v1": "https://proxy.example/a%2Fb",
		"https://proxy.example/a;b/c":        "https://proxy.example/a;b/c",
		"http://localhost":                   "http://localhost",
		"http://LocalHost:80":                "http://localhost:80",
		"http://127.0.0.1:8080":              "http://127.0.0.1:8080",
		"http://127.0.0.5":                   "http://127.0.0.5",
		"http://127.255.255.254":             "http://127.255.255.254",
		"http://[::1]:8080/":                 "http://[::1]:8080",
	} {
		u, reason := httpx.ParseBaseURL(raw, false)
		require.Empty(t, reason, raw)
		assert.Equal(t, want, u.String(), raw)
	}
	for raw, want := range map[string]string{
		"https://example.com?":              "query",
		"https://example.com?a=b":           "query",
		"https://example.com#":              "fragment",
		"https://example.com/#a":            "fragment",
		"http://example.com":                "loopback",
		"http://localhost.":                 "loopback",
		"http://localhost.evil.com":         "loopback",
		"http://xlocalhost":                 "loopback",
		"http://127.0.0.1.evil.com":         "loopback",
		"http://127.evil.com":               "loopback",
		"http://127.0.0.1.":                 "loopback",
		"http://127.1":                      "loopback",
		"http://2130706433":                 "loopback",
		"http://0177.0.0.1":                 "loopback",
		"http://128.0.0.1":                  "loopback",
		"http://0.0.0.0":                    "loopback",
		"http://10.0.0.1":                   "loopback",
		"http://[::]":                       "loopback",
		"http://[::2]":                      "loopback",
		"http://[fe80::1]":                  "loopback",
		"http://[::ffff:10.0.0.1]":          "loopback",
		"http://localhost@example.com":      "credentials",
		"http://127.0.0.1:80@example.com":   "credentials",
		"http://127.0.0.1\\@example.com":    "",
		"http://example.com\\.127.0.0.1":    "",
		"http://127.0.0.1%2eevil.com":       "",
		"http://127.0.0.1\u3002evil.com":    "loopback",
		"http://127.0.0.1\u200b":            "loopback",
		"http://\uff11\uff12\uff17.0.0.1":   "loopback",
		"http://localhost\u0000.evil.com":   "control",
		"http://localhost\t.evil.com":       "blank",
		"http://localhost/\u00a0":           "blank",
		"http://localhost:80:80":            "",
		"http://localhost,evil.com":         "",
		"http://localhost/../..//evil.com#": "fragment",
	} {
		u, reason := httpx.ParseBaseURL(raw, false)
		assert.Nil(t, u, raw)
		require.NotEmpty(t, reason, raw)
		assert.Contains(t, reason, want, raw)
	}
	for _, raw := range []string{"http://example.com", "http://localhost.evil.com:80/x"} {
		u, reason := httpx.ParseBaseURL(raw, true)
		assert.Empty(t, reason, raw)
		assert.NotNil(t, u, raw)
	}
}

func TestReadAll(t *testing.T) {
	t.Parallel()
	const max = 10_000
	for _, n := range []int{0, 1, 4095, 4096, 4097, max - 1, max} {
		for _, announced := range []int64{-1, 0, int64(n), int64(n) - 1, max, math.MaxInt64, 1 << 40} {
			for _, wrap := range []func(io.Reader) io.Reader{
				func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader, iotest.HalfReader,
			} {
				want := bytes.Repeat([]byte("x"), n)
				got, err := httpx.ReadAll(wrap(bytes.NewReader(want)), announced, max)
				require.NoError(t, err)
				require.Equal(t, want, got, "announced %d", announced)
			}
		}
	}
	for _, n := range []int{max + 1, max + 4096, 1 << 20} {
		got, err := httpx.ReadAll(bytes.NewReader(make([]byte, n)), int64(n), max)
		require.ErrorIs(t, err, httpx.ErrTooLong)
		assert.Len(t, got, max)
	}
	broken := errors.New("broken")
	got, err := httpx.ReadAll(io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)), 8, max)
	require.ErrorIs(t, err, broken)
	assert.Equal(t, "half", string(got))
}

// endless counts what is taken of it.
type endless struct{ taken int }

func (e *endless) Read(p []byte) (int, error) {
	e.taken += len(p)
	return len(p), nil
}

func TestReadAllTakesLittleMore(t *testing.T) {
	t.Parallel()
	for _, announced := range []int64{-1, 0, 1 << 50} {
		var e endless
		_, err := httpx.ReadAll(&e, announced, 64<<10)
		require.ErrorIs(t, err, httpx.ErrTooLong)
		assert.Less(t, e.taken, 256<<10)
	}
	got, err := httpx.ReadAll(strings.NewReader("short"), 1<<50, 8<<20)
	require.NoError(t, err)
	assert.Less(t, cap(got), 64<<10)
}

// send sends a request with a body through rt, watched by a Trace that ends it when it is sent
// again. The body can be read again only if the Trace allows it.
func send(t *testing.T, trace *httpx.Trace, rt http.RoundTripper, addr string, header ...string) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequest(http.MethodPost, addr, strings.NewReader("body"))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	getBody := req.GetBody
	req.GetBody = func() (io.ReadCloser, error) {
		if !trace.AllowRewind() {
			return nil, errors.New("the body is refused")
		}
		return getBody()
	}
	resp, err := rt.RoundTrip(req.WithContext(trace.Start(ctx, rt, req, cancel)))
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	return err
}

func TestTrace(t *testing.T) {
	t.Parallel()
	t.Run("nothing reported", func(t *testing.T) {
		t.Parallel()
		var trace httpx.Trace
		require.NoError(t, send(t, &trace, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			return testkit.Response(r, 200, ""), nil
		}), "https://app.example"))
		assert.False(t, trace.NoConnection())
		assert.False(t, trace.Resent())
	})
	t.Run("no connection", func(t *testing.T) {
		t.Parallel()
		for _, addr := range []string{"http://app.example", "https://app.example/", "https://app.example:8443", "http://[::1]:80"} {
			var trace httpx.Trace
			refused := errors.New("refused")
			tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, refused }}
			require.ErrorIs(t, send(t, &trace, tr, addr), refused)
			assert.True(t, trace.NoConnection(), addr)
			assert.True(t, trace.AllowRewind(), addr)
		}
	})
	t.Run("untrusted", func(t *testing.T) {
		t.Parallel()
		srv := testkit.Unstarted(t, http.NotFoundHandler())
		srv.StartTLS()
		var trace httpx.Trace
		require.Error(t, send(t, &trace, &http.Transport{}, srv.URL))
		assert.True(t, trace.NoConnection())
	})
	for _, proxy := range []string{"http://proxy.example", "https://proxy.example", "socks5://proxy.example", "http://proxy.example:3128"} {
		t.Run("no connection to "+proxy, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(proxy)
			require.NoError(t, err)
			tr := &http.Transport{
				Proxy:       http.ProxyURL(u),
				DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("refused") },
			}
			var seen, hidden httpx.Trace
			require.Error(t, send(t, &seen, tr, "https://app.example"))
			assert.True(t, seen.NoConnection())
			require.Error(t, send(t, &hidden, testkit.RoundTripper(tr.RoundTrip), "https://app.example"))
			assert.False(t, hidden.NoConnection(), "the proxy of a wrapped transport is not known")
		})
	}
	for _, h2 := range []bool{false, true} {
		for _, wrapped := range []bool{false, true} {
			t.Run(fmt.Sprintf("HTTP/2 %t, wrapped %t", h2, wrapped), func(t *testing.T) {
				t.Parallel()
				srv, tr := testkit.Serve(t, http.NotFoundHandler(), h2)
				var rt http.RoundTripper = tr
				if wrapped {
					rt = testkit.RoundTripper(tr.RoundTrip)
				}
				var trace httpx.Trace
				require.NoError(t, send(t, &trace, rt, srv.URL))
				assert.False(t, trace.NoConnection())
				assert.False(t, trace.Resent())
				assert.False(t, trace.AllowRewind(), "it was answered")
			})
		}
	}
}

// What a transport reports decides whether it sends a request again.
func TestTraceOfReports(t *testing.T) {
	t.Parallel()
	const api, other = "app.example:443", "vault.example:443"
	tests := map[string]struct {
		report func(*httptrace.ClientTrace)
		resent bool
	}{
		"an answer on HTTP/2 before the headers are written out, and another connection": {func(r *httptrace.ClientTrace) {
			r.GetConn(api)
			r.GotConn(httptrace.GotConnInfo{})
			r.WroteHeaderField(":method", nil)
			r.GotFirstResponseByte()
			r.GetConn(api)
		}, true},
		"another connection before anything is written": {func(r *httptrace.ClientTrace) {
			r.GetConn(api)
			r.GotConn(httptrace.GotConnInfo{})
			r.GetConn(api)
			r.GotConn(httptrace.GotConnInfo{})
			r.WroteHeaders()
			r.GotFirstResponseByte()
		}, false},
		"a credential from elsewhere, after the request was sent": {func(r *httptrace.ClientTrace) {
			r.GetConn(api)
			r.GotConn(httptrace.GotConnInfo{})
			r.WroteHeaders()
			r.GetConn(other)
			r.GotConn(httptrace.GotConnInfo{})
			r.WroteHeaders()
			r.GotFirstResponseByte()
		}, false},
		"headers written twice on two connections": {func(r *httptrace.ClientTrace) {
			r.GetConn(api)
			r.GetConn(api)
			r.GotConn(httptrace.GotConnInfo{})
			r.WroteHeaders()
			r.WroteHeaders()
		}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			called := 0
			var trace httpx.Trace
			req := httptest.NewRequest(http.MethodPost, "https://app.example/", nil)
			ctx := trace.Start(t.Context(), testkit.RoundTripper(nil), req, func() { called++ })
			tt.report(httptrace.ContextClientTrace(ctx))
			assert.Equal(t, tt.resent, trace.Resent())
			assert.Equal(t, tt.resent, called == 1)
		})
	}
}
