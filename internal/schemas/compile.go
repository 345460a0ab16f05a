package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// MaxText is the size of the largest schema, in bytes.
const MaxText = 256 << 10

// here is how the schema calls itself; nothing is ever loaded from there.
const here = "https://gamemetrics.invalid/schema"

// Compiled is a schema ready to check metadata. It may be used by several
// goroutines.
type Compiled struct{ schema *jsonschema.Schema }

// Compile reads a schema. Formats are asserted; a pattern is in Go's syntax, which
// takes linear time. What a schema refers to must stand in it: nothing is loaded.
// The error is a *Mistake.
func Compile(text []byte) (*Compiled, error) {
	if len(text) > MaxText {
		return nil, &Mistake{Reason: fmt.Sprintf("it has more than %d bytes", MaxText)}
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, syntaxMistake(text, err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	compiler.UseLoader(nothing{})
	if err := compiler.AddResource(here, document); err != nil {
		return nil, &Mistake{Reason: err.Error()}
	}
	schema, err := compiler.Compile(here)
	if err != nil {
		return nil, schemaMistake(text, err)
	}
	return &Compiled{schema}, nil
}

// nothing loads nothing: a schema must not make the service read files or ask
// other hosts.
type nothing struct{}

func (nothing) Load(string) (any, error) {
	return nil, errors.New("a schema may only refer to what stands in it")
}

// Check returns what of the metadata breaks the schema, nil if nothing does. An
// event without metadata is checked as one with {}.
func (c *Compiled) Check(metadata []byte) []event.FieldError {
	if metadata == nil {
		metadata = []byte("{}")
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(metadata))
	if err != nil { // it was decoded before
		return []event.FieldError{{Field: field, Code: event.CodeSchema, Reason: "cannot be read: " + err.Error()}}
	}
	if invalid, ok := errors.AsType[*jsonschema.ValidationError](c.schema.Validate(value)); ok {
		return fieldsOf(invalid)
	}
	return nil
}

// Mistake says what is wrong with a schema, and where.
type Mistake struct {
	Line    int    // from 1; 0: of the whole
	Pointer string // JSON pointer of what is wrong, in the schema
	Reason  string
}

func (m *Mistake) Error() string {
	var where []string
	if m.Line > 0 {
		where = append(where, fmt.Sprintf("line %d", m.Line))
	}
	if m.Pointer != "" {
		where = append(where, "at "+m.Pointer)
	}
	if len(where) == 0 {
		return m.Reason
	}
	return strings.Join(where, ", ") + ": " + m.Reason
}

func syntaxMistake(text []byte, err error) *Mistake {
	if json.Valid(text) || len(bytes.TrimSpace(text)) == 0 {
		return &Mistake{Reason: "it is not one JSON value: " + err.Error()}
	}
	m := &Mistake{Line: 1 + bytes.Count(text, []byte("\n")), Reason: "not JSON: " + err.Error()}
	if syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(text, new(any))); ok {
		m.Line = lineAt(text, syntax.Offset)
	}
	return m
}

func schemaMistake(text []byte, err error) *Mistake {
	if e, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		err = e.Err
	}
	if invalid, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		leaf := deepest(invalid)
		return &Mistake{Line: lineOf(text, leaf.InstanceLocation), Pointer: pointer(leaf.InstanceLocation), Reason: words(leaf.ErrorKind)}
	}
	if e, ok := errors.AsType[*jsonschema.InvalidRegexError](err); ok {
		return &Mistake{Line: lineWith(text, e.Regex), Reason: fmt.Sprintf("the pattern %q cannot be read: %v", e.Regex, e.Err)}
	}
	return &Mistake{Reason: strings.ReplaceAll(err.Error(), here, "")}
}

func lineAt(text []byte, offset int64) int {
	return 1 + bytes.Count(text[:min(max(int(offset)-1, 0), len(text))], []byte("\n"))
}

// lineWith is the first line that holds the text as JSON writes it, 0 if none does.
func lineWith(text []byte, wanted string) int {
	quoted, err := json.Marshal(wanted)
	at := bytes.Index(text, quoted)
	if err != nil || at < 0 {
		return 0
	}
	return lineAt(text, int64(at)+1)
}
