package event

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// AppendJSON appends the event as compact JSON to dst. An event without an id
// is written without one. The error says that a string is not UTF-8; metadata
// is written as it stands and must be valid JSON.
func (e Event) AppendJSON(dst []byte) ([]byte, error) {
	dst, err := e.appendMembers(append(dst, '{'))
	return append(dst, '}'), err
}

// AppendJSON appends the value of the event's record in player.events.raw to
// dst. Errors are those of Event.AppendJSON.
func (r Received) AppendJSON(dst []byte) ([]byte, error) {
	dst, err := r.Event.appendMembers(append(dst, '{'))
	dst = append(dst, `,"receivedAt":`...)
	dst = appendTime(dst, r.ReceivedAt)
	if r.Origin != (Origin{}) {
		var originErr error
		dst, originErr = r.Origin.appendMembers(dst)
		err = errors.Join(err, originErr)
	}
	return append(dst, '}'), err
}

func (o Origin) appendMembers(dst []byte) (_ []byte, err error) {
	if o.Game != "" {
		dst, err = jsontext.AppendQuote(append(dst, `,"game":`...), o.Game)
	}
	if !o.SentAt.IsZero() {
		dst = appendTime(append(dst, `,"sentAt":`...), o.SentAt)
	}
	if o.Traffic != "" {
		var trafficErr error
		dst, trafficErr = jsontext.AppendQuote(append(dst, `,"traffic":`...), o.Traffic)
		err = errors.Join(err, trafficErr)
	}
	return dst, err
}

func (e Event) appendMembers(dst []byte) ([]byte, error) {
	if e.EventID != uuid.Nil {
		var text [36]byte
		encodeID(&text, e.EventID)
		dst = append(dst, `"eventId":"`...)
		dst = append(dst, text[:]...)
		dst = append(dst, `",`...)
	}
	dst = append(dst, `"playerId":`...)
	dst, errPlayer := jsontext.AppendQuote(dst, e.PlayerID)
	dst = append(dst, `,"eventType":`...)
	dst, errType := jsontext.AppendQuote(dst, e.EventType)
	dst = append(dst, `,"timestamp":`...)
	dst = appendTime(dst, e.Timestamp)
	if len(e.Metadata) > 0 {
		dst = append(dst, `,"metadata":`...)
		dst = append(dst, e.Metadata...)
	}
	return dst, errors.Join(errPlayer, errType)
}

func appendTime(dst []byte, at time.Time) []byte {
	dst = append(dst, '"')
	dst = at.UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

func encodeID(dst *[36]byte, id uuid.UUID) {
	const digits = "0123456789abcdef"
	at := 0
	for i, b := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst[at] = '-'
			at++
		}
		dst[at], dst[at+1] = digits[b>>4], digits[b&0xf]
		at += 2
	}
}

// DecodeReceived reads the value of a record in player.events.raw. It checks
// the form only, not the rules: what was accepted once stays readable when the
// rules change. Unknown members are skipped.
func DecodeReceived(value []byte) (Received, error) {
	w := &walker{dec: new(jsontext.Decoder)}
	if err := w.walk(value); err != nil {
		return Received{}, err
	}
	w.bad.Fields = nil
	player, _ := required("playerId", w.playerID, &w.bad)
	kind, _ := required("eventType", w.eventType, &w.bad)
	r := Received{
		Event: Event{
			EventID:   storedID(w.eventID, &w.bad),
			PlayerID:  string(player),
			EventType: string(kind),
			Timestamp: storedTime("timestamp", w.timestamp, &w.bad),
		},
		ReceivedAt: storedTime("receivedAt", w.receivedAt, &w.bad),
		Origin:     storedOrigin(w, &w.bad),
	}
	if !absent(w.metadata) {
		r.Metadata = bytes.Clone(w.metadata)
	}
	if len(w.bad.Fields) > 0 {
		return Received{}, &w.bad
	}
	return r, nil
}

func storedOrigin(w *walker, bad *Invalid) (o Origin) {
	if !absent(w.game) {
		game, _ := text("game", w.game, "the name of a game", bad)
		o.Game = string(game)
	}
	if !absent(w.sentAt) {
		o.SentAt = storedTime("sentAt", w.sentAt, bad)
	}
	if !absent(w.traffic) {
		traffic, _ := text("traffic", w.traffic, "a kind of traffic", bad)
		o.Traffic = Traffic(traffic)
	}
	return o
}

func storedID(raw jsontext.Value, bad *Invalid) uuid.UUID {
	text, ok := required("eventId", raw, bad)
	if !ok {
		return uuid.Nil
	}
	id, err := uuid.ParseBytes(text)
	if err != nil {
		bad.add("eventId", CodeInvalidFormat, fmt.Sprintf("must be a UUID: %v", err))
	} else if id == uuid.Nil {
		bad.add("eventId", CodeInvalidFormat, "must not be the nil UUID") // which is written as no id
	}
	return id
}

func storedTime(field string, raw jsontext.Value, bad *Invalid) time.Time {
	text, ok := required(field, raw, bad)
	if !ok {
		return time.Time{}
	}
	at, ok := parseTime(text)
	if !ok {
		bad.add(field, CodeInvalidFormat, "must be an RFC 3339 time")
	}
	return at
}
