// Package collector runs an OpenTelemetry collector for tests: it takes traces by
// OTLP over HTTP, keeps them, and fails as collectors do when a test wants it.
package collector

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Collector is a collector that runs until its test ends.
type Collector struct {
	URL string // for OTEL_EXPORTER_OTLP_ENDPOINT

	mu       sync.Mutex
	spans    []Span
	headers  http.Header // of the last request
	answer   int         // status
	requests int
	hold     chan struct{} // requests wait until it is closed; nil: they do not
}

// Span is a span as it was received.
type Span struct {
	*trace.Span
	Service string
}

// Start starts a collector.
func Start(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{answer: http.StatusOK}
	server := httptest.NewServer(c)
	c.URL = server.URL
	t.Cleanup(func() {
		c.Release()
		server.Close()
	})
	return c
}

// Answer has the collector answer with a status; what is not 200 is not kept.
func (c *Collector) Answer(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = status
}

// Hang has requests wait, until Release.
func (c *Collector) Hang() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hold = make(chan struct{})
}

// Release ends what Hang began.
func (c *Collector) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hold != nil {
		close(c.hold)
		c.hold = nil
	}
}

// ServeHTTP implements http.Handler.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	c.mu.Lock()
	c.requests++
	c.headers = r.Header
	answer, hold := c.answer, c.hold
	c.mu.Unlock()
	if hold != nil {
		<-hold
		return
	}
	var request collector.ExportTraceServiceRequest
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/v1/traces":
		answer = http.StatusNotFound
	case err != nil || proto.Unmarshal(body, &request) != nil:
		answer = http.StatusBadRequest
	case answer == http.StatusOK:
		c.keep(&request)
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.WriteHeader(answer) // an empty body is an ExportTraceServiceResponse
}

func (c *Collector) keep(request *collector.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		service := Attribute(resource.Resource.Attributes, "service.name")
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				c.spans = append(c.spans, Span{span, service})
			}
		}
	}
}

// Spans are those of a trace that were received so far, "" for all.
func (c *Collector) Spans(traceID string) []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.spans), func(s Span) bool { return traceID != "" && hex.EncodeToString(s.TraceId) != traceID })
}

// Requests is how many requests came so far.
func (c *Collector) Requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests
}

// Header is a header of the last request.
func (c *Collector) Header(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.headers.Get(name)
}

// ID is the id of the span, in hexadecimal digits.
func (s Span) ID() string { return hex.EncodeToString(s.SpanId) }

// Parent is the id of the span's parent; empty: it has none.
func (s Span) Parent() string { return hex.EncodeToString(s.ParentSpanId) }

// LinksTo reports whether the span has a link to another one.
func (s Span) LinksTo(other Span) bool {
	return slices.ContainsFunc(s.Links, func(l *trace.Span_Link) bool {
		return string(l.SpanId) == string(other.SpanId) && string(l.TraceId) == string(other.TraceId)
	})
}

// Attribute is the text of an attribute of the span; a number in its decimal form.
func (s Span) Attribute(key string) string { return Attribute(s.Attributes, key) }
