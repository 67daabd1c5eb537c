package connectlinkstest

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
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

// The number of newest links and last requests on the page.
const (
	shownLinks    = 100
	shownRequests = 20
)

// panelFailures are the failures in the page's menu.
var panelFailures = []panelFailure{
	{"throttle", "429, with Retry-After: 2", Failure{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"2"}}}},
	{"error", "500", Failure{Status: http.StatusInternalServerError}},
	{"reset", "a reset connection", Failure{Reset: true}},
	{"hang", "never sent", Failure{Hang: true}},
	{"lost", "lost, and its work is done", Failure{Reset: true, CarryOut: true}},
}

type panelFailure struct {
	Name, Words string
	failure     Failure
}

// handlePanel serves the page for people at /.
//
// Its forms cannot send JSON, which the levers need. So the forms are posted to the page
// itself, with a random token that only a page of this origin can read. A form of another
// site does not have it, also in a browser that sends neither Origin nor Sec-Fetch-Site.
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
		// ParseForm reads only bodies with the content type of a form.
		if r.ParseForm() != nil || subtle.ConstantTimeCompare([]byte(r.PostForm.Get("form")), []byte(formToken)) != 1 {
			writeJSON(w, http.StatusForbidden, controlError{Error: "this is not a form of the page as it is now: load it again"})
			return
		}
		part, err := s.press(r.PostForm)
		if err != nil {
			s.writePanel(w, controlStatus(err), formToken, reason(err))
			return
		}
		w.Header().Set("Location", "/"+part) // so that reloading the page does not press again
		w.WriteHeader(http.StatusSeeOther)
	})
	// Browsers request this by themselves. As a request to the API it would count for a failure.
	s.mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
}

// press carries out the action of a button, and returns the part of the page to show.
func (s *Server) press(form url.Values) (part string, err error) {
	id, _ := strconv.ParseInt(form.Get("value"), 10, 64) // 0, which no link has
	switch form.Get("action") {
	case "complete":
		_, err = s.Complete(id)
	case "cancel":
		err = s.Cancel(id)
	case "expire":
		err = s.Expire(id)
	case "revoke":
		err = s.Revoke(id)
	case "hours-1":
		return "#clock", s.advance(time.Hour)
	case "hours-24":
		return "#clock", s.advance(24 * time.Hour)
	case "fail":
		how := form.Get("how")
		i := slices.IndexFunc(panelFailures, func(f panelFailure) bool { return f.Name == how })
		if i < 0 {
			return "", fmt.Errorf("there is no failure %q", how)
		}
		f := panelFailures[i].failure
		f.Route = Route(form.Get("route"))
		return "#failures", s.Fail(f)
	case "forget":
		s.StopFailing()
		return "#failures", nil
	case "reset":
		s.Reset()
		return "", nil
	default:
		return "", errors.New("there is no such button")
	}
	return fmt.Sprintf("#link-%d", id), err
}

// linkView is a link with its owner and its outcome in words.
type linkView struct {
	linkJSON
	Owner, Outcome string
}

func viewLinks(st stateJSON) []linkView {
	var all []linkView
	for _, l := range slices.Backward(st.Links) {
		v := linkView{linkJSON: l, Owner: l.GroupID}
		for _, ws := range st.Workspaces {
			if ws.ID == l.WorkspaceID || ws.GroupID == l.GroupID {
				v.Owner = ws.Name
			}
		}
		var came []string
		for _, c := range st.Connections {
			if c.ID != l.ConnectionID {
				continue
			}
			verb := "Made"
			switch {
			case l.Renews && l.State != "completed":
				verb = "To renew"
			case l.Renews:
				verb = "Renewed"
			}
			came = append(came, fmt.Sprintf("%s %s %s, “%s”.", verb, c.Kind, cmp.Or(c.ActivationID, strconv.FormatInt(c.ID, 10)), c.Name))
		}
		if l.Cancelled > 0 {
			came = append(came, fmt.Sprintf("Left without connecting: %d.", l.Cancelled))
		}
		v.Outcome = strings.Join(came, " ")
		all = append(all, v)
	}
	return all
}

// failureView is a failure in words, with the owner of the token that it is for.
type failureView struct {
	firedJSON
	Words, Whose string
}

func viewFailures(st stateJSON) []failureView {
	var all []failureView
	for _, f := range st.Failures {
		v := failureView{firedJSON: f, Words: f.words()}
		if f.Token != "" {
			v.Whose = "the personal access token"
			for _, ws := range st.Workspaces {
				if ws.Token == f.Token {
					v.Whose = ws.Name
				}
			}
		}
		all = append(all, v)
	}
	return all
}

func (f failureJSON) words() string {
	var words []string
	add := func(is bool, format string, args ...any) {
		if is {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(f.Status != 0, "%d", f.Status)
	for _, name := range slices.Sorted(maps.Keys(f.Header)) {
		add(true, "%s: %s", name, strings.Join(f.Header[name], ", "))
	}
	add(f.Reset, "reset connection")
	add(f.Hang, "never answered")
	add(f.Delay != 0, "delayed by %s", time.Duration(f.Delay))
	add(f.Drip != 0, "%s for each byte", time.Duration(f.Drip))
	add(f.Cut, "cut off")
	add(words == nil, "the true answer")
	add(f.CarryOut, "carried out")
	return strings.Join(words, ", ")
}

// requestView is a request with a rounded duration.
type requestView struct {
	Request
	Took time.Duration
}

func (s *Server) writePanel(w http.ResponseWriter, status int, formToken, problem string) {
	st := s.controlState()
	moreLinks := max(0, len(st.Links)-shownLinks)
	st.Links = st.Links[moreLinks:]
	log := s.Requests()
	var requests []requestView
	for _, r := range slices.Backward(log[max(0, len(log)-shownRequests):]) {
		requests = append(requests, requestView{r, r.Duration.Round(10 * time.Microsecond)})
	}
	var routes []Route
	for _, e := range endpoints() {
		routes = append(routes, e.route)
	}
	var body bytes.Buffer
	if err := panelTemplate.Execute(&body, map[string]any{
		"State": st, "Links": viewLinks(st), "MoreLinks": moreLinks,
		"Requests": requests, "Routes": routes, "Hows": panelFailures, "Failures": viewFailures(st),
		"Form": formToken, "Problem": problem,
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
