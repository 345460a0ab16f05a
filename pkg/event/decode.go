package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// Decoder reads events that nobody has checked yet. It is safe for use by
// several goroutines.
type Decoder struct {
	rules Rules
	pool  sync.Pool // of *walker
}

// NewDecoder returns a decoder that holds events to the rules.
func NewDecoder(rules Rules) *Decoder {
	return &Decoder{rules: rules, pool: sync.Pool{New: func() any { return &walker{dec: new(jsontext.Decoder)} }}}
}

// Decode reads the one event that data holds; now is the time against which
// its timestamp is judged. An event without an id gets a new one. The event
// keeps no reference to data. The error is always an *Invalid.
func (d *Decoder) Decode(data []byte, now time.Time) (Event, error) {
	return d.DecodeNamed(data, now, nil)
}

// DecodeNamed is Decode, where name, which may be nil, gives an id to the event that
// has none, after its timestamp.
func (d *Decoder) DecodeNamed(data []byte, now time.Time, name func(at time.Time) uuid.UUID) (Event, error) {
	w := d.pool.Get().(*walker)
	defer d.pool.Put(w)
	bad := &w.bad
	bad.Fields = nil
	if err := w.walk(data); err != nil {
		return Event{}, err
	}
	for _, set := range []struct {
		name  string
		value jsontext.Value
	}{{"receivedAt", w.receivedAt}, {"game", w.game}, {"sentAt", w.sentAt}, {"traffic", w.traffic}} {
		if set.value != nil {
			bad.add(set.name, CodeUnknownField, "is not a field of an event: the server sets it")
		}
	}
	for _, name := range w.unknown {
		bad.add(clip(name), CodeUnknownField, unknownReason(name))
	}
	e := Event{
		EventID:   d.rules.eventID(w.eventID, now, bad),
		PlayerID:  d.rules.playerID(w.playerID, bad),
		EventType: d.rules.eventType(w.eventType, bad),
		Timestamp: d.rules.timestamp(w.timestamp, now, bad),
		Metadata:  d.rules.metadata(w.metadata, bad),
	}
	if len(bad.Fields) > 0 {
		return Event{}, &Invalid{Fields: bad.Fields}
	}
	if name != nil && absent(w.eventID) {
		e.EventID = name(e.Timestamp)
	}
	return e, nil
}

// walker finds the members of an event. They are slices of the data.
type walker struct {
	dec *jsontext.Decoder
	buf bytes.Buffer
	bad Invalid

	unknown                                           []string // names of members that events do not have; not all of very many
	eventID, playerID, eventType, timestamp, metadata jsontext.Value
	receivedAt, game, sentAt, traffic                 jsontext.Value // set by the server
}

// walk sets the members that data has; an error means that data as a whole
// cannot be read.
func (w *walker) walk(data []byte) error {
	w.eventID, w.playerID, w.eventType, w.timestamp, w.metadata = nil, nil, nil, nil, nil
	w.receivedAt, w.game, w.sentAt, w.traffic = nil, nil, nil, nil
	w.unknown = w.unknown[:0]
	// Over a bytes.Buffer the decoder reads the data in place.
	w.buf = *bytes.NewBuffer(data)
	w.dec.Reset(&w.buf)

	if kind := w.dec.PeekKind(); kind != '{' {
		value, err := w.dec.ReadValue()
		if err != nil {
			return explain(err, data)
		}
		return invalid("", CodeWrongType, "must be a JSON object, not "+kindName(value.Kind()))
	}
	if _, err := w.dec.ReadToken(); err != nil {
		return explain(err, data)
	}
	for w.dec.PeekKind() != '}' {
		name, err := w.dec.ReadValue()
		if err != nil {
			return explain(err, data)
		}
		member := w.member(name)
		value, err := w.dec.ReadValue()
		if err != nil {
			return explain(err, data)
		}
		if member != nil {
			*member = value
		}
	}
	if _, err := w.dec.ReadToken(); err != nil {
		return explain(err, data)
	}
	if _, err := w.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return invalid("", CodeMalformed, fmt.Sprintf("must end after its closing brace; something follows at byte %d", w.dec.InputOffset()))
	}
	return nil
}

// member returns where the value of a quoted name belongs, nil for an unknown one.
func (w *walker) member(quoted jsontext.Value) *jsontext.Value {
	switch string(quoted) {
	case `"eventId"`:
		return &w.eventID
	case `"playerId"`:
		return &w.playerID
	case `"eventType"`:
		return &w.eventType
	case `"timestamp"`:
		return &w.timestamp
	case `"metadata"`:
		return &w.metadata
	case `"receivedAt"`:
		return &w.receivedAt
	case `"game"`:
		return &w.game
	case `"sentAt"`:
		return &w.sentAt
	case `"traffic"`:
		return &w.traffic
	}
	name, err := jsontext.AppendUnquote(nil, quoted)
	if err == nil && bytes.IndexByte(quoted, '\\') >= 0 { // "player\u0049d" is playerId
		if plain, err := jsontext.AppendQuote(nil, name); err == nil && !bytes.Equal(plain, quoted) {
			return w.member(plain)
		}
	}
	if len(w.unknown) < maxUnknown {
		w.unknown = append(w.unknown, string(name))
	}
	return nil
}

// explain turns an error of the JSON decoder into an *Invalid.
func explain(err error, data []byte) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return invalid("", CodeEmpty, "is missing: the body is empty")
	}
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return invalid("", CodeMalformed, "must be JSON: "+err.Error())
	}
	field, _, _ := strings.Cut(strings.TrimPrefix(string(syntax.JSONPointer), "/"), "/")
	field = clip(jsontext.Pointer("/" + field).LastToken())
	where := fmt.Sprintf("at byte %d", syntax.ByteOffset)
	cause := strings.TrimPrefix(syntax.Err.Error(), "jsontext: ")
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		name := clip(syntax.JSONPointer.LastToken())
		return invalid(field, CodeDuplicateKey, fmt.Sprintf("must not name a member twice: a second %q %s", name, where))
	case strings.Contains(cause, "invalid UTF-8"):
		return invalid(field, CodeInvalidUTF8, "must be UTF-8: it is not "+where)
	case strings.Contains(cause, "surrogate"):
		return invalid(field, CodeInvalidUTF8, "must not contain half a surrogate pair: one is "+where)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return invalid(field, CodeMalformed, fmt.Sprintf("must be JSON: it ends in the middle, after %d bytes", len(data)))
	case noNumber(data, syntax.ByteOffset):
		return invalid(field, CodeMalformed, "must be JSON, which has no NaN or Infinity: one is "+where)
	}
	return invalid(field, CodeMalformed, "must be JSON: "+cause+" "+where)
}

// noNumber reports whether a NaN or an Infinity stands at or just before the offset.
func noNumber(data []byte, offset int64) bool {
	rest := bytes.TrimLeft(data[min(int(offset), len(data)):], "-")
	return bytes.HasPrefix(rest, []byte("NaN")) || bytes.HasPrefix(rest, []byte("Infinity"))
}

// clip keeps a name that a client chose short enough to be shown.
func clip(name string) string {
	const longest = 64
	if len(name) <= longest {
		return name
	}
	return strings.ToValidUTF8(name[:longest], "") + "…"
}
