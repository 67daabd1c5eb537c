package connectlinkstest

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// pagePath is where the hosted pages are.
const pagePath = "/pbc"

var (
	//go:embed pages/page.html
	pageHTML string
	//go:embed pages/page.css
	pageCSS string
	//go:embed pages/frame.js
	frameJS string

	// A browser turns \r\n into \n before it hashes a style or a script.
	style  = strings.ReplaceAll(pageCSS, "\r\n", "\n")
	script = strings.ReplaceAll(frameJS, "\r\n", "\n")

	pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
		"style":  func() template.CSS { return template.CSS(style) },
		"script": func() template.JS { return template.JS(script) },
	}).Parse(pageHTML))
)

// A page holds what a hosted page shows.
type page struct {
	Name         string // the attribute data-page, for tests in a browser
	Title        string
	ProblemTitle string
	Problems     []problem
	Text         []string
	Steps        []stepView
	Form         *form
	Back         string // the link's redirect URI, to leave the page
	BackHost     string
	Leave        bool // the page of a dead link has a button that tells the parent
	Script       bool // it is in a frame, or may be
	Framed       bool // it is in a frame
	Messages     any  // to the parent, if it is in a frame

	status   int
	location string // the target of a redirect, which replaces the page
}

// A problem is something that the customer can correct.
type problem struct {
	Field string // the id of the field, or ""
	Text  string
}

type form struct {
	Service string
	Fields  []fieldView

	leads string // the value of form-action
}

type fieldView struct {
	Field
	Value, Problem, DescribedBy string
	Options                     []option
}

type option struct{ Value, Label string }

type stepView struct{ Name, Status, Words, Failure string }

// message is a message of a page to the page that embeds it.
type message struct {
	Message string `json:"message"`
	Data    *exit  `json:"data,omitempty"`
}

type exit struct {
	Status  string   `json:"status"`
	Details *details `json:"details,omitempty"`
}

type details struct {
	ID   any    `json:"id"` // an activation's is a string
	Name string `json:"name"`
}

var (
	loaded     = []message{{Message: "LOADED"}}
	notCreated = []message{{Message: "EXITED_CONNECT_FLOW", Data: &exit{Status: "not_created"}}}
)

// created returns the message that names the connection that was made or renewed.
func created(conn *connection) []message {
	d := details{ID: conn.id, Name: conn.name}
	if conn.kind == KindActivation {
		d.ID = conn.activationID
	}
	return []message{{Message: "EXITED_CONNECT_FLOW", Data: &exit{Status: "created", Details: &d}}}
}

// place says whether a browser shows the page in a frame.
type place int

const (
	anywhere place = iota // unknown; the script finds out
	onTop
	inFrame
)

// place returns where the browser shows the answer. Browsers send Sec-Fetch-Dest, except old
// ones, and except over plain HTTP to another machine. Then the page's script says it in the
// form. Without a script, the page could not tell its parent anything anyway.
func (c *call) place(submitted url.Values) place {
	switch c.r.Header.Get("Sec-Fetch-Dest") {
	case "":
		if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
			return anywhere
		}
		if submitted.Get("framed") != "" {
			return inFrame
		}
	case "iframe", "frame", "embed", "object":
		return inFrame
	}
	return onTop
}

// showPage answers a customer who opens a link. It changes nothing.
func (c *call) showPage() answer {
	at := c.place(nil)
	l := c.pageLink()
	p := c.deadPage(l, at)
	if p == nil {
		var known map[string]string
		if l.renews {
			known = l.conn.details
		}
		p = c.formPage(l, at, known, nil)
	}
	p.Messages = loaded
	return c.page(p, at)
}

// submitPage answers a customer who has pressed a button.
func (c *call) submitPage() answer {
	submitted, _ := url.ParseQuery(string(c.body))
	at := c.place(submitted)
	if err := http.NewCrossOriginProtection().Check(c.r); err != nil {
		return c.page(&page{
			status: http.StatusForbidden, Name: "refused", Title: "Not accepted",
			Text: []string{"This form was sent from another site. Nothing has been changed. Open the link itself, and enter what is asked for there."},
		}, at)
	}
	l := c.pageLink()
	action := submitted.Get("action")
	if p := c.deadPage(l, at); p != nil {
		if l != nil && action == "cancel" {
			p.Messages, p.Leave = notCreated, false
		}
		return c.page(p, at)
	}
	consent := len(c.pageType(l).Fields) == 0
	switch {
	case action == "connect", action == "deny" && consent:
		return c.page(c.submitConnect(l, at, submitted), at)
	case action == "cancel":
		if err := c.cancel(l); err != nil { // it has just expired
			p := c.deadPage(l, at)
			p.Messages, p.Leave = notCreated, false
			return c.page(p, at)
		}
		return c.page(c.leave(l, at, &page{
			Name: "not-connected", Title: "Not connected", Messages: notCreated,
			Text: []string{"Nothing has been connected. The link can be used until it expires."},
		}), at)
	}
	p := c.formPage(l, at, nil, []problem{{Text: "Press Connect or Cancel."}})
	p.ProblemTitle = "Nothing was pressed"
	return c.page(p, at)
}

// submitConnect tests what the customer has entered, or fails if consent was denied. Fields
// that were not sent are filled in, for programs that send only action=connect.
func (c *call) submitConnect(l *link, at place, submitted url.Values) *page {
	typ := c.pageType(l)
	entered := map[string]string{}
	for _, f := range typ.Fields {
		if v := submitted["field-"+f.ID]; len(v) > 0 {
			entered[f.ID] = v[0]
		}
	}
	values := c.filled(l, entered)
	var problems []problem
	for _, name := range unknownFields(typ, submitted) {
		problems = append(problems, problem{Text: "There is no field “" + name + "”"})
	}
	for _, f := range typ.Fields {
		if wrong := f.problem(values[f.ID]); wrong != "" {
			problems = append(problems, problem{f.ID, f.name() + " " + wrong})
		}
	}
	if problems != nil {
		p := c.formPage(l, at, typ.public(entered), problems)
		p.ProblemTitle = "Please correct this"
		return p
	}

	conn, err := c.connect(l, Submission{Fields: values, Denied: submitted.Get("action") == "deny"})
	if failure := new(testError); errors.As(err, &failure) {
		last := failure.steps[len(failure.steps)-1]
		p := c.formPage(l, at, typ.public(entered), []problem{{last.field, last.failure}})
		p.ProblemTitle = fmt.Sprintf("The test “%s” failed", last.name)
		p.Text = []string{"Nothing has been connected yet. Correct what is wrong and try again. Passwords and keys have to be entered again."}
		if len(typ.Fields) == 0 {
			p.Text = []string{"Nothing has been connected yet. You can try again."}
		}
		p.Steps = viewSteps(failure.steps)
		return p
	}
	if err != nil { // the values are good, so the link has just expired
		return c.deadPage(l, at)
	}
	return c.leave(l, at, &page{
		Name: "connected", Title: "Connected", Messages: created(conn),
		Text: []string{conn.name + " is connected."}, Steps: viewSteps(conn.steps),
	})
}

// unknownFields returns the names of fields that the form of typ does not have. Their
// values are neither stored nor shown: one may be a password with a mistyped field name.
func unknownFields(typ Type, submitted url.Values) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(submitted)), func(name string) bool {
		id, prefixed := strings.CutPrefix(name, "field-")
		return name == "action" || name == "framed" ||
			prefixed && slices.ContainsFunc(typ.Fields, func(f Field) bool { return f.ID == id })
	})
}

// viewSteps returns the results of all steps. Steps after a failed one were not run.
func viewSteps(run []step) []stepView {
	var all []stepView
	for i, name := range testSteps() {
		switch {
		case i >= len(run):
			all = append(all, stepView{Name: name, Status: "not_run", Words: "Not run"})
		case run[i].failure != "":
			all = append(all, stepView{Name: name, Status: stepFails, Words: "Failed", Failure: run[i].failure})
		default:
			all = append(all, stepView{Name: name, Status: stepSucceeds, Words: "Passed"})
		}
	}
	return all
}

// leave ends the flow. The customer is redirected to the link's redirect URI. If the link
// has none, or in a frame, p is shown; in a frame, it tells the parent.
func (c *call) leave(l *link, at place, p *page) *page {
	p.status = http.StatusOK
	u := l.redirect()
	switch {
	case at == inFrame:
	case u == nil:
		p.Text = append(p.Text, "You can close this page.")
	default:
		p.status, p.location = http.StatusSeeOther, l.redirectURI
		p.Back, p.BackHost = l.redirectURI, u.Host
	}
	return p
}

// redirect returns the link's redirect URI, or nil if it is not an http or https URL.
func (l *link) redirect() *url.URL {
	u, err := url.Parse(l.redirectURI)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil
	}
	return u
}

// pageLink returns the link of the request's URL, or nil.
func (c *call) pageLink() *link { return c.state.bySecret[c.r.URL.Query().Get("auth")] }

// deadPage returns the page that says why l cannot be used, and what to do. It returns nil
// if l can be used.
func (c *call) deadPage(l *link, at place) *page {
	if l == nil {
		return &page{
			status: http.StatusNotFound, Name: "unknown", Title: "There is no such link",
			Text: []string{"Its address may have been cut off: copy all of it. If that does not help, ask whoever gave it to you for a new one."},
		}
	}
	why := c.dead(l)
	if why == "" {
		return nil
	}
	p := &page{
		status: c.assume.DeadPageStatus, Name: "dead", Title: "This link cannot be used",
		Text: []string{
			"The reason: " + why + ".",
			"Go back to where you found it and start again there, which makes a new one, or ask whoever sent it to you.",
		},
	}
	p.Leave = !l.spent && at != onTop
	if l.spent {
		p.Text[1] = "If you have just connected, there is nothing left to do. Otherwise g" + strings.TrimPrefix(p.Text[1], "G")
	}
	if u := l.redirect(); u != nil && at != inFrame {
		p.Back, p.BackHost = l.redirectURI, u.Host
	}
	return p
}

// pageType returns the type that l connects, also if the catalogue does not have it.
func (c *call) pageType(l *link) Type {
	typ, ok := c.state.typeNamed(l.kind, l.typ)
	if !ok || typ.Label == "" {
		typ.Label = l.typ
	}
	return typ
}

func (c *call) formPage(l *link, at place, values map[string]string, problems []problem) *page {
	typ := c.pageType(l)
	p := &page{
		status: http.StatusOK, Name: "form", Title: "Connect " + typ.Label,
		Text:     []string{"What you enter is tested before anything is connected."},
		Problems: problems, Form: &form{Service: typ.Label, leads: "'self'"},
	}
	if len(typ.Fields) == 0 {
		p.Title = "Authorize " + typ.Label
		p.Text = []string{"On the real service " + typ.Label + " now asks you to sign in and to agree. Here, Connect says that you agree, and Deny that you do not."}
	}
	if l.renews {
		p.Title = "Reconnect " + l.conn.name
		p.Text = append([]string{fmt.Sprintf("This renews the connection “%s” (%s), which is there already.", l.conn.name, typ.Label)}, p.Text...)
	}
	if problems != nil {
		p.status = http.StatusUnprocessableEntity
	}
	if at != inFrame && l.redirect() != nil {
		// Chromium applies form-action to the redirect that answers the form, and to
		// those that follow, of which only the link's redirect URI is known.
		p.Form.leads += " http: https:"
	}
	for _, f := range typ.Fields {
		p.Form.Fields = append(p.Form.Fields, viewField(f, values[f.ID], problems))
	}
	return p
}

func viewField(f Field, value string, problems []problem) fieldView {
	v := fieldView{Field: f}
	if !f.Password {
		v.Value = value
	}
	v.Label = f.name()
	for _, value := range f.PossibleValues {
		v.Options = append(v.Options, option{value, value})
	}
	if f.Type == "boolean" && len(f.PossibleValues) == 0 {
		v.Options = []option{{"true", "Yes"}, {"false", "No"}}
	}
	var described []string
	if f.Hint != "" {
		described = append(described, "hint-"+f.ID)
	}
	for _, p := range problems {
		if p.Field == f.ID {
			v.Problem = p.Text
			described = append(described, "error-"+f.ID)
		}
	}
	v.DescribedBy = strings.Join(described, " ")
	return v
}

// page returns the answer that shows p.
func (c *call) page(p *page, at place) answer {
	p.Script, p.Framed = at != onTop, at == inFrame
	if p.Messages == nil {
		p.Messages = []message{}
	}
	var body bytes.Buffer
	if err := pageTemplate.Execute(&body, p); err != nil {
		panic(err) // strings, and messages that are marshalled
	}
	policy := "default-src 'none'; base-uri 'none'; style-src " + hash(style)
	if p.Script {
		policy += "; script-src " + hash(script)
	}
	// The URL is a secret, so other sites must not get it as Referer. But with no-referrer, a
	// browser sends the form with Origin: null, which is refused without Sec-Fetch-Site.
	leads, referrer := "'none'", "no-referrer"
	switch {
	case p.Form != nil:
		leads, referrer = p.Form.leads, "same-origin"
	case p.Leave:
		leads, referrer = "'self'", "same-origin"
	}
	header := http.Header{
		"Content-Type":            {"text/html; charset=utf-8"},
		"Content-Security-Policy": {policy + "; form-action " + leads + "; frame-ancestors " + c.embedOrigins},
		"Cache-Control":           {"no-store"},
		"Referrer-Policy":         {referrer},
		"X-Content-Type-Options":  {"nosniff"},
	}
	if p.location != "" {
		header.Set("Location", p.location)
	}
	return answer{status: p.status, body: body.Bytes(), header: header}
}

// noPage answers a request for an unknown path on the pages' origin.
func (c *call) noPage() answer {
	return c.page(&page{
		status: http.StatusNotFound, Name: "unknown", Title: "There is no such page",
		Text: []string{"The address may have been cut off. Open the link that you were given."},
	}, onTop)
}

// otherMethod answers methods other than GET, HEAD and POST.
func (c *call) otherMethod() answer {
	a := c.page(&page{
		status: http.StatusMethodNotAllowed, Name: "refused", Title: "Not accepted",
		Text: []string{"Open the link in a browser."},
	}, onTop)
	a.header.Set("Allow", "GET, HEAD, POST")
	return a
}

// tooLargePage answers a form that is too large.
func (c *call) tooLargePage() answer {
	return c.page(&page{
		status: http.StatusRequestEntityTooLarge, Name: "refused", Title: "Not accepted",
		Text: []string{"What was entered is too long. Go back and correct it."},
	}, c.place(nil))
}

// hash returns the source expression for an inline text in a Content-Security-Policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// loopback is the default value of frame-ancestors.
const loopback = "'self' http://localhost:* http://*.localhost:* http://127.0.0.1:*"

var origin = regexp.MustCompile(`^(\*|https?://(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(:([0-9]+|\*))?)$`)

// ancestors returns the value of frame-ancestors for origins.
func ancestors(origins []string) (string, error) {
	if len(origins) == 0 {
		return "'none'", nil
	}
	for _, o := range origins {
		if !origin.MatchString(o) {
			return "", fmt.Errorf("%q is not an origin such as https://app.example.com", o)
		}
	}
	return strings.Join(origins, " "), nil
}
