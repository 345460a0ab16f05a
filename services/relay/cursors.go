package relay

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// cursors are those of all lanes, as they stand in Kafka, for lanes that wait for
// others. It reads what is new each time, the first time all that there is.
type cursors struct {
	kafka kafka.Config

	mu     sync.Mutex
	client *kgo.Client
	id     [16]byte
	ends   map[int32]int64 // of the partitions, up to which it has read
	latest map[string]*kgo.Record
	tried  time.Time // when it was read last
	err    error     // what came of it
}

// read returns the last committed record under each key. gateRead bounds how long it waits
// until no transaction is open, and not the reading: what was read of a long topic counts,
// whatever ends it. Many lanes may ask at the same time: one answer is for all that wait
// for it. The map is the caller's to read; the next call makes another.
func (c *cursors) read(ctx context.Context) (map[string]*kgo.Record, error) {
	asked := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tried.Before(asked) {
		c.err = c.refresh(ctx)
		c.tried = time.Now()
		if errors.Is(ctx.Err(), context.Canceled) {
			c.tried = time.Time{} // it says nothing for the others
		}
	}
	return c.latest, c.err
}

func (c *cursors) refresh(ctx context.Context) error {
	if c.client == nil {
		client, err := kafka.NewClient(c.kafka)
		if err != nil {
			return err
		}
		c.client = client
	}
	log, err := openStable(ctx, c.client, topics.RelayCursor, gateRead)
	if err != nil {
		return err
	}
	for _, p := range log.partitions {
		if c.id != p.id || p.end < c.ends[p.partition] { // made anew
			c.id, c.ends, c.latest = p.id, make(map[int32]int64), nil
		}
	}
	latest := make(map[string]*kgo.Record)
	maps.Copy(latest, c.latest)
	c.latest = latest
	for _, p := range log.partitions {
		c.ends[p.partition], err = p.read(ctx, max(p.start, c.ends[p.partition]), p.end, func(r *kgo.Record) {
			key := string(r.Key)
			if known := latest[key]; known == nil || supersedes(r, known) {
				latest[key] = &kgo.Record{Value: r.Value, Partition: r.Partition, Offset: r.Offset}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// supersedes reports whether a record that is read later is the newer one of its key. Of
// another partition, where the topic was given more of them, it is the one further on.
func supersedes(r, known *kgo.Record) bool {
	if r.Partition == known.Partition {
		return true
	}
	cursor, err := decodeCursor(r)
	if err != nil {
		return true // which whoever asks for it is told
	}
	before, err := decodeCursor(known)
	return err == nil && cursor.overtakes(before)
}

func (c *cursors) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		c.client.Close()
		c.client = nil
	}
}
