//go:build unix

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gamemetrics/gmctl/internal/postgres"
)

// takeover measures for how long events wait when a relay dies beside another one,
// which stands by where there is one lane, and works half of them where there are more.
func (s *scale) takeover(ctx context.Context, g *grounds, print func(figure)) error {
	for _, lanes := range []int{1, 8} {
		err := g.on(ctx, func(site *site) error {
			longest, err := site.takeover(ctx, lanes, s.each)
			if err != nil {
				return err
			}
			print(alone(fmt.Sprintf("a relay is killed, longest from POST to a read_committed consumer, lanes: %d", lanes), "s", longest.Seconds()).atMost(10))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// takeover returns how long the event waited that waited longest.
func (s *site) takeover(ctx context.Context, lanes int, each time.Duration) (time.Duration, error) {
	api, err := s.ingestion(ctx)
	if err != nil {
		return 0, err
	}
	source, err := postgres.NewSource(ctx, postgres.Config{DSN: s.dsn})
	if err != nil {
		return 0, err
	}
	defer source.Close()
	if _, err := source.SetLanes(ctx, lanes); err != nil {
		return 0, err
	}
	first, err := s.relay(ctx)
	if err != nil {
		return 0, err
	}
	l := load{addresses: []string{api.address}, connections: 4, events: 1, rate: 500, during: 5 * time.Second}
	if _, err := l.run(ctx); err != nil {
		return 0, err
	}
	second, err := s.relay(ctx)
	if err != nil {
		return 0, err
	}
	if _, err := l.run(ctx); err != nil { // meanwhile the two divide the lanes
		return 0, err
	}
	published, err := scrape(ctx, second.address, publishedMetric)
	if err != nil {
		return 0, err
	}
	if works := published > 0; works != (lanes > 1) {
		return 0, fmt.Errorf("the second relay of two has published %.0f events, lanes: %d", published, lanes)
	}
	l.during = each + 10*time.Second
	var killing errgroup.Group
	killing.Go(func() error {
		time.Sleep(5 * time.Second)
		return first.kill()
	})
	waits, err := s.waits(ctx, l)
	if err != nil {
		return 0, err
	}
	if err := killing.Wait(); err != nil {
		return 0, err
	}
	return slices.Max(waits), nil
}
