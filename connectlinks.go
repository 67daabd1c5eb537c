// Package connectlinks makes connect links: hosted, expiring pages of Fivetran
// Activations (once Census) on which a platform's customers connect their own
// sources and destinations.
//
// Make one [Client] for the program, and a link at the moment a customer asks for
// one:
//
//	client, err := connectlinks.NewClient(connectlinks.WithToken(token))
//	...
//	link, err := client.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "hubspot"})
//	...
//	http.Redirect(w, r, link.URL, http.StatusSeeOther)
//
// A platform with a workspace, and so a token, per customer derives a client for
// each with [Client.With]; they share connections.
//
// API V1 ([Client.Sources], [Client.Destinations], [Client.Workspaces]) is retired
// by the vendor on 15 January 2027. V2 ([Client.Activations]) is in public
// preview; it takes a personal access token, and has no links for sources.
//
// # Errors
//
// Bad input is an [*InputError], and nothing was sent. An answer that is not a
// success is an [*APIError], which [errors.Is] matches with [ErrNotFound] and its
// siblings. A success that makes no sense is [ErrBadResponse]. What a limiter, a
// token source or the network reports is wrapped. A create that may have been
// carried out although it failed is [ErrOutcomeUnknown], beside its cause.
//
// The caller's own cancel or deadline is [context.Canceled] or
// [context.DeadlineExceeded]. An error of [WithTimeout] is neither; it answers
// Timeout() bool with true, as an exceeded deadline does.
//
// # What is sent again
//
// One call makes at most one link. The API has no idempotency key, so a create is
// sent again only where nothing can have been made; everything else that is not
// final is, up to [WithMaxRetries] times:
//
//	                                                 a create   other calls
//	no connection was got (dial, proxy, TLS)         again      again
//	429; 503 with Retry-After                        again      again
//	401, and the token source has another token      once       once
//	408, 500, 502, 504, a bare 503, other 5xx        unknown    again
//	connection lost, unusable success, time-out      unknown    again
//	the caller's cancel or deadline                  unknown*   never
//	redirects, other 4xx                             never      never
//
// Unknown is never sent again, and is ErrOutcomeUnknown (* unless no connection
// was got). That a 429, and a 503 that names a time to come back, made nothing is
// an assumption: it is what HTTP means by them. An HTTP/2 server's word that it
// did not look at a create is not relied upon.
//
// Between attempts there is a jittered back-off, of half a second at first, or the
// time that Retry-After names. No pause is longer than 10 seconds, but for the
// spread below, and none is begun that cannot end before the context's deadline:
// the error is returned instead. While a token is throttled, every caller who has
// it, in a client and all that are derived from it, waits or gets an [APIError] 429
// that says it was not sent; afterwards they start spread over a tenth of the pause.
//
// # Limits
//
// Every call ends with its context, provided that the caller's own [TokenSource],
// [RateLimiter] and HTTP transport honour it. Each attempt ends after
// [WithTimeout]. A success is read to 8 MiB, an error to 64 KiB. Replicas of a
// program do not know of each other: if they must share a rate limit, give them a
// [RateLimiter] that asks one place.
//
// # Concurrency
//
// A Client, its services and token sources are safe for concurrent use. Nothing
// runs in the background but net/http's own connections, and for a moment a timer
// that forgets throttled tokens.
//
// # Secrets
//
// A token and a link's URL are passwords. The token leaves only in the
// Authorization header, only to the base URL's host, only over TLS or loopback
// (see [WithPlaintextHTTP]); redirects are refused. Errors hold neither, also where
// a server or transport echoes them, and neither do printed or logged clients,
// links and pages. JSON keeps a link's URL, as a front end needs it.
//
// What Go does not let a library prevent: a link in an unexported field of your own
// struct is printed field by field, and so is one in a struct that your own struct
// points to, under a verb that does not fit, such as %s; a slog JSON handler that is given a slice or
// struct of links encodes them, URL included; so do the verb %w for what is no
// error, and %p for what is no pointer, both of which go vet reports. Log links one
// by one, or their ids.
package connectlinks

import (
	"strings"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/httpx"
	"github.com/connectlinks/connectlinks-go/internal/wire"
)

// ConnectLink is what every connect link has: a hosted page, for a limited time,
// on which a customer connects a source, a destination or an activation.
//
// The URL is a password: who holds it can attach a connection to the workspace.
// Printing and logging a link leaves it out; encoding it as JSON keeps it, since
// that is how it reaches a front end.
type ConnectLink struct {
	ID   int64  `json:"id"`
	Type string `json:"type"` // the service's name, such as "hubspot"
	URL  string `json:"uri"`  // where to send the customer
	// ExpiresAt is when the link ends: 24 hours after it was made, unless the
	// organization's settings say otherwise. It is zero if the API names no time.
	ExpiresAt   time.Time `json:"expiration"`
	Expired     bool      `json:"expired"` // as the API saw it when it answered
	Revoked     bool      `json:"revoked"`
	RedirectURI string    `json:"redirect_uri,omitempty"` // where the customer is sent at the end; "" for the organization's default
}

// Usable reports whether a customer can still open the link at now: it is neither
// revoked nor expired. Whether it has been used is not in the link: for that see
// SourceID, DestinationID and the waits.
func (l ConnectLink) Usable(now time.Time) bool {
	return !l.Revoked && !l.Expired && (l.ExpiresAt.IsZero() || now.Before(l.ExpiresAt))
}

func (l ConnectLink) base() ConnectLink { return l }

// CreateConnectLinkParams says what a V1 link is for.
type CreateConnectLinkParams struct {
	// Type is what to connect: the ServiceName of a type whose
	// CreatableViaConnectLink is true. It is required.
	Type string `json:"type"`
	// RedirectURI is where the customer is sent at the end, an absolute http or
	// https URL. If it is empty, the organization's default holds.
	RedirectURI string `json:"redirect_uri,omitempty"`
}

func (p CreateConnectLinkParams) check() error {
	return inputErrors(required("Type", p.Type), checkRedirectURI(p.RedirectURI))
}

// CreateActivationConnectLinkParams says what a V2 link is for.
type CreateActivationConnectLinkParams struct {
	// Type is what to connect: the ServiceName of an [ActivationType] whose
	// CreatableViaConnectLink is true. It is required.
	Type string `json:"type"`
	// GroupID is the Fivetran group that the activation will belong to, such as
	// "wandering_aimlessly". It is required.
	GroupID string `json:"group_id"`
	// RedirectURI is as in [CreateConnectLinkParams].
	RedirectURI string `json:"redirect_uri,omitempty"`
}

func (p CreateActivationConnectLinkParams) check() error {
	return inputErrors(required("Type", p.Type), required("GroupID", p.GroupID), checkRedirectURI(p.RedirectURI))
}

// CreateReauthorizationLinkParams says how a link that renews the credentials of
// an existing connection ends.
type CreateReauthorizationLinkParams struct {
	// RedirectURI is as in [CreateConnectLinkParams].
	RedirectURI string `json:"redirect_uri,omitempty"`
}

func (p CreateReauthorizationLinkParams) check() error { return checkRedirectURI(p.RedirectURI) }

func required(field, s string) error {
	return refuse(strings.TrimSpace(s) == "", field, "is required")
}

// checkRedirectURI does not quote the URI, which may carry a platform's state.
func checkRedirectURI(raw string) error {
	if raw == "" {
		return nil
	}
	_, reason := httpx.ParseURL(raw)
	return refuse(reason != "", "RedirectURI", reason)
}

// wireLink is a link of any kind in the API's JSON.
type wireLink struct {
	ID            int64     `json:"id"`
	Type          string    `json:"type"`
	URL           string    `json:"uri"`
	Expiration    wire.Time `json:"expiration"`
	Expired       bool      `json:"expired"`
	Revoked       bool      `json:"revoked"`
	RedirectURI   string    `json:"redirect_uri"`
	SourceID      int64     `json:"source_id"`
	DestinationID int64     `json:"destination_id"`
	GroupID       string    `json:"group_id"`
}

func (w *wireLink) check(alone bool) error {
	if err := named(w.ID > 0, "link"); err != nil || !alone {
		return err
	}
	if _, reason := httpx.ParseURL(w.URL); reason != "" {
		return badResponse("the URL of link %d %s", w.ID, reason)
	}
	if w.Expiration.Unreadable {
		return badResponse("the expiration of link %d is not a time", w.ID)
	}
	return nil
}

func (w *wireLink) link() ConnectLink {
	return ConnectLink{w.ID, w.Type, w.URL, w.Expiration.Time, w.Expired, w.Revoked, w.RedirectURI}
}
