package relay_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/services/relay"
)

// lanes is Lanes in memory, whose clock the test turns.
type lanes struct {
	mu     sync.Mutex
	holder string
	until  time.Time
	ahead  time.Duration // of the clock
	silent bool          // it does not answer
	note   relay.Note
}

func (l *lanes) Claim(_ context.Context, c relay.Claim) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.silent {
		return "", errors.New("silent")
	}
	now := time.Now().Add(l.ahead)
	if l.holder == "" || l.holder == c.Holder || l.until.Before(now) {
		l.holder, l.until = c.Holder, now.Add(c.For)
		l.take(c)
	}
	return l.holder, nil
}

func (l *lanes) Leave(_ context.Context, c relay.Claim) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder == c.Holder {
		l.holder = ""
		l.take(c)
	}
	return nil
}

func (l *lanes) take(c relay.Claim) {
	if c.Topics != nil {
		l.note.Published, l.note.Topics = c.Published, c.Topics
	}
}

func (l *lanes) Noted(context.Context, string) (relay.Note, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.note, nil
}

func (l *lanes) Progress(context.Context, string) (relay.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.note.Published, nil
}

func (l *lanes) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

func TestOneRelayWorksAndTheOthersStandBy(t *testing.T) {
	_, cfg := broker(t)
	source, shared := newMemory(), &lanes{}
	source.add(100)
	config := func(name string) relay.Config {
		return relay.Config{Source: source, Kafka: cfg, Batch: 10, Lanes: shared, Name: name, Lease: 200 * time.Millisecond}
	}
	first := start(t, config("first"))
	first.awaitPublished(t, source)
	second := start(t, config("second"))
	await(t, "the second stands by", func() bool { s := second.Status(); return s.State == relay.Standby && s.Active == "first" })
	if s := first.Status(); s.State != relay.Running || s.Active != "" {
		t.Errorf("the first: %+v", s)
	}
	shared.set(func() { shared.silent = true }) // a database that does not answer takes the lane from no one
	source.add(50)
	first.awaitPublished(t, source)
	if err := first.stop(); err != nil {
		t.Error(err)
	}
	shared.set(func() { shared.silent = false })
	source.add(50)
	second.awaitPublished(t, source)
	if s := second.Status(); s.State != relay.Running {
		t.Errorf("the second: %+v", s)
	}
	audit(t, source.events, published(t, cfg, topics.EventsRaw))
}

// Whose lease is over by the database's clock stands by when it learns of it, and
// works again when the other one leaves.
func TestTheLaneIsTaken(t *testing.T) {
	_, cfg := broker(t)
	source, shared := newMemory(), &lanes{}
	source.add(20)
	config := relay.Config{Source: source, Kafka: cfg, Batch: 10, Lanes: shared, Lease: 400 * time.Millisecond}
	r := start(t, config)
	r.awaitPublished(t, source)
	shared.set(func() { shared.holder, shared.until = "someone", time.Now().Add(time.Hour) })
	await(t, "it stands by", func() bool { s := r.Status(); return s.State == relay.Standby && s.Active == "someone" })
	source.add(20)
	shared.set(func() { shared.ahead = 2 * time.Hour })
	r.awaitPublished(t, source)
	audit(t, source.events, published(t, cfg, topics.EventsRaw))
}

// lateAnswer is Lanes that carry out a claim at once, and answer a little later.
type lateAnswer struct {
	relay.Lanes
	claimed chan struct{}
}

func (l lateAnswer) Claim(ctx context.Context, c relay.Claim) (string, error) {
	holder, err := l.Lanes.Claim(ctx, c)
	close(l.claimed)
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(100 * time.Millisecond):
		return holder, err
	}
}

// A relay that is stopped while it claims its lane does not keep it.
func TestAClaimIsNotCutShort(t *testing.T) {
	_, cfg := broker(t)
	shared, claimed := &lanes{}, make(chan struct{})
	r := start(t, relay.Config{Source: newMemory(), Kafka: cfg, Lanes: lateAnswer{shared, claimed}})
	<-claimed
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if shared.holder != "" {
		t.Errorf("%s has stopped, and holds the lane", shared.holder)
	}
}

// A relay that knows of no lanes takes over from one that does, which says so and
// gets its lane back.
func TestARelayWithoutLanesFencesOneWithThem(t *testing.T) {
	_, cfg := broker(t)
	source := newMemory()
	source.add(20)
	leased := start(t, relay.Config{Source: source, Kafka: cfg, Batch: 10, Lanes: &lanes{}})
	leased.awaitPublished(t, source)
	bare := start(t, relay.Config{Source: source, Kafka: cfg, Batch: 10})
	bare.awaitPublished(t, source)
	await(t, "the relay without lanes has ended", func() bool {
		source.add(1) // whoever is fenced learns of it when it publishes
		return bare.Status().State == relay.Stopped
	})
	if err := <-bare.ended; err == nil || !strings.Contains(err.Error(), "another relay is active") {
		t.Errorf("the relay without lanes ended with %v", err)
	}
	leased.awaitPublished(t, source)
	audit(t, source.events, published(t, cfg, topics.EventsRaw))
}

// Against PostgreSQL, with processes: the one that works is killed, or frozen and
// later thawed, under load; another one takes over each time.
func TestTheActiveRelayIsKilledOrFrozen(t *testing.T) {
	_, cfg := broker(t)
	dsn := pg.Database(t)
	pool, store := storeOn(t, dsn)
	w := startWriters(t, store)
	relays := []*process{startRelayProcess(t, dsn, cfg, relayLanesVariable+"=yes"), startRelayProcess(t, dsn, cfg, relayLanesVariable+"=yes")} // both at once
	active := func() (pid string) {
		var holder string
		if err := pool.QueryRow(t.Context(), "SELECT holder FROM relay_lanes WHERE held_until > clock_timestamp()").Scan(&holder); err != nil {
			return ""
		}
		_, pid, _ = strings.Cut(holder, ":")
		pid, _, _ = strings.Cut(pid, "-")
		return pid
	}
	var longest time.Duration
	for round := range 4 {
		await(t, "a relay is active", func() bool { return active() != "" })
		before := committedEnd(t, cfg, topics.EventsRaw)
		await(t, "it publishes", func() bool { return committedEnd(t, cfg, topics.EventsRaw) > before })
		for i, p := range relays {
			if fmt.Sprint(p.cmd.Process.Pid) != active() {
				continue
			}
			frozen := round%2 == 0
			began, was := time.Now(), active()
			if frozen {
				_ = p.cmd.Process.Signal(syscall.SIGSTOP)
			} else {
				p.kill()
				relays[i] = startRelayProcess(t, dsn, cfg, relayLanesVariable+"=yes")
			}
			await(t, "another relay is active", func() bool { a := active(); return a != "" && a != was })
			longest = max(longest, time.Since(began))
			stopped := committedEnd(t, cfg, topics.EventsRaw)
			await(t, "the other relay publishes", func() bool { return committedEnd(t, cfg, topics.EventsRaw) > stopped })
			if frozen { // the zombie goes on where it was
				_ = p.cmd.Process.Signal(syscall.SIGCONT)
			}
			break
		}
	}
	w.stop()
	events := stored(t, dsn)
	last := events[len(events)-1].EventID.String()
	if !holdsWithin(time.Minute, func() bool {
		cursors := published(t, cfg, topics.RelayCursor)
		return len(cursors) > 0 && strings.Contains(string(cursors[len(cursors)-1].Value), last)
	}) {
		t.Fatal("all that is stored is not published after a minute")
	}
	t.Logf("the longest takeover lasted %s; %d events", longest.Round(time.Millisecond), len(events))
	for _, p := range relays {
		p.kill()
	}
	audit(t, events, published(t, cfg, topics.EventsRaw))
}
