package simulate

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func monday() time.Time { return time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC) }

func first(n int, cfg Config) []Event {
	population := New(cfg)
	events := make([]Event, n)
	for i := range events {
		events[i] = population.Next()
	}
	return events
}

func TestTheSameSeedGivesTheSameEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			Players: rapid.IntRange(1, 200).Draw(t, "players"),
			Seed:    rapid.Uint64().Draw(t, "seed"),
			Start:   monday(),
		}
		n := rapid.IntRange(1, 500).Draw(t, "events")
		if a, b := first(n, cfg), first(n, cfg); !reflect.DeepEqual(a, b) {
			t.Fatal("two populations with one seed differ")
		}
		other := cfg
		other.Seed++
		if a, b := first(n, cfg), first(n, other); n > 20 && reflect.DeepEqual(a, b) {
			t.Fatal("two seeds give the same population")
		}
	})
}

func TestAnotherStartShiftsTheClockAlone(t *testing.T) {
	cfg := Config{Players: 50, Seed: 1, Start: monday()}
	later := cfg
	later.Start = monday().AddDate(0, 0, 7)
	a, b := first(2000, cfg), first(2000, later)
	for i := range a {
		a[i].At = a[i].At.AddDate(0, 0, 7)
	}
	if !reflect.DeepEqual(a, b) {
		t.Fatal("a week later the same population behaves differently")
	}
}

// Every player's story makes sense on its own: sessions open before they
// close, levels begin before they end, and time never runs backwards.
func TestEachPlayersEventsAreInAPossibleOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{Players: rapid.IntRange(1, 100).Draw(t, "players"), Seed: rapid.Uint64().Draw(t, "seed"), Start: monday()}
		session, inLevel := map[string]string{}, map[string]bool{}
		last := cfg.Start
		for _, e := range first(2000, cfg) {
			if e.At.Before(last) {
				t.Fatalf("%s of %s at %v comes after one at %v", e.Type, e.PlayerID, e.At, last)
			}
			last = e.At
			var metadata struct{ SessionID string }
			if err := json.Unmarshal(e.Metadata, &metadata); err != nil {
				t.Fatalf("metadata of %s: %v: %s", e.Type, err, e.Metadata)
			}
			open := session[e.PlayerID]
			switch e.Type {
			case PlayerRegistered, SessionStart:
				if open != "" {
					t.Fatalf("%s of %s inside session %s", e.Type, e.PlayerID, open)
				}
				session[e.PlayerID] = metadata.SessionID
			default:
				if open == "" || open != metadata.SessionID {
					t.Fatalf("%s of %s in session %q while %q is open", e.Type, e.PlayerID, metadata.SessionID, open)
				}
			}
			switch e.Type {
			case SessionEnd:
				delete(session, e.PlayerID)
			case LevelStart:
				inLevel[e.PlayerID] = true
			case LevelComplete, LevelFail:
				if !inLevel[e.PlayerID] {
					t.Fatalf("%s of %s without a start", e.Type, e.PlayerID)
				}
				inLevel[e.PlayerID] = false
			default:
				if inLevel[e.PlayerID] {
					t.Fatalf("%s of %s in the middle of a level", e.Type, e.PlayerID)
				}
			}
		}
	})
}

func TestAPopulationBehavesLikePlayers(t *testing.T) {
	const players, events = 500, 200_000
	byType, byHour, revenue := map[string]int{}, [24]int{}, map[string]float64{}
	seen, returned := map[string]bool{}, 0
	var days float64
	for _, e := range first(events, Config{Players: players, Seed: 7, Start: monday()}) {
		byType[e.Type]++
		seen[e.PlayerID] = true
		days = e.At.Sub(monday()).Hours() / 24
		var m struct {
			Country, Currency, Spender string
			Price, PriceUSD            float64
			Returning                  bool
		}
		if err := json.Unmarshal(e.Metadata, &m); err != nil {
			t.Fatal(err)
		}
		if e.Type == SessionStart && m.Country == "GB" {
			byHour[e.At.Hour()]++
		}
		if m.Returning {
			returned++
		}
		if e.Type == Purchase {
			revenue[m.Spender] += m.PriceUSD
			if m.Currency == "" || m.Price <= 0 {
				t.Fatalf("a purchase without a price: %s", e.Metadata)
			}
		}
	}
	for _, name := range Types() {
		if byType[name] == 0 {
			t.Errorf("no %s in %d events", name, events)
		}
	}
	if quiet, busy := byHour[3]+byHour[4], byHour[19]+byHour[20]; busy < 5*quiet {
		t.Errorf("%d sessions in the evening, %d at night: no day curve", busy, quiet)
	}
	if len(seen) < players*5/4 {
		t.Errorf("only %d players in %.0f days: nobody leaves and arrives", len(seen), days)
	}
	if returned == 0 {
		t.Error("nobody returned")
	}
	if revenue["whale"] < revenue["minnow"] || revenue["none"] != 0 {
		t.Errorf("revenue by spender: %v", revenue)
	}
	if perDay := float64(byType[SessionStart]) / days / players; perDay < 0.5 || perDay > 6 {
		t.Errorf("%.1f sessions per player and day", perDay)
	}
	if fails := float64(byType[LevelFail]) / float64(byType[LevelStart]); fails < 0.05 || fails > 0.6 {
		t.Errorf("%.2f of the levels are failed", fails)
	}
}

func TestSharesAddUpToOne(t *testing.T) {
	total := 0.0
	for _, m := range markets() {
		total += m.share
	}
	for _, s := range spenders() {
		total += s.share
		if s.tiers[1] >= len(tiers()) {
			t.Errorf("a %s buys a tier that does not exist", s.name)
		}
	}
	if math.Abs(total-2) > 1e-9 {
		t.Errorf("the shares of markets and spenders add up to %v, not 2", total)
	}
	if !slices.IsSortedFunc(tiers(), func(a, b tier) int { return int(100 * (a.usd - b.usd)) }) {
		t.Error("price tiers do not rise")
	}
}

func BenchmarkNext(b *testing.B) {
	population := New(Config{Players: 1000, Seed: 1, Start: monday()})
	b.ReportAllocs()
	for b.Loop() {
		population.Next()
	}
}
