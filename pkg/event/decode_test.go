package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// now is the server's clock in these tests.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	id    = "01939f64-6d3c-7bd5-9c3f-2f6d3a1c9b10"
	valid = `{"eventId":"` + id + `","playerId":"p1","eventType":"login","timestamp":"2026-03-01T11:59:59Z"}`
)

// with returns the valid event with one member set to value (raw JSON), or
// left out if value is empty.
func with(member, value string) string {
	members := map[string]string{
		"eventId": `"` + id + `"`, "playerId": `"p1"`, "eventType": `"login"`, "timestamp": `"2026-03-01T11:59:59Z"`,
	}
	members[member] = value
	var parts []string
	for _, name := range []string{"eventId", "playerId", "eventType", "timestamp", "metadata"} {
		if members[name] != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", name, members[name]))
		}
		delete(members, name)
	}
	for name, value := range members {
		parts = append(parts, fmt.Sprintf("%q:%s", name, value))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestDecodeAccepts(t *testing.T) {
	base := event.Event{
		EventID: uuid.MustParse(id), PlayerID: "p1", EventType: "login",
		Timestamp: time.Date(2026, 3, 1, 11, 59, 59, 0, time.UTC),
	}
	change := func(f func(*event.Event)) event.Event { e := base; f(&e); return e }
	tests := []struct {
		name, body string
		want       event.Event
	}{
		{"the least", valid, base},
		{"white space around", " \r\n\t" + valid + "\n", base},
		{"an upper-case id", with("eventId", `"`+strings.ToUpper(id)+`"`), base},
		{"a version 4 id", with("eventId", `"7d444840-9dc0-41d1-b245-5ffdce74fad2"`),
			change(func(e *event.Event) { e.EventID = uuid.MustParse("7d444840-9dc0-41d1-b245-5ffdce74fad2") })},
		{"an escaped name", strings.Replace(valid, "playerId", `player\u0049d`, 1), base},
		{"an escaped value", with("playerId", `"p\u0031"`), base},
		{"a player id in any script", with("playerId", `"玩家-ß 🎮"`), change(func(e *event.Event) { e.PlayerID = "玩家-ß 🎮" })},
		{"the longest player id", with("playerId", `"`+strings.Repeat("x", 128)+`"`), change(func(e *event.Event) { e.PlayerID = strings.Repeat("x", 128) })},
		{"the longest event type", with("eventType", `"`+strings.Repeat("x", 64)+`"`), change(func(e *event.Event) { e.EventType = strings.Repeat("x", 64) })},
		{"an event type with every sign", with("eventType", `"Shop.buy:gold_pack-2"`), change(func(e *event.Event) { e.EventType = "Shop.buy:gold_pack-2" })},
		{"an offset", with("timestamp", `"2026-03-01T13:59:59.123456+02:00"`), change(func(e *event.Event) { e.Timestamp = e.Timestamp.Add(123456 * time.Microsecond) })},
		{"nanoseconds, kept to the microsecond", with("timestamp", `"2026-03-01T11:59:59.123456789Z"`), change(func(e *event.Event) { e.Timestamp = e.Timestamp.Add(123456 * time.Microsecond) })},
		{"as old as may be", with("timestamp", `"2026-01-30T12:00:00Z"`), change(func(e *event.Event) { e.Timestamp = now.AddDate(0, 0, -30) })},
		{"as far ahead as may be", with("timestamp", `"2026-03-02T12:00:00Z"`), change(func(e *event.Event) { e.Timestamp = now.Add(24 * time.Hour) })},
		{"null metadata", with("metadata", "null"), base},
		{"empty metadata", with("metadata", "{}"), change(func(e *event.Event) { e.Metadata = json.RawMessage("{}") })},
		{"metadata, made compact", with("metadata", " { \"a b\" : [ 1 , -2.5e+3, true ,\n null, \"x \\\" \\\\\" ] } "),
			change(func(e *event.Event) { e.Metadata = json.RawMessage(`{"a b":[1,-2.5e+3,true,null,"x \" \\"]}`) })},
		{"the largest number", with("metadata", `{"n":1.7976931348623157e308,"m":-5e-308}`), change(func(e *event.Event) { e.Metadata = json.RawMessage(`{"n":1.7976931348623157e308,"m":-5e-308}`) })},
		{"an escaped backslash before u0000", with("metadata", `{"a":"\\u0000"}`), change(func(e *event.Event) { e.Metadata = json.RawMessage(`{"a":"\\u0000"}`) })},
		{"a surrogate pair", with("metadata", `{"a":"\ud83c\udfae"}`), change(func(e *event.Event) { e.Metadata = json.RawMessage(`{"a":"\ud83c\udfae"}`) })},
		{"32 levels", with("metadata", nested(32)), change(func(e *event.Event) { e.Metadata = json.RawMessage(nested(32)) })},
		{"many beside each other", with("metadata", `{"a":[`+strings.Repeat("[],", 99)+`{}]}`), change(func(e *event.Event) { e.Metadata = json.RawMessage(`{"a":[` + strings.Repeat("[],", 99) + `{}]}`) })},
		{"metadata at its limit", with("metadata", `{"a": "`+strings.Repeat("x", 32<<10-8)+`"}`), change(func(e *event.Event) { e.Metadata = json.RawMessage(`{"a":"` + strings.Repeat("x", 32<<10-8) + `"}`) })},
	}
	decoder := event.NewDecoder(event.DefaultRules())
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			body := []byte(test.body)
			got, err := decoder.Decode(body, now)
			if err != nil {
				t.Fatalf("Decode(%s): %v", test.body, err)
			}
			clear(body) // the event must not keep a reference to it
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Decode(%s) (-want +got):\n%s", test.body, diff)
			}
		})
	}
}

// nested returns an object of the given number of levels.
func nested(levels int) string {
	return strings.Repeat(`{"a":`, levels-1) + "{}" + strings.Repeat("}", levels-1)
}

func TestDecodeRefuses(t *testing.T) {
	field := func(name string, code event.Code) []event.FieldError {
		return []event.FieldError{{Field: name, Code: code}}
	}
	tests := []struct {
		name, body string
		want       []event.FieldError // without reasons
		reason     string             // some of what the first reason says
	}{
		{"nothing", "", field("", event.CodeEmpty), "empty"},
		{"white space", " \n", field("", event.CodeEmpty), "empty"},
		{"not JSON", "player=7", field("", event.CodeMalformed), "must be JSON"},
		{"an array", "[" + valid + "]", field("", event.CodeWrongType), "not an array"},
		{"a string", `"login"`, field("", event.CodeWrongType), "not a string"},
		{"null", "null", field("", event.CodeWrongType), "not null"},
		{"cut off", valid[:40], field("eventId", event.CodeMalformed), "ends in the middle, after 40 bytes"},
		{"a second event", valid + valid, field("", event.CodeMalformed), "something follows at byte"},
		{"garbage behind", valid + "x", field("", event.CodeMalformed), "something follows"},
		{"NaN", with("metadata", `{"n":NaN}`), field("metadata", event.CodeMalformed), "no NaN or Infinity"},
		{"-Infinity", with("metadata", `{"n":-Infinity}`), field("metadata", event.CodeMalformed), "no NaN or Infinity"},
		{"a comment", `{/* hi */` + valid[1:], field("", event.CodeMalformed), "invalid character '/'"},
		{"a trailing comma", valid[:len(valid)-1] + ",}", field("", event.CodeMalformed), ""},
		{"single quotes", `{'playerId':'p1'}`, field("", event.CodeMalformed), ""},
		{"a byte order mark", "\ufeff" + valid, field("", event.CodeMalformed), ""},
		{"invalid UTF-8 in a value", with("playerId", "\"p\xff\""), field("playerId", event.CodeInvalidUTF8), "must be UTF-8: it is not at byte"},
		{"invalid UTF-8 in metadata", with("metadata", "{\"a\xc3\":1}"), field("metadata", event.CodeInvalidUTF8), "UTF-8"},
		{"a lone surrogate", with("metadata", `{"a":"\ud800"}`), field("metadata", event.CodeInvalidUTF8), "half a surrogate pair"},
		{"a lone low surrogate", with("playerId", `"\udc00x"`), field("playerId", event.CodeInvalidUTF8), "half a surrogate pair"},
		{"a field twice", valid[:len(valid)-1] + `,"playerId":"p2"}`, field("playerId", event.CodeDuplicateKey), `a second "playerId"`},
		{"a field twice, once escaped", valid[:len(valid)-1] + `,"player\u0049d":"p2"}`, field("playerId", event.CodeDuplicateKey), "twice"},
		{"a metadata key twice", with("metadata", `{"a":{"b":1,"b":1}}`), field("metadata", event.CodeDuplicateKey), `a second "b"`},

		{"no player id", with("playerId", ""), field("playerId", event.CodeRequired), "is required"},
		{"no event type", with("eventType", ""), field("eventType", event.CodeRequired), "is required"},
		{"no timestamp", with("timestamp", ""), field("timestamp", event.CodeRequired), "is required"},
		{"a null player id", with("playerId", "null"), field("playerId", event.CodeRequired), "is required"},
		{"a number as player id", with("playerId", "7"), field("playerId", event.CodeWrongType), "must be a string, not a number"},
		{"an object as event type", with("eventType", "{}"), field("eventType", event.CodeWrongType), "not an object"},
		{"a number as timestamp", with("timestamp", "1772366400"), field("timestamp", event.CodeWrongType), "must be a string with an RFC 3339 time, not a number"},
		{"a boolean as event id", with("eventId", "true"), field("eventId", event.CodeWrongType), "must be a string with a UUID, not a boolean"},
		{"an array as metadata", with("metadata", "[1]"), field("metadata", event.CodeWrongType), "must be an object, not an array"},
		{"a string as metadata", with("metadata", `"{}"`), field("metadata", event.CodeWrongType), "must be an object, not a string"},

		{"an empty player id", with("playerId", `""`), field("playerId", event.CodeInvalidFormat), "must not be empty"},
		{"a blank player id", with("playerId", `" \u2003 "`), field("playerId", event.CodeInvalidFormat), "blank"},
		{"a control character", with("playerId", `"p\u0007"`), field("playerId", event.CodeInvalidFormat), "control characters"},
		{"a NUL in the player id", with("playerId", `"p\u0000"`), field("playerId", event.CodeInvalidFormat), "control characters"},
		{"a long player id", with("playerId", `"`+strings.Repeat("é", 65)+`"`), field("playerId", event.CodeTooLong), "at most 128 bytes, has 130"},
		{"an empty event type", with("eventType", `""`), field("eventType", event.CodeInvalidFormat), "must not be empty"},
		{"an event type with a space", with("eventType", `"log in"`), field("eventType", event.CodeInvalidFormat), "must be a letter followed by"},
		{"an event type that starts with a digit", with("eventType", `"2nd"`), field("eventType", event.CodeInvalidFormat), "must be a letter"},
		{"an event type of other letters", with("eventType", `"größe"`), field("eventType", event.CodeInvalidFormat), "must be a letter"},
		{"an event type beside the letters", with("eventType", `"a[b"`), field("eventType", event.CodeInvalidFormat), "must be a letter"},
		{"a long event type", with("eventType", `"`+strings.Repeat("x", 65)+`"`), field("eventType", event.CodeTooLong), "at most 64 bytes, has 65"},
		{"an id in braces", with("eventId", `"{`+id+`}"`), field("eventId", event.CodeInvalidFormat), "must be a UUID such as"},
		{"an id without dashes", with("eventId", `"`+strings.ReplaceAll(id, "-", "")+`"`), field("eventId", event.CodeInvalidFormat), "must be a UUID"},
		{"an id of other characters", with("eventId", `"g`+id[1:]+`"`), field("eventId", event.CodeInvalidFormat), "must be a UUID"},
		{"an empty id", with("eventId", `""`), field("eventId", event.CodeInvalidFormat), "must be a UUID"},
		{"the nil id", with("eventId", `"00000000-0000-0000-0000-000000000000"`), field("eventId", event.CodeInvalidFormat), "nil UUID"},

		{"a day", with("timestamp", `"2026-03-01"`), field("timestamp", event.CodeInvalidFormat), "RFC 3339"},
		{"no offset", with("timestamp", `"2026-03-01T12:00:00"`), field("timestamp", event.CodeInvalidFormat), "with an offset"},
		{"a blank for the T", with("timestamp", `"2026-03-01 12:00:00Z"`), field("timestamp", event.CodeInvalidFormat), "RFC 3339"},
		{"a comma before the fraction", with("timestamp", `"2026-03-01T12:00:00,5Z"`), field("timestamp", event.CodeInvalidFormat), "RFC 3339"},
		{"a one-digit hour", with("timestamp", `"2026-03-01T1:00:00Z"`), field("timestamp", event.CodeInvalidFormat), "RFC 3339"},
		{"an offset of 24 hours", with("timestamp", `"2026-03-01T12:00:00+24:00"`), field("timestamp", event.CodeInvalidFormat), "RFC 3339"},
		{"a fraction of no digits", with("timestamp", `"2026-03-01T12:00:00.Z"`), field("timestamp", event.CodeInvalidFormat), "RFC 3339"},
		{"the 30th of February", with("timestamp", `"2026-02-30T12:00:00Z"`), field("timestamp", event.CodeInvalidFormat), "RFC 3339"},
		{"too old", with("timestamp", `"2026-01-30T11:59:59.999999Z"`), field("timestamp", event.CodeTooOld), "is before 2026-01-30T12:00:00Z, the earliest accepted now; events may be at most 30 days old"},
		{"the year 1", with("timestamp", `"0001-01-01T00:00:00Z"`), field("timestamp", event.CodeTooOld), "30 days"},
		{"too far ahead", with("timestamp", `"2026-03-02T12:00:00.000001Z"`), field("timestamp", event.CodeTooFarAhead), "is after 2026-03-02T12:00:00Z, the latest accepted now; events may be at most 24h ahead"},
		{"the year 9999", with("timestamp", `"9999-12-31T23:59:59Z"`), field("timestamp", event.CodeTooFarAhead), "24h"},

		{"33 levels", with("metadata", nested(33)), field("metadata", event.CodeTooDeep), "deeper than 32 levels (at /a/a"},
		{"20,000 levels", with("metadata", strings.Repeat("[", 20000)), field("metadata", event.CodeMalformed), ""},
		{"metadata over its limit", with("metadata", `{"a":"`+strings.Repeat("x", 32<<10)+`"}`), field("metadata", event.CodeTooLarge), "at most 32768 bytes in compact form, has 32776"},
		{"a NUL in metadata", with("metadata", `{"a":["b","c\u0000"]}`), field("metadata", event.CodeNUL), "PostgreSQL cannot store (at /a/1)"},
		{"a NUL in a metadata key", with("metadata", `{"a\u0000":1}`), field("metadata", event.CodeNUL), "(at /a"},
		{"a huge exponent", with("metadata", `{"a":{"n":1e400}}`), field("metadata", event.CodeNumberRange), "(at /a/n)"},
		{"an exponent past int", with("metadata", `{"n":1e99999999999999999999}`), field("metadata", event.CodeNumberRange), "exponent"},
		{"a tiny exponent", with("metadata", `{"n":0e-20000}`), field("metadata", event.CodeNumberRange), "exponent"},
		{"just over the doubles", with("metadata", `{"n":9e308}`), field("metadata", event.CodeNumberRange), "1.8e308"},
		{"a long number", with("metadata", `{"n":`+strings.Repeat("1", 129)+`}`), field("metadata", event.CodeNumberRange), "more than 128 characters"},

		{"another spelling", with("player_id", `"p1"`), field("player_id", event.CodeUnknownField), "did you mean playerId?"},
		{"a typo", with("timestmap", `"x"`), field("timestmap", event.CodeUnknownField), "did you mean timestamp?"},
		{"another word", with("properties", `{}`), field("properties", event.CodeUnknownField), "did you mean metadata?"},
		{"a field of no kind", with("colour", `"red"`), field("colour", event.CodeUnknownField), "put what is yours into metadata"},
		{"the server's field", with("receivedAt", `"x"`), field("receivedAt", event.CodeUnknownField), "the server sets it"},
		{"a long unknown name", with(strings.Repeat("ß", 50), `1`), field(strings.Repeat("ß", 32)+"…", event.CodeUnknownField), ""},

		{"everything wrong", `{"id":1,"playerId":7,"eventType":"","metadata":[],"eventId":"x"}`, []event.FieldError{
			{Field: "id", Code: event.CodeUnknownField},
			{Field: "eventId", Code: event.CodeInvalidFormat},
			{Field: "playerId", Code: event.CodeWrongType},
			{Field: "eventType", Code: event.CodeInvalidFormat},
			{Field: "timestamp", Code: event.CodeRequired},
			{Field: "metadata", Code: event.CodeWrongType},
		}, "did you mean eventId?"},
	}
	decoder := event.NewDecoder(event.DefaultRules())
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := decoder.Decode([]byte(test.body), now)
			bad, ok := errors.AsType[*event.Invalid](err)
			if !ok {
				t.Fatalf("Decode(%.200s) = %v, want an *event.Invalid", test.body, err)
			}
			if !strings.Contains(bad.Fields[0].Reason, test.reason) {
				t.Errorf("Decode(%.200s): reason %q, want it to say %q", test.body, bad.Fields[0].Reason, test.reason)
			}
			codes := make([]event.FieldError, len(bad.Fields))
			for i, f := range bad.Fields {
				codes[i] = event.FieldError{Field: f.Field, Code: f.Code}
			}
			if diff := cmp.Diff(test.want, codes); diff != "" {
				t.Errorf("Decode(%.200s) (-want +got):\n%s", test.body, diff)
			}
		})
	}
}

func TestDecodeAssignsAnID(t *testing.T) {
	decoder := event.NewDecoder(event.DefaultRules())
	seen := map[uuid.UUID]bool{}
	for range 1000 {
		e, err := decoder.Decode([]byte(with("eventId", "")), now)
		if err != nil {
			t.Fatal(err)
		}
		if seen[e.EventID] || e.EventID.Version() != 7 || e.EventID.Variant() != uuid.RFC4122 {
			t.Fatalf("id %s: seen before, or not a version 7 UUID", e.EventID)
		}
		seen[e.EventID] = true
	}
}

func TestNewIDSortsByTime(t *testing.T) {
	last := uuid.Nil
	for at := now; at.Before(now.Add(3 * time.Millisecond)); at = at.Add(time.Microsecond) {
		id := event.NewID(at)
		if bytes.Compare(id[:], last[:]) <= 0 {
			t.Fatalf("the id at %s sorts before the one a microsecond earlier", at)
		}
		sec, nsec := id.Time().UnixTime()
		if got := time.Unix(sec, nsec); got.UnixMilli() != at.UnixMilli() {
			t.Fatalf("the id at %s says %s", at, got)
		}
		last = id
	}
}

func TestReceivedRoundTrip(t *testing.T) {
	decoder := event.NewDecoder(event.DefaultRules())
	e, err := decoder.Decode([]byte(with("metadata", `{"level":7}`)), now)
	if err != nil {
		t.Fatal(err)
	}
	want := event.Received{Event: e, ReceivedAt: now.Add(1500 * time.Microsecond)}
	value, err := want.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	const text = `{"eventId":"` + id + `","playerId":"p1","eventType":"login","timestamp":"2026-03-01T11:59:59Z","metadata":{"level":7},"receivedAt":"2026-03-01T12:00:00.0015Z"}`
	if string(value) != text {
		t.Errorf("the record's value is\n%s, want\n%s", value, text)
	}
	got, err := event.DecodeReceived(value)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("DecodeReceived: %v (-want +got):\n%s", err, diff)
	}
	if viaTags, _ := json.Marshal(want); string(viaTags) != text {
		t.Errorf("encoding/json writes\n%s, want\n%s", viaTags, text)
	}
	if _, err := event.DecodeReceived([]byte(valid)); err == nil {
		t.Error("a value without receivedAt was taken")
	}
	if _, err := event.DecodeReceived([]byte(strings.Replace(text, "{", `{"later":[1],`, 1))); err != nil {
		t.Errorf("a value with a member from the future was refused: %v", err)
	}
}

func TestReceivedWithAnOriginRoundTrip(t *testing.T) {
	e, err := event.NewDecoder(event.DefaultRules()).Decode([]byte(valid), now)
	if err != nil {
		t.Fatal(err)
	}
	want := event.Received{Event: e, ReceivedAt: now, Origin: event.Origin{
		Game: "a \"b\"", SentAt: now.Add(-time.Hour), Traffic: event.TrafficBot,
	}}
	value, err := want.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	if viaTags, _ := json.Marshal(want); string(viaTags) != string(value) {
		t.Errorf("encoding/json writes\n%s, AppendJSON\n%s", viaTags, value)
	}
	got, err := event.DecodeReceived(value)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("DecodeReceived: %v (-want +got):\n%s", err, diff)
	}
	if corrected := got.CorrectedTimestamp(); !corrected.Equal(e.Timestamp.Add(time.Hour)) {
		t.Errorf("a client whose clock is an hour late: %s became %s", e.Timestamp, corrected)
	}
}

func TestClientsDoNotSetWhatTheServerSets(t *testing.T) {
	for _, name := range []string{"receivedAt", "game", "sentAt", "traffic"} {
		_, err := event.NewDecoder(event.DefaultRules()).Decode([]byte(with(name, `"2026-03-01T12:00:00Z"`)), now)
		if invalid, ok := errors.AsType[*event.Invalid](err); !ok || invalid.Fields[0].Field != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAppendJSONRefusesInvalidUTF8(t *testing.T) {
	if _, err := (event.Event{PlayerID: "\xff", EventType: "login"}).AppendJSON(nil); err == nil {
		t.Error("a player id that is not UTF-8 was written")
	}
}

func BenchmarkDecode(b *testing.B) {
	body := []byte(with("metadata", `{"level":12,"score":90210,"map":"harbour","weapons":["bow","axe"],"position":{"x":12.5,"y":-3.75},"premium":true,"session":"a81bc81b-dead-4e5d-abff-90865d1e13b1"}`))
	decoder := event.NewDecoder(event.DefaultRules())
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decoder.Decode(body, now); err != nil {
			b.Fatal(err)
		}
	}
}

// An event without an id is named by its reader, where that does; one with an id is not.
func TestDecodeNamed(t *testing.T) {
	decoder := event.NewDecoder(event.DefaultRules())
	name := func(at time.Time) uuid.UUID { return uuid.NewSHA1(uuid.Nil, []byte(at.String())) }
	at := time.Date(2026, 3, 1, 11, 59, 59, 0, time.UTC)
	for body, want := range map[string]uuid.UUID{
		with("eventId", ""): name(at), with("eventId", "null"): name(at), valid: uuid.MustParse(id),
	} {
		if e, err := decoder.DecodeNamed([]byte(body), now, name); err != nil || e.EventID != want {
			t.Errorf("%s is named %s, %v; want %s", body, e.EventID, err, want)
		}
	}
	if _, err := decoder.DecodeNamed([]byte(with("playerId", "")), now, name); err == nil {
		t.Error("an event without a player is taken")
	}
}
