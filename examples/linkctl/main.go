// Linkctl makes connect links and looks after them: a tool for support and operations, small
// enough to copy.
//
//	linkctl types [TEXT]              what can be connected
//	linkctl create -type hubspot      make a link for a customer
//	linkctl wait LINK                 until the customer has finished
//	linkctl list                      the live links
//	linkctl list -connections         what customers have connected
//	linkctl get LINK                  one link, and its connection
//	linkctl reauthorize CONNECTION    make a link that renews credentials
//	linkctl revoke LINK               revoke a link
//	linkctl revoke -all               revoke every live link; asks first
//	linkctl doctor                    is everything set up? what is to be done?
//	linkctl migrate                   what is left to do for the move to API V2
//	linkctl verify -type hubspot      what the API does that is not documented; asks first
//
// All except migrate take -kind, which also chooses the version of the API: source and
// destination (the default) by V1, activation by V2. All take -json, for scripts; "linkctl
// COMMAND -h" shows the other flags. A link's URL is a password: only create and reauthorize
// print it, and list, get and revoke with -show-url. Progress and questions go to stderr, if
// that is a terminal.
//
// # Environment
//
//	CENSUS_API_TOKEN              workspace API key, for sources and destinations
//	CENSUS_PERSONAL_ACCESS_TOKEN  personal access token, for activations
//	CENSUS_BASE_URL               the API, https://app.getcensus.com if not set
//
// If no variable is set, linkctl starts a sandbox in its own process, and says so.
//
// A personal access token sees the activations of all your customers. With -group GROUP, a
// command sees and changes those of one Fivetran group only. revoke -all needs it.
//
// # The move to API V2
//
// The vendor retires API V1 on 15 January 2027. migrate reads the workspace of
// CENSUS_API_TOKEN by V1, and what CENSUS_PERSONAL_ACCESS_TOKEN sees by V2. It reports which
// types, sources and destinations are on V2, which live links will stop working, and what
// must be done by hand, in order. It changes nothing. If it cannot see something, it says so
// and goes on. Run it for each workspace.
//
// # Verify
//
// verify makes two links, looks at them, and revokes them, also when it is interrupted. It
// names what it could not revoke. It sends at most 60 requests, at most two a second. It
// deletes and completes nothing, and changes nothing that it did not make. It opens one
// hosted page: it makes a link, revokes it, and then opens its page. For each
// question it says whether the API does what SDK and sandbox assume. The report ends with
// the Assumptions that make the sandbox behave like that. It holds no token and no URL of
// a link. With both tokens set it asks one question more. The tokens go to the API only;
// for activations verify asks the vendor's other region, without a token, whether it has V2.
//
// # Live links
//
// Somebody can open a live link. It may have been used already: the API does not say
// whether it was. A link has a CONNECTION if it made one, and also if it is for renewing
// one. An activation's link never shows one. So to lock somebody out, revoke every live
// link of every kind, with a CONNECTION or without.
//
// # Waiting
//
// An activation's link does not name the activation that it made. With the id alone, wait
// takes the oldest activation of the link's type and group that was connected in the last 24
// hours. If it was there before the wait, it may be another customer's, and wait fails. So
// give -since the time that create printed, and check the details.
//
// A link that reauthorizes has its connection from the start. To wait for the customer, name
// the connection: wait -connection ID LINK.
//
// # Exit codes
//
//	0    done
//	1    something else: no answer, a dead link, a failed test, a question answered with no,
//	     or migrate found something to do, or could not see everything
//	2    usage: an argument, a flag or a variable is wrong; nothing was changed
//	3    refused by the API: 400, 401, 403, 409 or 422
//	4    not found
//	5    throttled: come back later
//	6    outcome unknown, whatever the answer says: there may be a link that nobody has
//	7    verify: the API does something otherwise than the SDK and its sandbox assume
//	8    verify: nothing is otherwise, but a question could not be answered
//	130  interrupted, as by Ctrl-C
package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

//go:embed main.go
var source string // whose first comment is the manual

// manual returns the text above, for help.
func manual() string {
	text, _, _ := strings.Cut("\n"+source, "\npackage main")
	return strings.NewReplacer("\n// ", "\n", "\n//", "\n").Replace(text)[1:] + "\n"
}

// command is a command of linkctl. An argument in brackets is optional.
type command struct {
	name, arg, about, flags string
	run                     func(context.Context, *app) error
}

var commands = []command{
	{"types", "[TEXT]", "What can be connected: all of it, or what has TEXT in its name.", "kind all", types},
	{"create", "", "Make a link for a customer, and print its URL.", "kind type redirect-uri group", create},
	{"wait", "LINK", "Wait until the customer has finished, or the link has expired or was revoked.", "kind since connection group", wait},
	{"list", "", "The live links, or with -connections what was connected.", "kind all connections type show-url group", list},
	{"get", "LINK", "One link, and its connection.", "kind show-url group", get},
	{"reauthorize", "CONNECTION", "Make a link that renews a connection's credentials, and print its URL.", "kind redirect-uri group", reauthorize},
	{"revoke", "[LINK]", "Revoke a link, or with -all every live link, or every live link of -type.", "kind all type yes show-url group", revoke},
	{"doctor", "", "Check token, region, workspace, type and redirect URI, and say what to do.", "kind type redirect-uri", doctor},
	{"verify", "", "Find out what the API does that is not documented, with two links that it makes and revokes.", "kind type group yes", verify},
	{"migrate", "", "Report what is left to do for the move to API V2. It changes nothing.", "", migrate},
}

// options are the flags of all commands, and the argument.
type options struct {
	kind, typ, redirectURI, group, connection string
	json, all, connections, showURL, yes      bool
	since                                     time.Time
	arg                                       string
}

// process is what linkctl uses of its process.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, process{os.Stdin, os.Stdout, os.Stderr, os.Getenv}, os.Args[1:]))
}

// run carries out one command line, explains an error, and returns the exit code.
func run(ctx context.Context, p process, args []string) (code int) {
	err := carryOut(ctx, p, args)
	if err == nil {
		return 0
	}
	f := explain(err)
	fmt.Fprintln(p.stderr, "linkctl:", f.what)
	if f.todo != "" {
		fmt.Fprintln(p.stderr, "  to do: ", f.todo)
	}
	if f.err != nil {
		fmt.Fprintln(p.stderr, "  detail:", safe(strings.ReplaceAll(f.err.Error(), "\n", "; ")))
	}
	return f.code
}

// carryOut carries out one command line.
func carryOut(ctx context.Context, p process, args []string) error {
	const hint = `"linkctl help" shows the commands; flags come after them`
	if len(args) == 0 {
		return misuse("a command is missing", hint)
	}
	if slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		_, err := io.WriteString(p.stdout, manual())
		return err
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		return misuse(fmt.Sprintf("there is no command %q", args[0]), hint)
	}
	a := app{tty: terminal(p.stderr)}
	if err := commands[i].parse(args[1:], &a.options, p.stdout); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	var err error
	if a.session, err = connect(ctx, p, a.options); err != nil && commands[i].name != "doctor" {
		return err
	}
	a.setup = err
	defer a.close()
	err = commands[i].run(ctx, &a)
	return cmp.Or(a.flush(), err) // a command may have both a result and an error
}

// parse reads flags and the argument, in any order. Before it returns flag.ErrHelp, it
// writes the help to out.
func (c *command) parse(args []string, o *options, out io.Writer) error {
	f := flag.NewFlagSet("linkctl", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	define := map[string]func(name string){
		"kind": func(n string) {
			f.StringVar(&o.kind, n, "destination", "what the link is for: source or destination, by API V1; or activation, by API V2")
		},
		"json":         func(n string) { f.BoolVar(&o.json, n, false, "write JSON, for scripts") },
		"type":         func(n string) { f.StringVar(&o.typ, n, "", "`service` to connect, a name that types shows") },
		"redirect-uri": func(n string) { f.StringVar(&o.redirectURI, n, "", "`URL` where the customer is sent at the end") },
		"group": func(n string) {
			f.StringVar(&o.group, n, "", "Fivetran `group` of an activation: create needs it, the others then see no other group")
		},
		"connection":  func(n string) { f.StringVar(&o.connection, n, "", "`id` of the connection that the link reauthorizes") },
		"connections": func(n string) { f.BoolVar(&o.connections, n, false, "list connections, not links") },
		"all": func(n string) {
			f.BoolVar(&o.all, n, false, "also links that are not live, and types that take no links; with revoke, every live link")
		},
		"show-url": func(n string) { f.BoolVar(&o.showURL, n, false, "print the URL, which is a password") },
		"yes":      func(n string) { f.BoolVar(&o.yes, n, false, "do not ask") },
		"since": func(n string) {
			f.Func(n, "`time` as 2027-01-15T09:00:00Z or age as 2h: ignore an activation connected before (24h),\nor with -connection a test before (its last one)",
				func(s string) (err error) {
					if age, notAge := time.ParseDuration(s); notAge == nil {
						o.since = time.Now().Add(-age.Abs())
					} else if o.since, err = time.Parse(time.RFC3339, s); err != nil {
						err = errors.New("neither a time such as 2027-01-15T09:00:00Z nor an age such as 2h")
					}
					return err
				})
		},
	}
	for _, name := range strings.Fields("json " + c.flags) {
		define[name](name)
	}
	line := strings.TrimSpace("linkctl " + c.name + " [flags] " + c.arg)
	for {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(out, "%s\n\n%s\n\n", line, c.about)
			f.SetOutput(out)
			f.PrintDefaults()
			return err
		} else if err != nil {
			return misuse(err.Error(), "linkctl "+c.name+" -h shows the flags")
		}
		if f.NArg() == 0 {
			break
		}
		if c.arg == "" || o.arg != "" {
			return misuse(fmt.Sprintf("one argument too many: %q", f.Arg(0)), line)
		}
		o.arg, args = f.Arg(0), f.Args()[1:]
	}
	switch {
	case o.arg == "" && c.arg != "" && c.arg[0] != '[':
		return misuse(c.arg+" is missing", line)
	case o.group != "" && o.kind != "activation":
		return misuse("-group is for -kind activation", line)
	case tokenVariable[o.kind] == "" && f.Lookup("kind") != nil:
		return misuse(fmt.Sprintf("there is no kind %q", o.kind), "-kind is source, destination or activation")
	}
	return nil
}
