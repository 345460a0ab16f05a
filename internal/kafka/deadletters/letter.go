package deadletters

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/services/relay"
)

// Letter is a record of the dead-letter topic.
type Letter struct {
	ID      string // its place: PARTITION/OFFSET
	Time    time.Time
	Reason  string
	Detail  string
	Source  string // who gave the event up: ingestion or relay
	Topic   string // where the event should have gone
	Player  string // empty: not known
	EventID string // empty: not known
	Game    string // whose API key the event came with; empty: none, or not known
	TestRun string // empty: no test's
	Value   []byte // the event as it came; of an event that was too large for Kafka, without its metadata
	Headers []Header

	State
}

// Header is a header of the record.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func letterOf(r *kgo.Record) Letter {
	l := Letter{ID: fmt.Sprintf("%d/%d", r.Partition, r.Offset), Time: r.Timestamp.UTC(), Player: string(r.Key), Value: r.Value}
	l.Status = Open
	for _, h := range r.Headers {
		l.Headers = append(l.Headers, Header{h.Key, string(h.Value)})
		for name, field := range map[string]*string{
			relay.HeaderReason: &l.Reason, relay.HeaderDetail: &l.Detail, relay.HeaderSource: &l.Source,
			relay.HeaderTopic: &l.Topic, relay.HeaderEventID: &l.EventID, relay.HeaderGame: &l.Game, topics.TestHeader: &l.TestRun,
		} {
			if h.Key == name {
				*field = string(h.Value)
			}
		}
	}
	return l
}

// Filter chooses letters: those that meet every condition. An empty one is met.
type Filter struct {
	IDs     []string // one of these
	Done    bool     // also those that were replayed or discarded
	Tests   bool     // also those of tests
	Reason  string
	Source  string
	Player  string
	Game    string
	EventID string
	Since   time.Time
}

// Match reports whether the filter chooses the letter.
func (f Filter) Match(l *Letter) bool {
	is := func(wanted, found string) bool { return wanted == "" || wanted == found }
	return (len(f.IDs) == 0 || slices.Contains(f.IDs, l.ID)) && (f.Done || !l.Status.Done()) && (f.Tests || l.TestRun == "") && !l.Time.Before(f.Since) &&
		is(f.Reason, l.Reason) && is(f.Source, l.Source) && is(f.Player, l.Player) && is(f.Game, l.Game) && is(f.EventID, l.EventID)
}

// parts are where the letters may be that the filter chooses, by partition.
func (f Filter) parts() map[int32]part {
	if len(f.IDs) == 0 {
		return nil
	}
	parts := map[int32]part{}
	for _, id := range f.IDs {
		var partition int32
		var offset int64
		if _, err := fmt.Sscanf(id, "%d/%d", &partition, &offset); err != nil {
			continue // no letter has such an id
		}
		p, there := parts[partition]
		if !there {
			p.from = offset
		}
		parts[partition] = part{min(p.from, offset), max(p.to, offset+1)}
	}
	return parts
}
