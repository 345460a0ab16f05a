package smoketest

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/gamemetrics/gmctl/internal/kafka"
)

// topicOf returns a topic with so many partitions, all led by one broker.
func topicOf(partitions int) kafka.Topic {
	topic := kafka.Topic{Name: "t"}
	for id := range partitions {
		topic.Partitions = append(topic.Partitions, kafka.Partition{ID: int32(id), Leader: 1, Replicas: []int32{1}, ISR: []int32{1}})
	}
	return topic
}

func TestRecordsCoverEveryPartitionWithSeveralKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topic := topicOf(rapid.IntRange(1, 40).Draw(t, "partitions"))
		count := rapid.IntRange(1, 500).Draw(t, "count")
		records, keys, err := makeRecords("run", topic, count)
		if err != nil || len(records) < count {
			t.Fatalf("%d records, %v", len(records), err)
		}
		hash := kgo.StickyKeyPartitioner(nil).ForTopic("t")
		byPartition := make(map[int]map[string]int)
		for _, r := range records {
			p := hash.Partition(r, len(topic.Partitions))
			if byPartition[p] == nil {
				byPartition[p] = make(map[string]int)
			}
			byPartition[p][string(r.Key)]++
		}
		if keys != keysPerPartition*len(topic.Partitions) || len(byPartition) != len(topic.Partitions) {
			t.Fatalf("%d keys in %d partitions", keys, len(byPartition))
		}
		for p, of := range byPartition {
			for key, n := range of {
				if len(of) != keysPerPartition || (n < 2 && count > 1) {
					t.Fatalf("partition %d: %d keys, %s has %d records", p, len(of), key, n)
				}
			}
		}
	})
}

// A topic that gives back all records, in any order between keys, acknowledged
// before or after they come, is settled and without a finding.
func TestTrackAcceptsWhatIsRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records, _, err := makeRecords("run", topicOf(2), 12)
		if err != nil {
			t.Fatal(err)
		}
		track := newTrack("run", records)
		arrivals := byKeyShuffled(t, records)
		acknowledged := rapid.Permutation(indices(len(records))).Draw(t, "acknowledged")
		var settled bool
		for len(arrivals)+len(acknowledged) > 0 {
			if len(arrivals) == 0 || (len(acknowledged) > 0 && rapid.Bool().Draw(t, "acknowledge")) {
				settled = track.acknowledged(acknowledged[0], 0, nil, time.Now())
				acknowledged = acknowledged[1:]
			} else {
				settled = track.received(records[arrivals[0]], time.Now())
				arrivals = arrivals[1:]
			}
			if last := len(arrivals)+len(acknowledged) == 0; settled != last {
				t.Fatalf("settled %v with %d arrivals and %d acknowledgements to come", settled, len(arrivals), len(acknowledged))
			}
		}
		if found := track.problems(kafka.Config{}, "t", time.Second, nil); len(found) > 0 {
			t.Fatalf("%+v", found)
		}
	})
}

// byKeyShuffled returns the records' indices in a random order that keeps the
// order of each key.
func byKeyShuffled(t *rapid.T, records []*kgo.Record) []int {
	order := rapid.Permutation(indices(len(records))).Draw(t, "order")
	next := make(map[string][]int)
	for i, r := range records {
		next[string(r.Key)] = append(next[string(r.Key)], i)
	}
	for at, i := range order {
		key := string(records[i].Key)
		order[at] = next[key][0]
		next[key] = next[key][1:]
	}
	return order
}

func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// Whatever happens to a single record on its way is found.
func TestTrackFindsWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(way []*kgo.Record, at int) []*kgo.Record
	}{
		{"lost", func(way []*kgo.Record, at int) []*kgo.Record { return slices.Delete(way, at, at+1) }},
		{"twice", func(way []*kgo.Record, at int) []*kgo.Record { return slices.Insert(way, at, way[at]) }},
		{"another value", func(way []*kgo.Record, at int) []*kgo.Record { way[at].Value = []byte("x"); return way }},
		{"another key", func(way []*kgo.Record, at int) []*kgo.Record { way[at].Key = []byte("x"); return way }},
		{"one header more", func(way []*kgo.Record, at int) []*kgo.Record {
			way[at].Headers = append(way[at].Headers, kgo.RecordHeader{Key: "x"})
			return way
		}},
		{"another index", func(way []*kgo.Record, at int) []*kgo.Record {
			way[at].Headers[1].Value = []byte("x")
			return way
		}},
		{"out of order", func(way []*kgo.Record, at int) []*kgo.Record {
			other := slices.IndexFunc(way, func(r *kgo.Record) bool { return r != way[at] && string(r.Key) == string(way[at].Key) })
			way[at], way[other] = way[other], way[at]
			return way
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				records, _, err := makeRecords("run", topicOf(2), 12)
				if err != nil {
					t.Fatal(err)
				}
				track := newTrack("run", records)
				way := make([]*kgo.Record, len(records))
				for i, r := range records {
					track.acknowledged(i, 0, nil, time.Now())
					way[i] = &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Headers: cloneHeaders(r.Headers)}
				}
				for _, r := range c.spoil(way, rapid.IntRange(0, len(way)-1).Draw(t, "at")) {
					track.received(r, time.Now())
				}
				if found := track.problems(kafka.Config{}, "t", time.Second, nil); len(found) == 0 {
					t.Fatal("nothing was found")
				}
			})
		})
	}
}

func cloneHeaders(headers []kgo.RecordHeader) []kgo.RecordHeader {
	clone := slices.Clone(headers)
	for i := range clone {
		clone[i].Value = slices.Clone(clone[i].Value)
	}
	return clone
}
