package local

import (
	"errors"
	"maps"
	"net"
	"strconv"
	"testing"

	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/testenv"
)

func TestPorts(t *testing.T) {
	want := freePorts(t)
	for _, c := range []struct {
		name string
		last int   // of an earlier life, above the configured one; -1: none
		busy []int // above the configured one
		got  int   // above the configured one
	}{
		{"the configured one", -1, nil, 0},
		{"the next one where that is taken", -1, []int{0, 1}, 2},
		{"the last one, though the configured one is free again", 3, nil, 3},
		{"the configured one where the last is taken", 3, []int{3}, 0},
		{"the next one where both are taken", 3, []int{0, 3}, 1},
		{"not one of another configuration", portsTried + 1, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			last := map[string]int{}
			if c.last >= 0 {
				last[Kafka] = want + c.last
			}
			for _, above := range c.busy {
				occupy(t, want+above)
			}
			var saved []map[string]int
			p := newPorts(specWith(want), last, func(ports map[string]int) error {
				saved = append(saved, maps.Clone(ports))
				return nil
			})
			got, err := p.take(Kafka)
			if err != nil || got != want+c.got {
				t.Fatalf("took %d, %v, want %d", got, err, want+c.got)
			}
			if known := c.got == c.last; known != (len(saved) == 0) || !known && saved[0][Kafka] != got {
				t.Errorf("noted %v", saved)
			}
			if again, err := p.take(Kafka); err != nil || again != got {
				t.Errorf("took %d the second time, %v", again, err)
			}
		})
	}
}

// What one component calls its own no other takes, though it is free while the
// first is being restarted.
func TestComponentsDoNotTakeEachOthersPorts(t *testing.T) {
	want := freePorts(t)
	spec := specWith(want)
	spec.Config.Postgres.Port = want
	p := newPorts(spec, nil, func(map[string]int) error { return nil })
	if got, err := p.take(Kafka); err != nil || got != want {
		t.Errorf("Kafka took %d, %v, want %d", got, err, want)
	}
	if got, err := p.take(Postgres); err != nil || got != want+1 {
		t.Errorf("PostgreSQL took %d, %v, want %d", got, err, want+1)
	}
}

func TestNoPortIsLeft(t *testing.T) {
	occupy(t, 65535)
	_, err := newPorts(specWith(65535), nil, func(map[string]int) error { return nil }).take(Kafka)
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.What != "no free port for kafka" || p.Next == "" {
		t.Errorf("%v", err)
	}
}

func TestAPortThatCannotBeNotedIsAFailure(t *testing.T) {
	full := errors.New("disk full")
	_, err := newPorts(specWith(freePorts(t)), nil, func(map[string]int) error { return full }).take(Kafka)
	if !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}

func specWith(kafkaPort int) Spec {
	return Spec{Config: config.Local{Kafka: config.LocalKafka{Port: kafkaPort}}}
}

// freePorts returns a port that is free with the four above it.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 20 {
		port, err := testenv.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		free := true
		for above := range 5 {
			free = free && listenable(port+above)
		}
		if free {
			return port
		}
	}
	t.Fatal("no five free ports in a row")
	return 0
}

// occupy listens on the port until the test ends.
func occupy(t *testing.T, port int) {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
}
