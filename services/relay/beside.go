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
	engaged() bool
}

// RunBoth runs main, and another relay beside it unless main stands by: where there is
// one lane the same one of several processes publishes both. The other relay runs while
// main is still beginning: a transaction that a killed process has left open on the
// topic of their cursors, and that the other relay ends, would hold main up. What ends
// the other relay is logged, and tried again, except that it does not know how to go on
// (ErrHistory): that ends both, as it does where main does not know.
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
		if !main.engaged() {
			wait(ctx, besideLook)
			continue
		}
		before := other.Status().Published
		if err := other.runWhile(ctx, main.engaged); err != nil {
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

func (r *Relay) engaged() bool { return r.Status().State.engaged() }

// engaged reports whether the relay works its lane, or has yet to find out whether it may.
func (s State) engaged() bool { return s != Standby && s != Stopped }

// works reports whether the relay publishes, or tries to.
func (s State) works() bool { return s == Running || s == Failing }

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
