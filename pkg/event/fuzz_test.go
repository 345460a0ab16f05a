package event_test

import (
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// FuzzDecode holds the decoder to what must be so for any bytes: it never
// panics; its refusals name a code and a reason; what it accepts encoding/json
// accepts with the same meaning; and what it accepts survives encoding.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		valid, "", "null", "[]", `{"playerId":7}`,
		with("metadata", `{"a":[1,-2.5e+3,true,null,{"b":"\u0000"}],"a":1}`),
		with("metadata", ` { "a" : "\ud83c\udfae" , "n" : 1e400 } `),
		with("eventId", ""), with("player_id", `"p"`), with("playerId", `"\ud800"`),
		with("timestamp", `"2026-03-01T13:59:59.123456789+02:00"`),
		with("metadata", nested(33)),
	} {
		f.Add([]byte(seed))
	}
	decoder := event.NewDecoder(event.DefaultRules())
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decoder.Decode(data, now)
		if err != nil {
			bad, ok := errors.AsType[*event.Invalid](err)
			if !ok || len(bad.Fields) == 0 {
				t.Fatalf("the error is %#v, want an *event.Invalid with fields", err)
			}
			for _, field := range bad.Fields {
				if field.Code == "" || field.Reason == "" || !utf8.ValidString(field.Field) || !utf8.ValidString(field.Reason) {
					t.Fatalf("a refusal that cannot be shown: %+v", field)
				}
			}
			return
		}
		var viaTags event.Event
		if err := json.Unmarshal(data, &viaTags); err != nil {
			t.Fatalf("encoding/json refuses what was accepted: %v", err)
		}
		if viaTags.PlayerID != e.PlayerID || viaTags.EventType != e.EventType {
			t.Fatalf("encoding/json reads %+v, Decode %+v", viaTags, e)
		}
		if len(e.Metadata) > 0 {
			var object map[string]any // what a consumer does: every number must fit a double
			if err := json.Unmarshal(e.Metadata, &object); err != nil {
				t.Fatalf("encoding/json refuses the metadata: %v", err)
			}
		}
		encoded, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatalf("an accepted event does not encode: %v", err)
		}
		again, err := decoder.Decode(encoded, now)
		if diff := cmp.Diff(e, again); diff != "" || err != nil {
			t.Fatalf("encoded and decoded again: %v\n%s", err, diff)
		}
	})
}
