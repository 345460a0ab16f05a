package tail

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
)

// fake returns a cluster with a topic of one partition, and a producer of transactions.
func fake(t *testing.T) (kafka.Config, *kgo.Client) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg := kafka.Config{Brokers: cluster.ListenAddrs()}
	producer, err := kafka.NewClient(cfg, kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	return cfg, producer
}

// transact produces each value in a transaction of its own.
func transact(t *testing.T, producer *kgo.Client, end kgo.TransactionEndTry, values ...string) {
	t.Helper()
	for _, value := range values {
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := producer.ProduceSync(t.Context(), kgo.StringRecord(value)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := producer.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, cfg kafka.Config, options Options) []string {
	t.Helper()
	options.Topics = []string{"t"}
	values := []string{}
	err := Run(t.Context(), cfg, options, func(r kafka.Record) error {
		values = append(values, string(r.Value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The markers of transactions take offsets: the last 3 records are further
// back than 3 offsets.
func TestLastLooksBehindMarkersAndAbortedRecords(t *testing.T) {
	cfg, producer := fake(t)
	transact(t, producer, kgo.TryCommit, "a", "b", "c", "d")
	transact(t, producer, kgo.TryAbort, "x", "y", "z")
	expect(t, read(t, cfg, Options{Start: Last(3)}), "b", "c", "d")
	expect(t, read(t, cfg, Options{Start: Last(100)}), "a", "b", "c", "d")
	expect(t, read(t, cfg, Options{Start: Start{offset: kafka.Earliest}}), "a", "b", "c", "d")
	expect(t, read(t, cfg, Options{Start: Start{offset: kafka.Earliest}, Uncommitted: true}), "a", "b", "c", "d", "x", "y", "z")
	expect(t, read(t, cfg, Options{Start: Start{offset: 2}}), "b", "c", "d")
	expect(t, read(t, cfg, Options{Start: Start{offset: kafka.Latest}}))
	expect(t, read(t, cfg, Options{Start: Start{offset: kafka.Earliest}, Limit: 2}), "a", "b")
}

// What an open transaction holds back is not waited for.
func TestEndsBeforeAnOpenTransaction(t *testing.T) {
	cfg, producer := fake(t)
	transact(t, producer, kgo.TryCommit, "a")
	if err := producer.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := producer.ProduceSync(t.Context(), kgo.StringRecord("open")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	expect(t, read(t, cfg, Options{Start: Start{offset: kafka.Earliest}}), "a")
	expect(t, read(t, cfg, Options{Start: Last(5)}), "a")
}

func TestFollowsAfterTheLast(t *testing.T) {
	cfg, producer := fake(t)
	transact(t, producer, kgo.TryCommit, "a", "b")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	values := make(chan string)
	done := make(chan error)
	go func() {
		done <- Run(ctx, cfg, Options{Topics: []string{"t"}, Start: Last(1), Follow: true}, func(r kafka.Record) error {
			values <- string(r.Value)
			return nil
		})
	}()
	expect(t, []string{<-values}, "b")
	transact(t, producer, kgo.TryCommit, "c", "d")
	expect(t, []string{<-values, <-values}, "c", "d")
	cancel()
	if err := <-done; err != nil {
		t.Errorf("an interrupted follow: %v", err)
	}
}

func TestAnErrorOfTheReceiverEndsIt(t *testing.T) {
	cfg, producer := fake(t)
	transact(t, producer, kgo.TryCommit, "a", "b")
	broken := errors.New("broken pipe")
	err := Run(t.Context(), cfg, Options{Topics: []string{"t"}, Start: Last(2), Follow: true}, func(kafka.Record) error { return broken })
	if err != broken { //nolint:errorlint // as it is, not explained as one of Kafka's
		t.Errorf("%v", err)
	}
}
