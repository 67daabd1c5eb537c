//go:build unix

package redislimit_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// patience is for what happens soon on any machine, and never on a broken one.
const patience = 2 * time.Minute

// onEveryServer runs a test with each redis-server and valkey-server in PATH.
func onEveryServer(t *testing.T, test func(t *testing.T, s *server)) {
	t.Helper()
	t.Parallel()
	binaries := serverBinaries()
	if len(binaries) == 0 {
		t.Fatal("there is no redis-server and no valkey-server in PATH: install one of them, as .ci-run does")
	}
	for _, binary := range binaries {
		t.Run(filepath.Base(binary), func(t *testing.T) {
			t.Parallel()
			test(t, startServer(t, binary))
		})
	}
}

func serverBinaries() (binaries []string) {
	seen := map[string]bool{}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		for _, name := range []string{"redis-server", "valkey-server"} {
			path, err := exec.LookPath(filepath.Join(dir, name))
			if err != nil {
				continue
			}
			// The two may be links to one binary, and a directory may be in PATH twice.
			if real, err := filepath.EvalSymlinks(path); err == nil && !seen[real] {
				seen[real] = true
				binaries = append(binaries, path)
			}
		}
	}
	return binaries
}

// server is a Redis or Valkey of its own, on loopback and without persistence.
type server struct {
	binary, dir, addr string
	args              []string

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

func startServer(t testing.TB, binary string, args ...string) *server {
	t.Helper()
	s, err := launch(binary, t.TempDir(), args...)
	require.NoError(t, err)
	t.Cleanup(s.kill)
	return s
}

func launch(binary, dir string, args ...string) (*server, error) {
	s := &server{binary: binary, dir: dir, args: args}
	var err error
	for range 20 {
		// Below the ports that the system hands out, so that it is still free for a restart.
		s.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(20000+rand.N(12000)))
		if err = s.start(); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%s does not start: %w", binary, err)
}

// start starts the server, and waits until it accepts connections.
func (s *server) start() error {
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return err
	}
	cmd := exec.Command(s.binary, append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", s.dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no"}, s.args...)...)
	dieWithTheTest(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.mu.Lock()
	done := make(chan struct{})
	s.cmd, s.done = cmd, done
	s.mu.Unlock()

	ready, log := make(chan struct{}, 1), make(chan string, 1)
	go func() {
		var text strings.Builder
		for lines := bufio.NewScanner(out); lines.Scan(); {
			fmt.Fprintln(&text, lines.Text())
			if strings.Contains(lines.Text(), "Ready to accept connections") {
				ready <- struct{}{}
			}
		}
		_ = cmd.Wait()
		log <- text.String()
		close(done)
	}()
	select {
	case <-ready:
		return nil
	case <-done:
		return fmt.Errorf("it ended:\n%s", <-log)
	case <-time.After(patience):
		s.kill()
		return fmt.Errorf("it was not ready after %v", patience)
	}
}

func (s *server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(sig)
	}
}

// kill ends the server as kill -9 does, and waits for its end.
func (s *server) kill() {
	s.signal(syscall.SIGKILL)
	s.mu.Lock()
	done := s.done
	s.mu.Unlock()
	if done != nil {
		<-done
	}
}

// restart starts the server again after kill, empty and on the same port.
func (s *server) restart(t testing.TB) {
	t.Helper()
	require.NoError(t, s.start())
}

// client returns a client with the defaults of go-redis.
func (s *server) client(t testing.TB) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.addr})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// within is a context for what should happen at once.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
