package relay_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/services/relay"
)

// A process was killed while its relay of the outbox had a transaction open on the topic
// of the cursors. The process that takes over does not wait until Kafka ends it.
func TestATransactionOfTheOtherRelayHoldsNoOneUp(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	outbox, err := postgres.NewOutbox(t.Context(), postgres.Config{DSN: s.dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(outbox.Close)
	database, err := outbox.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	killed, err := kafka.NewClient(cfg, kgo.TransactionalID("gmctl-relay-"+postgres.OutboxLane+"-"+database.ID), kgo.TransactionTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(killed.Close)
	if err := killed.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := killed.ProduceSync(t.Context(), &kgo.Record{Topic: topics.RelayCursor, Key: []byte("k")}).FirstErr(); err != nil {
		t.Fatal(err)
	}

	main := relay.NewGroup(s.source, relay.Config{Kafka: cfg, Lease: time.Second})
	other := relay.New(relay.Config{
		Source: outbox, Kafka: cfg, Topics: postgres.OutboxTopics(), Lane: postgres.OutboxLane, Lanes: outbox, Lease: time.Second,
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- relay.RunBoth(ctx, main, other) }()
	if !holdsWithin(10*time.Second, func() bool { return main.Status().State == relay.Running }) {
		t.Errorf("it does not publish: %+v", main.Status())
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
