//go:build unix

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// scale is how long and how much is measured of ingestion. The defaults are what
// docs/benchmarks.md speaks of; less is for developing.
type scale struct {
	only   string        // names of measurements, with commas; empty: all
	each   time.Duration // of one load
	soak   time.Duration
	events int // that the relay publishes
	rows   int // of the large table
}

func scaleFlags() *scale {
	s := &scale{}
	flag.StringVar(&s.only, "only", "", "measure only these, of: "+strings.Join(s.names(), ","))
	flag.DurationVar(&s.each, "each", 20*time.Second, "how long each load of ingestion lasts")
	flag.DurationVar(&s.soak, "soak", 10*time.Minute, "how long ingestion and relay are at full load for the figures of memory")
	flag.IntVar(&s.events, "events", 5_000_000, "how many stored events the relay publishes")
	flag.IntVar(&s.rows, "rows", 10_000_000, "how many events the large table has")
	return s
}

// measurement is some figures that are measured together, side by side.
type measurement struct {
	name string
	run  func(context.Context, *grounds, func(figure)) error
}

func (s *scale) measurements() []measurement {
	return []measurement{
		{"single", s.single},
		{"batch", s.batch},
		{"whole", s.whole},
		{"relay", s.relay},
		{"visible", s.visible},
		{"growth", s.growth},
		{"memory", s.memory},
	}
}

func (s *scale) names() []string {
	var names []string
	for _, m := range s.measurements() {
		names = append(names, m.name)
	}
	return names
}

// ingestion measures the way of an event: API, PostgreSQL, Kafka. All processes,
// the load's too, share the machine's cores.
func (s *scale) ingestion(ctx context.Context, gmctl string, print func(figure)) (err error) {
	gmctl, err = filepath.Abs(gmctl)
	if err != nil {
		return err
	}
	only := strings.FieldsFunc(s.only, func(r rune) bool { return r == ',' })
	for _, name := range only {
		if !slices.Contains(s.names(), name) {
			return fmt.Errorf("there is no measurement %q, only %s", name, strings.Join(s.names(), ", "))
		}
	}
	g, err := newGrounds(ctx, gmctl)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	for _, m := range s.measurements() {
		if len(only) > 0 && !slices.Contains(only, m.name) {
			continue
		}
		if err := m.run(ctx, g, print); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

const (
	connections = 64  // of clients that send single events
	batchOf     = 100 // events
	batchers    = 8   // clients that send batches
)

// single measures events that come one a request.
func (s *scale) single(ctx context.Context, g *grounds, print func(figure)) error {
	var peer, old, ours measured
	l := load{connections: connections, events: 1, during: s.each}
	for _, name := range []string{insertPeer, producePeer} {
		err := g.on(ctx, func(site *site) error {
			running, err := site.peer(ctx, name)
			if err != nil {
				return err
			}
			result, err := l.warm(ctx, running)
			if name == insertPeer {
				peer = result
			} else {
				old = result
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return g.on(ctx, func(site *site) error {
		running, err := site.ingestion(ctx)
		if err != nil {
			return err
		}
		if ours, err = l.warm(ctx, running); err != nil {
			return err
		}
		print(against("single events, stored", "events/s", ours.perSecond(), peer.perSecond(), "a handler with one INSERT a request, 32 connections").atLeast(2))
		print(against("single events, stored", "events/s", ours.perSecond(), old.perSecond(), "the old way: a handler that inserts, then produces").atLeast(2))
		half := l
		half.rate = ours.perSecond() / 2
		calm, err := half.warm(ctx, running)
		if err != nil {
			return err
		}
		print(alone("single events at half the maximum, latency p99", "ms", ms(calm.at(0.99))).atMost(10))
		print(alone("single events at half the maximum, latency p50", "ms", ms(calm.at(0.5))))
		return nil
	})
}

// warm sends the load to a service after a little of it that does not count.
func (l load) warm(ctx context.Context, to ...*service) (measured, error) {
	for _, running := range to {
		l.addresses = append(l.addresses, running.address)
	}
	first := l
	first.during = min(l.during/4, 3*time.Second)
	if _, err := first.run(ctx); err != nil {
		return measured{}, err
	}
	return l.run(ctx)
}

// copied is the rate of the raw COPY on a new site.
func (s *scale) copied(ctx context.Context, g *grounds) (rate float64, err error) {
	err = g.on(ctx, func(site *site) error {
		rate, err = site.copyRate(ctx, s.each)
		return err
	})
	return rate, err
}

const rawCopy = "binary COPY of the same rows into the same table, one process"

// batch measures events that come 100 a request.
func (s *scale) batch(ctx context.Context, g *grounds, print func(figure)) error {
	raw, err := s.copied(ctx, g)
	if err != nil {
		return err
	}
	return g.on(ctx, func(site *site) error {
		running, err := site.ingestion(ctx)
		if err != nil {
			return err
		}
		ours, err := load{connections: batchers, events: batchOf, during: s.each}.warm(ctx, running)
		if err != nil {
			return err
		}
		print(against("batches of 100, stored", "events/s", ours.perSecond(), raw, rawCopy).atLeast(0.6))
		return nil
	})
}
