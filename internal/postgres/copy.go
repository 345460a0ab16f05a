package postgres

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/tracing"
	"github.com/gamemetrics/gmctl/services/ingestion"
)

//go:embed queries/copy.sql
var copyEvents string

// copyIn stores the records in the order in which they come, all of them or none:
// one whose key is taken, or two with the same key, are a unique violation.
func (s *Store) copyIn(ctx context.Context, records []ingestion.Record) (err error) {
	ctx, span := tracing.Database(ctx, "COPY", "events", len(records))
	defer func() { tracing.End(span, err) }()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	rows := s.buffers.get()
	defer s.buffers.put(rows)
	*rows = appendCopy((*rows)[:0], records)
	_, err = conn.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(*rows), copyEvents)
	return err
}

// appendCopy appends the records as COPY reads them in its binary format, with the
// columns of copy.sql.
func appendCopy(b []byte, records []ingestion.Record) []byte {
	const signature = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" // no flags, no extension
	const columns = 11
	b = append(b, signature...)
	for i := range records {
		r := &records[i]
		b = binary.BigEndian.AppendUint16(b, columns)
		b = appendField(b, r.EventID[:])
		b = appendField(b, r.PlayerID)
		b = appendField(b, r.EventType)
		b = appendTime(b, r.Timestamp)
		b = appendJSON(b, r.Metadata)
		b = appendTime(b, r.ReceivedAt)
		b = appendText(b, r.TestRun)
		b = appendText(b, r.Game)
		b = appendTime(b, r.SentAt)
		b = appendText(b, string(r.Traffic))
		b = appendText(b, r.TraceParent)
	}
	return binary.BigEndian.AppendUint16(b, 0xffff) // the end
}

func appendField[T string | []byte](b []byte, value T) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(value))), value...)
}

func appendNull(b []byte) []byte { return append(b, 0xff, 0xff, 0xff, 0xff) } // length -1

// appendText appends a text; an empty one is NULL.
func appendText(b []byte, value string) []byte {
	if value == "" {
		return appendNull(b)
	}
	return appendField(b, value)
}

// appendTime appends a timestamptz; the zero time is NULL. PostgreSQL counts
// microseconds from 2000.
func appendTime(b []byte, at time.Time) []byte {
	if at.IsZero() {
		return appendNull(b)
	}
	const epoch = 946_684_800_000_000 // 2000 in microseconds of Unix time
	return binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), uint64(at.UnixMicro()-epoch))
}

// appendJSON appends a json, which is its text; nil is NULL.
func appendJSON(b, value []byte) []byte {
	if value == nil {
		return appendNull(b)
	}
	return appendField(b, value)
}

// buffers are used again by the writes to come. The zero value is ready.
type buffers struct{ pool sync.Pool }

func (p *buffers) get() *[]byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

func (p *buffers) put(b *[]byte) {
	const longest = 6 << 20 // bytes: what a group of 4 MiB takes, and what append leaves free
	if cap(*b) <= longest {
		p.pool.Put(b)
	}
}
