package main

import (
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/connectlinks/connectlinks-go/connectlinkstest"
)

// failures are the ways in which answers go wrong. None contradicts what the SDK
// has to rely on: that a 4xx, and a 503 with Retry-After, made no link.
var failures = []struct {
	name    string
	failure connectlinkstest.Failure
}{
	{"400", connectlinkstest.Failure{Status: 400, Body: `{"status":"error","message":"no"}`}},
	{"401", connectlinkstest.Failure{Status: 401, Body: `{"status":401}`}},
	{"403", connectlinkstest.Failure{Status: 403}},
	{"404", connectlinkstest.Failure{Status: 404, Body: `{"status":404,"error":"Not Found"}`}},
	{"422", connectlinkstest.Failure{Status: 422, Body: `{"status":"error"}`}},
	{"429", connectlinkstest.Failure{Status: 429}},
	{"429, come back now", connectlinkstest.Failure{Status: 429, Header: http.Header{"Retry-After": {"0"}}}},
	{"429, come back in 1 s", connectlinkstest.Failure{Status: 429, Header: http.Header{"Retry-After": {"1"}}}},
	{"429, come back in 1 h", connectlinkstest.Failure{Status: 429, Header: http.Header{"Retry-After": {"3600"}}}},
	{"307", connectlinkstest.Failure{Status: 307, Header: http.Header{"Location": {"/elsewhere"}}}},
	{"302", connectlinkstest.Failure{Status: 302, Header: http.Header{"Location": {"/elsewhere"}}}},
	{"408, carried out", connectlinkstest.Failure{Status: 408, CarryOut: true}},
	{"500", connectlinkstest.Failure{Status: 500}},
	{"500, carried out", connectlinkstest.Failure{Status: 500, CarryOut: true}},
	{"502, carried out", connectlinkstest.Failure{Status: 502, Body: "<html>Bad Gateway</html>", CarryOut: true}},
	{"503, carried out", connectlinkstest.Failure{Status: 503, CarryOut: true}},
	{"503, come back now", connectlinkstest.Failure{Status: 503, Header: http.Header{"Retry-After": {"0"}}}},
	{"503, come back in 1 s", connectlinkstest.Failure{Status: 503, Header: http.Header{"Retry-After": {"1"}}}},
	{"504, carried out", connectlinkstest.Failure{Status: 504, CarryOut: true}},
	{"201 with HTML, carried out", connectlinkstest.Failure{Status: 201, Body: "<html></html>", CarryOut: true}},
	{"201 without a link", connectlinkstest.Failure{Status: 201, Body: `{"status":"created","data":{}}`}},
	{"201 and empty, carried out", connectlinkstest.Failure{Status: 201, CarryOut: true}},
	{"204, carried out", connectlinkstest.Failure{Status: 204, CarryOut: true}},
	{"cut off", connectlinkstest.Failure{Cut: true}},
	{"500, cut off", connectlinkstest.Failure{Status: 500, Body: `{"status":500}`, Cut: true}},
	{"reset", connectlinkstest.Failure{Reset: true}},
	{"reset, carried out", connectlinkstest.Failure{Reset: true, CarryOut: true}},
	{"reset late, carried out", connectlinkstest.Failure{Reset: true, CarryOut: true, Delay: 20 * time.Millisecond}},
	{"silence", connectlinkstest.Failure{Hang: true}},
	{"silence, carried out", connectlinkstest.Failure{Hang: true, CarryOut: true}},
	{"slow", connectlinkstest.Failure{Delay: 20 * time.Millisecond}},
	{"too slow", connectlinkstest.Failure{Delay: time.Second}},
	{"in drips", connectlinkstest.Failure{Drip: 100 * time.Microsecond}},
	{"in drips, too slow", connectlinkstest.Failure{Drip: 10 * time.Millisecond}},
}

// routes are what fails: everything as a rule, sometimes only the creates.
var routes = []connectlinkstest.Route{
	"", "", "", connectlinkstest.RouteCreateSourceConnectLink,
	connectlinkstest.RouteCreateDestinationConnectLink, connectlinkstest.RouteCreateActivationConnectLink,
}

// disturb switches failures on and off at random until stop is closed.
func (e *epoch) disturb(stop <-chan struct{}) error {
	for {
		e.srv.StopFailing()
		for range rand.N(4) { // now and then none
			f := failures[rand.N(len(failures))]
			if f.name == "429, come back in 1 h" && rand.N(5) > 0 {
				continue // it silences a token, V2's until the next server
			}
			f.failure.Route = routes[rand.N(len(routes))]
			f.failure.Times = 1 + rand.N(20)
			if err := e.srv.Fail(f.failure); err != nil {
				return err
			}
			e.soak.scripts[f.name]++
		}
		if rand.N(20) == 0 {
			token, err := e.srv.RotateToken(e.workspace)
			if err != nil {
				return err
			}
			e.soak.token.Store(&token)
		}
		select {
		case <-stop:
			e.srv.StopFailing()
			return nil
		case <-time.After(20*time.Millisecond + rand.N(200*time.Millisecond)):
		}
	}
}
