package connectlinks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The order of an attempt is: token, its pause, limiter, request. Whatever makes a call send again,
// it asks for a token and for a turn each time.
func TestOrderOfAnAttempt(t *testing.T) {
	t.Parallel()
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var record []string
		note := func(ctx context.Context, event string) {
			record = append(record, fmt.Sprintf("%s at %s for %v", event, time.Since(start).Truncate(time.Second), ctx.Value(key{})))
		}
		answers := testkit.NewScript(t,
			testkit.Respond(401, ``),
			testkit.Respond(429, ``, "Retry-After", "4"), // with the spread, two of 4 s end within the ninth
			testkit.Respond(503, ``, "Retry-After", "4"),
			testkit.Respond(500, ``),
			testkit.Fail(errors.New("reset")),
			testkit.Succeed)
		rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			note(r.Context(), "request with "+r.Header.Get("Authorization")[len("Bearer "):])
			return answers.RoundTrip(r)
		})
		c := testkit.Client(t, rt,
			connectlinks.WithMaxRetries(4),
			connectlinks.WithTokenSource(&testkit.Tokens{List: []string{"old", "new"}, Note: note}),
			connectlinks.WithRateLimiter(testkit.Limiter(func(ctx context.Context) error {
				note(ctx, "limiter")
				return nil
			})))
		require.NoError(t, testkit.GetLink(context.WithValue(t.Context(), key{}, "tenant 4"), c))
		assert.Equal(t, []string{
			"token at 0s for tenant 4",
			"limiter at 0s for tenant 4",
			"request with old at 0s for tenant 4",
			"invalidate old at 0s for <nil>",
			"token at 0s for tenant 4",
			"limiter at 0s for tenant 4",
			"request with new at 0s for tenant 4",
			"token at 0s for tenant 4", // then its pause
			"limiter at 4s for tenant 4",
			"request with new at 4s for tenant 4",
		}, record[:10])
		times := regexp.MustCompile(` at \d+s`)
		for i, event := range record[10:] { // after a 503, a 500 and a lost connection
			want := []string{"token for tenant 4", "limiter for tenant 4", "request with new for tenant 4"}[i%3]
			assert.Equal(t, want, times.ReplaceAllString(event, ""))
		}
		assert.Len(t, record[10:], 3*3)
	})
}

func TestTokenSourceErrorIsWrapped(t *testing.T) {
	t.Parallel()
	rt := &testkit.Counter{}
	vault := errors.New("vault is sealed")
	c := testkit.Client(t, rt,
		connectlinks.WithTokenSource(connectlinks.TokenFunc(func(context.Context) (string, error) {
			return "ignored", fmt.Errorf("tenant 4: %w", vault)
		})))
	for _, op := range testkit.Calls() {
		_, err := op.Do(t.Context(), c)
		require.ErrorIs(t, err, vault, op.Name)
		assert.Contains(t, err.Error(), "token source: tenant 4: vault is sealed")
		assert.NotErrorAs(t, err, new(*connectlinks.APIError), op.Name)
		assert.NotErrorAs(t, err, new(*connectlinks.InputError), op.Name)
		assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.Name)
		assert.False(t, testkit.IsTimeout(err))
	}
	assert.Zero(t, rt.Count())
}

// The error of a Workspaces.TokenSource may itself be an APIError. It says whose it is, and is
// not mistaken for the API's answer to the call, nor for a limiter's refusal or a pause.
func TestErrorOfAWorkspacesTokenSource(t *testing.T) {
	t.Parallel()
	const key = "GET /api/v1/workspaces/33/api_key: "
	for _, status := range []int{401, 403, 404, 429, 500} {
		testkit.Bubble(t, fmt.Sprint(status), func(t *testing.T) {
			// Requests for the key fail from the failFrom-th on. The others get answer.
			var answer testkit.RoundTripper
			keys, failFrom := 0, 0
			org := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				if !strings.HasSuffix(r.URL.Path, "/api_key") {
					return answer(r)
				}
				if keys++; keys >= failFrom {
					return testkit.Response(r, status, `{"message":"from the test"}`, "Retry-After", "60"), nil
				}
				return testkit.Response(r, 200, `{"api_key":"secret-token:Rt5yU8iO1pA3sD"}`), nil
			}), testkit.NoRetries)
			tenant := func() *connectlinks.Client {
				c, err := org.With(connectlinks.WithTokenSource(org.Workspaces.TokenSource(testkit.WorkspaceID)), connectlinks.WithMaxRetries(2))
				require.NoError(t, err)
				return c
			}
			check := func(err error, text string) {
				t.Helper()
				require.ErrorContains(t, err, text)
				assert.ErrorIs(t, err, testkit.Sentinels[testkit.Sentinel(status)])
				assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
				var e *connectlinks.APIError
				require.ErrorAs(t, err, &e)
				assert.Equal(t, status, e.StatusCode)
			}

			answer, failFrom = testkit.RoundTripper(testkit.Unused(t)), 1
			for _, op := range testkit.Creates() {
				_, err := op.Do(t.Context(), tenant())
				check(err, "connectlinks: "+op.Request()+": not sent: token source: "+key)
			}

			// After a 401, the source has no other key. The call's own answer is told as well.
			answer = testkit.Respond(401, `{"message":"the key was rotated"}`)
			for _, op := range testkit.Creates() {
				keys, failFrom = 0, 2
				if status == 429 { // ends the pause of the organization's token
					time.Sleep(2 * time.Minute)
				}
				_, err := op.Do(t.Context(), tenant())
				check(err, "connectlinks: "+op.Request()+": not sent again: token source: "+key)
				require.ErrorContains(t, err, "; before that: 401 Unauthorized: the key was rotated")
			}
		})
	}
}

// A token source may fail after the API has throttled the call. Its error is not withheld.
func TestTokenSourceThatFailsAfterAThrottle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		unavailable := &connectlinks.APIError{StatusCode: 500, Method: "GET", Path: "/key"}
		n := 0
		c := testkit.Client(t, testkit.Respond(429, `{}`, "Retry-After", "1"), connectlinks.WithTokenSource(
			connectlinks.TokenFunc(func(context.Context) (string, error) {
				if n++; n > 1 {
					return "", unavailable
				}
				return testkit.Token, nil
			})))
		err := testkit.CreateLink(t.Context(), c)
		require.ErrorIs(t, err, error(unavailable))
		require.ErrorContains(t, err, "not sent again: token source: GET /key: 500")
		assert.ErrorIs(t, err, connectlinks.ErrRateLimited, "the API's answer before")
	})
}

// A source that takes too long ends with the SDK's timeout, which is not the caller's
// deadline.
func TestTokenSourceThatIsTooSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rt := &testkit.Counter{}
		c := testkit.Client(t, rt,
			connectlinks.WithTimeout(3*time.Second),
			connectlinks.WithTokenSource(connectlinks.TokenFunc(func(ctx context.Context) (string, error) {
				deadline, ok := ctx.Deadline()
				assert.True(t, ok)
				assert.LessOrEqual(t, time.Until(deadline), 3*time.Second)
				<-ctx.Done()
				return "", fmt.Errorf("vault: %w", ctx.Err())
			})))
		start := time.Now()
		err := testkit.CreateLink(t.Context(), c)
		require.Error(t, err)
		assert.Equal(t, 3*time.Second, time.Since(start))
		assert.True(t, testkit.IsTimeout(err))
		assert.NotErrorIs(t, err, context.DeadlineExceeded)
		assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown)
		assert.NotErrorAs(t, err, new(*connectlinks.APIError))
		assert.Contains(t, err.Error(), "no token within 3s")

		// The caller's own deadline is seen as such.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		err = testkit.CreateLink(ctx, c)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
		assert.Zero(t, rt.Count())
	})
}

// The token and the answer have the timeout each. The pause and the limiter do not count.
func TestTimeoutOfTokenAndAnswerAreApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := func(ctx context.Context, d time.Duration) error {
			select {
			case <-time.After(d):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		requests := 0
		rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if requests++; requests == 1 {
				return testkit.Response(r, http.StatusTooManyRequests, ``, "Retry-After", "9"), nil
			}
			if err := slow(r.Context(), 2*time.Second); err != nil {
				return nil, err
			}
			return testkit.Succeed(r)
		})
		c := testkit.Client(t, rt,
			connectlinks.WithTimeout(3*time.Second),
			connectlinks.WithTokenSource(connectlinks.TokenFunc(func(ctx context.Context) (string, error) {
				return testkit.Token, slow(ctx, 2*time.Second)
			})),
			connectlinks.WithRateLimiter(testkit.Limiter(func(ctx context.Context) error {
				_, bounded := ctx.Deadline()
				assert.False(t, bounded)
				return slow(ctx, time.Hour)
			})))
		assert.NoError(t, testkit.CreateLink(t.Context(), c))
	})
}

func TestTokenSourceIsAskedBeforeEveryAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if sent = append(sent, r.Header.Get("Authorization")); len(sent) < 3 {
				return testkit.Response(r, http.StatusBadGateway, ``), nil
			}
			return testkit.Succeed(r)
		})
		source := &testkit.Tokens{List: []string{"one", "two", "three"}, Rotate: true}
		require.NoError(t, testkit.GetLink(t.Context(), testkit.Client(t, rt, connectlinks.WithTokenSource(source))))
		assert.Equal(t, []string{"Bearer one", "Bearer two", "Bearer three"}, sent)
		assert.Empty(t, source.Refused())
	})
}

var badTokens = map[string]string{
	"empty":              "",
	"blank":              " ",
	"blanks":             "Wq7 Zp3",
	"leading blank":      " Wq7Zp3",
	"trailing blank":     "Wq7Zp3 ",
	"trailing line feed": "Wq7Zp3\n",
	"carriage return":    "Wq7Zp3\r\nX-Injected: 1",
	"tab":                "Wq7\tZp3",
	"nul":                "Wq7\x00Zp3",
	"delete":             "Wq7\x7fZp3",
	"not ASCII":          "Wq7ßZp3",
	"not UTF-8":          "Wq7\xffZp3",
	"no-break space":     "Wq7\u00a0Zp3",
}

func TestTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, token := range badTokens {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := connectlinks.NewClient(connectlinks.WithToken(token))
			assert.Nil(t, c)
			assert.Equal(t, []string{"Token"}, testkit.InputFields(t, err))
			assert.NotContains(t, err.Error(), "Wq7")

			rt := &testkit.Counter{}
			for _, source := range []connectlinks.TokenSource{
				&testkit.Tokens{List: []string{token}},
				connectlinks.TokenFunc(func(context.Context) (string, error) { return token, nil }),
			} {
				err = testkit.CreateLink(t.Context(), testkit.Client(t, rt, connectlinks.WithTokenSource(source)))
				require.ErrorContains(t, err, "token source: the token ")
				assert.NotErrorAs(t, err, new(*connectlinks.InputError), "it is not the caller's input")
				assert.NotContains(t, err.Error(), "Wq7")
			}
			assert.Zero(t, rt.Count())
		})
	}
}

func TestTokensThatAreAccepted(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"x", testkit.Token, `!"#$%&'()*+,-./:;<=>?@[\]^_{|}~`, strings.Repeat("x", 10_000)} {
		var sent []string
		rt := testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
			sent = r.Header["Authorization"]
			return testkit.Succeed(r)
		})
		require.NoError(t, testkit.CreateLink(t.Context(), testkit.Client(t, rt, connectlinks.WithToken(token))))
		assert.Equal(t, []string{"Bearer " + token}, sent)
	}
}

// After a 401 a call is sent again once, if there is another token. It does not count
// as a retry.
func TestAnotherTokenAfterA401(t *testing.T) {
	t.Parallel()
	unauthorized := testkit.Instead(testkit.AnswerJSON(401))
	sealed := errors.New("the vault is sealed")
	noMore := func() (string, error) { return "", sealed }
	tests := []struct {
		name     string
		tokens   []string
		renewed  func() (string, error)
		faults   []testkit.Fault
		status   int // 0: success
		requests int
		made     int
		unknown  bool
		refused  []string
	}{
		{"another token", []string{"t1", "t2"}, nil, []testkit.Fault{unauthorized}, 0, 2, 1, false, []string{"t1"}},
		{"another token, refused too", []string{"t1", "t2", "t3", "t4"}, nil, []testkit.Fault{unauthorized, unauthorized}, 401, 2, 0, false, []string{"t1"}},
		{"the same token", []string{"t1"}, nil, []testkit.Fault{unauthorized}, 401, 1, 0, false, []string{"t1"}},
		{"no token any more", []string{"t1"}, noMore, []testkit.Fault{unauthorized}, 0, 1, 0, false, []string{"t1"}},
		{"another token, then the answer is lost", []string{"t1", "t2"}, nil, []testkit.Fault{unauthorized, testkit.After(testkit.AnswerJSON(504))}, 504, 2, 1, true, []string{"t1"}},
		{"403 is no 401", []string{"t1", "t2"}, nil, []testkit.Fault{testkit.Instead(testkit.AnswerJSON(403))}, 403, 1, 0, false, nil},
	}
	for _, tt := range tests {
		for _, retries := range []int{0, 2} { // the repeat after a 401 does not count
			testkit.Bubble(t, fmt.Sprintf("%s, %d retries", tt.name, retries), func(t *testing.T) {
				n := testkit.NewNetwork(t, false)
				for _, op := range testkit.Creates() {
					source := &testkit.Tokens{List: tt.tokens, Renewed: tt.renewed}
					c := n.Client(t, connectlinks.WithTokenSource(source), connectlinks.WithMaxRetries(retries))
					n.API.Begin(tt.faults...)
					id, err := op.LinkID(t.Context(), c)
					switch {
					case tt.renewed != nil:
						require.ErrorIs(t, err, sealed, op.Name)
						assert.NotErrorIs(t, err, connectlinks.ErrOutcomeUnknown, op.Name)
					case tt.status != 0:
						testkit.Error{Status: tt.status, Unknown: tt.unknown}.Check(t, err, op)
						assert.Zero(t, id, op.Name)
					default:
						require.NoError(t, err, op.Name)
						assert.Equal(t, n.API.LinkOf(op), id, op.Name)
					}
					n.API.CheckSeen(t, op, tt.requests, tt.made)
					assert.Equal(t, tt.refused, source.Refused(), op.Name)
				}
			})
		}
	}
	testkit.Bubble(t, "once for what may be repeated, too", func(t *testing.T) {
		n := testkit.NewNetwork(t, false)
		for _, op := range testkit.Repeatable() {
			c := n.Client(t, connectlinks.WithTokenSource(&testkit.Tokens{List: []string{"t1", "t2", "t3"}}))
			n.API.Begin(unauthorized)
			id, err := op.LinkID(t.Context(), c)
			require.NoError(t, err, op.Name)
			assert.Equal(t, n.API.LinkOf(op), id, op.Name)
			n.API.BeginAlways(unauthorized)
			_, err = op.LinkID(t.Context(), c)
			refused(401).check(t, err, op)
			n.API.CheckSeen(t, op, 2, 0)
		}
	})
	t.Run("a source without Invalidate", func(t *testing.T) {
		t.Parallel()
		for _, op := range testkit.LinkCalls() {
			var sent []string
			answers := testkit.NewScript(t, testkit.Respond(401, `{"status":401}`), testkit.Succeed)
			c := testkit.Client(t, testkit.RoundTripper(func(r *http.Request) (*http.Response, error) {
				sent = append(sent, r.Header.Get("Authorization"))
				return answers.RoundTrip(r)
			}), connectlinks.WithTokenSource(testkit.NumberedTokens()), testkit.NoRetries)
			_, err := op.Do(t.Context(), c)
			require.NoError(t, err)
			assert.Equal(t, []string{"Bearer token-1", "Bearer token-2"}, sent)
		}
	})
}
