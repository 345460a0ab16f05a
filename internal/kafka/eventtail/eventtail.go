// Package eventtail reads player events from the topic player.events.raw as
// any consumer of the platform would: committed ones only, tests left out.
package eventtail

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// Options say which events to read.
type Options struct {
	Topic string    // empty: topics.EventsRaw
	Last  int       // of the events that are there already, so many of the newest that match; with Since, at most
	Since time.Time // of the events that are there already, those received since; zero: none, or by Last
	// NoFollow ends at the end of the topic as it was at the start.
	NoFollow bool
	// Match leaves out the events for which it is false; nil leaves out none.
	// It gets the event and the record's value.
	Match func(event.Received, []byte) bool
	// Warn is told of records that are no events, and of trouble that the
	// client goes on in spite of. It may be nil.
	Warn func(error)
}

// Event is an event as it stands in the topic.
type Event struct {
	event.Received
	Value     []byte // the record's value: JSON
	Partition int32
	Offset    int64
}

// errStop ends reading: the caller has enough.
var errStop = errors.New("enough")

// Read hands events to each until each returns false or ctx ends, which is no
// error. Events of one player are in the order in which they were stored.
func Read(ctx context.Context, cfg kafka.Config, opts Options, each func(Event) bool) error {
	if opts.Topic == "" {
		opts.Topic = topics.EventsRaw
	}
	if opts.Warn == nil {
		opts.Warn = func(error) {}
	}
	r := &reader{cfg: cfg, opts: opts, each: each}
	err := r.read(ctx)
	if err == nil || errors.Is(err, errStop) || ctx.Err() != nil {
		return nil //nolint:nilerr // the reader has all it asked for, or went away
	}
	return kafka.Explain(err, cfg)
}

type reader struct {
	cfg  kafka.Config
	opts Options
	each func(Event) bool
}

// span is a part of a partition: from an offset up to, not including, another.
type span struct{ from, to int64 }

func (r *reader) read(ctx context.Context) error {
	client, err := kafka.NewClient(r.cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	ends, err := r.ends(ctx, client)
	if err != nil {
		return err
	}
	switch {
	case !r.opts.Since.IsZero():
		err = r.since(ctx, client, ends)
	case r.opts.Last > 0:
		err = r.last(ctx, client, ends)
	}
	if err != nil || r.opts.NoFollow {
		return err
	}
	return r.follow(ctx, ends)
}

// ends returns the end of each partition, up to which everything is committed.
func (r *reader) ends(ctx context.Context, client *kgo.Client) (map[int32]int64, error) {
	cluster, err := kafka.Describe(ctx, client, r.opts.Topic)
	if err != nil {
		return nil, err
	}
	partitions, err := partitionsOf(cluster, r.opts.Topic)
	if err != nil {
		return nil, err
	}
	ends, err := kafka.EndOffsets(ctx, client, map[string][]int32{r.opts.Topic: partitions}, kafka.ReadCommitted)
	if err != nil {
		return nil, err
	}
	return ends[r.opts.Topic], nil
}

func partitionsOf(cluster kafka.Cluster, name string) ([]int32, error) {
	topic, ok := cluster.Topics[name]
	if !ok || errors.Is(topic.Err, kerr.UnknownTopicOrPartition) {
		return nil, &problem.Error{What: "the topic " + name + " does not exist", Next: "run: gmctl up"}
	}
	if topic.Err != nil {
		return nil, topic.Err
	}
	var ids []int32
	for _, partition := range topic.Partitions {
		ids = append(ids, partition.ID)
	}
	return ids, nil
}

// last hands out the newest events that are there already: it looks at a
// window before the end of each partition, and at a larger one as long as too
// few events in it match.
func (r *reader) last(ctx context.Context, client *kgo.Client, ends map[int32]int64) error {
	starts, err := r.starts(ctx, client)
	if err != nil {
		return err
	}
	for window := max(int64(2*r.opts.Last), 256); ; window *= 8 {
		spans, whole := map[int32]span{}, true
		for id, end := range ends {
			from := max(end-window, starts[id])
			whole = whole && from == starts[id]
			spans[id] = span{from, end}
		}
		var found []Event
		if err := r.consume(ctx, spans, func(e Event) bool {
			found = append(found, e)
			return true
		}); err != nil {
			return err
		}
		if len(found) < r.opts.Last && !whole {
			continue
		}
		return r.newest(found)
	}
}

// newest hands out the last of the found events, in the order they were received.
func (r *reader) newest(found []Event) error {
	slices.SortStableFunc(found, func(a, b Event) int {
		return cmp.Or(a.ReceivedAt.Compare(b.ReceivedAt), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	if extra := len(found) - r.opts.Last; r.opts.Last > 0 && extra > 0 {
		found = found[extra:]
	}
	for _, e := range found {
		if !r.each(e) {
			return errStop
		}
	}
	return nil
}

// since hands out the events received since a time that are there already.
func (r *reader) since(ctx context.Context, client *kgo.Client, ends map[int32]int64) error {
	listed, err := kadm.NewClient(client).ListOffsetsAfterMilli(ctx, r.opts.Since.UnixMilli(), r.opts.Topic)
	from, err := offsets(listed, r.opts.Topic, err)
	if err != nil {
		return err
	}
	spans := map[int32]span{}
	for id, end := range ends {
		spans[id] = span{from[id], end}
	}
	if r.opts.Last == 0 {
		return r.consume(ctx, spans, r.each)
	}
	var found []Event
	if err := r.consume(ctx, spans, func(e Event) bool {
		found = append(found, e)
		return true
	}); err != nil {
		return err
	}
	return r.newest(found)
}

// starts returns the first offset that each partition still has.
func (r *reader) starts(ctx context.Context, client *kgo.Client) (map[int32]int64, error) {
	listed, err := kadm.NewClient(client).ListStartOffsets(ctx, r.opts.Topic)
	return offsets(listed, r.opts.Topic, err)
}

func offsets(listed kadm.ListedOffsets, topic string, err error) (map[int32]int64, error) {
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, err
	}
	at := map[int32]int64{}
	for id, offset := range listed[topic] {
		at[id] = offset.Offset
	}
	return at, nil
}
