package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// FuzzElements holds the splitting of batches to what must be so for any bytes: it
// never panics; its refusals name a code; it finds in a JSON array what encoding/json
// finds; and no element reaches into its neighbour: joined again, they split the same.
func FuzzElements(f *testing.F) {
	for _, seed := range []string{
		"[]", "[" + valid + "," + valid + "]", `[1,"],[",{"a":[1,{}]}]`, `[{"a":},{"b":1}]`, `["\"\\",2]`, " [ 1 , 2 ] x", `["a`, "[1,]", "\ufeff[]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		split := func(data []byte) (found [][]byte, err error) {
			err = event.Elements(data, func(element []byte) error {
				found = append(found, bytes.Clone(element))
				return nil
			})
			return found, err
		}
		found, err := split(data)
		var want []json.RawMessage
		isArray := json.Unmarshal(data, &want) == nil && want != nil
		if err != nil {
			bad, ok := errors.AsType[*event.Invalid](err)
			if !ok || len(bad.Fields) != 1 || bad.Fields[0].Code == "" || isArray {
				t.Fatalf("the error is %#v; is it an array: %v", err, isArray)
			}
			return
		}
		if isArray && len(found) != len(want) {
			t.Fatalf("%d elements, want %d", len(found), len(want))
		}
		for i := range want {
			if isArray && !bytes.Equal(found[i], bytes.TrimSpace(want[i])) {
				t.Fatalf("element %d is %q, want %q", i, found[i], want[i])
			}
		}
		again, err := split(append(append([]byte{'['}, bytes.Join(found, []byte{','})...), ']'))
		if diff := cmp.Diff(found, again); diff != "" || err != nil {
			t.Fatalf("joined and split again: %v\n%s", err, diff)
		}
	})
}

// FuzzDecodeReceived does the same for what consumers read: whatever stands in a
// record, reading it does not panic, and what is read survives encoding.
func FuzzDecodeReceived(f *testing.F) {
	for _, seed := range []string{
		"", "{}", valid, with("receivedAt", `"2026-03-01T12:00:00.0015Z"`), with("game", `"pirates"`), with("traffic", "7"),
		`{"eventId":"01939f64-6d3c-7bd5-9c3f-2f6d3a1c9b10","playerId":"p","eventType":"e","timestamp":"2026-03-01T12:00:00Z","receivedAt":"2026-03-01T12:00:00Z","game":"g","sentAt":"2026-03-01T12:00:00Z","traffic":"bot","new":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := event.DecodeReceived(data)
		if err != nil {
			return
		}
		encoded, err := r.AppendJSON(nil)
		if err != nil {
			t.Fatalf("what was read does not encode: %v", err)
		}
		again, err := event.DecodeReceived(encoded)
		if err != nil {
			t.Fatalf("%s\nencoded as\n%s\nis refused: %v", data, encoded, err)
		}
		if diff := cmp.Diff(r, again); diff != "" {
			t.Fatalf("encoded and decoded again:\n%s", diff)
		}
	})
}
