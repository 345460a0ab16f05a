package postgres_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/schemas"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

// storeOf stores n events of each player over three days, and returns those of
// the first.
func storeOf(t *testing.T, pool *pgxpool.Pool, n int, players ...string) (first []event.Received) {
	t.Helper()
	base := time.Now().UTC().Truncate(time.Second).AddDate(0, 0, -2)
	var group []ingestion.Record
	for i := range n {
		for p, player := range players {
			r := record(player, base.Add(time.Duration(i)*48*time.Hour/time.Duration(n)))
			r.Metadata = json.RawMessage(fmt.Sprintf(`{"i":%d}`, i))
			r.Origin = event.Origin{Game: "chess"}
			group = append(group, r)
			if p == 0 {
				first = append(first, r.Received)
			}
		}
	}
	if _, err := postgres.NewStore(pool, nil).Write(t.Context(), group); err != nil {
		t.Fatal(err)
	}
	return first
}

func erase(t *testing.T, pool *pgxpool.Pool, player string) postgres.Erased {
	t.Helper()
	players := postgres.NewPlayers(pool)
	erasure, err := players.Begin(t.Context(), player, "test")
	if err != nil {
		t.Fatal(err)
	}
	told, err := players.Erase(t.Context(), erasure, func(int64) {})
	if err != nil {
		t.Fatal(err)
	}
	return told
}

func TestExportGivesAllOfOnePlayer(t *testing.T) {
	pool := migrated(t)
	want := storeOf(t, pool, 30, "ada", "bob")
	for _, letter := range []ingestion.Letter{
		{Body: []byte("no \xff JSON"), Player: "ada", Reason: "malformed", Detail: "is not JSON"},
		{Body: []byte(`{"playerId":"bob"}`), Player: "bob", Reason: "required"},
		{Body: []byte(`{"playerId":"ada"}`), Player: "ada", Reason: "required"},
	} {
		if err := postgres.NewLetters(pool, nil).Keep(t.Context(), []ingestion.Letter{letter}); err != nil {
			t.Fatal(err)
		}
	}
	erase(t, pool, "nobody") // what tells of an erasure is no rejected event
	var got []event.Received
	var rejected []postgres.Rejected
	export := func(eventErr, letterErr error) error {
		got, rejected = nil, nil
		return postgres.NewPlayers(pool).Export(t.Context(), "ada", func(r event.Received) error {
			got = append(got, r)
			return eventErr
		}, func(r postgres.Rejected) error {
			rejected = append(rejected, r)
			return letterErr
		})
	}
	if err := export(nil, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for i := range rejected {
		if age := time.Since(rejected[i].KeptAt); age < 0 || age > time.Hour {
			t.Errorf("letter %d was kept at %s", i, rejected[i].KeptAt)
		}
		rejected[i].KeptAt = time.Time{}
	}
	if diff := cmp.Diff([]postgres.Rejected{
		{Body: []byte("no \xff JSON"), Reason: "malformed", Detail: "is not JSON"}, {Body: []byte(`{"playerId":"ada"}`), Reason: "required"},
	}, rejected); diff != "" {
		t.Error(diff)
	}
	full := errors.New("the disk is full")
	if err := export(full, nil); !errors.Is(err, full) || len(got) != 1 {
		t.Errorf("after an event that could not be written: %v, %d events", err, len(got))
	}
	if err := export(nil, full); !errors.Is(err, full) || len(rejected) != 1 {
		t.Errorf("after a letter that could not be written: %v, %d letters", err, len(rejected))
	}
}

func TestEraseDeletesOnePlayerAndTells(t *testing.T) {
	pool := migrated(t)
	storeOf(t, pool, 1203, "ada", "bob")
	letters := []ingestion.Letter{{Body: []byte("x"), Player: "ada", Reason: "malformed"}, {Body: []byte("x"), Player: "bob", Reason: "required"}}
	if err := postgres.NewLetters(pool, nil).Keep(t.Context(), letters); err != nil {
		t.Fatal(err)
	}
	held, err := postgres.NewPlayers(pool).Holdings(t.Context(), "ada")
	if err != nil || held != (postgres.Holdings{Events: 1203, Letters: 1}) {
		t.Errorf("holdings %+v, %v", held, err)
	}
	told := erase(t, pool, "ada")
	if told.Events != 1203 || told.PlayerID != "ada" || told.ReceivedUntil.Before(told.RequestedAt) {
		t.Errorf("%+v", told)
	}
	for query, want := range map[string]int{
		"SELECT count(*) FROM events WHERE player_id = 'ada'":                                                  0,
		"SELECT count(*) FROM events WHERE player_id = 'bob'":                                                  1203,
		"SELECT count(*) FROM erased_events":                                                                   1204,
		"SELECT count(*) FROM erasures WHERE player_id = 'ada' AND completed_at IS NOT NULL AND events = 1203": 1,
	} {
		if n := count(t, pool, query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
	var topicsOf []string
	for _, r := range records(t, outboxOf(t, pool)) {
		switch r.Topic {
		case topics.EventsRaw:
			if string(r.Key) != "ada" || r.Value != nil {
				t.Errorf("the tombstone is %s: %s", r.Key, r.Value)
			}
		case topics.Erasures:
			var record postgres.Erased
			if err := json.Unmarshal(r.Value, &record); err != nil || record != told || string(r.Key) != "ada" {
				t.Errorf("%s, want %+v", r.Value, told)
			}
		}
		topicsOf = append(topicsOf, r.Topic+" "+string(r.Key))
	}
	if diff := cmp.Diff([]string{"dlq.events bob", "player.events.raw ada", "player.erasures ada"}, topicsOf); diff != "" {
		t.Error(diff)
	}
}

// A command that is killed in the middle leaves an erasure open; the next one
// completes it, and it is told once.
func TestAnErasureGoesOnWhereItWas(t *testing.T) {
	pool := migrated(t)
	storeOf(t, pool, 1600, "ada")
	players := postgres.NewPlayers(pool)
	first, err := players.Begin(t.Context(), "ada", "one")
	if err != nil || first.Resumed {
		t.Fatal(first, err)
	}
	// As a kill leaves it: some transactions are done, the last is not.
	if _, err := pool.Exec(t.Context(), "ALTER TABLE outbox RENAME TO away"); err != nil {
		t.Fatal(err)
	}
	if _, err := players.Erase(t.Context(), first, func(int64) {}); err == nil || !strings.Contains(err.Error(), "table") {
		t.Fatalf("without an outbox: %v", err)
	}
	if _, err := pool.Exec(t.Context(), "ALTER TABLE away RENAME TO outbox"); err != nil {
		t.Fatal(err)
	}
	if n := count(t, pool, "SELECT count(*) FROM events"); n >= 1600 {
		t.Fatalf("%d events are left: nothing was done before", n)
	}
	again, err := players.Begin(t.Context(), "ada", "two")
	if err != nil || !again.Resumed || again.ID != first.ID || again.RequestedBy != "one" || again.Events == 0 {
		t.Fatalf("%+v, %v", again, err)
	}
	told, err := players.Erase(t.Context(), again, func(int64) {})
	if err != nil || told.Events != 1600 {
		t.Errorf("%+v, %v", told, err)
	}
	// Who was slower with the same erasure tells nothing more.
	late, err := players.Erase(t.Context(), first, func(int64) {})
	if err != nil || late.Events != 1600 || len(records(t, outboxOf(t, pool))) != 2 {
		t.Errorf("%+v, %v", late, err)
	}
}

func TestSchemasHaveVersions(t *testing.T) {
	pool := migrated(t)
	table := postgres.NewSchemas(pool)
	text := "{\n  \"type\":   \"object\"\n}"
	for i, mode := range []schemas.Mode{schemas.Strict, schemas.Report} {
		version, err := table.Put(t.Context(), "buy", mode, []byte(text))
		if err != nil || version != i+1 {
			t.Fatal(version, err)
		}
	}
	active, err := table.Active(t.Context())
	if err != nil || len(active) != 1 || active[0].Version != 2 || active[0].Mode != "report" || string(active[0].Text) != text {
		t.Errorf("%+v, %v", active, err)
	}
	if there, err := table.Delete(t.Context(), "buy"); err != nil || !there {
		t.Error(there, err)
	}
	if there, err := table.Delete(t.Context(), "buy"); err != nil || there {
		t.Error(there, err)
	}
	all, err := table.All(t.Context())
	if err != nil || len(all) != 2 || all[0].Active || all[1].Active {
		t.Errorf("%+v, %v", all, err)
	}
	if version, err := table.Put(t.Context(), "buy", "strict", []byte("{}")); err != nil || version != 3 {
		t.Error(version, err)
	}
}
