package relay_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/kafka/deadletters"
	"github.com/gamemetrics/gmctl/internal/kafka/tail"
	"github.com/gamemetrics/gmctl/internal/postgres"
	testkafka "github.com/gamemetrics/gmctl/internal/testenv/kafka"
	"github.com/gamemetrics/gmctl/internal/testenv/serve"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// Rejected events and erasures reach Kafka once, whatever relay publishes them,
// also where the event that was published last is erased.
func TestServeTheOutbox(t *testing.T) {
	dsn, brokers := database(t, 3), testkafka.Fake(t)
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	start := func() *serve.Service { return command.Start(t, "--database-url", dsn, "--brokers", brokers) }
	keep(t, pool, 0, 4)
	s := start()
	if code, _ := s.Get(t, "/debug/pprof/heap"); code != 200 {
		t.Errorf("the profile of the heap is answered %d", code)
	}
	serve.Eventually(t, "nothing of the outbox is left", func() bool { return metric(t, s, "gmctl_relay_outbox_lag_events 0") })
	serve.Eventually(t, "the letters are published", func() bool { return metric(t, s, "gmctl_relay_outbox_records_total 4") })
	serve.Eventually(t, "the events are published", func() bool { return metric(t, s, "gmctl_relay_events_published_total 3") })
	if err := s.Stop(t); err != nil {
		t.Fatal(err)
	}
	keep(t, pool, 2, 6) // two of them are there already
	players := postgres.NewPlayers(pool)
	erasure, err := players.Begin(t.Context(), "2", "test") // the event that was published last is of player 2
	if err != nil {
		t.Fatal(err)
	}
	if _, err := players.Erase(t.Context(), erasure, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	s = start()
	serve.Eventually(t, "the rest is published", func() bool { return metric(t, s, "gmctl_relay_outbox_records_total 4") })
	if err := s.Stop(t); err != nil {
		t.Fatal(err)
	}
	queue, err := deadletters.Connect(t.Context(), kafka.Config{Brokers: []string{brokers}}, "test", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer queue.Close()
	letters, err := queue.List(t.Context(), deadletters.Filter{Source: "ingestion", Reason: "schema"})
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, l := range letters {
		times[string(l.Value)]++
	}
	if diff := cmp.Diff(map[string]int{"letter 0": 1, "letter 1": 1, "letter 2": 1, "letter 3": 1, "letter 4": 1, "letter 5": 1}, times); diff != "" {
		t.Error(diff)
	}
	tombstones, told := 0, 0
	start0, err := tail.ParseStart("beginning", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	options := tail.Options{Topics: []string{topics.EventsRaw, topics.Erasures}, Start: start0}
	err = tail.Run(t.Context(), kafka.Config{Brokers: []string{brokers}}, options, func(r kafka.Record) error {
		switch {
		case r.Topic == topics.Erasures && string(r.Key) == "2":
			told++
		case r.Topic == topics.EventsRaw && r.Value == nil && string(r.Key) == "2":
			tombstones++
		}
		return nil
	})
	if err != nil || tombstones != 1 || told != 1 {
		t.Errorf("%d tombstones, told %d times: %v", tombstones, told, err)
	}
}

// The relay of the outbox cannot begin, beside one of the events that publishes.
func TestServeTellsWhatIsWrongWithTheOutbox(t *testing.T) {
	dsn, address := database(t, 3), testkafka.Fake(t)
	source, err := postgres.NewOutbox(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	from, err := source.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client, err := kafka.NewClient(kafka.Config{Brokers: []string{address}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topics.RelayCursor, Key: []byte(from.ID + "/" + postgres.OutboxLane), Value: []byte("?")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	s := command.Start(t, "--database-url", dsn, "--brokers", address)
	serve.Eventually(t, "it is told", func() bool {
		status, body := s.Get(t, "/ready")
		return status == 200 && strings.HasPrefix(body, "active: ") && strings.Contains(body, "\noutbox: the relay's cursor in gmctl.relay.cursor") && strings.Contains(body, "\nnext: look at it")
	})
}

func keep(t *testing.T, pool *pgxpool.Pool, from, to int) {
	t.Helper()
	var letters []ingestion.Letter
	for i := from; i < to; i++ {
		letters = append(letters, ingestion.Letter{Body: fmt.Appendf(nil, "letter %d", i), Player: fmt.Sprint("rejected ", i), Reason: "schema", Detail: "why"})
	}
	if err := postgres.NewLetters(pool, nil).Keep(t.Context(), letters); err != nil {
		t.Fatal(err)
	}
}
