package relay_test

import (
	"errors"
	"testing"
	"time"

	testpostgres "github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/services/relay"
)

// The volume of PostgreSQL is set back to a snapshot: same system, same timeline. The
// services come first, and give the ids of the lost transactions to other events, which
// the cursor lies behind: the relay does not go on behind them.
func TestAVolumeIsSetBack(t *testing.T) {
	for name, lanes := range map[string]int{"one lane": 1, "three lanes": 3} {
		t.Run(name, func(t *testing.T) {
			_, cfg := broker(t)
			server := testpostgres.Start(t, testpostgres.Options{})
			dsn := server.Database(t)
			s := openShopOn(t, dsn)
			s.lanes(lanes)
			publish := func(n int) {
				t.Helper()
				s.write(n)
				g := s.group(cfg)
				before := len(published(t, cfg, topics.EventsRaw))
				await(t, "all is published", func() bool { return int(g.Status().Published) == len(stored(t, dsn))-before })
				if err := g.stop(); err != nil {
					t.Fatal(err)
				}
			}
			publish(20)
			setBack := server.Snapshot(t)
			await(t, "the service is back", func() bool { return s.store.Ping(t.Context()) == nil })
			publish(5)
			server.Kill(t)
			setBack()
			server.Restart(t)
			await(t, "the service is back", func() bool { return s.store.Ping(t.Context()) == nil })
			for range 40 {
				s.write(1)
			}
			g := s.group(cfg)
			if err := endOf(t, 20*time.Second, g.ended, g.Status); !errors.Is(err, relay.ErrHistory) {
				t.Errorf("the relay ended with %v", err)
			}
			if n := len(published(t, cfg, topics.EventsRaw)); n != 25 {
				t.Errorf("%d events are published, want the 25 of before", n)
			}
		})
	}
}
