//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/gamemetrics/gmctl/internal/humanize"
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

// pastDays is how old the events of a table are at most, within what is accepted.
const pastDays = 28

// growth measures what becomes of the rates as the table grows: of new events, of such
// as were stored within a day and are sent again, as clients do, and of such as lie
// anywhere in the table. It grows in two ways. With more events a day each look takes
// longer, which has no bound: what is looked at lies in no cache of the processor, and
// at last in no memory. With more days it must not.
func (s *scale) growth(ctx context.Context, g *grounds, print func(figure)) error {
	const leastRows = 100_000 // of the largest table: the smallest has events of each day
	if s.rows < leastRows {
		return fmt.Errorf("-rows is %d, and at least %d", s.rows, leastRows)
	}
	batches := load{connections: batchers, events: batchOf, during: s.each}
	singles := load{connections: connections, events: 1, during: s.each}
	lastDay, whole := (*past).lastDay, func(p *past) *past { return p }
	loads := []struct {
		name    string
		load    load
		again   func(*past) *past // nil: new events
		ofDay   bool              // a table of the last day has them all
		bounded bool
	}{
		{"batches of 100, new events", batches, nil, false, true},
		{"single events, new", singles, nil, false, true},
		{"batches of 100, sent again within a day", batches, lastDay, true, false},
		{"single events, sent again within a day", singles, lastDay, true, false},
		{"batches of 100, sent again within four weeks", batches, whole, false, false},
		{"single events, sent again within four weeks", singles, whole, false, false},
	}
	tables := []table{{s.rows / 100, pastDays}, {s.rows / 10, pastDays}, {s.rows / pastDays, 1}, {s.rows, pastDays}}
	small, oneDay := tables[0], tables[2]
	rates := make(map[table][]float64)
	for _, t := range tables {
		if err := g.fits(t.rows); err != nil {
			fmt.Fprintln(os.Stderr, "bench: growth leaves out a size:", err)
			continue
		}
		rates[t] = make([]float64, len(loads))
		err := g.on(ctx, func(site *site) error {
			old := newPast(t.rows, t.days, time.Now().Add(-time.Minute))
			began := time.Now()
			if err := site.remember(ctx, old); err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "bench: a %s in %s\n", t, time.Since(began).Round(time.Second))
			// no relay publishes them: the quota of what is not published is not meant here
			running, err := site.ingestion(ctx, "--backlog-quota", "0")
			if err != nil {
				return err
			}
			for i, l := range loads {
				if t == oneDay && !l.ofDay {
					continue
				}
				if l.again != nil {
					l.load.again = l.again(old)
				}
				result, err := site.sendAs(ctx, l.load, running)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", l.name, t, err)
				}
				rate := result.perSecond()
				rates[t][i] = rate
				name := fmt.Sprintf("%s, %s", l.name, t)
				if t == small {
					print(alone(name, "events/s", rate))
					continue
				}
				f := against(name, "events/s", rate, rates[small][i], small.String())
				if l.bounded {
					f = f.atLeast(0.8)
				}
				print(f)
				if l.ofDay && t.days > 1 && t.rows/t.days == oneDay.rows {
					print(against(name, "events/s", rate, rates[oneDay][i], oneDay.String()).atLeast(0.8))
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// table is how many events there are, and over how many days.
type table struct{ rows, days int }

func (t table) String() string {
	return fmt.Sprintf("table of %d rows in %s", t.rows, humanize.Plural(t.days, "day"))
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
