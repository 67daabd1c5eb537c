// Webapp is a small platform whose customers connect their own tools. Two tenants sign in
// and see their integrations. They connect by redirect or in an embedded page, renew
// credentials, and disconnect.
//
//	go run ./examples/webapp
//
// Without any set-up, it starts a sandbox (package connectlinkstest) and runs on it. It uses
// API V1, for sources and destinations. With -api v2 it uses API V2, for activations. To run
// on the real service, set these in the environment:
//
//	CENSUS_BASE_URL               the API's region, if not the US
//	CENSUS_PERSONAL_ACCESS_TOKEN  a personal access token
//	CENSUS_TENANTS                the tenants: on V1 each with its workspace,
//	                              "Acme Coffee=101,Birch & Co=102"; on V2 with its Fivetran group,
//	                              "Acme Coffee=wandering_aimlessly,Birch & Co=silver_bark"
//	CENSUS_API_TOKEN              instead of both, on V1: the API key of the only tenant's workspace
//
// Customers reach this program, and return to it, at -public-url. The default is the address
// of -addr. Requests for any other host are refused. Embedding needs an origin that the
// vendor has approved, so on the real service it needs a tunnel. A redirect needs no
// approval.
//
// A real platform would do two things differently: tenants would sign in with a password or
// SSO, and sessions would be in a database. Here they are in memory, and lost at the end.
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

// callTimeout is short enough that within the limit of a request, the SDK can look for a
// link whose answer was lost.
const callTimeout = 15 * time.Second

// The values of -api.
const (
	apiV1 = "v1"
	apiV2 = "v2"
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
	api := flags.String("api", apiV1, "`version` of the API: v1, with sources and destinations,\nor v2, with activations")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *api != apiV1 && *api != apiV2 {
		return fmt.Errorf("-api %q is neither v1 nor v2", *api)
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
	cfg.Tenants, err = tenantsFromEnv(ctx, *api)
	if err != nil {
		return err
	}
	service := "the real service"
	if cfg.Tenants == nil {
		sandbox := connectlinkstest.NewServer()
		defer sandbox.Close()
		cfg.Sandbox = true
		if cfg.Tenants, err = sandboxTenants(sandbox, *api); err != nil {
			return err
		}
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

// sandboxTenants returns two tenants, each with its own workspace and group.
func sandboxTenants(srv *connectlinkstest.Server, api string) ([]tenant, error) {
	var tenants []tenant
	for _, name := range []string{"Acme Coffee", "Birch & Co"} {
		workspace := srv.AddWorkspace(name)
		c := srv.Client(connectlinks.WithToken(workspace.Token), connectlinks.WithTimeout(callTimeout))
		if api == apiV2 {
			var err error
			org := srv.PersonalClient(connectlinks.WithTimeout(callTimeout))
			if c, err = org.With(connectlinks.WithGroup(workspace.GroupID)); err != nil {
				return nil, err
			}
		}
		id, _, _ := strings.Cut(strings.ToLower(name), " ")
		tenants = append(tenants, newTenant(id, name, api, c))
	}
	return tenants, nil
}

// tenantsFromEnv returns the tenants on the real service, or nil if no token is set.
func tenantsFromEnv(ctx context.Context, api string) ([]tenant, error) {
	apiToken, personalToken := os.Getenv("CENSUS_API_TOKEN"), os.Getenv("CENSUS_PERSONAL_ACCESS_TOKEN")
	list := os.Getenv("CENSUS_TENANTS")
	switch {
	case apiToken == "" && personalToken == "" && list == "":
		return nil, nil
	case list != "" && personalToken == "":
		return nil, errors.New("CENSUS_TENANTS needs CENSUS_PERSONAL_ACCESS_TOKEN")
	case list == "" && api == apiV2:
		return nil, errors.New("-api v2 needs CENSUS_PERSONAL_ACCESS_TOKEN and CENSUS_TENANTS, which names each tenant's group")
	case list == "" && apiToken == "":
		return nil, errors.New("CENSUS_PERSONAL_ACCESS_TOKEN alone names no tenants: set CENSUS_TENANTS, or CENSUS_API_TOKEN")
	}
	token := apiToken
	if list != "" {
		token = personalToken
	}
	org, err := connectlinks.NewClient(
		connectlinks.WithToken(token),
		connectlinks.WithBaseURL(cmp.Or(os.Getenv("CENSUS_BASE_URL"), connectlinks.BaseURLUS)),
		connectlinks.WithTimeout(callTimeout),
		connectlinks.WithUserAgent("connectlinks-webapp/"+connectlinks.Version),
	)
	if err != nil {
		return nil, err
	}

	if list == "" {
		workspace, err := org.Workspaces.Current(ctx)
		if err != nil {
			return nil, fmt.Errorf("CENSUS_API_TOKEN: %w", err)
		}
		return []tenant{newTenant("workspace", workspace.Name, api, org)}, nil
	}
	var tenants []tenant
	for entry := range strings.SplitSeq(list, ",") {
		name, id, _ := strings.Cut(entry, "=")
		name, id = strings.TrimSpace(name), strings.TrimSpace(id)
		c, err := customer(org, api, id)
		if err != nil || name == "" {
			return nil, fmt.Errorf("CENSUS_TENANTS: %q is not of the form name=%s", entry, map[string]string{apiV1: "workspace_id", apiV2: "group_id"}[api])
		}
		tenants = append(tenants, newTenant(id, name, api, c))
	}
	return tenants, nil
}

// customer derives a tenant's client from the organization's client: for a workspace on V1,
// for a group on V2.
func customer(org *connectlinks.Client, api, id string) (*connectlinks.Client, error) {
	if api == apiV2 {
		return org.With(connectlinks.WithGroup(id))
	}
	workspace, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil, err
	}
	return org.With(connectlinks.WithTokenSource(org.Workspaces.TokenSource(workspace)))
}
