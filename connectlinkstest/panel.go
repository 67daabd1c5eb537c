package connectlinkstest

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"errors"
	"html/template"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	//go:embed pages/panel.html
	panelHTML string
	//go:embed pages/panel.css
	panelCSS string

	panelStyle    = strings.ReplaceAll(panelCSS, "\r\n", "\n")
	panelTemplate = template.Must(template.New("panel").Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(panelStyle) },
	}).Parse(panelHTML))
)

// shownRequests is how many of the last requests the page shows.
const shownRequests = 20

// handlePanel serves the page for people at /.
//
// Its forms cannot send JSON, and the levers take nothing else. So they are posted to
// the page itself, with a random token that only a page of this origin can read: what
// another site posts lacks it, also from a browser that sends neither Origin nor
// Sec-Fetch-Site.
func (s *Server) handlePanel() {
	formToken := rand.Text()
	s.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		if err := s.admit(r, true); err != nil {
			writeJSON(w, http.StatusForbidden, controlError{Error: err.Error()})
			return
		}
		s.writePanel(w, http.StatusOK, formToken, "")
	})
	s.mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		if err := s.admit(r, false); err != nil {
			writeJSON(w, http.StatusForbidden, controlError{Error: err.Error()})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if kind != "application/x-www-form-urlencoded" || r.ParseForm() != nil ||
			subtle.ConstantTimeCompare([]byte(r.PostForm.Get("form")), []byte(formToken)) != 1 {
			writeJSON(w, http.StatusForbidden, controlError{Error: "this is not a form of the page as it is now: load it again"})
			return
		}
		if err := s.press(r.PostForm.Get("action"), r.PostForm.Get("value")); err != nil {
			s.writePanel(w, controlStatus(err), formToken, reason(err))
			return
		}
		w.Header().Set("Location", "/") // so that reloading the page does not press again
		w.WriteHeader(http.StatusSeeOther)
	})
}

// press does what a button of the page says.
func (s *Server) press(action, value string) error {
	id, _ := strconv.ParseInt(value, 10, 64) // 0, which no link has
	switch action {
	case "complete":
		_, err := s.Complete(id)
		return err
	case "cancel":
		return s.Cancel(id)
	case "expire":
		return s.Expire(id)
	case "revoke":
		return s.Revoke(id)
	case "hours-1":
		s.Advance(time.Hour)
	case "hours-24":
		s.Advance(24 * time.Hour)
	case "reset":
		s.Reset()
	default:
		return errors.New("there is no such button")
	}
	return nil
}

func (s *Server) writePanel(w http.ResponseWriter, status int, formToken, problem string) {
	st := s.controlState()
	slices.Reverse(st.Links)
	requests := s.Requests()
	requests = requests[max(0, len(requests)-shownRequests):]
	slices.Reverse(requests)
	var body bytes.Buffer
	if err := panelTemplate.Execute(&body, map[string]any{
		"State": st, "Requests": requests, "Form": formToken, "Problem": problem,
	}); err != nil {
		panic(err) // strings, numbers and times
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; style-src "+hash(panelStyle))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "same-origin") // with none at all, forms would come from the origin null
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}
