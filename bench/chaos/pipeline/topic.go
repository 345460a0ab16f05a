//go:build unix

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	platform "github.com/gamemetrics/gmctl/internal/kafka"
)

// errOpen is a transaction that read_committed consumers wait for.
var errOpen = errors.New("a transaction is open")

// offsets are, by partition, where to read on.
type offsets map[int32]int64

// readTopic hands each every record that a read_committed consumer sees behind the
// offsets, and moves these. It returns an error where there may be more that cannot
// be seen yet.
func (s *site) readTopic(ctx context.Context, topic string, from offsets, each func(*kgo.Record)) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	admin, err := platform.NewClient(s.kafka.Config())
	if err != nil {
		return err
	}
	defer admin.Close()
	ends, open, err := endsOf(ctx, kadm.NewClient(admin), topic)
	if err != nil {
		return err
	}
	start := map[int32]kgo.Offset{}
	for partition, end := range ends {
		if from[partition] < end {
			start[partition] = kgo.NewOffset().At(from[partition])
		}
	}
	if len(start) > 0 {
		if err := s.consume(ctx, topic, start, ends, from, each); err != nil {
			return err
		}
	}
	if open {
		return fmt.Errorf("%s: %w", topic, errOpen)
	}
	return nil
}

// endsOf returns where the committed records of each partition end, and whether an
// open transaction hides more.
func endsOf(ctx context.Context, admin *kadm.Client, topic string) (ends offsets, open bool, err error) {
	high, err := admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, false, err
	}
	stable, err := admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, false, err
	}
	ends = offsets{}
	for partition, end := range high[topic] {
		committed, _ := stable.Lookup(topic, partition)
		for _, err := range []error{end.Err, committed.Err} {
			if err != nil {
				return nil, false, fmt.Errorf("%s/%d: %w", topic, partition, err)
			}
		}
		ends[partition] = committed.Offset
		open = open || committed.Offset < end.Offset
	}
	if len(ends) == 0 {
		return nil, false, fmt.Errorf("%s has no partitions", topic)
	}
	return ends, open, nil
}

func (s *site) consume(ctx context.Context, topic string, start map[int32]kgo.Offset, ends, from offsets, each func(*kgo.Record)) error {
	client, err := platform.NewClient(s.kafka.Config(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: start}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	behind := func() bool {
		for partition := range start {
			if from[partition] < ends[partition] {
				return true
			}
		}
		return false
	}
	for behind() {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("%s is read up to %v, of %v: %w", topic, from, ends, ctx.Err())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			from[r.Partition] = r.Offset + 1
			if !r.Attrs.IsControl() {
				each(r)
			}
		})
	}
	return nil
}
