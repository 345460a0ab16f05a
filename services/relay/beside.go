package relay

import (
	"context"
	"time"
)

// How long Beside waits before it looks at the main relay again, and before it
// runs the other one again that has ended.
const (
	besideLook  = 100 * time.Millisecond
	besideFirst = time.Second
	besideLast  = 30 * time.Second
)

// Beside runs another relay of the same process as long as main works its lane: of
// several processes the same one publishes both. It returns when ctx ends. What
// ends the other relay is logged, and tried again: it never ends main.
func Beside(ctx context.Context, main, other *Relay) {
	for backoff := besideFirst; ctx.Err() == nil; {
		if !main.works() {
			wait(ctx, besideLook)
			continue
		}
		before := other.Status().Published
		if err := other.runWhile(ctx, main.works); err != nil {
			other.cfg.Log.Warn("a relay beside the main one ended, and is run again", "lane", other.cfg.Lane, "error", err, "again_in", backoff)
			wait(ctx, backoff)
			backoff = min(2*backoff, besideLast)
		}
		if other.Status().Published > before {
			backoff = besideFirst
		}
	}
}

// works reports whether the relay publishes, or tries to.
func (r *Relay) works() bool {
	switch r.Status().State {
	case Running, Failing:
		return true
	}
	return false
}

// runWhile runs the relay until it no longer may.
func (r *Relay) runWhile(ctx context.Context, may func() bool) error {
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	defer stop()
	for {
		select {
		case err := <-done:
			return err
		case <-time.After(besideLook):
			if !may() {
				stop()
			}
		}
	}
}

func wait(ctx context.Context, pause time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}
