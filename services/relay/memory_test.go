package relay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/relay"
)

// memory is a Source that holds its events in memory.
type memory struct {
	mu     sync.Mutex
	id     string
	events []relay.Event
	verify func(relay.Cursor) error // nil: every cursor is good
	before func()                   // called before each read; nil: nothing
	most   int                      // bytes of metadata of the largest batch
}

func newMemory() *memory { return &memory{id: uuid.NewString()} }

// add appends n events, in transactions of one to three, of five players.
func (m *memory) add(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for range n {
		i := len(m.events)
		m.events = append(m.events, relay.Event{
			Position: relay.Position{Xid: uint64(100 + i/3), Seq: int64(1 + i)},
			Received: event.Received{
				Event: event.Event{
					EventID: uuid.New(), PlayerID: fmt.Sprint("player", i%5), EventType: "step",
					Timestamp: time.Now().UTC().Truncate(time.Microsecond), Metadata: json.RawMessage(fmt.Sprintf(`{"n":%d}`, i)),
				},
				ReceivedAt: time.Now().UTC().Truncate(time.Microsecond),
			},
		})
	}
}

func (m *memory) Database(context.Context) (relay.Database, error) {
	return relay.Database{ID: m.id, SystemIdentifier: 1, Timeline: 1}, nil
}

func (m *memory) Verify(_ context.Context, cursor relay.Cursor) error {
	if m.verify != nil {
		return m.verify(cursor)
	}
	return nil
}

func (m *memory) Next(ctx context.Context, _ relay.Database, after relay.Position, limit int, take func(*relay.Event) bool) (relay.Reach, error) {
	if m.before != nil {
		m.before()
	}
	if err := ctx.Err(); err != nil {
		return relay.Reach{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	from := min(int(after.Seq), len(m.events))
	taken := 0
	for _, e := range m.events[from:min(from+limit, len(m.events))] {
		taken += len(e.Metadata)
		if !take(&e) {
			break
		}
	}
	m.most = max(m.most, taken)
	return relay.Reach{}, nil
}

func (m *memory) Lag(_ context.Context, after relay.Position) (relay.Lag, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return relay.Lag{Events: int64(len(m.events)) - after.Seq}, nil
}

// broker starts a Kafka in this process, with the platform's topics.
func broker(t testing.TB, options ...kfake.Opt) (*kfake.Cluster, kafka.Config) {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg := kafka.Config{Brokers: cluster.ListenAddrs()}
	makeTopics(t, cfg)
	return cluster, cfg
}

func makeTopics(t testing.TB, cfg kafka.Config) {
	t.Helper()
	client := clientOf(t, cfg)
	defer client.Close()
	if _, err := kafka.EnsureTopics(t.Context(), client, topics.All(), 1); err != nil {
		t.Fatal(err)
	}
}
