package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

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

// A relay has had nothing to publish since the day that is dropped. When PostgreSQL fails
// over, nothing is lost for that.
func TestAnIdleRelayOutlivesRetention(t *testing.T) {
	pool := migrated(t)
	source := sourceOf(t, pool)
	for range 3 {
		if _, err := postgres.NewStore(pool, nil).Write(t.Context(), []ingestion.Record{record("p", time.Now().AddDate(0, 0, -9))}); err != nil {
			t.Fatal(err)
		}
	}
	events, database := next(t, source, relay.Position{}, 10), databaseOf(t, source)
	cursorOf := func(e relay.Event) relay.Cursor {
		return relay.Cursor{Position: e.Position, EventID: e.EventID.String(), SystemIdentifier: database.SystemIdentifier, Timeline: database.Timeline + 1}
	}
	if _, err := source.Claim(t.Context(), relay.Claim{Lane: "main", Holder: "r", For: time.Hour, Published: events[2].Position}); err != nil {
		t.Fatal(err)
	}
	if days, err := postgres.DropPublished(t.Context(), pool, time.Now().AddDate(0, 0, -5)); err != nil || len(days) != 1 {
		t.Fatalf("dropped %v, %v", days, err)
	}
	if err := source.Verify(t.Context(), cursorOf(events[2])); err != nil {
		t.Errorf("with the cursor on the last event of the day: %v", err)
	}
	if err := source.Verify(t.Context(), cursorOf(events[1])); !errors.Is(err, relay.ErrHistory) {
		t.Errorf("with the cursor on an event that no relay stayed at: %v, want ErrHistory", err)
	}
}
