package kafka

import (
	"context"
	"fmt"

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

// EndOffsets returns the end of each of the given partitions. Their leaders
// are asked directly, so leave out partitions without one.
func EndOffsets(ctx context.Context, client *kgo.Client, partitions map[string][]int32, isolation Isolation) (map[string]map[int32]int64, error) {
	const latest = -1
	request := kmsg.NewPtrListOffsetsRequest()
	request.IsolationLevel = int8(isolation)
	for name, ids := range partitions {
		topic := kmsg.NewListOffsetsRequestTopic()
		topic.Topic = name
		for _, id := range ids {
			partition := kmsg.NewListOffsetsRequestTopicPartition()
			partition.Partition, partition.Timestamp = id, latest
			topic.Partitions = append(topic.Partitions, partition)
		}
		request.Topics = append(request.Topics, topic)
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	ends := make(map[string]map[int32]int64)
	for _, topic := range response.Topics {
		ends[topic.Topic] = make(map[int32]int64)
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("offsets of topic %s, partition %d: %w", topic.Topic, p.Partition, err)
			}
			ends[topic.Topic][p.Partition] = p.Offset
		}
	}
	return ends, nil
}
