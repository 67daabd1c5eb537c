package connectlinks

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/internal/jsonscan"
)

// readInto reads JSON into a field, as if it was a member of an answer.
func readInto(t testing.TB, text string, field any) *wireReader {
	t.Helper()
	require.NoError(t, jsonscan.Check(t.Context(), []byte(text), maxValues), text)
	r := new(wireReader)
	r.value(jsonscan.Parse([]byte(text)), field)
	return r
}

func TestWireText(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]wireText{
		`"error"`:               "error",
		`"a\u003db\n"`:          "a=b\n",
		`"\ud83d\ude00 \ud800"`: "😀 \ufffd",
		`""`:                    "",
		`null`:                  "",
		`404`:                   "404",
		`4.5e3`:                 "4.5e3",
		`true`:                  "true",
		`{"a": [1]}`:            `{"a": [1]}`,
		`[]`:                    `[]`,
	} {
		got := wireText("before")
		r := readInto(t, raw, &got)
		assert.Equal(t, want, got, raw)
		assert.NoError(t, r.typeErr)
	}
}

func TestWireFailure(t *testing.T) {
	t.Parallel()
	for status, code := range map[wireText]int{
		"error": 0, "not_found": 404, "400": 400, "404": 404, "500": 500, "599": 599,
	} {
		got, failed := status.failureCode()
		assert.True(t, failed, status)
		assert.Equal(t, code, got, status)
	}
	for _, status := range []wireText{
		"", "success", "created", "updated", "deleted", "200", "201", "399", "-404", "4e2", "404.0", " 404", "errors", "whatever comes next",
	} {
		_, failed := status.failureCode()
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
		readInto(t, raw, &got)
		assert.Equal(t, want, got, raw)
	}
}

// TestTimesThatCannotBeRead has what is not a time.
func TestWireTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2023, 7, 22, 23, 42, 47, 239e6, time.UTC)
	for raw, want := range map[string]time.Time{
		`"2023-07-22T23:42:47.239Z"`:      at,
		`"2023-07-23T01:42:47.239+02:00"`: at,
		`"2023-07-22T23:42:47Z"`:          at.Truncate(time.Second),
		`null`:                            {},
	} {
		got := wireTime{time.Now(), true}
		readInto(t, raw, &got)
		assert.False(t, got.unreadable, raw)
		assert.True(t, want.Equal(got.Time), raw)
	}
}

func TestWireSteps(t *testing.T) {
	t.Parallel()
	var got wireSteps
	readInto(t, `{"steps":[
		{"step":"Connect","status":"success","error":null},
		{"step":"Read","status":"failure","error":{"message":"denied"},"later":1},
		{"step":"Write","status":"failure","error":"full"},
		{"step":3,"status":null,"error":{"text":"?"}}, 7]}`, &got)
	assert.Equal(t, wireSteps{
		{"Connect", "success", ""}, {"Read", "failure", "denied"}, {"Write", "failure", "full"}, {"3", "", ""}, {},
	}, got)
	for _, none := range []string{`{}`, `null`, `[]`, `[1]`, `"x"`, `{"steps":{}}`} {
		readInto(t, none, &got)
		assert.Empty(t, got, none)
	}
}

func TestWireFields(t *testing.T) {
	t.Parallel()
	var got wireFields
	readInto(t, `{"fields":[
		{"id":"host","label":"Host","type":"string","rules":["required","max:9"],"placholder":"db.example.com","hint":" where \n","is_password_type_field":false,"possible_values":null},
		{"id":"mode","rules":"unique, required|in:a,b","placeholder":"one","placholder":"two","is_password_type_field":true,"possible_values":["a","b"]},
		{"id":"port","rules":"optional","possible_values":"a, b"}]}`, &got)
	assert.Equal(t, wireFields{
		{ID: "host", Label: "Host", Type: "string", Placeholder: "db.example.com", Hint: "where", Required: true},
		{ID: "mode", Placeholder: "one", Required: true, Password: true, PossibleValues: []string{"a", "b"}},
		{ID: "port", PossibleValues: []string{"a", "b"}},
	}, got)
	for _, none := range []string{`{}`, `null`, `[]`, `"x"`, `{"fields":7}`} {
		readInto(t, none, &got)
		assert.Empty(t, got, none)
	}
}

// What a body holds may be a secret, whatever is wrong with the body.
func TestWrongQuotesNothing(t *testing.T) {
	t.Parallel()
	const secret = "wJ5hD3gF6kL1pS0"
	decode := func(body string) error {
		_, err := decodePage(t.Context(), answer{body: []byte(body)}, "", (*wireLink).source)
		return err
	}
	for body, want := range map[string]string{
		``:                                   "empty",
		" \n\t ":                             "empty",
		`<html>` + secret + `</html>`:        "HTML instead of JSON",
		` <` + secret:                        "HTML instead of JSON",
		secret:                               "not JSON at byte 0; length 15",
		`{"id":` + secret + `}`:              "not JSON at byte 6",
		`{"uri":"` + secret:                  "not JSON at byte 23",
		`{"id":1} ` + secret:                 "not JSON at byte 9",
		secret + "\xff":                      "not valid UTF-8",
		`"` + secret + `"`:                   "not a JSON object; length 17",
		`["` + secret + `"]`:                 "not a JSON object; length 19",
		`{}`:                                 "data is not a list",
		`{"data":null}`:                      "data is not a list",
		`{"data":"` + secret + `"}`:          "data is not a list",
		`{"data":{"` + secret + `":3}}`:      "data is not a list",
		`{"data":["` + secret + `"]}`:        "link without an id",
		`{"data":[{"id":"` + secret + `"}]}`: "link without an id",
		`{"data":[],"pagination":"` + secret + `"}`:           "the value at byte 24 is not an object",
		`{"data":[],"pagination":{"page": "` + secret + `"}}`: "the value at byte 33 is not an integer",
	} {
		err := decode(body)
		require.ErrorIs(t, err, ErrBadResponse, body)
		assert.ErrorContains(t, err, want, body)
		assert.NotContains(t, err.Error(), secret, body)
	}
	for member, want := range map[string]string{
		`"id":"` + secret + `"`:         "the value at byte 14 is not an integer",
		`"type":["` + secret + `"]`:     "the value at byte 16 is not a string",
		`"expired":"` + secret + `"`:    "the value at byte 19 is not a boolean",
		`"id":1,"uri":"` + secret + `"`: "the URL of link 1 must be an absolute",
		`"id":1,"uri":"https://h/` + secret + `","expiration":"` + secret + `"`: "the expiration of link 1 is not a time",
	} {
		_, err := decodeObject[wireLink](t.Context(), []byte(`{"data":{`+member+`}}`))
		require.ErrorIs(t, err, ErrBadResponse, member)
		assert.ErrorContains(t, err, want, member)
		assert.NotContains(t, err.Error(), secret, member)
	}
}

// An item that the context does not allow any more is not read.
func TestDecodePageEndsWithItsContext(t *testing.T) {
	t.Parallel()
	body := answer{body: []byte(`{"status":"success","data":[` + strings.TrimSuffix(strings.Repeat(`{"id":1},`, 500), ",") + `]}`)}
	ended := &switchedContext{Context: t.Context(), ended: true}
	_, err := decodePage(ended, body, "", (*wireLink).source)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, ErrBadResponse)
	for _, allowed := range []int{0, 1, 250, 499} {
		ctx := &switchedContext{Context: t.Context()}
		converted := 0
		_, err := decodePage(ctx, body, "", func(w *wireLink) SourceConnectLink {
			if converted++; converted == allowed {
				ctx.ended = true
			}
			return w.source()
		})
		if allowed == 0 {
			require.NoError(t, err)
			assert.Equal(t, 500, converted)
			continue
		}
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, allowed, converted)
	}
}

// switchedContext ends when it is told to.
type switchedContext struct {
	context.Context
	ended bool
}

func (c *switchedContext) Err() error {
	if c.ended {
		return context.Canceled
	}
	return c.Context.Err()
}

func TestFailureText(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", maxError)
	for body, want := range map[string][2]string{
		`{"status":"error","message":"no"}`:                                     {"error", "no"},
		`{"status":404,"error":"Not Found"}`:                                    {"404", "Not Found"},
		`{"error":"Not Found","message":"no","status":null}`:                    {"", "no"},
		`{"message":{"text":["no"]}}`:                                           {"", `{"text":["no"]}`},
		`{"status":"x` + long + `","message":"y` + long + `"}`:                  {"x" + long[1:], "y" + long[1:]},
		`{"status":"error","message":"` + strings.Repeat("a", maxMember) + `"}`: {"error", ""},
		`{"status":"error","message":"cut o`:                                    {"error", ""},
		`{"message":"no"} and more`:                                             {"", "no"},
		`<html>`:                                                                {},
		``:                                                                      {},
		`[{"message":"no"}]`:                                                    {},
		"{\"message\":\"\xff\"}":                                                {"", "\ufffd"},
	} {
		status, message := failureText([]byte(body))
		assert.Equal(t, want, [2]string{status, message}, body)
	}
}

// FuzzJSON: any JSON can be read into any field. What is not JSON is refused without a quotation.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, ``, `[`, `<`, `{"text":1,"texts":[null,{"a":2}],"time":"2023-07-22T23:42:47.239Z"}`,
		`{"text":"\ud800","texts":"a|b,c","time":-1}`, `{"text":{"text":[]},"texts":{},"time":{}}`,
		`{"steps":{"steps":[{"step":{},"error":{"message":[1]}}]},"fields":{"fields":[{"rules":7,"possible_values":{}}]}}`,
		`{"steps":[],"fields":"x"}`, "\xff", `{"text":"\u0000"}`, `{"source":{"id":1},"destination_connection":{"id":"x","last_test_results":{"steps":[7]}}}`,
	} {
		f.Add([]byte(s))
	}
	const secret = "wJ5hD3gF6kL1pS0"
	f.Fuzz(func(t *testing.T, body []byte) {
		if err := jsonscan.Check(t.Context(), body, maxValues); err != nil {
			text := unreadable([]byte(secret+string(body)), err).Error()
			if text == "" || len(text) > 200 || strings.Contains(text, secret) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
				t.Errorf("%q: %q", body, text)
			}
			return
		}
		if !json.Valid(body) {
			t.Errorf("%q is not JSON", body)
		}
		var (
			text    wireText
			texts   wireTexts
			at      wireTime
			plain   time.Time
			steps   wireSteps
			fields  wireFields
			details json.RawMessage
			tested  *bool
		)
		fieldsOf := []any{
			&text, &texts, &at, &plain, &steps, &fields, &details, &tested, new(string), new(int), new(int64), new(bool),
			new(wireLink), new(wireConnection), new(wireActivation), new(wireType), new(wireWorkspace), new(wirePagination),
		}
		whole := jsonscan.Parse(body)
		for _, field := range fieldsOf {
			r := new(wireReader)
			r.value(whole, field)
			for c := whole.Members(); c.Next(); {
				r.value(c.Value, field)
			}
			if r.limitErr != nil {
				t.Errorf("%q: %v", body, r.limitErr)
			}
		}
		_, _ = text.failureCode()
		if at.unreadable && !at.IsZero() || !plain.Equal(at.Time) {
			t.Errorf("%q: a time that cannot be read is %v, %v", body, at.Time, plain)
		}
		if len(details) > 0 && !json.Valid(details) {
			t.Errorf("%q: %q", body, details)
		}
	})
}
