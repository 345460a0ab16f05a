package apikey

import (
	"time"

	"github.com/gamemetrics/gmctl/internal/ratelimit"
	"github.com/gamemetrics/gmctl/internal/schemas"
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
	SchemaMode  schemas.Mode   // how strictly schemas hold, at most
	DeadLetters bool           // a rejected event is kept in dlq.events
}

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
