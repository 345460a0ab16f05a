package apikey

import (
	"time"

	"github.com/gamemetrics/gmctl/internal/ratelimit"
)

// Key is what the platform keeps of an API key.
type Key struct {
	ID   string // Hash.ID()
	Hash Hash
	Game string // whose events it brings; empty: an administrator's key for all games
	Name string // what it is for, for people

	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	RevokedAt time.Time // zero: it is not
	LastUsed  time.Time // the day, in UTC; zero: never

	Settings
}

// Settings are what a key may do, and how its events are treated.
type Settings struct {
	Admin       bool           // it may read what is stored
	Rate        ratelimit.Rate // of its events; zero: the deployment's
	PlayerRate  ratelimit.Rate // of the events of each player; zero: the deployment's
	Origins     []string       // of the web pages that may use it; empty: those of the deployment
	SelfTraffic bool           // what it brings is the studio's own
	SchemaMode  SchemaMode     // what an event that breaks its type's schema comes to
	DeadLetters bool           // a rejected event is kept in dlq.events
}

// SchemaMode is how much the schema of an event's type counts.
type SchemaMode string

// The schema modes.
const (
	SchemaOff    SchemaMode = "off"
	SchemaReport SchemaMode = "report" // counted, and stored nevertheless
	SchemaStrict SchemaMode = "strict" // rejected
)

// State is whether a key is valid.
type State string

// The states of a key.
const (
	Valid   State = "valid"
	Expired State = "expired"
	Revoked State = "revoked"
)

// State tells whether the key is valid at now.
func (k *Key) State(now time.Time) State {
	switch {
	case !k.RevokedAt.IsZero() && !now.Before(k.RevokedAt):
		return Revoked
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return Expired
	}
	return Valid
}
