package connectlinkstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Failure describes how answers fail, for [Server.Fail]. Delay, Drip and Cut can be
// combined. They apply to the answer of Status, or to the true answer if Status is 0.
//
// The server carries out the request if it sends the true answer, even a part of it. It
// also carries out the request if CarryOut is set. A Failure with only Times and Route lets
// this many answers pass, before later failures apply.
type Failure struct {
	// Route selects the requests. Empty: all requests to the API, also to routes that do
	// not exist, but not to the hosted pages.
	Route Route

	// Token selects the requests with this token. Empty: all requests.
	Token string

	// Times is how many answers fail. 0 means once. -1 means always, until StopFailing.
	Times int

	// Status, if not 0, replaces the true answer by this status, Header and Body. Without
	// a Content-Type in Header, the answer says that Body is JSON.
	Status int
	Header http.Header // with a Status only
	Body   string      // with a Status only

	// Delay is the time before the answer. The request is carried out before it.
	Delay time.Duration

	// Drip is the time before each byte of the body.
	Drip time.Duration

	// Cut closes the connection in the middle of the body.
	Cut bool

	// Reset resets the connection without an answer, after Delay. net/http itself then
	// repeats a GET once, if its connection was not new.
	Reset bool

	// Hang never answers, until the client gives up or the server is closed.
	Hang bool

	// CarryOut carries out the request although the true answer is not sent. The link is
	// made, and the client does not learn of it.
	CarryOut bool
}

// queued is a failure that Fail added.
type queued struct {
	Failure
	left  int // how many more answers fail; -1: no end
	fired int // how many answers failed
}

func (f Failure) check() error {
	answers := f.Status != 0 || f.Header != nil || f.Body != "" || f.Drip != 0 || f.Cut
	switch {
	case f.Route != "" && !f.Route.served():
		return fmt.Errorf("%q is not a route that is served", f.Route)
	case f.Token != "" && (f.Route == RouteOpenPage || f.Route == RouteSubmitPage):
		return errors.New("the hosted pages take no token")
	case f.Times < -1:
		return fmt.Errorf("a failure's Times must not be %d", f.Times)
	case f.Delay < 0 || f.Drip < 0:
		return errors.New("a failure's Delay and Drip must not be negative")
	case f.Status != 0 && (f.Status < 200 || f.Status > 999):
		return fmt.Errorf("a failure's Status must not be %d", f.Status)
	case (f.Status == http.StatusNoContent || f.Status == http.StatusNotModified) && (f.Body != "" || f.Drip != 0 || f.Cut):
		return fmt.Errorf("an answer of status %d has no body", f.Status)
	case f.Status == 0 && (f.Header != nil || f.Body != ""):
		return errors.New("a failure's Header and Body need a Status")
	case f.Reset && f.Hang, (f.Reset || f.Hang) && answers:
		return errors.New("a failure that resets or hangs has no answer")
	}
	return nil
}

func (f Failure) carriesOut() bool { return f.CarryOut || f.Status == 0 && !f.Reset && !f.Hang }

// takeFailure returns the failure for the answer to the request, and counts it. It returns
// the zero Failure if there is none.
func (c *call) takeFailure() Failure {
	e := c.endpoint
	for i, f := range c.failures {
		if everything := f.Route == "" && !e.page; !everything && (f.Route == "" || f.Route != e.route) {
			continue
		}
		if f.Token != "" && f.Token != c.token() {
			continue
		}
		f.fired++
		if f.left > 0 {
			if f.left--; f.left == 0 {
				c.failures = slices.Delete(c.failures, i, i+1)
				c.usedUp = append(c.usedUp[max(0, len(c.usedUp)+1-maxUsedUp):], f)
			}
		}
		return f.Failure
	}
	return Failure{}
}

// answer is an HTTP response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// deliver sends a with the failure f. It calls begin just before the first byte, so that
// the status is recorded before the client sees it.
func deliver(w http.ResponseWriter, r *http.Request, f Failure, a answer, begin func(status int)) {
	wait(r.Context(), f.Delay)
	if f.Hang {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	if f.Reset {
		reset(w)
		return
	}
	if f.Status != 0 {
		a = answer{status: f.Status, header: f.Header, body: []byte(f.Body)}
	}
	body := a.body
	for name, values := range a.header {
		w.Header()[name] = values
	}
	if w.Header().Get("Content-Type") == "" && len(body) > 0 {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	if f.Cut {
		w.Header().Set("Content-Length", strconv.Itoa(max(len(body), 1)))
		body = body[:len(body)/2]
	} else if f.Drip > 0 {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}

	begin(a.status)
	w.WriteHeader(a.status)
	send := http.NewResponseController(w)
	if f.Drip > 0 {
		for i := range body {
			_ = send.Flush()
			wait(r.Context(), f.Drip)
			_, _ = w.Write(body[i : i+1])
		}
	} else {
		_, _ = w.Write(body)
	}
	if f.Cut {
		_ = send.Flush()
		panic(http.ErrAbortHandler)
	}
}

// wait waits for d, and ends the request if its client has gone.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		panic(http.ErrAbortHandler)
	}
}

// reset resets the connection, or closes it if it cannot be reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	switch c := conn.(type) {
	case *net.TCPConn:
		_ = c.SetLinger(0)
	case *pipeEnd:
		c.reset.Store(true)
	}
	_ = conn.Close()
}
