package connectlinks

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/connectlinks/connectlinks-go/internal/jsonscan"
)

// call describes a request, and how to decode its answer.
type call struct {
	method   string
	route    string // the path with placeholders, as the methods' doc comments write it
	path     string // below the base URL
	escaped  string // the path as it is sent
	query    string
	body     []byte                                          // JSON; nil for none
	creates  bool                                            // it makes a link, and must not take effect twice
	decode   func(ctx context.Context, body []byte) error    // decodes a success; ends with ctx
	refused  error                                           // why it cannot be sent: an *InputError
	received int                                             // how many items a page had before it was confined to a group
	once     bool                                            // it is never retried
	date     time.Time                                       // when the API answered with a success
	find     func(ctx context.Context, began time.Time) bool // looks for a create's link when its outcome is unknown; may be nil

	repeated bool // set once an attempt that may have taken effect is followed by another
}

func get(route string) *call    { return newCall(http.MethodGet, route) }
func post(route string) *call   { return newCall(http.MethodPost, route) }
func remove(route string) *call { return newCall(http.MethodDelete, route) }

// newCall returns a call whose path still has the placeholders of route: id and name fill
// them in, in their order.
func newCall(method, route string) *call {
	return &call{method: method, route: route, path: route, escaped: route}
}

// id puts an id into the path. field is its name in the method's signature.
func (k *call) id(field string, id int64) *call {
	k.refused = refuse(id < 1, field, "must be positive")
	return k.fill(strconv.FormatInt(id, 10))
}

// name puts a string into the path, as one element. field is its name in the method's signature.
func (k *call) name(field, s string) *call {
	strange := strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`/\?%{}`, r)
	})
	k.refused = refuse(strange || s == "" || s == "." || s == "..", field,
		`must be an id or name: not empty, not . or .., without blanks, / \ ? % { or }`)
	return k.fill(s)
}

// fill replaces the first placeholder of the path.
func (k *call) fill(s string) *call {
	k.path = replaceFirst(k.path, s)
	k.escaped = replaceFirst(k.escaped, url.PathEscape(s))
	return k
}

func replaceFirst(route, s string) string {
	before, rest, _ := strings.Cut(route, "{")
	_, after, _ := strings.Cut(rest, "}")
	return before + s + after
}

// params are the arguments of a create. As JSON they are the request's body.
type params interface {
	check() error           // returns an *InputError for what is wrong
	uniqueRedirect() string // a redirect URI that no other link has, or ""
}

// create turns the call into one that makes a link.
func (k *call) create(p params) *call {
	k.creates = true
	if k.refused = inputErrors(k.refused, p.check()); k.refused == nil {
		k.body, k.refused = json.Marshal(p)
	}
	return k
}

// object is a wire type W that can be fetched and listed. check returns ErrBadResponse if the
// object cannot be used. Alone, an object must be whole. In a list it only needs its id, so that
// one odd object does not hide the others.
type object[W any] interface {
	*W
	wireObject
	check(alone bool) error
}

// fetch sends a call whose answer is one object, and converts it.
func fetch[T, W any, P object[W]](ctx context.Context, s *service, k *call, convert func(P) T) (*T, error) {
	out := new(T)
	group, foreign := s.group(k), false
	k.decode = func(ctx context.Context, body []byte) error {
		env, err := readEnvelope(ctx, body, false)
		if err != nil {
			return err
		}
		var r wireReader
		w := P(new(W))
		r.value(env.data, w)
		if err := cmp.Or(r.err, r.wrong); err != nil {
			return err
		}
		if err := w.check(true); err != nil {
			return err
		}
		if foreign = outside(group, w); foreign && k.creates {
			return badResponse("the link belongs to another group, or to none")
		}
		*out = convert(w)
		return nil
	}
	if err := s.do(ctx, k); err != nil {
		return nil, err
	}
	if foreign && k.method == http.MethodGet {
		return nil, k.notInGroup()
	}
	return out, nil
}

// readEnvelope checks a success against the limits, and splits it. If its status means a failure,
// the error is an *APIError, whatever else is wrong. Of its fields only StatusCode may be set. In
// a list, data may be longer than other members.
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
	if code, failed := env.status.failure(); failed {
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
// 64 KiB of each. They are "" if the answer has none, or one of over 1 MiB. The answer need not be
// valid JSON.
func failureText(body []byte) (status, message string) {
	var other string // as Rails calls its message
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

// discard sends a call of whose answer only the status counts. The answer may be empty. A 404 on
// a retry means that an earlier attempt worked.
func discard(ctx context.Context, s *service, k *call) error {
	k.decode = func(ctx context.Context, body []byte) error {
		if len(bytes.TrimSpace(body)) == 0 {
			return nil
		}
		_, err := readEnvelope(ctx, body, false)
		return err
	}
	err := s.do(ctx, k)
	if k.repeated && errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// revoked returns the result of a revocation. If a retry was refused with a 4xx, an earlier
// attempt may have worked: revoked fetches the link to find out.
func revoked[L interface{ base() ConnectLink }](ctx context.Context, k *call, linkID int64, link L, err error,
	getLink func(context.Context, int64) (L, error),
) (L, error) {
	var refused *APIError
	if !k.repeated || !errors.As(err, &refused) || refused.StatusCode < 400 || refused.StatusCode > 499 {
		return link, err
	}
	if now, getErr := getLink(ctx, linkID); getErr == nil && now.base().Revoked {
		return now, nil
	}
	return link, err
}
