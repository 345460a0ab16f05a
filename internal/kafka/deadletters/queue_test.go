package deadletters_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/kafka/deadletters"
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
	for filter, want := range map[deadletters.Filter]int{
		{Player: "p0"}: 4, {Reason: "schema"}: 10, {Reason: "other"}: 0, {Source: "relay"}: 0, {Since: time.Now().Add(time.Hour)}: 0,
	} {
		if got := list(t, queue, filter); len(got) != want {
			t.Errorf("%+v chooses %d letters, want %d", filter, len(got), want)
		}
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
	before := end(t, cfg, topics.DeadLetterState)
	if got, err := queue.Take(t.Context(), settled); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
	if after := end(t, cfg, topics.DeadLetterState); before != 2 || after != before {
		t.Errorf("%d records, and then %d", before, after)
	}
}

// end is where the topic's only partition ends.
func end(t *testing.T, cfg kafka.Config, topic string) int64 {
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
	found, _ := ends.Lookup(topic, 0)
	return found.Offset
}
