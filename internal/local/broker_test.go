package local

import (
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/testenv"
)

// A Kafka that runs elsewhere may be restarted at any time: the component says
// that it is gone, and takes it back when it answers again.
func TestAnExternalKafkaComesAndGoes(t *testing.T) {
	t.Parallel()
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	start := func() *kfake.Cluster {
		t.Helper()
		cluster, err := kfake.NewCluster(kfake.Ports(port))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		return cluster
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	broker := &brokerComponent{spec: Spec{Brokers: []string{address}}, pause: 20 * time.Millisecond}
	r := newRunner(Kafka, broker, slog.New(slog.DiscardHandler))

	cluster := start()
	r.start(t.Context())
	defer func() {
		if err := r.stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	ready := awaitState(t, r, engine.StateReady)
	if ready.Summary != "external, 1 broker" || ready.Connection != address {
		t.Errorf("the component says %+v", ready)
	}
	if cfg, up := broker.connection(); !up || cfg.Brokers[0] != address {
		t.Errorf("the connection is %v, %v", cfg, up)
	}
	cluster.Close()
	if gone := awaitState(t, r, engine.StateDegraded); gone.Problem == nil || !strings.Contains(gone.Problem.What, address) || gone.Problem.Next == "" {
		t.Errorf("of the Kafka that is gone it says %+v", gone.Problem)
	}
	start()
	if back := awaitState(t, r, engine.StateReady); back.Problem != nil || back.Restarts != 0 {
		t.Errorf("of the Kafka that is back it says %+v", back)
	}
}

// awaitState returns the component's status once it has the state.
func awaitState(t *testing.T, r *runner, state engine.State) Status {
	t.Helper()
	const patience = 20 * time.Second
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		status := r.snapshot(t.Context(), false)
		if status.State == state {
			return status
		}
		if time.Since(began) > patience {
			t.Fatalf("after %s the component is not %s: %+v", patience, state, status)
		}
	}
}
