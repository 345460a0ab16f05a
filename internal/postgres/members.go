package postgres

import (
	"context"
	_ "embed"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed queries/members_join.sql
	joinMembers string
	//go:embed queries/lane_holder.sql
	laneHolder string
)

// Join implements relay.Shared.
func (s *Source) Join(ctx context.Context, member string, lasts time.Duration) ([]string, error) {
	rows, err := s.pool.Query(ctx, joinMembers, s.stream, member, lasts)
	if err != nil {
		return nil, s.explain(err)
	}
	members, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, s.explain(err)
	}
	return members, nil
}

// Holder implements relay.Shared.
func (s *Source) Holder(ctx context.Context, lane string, lease time.Duration) (holder string, err error) {
	if err := s.pool.QueryRow(ctx, laneHolder, s.stream, lane, lease).Scan(&holder); err != nil {
		return "", s.explain(err)
	}
	return holder, nil
}
