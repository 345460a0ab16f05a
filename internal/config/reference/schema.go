package reference

import (
	"encoding/json"
	"reflect"
	"time"

	"github.com/gamemetrics/gmctl/internal/config"
)

// SchemaURL is where editors find the schema.
const SchemaURL = "https://raw.githubusercontent.com/gamemetrics/gmctl/main/docs/gmctl.schema.json"

// durationPattern is what config.ParseDuration reads, but for negative ones.
const durationPattern = `^([0-9]+d)?([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))*$`

type schema map[string]any

// Schema returns the JSON Schema (draft 2020-12) of gmctl.yaml.
func (r *Reference) Schema() ([]byte, error) {
	root := r.object(reflect.TypeFor[config.Config](), reflect.Value{})
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = SchemaURL
	root["title"] = config.FileName
	// The file itself is never empty; its sections may be.
	root["type"] = "object"
	encoded, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(encoded, '\n'), nil
}

func (r *Reference) object(t reflect.Type, defaults reflect.Value) schema {
	properties, required := schema{}, []string{}
	for i := range t.NumField() {
		field := t.Field(i)
		name := config.FieldName(field)
		if name == "" {
			continue
		}
		property := r.value(field.Type, field.Tag, below(defaults, i, field))
		property["description"] = r.describe(t, field)
		properties[name] = property
		if config.Mandatory(field) {
			required = append(required, name)
		}
	}
	s := schema{"type": []string{"object", "null"}, "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
		s["type"] = "object"
	}
	if t == reflect.TypeFor[config.Environment]() {
		s["if"] = schema{"properties": schema{"provider": schema{"const": config.ProviderAWS}}}
		s["then"] = schema{"required": []string{"aws"}, "properties": schema{"aws": schema{"type": "object", "required": []string{"region"}}}}
	}
	return s
}

func (r *Reference) value(t reflect.Type, tag reflect.StructTag, preset reflect.Value) schema {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		s := schema{"type": "string", "pattern": durationPattern, "minLength": 1}
		if preset.IsValid() && !preset.IsZero() {
			s["default"] = config.FormatDuration(time.Duration(preset.Int()))
		}
		return s
	case t.Kind() == reflect.Struct:
		return r.object(t, preset)
	case t.Kind() == reflect.Pointer:
		if preset.IsValid() && !preset.IsNil() {
			s := r.value(t.Elem(), tag, reflect.Value{})
			s["default"] = preset.Elem().Interface()
			return s
		}
		return r.value(t.Elem(), tag, reflect.Value{})
	case t.Kind() == reflect.Bool:
		return schema{"type": "boolean"}
	case t.Kind() == reflect.Map:
		names := config.NamePattern
		if p, ok := config.PatternOf(tag.Get("keys")); ok {
			names = p.Expression
		}
		return schema{
			"type":                 []string{"object", "null"},
			"propertyNames":        schema{"pattern": names},
			"additionalProperties": r.value(t.Elem(), "", defaults(t.Elem())),
		}
	case t.Kind() == reflect.Slice:
		return schema{"type": "array", "items": r.value(t.Elem(), tag, reflect.Value{})}
	}
	s := restriction(tag.Get("check"))
	if preset.IsValid() && !preset.IsZero() {
		s["default"] = preset.Interface()
	}
	return s
}

// restriction is a check of internal/config in the words of JSON Schema.
func restriction(check string) schema {
	switch check {
	case "apiVersion":
		return schema{"const": config.APIVersion}
	case "provider":
		return schema{"enum": config.Providers()}
	case "address":
		return schema{"type": "string", "pattern": `^.+:[0-9]{1,5}$`}
	}
	if low, high, ok := config.Limits(check); ok {
		return schema{"type": "integer", "minimum": low, "maximum": high}
	}
	if allowed := config.Choices(check); allowed != nil {
		return schema{"enum": allowed}
	}
	if p, ok := config.PatternOf(check); ok {
		return schema{"type": "string", "pattern": p.Expression}
	}
	return schema{"type": "string", "minLength": 1}
}
