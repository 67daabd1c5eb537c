// Sandbox is the Activations API of package connectlinkstest as a server of its
// own, for front ends and for clients in other languages:
//
//	go run ./examples/sandbox -addr 127.0.0.1:4010
//
// It prints its tokens and a command to try, then one line per request. Whatever
// it was told is gone when it ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		stop()
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:4010", "`address` to listen on; with port 0, any free one")
	lifetime := flags.Duration("link-lifetime", 24*time.Hour, "how long a link can be used")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}

	var mu sync.Mutex // lines must not mingle
	mu.Lock()
	srv := connectlinkstest.NewServer(
		connectlinkstest.WithListener(l),
		connectlinkstest.WithLinkLifetime(*lifetime),
		connectlinkstest.WithRequestLog(func(r connectlinkstest.Request) {
			mu.Lock()
			defer mu.Unlock()
			// Without the query, where a hosted page's secret is.
			fmt.Fprintf(stdout, "%s %q %d %s\n", r.Method, r.Path, r.Status, r.Duration.Round(time.Microsecond))
		}),
	)
	defer srv.Close()
	greet(stdout, srv)
	mu.Unlock()

	<-ctx.Done()
	return nil
}

func greet(w io.Writer, srv *connectlinkstest.Server) {
	fmt.Fprintf(w, `Activations sandbox
  base URL         %[1]s
  workspace token  %[2]s
  personal token   %[3]s  (V2, and the list of workspaces)
  group            %[4]s

Make a link:
  curl -X POST %[1]s/api/v1/source_connect_links -H 'Authorization: Bearer %[2]s' -H 'Content-Type: application/json' -d '{"type":"postgres"}'

Stop with Ctrl-C.

`, srv.URL, srv.Token(), srv.PersonalToken(), srv.Group())
}
