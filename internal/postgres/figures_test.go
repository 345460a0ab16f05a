package postgres_test

import (
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

func TestMeasure(t *testing.T) {
	pool := migrated(t)
	empty, err := postgres.Measure(t.Context(), pool)
	if err != nil || empty.Events != 0 || !empty.Oldest.IsZero() || empty.Approx {
		t.Fatalf("of an empty table: %+v, %v", empty, err)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	records := []ingestion.Record{record("a", now.AddDate(0, 0, -2)), record("b", now), record("c", now.AddDate(0, 0, 1))}
	records[2].TestRun = "run"
	if _, err := postgres.NewStore(pool, nil).Write(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	f, err := postgres.Measure(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	if f.Events != 2 || !f.Oldest.Equal(records[0].Timestamp) || !f.Newest.Equal(now) || f.Approx || f.Bytes <= empty.Bytes {
		t.Errorf("%+v; the test event must not count", f)
	}
}

// Someone waits for the figures: when the table cannot be counted in time they
// are estimated, and say so.
func TestMeasureEstimatesWhatItCannotCount(t *testing.T) {
	pool := migrated(t)
	var records []ingestion.Record
	for range 5000 {
		records = append(records, record("a", time.Now()))
	}
	if _, err := postgres.NewStore(pool, nil).Write(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	// Reading a row now takes a moment, as if there were very many.
	for _, statement := range []string{
		"ANALYZE events",
		"CREATE FUNCTION slow() RETURNS boolean LANGUAGE sql VOLATILE AS 'SELECT pg_sleep(0.001) IS NOT NULL'",
		"ALTER TABLE events ENABLE ROW LEVEL SECURITY",
		"ALTER TABLE events FORCE ROW LEVEL SECURITY",
		"CREATE POLICY slowly ON events USING (slow())",
	} {
		if _, err := pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	f, err := postgres.Measure(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	if elapsed := time.Since(began); elapsed > 2*time.Second {
		t.Errorf("took %s", elapsed)
	}
	today := time.Now().UTC().Truncate(24 * time.Hour)
	if !f.Approx || f.Events < 4000 || f.Events > 6000 || f.Newest.After(today) || f.Oldest.Before(today.AddDate(0, 0, -1)) {
		t.Errorf("%+v", f)
	}
}
