//go:build unix

package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// growth measures what becomes of the rate with more replicas, and with a table
// that is already large.
func (s *scale) growth(ctx context.Context, g *grounds, print func(figure)) error {
	l := load{connections: batchers, events: batchOf, during: s.each}
	var rates []float64
	for replicas := 1; replicas <= 2; replicas++ {
		err := g.on(ctx, func(site *site) error {
			var running []*service
			for range replicas {
				one, err := site.ingestion(ctx)
				if err != nil {
					return err
				}
				running = append(running, one)
			}
			result, _, err := site.send(ctx, l, running...)
			rates = append(rates, result.perSecond())
			return err
		})
		if err != nil {
			return err
		}
	}
	print(against("two replicas on the same cores, batches of 100", "events/s", rates[1], rates[0], "one replica").atLeast(0.8))
	return g.on(ctx, func(site *site) error {
		running, err := site.ingestion(ctx)
		if err != nil {
			return err
		}
		if err := site.fill(ctx, s.rows); err != nil {
			return err
		}
		result, _, err := site.send(ctx, l, running)
		if err != nil {
			return err
		}
		print(against(fmt.Sprintf("batches of 100 into a table of %d rows", s.rows), "events/s", result.perSecond(), rates[0], "into an empty table").atLeast(0.8))
		return nil
	})
}

// memory holds ingestion and relay at full load for long.
func (s *scale) memory(ctx context.Context, g *grounds, print func(figure)) error {
	return g.on(ctx, func(site *site) error {
		api, relay, err := site.both(ctx)
		if err != nil {
			return err
		}
		var samples []float64
		loading, stop := context.WithTimeout(ctx, s.soak)
		defer stop()
		var both errgroup.Group
		both.Go(func() error {
			_, err := load{addresses: []string{api.address}, connections: batchers, events: batchOf, during: s.soak}.run(ctx)
			return err
		})
		both.Go(func() error {
			for every := time.NewTicker(time.Second); ; {
				select {
				case <-loading.Done():
					every.Stop()
					return nil
				case <-every.C:
				}
				sum := 0.0
				for _, process := range []*service{api, relay} {
					held, err := resident(process.command.Process.Pid)
					if err != nil {
						return err
					}
					sum += held
				}
				samples = append(samples, sum)
			}
		})
		if err := both.Wait(); err != nil {
			return err
		}
		third := len(samples) / 3
		print(alone("memory of ingestion and relay at full load, most", "MiB", highest(samples)).atMost(200))
		print(against("memory of ingestion and relay, last third of the soak", "MiB", highest(samples[2*third:]), highest(samples[third:2*third]), "the middle third").atMost(1.15))
		return nil
	})
}

func highest(samples []float64) float64 {
	most := 0.0
	for _, sample := range samples {
		most = max(most, sample)
	}
	return most
}
