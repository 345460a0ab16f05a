package relay

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// Position is a place in the order in which events were committed: that of the
// event stored by transaction Xid under the sequence number Seq. The zero
// Position lies before every event.
type Position struct {
	Xid uint64 `json:"xid,string"` // a string in JSON: it may exceed 2^53
	Seq int64  `json:"seq"`
}

// String returns the position as people read it: "4711/12".
func (p Position) String() string {
	return strconv.FormatUint(p.Xid, 10) + "/" + strconv.FormatInt(p.Seq, 10)
}

// Before tells whether the position lies before another one.
func (p Position) Before(other Position) bool {
	return p.Xid < other.Xid || p.Xid == other.Xid && p.Seq < other.Seq
}

// Event is a stored event and its place in the commit order.
type Event struct {
	Position
	event.Received
	TestRun     string // id of the test run that sent it; empty for a real event
	TraceParent string // W3C trace context of the request that brought it; empty: none
	// Record is what to publish in place of the event: a source of another table
	// makes it. Its topic is one that the relay may write to (needed). The cursor
	// still says Position and EventID. Nil: the event, in topics.EventsRaw.
	Record *kgo.Record
}

// Database says which database events come from.
type Database struct {
	ID               string // made with the schema; a copy of the database has the same
	SystemIdentifier uint64 // of the server; a copy made by dump and restore has another
	Timeline         uint32 // of the server's history; another one after a failover or a point-in-time recovery
	// Start is where to begin if nothing was published yet.
	Start Position
	Now   time.Time // by its clock; zero: that is not known
}

// Lag is what is stored and not yet published.
type Lag struct {
	Events int64         // exact up to LagCounted
	Age    time.Duration // since the first of them was received
	// Estimated is set where Events was not counted: numbers that the database gave
	// to events which were then not stored are part of it.
	Estimated bool
	// Blocker describes the open transaction that holds back the first of them, and with
	// it all; empty if none does, or not for long yet. Unblock says how to end it.
	Blocker, Unblock string
}

// Reach is what Source.Next knows of what lies behind the events that it gave, if take
// wanted more and they were fewer than limit.
type Reach struct {
	At    Position  // nothing up to here either: this is an event of another lane; zero: not known
	Event uuid.UUID // that event
	// End is set where nothing will ever come: the next layout begins there.
	End *Position
}

// LagCounted is how many events Source.Lag counts at most; of more it makes an
// estimate, since whoever asks may ask often.
const LagCounted = 10_000

// ErrHistory marks an error after which no relay may go on by itself: the
// database is not the one, or no longer has the history, that the cursor in
// Kafka speaks of, and going on could skip events or publish them twice.
var ErrHistory = errors.New("the database's history is not the one that was published")

// ErrCursorLost marks the ErrHistory of a lane that has published to topics which
// are still there, but of which Kafka has no cursor.
var ErrCursorLost error = cursorLost{}

type cursorLost struct{}

func (cursorLost) Error() string { return "the topic was deleted and made anew, or its record is lost" }

func (cursorLost) Is(target error) bool { return target == ErrHistory }

// Source is where the events come from. Its errors are *problem.Error.
type Source interface {
	// Database tells which database this is. The error has ErrHistory in its
	// chain if it is a copy of the one that its id belongs to.
	Database(ctx context.Context) (Database, error)
	// Verify returns an error with ErrHistory in its chain if going on from the
	// cursor could skip events.
	Verify(ctx context.Context, cursor Cursor) error
	// Next gives take up to limit events behind a position, in commit order, until
	// take wants no more. Those are only events behind which no earlier one can still
	// appear; there may be none now. An Event and its Metadata are overwritten when
	// take returns, its Record is not. It fails where the server, or its timeline, is
	// no longer the one that Database told.
	Next(ctx context.Context, from Database, after Position, limit int, take func(*Event) (more bool)) (Reach, error)
	// Lag measures what lies behind a position.
	Lag(ctx context.Context, after Position) (Lag, error)
}
