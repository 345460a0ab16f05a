package send

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// metadata makes one JSON object of what --metadata says: objects as they
// stand, or pairs, later ones after earlier ones.
func metadata(given []string) (json.RawMessage, error) {
	if len(given) == 0 {
		return nil, nil
	}
	if len(given) == 1 && strings.HasPrefix(strings.TrimSpace(given[0]), "{") {
		object := jsontext.Value(given[0])
		if err := object.Compact(); err != nil {
			return nil, usage(fmt.Sprintf("--metadata is not JSON: %v", err), `give an object such as '{"level":3}', or pairs such as level=3`)
		}
		return json.RawMessage(object), nil
	}
	object := []byte{'{'}
	seen := map[string]bool{}
	for i, pair := range given {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, usage(fmt.Sprintf("--metadata %q is no key=value pair", pair), `give pairs such as level=3, or one object such as '{"level":3}'`)
		}
		if seen[key] {
			return nil, usage(fmt.Sprintf("--metadata gives %q twice", key), "leave one out")
		}
		seen[key] = true
		if i > 0 {
			object = append(object, ',')
		}
		var err error
		if object, err = jsontext.AppendQuote(object, key); err == nil {
			object, err = appendValue(append(object, ':'), value)
		}
		if err != nil {
			return nil, usage(fmt.Sprintf("--metadata %q is not UTF-8", pair), "give text in UTF-8")
		}
	}
	return append(object, '}'), nil
}

// appendValue appends JSON as it stands, and anything else as text.
func appendValue(object []byte, value string) ([]byte, error) {
	parsed := jsontext.Value(value)
	if err := parsed.Compact(); err == nil {
		return append(object, parsed...), nil
	}
	return jsontext.AppendQuote(object, value)
}
