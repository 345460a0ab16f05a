//go:build unix

package main

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

var (
	//go:embed queries/unnest.sql
	insertUnnest string
	//go:embed queries/stage.sql
	insertStaged string
)

// way stores a group of new events in one transaction.
type way func(context.Context, []ingestion.Record) error

// ways measures how a group of events is written, against the other ways that
// PostgreSQL has: the CPU that each takes of the writer's and PostgreSQL's.
func (s *scale) ways(ctx context.Context, g *grounds, print func(figure)) error {
	peers := []struct {
		name string
		of   func(*pgxpool.Pool) way
	}{
		{"INSERT … SELECT unnest … ON CONFLICT", byUnnest},
		{"COPY into a temporary table, then INSERT … SELECT … ON CONFLICT", byStaging},
	}
	for _, size := range []int{40, 500} {
		ours, err := g.cost(ctx, s.each/2, size, byStore)
		if err != nil {
			return err
		}
		for _, peer := range peers {
			theirs, err := g.cost(ctx, s.each/2, size, peer.of)
			if err != nil {
				return err
			}
			print(against(fmt.Sprintf("groups of %d new events, CPU of writer and PostgreSQL", size), "µs/event", us(ours), us(theirs), peer.name).atMost(1))
		}
	}
	return nil
}

// cost is the CPU of an event that one writer stores in groups of that size.
func (g *grounds) cost(ctx context.Context, during time.Duration, size int, of func(*pgxpool.Pool) way) (cost time.Duration, err error) {
	err = g.on(ctx, func(s *site) error {
		if err := s.migrate(ctx); err != nil {
			return err
		}
		pool, err := postgres.Open(ctx, postgres.Config{DSN: s.dsn, MaxConns: 1})
		if err != nil {
			return err
		}
		defer pool.Close()
		write := of(pool)
		records := make([]ingestion.Record, size)
		groups := func(during time.Duration) (n int, err error) {
			for began := time.Now(); time.Since(began) < during; n++ {
				for i := range records {
					records[i] = ingestion.Record{Received: made(i)}
				}
				if err := write(ctx, records); err != nil {
					return n, err
				}
			}
			return n, nil
		}
		if _, err := groups(during / 4); err != nil {
			return err
		}
		before, err := s.allCPU()
		if err != nil {
			return err
		}
		n, err := groups(during)
		if err != nil {
			return err
		}
		after, err := s.allCPU()
		cost = (after - before) / time.Duration(n*size)
		return err
	})
	return cost, err
}

// allCPU is what this program and PostgreSQL have used so far.
func (s *site) allCPU() (time.Duration, error) {
	mine, err := own()
	if err != nil {
		return 0, err
	}
	theirs, err := s.cpu()
	return mine + theirs, err
}

// byStore is how ingestion writes.
func byStore(pool *pgxpool.Pool) way {
	store := postgres.NewStore(pool, nil)
	return func(ctx context.Context, records []ingestion.Record) error {
		_, err := store.Write(ctx, records)
		return err
	}
}

func byUnnest(pool *pgxpool.Pool) way {
	return func(ctx context.Context, records []ingestion.Record) error {
		n := len(records)
		ids, players, types := make([]uuid.UUID, n), make([]string, n), make([]string, n)
		timestamps, metadata, received := make([]time.Time, n), make([][]byte, n), make([]time.Time, n)
		for i := range records {
			r := &records[i]
			ids[i], players[i], types[i] = r.EventID, r.PlayerID, r.EventType
			timestamps[i], metadata[i], received[i] = r.Timestamp, r.Metadata, r.ReceivedAt
		}
		_, err := pool.Exec(ctx, insertUnnest, ids, players, types, timestamps, metadata, received)
		return err
	}
}

func byStaging(pool *pgxpool.Pool) way {
	const staged = "CREATE TEMPORARY TABLE IF NOT EXISTS staged (LIKE events INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
	return func(ctx context.Context, records []ingestion.Record) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, staged); err != nil {
				return err
			}
			_, err := tx.CopyFrom(ctx, pgx.Identifier{"staged"}, copied(), pgx.CopyFromSlice(len(records), func(i int) ([]any, error) {
				r := &records[i]
				return []any{r.EventID, r.PlayerID, r.EventType, r.Timestamp, r.Metadata, r.ReceivedAt}, nil
			}))
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, insertStaged)
			return err
		})
	}
}
