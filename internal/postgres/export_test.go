package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ExplainNext returns the plan of the relay's query, as a prepared statement
// gets it.
func ExplainNext(ctx context.Context, s *Source) (string, error) {
	return explainPrepared(ctx, s, nextEvents, "'1000', 5, 1000, 1, 1, 0")
}

// ExplainShared returns the plans of the two queries of one of several lanes.
func ExplainShared(ctx context.Context, s *Source) (string, error) {
	end, err := explainPrepared(ctx, s, endOfLayout, "1, 1, 1, '1000'")
	if err != nil {
		return "", err
	}
	events, err := explainPrepared(ctx, s, nextOfLane, "'1000', 5, 1000, 1, 1, 0, 4, '2000', 5000")
	return end + "\n" + events, err
}

func explainPrepared(ctx context.Context, s *Source, query, arguments string) (string, error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "PREPARE read AS "+query); err != nil {
		return "", err
	}
	defer conn.Exec(ctx, "DEALLOCATE read")
	rows, err := conn.Query(ctx, "EXPLAIN EXECUTE read("+arguments+")")
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(lines, "\n"), err
}

// ExplainPlayerEvents returns the plan of a look at a player's latest events.
func ExplainPlayerEvents(ctx context.Context, s *Store, player string, limit int) (string, error) {
	rows, err := s.pool.Query(ctx, "EXPLAIN "+findPlayerEvents, player, nil, time.Now(), uuid.Max, limit)
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(lines, "\n"), err
}
