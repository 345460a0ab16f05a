package postgres

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/services/ingestion"
)

var (
	//go:embed queries/event.sql
	findEvent string
	//go:embed queries/player_events.sql
	findPlayerEvents string
)

var _ ingestion.Reader = (*Store)(nil)

// Event implements ingestion.Reader.
func (s *Store) Event(ctx context.Context, game string, id uuid.UUID) ([]ingestion.Record, error) {
	return s.look(ctx, findEvent, id, orNull(&game))
}

// PlayerEvents implements ingestion.Reader.
func (s *Store) PlayerEvents(ctx context.Context, game, player string, before ingestion.Position, limit int) ([]ingestion.Record, error) {
	if before == (ingestion.Position{}) { // the latest that an event can have
		before.Timestamp = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	return s.look(ctx, findPlayerEvents, player, orNull(&game), before.Timestamp, before.EventID, limit)
}

func (s *Store) look(ctx context.Context, query string, args ...any) ([]ingestion.Record, error) {
	rows, err := s.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, s.refusal(err)
	}
	records, err := pgx.CollectRows(rows, scanRecord)
	if err != nil {
		return nil, s.refusal(err)
	}
	return records, nil
}

func scanRecord(row pgx.CollectableRow) (r ingestion.Record, err error) {
	var o optional
	err = row.Scan(&r.EventID, &r.PlayerID, &r.EventType, &r.Timestamp, &o.metadata, &r.ReceivedAt, &o.testRun, &o.game, &o.sent, &o.traffic, &o.trace)
	r.Timestamp, r.ReceivedAt = r.Timestamp.UTC(), r.ReceivedAt.UTC()
	r.Metadata, r.Origin = compact(o.metadata), o.origin()
	r.TestRun, r.TraceParent = orZero(o.testRun), orZero(o.trace)
	return r, err
}
