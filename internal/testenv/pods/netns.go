//go:build linux

package pods

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace that has lo and nothing else. It goes when
// it is closed and the last socket and process in it are gone.
type namespace struct{ file *os.File }

func newNamespace() (*namespace, error) {
	var made *namespace
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		if err := raiseLoopback(); err != nil {
			return err
		}
		file, err := os.Open("/proc/thread-self/ns/net")
		made = &namespace{file}
		return err
	})
	return made, err
}

func raiseLoopback() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	return nil
}

func (n *namespace) close() { n.file.Close() }

// enter moves the thread of the calling goroutine into the namespace.
func (n *namespace) enter() error {
	if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the network namespace: %w", err)
	}
	return nil
}

// dial connects to an address inside the namespace. A socket belongs to the
// namespace that it is made in, wherever it is used after.
func (n *namespace) dial(ctx context.Context, address string) (conn net.Conn, err error) {
	failure := onThread(func() error {
		if err := n.enter(); err != nil {
			return err
		}
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", address)
		return err
	})
	return conn, failure
}

func (n *namespace) listen(address string) (listener net.Listener, err error) {
	failure := onThread(func() error {
		if err := n.enter(); err != nil {
			return err
		}
		listener, err = net.Listen("tcp4", address)
		return err
	})
	return listener, failure
}

func (n *namespace) listenPacket(address string) (conn net.PacketConn, err error) {
	failure := onThread(func() error {
		if err := n.enter(); err != nil {
			return err
		}
		conn, err = net.ListenPacket("udp4", address)
		return err
	})
	return conn, failure
}

// onThread runs work on a thread of its own that ends with it, so that work may
// change what belongs to a thread.
func onThread(work func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- work()
	}()
	return <-done
}
