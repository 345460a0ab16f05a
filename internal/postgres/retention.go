package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// DropPublished drops the days that lie wholly before an instant, where all their
// events are published, and returns them. A day that someone reads just now stays
// for the next time. Several replicas may do so at once.
func DropPublished(ctx context.Context, pool *pgxpool.Pool, before time.Time) (dropped []time.Time, err error) {
	for {
		var day *time.Time
		err := pool.QueryRow(ctx, "SELECT drop_published_day($1::date)", before.UTC().Format(time.DateOnly)).Scan(&day)
		if err != nil || day == nil {
			return dropped, err
		}
		dropped = append(dropped, *day)
	}
}

// How long Retain waits before it looks again, and before it tries again.
const (
	retainEvery = time.Hour
	retainAgain = time.Minute
)

// Retain drops what is older than keep, by the events' own time, now and once an
// hour, until ctx ends. It tells dropped of each day, and failed of a failure,
// which is tried again.
func (s *Store) Retain(ctx context.Context, keep time.Duration, dropped func(day time.Time), failed func(error)) {
	for {
		pause := retainEvery
		days, err := DropPublished(ctx, s.pool, time.Now().Add(-keep))
		for _, day := range days {
			dropped(day)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			pause = retainAgain
			failed(Explain(err, s.pool.Config().ConnString()))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}
