package bench

import (
	"context"
	"net/http"
	"runtime"

	"github.com/connectlinks/connectlinks-go"
)

// Params are what every link is made with.
var Params = connectlinks.CreateConnectLinkParams{Type: "hubspot", RedirectURI: "https://example.com/connected"}

// Names of the subjects.
const (
	SDK     = "sdk"
	Like    = "like-for-like"
	Plain   = "bare"
	Default = "bare-default-transport"
)

// Maker is a subject that makes links, Walker one that walks all of them.
type (
	Maker struct {
		Name   string
		Create Create
	}
	Walker struct {
		Name string
		Walk Walk
	}
)

// InMemory are the SDK and both baselines over [Created].
func InMemory() ([]Maker, error) {
	sdk, err := Client(Created{})
	if err != nil {
		return nil, err
	}
	return []Maker{
		{SDK, sdk.Destinations.CreateConnectLink},
		{Like, NewLikeForLike(Created{}, Base, Token).CreateConnectLink},
		{Plain, NewBare(Created{}, Base, Token).CreateConnectLink},
	}, nil
}

// Client is one of the SDK over a transport of ours.
func Client(rt http.RoundTripper) (*connectlinks.Client, error) {
	return connectlinks.NewClient(
		connectlinks.WithToken(Token),
		connectlinks.WithBaseURL(Base),
		connectlinks.WithHTTPClient(&http.Client{Transport: rt}),
	)
}

// OverLoopback are the SDK with its own transport, both baselines with a tuned
// one, and the bare one with Go's default.
func OverLoopback(address string) ([]Maker, error) {
	sdk, err := connectlinks.NewClient(connectlinks.WithToken(Token), connectlinks.WithBaseURL(address))
	if err != nil {
		return nil, err
	}
	usual := http.DefaultTransport.(*http.Transport).Clone()
	return []Maker{
		{SDK, sdk.Destinations.CreateConnectLink},
		{Like, NewLikeForLike(Tuned(), address, Token).CreateConnectLink},
		{Plain, NewBare(Tuned(), address, Token).CreateConnectLink},
		{Default, NewBare(usual, address, Token).CreateConnectLink},
	}, nil
}

// Walkers are the SDK and the baseline over a list of so many links.
func Walkers(links int) ([]Walker, error) {
	sdk, err := Client(Pages(links))
	if err != nil {
		return nil, err
	}
	return []Walker{
		{SDK, sdk.Destinations.AllConnectLinks},
		{Like, NewLikeForLike(Pages(links), Base, Token).AllConnectLinks},
	}, nil
}

// WalkAll walks to the end, and returns the number of links. It calls at, if not
// nil, at every 250th from the first on.
func WalkAll(ctx context.Context, walk Walk, at func()) (n int, err error) {
	for _, err := range walk(ctx, connectlinks.ListOptions{PerPage: 100}) {
		if err != nil {
			return n, err
		}
		if n++; at != nil && n%250 == 1 {
			at()
		}
	}
	return n, nil
}

// Derive makes clients as for so many tenants.
func Derive(parent *connectlinks.Client, n int) ([]*connectlinks.Client, error) {
	clients := make([]*connectlinks.Client, n)
	for i := range clients {
		var err error
		if clients[i], err = parent.With(connectlinks.WithToken(tenant(i))); err != nil {
			return nil, err
		}
	}
	return clients, nil
}

func tenant(i int) string {
	return Token + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676%26))
}

// Live is the size of what is in use on the heap.
func Live() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first found to be finished
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
