package kafka

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/suggest"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// FindTopics returns the topics named, in their order. The error for one that
// does not exist is a *problem.Error that says which may have been meant.
func FindTopics(ctx context.Context, client *kgo.Client, names []string) ([]Topic, error) {
	cluster, err := Describe(ctx, client, names...)
	if err != nil {
		return nil, err
	}
	var found []Topic
	for _, name := range names {
		topic := cluster.Topics[name]
		switch {
		case len(topic.Partitions) > 0:
			found = append(found, topic)
		case topic.Err == nil || errors.Is(topic.Err, kerr.UnknownTopicOrPartition):
			return nil, noSuchTopic(ctx, client, name)
		default:
			return nil, topic.Err
		}
	}
	return found, nil
}

func noSuchTopic(ctx context.Context, client *kgo.Client, name string) error {
	next := "see which there are: gmctl kafka topics list"
	if slices.ContainsFunc(topics.All(), func(t topics.Topic) bool { return t.Name == name }) {
		next = "create what the platform declares: gmctl kafka topics create"
	} else if cluster, err := Describe(ctx, client); err == nil {
		if similar := suggest.Nearest(name, slices.Sorted(maps.Keys(cluster.Topics))); similar != "" {
			next = "did you mean " + similar + "?"
		}
	}
	return &problem.Error{What: "topic " + name + " does not exist", Next: next}
}
