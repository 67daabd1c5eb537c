package connectlinksweb

import (
	"cmp"
	"context"
	"html/template"
	"log/slog"
	"net/http"
	"time"
)

// An Option changes how [Start], [Return] and [Error] answer.
type Option func(*settings)

type settings struct {
	title      string
	texts      Texts
	warm       func(context.Context) error
	back       string
	template   *template.Template
	onError    func(http.ResponseWriter, *http.Request, error)
	log        *slog.Logger
	protection *http.CrossOriginProtection
	wait       time.Duration
	refresh    time.Duration
}

func newSettings(opts []Option) *settings {
	s := &settings{
		wait:    5 * time.Second,
		refresh: 2 * time.Second,
	}
	for _, opt := range opts {
		opt(s)
	}
	s.texts.complete()
	s.title = cmp.Or(s.title, s.texts.Start.Title)
	return s
}

// WithTitle sets the title of the page of [Start], such as "Connect HubSpot". If the
// title depends on the request, call Start for each request: that costs little.
func WithTitle(title string) Option { return func(s *settings) { s.title = title } }

// WithBack sets the address of the page that the customer came from, such as the
// list of integrations. The pages link to it. If a link has expired or was revoked, the
// customer starts again there.
func WithBack(address string) Option { return func(s *settings) { s.back = address } }

// WithTemplate replaces the built-in page. The template is executed with a [Page].
// If that fails, the built-in page is shown. The Content-Security-Policy of such
// pages is left to the platform. If it sets none, it is frame-ancestors 'self'.
func WithTemplate(t *template.Template) Option { return func(s *settings) { s.template = t } }

// WithErrorHandler replaces the answer to an error of mint or check, and its record in
// the log. The header already says that the answer must not be stored. The handler can
// call [Error] for the usual answer:
//
//	connectlinksweb.WithErrorHandler(func(w http.ResponseWriter, r *http.Request, err error) {
//		if errors.Is(err, errNoPlan) {
//			http.Redirect(w, r, "/upgrade", http.StatusSeeOther)
//			return
//		}
//		connectlinksweb.Error(w, r, err)
//	})
//
// It is not called if the request's context was cancelled, if the request was refused
// before mint (another method, another origin), or if the customer has not finished yet.
func WithErrorHandler(h func(w http.ResponseWriter, r *http.Request, err error)) Option {
	return func(s *settings) { s.onError = h }
}

// WithLogger sets where errors are logged, one record each: the status that was
// answered, the pattern that the request matched, the error. The default is
// [slog.Default]; a logger with [slog.DiscardHandler] logs nothing.
func WithLogger(l *slog.Logger) Option { return func(s *settings) { s.log = l } }

// WithCrossOriginProtection replaces the check that a POST to [Start] comes from the
// platform's own origin, for a front end on another one. Its own deny handler answers
// what it refuses.
func WithCrossOriginProtection(p *http.CrossOriginProtection) Option {
	return func(s *settings) { s.protection = p }
}

// WithWait limits how long [Return] lets check take before it answers "not yet".
// The default is 5 seconds. Keep it below the server's WriteTimeout.
func WithWait(d time.Duration) Option { return func(s *settings) { s.wait = d } }

// WithWarm makes the page of [Start] prepare for the click. A GET writes the whole page
// and then calls warm, which should open a connection to the API, so that the POST does
// not wait for TCP and TLS. The customer sees the page at once. The call ends after 5 seconds, since a click that reuses the HTTP/1.1
// connection of the page waits for it; it does not end when the customer's browser or a
// proxy closes that connection. Its error is logged at Debug only: the click will tell.
//
// Where the ResponseWriter cannot flush, warm is not called.
func WithWarm(warm func(context.Context) error) Option { return func(s *settings) { s.warm = warm } }

// WithRefresh sets after how long the "not yet" page of [Return] looks again for
// the first time. The time doubles with each look, up to 30 seconds. After about a
// quarter of an hour only the customer can look again. The default is 2 seconds; with 0
// the page never looks again by itself.
func WithRefresh(d time.Duration) Option { return func(s *settings) { s.refresh = d } }
