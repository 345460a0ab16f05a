// Package event is the player event of GameMetrics Pro: its type, the rules it
// must keep, and its encoding. The ingestion service, the SDK (pkg/client) and
// every consumer of the topic player.events.raw share it.
//
// Start with Event; Decode reads one from bytes that nobody has checked yet.
package event

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Event is one thing that a player did or that happened to a player.
type Event struct {
	// EventID names the event; sending an event again under the same id stores
	// it once.
	EventID uuid.UUID `json:"eventId"`
	// PlayerID is 1 to 128 bytes of UTF-8 without control characters.
	PlayerID string `json:"playerId"`
	// EventType is a letter and up to 63 letters, digits, '_', '.', ':', '-'.
	EventType string `json:"eventType"`
	// Timestamp is when it happened, in UTC and whole microseconds: what
	// PostgreSQL stores.
	Timestamp time.Time `json:"timestamp"`
	// Metadata is one JSON object in compact form; nil where there is none.
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

// Received is an event that the platform has accepted: the value of a record
// in player.events.raw.
type Received struct {
	Event
	ReceivedAt time.Time `json:"receivedAt"` // when ingestion read it, UTC, whole microseconds
	Origin
}

// Origin is where an event comes from, as far as that is known besides what the
// event says itself.
type Origin struct {
	Game    string    `json:"game,omitempty"`    // whose API key it came with
	SentAt  time.Time `json:"sentAt,omitzero"`   // when the client sent it, by the client's clock, UTC, whole microseconds
	Traffic Traffic   `json:"traffic,omitempty"` // who caused it
}

// Traffic is who caused an event.
type Traffic string

// The kinds of traffic that are not a player's.
const (
	TrafficPlayer Traffic = ""     // as far as is known
	TrafficBot    Traffic = "bot"  // a crawler or a script
	TrafficSelf   Traffic = "self" // the studio itself: its offices, its tests
)

// CorrectedTimestamp is when the event happened by the server's clock: the
// timestamp, moved by how much the client's clock was off when it sent the event.
// It is the timestamp where the client did not say when it sent it.
func (r Received) CorrectedTimestamp() time.Time {
	if r.SentAt.IsZero() {
		return r.Timestamp
	}
	return r.Timestamp.Add(r.ReceivedAt.Sub(r.SentAt))
}
