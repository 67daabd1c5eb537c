package connectlinksweb

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
)

// Kind names the purpose of a [Page].
type Kind string

// The kinds of pages.
const (
	KindStart   Kind = "start"   // Start's page, with the button that makes a link
	KindWaiting Kind = "waiting" // Return's page if it does not know yet that the customer is connected
	KindEnded   Kind = "ended"   // Return's page if the link has expired or was revoked
	KindNoLink  Kind = "nolink"  // Return's page for ErrNoLink
	KindError   Kind = "error"   // the page for any other error
)

// Page holds what a template of [WithTemplate] shows.
type Page struct {
	Kind    Kind
	Status  int    // the HTTP status of the answer
	Lang    string // for the attribute lang
	Title   string // the title of WithTitle, or what went wrong
	Message string // what the customer should know and do
	Spinner bool   // the page looks again by itself, and the customer should wait for that

	// Button is the text of a button. If it is empty, the page has no button. If Again is
	// empty, put the button into a form with method post and no action. Fields of that form
	// are ignored. The form should not be sent twice: OneMoment is the text of the button
	// after it was pressed.
	Button, OneMoment string
	// Again, if not empty, is the address that the button leads to by GET.
	Again string
	// Back is the address of WithBack, and BackText is the text of the link to it. If
	// BackFirst is set, show this link before Button.
	Back, BackText string
	BackFirst      bool
}

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	cssFile string
	//go:embed page.js
	jsFile string

	// A browser turns \r\n into \n before it hashes a style or a script.
	pageCSS = strings.ReplaceAll(cssFile, "\r\n", "\n")
	pageJS  = strings.ReplaceAll(jsFile, "\r\n", "\n")

	builtin = template.Must(template.New("page").Funcs(template.FuncMap{
		"style":  func() template.CSS { return template.CSS(pageCSS) },
		"script": func() template.JS { return template.JS(pageJS) },
	}).Parse(pageHTML))

	// There is no form-action: browsers also apply it to the redirect after the form, and
	// its target is known only when the link is made.
	policy = "default-src 'none'; base-uri 'none'; frame-ancestors 'self'; style-src " + hash(pageCSS) + "; script-src " + hash(pageJS)
)

// hash returns the source expression for an inline text in a Content-Security-Policy.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// private sets the header of every answer, which is for this customer only.
func private(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("X-Content-Type-Options", "nosniff")
}

// show answers with a page.
func (s *settings) show(w http.ResponseWriter, r *http.Request, p Page) {
	p.Lang, p.OneMoment, p.Back = s.texts.Lang, s.texts.OneMoment, s.back
	if p.Back == "" {
		p.BackText, p.BackFirst = "", false
	} else {
		p.BackText = cmp.Or(p.BackText, s.texts.Back)
	}
	h := w.Header()
	var body bytes.Buffer
	own := s.template != nil
	if own {
		if err := s.template.Execute(&body, p); err != nil {
			s.logger().LogAttrs(logContext(r), slog.LevelError, "connectlinks: page template", slog.Any("error", err))
			own = false
			body.Reset()
		}
	}
	switch {
	case !own:
		if err := builtin.Execute(&body, p); err != nil {
			panic(err) // strings only
		}
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Frame-Options", "SAMEORIGIN")
	case len(h.Values("Content-Security-Policy")) == 0:
		h.Set("Content-Security-Policy", "frame-ancestors 'self'")
		h.Set("X-Frame-Options", "SAMEORIGIN")
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(p.Status)
	_, _ = w.Write(body.Bytes()) // an error means that the client has gone
}

func (s *settings) logger() *slog.Logger {
	if s.log == nil {
		return slog.Default()
	}
	return s.log
}

// logContext keeps the request's values, for a slog.Handler that logs a trace id.
func logContext(r *http.Request) context.Context { return context.WithoutCancel(r.Context()) }
