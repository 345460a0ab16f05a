package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gamemetrics/gmctl/pkg/event"
)

func elements(data string) ([]string, error) {
	var found []string
	err := event.Elements([]byte(data), func(element []byte) error {
		found = append(found, string(element))
		return nil
	})
	return found, err
}

func TestElements(t *testing.T) {
	tests := []struct {
		name, data string
		want       []string
		code       event.Code // of the error; empty: none
	}{
		{"none", " [ ] ", nil, ""},
		{"some", "\n[{\"a\":[1,{}]}, 2 ,\"],[\\\"\"]", []string{`{"a":[1,{}]}`, "2", `"],[\""`}, ""},
		{"one that is not JSON", `[{"a":},{"b":1}]`, []string{`{"a":}`, `{"b":1}`}, ""},
		{"one with a bracket too many", `[{"a":1}},{"b":1}]`, []string{`{"a":1}}`, `{"b":1}`}, ""},
		{"nothing", "  ", nil, event.CodeEmpty},
		{"an object", "{}", nil, event.CodeWrongType},
		{"a hole", "[1,,2]", []string{"1"}, event.CodeMalformed},
		{"a comma at the end", "[1,]", []string{"1"}, event.CodeMalformed},
		{"a comma alone", "[,]", nil, event.CodeMalformed},
		{"no end", `[{"a":1}`, nil, event.CodeMalformed},
		{"a string without end", `["a]`, nil, event.CodeMalformed},
		{"something behind", "[1] 2", []string{"1"}, event.CodeMalformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := elements(test.data)
			var code event.Code
			if bad, ok := errors.AsType[*event.Invalid](err); ok {
				code = bad.Fields[0].Code
			}
			if !slices.Equal(got, test.want) || code != test.code {
				t.Errorf("Elements(%q) = %q, %v; want %q and code %q", test.data, got, err, test.want, test.code)
			}
		})
	}
}

// Any array that encoding/json can write splits into its elements.
func TestElementsOfAnyArray(t *testing.T) {
	value := rapid.OneOf(
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.Float64(), func(n float64) any { return n }),
		rapid.Map(rapid.MapOf(rapid.String(), rapid.SliceOf(rapid.String())), func(m map[string][]string) any { return m }),
	)
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(value).Draw(t, "values")
		want := make([]string, len(values))
		for i, v := range values {
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			want[i] = string(text)
		}
		data := "[" + strings.Join(want, rapid.SampledFrom([]string{",", " , ", "\n,\t"}).Draw(t, "separator")) + "]"
		got, err := elements(data)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("Elements(%q) = %q, %v", data, got, err)
		}
	})
}

func TestLines(t *testing.T) {
	got := slices.Collect(event.Lines([]byte("{\"a\":1}\r\n\n  \n{\"b\":2}\n{\"c\":3}")))
	want := [][]byte{[]byte(`{"a":1}`), []byte(`{"b":2}`), []byte(`{"c":3}`)}
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("Lines = %q, want %q", got, want)
	}
}
