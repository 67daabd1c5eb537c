// Sandbox runs the API of package connectlinkstest as a server, for front ends and for
// clients in other languages:
//
//	go run ./examples/sandbox -addr 127.0.0.1:4010
//
// It prints its tokens, a link to open in a browser and a command to try, and then one line
// for each request. It stores nothing on disk. Tokens are random, unless -token and
// -personal-token set them. With -env it prints only lines for a shell, and the requests go
// to standard error.
//
// With -seed FILE, what the file describes exists at the start and after each reset.
//
// On a loopback address it serves a page for people at /, and the levers as JSON below
// /_sandbox/: see docs/sandbox.md. On another address this needs -control. Both answer for
// localhost and for the hosts of -host.
//
// With -pages-addr 127.0.0.1:4011, the hosted pages have their own origin, like those of V2
// on the real service. By default, pages on localhost may embed them. With -embed-origin
// https://app.example.com, only these origins may. The flag can be repeated.
//
// With -retire-v1 410, V1 answers as after its retirement. V2 continues.
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
	token := flags.String("token", "", "the first workspace's `token`; empty: a random one")
	personal := flags.String("personal-token", "", "the personal access `token`; empty: a random one")
	workspaces := flags.Int("workspaces", 1, "`number` of customers to begin with; with -token T, the second one's token is T-2,\nand so on")
	seedFile := flags.String("seed", "", "JSON `file` of what exists at the start and after each reset (docs/sandbox.md)")
	env := flags.Bool("env", false, "print only the lines to export; requests are logged on standard error")
	control := flags.Bool("control", false, "serve the levers also if the address is not loopback (default on loopback)")
	var hosts []string
	flags.Func("host", "`name` that the levers are reached by, besides localhost; may be repeated", func(name string) error {
		if !hostName.MatchString(name) {
			return fmt.Errorf("%q is not a host such as sandbox.example.com, without a port", name)
		}
		hosts = append(hosts, name)
		return nil
	})
	var assume connectlinkstest.Assumptions
	flags.Func("assume", "`NAME=VALUE` of a field of connectlinkstest.Assumptions, such as word_status=true; may be repeated", func(text string) error {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("%q is not NAME=VALUE", text)
		}
		return assume.Set(name, value)
	})
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
	opts := []connectlinkstest.Option{
		connectlinkstest.WithLinkLifetime(*lifetime),
		connectlinkstest.WithAssumptions(assume),
	}
	for _, secret := range []struct {
		flag, token string
		option      func(string) connectlinkstest.Option
	}{
		{"token", *token, connectlinkstest.WithToken},
		{"personal-token", *personal, connectlinkstest.WithPersonalToken},
	} {
		switch {
		case secret.token == "":
		case !tokenForm.MatchString(secret.token):
			return fmt.Errorf("-%s is not a token: it may have letters, digits and ._~+/:=-", secret.flag)
		default:
			opts = append(opts, secret.option(secret.token))
		}
	}
	if *token != "" && *token == *personal {
		return errors.New("-token and -personal-token must differ")
	}
	if *workspaces < 1 || *workspaces > 1000 {
		return fmt.Errorf("-workspaces must be from 1 to 1000, not %d", *workspaces)
	}
	for n := 2; n <= *workspaces; n++ {
		further := ""
		if *token != "" {
			further = fmt.Sprintf("%s-%d", *token, n)
		}
		opts = append(opts, connectlinkstest.WithWorkspace(fmt.Sprintf("Customer %d", n), further))
	}
	var seed []byte
	if *seedFile != "" {
		var err error
		if seed, err = os.ReadFile(*seedFile); err != nil {
			return err
		}
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	if !loopback(l) {
		fmt.Fprintf(stderr, "sandbox: warning: %s is not a loopback address: other machines can reach the sandbox\n", l.Addr())
	}
	chosen := false
	flags.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "control" })
	if !chosen {
		*control = loopback(l)
	}
	switch {
	case *control:
		opts = append(opts, connectlinkstest.WithControl(hosts...))
	case hosts != nil:
		_ = l.Close()
		return errors.New("-host needs -control")
	}
	var (
		mu      sync.Mutex // guards the log, so that lines do not mix
		greeted bool       // whether the greeting, which sends a request itself, is printed
		log     = stdout
	)
	if *env {
		log = stderr
	}
	opts = append(opts,
		connectlinkstest.WithListener(l),
		connectlinkstest.WithRequestLog(func(r connectlinkstest.Request) {
			mu.Lock()
			defer mu.Unlock()
			if greeted {
				// The query is left out: for a hosted page it holds the link's secret.
				fmt.Fprintf(log, "%s %q %d %s\n", r.Method, r.Path, r.Status, r.Duration.Round(time.Microsecond))
			}
		}),
	)
	listeners := []net.Listener{l}
	if *pagesAddr != "" {
		pages, err := listen.Listen(ctx, "tcp", *pagesAddr)
		if err != nil {
			_ = l.Close()
			return err
		}
		listeners = append(listeners, pages)
		opts = append(opts, connectlinkstest.WithPagesListener(pages))
	}
	if origins != nil {
		opts = append(opts, connectlinkstest.WithEmbedOrigins(origins...))
	}
	srv, err := connectlinkstest.NewSeededServer(seed, opts...)
	if err != nil {
		for _, l := range listeners {
			_ = l.Close()
		}
		return err
	}
	defer srv.Close()
	if err := srv.RetireV1(*retireV1); err != nil {
		return err
	}
	if *env {
		mu.Lock()
		export(stdout, srv)
		greeted = true
		mu.Unlock()
		<-ctx.Done()
		return nil
	}
	link, err := greetingLink(ctx, srv, *retireV1 != 0)
	if err != nil {
		return err
	}
	mu.Lock()
	greet(stdout, srv, link, *retireV1 != 0, *control)
	greeted = true
	mu.Unlock()

	<-ctx.Done()
	return nil
}

// origin matches the values of -embed-origin.
var origin = regexp.MustCompile(`^(\*|https?://(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(:([0-9]+|\*))?)$`)

// hostName matches the values of -host.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// tokenForm matches the values of -token. A shell can read them unquoted.
var tokenForm = regexp.MustCompile(`^[A-Za-z0-9._~+/:=-]+$`)

func loopback(l net.Listener) bool {
	addr, ok := l.Addr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

// export writes the variables that the other programs read.
func export(w io.Writer, srv *connectlinkstest.Server) {
	fmt.Fprintf(w, "export CENSUS_BASE_URL=%s\nexport CENSUS_API_TOKEN=%s\nexport CENSUS_PERSONAL_ACCESS_TOKEN=%s\n",
		srv.URL, srv.Token(), srv.PersonalToken())
}

// greetingLink makes the link of the greeting in its own workspace and group, so that the
// printed tokens see no link at first.
func greetingLink(ctx context.Context, srv *connectlinkstest.Server, v2 bool) (string, error) {
	workspace := srv.AddWorkspace(greeting)
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

// greeting is the name of the workspace of the greeting's link.
const greeting = "Greeting"

func greet(w io.Writer, srv *connectlinkstest.Server, link string, v2, control bool) {
	path, token, body := "/api/v1/source_connect_links", srv.Token(), `{"type":"postgres"}`
	if v2 {
		path, token = "/api/v2/activation_connect_links", srv.PersonalToken()
		body = fmt.Sprintf(`{"type":"postgres","group_id":%q}`, srv.Group())
	}
	levers := ""
	for _, ws := range srv.Workspaces()[1:] {
		if ws.Name != greeting {
			levers += fmt.Sprintf("  %-16s %s\n", strings.ToLower(ws.Name), ws.Token)
		}
	}
	if control {
		levers += fmt.Sprintf("  levers           %s/_sandbox/state  (docs/sandbox.md)\n", srv.URL)
	}
	fmt.Fprintf(w, `Activations sandbox
  base URL         %[1]s
  hosted pages     %[5]s
  workspace token  %[2]s
  personal token   %[3]s  (V2, and the list of workspaces)
  group            %[4]s
%[10]s
Open a link, and be the customer:
  %[6]s

Make another:
  curl -X POST %[1]s%[7]s -H 'Authorization: Bearer %[8]s' -H 'Content-Type: application/json' -d '%[9]s'

For curl, linkctl and the other examples:
  export CENSUS_BASE_URL=%[1]s CENSUS_API_TOKEN=%[2]s CENSUS_PERSONAL_ACCESS_TOKEN=%[3]s

Stop with Ctrl-C.

`, srv.URL, srv.Token(), srv.PersonalToken(), srv.Group(), srv.PagesURL, link, path, token, body, levers)
}
