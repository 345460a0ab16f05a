package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/topics"
	"github.com/gamemetrics/gmctl/internal/tracing"
)

// Config says what to publish, where, and how.
type Config struct {
	Source Source
	Kafka  kafka.Config

	// Topics are those that the records of Source go to: where they are others than
	// those that were published to, nothing is published yet. Nil: topics.EventsRaw.
	Topics []string

	Lane  string // names one of several relays of a database; empty: main
	Share int    // of a Group: lanes that events are shared out among from its start on; 0: as they are
	Batch int    // most events of one Kafka transaction; 0: DefaultBatch
	// Lanes says whether this relay works or stands by for another one of its lane.
	// Nil: it works, and fences the one that worked before.
	Lanes Lanes
	Name  string        // of this relay among those of its lane; empty: one of its own
	Lease time.Duration // how long it keeps the lane when it says no more; 0: DefaultLease
	// MinPoll and MaxPoll bound how long an idle relay waits before it looks
	// again: MinPoll right after an event, MaxPoll when there was none for long.
	// 0: DefaultMinPoll, DefaultMaxPoll.
	MinPoll, MaxPoll time.Duration
	// CursorAge is how old the cursor of a lane becomes that reads on and has nothing to
	// publish; 0: DefaultCursorAge.
	CursorAge time.Duration
	// Wake, which may be nil, ends such a wait at once.
	Wake <-chan struct{}

	Log      *slog.Logger          // nil: none
	Registry prometheus.Registerer // nil: no metrics
	Tracer   *tracing.Tracer       // nil: no spans

	place   *place   // of a lane of a Group
	metrics *metrics // nil: its own
}

const (
	DefaultLane    = "main"
	DefaultBatch   = 20_000
	DefaultMinPoll = 5 * time.Millisecond
	DefaultMaxPoll = 250 * time.Millisecond
	// DefaultCursorAge is much less than events are kept.
	DefaultCursorAge = 10 * time.Minute
	// batchBytes is when a transaction has enough events, whatever their number: what
	// is published and what is read meanwhile are in memory, and once more in the client.
	batchBytes = 8 << 20
	// firstBatch is how many events a relay publishes at once before it knows how
	// large they are.
	firstBatch = 1000
)

// State is what a relay is doing.
type State string

const (
	Starting State = "starting" // fencing an earlier relay, reading the cursor
	Standby  State = "standby"  // another relay works, Status.Active names it
	Waiting  State = "waiting"  // lanes of the layout before have yet to finish, Status.Active names one
	Running  State = "running"  // publishing, or waiting for events
	Failing  State = "failing"  // something is wrong, Problem says what; it tries again
	Stopped  State = "stopped"
)

// Status is a relay at one moment.
type Status struct {
	State        State
	Since        time.Time // of State
	Published    uint64    // events committed to Kafka by this Relay
	DeadLettered uint64    // of them to topics.DeadLetter
	Cursor       Position  // behind the last event known to be committed
	Problem      *problem.Error
	Active       string // in Standby the relay that works, empty if that is not known; in Waiting the lane
	// Held is what holds back events that a relay in Running would publish, for some
	// time now; nil: nothing that is known.
	Held *problem.Error
}

// Relay publishes the events of a Source to Kafka.
type Relay struct {
	cfg     Config
	metrics *metrics

	mu      sync.Mutex
	status  Status
	topics  []uuid.UUID // see Claim.Topics
	located bool        // Status.Cursor is where the lane is

	bytes int // see batchBytes

	// What the last failures taught; used by Run's goroutine alone.
	limit    int // events of the next transaction, at most cfg.Batch
	rejected map[Position]*rejection
}

// New returns a relay that does nothing before Run.
func New(cfg Config) *Relay {
	cfg = cfg.withDefaults()
	r := &Relay{
		cfg: cfg, limit: min(firstBatch, cfg.Batch), rejected: make(map[Position]*rejection), bytes: batchBytes,
		status: Status{State: Stopped, Since: time.Now()},
	}
	if cfg.place != nil {
		r.bytes = cfg.place.bytes()
	}
	if r.metrics = cfg.metrics; r.metrics == nil {
		r.metrics = newMetrics(cfg.Registry, func() bool { return r.Status().State == Running })
	}
	return r
}

func (cfg Config) withDefaults() Config {
	if cfg.Lane == "" {
		cfg.Lane = DefaultLane
	}
	if cfg.Topics == nil {
		cfg.Topics = []string{topics.EventsRaw}
	}
	if cfg.Batch <= 0 {
		cfg.Batch = DefaultBatch
	}
	if cfg.MinPoll <= 0 {
		cfg.MinPoll = DefaultMinPoll
	}
	if cfg.MaxPoll <= 0 {
		cfg.MaxPoll = max(DefaultMaxPoll, cfg.MinPoll)
	}
	if cfg.CursorAge <= 0 {
		cfg.CursorAge = DefaultCursorAge
	}
	if cfg.Name == "" {
		cfg.Name = ownName()
	}
	if cfg.Lease <= 0 {
		cfg.Lease = DefaultLease
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return cfg
}

// How long a failed relay waits before it tries again.
const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// Run publishes until ctx ends, and then returns nil. Failures that can pass are
// told by Status and tried again. It returns a *problem.Error for one that
// cannot: the database is not the one that the cursor in Kafka speaks of, the
// cursor is lost, or, where no Lanes say who works, another relay has taken over.
func (r *Relay) Run(ctx context.Context) error {
	defer func() { r.enter(Stopped, r.Status().Problem) }()
	if r.cfg.place == nil { // a Group watches for its lanes
		watching, stop := context.WithCancel(ctx)
		var watch sync.WaitGroup
		watch.Go(func() { watchHeld(watching, r, r.cfg, r.heldBy) })
		defer watch.Wait()
		defer stop()
	}
	for backoff := firstBackoff; ; {
		r.enter(Starting, r.Status().Problem)
		progressed, err := r.turn(ctx)
		if ctx.Err() != nil {
			r.enter(Stopped, nil)
			return nil
		}
		if errors.Is(err, errAgain) || errors.Is(err, errLaneLost) {
			continue
		}
		if errors.Is(err, errLaneDone) {
			r.enter(Stopped, nil)
			return err
		}
		why := r.explain(err)
		r.enter(Failing, why)
		if r.isFinal(err) {
			return why
		}
		if progressed {
			backoff = firstBackoff
		}
		r.cfg.Log.Warn("relay failed, trying again", "error", why, "next", why.Next, "again_in", backoff)
		r.metrics.failures.Inc()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

// errAgain ends a session that has learned how to do better.
var errAgain = errors.New("the batch is tried again in another form")

// errLaneDone ends a lane of a Group whose layout has ended.
var errLaneDone = errors.New("all events of the lane are published")

// isFinal reports whether trying again is of no use. A relay that was fenced and
// can ask whose lane it is stands by, or has it back.
func (r *Relay) isFinal(err error) bool {
	return errors.Is(err, ErrHistory) || isFenced(err) && r.cfg.Lanes == nil
}

func isFenced(err error) bool {
	return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch)
}

func (r *Relay) explain(err error) *problem.Error {
	if isFenced(err) {
		return &problem.Error{
			What:  fmt.Sprintf("another relay is active on lane %s of this database, and has fenced this one", r.cfg.Lane),
			Cause: err,
			Next:  "run one relay a lane: stop the other one, or leave this one stopped",
		}
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	return kafka.Explain(err, r.cfg.Kafka)
}

// Status tells what the relay is doing. It asks no one.
func (r *Relay) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

var errNotLocated = errors.New("the relay does not know yet where it goes on")

// Lag asks the source for what is not yet published. As long as this relay does not know
// where the lane is, because another one works it or Kafka does not answer, what is noted
// in Lanes counts, which is Config.Lease/4 old where someone publishes.
func (r *Relay) Lag(ctx context.Context) (Lag, error) {
	at, located := r.position()
	switch {
	case located:
	case r.cfg.Lanes == nil:
		return Lag{}, errNotLocated
	default:
		var err error
		if at, err = r.cfg.Lanes.Progress(ctx, r.cfg.Lane); err != nil {
			return Lag{}, err
		}
	}
	return r.cfg.Source.Lag(ctx, at)
}

// position is where the lane is, if this relay knows that.
func (r *Relay) position() (at Position, located bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status.Cursor, r.located
}

func (r *Relay) heldBy(why *problem.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Held = why
}

func (r *Relay) enter(state State, why *problem.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.status.State != state {
		r.status.State, r.status.Since = state, time.Now()
	}
	r.status.Problem, r.status.Active = why, ""
}

func (r *Relay) standingBy(active string) {
	r.enter(Standby, nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Active = active
}

func (r *Relay) waitingFor(lane string) {
	r.enter(Waiting, nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Active = lane
}

func (r *Relay) advanced(to Position, events, deadLettered int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Cursor = to
	r.status.Published += uint64(events)
	r.status.DeadLettered += uint64(deadLettered)
}
