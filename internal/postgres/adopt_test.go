package postgres_test

import (
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/services/ingestion"
	"github.com/gamemetrics/gmctl/services/relay"
)

// A dump restored on a server that has had far fewer transactions: the events'
// xids lie ahead of it, where the relay would neither see them nor, once it had
// a cursor there, anything stored from now on.
func TestAdoptARestoredDatabase(t *testing.T) {
	for what, want := range map[postgres.Adoption][]string{
		postgres.AdoptAll: {"old1", "old2", "new"},
		postgres.AdoptNew: {"new"},
	} {
		t.Run(string(what), func(t *testing.T) {
			pool := migrated(t)
			source := sourceOf(t, pool)
			store := postgres.NewStore(pool, nil)
			write := func(players ...string) {
				t.Helper()
				var records []ingestion.Record
				for _, p := range players {
					records = append(records, record(p, time.Now()))
				}
				if _, err := store.Write(t.Context(), records); err != nil {
					t.Fatal(err)
				}
			}
			before, err := source.Database(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			write("old1", "old2")
			for _, restore := range []string{
				"UPDATE events SET transaction_id = '1000000000'",
				"UPDATE platform SET system_identifier = system_identifier - 1",
			} {
				if _, err := pool.Exec(t.Context(), restore); err != nil {
					t.Fatal(err)
				}
			}
			if err := postgres.Adopt(t.Context(), pool, what); err != nil {
				t.Fatal(err)
			}
			after, err := source.Database(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if after.ID == before.ID || after.SystemIdentifier != before.SystemIdentifier {
				t.Errorf("identity %+v, before %+v", after, before)
			}
			if at, err := source.Progress(t.Context(), ""); err != nil || at != after.Start {
				t.Errorf("the lag is measured from %s, want %s (%v)", at, after.Start, err)
			}
			write("new")
			var got []string
			for _, e := range next(t, source, after.Start, 10) {
				got = append(got, e.PlayerID)
			}
			if len(got) != len(want) || got[0] != want[0] || got[len(got)-1] != "new" {
				t.Errorf("published from the start: %v, want %v", got, want)
			}
			last := next(t, source, relay.Position{}, 10)
			if last[len(last)-1].PlayerID != "new" {
				t.Errorf("a new event does not come last")
			}
		})
	}
}
