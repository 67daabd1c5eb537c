package otelconnectlinks_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/connectlinks/connectlinks-go"
	"github.com/connectlinks/connectlinks-go/internal/testkit"
	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/otel/trace"
)

// Many callers share one transport, over connections that they share too.
func TestConcurrentCalls(t *testing.T) {
	t.Parallel()
	for _, h2 := range []bool{false, true} {
		const callers, each = 64, 5
		api := testkit.NewAPI()
		var n atomic.Int64
		srv, tr := testkit.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1)%5 == 0 {
				testkit.AnswerJSON(http.StatusNotFound)(w, r)
				return
			}
			api.ServeHTTP(w, r)
		}), h2)
		tr.MaxIdleConnsPerHost = callers
		seen := newTelemetry()
		c := seen.client(t, tr, connectlinks.WithBaseURL(srv.URL+testkit.BasePath))
		var failed atomic.Int64
		var done sync.WaitGroup
		for range callers {
			done.Go(func() {
				for range each {
					if _, err := c.Sources.CreateConnectLink(t.Context(), create); err != nil {
						failed.Add(1)
					}
				}
			})
		}
		done.Wait()
		spans := seen.ended()
		assert.Len(t, spans, 2*callers*each, "a call and a request each")
		assert.Len(t, seen.started(), len(spans))
		calls := map[trace.SpanID]bool{}
		for _, span := range spans {
			if span.SpanKind == trace.SpanKindInternal {
				calls[span.SpanContext.SpanID()] = true
			}
		}
		errors := 0
		for _, span := range spans {
			if span.SpanKind == trace.SpanKindClient {
				assert.True(t, calls[span.Parent.SpanID()])
				delete(calls, span.Parent.SpanID())
				if values(span.Attributes)["error.type"] == "404" {
					errors++
				}
			}
		}
		assert.Empty(t, calls, "each call has one request")
		assert.Equal(t, callers*each/5, errors)
		assert.Equal(t, int64(errors), failed.Load())
		var count uint64
		for _, point := range seen.durations(t) {
			count += point.Count
		}
		assert.Equal(t, uint64(callers*each), count)
	}
}
