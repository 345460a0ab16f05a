package smoketest

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/latency"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// track follows the records of one topic from the producer to the consumer.
// Its methods may be called concurrently.
type track struct {
	mu        sync.Mutex
	run       string
	sent      []*kgo.Record // by their index header
	sentAt    []time.Time
	state     []state
	nextSeq   map[string]int // by key: the index in sent that must come next
	order     map[string][]int
	ack, e2e  latency.Histogram
	failures  map[string]failure // by error text
	oddities  []string           // what was wrong with records that came back; the first few
	oddCount  int
	unsettled int // records that are neither consumed nor failed
	fetchErrs map[int32]error
}

type state uint8

const (
	waiting  state = iota // for acknowledgement, for consumption or for both
	acked                 // but not consumed yet
	early                 // consumed before its acknowledgement arrived
	consumed              // and acknowledged
	failed                // the cluster did not take it
	unsent                // left out after a failure
)

type failure struct {
	err        error
	count      int
	partitions []int32
}

func newTrack(run string, records []*kgo.Record) *track {
	t := &track{
		run: run, sent: records, sentAt: make([]time.Time, len(records)), state: make([]state, len(records)),
		nextSeq: make(map[string]int), order: make(map[string][]int), failures: make(map[string]failure), fetchErrs: make(map[int32]error), unsettled: len(records),
	}
	for i, r := range records {
		t.order[string(r.Key)] = append(t.order[string(r.Key)], i)
	}
	return t
}

func (t *track) produced(i int, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sentAt[i] = at
}

// leaveOut gives up the records from index first on, which were not sent.
func (t *track) leaveOut(first int) (settled bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := first; i < len(t.state); i++ {
		t.state[i] = unsent
		t.unsettled--
	}
	return t.settled()
}

// acknowledged takes the cluster's answer to record i. It reports whether
// nothing more is expected of the topic.
func (t *track) acknowledged(i int, partition int32, err error, at time.Time) (settled bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.state[i] = failed
		t.unsettled--
		f := t.failures[err.Error()]
		f.err = err
		f.count++
		if !slices.Contains(f.partitions, partition) {
			f.partitions = append(f.partitions, partition)
		}
		t.failures[err.Error()] = f
		return t.settled()
	}
	t.ack.Record(at.Sub(t.sentAt[i]))
	if t.state[i] == early {
		t.state[i] = consumed
		t.unsettled--
	} else {
		t.state[i] = acked
	}
	return t.settled()
}

// settled reports whether nothing more is expected: every record came back or
// was refused or, on a topic that cannot be consumed, was answered.
func (t *track) settled() bool {
	if t.unsettled == 0 {
		return true
	}
	return len(t.fetchErrs) > 0 && !slices.Contains(t.state, waiting) && !slices.Contains(t.state, early)
}

// received takes a record off the topic. Records of others are passed over.
func (t *track) received(r *kgo.Record, at time.Time) (settled bool) {
	if string(header(r, topics.TestHeader)) != t.run {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i, err := strconv.Atoi(string(header(r, indexHeader)))
	if err != nil || i < 0 || i >= len(t.sent) {
		t.odd("a record came back with the header %s = %q", indexHeader, header(r, indexHeader))
		return false
	}
	if t.state[i] == consumed || t.state[i] == early {
		t.odd("record %d came twice", i)
		return false
	}
	t.compare(i, r)
	t.e2e.Record(at.Sub(t.sentAt[i]))
	switch t.state[i] {
	case acked:
		t.state[i] = consumed
		t.unsettled--
	case waiting:
		t.state[i] = early
	case failed:
		t.odd("record %d came although the cluster had refused it", i)
	}
	return t.settled()
}

// fetchFailed takes an error that ends the consumption of a partition.
func (t *track) fetchFailed(partition int32, err error) (settled bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fetchErrs[partition] = err
	return t.settled()
}

// compare checks a record that came back against the one that was sent.
func (t *track) compare(i int, got *kgo.Record) {
	want := t.sent[i]
	switch {
	case !bytes.Equal(got.Key, want.Key):
		t.odd("record %d came back with the key %q instead of %q", i, got.Key, want.Key)
	case !bytes.Equal(got.Value, want.Value):
		t.odd("record %d came back with the value %q instead of %q", i, got.Value, want.Value)
	case !slices.EqualFunc(got.Headers, want.Headers, sameHeader):
		t.odd("record %d came back with the headers %v instead of %v", i, got.Headers, want.Headers)
	}
	key := string(want.Key)
	position := slices.Index(t.order[key], i)
	if next := t.nextSeq[key]; position < next {
		t.odd("record %d of key %q came after record %d of the same key", position, key, next-1)
	} else {
		t.nextSeq[key] = position + 1
	}
}

func sameHeader(a, b kgo.RecordHeader) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) }

// odd notes something wrong, the first few times in words.
func (t *track) odd(format string, args ...any) {
	const inWords = 3
	t.oddCount++
	if len(t.oddities) < inWords {
		t.oddities = append(t.oddities, fmt.Sprintf(format, args...))
	}
}

// missing returns how many acknowledged records were not consumed, by partition,
// and how many were not acknowledged at all.
func (t *track) missing() (unseen map[int32]int, unanswered int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	unseen = make(map[int32]int)
	for i, s := range t.state {
		switch s {
		case acked:
			unseen[t.sent[i].Partition]++
		case waiting, early:
			unanswered++
		}
	}
	return unseen, unanswered
}

func header(r *kgo.Record, key string) []byte {
	for _, h := range r.Headers {
		if h.Key == key {
			return h.Value
		}
	}
	return nil
}
