package local

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// anchor is something that a component relies on, and where it was when the
// component began.
type anchor struct {
	name, address string
	current       func() (address string, up bool)
}

// moved reports whether it is up at another address now, since another process
// has taken its port while it was down.
func (a anchor) moved() bool {
	now, up := a.current()
	return up && now != a.address
}

// reliance is what a running component relies on. The zero value relies on nothing.
type reliance struct{ on atomic.Pointer[[]anchor] }

// stale implements relying.
func (r *reliance) stale() bool { return r.moved() != nil }

// moved returns why the component must start again; nil if it need not.
func (r *reliance) moved() error {
	on := r.on.Load()
	if on == nil {
		return nil
	}
	for _, a := range *on {
		if a.moved() {
			return fmt.Errorf("%s has moved to another port", a.name)
		}
	}
	return nil
}

// hold returns a context that ends when one of the anchors has moved. The cause
// then is an error that says which; the component ends with it, and starts again
// at the new address.
func (r *reliance) hold(ctx context.Context, on ...anchor) (context.Context, context.CancelFunc) {
	const look = 100 * time.Millisecond
	r.on.Store(&on)
	held, cancel := context.WithCancelCause(ctx)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		for {
			select {
			case <-held.Done():
				return
			case <-time.After(look):
			}
			if why := r.moved(); why != nil {
				cancel(why)
			}
		}
	}()
	return held, func() {
		cancel(context.Canceled)
		<-watching
	}
}

// ended is why a component that ran under a context of hold has ended: err, or
// that what it relied on has moved.
func ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err == nil && ctx.Err() != nil && cause != context.Canceled { //nolint:errorlint // a cause of our own wraps nothing
		return cause
	}
	return err
}
