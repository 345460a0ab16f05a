package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// Cursor says how far the events of one database were published. It is the
// value of a record in topics.RelayCursor, as JSON.
type Cursor struct {
	Position                // of the last published event
	EventID          string `json:"eventId"` // of that event
	SystemIdentifier uint64 `json:"systemIdentifier,string"`
	Timeline         uint32 `json:"timeline"`
	// At is when it was published.
	At time.Time `json:"at"`
	// Last is set where the lane's layout has ended: another one publishes what lies
	// behind Position, which is where that begins. There is no event.
	Last bool `json:"-"`
}

// overtakes reports whether c was written later than another cursor of its lane.
func (c *Cursor) overtakes(other *Cursor) bool {
	return other.Before(c.Position) || c.Position == other.Position && c.Last
}

// lastCursor is the record of a Cursor that is the last. A relay that knows of no
// layouts cannot read it, since its seq is no number, and publishes nothing.
type lastCursor struct {
	Last *Cursor `json:"last"`
	Seq  string  `json:"seq"`
}

// decodeCursor returns what a record says; nil for nil.
func decodeCursor(record *kgo.Record) (*Cursor, error) {
	if record == nil {
		return nil, nil
	}
	var last lastCursor
	if err := json.Unmarshal(record.Value, &last); err == nil && last.Last != nil {
		last.Last.Last = true
		return last.Last, nil
	}
	var cursor Cursor
	if err := json.Unmarshal(record.Value, &cursor); err != nil {
		return nil, &problem.Error{
			What:  fmt.Sprintf("the relay's cursor in %s (partition %d, offset %d) cannot be read", topics.RelayCursor, record.Partition, record.Offset),
			Cause: err, Next: "look at it: gmctl kafka tail " + topics.RelayCursor,
		}
	}
	return &cursor, nil
}

// cursorKey is the key of the cursor records of a database and lane.
func cursorKey(database, lane string) string { return database + "/" + lane }

// firstWindow is how many offsets before the end of the topic are read first.
// A relay alone on the topic finds its cursor within the last three.
const firstWindow = 64

// readCursor returns the last committed cursor under key, nil if there is none. That takes
// as long as the topic is long where there is none, or an old one. The caller's
// transactional id must have been initialised before: then no transaction of an earlier
// relay is open, and what is read is final.
func readCursor(ctx context.Context, client *kgo.Client, key string) (*Cursor, error) {
	log, err := openStable(ctx, client, topics.RelayCursor, startTimeout)
	if err != nil {
		return nil, err
	}
	var latest *Cursor
	for _, p := range log.partitions {
		cursor, err := p.lastCursor(ctx, key)
		if err != nil {
			return nil, err
		}
		if cursor != nil && (latest == nil || cursor.overtakes(latest)) {
			latest = cursor
		}
	}
	return latest, nil
}

// lastCursor looks for the last record under key, backward in growing windows:
// the topic may be long if its cleaner is behind, and the record is near its end.
func (p *partitionLog) lastCursor(ctx context.Context, key string) (*Cursor, error) {
	var found *kgo.Record
	err := p.backward(ctx, func(r *kgo.Record) bool {
		if string(r.Key) == key {
			found = r
		}
		return found != nil
	})
	if err != nil {
		return nil, err
	}
	return decodeCursor(found)
}

// topicLog reads a topic as it stands, without a consumer: a consumer does not
// tell when it has seen everything, because the last offsets of a log may be
// control records, aborted records, or compacted away.
type topicLog struct{ partitions []*partitionLog }

type partitionLog struct {
	client     *kgo.Client
	topic      string
	id         [16]byte
	partition  int32
	leader     int32
	start, end int64 // what the log held when it was opened
	raw        bool  // read all records and markers; else the committed records
}

func openLog(ctx context.Context, client *kgo.Client, topic string) (*topicLog, error) {
	admin := kadm.NewClient(client)
	details, err := admin.ListTopics(ctx, topic)
	if err != nil {
		return nil, err
	}
	detail := details[topic]
	if detail.Err != nil {
		return nil, fmt.Errorf("topic %s: %w", topic, detail.Err)
	}
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	log := &topicLog{}
	for _, p := range detail.Partitions.Sorted() {
		start, _ := starts.Lookup(topic, p.Partition)
		end, _ := ends.Lookup(topic, p.Partition)
		for _, err := range []error{p.Err, start.Err, end.Err} {
			if err != nil {
				return nil, fmt.Errorf("topic %s, partition %d: %w", topic, p.Partition, err)
			}
		}
		log.partitions = append(log.partitions, &partitionLog{
			client: client, topic: topic, id: detail.ID, partition: p.Partition, leader: p.Leader, start: start.Offset, end: end.Offset,
		})
	}
	return log, nil
}

// openStable opens the log of a topic when every transaction that has written to it has
// ended. limit bounds that, and not the reading.
func openStable(ctx context.Context, client *kgo.Client, topic string, limit time.Duration) (*topicLog, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	log, err := openLog(ctx, client, topic)
	if err != nil {
		return nil, err
	}
	for _, p := range log.partitions {
		if err := p.awaitStable(ctx); err != nil {
			return nil, err
		}
	}
	return log, nil
}

// stablePause is how long to wait for another transaction to end, or for a broker that
// gives nothing, before asking again.
const stablePause = 20 * time.Millisecond

// awaitStable returns when every transaction that wrote to the partition before
// it was opened has ended. Until then a record of ours may lie behind the open
// transaction of another lane, where a read_committed reader does not get.
func (p *partitionLog) awaitStable(ctx context.Context) error {
	for {
		stable, err := kadm.NewClient(p.client).ListCommittedOffsets(ctx, p.topic)
		if err != nil {
			return err
		}
		at, _ := stable.Lookup(p.topic, p.partition)
		if at.Err != nil {
			return fmt.Errorf("topic %s, partition %d: %w", p.topic, p.partition, at.Err)
		}
		if at.Offset >= p.end {
			return nil
		}
		select {
		case <-ctx.Done():
			return &problem.Error{
				What:  fmt.Sprintf("another transaction on %s, partition %d, stays open since offset %d", p.topic, p.partition, at.Offset),
				Cause: context.Cause(ctx),
				Next:  "it ends by itself with its transaction timeout; if it does not, find its producer and abort it: kafka-transactions.sh find-hanging",
			}
		case <-time.After(stablePause):
		}
	}
}

// backward reads the partition in windows from its end to its start, each in
// order, until done has said at some record of a window that this was the last.
func (p *partitionLog) backward(ctx context.Context, done func(*kgo.Record) bool) error {
	for high, window := p.end, int64(firstWindow); high > p.start; window *= 8 {
		low, last := max(p.start, high-window), false
		if _, err := p.read(ctx, low, high, func(r *kgo.Record) { last = done(r) || last }); err != nil || last {
			return err
		}
		high = low
	}
	return nil
}

// read calls each with every record in [low, high), in order, and returns up to where that
// is done: high, if there is no error.
func (p *partitionLog) read(ctx context.Context, low, high int64, each func(*kgo.Record)) (int64, error) {
	for offset := low; offset < high; {
		fetched, next, err := p.fetch(ctx, offset)
		if err != nil {
			return offset, err
		}
		for _, r := range fetched.Records {
			if r.Offset < high {
				each(r)
			}
		}
		offset = next
	}
	return high, nil
}

// fetch returns what stands from an offset on that is less than end, and the offset behind
// it. A broker answers with nothing while a quota holds the client back, or while it has
// yet to learn how far the log of a lost leader went: it is asked again, for startTimeout.
func (p *partitionLog) fetch(ctx context.Context, offset int64) (kgo.FetchPartition, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		fetched, next, err := p.ask(ctx, offset)
		if err != nil || next > offset {
			return fetched, next, err
		}
		select {
		case <-ctx.Done():
			return kgo.FetchPartition{}, 0, &problem.Error{
				What:  fmt.Sprintf("Kafka gives nothing of %s, partition %d, from offset %d on, where there is more", p.topic, p.partition, offset),
				Cause: context.Cause(ctx),
				Next:  "look whether a quota holds the relay's user back: kafka-configs.sh --describe --entity-type users",
			}
		case <-time.After(stablePause):
		}
	}
}

func (p *partitionLog) ask(ctx context.Context, offset int64) (kgo.FetchPartition, int64, error) {
	request := kmsg.NewPtrFetchRequest()
	request.MaxBytes, request.MinBytes = 8<<20, 0
	if !p.raw {
		request.IsolationLevel = 1 // read_committed
	}
	request.SessionEpoch = -1 // no fetch session
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = p.topic, p.id
	partition := kmsg.NewFetchRequestTopicPartition()
	partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = p.partition, offset, 8<<20
	topic.Partitions = append(topic.Partitions, partition)
	request.Topics = append(request.Topics, topic)

	answer, err := p.client.Broker(int(p.leader)).RetriableRequest(ctx, request)
	if err != nil {
		return kgo.FetchPartition{}, 0, err
	}
	response := answer.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
		return kgo.FetchPartition{}, 0, err
	}
	if len(response.Topics) == 0 || len(response.Topics[0].Partitions) == 0 {
		return kgo.FetchPartition{}, offset, nil
	}
	options := kgo.ProcessFetchPartitionOpts{Offset: offset, IsolationLevel: kgo.ReadCommitted(), Topic: p.topic, Partition: p.partition}
	if p.raw {
		options.IsolationLevel, options.KeepControlRecords = kgo.ReadUncommitted(), true
	}
	fetched, next := kgo.ProcessFetchPartition(options, &response.Topics[0].Partitions[0], kgo.DefaultDecompressor(), nil)
	return fetched, next, fetched.Err
}
