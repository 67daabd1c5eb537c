package connectlinks

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWireText(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]wireText{
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
		got := wireText("before")
		require.NoError(t, json.Unmarshal([]byte(raw), &got), raw)
		assert.Equal(t, want, got, raw)
	}
}

func TestWireFailure(t *testing.T) {
	t.Parallel()
	for status, code := range map[wireText]int{
		"error": 0, "not_found": 404, "400": 400, "404": 404, "500": 500, "599": 599,
	} {
		got, failed := status.failure()
		assert.True(t, failed, status)
		assert.Equal(t, code, got, status)
	}
	for _, status := range []wireText{
		"", "success", "created", "updated", "deleted", "200", "201", "399", "-404", "4e2", "404.0", " 404", "errors", "whatever comes next",
	} {
		_, failed := status.failure()
		assert.False(t, failed, status)
	}
}

func TestWireTexts(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]wireTexts{
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
		got := wireTexts{"before"}
		require.NoError(t, json.Unmarshal([]byte(raw), &got), raw)
		assert.Equal(t, want, got, raw)
	}
}

func TestWireTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2023, 7, 22, 23, 42, 47, 239e6, time.UTC)
	for raw, want := range map[string]time.Time{
		`"2023-07-22T23:42:47.239Z"`:      at,
		`"2023-07-23T01:42:47.239+02:00"`: at,
		`"2023-07-22T23:42:47Z"`:          at.Truncate(time.Second),
		`null`:                            {},
	} {
		var got wireTime
		require.NoError(t, json.Unmarshal([]byte(raw), &got), raw)
		assert.False(t, got.unreadable, raw)
		assert.True(t, want.Equal(got.Time), raw)
	}
	for _, raw := range []string{`""`, `"tomorrow"`, `1690069367`, `true`, `{}`, `[]`, `"2023-07-22"`, `"2023-07-22 23:42:47"`, `"2023-13-01T00:00:00Z"`} {
		var got struct {
			At    wireTime
			After string
		}
		require.NoError(t, json.Unmarshal([]byte(`{"at":`+raw+`,"after":"read"}`), &got), raw)
		assert.True(t, got.At.unreadable, raw)
		assert.Equal(t, "read", got.After, "what is around it is read")
	}
}

func TestWireSteps(t *testing.T) {
	t.Parallel()
	var got wireSteps
	require.NoError(t, json.Unmarshal([]byte(`{"steps":[
		{"step":"Connect","status":"success","error":null},
		{"step":"Read","status":"failure","error":{"message":"denied"},"later":1},
		{"step":3,"status":null}]}`), &got))
	assert.Equal(t, wireSteps{{"Connect", "success", ""}, {"Read", "failure", "denied"}, {"3", "", ""}}, got)
	require.NoError(t, json.Unmarshal([]byte(`{}`), &got))
	assert.Empty(t, got)
	require.NoError(t, json.Unmarshal([]byte(`null`), &got))
	assert.Empty(t, got)
}

func TestWireFields(t *testing.T) {
	t.Parallel()
	var got wireFields
	require.NoError(t, json.Unmarshal([]byte(`{"fields":[
		{"id":"host","label":"Host","type":"string","rules":["required","max:9"],"placholder":"db.example.com","hint":" where \n","is_password_type_field":false,"possible_values":null},
		{"id":"mode","rules":"required|in:a,b","placeholder":"one","placholder":"two","is_password_type_field":true,"possible_values":["a","b"]},
		{"id":"port","rules":"optional","possible_values":"a, b"}]}`), &got))
	assert.Equal(t, wireFields{
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
		got := describe([]byte(body), err)
		assert.Contains(t, got, want, body)
		assert.NotContains(t, got, secret, body)
	}
	assert.Equal(t, "JSON of another shape", describe([]byte("{}"), errors.New(secret)))
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
			Text  wireText
			Texts wireTexts
			Time  wireTime
		}
		err := json.Unmarshal(body, &v)
		var kind *json.UnmarshalTypeError
		if json.Valid(body) && err != nil && !(errors.As(err, &kind) && kind.Field == "") {
			t.Errorf("%q: %v", body, err)
		}
		_, _ = v.Text.failure()
		if v.Time.unreadable && !v.Time.IsZero() {
			t.Errorf("%q: a time that cannot be read is %v", body, v.Time.Time)
		}
		var w struct {
			Steps  wireSteps
			Fields wireFields
			N      int
			At     time.Time
		}
		if err := json.Unmarshal(body, &w); err != nil {
			text := describe(body, err)
			if text == "" || len(text) > 200 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
				t.Errorf("%q: %q", body, text)
			}
			const secret = "wJ5hD3gF6kL1pS0"
			quoted := fmt.Sprintf(`{"n":%q,"at":%q,"x":%s`, secret, secret, body)
			if err := json.Unmarshal([]byte(quoted), &w); err == nil || strings.Contains(describe([]byte(quoted), err), secret) {
				t.Errorf("%q: %v", quoted, err)
			}
		}
	})
}
