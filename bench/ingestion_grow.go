//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// replicas measures what becomes of the rate with two of them.
func (s *scale) replicas(ctx context.Context, g *grounds, print func(figure)) error {
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
			result, err := site.send(ctx, l, running...)
			rates = append(rates, result.perSecond())
			return err
		})
		if err != nil {
			return err
		}
	}
	print(against("two replicas on the same cores, batches of 100", "events/s", rates[1], rates[0], "one replica").atLeast(0.8))
	return nil
}

// growth measures what becomes of the rates as the table grows: of new events, of such
// as were stored within a day and are sent again, as clients do, and of such as lie
// anywhere in the table. The last have no bound: of a table that is larger than the
// memory each comes from the disk.
func (s *scale) growth(ctx context.Context, g *grounds, print func(figure)) error {
	batches := load{connections: batchers, events: batchOf, during: s.each}
	singles := load{connections: connections, events: 1, during: s.each}
	lastDay, whole := (*past).lastDay, func(p *past) *past { return p }
	loads := []struct {
		name    string
		load    load
		again   func(*past) *past // nil: new events
		bounded bool
	}{
		{"batches of 100, new events", batches, nil, true},
		{"single events, new", singles, nil, true},
		{"batches of 100, sent again within a day", batches, lastDay, true},
		{"single events, sent again within a day", singles, lastDay, true},
		{"batches of 100, sent again within four weeks", batches, whole, false},
		{"single events, sent again within four weeks", singles, whole, false},
	}
	least := make([]float64, len(loads))
	const leastRows = 100_000 // of the largest table: the smallest has events of each day
	if s.rows < leastRows {
		return fmt.Errorf("-rows is %d, and at least %d", s.rows, leastRows)
	}
	sizes := []int{s.rows / 100, s.rows / 10, s.rows}
	for _, rows := range sizes {
		if err := g.fits(rows); err != nil {
			fmt.Fprintln(os.Stderr, "bench: growth leaves out a size:", err)
			continue
		}
		err := g.on(ctx, func(site *site) error {
			old := newPast(rows, time.Now().Add(-time.Minute))
			began := time.Now()
			if err := site.remember(ctx, old); err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "bench: a table of %d rows in %s\n", rows, time.Since(began).Round(time.Second))
			// no relay publishes them: the quota of what is not published is not meant here
			running, err := site.ingestion(ctx, "--backlog-quota", "0")
			if err != nil {
				return err
			}
			for i, l := range loads {
				if l.again != nil {
					l.load.again = l.again(old)
				}
				result, err := site.sendAs(ctx, l.load, running)
				if err != nil {
					return fmt.Errorf("%s, %d rows: %w", l.name, rows, err)
				}
				name := fmt.Sprintf("%s, table of %d rows", l.name, rows)
				if rows == sizes[0] {
					least[i] = result.perSecond()
					print(alone(name, "events/s", least[i]))
					continue
				}
				f := against(name, "events/s", result.perSecond(), least[i], fmt.Sprintf("table of %d rows", sizes[0]))
				if l.bounded {
					f = f.atLeast(0.8)
				}
				print(f)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sendAs sends the load, and returns an error where what was stored is not what the
// load says: events that are sent again are stored once.
func (s *site) sendAs(ctx context.Context, l load, to *service) (measured, error) {
	stored := func() (float64, error) { return scrape(ctx, to.address, storedMetric+`{result="stored"}`) }
	before, err := stored()
	if err != nil {
		return measured{}, err
	}
	result, err := s.send(ctx, l, to)
	if err != nil {
		return measured{}, err
	}
	after, err := stored()
	if err != nil {
		return measured{}, err
	}
	if (after > before) != (l.again == nil) {
		return result, fmt.Errorf("%.0f events were stored", after-before)
	}
	return result, nil
}

func highest(samples []float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	return slices.Max(samples)
}
