package relay

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/topics"
)

// The headers of a record in topics.DeadLetter.
const (
	HeaderReason   = "gmctl-dlq-reason"   // a Reason
	HeaderDetail   = "gmctl-dlq-detail"   // the error, as the system said it
	HeaderSource   = "gmctl-dlq-source"   // who gave up: ingestion or relay
	HeaderTopic    = "gmctl-dlq-topic"    // where the event should have gone
	HeaderEventID  = "gmctl-dlq-event-id" // of an event that the relay gave up: with it the event is found in PostgreSQL
	HeaderGame     = "gmctl-dlq-game"     // whose API key the event came with; none: it came without
	HeaderPosition = "gmctl-dlq-position" // place in the commit order, xid/seq; the relay's only
)

// Reason says why an event could not be published.
type Reason string

const (
	ReasonEncoding Reason = "cannot-be-encoded"
	ReasonTooLarge Reason = "record-too-large" // for the broker; the value is the event without its metadata
)

// rejection is why an event goes to the dead-letter topic.
type rejection struct {
	reason Reason
	detail string
}

// encoded is the record of an event, made ahead of its transaction. A record is
// used once: the client keeps things of its own in it.
type encoded struct {
	record   kgo.Record
	at       Position
	event    uuid.UUID
	rejected *rejection // why the record is one for topics.DeadLetter; nil: it is not
}

// recordWriter makes the records of one batch after the other, in the same memory.
type recordWriter struct {
	records []encoded
	bytes   int      // of their keys and values
	chunks  [][]byte // with these bytes; those from next on are free
	next    int
	free    []byte // of the chunk at hand: its records, and behind them room for more
}

const (
	recordsChunk = 256 << 10 // bytes
	recordFixed  = 512       // bytes of a record at most, besides its texts
)

// begin begins a batch of up to limit records. Those of the one before are overwritten.
func (w *recordWriter) begin(limit int) {
	w.records = slices.Grow(w.records[:0], limit)
	w.bytes, w.next, w.free = 0, 0, nil
}

// add makes the record of an event, of which it keeps nothing. why says what is
// already known to be wrong with it; nil: nothing.
func (w *recordWriter) add(e *Event, why *rejection) {
	w.records = append(w.records, encoded{at: e.Position, event: e.EventID})
	made := &w.records[len(w.records)-1]
	if why == nil {
		why = w.write(&made.record, e)
	}
	if why != nil {
		made.record, made.rejected = *deadLetterOf(e, *why), why
	}
	w.bytes += len(made.record.Key) + len(made.record.Value)
}

// room makes free a chunk with room for that many bytes.
func (w *recordWriter) room(bytes int) {
	if bytes <= cap(w.free)-len(w.free) {
		return
	}
	if bytes > recordsChunk { // not worth keeping
		w.free = make([]byte, 0, bytes)
		return
	}
	if w.next == len(w.chunks) {
		w.chunks = append(w.chunks, make([]byte, 0, recordsChunk))
	}
	w.free = w.chunks[w.next]
	w.next++
}

// write makes the record of an event in topics.EventsRaw, or a rejection if it has
// no encoding. The record's timestamp is when the event was received, since Kafka's
// retention counts from it: an imported history of last year would otherwise be
// gone before anyone reads it. When the event happened stands in the value.
func (w *recordWriter) write(record *kgo.Record, e *Event) *rejection {
	if e.Record != nil {
		*record = *e.Record
		return nil
	}
	if e.Timestamp.Year() > 9999 {
		return &rejection{ReasonEncoding, "the year " + strconv.Itoa(e.Timestamp.Year()) + " has no RFC 3339 form"}
	}
	w.room(recordFixed + 2*len(e.PlayerID) + len(e.Metadata))
	key := append(w.free, e.PlayerID...)
	value, err := e.Received.AppendJSON(key[len(key):])
	if err != nil {
		return &rejection{ReasonEncoding, err.Error()}
	}
	*record = kgo.Record{Topic: topics.EventsRaw, Key: key[len(w.free):len(key):len(key)], Value: slices.Clip(value), Timestamp: e.ReceivedAt}
	w.free = key
	if cap(value) == cap(key)-len(key) { // it had room
		w.free = key[:len(key)+len(value)]
	}
	if e.TestRun != "" {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: topics.TestHeader, Value: []byte(e.TestRun)})
	}
	if e.TraceParent != "" {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: topics.TraceHeader, Value: []byte(e.TraceParent)})
	}
	return nil
}

// deadLetterOf returns the record in topics.DeadLetter of an event that was
// rejected. Its value is the event as far as it can be sent; the whole stays in
// PostgreSQL.
func deadLetterOf(e *Event, why rejection) *kgo.Record {
	small := e.Received
	if why.reason == ReasonTooLarge {
		small.Metadata = nil
	}
	value, err := small.AppendJSON(nil)
	if err != nil || e.Record != nil {
		value = nil
	}
	header := func(key, value string) kgo.RecordHeader {
		return kgo.RecordHeader{Key: key, Value: []byte(value)}
	}
	key := []byte(e.PlayerID)
	if e.Record != nil {
		key = e.Record.Key
	}
	record := &kgo.Record{Topic: topics.DeadLetter, Key: key, Value: value, Headers: []kgo.RecordHeader{
		header(HeaderReason, string(why.reason)),
		header(HeaderDetail, why.detail),
		header(HeaderSource, "relay"),
		header(HeaderTopic, topicOf(e)),
		header(HeaderEventID, e.EventID.String()),
		header(HeaderPosition, e.Position.String()),
	}}
	if e.Game != "" {
		record.Headers = append(record.Headers, header(HeaderGame, e.Game))
	}
	if e.TestRun != "" {
		record.Headers = append(record.Headers, header(topics.TestHeader, e.TestRun))
	}
	return record
}

func topicOf(e *Event) string {
	if e.Record != nil {
		return e.Record.Topic
	}
	return topics.EventsRaw
}

func cursorRecord(key string, cursor Cursor) (*kgo.Record, error) {
	value, err := json.Marshal(cursor)
	if cursor.Last {
		value, err = json.Marshal(lastCursor{Last: &cursor, Seq: "see last"})
	}
	return &kgo.Record{Topic: topics.RelayCursor, Key: []byte(key), Value: value}, err
}
