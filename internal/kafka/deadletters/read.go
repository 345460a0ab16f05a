package deadletters

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
)

// stalled is how long the brokers may give nothing of what they said is there, or
// may not take what is written.
const stalled = 10 * time.Second

// part is a part of a partition: the offsets from from up to, and without, to.
type part struct{ from, to int64 }

// read calls each with every committed record that the topic holds now, or, where
// parts of it are given, that these hold.
func (q *Queue) read(ctx context.Context, topic string, only map[int32]part, each func(*kgo.Record)) error {
	from, left, err := q.span(ctx, topic, only)
	if err != nil || len(left) == 0 {
		return err
	}
	// Markers of transactions take offsets too: without them the end would never
	// be seen.
	client, err := kafka.NewClient(q.session.Config, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(200*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	for len(left) > 0 {
		waiting, cancel := context.WithTimeout(ctx, stalled)
		fetches := client.PollFetches(waiting)
		cancel()
		if err := fetches.Err0(); err != nil {
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				err = fmt.Errorf("the brokers gave no records of %s for %s: %w", topic, stalled, err)
			}
			return err
		}
		for r := range fetches.RecordsAll() {
			end, wanted := left[r.Partition]
			if !wanted {
				continue
			}
			if !r.Attrs.IsControl() && r.Offset < end {
				each(r)
			}
			if r.Offset >= end-1 {
				delete(left, r.Partition)
			}
		}
	}
	return nil
}

// span is where the partitions that hold anything to read begin, and where they end.
func (q *Queue) span(ctx context.Context, topic string, only map[int32]part) (from map[int32]kgo.Offset, left map[int32]int64, err error) {
	admin := kadm.NewClient(q.session.Client)
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, nil, err
	}
	ends, err := admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(starts.Error(), ends.Error()); err != nil {
		return nil, nil, err
	}
	from, left = map[int32]kgo.Offset{}, map[int32]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		start, _ := starts.Lookup(topic, end.Partition)
		p := part{start.Offset, end.Offset}
		if only != nil {
			p = part{max(p.from, only[end.Partition].from), min(p.to, only[end.Partition].to)}
		}
		if p.from < p.to {
			from[end.Partition], left[end.Partition] = kgo.NewOffset().At(p.from), p.to
		}
	})
	return from, left, nil
}
