//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	platform "github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// The names of what copyRows gives COPY.
func copied() []string {
	return []string{"event_id", "player_id", "event_type", "timestamp", "metadata_json", "received_at"}
}

// migrate makes the schema, and the partition of today.
func (s *site) migrate(ctx context.Context) error {
	pool, err := postgres.Open(ctx, postgres.Config{DSN: s.dsn})
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := postgres.Migrate(ctx, pool, nil); err != nil {
		return err
	}
	return postgres.EnsurePartitions(ctx, pool, []time.Time{time.Now()})
}

// copyRate is how many rows a second one process copies into the empty table
// events of the site, in binary, 10,000 rows a transaction.
func (s *site) copyRate(ctx context.Context, during time.Duration) (float64, error) {
	if err := s.migrate(ctx); err != nil {
		return 0, err
	}
	pool, err := postgres.Open(ctx, postgres.Config{DSN: s.dsn})
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	const transaction = 10_000
	rows, began := 0, time.Now()
	for time.Since(began) < during {
		n, err := pool.CopyFrom(ctx, pgx.Identifier{"events"}, copied(), pgx.CopyFromSlice(transaction, func(i int) ([]any, error) {
			e := made(i)
			return []any{e.EventID, e.PlayerID, e.EventType, e.Timestamp, e.Metadata, e.ReceivedAt}, nil
		}))
		if err != nil {
			return 0, err
		}
		rows += int(n)
	}
	return float64(rows) / time.Since(began).Seconds(), nil
}

// made is an event as appendEvent writes it.
func made(player int) event.Received {
	now := time.Now().UTC().Truncate(time.Microsecond)
	return event.Received{ReceivedAt: now, Event: event.Event{
		EventID: event.NewID(now), PlayerID: fmt.Sprint("player-", 10_000+player%5000), EventType: "shot_fired",
		Timestamp: now, Metadata: json.RawMessage(metadata),
	}}
}

// fill stores events through COPY, and returns when they are there.
func (s *site) fill(ctx context.Context, events int) error {
	pool, err := postgres.Open(ctx, postgres.Config{DSN: s.dsn})
	if err != nil {
		return err
	}
	defer pool.Close()
	const transaction = 10_000
	for stored := 0; stored < events; stored += transaction {
		_, err := pool.CopyFrom(ctx, pgx.Identifier{"events"}, copied(), pgx.CopyFromSlice(min(transaction, events-stored), func(i int) ([]any, error) {
			e := made(i)
			return []any{e.EventID, e.PlayerID, e.EventType, e.Timestamp, e.Metadata, e.ReceivedAt}, nil
		}))
		if err != nil {
			return err
		}
	}
	_, err = pool.Exec(ctx, "VACUUM ANALYZE events") // as autovacuum does
	return err
}

// produceRate is how many records a second one producer brings to Kafka, with the
// acknowledgements and the compression of the relay, from memory.
func (g *grounds) produceRate(ctx context.Context, events int) (float64, error) {
	client, err := platform.NewClient(g.kafka.Config(), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()), kgo.MaxBufferedRecords(20_000))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	const different = 50_000
	records := make([]kgo.Record, min(events, different))
	for i := range records {
		e := made(i)
		value, err := e.AppendJSON(nil)
		if err != nil {
			return 0, err
		}
		records[i] = kgo.Record{Topic: topics.EventsRaw, Key: []byte(e.PlayerID), Value: value, Timestamp: e.ReceivedAt}
	}
	var failed atomic.Pointer[error]
	began := time.Now()
	for i := range events {
		record := records[i%len(records)] // the client writes into what it is given
		client.Produce(ctx, &record, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return 0, err
	}
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(events) / time.Since(began).Seconds(), nil
}
