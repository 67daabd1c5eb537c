// Package bench compares the SDK with what one would write by hand on net/http.
// Its README says how to run it, and what came out.
package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/connectlinks/connectlinks-go"
)

const (
	linksPath  = "/api/v1/destination_connect_links"
	maxSuccess = 8 << 20
	userAgent  = "bench/1.0"
)

// Create makes a link: a method of the SDK, or of one of the baselines.
type Create func(context.Context, connectlinks.CreateConnectLinkParams) (*connectlinks.DestinationConnectLink, error)

// Walk goes through all links: likewise.
type Walk func(context.Context, connectlinks.ListOptions) iter.Seq2[*connectlinks.DestinationConnectLink, error]

// Tuned is a transport for many callers of one host.
func Tuned() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     45 * time.Second,
		ForceAttemptHTTP2:   true,
	}
}

func withoutRedirects(rt http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Bare is the least code that makes a link and does not fool itself: a bounded
// read, the status and the URL checked, redirects refused. It has no time limit
// but the context's, and cannot tell whether a call that failed made a link.
type Bare struct {
	hc          *http.Client
	base, token string
}

// NewBare returns a Bare.
func NewBare(rt http.RoundTripper, base, token string) *Bare {
	return &Bare{withoutRedirects(rt), base, token}
}

// CreateConnectLink is a [Create].
func (c *Bare) CreateConnectLink(ctx context.Context, p connectlinks.CreateConnectLinkParams) (*connectlinks.DestinationConnectLink, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+linksPath, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.hc.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxSuccess))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusCreated {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	var env struct {
		Data connectlinks.DestinationConnectLink `json:"data"`
	}
	if err := json.Unmarshal(answer, &env); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(env.Data.URL, "https://") {
		return nil, errors.New("a link without a URL")
	}
	return &env.Data, nil
}

// LikeForLike gives a caller what the SDK gives for an ordinary call, short of
// retries, and is as careful: the parameters and the answer are validated, each
// attempt has a time limit of its own, it is known whether a connection was got,
// and a failure's outcome is told from that.
type LikeForLike struct {
	hc          *http.Client
	base, token string
	timeout     time.Duration
}

// NewLikeForLike returns a LikeForLike.
func NewLikeForLike(rt http.RoundTripper, base, token string) *LikeForLike {
	return &LikeForLike{withoutRedirects(rt), base, token, 30 * time.Second}
}

var (
	errTimeout        = errors.New("timeout")
	errOutcomeUnknown = errors.New("outcome unknown")
)

// CreateConnectLink is a [Create].
func (c *LikeForLike) CreateConnectLink(ctx context.Context, p connectlinks.CreateConnectLinkParams) (*connectlinks.DestinationConnectLink, error) {
	if strings.TrimSpace(p.Type) == "" {
		return nil, errors.New("the type is required")
	}
	if p.RedirectURI != "" && !absolute(p.RedirectURI) {
		return nil, errors.New("the redirect URI is not an absolute URL")
	}
	body, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	var env struct {
		Status     string      `json:"status"`
		Data       *link       `json:"data"`
		Pagination *pagination `json:"pagination"`
	}
	if err := c.do(ctx, http.MethodPost, c.base+linksPath, body, &env); err != nil {
		return nil, err
	}
	if env.Status == "error" || env.Status == "not_found" {
		return nil, fmt.Errorf("status %s", env.Status)
	}
	if env.Data == nil || env.Data.ID < 1 || !absolute(env.Data.URL) {
		return nil, errors.New("a link without an id or a URL")
	}
	return env.Data.destination(), nil
}

// AllConnectLinks is a [Walk].
func (c *LikeForLike) AllConnectLinks(ctx context.Context, opts connectlinks.ListOptions) iter.Seq2[*connectlinks.DestinationConnectLink, error] {
	return func(yield func(*connectlinks.DestinationConnectLink, error) bool) {
		for page := max(opts.Page, 1); page != 0; {
			var env struct {
				Status     string      `json:"status"`
				Data       []link      `json:"data"`
				Pagination *pagination `json:"pagination"`
			}
			address := fmt.Sprintf("%s%s?order=asc&page=%d&per_page=%d", c.base, linksPath, page, opts.PerPage)
			if err := c.do(ctx, http.MethodGet, address, nil, &env); err != nil {
				yield(nil, err)
				return
			}
			for i := range env.Data {
				if env.Data[i].ID < 1 {
					yield(nil, errors.New("a link without an id"))
					return
				}
				if !yield(env.Data[i].destination(), nil) {
					return
				}
			}
			if env.Pagination == nil || env.Pagination.Next == 0 {
				return
			}
			if env.Pagination.Next <= page {
				yield(nil, errors.New("the pages do not advance"))
				return
			}
			page = env.Pagination.Next
		}
	}
}

func (c *LikeForLike) do(ctx context.Context, method, address string, body []byte, answer any) error {
	actx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	var asked, got atomic.Bool
	tctx := httptrace.WithClientTrace(actx, &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { got.Store(true) },
	})
	fail := func(err error) error {
		if context.Cause(actx) == errTimeout {
			err = errTimeout
		}
		if method == http.MethodPost && !(asked.Load() && !got.Load()) {
			return fmt.Errorf("%w: %w", errOutcomeUnknown, err)
		}
		return err
	}
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(tctx, method, address, content)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.hc.Do(req)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return fmt.Errorf("status %d, %d bytes", resp.StatusCode, len(text))
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxSuccess+1))
	switch {
	case err != nil:
		return fail(err)
	case len(raw) > maxSuccess:
		return fail(errors.New("too long"))
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return fail(err)
	}
	return nil
}

func absolute(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http")
}

// link and pagination are the API's JSON, field for field as the SDK reads it.
type link struct {
	connectlinks.ConnectLink
	SourceID      int64  `json:"source_id"`
	DestinationID int64  `json:"destination_id"`
	GroupID       string `json:"group_id"`
}

func (l *link) destination() *connectlinks.DestinationConnectLink {
	return &connectlinks.DestinationConnectLink{ConnectLink: l.ConnectLink, DestinationID: l.DestinationID}
}

type pagination struct {
	TotalRecords int `json:"total_records"`
	PerPage      int `json:"per_page"`
	Prev         int `json:"prev_page"`
	Number       int `json:"page"`
	Next         int `json:"next_page"`
	Last         int `json:"last_page"`
}
