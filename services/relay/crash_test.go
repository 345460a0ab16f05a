package relay_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/kafka/embedded"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/services/relay"
)

// The variables that make the test binary a Kafka that keeps its logs in a
// directory, until it is killed.
const (
	brokerDirVariable  = "RELAY_TEST_BROKER_DIR"
	brokerPortVariable = "RELAY_TEST_BROKER_PORT"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(brokerDirVariable); dir != "" {
		serveBroker(dir, os.Getenv(brokerPortVariable))
	}
	if dsn := os.Getenv(relayDatabaseVariable); dsn != "" {
		serveRelay(dsn, os.Getenv(relayBrokersVariable))
	}
	os.Exit(pg.Main(m))
}

func serveBroker(dir, port string) {
	number, _ := strconv.Atoi(port)
	b, err := embedded.Start(embedded.Options{Dir: dir, Port: number})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(b.Address())
	select {}
}

// process is a Kafka that can be killed.
type process struct {
	cmd     *exec.Cmd
	address string
}

func startBroker(t testing.TB, dir string, port string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), brokerDirVariable+"="+dir, brokerPortVariable+"="+port)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd}
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the broker did not start: %v", err)
	}
	p.address = line[:len(line)-1]
	return p
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func TestTheBrokerIsKilledAnywhere(t *testing.T) {
	dir := t.TempDir()
	source := newMemory()
	port := freePort(t)
	const rounds = 10
	for round := range rounds {
		b := startBroker(t, dir, port)
		cfg := kafka.Config{Brokers: []string{b.address}}
		if round == 0 {
			makeTopics(t, cfg)
		}
		ctx, cancel := context.WithCancel(t.Context())
		r := start(t, relay.Config{Source: source, Kafka: cfg, Batch: 20})
		go func() {
			for ctx.Err() == nil {
				source.add(5)
				time.Sleep(time.Millisecond)
			}
		}()
		await(t, "something is published", func() bool { return r.Status().Published > 0 })
		time.Sleep(time.Duration(rand.IntN(200_000)) * time.Microsecond)
		b.kill()
		cancel()
		r.cancel()
	}
	b := startBroker(t, dir, port)
	cfg := kafka.Config{Brokers: []string{b.address}}
	r := start(t, relay.Config{Source: source, Kafka: cfg})
	r.awaitPublished(t, source)
	audit(t, source.events, published(t, cfg, topics.EventsRaw))
}

func freePort(t testing.TB) string {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	address := cluster.ListenAddrs()[0]
	return address[len("127.0.0.1:"):]
}
