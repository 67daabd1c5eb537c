// Package connectlinks makes connect links for Fivetran Activations (once Census). A connect
// link is a hosted page that expires. On it, a customer of your platform connects a source or
// a destination. The SDK is independent and unofficial, and not affiliated with Fivetran.
//
// Make one [Client] for the program. When a customer clicks Connect, make a link, and redirect
// the customer to it. When the customer returns, ask the API:
//
//	client, err := connectlinks.NewClient(connectlinks.WithToken(token))
//	...
//	link, err := client.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{
//		Type:        "hubspot",
//		RedirectURI: "https://platform.example/connected",
//	})
//	...
//	http.Redirect(w, r, link.URL, http.StatusSeeOther) // store link.ID in the session
//	...
//	destination, err := client.Destinations.WaitForConnection(ctx, link.ID)
//
// Package connectlinksweb has handlers for both requests. Package connectlinkstest serves the
// API in your tests.
//
// # Customers
//
// In V1 a platform may have a workspace for each customer. Each workspace has its own token.
// Derive a client for each customer with [Client.With] and [WithToken], or with
// [WorkspacesService.TokenSource]. In V2 one token sees all customers: derive a client for each
// with [WithGroup]. Derived clients share connections.
//
// # V1 and V2
//
// The vendor retires API V1 ([Client.Sources], [Client.Destinations], [Client.Workspaces]) on
// 15 January 2027. V2 ([Client.Activations]) is in public preview. It takes a personal access
// token, and has no links for sources.
//
// # Errors
//
// For bad input a method returns an [*InputError], and sends nothing. For a response that is
// not a success it returns an [*APIError], which [errors.Is] matches with [ErrNotFound] and
// its siblings. For a success that cannot be used it returns [ErrBadResponse]. Errors of a
// limiter, a token source or the network are wrapped, unless their text may hold a secret. If a
// create failed, but may have been carried out, the error also matches [ErrOutcomeUnknown].
//
// The caller's own cancel or deadline is visible as [context.Canceled] or
// [context.DeadlineExceeded]. An error of [WithTimeout] is neither. Its method Timeout() bool
// returns true, as for an exceeded deadline.
//
// # Retries
//
// One call makes at most one link. The API has no idempotency key, so the SDK sends a create
// again only if the request was not carried out. It retries other calls up to [WithMaxRetries]
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
// "Unknown" means that the SDK does not send the create again, and that the error matches
// ErrOutcomeUnknown. (*) It does not match if no connection was made, or if the context ended
// between attempts. We assume that a 401, a 429, and a 503 with Retry-After were not carried out,
// as HTTP defines them. An HTTP/2 server can report that it did not process a request. The SDK
// does not repeat a create because of such a report.
//
// Between attempts the SDK waits about half a second at first, then longer. After a 429 or 503 it
// waits as long as Retry-After says, and up to a second more, so that callers do not all start at
// once. If Retry-After is more than 10 seconds, or if the wait would end after the context's
// deadline, it returns the error instead. While a token is throttled, every caller with that
// token waits, in a client and in all that are derived from it. If that would be too long, or
// happens too often, the call returns an [APIError] 429: the API's own, or one that says it was
// not sent.
//
// # Limits
//
// Every call ends with its context, if the caller's own [TokenSource], [RateLimiter], hooks and
// HTTP transport honour it. Each attempt ends after [WithTimeout]. The SDK reads at most 8 MiB of a
// success, and 64 KiB of an error. A success may have 200,000 JSON values, 1,000 levels of
// nesting, and 1,000 items. An item, or another member, has at most 1 MiB. Anything above a limit
// is [ErrBadResponse]. Decoding takes at most 64 MiB of memory.
//
// Replicas of a program do not know of each other. If they must share a rate limit, give them
// a [RateLimiter] that asks one place, such as the module redislimit.
//
// # Concurrency
//
// A Client, its services and token sources are safe for concurrent use. Nothing runs in the
// background except net/http's own connections.
//
// # Secrets
//
// A token and a link's URL are passwords. The SDK sends the token only in the Authorization
// header, only to the base URL's host, and only over TLS or loopback (see
// [WithPlaintextHTTP]). It refuses redirects. Errors hold neither secret, even if a server or
// a transport echoes it. Printed or logged clients, links and pages show neither. JSON keeps a
// link's URL, because that is how the link reaches a front end.
//
// A Go library cannot prevent everything. These show a link's URL:
//
//   - A logger or printer that encodes the struct as JSON, gob or YAML, or reads its fields by
//     reflection: zap.Any, zerolog's Interface, a JSON formatter of logrus, a [log/slog] JSON
//     handler that gets a slice of links, spew, cmp.Diff, a failing assert.Equal.
//   - fmt, for a link in an unexported field of your struct.
//   - fmt, for a link in a struct that your struct points to, if you print it with a verb that
//     does not fit, such as %s.
//   - The misuses %w of a value that is not an error, and %p of a value that is not a pointer.
//     go vet reports them.
//
// Log link.ID, or link.String(). net/http itself logs "Unsolicited response received on idle
// HTTP channel" with the bytes that a server sent unasked, to the standard logger. A token of
// fewer than four characters is not looked for in foreign texts.
package connectlinks
