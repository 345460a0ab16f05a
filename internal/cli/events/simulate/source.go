package simulate

import (
	"time"

	"github.com/gamemetrics/gmctl/internal/simulate"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// source returns what yields the population's events, without ids. They are
// stamped with the moment they are due, or with the population's own clock if
// there is a history.
func (o *Options) source() func(due time.Time) (event.Event, bool) {
	// A fixed Monday: what the population does must not depend on today.
	began := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	end := time.Time{}
	if o.History > 0 {
		end = o.Now().UTC()
		began = end.Add(-o.History).Truncate(time.Second)
	}
	population := simulate.New(simulate.Config{Players: o.Players, Seed: o.Seed, Start: began})
	return func(due time.Time) (event.Event, bool) {
		did := population.Next()
		at := due
		if o.History > 0 {
			if at = did.At; at.After(end) {
				return event.Event{}, false
			}
		}
		return event.Event{
			PlayerID: did.PlayerID, EventType: did.Type, Metadata: did.Metadata,
			Timestamp: at.UTC().Truncate(time.Microsecond),
		}, true
	}
}
