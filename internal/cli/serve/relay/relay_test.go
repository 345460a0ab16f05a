package relay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/gamemetrics/gmctl/internal/cli/exitcode"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/serve/relay"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/problem"
	testpostgres "github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

var pg = testpostgres.Shared{Options: testpostgres.Options{Unsafe: true}}

func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }

// service is a running `gmctl serve relay`.
type service struct {
	url  string
	log  *log
	stop context.CancelFunc
	done chan error
}

// log is a buffer that is written and read at the same time.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func execute(ctx context.Context, stderr io.Writer, args ...string) error {
	streams, _, _, _ := iostreams.Test()
	streams.Err = stderr
	f := factory.New(streams)
	f.LogFormat = "text"
	cmd := relay.NewCommand(f)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	return cmd.ExecuteContext(ctx)
}

func start(t *testing.T, args ...string) *service {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s := &service{log: &log{}, stop: stop, done: make(chan error, 1)}
	go func() {
		s.done <- execute(ctx, s.log, append([]string{"--listen", "127.0.0.1:0"}, args...)...)
		close(s.done)
	}()
	t.Cleanup(func() { stop(); <-s.done })
	address := regexp.MustCompile(`address=(\S+)`)
	eventually(t, "the service listens", func() bool {
		found := address.FindStringSubmatch(s.log.String())
		if found != nil {
			s.url = "http://" + found[1]
		}
		return found != nil
	})
	return s
}

func (s *service) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	response, err := http.Get(s.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in 20 s: %s", what)
		}
	}
}

func brokers(t *testing.T) string {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kafka.NewClient(kafka.Config{Brokers: cluster.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kafka.EnsureTopics(t.Context(), client, topics.All(), 1); err != nil {
		t.Fatal(err)
	}
	return cluster.ListenAddrs()[0]
}

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
		records[i] = ingestion.Record{Event: event.Event{EventID: uuid.New(), PlayerID: fmt.Sprint(i), EventType: "t", Timestamp: now}, ReceivedAt: now}
	}
	if _, err := postgres.NewStore(pool, nil).Write(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	return dsn
}

func (s *service) metric(t *testing.T, sample string) bool {
	t.Helper()
	_, metrics := s.get(t, "/metrics")
	return strings.Contains(metrics, "\n"+sample+"\n")
}

func TestServe(t *testing.T) {
	dsn, kafka := database(t, 7), brokers(t)
	t.Setenv("GMCTL_DATABASE_URL", dsn)
	t.Setenv("GMCTL_KAFKA_BROKERS", kafka)
	first := start(t)
	eventually(t, "all is published", func() bool { return first.metric(t, "gmctl_relay_events_published_total 7") })
	if !first.metric(t, "gmctl_relay_lag_events 0") || !first.metric(t, "gmctl_relay_lag_seconds 0") {
		t.Error("the metrics do not say that there is no lag")
	}
	if status, body := first.get(t, "/ready"); status != 200 {
		t.Errorf("ready: %d %s", status, body)
	}
	second := start(t)
	eventually(t, "the second relay publishes", func() bool { status, _ := second.get(t, "/ready"); return status == 200 })
	write(t, dsn)
	if err := <-first.done; err == nil || !strings.Contains(err.Error(), "another relay is active") || problem.From(err).Next == "" {
		t.Errorf("the first relay ended with %v", err)
	}
	second.stop()
	if err := <-second.done; err != nil {
		t.Errorf("the second relay ended with %v", err)
	}
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

func TestServeTellsWhyItIsNotReady(t *testing.T) {
	s := start(t, "--database-url", "postgres://u:hidden@127.0.0.1:1/d", "--brokers", brokers(t))
	eventually(t, "the reason is told", func() bool {
		status, body := s.get(t, "/ready")
		return status == 503 && strings.Contains(body, "nothing listens at 127.0.0.1:1") && strings.Contains(body, "next: ")
	})
	if status, _ := s.get(t, "/health"); status != 200 {
		t.Errorf("health: %d", status)
	}
	s.stop()
	<-s.done
	if strings.Contains(s.log.String(), "hidden") {
		t.Error("the log shows the password")
	}
}

func TestServeARestoredDatabase(t *testing.T) {
	dsn, kafka := database(t, 5), brokers(t)
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(t.Context(), "UPDATE platform SET system_identifier = system_identifier + 1"); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--listen", "127.0.0.1:0", "--database-url", dsn, "--brokers", kafka}
	err = execute(t.Context(), io.Discard, flags...)
	if p, ok := errors.AsType[*problem.Error](err); !ok || !strings.Contains(p.What, "is a copy") || !strings.Contains(p.Next, "--adopt") {
		t.Fatalf("a copied database: %v", err)
	}
	s := start(t, "--database-url", dsn, "--brokers", kafka, "--adopt", "new")
	eventually(t, "the adopted database is published", func() bool { status, _ := s.get(t, "/ready"); return status == 200 })
	write(t, dsn)
	eventually(t, "what is new is published", func() bool { return s.metric(t, "gmctl_relay_events_published_total 1") })
	if !strings.Contains(s.log.String(), "adopted") {
		t.Error("the log does not tell of the adoption")
	}
}

func TestFlagsAreChecked(t *testing.T) {
	for flag, value := range map[string]string{"--batch": "0", "--max-poll": "0s", "--lane": "", "--adopt": "some", "--log-level": "loud", "--database-url": "postgres://a b:%"} {
		err := execute(t.Context(), io.Discard, "--brokers", "127.0.0.1:1", flag, value)
		if exitcode.Of(err) != exitcode.Usage || problem.From(err).Next == "" {
			t.Errorf("%s %q: %v", flag, value, err)
		}
	}
}
