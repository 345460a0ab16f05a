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
	events int    // that the relay publishes
	rows   int    // of the largest table
	plot   string // file for the curve; empty: none
}

func scaleFlags() *scale {
	s := &scale{}
	flag.StringVar(&s.only, "only", "", "measure only these, of: "+strings.Join(s.names(), ","))
	flag.DurationVar(&s.each, "each", 20*time.Second, "how long each load of ingestion lasts")
	flag.DurationVar(&s.soak, "soak", 10*time.Minute, "how long ingestion and relay are at full load for the figures of memory")
	flag.IntVar(&s.events, "events", 5_000_000, "how many stored events the relay publishes")
	flag.IntVar(&s.rows, "rows", 100_000_000, "how many events the largest table of growth has")
	flag.StringVar(&s.plot, "plot", "", "write the figures of curve into this file, as SVG")
	return s
}

// measurement is some figures that are measured together, side by side.
type measurement struct {
	name string
	run  func(context.Context, *grounds, func(figure)) error
}

func (s *scale) measurements() []measurement {
	return []measurement{
		{"decode", s.decode},
		{"ways", s.ways},
		{"single", s.single},
		{"camel", s.camel},
		{"batch", s.batch},
		{"whole", s.whole},
		{"relay", s.relay},
		{"lanes", s.lanes},
		{"debezium", s.debezium},
		{"visible", s.visible},
		{"takeover", s.takeover},
		{"curve", s.curve},
		{"replicas", s.replicas},
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
	l := load{connections: connections, events: 1, during: s.each}
	peers := map[string]measured{}
	for _, name := range []string{insertPeer, producePeer} {
		err := g.on(ctx, func(site *site) error {
			running, err := site.peer(ctx, name)
			if err != nil {
				return err
			}
			peers[name], err = site.send(ctx, l, running)
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
		ours, err := site.send(ctx, l, running)
		if err != nil {
			return err
		}
		const one = "a handler with one INSERT a request, 32 connections"
		print(against("single events, stored", "events/s", ours.perSecond(), peers[insertPeer].perSecond(), one).atLeast(2))
		print(against("single events, stored", "events/s", ours.perSecond(), peers[producePeer].perSecond(), "the old way: a handler that inserts, then produces").atLeast(2))
		print(against("single events, CPU of service and PostgreSQL", "µs/event", us(ours.cost), us(peers[insertPeer].cost), one))
		print(against("single events, part of the CPU that the load takes", "%", 100*ours.generator, 100*peers[insertPeer].generator, one))
		half := l
		half.rate = ours.perSecond() / 2
		calm, err := site.send(ctx, half, running)
		if err != nil {
			return err
		}
		print(alone("single events at half the maximum, latency p99", "ms", ms(calm.at(0.99))).atMost(10))
		print(alone("single events at half the maximum, latency p50", "ms", ms(calm.at(0.5))))
		return nil
	})
}

func us(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

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
		ours, err := site.send(ctx, load{connections: batchers, events: batchOf, during: s.each}, running)
		if err != nil {
			return err
		}
		print(against("batches of 100, stored", "events/s", ours.perSecond(), raw, rawCopy).atLeast(0.6))
		print(alone("batches of 100, CPU of service and PostgreSQL", "µs/event", us(ours.cost)))
		print(alone("batches of 100, part of the CPU that the load takes", "%", 100*ours.generator))
		return nil
	})
}
