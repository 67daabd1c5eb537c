package connectlinkstest_test

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// pipeListener is a listener whose connections use the bubble's clock for deadlines.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// Clients that never finish their header must not keep connections open.
func TestUnfinishedHeadersEnd(t *testing.T) {
	for name, option := range map[string]func(net.Listener) connectlinkstest.Option{
		"api": connectlinkstest.WithListener, "pages": connectlinkstest.WithPagesListener,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &pipeListener{make(chan net.Conn), make(chan struct{})}
				opts := []connectlinkstest.Option{option(l)}
				if name == "pages" {
					opts = append(opts, connectlinkstest.WithoutListener())
				}
				srv := connectlinkstest.NewServer(opts...)
				defer srv.Close()
				near, far := net.Pipe()
				defer near.Close()
				l.conns <- far

				start := time.Now()
				_, err := io.WriteString(near, "GET / HTTP/1.1\r\nHost: ")
				require.NoError(t, err)
				require.NoError(t, near.SetReadDeadline(start.Add(time.Hour)))
				_, err = io.Copy(io.Discard, near)
				require.NoError(t, err, "the server closes the connection")
				assert.Less(t, time.Since(start), time.Minute)
			})
		})
	}
}
