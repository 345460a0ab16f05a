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
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "PREPARE next AS "+nextEvents); err != nil {
		return "", err
	}
	rows, err := conn.Query(ctx, "EXPLAIN EXECUTE next('1000', 5, 1000)")
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
