package relay_test

import (
	"context"
	"testing"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/services/relay"
)

// lag asks a relay, or group, for how many events are not published yet.
func lag(t *testing.T, of interface {
	Lag(context.Context) (relay.Lag, error)
}) int64 {
	t.Helper()
	l, err := of.Lag(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l.Events
}

// Who stands by tells the lag of the relay that works.
func TestTheLagOfAStandby(t *testing.T) {
	for name, lanes := range map[string]int{"one lane": 1, "three lanes": 3} {
		t.Run(name, func(t *testing.T) {
			_, cfg := broker(t)
			s := openShop(t)
			s.lanes(lanes)
			s.write(20)
			first := s.group(cfg)
			s.finishes(first)
			second := s.group(cfg)
			await(t, "the second is there", func() bool { return len(second.Lanes()) == lanes })
			await(t, "it tells of no lag", func() bool { return lag(t, second) == 0 })
			if err := first.stop(); err != nil {
				t.Fatal(err)
			}
			await(t, "the second works all lanes", func() bool { return len(second.works()) == lanes })
			s.write(5)
			s.finishes(second)
			if n := lag(t, second); n != 0 {
				t.Errorf("%d events are not published, says the one that works", n)
			}
		})
	}
}

// A relay that starts while Kafka is down counts what is not published, no more.
func TestTheLagWhileKafkaIsDown(t *testing.T) {
	cluster, cfg := broker(t)
	s := openShop(t)
	s.write(20)
	s.publish(cfg)
	cluster.Close()
	s.write(3)
	g, r := s.group(cfg), s.relay(cfg)
	for range 3 {
		if n := lag(t, g); n != 3 {
			t.Errorf("%d events are not published, says the group, want 3", n)
		}
		if n := lag(t, r); n != 3 {
			t.Errorf("%d events are not published, says the relay, want 3", n)
		}
		await(t, "it fails", func() bool { s := g.Status().State; return s == relay.Failing || s == relay.Standby })
	}
}

// Without lanes in the database there is no one else to ask: no lag is better than a wrong one.
func TestTheLagOfARelayThatHasYetToBegin(t *testing.T) {
	source := newMemory()
	source.add(20)
	r := start(t, relay.Config{Source: source, Kafka: kafka.Config{Brokers: []string{"127.0.0.1:1"}}})
	await(t, "it fails", func() bool { return r.Status().State == relay.Failing })
	if l, err := r.Lag(t.Context()); err == nil {
		t.Errorf("it tells of %+v", l)
	}
}
