package event

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// Limits that no configuration changes: the table and the topic rely on them.
const (
	MaxPlayerID  = 128 // bytes
	MaxEventType = 64  // bytes
)

// Rules are the limits that a deployment may choose.
type Rules struct {
	MaxAge      time.Duration // how far back a timestamp may lie
	MaxAhead    time.Duration // how far ahead of now a timestamp may lie
	MaxMetadata int           // bytes of metadata in compact form
	MaxDepth    int           // levels of metadata; its own object is the first
}

// DefaultRules returns the limits of a deployment that chose none: 30 days
// back, 24 hours ahead, 32 KiB of metadata, 32 levels.
func DefaultRules() Rules {
	return Rules{MaxAge: 30 * 24 * time.Hour, MaxAhead: 24 * time.Hour, MaxMetadata: 32 << 10, MaxDepth: 32}
}

// NewID returns a version 7 UUID for an event received at now.
func NewID(now time.Time) uuid.UUID {
	var id uuid.UUID
	fillRandom(id[6:])
	ms := now.UnixMilli()
	id[0], id[1], id[2] = byte(ms>>40), byte(ms>>32), byte(ms>>24)
	id[3], id[4], id[5] = byte(ms>>16), byte(ms>>8), byte(ms)
	// 12 bits of the time within the millisecond, so that ids sort by time (RFC 9562, method 3).
	fraction := now.Nanosecond() % 1_000_000 * 4096 / 1_000_000
	id[6] = 0x70 | byte(fraction>>8)
	id[7] = byte(fraction)
	id[8] = 0x80 | id[8]&0x3f
	return id
}

func (r *Rules) eventID(raw jsontext.Value, now time.Time, bad *Invalid) uuid.UUID {
	if absent(raw) {
		return NewID(now)
	}
	text, ok := text("eventId", raw, "a UUID", bad)
	if !ok {
		return uuid.UUID{}
	}
	// uuid.ParseBytes takes braces, URNs and bare hex too; only the canonical form is ours.
	id, err := uuid.ParseBytes(text)
	switch {
	case len(text) != 36 || err != nil:
		bad.add("eventId", CodeInvalidFormat, "must be a UUID such as 01939f64-6d3c-7bd5-9c3f-2f6d3a1c9b10")
	case id == uuid.Nil:
		bad.add("eventId", CodeInvalidFormat, "must not be the nil UUID; leave it out and the server assigns one")
	}
	return id
}

func (r *Rules) playerID(raw jsontext.Value, bad *Invalid) string {
	text, ok := required("playerId", raw, bad)
	if !ok {
		return ""
	}
	if reason, code := checkPlayerID(text); reason != "" {
		bad.add("playerId", code, reason)
		return ""
	}
	return string(text)
}

// CheckPlayerID returns why no event can have a player of that id, or nothing where
// one can.
func CheckPlayerID(id string) (reason string) {
	if !utf8.ValidString(id) {
		return "must be UTF-8"
	}
	reason, _ = checkPlayerID([]byte(id))
	return reason
}

// checkPlayerID is for an id that is UTF-8, as all that is decoded.
func checkPlayerID(id []byte) (reason string, code Code) {
	switch {
	case len(id) == 0:
		return "must not be empty", CodeInvalidFormat
	case len(id) > MaxPlayerID:
		return fmt.Sprintf("must have at most %d bytes, has %d", MaxPlayerID, len(id)), CodeTooLong
	case bytes.ContainsFunc(id, unicode.IsControl):
		return "must not contain control characters", CodeInvalidFormat
	case len(bytes.TrimSpace(id)) == 0:
		return "must not be blank", CodeInvalidFormat
	}
	return "", ""
}

func (r *Rules) eventType(raw jsontext.Value, bad *Invalid) string {
	text, ok := required("eventType", raw, bad)
	if !ok {
		return ""
	}
	if reason, code := checkEventType(text); reason != "" {
		bad.add("eventType", code, reason)
		return ""
	}
	return string(text)
}

func checkEventType(name []byte) (reason string, code Code) {
	if len(name) == 0 {
		return "must not be empty", CodeInvalidFormat
	}
	if len(name) > MaxEventType {
		return fmt.Sprintf("must have at most %d bytes, has %d", MaxEventType, len(name)), CodeTooLong
	}
	for i, c := range name {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || strings.IndexByte("_.:-", c) >= 0)) {
			return "must be a letter followed by letters, digits, '_', '.', ':' or '-'", CodeInvalidFormat
		}
	}
	return "", ""
}

func (r *Rules) timestamp(raw jsontext.Value, now time.Time, bad *Invalid) time.Time {
	if absent(raw) {
		bad.add("timestamp", CodeRequired, "is required")
		return time.Time{}
	}
	text, ok := text("timestamp", raw, "an RFC 3339 time", bad)
	if !ok {
		return time.Time{}
	}
	at, ok := parseTime(text)
	if !ok {
		bad.add("timestamp", CodeInvalidFormat, "must be an RFC 3339 time with an offset, such as 2026-03-01T18:30:00.250Z")
		return time.Time{}
	}
	if earliest := now.Add(-r.MaxAge); at.Before(earliest) {
		bad.add("timestamp", CodeTooOld, "is before "+earliest.UTC().Format(time.RFC3339)+", the earliest accepted now; events may be at most "+span(r.MaxAge)+" old")
	}
	if latest := now.Add(r.MaxAhead); at.After(latest) {
		bad.add("timestamp", CodeTooFarAhead, "is after "+latest.UTC().Format(time.RFC3339)+", the latest accepted now; events may be at most "+span(r.MaxAhead)+" ahead of the server's clock")
	}
	return at
}

// span prints a duration the way people say it: "30 days", "24h".
func span(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day && d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "0m")
}

// absent reports whether a member is missing or null.
func absent(raw jsontext.Value) bool { return len(raw) == 0 || raw[0] == 'n' }

// required returns the string of a member that must be there.
func required(field string, raw jsontext.Value, bad *Invalid) ([]byte, bool) {
	if absent(raw) {
		bad.add(field, CodeRequired, "is required")
		return nil, false
	}
	return text(field, raw, "a string", bad)
}

// text returns what a JSON string says; want names the wanted value to people.
func text(field string, raw jsontext.Value, want string, bad *Invalid) ([]byte, bool) {
	if raw[0] != '"' {
		if want != "a string" {
			want = "a string with " + want
		}
		bad.add(field, CodeWrongType, "must be "+want+", not "+kindName(raw.Kind()))
		return nil, false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], true
	}
	unquoted, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		bad.add(field, CodeMalformed, "is not a JSON string")
		return nil, false
	}
	return unquoted, true
}

func kindName(kind jsontext.Kind) string {
	switch kind {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "a boolean"
	}
	return "null"
}
