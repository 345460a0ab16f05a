package relay_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	testpostgres "github.com/gamemetrics/gmctl/internal/testenv/postgres"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/services/relay"
)

// A synchronous standby takes over under load: services and relays, of one lane and of
// several, go on by themselves, and it has all that was acknowledged.
func TestPostgresFailsOver(t *testing.T) {
	for name, lanes := range map[string]int{"one lane": 1, "five lanes": 5} {
		t.Run(name, func(t *testing.T) {
			_, cfg := broker(t)
			primary := testpostgres.Start(t, testpostgres.Options{})
			dsn := primary.Database(t)
			standby := primary.Standby(t)
			primary.Synchronous(t)
			s := openShopOn(t, testpostgres.OneOf(t, dsn, primary, standby))
			s.lanes(lanes)
			g := s.group(cfg)
			w := startWriters(t, s.store)
			await(t, "something is published", func() bool { return g.Status().Published > 100 })
			primary.Kill(t)
			time.Sleep(200 * time.Millisecond)
			standby.Promote(t)
			before := g.Status().Published
			await(t, "it goes on", func() bool { return g.Status().Published > before+100 })
			w.stop()
			s.auditGroup(g, cfg)
			w.audit(t, stored(t, s.dsn))
		})
	}
}

// An asynchronous standby takes over that lacks what the relay is publishing. Someone
// else's question has connected the relay to it meanwhile, and it has given the lost
// transactions' ids to other events: the relay does not go on.
func TestPostgresFailsOverWithALossDuringAPublish(t *testing.T) {
	cluster, cfg := broker(t)
	primary := testpostgres.Start(t, testpostgres.Options{})
	dsn := primary.Database(t)
	standby := primary.Standby(t)
	s := openShopOn(t, testpostgres.OneOf(t, dsn, primary, standby))
	r := s.relay(cfg)
	s.write(20)
	await(t, "all is published", func() bool { return r.Status().Published == 20 })
	primary.AwaitStandby(t, standby)
	standby.Stop(t)

	var stalled atomic.Bool
	goOn := make(chan struct{})
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		if stalled.CompareAndSwap(false, true) {
			cluster.SleepControl(func() { <-goOn })
		}
		return nil, nil, false
	})
	for range 5 {
		s.write(1)
	}
	await(t, "the relay is in the midst of a publish", stalled.Load)
	primary.Kill(t)
	standby.Restart(t)
	standby.Promote(t)
	await(t, "the relay's pool has connected to the new primary", func() bool {
		_, err := s.source.Lag(t.Context(), relay.Position{})
		return err == nil
	})
	await(t, "the service, too", func() bool { return s.store.Ping(t.Context()) == nil })
	for range 20 {
		s.write(1)
	}
	close(goOn)
	if err := endOf(t, 20*time.Second, r.ended, r.Status); !errors.Is(err, relay.ErrHistory) {
		t.Errorf("the relay ended with %v", err)
	}
	if n := len(published(t, cfg, topics.EventsRaw)); n <= 20 || n > 25 {
		t.Errorf("%d events are published, want the 20 and some of the 5 that are lost", n)
	}
}
