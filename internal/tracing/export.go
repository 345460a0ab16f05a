package tracing

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// exporter counts what another one exports, and logs when that begins to fail, once
// in a while as long as it does, and when it works again.
type exporter struct {
	sdktrace.SpanExporter
	queue    *queue
	log      *slog.Logger
	endpoint string

	exported, failed atomic.Uint64 // spans

	mu      sync.Mutex
	failing bool
	logged  time.Time
}

// logEvery is how often an export that keeps failing is logged.
const logEvery = time.Minute

// ExportSpans implements sdktrace.SpanExporter. It keeps its error from the SDK, which
// would print each one.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.queue.left(len(spans))
	if err != nil {
		e.failed.Add(uint64(len(spans)))
	} else {
		e.exported.Add(uint64(len(spans)))
	}
	e.tell(err)
	return nil
}

func (e *exporter) tell(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err == nil && e.failing:
		e.log.Info("traces can be exported again", "endpoint", e.endpoint)
	case err != nil && (!e.failing || time.Since(e.logged) >= logEvery):
		e.logged = time.Now()
		e.log.Warn("traces cannot be exported: spans are dropped until they can", "endpoint", e.endpoint, "error", err,
			"dropped", e.failed.Load()+e.queue.refused.Load())
	}
	e.failing = err != nil
}

// closed tells what was lost at the end.
func (e *exporter) closed(waiting int) {
	if waiting > 0 {
		e.log.Warn("spans were not exported when the service ended", "endpoint", e.endpoint, "dropped", waiting)
	}
}
