package reference

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/config"
	"github.com/gamemetrics/gmctl/templates"
)

// Markdown returns docs/configuration.md.
func (r *Reference) Markdown() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<!-- Written by make docs from internal/config. -->

# Configuration

gmctl needs no configuration: without one, the environment `+"`%s`"+` runs the whole
platform on this machine. To change something, or to have more environments,
write a `+"`%s`"+`; `+"`gmctl init`"+` writes one to start from. gmctl reads the one in
the working directory or in the nearest folder above it, or the one that
`+"`--config`"+` names.

The file is read strictly: an unknown field or a value of the wrong type is an
error that names line and column. Editors check and complete it by its
[JSON Schema](gmctl.schema.json). Durations are written as `+"`30d`, `12h` or `1h30m`"+`.

## Fields

| field | type | default | |
|---|---|---|---|
`, config.LocalName, config.FileName)
	r.rows(&b, "", reflect.TypeFor[config.Config](), reflect.Value{})
	fmt.Fprintf(&b, "\n## What `gmctl init` writes\n\n```yaml\n%s```\n", strings.ReplaceAll(templates.Config, "ENVIRONMENT", config.LocalName))
	return []byte(b.String())
}

// rows writes a row for each field of t and what is below it.
func (r *Reference) rows(b *strings.Builder, prefix string, t reflect.Type, defaults reflect.Value) {
	for i := range t.NumField() {
		field := t.Field(i)
		name := config.FieldName(field)
		if name == "" {
			continue
		}
		name = prefix + name
		preset := below(defaults, i, field)
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", name, typeWord(field), defaultWord(field, preset), r.describe(t, field))
		switch {
		case field.Type.Kind() == reflect.Struct:
			r.rows(b, name+".", field.Type, preset)
		case field.Type.Kind() == reflect.Map:
			r.rows(b, name+".NAME.", field.Type.Elem(), reflect.Value{})
		}
	}
}

func typeWord(field reflect.StructField) string {
	switch {
	case field.Type == reflect.TypeFor[time.Duration]():
		return "duration"
	case field.Type.Kind() == reflect.Struct:
		return "section"
	case field.Type.Kind() == reflect.Map:
		return "section by name"
	case field.Type.Kind() == reflect.Slice:
		return "list of host:port"
	case field.Type.Kind() == reflect.Int:
		return "port"
	}
	return "text"
}

func defaultWord(field reflect.StructField, preset reflect.Value) string {
	switch {
	case config.Mandatory(field):
		return "mandatory"
	case !preset.IsValid() || preset.IsZero() || preset.Kind() == reflect.Struct:
		return ""
	case field.Type == reflect.TypeFor[time.Duration]():
		return "`" + config.FormatDuration(time.Duration(preset.Int())) + "`"
	}
	return fmt.Sprintf("`%v`", preset.Interface())
}
