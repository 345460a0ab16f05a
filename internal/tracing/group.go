package tracing

import (
	"context"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Wait begins the span of a request's wait for a writer; nil where the request is
// not traced. It is ended by Group, or by End where no writer takes it.
func (t *Tracer) Wait(ctx context.Context) trace.Span {
	if t == nil || !trace.SpanFromContext(ctx).IsRecording() {
		return nil
	}
	_, span := t.start(ctx, "wait for a writer", trace.SpanKindInternal)
	return span
}

// Group ends the waits of requests, of which there is one at least, and begins the
// span of the write that they share, of so many records. Each wait has a link to it,
// as it has to each wait.
func (t *Tracer) Group(ctx context.Context, waits []trace.Span, records int) (context.Context, trace.Span) {
	links := make([]trace.Link, 0, min(len(waits), maxLinks))
	for _, wait := range waits[:min(len(waits), maxLinks)] {
		links = append(links, trace.Link{SpanContext: wait.SpanContext()})
	}
	ctx = trace.ContextWithSpan(ctx, waits[0])
	ctx, span := t.start(ctx, "group commit", trace.SpanKindInternal,
		trace.WithLinks(links...), trace.WithAttributes(semconv.DBOperationBatchSize(records)))
	for _, wait := range waits {
		if span != nil {
			wait.AddLink(trace.Link{SpanContext: span.SpanContext()})
		}
		wait.End()
	}
	return ctx, span
}

// Database begins the span of a statement on a table, of so many rows, in the trace
// of ctx; nil where that is not recorded. Its tracer is that of the span in ctx.
func Database(ctx context.Context, operation, table string, rows int) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, nil
	}
	tracer := Tracer{tracer: parent.TracerProvider().Tracer(scope)}
	return tracer.start(ctx, operation+" "+table, trace.SpanKindClient, trace.WithAttributes(
		semconv.DBSystemNamePostgreSQL, semconv.DBOperationName(operation), semconv.DBCollectionName(table), semconv.DBOperationBatchSize(rows),
	))
}
