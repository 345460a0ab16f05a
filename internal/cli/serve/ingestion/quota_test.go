package ingestion_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/internal/cli/serve/relay"
	testkafka "github.com/gamemetrics/gmctl/internal/testenv/kafka"
	"github.com/gamemetrics/gmctl/internal/testenv/serve"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// While Kafka is away events are taken until the quota of the disk is used up, and the
// service warns; then they are refused, by a service that stays ready: who is not gets
// no requests to answer. When a relay has published them they are taken again.
func TestServeHoldsToTheBacklogQuota(t *testing.T) {
	dsn := pg.Database(t)
	s := command.Start(t, "--migrate", "--database-url", dsn, "--dead-letters", "--backlog-quota", "200000")
	serve.Eventually(t, "the service is ready", func() bool { return s.Ready(t) })
	unanalyzed(t, dsn)
	stored := 0
	post := func(path, body string) *http.Response {
		t.Helper()
		response, err := http.Post("http://"+s.Address+path, eventapi.JSON, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response
	}
	// store has n events stored, or all of them refused.
	store := func(n int) (taken bool) {
		t.Helper()
		events := make([]string, n)
		for i := range events {
			events[i] = event(fmt.Sprint("p", stored+i), "null")
		}
		answer := post(eventapi.BatchPath, "["+strings.Join(events, ",")+"]")
		switch {
		case answer.StatusCode == http.StatusOK:
			stored += n
			return true
		case answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "":
			t.Errorf("events are answered %s with %v", answer.Status, answer.Header)
		}
		return false
	}
	// says returns whether readiness is green and says something of the backlog.
	says := func(status, reason string) bool {
		t.Helper()
		code, body := s.Get(t, eventapi.ReadyPath)
		if code != http.StatusOK {
			t.Fatalf("readiness is %d %s", code, body)
		}
		return strings.Contains(body, `"name":"backlog","status":"`+status+`"`) && strings.Contains(body, reason)
	}
	if !store(1) || !says("ok", "") {
		t.Error("an event is not stored, or is too much already")
	}
	if !store(220) {
		t.Error("events are refused far below the quota")
	}
	serve.Eventually(t, "it warns", func() bool { return says("warning", "are stored and not published") })
	if !store(1) {
		t.Error("events are refused below the quota")
	}
	if answer := post(eventapi.EventsPath, "{}"); answer.StatusCode != http.StatusBadRequest {
		t.Errorf("below the quota an event that is wrong is answered %s", answer.Status)
	}
	if !store(200) {
		t.Error("events are refused below the quota")
	}
	serve.Eventually(t, "it says that events are refused", func() bool { return says("warning", "events are answered with 503") })
	if store(1) {
		t.Error("an event is taken beyond the quota")
	}
	if answer := post(eventapi.EventsPath, "{}"); answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("beyond the quota an event that is wrong, and cannot be kept, is answered %s with %v", answer.Status, answer.Header)
	}
	if n := count(t, dsn, "SELECT count(*) FROM events"); n != stored {
		t.Errorf("%d events are there, %d were taken", n, stored)
	}

	lettersWait := func() bool {
		_, metrics := s.Get(t, "/metrics")
		return !strings.Contains(metrics, "gamemetrics_ingestion_backlog_letters_bytes 0\n")
	}
	if !lettersWait() {
		t.Error("the rejected event that is kept is not part of the backlog")
	}
	publish(t, dsn)
	serve.Eventually(t, "events are taken again", func() bool { return store(1) })
	serve.Eventually(t, "nothing is left to warn of", func() bool { return says("ok", "") && !lettersWait() })
	if err := s.Stop(t); err != nil {
		t.Errorf("the service ended with %v", err)
	}
	for _, said := range []string{"the backlog quota is used up", "events are taken again"} {
		if strings.Count(s.Log(), said) != 1 {
			t.Errorf("the log does not say once that %s: %s", said, s.Log())
		}
	}
}

// unanalyzed keeps autovacuum from the events: each is taken for 600 bytes.
func unanalyzed(t *testing.T, dsn string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `DO $$
DECLARE day regclass;
BEGIN
    FOR day IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'events'::regclass LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', day);
    END LOOP;
END $$`)
	if err != nil {
		t.Fatal(err)
	}
}

// publish runs a relay to a Kafka of the test's own.
func publish(t *testing.T, dsn string) {
	t.Helper()
	serve.Command(relay.NewCommand).Start(t, "--database-url", dsn, "--brokers", testkafka.Fake(t))
}
