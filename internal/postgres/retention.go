package postgres

import (
	"context"
	_ "embed"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed queries/oldest_day.sql
var oldestDay string

// clockOf returns the time of the database. What is too old is not for the clock of
// one replica to say: set wrong for a moment it would delete years.
func clockOf(ctx context.Context, pool *pgxpool.Pool) (now time.Time, err error) {
	err = scanRow(ctx, pool, &now, "SELECT clock_timestamp()")
	return now, err
}

// DropPublished drops the days that lie wholly before an instant, where all their
// events are published, and returns them. A day that someone reads just now stays
// for the next time. Several replicas may do so at once.
func DropPublished(ctx context.Context, pool *pgxpool.Pool, before time.Time) (dropped []time.Time, err error) {
	for {
		var day *time.Time
		err := scanRow(ctx, pool, &day, "SELECT drop_published_day($1::date)", before.UTC().Format(time.DateOnly))
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

// Retention is told what Retain does.
type Retention interface {
	Dropped(day time.Time)
	Kept(oldest time.Time) // the oldest day that there is; not called where there is none
	Failed(err error)      // it is tried again
}

// Retain drops what is older than keep, by the events' own time and the database's
// clock, now and once an hour, until ctx ends.
func (s *Store) Retain(ctx context.Context, keep time.Duration, told Retention) {
	for {
		pause := retainEvery
		if err := s.retain(ctx, keep, told); err != nil && !errors.Is(err, context.Canceled) {
			pause = retainAgain
			told.Failed(Explain(err, s.pool.Config().ConnString()))
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

func (s *Store) retain(ctx context.Context, keep time.Duration, told Retention) error {
	now, err := clockOf(ctx, s.pool)
	if err != nil {
		return err
	}
	days, err := DropPublished(ctx, s.pool, now.Add(-keep))
	for _, day := range days {
		told.Dropped(day)
	}
	if err != nil {
		return err
	}
	var oldest *time.Time
	if err := scanRow(ctx, s.pool, &oldest, oldestDay); err != nil {
		return err
	}
	if oldest != nil {
		told.Kept(oldest.UTC())
	}
	return nil
}
