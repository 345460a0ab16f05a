package relay_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv"
	testkafka "github.com/gamemetrics/gmctl/internal/testenv/kafka"
	testpostgres "github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/ingestion"
	"github.com/gamemetrics/gmctl/services/relay"
)

// pg is shared by the tests that only store; those that kill it start their own.
var pg = testpostgres.Shared{Options: testpostgres.Options{Unsafe: true}}

// The variables that make the test binary a relay until it is killed.
const (
	relayDatabaseVariable = "RELAY_TEST_DATABASE"
	relayBrokersVariable  = "RELAY_TEST_BROKERS"
	relayLanesVariable    = "RELAY_TEST_LANES" // not empty: a Group, which stands by while another one works
)

func serveRelay(dsn, brokers string) {
	source, err := postgres.NewSource(context.Background(), postgres.Config{DSN: dsn})
	if err == nil {
		cfg := relay.Config{Source: source, Kafka: kafka.Config{Brokers: strings.Split(brokers, ",")}, Batch: 50, Lease: time.Second}
		if os.Getenv(relayLanesVariable) != "" {
			err = relay.NewGroup(source, cfg).Run(context.Background())
		} else {
			err = relay.New(cfg).Run(context.Background())
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func startRelayProcess(t *testing.T, dsn string, cfg kafka.Config, env ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), env...), relayDatabaseVariable+"="+dsn, relayBrokersVariable+"="+strings.Join(cfg.Brokers, ","))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd}
	t.Cleanup(p.kill)
	return p
}

// writersPause leaves a relay that the race detector slows down the time to keep up.
const writersPause = 30 * time.Millisecond

// writers store events through ingestion's store until stop, several at once.
type writers struct {
	group  sync.WaitGroup
	cancel context.CancelFunc

	mu    sync.Mutex
	acked []uuid.UUID // events of which the store said that they are there
}

func startWriters(t *testing.T, store *postgres.Store) *writers {
	ctx, cancel := context.WithCancel(t.Context())
	w := &writers{cancel: cancel}
	for n := range 3 {
		w.group.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				group := make([]ingestion.Record, 1+rand.IntN(20))
				for k := range group {
					now := time.Now().UTC().Truncate(time.Microsecond)
					group[k] = ingestion.Record{Received: event.Received{ReceivedAt: now, Event: event.Event{
						EventID: uuid.New(), PlayerID: fmt.Sprintf("writer %d player %d", n, k%3), EventType: "step",
						Timestamp: now.AddDate(0, 0, -rand.IntN(3)), Metadata: []byte(fmt.Sprintf(`{"i":%d}`, i)),
					}}}
				}
				if _, err := store.Write(t.Context(), group); err == nil { // otherwise nothing is promised
					w.note(group)
				}
				time.Sleep(writersPause)
			}
		})
	}
	return w
}

func (w *writers) stop() { w.cancel(); w.group.Wait() }

func (w *writers) note(group []ingestion.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range group {
		w.acked = append(w.acked, r.EventID)
	}
}

// audit fails the test unless all that was acknowledged is among the events.
func (w *writers) audit(t *testing.T, events []relay.Event) {
	t.Helper()
	there := make(map[uuid.UUID]bool, len(events))
	for _, e := range events {
		there[e.EventID] = true
	}
	lost := slices.DeleteFunc(slices.Clone(w.acked), func(id uuid.UUID) bool { return there[id] })
	if len(w.acked) == 0 || len(lost) > 0 {
		t.Errorf("of %d events that were acknowledged %d are not stored", len(w.acked), len(lost))
	}
}

func storeOn(t *testing.T, dsn string) (*pgxpool.Pool, *postgres.Store) {
	t.Helper()
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if err := postgres.Migrate(t.Context(), pool, nil); err != nil {
		t.Fatal(err)
	}
	return pool, postgres.NewStore(pool, nil)
}

// stored returns all events in commit order, read in one go.
func stored(t *testing.T, dsn string) []relay.Event {
	t.Helper()
	source, err := postgres.NewSource(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	database, err := source.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var events []relay.Event
	_, err = source.Next(t.Context(), database, relay.Position{}, 1<<30, func(e *relay.Event) bool {
		kept := *e
		kept.Metadata = slices.Clone(e.Metadata)
		events = append(events, kept)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// publishRest runs a relay until it has published all that is stored.
func publishRest(t *testing.T, dsn string, cfg kafka.Config) []relay.Event {
	t.Helper()
	source, err := postgres.NewSource(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Close)
	events := stored(t, dsn)
	last := events[len(events)-1].Position
	r := start(t, relay.Config{Source: source, Kafka: cfg})
	// a killed broker that is back takes its time over the transactions it finds
	if !holdsWithin(time.Minute, func() bool { return r.Status().Cursor == last }) {
		t.Fatalf("all that is stored is not published after a minute: %+v", r.Status())
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	return events
}

func TestTheRelayIsKilledAnywhere(t *testing.T) {
	_, cfg := broker(t)
	dsn := pg.Database(t)
	_, store := storeOn(t, dsn)
	w := startWriters(t, store)
	// on a busy machine they may have to live longer to get to anything
	for round := 0; round < 6 || round < 24 && committedEnd(t, cfg, topics.EventsRaw) == 0; round++ {
		p := startRelayProcess(t, dsn, cfg)
		time.Sleep(time.Duration((1+round/6)*(100+rand.IntN(250))) * time.Millisecond)
		p.kill()
	}
	w.stop()
	before := committedEnd(t, cfg, topics.EventsRaw)
	events := publishRest(t, dsn, cfg)
	t.Logf("relays that were killed had committed up to %d offsets; %d events", before, len(events))
	if before == 0 {
		t.Error("no relay lived long enough to publish anything")
	}
	audit(t, events, published(t, cfg, topics.EventsRaw))
}

func TestPostgresIsKilledAnywhere(t *testing.T) {
	server := testpostgres.Start(t, testpostgres.Options{})
	_, cfg := broker(t)
	dsn := server.Database(t)
	_, store := storeOn(t, dsn)
	source, err := postgres.NewSource(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	r := start(t, relay.Config{Source: source, Kafka: cfg, Batch: 50})
	w := startWriters(t, store)
	for range 3 {
		time.Sleep(time.Duration(100+rand.IntN(250)) * time.Millisecond)
		server.Kill(t)
		server.Restart(t)
	}
	w.stop()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	events := publishRest(t, dsn, cfg)
	w.audit(t, events)
	audit(t, events, published(t, cfg, topics.EventsRaw))
}

// Against Apache Kafka: kills of the relay, and two relays at once.
func TestWithApacheKafka(t *testing.T) {
	cluster := testkafka.Run(t, testkafka.Options{})
	cfg := cluster.Config()
	makeTopics(t, cfg)
	dsn := pg.Database(t)
	_, store := storeOn(t, dsn)
	ahead := time.Now().UTC().Truncate(time.Microsecond)
	if _, err := store.Write(t.Context(), []ingestion.Record{{Received: event.Received{
		Event:      event.Event{EventID: uuid.New(), PlayerID: "clock ahead", EventType: "t", Timestamp: ahead.Add(23 * time.Hour)},
		ReceivedAt: ahead,
	}}}); err != nil {
		t.Fatal(err)
	}
	w := startWriters(t, store)
	for range 2 {
		p := startRelayProcess(t, dsn, cfg)
		time.Sleep(time.Duration(500+rand.IntN(500)) * time.Millisecond)
		rival := startRelayProcess(t, dsn, cfg)
		time.Sleep(time.Duration(300+rand.IntN(500)) * time.Millisecond)
		rival.kill()
		p.kill()
	}
	w.stop()
	before := committedEnd(t, cfg, topics.EventsRaw)
	events := publishRest(t, dsn, cfg)
	t.Logf("relays that were killed had committed up to %d offsets; %d events", before, len(events))
	audit(t, events, published(t, cfg, topics.EventsRaw))
}

// The only broker of an Apache Kafka is killed in the middle of a transaction.
// About one time in fifty Kafka then leaves it open on some of its partitions for
// ever: the relay ends it (see hanging.go).
func TestTheOnlyApacheKafkaIsKilled(t *testing.T) {
	testenv.Long(t, testenv.Kafka, "a minute")
	cluster := testkafka.Run(t, testkafka.Options{})
	cfg := cluster.Config()
	makeTopics(t, cfg)
	dsn := pg.Database(t)
	_, store := storeOn(t, dsn)
	w := startWriters(t, store)
	p := startRelayProcess(t, dsn, cfg)
	time.Sleep(500 * time.Millisecond)
	cluster.Kill(0)
	w.stop()
	if err := cluster.Restart(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	p.kill()
	events := publishRest(t, dsn, cfg)
	audit(t, events, published(t, cfg, topics.EventsRaw))
}
