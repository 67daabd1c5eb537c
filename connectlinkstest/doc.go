// Package connectlinkstest serves the Connect Links API of Fivetran Activations in a
// test's own memory. The server is an HTTP server like those of [net/http/httptest]: any
// client of the real API can use it. Levers act as the customer, the clock and a bad
// network.
//
//	srv := connectlinkstest.NewServer()
//	defer srv.Close()
//	client := srv.Client()
//	link, err := client.Destinations.CreateConnectLink(ctx,
//		connectlinks.CreateConnectLinkParams{Type: "hubspot"})
//	...
//	srv.Complete(link.ID) // the customer finishes; the connection appears
//
// If the program under test makes its own client, give it the server's address and token:
//
//	connectlinks.NewClient(connectlinks.WithBaseURL(srv.URL), connectlinks.WithToken(srv.Token()))
//
// # What is served
//
// The server has every endpoint that the SDK calls, of V1 and V2. [Routes] returns them.
// Links expire after 24 hours (see [WithLinkLifetime]), can be revoked, and are spent when
// the connection is made. Opening a link does not spend it. The URL of a link is a hosted
// page, see below. All ids come from one sequence, so no two things have the same id. Every
// answer has the header Date: the time at which the request was carried out, by the
// server's own clock, also if the answer is late.
//
// A new server has
//
//   - a workspace, with a token: [Server.Workspace], [Server.Token],
//   - a personal access token, for V2 and the list of workspaces: [Server.PersonalToken],
//   - a group: [Server.Group],
//   - a catalogue of source and destination types, some of which no link can be made for.
//
// The server never stores, logs or shows what a customer enters into a password field.
// The values of other fields appear in the connection's connection_details.
//
// # Levers
//
//   - [Server.Complete], [Server.CompleteWith] and [Server.Cancel] act as the customer.
//   - [Server.Expire], [Server.Revoke] and [Server.RotateToken] act as the workspace's
//     administrator. [Server.Advance] and [Server.SetNow] move the clock.
//   - [Server.AddWorkspace] and [Server.AddGroup] add workspaces and groups, for more
//     customers. [Server.HideGroup] leaves group_id out of answers.
//   - [Server.RetireV1] answers V1 as after its retirement.
//   - [Server.Fail] makes answers fail, makes them slow, or loses them after the request was
//     carried out. [Server.RateLimit] throttles.
//   - [Server.AddConnection] makes a connection without a link.
//   - [Server.Links] and [Server.Requests] show what has happened, and [Server.Unfired] the
//     failures that have not. [Server.Reset] starts again.
//   - [WithControl] serves the levers over HTTP, for programs in other languages.
//
// # The hosted pages
//
// A link's page is a form with the type's configuration fields. If the type has none, the
// page asks for consent. Connect runs the tests. The value "wrong" makes a test fail, and so
// does Deny if the page asks for consent. The page then says which test failed, and the
// customer can try again, and must enter the passwords again. A field that the type does
// not have is answered with 422.
//
// After Connect or Cancel, the customer is sent to the link's redirect URI with 303. If the
// link has none, a page says that all is done. In a frame, the page tells its parent
// instead, with the messages LOADED and EXITED_CONNECT_FLOW. In a frame, the color scheme is
// light.
//
// A link that is expired, revoked or spent is answered with 410, an unknown link with 404.
// In a frame, the page of an expired or revoked link has a button (cancel). It sends
// EXITED_CONNECT_FLOW with not_created.
//
// The pages need no script, except in a frame. Browsers report a frame in the header
// Sec-Fetch-Dest of each request. If a browser does not send this header, a script reports
// the frame in the form field "framed". [WithEmbedOrigins] sets which origins may frame the
// pages. The default is every origin on localhost, which development needs. We assume that
// the real service refuses localhost. [WithPagesListener] gives the pages their own origin.
//
// Tests in a browser can rely on this HTML: the ids form, connect and cancel (the form
// and its buttons), field-hostname for a field hostname (also its name in the form), and the
// attribute data-page of the element main: form, connected, not-connected, dead, unknown or
// refused. Any other id, class, attribute or text may change with any version. A test
// without a browser can POST action=connect or action=cancel to the link's URL. Fields that it
// does not send are filled in.
//
// # Without sockets
//
// [Server.Transport] reaches the server through memory, for [testing/synctest]. In a bubble,
// make the server with [WithoutListener], so that no goroutine waits for the network. Close
// it before the bubble ends. The server's clock is then the clock of the bubble.
//
// # What is assumed
//
// The API's documentation leaves questions open. Each choice of the server is marked with
// the word "Assumption", here or at its identifier. Clients can depend on some of them:
// those can be set in [Assumptions]. Code that works only with one of the answers relies on
// luck. Assumption, beyond those in [Assumptions]:
//
//   - A link that is cancelled stays open.
//   - The pages of V2's links are on the server's own host, like those of V1, unless
//     [WithPagesListener] moves all pages.
//   - A link still names its connection after the connection was deleted.
//   - A page or per_page that is not a number counts as absent. A per_page above 100 counts
//     as 100. An order other than asc counts as desc. The last page of an empty list is 1.
//     Types come in the order of the catalogue, whatever order a request asks for.
//   - A request's body that is not a JSON object is answered with 400.
//   - The token is checked first: 401 and 403 come before 404 and 422.
//   - V1's lists of destinations show no activations, and V2's lists of activations no
//     destinations.
//   - A redirect_uri that is empty or not a string counts as absent.
//   - A customer who cancels is sent to the redirect URI, too.
//   - How the pages look, and what they say. When a customer renews a connection, its page
//     shows the connection's details, except passwords. A failed test, or consent that is
//     denied, keeps the link open. The page of a dead link in a frame has a button to leave.
//   - The messages are posted to any parent (target origin "*"): frame-ancestors decides
//     who can be the parent. Each page that is opened posts LOADED, also if the link is
//     dead. The answer to the form does not post it again. EXITED_CONNECT_FLOW of a
//     reauthorization has the status created, and the id and name of the renewed connection.
//     For an activation's link, id is a string.
//   - In a frame nobody is sent to the redirect URI. After EXITED_CONNECT_FLOW, the parent
//     decides what to do with the frame.
//   - The types and their fields; the names of the tests' steps, and the status of a step
//     that fails.
//   - The ids of an activation's two connections are numbers. All activations of a group
//     have the same source connection, which is a warehouse.
//   - rules is a list, although one documented example has a string. possible_values is
//     null if any value is allowed.
package connectlinkstest
