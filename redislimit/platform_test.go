//go:build unix

package redislimit_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
	"github.com/connectlinks/connectlinks-go/redislimit"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const replicaVariable = "REDISLIMIT_TEST_REPLICA"

// replica is a process of a small platform. Its customers connect their HubSpot, and
// any of its processes may serve any request of theirs: the sessions are in Redis.
type replica struct {
	Redis, API, Token string
	Limit             float64 // of the limiter that the processes share; 0 for none
	Burst             int
}

const returnAddress = "https://platform.example/connected/"

// serve is the main function of such a process. It prints its address.
func serve(description string) {
	var r replica
	if err := json.Unmarshal([]byte(description), &r); err != nil {
		panic(err)
	}
	sessions := redis.NewClient(&redis.Options{Addr: r.Redis})
	opts := []connectlinks.Option{connectlinks.WithToken(r.Token), connectlinks.WithBaseURL(r.API)}
	if r.Limit > 0 {
		limiter, err := redislimit.New(sessions, "connectlinks:limit", rateLimit(r.Limit), r.Burst)
		if err != nil {
			panic(err)
		}
		opts = append(opts, connectlinks.WithRateLimiter(limiter))
	}
	client, err := connectlinks.NewClient(opts...)
	if err != nil {
		panic(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /connect/{key}", func(w http.ResponseWriter, req *http.Request) {
		link, err := linkOf(req.Context(), client, sessions, req.PathValue("key"))
		if err != nil {
			excuse(w, err)
			return
		}
		http.Redirect(w, req, link, http.StatusSeeOther)
	})
	mux.HandleFunc("GET /connected/{key}", func(w http.ResponseWriter, req *http.Request) {
		id, err := sessions.HGet(req.Context(), "session:"+req.PathValue("key"), "link").Int64()
		if err != nil {
			excuse(w, err)
			return
		}
		destination, err := client.Destinations.WaitForConnection(req.Context(), id)
		if err != nil {
			excuse(w, err)
			return
		}
		fmt.Fprintf(w, "connected: %s", destination.Name)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	panic(http.Serve(listener, mux))
}

// linkOf makes the link of a session, or finds the one that was made before the
// process that did it, or the answer, was lost.
func linkOf(ctx context.Context, client *connectlinks.Client, sessions *redis.Client, key string) (string, error) {
	session, err := sessions.HGetAll(ctx, "session:"+key).Result()
	if err != nil {
		return "", err
	}
	if session["url"] != "" {
		return session["url"], nil
	}
	var link *connectlinks.DestinationConnectLink
	err = connectlinks.ErrNotFound
	if session["begun"] != "" {
		link, err = client.Destinations.FindConnectLink(ctx, returnAddress+key)
	}
	if errors.Is(err, connectlinks.ErrNotFound) {
		if err := sessions.HSet(ctx, "session:"+key, "begun", 1).Err(); err != nil {
			return "", err
		}
		link, err = client.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{
			Type:           "hubspot",
			RedirectURI:    returnAddress + key,
			UniqueRedirect: true,
		})
	}
	if err != nil {
		return "", err
	}
	return link.URL, sessions.HSet(ctx, "session:"+key, "url", link.URL, "link", link.ID).Err()
}

// excuse answers 429 if the API is throttled, and 503 otherwise.
func excuse(w http.ResponseWriter, err error) {
	status := http.StatusServiceUnavailable
	if errors.Is(err, connectlinks.ErrRateLimited) {
		status = http.StatusTooManyRequests
	}
	http.Error(w, err.Error(), status)
}

// platform is three such processes, and their customers.
type platform struct {
	api *connectlinkstest.Server

	mu       sync.Mutex
	replicas []*runningReplica

	throttled, excused atomic.Int64 // how often customers saw a 429, or another failure
}

type runningReplica struct {
	cmd   *exec.Cmd
	input io.Closer
	url   string
}

func startPlatform(t *testing.T, s *server, r replica) *platform {
	p := &platform{api: connectlinkstest.NewServer()}
	t.Cleanup(p.api.Close)
	require.NoError(t, p.api.RateLimit(apiLimit))
	r.Redis, r.API, r.Token = s.addr, p.api.URL, p.api.Token()
	description, err := json.Marshal(r)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	for range 3 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), replicaVariable+"="+string(description))
		cmd.Stderr = os.Stderr
		dieWithTheTest(cmd)
		input, err := cmd.StdinPipe()
		require.NoError(t, err)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		address, err := bufio.NewReader(out).ReadString('\n')
		require.NoError(t, err)
		running := &runningReplica{cmd: cmd, input: input, url: "http://" + strings.TrimSpace(address)}
		p.replicas = append(p.replicas, running)
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
	}
	return p
}

// get asks any replica, as a load balancer would have it.
func (p *platform) get(ctx context.Context, n int, path string) (*http.Response, error) {
	p.mu.Lock()
	url := p.replicas[n%len(p.replicas)].url
	p.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+path, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultTransport.RoundTrip(req) // it follows no redirect
}

// customer connects, and tries again for as long as the platform has excuses.
func (p *platform) customer(ctx context.Context, n int) error {
	key := "customer-" + strconv.Itoa(n)
	try := n
	until := func(path string, status int) (*http.Response, error) {
		for ; ; try++ {
			resp, err := p.get(ctx, try, path)
			if ctx.Err() != nil {
				return nil, fmt.Errorf("%s: %w", path, ctx.Err())
			}
			if err == nil {
				body, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				switch resp.StatusCode {
				case status:
					return resp, nil
				case http.StatusTooManyRequests:
					p.throttled.Add(1)
				case http.StatusServiceUnavailable:
					p.excused.Add(1)
				default:
					return nil, fmt.Errorf("%s: %s: %s", path, resp.Status, body)
				}
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
	resp, err := until("/connect/"+key, http.StatusSeeOther)
	if err != nil {
		return err
	}
	if err := p.finish(resp.Header.Get("Location")); err != nil {
		return err
	}
	_, err = until("/connected/"+key, http.StatusOK)
	return err
}

// finish is the customer's part on the hosted page.
func (p *platform) finish(url string) error {
	for _, link := range p.api.Links() {
		if link.ConnectLink.URL == url {
			_, err := p.api.Complete(link.ConnectLink.ID)
			return err
		}
	}
	return errors.New("the platform redirects to a link that was not made")
}

// serve has customers come all at once, from the first on, and returns a function that
// waits for them.
func (p *platform) serve(ctx context.Context, t *testing.T, first int) (wait func()) {
	var wg sync.WaitGroup
	for n := first; n < first+customers; n++ {
		wg.Go(func() {
			if err := p.customer(ctx, n); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	return wg.Wait
}

// assertServed checks that each customer has one link and one connection.
func (p *platform) assertServed(t *testing.T) {
	t.Helper()
	made := map[string]int{}
	for _, link := range p.api.Links() {
		made[link.ConnectLink.RedirectURI]++
		assert.True(t, link.Completed, link.ConnectLink.RedirectURI)
	}
	assert.Len(t, made, customers)
	for uri, n := range made {
		assert.Equal(t, 1, n, uri)
	}
}

// answered counts the API's answers with a status.
func (p *platform) answered(status int) (n int) {
	for _, request := range p.api.Requests() {
		if request.Status == status {
			n++
		}
	}
	return n
}

// The API's limit, and one that stays below it. More customers come at once than the
// SDK's retries can serve.
const (
	apiLimit  = 20
	customers = 100
)

var limited = replica{Limit: 16, Burst: 4}

func TestNoCustomerOfThreeReplicasSeesA429(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		p := startPlatform(t, s, limited)
		p.serve(within(t), t, 0)()
		p.assertServed(t)
		assert.Zero(t, p.throttled.Load(), "429s that customers saw")
		assert.Zero(t, p.excused.Load())
		p.report(t)
	})
}

func TestWithoutASharedLimiterCustomersSee429s(t *testing.T) {
	onEveryServer(t, func(t *testing.T, s *server) {
		p := startPlatform(t, s, replica{})
		ctx := within(t)
		for wave := 0; p.throttled.Load() == 0; wave++ { // a slow machine may take one by one
			require.NoError(t, ctx.Err(), "no customer saw a 429")
			some, cancel := context.WithCancel(ctx)
			served := make(chan struct{})
			go func() {
				p.serve(some, t, wave*customers)()
				close(served)
			}()
			require.Eventually(t, func() bool {
				select {
				case <-served:
					return true
				default:
					return p.throttled.Load() > 0
				}
			}, patience, 10*time.Millisecond)
			cancel()
			<-served
		}
		p.report(t)
	})
}

func (p *platform) report(t *testing.T) {
	t.Logf("%d requests, %d answers with 429, of which customers saw %d; other excuses: %d",
		len(p.api.Requests()), p.answered(http.StatusTooManyRequests), p.throttled.Load(), p.excused.Load())
}

// The sessions outlive Redis, as the platform has it write them to disk.
func TestNoCustomerIsLostWithAReplicaOrRedis(t *testing.T) {
	for _, binary := range serverBinaries() {
		t.Run(filepath.Base(binary), func(t *testing.T) {
			t.Parallel()
			s := startServer(t, binary, "--appendonly", "yes", "--appendfsync", "always")
			p := startPlatform(t, s, limited)
			wait := p.serve(within(t), t, 0)
			made := func(n int) {
				require.Eventually(t, func() bool { return len(p.api.Links()) >= n }, patience, 10*time.Millisecond)
			}
			made(25)
			p.mu.Lock()
			killed := p.replicas[0]
			require.NoError(t, killed.cmd.Process.Kill())
			p.replicas = p.replicas[1:]
			p.mu.Unlock()
			made(50)
			s.kill()
			require.Eventually(t, func() bool { return p.excused.Load() > 0 }, patience, 10*time.Millisecond)
			s.restart(t)
			wait()
			p.assertServed(t)
			p.report(t)
		})
	}
}
