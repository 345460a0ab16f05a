package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/twmb/franz-go/pkg/kgo"

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
		{Body: []byte(`{"playerId":"p"}`), Player: "p", EventID: "e", Reason: "required", Detail: "eventType is required"},
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
		relay.HeaderTopic: topics.EventsRaw, relay.HeaderEventID: "e",
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

func TestOldLettersGo(t *testing.T) {
	pool := migrated(t)
	source := outboxOf(t, pool)
	for i, sql := range []string{
		`INSERT INTO outbox (id, topic, player_id, created_at) SELECT gen_random_uuid(), 'dlq.events', 'p', now() - interval '31 days' FROM generate_series(1, 2500)`,
		`INSERT INTO outbox (id, topic, player_id, created_at) VALUES (gen_random_uuid(), 'player.erasures', 'p', now() - interval '31 days')`,
		`INSERT INTO outbox (id, topic, player_id) VALUES (gen_random_uuid(), 'dlq.events', 'p')`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(i, err)
		}
	}
	database, last := databaseOf(t, source), next(t, source, relay.Position{}, 2500)[2499]
	cursor := relay.Cursor{Position: last.Position, EventID: last.EventID.String(), SystemIdentifier: database.SystemIdentifier, Timeline: database.Timeline}
	if err := postgres.PruneOutbox(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if n := count(t, pool, "SELECT count(*) FROM outbox"); n != 2 {
		t.Errorf("%d rows are left, want the erasure and what is new", n)
	}
	if err := source.Verify(t.Context(), cursor); err != nil {
		t.Errorf("a relay that stopped at a letter which is gone: %v", err)
	}
	if _, err := pool.Exec(t.Context(), "UPDATE outbox SET created_at = now() - interval '1 year'"); err != nil {
		t.Fatal(err)
	}
	if err := postgres.PruneOutbox(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if n := count(t, pool, "SELECT count(*) FROM outbox WHERE topic = 'dlq.events'"); n != 1 {
		t.Errorf("the newest record is gone, which the relay's cursor may speak of")
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
