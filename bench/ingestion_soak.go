//go:build unix

package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// sample is how ingestion and relay are at one moment of the soak.
type sample struct {
	at                time.Time
	api, relay        float64 // MiB
	stored, published float64 // events so far
}

func (s sample) both() float64 { return s.api + s.relay }

// memory holds ingestion and relay at full load for long: neither their memory nor
// the lag grows, and the rate does not fall.
func (s *scale) memory(ctx context.Context, g *grounds, print func(figure)) error {
	return g.on(ctx, func(site *site) error {
		api, relay, err := site.both(ctx)
		if err != nil {
			return err
		}
		var samples []sample
		loading, stop := context.WithTimeout(ctx, s.soak)
		defer stop()
		var both errgroup.Group
		both.Go(func() error {
			defer stop()
			_, err := load{addresses: []string{api.address}, connections: batchers, events: batchOf, during: s.soak}.run(ctx)
			return err
		})
		both.Go(func() error {
			samples, err = observe(ctx, loading, max(s.soak/600, 200*time.Millisecond), api, relay)
			return err
		})
		if err := both.Wait(); err != nil {
			return err
		}
		third := len(samples) / 3
		if third < 2 {
			return fmt.Errorf("the soak of %s is too short: %d samples", s.soak, len(samples))
		}
		first, middle, last := samples[:third], samples[third:2*third], samples[2*third:]
		print(alone("memory of ingestion at full load, most", "MiB", most(samples, func(s sample) float64 { return s.api })))
		print(alone("memory of the relay at full load, most", "MiB", most(samples, func(s sample) float64 { return s.relay })))
		print(alone("memory of ingestion and relay at full load, most", "MiB", most(samples, sample.both)).atMost(200))
		print(against("memory of ingestion and relay, last third of the soak", "MiB", most(last, sample.both), most(middle, sample.both), "the middle third").atMost(1.15))
		print(against("events stored, last third of the soak", "events/s", storedIn(last), storedIn(first), "the first third").atLeast(0.8))
		grown := (lag(last) - lag(first)) / (samples[len(samples)-1].stored - samples[0].stored)
		print(alone("growth of the lag from the first third of the soak to the last, of what came in", "", grown).atMost(0.02))
		return nil
	})
}

// observe takes samples until loading ends.
func observe(ctx, loading context.Context, every time.Duration, api, relay *service) (samples []sample, err error) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-loading.Done():
			return samples, ctx.Err()
		case <-ticker.C:
		}
		s := sample{at: time.Now()}
		if s.api, err = resident(api.command.Process.Pid); err != nil {
			return samples, err
		}
		if s.relay, err = resident(relay.command.Process.Pid); err != nil {
			return samples, err
		}
		if s.published, err = scrape(ctx, relay.address, publishedMetric); err != nil {
			return samples, err
		}
		if s.stored, err = scrape(ctx, api.address, storedMetric); err != nil {
			return samples, err
		}
		samples = append(samples, s)
	}
}

func most(samples []sample, of func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return highest(values)
}

// storedIn is the rate between the first and the last of the samples.
func storedIn(samples []sample) float64 {
	first, last := samples[0], samples[len(samples)-1]
	return (last.stored - first.stored) / last.at.Sub(first.at).Seconds()
}

// lag is how many events were stored and not published, in the mean.
func lag(samples []sample) float64 {
	sum := 0.0
	for _, s := range samples {
		sum += s.stored - s.published
	}
	return sum / float64(len(samples))
}
