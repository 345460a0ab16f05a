// Package filter selects JSON documents by conditions such as metadata.level>=3,
// for the commands that follow a topic.
package filter

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Condition compares one value of a document with a constant, or asks only that
// the value is there.
type Condition struct {
	path     []string
	operator string // one of operators, or "" for: the value is there
	value    string
	number   float64 // of value, where it is one
	numeric  bool
	pattern  *regexp.Regexp // of the operator ~
}

// operators, the longer of two that start alike first.
func operators() []string { return []string{"!=", ">=", "<=", "=", ">", "<", "~"} }

// Parse reads a condition: a path of names and array indexes with dots between,
// one of = != > >= < <= ~ (matches the regular expression), and a value; or a
// path alone, which must be there. The error is a *problem.Error of kind Usage.
func Parse(expression string) (Condition, error) {
	path, rest := expression, ""
	if at := strings.IndexAny(expression, "=!<>~"); at >= 0 {
		path, rest = expression[:at], expression[at:]
	}
	c := Condition{path: strings.Split(strings.TrimSpace(path), ".")}
	if c.path[0] == "" {
		return Condition{}, invalid("the condition %q names no field", expression)
	}
	if rest == "" {
		return c, nil
	}
	for _, operator := range operators() {
		if value, ok := strings.CutPrefix(rest, operator); ok {
			c.operator, c.value = operator, strings.TrimSpace(value)
			break
		}
	}
	if c.operator == "" {
		return Condition{}, invalid("%q is not a condition", expression)
	}
	number, err := strconv.ParseFloat(c.value, 64)
	c.number, c.numeric = number, err == nil
	if c.operator == "~" {
		if c.pattern, err = regexp.Compile(c.value); err != nil {
			return Condition{}, &problem.Error{
				What: fmt.Sprintf("the condition %q holds no regular expression", expression), Cause: err,
				Next: "write it in Go's syntax: https://pkg.go.dev/regexp/syntax", Kind: problem.Usage,
			}
		}
	}
	return c, nil
}

// ParseAll reads several conditions, all of which must hold.
func ParseAll(expressions []string) (Conditions, error) {
	var all Conditions
	for _, expression := range expressions {
		c, err := Parse(expression)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func invalid(what, expression string) error {
	return &problem.Error{
		What: fmt.Sprintf(what, expression),
		Next: "write it as a path, an operator (= != > >= < <= ~) and a value, such as metadata.level>=3", Kind: problem.Usage,
	}
}

// Conditions hold for a document when each of them does.
type Conditions []Condition

// Match reports whether the conditions hold for a JSON document. Where there
// are none they hold for everything, else never for what is not JSON.
func (all Conditions) Match(document []byte) bool {
	if len(all) == 0 {
		return true
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return false
	}
	for _, c := range all {
		if !c.match(value) {
			return false
		}
	}
	return true
}

// match reports whether the condition holds. A value that is not there fulfils
// nothing but !=.
func (c Condition) match(document any) bool {
	value, found := lookup(document, c.path)
	if c.operator == "" {
		return found
	}
	if !found {
		return c.operator == "!="
	}
	switch c.operator {
	case "=":
		return c.equal(value)
	case "!=":
		return !c.equal(value)
	case "~":
		return c.pattern.MatchString(text(value))
	}
	order, comparable := c.compare(value)
	if !comparable {
		return false
	}
	switch c.operator {
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "<":
		return order < 0
	default:
		return order <= 0
	}
}

func (c Condition) equal(value any) bool {
	if n, ok := value.(json.Number); ok && c.numeric {
		order, comparable := c.compareNumber(n)
		return comparable && order == 0
	}
	return text(value) == c.value
}

// compare orders numbers as numbers and strings as strings, so that times in
// RFC 3339 work too; a number and a string have no order.
func (c Condition) compare(value any) (order int, comparable bool) {
	switch v := value.(type) {
	case json.Number:
		return c.compareNumber(v)
	case string:
		return strings.Compare(v, c.value), true
	}
	return 0, false
}

// compareNumber orders integers as integers, so that ids beyond 2^53 stay apart,
// and other numbers as floats.
func (c Condition) compareNumber(n json.Number) (order int, comparable bool) {
	if !c.numeric {
		return 0, false
	}
	i, err := strconv.ParseInt(n.String(), 10, 64)
	if wanted, wantedErr := strconv.ParseInt(c.value, 10, 64); err == nil && wantedErr == nil {
		return cmp.Compare(i, wanted), true
	}
	f, err := n.Float64()
	return cmp.Compare(f, c.number), err == nil
}

// lookup follows a path. A name may itself contain dots: the longest that is
// there wins.
func lookup(value any, path []string) (any, bool) {
	if len(path) == 0 {
		return value, true
	}
	switch v := value.(type) {
	case map[string]any:
		for n := len(path); n > 0; n-- {
			if member, ok := v[strings.Join(path[:n], ".")]; ok {
				if found, ok := lookup(member, path[n:]); ok {
					return found, true
				}
			}
		}
	case []any:
		if i, err := strconv.Atoi(path[0]); err == nil && i >= 0 && i < len(v) {
			return lookup(v[i], path[1:])
		}
	}
	return nil, false
}

// text is a value as a person would type it.
func text(value any) string {
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
