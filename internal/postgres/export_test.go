package postgres

import (
	"context"
	"strings"

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
