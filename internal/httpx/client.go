package httpx

import (
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"time"
)

// NewTransport returns a transport that keeps enough idle connections for many callers of one host.
// It closes them before common servers and load balancers do (60 s).
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    256,
		IdleConnTimeout:        45 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		ForceAttemptHTTP2:      true,
		// Pings detect a dead connection. Otherwise every call on it would take its whole timeout.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
	}
}

// ErrTooLong reports that ReadAll got more than max bytes.
var ErrTooLong = errors.New("too long")

// ReadAll reads r to its end. If r has more than max bytes, it returns max bytes and ErrTooLong. It
// sizes the first buffer by the announced length, if that is less than 64 KiB.
func ReadAll(r io.Reader, announced int64, max int) ([]byte, error) {
	size := 4 << 10
	if announced >= 0 && announced < 64<<10 {
		size = int(announced) + 1 // one more, so that the last read needs no larger buffer
	}
	body := make([]byte, 0, size)
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > max:
			return body[:max], ErrTooLong
		case err == io.EOF:
			return body, nil
		case err != nil:
			return body, err
		}
		if len(body) == cap(body) { // double it: append would copy a long body more often
			body = slices.Grow(body, min(len(body)+1, max+1-len(body)))
		}
	}
}
