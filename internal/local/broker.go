package local

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/kafka/embedded"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// brokerComponent is the Kafka of the environment: kfake in this process, its
// logs synced to disk with every write, or a cluster that runs elsewhere.
type brokerComponent struct {
	spec  Spec
	ports *ports
	log   *slog.Logger
	pause time.Duration                // between two looks at a cluster that runs elsewhere
	to    atomic.Pointer[kafka.Config] // nil while it is not up
}

// connection returns how to reach the brokers; false while they are not up.
func (b *brokerComponent) connection() (kafka.Config, bool) {
	if cfg := b.to.Load(); cfg != nil {
		return *cfg, true
	}
	return kafka.Config{}, false
}

func (b *brokerComponent) run(ctx context.Context, say announcer) error {
	defer b.to.Store(nil)
	if b.spec.External() {
		return b.watch(ctx, say)
	}
	say.doing("opening the embedded Kafka's logs")
	port, err := b.ports.take(Kafka)
	if err != nil {
		return err
	}
	broker, err := embedded.Start(embedded.Options{Dir: b.spec.KafkaDir(), Port: port, ClusterID: "gmctl-" + b.spec.Env, Log: b.log})
	if err != nil {
		return err
	}
	defer func() {
		if err := broker.Close(); err != nil {
			b.log.Warn("the embedded Kafka was not closed cleanly", "error", err)
		}
	}()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	b.to.Store(&kafka.Config{Brokers: []string{address}})
	say.ready(facts{
		summary:    "embedded, 1 broker",
		endpoints:  []engine.Endpoint{{Name: "bootstrap", URL: address}},
		connection: address,
	})
	select {
	case <-ctx.Done():
		return nil
	case <-broker.Failed():
		return broker.Err()
	}
}

// watch follows a cluster that is not ours: ready while it answers.
func (b *brokerComponent) watch(ctx context.Context, say announcer) error {
	brokers := b.spec.Brokers
	cfg := kafka.Config{Brokers: brokers}
	say.doing("connecting to " + strings.Join(brokers, ","))
	session, err := kafka.Open(cfg)
	if err != nil {
		return err
	}
	defer session.Close()
	look := func() (int, error) {
		bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		cluster, err := kafka.Brokers(bounded, session.Client)
		return len(cluster.Brokers), session.Explain(err)
	}
	count, err := look()
	if err != nil {
		return err
	}
	b.to.Store(&cfg)
	say.ready(facts{
		summary:    "external, " + humanize.Plural(count, "broker"),
		endpoints:  []engine.Endpoint{{Name: "bootstrap", URL: strings.Join(brokers, ",")}},
		connection: strings.Join(brokers, ","),
	})
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(b.pause):
		}
		if _, err := look(); err != nil && ctx.Err() == nil {
			say.warn(problem.From(err))
		} else {
			say.warn(nil)
		}
	}
}
