//go:build linux

package pods

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
)

// domain is that of the cluster.
const domain = ".svc.cluster.local"

// network knows every name that a pod may ask for, and where it leads. A name
// has the same address for all pods.
type network struct {
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
	api      Dial // the API server

	mu        sync.Mutex
	addresses map[string]netip.Addr
	routes    map[string]map[int]Dial               // by host and port
	pods      map[types.NamespacedName]map[int]Dial // the ports of those that others play
	running   map[types.NamespacedName]*sandbox     // pods of ours
}

func newNetwork() *network {
	return &network{
		addresses: map[string]netip.Addr{}, routes: map[string]map[int]Dial{},
		pods: map[types.NamespacedName]map[int]Dial{}, running: map[types.NamespacedName]*sandbox{},
	}
}

// route adds a way to something outside the cluster.
func (n *network) route(r Route) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.routes[r.Host] == nil {
		n.routes[r.Host] = map[int]Dial{}
	}
	n.routes[r.Host][r.Port] = r.Dial
}

// play has the ports of a pod that others run lead elsewhere.
func (n *network) play(pod types.NamespacedName, ports map[int]Dial) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pods[pod] = ports
}

// add makes a pod of ours reachable.
func (n *network) add(pod types.NamespacedName, s *sandbox) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running[pod] = s
}

// remove undoes add, unless another pod has the name by now.
func (n *network) remove(pod types.NamespacedName, s *sandbox) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.running[pod] == s {
		delete(n.running, pod)
	}
}

// fixed returns the routes whose host is an address.
func (n *network) fixed() []netip.AddrPort {
	n.mu.Lock()
	defer n.mu.Unlock()
	var found []netip.AddrPort
	for host, ports := range n.routes {
		if address, err := netip.ParseAddr(host); err == nil {
			for port := range ports {
				found = append(found, netip.AddrPortFrom(address, uint16(port)))
			}
		}
	}
	return found
}

// ports returns where a name, without a dot at its end, can be connected to; ok
// is false where there is no such name.
func (n *network) ports(name string) (ports []int, ok bool) {
	n.mu.Lock()
	for port := range n.routes[name] {
		ports = append(ports, port)
	}
	n.mu.Unlock()
	if len(ports) > 0 {
		return ports, true
	}
	service, host, ok := n.service(name)
	if !ok || host != "" && len(n.endpoints(service, host)) == 0 {
		return nil, false
	}
	for _, port := range service.Spec.Ports {
		if port.Protocol == core.ProtocolTCP || port.Protocol == "" {
			ports = append(ports, int(port.Port))
		}
	}
	return ports, true
}

// service finds that of a name in the cluster's domain: service.namespace, or
// host.service.namespace for one of its pods.
func (n *network) service(name string) (service *core.Service, host string, ok bool) {
	parts := strings.Split(strings.TrimSuffix(name, domain), ".")
	if !strings.HasSuffix(name, domain) || len(parts) < 2 || len(parts) > 3 {
		return nil, "", false
	}
	if len(parts) == 3 {
		host, parts = parts[0], parts[1:]
	}
	service, err := n.services.Services(parts[1]).Get(parts[0])
	return service, host, err == nil
}

// endpoint is a pod behind a service, and the numbers of its ports by their names.
type endpoint struct {
	pod   types.NamespacedName
	ports map[string]int
}

// endpoints returns the ready ones, or those that the service publishes though
// they are not. host, if not empty, is that of one of them.
func (n *network) endpoints(service *core.Service, host string) []endpoint {
	of := labels.SelectorFromSet(labels.Set{discovery.LabelServiceName: service.Name})
	found, err := n.slices.EndpointSlices(service.Namespace).List(of)
	if err != nil {
		return nil
	}
	var all []endpoint
	for _, slice := range found {
		ports := map[string]int{}
		for _, port := range slice.Ports {
			if port.Port != nil {
				ports[deref(port.Name)] = int(*port.Port)
			}
		}
		for _, e := range slice.Endpoints {
			ready := e.Conditions.Ready == nil || *e.Conditions.Ready
			if !ready || e.TargetRef == nil || host != "" && host != deref(e.Hostname) {
				continue
			}
			all = append(all, endpoint{types.NamespacedName{Namespace: slice.Namespace, Name: e.TargetRef.Name}, ports})
		}
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// dial connects to a port of a name.
func (n *network) dial(ctx context.Context, name string, port int) (net.Conn, error) {
	n.mu.Lock()
	route, ok := n.routes[name][port]
	n.mu.Unlock()
	if ok {
		return route(ctx)
	}
	service, host, ok := n.service(name)
	if !ok {
		return nil, fmt.Errorf("no such host: %s", name)
	}
	if service.Namespace == "default" && service.Name == "kubernetes" {
		return n.api(ctx)
	}
	portName, ok := nameOf(service, port)
	if !ok {
		return nil, fmt.Errorf("the service %s has no port %d", name, port)
	}
	failure := fmt.Errorf("the service %s has no ready pods", name)
	for _, e := range n.endpoints(service, host) {
		conn, err := n.dialPod(ctx, e.pod, e.ports[portName])
		if err == nil {
			return conn, nil
		}
		failure = errors.Join(failure, err)
	}
	return nil, failure
}

func nameOf(service *core.Service, port int) (string, bool) {
	for _, p := range service.Spec.Ports {
		if int(p.Port) == port {
			return p.Name, true
		}
	}
	return "", false
}

// dialPod connects to a port of a pod: ours or one that is played.
func (n *network) dialPod(ctx context.Context, pod types.NamespacedName, port int) (net.Conn, error) {
	n.mu.Lock()
	own, played := n.running[pod], n.pods[pod][port]
	n.mu.Unlock()
	switch {
	case own != nil:
		return own.dial(ctx, port)
	case played != nil:
		return played(ctx)
	}
	return nil, fmt.Errorf("nothing listens at port %d of pod %s", port, pod)
}

// address returns the one of a name: of 127.64/10, so that it is in no one's way.
func (n *network) address(name string) netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	if found, ok := n.addresses[name]; ok {
		return found
	}
	i := len(n.addresses) + 1
	found := netip.AddrFrom4([4]byte{127, 64 + byte(i>>16), byte(i >> 8), byte(i)})
	n.addresses[name] = found
	return found
}

// join carries bytes both ways until both ends are done, and closes them.
func join(a, b net.Conn) {
	var both sync.WaitGroup
	half := func(to, from net.Conn) {
		_, err := io.Copy(to, from)
		if closer, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
			_ = closer.CloseWrite() // the other end may be gone
			return
		}
		_, _ = a.Close(), b.Close()
	}
	both.Go(func() { half(a, b) })
	both.Go(func() { half(b, a) })
	both.Wait()
	_, _ = a.Close(), b.Close()
}

// reset closes a connection as one that was refused.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it is closed in any case
	}
	conn.Close()
}
