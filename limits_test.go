package connectlinks_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const hugeSize = 256 << 20

// endlessBody repeats a chunk after a head, and notes how much of the heap is live
// while it is read.
type endlessBody struct {
	head   string
	chunk  []byte
	size   int64
	read   int64
	looked int64
	peak   uint64
	closed bool
}

func (b *endlessBody) Read(p []byte) (int, error) {
	if b.read >= b.size {
		return 0, io.EOF
	}
	n := 0
	if b.read < int64(len(b.head)) {
		n = copy(p, b.head[b.read:])
	} else {
		n = copy(p, b.chunk)
	}
	b.read += int64(n)
	if b.read-b.looked >= 2<<20 {
		b.looked = b.read
		b.peak = max(b.peak, liveHeap())
	}
	return n, nil
}

func (b *endlessBody) Close() error { b.closed = true; return nil }

// liveHeap returns the size of the live heap.
func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

const allowedHeap = 32 << 20

// Not parallel: it measures the heap of the process.
func TestHugeAnswersAreCutOff(t *testing.T) {
	chunks := map[string]struct{ head, chunk string }{
		"a string that has no end": {`{"status":"created","data":{"id":1,"uri":"https://app.getcensus.com/pbc?auth=`, strings.Repeat("a", 32<<10)},
		"blanks":                   {"", strings.Repeat(" ", 32<<10)},
		"brackets":                 {"", strings.Repeat("[", 32<<10)},
		"zeros":                    {"", strings.Repeat("\x00", 32<<10)},
		"secrets":                  {"", strings.Repeat("auth=abcdefgh ", 2<<10)},
	}
	for name, tt := range chunks {
		for _, status := range []int{201, 422} {
			for _, announced := range []int64{-1, hugeSize} {
				t.Run(fmt.Sprintf("%s, %d, announced %d", name, status, announced), func(t *testing.T) {
					body := &endlessBody{head: tt.head, chunk: []byte(tt.chunk), size: hugeSize}
					rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
						resp := testkit.Response(r, status, "")
						resp.Body, resp.ContentLength = body, announced
						return resp, nil
					})
					c := testkit.Client(t, rt, testkit.NoRetries)
					before := liveHeap()
					link, err := c.Destinations.CreateConnectLink(t.Context(), testkit.Params)
					after := liveHeap()
					require.Error(t, err)
					assert.Nil(t, link)
					grown := func(now uint64) int64 { return int64(now) - int64(before) }
					assert.Less(t, grown(body.peak), int64(allowedHeap), "while it was read")
					assert.Less(t, grown(after), int64(1<<20), "afterwards")
					assert.True(t, body.closed)
					var answer *connectlinks.APIError
					if status < 300 {
						require.ErrorIs(t, err, connectlinks.ErrBadResponse)
						require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
						assert.LessOrEqual(t, body.read, int64(9<<20), "bytes read of a success")
					} else {
						require.ErrorAs(t, err, &answer)
						assert.Equal(t, status, answer.StatusCode)
						assert.LessOrEqual(t, len(answer.Body), 4<<10)
						assert.LessOrEqual(t, body.read, int64(128<<10), "bytes read of an error")
					}
					assert.Less(t, len(err.Error()), 4<<10)
					runtime.KeepAlive(err)
				})
			}
		}
	}
}

// The server notices that nobody reads any more.
func TestHugeAnswersOnTheWireAreCutOff(t *testing.T) {
	bomb := compressedBlanks(t)
	for _, h2 := range []bool{false, true} {
		for _, status := range []int{200, 500} {
			for _, how := range []string{"chunks", "announced", "compressed"} {
				t.Run(fmt.Sprintf("%s, %d, HTTP/2 %t", how, status, h2), func(t *testing.T) {
					var written atomic.Int64
					done := make(chan struct{})
					srv, tr := testkit.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						defer close(done)
						chunk := bytes.Repeat([]byte{' '}, 64<<10)
						times := hugeSize / len(chunk)
						switch how {
						case "announced":
							w.Header().Set("Content-Length", strconv.Itoa(hugeSize))
						case "compressed":
							w.Header().Set("Content-Encoding", "gzip")
							chunk, times = bomb, hugeSize>>20
						}
						w.WriteHeader(status)
						for range times {
							n, err := w.Write(chunk)
							written.Add(int64(n))
							if err != nil {
								return
							}
						}
					}), h2)
					c := testkit.ClientAt(t, srv.URL, tr, testkit.NoRetries)
					before := liveHeap()
					link, err := c.Sources.GetConnectLink(t.Context(), 1)
					require.Error(t, err)
					assert.Nil(t, link)
					assert.Less(t, int64(liveHeap())-int64(before), int64(allowedHeap))
					<-done
					assert.Less(t, written.Load(), int64(hugeSize/2))
					if status == 200 {
						require.ErrorIs(t, err, connectlinks.ErrBadResponse)
					} else {
						require.ErrorIs(t, err, connectlinks.ErrServer)
					}
				})
			}
		}
	}
}

// compressedBlanks returns a MiB of blanks, compressed. Several in a row are one stream.
func compressedBlanks(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(bytes.Repeat([]byte{' '}, 1<<20))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

func TestContentLengthIsNotTrusted(t *testing.T) {
	link := `{"status":"created","data":{"id":5,"type":"hubspot","uri":"https://app.getcensus.com/pbc?auth=x"}}`
	for _, announced := range []int64{-1, 0, 1, int64(len(link)) - 1, int64(len(link)) + 1, 64 << 10, 8 << 20, 1 << 40, 1<<63 - 1} {
		t.Run(fmt.Sprintf("announced %d", announced), func(t *testing.T) {
			peak := uint64(0)
			rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				resp := testkit.Response(r, 201, "")
				resp.ContentLength = announced
				resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(link), probe(func() { peak = liveHeap() })))
				return resp, nil
			})
			before := liveHeap()
			got, err := testkit.Client(t, rt).Destinations.CreateConnectLink(t.Context(), testkit.Params)
			require.NoError(t, err)
			assert.EqualValues(t, 5, got.ID)
			assert.Less(t, int64(peak)-int64(before), int64(1<<20))
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
				before := liveHeap()
				got, err := c.Destinations.CreateConnectLink(t.Context(), testkit.Params)
				require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, announced)
				assert.Nil(t, got)
				assert.Less(t, int64(liveHeap())-int64(before), int64(allowedHeap))
				requests, made := api.Seen()
				assert.Len(t, requests, 1)
				assert.Equal(t, 1, made)
			}
		})
	}
}

// probe is called when its reader gets to it.
type probe func()

func (f probe) Read([]byte) (int, error) { f(); return 0, io.EOF }

// An answer of exactly the allowed size is read.
func TestLargestAnswer(t *testing.T) {
	t.Parallel()
	const most = 8 << 20
	for _, tt := range []struct {
		size int
		fits bool
	}{{most, true}, {most + 1, false}} {
		head := `{"status":"created","data":{"id":5,"uri":"https://app.getcensus.com/pbc?auth=x"}}`
		body := head + strings.Repeat(" ", tt.size-len(head))
		rt := testkit.Respond(201, body)
		link, err := testkit.Client(t, rt).Sources.CreateConnectLink(t.Context(), testkit.Params)
		if tt.fits {
			require.NoError(t, err, tt.size)
			assert.EqualValues(t, 5, link.ID)
		} else {
			require.ErrorIs(t, err, connectlinks.ErrBadResponse, tt.size)
			assert.Nil(t, link)
		}
	}
}
