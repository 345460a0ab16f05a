package event

import (
	"strings"
)

// Code says in one stable word why a field is invalid. Programs may rely on
// codes; reasons are for people and may change. docs/events-api.md lists them.
type Code string

// The codes of field errors.
const (
	CodeEmpty         Code = "empty"               // the body holds nothing
	CodeMalformed     Code = "malformed"           // not JSON (NaN and Infinity are not), or something follows the event
	CodeInvalidUTF8   Code = "invalid-utf8"        // not UTF-8, or half a surrogate pair
	CodeDuplicateKey  Code = "duplicate-key"       // an object names a member twice
	CodeUnknownField  Code = "unknown-field"       // an event has no such field
	CodeRequired      Code = "required"            // missing or null
	CodeWrongType     Code = "wrong-type"          // another JSON type is wanted
	CodeInvalidFormat Code = "invalid-format"      // the right type, not the right form
	CodeTooLong       Code = "too-long"            // a string over its limit
	CodeTooLarge      Code = "too-large"           // metadata over its limit
	CodeTooDeep       Code = "too-deep"            // nested deeper than the limit
	CodeTooOld        Code = "too-old"             // timestamp before the accepted window
	CodeTooFarAhead   Code = "too-far-ahead"       // timestamp after the accepted window
	CodeNUL           Code = "nul-character"       // \u0000, which PostgreSQL cannot store
	CodeNumberRange   Code = "number-out-of-range" // a number no IEEE 754 double can hold, or absurdly long
	CodeTooMany       Code = "too-many"            // events of the player within a short time
	CodeSchema        Code = "schema"              // metadata breaks the schema of the event's type
	CodeUnstorable    Code = "unstorable"          // the database refuses a value; of the whole event
	CodeDiffers       Code = "differs"             // valid, and not what is stored under the event's id and timestamp
)

// FieldError says what is wrong with one field.
type FieldError struct {
	Field  string `json:"field"` // a field of the event, or empty for the body as a whole
	Code   Code   `json:"code"`
	Reason string `json:"reason"` // for people: "is required"; reads on from the field's name
}

func (e FieldError) String() string {
	field := e.Field
	if field == "" {
		field = "the event"
	}
	return field + " " + e.Reason
}

// Invalid is the error of an event that breaks the rules. It has at least one
// field; all that could be told apart are reported at once.
type Invalid struct {
	Fields []FieldError
}

// Error lists every field with its reason, on one line.
func (e *Invalid) Error() string {
	reasons := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		reasons[i] = f.String()
	}
	return strings.Join(reasons, "; ")
}

// add notes one more invalid field.
func (e *Invalid) add(field string, code Code, reason string) {
	e.Fields = append(e.Fields, FieldError{Field: field, Code: code, Reason: reason})
}

func invalid(field string, code Code, reason string) *Invalid {
	return &Invalid{Fields: []FieldError{{Field: field, Code: code, Reason: reason}}}
}
