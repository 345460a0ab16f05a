package postgres_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

func record(player string, at time.Time) ingestion.Record {
	return ingestion.Record{Received: event.Received{
		Event: event.Event{
			EventID: uuid.New(), PlayerID: player, EventType: "login",
			Timestamp: at.UTC().Truncate(time.Microsecond), Metadata: json.RawMessage(`{"level":3}`),
		},
		ReceivedAt: time.Now().UTC().Truncate(time.Microsecond),
	}}
}

func count(t *testing.T, pool *pgxpool.Pool, query string, args ...any) int {
	t.Helper()
	var n int
	if err := pool.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWriteStoresEachEventOnce(t *testing.T) {
	pool := migrated(t)
	woken := 0
	store := postgres.NewStore(pool, func() { woken++ })
	now := time.Now()
	a, b, c := record("p1", now), record("p2", now), record("p3", now.AddDate(0, 0, -20))
	c.Metadata, c.TestRun = nil, "run-7"

	write := func(records ...ingestion.Record) []ingestion.Outcome {
		t.Helper()
		outcomes, err := store.Write(t.Context(), records)
		if err != nil {
			t.Fatal(err)
		}
		return outcomes
	}
	const stored, duplicate = ingestion.Stored, ingestion.Duplicate
	for _, step := range []struct {
		name    string
		records []ingestion.Record
		want    []ingestion.Outcome
	}{
		{"new events", []ingestion.Record{a, b}, []ingestion.Outcome{stored, stored}},
		{"a retry", []ingestion.Record{a}, []ingestion.Outcome{duplicate}},
		{"a retry among new ones", []ingestion.Record{b, c, a}, []ingestion.Outcome{duplicate, stored, duplicate}},
	} {
		if diff := cmp.Diff(step.want, write(step.records...)); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
	twice := record("p4", now)
	if diff := cmp.Diff([]ingestion.Outcome{stored, duplicate}, write(twice, twice)); diff != "" {
		t.Errorf("the same event twice in one group: %s", diff)
	}
	if n := count(t, pool, "SELECT count(*) FROM events"); n != 4 {
		t.Errorf("%d rows, want 4", n)
	}
	if woken != 3 {
		t.Errorf("woken %d times, want once for each write that stored something new", woken)
	}
	var testRun string
	if err := pool.QueryRow(t.Context(), "SELECT test_run FROM events WHERE event_id = $1 AND metadata_json IS NULL", c.EventID).Scan(&testRun); err != nil || testRun != "run-7" {
		t.Errorf("test_run %q, %v", testRun, err)
	}
}

// A key that is taken by another event is told from a retry, by what the event
// says itself.
func TestWriteTellsAConflictFromARetry(t *testing.T) {
	pool := migrated(t)
	store := postgres.NewStore(pool, nil)
	a, plain := record("p1", time.Now()), record("p1", time.Now().AddDate(0, 0, -3))
	a.Metadata, plain.Metadata = json.RawMessage(`{"level":3,"name":"a b"}`), nil
	change := func(r ingestion.Record, with func(*ingestion.Record)) ingestion.Record { with(&r); return r }
	group := []ingestion.Record{
		change(a, func(r *ingestion.Record) { r.EventID = uuid.New() }),
		a, plain,
		change(a, func(r *ingestion.Record) { r.Metadata = json.RawMessage(`{"name":"a b","level":3.0}`) }),
		change(a, func(r *ingestion.Record) { r.Game, r.Traffic, r.TraceParent = "g", event.TrafficBot, "00-1" }),
		change(a, func(r *ingestion.Record) { r.PlayerID = "p2" }),
		change(a, func(r *ingestion.Record) { r.EventType, r.Metadata = "logout", nil }),
		change(plain, func(r *ingestion.Record) { r.Metadata = json.RawMessage(`{}`) }),
		change(a, func(r *ingestion.Record) { r.Timestamp = r.Timestamp.Add(time.Microsecond) }),
	}
	want := []ingestion.Outcome{
		ingestion.Stored, ingestion.Duplicate, ingestion.Duplicate, ingestion.Duplicate, ingestion.Duplicate,
		ingestion.Conflict(true, false, false), ingestion.Conflict(false, true, true), ingestion.Conflict(false, false, true), ingestion.Stored,
	}
	for _, records := range [][]ingestion.Record{{a, plain}, group} {
		got, err := store.Write(t.Context(), records)
		if err != nil {
			t.Fatal(err)
		}
		expected := make([]ingestion.Outcome, 2)
		if len(records) > 2 {
			expected = want
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Error(diff)
		}
	}
	// now that duplicates are expected, the same answers
	fresh := record("p1", time.Now())
	again := append(slices.Clone(group), fresh, change(fresh, func(r *ingestion.Record) { r.EventType = "logout" }), fresh)
	wantAgain := slices.Clone(want)
	for i := range wantAgain {
		if wantAgain[i] == ingestion.Stored {
			wantAgain[i] = ingestion.Duplicate
		}
	}
	wantAgain = append(wantAgain, ingestion.Stored, ingestion.Conflict(false, true, false), ingestion.Duplicate)
	got, err := store.Write(t.Context(), again)
	if diff := cmp.Diff(wantAgain, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	// within one group the first is stored
	first := record("p1", time.Now())
	second := change(first, func(r *ingestion.Record) { r.PlayerID = "p2" })
	got, err = store.Write(t.Context(), []ingestion.Record{first, second, first})
	if diff := cmp.Diff([]ingestion.Outcome{ingestion.Stored, ingestion.Conflict(true, false, false), ingestion.Duplicate}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if n := count(t, pool, "SELECT count(*) FROM events WHERE player_id = 'p1'"); n != 6 {
		t.Errorf("%d rows, want 6", n)
	}
}

func TestWriteKeepsTheOrderOfAGroup(t *testing.T) {
	pool := migrated(t)
	store := postgres.NewStore(pool, nil)
	var group []ingestion.Record
	var want []string
	for i := range 50 {
		r := record(fmt.Sprintf("p%d", i), time.Now())
		group, want = append(group, r), append(want, r.PlayerID)
	}
	if _, err := store.Write(t.Context(), group); err != nil {
		t.Fatal(err)
	}
	rows, err := pool.Query(t.Context(), "SELECT player_id FROM events ORDER BY transaction_id, seq")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for rows.Next() {
		var player string
		if err := rows.Scan(&player); err != nil {
			t.Fatal(err)
		}
		got = append(got, player)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWriteTellsBadDataFromABadStore(t *testing.T) {
	pool := migrated(t)
	store := postgres.NewStore(pool, nil)
	broken := record("p1", time.Now())
	broken.Metadata = json.RawMessage(`{"a":`)
	if _, err := store.Write(t.Context(), []ingestion.Record{record("p", time.Now()), broken}); !errors.Is(err, ingestion.ErrUnstorable) {
		t.Errorf("metadata that are no JSON: %v, want ErrUnstorable", err)
	}
	if n := count(t, pool, "SELECT count(*) FROM events"); n != 0 {
		t.Errorf("%d rows of a refused group are stored", n)
	}
	if _, err := pool.Exec(t.Context(), "DROP TABLE events"); err != nil {
		t.Fatal(err)
	}
	_, err := store.Write(t.Context(), []ingestion.Record{record("p", time.Now())})
	if !errors.Is(err, ingestion.ErrUnavailable) || errors.Is(err, ingestion.ErrUnstorable) {
		t.Errorf("no table: %v, want ErrUnavailable", err)
	}
	if err := store.Ping(t.Context()); !errors.Is(err, ingestion.ErrUnavailable) {
		t.Errorf("Ping without a table: %v", err)
	}
}

func TestWriteMakesADroppedPartitionAgain(t *testing.T) {
	pool := migrated(t)
	store := postgres.NewStore(pool, nil)
	at := time.Date(2026, 3, 4, 23, 59, 59, 0, time.UTC)
	for range 2 {
		if _, err := store.Write(t.Context(), []ingestion.Record{record("p", at)}); err != nil {
			t.Fatal(err)
		}
		if _, err := pool.Exec(t.Context(), "DROP TABLE events_2026_03_04"); err != nil {
			t.Fatal(err)
		}
	}
}

// Groups that hold the same events in opposite order would deadlock if each
// were inserted as it came.
func TestConcurrentWritesOfTheSameEvents(t *testing.T) {
	pool := migrated(t)
	store := postgres.NewStore(pool, nil)
	group := make([]ingestion.Record, 200)
	for i := range group {
		group[i] = record("p", time.Now())
	}
	backward := make([]ingestion.Record, len(group))
	for i := range group {
		backward[len(group)-1-i] = group[i]
	}
	stored := make(chan int, 16)
	var writers errgroup.Group
	for i := range cap(stored) {
		writers.Go(func() error {
			mine := group
			if i%2 == 1 {
				mine = backward
			}
			outcomes, err := store.Write(t.Context(), mine)
			n := 0
			for _, o := range outcomes {
				if o == ingestion.Stored {
					n++
				}
			}
			stored <- n
			return err
		})
	}
	if err := writers.Wait(); err != nil {
		t.Fatal(err)
	}
	close(stored)
	total := 0
	for n := range stored {
		total += n
	}
	if total != len(group) {
		t.Errorf("%d events were reported as stored, %d were", total, len(group))
	}
}
