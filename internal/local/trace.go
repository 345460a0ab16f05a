package local

import (
	"context"
	"log/slog"

	"github.com/gamemetrics/gmctl/internal/tracing"
)

// tracerOf is the tracer of a component, as the environment of the first `gmctl up`
// wants it. Variables that are meant for other programs of this machine, and cannot
// be heeded here, are no reason not to work.
func tracerOf(ctx context.Context, component string, log *slog.Logger) *tracing.Tracer {
	tracer, err := tracing.New(ctx, component, log)
	if err != nil {
		log.Warn("traces are not exported", "error", err)
	}
	return tracer
}
