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

// Kind is what a [Page] is there for.
type Kind string

// The kinds of pages.
const (
	KindStart   Kind = "start"   // of Start: the button that makes a link
	KindWaiting Kind = "waiting" // of Return: the customer has not finished, as far as the API knows
	KindEnded   Kind = "ended"   // of Return: the link has expired or was revoked
	KindNoLink  Kind = "nolink"  // of Return: the session knows no link
	KindError   Kind = "error"   // something went wrong
)

// Page is what a template of [WithTemplate] is executed with.
type Page struct {
	Kind    Kind
	Status  int    // of the answer
	Lang    string // for the attribute lang
	Title   string // of WithTitle, or what went wrong
	Message string // what the customer should know and do
	Spinner bool   // the page looks again by itself, and the customer should wait for that

	// Button is the text of a button, "" for none. Without Again it belongs in
	// a form with method post and no action; the form may have no other fields
	// that matter, and should not be sent twice. OneMoment is the text of the
	// button once it was pressed.
	Button, OneMoment string
	// Again is the address that the button leads to by GET.
	Again string
	// Back is the address of WithBack, and BackText what to call it. With BackFirst
	// it is the first thing to do, before Button.
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

	// A browser hashes what its parser makes of the ends of lines.
	pageCSS = strings.ReplaceAll(cssFile, "\r\n", "\n")
	pageJS  = strings.ReplaceAll(jsFile, "\r\n", "\n")

	builtin = template.Must(template.New("page").Funcs(template.FuncMap{
		"style":  func() template.CSS { return template.CSS(pageCSS) },
		"script": func() template.JS { return template.JS(pageJS) },
	}).Parse(pageHTML))

	// There is no form-action: browsers apply it to the redirect that answers the
	// form too, and where that leads is known only when the link is made.
	policy = "default-src 'none'; base-uri 'none'; frame-ancestors 'self'; style-src " + hash(pageCSS) + "; script-src " + hash(pageJS)
)

// hash is how a Content-Security-Policy names an inline text.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// private marks an answer as the customer's alone.
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
	_, _ = w.Write(body.Bytes()) // who does not listen any more misses nothing
}

func (s *settings) logger() *slog.Logger {
	if s.log == nil {
		return slog.Default()
	}
	return s.log
}

// logContext keeps the request's values, for handlers that log a trace.
func logContext(r *http.Request) context.Context { return context.WithoutCancel(r.Context()) }
