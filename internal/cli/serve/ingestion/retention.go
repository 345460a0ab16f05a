package ingestion

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gamemetrics/gmctl/internal/postgres"
)

// retention logs and measures what is dropped because it is older than is kept.
type retention struct {
	days    int
	log     *slog.Logger
	dropped prometheus.Counter
	oldest  prometheus.Gauge
}

var _ postgres.Retention = (*retention)(nil)

// newRetention adds its metrics to the registry.
func newRetention(days int, registry *prometheus.Registry, log *slog.Logger) *retention {
	const namespace, subsystem = "gamemetrics", "ingestion"
	r := &retention{
		days: days, log: log,
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "days_dropped_total",
			Help: "Days of events that this replica dropped: published, and older than --retention.",
		}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "oldest_day_timestamp_seconds",
			Help: "Where the oldest day of events begins that is kept, in seconds of Unix time; 0: not known yet.",
		}),
	}
	registry.MustRegister(r.dropped, r.oldest)
	return r
}

// run drops what is older than is kept, until ctx ends.
func (r *retention) run(ctx context.Context, store *postgres.Store, keep time.Duration) {
	store.Retain(ctx, keep, r)
}

// Dropped implements postgres.Retention.
func (r *retention) Dropped(day time.Time) {
	r.dropped.Inc()
	r.log.Info("a day of events was dropped: it is published, and older than is kept", "day", day.Format(time.DateOnly), "retention_days", r.days)
}

// Kept implements postgres.Retention.
func (r *retention) Kept(oldest time.Time) { r.oldest.Set(float64(oldest.Unix())) }

// Failed implements postgres.Retention.
func (r *retention) Failed(err error) {
	r.log.Warn("old events could not be dropped, trying again", "error", err)
}
