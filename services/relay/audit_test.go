package relay_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/relay"
)

// published returns what a read_committed consumer sees of a topic, once every
// transaction on it has ended.
func published(t testing.TB, cfg kafka.Config, topic string) []*kgo.Record {
	t.Helper()
	client := clientOf(t, cfg, kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond))
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ends := stableEnds(ctx, t, client, topic)
	var records []*kgo.Record
	at := map[int32]int64{}
	done := func() bool {
		for partition, end := range ends {
			if at[partition] < end {
				return false
			}
		}
		return true
	}
	for !done() {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("consume %s: %v; at %v of %v", topic, err, at, ends)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at[r.Partition] = r.Offset + 1
			if !r.Attrs.IsControl() {
				records = append(records, r)
			}
		})
	}
	return records
}

// committedEnd returns how many offsets of the topic lie before the first
// transaction that is open: a killed relay may have left one, which the next
// relay ends.
func committedEnd(t testing.TB, cfg kafka.Config, topic string) int64 {
	t.Helper()
	client := clientOf(t, cfg)
	defer client.Close()
	stable, err := kadm.NewClient(client).ListCommittedOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	stable.Each(func(o kadm.ListedOffset) { total += o.Offset })
	return total
}

func stableEnds(ctx context.Context, t testing.TB, client *kgo.Client, topic string) map[int32]int64 {
	t.Helper()
	admin := kadm.NewClient(client)
	for {
		high, err := admin.ListEndOffsets(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		stable, err := admin.ListCommittedOffsets(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		ends, open := map[int32]int64{}, false
		high.Each(func(o kadm.ListedOffset) {
			s, _ := stable.Lookup(topic, o.Partition)
			open = open || s.Offset != o.Offset
			ends[o.Partition] = o.Offset
		})
		if !open {
			return ends
		}
		select {
		case <-ctx.Done():
			t.Fatalf("a transaction on %s stays open", topic)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// audit fails the test unless every event is in records once, and those of a
// player in their order.
func audit(t testing.TB, events []relay.Event, records []*kgo.Record) {
	t.Helper()
	place := make(map[string]int, len(events))
	for i, e := range events {
		place[e.EventID.String()] = i
	}
	seen := map[string]int{}
	lastOf := map[string]int{}
	for _, r := range records {
		got, err := event.DecodeReceived(r.Value)
		if err != nil {
			t.Fatalf("offset %d: %v", r.Offset, err)
		}
		i, known := place[got.EventID.String()]
		if !known {
			t.Errorf("event %s was published and never stored", got.EventID)
			continue
		}
		if seen[got.EventID.String()]++; seen[got.EventID.String()] == 2 {
			t.Errorf("event %d (%s) was published twice, again at partition %d offset %d", i, events[i].Position, r.Partition, r.Offset)
		}
		if last, ok := lastOf[got.PlayerID]; ok && last > i {
			t.Errorf("player %s: event %d came after event %d", got.PlayerID, i, last)
		}
		lastOf[got.PlayerID] = i
		if string(r.Key) != events[i].PlayerID {
			t.Errorf("event %d has key %q, want the player %q", i, r.Key, events[i].PlayerID)
		}
	}
	if missing := len(events) - len(seen); missing != 0 {
		t.Errorf("%d of %d events were not published", missing, len(events))
	}
}
