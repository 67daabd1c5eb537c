package connectlinkstest

import (
	"bytes"
	"html/template"
	"net/http"
	"net/url"
)

// pagePath is where the hosted pages are.
const pagePath = "/pbc"

type pageData struct {
	Title, Message string
	Form           bool // the customer can connect or leave
}

// showPage is what a customer sees who opens a link. It changes nothing.
func (c *call) showPage() answer {
	l, refusal := c.pageLink()
	if refusal != nil {
		return *refusal
	}
	return c.page(http.StatusOK, c.form(l, ""))
}

// submitPage is a customer who has pressed Connect or Cancel.
func (c *call) submitPage() answer {
	l, refusal := c.pageLink()
	if refusal != nil {
		return *refusal
	}
	if err := http.NewCrossOriginProtection().Check(c.r); err != nil {
		return c.page(http.StatusForbidden, pageData{Title: "Not accepted", Message: "This form was sent from another site."})
	}
	form, _ := url.ParseQuery(string(c.body))
	switch form.Get("action") {
	case "connect":
		if _, err := c.connect(l, Submission{Fields: c.filled(l, nil)}); err != nil {
			return c.page(http.StatusUnprocessableEntity, c.form(l, err.Error()))
		}
		return c.leave(l, pageData{Title: "Connected", Message: "You can close this page."})
	case "cancel":
		if err := c.cancel(l); err != nil {
			return c.page(http.StatusUnprocessableEntity, c.form(l, err.Error()))
		}
		return c.leave(l, pageData{Title: "Not connected", Message: "You can close this page, or open the link again."})
	}
	return c.page(http.StatusUnprocessableEntity, c.form(l, "Press one of the buttons."))
}

// pageLink is the open link that the request's address names.
func (c *call) pageLink() (*link, *answer) {
	l := c.state.bySecret[c.r.URL.Query().Get("auth")]
	if l == nil {
		a := c.page(http.StatusNotFound, pageData{Title: "No such link", Message: "Check that the address is complete, or ask for a new link."})
		return nil, &a
	}
	if why := l.dead(c.now()); why != "" {
		a := c.page(http.StatusGone, pageData{Title: "This link cannot be used", Message: "The reason: " + why + ". Ask for a new one."})
		return nil, &a
	}
	return l, nil
}

func (c *call) form(l *link, message string) pageData {
	typ, _ := c.state.typeNamed(l.kind, l.typ)
	title := "Connect " + typ.Label
	if l.renews {
		title = "Reconnect " + l.conn.name
	}
	return pageData{Title: title, Message: message, Form: true}
}

// leave sends the customer to the link's redirect URI, or says goodbye.
//
// Assumption: a customer who cancels is redirected too.
func (c *call) leave(l *link, goodbye pageData) answer {
	u, err := url.Parse(l.redirectURI)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return c.page(http.StatusOK, goodbye)
	}
	a := c.page(http.StatusSeeOther, goodbye)
	a.header.Set("Location", l.redirectURI)
	return a
}

func (c *call) page(status int, data pageData) answer {
	var body bytes.Buffer
	if err := pageTemplate.Execute(&body, data); err != nil {
		panic(err) // strings only
	}
	return answer{status: status, body: body.Bytes(), header: http.Header{
		"Content-Type": {"text/html; charset=utf-8"},
		// The address is a secret.
		"Cache-Control":          {"no-store"},
		"Referrer-Policy":        {"no-referrer"},
		"X-Content-Type-Options": {"nosniff"},
	}}
}

var pageTemplate = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<h1>{{.Title}}</h1>
{{with .Message}}<p role="status">{{.}}</p>
{{end}}{{if .Form}}<p>This is a sandbox: no service is asked, and nothing is to be entered.</p>
<form method="post">
<button name="action" value="connect">Connect</button>
<button name="action" value="cancel">Cancel</button>
</form>
{{end}}</html>
`))
