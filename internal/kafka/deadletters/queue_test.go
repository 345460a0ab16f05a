package deadletters_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/kafka/deadletters"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/services/relay"
)

// letters makes a Kafka with n letters, each in a transaction of its own, and one
// of a transaction that was aborted.
func letters(t *testing.T, n int) (*kfake.Cluster, kafka.Config) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg := kafka.Config{Brokers: cluster.ListenAddrs()}
	client, err := kafka.NewClient(cfg, kgo.TransactionalID("test"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kafka.EnsureTopics(t.Context(), client, topics.All(), 1); err != nil {
		t.Fatal(err)
	}
	for i := range n + 1 {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		record := &kgo.Record{Topic: topics.DeadLetter, Key: []byte(fmt.Sprint("p", i%3)), Value: []byte(`{}`), Headers: []kgo.RecordHeader{
			{Key: relay.HeaderReason, Value: []byte("schema")}, {Key: relay.HeaderSource, Value: []byte("ingestion")},
		}}
		if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(t.Context(), kgo.TransactionEndTry(i < n)); err != nil {
			t.Fatal(err)
		}
	}
	return cluster, cfg
}

func connect(t *testing.T, cfg kafka.Config, by string, now func() time.Time) *deadletters.Queue {
	t.Helper()
	queue, err := deadletters.Connect(t.Context(), cfg, by, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(queue.Close)
	return queue
}

func list(t *testing.T, queue *deadletters.Queue, filter deadletters.Filter) []deadletters.Letter {
	t.Helper()
	found, err := queue.List(t.Context(), filter)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestLettersAreThoseThatWereCommitted(t *testing.T) {
	_, cfg := letters(t, 10)
	queue := connect(t, cfg, "ada", time.Now)
	if got := list(t, queue, deadletters.Filter{}); len(got) != 10 || got[0].Status != deadletters.Open || got[0].Reason != "schema" {
		t.Errorf("%d letters: %+v", len(got), got)
	}
	for _, test := range []struct {
		filter deadletters.Filter
		want   int
	}{
		{deadletters.Filter{Player: "p0"}, 4},
		{deadletters.Filter{Reason: "schema"}, 10},
		{deadletters.Filter{Reason: "other"}, 0},
		{deadletters.Filter{Source: "relay"}, 0},
		{deadletters.Filter{Since: time.Now().Add(time.Hour)}, 0},
	} {
		if got := list(t, queue, test.filter); len(got) != test.want {
			t.Errorf("%+v chooses %d letters, want %d", test.filter, len(got), test.want)
		}
	}
}

// Of letters that are named no others are read.
func TestNamedLettersAreReadWhereTheyAre(t *testing.T) {
	cluster, cfg := letters(t, 10)
	queue := connect(t, cfg, "ada", time.Now)
	all := list(t, queue, deadletters.Filter{})
	var first atomic.Int64 // offset that is read
	cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		for _, topic := range r.(*kmsg.FetchRequest).Topics {
			for _, p := range topic.Partitions {
				first.Store(min(first.Load(), p.FetchOffset))
			}
		}
		return nil, nil, false
	})
	found := 0
	for partition := range 3 {
		for offset := range end(t, cfg, topics.DeadLetter, int32(partition)) + 1 { // markers of transactions are among them, and what is not there
			first.Store(math.MaxInt64)
			id := fmt.Sprintf("%d/%d", partition, offset)
			got := list(t, queue, deadletters.Filter{IDs: []string{id}})
			found += len(got)
			if len(got) > 1 || len(got) == 1 && got[0].ID != id || first.Load() < offset {
				t.Errorf("%s: %+v, read from %d on", id, got, first.Load())
			}
		}
	}
	if found != len(all) {
		t.Errorf("%d letters are found by their names, want %d", found, len(all))
	}
	named := deadletters.Filter{IDs: []string{all[8].ID, "x", all[2].ID, all[5].ID, all[5].ID, "9/1"}} // the same partition
	if got := list(t, queue, named); len(got) != 3 || got[0].ID != all[2].ID || got[1].ID != all[5].ID || got[2].ID != all[8].ID {
		t.Errorf("%+v", got)
	}
}

// Whoever comes first has a letter, and each letter one.
func TestALetterIsTakenByOne(t *testing.T) {
	_, cfg := letters(t, 12)
	all := list(t, connect(t, cfg, "ada", time.Now), deadletters.Filter{})
	const people = 4
	taken := make([][]deadletters.Letter, people)
	failures := make([]error, people)
	var at sync.WaitGroup
	for i := range people {
		queue := connect(t, cfg, fmt.Sprint("person ", i), time.Now)
		at.Go(func() { taken[i], failures[i] = queue.Take(t.Context(), all) })
	}
	at.Wait()
	has := map[string]int{}
	for i := range people {
		if failures[i] != nil {
			t.Fatal(failures[i])
		}
		for _, l := range taken[i] {
			has[l.ID]++
		}
	}
	for _, l := range all {
		if has[l.ID] != 1 {
			t.Errorf("letter %s was taken by %d people", l.ID, has[l.ID])
		}
	}
}

func TestWhatBecameOfLettersStays(t *testing.T) {
	_, cfg := letters(t, 3)
	clock := time.Now()
	now := func() time.Time { return clock }
	ada := connect(t, cfg, "ada", now)
	all := list(t, ada, deadletters.Filter{})
	mine, err := ada.Take(t.Context(), all)
	if err != nil || len(mine) != 3 {
		t.Fatal(mine, err)
	}
	if err := ada.Settle(t.Context(), mine[0], deadletters.Replayed); err != nil {
		t.Fatal(err)
	}
	if err := ada.Settle(t.Context(), mine[1], deadletters.Open); err != nil {
		t.Fatal(err)
	}
	bob := connect(t, cfg, "bob", now)
	statuses := func() (got []string) {
		for _, l := range list(t, bob, deadletters.Filter{Done: true}) {
			got = append(got, string(l.Status)+" "+l.By)
		}
		return got
	}
	if diff := cmp.Diff([]string{"replayed ada", "open ada", "replaying ada"}, statuses()); diff != "" {
		t.Error(diff)
	}
	discarded, err := bob.Discard(t.Context(), all)
	if err != nil || len(discarded) != 1 || discarded[0].ID != all[1].ID {
		t.Errorf("bob discards %+v, %v", discarded, err)
	}
	if open := list(t, bob, deadletters.Filter{}); len(open) != 1 || open[0].ID != all[2].ID {
		t.Errorf("open: %+v", open)
	}
	clock = clock.Add(11 * time.Minute) // ada was killed
	if got, err := bob.Take(t.Context(), all); err != nil || len(got) != 1 || got[0].ID != all[2].ID {
		t.Errorf("after a while bob takes %+v, %v", got, err)
	}
	if err := ada.Settle(t.Context(), all[2], deadletters.Replayed); err != nil { // a late word
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"replayed ada", "discarded bob", "replaying bob"}, statuses()); diff != "" {
		t.Error(diff)
	}
}

// Who is interrupted while taking letters leaves them to others.
func TestWhatIsNotTakenIsLeft(t *testing.T) {
	cluster, cfg := letters(t, 3)
	ada, bob := connect(t, cfg, "ada", time.Now), connect(t, cfg, "bob", time.Now)
	all := list(t, bob, deadletters.Filter{})
	ctx, interrupt := context.WithCancel(t.Context())
	cluster.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) { // the letters are claimed
		interrupt()
		return nil, nil, false
	})
	if got, err := ada.Take(ctx, all); err == nil || problem.From(err).Kind != problem.Cancelled {
		t.Fatal(got, err)
	}
	if got, err := bob.Take(t.Context(), all); err != nil || len(got) != 3 {
		t.Errorf("bob takes %d letters, %v", len(got), err)
	}
}

// Where Kafka is away nothing waits for ever, not even for an answer that was
// on its way.
func TestWithoutKafkaLettersAreNotTaken(t *testing.T) {
	for name, trouble := range map[string]func(*kfake.Cluster){
		"it is gone": func(cluster *kfake.Cluster) { cluster.Close() },
		"it does not answer": func(cluster *kfake.Cluster) {
			cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				return nil, nil, true
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, cfg := letters(t, 1)
			queue := connect(t, cfg, "ada", time.Now)
			all := list(t, queue, deadletters.Filter{})
			trouble(cluster)
			_, err := queue.Take(t.Context(), all)
			if p, ok := errors.AsType[*problem.Error](err); !ok || !strings.Contains(p.What, "no note of the letters") {
				t.Error(err)
			}
		})
	}
}

// Compaction keeps the last record of a key: who came later does not replace who
// was first.
func TestCompactionKeepsWhoWasFirst(t *testing.T) {
	cluster, cfg := letters(t, 4)
	ada, bob := connect(t, cfg, "ada", time.Now), connect(t, cfg, "bob", time.Now)
	all := list(t, ada, deadletters.Filter{}) // as both saw them
	if got, err := ada.Discard(t.Context(), all[:1]); err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	if got, err := ada.Take(t.Context(), all[1:3]); err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	for _, late := range []func(context.Context, []deadletters.Letter) ([]deadletters.Letter, error){bob.Take, bob.Discard} {
		if got, err := late(t.Context(), all[:3]); err != nil || len(got) != 0 {
			t.Fatal(got, err)
		}
	}
	if err := ada.Settle(t.Context(), all[1], deadletters.Replayed); err != nil {
		t.Fatal(err)
	}
	if _, err := ada.Discard(t.Context(), all[3:]); err != nil { // the last record is not compacted
		t.Fatal(err)
	}
	cluster.Compact()
	var got []string
	for _, l := range list(t, bob, deadletters.Filter{Done: true}) {
		got = append(got, string(l.Status)+" "+l.By)
	}
	if diff := cmp.Diff([]string{"discarded ada", "replayed ada", "replaying ada", "discarded ada"}, got); diff != "" {
		t.Error(diff)
	}
}

// What is known to be settled gets no more records.
func TestWhatIsSettledIsNotWrittenAgain(t *testing.T) {
	_, cfg := letters(t, 2)
	queue := connect(t, cfg, "ada", time.Now)
	if _, err := queue.Discard(t.Context(), list(t, queue, deadletters.Filter{})); err != nil {
		t.Fatal(err)
	}
	settled := list(t, queue, deadletters.Filter{Done: true})
	before := end(t, cfg, topics.DeadLetterState, 0)
	if got, err := queue.Take(t.Context(), settled); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
	if after := end(t, cfg, topics.DeadLetterState, 0); before != 2 || after != before {
		t.Errorf("%d records, and then %d", before, after)
	}
}

// end is where the partition ends.
func end(t *testing.T, cfg kafka.Config, topic string, partition int32) int64 {
	t.Helper()
	client, err := kafka.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	found, _ := ends.Lookup(topic, partition)
	return found.Offset
}
