package connectlinksweb_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/connectlinksweb"
)

// The customer has the whole page while warm runs, and may leave.
func TestWarmAfterThePage(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(map[bool]string{false: "HTTP/1.1", true: "HTTP/2"}[http2], func(t *testing.T) {
			type key struct{}
			page := make(chan context.Context, 1)
			ended := make(chan error, 1)
			start := connectlinksweb.Start((&minter{link: testLink}).mint, connectlinksweb.WithWarm(func(ctx context.Context) error {
				_, limited := ctx.Deadline()
				assert.True(t, limited)
				assert.Equal(t, "value", ctx.Value(key{}))
				<-(<-page).Done() // the customer has left
				ended <- ctx.Err()
				return nil
			}))
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				page <- r.Context()
				start.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "value")))
			}))
			srv.EnableHTTP2 = http2
			srv.StartTLS()
			defer srv.Close()

			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			req, err := http.NewRequestWithContext(ctx, "GET", srv.URL, nil)
			require.NoError(t, err)
			resp, err := srv.Client().Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			assert.Equal(t, http2, resp.ProtoMajor == 2)
			require.Positive(t, resp.ContentLength)
			body := make([]byte, resp.ContentLength)
			_, err = io.ReadFull(resp.Body, body)
			require.NoError(t, err)
			assert.True(t, bytes.HasSuffix(body, []byte("</html>\n")))

			leave()
			srv.CloseClientConnections()
			require.NoError(t, <-ended, "the click may come on another connection")
		})
	}
}

func TestWarmOnlyBeforeAClick(t *testing.T) {
	warmed := 0
	warm := connectlinksweb.WithWarm(func(context.Context) error { warmed++; return nil })
	start := connectlinksweb.Start((&minter{link: testLink}).mint, warm)
	for _, method := range []string{"HEAD", "POST", "PUT"} {
		ask(start, method, "/")
		assert.Zero(t, warmed, method)
	}
	ask(connectlinksweb.Start((&minter{err: io.EOF}).mint, warm, silent), "POST", "/")
	ask(connectlinksweb.Return(checking(nil), connected, warm), "GET", "/")
	assert.Zero(t, warmed)
	ask(start, "GET", "/")
	assert.Equal(t, 1, warmed)
}

func TestWarmIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := connectlinksweb.Start((&minter{}).mint,
			connectlinksweb.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
			connectlinksweb.WithWarm(func(ctx context.Context) error {
				<-ctx.Done()
				return errors.Join(errors.New("no route to host"), ctx.Err())
			}))
		start := time.Now()
		w := ask(h, "GET", "/")
		assert.Equal(t, 5*time.Second, time.Since(start))
		assert.Equal(t, http.StatusOK, w.Code)
		assert.True(t, w.Flushed)
		assert.Contains(t, log.String(), "level=DEBUG")
		assert.Contains(t, log.String(), "no route to host")
	})
}

// If the page cannot be flushed, the customer would wait for warm.
func TestNoWarmWithoutFlush(t *testing.T) {
	w := httptest.NewRecorder()
	h := connectlinksweb.Start((&minter{}).mint, connectlinksweb.WithWarm(func(context.Context) error {
		t.Error("called")
		return nil
	}))
	h.ServeHTTP(struct{ http.ResponseWriter }{w}, httptest.NewRequest("GET", "/", nil))
	assert.Contains(t, w.Body.String(), "connectlink-start")
}
