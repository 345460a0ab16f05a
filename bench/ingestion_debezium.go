//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/bench/peers"
	platform "github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv/process"
	"github.com/gamemetrics/gmctl/internal/topics"
)

const (
	debeziumEvents    = 1_000_000 // at most, as it needs a minute for them
	debeziumPublished = 8000      // events a second that it makes of an outbox, as published
)

// debezium measures how quickly the same stored events come to Kafka by the relay and
// by Debezium. Its PostgreSQL is one of its own, which writes the WAL that Debezium reads.
func (s *scale) debezium(ctx context.Context, g *grounds, print func(figure)) (err error) {
	events := min(s.events, debeziumEvents)
	product, err := peers.FetchDebezium(ctx)
	if err != nil {
		missing("debezium", err)
		return g.on(ctx, func(site *site) error {
			if err := errors.Join(site.migrate(ctx), site.fill(ctx, events)); err != nil {
				return err
			}
			ours, err := site.relayRate(ctx, events)
			if err != nil {
				return err
			}
			print(against("relay alone", "events/s", ours, debeziumPublished, "Debezium, as published").atLeast(1))
			return nil
		})
	}
	logical := settings()
	logical["wal_level"] = "logical"
	server, err := postgres.StartServer(ctx, postgres.Options{Settings: logical})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Remove()) }()
	own := &grounds{gmctl: g.gmctl, postgres: server, kafka: g.kafka}
	return own.on(ctx, func(site *site) error {
		if err := site.migrate(ctx); err != nil {
			return err
		}
		superuser, err := site.superuser()
		if err != nil {
			return err
		}
		if err := execute(ctx, superuser, product.Prepare()...); err != nil {
			return err
		}
		if err := site.fill(ctx, events); err != nil {
			return err
		}
		ours, err := site.relayRate(ctx, events)
		if err != nil {
			return err
		}
		theirs, err := site.debeziumRate(ctx, product, superuser, events)
		if err != nil {
			return err
		}
		print(against("relay alone", "events/s", ours, theirs, "Debezium, the same events from its slot").atLeast(1))
		return execute(ctx, superuser, "SELECT pg_drop_replication_slot('debezium')")
	})
}

// superuser is the site's database for whoever may read its WAL.
func (s *site) superuser() (string, error) {
	dsn, err := url.Parse(s.dsn)
	if err != nil {
		return "", err
	}
	return s.postgres.SuperuserDSN(dsn.Path[1:]), nil
}

func execute(ctx context.Context, dsn string, statements ...string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// count is how many records the topic has.
func count(ctx context.Context, client *kgo.Client, topic topics.Topic) (records int64, err error) {
	partitions := map[string][]int32{}
	for p := range topic.Partitions {
		partitions[topic.Name] = append(partitions[topic.Name], p)
	}
	ends, err := platform.EndOffsets(ctx, client, partitions, platform.ReadUncommitted)
	for _, end := range ends[topic.Name] {
		records += end
	}
	return records, err
}

// debeziumRate is how many events a second Debezium publishes once its code is
// compiled: without its start, and without the first third of the events.
func (s *site) debeziumRate(ctx context.Context, product *peers.Debezium, superuser string, events int) (rate float64, err error) {
	dir, err := os.MkdirTemp("", "gmctl-bench-debezium-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	client, err := platform.NewClient(s.kafka.Config())
	if err != nil {
		return 0, err
	}
	defer client.Close()
	topic := topics.Topic{Name: peers.DebeziumTopic, Partitions: topics.All()[0].Partitions}
	if _, err := platform.EnsureTopics(ctx, client, []topics.Topic{topic}, 1); err != nil {
		return 0, err
	}
	database, err := reached(superuser)
	if err != nil {
		return 0, err
	}
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	command, err := product.Command(dir, "127.0.0.1:"+strconv.Itoa(port), database, s.brokers())
	if err != nil {
		return 0, err
	}
	running, err := process.Start(command, filepath.Join(dir, "log"))
	if err != nil {
		return 0, err
	}
	defer running.Kill()
	published := func() (int64, error) {
		if running.Ended() {
			return 0, fmt.Errorf("Debezium ended:\n%s", running.LogTail(30))
		}
		return count(ctx, client, topic)
	}
	const patience = 15 * time.Minute
	first, began := int64(0), time.Now()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		n, err := published()
		if err != nil {
			return 0, err
		}
		switch {
		case n >= int64(events):
			return float64(n-first) / time.Since(began).Seconds(), nil
		case first == 0 && n >= int64(events/3):
			first, began = n, time.Now()
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return 0, fmt.Errorf("Debezium has not published %d events in %s:\n%s", events, patience, running.LogTail(30))
}
