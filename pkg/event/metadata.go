package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds on how a number is written. Within them PostgreSQL's jsonb, as which
// metadata are compared, takes every number, and no short literal grows into a long
// one where it is printed (1e131071 has 131,072 digits).
const (
	maxNumberLength = 128 // characters
	maxExponent     = 308 // of an IEEE 754 double
)

// metadata returns the metadata in compact form, in memory of its own.
func (r *Rules) metadata(raw jsontext.Value, bad *Invalid) json.RawMessage {
	if absent(raw) {
		return nil
	}
	if raw[0] != '{' {
		bad.add("metadata", CodeWrongType, "must be an object, not "+kindName(raw.Kind()))
		return nil
	}
	scan := metadataScan{rules: r, out: make([]byte, 0, len(raw))}
	if at, code, reason := scan.run(raw); code != "" {
		bad.add("metadata", code, reason+pointerTo(raw, at))
		return nil
	}
	if len(scan.out) > r.MaxMetadata {
		bad.add("metadata", CodeTooLarge, fmt.Sprintf("must have at most %d bytes in compact form, has %d", r.MaxMetadata, len(scan.out)))
		return nil
	}
	return scan.out
}

// metadataScan walks over valid JSON once: it drops the white space and looks
// for what the platform cannot keep.
type metadataScan struct {
	rules *Rules
	out   []byte // what was kept, up to the last white space
	depth int
}

// run returns the offset, code and reason of what is wrong; an empty code: nothing.
func (s *metadataScan) run(raw []byte) (at int, code Code, reason string) {
	pending := 0 // raw[pending:i] is kept, and not in out yet
	for i := 0; i < len(raw); {
		start := i
		switch c := raw[i]; {
		case c == '"':
			var nul bool
			if i, nul = stringEnd(raw, i); nul {
				return start, CodeNUL, `must not contain the character \u0000, which PostgreSQL cannot store`
			}
		case c == '{' || c == '[':
			if s.depth++; s.depth > s.rules.MaxDepth {
				return start, CodeTooDeep, fmt.Sprintf("must not nest deeper than %d levels", s.rules.MaxDepth)
			}
			i++
		case c == '}' || c == ']':
			s.depth--
			i++
		case c == '-' || '0' <= c && c <= '9':
			i = numberEnd(raw, i)
			if reason := checkNumber(raw[start:i]); reason != "" {
				return start, CodeNumberRange, reason
			}
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			s.out = append(s.out, raw[pending:i]...)
			i++
			pending = i
		default: // ',', ':' and the letters of true, false, null
			i++
		}
	}
	s.out = append(s.out, raw[pending:]...)
	return 0, "", ""
}

// stringEnd returns the offset after the string that starts at i, and whether
// the string has an escaped NUL in it.
func stringEnd(raw []byte, i int) (end int, nul bool) {
	for i++; ; i++ {
		switch raw[i] {
		case '"':
			return i + 1, nul
		case '\\':
			nul = nul || bytes.HasPrefix(raw[i:], []byte(`\u0000`))
			i++
		}
	}
}

func numberEnd(raw []byte, i int) int {
	for i < len(raw) {
		switch c := raw[i]; {
		case '0' <= c && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
			i++
		default:
			return i
		}
	}
	return i
}

// checkNumber returns why a valid JSON number cannot be kept, or nothing.
func checkNumber(number []byte) (reason string) {
	if len(number) > maxNumberLength {
		return fmt.Sprintf("must not contain a number of more than %d characters", maxNumberLength)
	}
	e := bytes.IndexAny(number, "eE")
	if e < 0 {
		return ""
	}
	exponent, err := strconv.Atoi(string(number[e+1:]))
	value, _ := strconv.ParseFloat(string(number), 64)
	if err != nil || exponent > maxExponent || exponent < -maxExponent || math.IsInf(value, 0) {
		return fmt.Sprintf("must not contain a number beyond ±1.8e308 or with an exponent beyond ±%d", maxExponent)
	}
	return ""
}

// pointerTo says in words where in raw the value or name at the offset stands.
func pointerTo(raw []byte, offset int) string {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
	for dec.InputOffset() <= int64(offset) {
		if _, err := dec.ReadToken(); err != nil {
			return ""
		}
	}
	if pointer := dec.StackPointer(); pointer != "" && len(pointer) <= 256 {
		return " (at " + string(pointer) + ")"
	}
	return ""
}
