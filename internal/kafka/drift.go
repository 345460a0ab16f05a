package kafka

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/topics"
)

// Difference is one point in which a topic is not as the platform declares it.
type Difference struct {
	Topic   string `json:"topic"`
	Setting string `json:"setting"` // "partitions" or the name of a topic setting
	Wanted  string `json:"wanted"`
	Actual  string `json:"actual"`
}

// Drift tells how those of declared that exist differ from their declaration.
// Missing topics are not its business: see MissingTopics.
func Drift(ctx context.Context, client *kgo.Client, declared []topics.Topic) ([]Difference, error) {
	cluster, err := Describe(ctx, client, names(declared)...)
	if err != nil {
		return nil, err
	}
	there := slices.DeleteFunc(slices.Clone(declared), func(t topics.Topic) bool { return len(cluster.Topics[t.Name].Partitions) == 0 })
	if len(there) == 0 {
		return nil, nil
	}
	compared := []string{"cleanup.policy", "retention.ms", "segment.bytes", "delete.retention.ms"}
	settings, err := TopicSettings(ctx, client, names(there), compared...)
	if err != nil {
		return nil, err
	}
	var all []Difference
	for _, t := range there {
		if actual := len(cluster.Topics[t.Name].Partitions); actual != int(t.Partitions) {
			all = append(all, Difference{t.Name, "partitions", strconv.Itoa(int(t.Partitions)), strconv.Itoa(actual)})
		}
		wanted := map[string]string{"cleanup.policy": "delete"}
		maps.Copy(wanted, TopicConfigs(t, BrokerDefaultReplication))
		for _, name := range compared {
			actual, known := settings[t.Name][name]
			if want, declared := wanted[name]; declared && known && actual.Value != want {
				all = append(all, Difference{t.Name, name, want, actual.Value})
			}
		}
	}
	return all, nil
}
