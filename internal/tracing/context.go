package tracing

import (
	"context"
	"encoding/hex"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// A traceparent of version 00: 00-TRACE-SPAN-FLAGS.
const (
	parentLength = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	traceAt      = len("00-")
	spanAt       = len("00-4bf92f3577b34da6a3ce929d0e0e4736-")
	flagsAt      = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-")
)

// remote is the span of another process that a traceparent names, with the
// tracestate that came with it. One that is not valid names none.
func remote(parent, state string) trace.SpanContext {
	if len(parent) != parentLength {
		return trace.SpanContext{}
	}
	traceID, err := trace.TraceIDFromHex(parent[traceAt : spanAt-1])
	if err != nil {
		return trace.SpanContext{}
	}
	spanID, err := trace.SpanIDFromHex(parent[spanAt : flagsAt-1])
	if err != nil {
		return trace.SpanContext{}
	}
	var flags [1]byte
	if _, err := hex.Decode(flags[:], []byte(parent[flagsAt:])); err != nil {
		return trace.SpanContext{}
	}
	config := trace.SpanContextConfig{TraceID: traceID, SpanID: spanID, TraceFlags: trace.TraceFlags(flags[0]), Remote: true}
	if state != "" {
		config.TraceState, _ = trace.ParseTraceState(state) // one that is not valid counts as none
	}
	return trace.NewSpanContext(config)
}

// sampled reports whether a traceparent says that its trace is recorded. It is
// asked of every event.
func sampled(parent string) bool {
	const odd = "13579bdf" // the lowest bit of the flags
	return len(parent) == parentLength && strings.IndexByte(odd, parent[parentLength-1]) >= 0
}

// Parent is the traceparent of the recorded span that ctx holds; empty: it holds none.
func Parent(ctx context.Context) string {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		return format(span.SpanContext())
	}
	return ""
}

func format(c trace.SpanContext) string {
	return "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-" + c.TraceFlags().String()
}
