package postgres

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/internal/tracing"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

//go:embed queries/compare.sql
var compareEvents string

// compare looks which of the records are stored, and returns how many. The outcome of
// those is Duplicate, or a conflict where what is stored under their keys differs.
func (s *Store) compare(ctx context.Context, records []ingestion.Record, outcomes []ingestion.Outcome) (found int, err error) {
	places := make([]int, len(records))
	for i := range places {
		places[i] = i
	}
	return s.compareAt(ctx, records, places, outcomes)
}

// compareDuplicates turns Duplicate into a conflict for the records that are not what
// is stored under their keys. Only groups with duplicates pay for the query.
func (s *Store) compareDuplicates(ctx context.Context, records []ingestion.Record, outcomes []ingestion.Outcome) error {
	var places []int
	for i, outcome := range outcomes {
		if outcome == ingestion.Duplicate {
			places = append(places, i)
		}
	}
	if len(places) == 0 {
		return nil
	}
	_, err := s.compareAt(ctx, records, places, outcomes)
	return err
}

func (s *Store) compareAt(ctx context.Context, records []ingestion.Record, places []int, outcomes []ingestion.Outcome) (found int, err error) {
	n := len(places)
	numbers, ids, timestamps := make([]int64, n), make([]uuid.UUID, n), make([]time.Time, n)
	players, types, metadata := make([]string, n), make([]string, n), make([][]byte, n)
	first, last := records[places[0]].Timestamp, records[places[0]].Timestamp
	for i, place := range places {
		r := &records[place]
		numbers[i], ids[i], timestamps[i] = int64(place), r.EventID, r.Timestamp
		players[i], types[i], metadata[i] = r.PlayerID, r.EventType, r.Metadata
		if r.Timestamp.Before(first) {
			first = r.Timestamp
		} else if r.Timestamp.After(last) {
			last = r.Timestamp
		}
	}
	ctx, span := tracing.Database(ctx, "SELECT", "events", n)
	defer func() { tracing.End(span, err) }()
	rows, err := s.pool.Query(ctx, compareEvents, numbers, ids, timestamps, players, types, metadata, first, last)
	if err != nil {
		return 0, err
	}
	var place int64
	var player, eventType, other bool
	_, err = pgx.ForEachRow(rows, []any{&place, &player, &eventType, &other}, func() error {
		found++
		outcomes[place] = ingestion.Conflict(player, eventType, other)
		return nil
	})
	return found, err
}
