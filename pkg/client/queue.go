package client

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/pkg/client/internal/spool"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// Queue takes events and sends them in batches. Events of one player are stored in
// the order in which they were enqueued; an event that is enqueued after Enqueue
// returned for another comes after it. It is safe for use by several goroutines;
// make one, share it, and Close it.
type Queue struct {
	client *Client
	config QueueConfig
	seed   maphash.Seed
	lanes  []*lane
	log    *spool.Log // nil: events are kept in memory only

	running sync.WaitGroup
	ctx     context.Context // of all that runs
	abort   context.CancelFunc
	packers sync.Pool // of *packer

	mu       sync.Mutex
	window   window
	changed  chan struct{} // closed and made anew when events are settled, and by Close
	flushing int           // calls of Flush that wait: nothing lingers meanwhile
	hurry    chan struct{} // closed and made anew when a flush begins
	closed   bool
	stats    Stats
	plain    bool  // the service does not take compressed bodies
	unread   error // why the spool cannot be read now
	warned   bool  // the log was told of trouble, and not yet of its end

	closing  sync.Once
	closeErr error
}

// NewQueue returns a queue that sends with the client, whose Retry says how long to
// wait between attempts. With a spool it sends first what an earlier one left there.
func NewQueue(c *Client, config QueueConfig) (*Queue, error) {
	q := &Queue{client: c, config: config.withDefaults(), seed: maphash.MakeSeed(), changed: make(chan struct{}), hurry: make(chan struct{})}
	q.plain = q.config.Compression == NoCompression
	var err error
	if q.log, err = q.config.Spool.open(q.config.Log); err != nil {
		return nil, err
	}
	q.ctx, q.abort = context.WithCancel(context.Background())
	for range q.config.InFlight {
		l := &lane{queue: q, wake: make(chan struct{}, 1), over: map[uint64]*over{}}
		q.lanes = append(q.lanes, l)
		q.running.Go(l.run)
	}
	if q.log != nil {
		q.recover()
		q.running.Go(q.feed)
	}
	return q, nil
}

// Enqueue takes an event and returns its id, which is made where the event has
// none. It waits for room, or returns ErrFull, as QueueConfig.WhenFull says. With an
// error the queue promises nothing about the event; to enqueue it again under the
// same id is safe.
func (q *Queue) Enqueue(ctx context.Context, e event.Event) (uuid.UUID, error) {
	if e.EventID == uuid.Nil {
		e.EventID = event.NewID(time.Now())
	}
	encoded, err := appendEvent(nil, e)
	if err != nil {
		return e.EventID, err
	}
	if len(encoded) > q.config.MaxBytes {
		return e.EventID, fmt.Errorf("the event has %d bytes, and a request %d at most", len(encoded), q.config.MaxBytes)
	}
	take := q.hold
	if q.log != nil {
		take = q.write
	}
	for {
		changed, err := take(e.PlayerID, newEntry(e.EventID, encoded))
		if !errors.Is(err, ErrFull) {
			return e.EventID, err
		}
		if q.config.WhenFull == Drop {
			q.drop(e.EventID, encoded)
			return e.EventID, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return e.EventID, fmt.Errorf("%w, and %w", err, context.Cause(ctx))
		}
	}
}

// hold puts an event into memory; it returns ErrFull, and what to wait for, where
// there is no room.
func (q *Queue) hold(player string, e *entry) (changed <-chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return nil, ErrClosed
	case !q.window.fits(e.size, q.config.MaxMemory):
		return q.changed, ErrFull
	}
	e.at = q.window.newest + 1
	q.stats.Enqueued++
	q.push(player, e)
	return nil, nil
}

// push hands an event to the lane of its player. The caller holds mu.
func (q *Queue) push(player string, e *entry) {
	q.window.push(e)
	e.player = maphash.String(q.seed, player)
	q.lanes[e.player%uint64(len(q.lanes))].push(e)
}

func (q *Queue) drop(id uuid.UUID, encoded []byte) {
	q.mu.Lock()
	q.stats.Dropped++
	q.mu.Unlock()
	q.config.OnOutcome(Outcome{EventID: id, Fate: Dropped, Err: ErrFull, encoded: encoded})
}

// settle notes what became of a lane's events, and tells it before anyone learns
// that the queue has moved on.
func (q *Queue) settle(events []*entry, outcomes []Outcome) {
	var lost []Outcome
	for _, o := range outcomes {
		if o.Fate == Refused || o.Fate == GivenUp {
			lost = append(lost, o)
		}
		q.config.OnOutcome(o)
	}
	if len(lost) > 0 {
		q.config.Log.Warn("events are not stored", "count", len(lost), "firstEventId", lost[0].EventID, "fate", lost[0].Fate.String(), "error", lost[0].Err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, o := range outcomes {
		q.stats.count(o.Fate)
	}
	q.window.settle(events)
	q.moved()
}

// moved lets go on who waits for the queue to move. The caller holds mu.
func (q *Queue) moved() {
	if q.log != nil {
		if err := q.log.Settle(q.window.through); err != nil {
			q.config.Log.Warn("the queue's spool", "error", err)
		}
	}
	close(q.changed)
	q.changed = make(chan struct{})
}

func (s *Stats) count(f Fate) {
	switch f {
	case Stored:
		s.Stored++
	case Duplicate:
		s.Duplicates++
	case Refused:
		s.Refused++
	case GivenUp:
		s.GivenUp++
	case Dropped:
		s.Dropped++
	}
}

// Flush sends what waits without lingering, and returns when the fate of every
// event is known that was enqueued before the call, or when ctx ends. What waits to be
// tried again is tried at once, and then about once a second, unless the service asks
// to wait longer.
func (q *Queue) Flush(ctx context.Context) error {
	q.mu.Lock()
	q.flushing++
	target := q.window.newest
	if q.log != nil {
		target = q.log.End()
	}
	for _, l := range q.lanes {
		l.hurry()
	}
	close(q.hurry)
	q.hurry = make(chan struct{})
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		q.flushing--
		q.mu.Unlock()
	}()
	for {
		q.mu.Lock()
		done, changed, trouble := q.window.through >= target, q.changed, q.trouble()
		q.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), trouble)
		case <-q.ctx.Done():
			return ErrClosed
		}
	}
}

// Stats returns what the queue has done and how it stands.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Trouble = q.trouble()
	s.Waiting, s.MemoryBytes = q.window.waiting, q.window.bytes
	if q.log != nil {
		s.SpoolBytes = q.log.Size()
		if doubt := q.log.Doubt(); s.Trouble == nil && doubt != nil {
			s.Trouble = fmt.Errorf("events of the spool %s may be lost if the machine crashes: %w", q.config.Spool.Dir, doubt)
		}
	}
	return s
}
