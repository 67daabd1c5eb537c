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
