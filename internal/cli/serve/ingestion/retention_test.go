package ingestion_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/testenv/serve"
	gameevent "github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/ingestion"
	"github.com/gamemetrics/gmctl/services/relay"
)

// What retention drops, and what is the oldest day then, can be seen.
func TestServeDropsOldDays(t *testing.T) {
	dsn := pg.Database(t)
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := postgres.Migrate(t.Context(), pool, nil); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	for _, back := range []int{60, 50, 20} {
		old := ingestion.Record{Received: gameevent.Received{
			Event: gameevent.Event{EventID: uuid.New(), PlayerID: "p", EventType: "t", Timestamp: now.AddDate(0, 0, -back)}, ReceivedAt: now,
		}}
		if _, err := postgres.NewStore(pool, nil).Write(t.Context(), []ingestion.Record{old}); err != nil {
			t.Fatal(err)
		}
	}
	source, err := postgres.NewSource(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	all := relay.Claim{Lane: "main", Holder: "r", For: time.Hour, Published: relay.Position{Xid: 1 << 60}}
	if _, err := source.Claim(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	s := command.Start(t, "--database-url", dsn, "--retention", "40")
	oldest := now.AddDate(0, 0, -20).Truncate(24 * time.Hour).Unix()
	serve.Eventually(t, "the oldest day is known", func() bool {
		_, metrics := s.Get(t, "/metrics")
		return strings.Contains(metrics, fmt.Sprintf("gamemetrics_ingestion_oldest_day_timestamp_seconds %g\n", float64(oldest))) &&
			strings.Contains(metrics, "gamemetrics_ingestion_days_dropped_total 2\n")
	})
	if err := s.Stop(t); err != nil {
		t.Errorf("the service ended with %v", err)
	}
}
