package bench

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// Base and Token are where the in-memory transports are, and what they ignore.
const (
	Base  = "https://api.example.com"
	Token = "secret-token:0123456789abcdefghijklmnopqrstuv"
)

const linkJSON = `{"id":469,"type":"hubspot","expiration":"2026-07-22T23:42:47.239Z","expired":false,"revoked":false,` +
	`"uri":"https://app.example.com/pbc?auth=4e1243bd22c66e76c2ba9eddc1f91394e57f9f83","redirect_uri":"https://example.com/connected","destination_id":null}`

const createdJSON = `{"status":"created","data":` + linkJSON + `}`

// respond answers a request from memory, with as little work as there can be.
func respond(req *http.Request, status int, body []byte) (*http.Response, error) {
	if req.Body != nil {
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return nil, err
		}
		if err := req.Body.Close(); err != nil {
			return nil, err
		}
	}
	answer := &struct {
		http.Response
		reader
	}{
		http.Response{
			StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: jsonHeader, ContentLength: int64(len(body)), Request: req,
		},
		reader{},
	}
	answer.reader.Reset(body)
	answer.Body = &answer.reader
	return &answer.Response, nil
}

var jsonHeader = http.Header{"Content-Type": {"application/json; charset=utf-8"}}

type reader struct{ bytes.Reader }

func (*reader) Close() error { return nil }

// Created answers every request with a new link.
type Created struct{}

var created = []byte(createdJSON)

// RoundTrip implements [http.RoundTripper].
func (Created) RoundTrip(req *http.Request) (*http.Response, error) {
	return respond(req, http.StatusCreated, created)
}

// Pages answers with the pages of a list of so many links, 100 on each. It
// remembers one page.
type Pages int

var hundred = append(bytes.Repeat([]byte(linkJSON+","), 99), linkJSON...)

// RoundTrip implements [http.RoundTripper].
func (n Pages) RoundTrip(req *http.Request) (*http.Response, error) {
	page, err := strconv.Atoi(req.URL.Query().Get("page"))
	if err != nil {
		page = 1
	}
	last, next := int(n)/100, "null"
	if page < last {
		next = strconv.Itoa(page + 1)
	}
	body := make([]byte, 0, len(hundred)+256)
	body = fmt.Appendf(body, `{"status":"success","pagination":{"total_records":%d,"per_page":100,"prev_page":%d,"page":%d,"next_page":%s,"last_page":%d},"data":[`,
		int(n), page-1, page, next, last)
	body = append(body, hundred...)
	body = append(body, "]}"...)
	return respond(req, http.StatusOK, body)
}
