package connectlinks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// call describes a request, how often it may be sent, and how to decode its answer.
type call struct {
	method  string
	route   string // the path with placeholders, like in the methods' doc comments
	path    string // relative to the base URL
	escaped string // the path in its escaped form, which is sent
	query   string
	body    []byte // JSON; nil for none
	refused error  // the *InputError of a call that cannot be sent

	creates bool // it makes a link, so it must not be carried out twice
	once    bool // it is never retried

	// decode decodes a success. It ends with ctx. It is called for each attempt that gets a
	// success, so a later success replaces an earlier one.
	decode func(ctx context.Context, a answer) error
}

// answer is a response whose status is a success.
type answer struct {
	body []byte
	date time.Time // when the API answered
}

func get(route string) *call    { return newCall(http.MethodGet, route) }
func post(route string) *call   { return newCall(http.MethodPost, route) }
func remove(route string) *call { return newCall(http.MethodDelete, route) }

// newCall returns a call whose path has the placeholders of route. id and name fill them in, in
// their order.
func newCall(method, route string) *call {
	return &call{method: method, route: route, path: route, escaped: route}
}

// id puts an id into the path. field is its name in the method's signature.
func (k *call) id(field string, id int64) *call {
	k.refused = inputErrors(k.refused, refuse(id < 1, field, "must be positive"))
	return k.fill(strconv.FormatInt(id, 10))
}

// name puts a string into the path, as one element. field is its name in the method's signature.
func (k *call) name(field, s string) *call {
	strange := strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`/\?%{}`, r)
	})
	bad := refuse(strange || s == "" || s == "." || s == "..", field,
		`must be an id or name: not empty, not . or .., without blanks, / \ ? % { or }`)
	k.refused = inputErrors(k.refused, bad)
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
	check() error           // returns an *InputError for a wrong field
	uniqueRedirect() string // returns the redirect URI if it is unique, or ""
}

// create turns the call into one that makes a link.
func (k *call) create(p params) *call {
	k.creates = true
	if k.refused = inputErrors(k.refused, p.check()); k.refused == nil {
		k.body, k.refused = json.Marshal(p)
	}
	return k
}

// fetch sends a call whose answer is one object, and converts the object.
func fetch[T, W any, P object[W]](ctx context.Context, s *service, k *call, convert func(P) T) (*T, error) {
	var w P
	k.decode = func(ctx context.Context, a answer) (err error) {
		w, err = decodeObject[W, P](ctx, a.body)
		return err
	}
	err := s.do(ctx, k, func(ctx context.Context, x *exchange) error {
		if err := x.run(ctx); err != nil {
			return err
		}
		if outside(s.group(k), w) {
			return k.notInGroup()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := convert(w)
	return &out, nil
}

// discard sends a call, and ignores the data of its answer, which may be empty. A 404 on a retry
// means that an earlier attempt worked.
func discard(ctx context.Context, s *service, k *call) error {
	k.decode = func(ctx context.Context, a answer) error {
		if len(bytes.TrimSpace(a.body)) == 0 {
			return nil
		}
		_, err := readEnvelope(ctx, a.body, false)
		return err
	}
	return s.do(ctx, k, func(ctx context.Context, x *exchange) error {
		err := x.run(ctx)
		if x.repeated && errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	})
}
