// Package connectlinkstest is the Fivetran Activations API, as far as Connect
// Links go, in the memory of a test: an HTTP server in the manner of
// [net/http/httptest] that any client of the real API can talk to, and levers for
// what a customer, the clock and a bad network do.
//
//	srv := connectlinkstest.NewServer()
//	defer srv.Close()
//	client := srv.Client()
//	link, err := client.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: "hubspot"})
//	...
//	srv.Complete(link.ID) // the customer finishes; the connection appears
//
// # What is served
//
// Every endpoint that the SDK knows, V1 and V2; [Routes] returns them. Links expire
// (after 24 hours, see [WithLinkLifetime]), are revoked, and are spent when the
// connection is made; opening a link spends nothing. Behind each link's URL is a
// page, see below. Ids come from one sequence, so that the id of one thing is never
// the id of another. Every answer carries Date, by the server's own clock: the time
// at which the request was carried out, also if the answer is late.
//
// A new server has one workspace, with a token ([Server.Token]); a personal
// access token ([Server.PersonalToken]), which V2 and the list of workspaces
// take; one group ([Server.Group]); and a catalogue of source and destination
// types, some of which no link can be made for.
//
// Of what a customer enters, values of password fields are never stored, logged
// or shown. Others appear in the connection's connection_details.
//
// # Levers
//
//   - [Server.Complete], [Server.CompleteWith] and [Server.Cancel] act as the customer.
//   - [Server.Expire], [Server.Revoke] and [Server.RotateToken] act as the workspace's
//     administrator. [Server.Advance] and [Server.SetNow] move the clock.
//   - [Server.AddWorkspace] and [Server.AddGroup] make further customers.
//     [Server.HideGroup] makes answers that do not say whose things are.
//   - [Server.RetireV1] answers V1 as after its retirement.
//   - [Server.Fail] makes answers fail, be slow, or get lost after the work was done.
//     [Server.RateLimit] throttles.
//   - [Server.AddConnection] makes a connection without a link.
//   - [Server.Links] and [Server.Requests] show what has happened, and
//     [Server.Unfired] which failures have not. [Server.Reset] begins again.
//   - [WithControl] serves the levers over HTTP, for programs in other languages.
//
// # The hosted pages
//
// A link's page is a form of the type's configuration fields, or asks for consent
// if the type has none. Connect runs the tests. The value "wrong" makes one fail, and
// so does Deny where consent is asked for. The page says which test failed, and lets
// the customer try again, with the passwords entered anew. A field that the type does
// not have is answered with 422. At the end, by Connect or Cancel, the customer is
// sent to the link's redirect URI (303), or told that all is done. In a frame, the
// page tells its parent instead, by the messages LOADED and EXITED_CONNECT_FLOW, and
// keeps to a light color scheme. Links that are expired, revoked or spent are answered
// with 410, unknown ones with 404. In a frame, an expired or revoked link's page has a
// button (cancel) that sends EXITED_CONNECT_FLOW with not_created.
//
// The pages need no script, except in a frame. Whether they are in one, browsers
// say with each request (Sec-Fetch-Dest); for one that does not, a script puts it
// into the form's field "framed". [WithEmbedOrigins] says whose frames: at first,
// everything on localhost, as development needs it and the real service refuses
// it. [WithPagesListener] gives the pages an origin of their own.
//
// Tests in a browser find these in the HTML, and they stay: the ids form, connect
// and cancel (the form and its buttons) and field-hostname (the field hostname, and
// its name in the form), and the attribute data-page of the main element: form,
// connected, not-connected, dead, unknown or refused. Any other id, class, attribute
// or text may change with any version. Without a browser, POST action=connect to the
// link's URL; fields that are not sent are filled in.
//
// # Without sockets
//
// [Server.Transport] reaches the server through memory, for [testing/synctest]: in
// a bubble, make the server with [WithoutListener], so that no goroutine waits for
// the network, and close it before the bubble ends. The server's clock is then the
// bubble's.
//
// # What is assumed
//
// The API's documentation leaves questions open. Where the server had to choose,
// the choice is named here or at the identifier that it belongs to, after the word
// "Assumption", and what clients may well depend on is settable in [Assumptions].
// Code that works only with one of the answers relies on luck. Assumption, beyond
// those in [Assumptions]:
//
//   - A link that is cancelled stays open.
//   - The pages of V2's links are on the server's own host, too, unless
//     [WithPagesListener] has all pages on another.
//   - A connection that was deleted stays named on its links.
//   - A page or per_page that is not a number counts as absent; a per_page above 100
//     counts as 100; an order other than asc is desc. An empty list's last page is 1.
//     Types come in the catalogue's order, whatever order is asked for.
//   - A request's body that is not a JSON object is answered with 400.
//   - The token is looked at first: 401 and 403 win over 404 and 422.
//   - V1's destinations and V2's activations do not see each other.
//   - A redirect_uri that is empty or not a string counts as none.
//   - A customer who cancels is sent to the redirect URI, too.
//   - What the pages look like, and say; that they show a connection's details, except
//     passwords, to whoever renews it; that a failed test, or consent that is denied,
//     keeps the link open; that a dead link's page in a frame can be left by a button.
//   - The messages are posted to whatever the parent is (target origin "*"):
//     frame-ancestors decides who that can be. LOADED is posted by each page that is
//     opened, also if the link is dead, and not again by the answer to the form.
//     EXITED_CONNECT_FLOW of a reauthorization says created, with the id and name of
//     the connection that was renewed; of an activation's link, id is a string.
//   - In a frame nobody is sent to the redirect URI. After EXITED_CONNECT_FLOW, what
//     becomes of the frame is up to the parent.
//   - Which types there are, and their fields; the names of the tests' steps, and the
//     status of one that fails.
//   - The ids of an activation's two connections are numbers, and its source
//     connection is a warehouse that all activations of the group share.
//   - rules is a list, although one documented example has a string;
//     possible_values is null where any value will do.
package connectlinkstest
