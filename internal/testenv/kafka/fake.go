package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	platform "github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// Fake returns the address of a Kafka in this process that has the platform's topics, for
// tests which are not about Kafka.
func Fake(t testing.TB) string {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := platform.NewClient(platform.Config{Brokers: cluster.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := platform.EnsureTopics(t.Context(), client, topics.All(), 1); err != nil {
		t.Fatal(err)
	}
	return cluster.ListenAddrs()[0]
}
