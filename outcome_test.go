package connectlinks_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// outcomeVerdict is what an attempt means for a second one.
type outcomeVerdict int

const (
	outcomeAgain   outcomeVerdict = iota // nothing was made: everything is sent again
	outcomeUnknown                       // something may have been made: a create is not sent again
	outcomeFinal                         // nothing is sent again
)

// outcomeRow is a row of the table of what may be sent again: the answer to the
// first request; those after it are answered well.
type outcomeRow struct {
	name    string
	answer  outcomeAnswer
	verdict outcomeVerdict
	done    bool // the first request was carried out all the same
	status  int  // of the APIError, 0 for none
	bad     bool // ErrBadResponse
	wait    time.Duration
	reused  bool // on a connection that has carried a request before
}

const outcomeHTML = "<!DOCTYPE html><html><head><title>Application error</title></head><body><h1>Sorry</h1></body></html>"

func outcomeAnswers(status int, contentType, body string, header ...string) outcomeAnswer {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func outcomeAnswersJSON(status int, header ...string) outcomeAnswer {
	return outcomeAnswers(status, "application/json", fmt.Sprintf(`{"status":%d,"message":"as the test has it"}`, status), header...)
}

// outcomeResets drops the connection, as a crash would; HTTP/2 has a frame for it.
func outcomeResets(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if c, ok := conn.(*tls.Conn); ok {
		conn = c.NetConn()
	}
	if c, ok := conn.(*net.TCPConn); ok {
		_ = c.SetLinger(0) // RST in place of FIN
	}
	_ = conn.Close()
}

func outcomeAborts(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// outcomeCutsOff announces more than it sends.
func outcomeCutsOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", "300")
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, `{"status":"created","data":{"id":1001,"type":"hubspot","uri":"https://app.getcensus.com/pbc?auth=`)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// outcomeCutsOffChunks ends between two chunks, after what is whole JSON.
func outcomeCutsOffChunks(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, `{"status":"created","data":{"id":1001,"type":"hubspot","uri":"https://app.getcensus.com/pbc?auth=x"}}`)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// outcomeHangs never answers.
func outcomeHangs(_ http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// outcomeHangsInBody answers, and never comes to an end.
func outcomeHangsInBody(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, `{"status":"created",`)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// outcomeDate is the Retry-After of a date, by the clock of the answer.
func outcomeDate(status int, d time.Duration) outcomeAnswer {
	return func(w http.ResponseWriter, r *http.Request) {
		at := time.Now().Add(d).UTC().Format(http.TimeFormat)
		outcomeAnswersJSON(status, "Retry-After", at)(w, r)
	}
}

// outcomeRows is the table, but for what happens before there is an answer.
func outcomeRows() []outcomeRow {
	var rows []outcomeRow
	for _, status := range []int{408, 500, 501, 502, 503, 504, 507} {
		rows = append(rows,
			outcomeRow{name: fmt.Sprintf("made, then %d in JSON", status), answer: outcomeAnswersJSON(status), verdict: outcomeUnknown, done: true, status: status},
			outcomeRow{name: fmt.Sprintf("made, then %d in HTML", status), answer: outcomeAnswers(status, "text/html", outcomeHTML), verdict: outcomeUnknown, done: true, status: status},
			outcomeRow{name: fmt.Sprintf("made, then %d without a body", status), answer: outcomeAnswers(status, "", ""), verdict: outcomeUnknown, done: true, status: status},
		)
	}
	for _, status := range []int{300, 304, 400, 401, 402, 403, 404, 405, 406, 409, 410, 413, 418, 422, 423, 428, 431, 451} {
		answer := outcomeAnswersJSON(status)
		if status == 304 {
			answer = outcomeAnswers(status, "", "")
		}
		rows = append(rows, outcomeRow{name: fmt.Sprintf("refused with %d", status), answer: answer, verdict: outcomeFinal, status: status})
	}
	return append(rows, []outcomeRow{
		{name: "made, then a 503 that asks to come back nobody knows when", answer: outcomeAnswersJSON(503, "Retry-After", "soon"), verdict: outcomeUnknown, done: true, status: 503},
		{name: "made, then reset", answer: outcomeResets, verdict: outcomeUnknown, done: true},
		{name: "made, then reset on a reused connection", answer: outcomeResets, verdict: outcomeUnknown, done: true, reused: true},
		{name: "made, then aborted", answer: outcomeAborts, verdict: outcomeUnknown, done: true},
		{name: "made, then aborted on a reused connection", answer: outcomeAborts, verdict: outcomeUnknown, done: true, reused: true},
		{name: "made, then cut off", answer: outcomeCutsOff, verdict: outcomeUnknown, done: true},
		{name: "made, then cut off on a reused connection", answer: outcomeCutsOff, verdict: outcomeUnknown, done: true, reused: true},
		{name: "made, then cut off after whole JSON", answer: outcomeCutsOffChunks, verdict: outcomeUnknown, done: true},
		{name: "made, then HTML in a 200", answer: outcomeAnswers(200, "text/html", outcomeHTML), verdict: outcomeUnknown, done: true, bad: true},
		{name: "made, then truncated JSON", answer: outcomeAnswers(201, "application/json", `{"status":"created","data":{"id":1`), verdict: outcomeUnknown, done: true, bad: true},
		{name: "made, then half a link", answer: outcomeAnswers(201, "application/json", `{"status":"created","data":{"type":"hubspot"`), verdict: outcomeUnknown, done: true, bad: true},
		{name: "429 with seconds", answer: outcomeAnswersJSON(429, "Retry-After", "2"), verdict: outcomeAgain, status: 429, wait: 2 * time.Second},
		{name: "429 with a date", answer: outcomeDate(429, 4*time.Second), verdict: outcomeAgain, status: 429, wait: 3 * time.Second},
		{name: "429 with a date in the past", answer: outcomeDate(429, -time.Hour), verdict: outcomeAgain, status: 429},
		{name: "429 with nothing", answer: outcomeAnswersJSON(429), verdict: outcomeAgain, status: 429, wait: 100 * time.Millisecond},
		{name: "429 with 0", answer: outcomeAnswersJSON(429, "Retry-After", "0"), verdict: outcomeAgain, status: 429},
		{name: "429 with nonsense", answer: outcomeAnswersJSON(429, "Retry-After", "soon"), verdict: outcomeAgain, status: 429},
		{name: "429 in HTML", answer: outcomeAnswers(429, "text/html", outcomeHTML, "Retry-After", "1"), verdict: outcomeAgain, status: 429, wait: time.Second},
		{name: "503 with seconds", answer: outcomeAnswersJSON(503, "Retry-After", "2"), verdict: outcomeAgain, status: 503, wait: 2 * time.Second},
		{name: "503 with a date", answer: outcomeDate(503, 4*time.Second), verdict: outcomeAgain, status: 503, wait: 3 * time.Second},
		{name: "503 in HTML with seconds", answer: outcomeAnswers(503, "text/html", outcomeHTML, "Retry-After", "2"), verdict: outcomeAgain, status: 503, wait: 2 * time.Second},
	}...)
}

// outcomeCheckError checks the error of a call that ended with the row's answer.
func outcomeCheckError(t *testing.T, err error, row outcomeRow, op outcomeOp) {
	t.Helper()
	require.Error(t, err, op.name)
	assert.Equal(t, op.creates && row.verdict == outcomeUnknown, errors.Is(err, connectlinks.ErrOutcomeUnknown), "%s: is ErrOutcomeUnknown: %v", op.name, err)
	assert.Equal(t, row.bad, errors.Is(err, connectlinks.ErrBadResponse), "%s: is ErrBadResponse: %v", op.name, err)
	var answer *connectlinks.APIError
	if assert.Equal(t, row.status != 0, errors.As(err, &answer), "%s: is an APIError: %v", op.name, err) && answer != nil {
		assert.Equal(t, row.status, answer.StatusCode, op.name)
		assert.Equal(t, op.request, answer.Method+" "+answer.Path, op.name)
	}
	for name, sentinel := range outcomeSentinels {
		assert.Equal(t, name == outcomeSentinel(row.status), errors.Is(err, sentinel), "%s: is %s: %v", op.name, name, err)
	}
	assert.NotErrorIs(t, err, context.DeadlineExceeded, op.name)
	assert.NotErrorIs(t, err, context.Canceled, op.name)
	assert.False(t, outcomeTimeout(err), "%s: timeout: %v", op.name, err)
}

// outcomeCheck makes a call whose first attempt the row spoils.
func outcomeCheck(t *testing.T, c *connectlinks.Client, api *outcomeAPI, row outcomeRow, op outcomeOp) {
	t.Helper()
	if row.status == 0 {
		c.CloseIdleConnections()
	}
	if row.reused {
		api.begin()
		_, err := c.Sources.GetConnectLink(t.Context(), 1)
		require.NoError(t, err)
		peers := api.peers
		api.begin(outcomeFault{row.done, row.answer})
		defer func() {
			if assert.NotEmpty(t, api.peers) {
				assert.Equal(t, peers[0], api.peers[0], "%s: the connection was not reused", op.name)
			}
		}()
	} else {
		api.begin(outcomeFault{row.done, row.answer})
	}
	id, err := op.call(t.Context(), c)
	requests, made := api.seen()

	want := []string{op.request}
	if row.verdict == outcomeFinal || row.verdict == outcomeUnknown && op.creates {
		outcomeCheckError(t, err, row, op)
		assert.Zero(t, id, "%s: a link beside an error", op.name)
	} else {
		require.NoError(t, err, op.name)
		assert.Equal(t, op.hand(api), id, "%s: the link in hand", op.name)
		want = append(want, op.request)
		assert.GreaterOrEqual(t, api.waited(), row.wait, op.name)
		assert.Less(t, api.waited(), 11*time.Second, op.name)
	}
	switch {
	case op.creates && row.verdict != outcomeFinal:
		assert.Equal(t, 1, made, "%s: links made", op.name)
	default:
		assert.Zero(t, made, "%s: links made", op.name)
	}
	if strings.HasSuffix(op.request, "/revoke") && row.done {
		// Refused the second time, the link itself is asked.
		want = append(want, "GET "+strings.TrimSuffix(strings.TrimPrefix(op.request, "POST "), "/revoke"))
	}
	assert.Equal(t, want, requests, op.name)
}

// outcomeTable checks all rows, in bubbles.
func outcomeTable(t *testing.T, h2 bool) {
	t.Helper()
	outcomeNeedsGo126(t, h2)
	t.Parallel()
	ops := outcomeAll()
	if h2 {
		ops = outcomeSome()
	}
	for _, row := range outcomeRows() {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := outcomeInMemory(t, h2)
				c := outcomeClient(t, n.url(), n.tr)
				for _, op := range ops {
					outcomeCheck(t, c, n.api, row, op)
				}
				for _, proto := range n.api.protos {
					assert.Equal(t, map[bool]int{false: 1, true: 2}[h2], proto)
				}
			})
		})
	}
}

// outcomeTableOnSockets checks, over real sockets, the rows in which a create does
// not wait for a second attempt.
func outcomeTableOnSockets(t *testing.T, h2 bool) {
	t.Helper()
	t.Parallel()
	api := outcomeNewAPI()
	srv, tr := outcomeServe(t, api, h2)
	c := outcomeClient(t, srv.URL, tr)
	for _, row := range outcomeRows() {
		if row.verdict == outcomeAgain {
			continue
		}
		t.Run(row.name, func(t *testing.T) { // one after the other: they share the server
			for _, op := range outcomeCreates {
				outcomeCheck(t, c, api, row, op)
			}
			for _, proto := range api.protos {
				assert.Equal(t, map[bool]int{false: 1, true: 2}[h2], proto)
			}
		})
	}
}

func TestOutcomeOfAnswers(t *testing.T) { outcomeTable(t, false) }

func TestOutcomeOfAnswersOnSockets(t *testing.T) { outcomeTableOnSockets(t, false) }

// What never gets better ends after the retries, and is not unknown unless it
// leaves a link behind.
func TestOutcomeWhenFaultsPersist(t *testing.T) {
	t.Parallel()
	for _, row := range outcomeRows() {
		if row.done && !strings.Contains(row.name, "JSON") || row.verdict == outcomeFinal {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := outcomeInMemory(t, false)
				for retries := range 3 {
					c := outcomeClient(t, n.url(), n.tr, connectlinks.WithMaxRetries(retries))
					for _, op := range outcomeAll() {
						// A second revoke or delete is refused by the answer, not by the API.
						n.api.beginForever(outcomeFault{row.done && op.creates, row.answer})
						id, err := op.call(t.Context(), c)
						requests, made := n.api.seen()
						outcomeCheckError(t, err, row, op)
						assert.Zero(t, id, op.name)
						want := 1 + retries
						if op.creates && row.verdict == outcomeUnknown {
							want = 1
						}
						if row.status == 408 && retries > 0 && strings.HasSuffix(op.request, "/revoke") {
							// Refused at last, as a 4xx: the link itself is asked.
							requests = slices.DeleteFunc(requests, func(r string) bool { return r != op.request })
						}
						assert.Len(t, requests, want, "%s with %d retries", op.name, retries)
						if op.creates && row.done {
							assert.Equal(t, 1, made, op.name)
						} else {
							assert.Zero(t, made, op.name)
						}
					}
				}
			})
		})
	}
}

// A fault that proves nothing made does not excuse one after it that proves nothing.
func TestOutcomeOfTwoFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := outcomeInMemory(t, false)
		c := outcomeClient(t, n.url(), n.tr)
		for _, op := range outcomeCreates {
			n.api.begin(outcomeFault{answer: outcomeAnswersJSON(429, "Retry-After", "1")}, outcomeFault{true, outcomeAnswersJSON(502)})
			id, err := op.call(t.Context(), c)
			requests, made := n.api.seen()
			outcomeCheckError(t, err, outcomeRow{verdict: outcomeUnknown, status: 502}, op)
			assert.Zero(t, id, op.name)
			assert.Equal(t, 1, made, op.name)
			assert.Len(t, requests, 2, op.name)
		}
	})
}

// A wait that cannot end well is not begun.
func TestOutcomeOfALongRetryAfter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		answer   outcomeAnswer
		deadline time.Duration
		status   int
		asked    time.Duration
	}{
		{"429 for an hour", outcomeAnswersJSON(429, "Retry-After", "3600"), 0, 429, time.Hour},
		{"503 for an hour", outcomeAnswersJSON(503, "Retry-After", "3600"), 0, 503, time.Hour},
		{"429 beyond the deadline", outcomeAnswersJSON(429, "Retry-After", "5"), 3 * time.Second, 429, 5 * time.Second},
		{"503 beyond the deadline", outcomeAnswersJSON(503, "Retry-After", "5"), 3 * time.Second, 503, 5 * time.Second},
		{"429 until the end of time", outcomeAnswersJSON(429, "Retry-After", "99999999999999999999"), 0, 429, 1<<63 - 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := outcomeInMemory(t, false)
				for _, op := range outcomeAll() {
					c := outcomeClient(t, n.url(), n.tr) // with no pause yet
					ctx, cancel := context.WithCancel(t.Context())
					if tt.deadline > 0 {
						ctx, cancel = context.WithTimeout(t.Context(), tt.deadline)
					}
					n.api.beginForever(outcomeFault{answer: tt.answer})
					start := time.Now()
					_, err := op.call(ctx, c)
					assert.Less(t, time.Since(start), 10*time.Millisecond, op.name)
					cancel()
					requests, made := n.api.seen()
					outcomeCheckError(t, err, outcomeRow{verdict: outcomeAgain, status: tt.status}, op)
					var answer *connectlinks.APIError
					require.ErrorAs(t, err, &answer)
					assert.InDelta(t, tt.asked, answer.RetryAfter, float64(time.Second), op.name)
					assert.Len(t, requests, 1, op.name)
					assert.Zero(t, made, op.name)
				}
			})
		})
	}
}

// Where no connection was ever got, nothing can have been made.
func TestOutcomeWithoutAConnection(t *testing.T) {
	t.Parallel()
	unknown, _ := outcomeIdentity()
	const proxy = "proxy.test:3128"
	tests := []struct {
		name  string
		proxy bool
		// fails is the far end of a connection that comes to nothing.
		fails func(far net.Conn) error
		is    func(error) bool
	}{
		{"connection refused", false, func(net.Conn) error { return outcomeRefused() }, func(err error) bool {
			var e *net.OpError
			return errors.As(err, &e) && e.Op == "dial"
		}},
		{"unknown host", false, func(net.Conn) error { return &net.DNSError{Err: "no such host", Name: outcomeHost, IsNotFound: true} }, func(err error) bool {
			var e *net.DNSError
			return errors.As(err, &e)
		}},
		{"untrusted certificate", false, func(far net.Conn) error {
			go func() { _ = tls.Server(far, outcomeServerTLS(unknown, false)).Handshake(); _ = far.Close() }()
			return errOutcomeReach
		}, func(err error) bool {
			var e *tls.CertificateVerificationError
			return errors.As(err, &e)
		}},
		{"plain http where https is spoken", false, func(far net.Conn) error {
			go func() {
				_, _ = far.Read(make([]byte, 4<<10))
				_, _ = io.WriteString(far, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
				_ = far.Close()
			}()
			return errOutcomeReach
		}, func(err error) bool { return strings.Contains(err.Error(), "HTTP response to HTTPS client") }},
		{"closed in the handshake", false, func(far net.Conn) error {
			go func() { _, _ = far.Read(make([]byte, 4<<10)); _ = far.Close() }()
			return errOutcomeReach
		}, func(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }},
		{"hanging handshake", false, func(net.Conn) error { return errOutcomeReach }, outcomeTimeout},
		{"proxy refuses the connection", true, func(net.Conn) error { return outcomeRefused() }, func(err error) bool {
			var e *net.OpError
			return errors.As(err, &e) && e.Op == "proxyconnect"
		}},
		{"proxy answers 403", true, func(far net.Conn) error {
			go func() { outcomeProxyAnswers(far, "403 Forbidden") }()
			return errOutcomeReach
		}, func(err error) bool { return strings.Contains(err.Error(), "Forbidden") }},
		{"proxy answers 407", true, func(far net.Conn) error {
			go func() { outcomeProxyAnswers(far, "407 Proxy Authentication Required") }()
			return errOutcomeReach
		}, func(err error) bool { return strings.Contains(err.Error(), "Proxy Authentication Required") }},
		{"proxy answers 502", true, func(far net.Conn) error {
			go func() { outcomeProxyAnswers(far, "502 Bad Gateway") }()
			return errOutcomeReach
		}, func(err error) bool { return strings.Contains(err.Error(), "Bad Gateway") }},
		{"proxy hangs up", true, func(far net.Conn) error {
			go func() { _, _ = far.Read(make([]byte, 4<<10)); _ = far.Close() }()
			return errOutcomeReach
		}, func(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }},
	}
	for _, tt := range tests {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, HTTP/2 %t", tt.name, h2), func(t *testing.T) {
				outcomeNeedsGo126(t, h2)
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					n := outcomeInMemory(t, h2)
					if tt.proxy {
						n.tr.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: proxy})
					}
					failures := 0 // of the dials to come
					n.misdial = func(_ int, addr string, far net.Conn) error {
						if tt.proxy && addr != proxy {
							return fmt.Errorf("dialled %s", addr)
						}
						if failures > 0 {
							failures--
							if err := tt.fails(far); err != errOutcomeReach {
								return err
							}
							return nil
						}
						if tt.proxy {
							go func() {
								if outcomeProxyAnswers(far, "200 OK") {
									_ = n.put(context.Background(), far)
								}
							}()
							return nil
						}
						return errOutcomeReach
					}
					c := outcomeClient(t, n.url(), n.tr)

					for _, op := range outcomeSome() {
						c.CloseIdleConnections()
						n.api.begin()
						failures = 1
						id, err := op.call(t.Context(), c)
						requests, made := n.api.seen()
						require.NoError(t, err, op.name)
						assert.Equal(t, op.hand(n.api), id, op.name)
						assert.Equal(t, []string{op.request}, requests, op.name)
						if op.creates {
							assert.Equal(t, 1, made, op.name)
						}
					}

					for _, op := range outcomeSome() {
						c.CloseIdleConnections()
						n.api.begin()
						failures = 100
						before := n.dialCount()
						id, err := op.call(t.Context(), c)
						requests, made := n.api.seen()
						require.Error(t, err, op.name)
						assert.Zero(t, id, op.name)
						assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.name)
						assert.NotErrorIs(t, err, connectlinks.ErrBadResponse, op.name)
						assert.NotErrorIs(t, err, context.DeadlineExceeded, op.name)
						var answer *connectlinks.APIError
						assert.False(t, errors.As(err, &answer), "%s: %v", op.name, err)
						assert.True(t, tt.is(err), "%s: %v", op.name, err)
						assert.Empty(t, requests, op.name)
						assert.Zero(t, made, op.name)
						assert.Equal(t, 3, n.dialCount()-before, "%s: dials", op.name)
					}
				})
			})
		}
	}
}

// What can be had with real sockets, and the real time of one delay each.
func TestOutcomeWithoutAConnectionOnSockets(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := closed.Addr().String()
	require.NoError(t, closed.Close())

	t.Run("refused, then accepted", func(t *testing.T) {
		t.Parallel()
		api := outcomeNewAPI()
		srv, tr := outcomeServe(t, api, false)
		dials := 0
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials++; dials == 1 {
				addr = nobody
			}
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		}
		link, err := outcomeClient(t, srv.URL, tr).Destinations.CreateConnectLink(t.Context(), outcomeParams)
		require.NoError(t, err)
		assert.Equal(t, api.lastID, link.ID)
		_, made := api.seen()
		assert.Equal(t, 1, made)
		assert.Equal(t, 2, dials)
	})
	t.Run("429, then answered", func(t *testing.T) {
		t.Parallel()
		api := outcomeNewAPI()
		api.begin(outcomeFault{answer: outcomeAnswersJSON(429)})
		srv, tr := outcomeServe(t, api, false)
		link, err := outcomeClient(t, srv.URL, tr).Destinations.CreateConnectLink(t.Context(), outcomeParams)
		require.NoError(t, err)
		assert.Equal(t, api.lastID, link.ID)
		requests, made := api.seen()
		assert.Equal(t, 1, made)
		assert.Len(t, requests, 2)
	})

	api := outcomeNewAPI()
	srv, _ := outcomeServe(t, api, false)
	plain := httptest.NewServer(api)
	t.Cleanup(plain.Close)
	refusing := httptest.NewServer(http.HandlerFunc(outcomeAnswers(http.StatusProxyAuthRequired, "", "")))
	t.Cleanup(refusing.Close)
	throughProxy := func(host string) *http.Transport {
		return &http.Transport{
			Proxy:           http.ProxyURL(&url.URL{Scheme: "http", Host: host}),
			TLSClientConfig: &tls.Config{RootCAs: outcomeRoots},
		}
	}
	tests := []struct {
		name string
		base string
		rt   http.RoundTripper // nil: the SDK's own
	}{
		{"refused, by the SDK's own transport", "https://" + nobody, nil},
		{"untrusted certificate, by the SDK's own transport", srv.URL, nil},
		{"plain http, by the SDK's own transport", "https://" + plain.Listener.Addr().String(), nil},
		{"refused proxy", srv.URL, throughProxy(nobody)},
		{"proxy that refuses", srv.URL, throughProxy(refusing.Listener.Addr().String())},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opts := []connectlinks.Option{
				connectlinks.WithToken(outcomeToken),
				connectlinks.WithBaseURL(tt.base + outcomePrefix),
				connectlinks.WithMaxRetries(0),
			}
			if tt.rt != nil {
				opts = append(opts, connectlinks.WithHTTPClient(&http.Client{Transport: tt.rt}))
			}
			c, err := connectlinks.NewClient(opts...)
			require.NoError(t, err)
			for _, op := range outcomeAll() {
				_, err := op.call(t.Context(), c)
				require.Error(t, err, op.name)
				assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown, "%s: %v", op.name, err)
				if strings.HasPrefix(tt.name, "untrusted") {
					var e x509.UnknownAuthorityError
					assert.ErrorAs(t, err, &e, op.name)
				}
			}
			requests, made := api.seen()
			assert.Empty(t, requests)
			assert.Zero(t, made)
		})
	}
}

// outcomePatience is a way to stop waiting for an answer.
type outcomePatience struct {
	name   string
	opts   []connectlinks.Option
	client time.Duration // http.Client.Timeout
	// The caller's own:
	deadline time.Duration
	cancel   time.Duration
	is       error // what the error is then; nil: a limit that is not the caller's
}

const outcomeLimit = 5 * time.Second

func outcomePatiences() []outcomePatience {
	return []outcomePatience{
		{name: "WithTimeout", opts: []connectlinks.Option{connectlinks.WithTimeout(outcomeLimit)}},
		{name: "http.Client.Timeout", client: outcomeLimit},
		{name: "the caller's deadline", deadline: outcomeLimit, is: context.DeadlineExceeded},
		{name: "the caller's cancel", cancel: outcomeLimit, is: context.Canceled},
		{name: "the caller's deadline before WithTimeout", opts: []connectlinks.Option{connectlinks.WithTimeout(outcomeLimit + 1)}, deadline: outcomeLimit, is: context.DeadlineExceeded},
		{name: "the caller's cancel, no timeout", opts: []connectlinks.Option{connectlinks.WithTimeout(0)}, cancel: outcomeLimit, is: context.Canceled},
	}
}

// context is one that ends as p says.
func (p outcomePatience) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if p.deadline > 0 {
		return context.WithTimeout(ctx, p.deadline)
	}
	ctx, cancel := context.WithCancel(ctx)
	if p.cancel > 0 {
		time.AfterFunc(p.cancel, cancel)
	}
	return ctx, cancel
}

// client has the limits that p sets.
func (p outcomePatience) newClient(t *testing.T, base string, rt http.RoundTripper) *connectlinks.Client {
	opts := append([]connectlinks.Option{connectlinks.WithHTTPClient(&http.Client{Transport: rt, Timeout: p.client})}, p.opts...)
	return outcomeClient(t, base, rt, opts...)
}

// check checks an error of lost patience.
func (p outcomePatience) check(t *testing.T, op outcomeOp, err error, unknown bool) {
	t.Helper()
	require.Error(t, err, op.name)
	assert.Equal(t, unknown, errors.Is(err, connectlinks.ErrOutcomeUnknown), "%s: is ErrOutcomeUnknown: %v", op.name, err)
	assert.Equal(t, p.is == context.DeadlineExceeded, errors.Is(err, context.DeadlineExceeded), "%s: is DeadlineExceeded: %v", op.name, err)
	assert.Equal(t, p.is == context.Canceled, errors.Is(err, context.Canceled), "%s: is Canceled: %v", op.name, err)
	assert.Equal(t, p.is != context.Canceled, outcomeTimeout(err), "%s: timeout: %v", op.name, err)
	var answer *connectlinks.APIError
	assert.False(t, errors.As(err, &answer), op.name)
	assert.NotErrorIs(t, err, connectlinks.ErrBadResponse, op.name)
	for name, sentinel := range outcomeSentinels {
		assert.NotErrorIs(t, err, sentinel, "%s: %s", op.name, name)
	}
}

// outcomeNeverAnswered checks what the caller learns of an answer that never comes,
// or never comes to an end.
func outcomeNeverAnswered(t *testing.T, h2 bool) {
	t.Helper()
	outcomeNeedsGo126(t, h2)
	t.Parallel()
	for name, answer := range map[string]outcomeAnswer{"no answer": outcomeHangs, "no end": outcomeHangsInBody} {
		for _, p := range outcomePatiences() {
			t.Run(name+", "+p.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					n := outcomeInMemory(t, h2)
					c := p.newClient(t, n.url(), n.tr)
					for _, op := range outcomeSome() {
						// Carried out, and once only.
						n.api.begin(outcomeFault{true, answer})
						ctx, cancel := p.context(t.Context())
						start := time.Now()
						id, err := op.call(ctx, c)
						elapsed := time.Since(start)
						cancel()
						requests, made := n.api.seen()
						if op.creates || p.is != nil {
							p.check(t, op, err, op.creates)
							assert.Zero(t, id, op.name)
							assert.Equal(t, outcomeLimit, elapsed, op.name)
							assert.Equal(t, []string{op.request}, requests, op.name)
						} else {
							require.NoError(t, err, op.name)
							assert.Equal(t, op.hand(n.api), id, op.name)
							assert.GreaterOrEqual(t, len(requests), 2, op.name)
						}
						if op.creates {
							assert.Equal(t, 1, made, op.name)
						}

						// Again and again.
						n.api.beginForever(outcomeFault{op.creates, answer})
						ctx, cancel = p.context(t.Context())
						_, err = op.call(ctx, c)
						cancel()
						requests, made = n.api.seen()
						p.check(t, op, err, op.creates)
						if op.creates || p.is != nil {
							assert.Len(t, requests, 1, op.name)
						} else {
							assert.Len(t, requests, 3, op.name)
						}
						if op.creates {
							assert.Equal(t, 1, made, op.name)
						}
					}
				})
			})
		}
	}
}

func TestOutcomeOfAnswersThatNeverCome(t *testing.T) { outcomeNeverAnswered(t, false) }

// The caller's cancel, at the moment that the link is made, over a real socket.
func outcomeCancelledOnSockets(t *testing.T, h2 bool) {
	t.Helper()
	t.Parallel()
	api := outcomeNewAPI()
	srv, tr := outcomeServe(t, api, h2)
	c := outcomeClient(t, srv.URL, tr)
	for _, op := range outcomeAll() {
		api.begin(outcomeFault{true, outcomeHangs})
		ctx, cancel := context.WithCancel(t.Context())
		go func(arrived <-chan struct{}) { <-arrived; cancel() }(api.arrived())
		id, err := op.call(ctx, c)
		outcomePatience{is: context.Canceled}.check(t, op, err, op.creates)
		assert.Zero(t, id, op.name)
		requests, made := api.seen()
		assert.Equal(t, []string{op.request}, requests, op.name)
		if op.creates {
			assert.Equal(t, 1, made, op.name)
		}
		cancel()
	}
}

func TestOutcomeOfCancelOnSockets(t *testing.T) { outcomeCancelledOnSockets(t, false) }

// Patience that ends before there is a connection leaves nothing unknown.
func TestOutcomeOfConnectionsThatNeverCome(t *testing.T) {
	t.Parallel()
	hangs := map[string]func(n *outcomeNet){
		"dial": func(n *outcomeNet) {
			dial := n.tr.DialContext
			n.tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if n.misdial == nil {
					return dial(ctx, network, addr)
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}
		},
		"handshake": func(*outcomeNet) {},
		"proxy": func(n *outcomeNet) {
			n.tr.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.test:3128"})
		},
	}
	for name, hang := range hangs {
		for _, p := range outcomePatiences() {
			t.Run(name+", "+p.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					n := outcomeInMemory(t, false)
					n.tr.TLSHandshakeTimeout = time.Hour
					hang(n)
					n.misdial = func(int, string, net.Conn) error { return nil } // nobody reads what is sent
					c := p.newClient(t, n.url(), n.tr)
					for _, op := range outcomeSome() {
						n.api.begin()
						ctx, cancel := p.context(t.Context())
						start := time.Now()
						before := n.dialCount()
						id, err := op.call(ctx, c)
						elapsed := time.Since(start)
						cancel()
						p.check(t, op, err, false)
						assert.Zero(t, id, op.name)
						requests, _ := n.api.seen()
						assert.Empty(t, requests, op.name)
						if p.is != nil {
							assert.Equal(t, outcomeLimit, elapsed, op.name)
						} else {
							assert.GreaterOrEqual(t, elapsed, 3*outcomeLimit, op.name)
							if name != "dial" {
								assert.Equal(t, 3, n.dialCount()-before, op.name)
							}
						}
					}
				})
			})
		}
	}
}

// A context that is over before anything was sent, and one that ends between two
// attempts of which none can have made anything.
func TestOutcomeOfAContextThatIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := outcomeInMemory(t, false)
		c := outcomeClient(t, n.url(), n.tr)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		late, cancelLate := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancelLate()
		for _, op := range outcomeAll() {
			n.api.begin()
			_, err := op.call(cancelled, c)
			outcomePatience{is: context.Canceled}.check(t, op, err, false)
			_, err = op.call(late, c)
			outcomePatience{is: context.DeadlineExceeded}.check(t, op, err, false)
			requests, _ := n.api.seen()
			assert.Empty(t, requests, op.name)
		}
		for _, op := range outcomeAll() {
			n.api.beginForever(outcomeFault{answer: outcomeAnswersJSON(429)}) // the delay is some 500 ms
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(100*time.Millisecond, cancel)
			start := time.Now()
			_, err := op.call(ctx, c)
			assert.Equal(t, 100*time.Millisecond, time.Since(start), op.name)
			require.ErrorIs(t, err, context.Canceled, op.name)
			assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.name)
			requests, made := n.api.seen()
			assert.Len(t, requests, 1, op.name)
			assert.Zero(t, made, op.name)
		}
	})
}

// outcomeLate is a context whose Err does not say yet that its deadline is over: the network
// looks at the clock for itself.
type outcomeLate struct {
	context.Context
	deadline time.Time
}

func (c outcomeLate) Deadline() (time.Time, bool) { return c.deadline, true }

func TestOutcomeOfADeadlineThatTheNetworkNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, op := range outcomeAll() {
			calls := 0
			rt := outcomeRoundTripper(func(*http.Request) (*http.Response, error) {
				calls++
				time.Sleep(time.Second)
				return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
			})
			c := outcomeClient(t, "https://"+outcomeHost, rt, connectlinks.WithTimeout(0))
			_, err := op.call(outcomeLate{t.Context(), time.Now().Add(time.Second)}, c)
			outcomePatience{is: context.DeadlineExceeded}.check(t, op, err, op.creates)
			assert.Equal(t, 1, calls, op.name)
		}
	})
}

// A transport that is not net/http's does not say whether it got a connection, and
// proves nothing.
func TestOutcomeOfAForeignTransport(t *testing.T) {
	t.Parallel()
	loses := map[string]func(*http.Request) (*http.Response, error){
		"an error":                 func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
		"an error like a dial's":   func(*http.Request) (*http.Response, error) { return nil, outcomeRefused() },
		"nothing":                  func(*http.Request) (*http.Response, error) { return nil, nil },
		"a body that fails":        func(r *http.Request) (*http.Response, error) { return outcomeBodyFails(r), nil },
		"a body that is not there": func(r *http.Request) (*http.Response, error) { return &http.Response{StatusCode: 201, Request: r}, nil },
	}
	for name, lose := range loses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for _, op := range outcomeAll() {
					api := outcomeNewAPI()
					rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
						rec := httptest.NewRecorder()
						api.ServeHTTP(rec, r)
						if requests, _ := api.seen(); len(requests) == 1 {
							return lose(r)
						}
						return rec.Result(), nil
					})
					id, err := op.call(t.Context(), outcomeClient(t, "https://"+outcomeHost, rt))
					requests, made := api.seen()
					if op.creates {
						require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.name)
						assert.Zero(t, id, op.name)
						assert.Equal(t, 1, made, op.name)
						assert.Len(t, requests, 1, op.name)
						if name == "an error" {
							require.ErrorIs(t, err, io.ErrUnexpectedEOF, op.name)
						}
						continue
					}
					if op.request[:6] == "DELETE" && name == "a body that is not there" {
						require.NoError(t, err, op.name) // which is all that is asked of it
						continue
					}
					require.NoError(t, err, op.name)
					assert.Equal(t, op.hand(api), id, op.name)
					assert.GreaterOrEqual(t, len(requests), 2, op.name)
				}
			})
		})
	}
	t.Run("patience", func(t *testing.T) {
		t.Parallel()
		for _, p := range outcomePatiences() {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
					calls++
					<-r.Context().Done()
					return nil, r.Context().Err()
				})
				for _, op := range outcomeCreates {
					calls = 0
					ctx, cancel := p.context(t.Context())
					_, err := op.call(ctx, p.newClient(t, "https://"+outcomeHost, rt))
					cancel()
					p.check(t, op, err, true)
					assert.Equal(t, 1, calls, "%s: %s", p.name, op.name)
				}
			})
		}
	})
}

func outcomeBodyFails(r *http.Request) *http.Response {
	resp := outcomeResponse(r, 201, "")
	resp.ContentLength = -1
	resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"status":"created"`), outcomeFailingReader{}))
	return resp
}

type outcomeFailingReader struct{}

func (outcomeFailingReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// outcomeTokens is a source that has a new token when one is refused, as long as
// there are any.
type outcomeTokens struct {
	mu      sync.Mutex
	tokens  []string
	asked   int
	refused []string
	err     error // once there is a refused one
}

func (s *outcomeTokens) Token(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.err != nil && len(s.refused) > 0 {
		return "", s.err
	}
	return s.tokens[0], nil
}

func (s *outcomeTokens) Invalidate(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = append(s.refused, token)
	if token == s.tokens[0] && len(s.tokens) > 1 {
		s.tokens = s.tokens[1:]
	}
}

func TestOutcomeOf401(t *testing.T) {
	t.Parallel()
	unauthorized := outcomeFault{answer: outcomeAnswersJSON(401)}
	lost := errors.New("the vault is sealed")
	tests := []struct {
		name     string
		tokens   []string
		err      error
		faults   []outcomeFault
		status   int // 0: success
		requests int
		made     int
		unknown  bool
		refused  []string
	}{
		{"another token", []string{"t1", "t2"}, nil, []outcomeFault{unauthorized}, 0, 2, 1, false, []string{"t1"}},
		{"another token, refused too", []string{"t1", "t2", "t3", "t4"}, nil, []outcomeFault{unauthorized, unauthorized}, 401, 2, 0, false, []string{"t1"}},
		{"the same token", []string{"t1"}, nil, []outcomeFault{unauthorized}, 401, 1, 0, false, []string{"t1"}},
		{"no token any more", []string{"t1"}, lost, []outcomeFault{unauthorized}, 0, 1, 0, false, []string{"t1"}},
		{"another token, then the answer is lost", []string{"t1", "t2"}, nil, []outcomeFault{unauthorized, {true, outcomeAnswersJSON(504)}}, 504, 2, 1, true, []string{"t1"}},
		{"403 is no 401", []string{"t1", "t2"}, nil, []outcomeFault{{answer: outcomeAnswersJSON(403)}}, 403, 1, 0, false, nil},
	}
	for _, tt := range tests {
		for _, retries := range []int{0, 2} { // the repeat after a 401 is not among them
			t.Run(fmt.Sprintf("%s, %d retries", tt.name, retries), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					n := outcomeInMemory(t, false)
					for _, op := range outcomeCreates {
						source := &outcomeTokens{tokens: tt.tokens, err: tt.err}
						hc := &http.Client{Transport: n.tr}
						c, err := connectlinks.NewClient(connectlinks.WithTokenSource(source), connectlinks.WithHTTPClient(hc),
							connectlinks.WithBaseURL(n.url()+outcomePrefix), connectlinks.WithMaxRetries(retries))
						require.NoError(t, err)
						n.api.begin(tt.faults...)
						id, err := op.call(t.Context(), c)
						requests, made := n.api.seen()
						switch {
						case tt.err != nil:
							require.ErrorIs(t, err, tt.err, op.name)
							assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.name)
						case tt.status != 0:
							row := outcomeRow{verdict: outcomeFinal, status: tt.status}
							if tt.unknown {
								row.verdict = outcomeUnknown
							}
							outcomeCheckError(t, err, row, op)
							assert.Zero(t, id, op.name)
						default:
							require.NoError(t, err, op.name)
							assert.Equal(t, op.hand(n.api), id, op.name)
						}
						assert.Len(t, requests, tt.requests, op.name)
						assert.Equal(t, tt.made, made, op.name)
						assert.Equal(t, tt.refused, source.refused, op.name)
					}
				})
			})
		}
	}
	t.Run("once for what may be repeated, too", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			n := outcomeInMemory(t, false)
			for _, op := range outcomeRepeatable() {
				source := &outcomeTokens{tokens: []string{"t1", "t2", "t3"}}
				c, err := connectlinks.NewClient(connectlinks.WithTokenSource(source), connectlinks.WithBaseURL(n.url()+outcomePrefix),
					connectlinks.WithHTTPClient(&http.Client{Transport: n.tr}))
				require.NoError(t, err)
				n.api.begin(unauthorized)
				id, err := op.call(t.Context(), c)
				require.NoError(t, err, op.name)
				assert.Equal(t, op.hand(n.api), id, op.name)
				n.api.beginForever(unauthorized)
				_, err = op.call(t.Context(), c)
				outcomeCheckError(t, err, outcomeRow{verdict: outcomeFinal, status: 401}, op)
				requests, _ := n.api.seen()
				assert.Len(t, requests, 2, op.name)
			}
		})
	})
	t.Run("a source without Invalidate", func(t *testing.T) {
		t.Parallel()
		n := 0
		var sent []string
		rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, r.Header.Get("Authorization"))
			if len(sent) == 1 {
				return outcomeResponse(r, 401, `{"status":401}`), nil
			}
			return outcomeResponse(r, 201, `{"status":"created","data":{"id":5,"uri":"https://app.getcensus.com/pbc?auth=x"}}`), nil
		})
		c, err := connectlinks.NewClient(
			connectlinks.WithTokenSource(connectlinks.TokenFunc(func(context.Context) (string, error) { n++; return fmt.Sprintf("t%d", n), nil })),
			connectlinks.WithHTTPClient(&http.Client{Transport: rt}))
		require.NoError(t, err)
		link, err := c.Sources.CreateConnectLink(t.Context(), outcomeParams)
		require.NoError(t, err)
		assert.EqualValues(t, 5, link.ID)
		assert.Equal(t, []string{"Bearer t1", "Bearer t2"}, sent)
	})
}

// A DELETE that was repeated has succeeded if there is nothing any more. One that
// never found anything has not.
func TestOutcomeOfDelete(t *testing.T) {
	t.Parallel()
	gone := outcomeAnswersJSON(404)
	tests := []struct {
		name     string
		faults   []outcomeFault
		requests int
		status   int // 0: success
	}{
		{"carried out, lost, found gone", []outcomeFault{{true, outcomeAnswersJSON(500)}}, 2, 0},
		{"carried out, reset, found gone", []outcomeFault{{true, outcomeResets}}, 2, 0},
		{"carried out, unusable, found gone", []outcomeFault{{true, outcomeAnswers(200, "text/html", outcomeHTML)}}, 2, 0},
		{"carried out, lost twice, found gone", []outcomeFault{{true, outcomeAnswersJSON(502)}, {true, outcomeAnswersJSON(502)}}, 3, 0},
		{"lost, found gone with 410", []outcomeFault{{true, outcomeAnswersJSON(500)}, {false, outcomeAnswersJSON(410)}}, 2, 0},
		{"lost, then refused", []outcomeFault{{true, outcomeAnswersJSON(500)}, {false, outcomeAnswersJSON(403)}}, 2, 403},
		{"nothing there", []outcomeFault{{false, gone}}, 1, 404},
		{"nothing there with 410", []outcomeFault{{false, outcomeAnswersJSON(410)}}, 1, 410},
		{"nothing there in a 200", []outcomeFault{{false, outcomeAnswers(200, "application/json", `{"status":"not_found"}`)}}, 1, 404},
		{"no body", []outcomeFault{{true, outcomeAnswers(204, "", "")}}, 1, 0},
		{"an empty 200", []outcomeFault{{true, outcomeAnswers(200, "application/json", "")}}, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := outcomeInMemory(t, false)
				c := outcomeClient(t, n.url(), n.tr)
				for _, op := range outcomeDeletes {
					c.CloseIdleConnections()
					n.api.begin(tt.faults...)
					_, err := op.call(t.Context(), c)
					if tt.status == 0 {
						require.NoError(t, err, op.name)
					} else {
						outcomeCheckError(t, err, outcomeRow{verdict: outcomeFinal, status: tt.status}, op)
					}
					requests, _ := n.api.seen()
					assert.Len(t, requests, tt.requests, op.name)
				}
			})
		})
	}
}

// A revoke that was repeated and then refused is settled by the link itself. One
// that was refused at once is refused.
func TestOutcomeOfRevoke(t *testing.T) {
	t.Parallel()
	lost := outcomeFault{true, outcomeAnswersJSON(500)}
	tests := []struct {
		name     string
		faults   []outcomeFault
		requests int
		fetched  bool
		status   int // 0: success
	}{
		{"carried out, lost, refused, revoked", []outcomeFault{lost}, 3, true, 0},
		{"carried out, reset, refused, revoked", []outcomeFault{{true, outcomeResets}}, 3, true, 0},
		{"lost, refused with 404, revoked", []outcomeFault{lost, {false, outcomeAnswersJSON(404)}}, 3, true, 0},
		{"lost, refused with 422, revoked", []outcomeFault{lost, {false, outcomeAnswersJSON(422)}}, 3, true, 0},
		{"lost, refused with 403, revoked", []outcomeFault{lost, {false, outcomeAnswersJSON(403)}}, 3, true, 0},
		{"not carried out, refused, not revoked", []outcomeFault{{false, outcomeAnswersJSON(500)}, {false, outcomeAnswersJSON(422)}}, 3, true, 422},
		{"lost, refused, gone", []outcomeFault{lost, {false, outcomeAnswersJSON(409)}, {false, outcomeAnswersJSON(404)}}, 3, true, 409},
		{"refused at once", []outcomeFault{{false, outcomeAnswersJSON(409)}}, 1, false, 409},
		{"not found at once", []outcomeFault{{false, outcomeAnswersJSON(404)}}, 1, false, 404},
		{"lost, accepted again", []outcomeFault{{false, outcomeAnswersJSON(500)}}, 2, false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := outcomeInMemory(t, false)
				c := outcomeClient(t, n.url(), n.tr)
				for _, op := range outcomeRevokes {
					c.CloseIdleConnections()
					n.api.begin(tt.faults...)
					id, err := op.call(t.Context(), c)
					requests, _ := n.api.seen()
					if tt.status == 0 {
						require.NoError(t, err, op.name)
						assert.EqualValues(t, outcomeLinkID, id, op.name)
						assert.True(t, n.api.revoked, op.name)
					} else {
						assert.Zero(t, id, op.name)
						outcomeCheckError(t, err, outcomeRow{verdict: outcomeFinal, status: tt.status}, op)
					}
					assert.Len(t, requests, tt.requests, op.name)
					if tt.fetched {
						assert.Equal(t, "GET "+strings.TrimSuffix(strings.TrimPrefix(op.request, "POST "), "/revoke"), requests[len(requests)-1], op.name)
					}
				}
			})
		})
	}
}

// A connection that the server gave up while it was idle costs nobody a link.
func TestOutcomeOfAnIdleConnectionThatDied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := outcomeInMemory(t, false)
		c := outcomeClient(t, n.url(), n.tr)
		for _, op := range outcomeCreates {
			n.api.begin()
			_, err := c.Sources.GetConnectLink(t.Context(), 1)
			require.NoError(t, err)
			n.mu.Lock()
			for _, conn := range n.pipes {
				_ = conn.Close()
			}
			n.mu.Unlock()
			id, err := op.call(t.Context(), c)
			_, made := n.api.seen()
			assert.LessOrEqual(t, made, 1, op.name)
			if err != nil { // net/http may have noticed too late
				require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.name)
				continue
			}
			assert.Equal(t, op.hand(n.api), id, op.name)
			assert.Equal(t, 1, made, op.name)
		}
	})
}

// The parts of an error that leaves the outcome open are all to be had.
func TestOutcomeUnknownAndTheAnswer(t *testing.T) {
	t.Parallel()
	rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
		resp := outcomeResponse(r, 504, `{"status":"error","message":"upstream request timeout"}`)
		resp.Header.Set("X-Request-Id", "req-7")
		return resp, nil
	})
	c := outcomeClient(t, "https://"+outcomeHost, rt)
	link, err := c.Destinations.CreateConnectLink(t.Context(), outcomeParams)
	require.Nil(t, link)
	require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
	require.ErrorIs(t, err, connectlinks.ErrServer)
	var answer *connectlinks.APIError
	require.ErrorAs(t, err, &answer)
	assert.Equal(t, 504, answer.StatusCode)
	assert.Equal(t, "error", answer.Status)
	assert.Equal(t, "upstream request timeout", answer.Message)
	assert.Equal(t, "req-7", answer.RequestID)
	assert.Equal(t, http.MethodPost, answer.Method)
	assert.Equal(t, "/api/v1/destination_connect_links", answer.Path)
	assert.JSONEq(t, `{"status":"error","message":"upstream request timeout"}`, string(answer.Body))
	assert.Contains(t, err.Error(), "504")
	assert.Contains(t, err.Error(), "upstream request timeout")
}

// Success is a nil error and a link, failure the reverse; a pointer that is nil
// inside an interface is neither.
func TestOutcomeTypedNil(t *testing.T) {
	t.Parallel()
	fails := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) { return outcomeResponse(r, 422, `{}`), nil })
	c := outcomeClient(t, "https://"+outcomeHost, fails)
	source, err := c.Sources.CreateConnectLink(t.Context(), outcomeParams)
	assert.True(t, source == nil && err != nil)
	destination, err := c.Destinations.RevokeConnectLink(t.Context(), 1)
	assert.True(t, destination == nil && err != nil)
	activation, err := c.Activations.GetConnectLink(t.Context(), 1)
	assert.True(t, activation == nil && err != nil)
	page, err := c.Activations.ListConnectLinks(t.Context(), connectlinks.ListOptions{})
	assert.True(t, page == nil && err != nil)

	works := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
		return outcomeResponse(r, 200, `{"status":"deleted"}`), nil
	})
	c = outcomeClient(t, "https://"+outcomeHost, works)
	err = c.Sources.Delete(t.Context(), 1)
	assert.True(t, err == nil)

	for name, opt := range map[string]connectlinks.Option{
		"TokenSource": connectlinks.WithTokenSource((*outcomeTokens)(nil)),
		"RateLimiter": connectlinks.WithRateLimiter((*outcomeLimiter)(nil)),
		"HTTPClient":  connectlinks.WithHTTPClient(nil),
	} {
		opts := []connectlinks.Option{opt}
		if name != "TokenSource" {
			opts = append(opts, connectlinks.WithToken(outcomeToken))
		}
		client, err := connectlinks.NewClient(opts...)
		assert.True(t, client == nil, name)
		var input *connectlinks.InputError
		if assert.ErrorAs(t, err, &input, name) {
			assert.Equal(t, name, input.Field)
		}
	}
}

type outcomeLimiter struct{}

func (*outcomeLimiter) Wait(context.Context) error { return nil }
