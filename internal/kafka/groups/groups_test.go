package groups_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/kafka/groups"
	"github.com/gamemetrics/gmctl/internal/problem"
	testkafka "github.com/gamemetrics/gmctl/internal/testenv/kafka"
)

var real testkafka.Shared

func TestMain(m *testing.M) { os.Exit(real.Main(m)) }

func TestActiveGroupsAreRefused(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		refuseActive(t, kafka.Config{Brokers: cluster.ListenAddrs()})
	})
	t.Run("Apache Kafka", func(t *testing.T) { refuseActive(t, real.Cluster(t).Config()) })
}

// refuseActive resets a group while a consumer is in it, which must be refused,
// and after it left.
func refuseActive(t *testing.T, cfg kafka.Config) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	session, err := kafka.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if _, err := kadm.NewClient(session.Client).CreateTopic(ctx, 1, 1, nil, "scores"); err != nil {
		t.Fatal(err)
	}
	if err := session.ProduceSync(ctx, &kgo.Record{Topic: "scores"}, &kgo.Record{Topic: "scores"}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	consumer, err := kafka.NewClient(cfg, kgo.ClientID("game-server"), kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("scores"))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	if fetches := consumer.PollFetches(ctx); fetches.Err() != nil {
		t.Fatal(fetches.Err())
	}
	if err := consumer.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}

	target, err := groups.ParseTarget("earliest", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	_, err = groups.PlanReset(ctx, session, "readers", nil, target)
	if p := problem.From(err); p == nil || p.Kind != problem.Unhealthy || !strings.Contains(p.Error(), "while it is active") || !strings.Contains(p.Error(), "game-server") {
		t.Fatalf("the reset of an active group: %v", err)
	}
	found, err := groups.Find(ctx, session, []string{"readers"})
	if err != nil || !found[0].Active() || found[0].Partitions[0].Client != "game-server" || found[0].Lag != 0 {
		t.Fatalf("%+v, %v", found, err)
	}
	// one that becomes active after the preview is refused by the cluster
	if err := groups.Reset(ctx, session, "readers", []groups.Move{{Topic: "scores"}}); kafka.Explain(err, cfg) == nil || !strings.Contains(kafka.Explain(err, cfg).What, "active members") {
		t.Errorf("the cluster let an active group be reset: %v", err)
	}

	consumer.Close()
	moves, err := groups.PlanReset(ctx, session, "readers", nil, target)
	if err != nil || len(moves) != 1 || moves[0] != (groups.Move{Topic: "scores", From: 2, To: 0, Again: 2}) {
		t.Fatalf("%+v, %v", moves, err)
	}
	if err := groups.Reset(ctx, session, "readers", moves); err != nil {
		t.Fatal(err)
	}
	if found, err = groups.Find(ctx, session, []string{"readers"}); err != nil || found[0].Lag != 2 {
		t.Errorf("%+v, %v", found, err)
	}
}
