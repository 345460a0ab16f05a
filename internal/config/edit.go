package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Edit sets one value of the file at path, given by its keys, and leaves every
// other byte as it is: comments, order, quotes. A value that is not there yet is
// put in, with the sections above it. The file is replaced whole or not at all,
// and not if it would not be valid afterwards.
func Edit(path, value string, keys ...string) error {
	name := strings.Join(keys, ".")
	refused := func(err error) error {
		return &problem.Error{What: name + " could not be set in " + path, Cause: err, Next: fmt.Sprintf("set it yourself: %s: %s", name, value)}
	}
	if path == "" {
		return &problem.Error{What: "there is no " + FileName + " to set " + name + " in", Next: fmt.Sprintf("write one: gmctl init; and set %s: %s", name, value)}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return refused(err)
	}
	edited, err := edit(data, value, keys)
	if err != nil {
		return refused(err)
	}
	if _, err := Parse(path, edited); err != nil {
		return refused(err)
	}
	if err := replace(path, edited); err != nil {
		return refused(err)
	}
	return nil
}

// replace has the file hold the content, all of it or as it was. One that is a
// link to another stays a link.
func replace(path string, content []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(content)
	err = errors.Join(err, temporary.Chmod(info.Mode().Perm()), temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}

func edit(data []byte, value string, keys []string) ([]byte, error) {
	if ends := bytes.Count(data, []byte("\r\n")); ends > 0 && ends == bytes.Count(data, []byte("\n")) { // written on Windows
		edited, err := edit(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), value, keys)
		return bytes.ReplaceAll(edited, []byte("\n"), []byte("\r\n")), err
	}
	file, err := parser.ParseBytes(data, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return nil, errors.New("the file is empty")
	}
	node, depth := file.Docs[0].Body, 0
	var above *ast.MappingValueNode // the deepest key that is there
	for depth < len(keys) {
		found := entry(node, keys[depth])
		if found == nil {
			break
		}
		above, node = found, found.Value
		depth++
	}
	switch {
	case above == nil:
		return nil, errors.New("the file has no " + keys[0])
	case depth == len(keys):
		return overwrite(data, node, value)
	}
	return insert(data, above, value, keys[depth:])
}

// entry finds a key in a mapping.
func entry(node ast.Node, key string) *ast.MappingValueNode {
	var entries []*ast.MappingValueNode
	switch mapping := node.(type) {
	case *ast.MappingNode:
		entries = mapping.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{mapping}
	}
	for _, found := range entries {
		if found.Key.GetToken().Value == key {
			return found
		}
	}
	return nil
}

// overwrite replaces a scalar where it stands, in the quotes that it has.
func overwrite(data []byte, node ast.Node, value string) ([]byte, error) {
	token := node.GetToken()
	line, err := lineOf(data, token.Position.Line)
	if err != nil {
		return nil, err
	}
	text := data[line.start:line.end]
	old, written := token.Value, value
	column := columnBytes(text, token.Position.Column)
	for _, quote := range []string{`"`, `'`} {
		if bytes.HasPrefix(text[column:], []byte(quote)) {
			old, written = quote+old+quote, quote+value+quote
		}
	}
	if !bytes.HasPrefix(text[column:], []byte(old)) {
		return nil, errors.New("it is written in a way that gmctl does not change")
	}
	at := line.start + column
	return splice(data, at, at+len(old), written), nil
}

// insert puts the keys, each in the one before, below the key above.
func insert(data []byte, above *ast.MappingValueNode, value string, keys []string) ([]byte, error) {
	key := above.Key.GetToken()
	if key == nil {
		return nil, errors.New("the section has no key")
	}
	indent := key.Position.Column - 1 + 2
	switch section := above.Value.(type) {
	case *ast.MappingNode:
		if section.IsFlowStyle {
			return nil, errors.New("the section is written in one line")
		}
		indent = section.Values[0].Key.GetToken().Position.Column - 1
	case *ast.MappingValueNode:
		indent = section.Key.GetToken().Position.Column - 1
	case *ast.NullNode:
	default:
		return nil, errors.New("the section is written in a way that gmctl does not change")
	}
	line, err := lineOf(data, key.Position.Line)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	for i, name := range keys {
		text.WriteString("\n" + strings.Repeat(" ", indent+2*i) + name + ":")
	}
	if _, err := strconv.ParseFloat(value, 64); err == nil {
		value = strconv.Quote(value) // text, as a version is
	}
	text.WriteString(" " + value)
	return splice(data, line.end, line.end, text.String()), nil
}

type span struct{ start, end int }

// lineOf is where a line, counted from 1, stands, without its end.
func lineOf(data []byte, number int) (span, error) {
	start := 0
	for n := 1; ; n++ {
		end := bytes.IndexByte(data[start:], '\n')
		last := end < 0
		if last {
			end = len(data) - start
		}
		if n == number {
			return span{start, start + end}, nil
		}
		if last {
			return span{}, fmt.Errorf("there is no line %d", number)
		}
		start += end + 1
	}
}

// columnBytes turns a column, counted in characters from 1, into bytes.
func columnBytes(line []byte, column int) int {
	at := 0
	for range column - 1 {
		if at >= len(line) {
			break
		}
		size := 1
		for at+size < len(line) && line[at+size]&0xC0 == 0x80 {
			size++
		}
		at += size
	}
	return at
}

func splice(data []byte, from, to int, text string) []byte {
	edited := make([]byte, 0, len(data)+len(text))
	edited = append(edited, data[:from]...)
	edited = append(edited, text...)
	return append(edited, data[to:]...)
}
