// Quickstart makes a connect link, and prints it, its expiry, and what to do next:
//
//	go run ./examples/quickstart [-kind KIND] [-type hubspot] [-group ID] [-redirect-uri URL]
//
// KIND is destination (the default) or source, for API V1, or activation, for API V2.
//
// If CENSUS_API_TOKEN is set (for activations, CENSUS_PERSONAL_ACCESS_TOKEN), it uses the
// real service, at CENSUS_BASE_URL. Otherwise it starts a sandbox. The sandbox and its link
// live as long as the program. At a terminal, the program runs until you press Enter.
// Without a terminal, it ends at once.
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

func main() {
	var person io.Reader
	if terminal(os.Stdin) {
		person = os.Stdin
	}
	switch err := run(context.Background(), os.Args[1:], os.Getenv, person, os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// terminal reports whether f is a character device other than the null device.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// run makes a link and prints it. It keeps the sandbox open until the person presses Enter.
// person is nil without a terminal.
func run(ctx context.Context, args []string, getenv func(string) string, person io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	kind := flags.String("kind", "destination", "what to connect: destination or source, by API V1;\nor activation, by API V2")
	service := flags.String("type", "", "the service to connect (default hubspot, for a source postgres)")
	group := flags.String("group", "", "the Fivetran group of an activation")
	redirect := flags.String("redirect-uri", "", "where the customer goes at the end")
	if err := flags.Parse(args); err != nil {
		return err
	}

	token := getenv("CENSUS_API_TOKEN")
	if *kind == "activation" {
		token = getenv("CENSUS_PERSONAL_ACCESS_TOKEN")
	}
	baseURL := cmp.Or(getenv("CENSUS_BASE_URL"), connectlinks.BaseURLUS)
	sandbox := token == ""
	if sandbox {
		srv := connectlinkstest.NewServer()
		defer srv.Close()
		baseURL, token = srv.URL, srv.Token()
		if *kind == "activation" {
			token, *group = srv.PersonalToken(), cmp.Or(*group, srv.Group())
		}
		fmt.Fprint(out, "No token in the environment: this is the embedded sandbox.\n\n")
	}

	client, err := connectlinks.NewClient(connectlinks.WithToken(token), connectlinks.WithBaseURL(baseURL))
	if err != nil {
		return err
	}
	link, err := create(ctx, client, *kind, *service, *group, *redirect)
	if err != nil {
		return err
	}

	fmt.Fprintf(out, "Connect link %d for %s:\n\n  %s\n\n", link.ID, link.Type, link.URL)
	if !link.ExpiresAt.IsZero() {
		left := time.Until(link.ExpiresAt).Round(time.Minute)
		fmt.Fprintf(out, "It expires on %s, in %s.\n", link.ExpiresAt.Local().Format("2 January 2006 at 15:04 MST"), left)
	}
	fmt.Fprintln(out, "Next: send your customer there. Treat the link as a password: whoever has it can connect an account.")
	if !sandbox {
		return nil
	}
	fmt.Fprintln(out, "\nThe sandbox and its link live as long as this program.")
	if person != nil {
		fmt.Fprintln(out, "Open the link now, and be the customer. Press Enter to end the program.")
		_, _ = bufio.NewReader(person).ReadString('\n')
	}
	return nil
}

func create(ctx context.Context, client *connectlinks.Client, kind, service, group, redirect string) (link connectlinks.ConnectLink, err error) {
	switch kind {
	case "source":
		l, err := client.Sources.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{
			Type: cmp.Or(service, "postgres"), RedirectURI: redirect,
		})
		if err != nil {
			return link, err
		}
		return l.ConnectLink, nil
	case "destination":
		l, err := client.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{
			Type: cmp.Or(service, "hubspot"), RedirectURI: redirect,
		})
		if err != nil {
			return link, err
		}
		return l.ConnectLink, nil
	case "activation":
		l, err := client.Activations.CreateConnectLink(ctx, connectlinks.CreateActivationConnectLinkParams{
			Type: cmp.Or(service, "hubspot"), GroupID: group, RedirectURI: redirect,
		})
		if err != nil {
			return link, err
		}
		return l.ConnectLink, nil
	}
	return link, fmt.Errorf("-kind %q: want destination, source or activation", kind)
}
