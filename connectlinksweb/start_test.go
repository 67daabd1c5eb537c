package connectlinksweb_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/connectlinksweb"
)

const secret = "s3cr3t-auth"

var testLink = connectlinks.ConnectLink{
	ID: 469, Type: "hubspot", URL: "https://app.getcensus.com/pbc?auth=" + secret + "&x=1",
	RedirectURI: "https://platform.example/connected",
}

// minter counts the links that it makes.
type minter struct {
	link  connectlinks.ConnectLink
	err   error
	calls int
}

func (m *minter) mint(w http.ResponseWriter, r *http.Request) (connectlinks.ConnectLink, error) {
	m.calls++
	http.SetCookie(w, &http.Cookie{Name: "flow", Value: "1"})
	return m.link, m.err
}

var silent = connectlinksweb.WithLogger(slog.New(slog.DiscardHandler))

func ask(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func private(t *testing.T, w *httptest.ResponseRecorder, referrer string) {
	t.Helper()
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	assert.Equal(t, referrer, w.Header().Get("Referrer-Policy"))
	assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
}

func TestStartMintsOnPostOnly(t *testing.T) {
	for _, method := range []string{"GET", "HEAD"} {
		m := &minter{link: testLink}
		w := ask(connectlinksweb.Start(m.mint), method, "/connect/hubspot", "Sec-Purpose", "prefetch", "Accept", "application/json")
		assert.Equal(t, http.StatusOK, w.Code)
		assert.Zero(t, m.calls)
		private(t, w, "same-origin")
	}
	for _, method := range []string{"PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
		m := &minter{link: testLink}
		w := ask(connectlinksweb.Start(m.mint), method, "/connect/hubspot")
		assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
		assert.Equal(t, "GET, HEAD, POST", w.Header().Get("Allow"))
		assert.Zero(t, m.calls)
		private(t, w, "no-referrer")
	}
}

func TestStartPage(t *testing.T) {
	h := connectlinksweb.Start((&minter{}).mint, connectlinksweb.WithTitle("Connect HubSpot"), connectlinksweb.WithBack("/integrations"))
	w := ask(h, "GET", "/connect/hubspot")
	assert.Equal(t, said{
		"Connect HubSpot", "You continue on a secure page, and come back here when you are done.", []string{"[Continue]", "Back"},
	}, read(t, w))
	assert.Contains(t, w.Body.String(), `<html lang="en">`)
	assert.Contains(t, w.Body.String(), `data-pressed="One moment…"`)
	assert.Equal(t, strconv.Itoa(w.Body.Len()), w.Header().Get("Content-Length"))
	assert.Equal(t, "Connect your account", read(t, ask(connectlinksweb.Start((&minter{}).mint), "GET", "/")).title)
}

func TestStartRedirects(t *testing.T) {
	m := &minter{link: testLink}
	w := ask(connectlinksweb.Start(m.mint), "POST", "/connect/hubspot")
	assert.Equal(t, http.StatusSeeOther, w.Code)
	assert.Equal(t, testLink.URL, w.Header().Get("Location"))
	assert.Equal(t, "flow=1", w.Header().Get("Set-Cookie"), "mint can set a cookie")
	assert.Empty(t, w.Body.String())
	assert.Equal(t, 1, m.calls)
	private(t, w, "no-referrer")
}

func TestStartAnswersWithJSON(t *testing.T) {
	for _, test := range []struct {
		accept string
		json   bool
	}{
		{"application/json", true},
		{"application/json, text/plain, */*", true},
		{"application/json;charset=utf-8", true},
		{"text/html;q=0.8, application/json", true},
		{"APPLICATION/JSON", true},
		{"", false},
		{"*/*", false},
		{"application/*", false},
		{"application/json, text/html", false},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false},
		{"text/html, application/json;q=0.9", false},
		{"application/json;q=0", false},
		{"application/json;q=2", false},
		{"application/json;q=x", false},
		{";;,/", false},
	} {
		t.Run(test.accept, func(t *testing.T) {
			m := &minter{link: testLink}
			w := ask(connectlinksweb.Start(m.mint), "POST", "/", "Accept", test.accept)
			private(t, w, "no-referrer")
			if !test.json {
				assert.Equal(t, http.StatusSeeOther, w.Code)
				return
			}
			assert.Equal(t, http.StatusOK, w.Code)
			assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
			assert.Empty(t, w.Header().Get("Location"))
			var got connectlinks.ConnectLink
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
			assert.True(t, got == testLink)
		})
	}
}

func TestStartRefusesOtherOrigins(t *testing.T) {
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
	} {
		m := &minter{link: testLink}
		w := ask(connectlinksweb.Start(m.mint), "POST", "https://platform.example/connect", header...)
		assert.Equal(t, http.StatusForbidden, w.Code)
		assert.Zero(t, m.calls)
		assert.Equal(t, said{"Not accepted", "This was sent from another site. Open the page here, and try again.", nil}, read(t, w))
		private(t, w, "no-referrer")

		w = ask(connectlinksweb.Start(m.mint), "POST", "https://platform.example/connect", append(header, "Accept", "application/json")...)
		assert.Equal(t, http.StatusForbidden, w.Code)
		assert.JSONEq(t, `{"status": 403, "message": "This was sent from another site. Open the page here, and try again."}`, w.Body.String())
		assert.Zero(t, m.calls)
	}
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "same-origin"},
		{"Sec-Fetch-Site", "none"},
		{"Origin", "https://platform.example"},
		{},
	} {
		m := &minter{link: testLink}
		w := ask(connectlinksweb.Start(m.mint), "POST", "https://platform.example/connect", header...)
		assert.Equal(t, http.StatusSeeOther, w.Code)
	}

	p := http.NewCrossOriginProtection()
	require.NoError(t, p.AddTrustedOrigin("https://app.platform.example"))
	m := &minter{link: testLink}
	h := connectlinksweb.Start(m.mint, connectlinksweb.WithCrossOriginProtection(p))
	assert.Equal(t, http.StatusSeeOther, ask(h, "POST", "https://api.platform.example/", "Origin", "https://app.platform.example", "Sec-Fetch-Site", "same-site").Code)
	assert.Equal(t, http.StatusForbidden, ask(h, "POST", "https://api.platform.example/", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site").Code)
	assert.Equal(t, 1, m.calls)
}

func TestStartRefusesOtherSchemes(t *testing.T) {
	for _, bad := range []string{"", "/pbc?auth=" + secret, "//evil.example/" + secret, "javascript:alert('" + secret + "')", "data:text/html," + secret, "ftp://h/" + secret, "https:" + secret, "https://u:" + secret + "@h/", "https://h/\r\nX: " + secret} {
		var log bytes.Buffer
		m := &minter{link: connectlinks.ConnectLink{ID: 7, URL: bad}}
		for _, accept := range []string{"", "application/json"} {
			w := ask(connectlinksweb.Start(m.mint, connectlinksweb.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))), "POST", "/", "Accept", accept)
			assert.Equal(t, http.StatusBadGateway, w.Code, bad)
			assert.Empty(t, w.Header().Get("Location"))
			assert.NotContains(t, w.Body.String(), secret)
		}
		assert.Contains(t, log.String(), "link 7")
		assert.NotContains(t, log.String(), secret)
	}
}

func TestPagePolicyNamesItsOwnStyleAndScript(t *testing.T) {
	w := ask(connectlinksweb.Start((&minter{}).mint, connectlinksweb.WithTitle("Connect <HubSpot>"), connectlinksweb.WithBack("/integrations?a=1&b=2")), "GET", "/connect")
	body := w.Body.String()
	policy := w.Header().Get("Content-Security-Policy")
	for _, element := range []string{"style", "script"} {
		found := regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(body, -1)
		require.Len(t, found, 1)
		sum := sha256.Sum256([]byte(found[0][1]))
		assert.Contains(t, policy, element+"-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	assert.Contains(t, policy, "default-src 'none'")
	assert.Contains(t, policy, "frame-ancestors 'self'")
	assert.NotContains(t, policy, "form-action", "it would stop the redirect")
	assert.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	assert.Contains(t, body, "<h1>Connect &lt;HubSpot&gt;</h1>")
	assert.Contains(t, body, `<form id="connectlink-form" method="post">`)
	assert.Equal(t, 1, strings.Count(body, "<button"))
	assert.Contains(t, body, `href="/integrations?a=1&amp;b=2"`)
}

func TestOwnTemplate(t *testing.T) {
	own := template.Must(template.New("").Parse(`{{.Kind}} {{.Title}} {{.Back}}: <form method="post"><button>{{.Button}}</button></form>`))
	m := &minter{err: errors.New("no")}
	h := connectlinksweb.Start(m.mint, connectlinksweb.WithTemplate(own), connectlinksweb.WithBack("/i"), silent)
	w := ask(h, "GET", "/")
	assert.Equal(t, `start Connect your account /i: <form method="post"><button>Continue</button></form>`, w.Body.String())
	assert.Equal(t, "frame-ancestors 'self'", w.Header().Get("Content-Security-Policy"))
	w = ask(h, "POST", "/")
	assert.Equal(t, `error That did not work /i: <form method="post"><button>Try again</button></form>`, w.Body.String())
	assert.Equal(t, http.StatusInternalServerError, w.Code)

	withPolicy := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		h.ServeHTTP(w, r)
	})
	assert.Equal(t, "default-src 'self'", ask(withPolicy, "GET", "/").Header().Get("Content-Security-Policy"), "the platform's own")

	broken := template.Must(template.New("").Parse(`half a page {{.NoSuchField}}`))
	var log bytes.Buffer
	w = ask(connectlinksweb.Start(m.mint, connectlinksweb.WithTemplate(broken), connectlinksweb.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))), "GET", "/")
	assert.Equal(t, http.StatusOK, w.Code)
	assert.NotContains(t, w.Body.String(), "half a page")
	assert.Contains(t, w.Body.String(), "connectlink-start")
	assert.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'")
	assert.Contains(t, log.String(), "NoSuchField")
}

// The errors of a real client get the same answers.
func TestErrorsOfTheClient(t *testing.T) {
	for _, test := range []struct {
		name    string
		failure connectlinkstest.Failure
		status  int
	}{
		{"throttled", connectlinkstest.Failure{Status: 429, Header: http.Header{"Retry-After": {"60"}}, Times: -1}, 429},
		{"unavailable", connectlinkstest.Failure{Status: 503, Times: -1}, 503},
		{"refused", connectlinkstest.Failure{Status: 403, Times: -1}, 500},
		{"HTML", connectlinkstest.Failure{Status: 200, Body: "<html>", Times: -1}, 502},
		{"reset", connectlinkstest.Failure{Reset: true, Times: -1}, 502},
		{"cut off", connectlinkstest.Failure{Cut: true, Times: -1}, 502},
		{"hangs", connectlinkstest.Failure{Hang: true, Times: -1}, 504},
	} {
		t.Run(test.name, func(t *testing.T) {
			srv := connectlinkstest.NewServer()
			defer srv.Close()
			require.NoError(t, srv.Fail(test.failure))
			client := srv.Client(connectlinks.WithTimeout(200*time.Millisecond), connectlinks.WithMaxRetries(0))
			assert.Equal(t, test.status, ask(startWith(client), "POST", "/").Code)
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		srv := connectlinkstest.NewServer()
		client := srv.Client(connectlinks.WithMaxRetries(0))
		srv.Close()
		assert.Equal(t, http.StatusBadGateway, ask(startWith(client), "POST", "/").Code)
	})
}

func startWith(client *connectlinks.Client) http.Handler {
	return connectlinksweb.Start(func(w http.ResponseWriter, r *http.Request) (connectlinks.ConnectLink, error) {
		link, err := client.Destinations.CreateConnectLink(r.Context(), connectlinks.CreateConnectLinkParams{Type: "hubspot"})
		if err != nil {
			return connectlinks.ConnectLink{}, err
		}
		return link.ConnectLink, nil
	}, silent)
}

func TestErrorHandlerReplacesAnswerAndLog(t *testing.T) {
	errNoPlan := errors.New("no plan")
	var log bytes.Buffer
	var got error
	m := &minter{err: errNoPlan}
	h := connectlinksweb.Start(m.mint, connectlinksweb.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		connectlinksweb.WithErrorHandler(func(w http.ResponseWriter, r *http.Request, err error) {
			got = err
			assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			http.Redirect(w, r, "/upgrade", http.StatusSeeOther)
		}))
	w := ask(h, "POST", "/")
	assert.Equal(t, errNoPlan, got)
	assert.Equal(t, "/upgrade", w.Header().Get("Location"))
	assert.Empty(t, log.String())

	got = nil
	ask(h, "POST", "/", "Sec-Fetch-Site", "cross-site")
	ask(h, "PUT", "/")
	ask(h, "GET", "/")
	assert.NoError(t, got, "not an error of mint")
}

func TestAClientThatWentAwayIsNoError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var log bytes.Buffer
	mint := func(_ http.ResponseWriter, r *http.Request) (connectlinks.ConnectLink, error) {
		return connectlinks.ConnectLink{}, cmp.Or(r.Context().Err(), io.EOF)
	}
	logger := connectlinksweb.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))
	hook := connectlinksweb.WithErrorHandler(func(http.ResponseWriter, *http.Request, error) { t.Error("called") })
	for _, opts := range [][]connectlinksweb.Option{{logger}, {logger, hook}} {
		w := httptest.NewRecorder()
		connectlinksweb.Start(mint, opts...).ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "/", nil))
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		check := func(w http.ResponseWriter, r *http.Request) error { _, err := mint(w, r); return err }
		w = httptest.NewRecorder()
		connectlinksweb.Return(check, http.NotFoundHandler(), opts...).ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/", nil))
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	}
	assert.Empty(t, log.String())
}

// A server that shuts down ends its BaseContext. The customer still needs an answer.
func TestAServerThatShutsDownAnswers(t *testing.T) {
	for _, method := range []string{"POST", "GET"} {
		for _, accept := range []string{"text/html", "application/json"} {
			t.Run(method+" "+accept, func(t *testing.T) {
				base, shutDown := context.WithCancel(t.Context())
				defer shutDown()
				busy := func(r *http.Request) error {
					shutDown()
					<-r.Context().Done()
					return fmt.Errorf("making a link: %w", r.Context().Err())
				}
				mux := http.NewServeMux()
				mux.Handle("POST /", connectlinksweb.Start(func(_ http.ResponseWriter, r *http.Request) (connectlinks.ConnectLink, error) {
					return connectlinks.ConnectLink{}, busy(r)
				}))
				mux.Handle("GET /", connectlinksweb.Return(func(_ http.ResponseWriter, r *http.Request) error { return busy(r) }, http.NotFoundHandler()))
				srv := httptest.NewUnstartedServer(mux)
				srv.Config.BaseContext = func(net.Listener) context.Context { return base }
				srv.Start()
				defer srv.Close()

				req, err := http.NewRequestWithContext(t.Context(), method, srv.URL, nil)
				require.NoError(t, err)
				req.Header.Set("Accept", accept)
				resp, err := srv.Client().Do(req)
				require.NoError(t, err)
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
				assert.Contains(t, string(body), "Please try again")
				switch {
				case accept == "application/json":
					assert.Contains(t, string(body), `"status":503`)
				case method == "POST":
					assert.Contains(t, string(body), `id="connectlink-start"`)
				default:
					assert.Equal(t, "2; url=?connectlink_look=1", resp.Header.Get("Refresh"))
				}
			})
		}
	}
}

func TestErrorWithoutAForm(t *testing.T) {
	w := httptest.NewRecorder()
	connectlinksweb.Error(w, httptest.NewRequest("GET", "/embed/1", nil), connectlinks.ErrBadResponse, silent, connectlinksweb.WithBack("/i"),
		connectlinksweb.WithErrorHandler(func(http.ResponseWriter, *http.Request, error) { t.Error("called") }))
	assert.Equal(t, http.StatusBadGateway, w.Code)
	assert.NotContains(t, w.Body.String(), "<form")
	assert.Contains(t, w.Body.String(), `href="/i"`)
	private(t, w, "no-referrer")
}

func TestTheDefaultLogger(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	var log bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	ask(connectlinksweb.Start((&minter{err: errors.New("out of ids")}).mint), "POST", "/")
	assert.Contains(t, log.String(), "out of ids")
}

func TestNilHandlersPanic(t *testing.T) {
	assert.Panics(t, func() { connectlinksweb.Start(nil) })
	assert.Panics(t, func() { connectlinksweb.Return(nil, http.NotFoundHandler()) })
	assert.Panics(t, func() { connectlinksweb.Return(func(http.ResponseWriter, *http.Request) error { return nil }, nil) })
}
