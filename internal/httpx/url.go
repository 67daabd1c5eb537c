// Package httpx adds to net/http what the SDK needs: addresses that are safe to use, a
// transport with sensible limits, bounded reading, and a trace of what was sent.
package httpx

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// ParseURL accepts an absolute http or https URL without credentials. For others, it returns the
// reason, which does not quote the URL: it may hold a secret.
func ParseURL(raw string) (u *url.URL, reason string) {
	blank := func(r rune) bool { return r <= ' ' || r >= 0x7f && (unicode.IsSpace(r) || unicode.IsControl(r)) }
	if strings.ContainsFunc(raw, blank) {
		return nil, "holds a blank or a control character"
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, "is not a URL"
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, "must be an absolute http:// or https:// URL"
	case u.Hostname() == "":
		return nil, "has no host"
	case strings.Contains(u.Host, "%"):
		return nil, "has a host with a zone"
	case u.User != nil:
		return nil, "must not have credentials"
	case u.Port() != "" && !validPort(u.Port()):
		return nil, "has a port that is not valid"
	}
	return u, ""
}

func validPort(s string) bool {
	port, err := strconv.ParseUint(s, 10, 16)
	return err == nil && port != 0
}

// ParseBaseURL accepts the address of an API like ParseURL. It returns scheme, host, and the path
// before /api/v1 and /api/v2. If plaintext is false, it accepts http for loopback hosts only.
func ParseBaseURL(raw string, plaintext bool) (base *url.URL, reason string) {
	u, reason := ParseURL(raw)
	switch {
	case reason != "":
		return nil, reason
	case u.RawQuery != "" || u.ForceQuery:
		return nil, "must not have a query"
	case strings.Contains(raw, "#"):
		return nil, "must not have a fragment"
	case u.Scheme == "http" && !plaintext && !loopback(u.Hostname()):
		return nil, "is http:// to a host that is not loopback: use https://, or WithPlaintextHTTP"
	}
	prefix := strings.TrimRight(u.EscapedPath(), "/")
	for _, version := range []string{"/api/v1", "/api/v2"} {
		prefix = strings.TrimRight(strings.TrimSuffix(prefix, version), "/")
	}
	path, err := url.PathUnescape(prefix)
	if err != nil {
		return nil, "has a path that cannot be read"
	}
	// The host is in lower case, because net/http would send requests to Localhost to a proxy.
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host), Path: path, RawPath: prefix}, ""
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}
