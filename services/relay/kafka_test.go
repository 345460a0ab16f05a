package relay_test

import (
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
)

// clientOf returns a client that the caller closes: some are made again and again.
func clientOf(t testing.TB, cfg kafka.Config, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kafka.NewClient(cfg, options...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func setTopicLimit(t *testing.T, cfg kafka.Config, topic string, bytes int) {
	t.Helper()
	client := clientOf(t, cfg)
	defer client.Close()
	limit := strconv.Itoa(bytes)
	_, err := kadm.NewClient(client).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &limit}}, topic)
	if err != nil {
		t.Fatal(err)
	}
}

func addPartitions(t *testing.T, cfg kafka.Config, topic string, total int) {
	t.Helper()
	client := clientOf(t, cfg)
	defer client.Close()
	added, err := kadm.NewClient(client).UpdatePartitions(t.Context(), total, topic)
	if err == nil {
		err = added.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}
