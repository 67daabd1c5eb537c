package wire_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/internal/wire"
)

func TestText(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]wire.Text{
		`"error"`:      "error",
		`"a\u003db\n"`: "a=b\n",
		`""`:           "",
		`null`:         "",
		`404`:          "404",
		`4.5e3`:        "4.5e3",
		`true`:         "true",
		`{"a": [1]}`:   `{"a": [1]}`,
		`[]`:           `[]`,
	} {
		got := wire.Text("before")
		require.NoError(t, json.Unmarshal([]byte(raw), &got), raw)
		assert.Equal(t, want, got, raw)
	}
}

func TestFailure(t *testing.T) {
	t.Parallel()
	for status, code := range map[wire.Text]int{
		"error": 0, "not_found": 404, "400": 400, "404": 404, "500": 500, "599": 599,
	} {
		got, failed := status.Failure()
		assert.True(t, failed, status)
		assert.Equal(t, code, got, status)
	}
	for _, status := range []wire.Text{
		"", "success", "created", "updated", "deleted", "200", "201", "399", "-404", "4e2", "404.0", " 404", "errors", "whatever comes next",
	} {
		_, failed := status.Failure()
		assert.False(t, failed, status)
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]wire.Texts{
		`["a","b"]`:        {"a", "b"},
		`["a",1,true,{}]`:  {"a", "1", "true", "{}"},
		`["a",null]`:       {"a", ""},
		`[]`:               nil,
		`null`:             nil,
		`""`:               nil,
		`"required"`:       {"required"},
		`"required, uniq"`: {"required", "uniq"},
		`"a|b"`:            {"a", "b"},
		`5`:                {"5"},
	} {
		got := wire.Texts{"before"}
		require.NoError(t, json.Unmarshal([]byte(raw), &got), raw)
		assert.Equal(t, want, got, raw)
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2023, 7, 22, 23, 42, 47, 239e6, time.UTC)
	for raw, want := range map[string]time.Time{
		`"2023-07-22T23:42:47.239Z"`:      at,
		`"2023-07-23T01:42:47.239+02:00"`: at,
		`"2023-07-22T23:42:47Z"`:          at.Truncate(time.Second),
		`null`:                            {},
	} {
		var got wire.Time
		require.NoError(t, json.Unmarshal([]byte(raw), &got), raw)
		assert.False(t, got.Unreadable, raw)
		assert.True(t, want.Equal(got.Time), raw)
	}
	for _, raw := range []string{`""`, `"tomorrow"`, `1690069367`, `true`, `{}`, `[]`, `"2023-07-22"`, `"2023-07-22 23:42:47"`, `"2023-13-01T00:00:00Z"`} {
		var got struct {
			At    wire.Time
			After string
		}
		require.NoError(t, json.Unmarshal([]byte(`{"at":`+raw+`,"after":"read"}`), &got), raw)
		assert.True(t, got.At.Unreadable, raw)
		assert.Equal(t, "read", got.After, "what is around it is read")
	}
}

func TestSteps(t *testing.T) {
	t.Parallel()
	var got wire.Steps
	require.NoError(t, json.Unmarshal([]byte(`{"steps":[
		{"step":"Connect","status":"success","error":null},
		{"step":"Read","status":"failure","error":{"message":"denied"},"later":1},
		{"step":3,"status":null}]}`), &got))
	assert.Equal(t, wire.Steps{{"Connect", "success", ""}, {"Read", "failure", "denied"}, {"3", "", ""}}, got)
	require.NoError(t, json.Unmarshal([]byte(`{}`), &got))
	assert.Empty(t, got)
	require.NoError(t, json.Unmarshal([]byte(`null`), &got))
	assert.Empty(t, got)
}

func TestFields(t *testing.T) {
	t.Parallel()
	var got wire.Fields
	require.NoError(t, json.Unmarshal([]byte(`{"fields":[
		{"id":"host","label":"Host","type":"string","rules":["required","max:9"],"placholder":"db.example.com","hint":" where \n","is_password_type_field":false,"possible_values":null},
		{"id":"mode","rules":"required|in:a,b","placeholder":"one","placholder":"two","is_password_type_field":true,"possible_values":["a","b"]},
		{"id":"port","rules":"optional","possible_values":"a, b"}]}`), &got))
	assert.Equal(t, wire.Fields{
		{ID: "host", Label: "Host", Type: "string", Placeholder: "db.example.com", Hint: "where", Required: true},
		{ID: "mode", Placeholder: "one", Required: true, Password: true, PossibleValues: []string{"a", "b"}},
		{ID: "port", PossibleValues: []string{"a", "b"}},
	}, got)
	require.NoError(t, json.Unmarshal([]byte(`null`), &got))
	assert.Empty(t, got)
}

// What a body holds may be a secret, whatever is wrong with the body.
func TestWrongQuotesNothing(t *testing.T) {
	t.Parallel()
	const secret = "wJ5hD3gF6kL1pS0"
	for body, want := range map[string]string{
		``:                             "empty",
		" \n\t ":                       "empty",
		`<html>` + secret + `</html>`:  "HTML in place of JSON",
		` <` + secret:                  "HTML in place of JSON",
		secret:                         "no JSON at byte",
		`{"id":` + secret + `}`:        "no JSON at byte",
		`{"uri":"` + secret:            "no JSON at byte",
		`{"id":1} ` + secret:           "no JSON at byte",
		`{"id":"` + secret + `"}`:      `"ID" is not of type int`,
		`{"at":"` + secret + `"}`:      "JSON of another shape",
		`{"raw":{"` + secret + `":3}}`: `is not of type string`,
		`"` + secret + `"`:             "is not of type",
		`["` + secret + `"]`:           "is not of type",
	} {
		var v struct {
			ID  int
			URI string
			At  time.Time
			Raw map[string]string
		}
		err := json.Unmarshal([]byte(body), &v)
		require.Error(t, err, body)
		got := wire.Wrong([]byte(body), err)
		assert.Contains(t, got, want, body)
		assert.NotContains(t, got, secret, body)
	}
	assert.Equal(t, "JSON of another shape", wire.Wrong([]byte("{}"), errors.New(secret)))
}

// FuzzJSON: what is JSON is read without an error, whatever its types; the rest
// is explained without being quoted.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, ``, `[`, `<`, `{"text":1,"texts":[null,{"a":2}],"time":"2023-07-22T23:42:47.239Z"}`,
		`{"text":"\ud800","texts":"a|b,c","time":-1}`, `{"text":{"text":[]},"texts":{},"time":{}}`,
		`{"steps":{"steps":[{"step":{},"error":{"message":[1]}}]},"fields":{"fields":[{"rules":7,"possible_values":{}}]}}`,
		`{"steps":[],"fields":"x"}`, "\xff", `{"text":"\u0000"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var v struct {
			Text  wire.Text
			Texts wire.Texts
			Time  wire.Time
		}
		err := json.Unmarshal(body, &v)
		var kind *json.UnmarshalTypeError
		if json.Valid(body) && err != nil && !(errors.As(err, &kind) && kind.Field == "") {
			t.Errorf("%q: %v", body, err)
		}
		_, _ = v.Text.Failure()
		if v.Time.Unreadable && !v.Time.IsZero() {
			t.Errorf("%q: a time that cannot be read is %v", body, v.Time.Time)
		}
		var w struct {
			Steps  wire.Steps
			Fields wire.Fields
			N      int
			At     time.Time
		}
		if err := json.Unmarshal(body, &w); err != nil {
			text := wire.Wrong(body, err)
			if text == "" || len(text) > 200 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
				t.Errorf("%q: %q", body, text)
			}
			const secret = "wJ5hD3gF6kL1pS0"
			quoted := fmt.Sprintf(`{"n":%q,"at":%q,"x":%s`, secret, secret, body)
			if err := json.Unmarshal([]byte(quoted), &w); err == nil || strings.Contains(wire.Wrong([]byte(quoted), err), secret) {
				t.Errorf("%q: %v", quoted, err)
			}
		}
	})
}
