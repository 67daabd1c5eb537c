// Sandbox is the Activations API of package connectlinkstest as a server of its
// own, for front ends and for clients in other languages:
//
//	go run ./examples/sandbox -addr 127.0.0.1:4010
//
// It prints its tokens, a link to open in a browser and a command to try, then one
// line per request. Whatever it was told is gone when it ends.
//
// The hosted pages, which links point to, have an origin of their own with
// -pages-addr 127.0.0.1:4011, as V2's have on the real service. Pages on localhost
// may embed them; with -embed-origin https://app.example.com, given as often as
// needed, only those origins.
//
// With -retire-v1 410 it is the day after the retirement of API V1: V2 goes on.
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
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/connectlinks/connectlinks-go"
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
	pagesAddr := flags.String("pages-addr", "", "another `address`, for the hosted pages; empty: the same")
	lifetime := flags.Duration("link-lifetime", 24*time.Hour, "how long a link can be used")
	retireV1 := flags.Int("retire-v1", 0, "what API V1 answers, as after its retirement: `status` 404 or 410, 301 (a redirect)\nor 200 (a page of HTML); 0: V1 is served")
	var origins []string
	flags.Func("embed-origin", "`origins` that may embed the pages, separated by commas; may be repeated (default those of localhost)", func(list string) error {
		for o := range strings.SplitSeq(list, ",") {
			if o = strings.TrimSpace(o); !origin.MatchString(o) {
				return fmt.Errorf("%q is not an origin such as https://app.example.com", o)
			}
			origins = append(origins, o)
		}
		return nil
	})
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
	var (
		mu      sync.Mutex // lines must not mingle
		greeted bool       // the only request before it is the greeting's own
	)
	opts := []connectlinkstest.Option{
		connectlinkstest.WithListener(l),
		connectlinkstest.WithLinkLifetime(*lifetime),
		connectlinkstest.WithRequestLog(func(r connectlinkstest.Request) {
			mu.Lock()
			defer mu.Unlock()
			if greeted {
				// Without the query, where a hosted page's secret is.
				fmt.Fprintf(stdout, "%s %q %d %s\n", r.Method, r.Path, r.Status, r.Duration.Round(time.Microsecond))
			}
		}),
	}
	if *pagesAddr != "" {
		pages, err := listen.Listen(ctx, "tcp", *pagesAddr)
		if err != nil {
			_ = l.Close()
			return err
		}
		opts = append(opts, connectlinkstest.WithPagesListener(pages))
	}
	if origins != nil {
		opts = append(opts, connectlinkstest.WithEmbedOrigins(origins...))
	}
	srv := connectlinkstest.NewServer(opts...)
	defer srv.Close()
	if err := srv.RetireV1(*retireV1); err != nil {
		return err
	}
	link, err := greetingLink(ctx, srv, *retireV1 != 0)
	if err != nil {
		return err
	}
	mu.Lock()
	greet(stdout, srv, link, *retireV1 != 0)
	greeted = true
	mu.Unlock()

	<-ctx.Done()
	return nil
}

// origin is what may follow -embed-origin.
var origin = regexp.MustCompile(`^(\*|https?://(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(:([0-9]+|\*))?)$`)

// greetingLink makes a link to open, in a workspace and group of its own: those of the
// printed tokens begin empty.
func greetingLink(ctx context.Context, srv *connectlinkstest.Server, v2 bool) (string, error) {
	workspace := srv.AddWorkspace("Greeting")
	if v2 {
		link, err := srv.PersonalClient().Activations.CreateConnectLink(ctx,
			connectlinks.CreateActivationConnectLinkParams{Type: "postgres", GroupID: workspace.GroupID})
		if err != nil {
			return "", err
		}
		return link.URL, nil
	}
	client := srv.Client(connectlinks.WithToken(workspace.Token))
	link, err := client.Sources.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "postgres"})
	if err != nil {
		return "", err
	}
	return link.URL, nil
}

func greet(w io.Writer, srv *connectlinkstest.Server, link string, v2 bool) {
	path, token, body := "/api/v1/source_connect_links", srv.Token(), `{"type":"postgres"}`
	if v2 {
		path, token = "/api/v2/activation_connect_links", srv.PersonalToken()
		body = fmt.Sprintf(`{"type":"postgres","group_id":%q}`, srv.Group())
	}
	fmt.Fprintf(w, `Activations sandbox
  base URL         %[1]s
  hosted pages     %[5]s
  workspace token  %[2]s
  personal token   %[3]s  (V2, and the list of workspaces)
  group            %[4]s

Open a link, and be the customer:
  %[6]s

Make another:
  curl -X POST %[1]s%[7]s -H 'Authorization: Bearer %[8]s' -H 'Content-Type: application/json' -d '%[9]s'

For curl, linkctl and the other examples:
  export CENSUS_BASE_URL=%[1]s CENSUS_API_TOKEN=%[2]s CENSUS_PERSONAL_ACCESS_TOKEN=%[3]s

Stop with Ctrl-C.

`, srv.URL, srv.Token(), srv.PersonalToken(), srv.Group(), srv.PagesURL, link, path, token, body)
}
