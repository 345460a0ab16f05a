package local

import (
	"context"
	"fmt"
	"time"
)

// whileAt returns a context that ends when what name stands for has moved: is up
// at another address than the given one, since another process has taken its
// port while it was down. The cause then is an error that says so; the component
// that relied on the address ends with it, and starts again at the new one.
func whileAt(ctx context.Context, name, address string, current func() (address string, up bool)) (context.Context, context.CancelFunc) {
	const look = 100 * time.Millisecond
	watched, cancel := context.WithCancelCause(ctx)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		for {
			select {
			case <-watched.Done():
				return
			case <-time.After(look):
			}
			if now, up := current(); up && now != address {
				cancel(fmt.Errorf("%s has moved to another port", name))
			}
		}
	}()
	return watched, func() {
		cancel(context.Canceled)
		<-watching
	}
}

// ended is why a component that ran under a context of whileAt has ended: err,
// or that what it relied on has moved.
func ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err == nil && ctx.Err() != nil && cause != context.Canceled { //nolint:errorlint // a cause of our own wraps nothing
		return cause
	}
	return err
}
