package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gamemetrics/gmctl/internal/topics"
)

// BrokerDefaultReplication leaves the number of replicas to the cluster.
const BrokerDefaultReplication int16 = -1

// Kafka compacts no segment that is written to, of up to 1 GiB, and keeps the markers of
// transactions for a day: of those of a busy relay a few GB.
const (
	briefSegment = 16 << 20         // bytes
	briefMarkers = 10 * time.Minute // see hanging.go of the relay, which looks for them
)

// TopicConfigs are the topic settings that t declares, in Kafka's own names.
// With three or more replicas a write needs all but one of them, so that an
// acknowledged record survives the loss of a broker.
func TopicConfigs(t topics.Topic, replication int16) map[string]string {
	configs := make(map[string]string)
	if t.Compacted {
		configs["cleanup.policy"] = "compact"
	}
	if t.Brief {
		configs["segment.bytes"] = strconv.Itoa(briefSegment)
		configs["delete.retention.ms"] = strconv.FormatInt(briefMarkers.Milliseconds(), 10)
	}
	if t.Retention > 0 {
		configs["retention.ms"] = strconv.FormatInt(t.Retention.Milliseconds(), 10)
	}
	if replication >= 3 {
		configs["min.insync.replicas"] = strconv.Itoa(int(replication) - 1)
	}
	return configs
}

// MissingTopics returns those of declared that the cluster does not have, in
// their order.
func MissingTopics(ctx context.Context, client *kgo.Client, declared []topics.Topic) ([]topics.Topic, error) {
	if len(declared) == 0 {
		return nil, nil
	}
	cluster, err := Describe(ctx, client, names(declared)...)
	if err != nil {
		return nil, err
	}
	var missing []topics.Topic
	for _, t := range declared {
		actual, ok := cluster.Topics[t.Name]
		switch {
		case !ok || errors.Is(actual.Err, kerr.UnknownTopicOrPartition):
			missing = append(missing, t)
		case actual.Err != nil && !errors.Is(actual.Err, kerr.LeaderNotAvailable):
			return nil, fmt.Errorf("topic %s: %w", t.Name, actual.Err)
		}
	}
	return missing, nil
}

// EnsureTopics creates those of declared that are missing and returns their
// names once every partition of them has a leader. Topics that exist are left
// as they are: Drift tells how they differ. On an error, created are those
// made before it.
func EnsureTopics(ctx context.Context, client *kgo.Client, declared []topics.Topic, replication int16) (created []string, err error) {
	missing, err := MissingTopics(ctx, client, declared)
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	created, err = createTopics(ctx, client, missing, replication)
	if err != nil {
		return created, err
	}
	return created, awaitLeaders(ctx, client, names(missing))
}

// CreateTimeout is how long the cluster may take to create topics.
const CreateTimeout = 15 * time.Second

func createTopics(ctx context.Context, client *kgo.Client, missing []topics.Topic, replication int16) (created []string, err error) {
	wanted := make([]NewTopic, len(missing))
	for i, t := range missing {
		wanted[i] = NewTopic{t.Name, t.Partitions, replication, TopicConfigs(t, replication)}
	}
	created, err = requestTopics(ctx, client, wanted, false)
	if errors.Is(err, kerr.TopicAlreadyExists) {
		err = ignoreExisting(err)
	}
	return created, err
}

// ignoreExisting drops from a joined error those topics that someone else was
// quicker to make.
func ignoreExisting(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	return errors.Join(slices.DeleteFunc(slices.Clone(joined.Unwrap()), func(err error) bool { return errors.Is(err, kerr.TopicAlreadyExists) })...)
}

func requestTopics(ctx context.Context, client *kgo.Client, wanted []NewTopic, dryRun bool) (created []string, err error) {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = int32(CreateTimeout.Milliseconds())
	request.ValidateOnly = dryRun
	for _, t := range wanted {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = t.Name, t.Partitions, t.Replication
		for _, name := range slices.Sorted(maps.Keys(t.Configs)) {
			config := kmsg.NewCreateTopicsRequestTopicConfig()
			config.Name, config.Value = name, new(t.Configs[name])
			topic.Configs = append(topic.Configs, config)
		}
		request.Topics = append(request.Topics, topic)
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, topic := range response.Topics {
		if err := kerr.ErrorForCode(topic.ErrorCode); err != nil {
			failures = append(failures, fmt.Errorf("topic %s: %w", topic.Topic, withMessage(err, topic.ErrorMessage)))
			continue
		}
		created = append(created, topic.Topic)
	}
	slices.Sort(created)
	return created, errors.Join(failures...)
}

// awaitLeaders returns when every partition of the topics has a leader: a
// cluster answers a creation before its brokers all know of it.
func awaitLeaders(ctx context.Context, client *kgo.Client, topics []string) error {
	ctx, cancel := context.WithTimeout(ctx, CreateTimeout)
	defer cancel()
	for {
		cluster, err := Describe(ctx, client, topics...)
		if err == nil && !slices.ContainsFunc(topics, func(name string) bool { return !cluster.Topics[name].Led() }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the new topics have no leader after %s", CreateTimeout), err, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func names(declared []topics.Topic) []string {
	all := make([]string, len(declared))
	for i, t := range declared {
		all[i] = t.Name
	}
	return all
}
