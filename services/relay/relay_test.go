package relay_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/relay"
)

// running is a relay in a goroutine of its own.
type running struct {
	*relay.Relay
	cancel context.CancelFunc
	ended  chan error
}

func start(t testing.TB, cfg relay.Config) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{Relay: relay.New(cfg), cancel: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- r.Run(ctx); close(r.ended) }()
	t.Cleanup(func() { cancel(); <-r.ended })
	return r
}

func (r *running) stop() error {
	r.cancel()
	return <-r.ended
}

// endOf waits for the end of a relay that may not go on, and returns why it ended.
func endOf(t testing.TB, limit time.Duration, ended <-chan error, status func() relay.Status) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(limit):
		t.Fatalf("the relay goes on: %+v", status())
		return nil
	}
}

func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	if !holdsWithin(15*time.Second, holds) {
		t.Fatal("waited in vain until " + what)
	}
}

func holdsWithin(limit time.Duration, holds func() bool) bool {
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

func (r *running) awaitPublished(t testing.TB, m *memory) {
	t.Helper()
	await(t, "all events are published", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.events) == 0 || r.Status().Cursor == m.events[len(m.events)-1].Position
	})
}

// Large events are published in smaller batches, whatever their number may be.
func TestBatchesFitInMemory(t *testing.T) {
	_, cfg := broker(t)
	source := newMemory()
	source.add(300)
	const size, most = 64 << 10, 8 << 20
	for i := range source.events {
		source.events[i].Metadata = json.RawMessage(`"` + strings.Repeat("m", size) + `"`)
	}
	r := start(t, relay.Config{Source: source, Kafka: cfg})
	r.awaitPublished(t, source)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if source.most > most+size || source.most < most/2 {
		t.Errorf("a batch had up to %d bytes of metadata", source.most)
	}
	audit(t, source.events, published(t, cfg, topics.EventsRaw))
}

func TestPublishesEachEventOnce(t *testing.T) {
	_, cfg := broker(t)
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	source := newMemory()
	source.add(1000)
	source.events[7].TestRun, source.events[7].TraceParent = "run-1", trace
	source.events[8].Timestamp = source.events[8].ReceivedAt.Add(20 * time.Hour)
	source.events[9].Timestamp = source.events[9].ReceivedAt.AddDate(-1, 0, 0)
	wake := make(chan struct{}, 1)
	r := start(t, relay.Config{Source: source, Kafka: cfg, Batch: 64, Wake: wake, MaxPoll: time.Hour, MinPoll: time.Hour})
	r.awaitPublished(t, source)
	source.add(3)
	wake <- struct{}{} // nothing else ends an hour's wait
	r.awaitPublished(t, source)
	if status := r.Status(); status.State != relay.Running || status.Published != 1003 || status.Problem != nil {
		t.Errorf("status %+v", status)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if status := r.Status(); status.State != relay.Stopped {
		t.Errorf("status after the end %+v", status)
	}

	again := start(t, relay.Config{Source: source, Kafka: cfg, Batch: 64})
	source.add(200)
	again.awaitPublished(t, source)
	records := published(t, cfg, topics.EventsRaw)
	audit(t, source.events, records)
	tests, traced := 0, 0
	for _, rec := range records {
		for _, h := range rec.Headers {
			if h.Key == topics.TestHeader && string(h.Value) == "run-1" {
				tests++
			}
			if h.Key == topics.TraceHeader && string(h.Value) == trace {
				traced++
			}
		}
		got, err := event.DecodeReceived(rec.Value)
		if err != nil {
			t.Fatal(err)
		}
		if want := got.ReceivedAt.Truncate(time.Millisecond); !rec.Timestamp.Equal(want) {
			t.Errorf("record timestamp %s, want %s, when the event was received", rec.Timestamp, want)
		}
	}
	if tests != 1 || traced != 1 {
		t.Errorf("%d records carry the test header and %d the trace, want 1 each", tests, traced)
	}
}

func TestMissingTopicsAreNamed(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	cfg := kafka.Config{Brokers: cluster.ListenAddrs()}
	source := newMemory()
	source.add(10)
	r := start(t, relay.Config{Source: source, Kafka: cfg})
	await(t, "the problem is told", func() bool { return r.Status().State == relay.Failing })
	if p := r.Status().Problem; p == nil || !strings.Contains(p.What, topics.EventsRaw) || !strings.Contains(p.Next, "gmctl up") {
		t.Errorf("problem %+v", p)
	}
	makeTopics(t, cfg)
	r.awaitPublished(t, source)
	await(t, "the problem is gone", func() bool { return r.Status().Problem == nil })
	audit(t, source.events, published(t, cfg, topics.EventsRaw))
}

func TestASecondRelayFencesTheFirst(t *testing.T) {
	_, cfg := broker(t)
	source := newMemory()
	source.add(100)
	first := start(t, relay.Config{Source: source, Kafka: cfg, Batch: 10})
	first.awaitPublished(t, source)
	second := start(t, relay.Config{Source: source, Kafka: cfg, Batch: 10})
	second.awaitPublished(t, source)
	source.add(100)
	p, ok := errors.AsType[*problem.Error](<-first.ended)
	if !ok || !strings.Contains(p.What, "another relay is active on lane main") || p.Next == "" {
		t.Errorf("the first relay ended with %v", p)
	}
	second.awaitPublished(t, source)
	if second.Status().State != relay.Running {
		t.Errorf("the second relay: %+v", second.Status())
	}
	audit(t, source.events, published(t, cfg, topics.EventsRaw))
}

func TestALostHistoryEndsTheRelay(t *testing.T) {
	_, cfg := broker(t)
	source := newMemory()
	source.add(10)
	r := start(t, relay.Config{Source: source, Kafka: cfg})
	r.awaitPublished(t, source)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	source.verify = func(c relay.Cursor) error {
		if c.Position != source.events[9].Position || c.EventID != source.events[9].EventID.String() {
			t.Errorf("cursor %+v", c)
		}
		return &problem.Error{What: "restored", Cause: relay.ErrHistory}
	}
	if err := <-start(t, relay.Config{Source: source, Kafka: cfg}).ended; !errors.Is(err, relay.ErrHistory) {
		t.Errorf("Run: %v, want ErrHistory", err)
	}
}

func TestTwoDatabasesShareATopic(t *testing.T) {
	_, cfg := broker(t)
	a, b := newMemory(), newMemory()
	a.add(300)
	b.add(200)
	for range 2 { // the second time each finds its own cursor
		ra := start(t, relay.Config{Source: a, Kafka: cfg, Batch: 7})
		rb := start(t, relay.Config{Source: b, Kafka: cfg, Batch: 5})
		ra.awaitPublished(t, a)
		rb.awaitPublished(t, b)
		ra.stop()
		rb.stop()
	}
	if n := len(published(t, cfg, topics.EventsRaw)); n != 500 {
		t.Errorf("%d events published, want 500", n)
	}
}

// Another table of the same database has a lane, and so a cursor, of its own.
func TestASourceMayMakeTheRecords(t *testing.T) {
	_, cfg := broker(t)
	events, rejected := newMemory(), newMemory()
	rejected.id = events.id
	events.add(40)
	rejected.add(30)
	for i := range rejected.events {
		e := &rejected.events[i]
		e.Record = &kgo.Record{Topic: topics.DeadLetter, Key: []byte(e.PlayerID), Value: []byte(e.EventID.String())}
	}
	rejected.events[20].Record.Value = incompressible(2 << 20)
	for range 2 { // the second time each finds its own cursor
		main := start(t, relay.Config{Source: events, Kafka: cfg, Batch: 7})
		beside := start(t, relay.Config{Source: rejected, Kafka: cfg, Batch: 5, Lane: "rejected"})
		main.awaitPublished(t, events)
		beside.awaitPublished(t, rejected)
		main.stop()
		beside.stop()
	}
	audit(t, events.events, published(t, cfg, topics.EventsRaw))
	once := map[string]int{}
	for _, r := range published(t, cfg, topics.DeadLetter) {
		if id := headers(r)[relay.HeaderEventID]; id != "" {
			if string(r.Key) != rejected.events[20].PlayerID || headers(r)[relay.HeaderTopic] != topics.DeadLetter {
				t.Errorf("the record that is too large: key %s, %v", r.Key, headers(r))
			}
			r.Value = []byte(id)
		}
		once[string(r.Value)]++
	}
	for i, e := range rejected.events {
		if once[e.EventID.String()] != 1 {
			t.Errorf("rejected event %d was published %d times", i, once[e.EventID.String()])
		}
	}
}

func TestAPoisonEventDoesNotBlockTheLane(t *testing.T) {
	// 2 MB: more than the client sends. 100 KB: more than this topic takes.
	for name, size := range map[string]int{"too large for the client": 2 << 20, "too large for the topic": 100_000} {
		t.Run(name, func(t *testing.T) {
			_, cfg := broker(t)
			setTopicLimit(t, cfg, topics.EventsRaw, 50_000)
			source := newMemory()
			source.add(100)
			poison := &source.events[40]
			poison.Metadata, poison.Game = incompressible(size), "chess"
			never := &source.events[60]
			never.EventType = "\xff"
			never.TestRun = "run-9"
			r := start(t, relay.Config{Source: source, Kafka: cfg, Batch: 50})
			r.awaitPublished(t, source)
			if status := r.Status(); status.DeadLettered != 2 || status.Published != 100 {
				t.Errorf("status %+v", status)
			}
			healthy := append(append(append([]relay.Event(nil), source.events[:40]...), source.events[41:60]...), source.events[61:]...)
			audit(t, healthy, published(t, cfg, topics.EventsRaw))
			want := map[string]relay.Reason{poison.EventID.String(): relay.ReasonTooLarge, never.EventID.String(): relay.ReasonEncoding}
			for _, record := range published(t, cfg, topics.DeadLetter) {
				h := headers(record)
				id := h[relay.HeaderEventID]
				if h[relay.HeaderReason] != string(want[id]) || h[relay.HeaderTopic] != topics.EventsRaw || h[relay.HeaderDetail] == "" ||
					(id == poison.EventID.String()) != (h[relay.HeaderGame] == "chess") {
					t.Errorf("dead letter %v", h)
				}
				delete(want, id)
			}
			if len(want) > 0 {
				t.Errorf("not in the dead-letter topic: %v", want)
			}
		})
	}
}

func headers(r *kgo.Record) map[string]string {
	all := map[string]string{}
	for _, h := range r.Headers {
		all[h.Key] = string(h.Value)
	}
	return all
}

func incompressible(size int) []byte {
	text := []byte(`{"blob":"`)
	for len(text) < size {
		text = append(text, strings.ReplaceAll(uuid.NewString(), "-", "")...)
	}
	return append(text, `"}`...)
}

func TestExplainsWhatKafkaSays(t *testing.T) {
	cluster, cfg := broker(t)
	source := newMemory()
	source.add(5)
	cluster.Fault(kfake.Fault{TxnID: "gmctl-relay-main-" + source.id, Err: kerr.TransactionalIDAuthorizationFailed, Count: -1})
	r := start(t, relay.Config{Source: source, Kafka: cfg})
	await(t, "the problem is told", func() bool { return r.Status().State == relay.Failing })
	if p := r.Status().Problem; p == nil || p.What == "" || p.Next == "" {
		t.Errorf("problem %+v", p)
	}
}
