package postgres

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzCompact compares compact with the standard library, on text with the spaces
// that PostgreSQL writes.
func FuzzCompact(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"a": 1, "b": [1, 2, {"c": null}]}`, `{"a b": "c d", "e\"f g": "h\\"}`, `{"\\": "\\\" ,"}`, `[]`, `"  "`, `{"a": "\u00e9 \n "}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) || bytes.ContainsAny(text, "\t\r\n") {
			return
		}
		var want bytes.Buffer
		if err := json.Compact(&want, text); err != nil {
			t.Fatal(err)
		}
		var rows eventRows
		if got := rows.compact(append([]byte{1}, text...)); string(got) != want.String() {
			t.Errorf("a row made %q of %q, want %q", got, text, &want)
		}
		original := bytes.Clone(text)
		if got := compact(text); string(got) != want.String() {
			t.Errorf("compact made %q of %q, want %q", got, original, &want)
		}
	})
}
