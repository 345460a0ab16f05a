package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// Error is what the service said about a request or an event that it did not take.
type Error struct {
	Status     int                // HTTP
	Code       eventapi.Code      // empty if the answer was not the service's own, as from a proxy
	Message    string             // for people
	Fields     []event.FieldError // each invalid field
	RequestID  string             // names the request in the service's log
	RetryAfter time.Duration      // how long the service asks to wait; 0: it does not say
}

func (e *Error) Error() string {
	if e.RequestID == "" {
		return e.Message
	}
	return fmt.Sprintf("%s (HTTP %d, request %s)", e.Message, e.Status, e.RequestID)
}

// Invalid reports whether err says that an event is not valid, so that sending
// it again is of no use, and which fields are wrong.
func Invalid(err error) ([]event.FieldError, bool) {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != eventapi.InvalidEvent {
		return nil, false
	}
	return e.Fields, true
}

// Conflict reports whether err says that another event is stored under the id and
// timestamp of this one, so that sending it again is of no use, and which fields
// differ.
func Conflict(err error) ([]event.FieldError, bool) {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != eventapi.Conflict {
		return nil, false
	}
	return e.Fields, true
}
