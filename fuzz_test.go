package connectlinks_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
)

// isDocumented reports whether an error is one that the documentation names.
func isDocumented(err error) bool {
	for _, target := range []error{
		connectlinks.ErrBadResponse, connectlinks.ErrOutcomeUnknown, connectlinks.ErrNotFound, connectlinks.ErrLinkExpired, connectlinks.ErrLinkRevoked,
		context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return errors.As(err, new(*connectlinks.APIError)) || errors.As(err, new(*connectlinks.InputError))
}

// missingOf reports what a result lacks: its id, or the URL of a link that is not in a list.
func missingOf(op testkit.Call, v any) string {
	object := reflect.Indirect(reflect.ValueOf(v))
	if object.Kind() == reflect.Struct {
		for _, name := range []string{"ID", "ServiceName"} {
			if id := object.FieldByName(name); id.IsValid() && (id.IsZero() || id.CanInt() && id.Int() < 1) {
				return "no " + name
			}
		}
	}
	if op.Is("AllConnectLinks", "ListConnectLinks") {
		return ""
	}
	for _, l := range testkit.LinksIn(v) {
		if u, err := url.Parse(l.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
			return "no URL"
		}
	}
	if v == "" {
		return "no key"
	}
	return ""
}

// FuzzAnswer checks that a call ends in bounded time, whatever the API answers: with a
// value that can be used, or with an error of a documented type.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		``, `null`, `{}`, `[]`, `{"status":"success"}`, `{"status":"created","data":null}`, `{"status":"created","data":{}}`,
		`{"status":"created","data":` + testkit.LinkJSON + `}`, `{"status":"success","data":[` + testkit.LinkJSON + `]}`,
		`{"status":"success","data":[` + testkit.LinkJSON + `],"pagination":{"page":1,"next_page":2,"last_page":2}}`,
		`{"status":"created","data":` + testkit.LinkJSON + `}}`, `{"status":"created","data":` + testkit.LinkJSON,
		`{"status":"success","data":` + testkit.ConnectionJSON + `}`, `{"status":"success","data":` + testkit.ActivationJSON + `}`,
		`{"status":"success","data":[` + testkit.ActivationJSON + `]}`, `{"status":"success","data":` + testkit.TypeJSON + `}`,
		`{"status":"success","data":` + testkit.WorkspaceJSON + `}`, `{"api_key":"secret-token:x"}`, `{"api_key":""}`,
		`{"status":"error","message":"no"}`, `{"status":404}`, `{"status":"429"}`, `{"status":401}`, `{"status":99999999999999999999}`,
		`{"status":{"a":1},"message":[1],"error":{"b":2}}`, `<html>`, `{"status":"created","data":{"id":1,"uri":"https://:443","expiration":"tomorrow"}}`,
		`{"status":"created","data":{"id":1,"uri":"https:x","expiration":null}}`, `{"data":{"id":9223372036854775808,"uri":"http://h"}}`,
		`{"data":{"id":1,"uri":"//h/x"}}`, `{"data":{"id":1,"uri":"https://:443/x"}}`, `{"data":{"id":"1","uri":"http://h"}}`, "\xff\xfe", `"`, strings.Repeat("[", 20_000), `{"data":{"id":1e3,"uri":"http://h"}}`,
	} {
		for i, status := range []int{200, 400, 503} {
			f.Add(status+i%2, "Retry-After", "7", []byte(body), uint8(len(body)), true)
		}
	}
	for _, status := range []int{-1, 0, 99, 100, 101, 103, 204, 206, 300, 304, 307, 401, 404, 408, 410, 418, 429, 500, 599, 999, 1000} {
		f.Add(status, "Location", "http://[", []byte(`{"status":"created","data":`+testkit.LinkJSON+`}`), uint8(status), false)
	}
	f.Add(429, "Retry-After", "99999999999999999999", []byte(``), uint8(1), true)
	f.Add(503, "Retry-After", "Sat, 01 Jan 2000 00:00:09 GMT", []byte(``), uint8(2), true)
	f.Add(200, "Content-Encoding", "gzip", []byte(`{}`), uint8(3), true)

	calls := testkit.Calls()
	f.Fuzz(func(t *testing.T, status int, header, value string, body []byte, which uint8, ends bool) {
		op := calls[int(which)%len(calls)]
		synctest.Test(t, func(t *testing.T) {
			rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				resp := testkit.Response(r, status, string(body), header, value)
				if !ends {
					resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(string(body)), iotest.ErrReader(io.ErrUnexpectedEOF)))
				}
				return resp, nil
			})
			c := testkit.Client(t, rt)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			start := time.Now()
			v, err := op.Do(ctx, c)
			if took := time.Since(start); took > time.Minute && !strings.Contains(op.Name, "Wait") {
				t.Errorf("%s took %s", op.Name, took)
			}
			if err != nil {
				// A body that ends in the middle is the transport's error.
				if !isDocumented(err) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%s: %T: %v", op.Name, err, err)
				}
				if err.Error() == "" || strings.Contains(err.Error(), testkit.TokenSecret) || strings.Contains(err.Error(), testkit.LinkSecret) {
					t.Errorf("%s: %q", op.Name, err)
				}
				var refused *connectlinks.APIError
				if errors.As(err, &refused) && (len(refused.Body) > 4<<10 || refused.RetryAfter < 0 || len(refused.Message) > 1<<10 ||
					strings.ContainsAny(refused.Error(), "\n\r\x00\x1b")) {
					t.Errorf("%s: %#v", op.Name, refused)
				}
				return
			}
			if status < 200 || status > 299 {
				// Every answer is the same here, so that no repeat can turn a refusal into a success.
				t.Errorf("%s: %d is a success: %v", op.Name, status, v)
			}
			if missing := missingOf(op, v); missing != "" {
				t.Errorf("%s: %s in %v", op.Name, missing, v)
			}
		})
	})
}

// FuzzBaseURL checks that requests go only to a base URL that is accepted, and that the
// token does not go over plain HTTP to a host that is not loopback.
func FuzzBaseURL(f *testing.F) {
	for _, s := range []string{
		"", connectlinks.BaseURLUS, connectlinks.BaseURLEU + "/api/v2/", "http://localhost:3000", "http://127.0.0.1.evil.com", "http://localhost@evil.com",
		"https://h/a%2Fb/", "https://h/../x", "https://h:443/;a", "https://[::1]", "https://[::1%25eth0]", "http://[::ffff:127.0.0.1]", "https://h\\@evil.com", "https://h/%2e%2e",
		"http://localhost\u3002evil.com", "https://ü.example/ü", "HTTP://LOCALHOST/API/V1", "https://h//", "https://h/%", "https://h?", "https://h/a b",
		"http://[::1%25eth0]/a%2Fb/", "https://u:p@h/?q#f", "https://h:443/a;b//", "http://localhost#@evil.com", "https://\xff/\xff", "https://h/api/v1//api/v2/",
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, base string, plaintext bool) {
		var sent *http.Request
		rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			sent = r
			return testkit.Succeed(r)
		})
		opts := []connectlinks.Option{connectlinks.WithToken(testkit.Token), connectlinks.WithBaseURL(base), connectlinks.WithHTTPClient(&http.Client{Transport: rt})}
		if plaintext {
			opts = append(opts, connectlinks.WithPlaintextHTTP())
		}
		c, err := connectlinks.NewClient(opts...)
		if err != nil {
			var input *connectlinks.InputError
			if !errors.As(err, &input) || input.Field != "BaseURL" || len(base) > 8 && strings.Contains(err.Error(), base) {
				t.Errorf("%q: %v", base, err)
			}
			return
		}
		if _, err := c.Activations.Get(t.Context(), "a#b"); err != nil {
			t.Fatalf("%q: %v", base, err)
		}
		u, err := url.Parse(base)
		host := strings.ToLower(u.Host)
		if err != nil || host != sent.URL.Host || host != sent.Host || u.Scheme != sent.URL.Scheme || u.User != nil || sent.URL.User != nil {
			t.Errorf("%q: sent to %s, %v", base, sent.URL, err)
		}
		path := sent.URL.EscapedPath()
		if !strings.HasSuffix(path, "/api/v2/activations/a%23b") || strings.HasSuffix(path, "//api/v2/activations/a%23b") ||
			u.RawQuery+sent.URL.RawQuery+u.Fragment+sent.URL.Fragment != "" {
			t.Errorf("%q: sent to %s", base, sent.URL)
		}
		ip, err := netip.ParseAddr(strings.ToLower(u.Hostname()))
		local := strings.EqualFold(u.Hostname(), "localhost") || err == nil && ip.IsLoopback()
		if u.Scheme != "https" && (u.Scheme != "http" || !plaintext && !local) {
			t.Errorf("%q: in the clear", base)
		}
	})
}

// FuzzID checks that an id is refused, or arrives as one element of the path.
func FuzzID(f *testing.F) {
	for _, s := range []string{"", ".", "..", "a/b", "a?b", "a%b", "a b", "a#b", "ü", "a;b", "\xff", "\t", "a\\b", "...", "%2e", ":", "*", "\u202e", "a\u2028b", "a,b", "a.b-c~d", "a&b=c+d:e@f$g", "a\xffb", `a"b<c>`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		var sent *http.Request
		rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			sent = r
			return testkit.Response(r, http.StatusOK, `{"status":"success","data":`+testkit.ActivationJSON+`}`), nil
		})
		_, err := testkit.Client(t, rt).Activations.Get(t.Context(), id)
		if err != nil {
			var input *connectlinks.InputError
			if sent != nil || !errors.As(err, &input) || input.Field != "id" {
				t.Errorf("%q: %v", id, err)
			}
			return
		}
		element, found := strings.CutPrefix(sent.URL.EscapedPath(), "/api/v2/activations/")
		got, err := url.PathUnescape(element)
		if !found || err != nil || got != id || id == "." || id == ".." || strings.ContainsAny(element, "/?#") || sent.URL.RawQuery != "" {
			t.Errorf("%q: sent to %s", id, sent.URL)
		}
	})
}
