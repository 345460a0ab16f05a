package postgres_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

func TestMigrateFromSeveralReplicasAtOnce(t *testing.T) {
	dsn := pg.Database(t)
	applied := make(chan postgres.Migration, 100)
	var replicas errgroup.Group
	for range 6 {
		replicas.Go(func() error {
			pool, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn, MaxConns: 2})
			if err != nil {
				return err
			}
			defer pool.Close()
			return postgres.Migrate(t.Context(), pool, func(m postgres.Migration) { applied <- m })
		})
	}
	if err := replicas.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(applied) != len(migrations(t)) {
		t.Errorf("%d migrations were applied", len(applied))
	}
}

func migrations(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	return files
}

// A migration that waits for someone who reads the table keeps no writer waiting
// for longer than a moment.
func TestMigrateLetsWritersGoOn(t *testing.T) {
	pool := migrated(t)
	for _, undo := range []string{
		"ALTER TABLE events DROP COLUMN game, DROP COLUMN sent_at, DROP COLUMN traffic, DROP COLUMN traceparent",
		"DELETE FROM goose_db_version WHERE version_id = 3",
	} {
		if _, err := pool.Exec(t.Context(), undo); err != nil {
			t.Fatal(err)
		}
	}
	reader, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Rollback(context.Background())
	if _, err := reader.Exec(t.Context(), "SELECT count(*) FROM events"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- postgres.Migrate(t.Context(), pool, nil) }()
	for range 5 {
		limited, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := pool.Exec(limited, `INSERT INTO events (event_id, player_id, event_type, "timestamp") VALUES (gen_random_uuid(), 'p', 't', now())`)
		cancel()
		if err != nil {
			t.Errorf("a write beside a migration that waits: %v", err)
		}
		time.Sleep(300 * time.Millisecond)
	}
	select {
	case err := <-done:
		t.Fatalf("the migration did not wait: %v", err)
	default:
	}
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPendingChangesNothing(t *testing.T) {
	pool := opened(t, pg.Database(t))
	pending, err := postgres.Pending(t.Context(), pool)
	if err != nil || len(pending) != len(migrations(t)) || pending[0].Name != "00001_events.sql" {
		t.Fatalf("Pending: %v, %v", pending, err)
	}
	if n := count(t, pool, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"); n != 0 {
		t.Errorf("Pending made %d relations", n)
	}
	if err := postgres.Migrate(t.Context(), pool, nil); err != nil {
		t.Fatal(err)
	}
	if pending, err := postgres.Pending(t.Context(), pool); err != nil || len(pending) != 0 {
		t.Errorf("after Migrate: %v, %v", pending, err)
	}
}

func TestPartitionsAreUTCDays(t *testing.T) {
	pool := migrated(t)
	store := postgres.NewStore(pool, nil)
	for _, at := range []time.Time{
		time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 1, 1, 23, 59, 59, 999999000, time.UTC),
		time.Date(2026, 1, 2, 3, 0, 0, 0, time.FixedZone("", 5*3600)), // 22:00 the day before, in UTC
		time.Date(1969, 12, 31, 12, 0, 0, 0, time.UTC),
	} {
		if _, err := store.Write(t.Context(), []ingestion.Record{record("p", at)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, pool, "SELECT count(*) FROM events_2026_01_01"); n != 3 {
		t.Errorf("%d events on 2026-01-01, want 3", n)
	}
	if n := count(t, pool, "SELECT count(*) FROM events_1969_12_31"); n != 1 {
		t.Errorf("%d events on 1969-12-31, want 1", n)
	}
}

// A partition is made while a transaction that has written to events is open,
// and while another session makes the same one.
func TestPartitionsAreMadeUnderLoad(t *testing.T) {
	pool := migrated(t)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	if _, err := tx.Exec(t.Context(), `INSERT INTO events (event_id, player_id, event_type, "timestamp") VALUES (gen_random_uuid(), 'p', 't', now())`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var makers errgroup.Group
	for range 5 {
		makers.Go(func() error {
			days := make([]time.Time, 10)
			for i := range days {
				days[i] = time.Date(2026, 5, 1+i, 0, 0, 0, 0, time.UTC)
			}
			return postgres.EnsurePartitions(ctx, pool, days)
		})
	}
	if err := makers.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, pool, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass AND inhrelid::regclass::text LIKE 'events_2026_05%'"); n != 10 {
		t.Errorf("%d partitions attached, want 10", n)
	}
	if n := count(t, pool, "SELECT count(*) FROM pg_indexes WHERE tablename = 'events_2026_05_01'"); n != 3 {
		t.Errorf("%d indexes on a partition, want 3", n)
	}
}

func TestTheApplicationUserNeedsNoPrivilege(t *testing.T) {
	pool := migrated(t)
	if n := count(t, pool, "SELECT count(*) FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolcreaterole OR rolcreatedb)"); n != 0 {
		t.Error("the test runs as a privileged user")
	}
	var identifier int64
	err := pool.QueryRow(t.Context(), "SELECT system_identifier FROM platform").Scan(&identifier)
	if err != nil || identifier == 0 {
		t.Errorf("platform: %d, %v", identifier, err)
	}
}
