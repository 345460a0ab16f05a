package ingestion

import (
	"context"
	"errors"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// Record is one valid event on its way to the store.
type Record struct {
	event.Received
	TestRun     string // id of the test run that sent it; empty for a real event
	TraceParent string // W3C trace context of the request that brought it; empty: none
}

// Writer commits records to the system of record.
type Writer interface {
	// Write stores all records in one transaction, and returns when they are
	// durable, with one Outcome for each record, in order. When two records of
	// one call have the same id and timestamp, the first is Stored and the
	// others are Duplicate or in Conflict with it.
	//
	// With an error it is as if none was written (or the caller cannot know:
	// the connection broke during the commit; writing again is then safe).
	// ErrUnstorable in its chain says that at least one of the records can
	// never be written; any other error means that the store cannot write now.
	// Several calls run at the same time.
	Write(ctx context.Context, records []Record) ([]Outcome, error)
}

// Store is what the service needs of the system of record.
type Store interface {
	Writer
	// Ping tells whether the store can take writes now; its error is shown to
	// the readers of GET /ready and so holds no secret.
	Ping(ctx context.Context) error
}

var (
	// ErrUnavailable marks an error after which the same write may succeed
	// later: the store is down, too slow, or has too much to do.
	ErrUnavailable = errors.New("the event store is not available")
	// ErrUnstorable marks an error that lies in the data of a record, such as a
	// value that PostgreSQL refuses. Trying the record again is of no use.
	ErrUnstorable = errors.New("the event store refuses the event's data")
)
