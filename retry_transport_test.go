package connectlinks_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// resender is a transport that sends a request again by itself: after an error, and after a
// 5xx. It keeps the body, like most of its kind, or asks for it again.
func resender(base http.RoundTripper, getBody bool, header ...string) http.RoundTripper {
	return outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
		var body []byte
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
		}
		var resp *http.Response
		var err error
		for try := range 3 {
			again := r.Clone(r.Context())
			for i := 0; i < len(header); i += 2 {
				again.Header.Set(header[i], header[i+1])
			}
			if body != nil {
				again.Body = io.NopCloser(bytes.NewReader(body))
			}
			if body != nil && getBody && try > 0 {
				again.Body, err = r.GetBody()
				if err != nil {
					again.Body = io.NopCloser(bytes.NewReader(body))
				}
			}
			resp, err = base.RoundTrip(again)
			if err == nil && resp.StatusCode < 500 {
				return resp, nil
			}
			if err == nil && try < 2 {
				_ = resp.Body.Close()
			}
		}
		return resp, err
	})
}

// A transport that sends requests again by itself makes at most one link, and no link is
// returned that may not be the only one.
func TestTransportThatResends(t *testing.T) {
	t.Parallel()
	faults := map[string]outcomeAnswer{
		"reset":           outcomeResets,
		"500":             outcomeAnswersJSON(500),
		"503 Retry-After": outcomeAnswersJSON(503, "Retry-After", "1"),
	}
	for name, fault := range faults {
		for _, h2 := range []bool{false, true} {
			for _, getBody := range []bool{false, true} {
				for _, reused := range []bool{false, true} {
					t.Run(join(name, h2, "HTTP/2", getBody, "GetBody", reused, "reused"), func(t *testing.T) {
						t.Parallel()
						api := outcomeNewAPI()
						srv, tr := outcomeServe(t, api, h2)
						c := outcomeClient(t, srv.URL, resender(tr, getBody), connectlinks.WithMaxRetries(0))
						for _, op := range outcomeCreates {
							api.begin()
							if reused {
								_, err := c.Sources.GetConnectLink(t.Context(), 1)
								require.NoError(t, err)
								api.begin(outcomeFault{true, fault})
							} else {
								c.CloseIdleConnections()
								api.begin(outcomeFault{true, fault})
							}
							id, err := op.call(t.Context(), c)
							require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.name)
							assert.NotErrorIs(t, err, context.Canceled, op.name)
							assert.Zero(t, id, op.name)
							_, made := api.seen()
							// Canceling a request is a race in net/http: a second one may get out. It is never
							// returned as if it was the only one.
							assert.LessOrEqual(t, made, 2, op.name)
						}
					})
				}
			}
		}
	}
}

func join(name string, flags ...any) string {
	for i := 0; i < len(flags); i += 2 {
		if flags[i].(bool) {
			name += ", " + flags[i+1].(string)
		}
	}
	return name
}

// What may be sent again may also be sent again by a transport.
func TestTransportThatResendsReads(t *testing.T) {
	t.Parallel()
	api := outcomeNewAPI()
	srv, tr := outcomeServe(t, api, false)
	c := outcomeClient(t, srv.URL, resender(tr, false), connectlinks.WithMaxRetries(0))
	for _, op := range outcomeRepeatable() {
		api.begin(outcomeFault{true, outcomeAnswersJSON(500)})
		id, err := op.call(t.Context(), c)
		require.NoError(t, err, op.name)
		assert.Equal(t, op.hand(api), id, op.name)
	}
}

// With an Idempotency-Key, which a wrapper may add, net/http sends a POST again after it was
// written.
func TestTransportThatAddsAnIdempotencyKey(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		for _, h2 := range []bool{false, true} {
			t.Run(join(key, h2, "HTTP/2"), func(t *testing.T) {
				t.Parallel()
				api := outcomeNewAPI()
				srv, tr := outcomeServe(t, api, h2)
				wrapper := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
					r = r.Clone(r.Context())
					r.Header.Set(key, "a key")
					return tr.RoundTrip(r)
				})
				c := outcomeClient(t, srv.URL, wrapper)
				for _, op := range outcomeCreates {
					api.begin()
					_, err := c.Sources.GetConnectLink(t.Context(), 1) // net/http replays on reused connections only
					require.NoError(t, err)
					api.begin(outcomeFault{true, outcomeResets})
					id, err := op.call(t.Context(), c)
					require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.name)
					assert.Zero(t, id)
					requests, made := api.seen()
					assert.Len(t, requests, 1, op.name)
					assert.Equal(t, 1, made, op.name)
				}
			})
		}
	}
}

// A server may speak HTTP/2 on a connection whose handshake did not negotiate it.
func TestHTTP2WithoutNegotiationIsNotReplayed(t *testing.T) {
	t.Parallel()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	for _, op := range outcomeCreates {
		srv := http2Listen(t, "", func(c *http2Conn, stream uint32) {
			c.frame(http2Reset, 0, stream, []byte{0, 0, 0, http2RefusedStream})
		})
		tr := &http.Transport{Protocols: &protocols, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			d := tls.Dialer{Config: &tls.Config{RootCAs: outcomeRoots, ServerName: "127.0.0.1", NextProtos: []string{"h2"}}}
			return d.DialContext(ctx, network, srv.Addr().String())
		}}
		c := outcomeClient(t, "http://127.0.0.1:1", tr)
		_, err := op.call(t.Context(), c)
		require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.name)
		requests, _ := srv.seen()
		assert.Equal(t, 1, requests, op.name)
	}
}

// fetchesCredential is a transport that first asks another server, within the request's
// context.
func fetchesCredential(base http.RoundTripper, addr string) http.RoundTripper {
	return outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
		ask, err := http.NewRequestWithContext(r.Context(), http.MethodGet, addr, nil)
		if err != nil {
			return nil, err
		}
		resp, err := base.RoundTrip(ask)
		if err != nil {
			return nil, err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return base.RoundTrip(r)
	})
}

func TestTransportThatFetchesACredential(t *testing.T) {
	t.Parallel()
	t.Run("is not a second request", func(t *testing.T) {
		t.Parallel()
		api := outcomeNewAPI()
		srv, tr := outcomeServe(t, api, false)
		vault, _ := outcomeServe(t, http.NotFoundHandler(), false)
		c := outcomeClient(t, srv.URL, fetchesCredential(tr, vault.URL))
		for _, op := range outcomeDeletes {
			api.begin(outcomeFault{false, outcomeAnswersJSON(404)})
			_, err := op.call(t.Context(), c)
			require.ErrorIs(t, err, connectlinks.ErrNotFound, op.name)
		}
		for _, op := range outcomeCreates {
			api.begin()
			id, err := op.call(t.Context(), c)
			require.NoError(t, err, op.name)
			assert.Equal(t, op.hand(api), id, op.name)
		}
	})
	t.Run("is not a connection to the API", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			n := outcomeInMemory(t, false)
			refused := 1
			n.misdial = func(_ int, addr string, _ net.Conn) error {
				if addr == outcomeHost+":443" && refused > 0 {
					refused--
					return outcomeRefused()
				}
				return errOutcomeReach
			}
			c := outcomeClient(t, n.url(), fetchesCredential(n.tr, "https://other.test"))
			for _, op := range outcomeCreates {
				c.CloseIdleConnections()
				refused = 1
				n.api.begin()
				id, err := op.call(t.Context(), c)
				require.NoError(t, err, op.name)
				assert.Equal(t, op.hand(n.api), id, op.name)
				_, made := n.api.seen()
				assert.Equal(t, 1, made, op.name)
			}
		})
	})
}

// Through a CONNECT proxy, net/http reports connections to the proxy.
func TestCreateThroughAProxy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const proxy = "proxy.test:3128"
		n := outcomeInMemory(t, false)
		n.tr.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: proxy})
		n.misdial = func(_ int, addr string, far net.Conn) error {
			assert.Equal(t, proxy, addr)
			go func() {
				if outcomeProxyAnswers(far, "200 OK") {
					_ = n.put(context.Background(), far)
				}
			}()
			return nil
		}
		c := outcomeClient(t, n.url(), n.tr)
		for _, op := range outcomeCreates {
			n.api.begin()
			id, err := op.call(t.Context(), c)
			require.NoError(t, err, op.name)
			assert.Equal(t, op.hand(n.api), id, op.name)

			n.api.begin(outcomeFault{true, outcomeResets})
			_, err = op.call(t.Context(), c)
			require.ErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.name)
			requests, made := n.api.seen()
			assert.Len(t, requests, 1, op.name)
			assert.Equal(t, 1, made, op.name)
		}
	})
}

// rotating is a token source with a new token at each call.
type rotating struct{ n int }

func (s *rotating) Token(context.Context) (string, error) {
	s.n++
	return "token-" + string(rune('a'+s.n)), nil
}

// The HTTP status decides, never a number in a success's envelope.
func TestEnvelopeDoesNotRepeatACreate(t *testing.T) {
	t.Parallel()
	for _, status := range []string{`401`, `"401"`, `404`, `409`, `422`, `429`, `503`, `"not_found"`, `"error"`} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for _, op := range append(outcomeRepeatable(), outcomeCreates...) {
					sent := 0
					rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
						sent++
						resp := outcomeResponse(r, 201, `{"status":`+status+`}`)
						resp.Header.Set("Retry-After", "1")
						return resp, nil
					})
					c, err := connectlinks.NewClient(connectlinks.WithTokenSource(&rotating{}), connectlinks.WithHTTPClient(&http.Client{Transport: rt}))
					require.NoError(t, err)
					_, err = op.call(t.Context(), c)
					require.Error(t, err, op.name)
					assert.Equal(t, op.creates, errors.Is(err, connectlinks.ErrOutcomeUnknown), "%s: %v", op.name, err)
					assert.True(t, errors.As(err, new(*connectlinks.APIError)), op.name)
					assert.Equal(t, 1, sent, op.name)
				}
			})
		})
	}
}

// ending is a context that ends when its error is asked for the n-th time.
type ending struct {
	context.Context
	cancel context.CancelFunc
	left   int
}

func (c *ending) Err() error {
	if c.left--; c.left == 0 {
		c.cancel()
	}
	return c.Context.Err()
}

// A context that ends before the transport is called leaves nothing unknown.
func TestContextThatEndsBeforeTheTransportIsCalled(t *testing.T) {
	t.Parallel()
	for _, op := range outcomeCreates {
		for n := 1; ; n++ {
			called := false
			rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
				called = true
				return nil, r.Context().Err()
			})
			ctx, cancel := context.WithCancel(t.Context())
			_, err := op.call(&ending{ctx, cancel, n}, outcomeClient(t, "https://"+outcomeHost, rt, connectlinks.WithMaxRetries(0)))
			cancel()
			if called {
				assert.Greater(t, n, 1)
				break
			}
			require.ErrorIs(t, err, context.Canceled, op.name)
			require.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown, "%s: %v", op.name, err)
			require.ErrorContains(t, err, "not sent")
		}
	}
}

// The limits of the caller that cut an error's body off stay visible.
func TestLimitsThatCutOffAnErrorsBody(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 404, 429, 500, 503} {
		for _, p := range outcomePatiences() {
			t.Run(http.StatusText(status)+", "+p.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
						resp := outcomeResponse(r, status, "")
						resp.Body = &hangingBody{ctx: r.Context()}
						return resp, nil
					})
					for _, op := range outcomeSome() {
						opts := append([]connectlinks.Option{
							connectlinks.WithHTTPClient(&http.Client{Transport: rt, Timeout: p.client}), connectlinks.WithMaxRetries(0),
						}, p.opts...)
						ctx, cancel := p.context(t.Context())
						start := time.Now()
						_, err := op.call(ctx, outcomeClient(t, "https://"+outcomeHost, rt, opts...))
						cancel()
						assert.Equal(t, outcomeLimit, time.Since(start), op.name)
						var answer *connectlinks.APIError
						require.ErrorAs(t, err, &answer, op.name)
						assert.Equal(t, status, answer.StatusCode)
						assert.Equal(t, p.is == context.DeadlineExceeded, errors.Is(err, context.DeadlineExceeded), "%s: %v", op.name, err)
						assert.Equal(t, p.is == context.Canceled, errors.Is(err, context.Canceled), "%s: %v", op.name, err)
						assert.Equal(t, p.is != context.Canceled, outcomeTimeout(err), "%s: %v", op.name, err)
						assert.Equal(t, op.creates && status >= 500, errors.Is(err, connectlinks.ErrOutcomeUnknown), "%s: %v", op.name, err)
					}
				})
			})
		}
	}
}

// hangingBody begins, and never ends.
type hangingBody struct {
	ctx   context.Context
	begun bool
}

func (b *hangingBody) Read(p []byte) (int, error) {
	if !b.begun {
		b.begun = true
		return copy(p, `{"message":"`), nil
	}
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

func (*hangingBody) Close() error { return nil }

func TestCookieJarOfTheCallersClient(t *testing.T) {
	t.Parallel()
	var sent []string
	rt := outcomeRoundTripper(func(r *http.Request) (*http.Response, error) {
		sent = append(sent, r.Header.Get("Cookie"))
		resp := outcomeResponse(r, 201, `{"status":"created","data":{"id":5,"uri":"https://app.getcensus.com/pbc?auth=x"}}`)
		resp.Header.Set("Set-Cookie", "balancer=a1; Path=/")
		return resp, nil
	})
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	c, err := connectlinks.NewClient(connectlinks.WithToken(outcomeToken), connectlinks.WithHTTPClient(&http.Client{Transport: rt, Jar: jar}))
	require.NoError(t, err)
	for range 2 {
		_, err = c.Sources.CreateConnectLink(t.Context(), outcomeParams)
		require.NoError(t, err)
	}
	assert.Equal(t, []string{"", "balancer=a1"}, sent)
}

// refusingLimiter refuses every attempt with its error.
type refusingLimiter struct{ err error }

func (l refusingLimiter) Wait(context.Context) error { return l.err }

type retryAfterError time.Duration

func (e retryAfterError) Error() string             { return "no turn before the deadline" }
func (e retryAfterError) RetryAfter() time.Duration { return time.Duration(e) }

func TestLimiterThatRefuses(t *testing.T) {
	t.Parallel()
	rt := outcomeRoundTripper(func(*http.Request) (*http.Response, error) { panic("sent") })
	refused := errors.New("rate: Wait(n=1) would exceed context deadline")
	for _, op := range outcomeAll() {
		_, err := op.call(t.Context(), outcomeClient(t, "https://"+outcomeHost, rt, connectlinks.WithRateLimiter(refusingLimiter{refused})))
		require.ErrorIs(t, err, connectlinks.ErrRateLimited)
		require.ErrorIs(t, err, refused)
		assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
		assert.False(t, errors.As(err, new(*connectlinks.APIError)))

		_, err = op.call(t.Context(), outcomeClient(t, "https://"+outcomeHost, rt,
			connectlinks.WithRateLimiter(refusingLimiter{fmt.Errorf("shared: %w", retryAfterError(3*time.Second))})))
		require.ErrorIs(t, err, connectlinks.ErrRateLimited)
		var answer *connectlinks.APIError
		require.ErrorAs(t, err, &answer)
		assert.Equal(t, http.StatusTooManyRequests, answer.StatusCode)
		assert.Equal(t, 3*time.Second, answer.RetryAfter)
		assert.Equal(t, op.request, answer.Method+" "+answer.Path)

		ctx, cancel := context.WithCancel(t.Context())
		limiter := connectlinks.WithRateLimiter(cancelingLimiter{cancel})
		_, err = op.call(ctx, outcomeClient(t, "https://"+outcomeHost, rt, limiter))
		require.ErrorIs(t, err, context.Canceled)
		assert.NotErrorIs(t, err, connectlinks.ErrRateLimited, "the caller went away")
	}
}

// cancelingLimiter is canceled while it waits.
type cancelingLimiter struct{ cancel context.CancelFunc }

func (l cancelingLimiter) Wait(ctx context.Context) error {
	l.cancel()
	return ctx.Err()
}
