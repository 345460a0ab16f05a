package smoketest_test

import (
	"os"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/kafka/smoketest"
	testkafka "github.com/gamemetrics/gmctl/internal/testenv/kafka"
	"github.com/gamemetrics/gmctl/internal/topics"
)

var cluster = testkafka.Shared{Options: testkafka.Options{TLS: true, SASL: true, Authorize: true}}

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

func fake(t *testing.T, options ...kfake.Opt) (*kfake.Cluster, kafka.Config) {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, kafka.Config{Brokers: c.ListenAddrs()}
}

func declare(t *testing.T, cfg kafka.Config) {
	t.Helper()
	client, err := kafka.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kafka.EnsureTopics(t.Context(), client, topics.All(), kafka.BrokerDefaultReplication); err != nil {
		t.Fatal(err)
	}
}

func mustPass(t *testing.T, cfg kafka.Config) {
	t.Helper()
	report, err := smoketest.Run(t.Context(), cfg, smoketest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Err(); err != nil {
		t.Fatalf("%v: %+v", err, report.Topics)
	}
	for _, r := range report.Topics {
		if r.Sent < smoketest.DefaultCount || r.Acked != r.Sent || r.Consumed != r.Sent || r.EndToEnd.P99 <= 0 || r.Ack.P50 <= 0 {
			t.Errorf("%+v", r)
		}
	}
	t.Logf("%.0f ms", report.Seconds*1000)
}

func TestPassesOnTheEmbeddedBroker(t *testing.T) {
	_, cfg := fake(t)
	declare(t, cfg)
	mustPass(t, cfg)
	mustPass(t, cfg)
}

func TestPassesOnApacheKafka(t *testing.T) {
	kafka := cluster.Cluster(t)
	declare(t, kafka.Config())
	for range 5 {
		mustPass(t, kafka.Config())
	}
}
