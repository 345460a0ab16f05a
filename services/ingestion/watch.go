package ingestion

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// troubleLasts is how long a failed write counts, where no other follows it.
const troubleLasts = 10 * time.Second

// watchedWriter measures a Writer, and logs when it begins to fail and when it
// works again: not once for every write in between.
type watchedWriter struct {
	Writer
	metrics *metrics
	log     *slog.Logger

	mu       sync.Mutex
	failure  error // of the last write; nil: it succeeded
	failedAt time.Time
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
		if w.learn(nil) != nil {
			w.log.Info("events can be stored again")
		}
	case errors.Is(err, ErrUnstorable):
		result = "unstorable"
	default:
		result = "failed"
		if w.learn(err) == nil {
			w.log.Warn("events cannot be stored: requests are answered with 503 until they can", "error", err)
		}
	}
	w.metrics.writes.WithLabelValues(result).Observe(took.Seconds())
	return outcomes, err
}

// learn keeps how the last write ended, and returns how the one before it did.
func (w *watchedWriter) learn(failure error) (before error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, w.failure, w.failedAt = w.failure, failure, time.Now()
	return before
}

// trouble returns why events could not be stored just now; nil if they could, or
// if none came.
func (w *watchedWriter) trouble() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failure == nil || time.Since(w.failedAt) > troubleLasts {
		return nil
	}
	return w.failure
}
