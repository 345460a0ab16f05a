package logs

import (
	"context"
	"slices"
	"time"

	"github.com/gamemetrics/gmctl/internal/environment"
)

// source is where the logs of the services are.
type source interface {
	// services lists those that have a log, sorted.
	services(context.Context) ([]string, error)
	// print yields what is there already, by time.
	print(ctx context.Context, yield func(entry) error) error
	// follow yields what is written after that, until ctx ends. It collects for
	// the interval, and yields what came in it by time.
	follow(ctx context.Context, interval time.Duration, yield func(entry) error) error
}

var (
	_ source = (*view)(nil)
	_ source = (*podView)(nil)
)

// wish is what of the logs a user wants to see.
type wish struct {
	only  []string // services; empty: all
	since time.Time
	tail  int // entries; -1: all
}

func newSource(where environment.Logs, wish wish, warn func(error)) source {
	if where.Pods != nil {
		return newPodView(where.Pods, wish, warn)
	}
	return &view{dir: where.Dir, wish: wish}
}

// last sorts what is there already, and returns the end that is wanted of it.
func (w wish) last(entries []entry) []entry {
	byTime(entries)
	if w.tail >= 0 && len(entries) > w.tail {
		return entries[len(entries)-w.tail:]
	}
	return entries
}

// byTime sorts entries; those of one service stay in the order they were written.
func byTime(entries []entry) {
	slices.SortStableFunc(entries, func(a, b entry) int { return a.Time.Compare(b.Time) })
}

func each(entries []entry, yield func(entry) error) error {
	for _, e := range entries {
		if err := yield(e); err != nil {
			return err
		}
	}
	return nil
}
