package connectlinkstest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Transport returns a new transport that reaches the server through memory. It ignores the
// host of a request, and takes http and https. It opens no socket and no goroutine waits
// for the network, so it works in a [testing/synctest] bubble.
//
// A connection belongs to the bubble in which it is opened. Close it before the bubble ends,
// with CloseIdleConnections or [Server.Close].
//
// Go 1.25.0 and 1.25.1 have a bug that can end parallel bubbles with "WaitGroup.Add called
// from multiple synctest bubbles". Use Go 1.25.2 or newer, or go test -cpu 1.
func (s *Server) Transport() *http.Transport {
	return &http.Transport{
		DialContext:         s.dial,
		DialTLSContext:      s.dial, // as if TLS had been negotiated
		MaxIdleConnsPerHost: 128,
	}
}

func (s *Server) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	var wasReset atomic.Bool
	client := &pipeEnd{Conn: near, reset: &wasReset, heard: &wasReset}
	server := &pipeEnd{Conn: far, reset: &wasReset, heard: new(atomic.Bool)}
	server.closed = sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.pipes, server)
	})

	s.mu.Lock()
	open := s.pipes != nil
	if open {
		s.pipes[server] = struct{}{}
	}
	s.mu.Unlock()
	if !open {
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: net.ErrClosed}
	}
	// Bubbles must not share an http.Server, so each connection has its own. Serve returns
	// after the one connection, which has its own goroutine.
	_ = (&http.Server{Handler: s}).Serve(&oneConn{conn: server})
	return client, nil
}

func (s *Server) serveListener(l net.Listener, h http.Handler) {
	hs := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.stops = append(s.stops, hs.Close, l.Close) // hs does not close l before Serve has begun
	go func() { _ = hs.Serve(l) }()
}

func (s *Server) shutDown() {
	for _, stop := range s.stops {
		_ = stop()
	}
	s.mu.Lock()
	pipes := s.pipes
	s.pipes = nil
	s.mu.Unlock()
	for conn := range pipes {
		_ = conn.Close()
	}
	s.transport.CloseIdleConnections()
}

// oneConn is a listener that accepts one connection.
type oneConn struct{ conn net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, io.EOF
	}
	conn := l.conn
	l.conn = nil
	return conn, nil
}

func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// pipeEnd is an end of an in-memory connection that can be reset.
type pipeEnd struct {
	net.Conn
	reset  *atomic.Bool // to reset, set it before Close
	heard  *atomic.Bool // the other end has reset the connection
	closed func()
}

func (c *pipeEnd) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.orReset("read", err)
}

func (c *pipeEnd) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.orReset("write", err)
}

// orReset returns err, or the error of TCP if the other end has reset the connection.
func (c *pipeEnd) orReset(op string, err error) error {
	if c.heard.Load() && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe)) {
		return &net.OpError{Op: op, Net: "pipe", Err: os.NewSyscallError(op, syscall.ECONNRESET)}
	}
	return err
}

func (c *pipeEnd) Close() error {
	if c.closed != nil {
		c.closed()
	}
	return c.Conn.Close()
}
