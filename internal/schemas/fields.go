package schemas

import (
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// field is the field of an event that schemas speak of.
const field = "metadata"

// What bounds the answer to a batch of events that all break a schema.
const (
	mostFields    = 10  // of one event
	longestName   = 100 // bytes: properties are named by who sends the event
	longestReason = 200 // bytes
	mostValues    = 20  // of an enum: more than have room
)

// fieldsOf turns a tree of breaches into the fields that they are of.
func fieldsOf(invalid *jsonschema.ValidationError) []event.FieldError {
	var fields []event.FieldError
	walk(invalid, func(breach *jsonschema.ValidationError) {
		add := func(path []string, reason string) {
			if len(fields) < mostFields {
				fields = append(fields, event.FieldError{Field: clip(name(path), longestName), Code: event.CodeSchema, Reason: clip(reason, longestReason)})
			}
		}
		at := breach.InstanceLocation
		switch k := breach.ErrorKind.(type) {
		case *kind.Required:
			for _, missing := range k.Missing {
				add(append(slices.Clip(at), missing), "is required by the schema of its event type")
			}
		case *kind.AdditionalProperties:
			for _, property := range k.Properties {
				add(append(slices.Clip(at), property), "is not a field of the schema of its event type")
			}
		case *kind.Enum:
			some := k.Want[:min(len(k.Want), mostValues)] // there may be thousands
			add(at, "breaks the schema of its event type: "+words(&kind.Enum{Got: k.Got, Want: some}))
		default:
			add(at, "breaks the schema of its event type: "+words(breach.ErrorKind))
		}
	})
	return fields
}

// walk calls each with the breaches that say something by themselves. Of
// alternatives none of which holds, the choice itself is the breach.
func walk(invalid *jsonschema.ValidationError, each func(*jsonschema.ValidationError)) {
	switch invalid.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf, *kind.Not, *kind.Contains, *kind.PropertyNames:
		each(invalid)
		return
	}
	if len(invalid.Causes) == 0 {
		each(invalid)
	}
	for _, cause := range invalid.Causes {
		walk(cause, each)
	}
}

// deepest is the breach that lies deepest in the value: of a schema that fits no
// alternative of the metaschema, the one that was probably meant.
func deepest(invalid *jsonschema.ValidationError) *jsonschema.ValidationError {
	found := invalid
	for _, cause := range invalid.Causes {
		leaf := deepest(cause)
		if len(leaf.InstanceLocation) > len(found.InstanceLocation) || len(found.Causes) > 0 {
			found = leaf
		}
	}
	return found
}

// name is a place in the metadata as the API calls it: metadata.items.0.price.
func name(path []string) string { return strings.Join(append([]string{field}, path...), ".") }

// clip keeps a text short enough to be told.
func clip(text string, longest int) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}

func words(k jsonschema.ErrorKind) string {
	return k.LocalizedString(message.NewPrinter(language.English))
}
