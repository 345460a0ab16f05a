package local

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
)

// A variable that is meant for other programs of this machine is no reason not to
// work.
func TestTracesThatCannotBeExportedAreTold(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	if tracer := tracerOf(t.Context(), Ingestion, logger); tracer != nil || !strings.Contains(log.String(), "OTEL_EXPORTER_OTLP_PROTOCOL") {
		t.Errorf("the tracer is %v, the log %s", tracer, log.String())
	}
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	tracer := tracerOf(t.Context(), Ingestion, logger)
	if tracer == nil {
		t.Fatalf("there is no tracer; the log is %s", log.String())
	}
	tracer.Close(context.WithoutCancel(t.Context()))
}
