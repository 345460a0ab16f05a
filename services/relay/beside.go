package relay

import (
	"context"
	"errors"
	"sync"
	"time"
)

// How long Beside waits before it looks at the main relay again, and before it
// runs the other one again that has ended.
const (
	besideLook  = 100 * time.Millisecond
	besideFirst = time.Second
	besideLast  = 30 * time.Second
)

// Main is what another relay runs beside: a Relay or a Group.
type Main interface {
	Run(ctx context.Context) error
	works() bool
}

// RunBoth runs main, and another relay beside it as long as main works a lane: where
// there is one lane the same one of several processes publishes both. What ends the other relay is
// logged, and tried again, except that it does not know how to go on (ErrHistory):
// that ends both, as it does where main does not know.
func RunBoth(ctx context.Context, main Main, other *Relay) error {
	ctx, end := context.WithCancelCause(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { end(runBeside(ctx, main, other)) })
	err := main.Run(ctx)
	if cause := context.Cause(ctx); err == nil && errors.Is(cause, ErrHistory) {
		err = cause
	}
	end(nil)
	beside.Wait()
	return err
}

// runBeside returns when ctx ends, or the other relay does not know how to go on.
func runBeside(ctx context.Context, main Main, other *Relay) error {
	for backoff := besideFirst; ctx.Err() == nil; {
		if !main.works() {
			wait(ctx, besideLook)
			continue
		}
		before := other.Status().Published
		if err := other.runWhile(ctx, main.works); err != nil {
			if errors.Is(err, ErrHistory) {
				return err
			}
			other.cfg.Log.Warn("a relay beside the main one ended, and is run again", "lane", other.cfg.Lane, "error", err, "again_in", backoff)
			wait(ctx, backoff)
			backoff = min(2*backoff, besideLast)
		}
		if other.Status().Published > before {
			backoff = besideFirst
		}
	}
	return nil
}

// works reports whether the relay publishes, or tries to.
func (r *Relay) works() bool { return works(r.Status().State) }

func works(s State) bool { return s == Running || s == Failing }

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
