package postgres_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// New events are copied in, those among duplicates are inserted: what is stored is
// the same.
func TestBothWaysStoreTheSame(t *testing.T) {
	pool := migrated(t)
	store := postgres.NewStore(pool, nil)
	full := record("玩家", time.Now().AddDate(0, 0, -1).Add(123456*time.Microsecond))
	full.Metadata = json.RawMessage(`{"a":[1,2.50,"\u00e9"],"text":"` + strings.Repeat("x", 5000) + `"}`)
	full.TestRun, full.TraceParent = "run", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	full.Origin = event.Origin{Game: "chess", SentAt: full.Timestamp.Add(time.Second), Traffic: event.TrafficBot}
	bare := record("p", time.Date(1999, 12, 31, 23, 59, 59, 999999000, time.UTC))
	bare.Metadata = nil

	write := func(records ...ingestion.Record) {
		t.Helper()
		if _, err := store.Write(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	again := func(r ingestion.Record) ingestion.Record { r.EventID = uuid.New(); return r }
	inserted := []ingestion.Record{again(full), again(bare)}
	write(full, bare)
	write(append(inserted, full)...)

	row := func(id uuid.UUID) map[string]any {
		t.Helper()
		rows, err := pool.Query(t.Context(), "SELECT * FROM events WHERE event_id = $1", id)
		if err != nil {
			t.Fatal(err)
		}
		found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
		if err != nil {
			t.Fatal(err)
		}
		for _, own := range []string{"event_id", "transaction_id", "seq"} {
			delete(found, own)
		}
		return found
	}
	for i, copied := range []ingestion.Record{full, bare} {
		if diff := cmp.Diff(row(copied.EventID), row(inserted[i].EventID)); diff != "" {
			t.Errorf("copied and inserted differ: %s", diff)
		}
	}
	if got := row(full.EventID); got["game"] != "chess" || !got["timestamp"].(time.Time).Equal(full.Timestamp) || !got["sent_at"].(time.Time).Equal(full.SentAt) {
		t.Errorf("the row is %v", got)
	}
	if n := count(t, pool, "SELECT count(*) FROM events WHERE sent_at IS NULL AND game IS NULL AND test_run IS NULL AND traffic IS NULL AND traceparent IS NULL AND metadata_json IS NULL"); n != 2 {
		t.Errorf("%d bare events, want 2", n)
	}
}
