package ingestion

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

// watchedWriter measures a Writer, and logs when it begins to fail and when it
// works again: not once for every write in between.
type watchedWriter struct {
	Writer
	metrics *metrics
	log     *slog.Logger
	failing atomic.Bool
}

var _ Writer = (*watchedWriter)(nil)

func (w *watchedWriter) Write(ctx context.Context, records []Record) ([]Outcome, error) {
	start := time.Now()
	outcomes, err := w.Writer.Write(ctx, records)
	took := time.Since(start)
	result := "ok"
	switch {
	case err == nil:
		w.metrics.group.Observe(float64(len(records)))
		if w.failing.CompareAndSwap(true, false) {
			w.log.Info("events can be stored again")
		}
	case errors.Is(err, ErrUnstorable):
		result = "unstorable"
	default:
		result = "failed"
		if w.failing.CompareAndSwap(false, true) {
			w.log.Warn("events cannot be stored: requests are answered with 503 until they can", "error", err)
		}
	}
	w.metrics.writes.WithLabelValues(result).Observe(took.Seconds())
	return outcomes, err
}
