package connectlinks_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Redirects.

func TestRedirectsAreRefused(t *testing.T) {
	t.Parallel()
	var reached atomic.Int64
	target := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	other, _ := outcomeServe(t, target, false)
	plain := httptest.NewServer(target)
	t.Cleanup(plain.Close)

	locations := map[string]string{
		"another host":        "https://other.test/api/v1/destination_connect_links",
		"another port":        other.URL + "/stolen",
		"https to http":       plain.URL + "/stolen",
		"the host by name":    "//other.test/stolen",
		"the same host":       outcomePrefix + "/api/v1/moved",
		"no location":         "",
		"no readable address": "https://[::1",
	}
	for _, proto := range []string{"HTTP/1.1", "HTTP/2", "without TLS"} {
		for name, location := range locations {
			t.Run(proto+", "+name, func(t *testing.T) {
				t.Parallel()
				status := 0
				api := outcomeNewAPI()
				answer := func(w http.ResponseWriter, _ *http.Request) {
					if location != "" {
						w.Header().Set("Location", location)
					}
					w.WriteHeader(status)
					_, _ = io.WriteString(w, outcomeHTML)
				}
				var srv *httptest.Server
				if proto == "without TLS" {
					srv = httptest.NewServer(api)
					t.Cleanup(srv.Close)
				} else {
					srv, _ = outcomeServe(t, api, proto == "HTTP/2")
				}
				tr := &http.Transport{
					TLSClientConfig:   &tls.Config{RootCAs: outcomeRoots},
					ForceAttemptHTTP2: proto == "HTTP/2",
					DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
						if addr == "other.test:443" {
							addr = other.Listener.Addr().String()
						}
						return (&net.Dialer{}).DialContext(ctx, network, addr)
					},
				}
				// A client of the caller's that follows everything.
				eager := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
				for _, c := range []*connectlinks.Client{
					outcomeClient(t, srv.URL, tr, connectlinks.WithMaxRetries(0)),
					outcomeClient(t, srv.URL, tr, connectlinks.WithMaxRetries(0), connectlinks.WithHTTPClient(eager)),
				} {
					for _, status = range []int{301, 302, 303, 307, 308} {
						for _, op := range outcomeSome() {
							api.beginForever(outcomeFault{answer: answer})
							id, err := op.call(t.Context(), c)
							requests, made := api.seen()
							require.Error(t, err, "%d: %s", status, op.name)
							assert.Zero(t, id, op.name)
							var answer *connectlinks.APIError
							if assert.ErrorAs(t, err, &answer, "%d: %s", status, op.name) {
								assert.Equal(t, status, answer.StatusCode, op.name)
							}
							for name, sentinel := range outcomeSentinels {
								assert.NotErrorIs(t, err, sentinel, "%d: %s: %s", status, op.name, name)
							}
							assert.Equal(t, op.creates && status == 303, errors.Is(err, connectlinks.ErrOutcomeUnknown), "%d: %s", status, op.name)
							assert.NotErrorIs(t, err, connectlinks.ErrBadResponse, "%d: %s", status, op.name)
							assert.Equal(t, []string{op.request}, requests, "%d: %s", status, op.name)
							assert.Zero(t, made)
						}
					}
				}
				assert.Zero(t, reached.Load(), "requests that reached the target")
			})
		}
	}
}

// A redirect is an answer: it is not asked for again, retries or not.
func TestRedirectsAreNotRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := outcomeInMemory(t, false)
		c := outcomeClient(t, n.url(), n.tr)
		for _, status := range []int{301, 302, 303, 307, 308} {
			for _, op := range outcomeAll() {
				n.api.beginForever(outcomeFault{answer: outcomeAnswers(status, "", "", "Location", "https://other.test/")})
				_, err := op.call(t.Context(), c)
				row := outcomeRow{verdict: outcomeFinal, status: status}
				if status == http.StatusSeeOther { // it is how a server answers a POST that it carried out
					row.verdict = outcomeUnknown
				}
				outcomeCheckError(t, err, row, op)
				requests, _ := n.api.seen()
				assert.Len(t, requests, 1, op.name)
			}
		}
		assert.NotContains(t, n.dialed, "other.test:443")
	})
}

// Bounds.

const boundsHuge = 256 << 20

// boundsBody is an endless body, as far as a reader cares, made of one chunk. It
// notes how much of the heap is live while it is read.
type boundsBody struct {
	head   string
	chunk  []byte
	size   int64
	read   int64
	looked int64
	peak   uint64
	closed bool
}

func (b *boundsBody) Read(p []byte) (int, error) {
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
		b.peak = max(b.peak, boundsHeap())
	}
	return n, nil
}

func (b *boundsBody) Close() error { b.closed = true; return nil }

// boundsHeap is the live heap.
func boundsHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

const boundsAllowed = 32 << 20

// Not parallel: it measures the heap of the process.
func TestBoundsOfAHugeAnswer(t *testing.T) {
	chunks := map[string]struct{ head, chunk string }{
		"a string that has no end": {`{"status":"created","data":{"id":1,"uri":"https://app.getcensus.com/pbc?auth=`, strings.Repeat("a", 32<<10)},
		"blanks":                   {"", strings.Repeat(" ", 32<<10)},
		"brackets":                 {"", strings.Repeat("[", 32<<10)},
		"zeros":                    {"", strings.Repeat("\x00", 32<<10)},
		"secrets":                  {"", strings.Repeat("auth=abcdefgh ", 2<<10)},
	}
	for name, tt := range chunks {
		for _, status := range []int{201, 422} {
			for _, announced := range []int64{-1, boundsHuge} {
				t.Run(fmt.Sprintf("%s, %d, announced %d", name, status, announced), func(t *testing.T) {
					body := &boundsBody{head: tt.head, chunk: []byte(tt.chunk), size: boundsHuge}
					rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
						resp := outcomeResponse(r, status, "")
						resp.Body, resp.ContentLength = body, announced
						return resp, nil
					})
					c := outcomeClient(t, "https://"+outcomeHost, rt, connectlinks.WithMaxRetries(0))
					before := boundsHeap()
					link, err := c.Destinations.CreateConnectLink(t.Context(), outcomeParams)
					after := boundsHeap()
					require.Error(t, err)
					assert.Nil(t, link)
					grown := func(now uint64) int64 { return int64(now) - int64(before) }
					assert.Less(t, grown(body.peak), int64(boundsAllowed), "while it was read")
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

// Over the wire the server notices that nobody listens any more.
func TestBoundsOfAHugeAnswerOnTheWire(t *testing.T) {
	bomb := boundsBomb(t)
	for _, h2 := range []bool{false, true} {
		for _, status := range []int{200, 500} {
			for _, how := range []string{"chunks", "announced", "compressed"} {
				t.Run(fmt.Sprintf("%s, %d, HTTP/2 %t", how, status, h2), func(t *testing.T) {
					var written atomic.Int64
					done := make(chan struct{})
					srv, tr := outcomeServe(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						defer close(done)
						chunk := bytes.Repeat([]byte{' '}, 64<<10)
						times := boundsHuge / len(chunk)
						switch how {
						case "announced":
							w.Header().Set("Content-Length", strconv.Itoa(boundsHuge))
						case "compressed":
							w.Header().Set("Content-Encoding", "gzip")
							chunk, times = bomb, boundsHuge>>20
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
					c := outcomeClient(t, srv.URL, tr, connectlinks.WithMaxRetries(0))
					before := boundsHeap()
					link, err := c.Sources.GetConnectLink(t.Context(), 1)
					require.Error(t, err)
					assert.Nil(t, link)
					assert.Less(t, int64(boundsHeap())-int64(before), int64(boundsAllowed))
					<-done
					assert.Less(t, written.Load(), int64(boundsHuge/2))
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

// boundsBomb is a MiB of blanks, compressed. Several in a row are one stream.
func boundsBomb(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(bytes.Repeat([]byte{' '}, 1<<20))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

// What Content-Length says is not believed.
func TestBoundsOfAContentLengthThatLies(t *testing.T) {
	link := `{"status":"created","data":{"id":5,"type":"hubspot","uri":"https://app.getcensus.com/pbc?auth=x"}}`
	for _, announced := range []int64{-1, 0, 1, int64(len(link)) - 1, int64(len(link)) + 1, 64 << 10, 8 << 20, 1 << 40, 1<<63 - 1} {
		t.Run(fmt.Sprintf("announced %d", announced), func(t *testing.T) {
			peak := uint64(0)
			rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
				resp := outcomeResponse(r, 201, "")
				resp.ContentLength = announced
				resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(link), boundsProbe(func() { peak = boundsHeap() })))
				return resp, nil
			})
			before := boundsHeap()
			got, err := outcomeClient(t, "https://"+outcomeHost, rt).Destinations.CreateConnectLink(t.Context(), outcomeParams)
			require.NoError(t, err)
			assert.EqualValues(t, 5, got.ID)
			assert.Less(t, int64(peak)-int64(before), int64(1<<20))
		})
	}
	for _, status := range []int{201, 500} {
		t.Run(fmt.Sprintf("%d over the wire", status), func(t *testing.T) {
			api := outcomeNewAPI()
			srv, tr := outcomeServe(t, api, false)
			c := outcomeClient(t, srv.URL, tr)
			for _, announced := range []string{"1099511627776", "9223372036854775807", strconv.Itoa(len(link) - 1), strconv.Itoa(len(link) + 1)} {
				api.begin(outcomeFault{true, func(w http.ResponseWriter, _ *http.Request) {
					conn, _, err := http.NewResponseController(w).Hijack()
					if err != nil {
						panic(err)
					}
					defer conn.Close()
					_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s", status, announced, link)
				}})
				before := boundsHeap()
				got, err := c.Destinations.CreateConnectLink(t.Context(), outcomeParams)
				require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, announced)
				assert.Nil(t, got)
				assert.Less(t, int64(boundsHeap())-int64(before), int64(boundsAllowed))
				requests, made := api.seen()
				assert.Len(t, requests, 1)
				assert.Equal(t, 1, made)
			}
		})
	}
}

// boundsProbe looks at what is there when its reader gets to it.
type boundsProbe func()

func (f boundsProbe) Read([]byte) (int, error) { f(); return 0, io.EOF }

// An answer of just what is allowed is read.
func TestBoundsOfALargeAnswer(t *testing.T) {
	t.Parallel()
	const most = 8 << 20
	for _, tt := range []struct {
		size int
		fits bool
	}{{most, true}, {most + 1, false}} {
		head := `{"status":"created","data":{"id":5,"uri":"https://app.getcensus.com/pbc?auth=x"}}`
		body := head + strings.Repeat(" ", tt.size-len(head))
		rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) { return outcomeResponse(r, 201, body), nil })
		link, err := outcomeClient(t, "https://"+outcomeHost, rt).Sources.CreateConnectLink(t.Context(), outcomeParams)
		if tt.fits {
			require.NoError(t, err, tt.size)
			assert.EqualValues(t, 5, link.ID)
		} else {
			require.ErrorIs(t, err, connectlinks.ErrBadResponse, tt.size)
			assert.Nil(t, link)
		}
	}
}

// boundsDrip is a byte a second.
type boundsDrip struct{ ctx context.Context }

func (b boundsDrip) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		p[0] = ' '
		return 1, nil
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
}

func (boundsDrip) Close() error { return nil }

func TestBoundsOfAnAnswerThatDrips(t *testing.T) {
	t.Parallel()
	for _, status := range []int{201, 500} {
		for _, p := range outcomePatiences() {
			t.Run(fmt.Sprintf("%d, %s", status, p.name), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
						resp := outcomeResponse(r, status, "")
						resp.Body, resp.ContentLength = boundsDrip{r.Context()}, -1
						return resp, nil
					})
					n := outcomeInMemory(t, false)
					drips := func(w http.ResponseWriter, r *http.Request) {
						w.WriteHeader(status)
						for r.Context().Err() == nil {
							_, _ = io.WriteString(w, " ")
							_ = http.NewResponseController(w).Flush()
							select {
							case <-time.After(time.Second):
							case <-r.Context().Done():
							}
						}
						panic(http.ErrAbortHandler)
					}
					for _, c := range []*connectlinks.Client{
						p.newClient(t, "https://"+outcomeHost, rt),
						p.newClient(t, n.url(), n.tr),
					} {
						for _, op := range outcomeCreates {
							n.api.begin(outcomeFault{true, drips})
							ctx, cancel := p.context(t.Context())
							start := time.Now()
							id, err := op.call(ctx, c)
							elapsed := time.Since(start)
							cancel()
							require.Error(t, err, op.name)
							assert.Zero(t, id, op.name)
							assert.Equal(t, outcomeLimit, elapsed, op.name)
							require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.name)
							if status == 201 {
								p.check(t, op, err, true)
							}
						}
					}
				})
			})
		}
	}
}

// What makes no sense.

const boundsLink = `{"id":469,"type":"hubspot","uri":"https://app.getcensus.com/pbc?auth=expiring_auth_key","expiration":"2023-07-22T23:42:47.239Z","expired":false,"revoked":false}`

// boundsWith is boundsLink with one field in place of another.
func boundsWith(field, value string) string {
	var out []string
	for _, f := range strings.Split(strings.Trim(boundsLink, "{}"), `,"`) {
		f = `"` + strings.TrimPrefix(f, `"`)
		if !strings.HasPrefix(f, `"`+field+`":`) {
			out = append(out, f)
		}
	}
	if value != "" {
		out = append(out, `"`+field+`":`+value)
	}
	return `{"status":"created","data":{` + strings.Join(out, ",") + `}}`
}

func TestBoundsNothingEmptyIsASuccess(t *testing.T) {
	t.Parallel()
	whole := `{"status":"created","data":` + boundsLink + `}`
	tests := []struct {
		name   string
		status int
		body   string
		answer int // StatusCode of the APIError; 0: ErrBadResponse
	}{
		{"null", 201, `null`, 0},
		{"an empty object", 201, `{}`, 0},
		{"an empty list", 201, `[]`, 0},
		{"a string", 201, `"created"`, 0},
		{"a number", 201, `1`, 0},
		{"true", 201, `true`, 0},
		{"nothing", 201, ``, 0},
		{"blanks", 201, " \r\n\t ", 0},
		{"nothing, 204", 204, ``, 0},
		{"nothing, 202", 202, ``, 0},
		{"nothing, 205", 205, ``, 0},
		{"HTML", 200, outcomeHTML, 0},
		{"truncated", 201, whole[:len(whole)-1], 0},
		{"truncated in the link", 201, whole[:len(whole)/2], 0},
		{"garbage behind", 201, whole + "x", 0},
		{"another object behind", 201, whole + whole, 0},
		{"HTML behind", 201, whole + outcomeHTML, 0},
		{"garbage before", 201, ")]}'\n" + whole, 0},
		{"brackets", 201, strings.Repeat("[", 100_000), 0},
		{"no data", 201, `{"status":"created"}`, 0},
		{"null data", 201, `{"status":"created","data":null}`, 0},
		{"empty data", 201, `{"status":"created","data":{}}`, 0},
		{"a list for data", 201, `{"status":"created","data":[` + boundsLink + `]}`, 0},
		{"a string for data", 201, `{"status":"created","data":"` + "https://app.getcensus.com/pbc?auth=x" + `"}`, 0},
		{"without the envelope", 201, boundsLink, 0},
		{"no id", 201, boundsWith("id", ""), 0},
		{"null id", 201, boundsWith("id", "null"), 0},
		{"id 0", 201, boundsWith("id", "0"), 0},
		{"negative id", 201, boundsWith("id", "-1"), 0},
		{"broken id", 201, boundsWith("id", "1.5"), 0},
		{"huge id", 201, boundsWith("id", "92233720368547758080"), 0},
		{"an object for the id", 201, boundsWith("id", "{}"), 0},
		{"no URL", 201, boundsWith("uri", ""), 0},
		{"null URL", 201, boundsWith("uri", "null"), 0},
		{"empty URL", 201, boundsWith("uri", `""`), 0},
		{"blank URL", 201, boundsWith("uri", `" "`), 0},
		{"relative URL", 201, boundsWith("uri", `"/pbc?auth=x"`), 0},
		{"URL without a scheme", 201, boundsWith("uri", `"//app.getcensus.com/pbc?auth=x"`), 0},
		{"a host for a URL", 201, boundsWith("uri", `"app.getcensus.com/pbc?auth=x"`), 0},
		{"URL without a host", 201, boundsWith("uri", `"https:///pbc?auth=x"`), 0},
		{"URL with a port in place of a host", 201, boundsWith("uri", `"https://:443/pbc?auth=x"`), 0},
		{"opaque URL", 201, boundsWith("uri", `"https:pbc?auth=x"`), 0},
		{"ftp", 201, boundsWith("uri", `"ftp://app.getcensus.com/pbc?auth=x"`), 0},
		{"javascript", 201, boundsWith("uri", `"javascript:alert(1)"`), 0},
		{"URL that cannot be read", 201, boundsWith("uri", `"https://app.getcensus.com:port/pbc"`), 0},
		{"the names of another client", 201, `{"status":"created","data":{"id":469,"type":"hubspot","url":"https://app.getcensus.com/pbc?auth=x","expires_at":"2023-07-22T23:42:47.239Z"}}`, 0},
		{"a number for a URL", 201, boundsWith("uri", `1`), 0},
		{"expiration tomorrow", 201, boundsWith("expiration", `"tomorrow"`), 0},
		{"expiration in seconds", 201, boundsWith("expiration", `1690069367`), 0},
		{"expiration without a zone", 201, boundsWith("expiration", `"2023-07-22 23:42:47"`), 0},
		{"an object for the expiration", 201, boundsWith("expiration", `{}`), 0},
		{"expiration true", 201, boundsWith("expiration", `true`), 0},
		{"revoked, but not said how", 201, boundsWith("revoked", `"perhaps"`), 0},

		{"a failure by word", 200, `{"status":"error"}`, 200},
		{"a failure by word, with a link", 201, `{"status":"error","data":` + boundsLink + `}`, 201},
		{"not_found", 200, `{"status":"not_found"}`, 404},
		{"not_found, with a link", 200, `{"status":"not_found","data":` + boundsLink + `}`, 404},
		{"404", 200, `{"status":404}`, 404},
		{"404, in a string", 200, `{"status":"404","message":"nobody home"}`, 404},
		{"422, in a string", 200, `{"status":"422"}`, 422},
		{"400, with a link", 201, `{"status":400,"data":` + boundsLink + `}`, 400},
		{"403", 200, `{"status":403,"data":null}`, 403},
		{"500", 200, `{"status":500}`, 500},
		{"503, in a string", 200, `{"status":"503"}`, 503},

		{"300 and nothing more", 300, ``, 300},
		{"304", 304, ``, 304},
		{"305", 305, whole, 305},
		{"306 with a link", 306, whole, 306},
		{"399", 399, whole, 399},
		{"404 with a link", 404, whole, 404},
		{"500 with a link", 500, whole, 500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
				calls++
				return outcomeResponse(r, tt.status, tt.body), nil
			})
			c := outcomeClient(t, "https://"+outcomeHost, rt, connectlinks.WithMaxRetries(0))
			ops := append(append(append([]outcomeOp(nil), outcomeCreates...), outcomeReads[:3]...), outcomeRevokes...)
			for _, op := range ops {
				calls = 0
				id, err := op.call(t.Context(), c)
				require.Error(t, err, op.name)
				assert.Zero(t, id, op.name)
				row := outcomeRow{verdict: outcomeUnknown, status: tt.answer, bad: tt.answer == 0}
				if tt.status >= 300 && tt.status < 500 {
					row.verdict = outcomeFinal
				}
				outcomeCheckError(t, err, row, op)
				if op.creates {
					assert.Equal(t, 1, calls, op.name)
				}
			}
		})
	}
	// The table itself is sound.
	rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
		return outcomeResponse(r, 201, boundsWith("id", "7")), nil
	})
	link, err := outcomeClient(t, "https://"+outcomeHost, rt).Sources.CreateConnectLink(t.Context(), outcomeParams)
	require.NoError(t, err)
	assert.EqualValues(t, 7, link.ID)
}

// A create that changes protocols has made nothing that anybody knows of, and
// keeps no connection.
func TestBoundsOf101(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := outcomeInMemory(t, false)
		c := outcomeClient(t, n.url(), n.tr, connectlinks.WithMaxRetries(0))
		for _, op := range outcomeAll() {
			n.api.begin(outcomeFault{true, func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					panic(err)
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: links\r\n\r\n"+boundsLink)
				_, _ = io.Copy(io.Discard, conn) // until the other end goes away, or this test hangs
				_ = conn.Close()
			}})
			start := time.Now()
			id, err := op.call(t.Context(), c)
			require.Error(t, err, op.name)
			assert.Zero(t, id, op.name)
			assert.Zero(t, time.Since(start), op.name)
			var answer *connectlinks.APIError
			if assert.ErrorAs(t, err, &answer, op.name) {
				assert.Equal(t, 101, answer.StatusCode)
			}
			requests, _ := n.api.seen()
			assert.Len(t, requests, 1, op.name)
		}
		synctest.Wait()
		n.mu.Lock()
		defer n.mu.Unlock()
		for i, conn := range n.pipes {
			if end := conn.(*outcomePipeEnd); i%2 == 0 {
				assert.True(t, end.in.dropped, "connection %d is open", i/2)
			}
		}
	})
}

// Interim answers are none.
func TestBoundsOfEarlyHints(t *testing.T) {
	t.Parallel()
	for _, h2 := range []bool{false, true} {
		api := outcomeNewAPI()
		srv, tr := outcomeServe(t, api, h2)
		c := outcomeClient(t, srv.URL, tr)
		for _, interim := range []int{102, 103, 199} {
			for _, op := range outcomeCreates {
				api.begin(outcomeFault{true, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Link", "</style.css>; rel=preload")
					w.WriteHeader(interim)
					w.WriteHeader(interim)
					w.WriteHeader(http.StatusCreated)
					_, _ = io.WriteString(w, `{"status":"created","data":`+boundsLink+`}`)
				}})
				id, err := op.call(t.Context(), c)
				require.NoError(t, err, op.name)
				assert.EqualValues(t, outcomeLinkID, id, op.name)
				requests, made := api.seen()
				assert.Len(t, requests, 1, op.name)
				assert.Equal(t, 1, made, op.name)
			}
		}
	}
}

// What the API adds later is no error.
func TestBoundsOfWhatIsNew(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"fields":                   `{"status":"created","data":` + strings.TrimSuffix(boundsLink, "}") + `,"shiny":{"a":[1,"b",null]},"uris":[]},"extra":true,"warnings":["x"]}`,
		"status":                   `{"status":"frobnicated","data":` + boundsLink + `}`,
		"status by number":         `{"status":201,"data":` + boundsLink + `}`,
		"status by another number": `{"status":399,"data":` + boundsLink + `}`,
		"status by object":         `{"status":{"code":1},"data":` + boundsLink + `}`,
		"null status":              `{"status":null,"data":` + boundsLink + `}`,
		"no status":                `{"data":` + boundsLink + `}`,
		"type":                     boundsWith("type", `"quantum_ledger"`),
		"no type":                  boundsWith("type", ""),
		"no expiration":            boundsWith("expiration", ""),
		"null expiration":          boundsWith("expiration", "null"),
		"expiration with a zone":   boundsWith("expiration", `"2023-07-23T01:42:47+02:00"`),
		"http":                     boundsWith("uri", `"http://app.getcensus.com/pbc?auth=x"`),
		"another host":             boundsWith("uri", `"https://app.fivetran.com/pbc?auth=x"`),
		"null redirect":            boundsWith("redirect_uri", "null"),
		"null connection":          strings.Replace(boundsWith("source_id", "null"), `"type"`, `"destination_id":null,"group_id":null,"type"`, 1),
		"blanks around":            "\r\n " + boundsWith("id", "469") + "\n\n",
	} {
		for _, status := range []int{200, 201, 202} {
			rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) { return outcomeResponse(r, status, body), nil })
			c := outcomeClient(t, "https://"+outcomeHost, rt)
			for _, op := range append(append([]outcomeOp(nil), outcomeCreates...), outcomeReads[:3]...) {
				id, err := op.call(t.Context(), c)
				require.NoError(t, err, "%s: %s", name, op.name)
				assert.EqualValues(t, outcomeLinkID, id, "%s: %s", name, op.name)
			}
		}
	}
	t.Run("whatever the content type", func(t *testing.T) {
		t.Parallel()
		for _, contentType := range []string{"", "text/plain", "application/vnd.api+json; charset=utf-8"} {
			rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
				resp := outcomeResponse(r, 201, `{"status":"created","data":`+boundsLink+`}`)
				resp.Header.Set("Content-Type", contentType)
				return resp, nil
			})
			_, err := outcomeClient(t, "https://"+outcomeHost, rt).Sources.CreateConnectLink(t.Context(), outcomeParams)
			require.NoError(t, err)
		}
	})
}

// One odd link does not hide the others; one that cannot even be named does.
func TestBoundsOfLists(t *testing.T) {
	t.Parallel()
	list := func(items ...string) string {
		return `{"status":"success","data":[` + strings.Join(items, ",") + `],"pagination":{"total_records":2,"per_page":25,"prev_page":null,"page":1,"next_page":null,"last_page":1}}`
	}
	tests := []struct {
		name string
		body string
		ids  []int64 // nil: an error
	}{
		{"expiration that cannot be read", list(`{"id":1,"type":"hubspot","uri":"https://app.getcensus.com/pbc?auth=x","expiration":"tomorrow"}`, boundsLink), []int64{1, 469}},
		{"no URL", list(boundsLink, `{"id":2,"type":"hubspot"}`), []int64{469, 2}},
		{"null URL", list(`{"id":2,"type":"hubspot","uri":null,"expiration":null}`, boundsLink), []int64{2, 469}},
		{"relative URL", list(`{"id":2,"uri":"/pbc"}`, boundsLink), []int64{2, 469}},
		{"nothing but an id", list(`{"id":2}`), []int64{2}},
		{"none", list(), []int64{}},
		{"without pagination", `{"status":"success","data":[` + boundsLink + `]}`, []int64{469}},
		{"without an id", list(boundsLink, `{"type":"hubspot","uri":"https://app.getcensus.com/pbc?auth=x"}`), nil},
		{"null link", list(boundsLink, `null`), nil},
		{"null", `{"status":"success","data":null}`, nil},
		{"no data", `{"status":"success"}`, nil},
		{"one link", `{"status":"success","data":` + boundsLink + `}`, nil},
		{"empty object", `{}`, nil},
		{"nothing", ``, nil},
		{"HTML", outcomeHTML, nil},
		{"truncated", list(boundsLink)[:200], nil},
		{"garbage behind", list(boundsLink) + "]", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) { return outcomeResponse(r, 200, tt.body), nil })
			c := outcomeClient(t, "https://"+outcomeHost, rt, connectlinks.WithMaxRetries(0))
			check := func(ids []int64, err error) {
				if tt.ids == nil {
					require.ErrorIs(t, err, connectlinks.ErrBadResponse)
					assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, tt.ids, ids)
			}
			check(boundsIDs(c.Sources.ListConnectLinks(t.Context(), connectlinks.ListOptions{})))
			check(boundsIDs(c.Destinations.ListConnectLinks(t.Context(), connectlinks.ListOptions{})))
			check(boundsIDs(c.Activations.ListConnectLinks(t.Context(), connectlinks.ListOptions{})))
			ids := []int64{}
			var last error
			for link, err := range c.Destinations.AllConnectLinks(t.Context(), connectlinks.ListOptions{}) {
				if last = err; err == nil {
					ids = append(ids, link.ID)
				}
			}
			check(ids, last)
		})
	}
	t.Run("what can be read of an odd link", func(t *testing.T) {
		t.Parallel()
		rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
			return outcomeResponse(r, 200, list(`{"id":1,"type":"hubspot","uri":"/pbc","expiration":"tomorrow","expired":true,"destination_id":9}`)), nil
		})
		page, err := outcomeClient(t, "https://"+outcomeHost, rt).Destinations.ListConnectLinks(t.Context(), connectlinks.ListOptions{})
		require.NoError(t, err)
		want := connectlinks.DestinationConnectLink{DestinationID: 9}
		want.ID, want.Type, want.URL, want.Expired = 1, "hubspot", "/pbc", true
		assert.True(t, reflect.DeepEqual([]connectlinks.DestinationConnectLink{want}, page.Items))
	})
}

func boundsIDs[L any](page *connectlinks.Page[L], err error) ([]int64, error) {
	if page == nil {
		return nil, err
	}
	ids := []int64{}
	for i := range page.Items {
		id, _ := outcomeID(&page.Items[i], nil)
		ids = append(ids, id)
	}
	return ids, err
}

// The documented requests and answers.

func TestBoundsRequests(t *testing.T) {
	t.Parallel()
	type request struct {
		target string
		header http.Header
		length int64
		body   string
	}
	const redirect = "https://your-redirect-url.com"
	tests := []struct {
		name string
		call func(ctx context.Context, c *connectlinks.Client) (int64, error)
		path string
		body string
	}{
		{"the guide's own", func(ctx context.Context, c *connectlinks.Client) (int64, error) {
			return outcomeID(c.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "hubspot", RedirectURI: redirect}))
		}, "/api/v1/destination_connect_links", `{"type":"hubspot","redirect_uri":"https://your-redirect-url.com"}`},
		{"without a redirect", func(ctx context.Context, c *connectlinks.Client) (int64, error) {
			return outcomeID(c.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "hubspot"}))
		}, "/api/v1/destination_connect_links", `{"type":"hubspot"}`},
		{"source", func(ctx context.Context, c *connectlinks.Client) (int64, error) {
			return outcomeID(c.Sources.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "postgres", RedirectURI: redirect}))
		}, "/api/v1/source_connect_links", `{"type":"postgres","redirect_uri":"https://your-redirect-url.com"}`},
		{"activation", func(ctx context.Context, c *connectlinks.Client) (int64, error) {
			return outcomeID(c.Activations.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{Type: "hubspot", GroupID: "wandering_aimlessly", RedirectURI: redirect}))
		}, "/api/v2/activation_connect_links", `{"type":"hubspot","group_id":"wandering_aimlessly","redirect_uri":"https://your-redirect-url.com"}`},
		{"activation without a redirect", func(ctx context.Context, c *connectlinks.Client) (int64, error) {
			return outcomeID(c.Activations.CreateConnectLink(ctx, outcomeActivationParams))
		}, "/api/v2/activation_connect_links", `{"type":"hubspot","group_id":"wandering_aimlessly"}`},
		{"reauthorize a source", func(ctx context.Context, c *connectlinks.Client) (int64, error) {
			return outcomeID(c.Sources.CreateReauthorizationLink(ctx, 123, connectlinks.CreateReauthorizationLinkParams{RedirectURI: redirect}))
		}, "/api/v1/sources/123/connect_links", `{"redirect_uri":"https://your-redirect-url.com"}`},
		{"reauthorize a destination", func(ctx context.Context, c *connectlinks.Client) (int64, error) {
			return outcomeID(c.Destinations.CreateReauthorizationLink(ctx, 123, connectlinks.CreateReauthorizationLinkParams{RedirectURI: redirect}))
		}, "/api/v1/destinations/123/connect_links", `{"redirect_uri":"https://your-redirect-url.com"}`},
		{"reauthorize an activation", func(ctx context.Context, c *connectlinks.Client) (int64, error) {
			return outcomeID(c.Activations.CreateReauthorizationLink(ctx, "glimmering_donkey", connectlinks.CreateReauthorizationLinkParams{RedirectURI: redirect}))
		}, "/api/v2/activations/glimmering_donkey/activation_connect_links", `{"redirect_uri":"https://your-redirect-url.com"}`},
		{"reauthorize without a redirect", func(ctx context.Context, c *connectlinks.Client) (int64, error) {
			return outcomeID(c.Destinations.CreateReauthorizationLink(ctx, 123, connectlinks.CreateReauthorizationLinkParams{}))
		}, "/api/v1/destinations/123/connect_links", `{}`},
		{"revoke", outcomeRevokes[1].call, "/api/v1/destination_connect_links/469/revoke", ``},
	}
	for _, tt := range tests {
		for _, prefix := range []string{"", "/proxy", "/proxy/census/"} {
			t.Run(tt.name+", below "+prefix, func(t *testing.T) {
				t.Parallel()
				var got []request
				srv, tr := outcomeServe(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					got = append(got, request{r.Method + " " + r.RequestURI, r.Header, r.ContentLength, string(body)})
					w.WriteHeader(http.StatusCreated)
					_, _ = io.WriteString(w, `{"status":"created","data":`+boundsLink+`}`)
				}), false)
				c, err := connectlinks.NewClient(connectlinks.WithToken(outcomeToken), connectlinks.WithBaseURL(srv.URL+prefix),
					connectlinks.WithHTTPClient(&http.Client{Transport: tr}))
				require.NoError(t, err)
				t.Cleanup(c.CloseIdleConnections)
				id, err := tt.call(t.Context(), c)
				require.NoError(t, err)
				assert.EqualValues(t, outcomeLinkID, id)

				require.Len(t, got, 1)
				r := got[0]
				assert.Equal(t, "POST "+strings.TrimSuffix(prefix, "/")+tt.path, r.target)
				assert.Equal(t, tt.body, r.body)
				assert.EqualValues(t, len(tt.body), r.length)
				assert.Equal(t, []string{"Bearer " + outcomeToken}, r.header["Authorization"])
				if tt.body != "" {
					assert.Equal(t, []string{"application/json"}, r.header["Content-Type"])
				}
				assert.Equal(t, []string{"application/json"}, r.header["Accept"])
				assert.Equal(t, []string{"connectlinks-go/" + connectlinks.Version}, r.header["User-Agent"])
				for name := range r.header {
					assert.NotContains(t, strings.ToLower(name), "idempotency")
				}
			})
		}
	}
}

// The documented link, field by field, wherever a link is answered.
func TestBoundsDocumentedLink(t *testing.T) {
	t.Parallel()
	const source = `{"id": 469, "type": "postgres", "expiration": "2023-07-22T23:42:47.239Z", "expired": false, "revoked": false,
 "uri": "https://app.getcensus.com/pbc?auth=expiring_auth_key", "redirect_uri": "http://example.com", "source_id": 123}`
	destination := strings.Replace(source, "source_id", "destination_id", 1)
	const activation = `{"id": 469, "type": "hubspot", "expiration": "2023-07-22T23:42:47.239Z", "expired": true, "revoked": true,
 "uri": "https://app.fivetran.com/pbc?auth=expiring_auth_key", "redirect_uri": "http://example.com", "group_id": "wandering_aimlessly"}`

	client := func(status int, link string, many bool) *connectlinks.Client {
		body := `{"status": "created", "data": ` + link + `}`
		if many {
			body = `{"status": "success", "data": [` + link + `], "pagination": {"total_records": 1, "per_page": 25, "prev_page": null, "page": 1, "next_page": null, "last_page": 1}}`
		}
		return outcomeClient(t, "https://"+outcomeHost, outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
			return outcomeResponse(r, status, body), nil
		}))
	}
	common := func(l connectlinks.ConnectLink, kind, host string, over bool) {
		t.Helper()
		assert.EqualValues(t, 469, l.ID)
		assert.Equal(t, kind, l.Type)
		assert.Equal(t, "https://"+host+"/pbc?auth=expiring_auth_key", l.URL)
		assert.True(t, time.Date(2023, 7, 22, 23, 42, 47, 239_000_000, time.UTC).Equal(l.ExpiresAt), "%s", l.ExpiresAt)
		assert.Equal(t, over, l.Expired)
		assert.Equal(t, over, l.Revoked)
		assert.Equal(t, "http://example.com", l.RedirectURI)
	}
	ctx := t.Context()

	one, many := client(201, source, false), client(200, source, true)
	for i := range 5 {
		l, err := []func() (*connectlinks.SourceConnectLink, error){
			func() (*connectlinks.SourceConnectLink, error) {
				return one.Sources.CreateConnectLink(ctx, outcomeParams)
			},
			func() (*connectlinks.SourceConnectLink, error) {
				return one.Sources.CreateReauthorizationLink(ctx, 123, outcomeReauthorization)
			},
			func() (*connectlinks.SourceConnectLink, error) { return one.Sources.GetConnectLink(ctx, 469) },
			func() (*connectlinks.SourceConnectLink, error) { return one.Sources.RevokeConnectLink(ctx, 469) },
			func() (*connectlinks.SourceConnectLink, error) {
				page, err := many.Sources.ListConnectLinks(ctx, connectlinks.ListOptions{})
				require.NoError(t, err)
				return &page.Items[0], err
			},
		}[i]()
		require.NoError(t, err)
		common(l.ConnectLink, "postgres", "app.getcensus.com", false)
		assert.EqualValues(t, 123, l.SourceID)
	}
	one, many = client(201, destination, false), client(200, destination, true)
	for i := range 5 {
		l, err := []func() (*connectlinks.DestinationConnectLink, error){
			func() (*connectlinks.DestinationConnectLink, error) {
				return one.Destinations.CreateConnectLink(ctx, outcomeParams)
			},
			func() (*connectlinks.DestinationConnectLink, error) {
				return one.Destinations.CreateReauthorizationLink(ctx, 123, outcomeReauthorization)
			},
			func() (*connectlinks.DestinationConnectLink, error) { return one.Destinations.GetConnectLink(ctx, 469) },
			func() (*connectlinks.DestinationConnectLink, error) {
				return one.Destinations.RevokeConnectLink(ctx, 469)
			},
			func() (*connectlinks.DestinationConnectLink, error) {
				page, err := many.Destinations.ListConnectLinks(ctx, connectlinks.ListOptions{})
				require.NoError(t, err)
				return &page.Items[0], err
			},
		}[i]()
		require.NoError(t, err)
		common(l.ConnectLink, "postgres", "app.getcensus.com", false)
		assert.EqualValues(t, 123, l.DestinationID)
	}
	one, many = client(201, activation, false), client(200, activation, true)
	for i := range 5 {
		l, err := []func() (*connectlinks.ActivationConnectLink, error){
			func() (*connectlinks.ActivationConnectLink, error) {
				return one.Activations.CreateConnectLink(ctx, outcomeActivationParams)
			},
			func() (*connectlinks.ActivationConnectLink, error) {
				return one.Activations.CreateReauthorizationLink(ctx, "glimmering_donkey", outcomeReauthorization)
			},
			func() (*connectlinks.ActivationConnectLink, error) { return one.Activations.GetConnectLink(ctx, 469) },
			func() (*connectlinks.ActivationConnectLink, error) {
				return one.Activations.RevokeConnectLink(ctx, 469)
			},
			func() (*connectlinks.ActivationConnectLink, error) {
				page, err := many.Activations.ListConnectLinks(ctx, connectlinks.ListOptions{})
				require.NoError(t, err)
				return &page.Items[0], err
			},
		}[i]()
		require.NoError(t, err)
		common(l.ConnectLink, "hubspot", "app.fivetran.com", true)
		assert.Equal(t, "wandering_aimlessly", l.GroupID)
	}
	// An id of null or 0 is none yet.
	for _, id := range []string{"null", "0"} {
		l, err := client(201, strings.Replace(source, "123", id, 1), false).Sources.GetConnectLink(ctx, 469)
		require.NoError(t, err)
		assert.Zero(t, l.SourceID)
		d, err := client(201, strings.Replace(destination, "123", id, 1), false).Destinations.GetConnectLink(ctx, 469)
		require.NoError(t, err)
		assert.Zero(t, d.DestinationID)
	}
}

// What is the caller's stays as it was: its client, http.DefaultClient, and the
// parameters. Not parallel: it looks at what belongs to the process.
func TestBoundsCallersClientIsUnchanged(t *testing.T) {
	refuses := errors.New("the caller's own CheckRedirect")
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	var cookies []string
	api := outcomeNewAPI()
	srv, tr := outcomeServe(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookies = append(cookies, r.Header.Get("Cookie"))
		http.SetCookie(w, &http.Cookie{Name: "balancer", Value: "a", Path: "/"})
		api.ServeHTTP(w, r)
	}), false)
	redirect := outcomeFault{answer: outcomeAnswers(302, "", "", "Location", "https://other.test/")}

	hc := &http.Client{Transport: tr, Jar: jar, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return refuses }}
	before := *hc
	maxIdle, proxy := tr.MaxIdleConnsPerHost, tr.Proxy == nil
	c := outcomeClient(t, srv.URL, nil, connectlinks.WithHTTPClient(hc), connectlinks.WithTimeout(time.Second))
	derived, err := c.With(connectlinks.WithToken("other"), connectlinks.WithTimeout(time.Hour))
	require.NoError(t, err)
	for _, client := range []*connectlinks.Client{c, derived} {
		api.begin()
		_, err = client.Sources.CreateConnectLink(t.Context(), outcomeParams)
		require.NoError(t, err)
		api.begin(redirect)
		_, err = client.Sources.CreateConnectLink(t.Context(), outcomeParams)
		var answer *connectlinks.APIError
		require.ErrorAs(t, err, &answer)
		require.NotErrorIs(t, err, refuses)
	}
	assert.Same(t, before.Transport, hc.Transport)
	assert.Same(t, before.Jar, hc.Jar)
	assert.Equal(t, before.Timeout, hc.Timeout)
	assert.ErrorIs(t, hc.CheckRedirect(nil, nil), refuses)
	assert.Equal(t, maxIdle, tr.MaxIdleConnsPerHost)
	assert.Equal(t, proxy, tr.Proxy == nil)
	assert.Equal(t, []string{"", "balancer=a", "balancer=a", "balancer=a"}, cookies, "the caller's Jar is used")

	// Nor is http.DefaultClient, whether it was given or not.
	untouched := http.Client{}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	plain := httptest.NewServer(api)
	t.Cleanup(plain.Close)
	for _, opts := range [][]connectlinks.Option{nil, {connectlinks.WithHTTPClient(http.DefaultClient)}, {connectlinks.WithHTTPClient(&http.Client{})}} {
		opts = append(opts, connectlinks.WithToken(outcomeToken), connectlinks.WithBaseURL(plain.URL+outcomePrefix))
		c, err := connectlinks.NewClient(opts...)
		require.NoError(t, err)
		t.Cleanup(c.CloseIdleConnections)
		api.begin()
		_, err = c.Destinations.CreateConnectLink(t.Context(), outcomeParams)
		require.NoError(t, err)
		api.begin(redirect)
		_, err = c.Destinations.CreateConnectLink(t.Context(), outcomeParams)
		require.Error(t, err)
		assert.True(t, reflect.DeepEqual(&untouched, http.DefaultClient))
	}
	now := http.DefaultTransport.(*http.Transport)
	assert.Equal(t, transport.MaxIdleConnsPerHost, now.MaxIdleConnsPerHost)
	assert.Equal(t, transport.IdleConnTimeout, now.IdleConnTimeout)
	assert.Equal(t, transport.ForceAttemptHTTP2, now.ForceAttemptHTTP2)
	assert.Equal(t, transport.ResponseHeaderTimeout, now.ResponseHeaderTimeout)

	params := connectlinks.CreateConnectLinkParams{Type: "hubspot", RedirectURI: "https://your-redirect-url.com"}
	_, err = c.Destinations.CreateConnectLink(t.Context(), params)
	require.NoError(t, err)
	assert.Equal(t, connectlinks.CreateConnectLinkParams{Type: "hubspot", RedirectURI: "https://your-redirect-url.com"}, params)
}
