package connectlinksweb

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/httpx"
)

// Start makes a link when the customer clicks, and redirects the browser to it.
//
// GET and HEAD are answered with a page that has one button, and make no link. POST calls
// mint, and redirects to the link's URL with 303. If the request prefers JSON (Accept:
// application/json), the answer is the link as JSON, for a front end that embeds it.
//
// mint can set a cookie with the ResponseWriter, but writes no answer. It should store the
// link's id in the session. On API V1 it should return a link of the session that is still
// open: see the package documentation.
//
// A POST from another origin is refused with 403, other methods with 405. [Error]
// answers and logs the errors of mint.
//
// No answer may be stored. The redirect sends no Referer.
//
// If a page of the platform has a form that posts here, the form-action of its
// Content-Security-Policy must allow the links' origin, because browsers apply it to the
// redirect too. Otherwise a link is made, the browser stays where it is, and nothing is logged.
// A page can also link to the address by GET.
func Start(mint func(w http.ResponseWriter, r *http.Request) (connectlinks.ConnectLink, error), opts ...Option) http.Handler {
	if mint == nil {
		panic("connectlinksweb: Start without mint")
	}
	s := newSettings(opts)
	protection := s.protection
	if protection == nil {
		protection = http.NewCrossOriginProtection()
		protection.SetDenyHandler(http.HandlerFunc(s.denied))
	}
	post := protection.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		link, err := mint(w, r)
		if err == nil {
			err = checkURL(link)
		}
		private(w)
		switch {
		case err != nil:
			s.fail(w, r, err)
		case prefersJSON(r):
			writeJSON(w, http.StatusOK, link)
		default:
			http.Redirect(w, r, link.URL, http.StatusSeeOther)
		}
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		private(w)
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			// With no-referrer, browsers send the form with Origin: null.
			w.Header().Set("Referrer-Policy", "same-origin")
			s.show(w, r, Page{
				Kind: KindStart, Status: http.StatusOK, Title: s.title,
				Message: s.texts.Start.Message, Button: s.texts.Continue,
			})
			if s.warm != nil && r.Method == http.MethodGet {
				s.prepare(w, r)
			}
		case http.MethodPost:
			post.ServeHTTP(w, r)
		default:
			notAllowed(w, "GET, HEAD, POST")
		}
	})
}

// denied answers a POST from another origin. Its page has no button: the button would send
// the POST again, from this origin.
func (s *settings) denied(w http.ResponseWriter, r *http.Request) {
	text := s.texts.OtherSite
	if prefersJSON(r) {
		writeJSON(w, http.StatusForbidden, problem{Status: http.StatusForbidden, Message: text.Message})
		return
	}
	s.show(w, r, Page{Kind: KindError, Status: http.StatusForbidden, Title: text.Title, Message: text.Message})
}

const warmLimit = 5 * time.Second

// prepare sends the page to the customer, and then calls warm.
func (s *settings) prepare(w http.ResponseWriter, r *http.Request) {
	if http.NewResponseController(w).Flush() != nil {
		return
	}
	// Proxies close the connection when they have the page. The customer can click all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), warmLimit)
	defer cancel()
	if err := s.warm(ctx); err != nil {
		s.logger().LogAttrs(ctx, slog.LevelDebug, "connectlinks: no connection before the click", slog.Any("error", err))
	}
}

func notAllowed(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
}

// checkURL refuses a link without a usable URL. Its error does not quote the URL, which is
// a secret.
func checkURL(link connectlinks.ConnectLink) error {
	if _, reason := httpx.ParseURL(link.URL); reason != "" {
		return fmt.Errorf("%w: the URL of link %d %s", connectlinks.ErrBadResponse, link.ID, reason)
	}
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // a link or a problem can always be written
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// prefersJSON reports whether the request's Accept ranks JSON above HTML. Wildcards do not
// count, since fetch and browsers send them by default.
func prefersJSON(r *http.Request) bool {
	var json, html float64
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if given, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(given, 64); err != nil || q < 0 || q > 1 {
				continue
			}
		}
		switch name {
		case "application/json":
			json = max(json, q)
		case "text/html", "application/xhtml+xml":
			html = max(html, q)
		}
	}
	return json > html
}
