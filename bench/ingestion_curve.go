//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// point is one rate of a curve, and what requests took at it.
type point struct {
	perSecond       float64 // events asked for
	p50, p99, p99_9 time.Duration
}

// curve is how latency grows with the rate.
type curve struct {
	Title  string
	points []point
}

// shares are the rates of a curve, in percent of the measured maximum.
func shares() []int { return []int{10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110} }

// curve measures latency at rates up to the maximum and beyond: requests are due at
// their time, whether those before them are answered or not.
func (s *scale) curve(ctx context.Context, g *grounds, print func(figure)) error {
	var curves []curve
	for _, l := range []struct {
		name string
		load load
	}{
		{"single events", load{connections: connections, events: 1, during: s.each}},
		{"batches of 100", load{connections: connections, events: batchOf, during: s.each}},
	} {
		err := g.on(ctx, func(site *site) error {
			running, err := site.ingestion(ctx, "--backlog-quota", "0") // no relay publishes them
			if err != nil {
				return err
			}
			most, err := site.send(ctx, l.load, running)
			if err != nil {
				return err
			}
			c := curve{Title: l.name}
			for _, share := range shares() {
				open := l.load
				open.rate = most.perSecond() / float64(open.events) * float64(share) / 100
				result, err := site.send(ctx, open, running)
				if err != nil {
					return err
				}
				p := point{open.rate * float64(open.events), result.at(0.5), result.at(0.99), result.at(0.999)}
				c.points = append(c.points, p)
				name := fmt.Sprintf("%s at %d %% of the maximum, %.0f events/s, latency ", l.name, share, p.perSecond)
				print(alone(name+"p50", "ms", ms(p.p50)))
				print(alone(name+"p99", "ms", ms(p.p99)))
				print(alone(name+"p99.9", "ms", ms(p.p99_9)))
			}
			curves = append(curves, c)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if s.plot == "" {
		return nil
	}
	picture, err := draw(curves)
	if err != nil {
		return err
	}
	return os.WriteFile(s.plot, picture, 0o644)
}
