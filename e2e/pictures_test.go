package e2e

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

var pictures = flag.String("pictures", "", "`folder` that TestPictures writes its pictures to; empty: one that is removed")

// pictureLimit is how many bytes a picture may have.
const pictureLimit = 100 << 10

// The pictures of docs/pictures can be made, and stay small.
func TestPictures(t *testing.T) {
	dir := *pictures
	if dir == "" {
		dir = t.TempDir()
	}
	dir, err := filepath.Abs(dir)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(dir, 0o777))
	for name, p := range map[string]struct {
		show   func(*testing.T) *tab
		height int64 // at most
	}{"hosted": {showHosted, 1000}, "sandbox": {showSandbox, 1800}, "webapp": {showWebapp, 1000}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			picture := p.show(t).picture(p.height)
			size, err := png.DecodeConfig(bytes.NewReader(picture))
			require.NoError(t, err)
			assert.Equal(t, pictureWidth, size.Width)
			assert.Greater(t, size.Height, 300)
			assert.Less(t, len(picture), pictureLimit)
			require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o666))
		})
	}
	t.Run("those of the docs", func(t *testing.T) {
		for _, name := range []string{"hosted", "sandbox", "webapp"} {
			info, err := os.Stat(filepath.Join("..", "docs", "pictures", name+".png"))
			require.NoError(t, err)
			assert.Less(t, info.Size(), int64(pictureLimit), name)
		}
	})
}

const pictureWidth = 900

// picture shows the page from its top, in the colors that it has most of.
func (b *tab) picture(maxHeight int64) []byte {
	b.t.Helper()
	b.resize(pictureWidth, 300, false)
	b.resize(pictureWidth, min(get[int64](b.view, "document.documentElement.scrollHeight"), maxHeight), false)
	shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	require.NoError(b.t, err)
	full, err := png.Decode(bytes.NewReader(shot))
	require.NoError(b.t, err)
	var picture bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	require.NoError(b.t, encoder.Encode(&picture, reduced(full)))
	return picture.Bytes()
}

// reduced returns the picture with 256 colors, which needs a third of the bytes. The pages
// have few colors, and the shades at the edges of letters.
func reduced(full image.Image) *image.Paletted {
	often := map[color.Color]int{}
	size := full.Bounds()
	for y := size.Min.Y; y < size.Max.Y; y++ {
		for x := size.Min.X; x < size.Max.X; x++ {
			often[full.At(x, y)]++
		}
	}
	palette := color.Palette(slices.SortedFunc(maps.Keys(often), func(a, b color.Color) int { return often[b] - often[a] }))
	picture := image.NewPaletted(size, palette[:min(len(palette), 256)])
	draw.Draw(picture, size, full, size.Min, draw.Src)
	return picture
}

// noon is when the pictures were taken, as far as they show.
func noon(sandbox *connectlinkstest.Server) {
	sandbox.SetNow(time.Date(2027, time.January, 16, 12, 0, 0, 0, time.UTC))
}

// showHosted shows a link's page.
func showHosted(t *testing.T) *tab {
	sandbox, b := newSandbox(t, false), newTab(t)
	link, err := sandbox.Client().Destinations.CreateConnectLink(t.Context(), connectlinks.CreateConnectLinkParams{
		Type: "braze", RedirectURI: "https://app.example.com/integrations",
	})
	require.NoError(t, err)
	b.open(link.URL)
	b.see("#form")
	return b
}

// showSandbox shows the sandbox's page after some use.
func showSandbox(t *testing.T) *tab {
	p := newPanel(t, connectlinkstest.WithToken("secret-token:example"), connectlinkstest.WithPersonalToken("example-personal-token"),
		connectlinkstest.WithWorkspace("Acme Coffee", "secret-token:example-acme"))
	noon(p.sandbox)
	ctx, acme := t.Context(), "secret-token:example-acme"
	for _, typ := range []string{"postgres", "snowflake"} {
		link, err := p.sandbox.Client(connectlinks.WithToken(acme)).Sources.CreateConnectLink(ctx, connectlinks.CreateConnectLinkParams{Type: typ})
		require.NoError(t, err)
		if typ == "postgres" {
			_, err = p.sandbox.CompleteWith(link.ID, connectlinkstest.Submission{Name: "Shop database"})
			require.NoError(t, err)
		}
	}
	require.NoError(t, p.sandbox.Fail(
		connectlinkstest.Failure{Route: connectlinkstest.RouteCreateDestinationConnectLink, Status: 429},
		connectlinkstest.Failure{Route: connectlinkstest.RouteListDestinations, Reset: true},
	))
	_, err := p.link(acme)
	require.ErrorIs(t, err, connectlinks.ErrRateLimited)
	id, err := p.link(acme)
	require.NoError(t, err)
	require.NoError(t, p.sandbox.Cancel(id))
	p.load()
	return p.tab
}

// showWebapp shows the webapp's integrations, some of which are connected.
func showWebapp(t *testing.T) *tab {
	h := newHarbor(t, "v1")
	noon(h.sandbox)
	b := h.customer(t)
	h.connect(b, "source-postgres", false)
	h.connect(b, "destination-braze", false)
	b.follow("#brand") // without what it says after connecting
	return b
}
