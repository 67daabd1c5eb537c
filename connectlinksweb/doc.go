// Package connectlinksweb hands connect links to customers, on net/http alone: just
// in time by redirect, or embedded in a page.
//
//	mux.Handle("/connect/hubspot", connectlinksweb.Start(mint))                 // makes a link at the click, and sends the browser there
//	mux.Handle("/connected/{key}", connectlinksweb.Return(check, integrations)) // the link's RedirectURI
//
// mint makes the link, and stores its id in the customer's session; check looks the
// id up and asks the API, by one of the waits, what became of the link. Both handlers
// belong behind the platform's own sign-in: whoever gets as far as mint is given a link.
//
// # The address never expires
//
// A link expires, by default after 24 hours. The address of a [Start] handler does
// not: it can be mailed and put into menus. A GET makes nothing, so that prefetch
// and mail scanners cost no link; it shows one button, and the button's POST makes
// the link. What is to be connected belongs in the address, not in fields of a
// form: an answer that offers another try posts to the same address.
//
// # A key for each link
//
// A customer may have two tabs open, and come back to either. To tell them apart, put
// a random key into the path of the RedirectURI, and store it in the session with the
// link's id:
//
//	key := rand.Text() // of crypto/rand
//	link, err := client.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{
//		Type:        "hubspot",
//		RedirectURI: "https://platform.example/connected/" + key,
//	})
//	if err != nil {
//		return connectlinks.ConnectLink{}, err
//	}
//	session.linkIDs[key] = link.ID
//
// check then looks up r.PathValue("key"). It must find the key in the customer's own
// session, or return [ErrNoLink]: anybody can type an address. Use a path, since the
// service may drop or change a query. Make a new key for each call, also after
// [connectlinks.ErrOutcomeUnknown]: the RedirectURI then tells the links apart too.
//
// # Two clicks
//
// Every POST calls mint. The button disables itself where there is script, but a
// second tab, a browser without script or the back button posts again, and then
// there are two links and perhaps two connections. So mint should hold a lock of the
// session, look there for a link for the same thing, and fetch it from the API. It
// returns that link again while it is neither expired, revoked nor used; else it makes
// one. It keeps the keys of earlier links, since the customer of another tab may still
// finish.
//
// A link of API V2 does not say whether it was used, so mint must not return it again. It
// makes a new one for each try, and keeps all of them. check revokes the earlier ones once one
// try has finished: at the click, the customer of the first tab may still be at work.
//
// # Sessions
//
// The way back from a link's page is a GET from another site. The session's cookie needs
// SameSite=Lax: with Strict, browsers do not send it there, and the session seems lost.
// Sessions do get lost, for example when they are in memory and the platform restarts,
// or when the customer comes back in another browser. What was connected is connected
// all the same. So check returns [ErrNoLink] where the session does not know the key:
// its page sends the customer to the integrations, and does not claim that nothing was
// connected.
//
// # What the pages say
//
// The pages say only what is known. On the way back the customer may have connected,
// whatever goes wrong with our question; so no page there says otherwise. Where only the
// platform can help, a page offers no other try, and the error is logged as an error:
// watch for it. [WithTexts] replaces the texts, for other languages, and [WithTemplate]
// the page around them.
//
// # The first click
//
// Clicks are rare, so most find no open connection to the API, and wait for TCP and TLS
// first. [WithWarm] opens the connection while the customer looks at the page.
//
// # What is a hint, and what counts
//
// That a browser arrives at the RedirectURI, with whatever query, and what the
// frame of a <connect-link> reports, comes from a browser and can be forged.
// Either says only that it is time to ask. What the API answers counts:
// [Return] believes nothing else, and a page that has heard connectlink:created
// should go to it, or ask its own server in the same way.
//
// # Embedding
//
// [Script] serves the custom element that [Element] writes:
//
//	<script src="/connect-link.js" defer></script>
//	<connect-link src="the link's URL" title="Connect HubSpot"></connect-link>
//
// A front end that makes the element itself can POST to a [Start] handler with
// Accept: application/json, and set src to the answer's uri.
//
// The element loads the link in a frame that may use the clipboard, and shows it
// when it is ready. Messages count only if they come from that frame and from the
// link's origin. The element raises these events, which bubble:
//
//   - connectlink:loaded: the page is shown.
//   - connectlink:created: the customer has finished. detail has id and name of
//     the connection, as the browser tells it: a hint.
//   - connectlink:exited: the customer has left otherwise; detail.status is
//     "not_created", or whatever else the page said.
//   - connectlink:error: detail.reason is "timeout" if the page has not reported
//     within the attribute timeout (in seconds; default 20): the element then
//     offers the link itself, and should the page report late, it is shown after
//     all. It is "src" if src is no http or https URL.
//
// After created or exited the frame is gone, since the page in it is over; another
// src starts anew. The attribute autofocus moves the focus into the page
// when it is shown; the element's method focus does so at any time. Its height is
// the CSS property --connect-link-height, default 40rem; its parts frame, status
// and link can be styled with ::part. Children with slot="loading", slot="error"
// and slot="done" replace its texts, for other languages. Where there is no
// script, what the element contains is shown: [Element] puts a link there.
//
// A page with a Content-Security-Policy needs [FrameOrigin] of the link in
// frame-src, and the script in script-src; the element needs no style-src. The
// pages of V2's links are on another host than its API, so take the origin from
// the link.
//
// The vendor's pages can be framed only by origins that the vendor has approved,
// and localhost is not one of them: develop with package connectlinkstest, or
// through a tunnel whose origin is approved. Where the frame is refused nothing
// arrives, and connectlink:error is raised. Redirecting needs no approval.
package connectlinksweb
