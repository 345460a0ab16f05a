package events_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/cli"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/testenv/ingestion"
	"github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv/script"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
)

var pg = postgres.Shared{Options: postgres.Options{Unsafe: true}}

// asGmctl makes the test binary gmctl itself, for tests that kill it.
const asGmctl = "GMCTL_TEST_AS_GMCTL"

// shared is a testing.M that stops the shared PostgreSQL at its end.
type shared struct{ *testing.M }

func (s shared) Run() int { return pg.Main(s.M) }

func TestMain(m *testing.M) {
	if os.Getenv(asGmctl) != "" {
		os.Exit(cli.Main())
	}
	testscript.Main(shared{m}, map[string]func(){"gmctl": func() { os.Exit(cli.Main()) }})
}

// TestScripts runs what a user types against the real service over a store in
// memory, and a Kafka in memory that holds the events of fill. Besides the
// commands of every script these have
//
//	stored N           fails unless the service has stored N events
//	service down|up    takes the service's store down, or up again
func TestScripts(t *testing.T) {
	script.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			store := ingestion.NewMemory()
			env.Values["store"] = store
			env.Setenv("GMCTL_URL", ingestion.Start(env.T().(testing.TB), store, nil))
			brokers, err := fill(env)
			if err != nil {
				return err
			}
			env.Setenv("BROKERS", brokers)
			env.Setenv("NOW", time.Now().UTC().Format(time.RFC3339))
			env.Setenv("TZ", "UTC")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"stored": stored, "service": service},
	})
}

func stored(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: stored N")
	}
	if got := len(ts.Value("store").(*ingestion.Memory).Records()); strconv.Itoa(got) != args[0] {
		ts.Fatalf("%d events are stored, want %s", got, args[0])
	}
}

func service(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "up" && args[0] != "down" {
		ts.Fatalf("usage: service up|down")
	}
	ts.Value("store").(*ingestion.Memory).SetDown(args[0] == "down")
}

// fill makes a Kafka with events of p1 and p2 at levels 1 to 6, a minute apart
// in 2026-03-01T12:01Z to 12:06Z, and one of a test.
func fill(env *testscript.Env) (brokers string, err error) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, topics.EventsRaw))
	if err != nil {
		return "", err
	}
	env.Defer(cluster.Close)
	client, err := kafka.NewClient(kafka.Config{Brokers: cluster.ListenAddrs()}, kgo.DefaultProduceTopic(topics.EventsRaw))
	if err != nil {
		return "", err
	}
	defer client.Close()
	for level := 1; level <= 7; level++ {
		at := time.Date(2026, 3, 1, 12, level, 0, 0, time.UTC)
		r := event.Received{ReceivedAt: at, Event: event.Event{
			EventID: uuid.UUID{15: byte(level)}, PlayerID: fmt.Sprint("p", 1+level%2), EventType: "level_complete", Timestamp: at,
			Metadata: json.RawMessage(fmt.Sprintf(`{"level":%d,"name":"two words"}`, level)),
		}}
		value, err := r.AppendJSON(nil)
		if err != nil {
			return "", err
		}
		record := &kgo.Record{Key: []byte(r.PlayerID), Value: value, Timestamp: at}
		if level == 7 {
			record.Headers = []kgo.RecordHeader{{Key: topics.TestHeader, Value: []byte("run")}}
		}
		if err := client.ProduceSync(context.Background(), record).FirstErr(); err != nil {
			return "", err
		}
	}
	return cluster.ListenAddrs()[0], nil
}
