package relay

import (
	"context"
	"maps"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// cursors are those of all lanes, as they stand in Kafka, for lanes that wait for
// others. It reads what is new each time.
type cursors struct {
	kafka kafka.Config

	mu     sync.Mutex
	client *kgo.Client
	id     [16]byte
	ends   map[int32]int64 // of the partitions, up to which it has read
	latest map[string]*kgo.Record
}

// read returns the last committed record under each key. The map is the caller's to
// read; the next call makes another.
func (c *cursors) read(ctx context.Context) (map[string]*kgo.Record, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client == nil {
		client, err := kafka.NewClient(c.kafka)
		if err != nil {
			return nil, err
		}
		c.client = client
	}
	log, err := openLog(ctx, c.client, topics.RelayCursor)
	if err != nil {
		return nil, err
	}
	latest := make(map[string]*kgo.Record)
	for _, p := range log.partitions {
		if err := p.awaitStable(ctx); err != nil {
			return nil, err
		}
		if c.id != p.id || p.end < c.ends[p.partition] { // made anew
			c.id, c.ends, c.latest = p.id, make(map[int32]int64), nil
		}
	}
	maps.Copy(latest, c.latest)
	for _, p := range log.partitions {
		err := p.read(ctx, max(p.start, c.ends[p.partition]), p.end, func(r *kgo.Record) {
			latest[string(r.Key)] = &kgo.Record{Value: r.Value, Partition: r.Partition, Offset: r.Offset}
		})
		if err != nil {
			return nil, err
		}
	}
	for _, p := range log.partitions {
		c.ends[p.partition] = p.end
	}
	c.latest = latest
	return latest, nil
}

func (c *cursors) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		c.client.Close()
		c.client = nil
	}
}
