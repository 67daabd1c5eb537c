package jsonscan_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/internal/jsonscan"
)

const many = 1 << 20 // values

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, `[]`, ` {"a" : [ 1 , -0.5e+3, 0, 0E-1 , true,false,null ] , "b":{"":""}} ` + "\r\n\t", `"\"\\\/\b\f\n\r\t\u00aF"`, `7`, `null`, "\"\u007f é 😀\"",
		strings.Repeat("[", jsonscan.MaxDepth) + strings.Repeat("]", jsonscan.MaxDepth),
	} {
		assert.True(t, json.Valid([]byte(text)), text)
		assert.NoError(t, jsonscan.Check(t.Context(), []byte(text), many), text)
	}
	for text, offset := range map[string]int{
		``: 0, ` `: 1, `{`: 1, `[`: 1, `[1`: 2, `[1,`: 3, `[1,]`: 3, `[,1]`: 1, `{"a"}`: 4, `{"a":}`: 5, `{"a":1,}`: 7, `{a:1}`: 1, `{1:1}`: 1, `[1 2]`: 3, `[1}`: 2, `{"a":1]`: 6,
		`nul`: 0, `nulL`: 0, `True`: 0, `+1`: 0, `01`: 1, `1.`: 2, `.5`: 0, `-`: 1, `1e`: 2, `1e+`: 3, `1 1`: 2, `{}{}`: 2, `]`: 0,
		`"`: 1, `"a`: 2, `"\"`: 3, `"\x"`: 2, `"\u12"`: 5, `"\u12g4"`: 5, "\"\n\"": 1, "\"\x00\"": 1, "\x00": 0, "1\x00": 1, "\ufeff{}": 0, `'a'`: 0, `//`: 0, "\u00a0{}": 0, `NaN`: 0,
	} {
		assert.False(t, json.Valid([]byte(text)), text)
		var syntax *jsonscan.SyntaxError
		if assert.ErrorAs(t, jsonscan.Check(t.Context(), []byte(text), many), &syntax, text) {
			assert.Equal(t, offset, syntax.Offset, text)
		}
	}
}

func TestCheckLimits(t *testing.T) {
	t.Parallel()
	const text = `{"a":[1,"b",{}],"c":null}`
	assert.NoError(t, jsonscan.Check(t.Context(), []byte(text), 6))
	var limit *jsonscan.LimitError
	require.ErrorAs(t, jsonscan.Check(t.Context(), []byte(text), 5), &limit)
	assert.Equal(t, "more than 5 JSON values", limit.Error())

	for _, brackets := range []string{"[", `{"a":`} {
		err := jsonscan.Check(t.Context(), []byte(strings.Repeat(brackets, 1<<20)), many)
		require.ErrorAs(t, err, &limit)
		assert.Equal(t, "more than 1000 levels of nesting", limit.Error())
	}
	for _, text := range []string{"\"\xff\"", "{}\xff", "\"\xed\xa0\x80\""} {
		assert.ErrorIs(t, jsonscan.Check(t.Context(), []byte(text), many), jsonscan.ErrNotUTF8, "%q", text)
	}
}

// endingContext ends when it is looked at for the n-th time.
type endingContext struct {
	context.Context
	left, looks int
}

func (c *endingContext) Err() error {
	if c.looks++; c.looks > c.left {
		return context.Canceled
	}
	return nil
}

func TestCheckEndsWithItsContext(t *testing.T) {
	t.Parallel()
	text := []byte("[" + strings.Repeat("0,", 4<<20) + "0]")
	ctx := &endingContext{context.Background(), 1 << 30, 0}
	require.NoError(t, jsonscan.Check(ctx, text, 5<<20))
	assert.Greater(t, ctx.looks, 200, "looks at the context, in 8 MiB")
	for _, left := range []int{0, 1, 100} {
		ctx := &endingContext{context.Background(), left, 0}
		require.ErrorIs(t, jsonscan.Check(ctx, text, 5<<20), context.Canceled)
		assert.Equal(t, left+1, ctx.looks, "it ends at once")
	}
}

func TestParts(t *testing.T) {
	t.Parallel()
	text := []byte(` { "a" : [ 1 , "]" , {"b":"}"} ] , "\u0063\"" : null , "" : "x\\" } `)
	require.NoError(t, jsonscan.Check(t.Context(), text, many))
	whole := jsonscan.Parse(text)
	var names, values []string
	for c := whole.Members(); c.Next(); {
		names = append(names, string(c.Name))
		values = append(values, string(c.Value.Text))
		assert.Equal(t, string(c.Value.Text), string(text[c.Value.Offset:][:len(c.Value.Text)]), "its offset")
		for e := c.Value.Elements(); e.Next(); {
			values = append(values, string(e.Value.Text))
			assert.Empty(t, e.Name)
			assert.Equal(t, string(e.Value.Text), string(text[e.Value.Offset:][:len(e.Value.Text)]), "its offset")
		}
	}
	assert.Equal(t, []string{"a", `c"`, ""}, names)
	assert.Equal(t, []string{`[ 1 , "]" , {"b":"}"} ]`, "1", `"]"`, `{"b":"}"}`, "null", `"x\\"`}, values)
	assert.Zero(t, whole.Len())
	c := whole.Members()
	require.True(t, c.Next())
	assert.Equal(t, 3, c.Value.Len())
	assert.Equal(t, byte('['), c.Value.Kind())
	for _, text := range []string{``, `{}`, `[]`, `7`, `"x"`, `null`} {
		v := jsonscan.Parse([]byte(text))
		members, elements := v.Members(), v.Elements()
		assert.False(t, members.Next(), text)
		assert.False(t, elements.Next(), text)
		assert.Zero(t, v.Len(), text)
	}
	assert.Zero(t, jsonscan.Value{}.Kind())
	assert.Empty(t, jsonscan.Value{}.String())
}

// Of text that is not JSON as a whole, the beginning can be split.
func TestPartsOfBrokenText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		`{"status":404,"message":"no`:      {"status:404"},
		`{"status":404`:                    nil, // there may have been more digits
		`{"status":"error","data":[{"a":1`: {`status:"error"`},
		`{"status":"error" oops`:           {`status:"error"`},
		`{"status":"error",`:               {`status:"error"`},
		`{"status":"error","x"`:            {`status:"error"`},
		`{"status":"error","x":`:           {`status:"error"`},
		`{"status":"error",x:1}`:           {`status:"error"`},
		`{"status":"error"}}`:              {`status:"error"`},
		`{"status":}`:                      nil,
		`{"status"`:                        nil,
		`{"status\`:                        nil,
		`{"`:                               nil,
		`{`:                                nil,
		`{]`:                               nil,
		"{\"m\":\"\xff\n\"}":               {"m:\"\xff\n\""},
	} {
		var got []string
		for c := jsonscan.Parse([]byte(text)).Members(); c.Next(); {
			got = append(got, string(c.Name)+":"+string(c.Value.Text))
			_ = c.Value.String()
		}
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{`"`, `"a`, `"\`, `"\"`} {
		assert.Equal(t, text, jsonscan.Parse([]byte(text)).String())
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"a"`: "a", `""`: "", `"\u00e9\n\ud83d\ude00\ud800"`: "é\n😀\ufffd", `null`: "", `true`: "true", `-1.50`: "-1.50", `{"a": 1}`: `{"a": 1}`,
	} {
		assert.Equal(t, want, jsonscan.Parse([]byte(text)).String(), text)
	}
}

func TestSplittingAllocatesNothing(t *testing.T) {
	text := []byte(`{"status":"success","data":[` + strings.Repeat(`{"a":[1,2,{"b":null}],"c":"d\n"},`, 1000) + `{}]}`)
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		if err := jsonscan.Check(context.Background(), text, many); err != nil {
			panic(err)
		}
		for c := jsonscan.Parse(text).Members(); c.Next(); {
			for e := c.Value.Elements(); e.Next(); {
				for m := e.Value.Members(); m.Next(); {
					m.Value.Len()
				}
			}
		}
	}))
}

// FuzzCheck compares with encoding/json: what is JSON, and into which values it splits.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `[1,{"a":"b\u0063"}]`, `{"a":1,"a":[2]}`, `"\ud800"`, ` -0.1e5 `, "\xff", `{"a":`, `[[[[`, `{"\u0061":"\\"}`, `nul`, `1 2`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		whole := jsonscan.Parse(text)
		for c := whole.Members(); c.Next(); { // it ends, whatever the text is
			_ = c.Value.String()
		}
		err := jsonscan.Check(t.Context(), text, many)
		var limit *jsonscan.LimitError
		if errors.As(err, &limit) {
			return
		}
		if want := json.Valid(text) && utf8.Valid(text); want != (err == nil) {
			t.Fatalf("%q: %v", text, err)
		}
		if err == nil {
			compare(t, whole)
		}
	})
}

func compare(t *testing.T, v jsonscan.Value) {
	t.Helper()
	if !json.Valid(v.Text) || len(bytes.TrimSpace(v.Text)) != len(v.Text) {
		t.Fatalf("%q is not one value", v.Text)
	}
	switch v.Kind() {
	case '{':
		var want map[string]json.RawMessage
		if err := json.Unmarshal(v.Text, &want); err != nil {
			t.Fatal(err)
		}
		got := map[string]json.RawMessage{}
		for c := v.Members(); c.Next(); {
			got[string(c.Name)] = c.Value.Text
			compare(t, c.Value)
		}
		if !maps.EqualFunc(want, got, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
			t.Fatalf("%q: %q, %q", v.Text, want, got)
		}
	case '[':
		var want, got []json.RawMessage
		if err := json.Unmarshal(v.Text, &want); err != nil {
			t.Fatal(err)
		}
		for c := v.Elements(); c.Next(); {
			got = append(got, c.Value.Text)
			compare(t, c.Value)
		}
		if v.Len() != len(want) || !slices.EqualFunc(want, got, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
			t.Fatalf("%q: %q, %q", v.Text, want, got)
		}
	case '"':
		var want string
		if err := json.Unmarshal(v.Text, &want); err != nil || want != v.String() {
			t.Fatalf("%q: %q, %v", v.Text, v.String(), err)
		}
	}
}
