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
func (r *Reference) Markdown() ([]byte, error) {
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
	for _, options := range []templates.ConfigOptions{
		{Env: config.LocalName, Provider: config.ProviderLocal},
		{Env: "dev", Provider: config.ProviderAWS, Template: config.TemplateDev, Region: "eu-central-1"},
	} {
		text, err := templates.Config(options)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "\n## What `gmctl init -e %s` writes\n\n```yaml\n%s```\n", options.Env, text)
	}
	return []byte(b.String()), nil
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
	case field.Type.Kind() == reflect.Slice && field.Tag.Get("check") == "address":
		return "list of host:port"
	case field.Type.Kind() == reflect.Slice:
		return "list of text"
	case field.Type == reflect.TypeFor[*bool]():
		return "true or false"
	case field.Type.Kind() == reflect.Int && field.Tag.Get("check") == "port":
		return "port"
	case field.Type.Kind() == reflect.Int, field.Type == reflect.TypeFor[*int]():
		return "number"
	}
	if allowed := config.Choices(field.Tag.Get("check")); allowed != nil {
		return strings.Join(allowed, " or ")
	}
	return "text"
}

func defaultWord(field reflect.StructField, preset reflect.Value) string {
	switch {
	case config.Mandatory(field):
		return "mandatory"
	case !preset.IsValid() || preset.IsZero() || preset.Kind() == reflect.Struct || preset.Kind() == reflect.Map:
		return ""
	case preset.Kind() == reflect.Pointer:
		return fmt.Sprintf("`%v`", preset.Elem().Interface())
	case preset.Kind() == reflect.Slice:
		return fmt.Sprintf("`%v`", preset.Interface())
	case field.Type == reflect.TypeFor[time.Duration]():
		return "`" + config.FormatDuration(time.Duration(preset.Int())) + "`"
	}
	return fmt.Sprintf("`%v`", preset.Interface())
}
