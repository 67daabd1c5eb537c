package connectlinks_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	hugeChunks  = 256 // of 1 MiB
	hugeSize    = (hugeChunks + 1) << 20
	allowedHeap = 32 << 20
)

// readBody counts what is read of a body.
type readBody struct {
	io.ReadCloser
	read   int64
	closed bool
}

func (b *readBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	return n, err
}

func (b *readBody) Close() error { b.closed = true; return b.ReadCloser.Close() }

// heapUse tells what f did to the heap, in bytes: what it allocated in all, by how much the live
// heap grew at most while f ran, and by how much it is larger afterwards.
type heapUse struct{ allocated, peak, kept int64 }

func measureHeap(f func()) heapUse {
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // to look often
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	live := watchLive()
	f()
	runtime.ReadMemStats(&after)
	runtime.GC()
	grown := func(bytes uint64) int64 { return int64(bytes - before.HeapAlloc) }
	use := heapUse{allocated: int64(after.TotalAlloc - before.TotalAlloc), peak: grown(live())}
	runtime.ReadMemStats(&after)
	use.kept = grown(after.HeapAlloc)
	return use
}

// watchLive begins to look at the live heap after every garbage collection. The function that it
// returns looks once more, and returns the largest value.
func watchLive() (peak func() uint64) {
	var mu sync.Mutex
	var highest uint64
	done := false
	look := func() {
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(sample)
		highest = max(highest, sample[0].Value.Uint64())
	}
	var collected func(*[64]byte)
	collected = func(b *[64]byte) { // a finalizer runs once for a collection
		mu.Lock()
		defer mu.Unlock()
		if !done {
			look()
			runtime.SetFinalizer(b, collected)
		}
	}
	runtime.SetFinalizer(new([64]byte), collected)
	return func() uint64 {
		mu.Lock()
		defer mu.Unlock()
		done = true
		look()
		return highest
	}
}

// A huge answer is read up to the limit, and the server notices that nobody reads the rest. Not
// parallel: it measures the heap of the process.
func TestHugeAnswersAreCutOff(t *testing.T) {
	n, count := 0, 0
	for name, content := range map[string]struct{ head, chunk string }{
		"a string that has no end": {`{"status":"created","data":{"id":1,"uri":"https://app.getcensus.com/pbc?auth=`, "a"},
		"blanks":                   {"", " "},
		"brackets":                 {"", "["},
		"zeros":                    {"", "\x00"},
		"secrets":                  {"", "auth=abcdefgh "},
	} {
		for _, status := range []int{201, 422} {
			for _, h2 := range []bool{false, true} {
				if status == 201 && !testkit.Sample(&n) { // each reads 8 MiB
					continue
				}
				how := []string{"chunks", "announced", "compressed"}[count%3]
				count++
				t.Run(fmt.Sprintf("%s, %d, %s, HTTP/2 %t", name, status, how, h2), func(t *testing.T) {
					head, chunk := []byte(content.head), bytes.Repeat([]byte(content.chunk), (1<<20)/len(content.chunk))
					if how == "compressed" { // several in a row are one stream
						head, chunk = compressed(t, head), compressed(t, chunk)
					}
					done := make(chan struct{})
					written := 0 // chunks
					srv, tr := testkit.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						defer close(done)
						switch how {
						case "announced":
							w.Header().Set("Content-Length", strconv.Itoa(hugeSize))
						case "compressed":
							w.Header().Set("Content-Encoding", "gzip")
						}
						w.WriteHeader(status)
						_, err := w.Write(head)
						for ; err == nil && written < hugeChunks; written++ {
							_, err = w.Write(chunk)
						}
					}), h2)
					var body *readBody
					c := testkit.ClientAt(t, srv.URL, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
						resp, err := tr.RoundTrip(r)
						if err == nil {
							body = &readBody{ReadCloser: resp.Body}
							resp.Body = body
						}
						return resp, err
					}), testkit.NoRetries)
					var err error
					heap := measureHeap(func() { err = testkit.CreateLink(t.Context(), c) })
					require.Error(t, err)
					assert.Less(t, heap.peak, int64(allowedHeap), "while it was read")
					if !h2 { // whose connection keeps what it has received
						assert.Less(t, heap.kept, int64(4<<20), "afterwards")
					}
					assert.True(t, body.closed)
					assert.Less(t, len(err.Error()), 4<<10)
					<-done
					if how != "compressed" { // which fits into the buffers of the connection
						assert.Less(t, written, hugeChunks/2)
					}
					if status == 201 {
						require.ErrorIs(t, err, connectlinks.ErrBadResponse)
						require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
						assert.LessOrEqual(t, body.read, int64(12<<20), "bytes read of a success")
						return
					}
					var answer *connectlinks.APIError
					require.ErrorAs(t, err, &answer)
					assert.Equal(t, status, answer.StatusCode)
					assert.LessOrEqual(t, len(answer.Body), 4<<10)
					assert.LessOrEqual(t, body.read, int64(128<<10), "bytes read of an error")
				})
			}
		}
	}
}

// compressed returns body in gzip.
func compressed(t testing.TB, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	require.NoError(t, err)
	_, err = z.Write(body)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

func TestContentLengthIsNotTrusted(t *testing.T) {
	link := `{"status":"created","data":{"id":5,"type":"hubspot","uri":"https://app.getcensus.com/pbc?auth=x"}}`
	for _, announced := range []int64{-1, 0, 1, int64(len(link)) - 1, int64(len(link)) + 1, 64 << 10, 8 << 20, 1 << 40, 1<<63 - 1} {
		t.Run(fmt.Sprintf("announced %d", announced), func(t *testing.T) {
			rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				resp := testkit.Response(r, 201, link)
				resp.ContentLength = announced
				return resp, nil
			})
			var got *connectlinks.DestinationConnectLink
			var err error
			c := testkit.Client(t, rt)
			heap := measureHeap(func() { got, err = c.Destinations.CreateConnectLink(t.Context(), testkit.Params) })
			require.NoError(t, err)
			assert.EqualValues(t, 5, got.ID)
			assert.Less(t, heap.allocated, int64(1<<20))
		})
	}
	for _, status := range []int{201, 500} {
		t.Run(fmt.Sprintf("%d over the wire", status), func(t *testing.T) {
			api := testkit.NewAPI()
			srv, tr := testkit.Serve(t, api, false)
			c := testkit.ClientAt(t, srv.URL, tr)
			for _, announced := range []string{"1099511627776", "9223372036854775807", strconv.Itoa(len(link) - 1), strconv.Itoa(len(link) + 1)} {
				api.Begin(testkit.After(func(w http.ResponseWriter, _ *http.Request) {
					conn := testkit.Hijack(w)
					defer conn.Close()
					_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s", status, announced, link)
				}))
				var err error
				heap := measureHeap(func() { err = testkit.CreateLink(t.Context(), c) })
				require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, announced)
				assert.Less(t, heap.allocated, int64(allowedHeap))
				api.CheckSeen(t, testkit.Named("Destinations.CreateConnectLink"), 1, 1)
			}
		})
	}
}

// The limits of one answer.
const (
	maxAnswer    = 8 << 20
	maxMember    = 1 << 20
	maxValues    = 200_000
	maxItems     = 1_000
	maxLive      = 64 << 20  // bytes by which the live heap may grow
	maxAllocated = 160 << 20 // bytes in all
)

// success makes an answer with data.
func success(data string) string { return `{"status":"success","data":` + data + `}` }

// repeat repeats unit n times, with a comma between.
func repeat(unit string, n int) string { return strings.Repeat(unit+",", n-1) + unit }

// respondTo makes a client whose every call is answered with body.
func respondTo(t testing.TB, body []byte) *connectlinks.Client {
	t.Helper()
	return testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
		return testkit.Stream(r, http.StatusOK, bytes.NewReader(body)), nil
	}), testkit.NoRetries)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	created := testkit.Envelope("created", testkit.LinkJSON)
	longName := func(n int) string {
		return `{"id":1,"name":"` + strings.Repeat("a", n-len(`{"id":1,"name":""}`)) + `"}`
	}
	fields := func(texts int) string {
		return `{"service_name":"a","configuration_fields":{"fields":[{"possible_values":"` + repeat("a", texts) + `"}]}}`
	}
	for _, tt := range []struct {
		name, call string
		most       int // the largest n of an answer that fits
		answer     func(n int) string
		want       string // a part of the error if n is one more
	}{
		{"bytes of an answer", "Sources.CreateConnectLink", maxAnswer,
			func(n int) string { return created + strings.Repeat(" ", n-len(created)) }, "longer than 8388608 bytes"},
		{"items of a page", "Sources.List", maxItems,
			func(n int) string { return success("[" + repeat(`{"id":1}`, n) + "]") }, "more than 1000 items"},
		{"values of a list", "Destinations.ListTypes", maxValues - 6,
			func(n int) string { return success(`[{"service_name":"a","x":[` + repeat("0", n) + `]}]`) }, "more than 200000 JSON values"},
		{"values of an object", "Activations.Get", maxValues - 6,
			func(n int) string { return success(`{"id":"a","x":{"y":[` + repeat("{}", n) + `]}}`) }, "more than 200000 JSON values"},
		{"values beside the data", "Activations.Delete", maxValues - 2,
			func(n int) string { return `{"x":[` + repeat("[]", n) + `]}` }, "more than 200000 JSON values"},
		{"bytes of an item", "Sources.List", maxMember,
			func(n int) string { return success("[" + longName(n-1) + "," + longName(n) + "]") }, "more than 1048576 bytes in an item"},
		{"bytes of an object", "Sources.Get", maxMember,
			func(n int) string { return success(longName(n)) }, "more than 1048576 bytes in a member"},
		{"bytes of another member", "Sources.List", maxMember - 2,
			func(n int) string { return `{"data":[],"next":"` + strings.Repeat("a", n) + `"}` }, "more than 1048576 bytes in a member"},
		{"texts in one string", "Activations.GetType", maxValues,
			func(n int) string { return success(fields(n)) }, "more than 200000 texts"},
		{"texts in two strings", "Activations.ListTypes", maxValues / 2,
			func(n int) string { return success("[" + repeat(fields(n), 2) + "]") }, "more than 200000 texts"},
		{"nesting", "Workspaces.Current", 998,
			func(n int) string {
				return success(`{"id":1,"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`)
			},
			"more than 1000 levels of nesting"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			call := testkit.Named(tt.call)
			_, err := call.Do(t.Context(), respondTo(t, []byte(tt.answer(tt.most))))
			require.NoError(t, err)
			v, err := call.Do(t.Context(), respondTo(t, []byte(tt.answer(tt.most+1))))
			require.ErrorIs(t, err, connectlinks.ErrBadResponse)
			assert.ErrorContains(t, err, tt.want)
			assert.Empty(t, v, "no shortened answer")
		})
	}
}

// An answer within the limits is read as a whole.
func TestLimitsShortenNothing(t *testing.T) {
	t.Parallel()
	types := "[" + repeat(`{"service_name":"a","configuration_fields":{"fields":[`+repeat(`{"possible_values":["x","y"]}`, 40)+`]}}`, maxItems) + "]"
	page, err := respondTo(t, []byte(success(types))).Activations.ListTypes(t.Context(), connectlinks.ListOptions{})
	require.NoError(t, err)
	require.Len(t, page.Items, maxItems)
	for _, item := range page.Items {
		require.Len(t, item.ConfigurationFields, 40)
		for _, field := range item.ConfigurationFields {
			require.Equal(t, []string{"x", "y"}, field.PossibleValues)
		}
	}
	step := `{"step":"a","status":"failure","error":{"message":"b"}}`
	d, err := respondTo(t, []byte(success(`{"id":1,"last_test_results":{"steps":[`+repeat(step, 18_000)+`]}}`))).Destinations.Get(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, d.LastTestResults, 18_000)
	assert.Equal(t, connectlinks.TestStep{Step: "a", Status: "failure", Error: "b"}, d.LastTestResults[17_999])
}

// The envelope's status decides, whatever else is wrong.
func TestStatusDecidesWhateverElseIsWrong(t *testing.T) {
	t.Parallel()
	n := 0
	for name, rest := range map[string]string{
		"nothing":          `"x":1}`,
		"data":             `"data":5}`,
		"too many values":  `"data":[` + repeat("{}", maxValues+1) + `]}`,
		"too long":         `"next":"` + strings.Repeat("a", maxMember) + `"}`,
		"too many items":   `"data":[` + repeat(`{"id":1}`, maxItems+1) + `]}`,
		"an item too long": `"data":[{"id":1,"name":"` + strings.Repeat("a", maxMember) + `"}]}`,
		"not UTF-8":        "\"x\":\"\xff\"}",
		"nesting":          `"x":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`,
		"truncated":        `"data":{"id":1`,
		"garbage behind":   `"data":null} oops`,
		"garbage":          `oops`,
	} {
		for status, want := range map[string]int{`"not_found"`: 404, `"error"`: 200, `410`: 410, `"500"`: 500} {
			if len(rest) > 100_000 && !testkit.Sample(&n) {
				continue
			}
			c := respondTo(t, []byte(`{"message":"nobody home","status":`+status+`,`+rest))
			for _, call := range []string{"Sources.Delete", "Sources.CreateConnectLink", "Activations.Get", "Sources.ListTypes", "Workspaces.APIKey"} {
				_, err := testkit.Named(call).Do(t.Context(), c)
				var failure *connectlinks.APIError
				require.ErrorAs(t, err, &failure, "%s: %s", name, call)
				assert.Equal(t, want, failure.StatusCode, "%s: %s", name, call)
				assert.Equal(t, strings.Trim(status, `"`), failure.Status)
				assert.Equal(t, "nobody home", failure.Message)
			}
		}
	}
	last := `{"data":[` + repeat("{}", maxValues+1) + `],"status":404}`
	_, err := respondTo(t, []byte(last)).Sources.List(t.Context(), connectlinks.ListOptions{})
	assert.ErrorIs(t, err, connectlinks.ErrNotFound, "a status after the data")
}

// fill returns a function that makes an answer of the longest allowed length: head, unit as often
// as it fits, tail, blanks.
func fill(head, unit, tail string) func() []byte {
	return func() []byte {
		body := make([]byte, 0, maxAnswer)
		body = append(body, head...)
		body = append(body, bytes.Repeat([]byte(unit), (maxAnswer-len(head)-len(tail))/len(unit))...)
		body = append(body, tail...)
		return append(body, bytes.Repeat([]byte(" "), maxAnswer-len(body))...)
	}
}

// fillItems makes such an answer of seven items of nearly 1 MiB: head, unit as often as it fits,
// tail. There are at most most units in all.
func fillItems(head, unit, tail string, most int) func() []byte {
	return func() []byte {
		n := min((maxMember-len(head)-len(tail))/len(unit), most/7)
		item := head + strings.TrimSuffix(strings.Repeat(unit, n), ",") + tail
		return fill(`{"data":[`+repeat(item, 7), " ", "]}")()
	}
}

// answerShape is an answer of 8 MiB, and what a call makes of it.
type answerShape struct {
	name string
	body func() []byte
	call string
	want string // a part of the error; "" for none
}

func answerShapes() []answerShape {
	const (
		types      = "Activations.ListTypes"
		typ        = "Activations.GetType"
		activs     = "Activations.List"
		fields     = `{"service_name":"a","configuration_fields":{"fields":[`
		steps      = `{"id":"a","destination":{"id":1,"last_test_results":{"steps":[`
		tooMany    = "more than 200000 JSON values"
		tooLong    = "more than 1048576 bytes"
		notFound   = "404 Not Found: nobody home"
		withoutEnd = 1 << 30
	)
	return []answerShape{
		{"empty items", fill(`{"data":[`, "{},", "{}]}"), types, tooMany},
		{"null items", fill(`{"data":[`, "null,", "null]}"), activs, tooMany},
		{"the smallest links", fill(`{"data":[`, `{"id":1},`, `{"id":1}]}`), "Sources.ListConnectLinks", tooMany},
		{"as many items as allowed", fill(`{"data":[`+repeat(fields+repeat("{}", 190)+`]}}`, 1000), " ", "]}"), types, ""},
		{"fields of many items", fillItems(fields, "{},", "]}}", 199_000), types, ""},
		{"fields of one item", fill(`{"data":`+fields+repeat("{}", 199_000)+"]}}}", " ", ""), typ, ""},
		{"too many fields", fillItems(fields, "{},", "]}}", withoutEnd), types, tooMany},
		{"steps of many items", fillItems(steps, "{},", "]}}}", 199_000), activs, ""},
		{"steps of one item", fill(`{"data":`+steps+repeat("{}", 199_000)+"]}}}}", " ", ""), "Activations.Get", ""},
		{"repeated members", fillItems(`{"service_name":"a"`, `,"configuration_fields":{"fields":[{},{},{},{},{},{},{},{},{}]}`, "}", 16_000), types, ""},
		{"repeated data", fill(`{"status":"success"`, `,"data":[{"id":1},{"id":2}]`, "}"), "Sources.List", tooMany},
		{"data, twice", fill(`{`+repeat(`"data":[`+repeat(fields+repeat("{}", 90)+`]}}`, 1000)+`]`, 2), " ", "}"), types, ""},
		{"texts in long strings", fillItems(fields+`{"possible_values":"`, "a,", `"}]}}`, withoutEnd), types, "more than 200000 texts"},
		{"texts in short strings", fillItems(fields, `{"rules":"a|b,c|d","possible_values":"a|b,c|d|e,f|g,h"},`, "]}}", 60_000), types, "more than 200000 texts"},
		{"texts in lists", fillItems(fields+`{"possible_values":[`, `"",`, "]}]}}", 199_000), types, ""},
		{"texts in lists of their own", fillItems(fields, `{"possible_values":[""]},`, "]}}", 66_000), types, ""},
		{"escaped strings", fillItems(fields+`{"possible_values":[`, `"\n",`, "]}]}}", 199_000), types, ""},
		{"escaped names", fillItems(`{"service_name":"a"`, `,"\u0061":1`, "}", 199_000), types, ""},
		{"escaped names and strings", fillItems(`{"service_name":"a"`, `,"\u006cabel":"\n"`, "}", 199_000), types, ""},
		{"escapes", fillItems(`{"id":1,"name":"`, `\u0000`, `"}`, withoutEnd), "Sources.List", ""},
		{"not UTF-8", fillItems(`{"id":1,"name":"`, "\xff", `"}`, withoutEnd), "Sources.List", "not valid UTF-8"},
		{"long names", fillItems(`{"id":1,"name":"`, "a", `"}`, withoutEnd), "Sources.List", ""},
		{"long times", fillItems(`{"id":1,"created_at":"2023-07-22T23:42:47.`, "1", `Z"}`, withoutEnd), "Sources.List", ""},
		{"long numbers", fillItems(`{"id":1,"name":`, "1", `}`, withoutEnd), "Sources.List", ""},
		{"details", fillItems(`{"id":"a","destination":{"id":1,"connection_details":[`, "1,", `]}}`, 199_000), activs, ""},
		{"long details", fillItems(`{"id":"a","destination":{"id":1,"connection_details":"`, "a", `"}}`, withoutEnd), activs, ""},
		{"one item", fill(`{"data":[{"id":1,"name":"`, "a", `"}]}`), "Sources.List", tooLong},
		{"one object", fill(`{"data":{"id":1,"name":"`, "a", `"}}`), "Sources.Get", tooLong},
		{"brackets", fill(`{"data":`, "[", ""), types, "levels of nesting"},
		{"a long member", fill(`{"data":[],"next":"`, "a", `"}`), types, tooLong},
		{"a long status", fill(`{"data":[],"status":{"a":"`, "a", `"}}`), types, tooLong},
		{"a long API key", fill(`{"api_key":"`, "a", `"}`), "Workspaces.APIKey", tooLong},
		{"a failure with many values", fill(`{"status":404,"message":"nobody home","data":[`, "{},", "{}]}"), types, notFound},
		{"a failure at the end", fill(`{"data":[`, "{},", `{}],"status":404,"message":"nobody home"}`), "Activations.Delete", notFound},
		{"a failure with a long message", fill(`{"status":404,"message":"`, `a\n`, `"}`), "Destinations.CreateConnectLink", "404 Not Found"},
		{"a failure with many long messages", fill(`{"status":404`, `,"message":"`+strings.Repeat(`a\n`, 300_000)+`"`, "}"), "Activations.Get", "404 Not Found: a a a"},
		{"blanks", fill(" ", " ", " "), types, "empty"},
		{"HTML", fill("<html>", "<p>no</p>", "</html>"), types, "HTML"},
		{"a long string", fill(`"`, "a", `"`), types, "not a JSON object"},
	}
}

// An answer of 8 MiB takes little memory, whatever its shape is. Not parallel: the test measures
// the heap of the process.
func TestLimitsOfMemory(t *testing.T) {
	shapes := answerShapes()
	require.GreaterOrEqual(t, len(shapes), 19)
	n := 0
	for _, shape := range shapes {
		if !testkit.Sample(&n) || !testkit.Thorough && n%10 != 1 { // each takes 100 ms
			continue
		}
		t.Run(shape.name, func(t *testing.T) {
			body := shape.body()
			require.Len(t, body, maxAnswer)
			call := testkit.Named(shape.call)
			check := func(how string, c *connectlinks.Client) {
				var v any
				var err error
				heap := measureHeap(func() { v, err = call.Do(t.Context(), c) })
				t.Logf("%s: %.1f MiB allocated, %.1f MiB live", how, float64(heap.allocated)/(1<<20), float64(heap.peak)/(1<<20))
				assert.LessOrEqual(t, heap.allocated, int64(maxAllocated), how)
				assert.LessOrEqual(t, heap.peak, int64(maxLive), how)
				if shape.want == "" {
					require.NoError(t, err, how)
				} else {
					require.ErrorContains(t, err, shape.want, how)
					assert.Less(t, len(err.Error()), 2<<10, how)
				}
				runtime.KeepAlive(v)
			}
			if testkit.Thorough || n%20 == 11 {
				check("plain", respondTo(t, body))
			}
			if testkit.Thorough || n%20 == 1 {
				check("gzip", serveGzip(t, body))
			}
		})
	}
}

// FuzzLimitsOfMemory looks for a shape that takes too much: head, unit as often as it fits, tail.
func FuzzLimitsOfMemory(f *testing.F) {
	calls, n := testkit.Single(), 0
	for _, s := range []struct{ head, unit, tail, call string }{
		{`{"data":[`, `{"id":1},`, `{"id":1}]}`, "Sources.ListConnectLinks"},
		{`{"data":[`, `{"service_name":"a","configuration_fields":{"fields":[{},{},{},{"rules":"a,b","possible_values":["a|b"]}]}},`, "{}]}", "Destinations.ListTypes"},
		{`{"data":[`, `{"id":"a","destination":{"last_test_results":{"steps":[{},{"step":{},"error":{"message":"\n"}}]}}},`, "{}]}", "Activations.List"},
		{`{"data":{"id":1`, `,"\u006eame":"\t"`, "}}", "Sources.Get"},
		{`{"data":{"id":1,"connection_details":`, `[`, ``, "Destinations.Get"},
		{`{"status":404,"message":"`, `\u0001`, `"}`, "Destinations.CreateConnectLink"},
	} {
		if !testkit.Sample(&n) {
			continue
		}
		which := slices.IndexFunc(calls, func(c testkit.Call) bool { return c.Name == s.call })
		f.Add(s.head, s.unit, s.tail, uint8(which))
	}
	f.Fuzz(func(t *testing.T, head, unit, tail string, which uint8) {
		if unit == "" || len(head)+len(unit)+len(tail) > 1<<20 {
			t.Skip()
		}
		call := calls[int(which)%len(calls)]
		c := respondTo(t, fill(head, unit, tail)())
		var v any
		var err error
		heap := measureHeap(func() { v, err = call.Do(t.Context(), c) })
		if heap.allocated > maxAllocated || heap.peak > maxLive {
			t.Errorf("%s: %+v: %v", call.Name, heap, err)
		}
		runtime.KeepAlive(v)
	})
}

// BenchmarkDeadline reports by how much a call outlives a deadline that comes while its answer is
// decoded, at most. The answers are of 8 MiB.
func BenchmarkDeadline(b *testing.B) {
	for _, shape := range answerShapes() {
		b.Run(strings.ReplaceAll(shape.name, " ", "_"), func(b *testing.B) {
			call := testkit.Named(shape.call)
			c := respondTo(b, shape.body())
			start := time.Now()
			_, _ = call.Do(b.Context(), c)
			whole := time.Since(start)
			var latest time.Duration
			for i := 0; b.Loop(); i++ {
				ctx, cancel := context.WithTimeout(b.Context(), whole*time.Duration(i%8+1)/9)
				deadline, _ := ctx.Deadline()
				_, _ = call.Do(ctx, c)
				latest = max(latest, time.Since(deadline))
				cancel()
			}
			b.ReportMetric(float64(whole.Microseconds())/1000, "whole-ms")
			b.ReportMetric(float64(latest.Microseconds())/1000, "late-ms")
		})
	}
}

// serveGzip makes a client of a server that compresses body, over TLS.
func serveGzip(t testing.TB, body []byte) *connectlinks.Client {
	t.Helper()
	packed := compressed(t, body)
	srv, tr := testkit.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed)
	}), false)
	return testkit.ClientAt(t, srv.URL, tr, testkit.NoRetries)
}

// endingBody cancels a context once it has been read to its end.
type endingBody struct {
	io.Reader
	cancel context.CancelFunc
}

func (b endingBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		b.cancel()
	}
	return n, err
}

// If the context has ended before the answer is decoded, none of it is decoded. Not parallel: the
// test measures the heap of the process.
func TestNothingIsDecodedAfterTheContextHasEnded(t *testing.T) {
	body := []byte(success("[" + repeat(`{"service_name":"a","configuration_fields":{"fields":[`+repeat("{}", 190)+`]}}`, maxItems) + "]"))
	ctx, cancel := context.WithCancel(t.Context())
	c := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
		return testkit.Stream(r, http.StatusOK, endingBody{bytes.NewReader(body), cancel}), nil
	}))
	var err error
	heap := measureHeap(func() { _, err = c.Activations.ListTypes(ctx, connectlinks.ListOptions{}) })
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, connectlinks.ErrBadResponse)
	assert.Less(t, heap.allocated, int64(8*len(body)), "what reading takes; the fields would take 20 MiB more")
}
