package relay

import "time"

// clock tells the time of the database, whatever becomes of the machine's own. A
// broker refuses records that lie more than an hour ahead of its time
// (message.timestamp.after.max.ms), for as long as they do: one replica of ingestion,
// or a relay, whose clock is wrong would hold up the events of all.
type clock struct {
	database time.Time
	own      time.Time // at the same moment, with its monotonic reading
}

// newClock starts from what the database says; where it says nothing, from the
// machine's clock.
func newClock(database time.Time) clock {
	own := time.Now()
	if database.IsZero() {
		database = own
	}
	return clock{database.Round(0), own}
}

func (c clock) now() time.Time { return c.database.Add(time.Since(c.own)) }

// mostAhead is by how much the clocks of two machines may differ.
const mostAhead = time.Minute

// stamp is the time of a record that was made at a moment: now, where that lies ahead
// or is not known.
func stamp(made, now time.Time) time.Time {
	if made.IsZero() || made.After(now.Add(mostAhead)) {
		return now
	}
	return made
}
