package relay_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/internal/kafka"
	testkafka "github.com/gamemetrics/gmctl/internal/testenv/kafka"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/relay"
)

// BenchmarkRelay publishes events of about 300 bytes from memory: what the Kafka
// side can do. One iteration is one event.
func BenchmarkRelay(b *testing.B) {
	b.Run("in process", func(b *testing.B) { _, cfg := broker(b); benchmark(b, cfg) })
	b.Run("Apache Kafka", func(b *testing.B) {
		cfg := testkafka.Run(b, testkafka.Options{Optimize: true}).Config()
		makeTopics(b, cfg)
		benchmark(b, cfg)
	})
}

func benchmark(b *testing.B, cfg kafka.Config) {
	for _, batch := range []int{1, 100, 1000, 5000} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			source := newMemory()
			source.events = make([]relay.Event, b.N)
			now := time.Now().UTC().Truncate(time.Microsecond)
			metadata := json.RawMessage(`{"level":17,"score":48211,"weapon":"plasma rifle","map":"harbour","position":{"x":12.25,"y":-3.5,"z":88.125},"party":["a","b","c"]}`)
			for i := range source.events {
				source.events[i] = relay.Event{
					Position: relay.Position{Xid: uint64(100 + i/batch), Seq: int64(1 + i)},
					Received: event.Received{ReceivedAt: now, Event: event.Event{
						EventID: uuid.New(), PlayerID: fmt.Sprint("player-", i%5000), EventType: "shot_fired", Timestamp: now, Metadata: metadata,
					}},
				}
			}
			r := start(b, relay.Config{Source: source, Kafka: cfg, Batch: batch})
			began := time.Now()
			for r.Status().State != relay.Running {
				time.Sleep(100 * time.Microsecond)
			}
			b.ReportMetric(float64(time.Since(began).Milliseconds()), "start-ms")
			b.ResetTimer()
			for r.Status().Cursor.Seq < int64(b.N) {
				time.Sleep(100 * time.Microsecond)
			}
			b.StopTimer()
			if err := r.stop(); err != nil {
				b.Error(err)
			}
		})
	}
}
