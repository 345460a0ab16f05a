//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	platform "github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// The counters of the services that tell how far they are.
const (
	storedMetric    = "gamemetrics_ingestion_events_total"
	publishedMetric = "gmctl_relay_events_published_total"
)

// both starts ingestion and relay.
func (s *site) both(ctx context.Context) (api, relay *service, err error) {
	if api, err = s.ingestion(ctx); err != nil {
		return nil, nil, err
	}
	relay, err = s.relay(ctx)
	return api, relay, err
}

// behind is how many events are stored and not published.
func behind(ctx context.Context, api, relay *service) (float64, error) {
	published, err := scrape(ctx, relay.address, publishedMetric)
	if err != nil {
		return 0, err
	}
	stored, err := scrape(ctx, api.address, storedMetric)
	return stored - published, err
}

// whole measures the whole way: batches from a client until Kafka has acknowledged
// the events.
func (s *scale) whole(ctx context.Context, g *grounds, print func(figure)) error {
	raw, err := s.copied(ctx, g)
	if err != nil {
		return err
	}
	return g.on(ctx, func(site *site) error {
		api, relay, err := site.both(ctx)
		if err != nil {
			return err
		}
		l := load{addresses: []string{api.address}, connections: batchers, events: batchOf, during: s.each / 2}
		if _, err := l.run(ctx); err != nil {
			return err
		}
		before, err := behind(ctx, api, relay)
		if err != nil {
			return err
		}
		first, err := scrape(ctx, relay.address, publishedMetric)
		if err != nil {
			return err
		}
		began := time.Now()
		sent, err := l.run(ctx)
		if err != nil {
			return err
		}
		after, err := behind(ctx, api, relay)
		if err != nil {
			return err
		}
		last, err := scrape(ctx, relay.address, publishedMetric)
		if err != nil {
			return err
		}
		published := (last - first) / time.Since(began).Seconds()
		print(against("whole way, batches of 100, in Kafka", "events/s", published, raw, rawCopy).atLeast(0.35))
		print(alone("whole way, growth of the lag, of what came in", "", (after-before)/float64(sent.events)).atMost(0.02))
		print(alone("whole way, lag at the end", "s", after/published))
		return nil
	})
}

// relay measures how quickly stored events come to Kafka.
func (s *scale) relay(ctx context.Context, g *grounds, print func(figure)) error {
	producer, err := g.produceRate(ctx, min(s.events, 2_000_000))
	if err != nil {
		return err
	}
	return g.on(ctx, func(site *site) error {
		if _, err := site.ingestion(ctx); err != nil { // makes the schema
			return err
		}
		if err := site.fill(ctx, s.events); err != nil {
			return err
		}
		rate, err := site.relayRate(ctx, s.events)
		if err != nil {
			return err
		}
		print(against("relay alone", "events/s", rate, producer, "kgo producing the same records from memory").atLeast(0.5))
		return nil
	})
}

// relayRate is how many stored events a second the relay publishes, its start included.
func (s *site) relayRate(ctx context.Context, events int) (float64, error) {
	began := time.Now()
	relay, err := s.relay(ctx)
	if err != nil {
		return 0, err
	}
	err = until(ctx, relay, float64(events))
	return float64(events) / time.Since(began).Seconds(), err
}

// until returns when the relay has published that many events.
func until(ctx context.Context, relay *service, events float64) error {
	for {
		published, err := scrape(ctx, relay.address, publishedMetric)
		if err != nil || published >= events {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// visible measures the time from a POST until a read_committed consumer has the
// record, at 2,000 events a second.
func (s *scale) visible(ctx context.Context, g *grounds, print func(figure)) error {
	const rate = 2000
	return g.on(ctx, func(site *site) error {
		api, _, err := site.both(ctx)
		if err != nil {
			return err
		}
		l := load{addresses: []string{api.address}, connections: connections, events: 1, rate: rate, during: s.each}
		warm := l
		warm.during = s.each / 4
		if _, err := warm.run(ctx); err != nil {
			return err
		}
		latencies, err := site.waits(ctx, l)
		if err != nil {
			return err
		}
		slices.Sort(latencies)
		seen := measured{latencies: latencies}
		print(alone("from POST to a read_committed consumer at 2,000/s, p99", "ms", ms(seen.at(0.99))).atMost(100))
		print(alone("from POST to a read_committed consumer at 2,000/s, p50", "ms", ms(seen.at(0.5))))
		return nil
	})
}

// waits sends the load, of single events, and returns how long each was on its way to
// a read_committed consumer; an error where one is missing.
func (s *site) waits(ctx context.Context, l load) (waits []time.Duration, err error) {
	client, err := platform.NewClient(s.kafka.Config(), kgo.ConsumeTopics(topics.EventsRaw), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	const margin = 2 * time.Second // for the consumer to find its place, and for the last records
	consuming, stop := context.WithTimeout(ctx, l.during+2*margin)
	defer stop()
	var both errgroup.Group
	both.Go(func() (err error) {
		waits, err = consume(consuming, client)
		return err
	})
	time.Sleep(margin)
	sent, err := l.run(ctx)
	if err = errors.Join(err, both.Wait()); err != nil {
		return nil, err
	}
	if len(waits) < sent.events {
		return nil, fmt.Errorf("%d events were sent, %d were seen", sent.events, len(waits))
	}
	return waits, nil
}

// consume returns how old each event is when it comes, until ctx ends.
func consume(ctx context.Context, client *kgo.Client) (latencies []time.Duration, err error) {
	var once sync.Once
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return latencies, err
		}
		now := time.Now()
		fetches.EachError(func(_ string, _ int32, failed error) { once.Do(func() { err = failed }) })
		fetches.EachRecord(func(r *kgo.Record) {
			var e event.Event
			if failed := json.Unmarshal(r.Value, &e); failed != nil {
				once.Do(func() { err = failed })
			}
			latencies = append(latencies, now.Sub(e.Timestamp))
		})
	}
}
