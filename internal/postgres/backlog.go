package postgres

import (
	"context"
	_ "embed"

	"github.com/gamemetrics/gmctl/services/ingestion"
)

var (
	//go:embed queries/backlog.sql
	measureBacklog string
	//go:embed queries/backlog_any.sql
	anyBacklog string
)

// doubted is from how many events on an estimate is held against what is there: writes
// that fail, as on a full disk, use up the sequence. A quota that is full for nothing
// would let no event in, and the relay get no further.
const doubted = 10_000

var _ ingestion.Relayed = (*Store)(nil)

// Backlog implements ingestion.Relayed. Relays write down how far they are every
// second or so (relay_lanes); the one that is furthest behind counts.
func (s *Store) Backlog(ctx context.Context) (ingestion.Backlog, error) {
	var b ingestion.Backlog
	if err := s.pool.QueryRow(ctx, measureBacklog).Scan(&b.Events, &b.Bytes, &b.Letters); err != nil {
		return ingestion.Backlog{}, s.refusal(err)
	}
	if b.Events < doubted {
		return b, nil
	}
	var waits bool
	if err := s.pool.QueryRow(ctx, anyBacklog).Scan(&waits); err != nil {
		return ingestion.Backlog{}, s.refusal(err)
	}
	if !waits {
		b.Events, b.Bytes = 0, b.Letters
	}
	return b, nil
}
