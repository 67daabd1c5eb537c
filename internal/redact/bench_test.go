package redact_test

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/connectlinks/connectlinks-go/internal/redact"
)

// long are texts of a size, ordinary ones and those that take the longest.
var long = []struct {
	name string
	of   func(size int) string
}{
	{"prose", repeat("The destination's credentials were refused. ")},
	{"JSON", repeat(`{"id":469,"type":"hubspot","redirect_uri":"https://platform.example/done"},`)},
	{"HTML", repeat(`<p class="error">Bad &quot;gateway&quot; &amp; more</p>`)},
	{"escapes", repeat(`%25\u0025&amp;`)},
	{"nested percent", func(size int) string { return strings.Repeat("%"+strings.Repeat("25", 8), size/17) }},
	{"backslashes", repeat(`\`)},
	{"names", repeat("auth:")},
	{"names only", repeat("auth")},
	{"blanks", func(size int) string { return "auth" + strings.Repeat(" ", size) + "auth" }},
	{"URIs", repeat("uri=")},
	{"URLs", repeat("://")},
	{"ampersands", repeat("&")},
	{"braces", repeat(`\u{`)},
}

func repeat(part string) func(int) string {
	return func(size int) string { return strings.Repeat(part, size/len(part)) }
}

// The time of a long text is proportional to its size.
func BenchmarkBody(b *testing.B) {
	for _, text := range long {
		for _, size := range []int{4 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%dKiB", text.name, size>>10), func(b *testing.B) {
				body := []byte(text.of(size))
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					redact.New(token, plain).Body(body, 4<<10)
				}
			})
		}
	}
}

func BenchmarkLine(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		redact.New(token, "").Line("Invalid type: not_a_real_type", 1<<10)
	}
}

func BenchmarkError(b *testing.B) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for name, err := range map[string]error{
		"kept":     &url.Error{Op: "Get", URL: "https://app.getcensus.com/api/v1/sources?page=2", Err: refused},
		"withheld": errors.New("bad key " + secret),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = redact.Error(err, token, "")
			}
		})
	}
}
