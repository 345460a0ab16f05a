package main

import (
	"context"
	"fmt"
	"time"

	"github.com/gamemetrics/gmctl/internal/postgres"
)

// lanes measures how quickly stored events come to Kafka when one process works
// several lanes, and what memory it takes.
func (s *scale) lanes(ctx context.Context, g *grounds, print func(figure)) error {
	events := min(s.events, 1_000_000)
	one := 0.0
	// Kafka that has just started is slower than it will be, which the first to come finds.
	warm := func(site *site) error { _, _, err := site.lanesRate(ctx, 1, events/4); return err }
	if err := g.on(ctx, warm); err != nil {
		return err
	}
	for _, n := range []int{1, 4, 16, 64} {
		err := g.on(ctx, func(site *site) error {
			rate, memory, err := site.lanesRate(ctx, n, events)
			if err != nil {
				return err
			}
			if n == 1 {
				one = rate
			}
			print(against(fmt.Sprintf("relay alone, lanes: %d", n), "events/s", rate, one, "one lane"))
			print(alone(fmt.Sprintf("memory of the relay, lanes: %d", n), "MiB", memory).atMost(200))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lanesRate is how many stored events a second the relay publishes with that many
// lanes, its start included, and the most memory that it held.
func (s *site) lanesRate(ctx context.Context, lanes, events int) (rate, memory float64, err error) {
	if _, err := s.ingestion(ctx); err != nil { // makes the schema
		return 0, 0, err
	}
	source, err := postgres.NewSource(ctx, postgres.Config{DSN: s.dsn})
	if err != nil {
		return 0, 0, err
	}
	defer source.Close()
	if _, err := source.SetLanes(ctx, lanes); err != nil {
		return 0, 0, err
	}
	if err := s.fill(ctx, events); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	relay, err := s.relay(ctx)
	if err != nil {
		return 0, 0, err
	}
	for published := 0.0; published < float64(events); {
		if published, err = scrape(ctx, relay.address, publishedMetric); err != nil {
			return 0, 0, err
		}
		held, err := resident(relay.command.Process.Pid)
		if err != nil {
			return 0, 0, err
		}
		memory = max(memory, held)
		select {
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return float64(events) / time.Since(began).Seconds(), memory, nil
}
