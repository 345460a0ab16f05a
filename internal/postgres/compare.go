package postgres

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/services/ingestion"
)

//go:embed queries/compare.sql
var compareEvents string

// compare turns Duplicate into a conflict for the records that are not what is
// stored under their keys. Only groups with duplicates pay for the query.
func (s *Store) compare(ctx context.Context, records []ingestion.Record, outcomes []ingestion.Outcome) error {
	var places []int64
	var ids []uuid.UUID
	var timestamps []time.Time
	var players, types []string
	var metadata [][]byte
	for i := range records {
		if outcomes[i] != ingestion.Duplicate {
			continue
		}
		r := &records[i]
		places, ids, timestamps = append(places, int64(i)), append(ids, r.EventID), append(timestamps, r.Timestamp)
		players, types, metadata = append(players, r.PlayerID), append(types, r.EventType), append(metadata, r.Metadata)
	}
	if len(places) == 0 {
		return nil
	}
	rows, err := s.pool.Query(ctx, compareEvents, places, ids, timestamps, players, types, metadata)
	if err != nil {
		return err
	}
	var place int64
	var player, eventType, other bool
	_, err = pgx.ForEachRow(rows, []any{&place, &player, &eventType, &other}, func() error {
		outcomes[place] = ingestion.Conflict(player, eventType, other)
		return nil
	})
	return err
}
