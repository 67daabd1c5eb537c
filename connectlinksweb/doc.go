// Package connectlinksweb hands connect links to customers, with nothing but net/http. The
// customer is redirected to the link's page at a click, or sees it in a frame.
//
//	// The address of a button, in pages and mails: a click makes a link.
//	mux.Handle("/connect/hubspot", connectlinksweb.Start(mint))
//	// The link's RedirectURI, where the customer returns.
//	mux.Handle("/connected/{key}", connectlinksweb.Return(check, integrations))
//
// You write two functions. mint makes the link, and stores its id in the customer's
// session. check looks the id up, and asks the API with one of the waits, such as
// WaitForConnection. Put both handlers behind the platform's own sign-in, since everybody
// who reaches mint gets a link.
//
// # The address never expires
//
// A link expires, by default after 24 hours. The address of a [Start] handler does
// not expire: it can be mailed, and put into menus. A GET makes no link, so prefetching
// browsers and mail scanners do no harm. It shows one button, whose POST makes the link.
// Put what is to be connected into the address, not into the fields of a form: a page that
// offers another try posts to the same address.
//
// # A key for each link
//
// A customer may have two tabs open, and return to either. To tell them apart, put
// a random key into the path of the RedirectURI, and store it in the session with the
// link's id:
//
//	key := rand.Text() // of crypto/rand
//	link, err := client.Destinations.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{
//		Type:           "hubspot",
//		RedirectURI:    "https://platform.example/connected/" + key,
//		UniqueRedirect: true, // if the response is lost, the SDK finds the link by its address
//	})
//	if err != nil {
//		return connectlinks.ConnectLink{}, err
//	}
//	session.linkIDs[key] = link.ID
//
// check then looks up r.PathValue("key"). Anybody can type an address, so check returns
// [ErrNoLink] if the key is not in the customer's own session. Use the path: the
// service may drop or change a query. Make a new key for each call, also after
// [connectlinks.ErrOutcomeUnknown]. Then no two links have the same RedirectURI, as the
// param UniqueRedirect promises.
//
// # Two clicks
//
// Every POST calls mint. With script, the button disables itself. But a second tab, a
// browser without script or the back button can post again, and then there are two
// links, and perhaps two connections. To prevent this, mint should
//
//   - hold a lock of the session,
//   - look there for a link for the same thing, and fetch it from the API,
//   - return it if it is not expired, not revoked and not used, and otherwise make a link,
//   - keep the keys of earlier links, since the customer may finish in another tab.
//
// A link of API V2 does not say whether it was used, so mint must not return it again.
// It makes a new link for each try, and stores all of them. When one try has finished,
// check revokes the earlier links. Do not revoke them at the click: the customer may still
// be at work in another tab.
//
// # Sessions
//
// The customer returns from the link's page with a GET from another site. Give the
// session's cookie SameSite=Lax: with Strict, browsers do not send it with this request,
// and the session seems lost. A session can also be lost, for example if it is in memory
// and the platform restarts, or if the customer returns in another browser. The connection
// is made all the same. So check returns [ErrNoLink] if the session does not know the key.
// The page for this error makes no claim about the connection, and leads to the address of
// [WithBack].
//
// # What the pages say
//
// When check fails, the customer may still be connected. So no error page of [Return] says
// that the customer is not connected. Only if the API has answered that the customer has not
// finished, the page says "Not connected yet". If the time of [WithWait] ends without such an
// answer, the page says that we do not know yet. If only the platform can fix an error, its page
// offers no other try. The error is logged at level Error: watch for it. [WithTexts]
// replaces the texts, for other languages. [WithTemplate] replaces the page around them.
//
// # The first click
//
// Clicks are rare. Most find no open connection to the API, and wait for TCP and TLS
// first. [WithWarm] opens the connection while the customer looks at the page.
//
// # Signals from the browser
//
// Two signals come from the browser, and can be forged: a request to the RedirectURI, and
// the events of a <connect-link>. Each means only that you should ask the API now. [Return]
// decides by the answer of check alone. A page that gets the event connectlink:created
// should go to the address of Return, or ask its own server in the same way.
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
// The element loads the link in a frame that may use the clipboard, and shows the frame
// when the page reports that it is ready. Messages count only if they come from that
// frame and from the link's origin. The element raises these events, which bubble:
//
//   - connectlink:loaded: the page is shown.
//   - connectlink:created: the customer has finished. detail has the connection's id and
//     name, as the browser reports them.
//   - connectlink:exited: the customer left without a connection. detail.status is
//     "not_created", or another status that the page reported.
//   - connectlink:error: detail.reason is "timeout" if the page does not report within the
//     attribute timeout (in seconds; default 20). The element then shows the link. If the
//     page reports later, the element shows the page. detail.reason is "src" if src is not
//     an http or https URL.
//
// After created or exited the element removes the frame. Another src starts again. The
// attribute autofocus moves the focus into the page when it is shown. The element's
// method focus does so at any time.
//
// The CSS property --connect-link-height sets the height; the default is 40rem. The parts
// frame, status and link can be styled with ::part. Children with slot="loading",
// slot="error" and slot="done" replace the texts, for other languages. Without script the
// browser shows what the element contains: [Element] puts a link there.
//
// A page with a Content-Security-Policy needs [FrameOrigin] of the link in frame-src, and
// the script in script-src. The element needs no style-src. The pages of V2's links are
// on another host than the API, so take the origin from the link.
//
// The vendor documents frames for the links of sources only, and only for origins that it
// has approved. We assume that it never approves localhost: develop with package
// connectlinkstest, or through a tunnel whose origin is approved. If the frame is refused,
// the page does not report, and the element raises connectlink:error. A redirect needs no
// approval.
package connectlinksweb
