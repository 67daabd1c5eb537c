// Webapp is a small platform whose customers connect their own tools: two tenants
// sign in, see what can be connected and what is, connect by redirect or embedded
// in a page, renew credentials, and disconnect.
//
//	go run ./examples/webapp
//
// runs on a sandbox of its own (package connectlinkstest), without any set-up. On
// the real service it runs with these in the environment:
//
//	CENSUS_BASE_URL               the API's region, if not the US
//	CENSUS_PERSONAL_ACCESS_TOKEN  a personal access token: for activations, and for CENSUS_TENANTS
//	CENSUS_TENANTS                the tenants, each with a workspace and perhaps a Fivetran group:
//	                              "Acme Coffee=101:wandering_aimlessly,Birch & Co=102"
//	CENSUS_API_TOKEN              without CENSUS_TENANTS: the API key of the only tenant's workspace
//	CENSUS_GROUP                  without CENSUS_TENANTS: the group of the only tenant
//
// Customers reach this, and are sent back, at -public-url: http on the loopback
// interface unless it says otherwise. Requests for any other host are refused. Embedding needs an origin that the vendor has approved, so on the
// real service localhost needs a tunnel; redirecting does not.
//
// What a platform would do otherwise: tenants sign in with a password or SSO, and
// sessions are kept in a database. Here they are in memory, and gone at the end.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "webapp:", err)
		stop()
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("webapp", flag.ContinueOnError)
	flags.SetOutput(stdout)
	addr := flags.String("addr", "127.0.0.1:8080", "`address` to listen on; with port 0, any free one")
	publicURL := flags.String("public-url", "", "`URL` at which customers reach this (default http:// and the address)")
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
	defer l.Close()
	if *publicURL == "" && l.Addr().(*net.TCPAddr).IP.IsUnspecified() {
		return fmt.Errorf("-addr %s is not where customers can reach this: set -public-url", *addr)
	}
	cfg := config{
		PublicURL: cmp.Or(*publicURL, "http://"+l.Addr().String()),
		Log:       slog.New(slog.NewTextHandler(stdout, nil)),
	}
	cfg.Tenants, err = tenantsFromEnv(ctx)
	if err != nil {
		return err
	}
	service := "the real service"
	if cfg.Tenants == nil {
		sandbox := connectlinkstest.NewServer()
		defer sandbox.Close()
		cfg.Sandbox, cfg.Tenants = true, sandboxTenants(sandbox)
		service = "a sandbox at " + sandbox.URL + ", which forgets everything at the end"
	}
	app, err := newApp(cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Open %s\nIt runs on %s.\nStop with Ctrl-C.\n\n", cfg.PublicURL, service)

	srv := &http.Server{
		Handler:           app,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		return srv.Close()
	}
	return nil
}

// sandboxTenants gives each of two tenants a workspace and a group of its own.
func sandboxTenants(srv *connectlinkstest.Server) []tenant {
	add := func(id, name, group string) tenant {
		srv.AddGroup(group)
		workspace := srv.AddWorkspace(name)
		return tenant{
			ID: id, Name: name, Group: group,
			V1: srv.Client(connectlinks.WithToken(workspace.Token)),
			V2: srv.PersonalClient(),
		}
	}
	return []tenant{
		add("acme", "Acme Coffee", "roasted_beans"),
		add("birch", "Birch & Co", "silver_bark"),
	}
}

// tenantsFromEnv are the tenants on the real service; nil without any token.
func tenantsFromEnv(ctx context.Context) ([]tenant, error) {
	apiToken, personalToken := os.Getenv("CENSUS_API_TOKEN"), os.Getenv("CENSUS_PERSONAL_ACCESS_TOKEN")
	list := os.Getenv("CENSUS_TENANTS")
	switch {
	case apiToken == "" && personalToken == "":
		if list != "" {
			return nil, errors.New("CENSUS_TENANTS needs CENSUS_PERSONAL_ACCESS_TOKEN")
		}
		return nil, nil
	case list == "" && apiToken == "":
		return nil, errors.New("CENSUS_PERSONAL_ACCESS_TOKEN alone says nothing about tenants: set CENSUS_TENANTS, or CENSUS_API_TOKEN")
	case list != "" && personalToken == "":
		return nil, errors.New("CENSUS_TENANTS needs CENSUS_PERSONAL_ACCESS_TOKEN")
	}
	client, err := connectlinks.NewClient(
		connectlinks.WithToken(cmp.Or(personalToken, apiToken)),
		connectlinks.WithBaseURL(cmp.Or(os.Getenv("CENSUS_BASE_URL"), connectlinks.BaseURLUS)),
		connectlinks.WithUserAgent("connectlinks-webapp/"+connectlinks.Version),
	)
	if err != nil {
		return nil, err
	}
	var v2 *connectlinks.Client
	if personalToken != "" {
		v2 = client
	}

	if list == "" {
		v1, err := client.With(connectlinks.WithToken(apiToken))
		if err != nil {
			return nil, err
		}
		workspace, err := v1.Workspaces.Current(ctx)
		if err != nil {
			return nil, fmt.Errorf("CENSUS_API_TOKEN: %w", err)
		}
		return []tenant{{ID: "workspace", Name: workspace.Name, V1: v1, V2: v2, Group: os.Getenv("CENSUS_GROUP")}}, nil
	}
	var tenants []tenant
	for entry := range strings.SplitSeq(list, ",") {
		name, rest, _ := strings.Cut(entry, "=")
		workspace, group, _ := strings.Cut(rest, ":")
		id, err := strconv.ParseInt(strings.TrimSpace(workspace), 10, 64)
		if err != nil || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("CENSUS_TENANTS: %q is not of the form name=workspace_id:group_id", entry)
		}
		v1, err := client.With(connectlinks.WithTokenSource(client.Workspaces.TokenSource(id)))
		if err != nil {
			return nil, err
		}
		tenants = append(tenants, tenant{
			ID: strconv.FormatInt(id, 10), Name: strings.TrimSpace(name),
			V1: v1, V2: v2, Group: strings.TrimSpace(group),
		})
	}
	return tenants, nil
}
