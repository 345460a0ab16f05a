package relay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/postgres"
	testkafka "github.com/gamemetrics/gmctl/internal/testenv/kafka"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/services/relay"
)

// runningGroup is a Group in a goroutine of its own.
type runningGroup struct {
	*relay.Group
	cancel context.CancelFunc
	ended  chan error
}

func startGroup(t testing.TB, source relay.Shared, cfg relay.Config) *runningGroup {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	g := &runningGroup{Group: relay.NewGroup(source, cfg), cancel: cancel, ended: make(chan error, 1)}
	go func() { g.ended <- g.Run(ctx); close(g.ended) }()
	t.Cleanup(func() { cancel(); <-g.ended })
	return g
}

func (g *runningGroup) stop() error {
	g.cancel()
	return <-g.ended
}

// works returns the lanes on which the group publishes.
func (g *runningGroup) works() (lanes []string) {
	for _, l := range g.Lanes() {
		if l.State == relay.Running {
			lanes = append(lanes, l.Lane)
		}
	}
	return lanes
}

func (s *shop) group(cfg kafka.Config) *runningGroup {
	return startGroup(s.t, s.source, relay.Config{Kafka: cfg, Batch: 50, Lease: time.Second})
}

func (s *shop) lanes(n int) {
	s.t.Helper()
	if _, err := s.source.SetLanes(s.t.Context(), n); err != nil {
		s.t.Fatal(err)
	}
}

// finishes waits until the newest layout has published all that is stored.
func (s *shop) finishes(g *runningGroup) {
	s.t.Helper()
	events := stored(s.t, s.dsn)
	layouts, err := s.source.Layouts(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	newest := layouts[len(layouts)-1]
	last := events[len(events)-1].Position
	if last.Before(newest.From) {
		last = newest.From
	}
	done := func() bool {
		lanes := g.Lanes()
		return len(lanes) == newest.Lanes && !slices.ContainsFunc(lanes, func(l relay.LaneStatus) bool {
			return l.State != relay.Running || l.Cursor != last
		})
	}
	if !holdsWithin(time.Minute, done) {
		s.t.Fatalf("not all is published after a minute: want %s, %+v", last, g.Lanes())
	}
}

func (s *shop) auditGroup(g *runningGroup, cfg kafka.Config) {
	s.t.Helper()
	s.finishes(g)
	audit(s.t, stored(s.t, s.dsn), published(s.t, cfg, topics.EventsRaw))
}

// Players send while the number of lanes changes: each event comes once, those of a
// player in their order.
func TestTheNumberOfLanesChangesUnderLoad(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	w := startWriters(t, s.store)
	g := s.group(cfg)
	for _, n := range []int{4, 2, 64, 1, 3} {
		time.Sleep(200 * time.Millisecond)
		s.lanes(n)
		await(t, "something of it is published", func() bool { return g.Status().Published > 0 && len(g.Lanes()) >= n })
	}
	time.Sleep(200 * time.Millisecond)
	w.stop()
	s.auditGroup(g, cfg)
	if backlog, err := s.store.Backlog(t.Context()); err != nil {
		t.Error(err)
	} else {
		t.Logf("%d events, backlog %+v", len(stored(t, s.dsn)), backlog)
	}
	await(t, "nothing is behind", func() bool {
		backlog, err := s.store.Backlog(t.Context())
		return err == nil && backlog.Events < 100
	})
}

// The same with relays that are killed, or frozen and thawed later, at random moments;
// layouts follow each other faster than they are worked off.
func TestLanesChangeWhileRelaysDie(t *testing.T) {
	_, cfg := broker(t)
	changeAndKill(t, openShop(t), cfg, 8)
}

func TestLanesChangeWithApacheKafka(t *testing.T) {
	cfg := testkafka.Run(t, testkafka.Options{}).Config()
	makeTopics(t, cfg)
	changeAndKill(t, openShop(t), cfg, 4)
}

func changeAndKill(t *testing.T, s *shop, cfg kafka.Config, rounds int) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	w := startWriters(t, s.store)
	begin := func() *process { return startRelayProcess(t, s.dsn, cfg, relayLanesVariable+"=yes") }
	relays := []*process{begin(), begin()}
	for range rounds {
		s.lanes([]int{1, 2, 4, 7, 16}[random.IntN(5)])
		time.Sleep(time.Duration(100+random.IntN(1500)) * time.Millisecond)
		i := random.IntN(len(relays))
		if random.IntN(3) == 0 {
			_ = relays[i].cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(1500 * time.Millisecond)
			_ = relays[i].cmd.Process.Signal(syscall.SIGCONT)
			continue
		}
		relays[i].kill()
		relays[i] = begin()
	}
	w.stop()
	for _, p := range relays {
		p.kill()
	}
	before := committedEnd(t, cfg, topics.EventsRaw)
	g := s.group(cfg)
	s.auditGroup(g, cfg)
	t.Logf("relays that were killed had committed up to %d offsets; %d events", before, len(stored(t, s.dsn)))
}

// A transaction that is open across a change belongs to the layout before, whose
// lanes wait for it; the others wait for them.
func TestALayoutWaitsForOpenTransactions(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	s.write(5)
	g := s.group(cfg)
	s.finishes(g)
	pool, _ := storeOn(t, s.dsn)
	open, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer open.Rollback(context.Background())
	insert := `INSERT INTO events (event_id, player_id, event_type, "timestamp") VALUES (gen_random_uuid(), 'p', 'open', now())`
	if _, err := open.Exec(t.Context(), insert); err != nil {
		t.Fatal(err)
	}
	s.lanes(4)
	s.write(5)
	await(t, "the new lanes wait", func() bool {
		lanes := g.Lanes()
		waiting := slices.DeleteFunc(slices.Clone(lanes), func(l relay.LaneStatus) bool { return l.State != relay.Waiting || l.Active != "main" })
		return len(lanes) == 5 && len(waiting) == 4
	})
	if g.Status().Published != 5 {
		t.Errorf("%d events are published, beside an open transaction that is before them", g.Status().Published)
	}
	if err := open.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.auditGroup(g, cfg)
}

// With another Kafka all is published again, layout after layout; the first one has
// its cursors still.
func TestLanesWithAnotherKafka(t *testing.T) {
	_, first := broker(t)
	_, second := broker(t)
	s := openShop(t)
	for i, cfg := range []kafka.Config{first, second, first} {
		s.write(20)
		g := s.group(cfg)
		if i == 0 {
			s.finishes(g)
			for _, n := range []int{3, 5} {
				s.lanes(n)
				s.write(20)
			}
		}
		s.auditGroup(g, cfg)
		if err := g.stop(); err != nil {
			t.Fatal(err)
		}
		if b, err := s.store.Backlog(t.Context()); err != nil || b.Events > 0 {
			t.Errorf("all is published to Kafka %d, the backlog is %+v (%v)", i, b, err)
		}
	}
}

// Kafka loses the cursors of several lanes: as with one, nothing is published twice
// before someone has said what to do.
func TestLanesWithoutTheirCursors(t *testing.T) {
	for what, again := range map[postgres.Adoption]int{postgres.AdoptAll: 40, postgres.AdoptNoted: 0, postgres.AdoptNew: 0} {
		t.Run(string(what), func(t *testing.T) {
			_, cfg := broker(t)
			s := openShop(t)
			s.write(20)
			g := s.group(cfg)
			s.finishes(g)
			s.lanes(4)
			s.write(10)
			s.finishes(g)
			s.lanes(2) // the layout before has lanes that have ended, too
			s.write(10)
			s.finishes(g)
			if err := g.stop(); err != nil {
				t.Fatal(err)
			}
			remake(t, cfg, topics.RelayCursor)
			g = s.group(cfg)
			if err := endOf(t, 30*time.Second, g.ended, g.Status); !errors.Is(err, relay.ErrCursorLost) {
				t.Fatalf("a group without cursors ends with %v", err)
			}
			s.adopt(what)
			s.write(5)
			g = s.group(cfg)
			s.finishes(g)
			if n, want := len(published(t, cfg, topics.EventsRaw)), 45+again; n != want {
				t.Errorf("%d events are published, want %d", n, want)
			}
		})
	}
}

// A copied database that is adopted keeps its number of lanes, and begins anew.
func TestLanesOfAnAdoptedDatabase(t *testing.T) {
	for what, want := range map[postgres.Adoption]int{postgres.AdoptAll: 40 + 45, postgres.AdoptNew: 40 + 5} {
		t.Run(string(what), func(t *testing.T) {
			_, cfg := broker(t)
			s := openShop(t)
			s.write(20)
			g := s.group(cfg)
			s.finishes(g)
			s.lanes(2)
			s.lanes(3)
			s.write(20)
			s.finishes(g)
			if err := g.stop(); err != nil {
				t.Fatal(err)
			}
			pool, _ := storeOn(t, s.dsn)
			if _, err := pool.Exec(t.Context(), "UPDATE platform SET system_identifier = system_identifier + 1"); err != nil {
				t.Fatal(err)
			}
			if err := <-s.group(cfg).ended; !errors.Is(err, relay.ErrHistory) {
				t.Fatalf("a group on a copy ends with %v", err)
			}
			if err := postgres.Adopt(t.Context(), pool, what); err != nil {
				t.Fatal(err)
			}
			s.write(5)
			g = s.group(cfg)
			await(t, "there are three lanes", func() bool { return len(g.Lanes()) == 3 })
			s.finishes(g)
			if n := len(published(t, cfg, topics.EventsRaw)); n != want {
				t.Errorf("%d events are published, want %d", n, want)
			}
		})
	}
}

// The database lacks a change of the lanes that Kafka knows of.
func TestALostChangeOfTheLanes(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	s.write(5)
	g := s.group(cfg)
	s.finishes(g)
	s.lanes(2)
	s.finishes(g)
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	pool, _ := storeOn(t, s.dsn)
	if _, err := pool.Exec(t.Context(), "DELETE FROM relay_epochs WHERE epoch > 0"); err != nil {
		t.Fatal(err)
	}
	if err := <-s.group(cfg).ended; !errors.Is(err, relay.ErrHistory) {
		t.Errorf("the group ended with %v", err)
	}
}

// The topic of the cursors is given more partitions between changes of the lanes.
func TestLanesWhoseCursorsMove(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	for i, partitions := range []int{0, 2, 5, 7} {
		if partitions > 0 {
			addPartitions(t, cfg, topics.RelayCursor, partitions)
		}
		s.lanes(3 + i)
		s.write(20)
		g := s.group(cfg)
		s.auditGroup(g, cfg)
		s.write(20)
		s.lanes(1)
		s.auditGroup(g, cfg)
		if err := g.stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// Two processes have half of the lanes each, and what one leaves the other takes.
func TestProcessesShareTheLanes(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	s.lanes(8)
	w := startWriters(t, s.store)
	first := s.group(cfg)
	await(t, "the first has all lanes", func() bool { return len(first.works()) == 8 })
	second := s.group(cfg)
	await(t, "each has half of the lanes", func() bool { return len(first.works()) == 4 && len(second.works()) == 4 })
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	await(t, "the second has all lanes", func() bool { return len(second.works()) == 8 })
	w.stop()
	s.auditGroup(second, cfg)
}

// brokenLane is a database of which one process cannot read one lane.
type brokenLane struct {
	relay.Shared
	lane string
}

func (b brokenLane) Part(p relay.Part) relay.Source {
	if p.Lane() == b.lane {
		return unreadable{b.Shared.Part(p)}
	}
	return b.Shared.Part(p)
}

type unreadable struct{ relay.Source }

func (unreadable) Next(context.Context, relay.Database, relay.Position, int, func(*relay.Event) bool) (relay.Reach, error) {
	return relay.Reach{}, errors.New("unreadable")
}

// A process that fails on one lane leaves that one to another, and keeps the others.
func TestAProcessFailsOnOneLane(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	s.lanes(4)
	w := startWriters(t, s.store)
	first := startGroup(t, brokenLane{s.source, "main-1-0"}, relay.Config{Kafka: cfg, Batch: 50, Lease: 2 * time.Second})
	await(t, "the first one works on the others", func() bool { return len(first.works()) == 3 })
	await(t, "and says what is wrong", func() bool { return first.Status().State == relay.Failing })
	pool, _ := storeOn(t, s.dsn)
	await(t, "and that it is there", func() bool { // before the second one: the broken lane is the older one's
		var members int
		err := pool.QueryRow(t.Context(), "SELECT count(*) FROM relay_members WHERE until > clock_timestamp()").Scan(&members)
		return err == nil && members == 1
	})
	second := startGroup(t, s.source, relay.Config{Kafka: cfg, Batch: 50, Lease: 2 * time.Second})
	settled := func() bool {
		return slices.Equal(first.works(), []string{"main-1-2"}) && slices.Equal(second.works(), []string{"main-1-0", "main-1-1", "main-1-3"})
	}
	if !holdsWithin(30*time.Second, settled) {
		t.Fatalf("the first one works on %v, the second one on %v: %+v %+v", first.works(), second.works(), first.Lanes(), second.Lanes())
	}
	for range 100 {
		if !settled() {
			t.Fatalf("the first one works on %v, the second one on %v", first.works(), second.works())
		}
		time.Sleep(50 * time.Millisecond)
	}
	if status := first.Status(); status.State != relay.Running || status.Problem != nil {
		t.Errorf("the first one: %+v", status)
	}
	w.stop()
	if err := first.stop(); err != nil {
		t.Error(err)
	}
	s.auditGroup(second, cfg)
}

// A process said that it is there and holds a lane, and died; then the database's clock
// was set back by an hour.
func TestTheClockIsSetBackWhileARelayDies(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	s.write(20)
	s.lanes(2)
	s.write(20)
	pool, _ := storeOn(t, s.dsn)
	for _, row := range []string{
		"INSERT INTO relay_members VALUES ('events', 'dead', now() - interval '1 hour', now() + interval '1 hour')",
		"INSERT INTO relay_lanes (stream, lane, holder, held_until, xid, seq, published_at) VALUES ('events', 'main-1-0', 'dead', now() + interval '1 hour', '0', 0, now())",
		"INSERT INTO relay_lanes (stream, lane, holder, held_until, xid, seq, published_at) VALUES ('events', 'main-1-1', 'dead', now() + interval '1 hour', '0', 0, now())",
	} {
		if _, err := pool.Exec(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	}
	g := s.group(cfg)
	s.auditGroup(g, cfg)
	members, err := s.source.Join(t.Context(), "living", time.Second)
	if err != nil || len(members) != 2 || slices.Contains(members, "dead") {
		t.Errorf("members %v, %v", members, err)
	}
}

// A single lane stays where it is, whoever comes.
func TestASingleLaneIsNotMoved(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	s.write(1)
	first := s.group(cfg)
	s.finishes(first)
	second := s.group(cfg)
	await(t, "the second stands by", func() bool { return second.Status().State == relay.Standby })
	s.write(1)
	s.finishes(first)
	if state := second.Status().State; state != relay.Standby {
		t.Errorf("the second is %s", state)
	}
}

// A lane that has read past very many events of others says so in Kafka, so as not to
// read them again when it begins anew.
func TestAnIdleLaneSaysHowFarItHasRead(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	s.lanes(2)
	s.write(1) // makes the partition of today
	pool, _ := storeOn(t, s.dsn)
	const many = 120_000
	if _, err := pool.Exec(t.Context(), `INSERT INTO events (event_id, player_id, event_type, "timestamp")
		SELECT gen_random_uuid(), 'p', 't', now() FROM generate_series(1, $1)`, many); err != nil {
		t.Fatal(err)
	}
	g := startGroup(t, s.source, relay.Config{Kafka: cfg, Lease: time.Second})
	s.finishes(g)
	await(t, "both lanes have said so", func() bool { return least(cursors(t, cfg)) >= many })
	audit(t, stored(t, s.dsn), published(t, cfg, topics.EventsRaw))
}

// A lane that has read past a few says so after a while.
func TestTheCursorOfAnIdleLaneDoesNotGrowOld(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	s.lanes(2)
	s.write(1)
	g := startGroup(t, s.source, relay.Config{Kafka: cfg, Lease: time.Second, CursorAge: 300 * time.Millisecond})
	s.finishes(g)
	for n := int64(2); n < 5; n++ {
		s.write(1)
		await(t, "both lanes have said so", func() bool { return least(cursors(t, cfg)) == n })
	}
	time.Sleep(time.Second)
	was := len(published(t, cfg, topics.RelayCursor))
	time.Sleep(time.Second)
	if is := len(published(t, cfg, topics.RelayCursor)); is != was {
		t.Errorf("%d cursors were written where there was nothing new", is-was)
	}
}

// cursors are up to where the lanes of the newest layouts have read, as Kafka knows it.
func cursors(t *testing.T, cfg kafka.Config) map[string]int64 {
	t.Helper()
	at := map[string]int64{}
	for _, r := range published(t, cfg, topics.RelayCursor) {
		var cursor relay.Cursor
		if json.Unmarshal(r.Value, &cursor) == nil { // the last of lane main is none
			at[string(r.Key)] = cursor.Seq
		}
	}
	return at
}

// least is that of two lanes; 0 where one of them is missing.
func least(at map[string]int64) int64 {
	if len(at) != 2 {
		return 0
	}
	return slices.Min(slices.Collect(maps.Values(at)))
}

// Lanes without events of their own are not in the way of retention and quota.
func TestIdleLanesKeepUp(t *testing.T) {
	_, cfg := broker(t)
	s := openShop(t)
	s.lanes(16)
	s.write(500) // all of one player
	g := s.group(cfg)
	s.finishes(g)
	await(t, "no lane seems to be behind", func() bool {
		b, err := s.store.Backlog(t.Context())
		return err == nil && b.Events == 0
	})
	var names []string
	for _, l := range g.Lanes() {
		names = append(names, l.Lane)
	}
	if len(names) != 16 || names[0] != "main-1-0" || names[15] != fmt.Sprint("main-1-", 15) {
		t.Errorf("lanes %v", names)
	}
}
