package postgres_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/internal/postgres"
	testpostgres "github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/ingestion"
	"github.com/gamemetrics/gmctl/services/relay"
)

// durable returns a migrated database whose commits are synced to disk.
func durable(b *testing.B) (*postgres.Store, *postgres.Source) {
	b.Helper()
	server := testpostgres.Start(b, testpostgres.Options{Settings: map[string]string{"shared_buffers": "256MB", "max_wal_size": "2GB"}})
	pool := opened(b, server.Database(b))
	if err := postgres.Migrate(b.Context(), pool, nil); err != nil {
		b.Fatal(err)
	}
	return postgres.NewStore(pool, nil), sourceOf(b, pool)
}

func group(n int) []ingestion.Record {
	metadata := json.RawMessage(`{"level":17,"score":48211,"weapon":"plasma rifle","map":"harbour","position":{"x":12.25,"y":-3.5,"z":88.125},"party":["a","b","c"]}`)
	now := time.Now().UTC().Truncate(time.Microsecond)
	records := make([]ingestion.Record, n)
	for i := range records {
		records[i] = ingestion.Record{Received: event.Received{ReceivedAt: now, Event: event.Event{
			EventID: uuid.Must(uuid.NewV7()), PlayerID: fmt.Sprint("player-", i%5000), EventType: "shot_fired", Timestamp: now, Metadata: metadata,
		}}}
	}
	return records
}

// BenchmarkWrite stores groups of events of about 300 bytes, durably, from two
// writers as ingestion does. It reports rows a second.
func BenchmarkWrite(b *testing.B) {
	store, _ := durable(b)
	for _, size := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("group=%d", size), func(b *testing.B) {
			var rows atomic.Int64
			b.SetParallelism(1) // two on two cores
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := store.Write(b.Context(), group(size)); err != nil {
						b.Error(err)
						return
					}
					rows.Add(int64(size))
				}
			})
			b.ReportMetric(float64(rows.Load())/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkWriteAgain stores groups of events that are stored already, any of the last
// four weeks. It reports rows a second.
func BenchmarkWriteAgain(b *testing.B) {
	store, _ := durable(b)
	const days, perDay = 28, 20_000
	var stored []ingestion.Record
	for day := range days {
		for range perDay / 1000 {
			records := group(1000)
			for i := range records {
				records[i].Timestamp = records[i].Timestamp.AddDate(0, 0, -day)
			}
			if _, err := store.Write(b.Context(), records); err != nil {
				b.Fatal(err)
			}
			stored = append(stored, records...)
		}
	}
	for _, size := range []int{1, 20, 100} {
		b.Run(fmt.Sprintf("group=%d", size), func(b *testing.B) {
			again := make([]ingestion.Record, size)
			for b.Loop() {
				for i := range again {
					again[i] = stored[rand.IntN(len(stored))]
				}
				if _, err := store.Write(b.Context(), again); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkNext reads stored events in batches as the relay does.
func BenchmarkNext(b *testing.B) {
	store, source := durable(b)
	const stored = 200_000
	for range stored / 1000 {
		if _, err := store.Write(b.Context(), group(1000)); err != nil {
			b.Fatal(err)
		}
	}
	database := databaseOf(b, source)
	for _, limit := range []int{100, 5000} {
		b.Run(fmt.Sprintf("limit=%d", limit), func(b *testing.B) {
			position, rows := relay.Position{}, 0
			for b.Loop() {
				read := 0
				_, err := source.Next(b.Context(), database, position, limit, func(e *relay.Event) bool {
					position, read = e.Position, read+1
					return true
				})
				if err != nil {
					b.Fatal(err)
				}
				rows += read
				if read < limit {
					position = relay.Position{}
				}
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
