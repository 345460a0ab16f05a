package client

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// Fate is what became of an event in a Queue.
type Fate int

// The fates.
const (
	Stored    Fate = iota + 1
	Duplicate      // it was stored before, under the same id and timestamp
	Refused        // the service never takes it; Err says why
	GivenUp        // the service was not reached in time, or before Close ended; it may be stored all the same
	Dropped        // there was no room; Enqueue said so
)

func (f Fate) String() string {
	switch f {
	case Stored:
		return "stored"
	case Duplicate:
		return "duplicate"
	case Refused:
		return "refused"
	case GivenUp:
		return "given up"
	case Dropped:
		return "dropped"
	}
	return "unknown"
}

// Outcome tells what became of one event.
type Outcome struct {
	EventID uuid.UUID
	Fate    Fate
	Err     error // why it is not stored, an *Error where the service said so; else nil

	encoded []byte
}

// Event returns the event as it is sent, to be looked at or kept elsewhere.
func (o Outcome) Event() (event.Event, error) {
	var e event.Event
	if err := json.Unmarshal(o.encoded, &e); err != nil {
		return event.Event{}, fmt.Errorf("event %s: %w", o.EventID, err)
	}
	return e, nil
}

var (
	// ErrFull says that a Queue has no room for an event.
	ErrFull = errors.New("the queue is full")
	// ErrClosed says that a Queue was closed.
	ErrClosed = errors.New("the queue is closed")
)

// UnsentError is what Close returns where events could not be sent in time and no
// spool keeps them. They may be stored all the same: to send them again under the
// same ids is safe.
type UnsentError struct {
	Events []event.Event // oldest first
	Cause  error         // why the last attempt failed; nil: there was none
}

func (e *UnsentError) Error() string {
	text := fmt.Sprintf("%d events were not sent before the queue was closed", len(e.Events))
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

func (e *UnsentError) Unwrap() error { return e.Cause }

// Stats are what a Queue has done since it was made, and how it stands.
type Stats struct {
	Enqueued   int64 // events that Enqueue took
	Stored     int64
	Duplicates int64 // stored before
	Refused    int64
	GivenUp    int64
	Dropped    int64
	Requests   int64 // attempts that were answered with the fate of their events
	Retries    int64 // attempts that failed and are made again

	Waiting     int64 // events in memory whose fate is not known
	MemoryBytes int64 // which these take, and those that were settled before older ones
	SpoolBytes  int64 // of the spool's files
	LostBytes   int64 // of the spool that were damaged, or half written when the process was killed
	// Trouble is why events, if only those of some players, cannot be sent now, or else why
	// those of the spool may not outlive a crash of the machine; nil: they can, and do,
	// as far as is known.
	Trouble error
}
