package connectlinks

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/httpx"
	"github.com/connectlinks/connectlinks-go/internal/jsonscan"
)

// These limits bound the memory of an answer. An answer above a limit is ErrBadResponse.
const (
	maxItems  = 1_000   // items on a page
	maxValues = 200_000 // JSON values
	maxMember = 1 << 20 // bytes of an item on a page, and of every other member of the envelope
)

// envelope holds the members of the object that the API puts around its answers.
type envelope struct {
	status     wireText
	data       jsonscan.Value
	pagination jsonscan.Value
	apiKey     jsonscan.Value // the only member of the answer of GET .../api_key
}

// object is a wire type W that can be fetched and listed. check returns ErrBadResponse if the
// object has no id. Objects in a list need only the id, so that one odd object does not hide the
// others.
type object[W any] interface {
	*W
	wireObject
	check() error
}

// checkedWhole is a wire type that needs more than its id when it is the only object of an answer.
type checkedWhole interface{ checkWhole() error }

// decodeObject decodes an answer that holds one object.
func decodeObject[W any, P object[W]](ctx context.Context, body []byte) (P, error) {
	env, err := readEnvelope(ctx, body, false)
	if err != nil {
		return nil, err
	}
	var r wireReader
	w := P(new(W))
	r.value(env.data, w)
	if err := cmp.Or(r.limitErr, r.typeErr, w.check()); err != nil {
		return nil, err
	}
	if w, ok := any(w).(checkedWhole); ok {
		if err := w.checkWhole(); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// readEnvelope checks a success against the limits, and splits it. If its status means a failure,
// the error is an *APIError, whatever else is wrong. The APIError has a StatusCode or no field at
// all. In a list, data may be longer than other members.
func readEnvelope(ctx context.Context, body []byte, list bool) (env envelope, err error) {
	invalid := jsonscan.Check(ctx, body, maxValues)
	if err := ctx.Err(); err != nil {
		return env, err
	}
	whole := jsonscan.Parse(body)
	if invalid == nil && whole.Kind() != '{' && whole.Kind() != 'n' {
		invalid = errors.New("not a JSON object")
	}
	for c := whole.Members(); c.Next(); {
		switch string(c.Name) {
		case "status":
			env.status = wireText(c.Value.String())
		case "data":
			env.data = c.Value
		case "pagination":
			env.pagination = c.Value
		case "api_key":
			env.apiKey = c.Value
		}
		if len(c.Value.Text) > maxMember && !(list && string(c.Name) == "data") {
			invalid = cmp.Or[error](invalid, &jsonscan.LimitError{Limit: maxMember, Of: "bytes in a member"})
		}
	}
	if code, failed := env.status.failureCode(); failed {
		return env, &APIError{StatusCode: code}
	}
	if invalid != nil {
		return env, unreadable(body, invalid)
	}
	return env, nil
}

var errHTML = badResponse("HTML instead of JSON")

// unreadable returns ErrBadResponse for a body that [jsonscan.Check] refused with err. It does not
// quote the body, which may hold a secret.
func unreadable(body []byte, err error) error {
	trimmed := bytes.TrimSpace(body)
	switch {
	case len(trimmed) == 0:
		return badResponse("empty")
	case trimmed[0] == '<':
		return errHTML
	}
	return badResponse("%s; length %d", err, len(body))
}

// failureText returns the status and the message of an answer that reports a failure, at most
// 64 KiB of each. It returns "" for one that is absent or longer than 1 MiB. The answer need not
// be valid JSON.
func failureText(body []byte) (status, message string) {
	var other string // the message of a Rails server's own errors
	for c := jsonscan.Parse(body).Members(); c.Next(); {
		if len(c.Value.Text) > maxMember {
			continue
		}
		switch string(c.Name) {
		case "status":
			status = c.Value.String()
		case "message":
			message = c.Value.String()
		case "error":
			other = c.Value.String()
		}
	}
	message = cmp.Or(message, other)
	return status[:min(len(status), maxError)], message[:min(len(message), maxError)] // redacting is slow
}

// wirePagination reads the pagination object of a list.
type wirePagination struct{ total, perPage, prev, number, next, last int }

func (w *wirePagination) field(name []byte) any {
	switch string(name) {
	case "total_records":
		return &w.total
	case "per_page":
		return &w.perPage
	case "prev_page":
		return &w.prev
	case "page":
		return &w.number
	case "next_page":
		return &w.next
	case "last_page":
		return &w.last
	}
	return nil
}

// wireLink reads a link of any kind.
type wireLink struct {
	ConnectLink
	expiration              wireTime
	sourceID, destinationID int64
	groupID                 string
}

func (w *wireLink) field(name []byte) any {
	switch string(name) {
	case "id":
		return &w.ID
	case "type":
		return &w.Type
	case "uri":
		return &w.URL
	case "expiration":
		return &w.expiration
	case "expired":
		return &w.Expired
	case "revoked":
		return &w.Revoked
	case "redirect_uri":
		return &w.RedirectURI
	case "source_id":
		return &w.sourceID
	case "destination_id":
		return &w.destinationID
	case "group_id":
		return &w.groupID
	}
	return nil
}

func (w *wireLink) check() error { return requireID(w.ID, "link") }

func (w *wireLink) checkWhole() error {
	if _, reason := httpx.ParseURL(w.URL); reason != "" {
		return badResponse("the URL of link %d %s", w.ID, reason)
	}
	if w.expiration.unreadable {
		return badResponse("the expiration of link %d is not a time", w.ID)
	}
	return nil
}

func (w *wireLink) link() ConnectLink {
	link := w.ConnectLink
	link.ExpiresAt = w.expiration.Time
	return link
}

func (w *wireLink) source() SourceConnectLink { return SourceConnectLink{w.link(), w.sourceID} }

func (w *wireLink) destination() DestinationConnectLink {
	return DestinationConnectLink{w.link(), w.destinationID}
}

func (w *wireLink) activation() ActivationConnectLink {
	return ActivationConnectLink{w.link(), w.groupID}
}

// wireConnection reads a source or a destination.
type wireConnection struct {
	Connection
	groupID string // of a source in V2
}

func (w *wireConnection) field(name []byte) any {
	switch string(name) {
	case "id":
		return &w.ID
	case "group_id":
		return &w.groupID
	case "name":
		return &w.Name
	case "type":
		return &w.Type
	case "label":
		return &w.Label
	case "created_at":
		return &w.CreatedAt
	case "last_tested_at":
		return &w.LastTestedAt
	case "last_test_succeeded":
		return &w.LastTestSucceeded
	case "connection_details":
		return &w.ConnectionDetails
	case "last_test_results":
		return (*wireSteps)(&w.LastTestResults)
	}
	return nil
}

func (w *wireConnection) check() error { return requireID(w.ID, "connection") }

func (w *wireConnection) source() Source           { return Source{w.Connection} }
func (w *wireConnection) destination() Destination { return Destination{w.Connection} }

func (w *wireConnection) v2Source() V2Source {
	return V2Source{
		ID: w.ID, GroupID: w.groupID, Name: w.Name, Type: w.Type,
		CreatedAt: w.CreatedAt, LastTestedAt: w.LastTestedAt, LastTestSucceeded: w.LastTestSucceeded,
	}
}

// wireActivation reads an activation. Its parts have two possible names: see [Activation].
type wireActivation struct {
	Activation
	sourceConnection      wireActivationSource
	destinationConnection wireActivationDestination
}

func (w *wireActivation) read(r *wireReader, v jsonscan.Value) {
	w.Raw = bytes.Clone(v.Text)
	r.object(v, w)
}

func (w *wireActivation) field(name []byte) any {
	switch string(name) {
	case "id":
		return &w.ID
	case "name":
		return &w.Name
	case "group_id":
		return &w.GroupID
	case "source":
		return (*wireActivationSource)(&w.Source)
	case "source_connection":
		return &w.sourceConnection
	case "destination":
		return (*wireActivationDestination)(&w.Destination)
	case "destination_connection":
		return &w.destinationConnection
	}
	return nil
}

func (w *wireActivation) check() error { return requireID(w.ID, "activation") }

func (w *wireActivation) activation() Activation {
	a := w.Activation
	if a.Source.ID == "" && a.Source.Type == "" {
		a.Source = ActivationSource(w.sourceConnection)
	}
	if a.Destination.ID == "" && a.Destination.Type == "" {
		a.Destination = ActivationDestination(w.destinationConnection)
	}
	return a
}

// wireActivationSource reads an activation's source, whose id may be a number.
type wireActivationSource ActivationSource

func (w *wireActivationSource) field(name []byte) any {
	switch string(name) {
	case "id":
		return (*wireText)(&w.ID)
	case "name":
		return &w.Name
	case "type":
		return &w.Type
	}
	return nil
}

// wireActivationDestination reads an activation's destination, whose id may be a number.
type wireActivationDestination ActivationDestination

func (w *wireActivationDestination) field(name []byte) any {
	switch string(name) {
	case "id":
		return (*wireText)(&w.ID)
	case "type":
		return &w.Type
	case "created_at":
		return &w.CreatedAt
	case "last_tested_at":
		return &w.LastTestedAt
	case "last_test_succeeded":
		return &w.LastTestSucceeded
	case "connection_details":
		return &w.ConnectionDetails
	case "last_test_results":
		return (*wireSteps)(&w.LastTestResults)
	}
	return nil
}

// wireType reads a type of any kind.
type wireType struct {
	DestinationType
	syncEngines []string // of a source
}

func (w *wireType) field(name []byte) any {
	switch string(name) {
	case "service_name":
		return &w.ServiceName
	case "label":
		return &w.Label
	case "documentation_slug":
		return &w.DocumentationSlug
	case "creatable_via_api":
		return &w.CreatableViaAPI
	case "creatable_via_connect_link":
		return &w.CreatableViaConnectLink
	case "auth_method":
		return &w.AuthMethod
	case "supported_sync_engines":
		return (*wireTexts)(&w.syncEngines)
	case "configuration_fields":
		return (*wireFields)(&w.ConfigurationFields)
	}
	return nil
}

func (w *wireType) check() error { return requireID(w.ServiceName, "type") }

func (w *wireType) source() SourceType {
	return SourceType{
		ServiceName:             w.ServiceName,
		Label:                   w.Label,
		DocumentationSlug:       w.DocumentationSlug,
		CreatableViaAPI:         w.CreatableViaAPI,
		CreatableViaConnectLink: w.CreatableViaConnectLink,
		SupportedSyncEngines:    w.syncEngines,
		ConfigurationFields:     w.ConfigurationFields,
	}
}

func (w *wireType) destination() DestinationType { return w.DestinationType }
func (w *wireType) activation() ActivationType   { return ActivationType(w.DestinationType) }

// wireWorkspace reads a workspace.
type wireWorkspace struct{ Workspace }

func (w *wireWorkspace) field(name []byte) any {
	switch string(name) {
	case "id":
		return &w.ID
	case "name":
		return &w.Name
	case "organization_id":
		return &w.OrganizationID
	case "created_at":
		return &w.CreatedAt
	}
	return nil
}

func (w *wireWorkspace) check() error { return requireID(w.ID, "workspace") }

func (w *wireWorkspace) workspace() Workspace { return w.Workspace }

// wireSteps reads the steps of a connection's test: {"steps": [...]}. Any other value has none.
type wireSteps []TestStep

func (s *wireSteps) read(_ *wireReader, v jsonscan.Value) {
	list := member(v, "steps")
	*s = make(wireSteps, list.Len()) // exactly: growing it would take several times the memory
	for i, c := 0, list.Elements(); c.Next(); i++ {
		(*wireStep)(&(*s)[i]).read(c.Value)
	}
}

type wireStep TestStep

func (s *wireStep) read(v jsonscan.Value) {
	for c := v.Members(); c.Next(); {
		switch string(c.Name) {
		case "step":
			s.Step = c.Value.String()
		case "status":
			s.Status = c.Value.String()
		case "error": // {"message": "..."}, or a text
			text := c.Value
			if text.Kind() == '{' {
				text = member(text, "message")
			}
			s.Error = text.String()
		}
	}
}

// wireFields reads the fields of a type's form: {"fields": [...]}. Any other value has none.
type wireFields []ConfigurationField

func (f *wireFields) read(r *wireReader, v jsonscan.Value) {
	list := member(v, "fields")
	*f = make(wireFields, list.Len()) // exactly, as above
	for i, c := 0, list.Elements(); c.Next(); i++ {
		(*wireField)(&(*f)[i]).read(r, c.Value)
	}
}

type wireField ConfigurationField

func (f *wireField) read(r *wireReader, v jsonscan.Value) {
	misspelled := ""
	for c := v.Members(); c.Next(); {
		switch string(c.Name) {
		case "id":
			f.ID = c.Value.String()
		case "label":
			f.Label = c.Value.String()
		case "type":
			f.Type = c.Value.String()
		case "placeholder":
			f.Placeholder = c.Value.String()
		case "placholder": // a page of the reference has this spelling
			misspelled = c.Value.String()
		case "hint":
			f.Hint = strings.TrimSpace(c.Value.String())
		case "rules":
			f.Required = hasText(c.Value, "required")
		case "is_password_type_field":
			f.Password = c.Value.Kind() == 't'
		case "possible_values":
			r.value(c.Value, (*wireTexts)(&f.PossibleValues))
		}
	}
	if f.Placeholder == "" {
		f.Placeholder = misspelled
	}
}

// wireText reads a string. It keeps any other value as it is written.
type wireText string

func (t *wireText) read(_ *wireReader, v jsonscan.Value) { *t = wireText(v.String()) }

// failureCode reports whether an envelope's status means a failure, and the HTTP status that it
// stands for, 0 for none.
func (t wireText) failureCode() (code int, failed bool) {
	switch t {
	case "not_found":
		return http.StatusNotFound, true
	case "error":
		return 0, true
	}
	if t == "" || t[0] < '0' || t[0] > '9' {
		return 0, false // any other word
	}
	n, err := strconv.Atoi(string(t))
	return n, err == nil && n >= 400
}

// wireTexts reads a list of texts: an array, or one string with commas or bars between the texts.
type wireTexts []string

func (t *wireTexts) read(r *wireReader, v jsonscan.Value) {
	*t = nil
	if v.Kind() == '[' {
		if n := v.Len(); n > 0 {
			*t = make(wireTexts, 0, n)
		}
		for c := v.Elements(); c.Next(); {
			*t = append(*t, c.Value.String())
		}
		return
	}
	whole, n := v.String(), 0
	for range strings.FieldsFuncSeq(whole, separates) {
		n++
	}
	if r.texts += n; r.texts > maxValues { // Check counted the whole string as one value
		r.limitErr = badResponse("more than %d texts in lists", maxValues)
	} else if n > 0 {
		*t = make(wireTexts, 0, n)
		for text := range strings.FieldsFuncSeq(whole, separates) {
			*t = append(*t, strings.TrimSpace(text))
		}
	}
}

// hasText reports whether a list of texts, like those of wireTexts, has this text. It allocates no
// list.
func hasText(v jsonscan.Value, text string) bool {
	for c := v.Elements(); c.Next(); {
		if c.Value.String() == text {
			return true
		}
	}
	if v.Kind() == '"' {
		for part := range strings.FieldsFuncSeq(v.String(), separates) {
			if strings.TrimSpace(part) == text {
				return true
			}
		}
	}
	return false
}

func separates(r rune) bool { return r == ',' || r == '|' }

// wireTime reads an RFC 3339 time, or null. A time that is not readable is zero.
type wireTime struct {
	time.Time
	unreadable bool
}

func (t *wireTime) read(_ *wireReader, v jsonscan.Value) {
	*t = wireTime{}
	// UnmarshalJSON needs no string. Parse accepts more.
	if v.Kind() == 'n' || t.UnmarshalJSON(v.Text) == nil {
		return
	}
	at, err := time.Parse(time.RFC3339, v.String())
	*t = wireTime{at, err != nil}
}

// wireReader reads the JSON values of one answer into Go values. [jsonscan.Check] must have
// accepted the answer.
type wireReader struct {
	typeErr  error // names the first value that its field cannot hold; nil for none
	limitErr error // names the limit that was exceeded; nil for none
	texts    int   // the number of texts in strings with commas or bars
}

// wireObject takes the members of a JSON object. field returns a pointer to the field for a
// member, or nil for a member that the SDK does not read.
type wireObject interface{ field(name []byte) any }

// wireValue takes a JSON value that is not always of the same kind.
type wireValue interface {
	read(r *wireReader, v jsonscan.Value)
}

func (r *wireReader) object(v jsonscan.Value, o wireObject) {
	if v.Kind() != '{' && v.Kind() != 'n' {
		r.wrongKind(v, "an object")
	}
	for c := v.Members(); c.Next(); {
		if field := o.field(c.Name); field != nil {
			r.value(c.Value, field)
		}
	}
}

// value reads v into a field, which is given by a pointer. The field becomes zero if v is null or
// of a kind that the field cannot hold.
func (r *wireReader) value(v jsonscan.Value, field any) {
	null := v.Kind() == 'n'
	switch f := field.(type) {
	case wireValue:
		f.read(r, v)
	case wireObject:
		r.object(v, f)
	case *json.RawMessage:
		if *f = nil; !null {
			*f = bytes.Clone(v.Text)
		}
	case *string:
		if *f = ""; v.Kind() == '"' {
			*f = v.String()
		} else if !null {
			r.wrongKind(v, "a string")
		}
	case *int64:
		*f = r.integer(v, 64)
	case *int:
		*f = int(r.integer(v, strconv.IntSize))
	case *bool:
		*f, _ = r.boolean(v)
	case **bool:
		*f = nil
		if b, ok := r.boolean(v); ok {
			*f = &b
		}
	case *time.Time:
		var t wireTime
		t.read(r, v)
		*f = t.Time
	}
}

func (r *wireReader) integer(v jsonscan.Value, bits int) int64 {
	if v.Kind() == 'n' {
		return 0
	}
	n, err := strconv.ParseInt(string(v.Text), 10, bits)
	if err != nil {
		r.wrongKind(v, "an integer")
		return 0
	}
	return n
}

func (r *wireReader) boolean(v jsonscan.Value) (b, ok bool) {
	switch v.Kind() {
	case 't', 'f':
		return v.Kind() == 't', true
	case 'n':
	default:
		r.wrongKind(v, "a boolean")
	}
	return false, false
}

func (r *wireReader) wrongKind(v jsonscan.Value, want string) {
	if r.typeErr == nil {
		r.typeErr = badResponse("the value at byte %d is not %s", v.Offset, want)
	}
}

// member returns an object's last member with that name.
func member(object jsonscan.Value, name string) (v jsonscan.Value) {
	for c := object.Members(); c.Next(); {
		if string(c.Name) == name {
			v = c.Value
		}
	}
	return v
}

// requireID returns ErrBadResponse if an object has no id.
func requireID[ID int64 | string](id ID, what string) error {
	var none ID
	if id > none {
		return nil
	}
	return badResponse("%s without an id", what)
}
