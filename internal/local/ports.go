package local

import (
	"fmt"
	"net"
	"strconv"
	"sync"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// portsTried is how many ports above the wanted one are tried.
const portsTried = 100

// ports gives each component its port on loopback: the last one it had, else
// the configured one, else the next free.
type ports struct {
	wanted map[string]int
	save   func(map[string]int) error

	mu   sync.Mutex
	last map[string]int
}

func newPorts(spec Spec, last map[string]int, save func(map[string]int) error) *ports {
	p := &ports{
		wanted: map[string]int{
			Postgres:  spec.Config.Postgres.Port,
			Kafka:     spec.Config.Kafka.Port,
			Ingestion: spec.Config.Ingestion.Port,
		},
		save: save,
		last: map[string]int{},
	}
	for name, port := range last {
		// a port that a new configuration asks for goes before an old habit
		if wanted := p.wanted[name]; port >= wanted && port <= wanted+portsTried {
			p.last[name] = port
		}
	}
	return p
}

// take returns a port that is free at this moment and remembers it as the
// component's own.
func (p *ports) take(name string) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	candidates := []int{}
	if last, ok := p.last[name]; ok {
		candidates = append(candidates, last)
	}
	for port := p.wanted[name]; port <= min(p.wanted[name]+portsTried, 65535); port++ {
		candidates = append(candidates, port)
	}
	for _, port := range candidates {
		if !p.free(name, port) {
			continue
		}
		if p.last[name] == port {
			return port, nil
		}
		p.last[name] = port
		return port, p.save(p.last)
	}
	return 0, &problem.Error{
		What: fmt.Sprintf("no free port for %s", name),
		Next: fmt.Sprintf("free one of %d–%d, or set local.%s.port in gmctl.yaml", p.wanted[name], p.wanted[name]+portsTried, name),
	}
}

// free reports whether nothing listens on the port and no other component of
// this environment calls it its own.
func (p *ports) free(name string, port int) bool {
	for other, taken := range p.last {
		if other != name && taken == port {
			return false
		}
	}
	return listenable(port)
}

// listenable reports whether a server could listen on the port on loopback.
func listenable(port int) bool {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}
