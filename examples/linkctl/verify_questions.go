package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/connectlinks/connectlinks-go"
)

// question is one thing that verify finds out.
type question struct {
	name       string
	kinds      string // that it is about; empty: all
	documented string
	assumed    string // by the SDK and the sandbox
	field      string // of connectlinkstest.Assumptions, if the sandbox can do otherwise
	ask        func(context.Context, *verifier) found
}

func (q question) concerns(v *verifier) bool {
	if q.name == "other-region" && v.otherRegion() == "" {
		return false
	}
	return q.kinds == "" || slices.Contains(strings.Fields(q.kinds), v.kind)
}

// questions returns all questions, in the order in which they are asked: some need the
// links of those before.
func questions() []question {
	const v1 = "source destination"
	return []question{
		{"create-status", "", "201 with the envelope's status created", "the same", "", askCreate},
		{"link-fields", "", "names and JSON types of a link's fields", "the same; V2 names the group", "", askFields},
		{"link-expiration", "", "RFC 3339; 24 hours unless the organization's settings say otherwise", "RFC 3339, and later than the answer's Date", "", askExpiration},
		{"listed-at-once", "", "nothing", "a new link is in the list at once", "ListDelay", askListed},
		{"redirect-uri", "", "nothing", "it comes back as sent: query, fragment and trailing slash too", "NormalizeRedirect", askRedirect},
		{"list-order", "", "order is asc or desc by creation time, by default desc", "the same", "IgnoreOrder", askOrder},
		{"per-page-limit", "", "per_page is at most 100", "a larger per_page is answered with pages of 100", "", askPerPage},
		{"page-beyond-last", "", "nothing", "200 with an empty list", "", askBeyond},
		{"get-link", "", "200 success and the link", "the same link as in the create's answer", "", askGet},
		{"sdk-reads-link", "", "nothing", "the SDK reads the same id, type and expiration", "", askSDK},
		{"missing-link", "", "404", "404", "", askMissing},
		{"error-status-v1", v1, "a number on some pages, a word on others", "status in a 404's body is the number 404", "WordStatus", askErrorStatus},
		{"error-status-v2", "activation", "the number", "status in a 404's body is the number 404", "", askErrorStatus},
		{"revoke", "", "200 and the link", "200, and revoked is true", "", askRevoke},
		{"revoked-expires", "", "nothing", "a revoked link is expired, and its expiration is not later than now", "KeepRevokedLinks", askRevokedExpires},
		{"revoked-page", "", "nothing", "the page of a revoked link answers with 410", "DeadPageStatus", askRevokedPage},
		{"revoke-again", "", "nothing", "200", "RevokeAgainStatus", askRevokeAgain},
		{"unknown-type-v1", v1, "nothing", "422", "UnknownTypeStatus", askUnknownType},
		{"unknown-type-v2", "activation", "400", "400", "", askUnknownType},
		{"error-message", "", "V2: 400, 403 and 500 have a message", "the body of that refusal has a message", "BareErrors", askErrorMessage},
		{"no-token", "", "401", "401", "", askNoToken},
		{"wrong-token", "", "401", "401", "", askWrongToken},
		{"other-kind-of-token", "", "nothing", "403", "WrongTokenStatus", askOtherToken},
		{"basic-authorization", "", "nothing", "accepted, with the user name bearer and the token as the password", "RefuseBasic", askBasic},
		{"used-link", v1, "nothing", "a link that was used is not expired before its time", "ExpireSpentLinks", askUsedLink},
		{"connection-times", "", "created_at and last_tested_at are times", "RFC 3339; last_tested_at may be null", "SpacedTimes", askConnectionTimes},
		{"source-types-pages", "source", "nothing", "all types on one page, without pagination", "PaginatedSourceTypes", askSourceTypes},
		{"destination-type", "destination", "a destination has a type", "the same; older answers had none", "NoTypeOnDestinations", askDestinationType},
		{"activation-names", "activation", "two objects, whose names are not certain", "source_connection and destination_connection", "ShortActivationNames", askActivationNames},
		{"v2-source", "activation", "GET /api/v2/sources/{source_id} names the group", "it knows the source of an activation, and names the same group", "", askV2Source},
		{"date", "", "nothing", "every answer has a Date header, by which CreatedAt goes", "", askDate},
		{"request-id", "", "nothing", "every answer has an X-Request-Id header", "NoRequestID", askRequestID},
		{"rate-limit-headers", "", "nothing", "no header tells of a rate limit, except Retry-After of a 429", "", askRateLimitHeaders},
		{"retirement-headers", v1, "nothing; V1 ends on 15 January 2027", "no Deprecation and no Sunset header", "AnnounceRetirement", askRetirementHeaders},
		{"other-region", "activation", "V2's pages name app.getcensus.com only", "both regions have API V2; the other one is asked without a token", "", askOtherRegion},
	}
}

func assumed(format string, args ...any) found {
	return found{Answer: asAssumed, Found: fmt.Sprintf(format, args...)}
}

func differs(format string, args ...any) found {
	return found{Answer: otherwise, Found: fmt.Sprintf(format, args...)}
}

func unknown(format string, args ...any) found {
	return found{Answer: couldNotTell, Found: fmt.Sprintf(format, args...)}
}

var noLink = unknown("no link was made")

// have reports whether a link was made and the answer shows it.
func (l *madeLink) have() bool { return l != nil && l.id != 0 && l.ok() }

// expects compares the status of an answer.
func expects(r reply, status int) found {
	switch {
	case r.problem != "":
		return unknown("%s", r.problem)
	case r.status == status:
		return assumed("%d", r.status)
	}
	return differs("%s", r.said())
}

func askCreate(ctx context.Context, v *verifier) found {
	v.first = v.create(ctx, v.typ, v.redirect("?state=a%20b&to=%2F#end"))
	r := v.first
	switch {
	case r.problem != "":
		return unknown("%s", r.problem)
	case r.status == http.StatusUnauthorized || r.status == http.StatusForbidden:
		return unknown("the token may not make a link (status %d)", r.status)
	case !r.ok():
		return unknown("the API refuses a link for %s (%s): does the type exist?", v.typ, r.said())
	case r.object == nil:
		return unknown("the answer is not one of the API: %s", r.said())
	case r.id == 0:
		return differs("%s, and data is not a link with an id", r.said())
	case r.status != http.StatusCreated || r.object["status"] != "created":
		return differs("%d and %q", r.status, fmt.Sprint(r.object["status"]))
	}
	return assumed("201 and created")
}

// jsonType names the JSON type of a value that was decoded with UseNumber.
func jsonType(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "number"
		}
		return "integer"
	case []any:
		return "array"
	}
	return "object"
}

func askFields(_ context.Context, v *verifier) found {
	if !v.first.have() {
		return noLink
	}
	wanted := map[string]string{
		"id": "integer", "type": "string", "expiration": "string", "expired": "boolean", "revoked": "boolean",
		"uri": "string", "redirect_uri": "string or null",
	}
	if v.kind == "activation" {
		wanted["group_id"] = "string"
	} else {
		wanted[v.kind+"_id"] = "integer or null"
	}
	data := v.first.data()
	var wrong, more []string
	for name, types := range wanted {
		value, there := data[name]
		if !there {
			wrong = append(wrong, name+" is missing")
		} else if t := jsonType(value); !slices.Contains(strings.Split(types, " or "), t) {
			wrong = append(wrong, name+" is "+t)
		}
	}
	for name := range data {
		if wanted[name] == "" {
			more = append(more, name)
		}
	}
	slices.Sort(wrong)
	slices.Sort(more)
	switch {
	case len(wrong) > 0:
		return differs("%s", strings.Join(wrong, ", "))
	case v.kind == "activation" && data["group_id"] != v.group:
		return differs("group_id is another group than the one that was sent")
	case len(more) > 0:
		return assumed("all there, and also %s", strings.Join(more, ", "))
	}
	return assumed("all there")
}

func askExpiration(_ context.Context, v *verifier) found {
	if !v.first.have() {
		return noLink
	}
	text, _ := v.first.data()["expiration"].(string)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return differs("not RFC 3339")
	}
	date, err := http.ParseTime(v.first.header.Get("Date"))
	if err != nil {
		return unknown("the answer has no Date")
	}
	v.lifetime = at.Sub(date)
	if v.lifetime <= 0 {
		v.lifetime = 0
		return differs("not later than the answer's Date")
	}
	return assumed("%s after the answer's Date", v.lifetime.Round(time.Second))
}

// look looks once for the link in the list, also on the last page.
func (v *verifier) look(ctx context.Context, id int64) (there bool, problem string) {
	p := v.list(ctx, "per_page=100")
	if p.problem != "" || p.index(id) >= 0 {
		return p.problem == "", p.problem
	}
	if last := integer(p.pagination()["last_page"]); last > 1 {
		p = v.list(ctx, fmt.Sprintf("per_page=100&page=%d", last))
	}
	return p.problem == "" && p.index(id) >= 0, p.problem
}

func askListed(ctx context.Context, v *verifier) found {
	if !v.first.have() {
		return noLink
	}
	before := v.sent
	for range verifyLooks {
		begin := v.sent
		there, problem := v.look(ctx, v.first.id)
		looks := begin - before // requests that came too early
		switch {
		case problem != "":
			return unknown("%s", problem)
		case there && looks == 0:
			return assumed("in the first list")
		case there:
			v.assume.ListDelay.Looks = looks
			return differs("not in the first list, but %d requests later", looks)
		}
	}
	v.assume.ListDelay.Looks = v.sent - before
	return differs("in none of %d lists", verifyLooks)
}

func askRedirect(ctx context.Context, v *verifier) found {
	if !v.first.have() {
		return noLink
	}
	v.second = v.create(ctx, v.typ, v.redirect("/second/"))
	switch {
	case v.second.problem != "":
		return unknown("%s", v.second.problem)
	case !v.second.have():
		return unknown("no second link was made: %s", v.second.said())
	}
	same, normalized := true, true
	for _, l := range []*madeLink{v.first, v.second} {
		got := l.data()["redirect_uri"]
		same = same && got == l.redirect
		path, query, has := strings.Cut(l.redirect, "?")
		path = strings.TrimSuffix(path, "/") + "/"
		if has {
			path += "?" + query
		}
		normalized = normalized && got == path
	}
	switch {
	case same:
		return assumed("both came back as sent")
	case normalized:
		v.assume.NormalizeRedirect = true
		return differs("a slash was added to the path")
	}
	return differs("they came back changed in another way than NormalizeRedirect does it")
}

// order returns desc if the page begins with the newest links, asc if with the oldest,
// and "" if that cannot be seen.
func order(p page, older, newer int64) string {
	o, n := p.index(older), p.index(newer)
	switch {
	case o >= 0 && n >= 0 && n < o:
		return "desc"
	case o >= 0 && n >= 0, n < 0 && p.more():
		return "asc" // or both are on later pages, where the newest are
	}
	return ""
}

func askOrder(ctx context.Context, v *verifier) found {
	if !v.first.have() || !v.second.have() {
		return unknown("there are not two links to compare")
	}
	for _, l := range []*madeLink{v.first, v.second} {
		there := false
		for i := 0; i < verifyLooks && !there; i++ {
			var problem string
			if there, problem = v.look(ctx, l.id); problem != "" {
				return unknown("%s", problem)
			}
		}
		if !there {
			return unknown("the new links are not in the list")
		}
	}
	var orders []string
	for _, query := range []string{"", "&order=desc", "&order=asc"} {
		p := v.list(ctx, "per_page=100"+query)
		if p.problem != "" {
			return unknown("%s", p.problem)
		}
		orders = append(orders, order(p, v.first.id, v.second.id))
	}
	switch {
	case slices.Contains(orders, ""):
		return unknown("the lists show too little of the new links")
	case slices.Equal(orders, []string{"desc", "desc", "asc"}):
		return assumed("newest first by default and with desc, oldest first with asc")
	case slices.Equal(orders, []string{"asc", "asc", "asc"}):
		v.assume.IgnoreOrder = true
		return differs("always oldest first")
	}
	return differs("by default %s, with desc %s, with asc %s", orders[0], orders[1], orders[2])
}

func askPerPage(ctx context.Context, v *verifier) found {
	p := v.list(ctx, "per_page=1000")
	switch per := integer(p.pagination()["per_page"]); {
	case p.problem != "" && p.status >= 400 && p.status < 500 && p.status != http.StatusTooManyRequests:
		return differs("%s", p.said())
	case p.problem != "":
		return unknown("%s", p.problem)
	case per == 0:
		return differs("the list has no pagination with per_page")
	case per != 100:
		return differs("pages of %d", per)
	}
	return assumed("pages of 100")
}

func askBeyond(ctx context.Context, v *verifier) found {
	p := v.list(ctx, "per_page=100&page=1000000")
	switch {
	case p.problem != "" && p.status >= 400 && p.status < 500 && p.status != http.StatusTooManyRequests:
		return differs("%s", p.said())
	case p.problem != "":
		return unknown("%s", p.problem)
	case len(p.items) > 0:
		return differs("200 with %d links", len(p.items))
	}
	return assumed("200 with an empty list")
}

func askGet(ctx context.Context, v *verifier) found {
	if !v.first.have() {
		return noLink
	}
	r := v.get(ctx, fmt.Sprintf("%s/%d", v.links, v.first.id))
	if f := expects(r, http.StatusOK); f.Answer != asAssumed {
		return f
	}
	if r.object["status"] != "success" {
		return differs("200 and %q", fmt.Sprint(r.object["status"]))
	}
	for _, name := range []string{"id", "type", "expiration", "expired", "revoked", "uri", "redirect_uri"} {
		if r.data()[name] != v.first.data()[name] {
			return differs("%s is not the same as in the create's answer", name)
		}
	}
	return assumed("200, success, the same link")
}

func askSDK(ctx context.Context, v *verifier) found {
	if !v.first.have() {
		return noLink
	}
	l, err := v.api.link(ctx, v.first.id)
	data := v.first.data()
	switch {
	case err != nil && v.stopped != "":
		return unknown("%s", v.stopped)
	case err != nil:
		return unknown("the SDK could not read the link: %s", explain(err).what)
	case l.ID != v.first.id, l.Type != data["type"], l.URL != data["uri"], l.RedirectURI != cmp.Or(data["redirect_uri"], any("")):
		return differs("the SDK reads something else than the API sent")
	}
	if at, err := time.Parse(time.RFC3339, fmt.Sprint(data["expiration"])); err != nil || !at.Equal(l.ExpiresAt) {
		return differs("the SDK reads another expiration than the API sent")
	}
	return assumed("the same")
}

func askMissing(ctx context.Context, v *verifier) found {
	const none = 1<<31 - 1 // the largest id that a database with 32-bit ids can look for
	v.missing = v.get(ctx, fmt.Sprintf("%s/%d", v.links, none))
	return expects(v.missing, http.StatusNotFound)
}

func askErrorStatus(_ context.Context, v *verifier) found {
	r := v.missing
	switch {
	case r.problem != "":
		return unknown("%s", r.problem)
	case r.status != http.StatusNotFound:
		return unknown("there was no 404")
	case r.object == nil:
		return differs("the body of the 404 is not a JSON object")
	}
	switch status := r.object["status"].(type) {
	case json.Number:
		if status == "404" {
			return assumed("the number 404")
		}
	case string:
		if v.kind != "activation" {
			v.assume.WordStatus = true
		}
		return differs("a word")
	}
	return differs("neither the number 404 nor a word")
}

func askRevoke(ctx context.Context, v *verifier) found {
	if !v.first.have() {
		return noLink
	}
	v.revoked = v.revoke(ctx, v.first.id)
	if f := expects(v.revoked, http.StatusOK); f.Answer != asAssumed {
		return f
	}
	if v.revoked.data()["revoked"] != true {
		return differs("200, and revoked is not true")
	}
	return assumed("200, and revoked is true")
}

func askRevokedExpires(ctx context.Context, v *verifier) found {
	if v.revoked.data()["revoked"] != true {
		return unknown("no link was revoked")
	}
	r := v.get(ctx, fmt.Sprintf("%s/%d", v.links, v.first.id))
	switch {
	case r.problem != "":
		return unknown("%s", r.problem)
	case r.status != http.StatusOK || r.data()["revoked"] != true:
		return unknown("the revoked link could not be fetched: %s", r.said())
	}
	before, err := time.Parse(time.RFC3339, fmt.Sprint(v.first.data()["expiration"]))
	after, errAfter := time.Parse(time.RFC3339, fmt.Sprint(r.data()["expiration"]))
	date, errDate := http.ParseTime(r.header.Get("Date"))
	if err != nil || errAfter != nil || errDate != nil {
		return unknown("an expiration or the Date cannot be read")
	}
	expired := r.data()["expired"]
	switch {
	case expired == true && after.Before(before) && !after.After(date.Add(time.Second)):
		return assumed("expired, and the expiration was moved to the revocation")
	case expired == false && after.Equal(before):
		v.assume.KeepRevokedLinks = true
		return differs("expired and expiration are as before")
	}
	return differs("expired is %v, and the expiration was moved by %s", expired, after.Sub(before))
}

func askRevokeAgain(ctx context.Context, v *verifier) found {
	if v.revoked.data()["revoked"] != true {
		return unknown("no link was revoked")
	}
	r := v.revoke(ctx, v.first.id)
	f := expects(r, http.StatusOK)
	if f.Answer == otherwise && r.status >= 300 {
		v.assume.RevokeAgainStatus = r.status
	}
	return f
}

// askRevokedPage opens the page of a link that verify made, only after it was revoked.
func askRevokedPage(ctx context.Context, v *verifier) found {
	if v.revoked.data()["revoked"] != true {
		return unknown("no link was revoked")
	}
	uri, _ := v.first.data()["uri"].(string)
	address, err := url.Parse(uri)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return unknown("the link has no address to open")
	}
	v.observed["page host"] = address.Host
	r := v.fetch(ctx, uri, "text/html")
	switch {
	case r.problem != "":
		return unknown("%s", r.problem)
	case r.status >= 500 || r.status == http.StatusTooManyRequests:
		return unknown("the page had a problem of its own (status %d)", r.status)
	case r.status == http.StatusGone:
		return assumed("410")
	case r.status >= 300 && r.status < 400:
		return differs("a redirect (status %d)", r.status)
	}
	v.assume.DeadPageStatus = r.status
	return differs("status %d", r.status)
}

func askUnknownType(ctx context.Context, v *verifier) found {
	r := v.create(ctx, "no_such_type_"+v.key, v.redirect("/unknown-type"))
	v.refused = r.reply
	want := http.StatusUnprocessableEntity
	if v.kind == "activation" {
		want = http.StatusBadRequest
	}
	f := expects(r.reply, want)
	if f.Answer == otherwise && r.status >= 400 && v.kind != "activation" {
		v.assume.UnknownTypeStatus = r.status
	}
	return f
}

func askErrorMessage(_ context.Context, v *verifier) found {
	r := v.refused
	switch {
	case r.problem != "":
		return unknown("%s", r.problem)
	case r.status < 400:
		return unknown("the unknown type was not refused")
	case r.object == nil:
		return differs("%s", r.said())
	}
	if message, _ := r.object["message"].(string); message != "" {
		return assumed("there is one")
	}
	fields := slices.Sorted(maps.Keys(r.object))
	if r.object["message"] == nil && len(fields) == 1 {
		v.assume.BareErrors = true
	}
	return differs("no message; the body has %q", fields)
}

func (v *verifier) listWith(ctx context.Context, auth string) reply {
	return v.send(ctx, http.MethodGet, v.links+"?per_page=1", nil, auth)
}

func askNoToken(ctx context.Context, v *verifier) found {
	return expects(v.listWith(ctx, ""), http.StatusUnauthorized)
}

func askWrongToken(ctx context.Context, v *verifier) found {
	return expects(v.listWith(ctx, "Bearer secret-token:not-a-token-"+v.key), http.StatusUnauthorized)
}

func askOtherToken(ctx context.Context, v *verifier) found {
	if v.otherToken == "" {
		return unknown("%s is not set", v.otherFrom)
	}
	r := v.listWith(ctx, "Bearer "+v.otherToken)
	f := expects(r, http.StatusForbidden)
	if f.Answer == otherwise && r.status >= 400 {
		v.assume.WrongTokenStatus = r.status
	}
	return f
}

func askBasic(ctx context.Context, v *verifier) found {
	r := v.listWith(ctx, "Basic "+base64.StdEncoding.EncodeToString([]byte("bearer:"+v.token)))
	f := expects(r, http.StatusOK)
	if f.Answer == otherwise && r.status == http.StatusUnauthorized {
		v.assume.RefuseBasic = true
	}
	return f
}

// connectionList fetches the newest connections, once.
func (v *verifier) connectionList(ctx context.Context) page {
	if v.connections == nil {
		p := v.listAt(ctx, v.conns+"?order=desc&per_page=100")
		v.connections = &p
	}
	return *v.connections
}

// askUsedLink looks at links that were there before. A link that has a connection was used
// if the connection is newer than the link. The others reauthorize.
func askUsedLink(ctx context.Context, v *verifier) found {
	const margin = 2 * time.Second // dates of headers are in whole seconds
	p := v.connectionList(ctx)
	switch {
	case p.problem != "":
		return unknown("%s", p.problem)
	case v.lifetime == 0:
		return unknown("the lifetime of links is not known")
	}
	created := map[int64]time.Time{}
	for _, c := range p.items {
		if at, _, ok := connectionTime(c["created_at"]); ok {
			created[integer(c["id"])] = at
		}
	}
	var live int64
	for _, l := range v.before {
		at, known := created[integer(l[v.kind+"_id"])]
		expires, err := time.Parse(time.RFC3339, fmt.Sprint(l["expiration"]))
		if !known || err != nil || l["revoked"] != false {
			continue
		}
		switch {
		case l["expired"] == true && expires.Sub(at).Abs() < margin:
			v.assume.ExpireSpentLinks = true
			return differs("link %d expired when its connection was made", integer(l["id"]))
		case l["expired"] == false && at.After(expires.Add(margin-v.lifetime)):
			live = integer(l["id"])
		}
	}
	if live == 0 {
		return unknown("there is no used link that has not expired yet")
	}
	return assumed("link %d was used, and is not expired", live)
}

// connectionTime reads a time of a connection. spaced: it is not RFC 3339, but like
// SpacedTimes.
func connectionTime(v any) (at time.Time, spaced, ok bool) {
	at, err := time.Parse(time.RFC3339, fmt.Sprint(v))
	if err != nil {
		at, err = time.Parse("2006-01-02 15:04:05 MST", fmt.Sprint(v))
		spaced = err == nil
	}
	return at, spaced, err == nil
}

func askConnectionTimes(ctx context.Context, v *verifier) found {
	p := v.connectionList(ctx)
	switch {
	case p.problem != "":
		return unknown("%s", p.problem)
	case len(p.items) == 0:
		return unknown("there is no %s to look at", v.kind)
	}
	var wrong []string
	times, spaced := 0, 0
	for _, c := range p.items {
		if v.kind == "activation" { // its destination has the times
			short, _ := c["destination"].(map[string]any)
			if c, _ = c["destination_connection"].(map[string]any); c == nil {
				c = short
			}
		}
		for _, name := range []string{"created_at", "last_tested_at"} {
			value, there := c[name]
			if there && value == nil && name == "last_tested_at" {
				continue
			}
			_, isSpaced, ok := connectionTime(value)
			switch {
			case !there:
				wrong = append(wrong, name+" is missing")
			case isSpaced:
				spaced++
				wrong = append(wrong, name+" is not RFC 3339")
			case !ok:
				wrong = append(wrong, name+" is not a time")
			}
			times++
		}
	}
	if len(wrong) == 0 {
		return assumed("RFC 3339 on each of %d", len(p.items))
	}
	if spaced == times {
		v.assume.SpacedTimes = true
	}
	slices.Sort(wrong)
	return differs("%d of %d times: %s", len(wrong), times, strings.Join(slices.Compact(wrong), ", "))
}

func askSourceTypes(ctx context.Context, v *verifier) found {
	p := v.listAt(ctx, "/api/v1/source_types")
	switch {
	case p.problem != "":
		return unknown("%s", p.problem)
	case p.pagination() != nil:
		v.assume.PaginatedSourceTypes = true
		return differs("there is a pagination")
	}
	return assumed("%d types, no pagination", len(p.items))
}

func askDestinationType(ctx context.Context, v *verifier) found {
	p := v.connectionList(ctx)
	switch {
	case p.problem != "":
		return unknown("%s", p.problem)
	case len(p.items) == 0:
		return unknown("there is no destination to look at")
	}
	without := 0
	for _, d := range p.items {
		if typ, _ := d["type"].(string); typ == "" {
			without++
		}
	}
	switch without {
	case 0:
		return assumed("on each of %d", len(p.items))
	case len(p.items):
		v.assume.NoTypeOnDestinations = true
	}
	return differs("%d of %d have none", without, len(p.items))
}

// activation returns the newest activation, nil if there is none.
func (v *verifier) activation(ctx context.Context) (activation map[string]any, problem string) {
	p := v.connectionList(ctx)
	switch {
	case p.problem != "":
		return nil, p.problem
	case len(p.items) == 0:
		return nil, "there is no activation to look at"
	}
	return p.items[0], ""
}

func askActivationNames(ctx context.Context, v *verifier) found {
	a, problem := v.activation(ctx)
	if problem != "" {
		return unknown("%s", problem)
	}
	has := func(name string) bool { return jsonType(a[name]) == "object" }
	switch {
	case has("source_connection") && has("destination_connection"):
		return assumed("the same")
	case has("source") && has("destination"):
		v.assume.ShortActivationNames = true
		return differs("source and destination")
	}
	var objects []string
	for name := range a {
		if has(name) {
			objects = append(objects, name)
		}
	}
	slices.Sort(objects)
	return differs("the objects are called %q", objects)
}

func askV2Source(ctx context.Context, v *verifier) found {
	a, problem := v.activation(ctx)
	if problem != "" {
		return unknown("%s", problem)
	}
	var id int64
	for _, name := range []string{"source_connection", "source"} {
		if source, ok := a[name].(map[string]any); ok && id == 0 {
			id = integer(source["id"])
		}
	}
	if id == 0 {
		return unknown("the activation does not name its source")
	}
	r := v.get(ctx, fmt.Sprintf("/api/v2/sources/%d", id))
	f := expects(r, http.StatusOK)
	switch group, _ := r.data()["group_id"].(string); {
	case f.Answer != asAssumed:
		return f
	case group == "":
		return differs("the source names no group")
	case group != a["group_id"]:
		return differs("the source names another group than its activation")
	}
	return assumed("the same group")
}

func askDate(_ context.Context, v *verifier) found {
	if v.undated > 0 {
		return differs("%d of %d answers have none", v.undated, v.answers)
	}
	return assumed("on each of %d", v.answers)
}

func askRequestID(_ context.Context, v *verifier) found {
	switch v.unnamed {
	case 0:
		return assumed("on each of %d", v.answers)
	case v.answers:
		v.assume.NoRequestID = true
	}
	return differs("%d of %d answers have none", v.unnamed, v.answers)
}

func askRateLimitHeaders(_ context.Context, v *verifier) found {
	var names []string
	for name := range v.observed {
		if header, ok := strings.CutPrefix(name, "header "); ok && strings.Contains(header, "rate") {
			names = append(names, header)
		}
	}
	if len(names) == 0 {
		return assumed("none")
	}
	slices.Sort(names)
	return differs("there is %s", strings.Join(names, ", "))
}

func askRetirementHeaders(_ context.Context, v *verifier) found {
	deprecation, sunset := v.observed["header deprecation"], v.observed["header sunset"]
	switch {
	case deprecation == "" && sunset == "":
		return assumed("none")
	case deprecation != "" && sunset != "":
		v.assume.AnnounceRetirement = true
		return differs("both; the sunset is %s", sunset)
	case sunset != "":
		return differs("a sunset: %s", sunset)
	}
	return differs("only a deprecation")
}

// otherRegion returns the API's address in the other region, and "" if the API has none.
func (v *verifier) otherRegion() string {
	switch v.baseURL {
	case connectlinks.BaseURLUS:
		return connectlinks.BaseURLEU
	case connectlinks.BaseURLEU:
		return connectlinks.BaseURLUS
	}
	return ""
}

// askOtherRegion asks without a token, which belongs to one region. A refusal of V2 tells
// something only if a path that does not exist is answered otherwise.
func askOtherRegion(ctx context.Context, v *verifier) found {
	other := v.otherRegion()
	there := v.fetch(ctx, other+v.links+"?per_page=1", "application/json")
	nothing := v.fetch(ctx, other+"/api/v2/no_such_path_"+v.key, "application/json")
	switch {
	case there.problem != "" || nothing.problem != "":
		return unknown("%s", cmp.Or(there.problem, nothing.problem))
	case there.status == http.StatusNotFound:
		return differs("%s answers %d", other, there.status)
	case there.status != http.StatusUnauthorized || there.object == nil:
		return unknown("%s: %s", other, there.said())
	case nothing.status == there.status:
		return unknown("%s answers %d without a token, whatever the path", other, there.status)
	}
	return assumed("%s answers 401 without a token", other)
}

// assumptionsPage returns docs/assumptions.md.
func assumptionsPage() string {
	var b strings.Builder
	b.WriteString(`# What SDK and sandbox assume

The documentation of the Connect Links API leaves questions open. This page lists those that
` + "`linkctl verify`" + ` asks the API, with two links that it makes and revokes:

` + "```sh token" + `
go run ./examples/linkctl verify -kind destination -type hubspot
` + "```" + `

*Kinds* are the values of -kind whose endpoints the question is about. *Field* is the field of
` + "`connectlinkstest.Assumptions`" + ` that makes the sandbox behave otherwise.

| question | kinds | documented | SDK and sandbox assume | field |
|---|---|---|---|---|
`)
	for _, q := range questions() {
		field := q.field
		if field != "" {
			field = "`" + field + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", q.name, cmp.Or(strings.ReplaceAll(q.kinds, " ", ", "), "all"), q.documented, q.assumed, field)
	}
	b.WriteString(`
other-region is asked only if the API is of one of the vendor's regions. verify does not ask what the
page of a live link shows, and what happens when a customer uses a link: it opens no live link.
Besides, it reports HTTP and TLS version, the clock's skew, the host of the pages, and which of
X-Request-Id, Retry-After, rate-limit, Deprecation and Sunset headers it saw.
`)
	return b.String()
}
