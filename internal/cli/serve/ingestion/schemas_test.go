package ingestion_test

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/schemas"
	"github.com/gamemetrics/gmctl/internal/testenv/serve"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// schemasOf is the table of schemas of a service that is ready.
func schemasOf(t *testing.T, dsn string) *postgres.Schemas {
	t.Helper()
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return postgres.NewSchemas(pool)
}

// A schema is in force soon after it is stored, without a restart, and no longer
// soon after it is deleted; what it rejects is kept once.
func TestServeLearnsOfSchemas(t *testing.T) {
	dsn := pg.Database(t)
	s := command.Start(t, "--migrate", "--database-url", dsn, "--dead-letters")
	serve.Eventually(t, "the service is ready", func() bool { return s.Ready(t) })
	table := schemasOf(t, dsn)
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

// A schema may list thousands of values, and events are rejected by the thousand: the
// answer comes, and says why.
func TestServeRejectsManyByALargeSchema(t *testing.T) {
	dsn := pg.Database(t)
	s := command.Start(t, "--migrate", "--database-url", dsn, "--dead-letters")
	serve.Eventually(t, "the service is ready", func() bool { return s.Ready(t) })
	items := make([]string, 5000)
	for i := range items {
		items[i] = fmt.Sprintf(`"item-of-the-shop-%08d"`, i)
	}
	schema := `{"properties":{"item":{"enum":[` + strings.Join(items, ",") + `]}}}`
	if _, err := schemasOf(t, dsn).Put(t.Context(), "login", schemas.Strict, []byte(schema)); err != nil {
		t.Fatal(err)
	}
	bodies := make([]string, eventapi.MaxBatch)
	for i := range bodies {
		bodies[i] = event(fmt.Sprintf("p%d", i), `{"item":"none"}`)
	}
	serve.Eventually(t, "the schema is in force", func() bool {
		status, answer := s.Post(t, eventapi.EventsPath, bodies[0])
		return status == 400 && strings.Contains(answer, "item-of-the-shop-00000000")
	})
	if status, answer := s.Post(t, eventapi.BatchPath, "["+strings.Join(bodies, ",")+"]"); status != 207 || strings.Count(answer, `"code":"schema"`) != len(bodies) {
		t.Errorf("the batch is answered %d with %d bytes", status, len(answer))
	}
}

// What a rejected event says of its player and its id may be of any length: the letter
// is kept, as that of nobody.
func TestServeKeepsLettersOfLongIDs(t *testing.T) {
	dsn := pg.Database(t)
	s := command.Start(t, "--migrate", "--database-url", dsn, "--dead-letters")
	serve.Eventually(t, "the service is ready", func() bool { return s.Ready(t) })
	long := make([]byte, 300<<10)
	_, _ = rand.Read(long)
	text := hex.EncodeToString(long) // does not compress to what an index takes
	body := `[{"playerId":"` + text[:8<<10] + `"},{"eventId":"` + text + `"},` + event("p1", `{}`) + `]`
	if status, answer := s.Post(t, eventapi.BatchPath, body); status != 207 || !strings.Contains(answer, `"stored":1,`) {
		t.Fatalf("the batch is answered %d %.300s", status, answer)
	}
	if n := count(t, dsn, `SELECT count(*) FROM outbox WHERE player_id = '' AND array_to_string(headers, '') NOT LIKE '%'||$1||'%'`, text[:100]); n != 2 {
		t.Errorf("%d letters are kept as those of nobody", n)
	}
}
