//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	platform "github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/testenv/kafka"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// kafkaTest measures `gmctl kafka test` against the same round trip by Kafka's
// console tools, one producer and one consumer a topic, on one real broker.
func kafkaTest(ctx context.Context, gmctl string, print func(figure)) (err error) {
	cluster, err := kafka.Start(ctx, kafka.Options{})
	if err != nil {
		return fmt.Errorf("the peer is missing: %w", err)
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	brokers := strings.Join(cluster.Config().Brokers, ",")
	client, err := platform.NewClient(cluster.Config())
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := platform.EnsureTopics(ctx, client, topics.All(), 1); err != nil {
		return err
	}
	ours := func() error {
		if output, err := exec.CommandContext(ctx, gmctl, "kafka", "test", "--brokers", brokers).CombinedOutput(); err != nil {
			return fmt.Errorf("gmctl kafka test: %w\n%s", err, output)
		}
		return nil
	}
	if err := ours(); err != nil { // the first use of a topic is the broker's warm-up, for both
		return err
	}
	const rounds = 3
	var a, b []time.Duration
	for round := range rounds {
		began := time.Now()
		if err := ours(); err != nil {
			return err
		}
		a = append(a, time.Since(began))
		began = time.Now()
		if err := consoleTools(ctx, cluster.Distribution, brokers, fmt.Sprint("round-", round)); err != nil {
			return err
		}
		b = append(b, time.Since(began))
	}
	print(against("gmctl kafka test, six topics", "times faster", 1/median(a).Seconds(), 1/median(b).Seconds(),
		"kafka-console-producer and kafka-console-consumer per topic, in rounds per second").atLeast(10))
	return nil
}

// consoleTools sends one message through each topic and reads it back, as the
// script quick-kafka-test did.
func consoleTools(ctx context.Context, tools *kafka.Distribution, brokers, message string) error {
	for _, t := range topics.Public() {
		produce := tools.Tool(ctx, kafka.ConsoleProducer, "--bootstrap-server", brokers, "--topic", t.Name)
		produce.Stdin = strings.NewReader(message + "\n")
		if output, err := produce.CombinedOutput(); err != nil {
			return fmt.Errorf("console producer: %w\n%s", err, output)
		}
		consume := tools.Tool(ctx, kafka.ConsoleConsumer, "--bootstrap-server", brokers, "--topic", t.Name,
			"--from-beginning", "--max-messages", "1", "--timeout-ms", "10000")
		output, err := consume.Output()
		if err != nil || len(bytes.TrimSpace(output)) == 0 {
			return fmt.Errorf("console consumer of %s: %w: %q", t.Name, err, output)
		}
	}
	return nil
}
