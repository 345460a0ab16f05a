package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Isolation is which end of a partition counts.
type Isolation int8

const (
	// ReadUncommitted: the high watermark, one past the last record that all
	// in-sync replicas have.
	ReadUncommitted Isolation = 0
	// ReadCommitted: the last stable offset, before the first record of a
	// transaction that is still open.
	ReadCommitted Isolation = 1
)

// Positions that ListOffsets understands in place of a time.
const (
	Latest   int64 = -1 // the end, as the isolation counts it
	Earliest int64 = -2 // the first record that is still kept
)

// EndOffsets returns the end of each of the given partitions. Their leaders
// are asked directly, so leave out partitions without one.
func EndOffsets(ctx context.Context, client *kgo.Client, partitions map[string][]int32, isolation Isolation) (map[string]map[int32]int64, error) {
	return ListOffsets(ctx, client, partitions, Latest, isolation)
}

// ListOffsets returns for each partition the offset at a position: Latest,
// Earliest, or that of the first record at or after a time in milliseconds
// since 1970; -1 where there is no such record. What a change of leaders holds
// up is asked again for up to RetryTimeout.
func ListOffsets(ctx context.Context, client *kgo.Client, partitions map[string][]int32, position int64, isolation Isolation) (map[string]map[int32]int64, error) {
	const pause = 50 * time.Millisecond
	giveUp := time.Now().Add(RetryTimeout)
	for {
		offsets, err := listOffsets(ctx, client, partitions, position, isolation)
		if err == nil || !kerr.IsRetriable(err) || errors.Is(err, kerr.UnknownTopicOrPartition) || time.Now().After(giveUp) {
			return offsets, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		case <-time.After(pause):
		}
	}
}

func listOffsets(ctx context.Context, client *kgo.Client, partitions map[string][]int32, position int64, isolation Isolation) (map[string]map[int32]int64, error) {
	offsets := make(map[string]map[int32]int64)
	if len(partitions) == 0 {
		return offsets, nil
	}
	request := kmsg.NewPtrListOffsetsRequest()
	request.IsolationLevel = int8(isolation)
	for name, ids := range partitions {
		topic := kmsg.NewListOffsetsRequestTopic()
		topic.Topic = name
		for _, id := range ids {
			partition := kmsg.NewListOffsetsRequestTopicPartition()
			partition.Partition, partition.Timestamp = id, position
			topic.Partitions = append(topic.Partitions, partition)
		}
		request.Topics = append(request.Topics, topic)
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	for _, topic := range response.Topics {
		if offsets[topic.Topic] == nil {
			offsets[topic.Topic] = make(map[int32]int64)
		}
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("offsets of topic %s, partition %d: %w", topic.Topic, p.Partition, err)
			}
			offsets[topic.Topic][p.Partition] = p.Offset
		}
	}
	return offsets, nil
}

// LedPartitions returns the partitions of the topics that have a leader, as
// ListOffsets wants them.
func LedPartitions(topics ...Topic) map[string][]int32 {
	led := make(map[string][]int32)
	for _, topic := range topics {
		for _, p := range topic.Partitions {
			if p.Leader >= 0 {
				led[topic.Name] = append(led[topic.Name], p.ID)
			}
		}
	}
	return led
}
