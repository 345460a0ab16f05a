package ingestion

import (
	"fmt"

	"github.com/gamemetrics/gmctl/internal/schemas"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// Schemas holds the metadata of events to what is registered for their type.
type Schemas interface {
	// Check returns what of the metadata breaks the schema, and the schema's mode.
	// An error says that it is not known what to hold the event to.
	Check(e *event.Event) (schemas.Mode, []event.FieldError, error)
}

// hold checks the event against the schema of its type, as far as the sender's
// mode asks for it. The error is an *event.Invalid, or has ErrUnavailable in its
// chain.
func (s *Server) hold(e *event.Event, mode schemas.Mode) error {
	if s.config.Schemas == nil || mode == schemas.Off {
		return nil
	}
	demanded, fields, err := s.config.Schemas.Check(e)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if len(fields) == 0 {
		return nil
	}
	mode = mode.And(demanded)
	s.metrics.breach(e.EventType, mode)
	if mode != schemas.Strict {
		return nil
	}
	return &event.Invalid{Fields: fields}
}
