//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// audit is the program's result.
type audit struct {
	Rounds     int            `json:"rounds"`
	Seed       int64          `json:"seed"`
	Kills      map[victim]int `json:"kills"`
	Acked      int            `json:"acked"`      // events answered with success
	Stored     int            `json:"stored"`     // rows in PostgreSQL
	Published  int            `json:"published"`  // records a read_committed consumer sees
	Missing    int            `json:"missing"`    // acked events that PostgreSQL or Kafka lacks
	Duplicated int            `json:"duplicated"` // records beyond the first of an event
	Phantom    int            `json:"phantom"`    // records of events that PostgreSQL lacks
	Disordered int            `json:"disordered"` // records before an earlier one of their player
	Holds      bool           `json:"holds"`
}

// drainTimeout is how long the relay may take to publish what is stored.
const drainTimeout = 2 * time.Minute

// audit compares what was acknowledged with what is stored and published.
func (s *site) audit(ctx context.Context, l *load) (audit, error) {
	result := audit{Acked: l.acknowledged()}
	home := os.Getenv("HOME")
	if err := os.Setenv("HOME", s.home); err != nil {
		return result, err
	}
	defer func() { _ = os.Setenv("HOME", home) }() // for what is tried next
	env, err := environment.Open(config.Default(), "local", environment.Options{})
	if err != nil {
		return result, err
	}
	stored, err := s.stored(ctx, env)
	if err != nil {
		return result, err
	}
	result.Stored = len(stored)
	records, err := s.published(ctx, env, len(stored))
	if err != nil {
		return result, err
	}
	result.Published = len(records)

	seen := map[uuid.UUID]bool{}
	last := map[string]int{}
	for _, r := range records {
		switch {
		case seen[r.EventID]:
			result.Duplicated++
			continue
		case !stored[r.EventID]:
			result.Phantom++
		}
		seen[r.EventID] = true
		if r.Metadata.N <= last[r.PlayerID] {
			result.Disordered++
		}
		last[r.PlayerID] = r.Metadata.N
	}
	for id := range l.acked {
		if !stored[id] || !seen[id] {
			result.Missing++
		}
	}
	result.Holds = result.Acked > 0 && result.Missing == 0 && result.Duplicated == 0 && result.Phantom == 0 &&
		result.Disordered == 0 && result.Stored == result.Published
	return result, nil
}

// stored returns the ids of the events in PostgreSQL.
func (s *site) stored(ctx context.Context, env *environment.Environment) (map[uuid.UUID]bool, error) {
	database, err := env.Database(ctx, nil)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, database.URL)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT event_id FROM events WHERE test_run IS NULL")
	if err != nil {
		return nil, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	stored := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		stored[id] = true
	}
	return stored, err
}

// value is what the load put into an event.
type value struct {
	EventID  uuid.UUID `json:"eventId"`
	PlayerID string    `json:"playerId"`
	Metadata struct {
		N int `json:"n"`
	} `json:"metadata"`
}

// published returns every record of player.events.raw that is not a test's,
// once there are at least want of them, or when drainTimeout is over.
func (s *site) published(ctx context.Context, env *environment.Environment, want int) ([]value, error) {
	cfg, err := env.Kafka(ctx)
	if err != nil {
		return nil, err
	}
	client, err := kafka.NewClient(cfg, kgo.ConsumeTopics(topics.EventsRaw),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords()) // so that the position reaches the very end
	if err != nil {
		return nil, err
	}
	defer client.Close()
	deadline := time.Now().Add(drainTimeout)
	var records []value
	position := map[int32]int64{}
	for {
		bounded, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		fetches := client.PollFetches(bounded)
		cancel()
		var bad error
		fetches.EachRecord(func(r *kgo.Record) {
			position[r.Partition] = r.Offset + 1
			if r.Attrs.IsControl() {
				return
			}
			for _, h := range r.Headers {
				if h.Key == topics.TestHeader {
					return
				}
			}
			var v value
			if err := json.Unmarshal(r.Value, &v); err != nil && bad == nil {
				bad = fmt.Errorf("%s/%d@%d: %w", r.Topic, r.Partition, r.Offset, err)
			}
			records = append(records, v)
		})
		if bad != nil {
			return nil, bad
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		atEnd, err := s.atEnd(ctx, client, position)
		if err != nil {
			return nil, err
		}
		if atEnd && (len(records) >= want || time.Now().After(deadline)) {
			return records, nil
		}
	}
}

// atEnd reports whether the reader has seen all that is committed, so that no
// duplicate behind it stays unseen.
func (s *site) atEnd(ctx context.Context, client *kgo.Client, position map[int32]int64) (bool, error) {
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topics.EventsRaw)
	if err != nil {
		return false, err
	}
	for partition, end := range ends[topics.EventsRaw] {
		if position[partition] < end.Offset {
			return false, end.Err
		}
	}
	return true, nil
}
