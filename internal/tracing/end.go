package tracing

import (
	"errors"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// maxLinks is how many links a span has at most.
const maxLinks = 128

// End ends a span, which may be nil, with what came of it.
func End(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil {
		fail(span, err)
	}
	span.End()
}

// fail says why a span failed. Of what PostgreSQL refuses it says the code alone: its
// words may quote what is stored.
func fail(span trace.Span, err error) {
	var refusal interface{ SQLState() string }
	if errors.As(err, &refusal) {
		code := refusal.SQLState()
		span.SetStatus(codes.Error, "PostgreSQL: "+code)
		span.SetAttributes(semconv.DBResponseStatusCode(code), semconv.ErrorTypeKey.String(code))
		return
	}
	span.SetStatus(codes.Error, err.Error())
	span.SetAttributes(semconv.ErrorType(err))
}
