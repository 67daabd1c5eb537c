package connectlinksweb_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/connectlinksweb"
)

// timedOut is an error like the SDK's own timeout.
type timedOut struct{}

func (timedOut) Error() string { return "no answer within 30s" }
func (timedOut) Timeout() bool { return true }

// cutOff is an error like the SDK's if a response ends early.
type cutOff struct{}

func (cutOff) Error() string { return "GET /api/v1/x: unexpected EOF" }
func (cutOff) Timeout() bool { return false }

// limiterRefused is an error like the SDK's if a limiter refuses.
type limiterRefused struct{}

func (limiterRefused) Error() string {
	return "not sent: rate limiter: rate: Wait(n=1) would exceed context deadline"
}
func (limiterRefused) Is(target error) bool { return target == connectlinks.ErrRateLimited }

// said holds the texts of a page, and the links and buttons that it offers, in order.
type said struct {
	title, message string
	offers         []string
}

// read returns the texts that a customer sees on a page.
func read(t *testing.T, w *httptest.ResponseRecorder) said {
	t.Helper()
	body := w.Body.String()
	one := func(pattern string) string {
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(body, -1)
		require.Len(t, found, 1, pattern)
		return html.UnescapeString(found[0][1])
	}
	p := said{title: one(`<h1>(.*?)</h1>`), message: one(`<p id="connectlink-message"[^>]*>(.*?)</p>`)}
	for _, found := range regexp.MustCompile(`<(?:button|a) id="connectlink-\w+"([^>]*)>(.*?)<`).FindAllStringSubmatch(body, -1) {
		offer := found[2]
		if strings.Contains(found[1], `type="submit"`) || strings.Contains(found[1], `class="button"`) {
			offer = "[" + offer + "]"
		}
		p.offers = append(p.offers, offer)
	}
	return p
}

func TestEveryErrorHasItsSentence(t *testing.T) {
	api := func(status int, retryAfter time.Duration) error {
		return &connectlinks.APIError{StatusCode: status, RetryAfter: retryAfter, Method: "POST", Path: "/api/v1/x", Message: "internal-detail"}
	}
	wrapped := func(errs ...error) error {
		return fmt.Errorf("internal-detail: %w", errors.Join(append([]error{errors.New("internal-detail")}, errs...)...))
	}
	const (
		notSure    = "We do not know yet whether you are connected"
		failed     = "Something went wrong. We have been told. Please try again in a minute. If that does not help, contact our support."
		badAnswer  = "The service that makes the connection gave no usable answer. We have been told. Please try again in a minute. If that does not help, contact our support."
		slow       = "Our question took too long. Please try again in a minute."
		looks      = " This page looks again by itself."
		busy       = "We have to wait before we can go on. Please try again in "
		closed     = "The service that makes the connection is not available. Please try again in "
		cannot     = "This cannot be connected at the moment. We have been told."
		cannotTell = "We cannot find out at the moment. We have been told."
		expired    = "The page you were on has expired, and we cannot confirm that you finished. Please start again."
		revoked    = "If you finished elsewhere, look at your integrations. Otherwise, please start again."
		noLink     = "We cannot tell what became of your connection. Look at your integrations."
	)
	type test struct {
		name       string
		err        error
		status     int
		retryAfter string
		title      string // of Start
		message    string
		refresh    string // of Return
	}
	tests := []test{
		{"throttled", api(429, 7*time.Second), 429, "7", "Too many at once", busy + "7 seconds.", "7"},
		{"throttled, a moment", api(429, time.Millisecond), 429, "1", "Too many at once", busy + "a second.", "2"},
		{"throttled, a fraction", api(429, 1500*time.Millisecond), 429, "2", "Too many at once", busy + "2 seconds.", "2"},
		{"throttled, no time named", api(429, 0), 429, "10", "Too many at once", busy + "10 seconds.", "10"},
		{"throttled, two minutes", api(429, 100*time.Second), 429, "100", "Too many at once", busy + "2 minutes.", "100"},
		{"throttled, not quite an hour", api(429, 59*time.Minute), 429, "3540", "Too many at once", busy + "59 minutes.", "3540"},
		{"throttled, the rest of an hour", api(429, time.Hour-time.Second), 429, "3599", "Too many at once", busy + "an hour or later.", "3599"},
		{"throttled, wrapped", wrapped(api(429, 3*time.Hour)), 429, "10800", "Too many at once", busy + "an hour or later.", "10800"},
		{"throttled, to the end of time", api(429, math.MaxInt64), 429, "9223372037", "Too many at once", busy + "an hour or later.", "9223372037"},
		{"unavailable", api(503, 20*time.Second), 503, "20", "Not available right now", closed + "20 seconds.", "20"},
		{"unavailable, no time named", wrapped(api(503, 0), connectlinks.ErrOutcomeUnknown), 503, "10", "Not available right now", closed + "10 seconds.", "10"},
		{"unavailable, to the end of time", api(503, math.MaxInt64), 503, "9223372037", "Not available right now", closed + "an hour or later.", "9223372037"},
		{"see other, after a create", wrapped(connectlinks.ErrOutcomeUnknown, api(303, time.Minute)), 500, "", "Not possible right now", cannot, ""},
		{"an envelope that reports a failure", api(200, 0), 502, "", "That did not work", badAnswer, ""},
		{"server error", api(500, 0), 502, "", "That did not work", badAnswer, ""},
		{"bad gateway", wrapped(api(502, 0), connectlinks.ErrOutcomeUnknown), 502, "", "That did not work", badAnswer, ""},
		{"bad response", wrapped(connectlinks.ErrBadResponse), 502, "", "That did not work", badAnswer, ""},
		{"outcome unknown", wrapped(connectlinks.ErrOutcomeUnknown), 502, "", "That did not work", badAnswer, ""},
		{"cut off", wrapped(cutOff{}), 502, "", "That did not work", failed, ""},
		{"no connection, to the API or the platform's database", &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("refused")}, 502, "", "That did not work", failed, ""},
		{"gateway time-out", api(504, 0), 504, "", "No answer in time", slow, "2"},
		{"request time-out", api(408, 0), 504, "", "No answer in time", slow, "2"},
		{"time-out", wrapped(timedOut{}), 504, "", "No answer in time", slow, "2"},
		{"time-out, outcome unknown", wrapped(connectlinks.ErrOutcomeUnknown, timedOut{}), 504, "", "No answer in time", slow, "2"},
		{"deadline", wrapped(context.DeadlineExceeded), 504, "", "No answer in time", slow, "2"},
		{"expired", wrapped(connectlinks.ErrLinkExpired), 410, "", "This took too long", expired, ""},
		{"revoked", wrapped(connectlinks.ErrLinkRevoked), 410, "", "That page was withdrawn", revoked, ""},
		{"no link", wrapped(connectlinksweb.ErrNoLink), 404, "", "Your connection", noLink, ""},
		{"a bad argument", wrapped(&connectlinks.InputError{Field: "Type", Reason: "internal-detail"}), 500, "", "Not possible right now", cannot, ""},
		{"a cancel that is not the request's", context.Canceled, 500, "", "That did not work", failed, ""},
		{"the platform's own", errors.New("database: internal-detail"), 500, "", "That did not work", failed, ""},
	}
	for status := 300; status < 500; status++ {
		if status != 408 && status != 429 {
			tests = append(tests, test{fmt.Sprint(status), wrapped(api(status, time.Minute)), 500, "", "Not possible right now", cannot, ""})
		}
	}
	tests = append(tests, test{"refused, and the error's body cut off by a deadline", wrapped(api(403, 0), context.DeadlineExceeded), 500, "", "Not possible right now", cannot, ""})

	for _, test := range tests {
		var log bytes.Buffer
		opts := []connectlinksweb.Option{connectlinksweb.WithBack("/integrations"), connectlinksweb.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))}
		mux := http.NewServeMux()
		mux.Handle("POST /connect/{type}", connectlinksweb.Start((&minter{err: test.err}).mint, opts...))
		mux.Handle("GET /connected/{key}", connectlinksweb.Return(checking(test.err), connected, opts...))
		level := "ERROR"
		if test.status < 500 {
			level = "WARN"
		}
		check := func(t *testing.T, method, path, pattern string, want said) *httptest.ResponseRecorder {
			t.Helper()
			log.Reset()
			w := ask(mux, method, path+"?token="+secret)
			assert.Equal(t, test.status, w.Code)
			assert.Equal(t, test.retryAfter, w.Header().Get("Retry-After"))
			assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			assert.Equal(t, want, read(t, w))
			assert.NotContains(t, w.Body.String(), "internal-detail")
			assert.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
			assert.Contains(t, log.String(), "level="+level)
			assert.Contains(t, log.String(), fmt.Sprintf("status=%d", test.status))
			assert.Contains(t, log.String(), "pattern=\""+method+" "+pattern+"\"")
			assert.NotContains(t, log.String(), secret)

			j := ask(mux, method, path, "Accept", "application/json")
			assert.Equal(t, test.status, j.Code)
			assert.Equal(t, test.retryAfter, j.Header().Get("Retry-After"))
			assert.Equal(t, "application/json", j.Header().Get("Content-Type"))
			private(t, j, "no-referrer")
			var body struct {
				Status     int         `json:"status"`
				Message    string      `json:"message"`
				RetryAfter json.Number `json:"retry_after"`
			}
			require.NoError(t, json.Unmarshal(j.Body.Bytes(), &body))
			assert.Equal(t, test.status, body.Status)
			message := want.message
			if w.Header().Get("Refresh") != "" { // what the JSON's reader does is not known
				message = strings.TrimSuffix(message, looks)
				if test.message == slow {
					message = slow
				}
			}
			assert.Equal(t, message, body.Message)
			assert.Equal(t, test.retryAfter, body.RetryAfter.String())
			return w
		}
		t.Run("start/"+test.name, func(t *testing.T) {
			want := said{test.title, test.message, []string{"[Try again]", "Back"}}
			switch {
			case test.status == 410:
				want.offers = []string{"[Start again]"}
			case test.status == 404:
				want.offers = []string{"[Look at your integrations]"}
			case test.message == cannot:
				want.offers = []string{"Back"}
			}
			w := check(t, "POST", "/connect/hubspot", "/connect/{type}", want)
			assert.Empty(t, w.Header().Get("Refresh"))
			referrer := "no-referrer"
			if want.offers[0] == "[Try again]" {
				referrer = "same-origin" // for the form
			}
			private(t, w, referrer)
		})
		t.Run("return/"+test.name, func(t *testing.T) {
			want := said{notSure, test.message, []string{"[Try again]", "Look at your integrations"}}
			switch {
			case test.status == 410:
				want.title, want.offers = test.title, []string{"[Start again]"}
			case test.status == 404:
				want.title, want.offers = test.title, []string{"[Look at your integrations]"}
			case test.message == cannot:
				want = said{"We do not know whether you are connected", cannotTell, []string{"Look at your integrations"}}
			}
			refresh := test.refresh
			if refresh != "" {
				want.message = strings.TrimSuffix(want.message, " Please try again in a minute.") + looks
			}
			w := check(t, "GET", "/connected/key", "/connected/{key}", want)
			if refresh != "" {
				refresh += "; url=?connectlink_look=1&token=" + secret
			}
			assert.Equal(t, refresh, w.Header().Get("Refresh"))
			assert.NotContains(t, w.Body.String(), "<form", "nothing here is posted")
			private(t, w, "no-referrer")
		})
	}
}

// If the limiter refuses, Start asks the customer to try again, and Return looks again.
func TestALimiterThatRefuses(t *testing.T) {
	err := fmt.Errorf("connectlinks: POST /api/v1/x: %w", limiterRefused{})
	w := ask(connectlinksweb.Start((&minter{err: err}).mint, silent), "POST", "/")
	assert.Equal(t, http.StatusTooManyRequests, w.Code)
	assert.Equal(t, "10", w.Header().Get("Retry-After"))
	assert.Equal(t, said{"Too many at once", "We have to wait before we can go on. Please try again in 10 seconds.", []string{"[Try again]"}}, read(t, w))

	w = ask(connectlinksweb.Return(checking(err), connected, silent), "GET", "/")
	assert.Equal(t, http.StatusAccepted, w.Code)
	assert.Equal(t, "2; url=?connectlink_look=1", w.Header().Get("Refresh"))
	assert.Equal(t, "We do not know yet whether you are connected", read(t, w).title)

	// The error of a limiter that names a pause is an APIError.
	w = ask(connectlinksweb.Return(checking(&connectlinks.APIError{StatusCode: 429, RetryAfter: time.Minute}), connected, silent), "GET", "/")
	assert.Equal(t, http.StatusTooManyRequests, w.Code)
}

// Answers that fail in other ways than by a status that the table above names, from the SDK itself.
func TestErrorsOfTheSDKOnTheWayBack(t *testing.T) {
	for name, test := range map[string]struct {
		failure connectlinkstest.Failure
		status  int
		level   string
		want    said
	}{
		"a transfer that is cut off": {
			connectlinkstest.Failure{Cut: true}, 502, "ERROR",
			said{"We do not know yet whether you are connected", "Something went wrong. We have been told. Please try again in a minute. If that does not help, contact our support.", []string{"[Try again]", "Look at your integrations"}},
		},
		"a redirect": {
			connectlinkstest.Failure{Status: 301, Header: http.Header{"Location": {"https://elsewhere.example/"}}}, 500, "ERROR",
			said{"We do not know whether you are connected", "We cannot find out at the moment. We have been told.", []string{"Look at your integrations"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
				defer srv.Close()
				client := srv.Client()
				defer client.CloseIdleConnections()
				link, err := client.Destinations.CreateConnectLink(t.Context(), connectlinks.CreateConnectLinkParams{Type: "hubspot"})
				require.NoError(t, err)
				_, err = srv.Complete(link.ID)
				require.NoError(t, err)
				test.failure.Times = -1
				require.NoError(t, srv.Fail(test.failure))
				var log bytes.Buffer
				w := ask(connectlinksweb.Return(func(_ http.ResponseWriter, r *http.Request) error {
					_, err := client.Destinations.WaitForConnection(r.Context(), link.ID)
					return err
				}, connected, connectlinksweb.WithBack("/"), connectlinksweb.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))), "GET", "/")
				assert.Equal(t, test.status, w.Code, log.String())
				assert.Equal(t, test.want, read(t, w))
				assert.Contains(t, log.String(), "level="+test.level)
			})
		})
	}
}

// Sixty customers return at once, more than the client's limiter lets through.
func TestManyCustomersAtALimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
		defer srv.Close()
		link, err := srv.Client().Destinations.CreateConnectLink(t.Context(), connectlinks.CreateConnectLinkParams{Type: "hubspot"})
		require.NoError(t, err)
		_, err = srv.Complete(link.ID)
		require.NoError(t, err)
		client := srv.Client(connectlinks.WithRateLimiter(rate.NewLimiter(5, 10)))
		defer client.CloseIdleConnections()
		back := connectlinksweb.Return(func(_ http.ResponseWriter, r *http.Request) error {
			_, err := client.Destinations.WaitForConnection(r.Context(), link.ID)
			return err
		}, connected, silent)

		var wg sync.WaitGroup
		answers := make([]int, 60)
		for i := range answers {
			wg.Go(func() { answers[i] = ask(back, "GET", "/connected").Code })
		}
		wg.Wait()
		count := map[int]int{}
		for _, status := range answers {
			count[status]++
		}
		assert.Equal(t, 60, count[http.StatusOK]+count[http.StatusAccepted], count)
		assert.Positive(t, count[http.StatusAccepted])

		// The wait for the limiter is longer than this customer's request may last.
		for range 40 {
			wg.Go(func() { ask(back, "GET", "/connected") })
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w := httptest.NewRecorder()
		startWith(client).ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "/connect", nil))
		assert.Equal(t, http.StatusTooManyRequests, w.Code)
		wg.Wait()
	})
}

func TestAnErrorWithoutAWayBack(t *testing.T) {
	for err, want := range map[error]said{
		connectlinks.ErrLinkExpired:             {"This took too long", "The page you were on has expired, and we cannot confirm that you finished. Please start again.", nil},
		connectlinksweb.ErrNoLink:               {"Your connection", "We cannot tell what became of your connection. Look at your integrations.", nil},
		&connectlinks.APIError{StatusCode: 403}: {"We do not know whether you are connected", "We cannot find out at the moment. We have been told.", nil},
	} {
		assert.Equal(t, want, read(t, ask(connectlinksweb.Return(checking(err), connected, silent), "GET", "/")))
	}
}
