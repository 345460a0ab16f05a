package environment

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
)

// forward listens on a free port of this machine until ctx ends, and leads each
// connection to one that dial makes.
func forward(ctx context.Context, dial func(context.Context) (net.Conn, error)) (address string, err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	go func() {
		var open sync.WaitGroup
		defer open.Wait()
		for {
			here, err := listener.Accept()
			if err != nil { // closed
				return
			}
			open.Go(func() { lead(ctx, here, dial) })
		}
	}()
	return listener.Addr().String(), nil
}

// lead copies both ways until one side ends.
func lead(ctx context.Context, here net.Conn, dial func(context.Context) (net.Conn, error)) {
	defer here.Close()
	there, err := dial(ctx)
	if err != nil {
		return // who connected sees it as a connection that ends
	}
	defer there.Close()
	stop := context.AfterFunc(ctx, func() { _ = errors.Join(here.Close(), there.Close()) })
	defer stop()
	done := make(chan struct{}, 2)
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // its end is what matters
		done <- struct{}{}
	}
	go pass(there, here)
	go pass(here, there)
	<-done
}
