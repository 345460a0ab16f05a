package postgres_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/services/ingestion"
	"github.com/gamemetrics/gmctl/services/relay"
)

func outboxOf(t *testing.T, pool *pgxpool.Pool) *postgres.Outbox {
	t.Helper()
	outbox, err := postgres.NewOutbox(t.Context(), postgres.Config{DSN: pool.Config().ConnString()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(outbox.Close)
	return outbox
}

func records(t *testing.T, outbox *postgres.Outbox) []*kgo.Record {
	t.Helper()
	var records []*kgo.Record
	for _, e := range next(t, outbox, relay.Position{}, 100) {
		records = append(records, e.Record)
	}
	return records
}

func headers(r *kgo.Record) map[string]string {
	found := map[string]string{}
	for _, h := range r.Headers {
		found[h.Key] = string(h.Value)
	}
	return found
}

func TestLettersAreKeptOnceAndWhole(t *testing.T) {
	pool := migrated(t)
	woken := 0
	letters := postgres.NewLetters(pool, func() { woken++ })
	odd := []byte("\xff\x00 no event")
	kept := []ingestion.Letter{
		{Body: []byte(`{"playerId":"p"}`), Player: "p", EventID: "e", Game: "chess", Reason: "required", Detail: "eventType is required"},
		{Body: odd, Player: "\x00\xff", Reason: "malformed", Detail: "bytes \xff\x00", TestRun: "run-1"},
	}
	for range 2 { // a client that sends the same again
		if err := letters.Keep(t.Context(), kept); err != nil {
			t.Fatal(err)
		}
	}
	outbox := outboxOf(t, pool)
	got := records(t, outbox)
	if len(got) != 2 || woken != 2 {
		t.Fatalf("%d records, woken %d times", len(got), woken)
	}
	want := map[string]string{
		relay.HeaderReason: "required", relay.HeaderDetail: "eventType is required", relay.HeaderSource: "ingestion",
		relay.HeaderTopic: topics.EventsRaw, relay.HeaderEventID: "e", relay.HeaderGame: "chess",
	}
	if diff := cmp.Diff(want, headers(got[0])); diff != "" || got[0].Topic != topics.DeadLetter || string(got[0].Key) != "p" || string(got[0].Value) != `{"playerId":"p"}` {
		t.Errorf("%+v %s", got[0], diff)
	}
	if string(got[1].Value) != string(odd) || headers(got[1])[topics.TestHeader] != "run-1" {
		t.Errorf("%+v", got[1])
	}
	lag, err := outbox.Lag(t.Context(), relay.Position{})
	if err != nil || lag.Events != 2 {
		t.Errorf("lag %+v, %v", lag, err)
	}
}

// Two requests with the same letters, each in its order, are both answered well.
func TestLettersOfTwoAtOnce(t *testing.T) {
	letters := postgres.NewLetters(migrated(t), nil)
	for round := range 10 {
		there := make([]ingestion.Letter, 300)
		for i := range there {
			there[i] = ingestion.Letter{Body: fmt.Appendf(nil, "%d of round %d", i, round), Reason: "malformed"}
		}
		back := slices.Clone(there)
		slices.Reverse(back)
		var both errgroup.Group
		for _, mine := range [][]ingestion.Letter{there, back} {
			both.Go(func() error { return letters.Keep(t.Context(), mine) })
		}
		if err := both.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

// outboxPublished has a relay note that everything up to a position is published.
func outboxPublished(t *testing.T, outbox *postgres.Outbox, at relay.Position) {
	t.Helper()
	if _, err := outbox.Claim(t.Context(), relay.Claim{Lane: postgres.OutboxLane, Holder: "r", For: time.Hour, Published: at}); err != nil {
		t.Fatal(err)
	}
}

// Rejected events go when they are old and published, and only then.
func TestOldLettersGo(t *testing.T) {
	pool := migrated(t)
	outbox := outboxOf(t, pool)
	for i, sql := range []string{
		`INSERT INTO outbox (id, topic, player_id, created_at) SELECT gen_random_uuid(), 'dlq.events', 'p', now() - interval '31 days' FROM generate_series(1, 2500)`,
		`INSERT INTO outbox (id, topic, player_id, created_at) VALUES (gen_random_uuid(), 'player.erasures', 'p', now() - interval '31 days')`,
		`INSERT INTO outbox (id, topic, player_id, created_at) VALUES (gen_random_uuid(), 'dlq.events', 'p', now() - interval '31 days')`,
		`INSERT INTO outbox (id, topic, player_id) VALUES (gen_random_uuid(), 'dlq.events', 'p')`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(i, err)
		}
	}
	prune := func(when string, want int) {
		t.Helper()
		if err := postgres.PruneOutbox(t.Context(), pool); err != nil {
			t.Fatal(err)
		}
		if n := count(t, pool, "SELECT count(*) FROM outbox"); n != want {
			t.Errorf("%s: %d rows are left, want %d", when, n, want)
		}
	}
	all := next(t, outbox, relay.Position{}, 3000)
	prune("before a relay was there", 2503)
	outboxPublished(t, outbox, all[2399].Position)
	set := func(identity string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), "UPDATE platform SET system_identifier = "+identity); err != nil {
			t.Fatal(err)
		}
	}
	set("system_identifier + 1")
	prune("of a copy", 2503)
	set("system_identifier - 1")
	prune("2400 are published, of which the relay's cursor may speak of the last", 2503-2399)
	outboxPublished(t, outbox, all[2502].Position)
	prune("all are published; the erasure and what is new stay", 2)
	database, gone := databaseOf(t, outbox), all[2499]
	cursor := relay.Cursor{Position: gone.Position, EventID: gone.EventID.String(), SystemIdentifier: database.SystemIdentifier, Timeline: database.Timeline}
	if err := outbox.Verify(t.Context(), cursor); err != nil {
		t.Errorf("a relay that stopped at a letter which is gone: %v", err)
	}
	if _, err := pool.Exec(t.Context(), "UPDATE outbox SET created_at = now() - interval '1 year'"); err != nil {
		t.Fatal(err)
	}
	prune("the last may be what the relay's cursor speaks of", 2)
}

// Where rejected events are many, the oldest of those that are published go before
// their time.
func TestManyLettersGoEarly(t *testing.T) {
	pool := migrated(t)
	outbox, letters := outboxOf(t, pool), postgres.NewLetters(pool, nil)
	for i := range 100 {
		body := make([]byte, 10_000)
		if _, err := rand.Read(body); err != nil {
			t.Fatal(err)
		}
		if err := letters.Keep(t.Context(), []ingestion.Letter{{Body: body, Player: fmt.Sprint(i), Reason: "malformed"}}); err != nil {
			t.Fatal(err)
		}
	}
	shrink := func(most, were int64, from, to int) int64 {
		t.Helper()
		are, err := postgres.ShrinkOutbox(t.Context(), pool, most, were)
		if err != nil {
			t.Fatal(err)
		}
		if n := count(t, pool, "SELECT count(*) FROM outbox"); n < from || n > to {
			t.Fatalf("at most %d bytes, where they were %d: %d letters are left, want %d to %d", most, were, n, from, to)
		}
		return are
	}
	shrink(200_000, 0, 100, 100) // no relay was there
	all := next(t, outbox, relay.Position{}, 100)
	outboxPublished(t, outbox, all[49].Position)
	shrink(10_000_000, 0, 100, 100)
	size := shrink(700_000, 0, 65, 75)
	shrink(300_000, size, 65, 75) // there is room in the files
	shrink(300_000, 0, 51, 51)    // the others are not published
	if left := next(t, outbox, relay.Position{}, 100); left[0].EventID != all[49].EventID || left[50].EventID != all[99].EventID {
		t.Error("it is not the oldest that went")
	}
}

// What was published may be erased, and the server may fail over: neither is a
// loss.
func TestVerifyKnowsWhatWasErased(t *testing.T) {
	pool := migrated(t)
	source := sourceOf(t, pool)
	if _, err := postgres.NewStore(pool, nil).Write(t.Context(), []ingestion.Record{record("p", time.Now())}); err != nil {
		t.Fatal(err)
	}
	if err := postgres.NewLetters(pool, nil).Keep(t.Context(), []ingestion.Letter{{Body: []byte("x"), Player: "p", Reason: "malformed"}}); err != nil {
		t.Fatal(err)
	}
	database, err := source.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cursor := func(e relay.Event) relay.Cursor {
		return relay.Cursor{Position: e.Position, EventID: e.EventID.String(), SystemIdentifier: database.SystemIdentifier, Timeline: database.Timeline + 1}
	}
	letter := next(t, outboxOf(t, pool), relay.Position{}, 1)
	cursors := []relay.Cursor{cursor(next(t, source, relay.Position{}, 1)[0]), cursor(letter[0])}
	for _, erased := range []bool{false, true} {
		if erased {
			erase(t, pool, "p")
		}
		for _, c := range cursors {
			if err := source.Verify(t.Context(), c); err != nil {
				t.Errorf("erased %t: %v", erased, err)
			}
		}
	}
	lost := cursors[0]
	lost.EventID = uuid.NewString()
	if err := source.Verify(t.Context(), lost); !errors.Is(err, relay.ErrHistory) {
		t.Errorf("an event that is not there and was not erased: %v", err)
	}
}
