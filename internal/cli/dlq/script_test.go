package dlq_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/cli"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/testenv/ingestion"
	"github.com/gamemetrics/gmctl/internal/testenv/script"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/services/relay"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gmctl": func() { os.Exit(cli.Main()) }})
}

// TestScripts runs what a user types against the real service over a store in
// memory, and a Kafka in memory with the letters of fill. Besides the commands of
// every script these have
//
//	stored N   fails unless the service has stored N events
func TestScripts(t *testing.T) {
	script.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			store := ingestion.NewMemory()
			env.Values["store"] = store
			env.Setenv("GMCTL_URL", ingestion.Start(env.T().(testing.TB), store, nil))
			env.Setenv("NOW", time.Now().UTC().Format(time.RFC3339))
			return fill(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"stored": func(ts *testscript.TestScript, neg bool, args []string) {
			if got := len(ts.Value("store").(*ingestion.Memory).Records()); neg || len(args) != 1 || strconv.Itoa(got) != args[0] {
				ts.Fatalf("%d events are stored, want %s", got, strings.Join(args, " "))
			}
		}},
	})
}

// fill makes a Kafka with six letters: of an event that was rejected and is fine
// now, of one that has no id, of one that stays wrong, of one of the relay, and of
// two games.
func fill(env *testscript.Env) error {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topics.DeadLetter))
	if err != nil {
		return err
	}
	env.Defer(cluster.Close)
	env.Setenv("GMCTL_KAFKA_BROKERS", strings.Join(cluster.ListenAddrs(), ","))
	client, err := kafka.NewClient(kafka.Config{Brokers: cluster.ListenAddrs()})
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := kafka.EnsureTopics(context.Background(), client, topics.All(), 1); err != nil {
		return err
	}
	now := time.Now().UTC().Format(time.RFC3339)
	for _, l := range []struct{ source, reason, id, game, value string }{
		{"ingestion", "schema", "01939f64-6d3c-7bd5-9c3f-2f6d3a1c9b10", "", `{"eventId":"01939f64-6d3c-7bd5-9c3f-2f6d3a1c9b10","playerId":"ada","eventType":"login","timestamp":"` + now + `"}`},
		{"ingestion", "schema", "", "", `{"playerId":"ada","eventType":"login","timestamp":"` + now + `"}`},
		{"ingestion", "malformed", "", "", "no \x1b event"},
		{"relay", "record-too-large", "01939f64-6d3c-7bd5-9c3f-2f6d3a1c9b11", "go", `{}`},
		{"ingestion", "required", "", "chess", `{"playerId":"ada"}`},
		{"ingestion", "required", "", "go", `{"playerId":"ada"}`},
	} {
		record := &kgo.Record{Topic: topics.DeadLetter, Key: []byte("ada"), Value: []byte(l.value)}
		for _, h := range [][2]string{{relay.HeaderReason, l.reason}, {relay.HeaderDetail, "because of " + l.reason}, {relay.HeaderSource, l.source}, {relay.HeaderEventID, l.id}, {relay.HeaderGame, l.game}} {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
		}
		if err := client.ProduceSync(context.Background(), record).FirstErr(); err != nil {
			return err
		}
	}
	return nil
}
