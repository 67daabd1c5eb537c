package connectlinkstest

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Assumptions answers questions that the API's documentation leaves open, for
// [WithAssumptions]. The zero value of each field is the server's own choice.
type Assumptions struct {
	// UnknownTypeStatus is V1's answer to a create whose type does not exist, or takes no
	// links. Assumption: 422. (V2 documents 400.)
	UnknownTypeStatus int

	// WrongTokenStatus is the answer to a workspace's token on an endpoint that needs a
	// personal token, and the other way round. Assumption: 403.
	WrongTokenStatus int

	// RevokeAgainStatus is the answer to revoking a link that is expired, revoked or
	// spent. Assumption: 200, and the link is revoked.
	RevokeAgainStatus int

	// RefuseBasic answers HTTP Basic with 401. Assumption: HTTP Basic is accepted, with
	// the user name bearer and the token as the password.
	RefuseBasic bool

	// WordStatus puts a word into the status of V1's error bodies: "not_found" or "error".
	// Assumption: they have the HTTP status, {"status": 404, ...}, like V2's.
	WordStatus bool

	// PaginatedSourceTypes answers /source_types in pages. Assumption: all types are on
	// one page, without a pagination object.
	PaginatedSourceTypes bool

	// ExpireSpentLinks makes a link expire when its connection is made. Assumption: it
	// expires at its usual time. Only the connection's id shows that it is spent, and a V2
	// link does not have that.
	ExpireSpentLinks bool

	// KeepRevokedLinks does not change expired and expiration when a link is revoked.
	// Assumption: a link expires when it is revoked, so clients see a dead link whichever
	// field they check.
	KeepRevokedLinks bool

	// ShortActivationNames names an activation's two objects source and destination.
	// Assumption: source_connection and destination_connection.
	ShortActivationNames bool

	// NoTypeOnDestinations leaves type out of V1's destinations, like older answers.
	// Assumption: they have a type.
	NoTypeOnDestinations bool

	// ListDelay keeps a new link out of lists for a while. Assumption: a link is
	// listed at once.
	ListDelay ListDelay

	// IgnoreOrder sorts every list oldest first, whatever order a request asks for.
	// Assumption: the request's order is used, and the default is newest first.
	IgnoreOrder bool

	// NormalizeRedirect changes each redirect URI that a request sends. Scheme and host
	// become lower case, the scheme's default port is removed, and the path ends with a
	// slash: https://App.Example.com/done becomes https://app.example.com/done/. Only
	// absolute URLs are changed. Assumption: answers have the redirect URI as it was sent.
	NormalizeRedirect bool

	// DeadPageStatus is the status of the hosted page of a link that is expired, revoked or
	// spent. Assumption: 410.
	DeadPageStatus int

	// BareErrors leaves message out of the bodies of errors. Assumption: every error has one,
	// as V2 documents it for 400, 403 and 500.
	BareErrors bool

	// NoRequestID leaves X-Request-Id out of answers. Assumption: every answer has one.
	NoRequestID bool

	// AnnounceRetirement adds the headers Deprecation and Sunset to V1's answers, with the
	// day of its retirement. Assumption: they are not there.
	AnnounceRetirement bool

	// SpacedTimes writes the times of connections like 2023-07-22 23:42:47 UTC, which the SDK
	// reads as the zero time. Assumption: they are in RFC 3339.
	SpacedTimes bool
}

// ListDelay sets how long lists do not have a new link. The link can be fetched by its id
// at once. If both fields are set, both must have passed.
type ListDelay struct {
	Looks int           // the number of list requests without the link; each page is a request
	Time  time.Duration // by the server's clock
}

// unlisted reports whether l is still too new for a list, and counts the look.
func (s *Server) unlisted(l *link) bool {
	delay := s.assume.ListDelay
	if l.looks < delay.Looks {
		l.looks++
		return true
	}
	return s.now().Before(l.created.Add(delay.Time))
}

// normalized returns a redirect URI as NormalizeRedirect changes it.
func normalized(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" {
		return uri
	}
	u.Host = strings.ToLower(u.Host)
	if port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]; port != "" {
		u.Host = strings.TrimSuffix(u.Host, port)
	}
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
		if u.RawPath != "" {
			u.RawPath += "/"
		}
	}
	return u.String()
}

func (a Assumptions) orDefault() Assumptions {
	a.UnknownTypeStatus = cmp.Or(a.UnknownTypeStatus, http.StatusUnprocessableEntity)
	a.WrongTokenStatus = cmp.Or(a.WrongTokenStatus, http.StatusForbidden)
	a.RevokeAgainStatus = cmp.Or(a.RevokeAgainStatus, http.StatusOK)
	a.DeadPageStatus = cmp.Or(a.DeadPageStatus, http.StatusGone)
	return a
}
