package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/services/ingestion"
	"github.com/gamemetrics/gmctl/services/relay"
)

func setLanes(t *testing.T, source *postgres.Source, lanes int, change bool) relay.Layout {
	t.Helper()
	changed, err := source.SetLanes(t.Context(), lanes)
	if err != nil || changed != change {
		t.Fatalf("SetLanes(%d): %t, %v", lanes, changed, err)
	}
	layouts, err := source.Layouts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return layouts[len(layouts)-1]
}

// reachOf reads all that a lane has, in batches of three.
func reachOf(t *testing.T, lane relay.Source, from relay.Position) (events []relay.Event, reach relay.Reach) {
	t.Helper()
	for at := from; ; {
		n := 0
		var err error
		reach, err = lane.Next(t.Context(), databaseOf(t, lane), at, 3, func(e *relay.Event) bool {
			if !at.Before(e.Position) {
				t.Errorf("%s comes behind %s", e.Position, at)
			}
			at, n = e.Position, n+1
			events = append(events, *e)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return events, reach
		}
	}
}

// Each event is on one lane of the layout in which it was stored, and each player's
// on the same one; a lane tells when its layout is over, not before.
func TestLanesShareTheEvents(t *testing.T) {
	pool := migrated(t)
	store, source := postgres.NewStore(pool, nil), sourceOf(t, pool)
	write := func(n int) {
		t.Helper()
		records := make([]ingestion.Record, n)
		for i := range records {
			records[i] = record(fmt.Sprint("p", i%20), time.Now())
		}
		if _, err := store.Write(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	write(50)
	main := source.Part(relay.Part{Epoch: 0, Lanes: 1})
	if events, reach := reachOf(t, main, relay.Position{}); len(events) != 50 || reach.End != nil {
		t.Errorf("the only lane has %d events, end %v", len(events), reach.End)
	}
	setLanes(t, source, 1, false)
	four := setLanes(t, source, 4, true)
	setLanes(t, source, 4, false)
	write(60)
	two := setLanes(t, source, 2, true)
	write(70)
	open, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer open.Rollback(context.Background())
	if _, err := open.Exec(t.Context(), "SELECT pg_current_xact_id()"); err != nil {
		t.Fatal(err)
	}
	setLanes(t, source, 3, true)

	once := map[uuid.UUID]int{}
	for _, layout := range []struct {
		epoch, lanes, events int
		from, end            relay.Position
	}{
		{0, 1, 50, relay.Position{}, four.From},
		{1, 4, 60, four.From, two.From},
		{2, 2, 70, two.From, relay.Position{}}, // a transaction from before the next one is open
	} {
		total, laneOf := 0, map[string]int{}
		for i := range layout.lanes {
			lane := source.Part(relay.Part{Epoch: layout.epoch, Lanes: layout.lanes, Index: i})
			events, reach := reachOf(t, lane, layout.from)
			for _, e := range events {
				once[e.EventID]++
				if other, known := laneOf[e.PlayerID]; known && other != i {
					t.Errorf("player %s is on lanes %d and %d", e.PlayerID, i, other)
				}
				laneOf[e.PlayerID] = i
			}
			total += len(events)
			var end relay.Position
			if reach.End != nil {
				end = *reach.End
			}
			if diff := cmp.Diff(layout.end, end); diff != "" {
				t.Errorf("layout %d, lane %d ends: %s", layout.epoch, i, diff)
			}
		}
		if total != layout.events || len(laneOf) != 20 {
			t.Errorf("layout %d has %d events of %d players, want %d of 20", layout.epoch, total, len(laneOf), layout.events)
		}
	}
	if len(once) != 180 {
		t.Errorf("%d events are on lanes, want 180", len(once))
	}
}

// Two replicas that start at once make one layout.
func TestSetLanesAtOnce(t *testing.T) {
	pool := migrated(t)
	var replicas errgroup.Group
	for range 8 {
		source := sourceOf(t, pool)
		replicas.Go(func() error {
			_, err := source.SetLanes(t.Context(), 16)
			return err
		})
	}
	if err := replicas.Wait(); err != nil {
		t.Fatal(err)
	}
	if newest := setLanes(t, sourceOf(t, pool), 16, false); newest.Epoch != 1 {
		t.Errorf("there are %d layouts", newest.Epoch+1)
	}
}

// Neither the quota nor the retention forgets a lane that has yet to begin, or waits
// for one that has finished.
func TestBacklogAndRetentionWithLanes(t *testing.T) {
	pool := migrated(t)
	store, source := postgres.NewStore(pool, nil), sourceOf(t, pool)
	topics := []uuid.UUID{uuid.New()}
	write := func(n, back int) {
		t.Helper()
		records := make([]ingestion.Record, n)
		for i := range records {
			records[i] = record(fmt.Sprint("p", i), time.Now().AddDate(0, 0, -back))
		}
		if _, err := store.Write(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	note := func(lane string, at relay.Position) {
		t.Helper()
		if _, err := source.Claim(t.Context(), relay.Claim{Lane: lane, Holder: "r", For: time.Hour, Published: at, Topics: topics}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what string, events int64, dropped int) {
		t.Helper()
		b, err := store.Backlog(t.Context())
		if err != nil || b.Events != events {
			t.Errorf("%s: %d events wait, want %d (%v)", what, b.Events, events, err)
		}
		at, err := source.Progress(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		there := int64(count(t, pool, "SELECT count(*) FROM events")) // of what waits, too
		if lag, err := source.Lag(t.Context(), at); err != nil || lag.Events != min(events, there) {
			t.Errorf("%s: the lag is %d events, want %d (%v)", what, lag.Events, min(events, there), err)
		}
		days, err := postgres.DropPublished(t.Context(), pool, time.Now().AddDate(0, 0, -5))
		if err != nil || len(days) != dropped {
			t.Errorf("%s: dropped %v, want %d days (%v)", what, days, dropped, err)
		}
	}
	write(10, 9)
	last := next(t, source, relay.Position{}, 100)[9].Position
	note("main", last)
	two := setLanes(t, source, 2, true)
	write(20, 8)
	expect("the new lanes have yet to begin", 20, 1)
	note("main", two.From)
	expect("the old lane has finished", 20, 0)
	end := next(t, source, last, 100)[19].Position
	note("main-1-0", end)
	expect("one of two lanes has yet to begin", 20, 0)
	note("main-1-1", end)
	expect("both have published", 0, 1)
	topics = []uuid.UUID{uuid.New()} // another Kafka
	write(5, 7)
	note("main", last)
	if err := source.Forget(t.Context(), 0, topics); err != nil {
		t.Fatal(err)
	}
	expect("another Kafka has nothing of the second layout", 25, 0)
	note("main", two.From)
	expect("it has yet to begin there", 25, 0)
}

// Lanes of a later layout are claimed while Kafka cannot be reached, and lane main, which
// has all that is stored, was never begun: nothing of it is published.
func TestBacklogAndRetentionBeforeTheFirstLaneBegins(t *testing.T) {
	pool := migrated(t)
	store, source := postgres.NewStore(pool, nil), sourceOf(t, pool)
	for range 10 {
		if _, err := store.Write(t.Context(), []ingestion.Record{record("p", time.Now().AddDate(0, 0, -9))}); err != nil {
			t.Fatal(err)
		}
	}
	setLanes(t, source, 2, true)
	for _, lane := range []string{"main-1-0", "main-1-1"} {
		if _, err := source.Claim(t.Context(), relay.Claim{Lane: lane, Holder: "r", For: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := store.Backlog(t.Context()); err != nil || b.Events != 10 {
		t.Errorf("%d events wait, want 10 (%v)", b.Events, err)
	}
	if days, err := postgres.DropPublished(t.Context(), pool, time.Now().AddDate(0, 0, -5)); err != nil || len(days) != 0 {
		t.Errorf("dropped %v, which nobody has published (%v)", days, err)
	}
}
