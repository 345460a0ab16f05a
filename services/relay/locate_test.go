package relay_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/kafka/embedded"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/problem"
	testkafka "github.com/gamemetrics/gmctl/internal/testenv/kafka"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/ingestion"
	"github.com/gamemetrics/gmctl/services/relay"
)

// remake deletes topics and makes them anew, empty.
func remake(t testing.TB, cfg kafka.Config, names ...string) {
	t.Helper()
	client := clientOf(t, cfg)
	defer client.Close()
	deleted, err := kadm.NewClient(client).DeleteTopics(t.Context(), names...)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the topics are gone", func() bool {
		missing, err := kafka.MissingTopics(t.Context(), client, topics.All())
		return err == nil && len(missing) == len(names)
	})
	makeTopics(t, cfg)
}

// refused waits until the relay has ended because the cursor is lost.
func refused(t *testing.T, r *running) {
	t.Helper()
	err := endOf(t, 30*time.Second, r.ended, r.Status)
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || !errors.Is(err, relay.ErrHistory) || !errors.Is(err, relay.ErrCursorLost) ||
		!strings.Contains(p.What, topics.RelayCursor) || !strings.Contains(p.Next, "--adopt noted") {
		t.Errorf("the relay ended with %v", err)
	}
}

// shop is a database with a source, whose events the test writes.
type shop struct {
	t      *testing.T
	source *postgres.Source
	store  *postgres.Store
	adopt  func(postgres.Adoption)
	dsn    string
}

func openShop(t *testing.T) *shop { return openShopOn(t, pg.Database(t)) }

func openShopOn(t *testing.T, dsn string) *shop {
	t.Helper()
	pool, store := storeOn(t, dsn)
	source, err := postgres.NewSource(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Close)
	adopt := func(what postgres.Adoption) {
		t.Helper()
		if err := postgres.AdoptLane(t.Context(), pool, relay.DefaultLane, time.Second, what); err != nil {
			t.Fatal(err)
		}
	}
	return &shop{t, source, store, adopt, dsn}
}

func (s *shop) write(n int) {
	s.t.Helper()
	records := make([]ingestion.Record, n)
	for i := range records {
		now := time.Now().UTC().Truncate(time.Microsecond)
		records[i] = ingestion.Record{Received: event.Received{ReceivedAt: now, Event: event.Event{
			EventID: uuid.New(), PlayerID: "p", EventType: "step", Timestamp: now,
		}}}
	}
	if _, err := s.store.Write(s.t.Context(), records); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) relay(cfg kafka.Config) *running {
	return start(s.t, relay.Config{Source: s.source, Lanes: s.source, Kafka: cfg, Batch: 10, Lease: time.Second})
}

// publish runs a relay until all is published, and has it leave its lane.
func (s *shop) publish(cfg kafka.Config) {
	s.t.Helper()
	events := stored(s.t, s.dsn)
	last := events[len(events)-1].Position
	r := s.relay(cfg)
	await(s.t, "all is published", func() bool { return r.Status().Cursor == last })
	if err := r.stop(); err != nil {
		s.t.Error(err)
	}
}

// audited publishes, after which all that is stored is in Kafka, once.
func (s *shop) audited(cfg kafka.Config) {
	s.t.Helper()
	s.publish(cfg)
	audit(s.t, stored(s.t, s.dsn), published(s.t, cfg, topics.EventsRaw))
}

func TestALostCursorIsAdopted(t *testing.T) {
	for what, want := range map[postgres.Adoption]int{
		postgres.AdoptAll:   20 + 30,
		postgres.AdoptNoted: 20 + 10,
		postgres.AdoptNew:   20 + 5,
	} {
		t.Run(string(what), func(t *testing.T) {
			_, cfg := broker(t)
			s := openShop(t)
			s.write(20)
			s.publish(cfg)
			remake(t, cfg, topics.RelayCursor)
			s.write(5)
			for range 2 {
				refused(t, s.relay(cfg))
			}
			s.adopt(what)
			s.write(5)
			s.publish(cfg)
			if n := len(published(t, cfg, topics.EventsRaw)); n != want {
				t.Errorf("%d events are published, want %d", n, want)
			}
			s.write(1)
			s.publish(cfg)
			if n := len(published(t, cfg, topics.EventsRaw)); n != want+1 {
				t.Errorf("%d events are published in the end, want %d", n, want+1)
			}
			remake(t, cfg, topics.RelayCursor)
			refused(t, s.relay(cfg)) // one adoption is for one loss
		})
	}
}

// Whoever held the lane has died, and then the database's clock was set back by an hour.
func TestALostCursorIsAdoptedByAnEarlierClock(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	s.write(20)
	s.publish(cfg)
	remake(t, cfg, topics.RelayCursor)
	pool, _ := storeOn(t, s.dsn)
	if _, err := pool.Exec(t.Context(), "UPDATE relay_lanes SET holder = 'dead', held_until = now() + interval '1 hour'"); err != nil {
		t.Fatal(err)
	}
	s.adopt(postgres.AdoptNoted)
	s.write(1)
	s.audited(cfg)
}

// An adoption holds until something is published after it.
func TestAnAdoptionOutlivesARelayThatPublishesNothing(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	s.write(20)
	s.publish(cfg)
	remake(t, cfg, topics.RelayCursor)
	refused(t, s.relay(cfg))
	s.adopt(postgres.AdoptNoted)
	for range 2 {
		r := s.relay(cfg)
		await(t, "it works", func() bool { return r.Status().State == relay.Running })
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}
	s.write(1)
	s.audited(cfg)
}

// The topic goes while a relay works. It may put its position into the new one, if
// it did not miss the old one; else it is refused. It never begins again.
func TestTheCursorsTopicIsMadeAnewUnderARelay(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	s.write(20)
	r := s.relay(cfg)
	await(t, "all is published", func() bool { return r.Status().Published == 20 })
	await(t, "that is noted", func() bool {
		note, err := s.source.Noted(t.Context(), relay.DefaultLane)
		return err == nil && note.Published == r.Status().Cursor
	})
	remake(t, cfg, topics.RelayCursor)
	s.write(5)
	ended := func() bool { return r.Status().State == relay.Stopped }
	await(t, "it goes on or ends", func() bool { return r.Status().Published == 25 || ended() })
	if ended() {
		refused(t, r)
		s.adopt(postgres.AdoptNoted)
	} else if err := r.stop(); err != nil {
		t.Error(err)
	}
	s.write(5)
	s.audited(cfg)
}

// Where the topics of the events are others, everything is yet to be published.
func TestOtherTopicsGetEverything(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	s.write(20)
	s.publish(cfg)
	all := func(cfg kafka.Config) {
		t.Helper()
		s.write(1)
		s.audited(cfg)
	}
	remake(t, cfg, topics.RelayCursor, topics.EventsRaw)
	all(cfg)
	_, other := broker(t)
	all(other)
	remake(t, other, topics.RelayCursor)
	refused(t, s.relay(other))
	all(cfg) // it has its cursor still
}

// The Kafka of `gmctl up` has one name for ever, and its data may be deleted.
func TestAnEmbeddedKafkaBeginsAnew(t *testing.T) {
	s := openShop(t)
	s.write(20)
	for range 2 {
		b, err := embedded.Start(embedded.Options{Dir: t.TempDir(), ClusterID: "gmctl-dev"})
		if err != nil {
			t.Fatal(err)
		}
		cfg := kafka.Config{Brokers: []string{b.Address()}}
		makeTopics(t, cfg)
		s.audited(cfg)
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestALostCursorWithApacheKafka(t *testing.T) {
	cfg := testkafka.Run(t, testkafka.Options{}).Config()
	makeTopics(t, cfg)
	s := openShop(t)
	s.write(20)
	s.publish(cfg)
	remake(t, cfg, topics.RelayCursor)
	refused(t, s.relay(cfg))
	s.adopt(postgres.AdoptNoted)
	s.write(1)
	s.audited(cfg)
	remake(t, cfg, topics.RelayCursor, topics.EventsRaw)
	s.audited(cfg)
}

// slowNote is Lanes whose answers about a lane are late.
type slowNote struct {
	relay.Lanes
	meanwhile func()
}

func (s slowNote) Noted(ctx context.Context, lane string) (relay.Note, error) {
	s.meanwhile()
	return s.Lanes.Noted(ctx, lane)
}

// Two relays begin a lane. While one asks, the other publishes, which the first must
// not take for a loss of the cursor: it has read before that there was none.
func TestALaneBegunTwiceHasItsCursor(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	s.write(20)
	var once sync.Once
	slow := slowNote{s.source, func() { once.Do(func() { s.publish(cfg) }) }}
	r := start(t, relay.Config{Source: s.source, Lanes: courtesy{slow}, Kafka: cfg, Batch: 10, Lease: time.Second})
	await(t, "it goes on behind the other one", func() bool { return r.Status().State == relay.Running })
	s.write(5)
	events := stored(t, s.dsn)
	await(t, "all is published", func() bool { return r.Status().Cursor == events[len(events)-1].Position })
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	audit(t, stored(t, s.dsn), published(t, cfg, topics.EventsRaw))
}

// courtesy is Lanes that give the lane to everyone.
type courtesy struct{ relay.Lanes }

func (courtesy) Claim(_ context.Context, c relay.Claim) (string, error) { return c.Holder, nil }
