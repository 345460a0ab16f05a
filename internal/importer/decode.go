package importer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// lineDecoder turns records into events.
type lineDecoder struct {
	events  *event.Decoder
	columns *columns // nil for NDJSON
	file    [sha256.Size]byte
	now     func() time.Time
}

// decode returns the event that a record holds. The error is an *event.Invalid.
func (d *lineDecoder) decode(r record) (event.Event, error) {
	if r.defect != "" {
		return event.Event{}, bad("", event.CodeMalformed, r.defect)
	}
	text := r.text
	if d.columns != nil {
		var err error
		if text, err = d.columns.json(r.fields); err != nil {
			return event.Event{}, err
		}
	}
	e, err := d.events.Decode(text, d.now())
	if err != nil {
		return event.Event{}, err
	}
	if !hasID(text) {
		e.EventID = d.id(r)
	}
	return e, nil
}

// id names an event that has no id of its own. It depends on nothing but the
// content of the file, so a copy, a compressed one and one that has grown since
// give the same ids.
func (d *lineDecoder) id(r record) uuid.UUID {
	sum := sha256.New()
	sum.Write(d.file[:])
	_ = binary.Write(sum, binary.BigEndian, r.line)
	sum.Write(r.text)
	id := uuid.UUID(sum.Sum(nil)[:16])
	id[6] = 0x80 | id[6]&0x0f // version 8: made by a rule of our own (RFC 9562)
	id[8] = 0x80 | id[8]&0x3f
	return id
}

// hasID reports whether a valid event names an id.
func hasID(text []byte) bool {
	if !bytes.Contains(text, []byte("eventId")) && !bytes.Contains(text, []byte(`\u`)) {
		return false
	}
	decoder := jsontext.NewDecoder(bytes.NewBuffer(text))
	if _, err := decoder.ReadToken(); err != nil {
		return false
	}
	for decoder.PeekKind() == '"' {
		name, err := decoder.ReadToken()
		if err != nil {
			return false
		}
		if name.String() == "eventId" {
			return decoder.PeekKind() == '"'
		}
		if err := decoder.SkipValue(); err != nil {
			return false
		}
	}
	return false
}
