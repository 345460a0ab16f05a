package ingestion

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/gamemetrics/gmctl/internal/schemas"
	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/pkg/eventapi"
)

// Letter is a rejected event on its way to the dead-letter topic.
type Letter struct {
	Body    []byte // as the client sent it; at most MaxLetter bytes of it
	Player  string // where it can be read, and is no longer than an id may be
	EventID string // the same
	Game    string // whose API key it came with; empty: none
	TestRun string
	Reason  string // the code of the first field that is wrong
	Detail  string // all that is wrong, for people
}

// MaxLetter is how much of a rejected event is kept, in bytes: what a Kafka record
// takes for sure.
const MaxLetter = 512 << 10

// Letters keeps rejected events.
type Letters interface {
	// Keep returns when all letters are durable. With an error it is not known of
	// any; keeping them again is safe.
	Keep(ctx context.Context, letters []Letter) error
}

// lettersAtOnce is how many requests keep letters at the same time: events that
// are rejected must not take the database from those that are good.
const lettersAtOnce = 2

// policy is how the events of one request are taken.
type policy struct {
	schemas schemas.Mode // how strictly schemas hold; a schema may be weaker
	letters bool         // rejected events are kept
}

// policyOf is what the sender's key says, within the server's own; without a key it
// is the server's. An event that is being replayed makes no second letter.
func (s *Server) policyOf(r *http.Request, from *sender) policy {
	p := policy{schemas: s.config.SchemaMode, letters: s.config.DeadLetters}
	if from.key != nil {
		p.schemas, p.letters = p.schemas.And(from.key.SchemaMode), from.key.DeadLetters
	}
	p.letters = p.letters && s.config.Letters != nil && r.Header.Get(eventapi.ReplayHeader) == ""
	return p
}

// letterOf is the letter of an event that is invalid.
func letterOf(body []byte, invalid *event.Invalid, from *sender) Letter {
	var said struct {
		PlayerID any `json:"playerId"`
		EventID  any `json:"eventId"`
	}
	_ = json.Unmarshal(body, &said) // what cannot be read stays empty
	letter := Letter{Game: from.record.Game, TestRun: from.record.TestRun, Reason: string(invalid.Fields[0].Code), Detail: invalid.Error()}
	letter.Player, letter.EventID = idOf(said.PlayerID), idOf(said.EventID)
	if len(body) > MaxLetter {
		body = body[:MaxLetter]
	}
	letter.Body = bytes.Clone(body) // the request's buffer is used again
	return letter
}

// idOf is an id that a rejected event gives itself, empty where it is longer than any: an
// index and the header of a record take no text of any length.
func idOf(said any) string {
	id, _ := said.(string)
	if len(id) > event.MaxPlayerID {
		return ""
	}
	return id
}

// keepLetters stores the letters. Its error has ErrUnavailable
// in its chain: that a rejected event is kept is promised as that another is stored.
func (s *Server) keepLetters(ctx context.Context, letters []Letter) error {
	if len(letters) == 0 {
		return nil
	}
	if err := s.backlog.letterErr(); err != nil {
		return err
	}
	select {
	case s.lettering <- struct{}{}:
		defer func() { <-s.lettering }()
	case <-ctx.Done():
		return fmt.Errorf("%w: other rejected events wait to be kept", ErrUnavailable)
	}
	if err := s.config.Letters.Keep(ctx, letters); err != nil {
		s.config.Log.Warn("rejected events cannot be kept", "events", len(letters), "error", err)
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	s.metrics.letters.Add(float64(len(letters)))
	return nil
}
