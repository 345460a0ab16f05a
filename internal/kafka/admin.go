package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// NewTopic is a topic to be made.
type NewTopic struct {
	Name        string
	Partitions  int32             // -1: the cluster's default
	Replication int16             // BrokerDefaultReplication: the cluster's default
	Configs     map[string]string // topic settings in Kafka's own names
}

// CreateTopics makes the topics and returns the names of those made once every
// partition of them has a leader. A topic that exists is an error. With dryRun
// the cluster only says whether it would make them.
func CreateTopics(ctx context.Context, client *kgo.Client, wanted []NewTopic, dryRun bool) (created []string, err error) {
	created, err = requestTopics(ctx, client, wanted, dryRun)
	if err != nil || dryRun {
		return created, err
	}
	return created, awaitLeaders(ctx, client, created)
}

// DeleteTopics removes the topics with their records. The error names each
// that could not be removed; deleted are the others.
func DeleteTopics(ctx context.Context, client *kgo.Client, names []string) (deleted []string, err error) {
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TimeoutMillis = int32(CreateTimeout.Milliseconds())
	request.TopicNames = names
	for _, name := range names {
		topic := kmsg.NewDeleteTopicsRequestTopic()
		topic.Topic = new(name)
		request.Topics = append(request.Topics, topic)
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, topic := range response.Topics {
		name := ""
		if topic.Topic != nil {
			name = *topic.Topic
		}
		if err := kerr.ErrorForCode(topic.ErrorCode); err != nil {
			failures = append(failures, fmt.Errorf("topic %s: %w", name, withMessage(err, topic.ErrorMessage)))
			continue
		}
		deleted = append(deleted, name)
	}
	slices.Sort(deleted)
	return deleted, errors.Join(failures...)
}

// withMessage adds what the broker says beyond the error code.
func withMessage(err error, message *string) error {
	if message == nil || *message == "" {
		return err
	}
	return fmt.Errorf("%w (%s)", err, *message)
}
