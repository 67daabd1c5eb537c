package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

const (
	verifyRequests = 60               // at most, in all
	verifyCleanUp  = 16               // of them are kept for the clean-up
	verifyTimeout  = 20 * time.Second // for one answer
	verifyLooks    = 6                // rounds in which a new link is looked for in the list
)

// The answers to a question.
const (
	asAssumed    = "as assumed"
	otherwise    = "otherwise"
	couldNotTell = "could not tell"
)

// found is what verify found out about one question.
type found struct {
	Question   string `json:"question"`
	Answer     string `json:"answer"`
	Found      string `json:"found"`
	Documented string `json:"documented"`
	Assumed    string `json:"assumed"`
	Field      string `json:"field,omitempty"` // of connectlinkstest.Assumptions
}

// verifyReport is the result of verify. It holds no token and no link's URL.
type verifyReport struct {
	BaseURL     string            `json:"base_url"`
	Kind        string            `json:"kind"`
	Type        string            `json:"type"`
	Requests    int               `json:"requests"`
	Questions   []found           `json:"questions"`
	Observed    map[string]string `json:"observed"`
	Assumptions string            `json:"assumptions"`           // as a Go literal
	NotRevoked  []int64           `json:"not_revoked,omitempty"` // links that verify made and could not revoke
	MaybeLeft   string            `json:"maybe_left,omitempty"`  // how to find a link that verify may have made without learning its id
}

// verify makes links, looks at them, revokes them, and reports what the API does.
func verify(ctx context.Context, a *app) error {
	v, err := newVerifier(a, connectlinks.NewTransport())
	if err != nil {
		return err
	}
	if !a.yes {
		nobody := misuse("verify asks first, and needs a terminal for that", "start it with -yes")
		if !a.tty || !terminal(a.stdin) {
			return nobody
		}
		question := fmt.Sprintf("verify makes two links for %s at %s, looks at them, and revokes them. It sends at most\n%d requests. It deletes and completes nothing. Go on? Type yes: ",
			safe(a.typ), safe(a.baseURL), verifyRequests)
		if err := a.ask(question, nobody, "nothing was made"); err != nil {
			return err
		}
	}
	// The clean-up must not end with a second Ctrl-C, and ask gave up the first one.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	return a.showVerified(ctx, v.run(ctx), v)
}

// verifier asks the questions. It counts and paces every request, also those of the SDK.
type verifier struct {
	kind, typ, group string
	baseURL          string
	links, conns     string // paths
	token            string
	otherToken       string // of the kind that the endpoints refuse; may be empty
	otherFrom        string
	api              kind // the SDK on this transport
	http             *http.Client
	base             http.RoundTripper
	limiter          *rate.Limiter
	key              string // in the redirect URI of every link that verify makes

	sent, limit int
	silent      int    // requests in a row without an answer
	stopped     string // why no more questions are asked
	observed    map[string]string
	answers     int // of the API
	undated     int // of them without a Date
	unnamed     int // of them without an X-Request-Id

	before        []map[string]any // links that were there
	made          []int64          // links to revoke
	uncertain     bool             // a create may have made a link that is not in made
	first, second *madeLink
	lifetime      time.Duration // of a link; zero if unknown
	missing       reply
	revoked       reply
	refused       reply // of a type that does not exist
	connections   *page
	assume        connectlinkstest.Assumptions // as far as they were found to be otherwise
}

// madeLink is a link that verify made.
type madeLink struct {
	reply
	id       int64
	redirect string // as sent
}

func newVerifier(a *app, base http.RoundTripper) (*verifier, error) {
	v := &verifier{
		kind: a.kind, typ: a.typ, group: a.group, baseURL: withoutVersion(a.baseURL), token: a.token,
		base: base, limiter: rate.NewLimiter(2, 1), limit: verifyRequests - verifyCleanUp,
		key: strings.ToLower(rand.Text()), observed: map[string]string{},
	}
	other := "activation"
	switch a.kind {
	case "activation":
		if a.sandbox != nil {
			v.group = cmp.Or(v.group, a.sandbox.Group())
		}
		if v.group == "" {
			return nil, misuse("-group is missing", "say in which group verify may make links")
		}
		v.links, v.conns, other = "/api/v2/activation_connect_links", "/api/v2/activations", "destination"
	default:
		v.links, v.conns = "/api/v1/"+a.kind+"_connect_links", "/api/v1/"+a.kind+"s"
	}
	if v.typ == "" {
		return nil, misuse("-type is missing", "linkctl types shows what can be linked")
	}
	v.otherToken, v.otherFrom = a.credential(other)
	v.http = &http.Client{Transport: v, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	client, err := a.client.With(connectlinks.WithHTTPClient(&http.Client{Transport: v}),
		connectlinks.WithMaxRetries(0), connectlinks.WithTimeout(verifyTimeout))
	if err != nil {
		return nil, err
	}
	v.api = newKind(a.options, client)
	return v, nil
}

// withoutVersion returns an address of the API as the SDK understands it: the path before
// /api/v1 or /api/v2.
func withoutVersion(address string) string {
	address = strings.TrimRight(address, "/")
	for _, version := range []string{"/api/v1", "/api/v2"} {
		address = strings.TrimRight(strings.TrimSuffix(address, version), "/")
	}
	return address
}

// run asks every question of the kind, and revokes every link that it made.
func (v *verifier) run(ctx context.Context) *verifyReport {
	rep := &verifyReport{BaseURL: v.baseURL, Kind: v.kind, Type: v.typ, Observed: v.observed}
	v.begin(ctx)
	for _, q := range questions() {
		if !q.concerns(v) {
			continue
		}
		f := unknown("%s", v.stopped)
		if v.stopped == "" {
			f = q.ask(ctx, v)
		}
		f.Question, f.Documented, f.Assumed, f.Field = q.name, q.documented, q.assumed, q.field
		rep.Questions = append(rep.Questions, f)
	}
	v.cleanUp(ctx, rep)
	rep.Requests, rep.Assumptions = v.sent, literal(v.assume)
	return rep
}

// begin finds out whether there is an API that takes the token. If not, nothing is made.
func (v *verifier) begin(ctx context.Context) {
	p := v.list(ctx, "order=desc&per_page=100")
	if p.problem != "" {
		v.stopped = p.problem
	}
	v.before = p.items
}

// cleanUp revokes what verify made, also after an interrupt.
func (v *verifier) cleanUp(ctx context.Context, rep *verifyReport) {
	if len(v.made) == 0 && !v.uncertain {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 90*time.Second)
	defer cancel()
	v.stopped, v.silent, v.limit = "", 0, verifyRequests
	if v.uncertain {
		rep.MaybeLeft = v.findLost(ctx)
	}
	for _, id := range slices.Clone(v.made) {
		for range 3 {
			if v.revoke(ctx, id); !slices.Contains(v.made, id) {
				break
			}
			v.stopped = ""
		}
	}
	rep.NotRevoked = v.made
}

// findLost finds the links whose create was not answered, by the key in their redirect
// URI. If there is none, it returns how to look for one later.
func (v *verifier) findLost(ctx context.Context) string {
	for range 3 {
		p := v.list(ctx, "order=desc&per_page=100")
		v.stopped = ""
		lost := false
		for _, l := range p.items {
			redirect, _ := l["redirect_uri"].(string)
			if id := integer(l["id"]); strings.Contains(redirect, v.key) && l["revoked"] != true && !slices.Contains(v.made, id) {
				v.made, lost = append(v.made, id), true
			}
		}
		if lost {
			return ""
		}
	}
	return "a create was not answered: if it made a link, its redirect URI contains " + v.key
}

// RoundTrip sends a request when its turn has come, and notes what the answer says.
func (v *verifier) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Authorization") != "" && !v.ours(r) {
		return nil, errors.New("a token is for the API only")
	}
	if v.sent >= v.limit {
		v.stopped = "the limit of requests was reached"
		return nil, errors.New(v.stopped)
	}
	if err := v.limiter.Wait(r.Context()); err != nil {
		return nil, err
	}
	v.sent++
	resp, err := v.base.RoundTrip(r)
	if err == nil && v.ours(r) {
		v.note(resp)
	}
	return resp, err
}

// ours reports whether a request is for the API, and not for a page or another host.
func (v *verifier) ours(r *http.Request) bool {
	base, err := url.Parse(v.baseURL)
	return err == nil && r.URL.Scheme == base.Scheme && strings.EqualFold(r.URL.Host, base.Host) &&
		strings.HasPrefix(r.URL.Path, base.Path+"/api/")
}

// note keeps what the headers of an answer tell.
func (v *verifier) note(resp *http.Response) {
	v.answers++
	v.observed["protocol"] = resp.Proto
	if resp.TLS != nil {
		v.observed["tls"] = tls.VersionName(resp.TLS.Version)
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err != nil {
		v.undated++
	} else if v.observed["clock"] == "" {
		v.observed["clock"] = skew(time.Until(date))
	}
	if resp.Header.Get("X-Request-Id") == "" {
		v.unnamed++
	}
	for name := range resp.Header {
		lower := strings.ToLower(name)
		if slices.Contains([]string{"x-request-id", "retry-after", "deprecation", "sunset"}, lower) || strings.Contains(lower, "ratelimit") || strings.Contains(lower, "rate-limit") {
			v.observed["header "+lower] = "present"
		}
		if at, err := http.ParseTime(resp.Header.Get(name)); err == nil && lower == "sunset" {
			v.observed["header sunset"] = at.UTC().Format(time.DateOnly)
		}
	}
}

// skew describes how far the API's clock is ahead. A Date is up to a second old.
func skew(ahead time.Duration) string {
	switch ahead = ahead.Round(time.Second); {
	case ahead > time.Second:
		return fmt.Sprintf("the API's is %s ahead of this machine's", ahead)
	case ahead < -time.Second:
		return fmt.Sprintf("the API's is %s behind this machine's", -ahead)
	}
	return "the API's and this machine's agree"
}

// reply is the answer to a request.
type reply struct {
	problem string // why nothing can be concluded from it: no answer, 429, 5xx
	status  int
	header  http.Header
	object  map[string]any // nil if the body is not a JSON object
}

func (r reply) ok() bool { return r.status >= 200 && r.status < 300 }

// data returns the envelope's object, nil if there is none.
func (r reply) data() map[string]any {
	data, _ := r.object["data"].(map[string]any)
	return data
}

// said describes the answer.
func (r reply) said() string {
	if r.object == nil {
		return fmt.Sprintf("status %d, and the body is not a JSON object (%s)", r.status, cmp.Or(r.header.Get("Content-Type"), "no Content-Type"))
	}
	return fmt.Sprintf("status %d", r.status)
}

// send sends a request to the API. auth is the Authorization header.
func (v *verifier) send(ctx context.Context, method, path string, body map[string]any, auth string) reply {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return reply{problem: err.Error()}
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, v.baseURL+path, content)
	if err != nil {
		return reply{problem: "the request cannot be built"}
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	return v.do(req)
}

// fetch fetches an address that need not be the API's, without a token. It does not follow
// a redirect.
func (v *verifier) fetch(ctx context.Context, address, accept string) reply {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return reply{problem: "the request cannot be built"}
	}
	req.Header.Set("Accept", accept)
	return v.do(req)
}

func (v *verifier) do(req *http.Request) (r reply) {
	if v.stopped != "" {
		return reply{problem: v.stopped}
	}
	ctx := req.Context()
	bounded, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	req.Header.Set("User-Agent", "linkctl")
	var text []byte
	resp, err := v.http.Do(req.WithContext(bounded))
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(resp.Body, 8<<20))
		resp.Body.Close()
	}
	switch {
	case err != nil && ctx.Err() != nil:
		v.stopped = "interrupted"
		return reply{problem: v.stopped}
	case err != nil && v.stopped != "":
		return reply{problem: v.stopped}
	case err != nil && !v.ours(req):
		return reply{problem: req.URL.Hostname() + " did not answer"}
	case err != nil:
		if v.silent++; v.silent == 2 {
			v.stopped = "the API stopped answering"
		}
		return reply{problem: "the API did not answer"}
	}
	r = reply{status: resp.StatusCode, header: resp.Header}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&r.object) != nil {
		r.object = nil
	}
	if !v.ours(req) {
		return r
	}
	v.silent = 0
	switch {
	case r.status == http.StatusTooManyRequests:
		v.stopped = "the API throttles this token (429): wait, then try again"
		r.problem = v.stopped
	case r.status >= 500:
		r.problem = fmt.Sprintf("the API had a problem of its own (status %d)", r.status)
	}
	return r
}

func (v *verifier) get(ctx context.Context, path string) reply {
	return v.send(ctx, http.MethodGet, path, nil, "Bearer "+v.token)
}

// page is a page of a list.
type page struct {
	reply
	items []map[string]any
}

func (p page) pagination() map[string]any {
	pagination, _ := p.object["pagination"].(map[string]any)
	return pagination
}

// index returns the place of a link on the page, -1 if it is not there.
func (p page) index(id int64) int {
	return slices.IndexFunc(p.items, func(l map[string]any) bool { return integer(l["id"]) == id })
}

// more reports whether there are more pages.
func (p page) more() bool { return p.pagination()["next_page"] != nil }

func (v *verifier) list(ctx context.Context, query string) page {
	return v.listAt(ctx, v.links+"?"+query)
}

func (v *verifier) listAt(ctx context.Context, path string) page {
	p := page{reply: v.get(ctx, path)}
	data, isList := p.object["data"].([]any)
	switch {
	case p.problem != "":
	case p.status == http.StatusUnauthorized:
		p.problem = "the API does not know the token (status 401)"
	case p.status == http.StatusForbidden:
		p.problem = "the token may not do this (status 403)"
	case p.status != http.StatusOK || !isList:
		p.problem = "the answer is not one of the API: " + p.said() + ", without a list"
	}
	for _, item := range data {
		if object, ok := item.(map[string]any); ok {
			p.items = append(p.items, object)
		}
	}
	return p
}

// create makes a link that cleanUp will revoke.
func (v *verifier) create(ctx context.Context, typ, redirect string) *madeLink {
	body := map[string]any{"type": typ}
	if redirect != "" {
		body["redirect_uri"] = redirect
	}
	if v.kind == "activation" {
		body["group_id"] = v.group
	}
	sent := v.sent
	l := &madeLink{redirect: redirect, reply: v.send(ctx, http.MethodPost, v.links, body, "Bearer "+v.token)}
	l.id = integer(l.data()["id"])
	switch {
	case l.ok() && l.id != 0:
		v.made = append(v.made, l.id)
	case l.ok(), l.status == 0 && v.sent > sent, l.status >= 500:
		v.uncertain = true
	}
	return l
}

// revoke revokes a link that verify made.
func (v *verifier) revoke(ctx context.Context, id int64) reply {
	r := v.send(ctx, http.MethodPost, fmt.Sprintf("%s/%d/revoke", v.links, id), nil, "Bearer "+v.token)
	if r.ok() && r.data()["revoked"] == true {
		v.made = slices.DeleteFunc(v.made, func(other int64) bool { return other == id })
	}
	return r
}

// redirect returns a redirect URI that no other link has. example.com is reserved: nobody
// is sent anywhere.
func (v *verifier) redirect(rest string) string {
	return "https://example.com/connectlinks-verify/" + v.key + rest
}

// literal returns the fields that are not zero as Go.
func literal(a connectlinkstest.Assumptions) string {
	var fields []string
	value := reflect.ValueOf(a)
	for i := range value.NumField() {
		if !value.Field(i).IsZero() {
			fields = append(fields, fmt.Sprintf("%s: %#v", value.Type().Field(i).Name, value.Field(i)))
		}
	}
	return "connectlinkstest.Assumptions{" + strings.Join(fields, ", ") + "}"
}

// showVerified sets the result, and returns an error unless everything is as assumed.
func (a *app) showVerified(ctx context.Context, rep *verifyReport, v *verifier) error {
	var rows [][]string
	count := map[string]int{}
	why := ""
	for _, f := range rep.Questions {
		count[f.Answer]++
		row := []string{f.Question, f.Answer, f.Found, ""}
		switch f.Answer {
		case otherwise:
			row[3] = f.Assumed
		case couldNotTell:
			why = cmp.Or(why, f.Found)
		}
		rows = append(rows, row)
	}
	table(&a.text, []string{"QUESTION", "ANSWER", "FOUND", "ASSUMED"}, rows)
	a.say("")
	for _, name := range sortedKeys(rep.Observed) {
		a.say("%s: %s", name, safe(rep.Observed[name]))
	}
	a.say("requests: %d\n\n%s", rep.Requests, rep.Assumptions)
	a.result = rep
	switch {
	case len(rep.NotRevoked) > 0:
		return &failure{exitOther, fmt.Sprintf("these links could not be revoked: %s", strings.Trim(fmt.Sprint(rep.NotRevoked), "[]")),
			"linkctl revoke -kind " + a.kind + " LINK, for each", nil}
	case rep.MaybeLeft != "":
		return &failure{exitUnknown, rep.MaybeLeft, "linkctl list -kind " + a.kind + " -json shows redirect URIs", nil}
	case ctx.Err() != nil:
		return &failure{exitInterrupted, "interrupted: every link that was made is revoked", "", nil}
	case count[otherwise] > 0:
		return &failure{exitOtherwise, fmt.Sprintf("%d of %d questions are answered otherwise than assumed", count[otherwise], len(rep.Questions)),
			"CONTRIBUTING.md says how to report it", nil}
	case count[couldNotTell] > 0:
		return &failure{exitCouldNotTell, fmt.Sprintf("%d of %d questions could not be answered: %s", count[couldNotTell], len(rep.Questions), why), "", nil}
	}
	return nil
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// integer returns a JSON integer, 0 if v is not one.
func integer(v any) int64 {
	n, ok := v.(json.Number)
	if !ok {
		return 0
	}
	i, err := n.Int64()
	if err != nil {
		return 0
	}
	return i
}
