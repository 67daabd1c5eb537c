//go:build unix

package redislimit_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/connectlinks/connectlinks-go/redislimit"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unhurried is for tests in which Redis is well: a busy machine must not lose it.
func unhurried() redislimit.Option { return redislimit.WithTimeout(patience) }

// line is an error handler whose news can be waited for.
type line chan error

func (l line) handle(err error) { l <- err }

func (l line) next(t testing.TB) error {
	t.Helper()
	select {
	case err := <-l:
		return err
	case <-time.After(patience):
		t.Fatal("the error handler was not called")
		return nil
	}
}

// back keeps calling until the handler hears that Redis is back.
func (l line) back(t testing.TB, lim *redislimit.Limiter) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		require.NoError(t, lim.Wait(within(t)))
		select {
		case err := <-l:
			require.NoError(t, err)
			return
		case <-time.After(time.Millisecond):
		}
	}
	t.Fatal("Redis was not found again")
}

func TestTheScriptRunsOnTheServer(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		news := make(line, 10)
		client := s.client(t)
		l := newLimiter(t, client, 200, 3, unhurried(), redislimit.WithErrorHandler(news.handle))
		start := time.Now()
		for range 20 {
			require.NoError(t, l.Wait(within(t)))
		}
		assert.GreaterOrEqual(t, time.Since(start), 16*5*time.Millisecond, "20 turns, of which 4 at once")

		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		l.Throttled(ctx, time.Hour)
		err := l.Wait(ctx)
		assert.ErrorContains(t, err, "redislimit: paused, the next turn is in ")
		assert.InDelta(t, time.Hour, retryAfter(err), float64(patience))

		assert.Equal(t, int64(1), client.DBSize(ctx).Val(), "one key")
		assert.Equal(t, "hash", client.Type(ctx, "limit").Val())
		assert.InDelta(t, time.Hour+time.Minute, client.PTTL(ctx, "limit").Val(), float64(patience))
		assert.Empty(t, news)
	})
}

func TestTheKeyOnTheServerExpiresAfterAMinute(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		client := s.client(t)
		l := newLimiter(t, client, 50, 10, unhurried())
		require.NoError(t, l.Wait(within(t)))
		ttl := client.PTTL(within(t), "limit").Val()
		assert.LessOrEqual(t, ttl, time.Minute+time.Second)
		assert.Positive(t, ttl)
	})
}

// sharers are limiters with clients of their own, as processes have them.
func sharers(t testing.TB, s *server, n int, limit float64, burst int) (ls []*redislimit.Limiter, recs []*recorder) {
	for range n {
		rec := &recorder{Scripter: s.client(t)}
		ls = append(ls, newLimiter(t, rec, rateLimit(limit), burst, unhurried()))
		recs = append(recs, rec)
	}
	return ls, recs
}

// A pause that one process begins moves the turns of those who wait in others.
func TestAPauseMovesTheSleepersOfOthers(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		const limit, burst = 50, 2
		pause := 700 * time.Millisecond
		ls, _ := sharers(t, s, 3, limit, burst)
		var calls grants
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() { calls.wait(t, ls[i%len(ls)]) })
		}
		calls.atLeast(t, 8)
		begun := monotonic()
		ls[0].Throttled(within(t), pause)
		told := monotonic()
		wg.Wait()
		calls.assertWithin(t, limit, burst)
		calls.assertPaused(t, told, begun+pause, limit)
	})
}

func TestAFlushOfScriptsIsNotNoticed(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		news := make(line, 10)
		client := s.client(t)
		l := newLimiter(t, client, 1000, 10, unhurried(), redislimit.WithErrorHandler(news.handle))
		for range 20 {
			require.NoError(t, l.Wait(within(t)))
			require.NoError(t, client.ScriptFlush(within(t)).Err())
		}
		assert.Empty(t, news)
	})
}

func TestAKeyOfAnotherTypeStopsNobody(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		news := make(line, 10)
		client := s.client(t)
		require.NoError(t, client.Set(within(t), "limit", "somebody else's", 0).Err())
		l := newLimiter(t, client, 1000, 10, unhurried(), redislimit.WithErrorHandler(news.handle))
		for range 20 {
			require.NoError(t, l.Wait(within(t)))
		}
		assert.ErrorContains(t, news.next(t), "redislimit: WRONGTYPE ")
		assert.Equal(t, "somebody else's", client.Get(within(t), "limit").Val())

		require.NoError(t, client.Del(within(t), "limit").Err())
		news.back(t, l)
	})
}

// These are the commands and the key that the README names.
func TestTheLeastPermissionsSuffice(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		admin := s.client(t)
		acl := []any{"ACL", "SETUSER", "limiter", "on", ">a-password", "resetkeys", "~limits:*", "resetchannels", "-@all",
			"+evalsha", "+eval", "+time", "+hmget", "+hgetall", "+hset", "+hdel", "+pexpire"}
		require.NoError(t, admin.Do(within(t), acl...).Err())
		client := redis.NewClient(&redis.Options{Addr: s.addr, Username: "limiter", Password: "a-password"})
		defer client.Close()
		require.Error(t, client.Ping(within(t)).Err(), "it may do nothing else")

		news := make(line, 10)
		l, err := redislimit.New(client, "limits:token-1", 1000, 10, unhurried(), redislimit.WithErrorHandler(news.handle))
		require.NoError(t, err)
		// A process that is gone, for HDEL.
		require.NoError(t, admin.HSet(within(t), "limits:token-1", "seen:gone", "1").Err())
		for range 20 {
			require.NoError(t, l.Wait(within(t)))
		}
		l.Throttled(within(t), time.Millisecond)
		assert.Empty(t, news)
		assert.False(t, admin.HExists(within(t), "limits:token-1", "seen:gone").Val())

		other, err := redislimit.New(client, "others", 1000, 10, unhurried(), redislimit.WithErrorHandler(news.handle))
		require.NoError(t, err)
		require.NoError(t, other.Wait(within(t)))
		assert.ErrorContains(t, news.next(t), "NOPERM")
	})
}

func TestNoRedisAtTheStart(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		s.kill()
		news := make(line, 10)
		l := newLimiter(t, s.client(t), 1000, 10, redislimit.WithErrorHandler(news.handle))
		for range 20 {
			require.NoError(t, l.Wait(within(t)))
		}
		require.Error(t, news.next(t))
		l.Throttled(within(t), 10*time.Millisecond)
		require.NoError(t, l.Wait(within(t)))

		s.restart(t)
		news.back(t, l)
	})
}

func TestARestartOfRedisIsSurvived(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		news := make(line, 100)
		l := newLimiter(t, s.client(t), 1000, 10, unhurried(), redislimit.WithErrorHandler(news.handle))
		for range 3 {
			require.NoError(t, l.Wait(within(t)))
			s.kill()
			for range 20 {
				require.NoError(t, l.Wait(within(t)))
			}
			assert.Error(t, news.next(t))
			s.restart(t)
			news.back(t, l)
		}
	})
}

// A pause that began while Redis was away, or before it lost its data, holds those up
// who come later.
func TestAPauseOutlivesRedis(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		news := make(line, 10)
		l := newLimiter(t, s.client(t), 1000, 10, unhurried(), redislimit.WithErrorHandler(news.handle))
		require.NoError(t, l.Wait(within(t)))
		l.Throttled(within(t), 30*time.Minute)
		s.kill()
		assert.Greater(t, retryAfter(l.Wait(within(t))), 25*time.Minute)
		assert.Error(t, news.next(t))
		s.restart(t)
		// Refused callers look for Redis too, and tell it of the pause.
		var back error = errGone
		require.Eventually(t, func() bool {
			assert.Greater(t, retryAfter(l.Wait(within(t))), 25*time.Minute)
			select {
			case back = <-news:
				return true
			default:
				return false
			}
		}, patience, 10*time.Millisecond)
		require.NoError(t, back)
		other := newLimiter(t, s.client(t), 1000, 10, unhurried())
		assert.Greater(t, retryAfter(other.Wait(within(t))), 25*time.Minute)
	})
}

// A stopped server keeps its connections, and answers nothing.
func TestAHangOfRedisStopsNobody(t *testing.T) {
	for name, options := range map[string]redis.Options{
		"the client's defaults": {},
		"no read timeout":       {ReadTimeout: -1},
		"contexts honoured":     {ContextTimeoutEnabled: true},
		"one connection":        {PoolSize: 1, MaxRetries: -1},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryServer(t, func(t *testing.T, s *server) {
				news := make(line, 100)
				options := options // of this server
				options.Addr = s.addr
				client := redis.NewClient(&options)
				defer client.Close()
				defer s.signal(syscall.SIGCONT)
				l := newLimiter(t, client, 1000, 10, redislimit.WithErrorHandler(news.handle))
				require.NoError(t, l.Wait(within(t)))
				s.signal(syscall.SIGSTOP)
				lost := false
				for range 20 {
					require.NoError(t, l.Wait(within(t)))
				}
				for !lost {
					lost = news.next(t) != nil
				}
				s.signal(syscall.SIGCONT)
				news.back(t, l)
			})
		})
	}
}

func TestACallerCanGiveUpDuringAHang(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		l := newLimiter(t, s.client(t), 1000, 10, unhurried())
		require.NoError(t, l.Wait(within(t)))
		s.signal(syscall.SIGSTOP)
		defer s.signal(syscall.SIGCONT)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.Wait(ctx) }()
		cancel()
		select {
		case err := <-done:
			if err != nil { // else it had gone before
				assert.Equal(t, context.Canceled, err)
			}
		case <-time.After(patience / 2): // less than the limiter's own timeout
			t.Fatal("Wait did not return")
		}
	})
}

// The server's clock cannot be put back here. That its state is from the future is the same.
func TestAFailoverToALateClockStopsNobody(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		client := s.client(t)
		l := newLimiter(t, client, 1000, 10, unhurried())
		require.NoError(t, l.Wait(within(t)))
		for _, field := range []string{"at", "queue", "late", "grants", "ends"} {
			require.NoError(t, client.HIncrByFloat(within(t), "limit", field, 24*3600*1e6).Err())
		}
		require.NoError(t, client.HIncrByFloat(within(t), "limit", "shift", 24*3600*1e6).Err())
		for range 20 {
			require.NoError(t, l.Wait(within(t)))
		}
	})
}

// What a proxy answers that is not Redis.
func TestAServerThatIsNotRedisStopsNobody(t *testing.T) {
	for name, answer := range map[string]string{"HTTP": "HTTP/1.1 400 Bad Request\r\n\r\n", "nothing": "", "zeroes": string(make([]byte, 100))} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer listener.Close()
			go func() {
				for {
					c, err := listener.Accept()
					if err != nil {
						return
					}
					go func() {
						defer c.Close()
						fmt.Fprint(c, answer)
					}()
				}
			}()
			client := redis.NewClient(&redis.Options{Addr: listener.Addr().String()})
			defer client.Close()
			news := make(line, 10)
			l := newLimiter(t, client, 1000, 10, redislimit.WithErrorHandler(news.handle))
			for range 20 {
				require.NoError(t, l.Wait(within(t)))
			}
			assert.Error(t, news.next(t))
		})
	}
}

func TestAClosedClientStopsNobody(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		news := make(line, 10)
		client := s.client(t)
		l := newLimiter(t, client, 1000, 10, unhurried(), redislimit.WithErrorHandler(news.handle))
		require.NoError(t, l.Wait(within(t)))
		require.NoError(t, client.Close())
		for range 20 {
			require.NoError(t, l.Wait(within(t)))
		}
		assert.True(t, errors.Is(news.next(t), redis.ErrClosed))
	})
}

// One key is in one slot, whatever its name is.
func TestAnyKeyWorksInACluster(t *testing.T) {
	for _, binary := range serverBinaries() {
		t.Run(filepath.Base(binary), func(t *testing.T) {
			t.Parallel()
			s := startServer(t, binary, "--cluster-enabled", "yes")
			require.NoError(t, s.client(t).ClusterAddSlotsRange(within(t), 0, 16383).Err())
			client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{s.addr}})
			defer client.Close()
			require.Eventually(t, func() bool { return client.Set(within(t), "probe", 1, 0).Err() == nil }, patience, 10*time.Millisecond)
			for _, key := range []string{"limit", "connectlinks:{a}:limit", "a b}{c", "\x00ü"} {
				news := make(line, 10)
				l, err := redislimit.New(client, key, 1000, 10, unhurried(), redislimit.WithErrorHandler(news.handle))
				require.NoError(t, err)
				for range 20 {
					require.NoError(t, l.Wait(within(t)))
				}
				assert.Empty(t, news)
				assert.Equal(t, int64(1), client.Exists(within(t), key).Val())
			}
		})
	}
}
