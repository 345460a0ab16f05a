package environment

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/passage"
)

// forward listens on a free port of this machine until ctx ends, and leads each
// connection to one that dial makes. Where it makes none, HTTP's clients are told
// why, as a gateway does.
func forward(ctx context.Context, dial func(context.Context) (net.Conn, error)) (address string, err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	go func() {
		var open sync.WaitGroup
		defer open.Wait()
		defer listener.Close()
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
		refuse(here, err)
		return
	}
	passage.Join(ctx, here, there)
}

// refuse answers the request that comes with the reason why it cannot be passed on.
func refuse(here net.Conn, why error) {
	_ = here.SetDeadline(time.Now().Add(time.Second)) // who does not speak HTTP sees a connection that ends
	request, err := http.ReadRequest(bufio.NewReader(here))
	if err != nil {
		return
	}
	_ = (&http.Response{
		StatusCode: http.StatusBadGateway, ProtoMajor: 1, ProtoMinor: 1, Request: request, Close: true,
		Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}},
		Body:   io.NopCloser(strings.NewReader(why.Error())), ContentLength: int64(len(why.Error())),
	}).Write(here)
}
