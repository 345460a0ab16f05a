package ingestion

import (
	"net/http"

	"go.opentelemetry.io/otel/trace"

	"github.com/gamemetrics/gmctl/internal/tracing"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// trace begins the span of a request that is about events; what looks after the
// service asks too often for traces of it.
func (s *Server) trace(r *http.Request, pattern, requestID string) (*http.Request, trace.Span) {
	if s.config.Tracer == nil {
		return r, nil
	}
	switch pattern {
	case eventapi.EventsPath, eventapi.BatchPath, eventapi.EventPath, eventapi.PlayerEventsPath:
		return s.config.Tracer.Serve(r, pattern, traceParentOf(r), requestID)
	}
	return r, nil
}

// parentOf is the traceparent that goes with the request's events: its own span
// where it has one, or else what the client sent.
func (s *Server) parentOf(r *http.Request) string {
	if s.config.Tracer != nil {
		if parent := tracing.Parent(r.Context()); parent != "" {
			return parent
		}
	}
	return traceParentOf(r)
}
