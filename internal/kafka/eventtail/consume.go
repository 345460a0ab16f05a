package eventtail

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// stalled is how long the brokers may give nothing of what they said is there.
const stalled = 10 * time.Second

func (r *reader) client(from map[int32]int64, more ...kgo.Opt) (*kgo.Client, error) {
	partitions := map[int32]kgo.Offset{}
	for id, offset := range from {
		partitions[id] = kgo.NewOffset().At(offset)
	}
	return kafka.NewClient(r.cfg, append([]kgo.Opt{
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.opts.Topic: partitions}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(500 * time.Millisecond),
	}, more...)...)
}

// consume hands out what the spans hold, in the order in which it comes.
func (r *reader) consume(ctx context.Context, spans map[int32]span, each func(Event) bool) error {
	from, left := map[int32]int64{}, map[int32]int64{} // left: where each unfinished span ends
	for id, s := range spans {
		if s.from < s.to {
			from[id], left[id] = s.from, s.to
		}
	}
	if len(left) == 0 {
		return nil
	}
	// Markers of transactions take offsets too: without them the end of a span
	// would never be seen.
	client, err := r.client(from, kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer client.Close()
	for len(left) > 0 {
		fetches, err := poll(ctx, client)
		if err != nil {
			return err
		}
		for record := range fetches.RecordsAll() {
			end, wanted := left[record.Partition]
			if !wanted {
				continue
			}
			if record.Offset >= end-1 {
				delete(left, record.Partition)
			}
			if record.Offset < end && !r.hand(record, each) {
				return errStop
			}
		}
	}
	return nil
}

func poll(ctx context.Context, client *kgo.Client) (kgo.Fetches, error) {
	waiting, cancel := context.WithTimeout(ctx, stalled)
	defer cancel()
	fetches := client.PollFetches(waiting)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err := fetches.Err0()
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the brokers gave no records for %s: %w", stalled, err)
	}
	return fetches, err
}

// follow hands out what comes after the ends, until ctx ends or the caller has
// enough. It outlives the brokers: while they are away it warns.
func (r *reader) follow(ctx context.Context, ends map[int32]int64) error {
	client, err := r.client(ends)
	if err != nil {
		return err
	}
	defer client.Close()
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		for _, failed := range fetches.Errors() {
			if ctx.Err() == nil {
				r.opts.Warn(kafka.Explain(failed.Err, r.cfg))
			}
		}
		for record := range fetches.RecordsAll() {
			if !r.hand(record, r.each) {
				return errStop
			}
		}
	}
	return nil
}

// hand passes a record on if it is an event that is wanted; false: the caller
// has enough.
func (r *reader) hand(record *kgo.Record, each func(Event) bool) bool {
	if record.Attrs.IsControl() {
		return true
	}
	for _, header := range record.Headers {
		if header.Key == topics.TestHeader {
			return true
		}
	}
	if record.Value == nil { // the player was erased
		return true
	}
	received, err := event.DecodeReceived(record.Value)
	if err != nil {
		r.opts.Warn(fmt.Errorf("partition %d, offset %d holds no event: %w", record.Partition, record.Offset, err))
		return true
	}
	if received.Timestamp.Before(r.opts.Since) || r.opts.Match != nil && !r.opts.Match(received, record.Value) {
		return true
	}
	return each(Event{Received: received, Value: record.Value, Partition: record.Partition, Offset: record.Offset})
}
