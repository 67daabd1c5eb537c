package connectlinksweb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
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

// ranOut is like the error that the SDK's waits return when their context ends.
type ranOut struct {
	error
	last error // of the API's last answer, or nil
}

func (e *ranOut) Unwrap() []error   { return []error{e.error, e.last} }
func (e *ranOut) NotFinished() bool { return e.last == nil }

// notYet is a check whose wait ends with its context, after the API has said "not finished".
func notYet(_ http.ResponseWriter, r *http.Request) error {
	<-r.Context().Done()
	return &ranOut{r.Context().Err(), nil}
}

// lastAnswer returns a check whose wait ends with its context, and whose last answer is an error.
func lastAnswer(last error) func(http.ResponseWriter, *http.Request) error {
	return func(_ http.ResponseWriter, r *http.Request) error {
		<-r.Context().Done()
		return &ranOut{r.Context().Err(), last}
	}
}

// noAnswer is a check that ends with its context, and to which nothing has answered.
func noAnswer(_ http.ResponseWriter, r *http.Request) error {
	<-r.Context().Done()
	return r.Context().Err()
}

func TestReturnConnected(t *testing.T) {
	w := ask(connectlinksweb.Return(checking(nil), connected), "GET", "/connected")
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "connected, limited: false", w.Body.String())
	assert.Empty(t, w.Header().Get("Refresh"))
	private(t, w, "no-referrer")
}

func TestReturnSaysNotYetWhenItsOwnLimitRanOut(t *testing.T) {
	for name, wrap := range map[string]func(error) error{
		"alone":   func(err error) error { return err },
		"wrapped": func(err error) error { return fmt.Errorf("customer 5: %w", err) },
		"joined":  func(err error) error { return errors.Join(errors.New("also"), err) },
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

// Without the API's word, the customer may be connected.
func TestReturnDoesNotSayNotYetWithoutTheAPIsWord(t *testing.T) {
	const (
		title = "We do not know yet whether you are connected"
		none  = "We could not find out yet."
		looks = " This page looks again by itself."
	)
	api := func(status int, pause time.Duration) error {
		return &connectlinks.APIError{StatusCode: status, RetryAfter: pause}
	}
	for name, test := range map[string]struct {
		check               func(http.ResponseWriter, *http.Request) error
		retryAfter, refresh string
		again               string // the sentence about Retry-After
	}{
		"no answer":           {noAnswer, "", "2", ""},
		"no answer, wrapped":  {func(w http.ResponseWriter, r *http.Request) error { return fmt.Errorf("x: %w", noAnswer(w, r)) }, "", "2", ""},
		"an error":            {lastAnswer(api(500, 0)), "", "2", ""},
		"unusable":            {lastAnswer(connectlinks.ErrBadResponse), "", "2", ""},
		"a timeout":           {lastAnswer(timedOut{}), "", "2", ""},
		"cut off":             {lastAnswer(cutOff{}), "", "2", ""},
		"the limiter":         {lastAnswer(limiterRefused{}), "", "2", ""},
		"Retry-After, short":  {lastAnswer(api(429, time.Second)), "1", "2", " Please try again in a second."},
		"Retry-After, 2 h":    {lastAnswer(api(429, 2*time.Hour)), "7200", "7200", " Please try again in an hour or later."},
		"503 and Retry-After": {lastAnswer(api(503, 40*time.Second)), "40", "40", " Please try again in 40 seconds."},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				h := connectlinksweb.Return(test.check, connected, connectlinksweb.WithBack("/integrations"), connectlinksweb.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
					connectlinksweb.WithErrorHandler(func(http.ResponseWriter, *http.Request, error) { t.Error("called") }))
				want := said{title, none + test.again + looks, []string{"[Look again]", "Look at your integrations"}}
				goesOn := said{title, none + test.again + " If this goes on, contact our support." + looks, []string{"[Look at your integrations]", "Look again"}}
				target := "/connected"
				for look := range 4 {
					log.Reset()
					w := ask(h, "GET", target)
					assert.Equal(t, http.StatusAccepted, w.Code)
					if look == 2 {
						want = goesOn
					}
					assert.Equal(t, want, read(t, w), "it never asks to start again")
					assert.Equal(t, look < 2, strings.Contains(w.Body.String(), `class="spinner"`))
					assert.Equal(t, test.retryAfter, w.Header().Get("Retry-After"))
					refresh, query, _ := strings.Cut(w.Header().Get("Refresh"), "; url=")
					if look == 0 {
						assert.Equal(t, test.refresh, refresh)
					}
					target = "/connected" + query
					private(t, w, "no-referrer")
					assert.Equal(t, 1, strings.Count(log.String(), "\n"))
					assert.Contains(t, log.String(), "level=WARN")
					assert.Contains(t, log.String(), "status=202")
				}

				w := ask(h, "GET", "/connected?connectlink_look=28")
				assert.Empty(t, w.Header().Get("Refresh"))
				assert.Equal(t, none+test.again+" If this goes on, contact our support.", read(t, w).message)
				assert.NotContains(t, w.Body.String(), `class="spinner"`)

				w = ask(h, "GET", "/connected", "Accept", "application/json")
				assert.Equal(t, http.StatusAccepted, w.Code)
				body := fmt.Sprintf(`{"status": 202, "message": %q}`, none+test.again)
				if test.retryAfter != "" {
					body = fmt.Sprintf(`{"status": 202, "message": %q, "retry_after": %s}`, none+test.again, test.retryAfter)
				}
				assert.JSONEq(t, body, w.Body.String())
			})
		})
	}
	t.Run("only the platform can fix it", func(t *testing.T) {
		w := ask(connectlinksweb.Return(lastAnswer(api(301, 0)), connected, connectlinksweb.WithWait(0), silent), "GET", "/")
		assert.Equal(t, http.StatusInternalServerError, w.Code)
		assert.Equal(t, said{"We do not know whether you are connected", "We cannot find out at the moment. We have been told.", nil}, read(t, w))
	})
}

// A connected customer returns while the API fails. The page never says otherwise.
func TestReturnOfAConnectedCustomerWhileTheAPIFails(t *testing.T) {
	for name, failure := range map[string]connectlinkstest.Failure{
		"an error": {Status: 500}, "a hang": {Hang: true}, "throttled": {Status: 429, Header: http.Header{"Retry-After": {"1800"}}},
	} {
		for _, v2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, v2 %t", name, v2), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					srv := connectlinkstest.NewServer(connectlinkstest.WithoutListener())
					defer srv.Close()
					client := srv.Client()
					var link connectlinks.ConnectLink
					check := func(_ http.ResponseWriter, r *http.Request) error {
						_, err := client.Destinations.WaitForConnection(r.Context(), link.ID)
						return err
					}
					failure.Times, failure.Route = -1, "GET /api/v1/destinations/{destination_id}"
					if v2 {
						client = srv.PersonalClient(connectlinks.WithGroup(srv.Group()))
						made, err := client.Activations.CreateConnectLink(t.Context(), connectlinks.CreateActivationConnectLinkParams{Type: "hubspot"})
						require.NoError(t, err)
						link = made.ConnectLink
						check = func(_ http.ResponseWriter, r *http.Request) error {
							_, err := client.Activations.WaitForActivation(r.Context(), link.ID, link.CreatedAt)
							return err
						}
						failure.Route = "GET /api/v2/activations"
					} else {
						made, err := client.Destinations.CreateConnectLink(t.Context(), connectlinks.CreateConnectLinkParams{Type: "hubspot"})
						require.NoError(t, err)
						link = made.ConnectLink
					}
					defer client.CloseIdleConnections()
					_, err := srv.Complete(link.ID)
					require.NoError(t, err)
					require.NoError(t, srv.Fail(failure))
					w := ask(connectlinksweb.Return(check, connected, silent), "GET", "/")
					assert.Equal(t, http.StatusAccepted, w.Code)
					assert.Equal(t, "We do not know yet whether you are connected", read(t, w).title)
					if failure.Status == 429 {
						assert.Regexp(t, `^1[78]\d\d; `, w.Header().Get("Refresh"), "what is left of half an hour")
					}
				})
			})
		}
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
		if refresh == "" {
			assert.NotContains(t, read(t, w).message, "by itself")
			break
		}
		assert.Contains(t, read(t, w).message, "This page looks again by itself.")
		pause, query, found := strings.Cut(refresh, "; url=")
		require.True(t, found, refresh)
		assert.Contains(t, query, "&flow=a%26b&x=%22%3E%0D%0A")
		pauses = append(pauses, pause)
		target = "/connected" + query
	}
	assert.Equal(t, []string{"3", "6", "12", "24", "30", "30"}, pauses[:6])
	assert.Len(t, pauses, 28)

	h = connectlinksweb.Return(notYet, connected, connectlinksweb.WithWait(0), connectlinksweb.WithRefresh(0))
	assert.Empty(t, ask(h, "GET", "/connected").Header().Get("Refresh"))
	h = connectlinksweb.Return(notYet, connected, connectlinksweb.WithWait(0), connectlinksweb.WithRefresh(time.Hour))
	assert.Equal(t, "3600; url=?connectlink_look=10", ask(h, "GET", "/connected?connectlink_look=9").Header().Get("Refresh"))
}

// A customer who cancelled may return here too, and must not wait in vain.
func TestReturnAsksAfterThreeLooks(t *testing.T) {
	const (
		title = "Not connected yet"
		none  = "We cannot confirm yet that you are connected."
		start = " If you did not finish, start again."
		looks = " This page looks again by itself."
	)
	h := connectlinksweb.Return(notYet, connected, connectlinksweb.WithWait(0), connectlinksweb.WithBack("/integrations"))
	var got []said
	target := "/connected"
	for range 4 {
		w := ask(h, "GET", target)
		got = append(got, read(t, w))
		assert.Equal(t, len(got) < 3, strings.Contains(w.Body.String(), `class="spinner"`), target)
		_, query, _ := strings.Cut(w.Header().Get("Refresh"), "url=")
		target = "/connected" + query
	}
	wait := said{title, none + looks, []string{"[Look again]", "Look at your integrations"}}
	asks := said{title, none + start + looks, []string{"[Start again]", "Look again"}}
	assert.Equal(t, []said{wait, wait, asks, asks}, got)
	assert.Contains(t, ask(h, "GET", target).Body.String(), `href="/integrations" class="button">Start again<`)

	t.Run("the customer's own looks count", func(t *testing.T) {
		h := connectlinksweb.Return(notYet, connected, connectlinksweb.WithWait(0), connectlinksweb.WithBack("/integrations"), connectlinksweb.WithRefresh(0))
		var got []said
		target := "/connected"
		for range 4 {
			w := ask(h, "GET", target)
			got = append(got, read(t, w))
			assert.NotContains(t, w.Body.String(), `class="spinner"`, "nothing goes on")
			target = "/connected" + regexp.MustCompile(`id="connectlink-again"[^>]* href="([^"]*)"`).FindStringSubmatch(w.Body.String())[1]
		}
		wait := said{title, none, []string{"[Look again]", "Look at your integrations"}}
		asks := said{title, none + start, []string{"[Start again]", "Look again"}}
		assert.Equal(t, []said{wait, wait, asks, asks}, got)
	})
	t.Run("a look of the customer's after many begins anew, and asks", func(t *testing.T) {
		w := ask(h, "GET", "/connected?connectlink_look=28")
		assert.Empty(t, w.Header().Get("Refresh"))
		assert.Contains(t, w.Body.String(), `href="?connectlink_look=2"`)
		w = ask(h, "GET", "/connected?connectlink_look=2")
		assert.Equal(t, "8; url=?connectlink_look=3", w.Header().Get("Refresh"))
		assert.Equal(t, asks, read(t, w))
	})
	t.Run("without a way back", func(t *testing.T) {
		h := connectlinksweb.Return(notYet, connected, connectlinksweb.WithWait(0))
		assert.Equal(t, said{title, none + start + looks, []string{"[Look again]"}}, read(t, ask(h, "GET", "/?connectlink_look=2")))
	})
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

// A wait of the SDK reaches Return's limit. Then the customer finishes.
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

// The server's own deadline for a request is an error, not "not yet": another look would
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
