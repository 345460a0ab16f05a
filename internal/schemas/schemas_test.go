package schemas_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/gamemetrics/gmctl/internal/schemas"
	"github.com/gamemetrics/gmctl/pkg/event"
)

const purchase = `{
  "type": "object",
  "required": ["item", "price"],
  "additionalProperties": false,
  "properties": {
    "item":  {"type": "string", "minLength": 1},
    "price": {"$ref": "#/$defs/money"},
    "lines": {"type": "array", "items": {"type": "object", "properties": {"count": {"type": "integer"}}}},
    "at":    {"type": "string", "format": "date-time"}
  },
  "$defs": {"money": {"type": "number", "minimum": 0}}
}`

func TestCheckNamesTheFields(t *testing.T) {
	compiled, err := schemas.Compile([]byte(purchase))
	if err != nil {
		t.Fatal(err)
	}
	for metadata, want := range map[string][]string{
		`{"item":"bow","price":4.99}`:                                          nil,
		`{"item":"bow","price":90071992547409931,"at":"2026-01-02T03:04:05Z"}`: nil,
		``:                                  {"metadata.item", "metadata.price"},
		`{"item":"bow"}`:                    {"metadata.price"},
		`{"item":"bow","price":-1}`:         {"metadata.price"},
		`{"item":"bow","price":1,"x":{}}`:   {"metadata.x"},
		`{"item":7,"price":"much"}`:         {"metadata.item", "metadata.price"},
		`{"item":"bow","price":1,"at":"x"}`: {"metadata.at"},
		`{"item":"bow","price":1,"lines":[{"count":1},{"count":1.5}]}`: {"metadata.lines.1.count"},
	} {
		var raw []byte
		if metadata != "" {
			raw = []byte(metadata)
		}
		var got []string
		for _, f := range compiled.Check(raw) {
			if f.Code != event.CodeSchema || f.Reason == "" {
				t.Errorf("%s: %+v", metadata, f)
			}
			got = append(got, f.Field)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", metadata, diff)
		}
	}
}

// An answer to a batch of events that all break a schema is bounded: neither what the
// schema lists nor what the event names is told in full.
func TestWhatIsToldIsBounded(t *testing.T) {
	values := make([]string, 2000)
	for i := range values {
		values[i] = fmt.Sprintf("%q", fmt.Sprintf("item-%08d", i))
	}
	compiled, err := schemas.Compile([]byte(`{"properties":{"item":{"enum":[` + strings.Join(values, ",") + `]}},"additionalProperties":false}`))
	if err != nil {
		t.Fatal(err)
	}
	metadata := `{"item":"bow"`
	for i := range 100 {
		metadata += fmt.Sprintf(`,"%s%d":1`, strings.Repeat("é", 500), i)
	}
	fields := compiled.Check([]byte(metadata + "}"))
	told, long := (&event.Invalid{Fields: fields}).Error(), 0
	for _, f := range fields {
		if f.Field == "metadata.item" && !strings.Contains(f.Reason, "item-00000000") {
			t.Errorf("the reason of the enum begins with none of its values: %s", f.Reason)
		}
		if strings.HasSuffix(f.Field, "…") {
			long++
		}
	}
	if len(fields) == 0 || long == 0 || len(told) > 3500 || !utf8.ValidString(told) {
		t.Errorf("%d fields, %d with a long name, %d bytes: %.300s", len(fields), long, len(told), told)
	}
}

func TestAlternativesAreOneBreach(t *testing.T) {
	compiled, err := schemas.Compile([]byte(`{"properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := compiled.Check([]byte(`{"a":1}`)); len(got) != 1 || got[0].Field != "metadata.a" {
		t.Errorf("%+v", got)
	}
}

// A schema may speak of itself without end; checking ends.
func TestASchemaOfItselfEnds(t *testing.T) {
	for _, text := range []string{`{"$ref":"#"}`, `{"properties":{"next":{"$ref":"#"}},"type":"object"}`, `{"allOf":[{"$ref":"#/allOf/0"}]}`} {
		if compiled, err := schemas.Compile([]byte(text)); err == nil {
			compiled.Check([]byte(`{"next":{"next":{}}}`))
		}
	}
}

func TestMistakesAreLocated(t *testing.T) {
	for text, want := range map[string]struct {
		line    int
		pointer string
		says    string
	}{
		"{\n \"type\": \"strin\"\n}":                                 {2, "/type", "value must be"},
		"{\n \"properties\": {\n  \"a\": {\"minLength\": -1}\n }\n}": {3, "/properties/a/minLength", "minimum"},
		"{\n \"type\": \"object\",\n}":                               {3, "", "not JSON"},
		"":                                                           {0, "", "not one JSON value"},
		"{} {}":                                                      {1, "", "not JSON"},
		"{\n\"properties\": {\"a\": {\"pattern\": \"(?=x)\"}}}": {2, "/properties/a/pattern", "regex"},
		`{"$ref":"file:///etc/passwd"}`:                         {0, "", "may only refer to what stands in it"},
		`{"$ref":"#/$defs/missing"}`:                            {0, "", "missing"},
		`{"$schema":"https://example.com/own"}`:                 {0, "", "may only refer to what stands in it"},
		strings.Repeat(" ", schemas.MaxText) + "{}":             {0, "", "bytes"},
	} {
		_, err := schemas.Compile([]byte(text))
		m, ok := errors.AsType[*schemas.Mistake](err)
		if !ok || m.Line != want.line || m.Pointer != want.pointer || !strings.Contains(m.Error(), want.says) {
			t.Errorf("%.60s: %v (%+v), want %+v", text, err, m, want)
		}
	}
}

func TestModes(t *testing.T) {
	const off, report, strict = schemas.Off, schemas.Report, schemas.Strict
	for _, c := range [][3]schemas.Mode{{off, strict, off}, {report, strict, report}, {strict, strict, strict}, {strict, report, report}, {strict, off, off}} {
		if got := c[0].And(c[1]); got != c[2] || c[1].And(c[0]) != got {
			t.Errorf("%s and %s is %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

func TestRegistryKeepsWhatItReadLast(t *testing.T) {
	var stored []schemas.Schema
	var failure error
	r := schemas.NewRegistry(func(context.Context) ([]schemas.Schema, error) { return stored, failure }, slog.New(slog.DiscardHandler))
	e := &event.Event{EventType: "purchase", Metadata: []byte(`{}`)}
	if _, _, err := r.Check(e); !errors.Is(err, schemas.ErrNotLoaded) {
		t.Errorf("before the first read: %v", err)
	}
	check := func(wantMode schemas.Mode, wantFields int) {
		t.Helper()
		mode, fields, err := r.Check(e)
		if err != nil || mode != wantMode || len(fields) != wantFields {
			t.Errorf("%s, %v, %v", mode, fields, err)
		}
	}
	refresh := func() {
		t.Helper()
		if err := r.Refresh(t.Context()); !errors.Is(err, failure) {
			t.Fatal(err)
		}
	}
	refresh()
	check(schemas.Off, 0)
	stored = []schemas.Schema{{EventType: "purchase", Version: 1, Mode: schemas.Strict, Text: []byte(purchase), CreatedAt: time.Unix(1, 0)}}
	refresh()
	check(schemas.Strict, 2)
	stored[0].Mode = schemas.Report
	refresh()
	check(schemas.Report, 2)
	failure = errors.New("away")
	refresh()
	check(schemas.Report, 2)
	failure = nil
	stored = []schemas.Schema{{EventType: "purchase", Version: 2, Mode: schemas.Strict, Text: []byte(`{"required":["item"]}`), CreatedAt: time.Unix(2, 0)}}
	refresh()
	check(schemas.Strict, 1)
	stored[0] = schemas.Schema{EventType: "purchase", Version: 3, Mode: schemas.Strict, Text: []byte(`nonsense`), CreatedAt: time.Unix(3, 0)}
	refresh()
	check(schemas.Off, 0)
}

// A store that does not answer is given up, and asked again.
func TestRegistryOfASilentStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		r := schemas.NewRegistry(func(ctx context.Context) ([]schemas.Schema, error) {
			if asked++; asked == 2 {
				<-ctx.Done()
			}
			return nil, ctx.Err()
		}, slog.New(slog.DiscardHandler))
		running, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		r.Run(running)
		if asked < 3 {
			t.Errorf("in a minute it was asked %d times", asked)
		}
	})
}
