package ingestion

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// Reader is where stored events are read, for those who look for a fault.
type Reader interface {
	// Event returns the events that have the id: one, or several of different
	// timestamps, in their order. An empty game is any.
	Event(ctx context.Context, game string, id uuid.UUID) ([]Record, error)
	// PlayerEvents returns up to limit of a player's events before a position, the
	// latest first.
	PlayerEvents(ctx context.Context, game, player string, before Position, limit int) ([]Record, error)
}

// readsAtOnce is how many requests read at the same time: who looks for a fault must
// not take the database from the events that come in.
const readsAtOnce = 2

// getEvent answers GET /api/v1/events/{eventId}.
func (s *Server) getEvent(w http.ResponseWriter, r *http.Request) {
	s.answerRead(w, r, func(ctx context.Context, game string) (*eventapi.Events, error) {
		text := r.PathValue(pathName)
		id, err := uuid.Parse(text)
		if err != nil || len(text) != 36 { // uuid.Parse takes braces, URNs and bare hex too
			return nil, invalidParameter("eventId", "must be a UUID such as 01939f64-6d3c-7bd5-9c3f-2f6d3a1c9b10")
		}
		records, err := s.config.Reader.Event(ctx, game, id)
		if err != nil {
			return nil, err
		}
		if len(records) == 0 {
			return nil, &requestError{status: http.StatusNotFound, code: eventapi.NotFound, message: fmt.Sprintf("no event %s is stored", id)}
		}
		return shownEvents(records), nil
	})
}

// getPlayerEvents answers GET /api/v1/players/{playerId}/events.
func (s *Server) getPlayerEvents(w http.ResponseWriter, r *http.Request) {
	s.answerRead(w, r, func(ctx context.Context, game string) (*eventapi.Events, error) {
		player := r.PathValue(pathName)
		if reason := event.CheckPlayerID(player); reason != "" {
			return nil, invalidParameter("playerId", reason)
		}
		query := r.URL.Query()
		limit := eventapi.DefaultPage
		if text := query.Get(eventapi.LimitParameter); text != "" {
			var err error
			if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > eventapi.MaxPage {
				return nil, invalidParameter(eventapi.LimitParameter, fmt.Sprintf("must be a number from 1 to %d", eventapi.MaxPage))
			}
		}
		before, err := readPosition(query.Get(eventapi.BeforeParameter))
		if err != nil {
			return nil, err
		}
		records, err := s.config.Reader.PlayerEvents(ctx, game, player, before, limit+1)
		if err != nil {
			return nil, err
		}
		if len(records) <= limit {
			return shownEvents(records), nil
		}
		page := shownEvents(records[:limit])
		page.Next = positionOf(records[limit-1]).String()
		return page, nil
	})
}

func invalidParameter(name, reason string) error {
	return &requestError{
		status: http.StatusBadRequest, code: eventapi.InvalidParameter, message: "the parameter " + name + " " + reason,
		fields: []event.FieldError{{Field: name, Code: event.CodeInvalidFormat, Reason: reason}},
	}
}

// answerRead answers an administrator with what read finds of the key's game.
func (s *Server) answerRead(w http.ResponseWriter, r *http.Request, read func(ctx context.Context, game string) (*eventapi.Events, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), s.config.Deadline)
	defer cancel()
	w.Header().Set("Cache-Control", "no-store")
	game, err := s.administrator(r)
	var found *eventapi.Events
	if err == nil {
		found, err = s.inTurn(ctx, func() (*eventapi.Events, error) { return read(ctx, game) })
	}
	if err != nil {
		s.refuse(w, err)
		return
	}
	writeJSON(w, http.StatusOK, found)
}

// inTurn reads when it is the request's turn.
func (s *Server) inTurn(ctx context.Context, read func() (*eventapi.Events, error)) (*eventapi.Events, error) {
	select {
	case s.reading <- struct{}{}:
		defer func() { <-s.reading }()
	case <-ctx.Done():
		return nil, unreadable()
	}
	found, err := read()
	if _, ours := errors.AsType[*requestError](err); err != nil && !ours {
		s.config.Log.Warn("stored events cannot be read", "error", err)
		return nil, unreadable()
	}
	return found, err
}

func unreadable() error {
	return &requestError{
		status: http.StatusServiceUnavailable, code: eventapi.Unavailable,
		message: "the event store is not available or too slow; ask again",
		header:  [2]string{"Retry-After", strconv.Itoa(seconds(retryAfter))},
	}
}

func shownEvents(records []Record) *eventapi.Events {
	shown := &eventapi.Events{Events: make([]eventapi.StoredEvent, len(records))}
	for i, r := range records {
		shown.Events[i] = eventapi.StoredEvent{Received: r.Received, TestRun: r.TestRun, TraceParent: r.TraceParent}
	}
	return shown
}
