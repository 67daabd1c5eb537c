package connectlinksweb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/connectlinksweb"
)

var connected = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, limited := r.Context().Deadline()
	fmt.Fprintf(w, "connected, limited: %t", limited)
})

func checking(err error) func(http.ResponseWriter, *http.Request) error {
	return func(http.ResponseWriter, *http.Request) error { return err }
}

// notYet is a check that waits as long as it may, and has no word by then.
func notYet(_ http.ResponseWriter, r *http.Request) error {
	<-r.Context().Done()
	return r.Context().Err()
}

func TestReturnAnswersAsCheckHasIt(t *testing.T) {
	throttled := &connectlinks.APIError{StatusCode: 429, RetryAfter: 40 * time.Second}
	for _, test := range []struct {
		name     string
		err      error
		status   int
		refresh  string
		contains string
	}{
		{"connected", nil, 200, "", "connected, limited: false"},
		{"a limiter that refuses", fmt.Errorf("waiting: %w", limiterRefused{}), 202, "2; url=?connectlink_look=1", "Not connected yet"},
		{"expired", fmt.Errorf("link 1: %w", connectlinks.ErrLinkExpired), 410, "", `<a id="connectlink-back" href="/integrations" class="button">Start again</a>`},
		{"revoked", fmt.Errorf("link 1: %w", connectlinks.ErrLinkRevoked), 410, "", "Start again"},
		{"throttled", throttled, 429, "40; url=?connectlink_look=1", `<a id="connectlink-again" class="button" href="?">Try again</a>`},
		{"unavailable", &connectlinks.APIError{StatusCode: 503}, 503, "10; url=?connectlink_look=1", "Try again"},
		{"throttled, to the end of time", &connectlinks.APIError{StatusCode: 429, RetryAfter: math.MaxInt64}, 429, "9223372037; url=?connectlink_look=1", "Try again"},
		{"a deadline that is not Return's", fmt.Errorf("database: %w", context.DeadlineExceeded), 504, "2; url=?connectlink_look=1", "Try again"},
		{"timed out", timedOut{}, 504, "2; url=?connectlink_look=1", "Try again"},
		{"refused", &connectlinks.APIError{StatusCode: 401}, 502, "", "Try again"},
		{"unknown flow", errors.New("not in the session"), 500, "", "Try again"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := connectlinksweb.Return(checking(test.err), connected, connectlinksweb.WithBack("/integrations"), silent)
			w := ask(h, "GET", "/connected")
			assert.Equal(t, test.status, w.Code)
			assert.Equal(t, test.refresh, w.Header().Get("Refresh"))
			assert.Contains(t, w.Body.String(), test.contains)
			assert.NotContains(t, w.Body.String(), "<form", "nothing here is posted")
			private(t, w, "no-referrer")

			w = ask(h, "GET", "/connected", "Accept", "application/json")
			assert.Equal(t, test.status, w.Code)
			private(t, w, "no-referrer")
			if test.err != nil {
				assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
				assert.Contains(t, w.Body.String(), fmt.Sprintf(`"status":%d`, test.status))
			}
		})
	}
}

func TestReturnSaysNotYetWhenItsOwnLimitRanOut(t *testing.T) {
	throttled := &connectlinks.APIError{StatusCode: 429, RetryAfter: 40 * time.Second}
	for name, wrap := range map[string]func(error) error{
		"alone":                    func(err error) error { return fmt.Errorf("waiting: %w", err) },
		"the last answer an error": func(err error) error { return errors.Join(err, throttled) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := connectlinksweb.Return(func(w http.ResponseWriter, r *http.Request) error {
					return wrap(notYet(w, r))
				}, connected, silent)
				start := time.Now()
				w := ask(h, "GET", "/connected")
				assert.Equal(t, 5*time.Second, time.Since(start), "the default")
				assert.Equal(t, http.StatusAccepted, w.Code)
				assert.Equal(t, "2; url=?connectlink_look=1", w.Header().Get("Refresh"))
				assert.Contains(t, w.Body.String(), "Not connected yet")
				private(t, w, "no-referrer")

				w = ask(h, "GET", "/connected", "Accept", "application/json")
				assert.Equal(t, http.StatusAccepted, w.Code)
				assert.Contains(t, w.Body.String(), `"status":202`)
				private(t, w, "no-referrer")
			})
		})
	}
}

func TestReturnOtherMethods(t *testing.T) {
	called := false
	h := connectlinksweb.Return(func(http.ResponseWriter, *http.Request) error { called = true; return nil }, connected)
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		w := ask(h, method, "/connected")
		assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
		assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
	}
	assert.False(t, called)
	assert.Equal(t, http.StatusOK, ask(h, "HEAD", "/connected").Code)
	assert.True(t, called)
}

// Whatever the query claims, check decides.
func TestReturnBelievesNothing(t *testing.T) {
	for _, query := range []string{"?status=created&source_id=5&connected=true", "?connectlink_look=999999999999999999999", "?connectlink_look=-3", "?connectlink_look=x", "?%zz"} {
		w := ask(connectlinksweb.Return(notYet, connected, connectlinksweb.WithWait(0)), "GET", "/connected"+query)
		assert.Equal(t, http.StatusAccepted, w.Code)
		assert.NotContains(t, w.Body.String(), "limited:")
	}
}

func TestReturnLooksAgainLessAndLessOften(t *testing.T) {
	h := connectlinksweb.Return(notYet, connected, connectlinksweb.WithWait(0), connectlinksweb.WithRefresh(3*time.Second))
	target, pauses := "/connected?flow=a%26b&x=%22%3E%0D%0A", []string{}
	for {
		w := ask(h, "GET", target)
		refresh := w.Header().Get("Refresh")
		assert.Contains(t, w.Body.String(), `href="?flow=a%26b&amp;x=%22%3E%0D%0A"`, "the customer's own look starts over")
		if refresh == "" {
			assert.NotContains(t, w.Body.String(), "by ourselves")
			assert.Contains(t, w.Body.String(), "Look again")
			break
		}
		var seconds, query string
		_, err := fmt.Sscanf(refresh, "%s url=%s", &seconds, &query)
		require.NoError(t, err)
		pauses = append(pauses, seconds)
		target = "/connected" + query
	}
	assert.Equal(t, []string{"3;", "6;", "12;", "24;", "30;", "30;"}, pauses[:6])
	assert.Len(t, pauses, 28)

	h = connectlinksweb.Return(notYet, connected, connectlinksweb.WithWait(0), connectlinksweb.WithRefresh(0))
	assert.Empty(t, ask(h, "GET", "/connected").Header().Get("Refresh"))
	h = connectlinksweb.Return(notYet, connected, connectlinksweb.WithWait(0), connectlinksweb.WithRefresh(time.Hour))
	assert.Equal(t, "3600; url=?connectlink_look=10", ask(h, "GET", "/connected?connectlink_look=9").Header().Get("Refresh"))
}

func TestReturnErrorHandler(t *testing.T) {
	var got []error
	hook := connectlinksweb.WithErrorHandler(func(w http.ResponseWriter, r *http.Request, err error) {
		got = append(got, err)
		connectlinksweb.Error(w, r, err, silent)
	})
	gone := fmt.Errorf("link 1: %w", connectlinks.ErrLinkExpired)
	throttled := &connectlinks.APIError{StatusCode: 429}
	assert.Equal(t, http.StatusGone, ask(connectlinksweb.Return(checking(gone), connected, hook), "GET", "/").Code)
	w := ask(connectlinksweb.Return(checking(throttled), connected, hook), "GET", "/")
	assert.Equal(t, http.StatusTooManyRequests, w.Code)
	assert.Equal(t, "10; url=?connectlink_look=1", w.Header().Get("Refresh"), "as without a handler")
	assert.Equal(t, http.StatusAccepted, ask(connectlinksweb.Return(notYet, connected, connectlinksweb.WithWait(0), hook), "GET", "/").Code)
	assert.Equal(t, []error{gone, throttled}, got)
}

// A wait of the SDK runs into Return's limit; then the customer finishes.
func TestReturnWaitsForTheAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
		defer srv.Close()
		client := srv.Client()
		defer client.CloseIdleConnections()
		link, err := client.Sources.CreateConnectLink(t.Context(), connectlinks.CreateConnectLinkParams{Type: "postgres"})
		require.NoError(t, err)
		check := func(_ http.ResponseWriter, r *http.Request) error {
			_, err := client.Sources.WaitForConnection(r.Context(), link.ID)
			return err
		}

		start := time.Now()
		assert.Equal(t, http.StatusAccepted, ask(connectlinksweb.Return(check, connected), "GET", "/").Code)
		assert.Equal(t, 5*time.Second, time.Since(start), "the default")
		start = time.Now()
		assert.Equal(t, http.StatusAccepted, ask(connectlinksweb.Return(check, connected, connectlinksweb.WithWait(time.Minute)), "GET", "/").Code)
		assert.Equal(t, time.Minute, time.Since(start))

		go func() {
			time.Sleep(2 * time.Second)
			_, err := srv.Complete(link.ID)
			assert.NoError(t, err)
		}()
		assert.Equal(t, "connected, limited: false", ask(connectlinksweb.Return(check, connected), "GET", "/").Body.String())

		dead, err := client.Sources.CreateConnectLink(t.Context(), connectlinks.CreateConnectLinkParams{Type: "postgres"})
		require.NoError(t, err)
		require.NoError(t, srv.Expire(dead.ID))
		link = dead
		assert.Equal(t, http.StatusGone, ask(connectlinksweb.Return(check, connected, silent), "GET", "/").Code)
	})
}

// The server's own deadline for a request is no "not yet": looking again would
// not help.
func TestReturnUnderADeadlineOfTheServer(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	var log bytes.Buffer
	w := httptest.NewRecorder()
	h := connectlinksweb.Return(func(_ http.ResponseWriter, r *http.Request) error { return r.Context().Err() }, connected, connectlinksweb.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/", nil))
	assert.Equal(t, http.StatusGatewayTimeout, w.Code)
	assert.Contains(t, log.String(), "deadline")
}
