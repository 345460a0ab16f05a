// Package passage carries connections from a pod to what only the cluster reaches:
// the database. `gmctl serve passage` is its end in the pod, which listens on the
// pod's loopback interface alone, so that who comes came through the Kubernetes
// API; Enter is what gmctl does at the other end.
//
// A connection begins with a line from the passage: an empty one once it leads
// through, or the reason why it does not. From there on it is passed on as it is.
package passage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Port is where a passage listens in its pod: not that of PostgreSQL, which what
// leads to a database may have on the same interface.
const Port = 15432

// dialTimeout bounds the way from the pod on.
const dialTimeout = 10 * time.Second

// Dial connects to where a passage leads.
type Dial func(context.Context) (net.Conn, error)

// Serve leads what comes to the listener on until ctx ends; then all ends. Its
// error is that the listener failed before.
func Serve(ctx context.Context, listener net.Listener, dial Dial) error {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	var open sync.WaitGroup
	defer open.Wait()
	for {
		here, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		open.Go(func() { lead(ctx, here, dial) })
	}
}

// lead says how it is on the other side, and passes on.
func lead(ctx context.Context, here net.Conn, dial Dial) {
	defer here.Close()
	bounded, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	there, err := dial(bounded)
	if err != nil {
		_, _ = fmt.Fprintln(here, strings.Join(strings.Fields(err.Error()), " ")) // who has gone need not know
		return
	}
	defer there.Close()
	if _, err := io.WriteString(here, "\n"); err == nil {
		Join(ctx, here, there)
	}
}

// Join copies both ways until one side or ctx ends, and closes both.
func Join(ctx context.Context, here, there net.Conn) {
	end := func() { _ = errors.Join(here.Close(), there.Close()) }
	stop := context.AfterFunc(ctx, end)
	defer stop()
	var both sync.WaitGroup
	pass := func(to, from net.Conn) {
		defer end()
		_, _ = io.Copy(to, from) // its end is what matters
	}
	both.Go(func() { pass(there, here) })
	both.Go(func() { pass(here, there) })
	both.Wait()
}

// Closed is the error of a passage that does not lead through: the reason that it
// gave.
type Closed string

func (c Closed) Error() string { return string(c) }

// longest is how much of a reason is read.
const longest = 1000

// Enter waits until conn, which leads to a passage, leads through it. Its error is
// a Closed, or that of conn or ctx.
func Enter(ctx context.Context, conn net.Conn) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })
	line, err := readLine(conn)
	switch {
	case !stop():
		return ctx.Err()
	case err != nil:
		return err
	case line != "":
		return Closed(line)
	}
	return nil
}

// readLine reads a line, or the beginning of a long one, and nothing that follows.
func readLine(from io.Reader) (string, error) {
	var line []byte
	for next := make([]byte, 1); len(line) < longest; line = append(line, next[0]) {
		if _, err := io.ReadFull(from, next); err != nil {
			return "", err
		}
		if next[0] == '\n' {
			break
		}
	}
	return string(line), nil
}
