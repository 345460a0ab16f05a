package kafka_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	platform "github.com/gamemetrics/gmctl/internal/kafka"
	testkafka "github.com/gamemetrics/gmctl/internal/testenv/kafka"
)

func TestEveryListenerAnswers(t *testing.T) {
	cluster := testkafka.Run(t, testkafka.Options{TLS: true, SASL: true})
	configs := map[string]platform.Config{
		"plain":             cluster.Config(),
		"TLS":               cluster.TLSConfig(),
		"SASL PLAIN":        cluster.SASLConfig(platform.Plain),
		"SASL SCRAM 256":    cluster.SASLConfig(platform.ScramSHA256),
		"SASL SCRAM 512":    cluster.SASLConfig(platform.ScramSHA512),
		"TLS and SASL":      cluster.SASLTLSConfig(platform.ScramSHA512),
		"TLS and SASL 256 ": cluster.SASLTLSConfig(platform.ScramSHA256),
	}
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			if err := ping(t.Context(), cfg); err != nil {
				t.Fatal(platform.Explain(err, cfg), err)
			}
		})
	}
	t.Run("console tools run", func(t *testing.T) {
		consoleRoundTrip(t, cluster)
	})
}

func ping(ctx context.Context, cfg platform.Config) error {
	client, err := platform.NewClient(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Ping(ctx)
}

func consoleRoundTrip(t *testing.T, cluster *testkafka.Cluster) {
	client, err := platform.NewClient(cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, nil, "console"); err != nil {
		t.Fatal(err)
	}
	bootstrap := strings.Join(cluster.Config().Brokers, ",")
	produce := cluster.Distribution.Tool(t.Context(), testkafka.ConsoleProducer, "--bootstrap-server", bootstrap, "--topic", "console")
	produce.Stdin = strings.NewReader("hello\n")
	mustRun(t, produce)
	consume := cluster.Distribution.Tool(t.Context(), testkafka.ConsoleConsumer, "--bootstrap-server", bootstrap, "--topic", "console", "--from-beginning", "--max-messages", "1")
	if got := mustRun(t, consume); !strings.Contains(got, "hello") {
		t.Errorf("console consumer printed %q", got)
	}
}

func mustRun(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return string(output)
}

func TestThreeBrokersSurviveTheLossOfOne(t *testing.T) {
	cluster := testkafka.Run(t, testkafka.Options{Brokers: 3})
	client, err := platform.NewClient(cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 3, 3, nil, "durable"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	produce := func() {
		t.Helper()
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: "durable", Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	produce()
	cluster.Kill(2)
	produce()
	if err := cluster.Restart(ctx, 2); err != nil {
		t.Fatal(err)
	}
	produce()
}
