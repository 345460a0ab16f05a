package tracing

import (
	"context"
	"time"

	"github.com/google/uuid"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Publication is the traces of the events that one Kafka transaction publishes. A
// nil Publication has none. It is used by one goroutine.
type Publication struct {
	tracer *Tracer
	topic  string
	began  time.Time
	events []trace.Span
}

// Publish begins the publication of events to a topic.
func (t *Tracer) Publish(topic string) *Publication {
	if t == nil {
		return nil
	}
	return &Publication{tracer: t, topic: topic, began: time.Now()}
}

// Create begins the span of the event that is published, where its trace is recorded.
// It returns the traceparent for the event's consumers: of that span, or the one
// that the event has.
func (p *Publication) Create(parent string, event uuid.UUID) string {
	if p == nil || !sampled(parent) {
		return parent
	}
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), remote(parent, ""))
	_, span := p.tracer.start(ctx, "create "+p.topic, trace.SpanKindProducer, trace.WithAttributes(
		semconv.MessagingSystemKafka, semconv.MessagingOperationName("create"), semconv.MessagingOperationTypeCreate,
		semconv.MessagingDestinationName(p.topic), semconv.MessagingMessageID(event.String()),
	))
	if span == nil {
		return parent
	}
	p.events = append(p.events, span)
	return format(span.SpanContext())
}

// End ends the spans of the events, and makes that of the transaction which published
// all of them, and others: so many messages. The conventions have it so for batches:
// a span "create" for each message, and one "send" with links to these.
func (p *Publication) End(messages int, err error) {
	if p == nil || len(p.events) == 0 {
		return
	}
	links := make([]trace.Link, 0, min(len(p.events), maxLinks))
	for _, event := range p.events[:min(len(p.events), maxLinks)] {
		links = append(links, trace.Link{SpanContext: event.SpanContext()})
	}
	ctx := trace.ContextWithSpan(context.Background(), p.events[0])
	_, send := p.tracer.start(ctx, "send "+p.topic, trace.SpanKindClient, trace.WithTimestamp(p.began), trace.WithLinks(links...),
		trace.WithAttributes(semconv.MessagingSystemKafka, semconv.MessagingOperationName("send"), semconv.MessagingOperationTypeSend,
			semconv.MessagingDestinationName(p.topic), semconv.MessagingBatchMessageCount(messages)))
	End(send, err)
	for _, event := range p.events {
		End(event, err)
	}
}
