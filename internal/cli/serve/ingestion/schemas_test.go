package ingestion_test

import (
	"strings"
	"testing"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/schemas"
	"github.com/gamemetrics/gmctl/internal/testenv/serve"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// A schema is in force soon after it is stored, without a restart, and no longer
// soon after it is deleted; what it rejects is kept once.
func TestServeLearnsOfSchemas(t *testing.T) {
	dsn := pg.Database(t)
	s := command.Start(t, "--migrate", "--database-url", dsn, "--dead-letters")
	serve.Eventually(t, "the service is ready", func() bool { return s.Ready(t) })
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	table := postgres.NewSchemas(pool)
	body := event("p1", `{"level":"seven"}`)
	status := func() int {
		status, _ := s.Post(t, eventapi.EventsPath, body)
		return status
	}
	if got := status(); got != 201 {
		t.Fatalf("without a schema: %d", got)
	}
	if _, err := table.Put(t.Context(), "login", schemas.Strict, []byte(`{"properties":{"level":{"type":"integer"}}}`)); err != nil {
		t.Fatal(err)
	}
	serve.Eventually(t, "the schema is in force", func() bool { return status() == 400 })
	if _, answer := s.Post(t, eventapi.EventsPath, body); !strings.Contains(answer, `"field":"metadata.level","code":"schema"`) {
		t.Errorf("the answer is %s", answer)
	}
	if n := count(t, dsn, `SELECT count(*) FROM outbox WHERE topic = 'dlq.events' AND player_id = 'p1' AND value = $1`, []byte(body)); n != 1 {
		t.Errorf("the rejected event is kept %d times", n)
	}
	if _, err := table.Delete(t.Context(), "login"); err != nil {
		t.Fatal(err)
	}
	serve.Eventually(t, "the schema is in force no longer", func() bool { return status() == 201 })
}
