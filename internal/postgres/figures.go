package postgres

import (
	"context"
	_ "embed"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	//go:embed queries/figures.sql
	exactFigures string
	//go:embed queries/estimate.sql
	estimatedFigures string
)

// Figures say what is stored.
type Figures struct {
	Events         int64     // without those of tests, unless Approx
	Oldest, Newest time.Time // timestamps of events; zero if there is none; whole days if Approx
	Approx         bool      // Events, Oldest and Newest are estimates
	Bytes          int64     // on disk, indexes included
}

// exactFor is how long counting the events may take before they are estimated.
const exactFor = 300 * time.Millisecond

// Measure counts what is stored, or estimates it where counting takes too long.
// Its error is a *problem.Error.
func Measure(ctx context.Context, pool *pgxpool.Pool) (Figures, error) {
	var f Figures
	err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('statement_timeout', $1, true)", milliseconds(exactFor)); err != nil {
			return err
		}
		return f.read(tx.QueryRow(ctx, exactFigures))
	})
	if sqlState(err) == stateCancelled && ctx.Err() == nil {
		f.Approx = true
		err = f.read(pool.QueryRow(ctx, estimatedFigures))
	}
	if err == nil {
		err = pool.QueryRow(ctx, "SELECT coalesce(sum(pg_total_relation_size(relid)), 0)::bigint FROM pg_partition_tree('events')").Scan(&f.Bytes)
	}
	if err != nil {
		return Figures{}, Explain(err, pool.Config().ConnString())
	}
	return f, nil
}

func (f *Figures) read(row pgx.Row) error {
	var oldest, newest *time.Time
	if err := row.Scan(&f.Events, &oldest, &newest); err != nil {
		return err
	}
	if oldest != nil && newest != nil {
		f.Oldest, f.Newest = oldest.UTC(), newest.UTC()
	}
	return nil
}
