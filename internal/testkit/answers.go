package testkit

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// HTML is an error page of a proxy or a hosting platform.
const HTML = "<!DOCTYPE html><html><head><title>Application error</title></head><body><h1>Sorry</h1></body></html>"

// Answer answers with this status, content type (none if "") and body. header alternates
// names and values.
func Answer(status int, contentType, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// AnswerJSON answers with an error of the API.
func AnswerJSON(status int, header ...string) http.HandlerFunc {
	return Answer(status, "application/json", fmt.Sprintf(`{"status":%d,"message":"from the test"}`, status), header...)
}

// AnswerDate answers with a Retry-After that is the date d from now.
func AnswerDate(status int, d time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		AnswerJSON(status, "Retry-After", time.Now().Add(d).UTC().Format(http.TimeFormat))(w, r)
	}
}

// Hijack takes over the connection of a request, and panics if it cannot.
func Hijack(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	return conn
}

// Reset resets the connection, as after a crash. On HTTP/2 it resets the stream.
func Reset(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 2 {
		Abort(w, r)
	}
	conn := Hijack(w)
	if c, ok := conn.(*tls.Conn); ok {
		conn = c.NetConn()
	}
	if c, ok := conn.(*net.TCPConn); ok {
		_ = c.SetLinger(0) // so that Close sends RST, not FIN
	}
	_ = conn.Close()
}

// Abort ends the answer before it is complete.
func Abort(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// begin sends the beginning of a 201.
func begin(w http.ResponseWriter, body string, header ...string) {
	Answer(http.StatusCreated, "application/json", body, header...)(w, nil)
	_ = http.NewResponseController(w).Flush()
}

// CutOff sends less than its Content-Length.
func CutOff(w http.ResponseWriter, r *http.Request) {
	begin(w, `{"status":"created","data":{"id":1001,"type":"hubspot","uri":"https://app.getcensus.com/pbc?auth=`, "Content-Length", "300")
	Abort(w, r)
}

// CutOffAfterJSON ends after a chunk with complete JSON, without the last chunk.
func CutOffAfterJSON(w http.ResponseWriter, r *http.Request) {
	begin(w, Envelope("created", Link(1001)))
	Abort(w, r)
}

// NeverAnswer waits until the client has gone.
func NeverAnswer(w http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
	Abort(w, r)
}

// NeverEnd answers, and then waits until the client has gone.
func NeverEnd(w http.ResponseWriter, r *http.Request) {
	begin(w, `{"status":"created",`)
	NeverAnswer(w, r)
}
