package ingestion

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// Position is a place among the events of a player, which are in the order of
// their timestamps, and of their ids where these are equal. The zero Position is
// behind the last.
type Position struct {
	Timestamp time.Time
	EventID   uuid.UUID
}

func positionOf(r Record) Position { return Position{r.Timestamp, r.EventID} }

// String is what readPosition reads.
func (p Position) String() string {
	return p.Timestamp.UTC().Format(time.RFC3339Nano) + "_" + p.EventID.String()
}

// readPosition reads what an earlier answer called next, or a time.
func readPosition(text string) (p Position, err error) {
	if text == "" {
		return p, nil
	}
	at, id, named := strings.Cut(text, "_")
	p.Timestamp, err = time.Parse(time.RFC3339Nano, at)
	if err == nil && named {
		p.EventID, err = uuid.Parse(id)
	}
	if year := p.Timestamp.UTC().Year(); err != nil || year < 1 || year > 9999 {
		return Position{}, invalidParameter("before", "must be the next of an earlier answer, or an RFC 3339 time")
	}
	return p, nil
}
