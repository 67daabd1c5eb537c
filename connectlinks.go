// Package connectlinks makes connect links: hosted, expiring pages of Fivetran Activations
// (once Census) on which a platform's customers connect their own sources and destinations.
//
// Make one [Client] for the program, and make a link when a customer asks for one:
//
//	client, err := connectlinks.NewClient(connectlinks.WithToken(token))
//	...
//	link, err := client.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "hubspot"})
//	...
//	http.Redirect(w, r, link.URL, http.StatusSeeOther)
//
// A platform with a workspace, and so a token, for each customer derives a client for each
// with [Client.With]. They share connections.
//
// The vendor retires API V1 ([Client.Sources], [Client.Destinations], [Client.Workspaces]) on
// 15 January 2027. V2 ([Client.Activations]) is in public preview. It takes a personal access
// token, and has no links for sources.
//
// # Errors
//
// For bad input a method returns an [*InputError], and sends nothing. For a response that is
// not a success it returns an [*APIError], which [errors.Is] matches with [ErrNotFound] and
// its siblings. For a success that makes no sense it returns [ErrBadResponse]. Errors of a
// limiter, a token source or the network are wrapped. If a create failed and may have been
// carried out all the same, the error matches [ErrOutcomeUnknown] as well.
//
// The caller's own cancel or deadline is visible as [context.Canceled] or
// [context.DeadlineExceeded]. An error of [WithTimeout] is neither: it answers Timeout() bool
// with true, as an exceeded deadline does.
//
// # Retries
//
// One call makes at most one link. The API has no idempotency key. So a create is sent again
// only if it is certain that nothing was made. Other calls are retried up to [WithMaxRetries]
// times, unless the answer is final:
//
//	                                               a create   other calls
//	no connection (dial, proxy, TLS handshake)     again      again
//	429; 503 with Retry-After                      again      again
//	401, and the token source has another token    once       once
//	408, 500, 502, 504, a bare 503, other 5xx      unknown    again
//	connection lost, unusable success, timeout     unknown    again
//	a success whose envelope names a failure       unknown    never
//	303                                            unknown    never
//	the caller's cancel or deadline                unknown*   never
//	other redirects, other 4xx                     never      never
//
// "Unknown" means ErrOutcomeUnknown, and that nothing is sent again (* unless no connection
// was made). We assume that a 401, a 429, and a 503 with Retry-After were not carried out:
// that is what HTTP means by them. We do not rely on an HTTP/2 server's word that it did not
// look at a create.
//
// Between attempts the SDK waits: about half a second at first, then longer, or as long as
// Retry-After says. A pause is at most 10 seconds, and up to one second more to spread
// callers. The SDK does not begin a pause that cannot end before the context's deadline, and
// returns the error instead. While a token is throttled, every caller with that token waits,
// in a client and in all that are derived from it. Where the wait would be too long, the call
// returns an [APIError] 429 that says it was not sent.
//
// # Limits
//
// Every call ends with its context, if the caller's own [TokenSource], [RateLimiter] and HTTP
// transport honour it. Each attempt ends after [WithTimeout]. Of a success at most 8 MiB are
// read, and of an error 64 KiB. A success may hold 200,000 JSON values and 1,000 items, each of
// at most 1 MiB: a longer one is [ErrBadResponse]. It takes at most 64 MiB of memory. Replicas
// of a program do not know of each other: if they must share a rate limit, give them a
// [RateLimiter] that asks one place.
//
// # Concurrency
//
// A Client, its services and token sources are safe for concurrent use. Nothing runs in the
// background except net/http's own connections.
//
// # Secrets
//
// A token and a link's URL are passwords. The token leaves only in the Authorization header,
// only to the base URL's host, and only over TLS or loopback (see [WithPlaintextHTTP]).
// Redirects are refused. Errors hold neither secret, also where a server or a transport echoes
// it. Printed or logged clients, links and pages show neither. JSON keeps a link's URL, because
// that is how the link reaches a front end.
//
// A Go library cannot prevent everything. These show a link's URL:
//
//   - a logger or printer that encodes the struct as JSON, gob or YAML, or reads its fields by
//     reflection: zap.Any, zerolog's Interface, a JSON formatter of logrus, a [log/slog] JSON
//     handler that is given a slice of links, spew, cmp.Diff, a failing assert.Equal;
//   - fmt, for a link in an unexported field of your own struct, or in a struct that your struct
//     points to under a verb that does not fit, such as %s;
//   - the misuses %w of what is not an error and %p of what is not a pointer, which go vet
//     reports.
//
// Log link.ID, or link.String(). Net/http itself logs "Unsolicited response received on idle
// HTTP channel" with the bytes that a server sent unasked, to the standard logger.
package connectlinks
