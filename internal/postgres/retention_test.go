package postgres_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/services/ingestion"
	"github.com/gamemetrics/gmctl/services/relay"
)

// A day goes when it is old enough and all its events are published, and only then.
func TestDropPublished(t *testing.T) {
	pool := migrated(t)
	store, source := postgres.NewStore(pool, nil), sourceOf(t, pool)
	now := time.Now().UTC()
	day := func(back int) time.Time { return now.AddDate(0, 0, -back) }
	write := func(back int) {
		t.Helper()
		if _, err := store.Write(t.Context(), []ingestion.Record{record("p", day(back))}); err != nil {
			t.Fatal(err)
		}
	}
	published := func(at relay.Position) {
		t.Helper()
		if _, err := source.Claim(t.Context(), relay.Claim{Lane: "main", Holder: "r", For: time.Hour, Published: at}); err != nil {
			t.Fatal(err)
		}
	}
	drop := func(want ...int) {
		t.Helper()
		got, err := postgres.DropPublished(t.Context(), pool, day(5))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("dropped %v, want those of %v days back", got, want)
		}
		for i, back := range want {
			if got[i].Format(time.DateOnly) != day(back).Format(time.DateOnly) {
				t.Errorf("dropped %s, want the day %d days back", got[i], back)
			}
		}
	}
	write(9)
	write(8)
	write(7)
	write(5) // not old enough
	drop()   // no relay was there
	events := next(t, source, relay.Position{}, 10)
	published(events[0].Position)
	drop(9)
	write(8) // late, into a day that is otherwise published
	published(events[3].Position)
	drop(7) // the day before it waits, and does not hold it up
	all := next(t, source, events[3].Position, 10)
	published(all[len(all)-1].Position)

	reader, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Rollback(context.Background())
	if _, err := reader.Exec(t.Context(), "SELECT count(*) FROM events"); err != nil {
		t.Fatal(err)
	}
	if got, err := postgres.DropPublished(t.Context(), pool, day(5)); err == nil || len(got) != 0 {
		t.Errorf("beside a reader: dropped %v, %v", got, err)
	}
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "UPDATE platform SET system_identifier = system_identifier + 1"); err != nil {
		t.Fatal(err)
	}
	drop() // of a copy
	if _, err := pool.Exec(t.Context(), "UPDATE platform SET system_identifier = system_identifier - 1"); err != nil {
		t.Fatal(err)
	}
	drop(8)
	drop()
	if left := next(t, source, relay.Position{}, 10); len(left) != 1 {
		t.Errorf("%d events are left, want the one that is not old enough", len(left))
	}
	write(8) // the day is made anew
}

// A relay has had nothing to publish since the day that is dropped, and its cursor speaks
// of an event of that day: of the last one, or of one before it where the lane has noted
// to have read further. That is no loss, also when PostgreSQL has failed over; what comes
// behind the day still has to be there.
func TestAnIdleRelayOutlivesRetention(t *testing.T) {
	pool := migrated(t)
	source := sourceOf(t, pool)
	for _, back := range []int{9, 9, 9, 0} {
		if _, err := postgres.NewStore(pool, nil).Write(t.Context(), []ingestion.Record{record("p", time.Now().AddDate(0, 0, -back))}); err != nil {
			t.Fatal(err)
		}
	}
	events, database := next(t, source, relay.Position{}, 10), databaseOf(t, source)
	if _, err := source.Claim(t.Context(), relay.Claim{Lane: "main", Holder: "r", For: time.Hour, Published: events[3].Position}); err != nil {
		t.Fatal(err)
	}
	if days, err := postgres.DropPublished(t.Context(), pool, time.Now().AddDate(0, 0, -5)); err != nil || len(days) != 1 {
		t.Fatalf("dropped %v, %v", days, err)
	}
	if _, err := pool.Exec(t.Context(), "DELETE FROM events"); err != nil {
		t.Fatal(err)
	}
	for _, timeline := range []uint32{database.Timeline, database.Timeline + 1} {
		for i, e := range events {
			err := source.Verify(t.Context(), relay.Cursor{
				Position: e.Position, EventID: e.EventID.String(), SystemIdentifier: database.SystemIdentifier, Timeline: timeline,
			})
			if lost := i == 3; errors.Is(err, relay.ErrHistory) != lost || !lost && err != nil {
				t.Errorf("with the cursor on event %d, timeline %d: %v", i, timeline, err)
			}
		}
	}
}

// The day of a relay's last event was dropped by a version that did not note it.
func TestAnIdleRelayOutlivesAnUpgrade(t *testing.T) {
	pool := migrated(t)
	source := sourceOf(t, pool)
	if _, err := postgres.NewStore(pool, nil).Write(t.Context(), []ingestion.Record{record("p", time.Now())}); err != nil {
		t.Fatal(err)
	}
	last, database := next(t, source, relay.Position{}, 1)[0], databaseOf(t, source)
	if _, err := source.Claim(t.Context(), relay.Claim{Lane: "main", Holder: "r", For: time.Hour, Published: last.Position}); err != nil {
		t.Fatal(err)
	}
	downTo(t, pool, 13)
	if _, err := pool.Exec(t.Context(), "DELETE FROM events"); err != nil {
		t.Fatal(err)
	}
	if err := postgres.Migrate(t.Context(), pool, nil); err != nil {
		t.Fatal(err)
	}
	cursor := relay.Cursor{Position: last.Position, EventID: last.EventID.String(), SystemIdentifier: database.SystemIdentifier, Timeline: database.Timeline}
	if err := source.Verify(t.Context(), cursor); err != nil {
		t.Error(err)
	}
	cursor.Seq++
	if err := source.Verify(t.Context(), cursor); !errors.Is(err, relay.ErrHistory) {
		t.Errorf("behind what was published then: %v, want ErrHistory", err)
	}
}

// downTo undoes the migrations behind a version.
func downTo(t *testing.T, pool *pgxpool.Pool, version int64) {
	t.Helper()
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("migrations"), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err == nil {
		_, err = provider.DownTo(t.Context(), version)
	}
	if err != nil {
		t.Fatal(err)
	}
}
