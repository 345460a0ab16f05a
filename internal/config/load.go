package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Load reads the file at path, or the nearest gmctl.yaml if path is empty, or
// returns the defaults where there is none.
func Load(path string) (*Config, error) {
	if path == "" {
		nearest, err := find()
		if err != nil {
			return nil, err
		}
		if nearest == "" {
			return Default(), nil
		}
		path = nearest
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	return Parse(path, data)
}

// find returns the gmctl.yaml of the working directory or of the nearest of its
// parents that has one, relative to the working directory where that is
// shorter to read; "" where there is none.
func find() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", unreadable(FileName, err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, FileName)
		if _, err := os.Stat(path); err == nil {
			if dir == start {
				return FileName, nil
			}
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", unreadable(path, err)
		}
		if filepath.Dir(dir) == dir {
			return "", nil
		}
	}
}

func unreadable(path string, err error) error {
	next := "check its permissions, or choose another file: --config FILE"
	if errors.Is(err, fs.ErrNotExist) {
		next = "write one: gmctl init; or leave out --config to use the defaults"
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return &problem.Error{What: "the configuration " + path + " could not be read", Cause: err, Next: next, Kind: problem.Usage}
}

// Parse reads a gmctl.yaml. Whatever is wrong in it is reported at once, each
// with its line and column; path is what the report calls the file, and what
// relative paths in it are relative to.
func Parse(path string, data []byte) (*Config, error) {
	invalid := &InvalidError{Path: path, lines: strings.Split(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n")}
	fail := func(findings ...Finding) (*Config, error) {
		invalid.Findings = findings
		return nil, invalid.problem()
	}
	if at, ok := firstInvalidUTF8(data); ok {
		return fail(at)
	}
	file, err := parser.ParseBytes(bytes.TrimPrefix(data, []byte("\ufeff")), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return fail(syntaxFinding(err))
	}
	cfg := &Config{Path: path}
	d := &decoder{anchors: map[string]ast.Node{}}
	switch {
	case len(file.Docs) > 1:
		tok := file.Docs[1].Start
		if tok == nil {
			tok = file.Docs[1].GetToken()
		}
		return fail(Finding{Line: tok.Position.Line, Column: tok.Position.Column, Length: 3, Message: "a second YAML document: the file holds one"})
	case len(file.Docs) == 0 || file.Docs[0].Body == nil:
		return fail(Finding{Line: 1, Column: 1, Message: "the file says nothing: begin it with apiVersion: " + APIVersion})
	}
	d.decode(file.Docs[0].Body, reflect.ValueOf(cfg).Elem())
	if len(d.findings) > 0 {
		return fail(d.findings...)
	}
	cfg.fill()
	if err := cfg.resolve(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// syntaxFinding places an error of the YAML parser.
func syntaxFinding(err error) Finding {
	if at, ok := errors.AsType[yaml.Error](err); ok && at.GetToken() != nil {
		tok := at.GetToken()
		found := Finding{Line: tok.Position.Line, Column: tok.Position.Column, Length: utf8.RuneCountInString(tok.Value), Message: "not valid YAML: " + at.GetMessage()}
		if strings.HasPrefix(at.GetMessage(), "found character '\t'") { // printed as it is, it looks like a space
			found.Length, found.Message = 1, "not valid YAML: a tab begins this line: indent with spaces"
		}
		return found
	}
	return Finding{Line: 1, Column: 1, Message: "not valid YAML: " + err.Error()}
}

func firstInvalidUTF8(data []byte) (Finding, bool) {
	for i, line := range bytes.Split(data, []byte("\n")) {
		if utf8.Valid(line) {
			continue
		}
		column := 1
		for rest := line; ; column++ {
			r, size := utf8.DecodeRune(rest)
			if r == utf8.RuneError && size <= 1 {
				break
			}
			rest = rest[size:]
		}
		return Finding{Line: i + 1, Column: column, Message: "a byte that is not UTF-8: save the file as UTF-8"}, true
	}
	return Finding{}, false
}

// fill gives what the file left out its default.
func (c *Config) fill() {
	if c.Environments == nil {
		c.Environments = map[string]Environment{}
	}
	if _, ok := c.Environments[LocalName]; !ok {
		c.Environments[LocalName] = Environment{Provider: ProviderLocal}
	}
	for name, env := range c.Environments {
		env.fill()
		c.Environments[name] = env
	}
}

// fill gives the section of the environment's provider its defaults.
func (e *Environment) fill() {
	switch e.Provider {
	case ProviderLocal:
		fillZero(reflect.ValueOf(&e.Local).Elem(), reflect.ValueOf(DefaultLocal()))
	case ProviderAWS:
		e.AWS.fill()
	}
}

// fillZero sets every field of into that is zero to its value in defaults. No
// field's checks allow a zero that means something else than "not said".
func fillZero(into, defaults reflect.Value) {
	for i := range into.NumField() {
		field := into.Field(i)
		switch {
		case field.Kind() == reflect.Struct:
			fillZero(field, defaults.Field(i))
		case field.IsZero():
			field.Set(defaults.Field(i))
		}
	}
}

// resolve makes the paths of the file absolute: relative ones are relative to
// the file, ~/ is the user's home.
func (c *Config) resolve() error {
	base, err := filepath.Abs(filepath.Dir(c.Path))
	if err != nil {
		return unreadable(c.Path, err)
	}
	for name, env := range c.Environments {
		paths := []*string{&env.Local.Postgres.Binaries, &env.AWS.Manifests}
		if env.AWS.Image.IsFolder() {
			paths = append(paths, &env.AWS.Image.Source)
		}
		for _, path := range paths {
			if err := absolute(path, base); err != nil {
				return fmt.Errorf("the home directory of %s in %s: %w", *path, c.Path, err)
			}
		}
		c.Environments[name] = env
	}
	return nil
}

// absolute makes path absolute, if there is one; the error is that there is no
// home directory.
func absolute(path *string, base string) error {
	if rest, ok := strings.CutPrefix(*path, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return err
		}
		*path = filepath.Join(home, rest)
	}
	if *path != "" && !filepath.IsAbs(*path) {
		*path = filepath.Join(base, *path)
	}
	return nil
}
