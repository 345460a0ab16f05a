// Package tail reads records off topics without a consumer group: from a place
// in the past to the end, and on as new ones come.
package tail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Options says what to read.
type Options struct {
	Topics      []string
	Partitions  []int32 // of each topic; nil: all
	Start       Start
	Follow      bool // go on with new records until ctx ends
	Limit       int  // end after this many records; 0: no limit
	Filter      Filter
	Uncommitted bool // also records of transactions that are open or were aborted
}

// errEnough ends a run whose limit is reached.
var errEnough = errors.New("enough records")

// quiet is how long nothing may come before the end counts as reached: the
// last offsets before it may be ones that are never handed out.
const quiet = 1500 * time.Millisecond

// Run hands every chosen record to emit. It returns nil at the end of what was
// there when it started or, with Follow, when ctx ends. An error of emit ends
// it and is returned.
func Run(ctx context.Context, cfg kafka.Config, options Options, emit func(kafka.Record) error) error {
	session, err := kafka.Open(cfg)
	if err != nil {
		return err
	}
	defer session.Close()
	partitions, err := choose(ctx, session, options)
	if err != nil {
		return session.Explain(err)
	}
	r := &run{cfg: cfg, session: session, options: options, partitions: partitions, emit: emit}
	err = r.read(ctx)
	if errors.Is(err, errEnough) || (options.Follow && ctx.Err() != nil) {
		return nil
	}
	if stop, ok := errors.AsType[*emitError](err); ok {
		return stop.error
	}
	return session.Explain(err)
}

// choose returns the partitions to read.
func choose(ctx context.Context, session *kafka.Session, options Options) (map[string][]int32, error) {
	found, err := kafka.FindTopics(ctx, session.Client, options.Topics)
	if err != nil {
		return nil, err
	}
	led := kafka.LedPartitions(found...)
	if options.Partitions == nil {
		return led, nil
	}
	chosen := make(map[string][]int32)
	for _, topic := range found {
		for _, id := range options.Partitions {
			if int(id) >= len(topic.Partitions) || id < 0 {
				return nil, &problem.Error{
					What: fmt.Sprintf("topic %s has no partition %d", topic.Name, id), Kind: problem.Usage,
					Next: fmt.Sprintf("choose one from 0 to %d", len(topic.Partitions)-1),
				}
			}
			if slices.Contains(led[topic.Name], id) {
				chosen[topic.Name] = append(chosen[topic.Name], id)
			}
		}
	}
	return chosen, nil
}

type run struct {
	cfg        kafka.Config
	session    *kafka.Session
	options    Options
	partitions map[string][]int32
	emit       func(kafka.Record) error
	emitted    int
}

// emitError tells an error of the caller's emit from those of Kafka.
type emitError struct{ error }

func (e *emitError) Unwrap() error { return e.error }

func (r *run) isolation() kafka.Isolation {
	if r.options.Uncommitted {
		return kafka.ReadUncommitted
	}
	return kafka.ReadCommitted
}

func (r *run) read(ctx context.Context) error {
	what, err := spanOf(ctx, r.session, r.partitions, r.options.Start, r.isolation())
	if err != nil {
		return err
	}
	if r.options.Start.last > 0 {
		newest, err := r.newest(ctx, what)
		if err != nil {
			return err
		}
		for _, record := range newest {
			if err := r.hand(record); err != nil {
				return err
			}
		}
		if !r.options.Follow {
			return nil
		}
		what.first = what.end
	}
	if what.empty() && !r.options.Follow {
		return nil
	}
	return r.consume(ctx, what, r.options.Follow, r.hand)
}

// hand gives a record to the caller, if the filter chooses it.
func (r *run) hand(record kafka.Record) error {
	if !r.options.Filter.Match(record) {
		return nil
	}
	if err := r.emit(record); err != nil {
		return &emitError{err}
	}
	r.emitted++
	if r.options.Limit > 0 && r.emitted >= r.options.Limit {
		return errEnough
	}
	return nil
}

// newest returns the last records that the filter chooses, oldest first. It
// looks further back until there are enough: markers of transactions and
// records that are filtered take offsets too.
func (r *run) newest(ctx context.Context, what span) ([]kafka.Record, error) {
	const further, rounds = 8, 4
	wanted := r.options.Start.last
	back := wanted
	for round := 1; ; round++ {
		byPartition := make(map[string]map[int32][]kafka.Record)
		err := r.consume(ctx, what, false, func(record kafka.Record) error {
			if !r.options.Filter.Match(record) {
				return nil
			}
			if byPartition[record.Topic] == nil {
				byPartition[record.Topic] = make(map[int32][]kafka.Record)
			}
			kept := append(byPartition[record.Topic][record.Partition], record)
			byPartition[record.Topic][record.Partition] = kept[max(0, len(kept)-wanted):]
			return nil
		})
		if err != nil {
			return nil, err
		}
		records := merge(byPartition)
		if len(records) >= wanted || round == rounds {
			return records[max(0, len(records)-wanted):], nil
		}
		back *= further
		earlier, err := spanOf(ctx, r.session, r.partitions, Last(back), r.isolation())
		if err != nil {
			return nil, err
		}
		earlier.end = what.end // what came meanwhile is for those that follow
		if maps.EqualFunc(earlier.first, what.first, maps.Equal) {
			return records, nil
		}
		what = earlier
	}
}

// merge orders records by time, and those of one partition by offset.
func merge(byPartition map[string]map[int32][]kafka.Record) []kafka.Record {
	var all []kafka.Record
	for _, topic := range slices.Sorted(maps.Keys(byPartition)) {
		for _, id := range slices.Sorted(maps.Keys(byPartition[topic])) {
			all = append(all, byPartition[topic][id]...)
		}
	}
	slices.SortStableFunc(all, func(a, b kafka.Record) int {
		if a.Topic == b.Topic && a.Partition == b.Partition {
			return cmp.Compare(a.Offset, b.Offset)
		}
		return a.Timestamp.Compare(b.Timestamp)
	})
	return all
}

// consume hands on every record of what, and with follow those that come after,
// too.
func (r *run) consume(ctx context.Context, what span, follow bool, each func(kafka.Record) error) error {
	level := kgo.ReadCommitted()
	if r.options.Uncommitted {
		level = kgo.ReadUncommitted()
	}
	remaining := make(map[string]map[int32]int64) // the end of partitions that are not read to it
	starts := make(map[string]map[int32]kgo.Offset)
	for topic, partitions := range what.first {
		starts[topic], remaining[topic] = make(map[int32]kgo.Offset), make(map[int32]int64)
		for id, first := range partitions {
			if first < what.end[topic][id] {
				remaining[topic][id] = what.end[topic][id]
			} else if !follow {
				continue
			}
			starts[topic][id] = kgo.NewOffset().At(first)
		}
	}
	left := func() (n int) {
		for _, partitions := range remaining {
			n += len(partitions)
		}
		return n
	}
	if left() == 0 && !follow {
		return nil
	}
	client, err := kafka.NewClient(r.cfg,
		kgo.ConsumePartitions(starts), kgo.FetchIsolationLevel(level), kgo.FetchMaxWait(500*time.Millisecond),
		kgo.KeepControlRecords(), // they tell how far a partition was read
	)
	if err != nil {
		return err
	}
	defer client.Close()
	for follow || left() > 0 {
		fetches, err := poll(ctx, client, follow)
		if err != nil {
			return err
		}
		if fetches == nil {
			return nil // quiet: what is left is never handed out
		}
		for iter := fetches.RecordIter(); !iter.Done(); {
			record := iter.Next()
			end, reading := remaining[record.Topic][record.Partition]
			if !follow && (!reading || record.Offset >= end) {
				delete(remaining[record.Topic], record.Partition)
				continue
			}
			if reading && record.Offset+1 >= end {
				delete(remaining[record.Topic], record.Partition)
			}
			if record.Attrs.IsControl() {
				continue
			}
			if err := each(kafka.RecordOf(record)); err != nil {
				return err
			}
		}
	}
	return nil
}

// poll returns the next records; without follow nil after a quiet while.
func poll(ctx context.Context, client *kgo.Client, follow bool) (kgo.Fetches, error) {
	wait, cancel := ctx, context.CancelFunc(func() {})
	if !follow {
		wait, cancel = context.WithTimeout(ctx, quiet)
	}
	defer cancel()
	fetches := client.PollFetches(wait)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !follow && errors.Is(fetches.Err0(), context.DeadlineExceeded) {
		return nil, nil
	}
	if failures := fetches.Errors(); len(failures) > 0 {
		failure := failures[0]
		if failure.Topic != "" {
			return nil, fmt.Errorf("topic %s, partition %d: %w", failure.Topic, failure.Partition, failure.Err)
		}
		return nil, failure.Err
	}
	return fetches, nil
}
