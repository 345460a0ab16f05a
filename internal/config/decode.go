package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/gamemetrics/gmctl/internal/suggest"
)

// decoder fills Go values from YAML nodes. It converts nothing silently ("8080"
// is no port) and goes on after an error, so that one reading finds them all.
type decoder struct {
	findings []Finding
	anchors  map[string]ast.Node
}

// place is where a value stands, as messages name it, and what its field's
// tags ask of it.
type place struct {
	name  string       // "environments.local.kafka.port"; "" for the whole file
	key   *token.Token // of the field; nil for the whole file and in a list
	check string
	keys  string
}

func (p place) String() string {
	if p.name == "" {
		return "the file"
	}
	return p.name
}

func (p place) below(key *token.Token) place {
	name := key.Value
	if p.name != "" {
		name = p.name + "." + name
	}
	return place{name: name, key: key}
}

// mark is what to mark in the file for node: a value that is not there is
// marked by its key.
func (p place) mark(node ast.Node) *token.Token {
	_, absent := node.(*ast.NullNode)
	if absent && p.key != nil {
		return p.key
	}
	return node.GetToken()
}

// decode fills the whole of into from the file's root.
func (d *decoder) decode(root ast.Node, into reflect.Value) { d.value(place{}, root, into) }

func (d *decoder) value(at place, node ast.Node, into reflect.Value) {
	node, ok := d.resolve(node)
	if !ok {
		return
	}
	switch {
	case into.Type() == reflect.TypeFor[time.Duration]():
		d.duration(at, node, into)
	case into.Kind() == reflect.Struct:
		d.section(at, node, into)
	case into.Kind() == reflect.Map:
		d.named(at, node, into)
	case into.Kind() == reflect.Slice:
		d.list(at, node, into)
	case into.Kind() == reflect.Int:
		d.integer(at, node, into)
	case into.Kind() == reflect.Bool:
		d.truth(at, node, into)
	case into.Kind() == reflect.Pointer: // a value whose zero is not the default
		given := reflect.New(into.Type().Elem())
		d.value(at, node, given.Elem())
		into.Set(given)
	default:
		d.text(at, node, into)
	}
}

// resolve follows anchors and aliases. A value that contains itself ends where
// the types do: no type contains itself.
func (d *decoder) resolve(node ast.Node) (ast.Node, bool) {
	switch n := node.(type) {
	case *ast.AnchorNode:
		value, ok := d.resolve(n.Value)
		if ok {
			d.anchors[n.Name.GetToken().Value] = value
		}
		return value, ok
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		value, ok := d.anchors[name]
		if !ok {
			d.find(n.GetToken(), fmt.Sprintf("*%s stands for nothing: there is no &%s before it", name, name), "")
		}
		return value, ok
	case *ast.TagNode:
		d.find(n.GetToken(), "YAML tags are not supported: write the value alone", "")
		return nil, false
	}
	return node, true
}

// entries returns the entries of a mapping without those given twice; false
// where node is none. A section that holds nothing is an empty mapping.
func (d *decoder) entries(at place, node ast.Node) ([]*ast.MappingValueNode, bool) {
	var all []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		all = n.Values
	case *ast.MappingValueNode:
		all = []*ast.MappingValueNode{n}
	case *ast.NullNode:
	default:
		d.find(node.GetToken(), fmt.Sprintf("%s must be a section of fields, not %s", at, describe(node)), "")
		return nil, false
	}
	first := map[string]int{}
	return slices.DeleteFunc(slices.Clone(all), func(entry *ast.MappingValueNode) bool {
		key := entry.Key.GetToken()
		if _, isMerge := entry.Key.(*ast.MergeKeyNode); isMerge {
			d.find(key, "<< is not supported: write the fields out", "")
			return true
		}
		if line, twice := first[key.Value]; twice {
			d.find(key, fmt.Sprintf("%s is given twice; first in line %d", at.below(key), line), "")
			return true
		}
		first[key.Value] = key.Position.Line
		return false
	}), true
}

// section decodes a mapping into a struct.
func (d *decoder) section(at place, node ast.Node, into reflect.Value) {
	entries, ok := d.entries(at, node)
	if !ok {
		return
	}
	fields, names := map[string]int{}, []string(nil)
	for i := range into.NumField() {
		if name := FieldName(into.Type().Field(i)); name != "" {
			fields[name] = i
			names = append(names, name)
		}
	}
	given := map[string]bool{}
	for _, entry := range entries {
		key := entry.Key.GetToken()
		i, known := fields[key.Value]
		if !known {
			d.find(key, fmt.Sprintf("unknown field %q in %s", key.Value, at), suggest.Nearest(key.Value, names))
			continue
		}
		given[key.Value] = true
		tag := into.Type().Field(i).Tag
		below := at.below(key)
		below.check, below.keys = tag.Get("check"), tag.Get("keys")
		d.value(below, entry.Value, into.Field(i))
	}
	section := at.key
	if section == nil && len(entries) > 0 {
		section = entries[0].Key.GetToken()
	} else if section == nil {
		section = node.GetToken()
	}
	for _, name := range names {
		if field := into.Type().Field(fields[name]); !given[name] && Mandatory(field) {
			d.find(section, fmt.Sprintf("%s lacks %s: add %s", at, name, example(field)), "")
		}
	}
}

// example returns the line that gives a mandatory field.
func example(field reflect.StructField) string {
	value := APIVersion
	if field.Tag.Get("check") == "provider" {
		value = string(Providers()[0])
	}
	return FieldName(field) + ": " + value
}

// named decodes a mapping of names to sections.
func (d *decoder) named(at place, node ast.Node, into reflect.Value) {
	entries, ok := d.entries(at, node)
	if !ok {
		return
	}
	into.Set(reflect.MakeMap(into.Type()))
	for _, entry := range entries {
		key := entry.Key.GetToken()
		name := reflect.ValueOf(key.Value)
		if r := check(at.keys, name); r != nil {
			d.find(key, r.message, r.suggestion)
			continue
		}
		value := reflect.New(into.Type().Elem())
		d.value(at.below(key), entry.Value, value.Elem())
		if whole, ok := reflect.TypeAssert[refuser](value); ok {
			if r := whole.refuse(key.Value); r != nil {
				d.find(key, r.message, r.suggestion)
			}
		}
		into.SetMapIndex(name, value.Elem())
	}
}

// refuser is a section that has something against what is in it as a whole.
type refuser interface {
	refuse(name string) *refusal
}

func (d *decoder) list(at place, node ast.Node, into reflect.Value) {
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		hint := ""
		if text, isText := textOf(node); isText {
			hint = "[" + text + "]"
		}
		d.find(at.mark(node), fmt.Sprintf("%s must be a list, not %s", at, describe(node)), hint)
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(sequence.Values), len(sequence.Values)))
	for i, element := range sequence.Values {
		d.value(place{name: fmt.Sprintf("%s[%d]", at, i), check: at.check}, element, into.Index(i))
	}
}

func (d *decoder) integer(at place, node ast.Node, into reflect.Value) {
	if number, ok := node.(*ast.IntegerNode); ok {
		// Only plain decimals: 010 and 0x10 are read differently by different readers.
		if n, err := strconv.Atoi(number.GetToken().Value); err == nil && strconv.Itoa(n) == number.GetToken().Value {
			into.SetInt(int64(n))
			d.checked(at, node, into)
			return
		}
	}
	message, hint := fmt.Sprintf("%s must be a whole number, not %s", at, describe(node)), ""
	if text, ok := textOf(node); ok {
		if n, err := strconv.Atoi(text); err == nil && strconv.Itoa(n) == text {
			message += ": take the quotes away"
		} else if err == nil {
			hint = strconv.Itoa(n)
		}
	}
	d.find(at.mark(node), message, hint)
}

func (d *decoder) truth(at place, node ast.Node, into reflect.Value) {
	given, ok := node.(*ast.BoolNode)
	if !ok {
		d.find(at.mark(node), fmt.Sprintf("%s must be true or false, not %s", at, describe(node)), "")
		return
	}
	into.SetBool(given.Value)
}

func (d *decoder) duration(at place, node ast.Node, into reflect.Value) {
	text, ok := textOf(node)
	if !ok {
		hint := ""
		if _, number := node.(*ast.IntegerNode); number {
			hint = node.GetToken().Value + "h"
		}
		d.find(at.mark(node), fmt.Sprintf(`%s must be a duration with its unit, like "30d" or "12h", not %s`, at, describe(node)), hint)
		return
	}
	length, err := ParseDuration(text)
	if err != nil {
		d.find(node.GetToken(), fmt.Sprintf("%s: %v", at, err), "")
		return
	}
	into.SetInt(int64(length))
	d.checked(at, node, into)
}

func (d *decoder) text(at place, node ast.Node, into reflect.Value) {
	text, ok := textOf(node)
	if !ok {
		d.find(at.mark(node), fmt.Sprintf("%s must be text, not %s", at, describe(node)), "")
		return
	}
	into.SetString(text)
	d.checked(at, node, into)
}

// checked finds what the field's check has against the value it now holds.
func (d *decoder) checked(at place, node ast.Node, value reflect.Value) {
	if r := check(at.check, value); r != nil {
		d.find(node.GetToken(), fmt.Sprintf("%s %s", at, r.message), r.suggestion)
	}
}

func (d *decoder) find(at *token.Token, message, suggestion string) {
	d.findings = append(d.findings, Finding{
		Line: at.Position.Line, Column: at.Position.Column,
		Length:  utf8.RuneCountInString(strings.TrimSpace(at.Origin)),
		Message: message, Suggestion: suggestion,
	})
}

// textOf returns the text of a node that YAML reads as text.
func textOf(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	}
	return "", false
}

// describe says in words what a node is.
func describe(node ast.Node) string {
	switch n := node.(type) {
	case *ast.StringNode:
		return fmt.Sprintf("the text %q", n.Value)
	case *ast.LiteralNode:
		return "text"
	case *ast.IntegerNode, *ast.FloatNode:
		return "the number " + node.GetToken().Value
	case *ast.BoolNode:
		return node.GetToken().Value
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a section"
	case *ast.NullNode:
		return "nothing (leave the line out for the default)"
	}
	return node.GetToken().Value
}

// FieldName is the name of a field in the file; "" for one that is not in it.
func FieldName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// Mandatory reports whether the file must give the field.
func Mandatory(field reflect.StructField) bool {
	return !strings.Contains(field.Tag.Get("json"), ",omit")
}
