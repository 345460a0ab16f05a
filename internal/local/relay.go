package local

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/services/relay"
)

// relayComponent is the relay in this process.
type relayComponent struct {
	reliance
	log      *slog.Logger
	database func() (url string, up bool)
	brokers  func() (cfg kafka.Config, up bool)
	wake     <-chan struct{}
	relay    atomic.Pointer[relay.Group] // nil while it is not up
}

var (
	_ measured = (*relayComponent)(nil)
	_ relying  = (*relayComponent)(nil)
)

func (r *relayComponent) run(ctx context.Context, say announcer) error {
	url, up := r.database()
	if !up {
		return errNoDatabase
	}
	brokers, up := r.brokers()
	if !up {
		return errors.New("Kafka is not up")
	}
	say.doing("connecting to PostgreSQL and Kafka")
	source, err := postgres.NewSource(ctx, postgres.Config{DSN: url})
	if err != nil {
		return err
	}
	defer source.Close()
	tracer := tracerOf(ctx, Relay, r.log)
	defer tracer.Close(context.WithoutCancel(ctx))
	// The name is that of the one before it, which is gone: there is no lease to wait for.
	service := relay.NewGroup(source, relay.Config{Kafka: brokers, Name: "gmctl up", Wake: r.wake, Log: r.log, Tracer: tracer})
	outbox, err := postgres.NewOutbox(ctx, postgres.Config{DSN: url})
	if err != nil {
		return err
	}
	defer outbox.Close()
	records := relay.New(relay.Config{
		Source: outbox, Kafka: brokers, Topics: postgres.OutboxTopics(),
		Lane: postgres.OutboxLane, Lanes: outbox, Name: "gmctl up", Log: r.log,
	})
	r.relay.Store(service)
	defer r.relay.Store(nil)
	held, cancel := r.hold(ctx, anchor{"PostgreSQL", url, r.database}, anchor{"Kafka", strings.Join(brokers.Brokers, ","), func() (string, bool) {
		now, up := r.brokers()
		return strings.Join(now.Brokers, ","), up
	}})
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- relay.RunBoth(held, service, records) }()
	return ended(held, follow(service.Status, done, say))
}

// follow tells the relay's state until it has ended.
func follow(of func() relay.Status, done <-chan error, say announcer) error {
	const pause = 10 * time.Millisecond
	serving := false
	for {
		select {
		case err := <-done:
			return err
		case <-time.After(pause):
		}
		switch status := of(); status.State {
		case relay.Running:
			if !serving {
				serving = true
				say.ready(facts{})
			}
			say.warn(status.Held)
		case relay.Failing:
			if !serving {
				say.doing(status.Problem.Error())
				continue
			}
			say.warn(status.Problem)
		}
	}
}

// figures tells how far the relay is behind.
func (r *relayComponent) figures(ctx context.Context) []engine.Figure {
	service := r.relay.Load()
	if service == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, figuresTimeout)
	defer cancel()
	figures := []engine.Figure{{Name: "published", Value: float64(service.Status().Published), Unit: "events"}}
	lag, err := service.Lag(ctx)
	if err != nil {
		r.log.Warn("the lag could not be read", "error", err)
		return figures
	}
	figures = append(figures, engine.Figure{Name: "lag", Value: float64(lag.Events), Unit: "events", Approx: lag.Estimated})
	if lag.Events > 0 {
		figures = append(figures, engine.Figure{Name: "oldest waits", Value: lag.Age.Seconds(), Unit: "s"})
	}
	return figures
}
