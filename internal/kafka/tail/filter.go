package tail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Filter chooses records: those that meet every condition.
type Filter struct {
	Keys      []string // any of them; nil: all
	Headers   []string // each "name=value", or "name" for any value
	Grep      *regexp.Regexp
	Where     []Condition
	WithTests bool // records that a test made, too
}

// Match reports whether the filter chooses r.
func (f Filter) Match(r kafka.Record) bool {
	if !f.WithTests && r.IsTest() {
		return false
	}
	if len(f.Keys) > 0 && !anyKey(f.Keys, r.Key) {
		return false
	}
	for _, header := range f.Headers {
		if !hasHeader(r, header) {
			return false
		}
	}
	if f.Grep != nil && !f.Grep.Match(r.Value) {
		return false
	}
	return matchAll(f.Where, r.Value)
}

func anyKey(keys []string, key []byte) bool {
	for _, k := range keys {
		if k == string(key) {
			return true
		}
	}
	return false
}

func hasHeader(r kafka.Record, wanted string) bool {
	name, value, withValue := strings.Cut(wanted, "=")
	for _, h := range r.Headers {
		if h.Key == name && (!withValue || string(h.Value) == value) {
			return true
		}
	}
	return false
}

// Condition is a comparison of one field of a JSON value.
type Condition struct {
	path     []string
	operator string // one of operators, or "" for: the field is there
	operand  string
	number   *float64 // the operand as a number
	pattern  *regexp.Regexp
}

// operators, the longer ones first so that ">=" is not read as ">".
func operators() []string { return []string{"!=", ">=", "<=", "=", ">", "<", "~"} }

// ParseCondition reads "path=value" with one of the operators = != > >= < <= ~
// (a regular expression), or a bare "path" that must be there. A path's parts
// are separated by dots; a number is an index into an array.
func ParseCondition(text string) (Condition, error) {
	at, operator := len(text), ""
	for _, candidate := range operators() {
		if i := strings.Index(text, candidate); i >= 0 && i < at {
			at, operator = i, candidate
		}
	}
	c := Condition{path: strings.Split(strings.TrimSpace(text[:at]), "."), operator: operator}
	if c.path[0] == "" {
		return c, &problem.Error{
			What: fmt.Sprintf("the condition %q names no field", text), Kind: problem.Usage,
			Next: "write it as path=value, such as metadata.level=3; the operators are = != > >= < <= ~",
		}
	}
	if operator == "" {
		return c, nil
	}
	c.operand = strings.TrimSpace(text[at+len(operator):])
	if n, err := strconv.ParseFloat(c.operand, 64); err == nil {
		c.number = &n
	}
	if operator == "~" {
		pattern, err := regexp.Compile(c.operand)
		if err != nil {
			return c, &problem.Error{What: fmt.Sprintf("the condition %q is no regular expression", text), Cause: err, Next: "write it in Go's syntax: https://pkg.go.dev/regexp/syntax", Kind: problem.Usage}
		}
		c.pattern = pattern
	}
	return c, nil
}

func matchAll(conditions []Condition, value []byte) bool {
	if len(conditions) == 0 {
		return true
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	var document any
	if decoder.Decode(&document) != nil {
		return false
	}
	for _, c := range conditions {
		if !c.match(document) {
			return false
		}
	}
	return true
}

func (c Condition) match(document any) bool {
	field, ok := lookUp(document, c.path)
	if c.operator == "" {
		return ok
	}
	if !ok {
		return c.operator == "!="
	}
	text := scalar(field)
	switch c.operator {
	case "=":
		return c.equal(text)
	case "!=":
		return !c.equal(text)
	case "~":
		return c.pattern.MatchString(text)
	}
	return c.ordered(text)
}

func (c Condition) equal(text string) bool {
	if n, err := strconv.ParseFloat(text, 64); err == nil && c.number != nil {
		return n == *c.number
	}
	return text == c.operand
}

// ordered compares numbers as numbers, and all else as text: timestamps in
// RFC 3339 are in order as they stand.
func (c Condition) ordered(text string) bool {
	order := strings.Compare(text, c.operand)
	if n, err := strconv.ParseFloat(text, 64); err == nil && c.number != nil {
		order = 0
		if n < *c.number {
			order = -1
		} else if n > *c.number {
			order = 1
		}
	}
	switch c.operator {
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "<":
		return order < 0
	}
	return order <= 0
}

func lookUp(document any, path []string) (any, bool) {
	for _, part := range path {
		switch node := document.(type) {
		case map[string]any:
			next, ok := node[part]
			if !ok {
				return nil, false
			}
			document = next
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(node) {
				return nil, false
			}
			document = node[i]
		default:
			return nil, false
		}
	}
	return document, true
}

// scalar is a JSON value as a person writes it in a condition.
func scalar(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case nil:
		return "null"
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(encoded)
}
