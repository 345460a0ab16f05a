package relay

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/internal/tracing"
)

const (
	// startTimeout bounds each thing that a session does before its first batch.
	startTimeout   = 20 * time.Second
	publishTimeout = 20 * time.Second // bounds one transaction
	// stopGrace is how long a relay that is asked to stop may still take to
	// finish the transaction at hand: one that is cut short has an unknown
	// outcome, and consumers wait until the next relay has aborted it.
	stopGrace = 3 * time.Second
	// transactionTimeout is when the broker aborts a transaction whose relay has
	// vanished and has no successor. Consumers wait for that long.
	transactionTimeout = 30 * time.Second
)

// session is the life of one producer: from fencing its predecessor to its
// first error.
type session struct {
	relay    *Relay
	client   *kgo.Client
	database Database
	clock    clock
	key      string                  // of the cursor record
	at       Position                // behind it is what to publish
	event    uuid.UUID               // that is there; the zero id: where it began
	found    bool                    // there was a cursor
	saved    Position                // of the cursor in Kafka
	savedAt  time.Time               // when that was written or, before this session wrote one, read
	topics   []uuid.UUID             // see Claim.Topics
	rejected map[Position]*rejection // what was learned of events before this session
	writers  [2]recordWriter         // of the batch being published, and of the one being read
}

// session runs one session. progressed tells whether it published anything.
func (r *Relay) session(ctx context.Context) (progressed bool, err error) {
	s, err := r.begin(ctx)
	if err != nil {
		return false, err
	}
	defer s.client.Close()
	return s.run(ctx)
}

// begin fences an earlier relay and finds out where it stopped. A lane of a Group then
// waits for others: not before, since a transaction of its own that a killed relay has
// left open would hold up the answer.
func (r *Relay) begin(ctx context.Context) (*session, error) {
	s, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	if r.cfg.place != nil {
		err = r.cfg.place.await(ctx, r)
	}
	if err == nil {
		err = s.start(ctx)
	}
	if err != nil {
		s.client.Close()
		return nil, err
	}
	return s, nil
}

// connect returns a session that has fenced an earlier relay.
func (r *Relay) connect(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	database, err := r.cfg.Source.Database(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{relay: r, database: database, clock: newClock(database.Now), key: cursorKey(database.ID, r.cfg.Lane), rejected: maps.Clone(r.rejected)}
	s.client, err = kafka.NewClient(r.cfg.Kafka, s.options()...)
	if err != nil {
		return nil, err
	}
	if err := s.fence(ctx); err != nil {
		s.client.Close()
		return nil, err
	}
	return s, nil
}

// start finds out where to publish from.
func (s *session) start(ctx context.Context) error {
	note, err := s.relay.noted(ctx)
	if err != nil {
		return err
	}
	cursor, err := readCursor(ctx, s.client, s.key)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.check(ctx, cursor); err != nil {
		return err
	}
	why, err := s.locate(ctx, cursor, note)
	if err != nil {
		return err
	}
	s.found, s.saved, s.savedAt = cursor != nil, s.at, time.Now()
	s.relay.cfg.Log.Info("publishing", "after", s.at.String(), "cursor_found", cursor != nil, "because", why, "database", s.database.ID, "lane", s.relay.cfg.Lane)
	return nil
}

func (s *session) options() []kgo.Opt {
	r := s.relay
	return []kgo.Opt{
		kgo.TransactionalID("gmctl-relay-" + r.cfg.Lane + "-" + s.database.ID),
		kgo.TransactionTimeout(transactionTimeout),
		// One transaction follows the other at once, while the broker still writes the
		// markers of the last: a few milliseconds. (Brokers from 4.0 on wait for that
		// themselves, 20 ms: add.partitions.to.txn.retry.backoff.ms.)
		kgo.ConcurrentTransactionsBackoff(2 * time.Millisecond),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.ManualFlushing(), // a transaction is flushed as a whole
		kgo.MaxBufferedRecords(r.cfg.Batch + 1),
	}
}

// fence initialises the transactional id: that aborts what an earlier relay left open,
// and from then on no other relay can move the cursor.
func (s *session) fence(ctx context.Context) error {
	missing, err := kafka.MissingTopics(ctx, s.client, needed())
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return &problem.Error{
			What: "Kafka lacks the topic " + missing[0].Name,
			Next: "make the platform's topics: gmctl up, or gmctl kafka topics create",
		}
	}
	return s.settle(ctx)
}

// check reports why the lane does not go on from its cursor; nil: it does.
func (s *session) check(ctx context.Context, cursor *Cursor) error {
	if cursor == nil {
		return nil
	}
	if err := s.relay.cfg.Source.Verify(ctx, *cursor); err != nil || !cursor.Last {
		return err
	}
	return s.done(ctx, cursor)
}

// needed are the topics that the relay writes to.
func needed() []topics.Topic {
	return slices.DeleteFunc(topics.All(), func(t topics.Topic) bool {
		return t.Name != topics.EventsRaw && t.Name != topics.DeadLetter && t.Name != topics.Erasures && t.Name != topics.RelayCursor
	})
}

// batch is what Source.Next gave.
type batch struct {
	records []encoded
	bytes   int
	full    bool // there may be more
	reach   Reach
	ends    bool // its cursor is the lane's last
	err     error
}

// cursor is that of the batch: of its last event or, without one, of how far was read.
func (b *batch) cursor() Cursor {
	if n := len(b.records); n > 0 {
		return Cursor{Position: b.records[n-1].at, EventID: b.records[n-1].event.String()}
	}
	c := Cursor{Position: b.reach.At, Last: b.ends}
	if b.reach.Event != uuid.Nil {
		c.EventID = b.reach.Event.String()
	}
	return c
}

// read is up to where the batch has all, and the event that is there.
func (b *batch) read() (Position, uuid.UUID) {
	n := len(b.records)
	if n == 0 || !b.full && b.records[n-1].at.Before(b.reach.At) {
		return b.reach.At, b.reach.Event
	}
	return b.records[n-1].at, b.records[n-1].event
}

// index tells whose record this is; -1: of no event, or in its place.
func (b *batch) index(record *kgo.Record) int {
	for i := range b.records {
		if &b.records[i].record == record {
			return i
		}
	}
	return -1
}

// fitting is how many records like these come to bytes.
func (b *batch) fitting(bytes int) int { return max(1, bytes*len(b.records)/max(1, b.bytes)) }

// run publishes batch after batch. While a full batch is being published the
// next one is read; a batch that was not full is read only then, so that it
// holds all that came in the meantime.
func (s *session) run(ctx context.Context) (progressed bool, err error) {
	r := s.relay
	r.advanced(s.at, 0, 0)
	r.knows(s.topics)
	r.enter(Running, nil)
	if progressed, err = s.setOut(ctx); err != nil {
		return progressed, err
	}
	reading, stopReading := context.WithCancel(ctx)
	var ahead chan batch
	defer func() {
		stopReading()
		if ahead != nil {
			<-ahead
		}
	}()
	for {
		limit := r.limit
		var now batch
		if ahead != nil {
			now, ahead = <-ahead, nil
		} else {
			now = s.await(ctx, limit)
		}
		if now.err != nil {
			return progressed, now.err
		}
		if ctx.Err() != nil {
			return progressed, ctx.Err()
		}
		if len(now.records) == 0 {
			if err := s.quiet(ctx, now, progressed); err != nil {
				return progressed, err
			}
			continue
		}
		last, event := now.read()
		if now.full {
			ahead = make(chan batch, 1)
			go func(result chan<- batch) { result <- s.next(reading, last, limit) }(ahead)
		}
		if err := s.publish(ctx, now); err != nil {
			return progressed, err
		}
		s.at, s.event, progressed = last, event, true
		r.limit = min(2*r.limit, r.cfg.Batch, now.fitting(r.bytes))
	}
}

func (s *session) next(ctx context.Context, after Position, limit int) batch {
	s.writers[0], s.writers[1] = s.writers[1], s.writers[0]
	w := &s.writers[0]
	w.begin(limit)
	most := s.relay.bytes
	reach, err := s.relay.cfg.Source.Next(ctx, s.database, after, limit, func(e *Event) bool {
		w.add(e, s.rejected[e.Position])
		return w.bytes < most
	})
	return batch{records: w.records, bytes: w.bytes, full: len(w.records) == limit || w.bytes >= most, reach: reach, err: err}
}

// await returns the next batch, waiting until there is one or ctx ends.
func (s *session) await(ctx context.Context, limit int) batch {
	r := s.relay
	idleSince := time.Now()
	for {
		now := s.next(ctx, s.at, limit)
		if now.err != nil || len(now.records) > 0 || s.tells(now) {
			return now
		}
		wait := time.NewTimer(min(max(time.Since(idleSince)/8, r.cfg.MinPoll), r.cfg.MaxPoll))
		select {
		case <-ctx.Done():
			wait.Stop()
			return batch{}
		case <-r.cfg.Wake:
			idleSince = time.Now()
		case <-wait.C:
		}
		wait.Stop()
	}
}

// publish commits the events and the cursor behind them in one transaction.
func (s *session) publish(stopping context.Context, b batch) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(stopping), publishTimeout)
	defer cancel()
	defer context.AfterFunc(stopping, func() { time.AfterFunc(stopGrace, cancel) })()
	began := time.Now()
	if err := s.client.BeginTransaction(); err != nil {
		return err
	}
	traces := s.relay.cfg.Tracer.Publish(topics.EventsRaw)
	deadLettered, err := s.produce(ctx, b, traces)
	if err == nil {
		err = s.client.EndTransaction(ctx, kgo.TryCommit)
	}
	traces.End(len(b.records), err)
	if err != nil {
		return s.unlessTimedOut(err, began)
	}
	r := s.relay
	last, _ := b.read()
	s.saved, s.savedAt = b.cursor().Position, time.Now()
	r.advanced(last, len(b.records), deadLettered)
	maps.DeleteFunc(r.rejected, func(at Position, _ *rejection) bool { return !last.Before(at) })
	r.metrics.transactions.Inc()
	r.metrics.published.Add(float64(len(b.records)))
	r.metrics.deadLettered.Add(float64(deadLettered))
	r.metrics.seconds.Observe(time.Since(began).Seconds())
	return nil
}

// unlessTimedOut keeps apart the two ways of being fenced: by another relay, or
// by the broker because our own transaction took too long (this process was
// stopped, or the machine asleep).
func (s *session) unlessTimedOut(err error, began time.Time) error {
	// Round(0) drops the monotonic clock, which stands still in a machine asleep. Where
	// the wall clock was set meanwhile the lane is left and claimed anew for no reason.
	if isFenced(err) && time.Since(began.Round(0)) > transactionTimeout/2 {
		return &problem.Error{
			What: "the broker ended the relay's transaction, which took too long", Cause: errors.New(err.Error()),
			Next: "if this repeats look for what slows Kafka or this process down",
		}
	}
	return err
}

// produce sends the events and the cursor record, and returns when the broker
// has them all.
func (s *session) produce(ctx context.Context, b batch, traces *tracing.Publication) (deadLettered int, err error) {
	failed, now := failures{}, s.clock.now()
	unwritten := failed.promise(b)
	for i := range b.records {
		made := &b.records[i]
		if why := made.rejected; why != nil {
			deadLettered++
			s.relay.cfg.Log.Warn("event goes to the dead-letter topic", "event", made.event, "position", made.at.String(), "reason", why.reason, "detail", why.detail)
		}
		trace(traces, &made.record, made.event)
		made.record.Timestamp = stamp(made.record.Timestamp, now)
		s.client.Produce(ctx, &made.record, unwritten)
	}
	cursor := b.cursor()
	cursor.SystemIdentifier, cursor.Timeline, cursor.At = s.database.SystemIdentifier, s.database.Timeline, now.UTC()
	record, err := cursorRecord(s.key, cursor)
	if err != nil {
		return 0, err
	}
	record.Timestamp = now
	s.client.Produce(ctx, record, unwritten)
	if err := s.client.Flush(ctx); err != nil {
		return 0, err
	}
	return deadLettered, s.relay.learn(&failed)
}

// learn decides what to do about records that the broker did not take. Those
// that are too large go to the dead-letter topic in the next try, once it is
// known which they are: the broker refuses whole batches.
func (r *Relay) learn(failed *failures) error {
	failed.mu.Lock()
	defer failed.mu.Unlock()
	switch {
	case failed.other != nil:
		return failed.other
	case len(failed.tooLarge) == 0:
		return nil
	case len(failed.tooLarge) == 1:
		for at, err := range failed.tooLarge {
			r.rejected[at] = &rejection{ReasonTooLarge, err.Error()}
		}
	default:
		r.limit = max(1, len(failed.tooLarge)/2)
	}
	return errAgain
}

// failures collects the records of one transaction that were not written.
type failures struct {
	mu       sync.Mutex
	tooLarge map[Position]error
	other    error // the first of another kind
}

// promise returns what the client tells the fate of the batch's records, and of
// the cursor's.
func (f *failures) promise(b batch) func(*kgo.Record, error) {
	return func(r *kgo.Record, err error) {
		if err == nil {
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if at := b.index(r); errors.Is(err, kerr.MessageTooLarge) && at >= 0 {
			if f.tooLarge == nil {
				f.tooLarge = make(map[Position]error)
			}
			f.tooLarge[b.records[at].at] = err
		} else if f.other == nil {
			f.other = err
		}
	}
}
