package postgres

import (
	"context"
	_ "embed"

	"github.com/gamemetrics/gmctl/services/ingestion"
)

//go:embed queries/backlog.sql
var measureBacklog string

var _ ingestion.Relayed = (*Store)(nil)

// Backlog implements ingestion.Relayed. Relays write down how far they are every
// second or so (relay_lanes); the one that is furthest behind counts.
func (s *Store) Backlog(ctx context.Context) (ingestion.Backlog, error) {
	var b ingestion.Backlog
	if err := s.pool.QueryRow(ctx, measureBacklog).Scan(&b.Events, &b.Bytes, &b.Letters); err != nil {
		return ingestion.Backlog{}, s.refusal(err)
	}
	return b, nil
}
