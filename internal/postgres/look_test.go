package postgres_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

func TestLookFindsWhatIsStored(t *testing.T) {
	pool := migrated(t)
	store := postgres.NewStore(pool, nil)
	noon := time.Now().UTC().Truncate(24 * time.Hour)
	least, full, again := record("ada", noon), record("ada", noon.AddDate(0, 0, -1)), record("bob", noon.Add(time.Hour))
	least.Metadata = nil
	full.Origin = event.Origin{Game: "chess", SentAt: noon.Add(time.Microsecond), Traffic: event.TrafficBot}
	full.TestRun, full.TraceParent = "run-7", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	again.EventID = least.EventID // of another day: another event
	if _, err := store.Write(t.Context(), []ingestion.Record{full, least, again}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, game string
		id         uuid.UUID
		want       []ingestion.Record
	}{
		{"all that is known of an event", "", full.EventID, []ingestion.Record{full}},
		{"one of the game", "chess", full.EventID, []ingestion.Record{full}},
		{"one of another game", "go", full.EventID, nil},
		{"one of no game, for a game", "chess", least.EventID, nil},
		{"two of one id", "", least.EventID, []ingestion.Record{least, again}},
		{"none", "", uuid.New(), nil},
	} {
		got, err := store.Event(t.Context(), test.game, test.id)
		if diff := cmp.Diff(test.want, got); err != nil || len(test.want)+len(got) > 0 && diff != "" {
			t.Errorf("%s: %v %s", test.name, err, diff)
		}
	}
}

// A player's events come the latest first, each once, however they are asked for,
// also where many have one timestamp.
func TestLookGivesAPlayersEventsInPages(t *testing.T) {
	pool := migrated(t)
	store := postgres.NewStore(pool, nil)
	first := time.Now().UTC().Truncate(time.Microsecond).AddDate(0, 0, -3)
	var records []ingestion.Record
	for i := range 40 {
		r := record("ada", first.Add(time.Duration(i/4)*8*time.Hour)) // four at a time, over four days
		if i%2 == 1 {
			r.Game = "chess"
		}
		records = append(records, r, record("bob", r.Timestamp))
	}
	if _, err := store.Write(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	for game, want := range map[string]int{"": 40, "chess": 20, "go": 0} {
		for _, limit := range []int{1, 3, 100} {
			var before ingestion.Position
			got := 0
			for {
				page, err := store.PlayerEvents(t.Context(), game, "ada", before, limit)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range page {
					at := ingestion.Position{Timestamp: r.Timestamp, EventID: r.EventID}
					later := at.Timestamp.After(before.Timestamp) || at.Timestamp.Equal(before.Timestamp) && at.EventID.String() >= before.EventID.String()
					if r.PlayerID != "ada" || game != "" && r.Game != game || got > 0 && later {
						t.Errorf("after %s comes %s of %s, game %q", before, at, r.PlayerID, r.Game)
					}
					before = at
					got++
				}
				if len(page) < limit {
					break
				}
			}
			if got != want {
				t.Errorf("of the game %q, %d at a time, there are %d events, want %d", game, limit, got, want)
			}
		}
	}
	page, err := store.PlayerEvents(t.Context(), "", "ada", ingestion.Position{Timestamp: first.Add(time.Second)}, 10)
	if err != nil || len(page) != 4 {
		t.Errorf("before a time there are %d events, %v; want 4", len(page), err)
	}
}

// Few events of a player who has many are found by the index, without sorting all.
func TestLookReadsByIndex(t *testing.T) {
	pool := migrated(t)
	storeOf(t, pool, 3000, "ada", "bob")
	if _, err := pool.Exec(t.Context(), "ANALYZE events"); err != nil {
		t.Fatal(err)
	}
	plan, err := postgres.ExplainPlayerEvents(t.Context(), postgres.NewStore(pool, nil), "ada", 10)
	if err != nil || strings.Contains(plan, "Seq Scan") || !strings.Contains(plan, "Incremental Sort") {
		t.Errorf("%v; the plan is\n%s", err, plan)
	}
}

func TestLookSaysThatTheStoreIsDown(t *testing.T) {
	pool, err := postgres.NewPool(t.Context(), postgres.Config{DSN: "postgres://u:hunter2@127.0.0.1:1/x"})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	_, err = postgres.NewStore(pool, nil).Event(t.Context(), "", uuid.New())
	if !errors.Is(err, ingestion.ErrUnavailable) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error is %v", err)
	}
}
