package eventtail

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/pkg/event"
)

func cluster(t *testing.T) kafka.Config {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, topics.EventsRaw))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	return kafka.Config{Brokers: fake.ListenAddrs()}
}

// relay writes events as the relay does: in transactions, some of which abort.
type relay struct {
	t      *testing.T
	client *kgo.Client
	n      int
}

func newRelay(t *testing.T, cfg kafka.Config) *relay {
	t.Helper()
	client, err := kafka.NewClient(cfg, kgo.TransactionalID("relay"), kgo.DefaultProduceTopic(topics.EventsRaw))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &relay{t: t, client: client}
}

func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func (r *relay) record(headers ...kgo.RecordHeader) *kgo.Record {
	r.n++
	at := start().Add(time.Duration(r.n) * time.Second)
	received := event.Received{
		Event:      event.Event{EventID: event.NewID(at), PlayerID: fmt.Sprint("p", r.n%5), EventType: fmt.Sprint("e", r.n), Timestamp: at, Metadata: []byte(`{"level":` + fmt.Sprint(r.n) + `}`)},
		ReceivedAt: at,
	}
	value, err := received.AppendJSON(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return &kgo.Record{Key: []byte(received.PlayerID), Value: value, Timestamp: at, Headers: headers}
}

func (r *relay) transaction(end kgo.TransactionEndTry, records ...*kgo.Record) {
	r.t.Helper()
	if err := r.client.BeginTransaction(); err != nil {
		r.t.Fatal(err)
	}
	if err := r.client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
	if err := r.client.EndTransaction(context.Background(), end); err != nil {
		r.t.Fatal(err)
	}
}

func (r *relay) commit(n int) {
	r.t.Helper()
	for range n {
		r.transaction(kgo.TryCommit, r.record())
	}
}

func types(t *testing.T, cfg kafka.Config, opts Options) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []string
	if err := Read(ctx, cfg, opts, func(e Event) bool {
		got = append(got, e.EventType)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("it did not end; got %v", got)
	}
	return got
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWhatIsThereAlready(t *testing.T) {
	cfg := cluster(t)
	r := newRelay(t, cfg)
	r.commit(20)
	r.transaction(kgo.TryAbort, r.record(), r.record())                                                     // e21, e22
	r.transaction(kgo.TryCommit, r.record(kgo.RecordHeader{Key: topics.TestHeader, Value: []byte("run1")})) // e23
	r.transaction(kgo.TryCommit, &kgo.Record{Value: []byte("no event")})
	r.commit(2) // e24, e25
	r.transaction(kgo.TryAbort, r.record())

	var warnings int
	count := func(error) { warnings++ }
	expect(t, types(t, cfg, Options{Last: 4, NoFollow: true, Warn: count}), "e19", "e20", "e24", "e25")
	if warnings != 1 {
		t.Errorf("%d warnings of the one record that is no event", warnings)
	}
	if got := types(t, cfg, Options{Last: 1000, NoFollow: true}); len(got) != 22 {
		t.Errorf("all that is there: %v", got)
	}
	got := types(t, cfg, Options{Since: start().Add(19 * time.Second), NoFollow: true})
	slices.Sort(got)
	expect(t, got, "e19", "e20", "e24", "e25")
	expect(t, types(t, cfg, Options{Since: start().Add(19 * time.Second), Last: 2, NoFollow: true}), "e24", "e25")
	expect(t, types(t, cfg, Options{Since: start().Add(time.Hour), NoFollow: true}))
	expect(t, types(t, cfg, Options{NoFollow: true}))
	onlyP0 := func(e event.Received, _ []byte) bool { return e.PlayerID == "p0" }
	expect(t, types(t, cfg, Options{Last: 3, NoFollow: true, Match: onlyP0}), "e15", "e20", "e25")
}

func TestAnEmptyTopicEndsAtOnce(t *testing.T) {
	expect(t, types(t, cluster(t), Options{Last: 5, NoFollow: true}))
}

// The window before the end grows until enough events match.
func TestLastFindsRareEventsFarBack(t *testing.T) {
	cfg := cluster(t)
	r := newRelay(t, cfg)
	var many []*kgo.Record
	for range 3000 {
		many = append(many, r.record())
	}
	r.transaction(kgo.TryCommit, many...)
	rare := func(e event.Received, _ []byte) bool { return e.EventType == "e7" }
	expect(t, types(t, cfg, Options{Last: 1, NoFollow: true, Match: rare}), "e7")
}

// Nothing is missed and nothing comes twice where what was there ends and what
// is followed begins.
func TestFollowingBeginsWhereTheOldEnds(t *testing.T) {
	cfg := cluster(t)
	r := newRelay(t, cfg)
	r.commit(10)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := map[string]int{}
	var seen atomic.Int64
	done := make(chan error, 1)
	go func() {
		done <- Read(ctx, cfg, Options{Last: 3}, func(e Event) bool {
			got[e.EventType]++
			seen.Add(1)
			return len(got) < 13
		})
	}()
	for seen.Load() < 3 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	r.commit(10)
	if err := <-done; err != nil || ctx.Err() != nil {
		t.Fatalf("%v, got %v", err, got)
	}
	for n := 8; n <= 20; n++ {
		if got[fmt.Sprint("e", n)] != 1 {
			t.Errorf("e%d came %d times", n, got[fmt.Sprint("e", n)])
		}
	}
}

func TestCancellingIsNoError(t *testing.T) {
	cfg := cluster(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := Read(ctx, cfg, Options{}, func(Event) bool { return true }); err != nil {
		t.Fatal(err)
	}
}

func TestNoTopicAndNoBroker(t *testing.T) {
	cfg := cluster(t)
	p := problem.From(Read(t.Context(), cfg, Options{Topic: "other"}, nil))
	if p == nil || p.What != "the topic other does not exist" || p.Next == "" {
		t.Errorf("%+v", p)
	}
	p = problem.From(Read(t.Context(), kafka.Config{Brokers: []string{"127.0.0.1:1"}}, Options{}, nil))
	if p == nil || p.Next == "" {
		t.Errorf("%+v", p)
	}
}
