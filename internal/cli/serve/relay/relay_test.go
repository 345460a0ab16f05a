package relay_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/cli/serve/relay"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/problem"
	testkafka "github.com/gamemetrics/gmctl/internal/testenv/kafka"
	testpostgres "github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv/serve"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

var pg = testpostgres.Shared{Options: testpostgres.Options{Unsafe: true}}

func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }

// command is `gmctl serve relay`.
var command = serve.Command(relay.NewCommand)

// database returns a database with n events.
func database(t *testing.T, n int) string {
	t.Helper()
	dsn := pg.Database(t)
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := postgres.Migrate(t.Context(), pool, nil); err != nil {
		t.Fatal(err)
	}
	records := make([]ingestion.Record, n)
	for i := range records {
		now := time.Now().UTC().Truncate(time.Microsecond)
		records[i] = ingestion.Record{Received: event.Received{
			Event: event.Event{EventID: uuid.New(), PlayerID: fmt.Sprint(i), EventType: "t", Timestamp: now}, ReceivedAt: now,
		}}
	}
	if _, err := postgres.NewStore(pool, nil).Write(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	return dsn
}

func metric(t *testing.T, s *serve.Service, sample string) bool {
	t.Helper()
	_, metrics := s.Get(t, "/metrics")
	return strings.Contains(metrics, "\n"+sample+"\n")
}

func TestServe(t *testing.T) {
	dsn, kafka := database(t, 7), testkafka.Fake(t)
	t.Setenv("GMCTL_DATABASE_URL", dsn)
	t.Setenv("GMCTL_KAFKA_BROKERS", kafka)
	first := command.Start(t)
	serve.Eventually(t, "all is published", func() bool { return metric(t, first, "gmctl_relay_events_published_total 7") })
	if !metric(t, first, "gmctl_relay_lag_events 0") || !metric(t, first, "gmctl_relay_lag_seconds 0") {
		t.Error("the metrics do not say that there is no lag")
	}
	if status, body := first.Get(t, "/ready"); status != 200 {
		t.Errorf("ready: %d %s", status, body)
	}
	second := command.Start(t)
	serve.Eventually(t, "the second relay stands by", func() bool {
		_, body := second.Get(t, "/ready")
		return second.Ready(t) && strings.HasPrefix(body, "standby: active is ")
	})
	serve.Eventually(t, "the lag is the same, whoever is asked", func() bool {
		return metric(t, second, "gmctl_relay_lag_events 0") && metric(t, second, "gmctl_relay_outbox_lag_events 0")
	})
	if !metric(t, first, "gmctl_relay_active 1") || !metric(t, second, "gmctl_relay_active 0") {
		t.Error("the metrics do not say which relay is active")
	}
	if err := first.Stop(t); err != nil {
		t.Errorf("the first relay ended with %v", err)
	}
	write(t, dsn)
	serve.Eventually(t, "the second relay publishes", func() bool { return metric(t, second, "gmctl_relay_events_published_total 1") })
	if err := second.Stop(t); err != nil {
		t.Errorf("the second relay ended with %v", err)
	}
}

func TestServeSeveralLanes(t *testing.T) {
	dsn, kafka := database(t, 7), testkafka.Fake(t)
	flags := []string{"--database-url", dsn, "--brokers", kafka}
	first := command.Start(t, append(flags, "--lanes", "4")...)
	serve.Eventually(t, "there are four lanes", func() bool { return metric(t, first, `gmctl_relay_lanes{state="running"} 4`) })
	serve.Eventually(t, "all is published", func() bool { return metric(t, first, "gmctl_relay_events_published_total 7") })
	if status, body := first.Get(t, "/ready"); status != 200 || !strings.Contains(body, "\nlane main-1-3: publishing, at ") {
		t.Errorf("ready: %d %s", status, body)
	}
	if !metric(t, first, `gmctl_relay_lane_active{lane="main-1-0"} 1`) {
		t.Error("the metrics do not tell of each lane")
	}
	second := command.Start(t, append(flags, "--lanes", "2")...) // the last start prevails
	serve.Eventually(t, "there are two lanes, whichever process works them", func() bool {
		for _, lane := range []string{"main-2-0", "main-2-1"} {
			active := `gmctl_relay_lane_active{lane="` + lane + `"} 1`
			if !metric(t, first, active) && !metric(t, second, active) {
				return false
			}
		}
		return true
	})
	if err := first.Stop(t); err != nil {
		t.Errorf("the first relay ended with %v", err)
	}
	serve.Eventually(t, "the second relay takes over", func() bool { return metric(t, second, `gmctl_relay_lanes{state="running"} 2`) })
	write(t, dsn)
	serve.Eventually(t, "the second relay publishes", func() bool { return metric(t, second, "gmctl_relay_events_published_total 1") })
}

func write(t *testing.T, dsn string) {
	t.Helper()
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(t.Context(), `INSERT INTO events (event_id, player_id, event_type, "timestamp") VALUES (gen_random_uuid(), 'p', 't', now())`); err != nil {
		t.Fatal(err)
	}
}

// A forgotten transaction holds back what is stored: it is named.
func TestServeTellsWhatHoldsEventsBack(t *testing.T) {
	dsn := database(t, 0)
	forgotten, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer forgotten.Close(t.Context())
	if _, err := forgotten.Exec(t.Context(), `BEGIN; SELECT pg_current_xact_id()`); err != nil {
		t.Fatal(err)
	}
	write(t, dsn)
	s := command.Start(t, "--database-url", dsn, "--brokers", testkafka.Fake(t))
	session := fmt.Sprintf("session %d (", forgotten.PgConn().PID())
	serve.Eventually(t, "it is named", func() bool {
		status, body := s.Get(t, "/ready")
		return status == 200 && strings.Contains(body, session) && strings.Contains(body, "\nnext: have it committed")
	})
	if !metric(t, s, "gmctl_relay_lag_held 1") || !metric(t, s, "gmctl_relay_outbox_lag_held 0") {
		t.Error("the metrics do not say that events are held back")
	}
	if !strings.Contains(s.Log(), session) {
		t.Error("the log does not name it")
	}
}

func TestServeTellsWhyItIsNotReady(t *testing.T) {
	s := command.Start(t, "--database-url", "postgres://u:hidden@127.0.0.1:1/d", "--brokers", testkafka.Fake(t))
	serve.Eventually(t, "the reason is told", func() bool {
		status, body := s.Get(t, "/ready")
		return status == 503 && strings.Contains(body, "nothing listens at 127.0.0.1:1") && strings.Contains(body, "next: ")
	})
	if status, _ := s.Get(t, "/health"); status != 200 {
		t.Errorf("health: %d", status)
	}
	if err := s.Stop(t); err != nil {
		t.Errorf("the relay ended with %v", err)
	}
	if strings.Contains(s.Log(), "hidden") {
		t.Error("the log shows the password")
	}
}

func TestServeARestoredDatabase(t *testing.T) {
	dsn, kafka := database(t, 5), testkafka.Fake(t)
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(t.Context(), "UPDATE platform SET system_identifier = system_identifier + 1"); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--listen", "127.0.0.1:0", "--database-url", dsn, "--brokers", kafka}
	err = command.Run(t.Context(), io.Discard, flags...)
	if p, ok := errors.AsType[*problem.Error](err); !ok || !strings.Contains(p.What, "is a copy") || !strings.Contains(p.Next, "--adopt") {
		t.Fatalf("a copied database: %v", err)
	}
	s := command.Start(t, "--database-url", dsn, "--brokers", kafka, "--adopt", "new")
	serve.Eventually(t, "the adopted database is published", func() bool { return s.Ready(t) })
	write(t, dsn)
	serve.Eventually(t, "what is new is published", func() bool { return metric(t, s, "gmctl_relay_events_published_total 1") })
	if !strings.Contains(s.Log(), "adopted") {
		t.Error("the log does not tell of the adoption")
	}
}

func TestServeWithoutTheCursor(t *testing.T) {
	dsn, address := database(t, 5), testkafka.Fake(t)
	flags := []string{"--database-url", dsn, "--brokers", address}
	s := command.Start(t, flags...)
	serve.Eventually(t, "all is published", func() bool { return metric(t, s, "gmctl_relay_events_published_total 5") })
	if err := s.Stop(t); err != nil {
		t.Fatal(err)
	}
	client, err := kafka.NewClient(kafka.Config{Brokers: []string{address}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).DeleteTopic(t.Context(), topics.RelayCursor); err != nil {
		t.Fatal(err)
	}
	if _, err := kafka.EnsureTopics(t.Context(), client, topics.All(), 1); err != nil {
		t.Fatal(err)
	}
	err = command.Run(t.Context(), io.Discard, append(flags, "--listen", "127.0.0.1:0")...)
	if p, ok := errors.AsType[*problem.Error](err); !ok || !strings.Contains(p.What, topics.RelayCursor) || !strings.Contains(p.Next, "--adopt noted") {
		t.Fatalf("a lost cursor: %v", err)
	}
	write(t, dsn)
	s = command.Start(t, append(flags, "--adopt", "noted")...)
	serve.Eventually(t, "only what is new is published", func() bool { return metric(t, s, "gmctl_relay_events_published_total 1") })
}

func TestFlagsAreChecked(t *testing.T) {
	for _, flag := range []string{
		"--batch=0", "--max-poll=0s", "--lane=", "--lane=outbox", "--lane=main-1-0", "--lanes=65", "--lease=10ms", "--adopt=some",
		"--log-level=loud", "--database-url=postgres://a b:%",
	} {
		err := command.Run(t.Context(), io.Discard, "--brokers", "127.0.0.1:1", flag)
		if exitcode.Of(err) != exitcode.Usage || problem.From(err).Next == "" {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
