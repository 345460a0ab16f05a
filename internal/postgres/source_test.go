package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/problem"
	testpostgres "github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/ingestion"
	"github.com/gamemetrics/gmctl/services/relay"
)

func sourceOf(t testing.TB, pool *pgxpool.Pool) *postgres.Source {
	t.Helper()
	source, err := postgres.NewSource(t.Context(), postgres.Config{DSN: pool.Config().ConnString()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Close)
	return source
}

func databaseOf(t testing.TB, source relay.Source) relay.Database {
	t.Helper()
	database, err := source.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return database
}

func next(t *testing.T, source relay.Source, after relay.Position, limit int) (events []relay.Event) {
	t.Helper()
	_, err := source.Next(t.Context(), databaseOf(t, source), after, limit, func(e *relay.Event) bool {
		kept := *e
		kept.Metadata = slices.Clone(e.Metadata)
		events = append(events, kept)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestNextReturnsWhatWasStored(t *testing.T) {
	pool := migrated(t)
	source := sourceOf(t, pool)
	if events := next(t, source, relay.Position{}, 10); len(events) != 0 {
		t.Fatalf("an empty table has %d events", len(events))
	}
	with, without := record("p1", time.Now()), record("p2", time.Now().AddDate(0, 0, -3))
	with.Metadata = json.RawMessage(`{"a b":"c, \"d\": e\\","list":[1,2.50,{"x":null}]}`)
	with.Origin = event.Origin{Game: "chess", SentAt: with.ReceivedAt.Add(-time.Minute), Traffic: event.TrafficBot}
	with.TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	without.Metadata, without.TestRun = nil, "run-1"
	if _, err := postgres.NewStore(pool, nil).Write(t.Context(), []ingestion.Record{with, without}); err != nil {
		t.Fatal(err)
	}
	var got []ingestion.Record
	for _, e := range next(t, source, relay.Position{}, 10) {
		e.Timestamp, e.ReceivedAt = e.Timestamp.UTC(), e.ReceivedAt.UTC()
		got = append(got, ingestion.Record{Received: e.Received, TestRun: e.TestRun, TraceParent: e.TraceParent})
	}
	if diff := cmp.Diff([]ingestion.Record{with, without}, got); diff != "" {
		t.Error(diff)
	}
}

// A sequence alone would skip the slow transaction's row: it took its number
// first and was committed last.
func TestNextWaitsForASlowTransaction(t *testing.T) {
	pool := migrated(t)
	source := sourceOf(t, pool)
	store := postgres.NewStore(pool, nil)
	slow, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slow.Exec(t.Context(), `INSERT INTO events (event_id, player_id, event_type, "timestamp", received_at) VALUES ($1, 'slow', 't', now(), now() - interval '5 s')`, uuid.New()); err != nil {
		t.Fatal(err)
	}
	quick := record("quick", time.Now())
	quick.ReceivedAt = quick.ReceivedAt.Add(-5 * time.Second)
	if _, err := store.Write(t.Context(), []ingestion.Record{quick}); err != nil {
		t.Fatal(err)
	}
	if events := next(t, source, relay.Position{}, 10); len(events) != 0 {
		t.Fatalf("%s is published before a transaction that began earlier has ended", events[0].PlayerID)
	}
	lag, err := source.Lag(t.Context(), relay.Position{})
	if err != nil {
		t.Fatal(err)
	}
	pid := fmt.Sprint(slow.Conn().PgConn().PID())
	if lag.Events != 1 || !strings.Contains(lag.Blocker, "session "+pid+" (gmctl") || !strings.Contains(lag.Unblock, "SELECT pg_terminate_backend("+pid+")") {
		t.Errorf("lag %+v does not name the session that holds the event back", lag)
	}
	if err := slow.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	var players []string
	for _, e := range next(t, source, relay.Position{}, 10) {
		players = append(players, e.PlayerID)
	}
	if diff := cmp.Diff([]string{"slow", "quick"}, players); diff != "" {
		t.Error(diff)
	}
}

// What a relay could publish and has not, for another reason, is not held back by whoever
// happens to write.
func TestLagBlamesNoOneForWhatCanBeRead(t *testing.T) {
	pool := migrated(t)
	source := sourceOf(t, pool)
	old := record("p", time.Now())
	old.ReceivedAt = old.ReceivedAt.Add(-time.Minute)
	if _, err := postgres.NewStore(pool, nil).Write(t.Context(), []ingestion.Record{old}); err != nil {
		t.Fatal(err)
	}
	writer, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Rollback(context.Background())
	if _, err := writer.Exec(t.Context(), "SELECT pg_current_xact_id()"); err != nil {
		t.Fatal(err)
	}
	lag, err := source.Lag(t.Context(), relay.Position{})
	if err != nil || lag.Events != 1 || lag.Age < time.Minute || lag.Blocker != "" {
		t.Errorf("lag %+v, %v", lag, err)
	}
}

// A prepared transaction has no session, and the one of a superuser may be hidden from the
// tables' owner: how to end it, or to find it, is told nevertheless.
func TestLagOfTransactionsWithoutASession(t *testing.T) {
	server := testpostgres.Start(t, testpostgres.Options{Unsafe: true, Settings: map[string]string{"max_prepared_transactions": "2"}})
	dsn := server.Database(t)
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := postgres.Migrate(t.Context(), pool, nil); err != nil {
		t.Fatal(err)
	}
	super, err := pgx.Connect(t.Context(), server.SuperuserDSN(pool.Config().ConnConfig.Database))
	if err != nil {
		t.Fatal(err)
	}
	defer super.Close(context.Background())
	execute := func(sql string) {
		t.Helper()
		if _, err := super.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	source := sourceOf(t, pool)
	lag := func() relay.Lag {
		t.Helper()
		lag, err := source.Lag(t.Context(), relay.Position{})
		if err != nil {
			t.Fatal(err)
		}
		return lag
	}
	execute("BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'it''s (user me'")
	old := record("p", time.Now())
	old.ReceivedAt = old.ReceivedAt.Add(-time.Minute)
	if _, err := postgres.NewStore(pool, nil).Write(t.Context(), []ingestion.Record{old}); err != nil {
		t.Fatal(err)
	}
	l := lag()
	_, remedy, _ := strings.Cut(l.Unblock, "superuser: ")
	if !strings.HasPrefix(l.Blocker, "prepared transaction it's (user me (user ") {
		t.Errorf("lag %+v", l)
	}
	execute(remedy)
	if l := lag(); l.Blocker != "" {
		t.Errorf("lag %+v", l)
	}
	execute("REVOKE pg_monitor FROM gamemetrics")
	execute("DELETE FROM events")
	execute("BEGIN; SELECT pg_current_xact_id()")
	if _, err := postgres.NewStore(pool, nil).Write(t.Context(), []ingestion.Record{old}); err != nil {
		t.Fatal(err)
	}
	if l := lag(); !strings.Contains(l.Blocker, "may not see") || !strings.Contains(l.Unblock, "pg_stat_activity") {
		t.Errorf("lag %+v", l)
	}
}

func TestNextEndsWhenNoMoreIsWanted(t *testing.T) {
	pool := migrated(t)
	source := sourceOf(t, pool)
	var stored []ingestion.Record
	for range 100 {
		stored = append(stored, record("p", time.Now()))
	}
	if _, err := postgres.NewStore(pool, nil).Write(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	var after relay.Position
	for want := int64(1); want <= int64(len(stored)); { // the connection is fit for use each time
		taken := 0
		_, err := source.Next(t.Context(), databaseOf(t, source), after, len(stored), func(e *relay.Event) bool {
			if e.Seq != want {
				t.Fatalf("event %d comes behind %s", e.Seq, after)
			}
			after, want, taken = e.Position, want+1, taken+1
			return taken < 7
		})
		if err != nil || taken == 0 || taken > 7 {
			t.Fatalf("%d events, %v", taken, err)
		}
	}
}

func TestLagIsCountedAndThenEstimated(t *testing.T) {
	pool := migrated(t)
	source := sourceOf(t, pool)
	if err := postgres.EnsurePartitions(t.Context(), pool, []time.Time{time.Now()}); err != nil {
		t.Fatal(err)
	}
	stored := 0
	store := func(events int) {
		_, err := pool.Exec(t.Context(), `INSERT INTO events (event_id, player_id, event_type, "timestamp", received_at)
			SELECT gen_random_uuid(), 'p', 't', now(), now() - interval '1 h' FROM generate_series(1, $1)`, events)
		if err != nil {
			t.Fatal(err)
		}
		stored += events
	}
	for _, more := range []int{0, 7, relay.LagCounted, 2 * relay.LagCounted} {
		store(more)
		lag, err := source.Lag(t.Context(), relay.Position{})
		if err != nil {
			t.Fatal(err)
		}
		if lag.Events != int64(stored) || lag.Estimated != (stored >= relay.LagCounted) || (stored > 0) != (lag.Age >= time.Hour) {
			t.Errorf("the lag of %d events is %+v", stored, lag)
		}
	}
}

// Transactions of random length, some undone, over several days, read in small
// batches while they run: each committed event comes once, a player's in order.
func TestNextSkipsAndRepeatsNothing(t *testing.T) {
	pool := migrated(t)
	source := sourceOf(t, pool)
	if err := postgres.EnsurePartitions(t.Context(), pool, []time.Time{time.Now(), time.Now().AddDate(0, 0, -1), time.Now().AddDate(0, 0, -2)}); err != nil {
		t.Fatal(err)
	}
	const writers, rounds = 6, 40
	committed := make([]int, writers) // events of each writer
	done := make(chan error, 1)
	go func() {
		var g errgroup.Group
		for w := range writers {
			g.Go(func() error {
				for range rounds {
					n, err := randomTransaction(t.Context(), pool, w, committed[w])
					if err != nil {
						return err
					}
					committed[w] += n
				}
				return nil
			})
		}
		done <- g.Wait()
	}()

	seen := make([]int, writers)
	position, finished := relay.Position{}, false
	for {
		events := next(t, source, position, 1+rand.IntN(7))
		for _, e := range events {
			var writer, number int
			if _, err := fmt.Sscanf(e.PlayerID+" "+e.EventType, "writer%d n%d", &writer, &number); err != nil {
				t.Fatal(err)
			}
			if number != seen[writer] {
				t.Fatalf("writer %d: event %d where %d was due", writer, number, seen[writer])
			}
			seen[writer]++
			position = e.Position
		}
		if len(events) > 0 {
			continue
		}
		if finished {
			break
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			finished = true
		default:
		}
	}
	if diff := cmp.Diff(committed, seen); diff != "" {
		t.Error(diff)
	}
}

// randomTransaction stores up to 4 events numbered from first, waiting between
// them; now and then it rolls back and stores none.
func randomTransaction(ctx context.Context, pool *pgxpool.Pool, writer, first int) (stored int, err error) {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	n := 1 + rand.IntN(4)
	for i := range n {
		_, err := tx.Exec(ctx, `INSERT INTO events (event_id, player_id, event_type, "timestamp") VALUES ($1, $2, $3, $4)`,
			uuid.New(), fmt.Sprintf("writer%d", writer), fmt.Sprintf("n%d", first+i), time.Now().AddDate(0, 0, -rand.IntN(3)))
		if err != nil {
			return 0, err
		}
		time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
	}
	if rand.IntN(5) == 0 {
		return 0, nil
	}
	return n, tx.Commit(ctx)
}

func TestNextReadsEachPartitionByItsIndex(t *testing.T) {
	pool := migrated(t)
	store := postgres.NewStore(pool, nil)
	var records []ingestion.Record
	for i := range 2000 {
		records = append(records, record(fmt.Sprint("p", i), time.Now().AddDate(0, 0, -i%20)))
	}
	if _, err := store.Write(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	for _, analyzed := range []bool{false, true} {
		if analyzed {
			if _, err := pool.Exec(t.Context(), "ANALYZE events"); err != nil {
				t.Fatal(err)
			}
		}
		plan, err := postgres.ExplainNext(t.Context(), sourceOf(t, pool))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(plan, "Merge Append") || strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "Sort  (") {
			t.Errorf("analyzed=%v:\n%s", analyzed, plan)
		}
		if partitions, conditions := strings.Count(plan, "Index Scan using events_"), strings.Count(plan, "Index Cond: ((ROW(transaction_id, seq) > ROW("); partitions < 20 || partitions != conditions {
			t.Errorf("%d index scans, %d with the cursor as their condition:\n%s", partitions, conditions, plan)
		}
		plan, err = postgres.ExplainShared(t.Context(), sourceOf(t, pool))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(plan, "Merge Append") != 2 || strings.Contains(plan, "Seq Scan on events") || strings.Contains(plan, "Sort  (") {
			t.Errorf("lanes, analyzed=%v:\n%s", analyzed, plan)
		}
		if backward, bounded := strings.Count(plan, "Index Scan Backward using events_"), strings.Count(plan, "AND (ROW(transaction_id, seq) <= ROW("); backward < 20 || bounded < 20 {
			t.Errorf("%d partitions are read from their end, %d between two positions:\n%s", backward, bounded, plan)
		}
	}
}

func TestACopyOfTheDatabaseIsRefused(t *testing.T) {
	pool := migrated(t)
	source := sourceOf(t, pool)
	database, err := source.Database(t.Context())
	if err != nil || database.ID == "" || database.SystemIdentifier == 0 || database.Timeline != 1 {
		t.Fatalf("Database: %+v, %v", database, err)
	}
	// What a dump carries to another server: the row, made elsewhere.
	if _, err := pool.Exec(t.Context(), "UPDATE platform SET system_identifier = system_identifier + 1"); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Database(t.Context()); !errors.Is(err, relay.ErrHistory) {
		t.Errorf("Database of a copy: %v, want ErrHistory", err)
	}
}

func TestVerifyFindsALostHistory(t *testing.T) {
	pool := migrated(t)
	source := sourceOf(t, pool)
	if _, err := postgres.NewStore(pool, nil).Write(t.Context(), []ingestion.Record{record("p", time.Now())}); err != nil {
		t.Fatal(err)
	}
	event, database := next(t, source, relay.Position{}, 1)[0], databaseOf(t, source)
	good := relay.Cursor{Position: event.Position, EventID: event.EventID.String(), SystemIdentifier: database.SystemIdentifier, Timeline: database.Timeline}
	for _, c := range []struct {
		name   string
		change func(*relay.Cursor)
		lost   bool
	}{
		{"as it was written", func(*relay.Cursor) {}, false},
		{"another server", func(c *relay.Cursor) { c.SystemIdentifier++ }, true},
		{"a transaction that this server has not had yet", func(c *relay.Cursor) { c.Xid += 1000 }, true},
		{"another timeline that has the event", func(c *relay.Cursor) { c.Timeline = 7 }, false},
		{"another timeline without the event", func(c *relay.Cursor) { c.Timeline, c.EventID = 7, uuid.NewString() }, true},
		{"the same timeline without the event", func(c *relay.Cursor) { c.EventID = uuid.NewString() }, true},
		{"no event, where an adoption began", func(c *relay.Cursor) { c.EventID = "" }, false},
		{"no event, on another timeline that has no such beginning", func(c *relay.Cursor) { c.Timeline, c.EventID = 7, "" }, true},
	} {
		cursor := good
		c.change(&cursor)
		if err := source.Verify(t.Context(), cursor); errors.Is(err, relay.ErrHistory) != c.lost || !c.lost && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// An operator who deletes what was published last is told how to say so.
func TestAnEventThatWasDeletedByHand(t *testing.T) {
	pool := migrated(t)
	source := sourceOf(t, pool)
	if _, err := postgres.NewStore(pool, nil).Write(t.Context(), []ingestion.Record{record("p", time.Now())}); err != nil {
		t.Fatal(err)
	}
	event, database := next(t, source, relay.Position{}, 1)[0], databaseOf(t, source)
	cursor := relay.Cursor{Position: event.Position, EventID: event.EventID.String(), SystemIdentifier: database.SystemIdentifier, Timeline: database.Timeline}
	if _, err := pool.Exec(t.Context(), "DELETE FROM events"); err != nil {
		t.Fatal(err)
	}
	p, ok := errors.AsType[*problem.Error](source.Verify(t.Context(), cursor))
	if !ok {
		t.Fatal("it is not missed")
	}
	_, remedy, _ := strings.Cut(p.Next, "say so: ")
	remedy, _, _ = strings.Cut(remedy, ";")
	if _, err := pool.Exec(t.Context(), remedy); err != nil {
		t.Fatalf("%s: %v", p.Next, err)
	}
	if err := source.Verify(t.Context(), cursor); err != nil {
		t.Error(err)
	}
}

// A statement that reads on fails on another server or history, also where it would find
// nothing: what lies there is not what lies behind the events that were read.
func TestNextStaysOnOneHistory(t *testing.T) {
	pool := migrated(t)
	store, source, outbox := postgres.NewStore(pool, nil), sourceOf(t, pool), outboxOf(t, pool)
	if _, err := store.Write(t.Context(), []ingestion.Record{record("p", time.Now())}); err != nil {
		t.Fatal(err)
	}
	setLanes(t, source, 2, true)
	here := databaseOf(t, source)
	elsewhere, later := here, here
	elsewhere.SystemIdentifier++
	later.Timeline++
	for what, s := range map[string]relay.Source{
		"all": source, "the first layout": source.Part(relay.Part{Lanes: 1}), "a lane": source.Part(relay.Part{Epoch: 1, Lanes: 2}), "the outbox": outbox,
	} {
		read := func(from relay.Database, after relay.Position) error {
			_, err := s.Next(t.Context(), from, after, 10, func(*relay.Event) bool { return true })
			return err
		}
		if err := read(here, relay.Position{}); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		for where, err := range map[string]error{
			"another server":                   read(elsewhere, relay.Position{}),
			"another timeline":                 read(later, relay.Position{}),
			"a transaction that has yet to be": read(here, relay.Position{Xid: 1 << 40}),
		} {
			if err == nil || !strings.Contains(err.Error(), "another history") || errors.Is(err, relay.ErrHistory) {
				t.Errorf("%s, %s: %v", what, where, err)
			}
		}
	}
}
