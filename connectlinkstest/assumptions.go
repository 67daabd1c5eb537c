package connectlinkstest

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Assumptions are answers to questions that the API's documentation leaves open,
// for [WithAssumptions]. The zero value of each field is the server's own choice.
type Assumptions struct {
	// UnknownTypeStatus is V1's answer to a link for a type that does not exist,
	// or that no link can be made for. Assumption: 422. (V2 documents 400.)
	UnknownTypeStatus int

	// WrongTokenStatus is the answer to a workspace's token where a personal one
	// is needed, and the other way round. Assumption: 403.
	WrongTokenStatus int

	// RevokeAgainStatus is the answer to revoking a link that is expired, revoked
	// or spent. Assumption: 200, and it is revoked, or still is.
	RevokeAgainStatus int

	// RefuseBasic answers HTTP Basic with 401. Assumption: it is accepted, with the user
	// name bearer and the token as the password.
	RefuseBasic bool

	// WordStatus makes V1's error bodies carry a word as their status, "not_found" or
	// "error". Assumption: they carry the HTTP status, {"status": 404, ...}, as V2's do.
	WordStatus bool

	// PaginatedSourceTypes makes /source_types answer in pages. Assumption: all
	// types are on one page, and there is no pagination object.
	PaginatedSourceTypes bool

	// ExpireSpentLinks makes a link expired from the moment its connection is
	// made. Assumption: only the connection's id on it tells (which a V2 link does
	// not have); it expires when it would have.
	ExpireSpentLinks bool

	// KeepRevokedLinks leaves a revoked link's expired and expiration as they were.
	// Assumption: it expires when it is revoked, so that clients that look at
	// either come to the same conclusion.
	KeepRevokedLinks bool

	// ShortActivationNames calls an activation's two objects source and
	// destination. Assumption: source_connection and destination_connection.
	ShortActivationNames bool

	// NoTypeOnDestinations leaves type out of V1's destinations, as older answers
	// did. Assumption: it is there.
	NoTypeOnDestinations bool

	// ListDelay keeps a new link out of lists for a while. Assumption: a link is
	// listed at once.
	ListDelay ListDelay

	// IgnoreOrder makes every list come oldest first, whatever order a request asks
	// for. Assumption: order is heeded, and the default is newest first.
	IgnoreOrder bool

	// NormalizeRedirect changes a redirect URI that is sent: scheme and host become
	// lower case, the scheme's own port is left out, and the path ends with a slash.
	// https://App.Example.com/done becomes https://app.example.com/done/. What is not
	// an absolute URL stays. Assumption: it comes back exactly as it was sent.
	NormalizeRedirect bool
}

// ListDelay says for how long a new link is in no list. Its own endpoints know it at
// once. If both fields are set, both must be over.
type ListDelay struct {
	Looks int           // how many requests for a list come too early; each page is one
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

// normalized changes a redirect URI like NormalizeRedirect.
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
	return a
}
