// Package reference derives from the types of internal/config what documents
// them: the JSON Schema for editors and docs/configuration.md. It reads their
// comments from the source, so it is part of no binary; `make docs` runs it.
package reference

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/gamemetrics/gmctl/internal/config"
)

// Reference knows the types of gmctl.yaml, their comments and their defaults.
type Reference struct {
	comments map[string]string // by "Type" and "Type.Field"
}

// Read reads the comments from the source of internal/config in the folder dir.
func Read(dir string) (*Reference, error) {
	r := &Reference{comments: map[string]string{}}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no Go files in %s", dir)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		ast.Inspect(parsed, r.note)
	}
	return r, nil
}

// note keeps the comments of a type declaration.
func (r *Reference) note(node ast.Node) bool {
	declaration, ok := node.(*ast.GenDecl)
	if !ok {
		return true
	}
	for _, spec := range declaration.Specs {
		typ, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		r.comments[typ.Name.Name] = sentence(declaration.Doc.Text())
		structure, ok := typ.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, field := range structure.Fields.List {
			for _, name := range field.Names {
				r.comments[typ.Name.Name+"."+name.Name] = sentence(field.Doc.Text())
			}
		}
	}
	return true
}

func sentence(comment string) string { return strings.Join(strings.Fields(comment), " ") }

// describe returns a field's comment as a user of the file reads it: about the
// field by the name it has there.
func (r *Reference) describe(owner reflect.Type, field reflect.StructField) string {
	comment := r.comments[owner.Name()+"."+field.Name]
	rest, named := strings.CutPrefix(comment, field.Name+" ")
	if !named {
		return comment
	}
	for _, verb := range []string{"is ", "are ", "names "} {
		if about, ok := strings.CutPrefix(rest, verb); ok {
			return strings.ToUpper(about[:1]) + about[1:]
		}
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}

// defaults returns the defaults of a section of an environment by its type; an
// invalid value for a type that has none.
func defaults(t reflect.Type) reflect.Value {
	switch t {
	case reflect.TypeFor[config.Local]():
		return reflect.ValueOf(config.DefaultLocal())
	case reflect.TypeFor[config.AWS]():
		return reflect.ValueOf(config.DefaultAWS(config.TemplateDev))
	}
	return reflect.Value{}
}

// below returns the value of the i-th field of defaults, if there are any.
func below(of reflect.Value, i int, field reflect.StructField) reflect.Value {
	if of.IsValid() {
		return of.Field(i)
	}
	if field.Type.Kind() == reflect.Struct {
		return defaults(field.Type)
	}
	return reflect.Value{}
}
