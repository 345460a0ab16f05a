package postgres_test

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/services/ingestion"
	"github.com/gamemetrics/gmctl/services/relay"
)

// What relays note of their progress makes the backlog; the one that is furthest
// behind counts, and no one's word takes another one's lane.
func TestBacklogAndLanes(t *testing.T) {
	pool := migrated(t)
	store, source := postgres.NewStore(pool, nil), sourceOf(t, pool)
	backlog := func() ingestion.Backlog {
		t.Helper()
		b, err := store.Backlog(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	claim := func(lane, holder string, at relay.Position) string {
		t.Helper()
		is, err := source.Claim(t.Context(), relay.Claim{Lane: lane, Holder: holder, For: time.Hour, Published: at})
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	if b := backlog(); b != (ingestion.Backlog{}) {
		t.Errorf("nothing is stored: %+v", b)
	}
	records := make([]ingestion.Record, 1000)
	for i := range records {
		records[i] = record(fmt.Sprint("p", i), time.Now())
	}
	if _, err := store.Write(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	if b := backlog(); b.Events != 1000 || b.Bytes < 100_000 || b.Bytes > 2_000_000 {
		t.Errorf("1000 events are stored, no relay was there: %+v", b)
	}
	events := next(t, source, relay.Position{}, 1000)
	if holder := claim("main", "a", events[599].Position); holder != "a" {
		t.Errorf("a free lane is held by %q", holder)
	}
	if b := backlog(); b.Events != 1000-events[599].Seq {
		t.Errorf("600 are published: %+v", b)
	}
	if holder := claim("main", "b", events[999].Position); holder != "a" {
		t.Errorf("b asked for a's lane, which is now held by %q", holder)
	}
	if b := backlog(); b.Events != 1000-events[599].Seq {
		t.Errorf("b, who stands by, has moved the position: %+v", b)
	}
	if holder := claim("main", "a", relay.Position{}); holder != "a" {
		t.Errorf("a keeps its lane, which is held by %q", holder)
	}
	if b := backlog(); b.Events != 1000-events[599].Seq {
		t.Errorf("the position went back: %+v", b)
	}
	if err := source.Leave(t.Context(), relay.Claim{Lane: "main", Holder: "b", Published: events[999].Position}); err != nil {
		t.Fatal(err)
	}
	if holder := claim("main", "b", events[999].Position); holder != "a" {
		t.Errorf("b has made a leave: %q", holder)
	}
	if err := source.Leave(t.Context(), relay.Claim{Lane: "main", Holder: "a", Published: events[999].Position}); err != nil {
		t.Fatal(err)
	}
	if b := backlog(); b.Events > 1000-events[999].Seq {
		t.Errorf("all is published: %+v", b)
	}
	if holder := claim("main", "b", relay.Position{}); holder != "b" {
		t.Errorf("the lane was left, and is held by %q", holder)
	}
	if _, err := pool.Exec(t.Context(), "UPDATE relay_lanes SET held_until = clock_timestamp() - interval '1 ms'"); err != nil {
		t.Fatal(err)
	}
	if holder := claim("main", "c", relay.Position{}); holder != "c" {
		t.Errorf("the lease was over, and the lane is held by %q", holder)
	}
	if _, err := pool.Exec(t.Context(), "UPDATE relay_lanes SET held_until = clock_timestamp() + interval '1 day'"); err != nil {
		t.Fatal(err)
	}
	if holder := claim("main", "d", relay.Position{}); holder != "d" {
		t.Errorf("the clock was set back, and the lane is held by %q", holder)
	}
	if claim("second", "e", events[99].Position); backlog().Events != 1000-events[99].Seq {
		t.Errorf("a second lane is further behind: %+v", backlog())
	}
}

// Rejected events that are not published are part of the backlog, by their size.
func TestBacklogOfLetters(t *testing.T) {
	pool := migrated(t)
	store, outbox := postgres.NewStore(pool, nil), outboxOf(t, pool)
	backlog := func(when string, atLeast, atMost int64) {
		t.Helper()
		b, err := store.Backlog(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if b.Letters < atLeast || b.Letters > atMost || b.Bytes != b.Letters || b.Events != 0 {
			t.Errorf("%s: %+v, want %d to %d bytes of letters and no event", when, b, atLeast, atMost)
		}
	}
	backlog("nothing is kept", 0, 0)
	keep := func(n, size int) {
		t.Helper()
		for range n {
			body := make([]byte, size)
			if _, err := rand.Read(body); err != nil {
				t.Fatal(err)
			}
			if err := postgres.NewLetters(pool, nil).Keep(t.Context(), []ingestion.Letter{{Body: body, Reason: "malformed"}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	keep(20, 50_000)
	backlog("20 large ones are kept", 1_000_000, 1_100_000)
	all := next(t, outbox, relay.Position{}, 20)
	outboxPublished(t, outbox, all[14].Position)
	backlog("5 are not published", 250_000, 275_000)
	outboxPublished(t, outbox, all[19].Position)
	backlog("all are published", 0, 0)
	keep(1500, 1000)
	backlog("1500 are not published", 1_500_000, 2_300_000)
}

// Writes that fail use up the sequence, and leave nothing for a relay to publish.
func TestBacklogOfFailedWrites(t *testing.T) {
	pool := migrated(t)
	store, source := postgres.NewStore(pool, nil), sourceOf(t, pool)
	now := time.Now()
	if _, err := store.Write(t.Context(), []ingestion.Record{record("p", now), record("p", now), record("p", now.AddDate(0, 0, -1))}); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "SELECT nextval('events_seq') FROM generate_series(1, 20000)"); err != nil {
		t.Fatal(err)
	}
	events := next(t, source, relay.Position{}, 10)
	for i, waits := range []bool{true, true, false} {
		if _, err := source.Claim(t.Context(), relay.Claim{Lane: "main", Holder: "a", For: time.Hour, Published: events[i].Position}); err != nil {
			t.Fatal(err)
		}
		b, err := store.Backlog(t.Context())
		if err != nil || (b.Events > 0 && b.Bytes > 0) != waits || !waits && b != (ingestion.Backlog{}) {
			t.Errorf("%d of 3 events are published: %+v, %v", i+1, b, err)
		}
	}
}
