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
// title depends on the request, call Start for each request, which is cheap.
func WithTitle(title string) Option { return func(s *settings) { s.title = title } }

// WithBack sets the address of the page that the customer came from, such as the
// list of integrations. The pages link to it. After an expired or revoked link, this is
// where the customer starts again. By default the pages have no such link.
func WithBack(address string) Option { return func(s *settings) { s.back = address } }

// WithTemplate replaces the built-in page. The template is executed with a [Page].
// If that fails, the built-in page is shown. The platform sets the Content-Security-Policy
// of such a page; see [Start] for its form-action. If it sets none, the policy is
// frame-ancestors 'self'.
func WithTemplate(t *template.Template) Option { return func(s *settings) { s.template = t } }

// WithErrorHandler sets a handler that answers errors of mint and check. The errors are
// then not logged. The header already says that the answer must not be stored. The handler
// can call [Error], which answers and logs as usual:
//
//	connectlinksweb.WithErrorHandler(func(w http.ResponseWriter, r *http.Request, err error) {
//		if errors.Is(err, errNoPlan) {
//			http.Redirect(w, r, "/upgrade", http.StatusSeeOther)
//			return
//		}
//		connectlinksweb.Error(w, r, err, opts...) // the other options of Start
//	})
//
// The handler is not called in these cases:
//
//   - The request's context was cancelled.
//   - The request was refused before mint: another method, another origin.
//   - The customer has not finished yet, or Return does not know it yet: see [Return].
func WithErrorHandler(h func(w http.ResponseWriter, r *http.Request, err error)) Option {
	return func(s *settings) { s.onError = h }
}

// WithLogger sets the logger. Each error is one record, with the status of the answer, the
// pattern that the request matched, and the error. Its level is Error if the status is 500 or
// more, Warn otherwise, and Debug if the request's context was cancelled. The default is
// [slog.Default]. A logger with [slog.DiscardHandler] logs nothing.
func WithLogger(l *slog.Logger) Option { return func(s *settings) { s.log = l } }

// WithCrossOriginProtection replaces the check that a POST to [Start] comes from the
// platform's own origin. It is for a front end on another origin. If p refuses a request,
// the deny handler of p answers it.
func WithCrossOriginProtection(p *http.CrossOriginProtection) Option {
	return func(s *settings) { s.protection = p }
}

// WithWait limits how long [Return] lets check take before it answers with a page that looks again.
// The default is 5 seconds. Keep it below the server's WriteTimeout.
func WithWait(d time.Duration) Option { return func(s *settings) { s.wait = d } }

// WithWarm makes the page of [Start] prepare for the click. A GET writes the whole page,
// which the customer sees at once, and then calls warm. warm should open a connection to
// the API, like [connectlinks.Client.Warm], so that the POST does not wait for TCP and TLS.
//
// The context of warm ends after 5 seconds, because a click on the same HTTP/1.1 connection
// waits for warm. It does not end when the browser or a proxy closes that connection. An
// error of warm is logged at level Debug only: if the API cannot be reached, the click
// reports it.
//
// If the ResponseWriter cannot flush, warm is not called.
func WithWarm(warm func(context.Context) error) Option { return func(s *settings) { s.warm = warm } }

// WithRefresh sets how long the pages of [Return] wait before they look again.
// The time doubles with each look, up to 30 seconds. After about a quarter of an hour the
// page stops, and only the customer can look again. The default is 2 seconds. With 0 the
// page never looks again by itself.
func WithRefresh(d time.Duration) Option { return func(s *settings) { s.refresh = d } }
