package connectlinks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// call is one request, and what to make of its answer.
type call struct {
	method  string
	route   string // the path with placeholders, as the methods' doc comments write it
	path    string // below the base URL
	escaped string // the path as it is sent
	query   string
	body    []byte                                       // JSON; nil for none
	creates bool                                         // it makes a link, and may never take effect twice
	decode  func(ctx context.Context, body []byte) error // reads a success; ends with ctx
	refused error                                        // why it cannot be sent: an *InputError
	date    time.Time                                    // of the response to a success; zero if it had none

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

// name puts a string from outside into the path, so that it stays one element.
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

// params are the arguments of a create: they know what is wrong with themselves,
// and are the request's body.
type params interface{ check() error }

// create makes the call one that creates a link.
func (k *call) create(p params) *call {
	k.creates = true
	if k.refused = inputErrors(k.refused, p.check()); k.refused == nil {
		k.body, k.refused = json.Marshal(p)
	}
	return k
}

// fetch sends a call whose answer is one object, and converts it.
func fetch[T, W any, P object[W]](ctx context.Context, s *service, k *call, convert func(P) T) (*T, error) {
	out := new(T)
	k.decode = func(_ context.Context, body []byte) error {
		var env envelope[W]
		if err := decode(body, &env, &env.Status); err != nil {
			return err
		}
		if err := P(&env.Data).check(true); err != nil {
			return err // so also if there are no data
		}
		*out = convert(&env.Data)
		return nil
	}
	if err := s.do(ctx, k); err != nil {
		return nil, err
	}
	return out, nil
}

// object is one of the API's, in JSON. check says whether it can be used: alone,
// as the answer to a question about it, or as one of a list, where only the id
// counts, so that an odd old object does not hide the rest.
type object[W any] interface {
	*W
	check(alone bool) error
}

// decode reads a success into v, status being a part of v. One whose status
// speaks of a failure is an *APIError, of which only StatusCode may be set.
func decode(body []byte, v any, status *wireText) error {
	err := json.Unmarshal(body, v)
	if code, failed := status.failure(); failed {
		return &APIError{StatusCode: code}
	}
	if err != nil {
		return badResponse("%s", describe(body, err))
	}
	return nil
}

// describe says what is wrong with a body that json.Unmarshal refused with err,
// without quoting it.
func describe(body []byte, err error) string {
	var (
		syntax *json.SyntaxError
		kind   *json.UnmarshalTypeError
	)
	switch trimmed := bytes.TrimSpace(body); {
	case len(trimmed) == 0:
		return "empty"
	case trimmed[0] == '<':
		return "HTML in place of JSON"
	case errors.As(err, &syntax):
		return fmt.Sprintf("no JSON at byte %d of %d", syntax.Offset, len(body))
	case errors.As(err, &kind):
		return fmt.Sprintf("%q is not of type %s", kind.Field, kind.Type.Kind())
	}
	return "JSON of another shape"
}

// discard sends a call whose answer, of which there may be none, says nothing
// more. What was there no more when it was repeated is what was wanted.
func discard(ctx context.Context, s *service, k *call) error {
	k.decode = func(_ context.Context, body []byte) error {
		if len(bytes.TrimSpace(body)) == 0 {
			return nil
		}
		var env struct{ Status wireText }
		return decode(body, &env, &env.Status)
	}
	err := s.do(ctx, k)
	if k.repeated && errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// revoked settles how a revocation ended. Where the request was repeated and then
// refused, the first one may have been carried out: the link itself tells.
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
