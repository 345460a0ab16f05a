package tracing

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// scope is how spans call what made them.
const scope = "github.com/gamemetrics/gmctl/internal/tracing"

// Tracer makes the spans of one service. A nil Tracer makes none.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	queue    *queue
	exporter *exporter
}

// flushGrace is how long Close may take: spans are worth less than a pod's end
// within its grace period.
const flushGrace = 3 * time.Second

// Close exports what waits, and ends the export, within flushGrace.
func (t *Tracer) Close(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushGrace)
	defer cancel()
	if t.provider.Shutdown(ctx) != nil {
		// The request to the collector that is still under way ends by this.
		_ = t.exporter.SpanExporter.Shutdown(context.WithoutCancel(ctx))
	}
	t.exporter.closed(t.queue.waiting())
}

// Register adds what is measured of the export.
func (t *Tracer) Register(registry prometheus.Registerer) {
	if t == nil {
		return
	}
	counter := func(name, help string, labels prometheus.Labels, value func() uint64) {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "gmctl", Subsystem: "tracing", Name: name, Help: help, ConstLabels: labels,
		}, func() float64 { return float64(value()) }))
	}
	const dropped = "Spans that never reached the collector, by reason: queue-full or export-failed."
	counter("spans_exported_total", "Spans that the collector took.", nil, t.exporter.exported.Load)
	counter("spans_dropped_total", dropped, prometheus.Labels{"reason": "queue-full"}, t.queue.refused.Load)
	counter("spans_dropped_total", dropped, prometheus.Labels{"reason": "export-failed"}, t.exporter.failed.Load)
}

// start begins a span in the trace of ctx; nil where it is not recorded.
func (t *Tracer) start(ctx context.Context, name string, kind trace.SpanKind, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	child, span := t.tracer.Start(ctx, name, append(options, trace.WithSpanKind(kind))...)
	if !span.IsRecording() {
		return ctx, nil
	}
	return child, span
}
