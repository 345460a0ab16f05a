//go:build linux

package pods

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer is where a pod finds its name server.
const nameServer = "127.0.0.53"

// sandbox is the network of a pod: what its containers share.
type sandbox struct {
	space   *namespace
	network *network
	names   net.PacketConn // of the name server
	work    sync.WaitGroup
	ctx     context.Context // ends with the sandbox
	cancel  context.CancelFunc

	mu        sync.Mutex
	listeners map[netip.AddrPort]net.Listener
	conns     map[net.Conn]struct{}
	closed    bool
}

func newSandbox(n *network) (*sandbox, error) {
	space, err := newNamespace()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &sandbox{
		space: space, network: n, ctx: ctx, cancel: cancel,
		listeners: map[netip.AddrPort]net.Listener{}, conns: map[net.Conn]struct{}{},
	}
	if s.names, err = space.listenPacket(nameServer + ":53"); err != nil {
		s.close()
		return nil, err
	}
	s.work.Go(s.answerNames)
	for _, fixed := range n.fixed() {
		if err := s.listen(fixed, fixed.Addr().String()); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// dial connects to a port of the pod.
func (s *sandbox) dial(ctx context.Context, port int) (net.Conn, error) {
	return s.space.dial(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

// files writes what a container finds of its network in /etc, and returns the
// mounts for it.
func (s *sandbox) files(dir, namespace, hostname, address string) ([]mount, error) {
	contents := map[string]string{
		"hostname": hostname + "\n",
		"hosts":    "127.0.0.1\tlocalhost\n127.0.0.1\t" + hostname + "\n# " + address + " is the pod's address in the API alone\n",
		"resolv.conf": "search " + namespace + domain + " " + domain[1:] + " " + strings.TrimPrefix(domain, ".svc.") +
			"\nnameserver " + nameServer + "\noptions ndots:5\n",
	}
	var mounts []mount
	for name, text := range contents {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return nil, err
		}
		mounts = append(mounts, mount{source: path, target: "/etc/" + name, readOnly: true})
	}
	return mounts, nil
}

// answerNames is the name server.
func (s *sandbox) answerNames() {
	query := make([]byte, 4096)
	for {
		n, from, err := s.names.ReadFrom(query)
		if err != nil {
			return // closed
		}
		if answer, err := s.answer(query[:n]); err == nil {
			_, _ = s.names.WriteTo(answer, from) // it asks again
		}
	}
}

func (s *sandbox) answer(query []byte) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil {
		return nil, err
	}
	question, err := parser.Question()
	if err != nil {
		return nil, err
	}
	answer := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: header.ID, Response: true, Authoritative: true,
			RecursionDesired: header.RecursionDesired, RecursionAvailable: true,
		},
		Questions: []dnsmessage.Question{question},
	}
	name := strings.ToLower(strings.TrimSuffix(question.Name.String(), "."))
	ports, ok := s.network.ports(name)
	if !ok {
		answer.RCode = dnsmessage.RCodeNameError
		return answer.Pack()
	}
	address := s.network.address(name)
	for _, port := range ports {
		if err := s.listen(netip.AddrPortFrom(address, uint16(port)), name); err != nil {
			answer.RCode = dnsmessage.RCodeServerFailure
			return answer.Pack()
		}
	}
	if question.Type == dnsmessage.TypeA {
		answer.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 1},
			Body:   &dnsmessage.AResource{A: address.As4()},
		}}
	}
	return answer.Pack()
}

// listen carries what connects to the address inside the namespace to the port
// of the name. It is no error that it does so already.
func (s *sandbox) listen(at netip.AddrPort, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	if _, ok := s.listeners[at]; ok {
		return nil
	}
	listener, err := s.space.listen(at.String())
	if err != nil {
		return fmt.Errorf("listen for %s: %w", name, err)
	}
	s.listeners[at] = listener
	s.work.Go(func() {
		s.serve(listener, func(ctx context.Context) (net.Conn, error) {
			return s.network.dial(ctx, name, int(at.Port()))
		})
	})
	return nil
}

// serve carries each connection of the listener to where dial leads, until the
// listener is closed.
func (s *sandbox) serve(listener net.Listener, dial Dial) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		s.work.Go(func() {
			target, err := dial(s.ctx)
			if err != nil {
				reset(conn)
				return
			}
			if s.hold(conn, target) {
				join(conn, target)
			}
			s.release(conn, target)
		})
	}
}

// forward listens on the loopback interface of the machine for a port of the
// pod and returns the port there.
func (s *sandbox) forward(port int) (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	address, err := netip.ParseAddrPort(listener.Addr().String())
	if err != nil || s.closed {
		return 0, errors.Join(err, listener.Close(), net.ErrClosed)
	}
	s.listeners[address] = listener
	s.work.Go(func() {
		s.serve(listener, func(ctx context.Context) (net.Conn, error) { return s.dial(ctx, port) })
	})
	return int(address.Port()), nil
}

// hold keeps connections so that they end with the sandbox; it is false where
// that has ended.
func (s *sandbox) hold(conns ...net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range conns {
		s.conns[conn] = struct{}{}
	}
	return !s.closed
}

func (s *sandbox) release(conns ...net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range conns {
		conn.Close()
		delete(s.conns, conn)
	}
}

// close ends every connection and listener and waits for what served them.
func (s *sandbox) close() {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	for _, listener := range s.listeners {
		listener.Close()
	}
	for conn := range s.conns {
		conn.Close()
	}
	if s.names != nil {
		s.names.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
	s.space.close()
}
