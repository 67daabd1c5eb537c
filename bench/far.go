package bench

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// far is a connection whose writes arrive after some time. It delays, and does not limit what is
// on its way.
type far struct {
	net.Conn
	oneWay time.Duration
	sent   chan parcel
	closed chan struct{}
	once   sync.Once
}

type parcel struct {
	due  time.Time
	data []byte
}

// Far returns c with writes that take oneWay to arrive.
func Far(c net.Conn, oneWay time.Duration) net.Conn {
	f := &far{Conn: c, oneWay: oneWay, sent: make(chan parcel, 1024), closed: make(chan struct{})}
	go f.deliver()
	return f
}

func (f *far) deliver() {
	for {
		select {
		case p := <-f.sent:
			time.Sleep(time.Until(p.due))
			if _, err := f.Conn.Write(p.data); err != nil {
				return
			}
		case <-f.closed:
			return
		}
	}
}

func (f *far) Write(b []byte) (int, error) {
	select {
	case f.sent <- parcel{time.Now().Add(f.oneWay), append([]byte(nil), b...)}:
		return len(b), nil
	case <-f.closed:
		return 0, net.ErrClosed
	}
}

func (f *far) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Conn.Close()
}

// farListener accepts connections whose answers take oneWay.
type farListener struct {
	net.Listener
	oneWay time.Duration
}

func (l farListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return Far(c, l.oneWay), nil
}

// FarDial returns a dial function for a server that is a round trip away: the handshake of TCP takes
// one, and what is written half of one.
func FarDial(roundTrip time.Duration, dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		time.Sleep(roundTrip)
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return Far(c, roundTrip/2), nil
	}
}

// FarTransport returns t, with connections that are a round trip away.
func FarTransport(t *http.Transport, roundTrip time.Duration) *http.Transport {
	t.DialContext = FarDial(roundTrip, (&net.Dialer{}).DialContext)
	return t
}
