package postgres

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/gamemetrics/gmctl/pkg/event"
	"github.com/gamemetrics/gmctl/services/relay"
)

// The relay reads its rows by hand: pgx's scanning takes as long for a row as
// PostgreSQL needs to make it, most of it for memory.

// binaryFormat asks for all columns of a query in PostgreSQL's binary format.
func binaryFormat(columns int) pgx.QueryResultFormats {
	formats := make(pgx.QueryResultFormats, columns)
	for i := range formats {
		formats[i] = pgtype.BinaryFormatCode
	}
	return formats
}

// eventColumns is how many columns next.sql gives.
const eventColumns = 14

// eventRows decodes the rows of next.sql.
type eventRows struct {
	names    map[string]string // of players, types and games: a batch has each many times
	metadata []byte            // of the row at hand, if they are jsonb
}

const namesKept = 10_000

// event decodes one row into e, which keeps nothing of raw but its metadata, and those
// until the next row.
func (r *eventRows) event(raw [][]byte, e *relay.Event) error {
	if len(raw) != eventColumns {
		return fmt.Errorf("a row of events has %d columns, not %d", len(raw), eventColumns)
	}
	for _, fixed := range [...]struct{ column, width int }{{0, 8}, {1, 8}, {2, 16}, {5, 8}, {7, 8}} {
		if got := len(raw[fixed.column]); got != fixed.width {
			return fmt.Errorf("column %d of a row of events has %d bytes, not %d", fixed.column+1, got, fixed.width)
		}
	}
	e.Xid, e.Seq = binary.BigEndian.Uint64(raw[0]), int64(binary.BigEndian.Uint64(raw[1]))
	e.EventID = uuid.UUID(raw[2])
	e.PlayerID, e.EventType = r.name(raw[3]), r.name(raw[4])
	e.Timestamp, e.ReceivedAt = instant(raw[5]), instant(raw[7])
	e.Metadata = raw[6]
	if e.Metadata == nil {
		e.Metadata = r.compact(raw[13])
	}
	e.TestRun, e.TraceParent = r.name(raw[8]), string(raw[12])
	e.Origin = event.Origin{Game: r.name(raw[9]), SentAt: instant(raw[10]), Traffic: event.Traffic(r.name(raw[11]))}
	return nil
}

// name is the text, in memory that equal texts share.
func (r *eventRows) name(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	if name, ok := r.names[string(raw)]; ok {
		return name
	}
	if r.names == nil || len(r.names) >= namesKept {
		r.names = make(map[string]string)
	}
	name := string(raw)
	r.names[name] = name
	return name
}

// compact is the text of a jsonb value, without the spaces.
func (r *eventRows) compact(raw []byte) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	const version = 1 // byte before the text
	r.metadata = appendCompact(r.metadata[:0], raw[version:])
	return r.metadata
}

// instant decodes a timestamptz: microseconds since 2000. NULL is the zero time.
func instant(raw []byte) time.Time {
	const year2000 = 946_684_800_000_000 // in microseconds since 1970
	if len(raw) != 8 {
		return time.Time{}
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(raw)) + year2000).UTC()
}
