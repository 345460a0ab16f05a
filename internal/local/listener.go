package local

import (
	"net"
	"strconv"
	"sync"
	"time"
)

// keptPort is the port of a component that runs in this process. It stays the
// component's while that starts again: who connects meanwhile waits, and never
// reaches another program that has taken the port.
type keptPort struct {
	name  string
	ports *ports

	mu       sync.Mutex
	listener *net.TCPListener // nil: none taken yet
}

// lend returns the listener for one run of the component, whose Close ends
// accepting and keeps the port.
func (k *keptPort) lend() (net.Listener, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.listener == nil {
		port, err := k.ports.take(k.name)
		if err != nil {
			return nil, err
		}
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return nil, err
		}
		k.listener = listener.(*net.TCPListener) //nolint:forcetypeassert // what "tcp" makes
	}
	if err := k.listener.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return lent{k.listener}, nil
}

// release gives the port up.
func (k *keptPort) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.listener != nil {
		_ = k.listener.Close()
		k.listener = nil
	}
}

type lent struct{ *net.TCPListener }

// Close ends Accept, and leaves the listener open.
func (l lent) Close() error { return l.SetDeadline(time.Unix(1, 0)) }
