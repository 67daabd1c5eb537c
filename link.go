package connectlinks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/connectlinks/connectlinks-go/internal/httpx"
	"github.com/connectlinks/connectlinks-go/internal/pace"
	"github.com/connectlinks/connectlinks-go/internal/redact"
)

// ConnectLink describes what links of all kinds have in common. A link is a hosted page for a
// limited time. On it a customer connects a source, a destination or an activation.
//
// The URL is a password: whoever has it can add a connection to the workspace. A printed or
// logged link does not show it. JSON has it, because that is how the link reaches a front end.
type ConnectLink struct {
	ID   int64  `json:"id"`
	Type string `json:"type"` // the service's name, such as "hubspot"
	URL  string `json:"uri"`  // where to send the customer
	// ExpiresAt is when the link expires: 24 hours after it was made, unless the
	// organization's settings say otherwise. It is zero if the API names no time, and in a list
	// also if the time cannot be read.
	ExpiresAt   time.Time `json:"expiration,omitzero"`
	Expired     bool      `json:"expired"` // when the API answered
	Revoked     bool      `json:"revoked"`
	RedirectURI string    `json:"redirect_uri,omitempty"` // where the customer is sent at the end; "" for the organization's default
	// CreatedAt is when the link was made, in whole seconds. It is the Date header of the
	// answer to the create, so a time by the API's clock. Without this header, it is when the
	// create began, by the local clock. It is zero for a link that was fetched or listed, but not
	// for one that UniqueRedirect found.
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// Live reports whether a customer can still open the link at now: it is neither revoked nor
// expired. A live link may have been used already. To find out, see SourceID, DestinationID and
// the waits.
func (l ConnectLink) Live(now time.Time) bool {
	return !l.Revoked && !l.Expired && (l.ExpiresAt.IsZero() || now.Before(l.ExpiresAt))
}

func (l ConnectLink) base() ConnectLink { return l }

// CreateConnectLinkParams describes a new V1 link.
type CreateConnectLinkParams struct {
	// Type is what to connect: the ServiceName of a type whose
	// CreatableViaConnectLink is true. It is required.
	Type string `json:"type"`
	// RedirectURI is where the customer is sent at the end, an absolute http or https URL. If it
	// is empty, the organization's default is used.
	RedirectURI string `json:"redirect_uri,omitempty"`
	// UniqueRedirect promises that no other link has this RedirectURI, not even a link of an
	// earlier failed call. If the answer to the create is lost, the SDK then looks for the link
	// by its RedirectURI, for some seconds, and returns it like any new link. If it finds no
	// link, or several, the error is [ErrOutcomeUnknown], as without the promise. The search can
	// fail: the API changes the redirect URI, ignores the order of a list, lists the link too
	// late or behind 300 newer links, or answers the search with a 429 or 5xx.
	//
	// Put a new random part into RedirectURI for each call. Put it into the path, such as
	// https://example.com/connected/<random>: the documentation does not say whether the
	// redirect keeps a query. UniqueRedirect needs a RedirectURI, and is not sent.
	UniqueRedirect bool `json:"-"`
}

func (p CreateConnectLinkParams) check() error {
	return inputErrors(required("Type", p.Type), checkRedirect(p.RedirectURI, p.UniqueRedirect))
}

func (p CreateConnectLinkParams) uniqueRedirect() string {
	return uniqueRedirect(p.RedirectURI, p.UniqueRedirect)
}

// CreateActivationConnectLinkParams describes a new V2 link.
type CreateActivationConnectLinkParams struct {
	// Type is what to connect: the ServiceName of an [ActivationType] whose
	// CreatableViaConnectLink is true. It is required.
	Type string `json:"type"`
	// GroupID is the Fivetran group that the activation will belong to, such as
	// "wandering_aimlessly". It is required, except for a client of [WithGroup].
	GroupID string `json:"group_id"`
	// RedirectURI and UniqueRedirect: see [CreateConnectLinkParams].
	RedirectURI    string `json:"redirect_uri,omitempty"`
	UniqueRedirect bool   `json:"-"`
}

func (p CreateActivationConnectLinkParams) check() error {
	return inputErrors(required("Type", p.Type), required("GroupID", p.GroupID), checkRedirect(p.RedirectURI, p.UniqueRedirect))
}

func (p CreateActivationConnectLinkParams) uniqueRedirect() string {
	return uniqueRedirect(p.RedirectURI, p.UniqueRedirect)
}

// CreateReauthorizationLinkParams describes a new link that renews the credentials of an
// existing connection.
type CreateReauthorizationLinkParams struct {
	// RedirectURI and UniqueRedirect: see [CreateConnectLinkParams].
	RedirectURI    string `json:"redirect_uri,omitempty"`
	UniqueRedirect bool   `json:"-"`
}

func (p CreateReauthorizationLinkParams) check() error {
	return checkRedirect(p.RedirectURI, p.UniqueRedirect)
}

func (p CreateReauthorizationLinkParams) uniqueRedirect() string {
	return uniqueRedirect(p.RedirectURI, p.UniqueRedirect)
}

// createLink sends a create, and decodes the link that the API made. If the outcome is unknown, and
// the redirect URI is unique, it looks for the link.
func createLink[L any](ctx context.Context, s *service, k *call, p params, convert func(*wireLink) L, lost lostLink) (*L, error) {
	var link *wireLink
	k.create(p)
	k.decode = func(ctx context.Context, a answer) (err error) {
		if link, err = decodeObject[wireLink](ctx, a.body); err != nil {
			return err
		}
		if outside(s.group(k), link) {
			return badResponse("the link belongs to another group, or to none")
		}
		link.CreatedAt = a.date
		return nil
	}
	lost.redirectURI = p.uniqueRedirect()
	err := s.do(ctx, k, func(ctx context.Context, x *exchange) error {
		err := x.run(ctx)
		if lost.redirectURI == "" || !errors.Is(err, ErrOutcomeUnknown) || pace.Ended(ctx) != nil {
			return err
		}
		if link = s.findLost(ctx, k, lost, x.began); link != nil {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := convert(link)
	return &out, nil
}

// revokeLink sends a revocation, and returns the link. If a retry was refused with a 4xx, an
// earlier attempt may have worked: revokeLink fetches the link to find out.
func revokeLink[L interface{ base() ConnectLink }](ctx context.Context, s *service, k *call, linkID int64, convert func(*wireLink) L,
	getLink func(context.Context, int64) (*L, error),
) (*L, error) {
	var link L
	k.decode = func(ctx context.Context, a answer) error {
		w, err := decodeObject[wireLink](ctx, a.body)
		if err == nil {
			link = convert(w)
		}
		return err
	}
	err := s.do(ctx, k, func(ctx context.Context, x *exchange) error {
		err := x.run(ctx)
		var refused *APIError
		if !x.repeated || !errors.As(err, &refused) || refused.StatusCode/100 != 4 {
			return err
		}
		if now, getErr := getLink(ctx, linkID); getErr == nil && (*now).base().Revoked {
			link = *now
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &link, nil
}

func required(field, s string) error {
	return refuse(strings.TrimSpace(s) == "", field, "is required")
}

// checkRedirect checks the redirect URI of a create.
func checkRedirect(raw string, unique bool) error {
	if raw == "" {
		return refuse(unique, "UniqueRedirect", "needs a RedirectURI")
	}
	return checkURL("RedirectURI", raw)
}

// uniqueRedirect returns a create's redirect URI if no other link has it, or "".
func uniqueRedirect(raw string, unique bool) string {
	if !unique {
		return ""
	}
	return raw
}

// checkURL refuses a URL that is not absolute. Its error does not quote the URL, which may
// hold a platform's state.
func checkURL(field, raw string) error {
	_, reason := httpx.ParseURL(raw)
	return refuse(reason != "", field, reason)
}

// attrs returns the fields of a link for printing. It leaves out the secret in the URL, and the
// query of the redirect URI, which may hold a platform's state.
func (l ConnectLink) attrs() []slog.Attr {
	shown := redact.Redacted
	if u, err := url.Parse(l.URL); err == nil && u.Host != "" && u.User == nil {
		shown = u.Scheme + "://" + u.Host + "/" + redact.Redacted
	}
	redirect, _, query := strings.Cut(l.RedirectURI, "?")
	if query {
		redirect += "?" + redact.Redacted
	}
	return []slog.Attr{
		slog.Int64("id", l.ID),
		slog.String("type", l.Type),
		slog.String("url", shown),
		slog.Time("expires_at", l.ExpiresAt),
		slog.Bool("expired", l.Expired),
		slog.Bool("revoked", l.Revoked),
		slog.String("redirect_uri", redirect),
	}
}

// Format prints the link for every fmt verb, without the secret in its URL and without the query
// of its redirect URI. Two misuses bypass every Formatter, and go vet reports them: %w, and %p of
// a value.
func (l ConnectLink) Format(s fmt.State, _ rune) { redact.Format(s, l.attrs()) }

// String returns the text that Format prints, for loggers and test frameworks that ignore Format.
func (l ConnectLink) String() string { return fmt.Sprint(l) }

// LogValue returns the fields that Format prints, for [log/slog].
func (l ConnectLink) LogValue() slog.Value { return slog.GroupValue(l.attrs()...) }
