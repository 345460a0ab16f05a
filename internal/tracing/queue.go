package tracing

import (
	"context"
	"sync/atomic"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// queue counts the spans that are begun and not yet exported, and bounds them. It
// stands on both sides of the SDK's own queue, which drops without telling:
// as sampler it has no more begun than there is place for, and as processor it
// keeps out what came past that, many at once.
type queue struct {
	sdktrace.SpanProcessor
	limit   int64        // spans
	begun   atomic.Int64 // and not yet exported
	ended   atomic.Int64 // of them
	refused atomic.Uint64
}

// room is how many times limit the SDK's queue holds: spans are begun by many at
// once, and those that are allowed to begin shall not be dropped when they end.
const room = 2

// OnStart implements sdktrace.SpanProcessor.
func (q *queue) OnStart(ctx context.Context, span sdktrace.ReadWriteSpan) {
	q.begun.Add(1)
	q.SpanProcessor.OnStart(ctx, span)
}

// OnEnd implements sdktrace.SpanProcessor.
func (q *queue) OnEnd(span sdktrace.ReadOnlySpan) {
	if q.ended.Add(1) > room*q.limit {
		q.left(1)
		q.refused.Add(1)
		return
	}
	q.SpanProcessor.OnEnd(span)
}

// left tells that spans are exported, or lost.
func (q *queue) left(spans int) {
	q.begun.Add(-int64(spans))
	q.ended.Add(-int64(spans))
}

// waiting is how many spans have ended and are not exported.
func (q *queue) waiting() int { return int(q.ended.Load()) }

// sampler samples as another one does, as long as there is place.
type sampler struct {
	sdktrace.Sampler
	queue *queue
}

// ShouldSample implements sdktrace.Sampler.
func (s sampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	result := s.Sampler.ShouldSample(p)
	if result.Decision != sdktrace.Drop && s.queue.begun.Load() >= s.queue.limit {
		s.queue.refused.Add(1)
		result.Decision = sdktrace.Drop
	}
	return result
}
