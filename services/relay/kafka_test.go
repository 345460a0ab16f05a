package relay_test

import (
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/gamemetrics/gmctl/internal/kafka"
)

func setTopicLimit(t *testing.T, cfg kafka.Config, topic string, bytes int) {
	t.Helper()
	client, err := kafka.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	limit := strconv.Itoa(bytes)
	_, err = kadm.NewClient(client).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &limit}}, topic)
	if err != nil {
		t.Fatal(err)
	}
}

func addPartitions(t *testing.T, cfg kafka.Config, topic string, total int) {
	t.Helper()
	client, err := kafka.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	added, err := kadm.NewClient(client).UpdatePartitions(t.Context(), total, topic)
	if err == nil {
		err = added.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}
