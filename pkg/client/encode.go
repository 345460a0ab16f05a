package client

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gamemetrics/gmctl/pkg/event"
)

// appendEvent appends the event as JSON on one line. What is no JSON would spoil
// the events beside it, so it is refused here and not by the service.
func appendEvent(dst []byte, e event.Event) ([]byte, error) {
	if len(e.Metadata) > 0 {
		metadata := jsontext.Value(e.Metadata)
		// What else is wrong with it, the service says: it names the field.
		lenient := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
		if !metadata.IsValid(lenient...) {
			return dst, fmt.Errorf("the event cannot be encoded: %w", errMetadata)
		}
		if bytes.IndexByte(metadata, '\n') >= 0 {
			metadata = metadata.Clone()
			if err := metadata.Compact(lenient...); err != nil {
				return dst, fmt.Errorf("the event cannot be encoded: %w", err)
			}
			e.Metadata = []byte(metadata)
		}
	}
	encoded, err := e.AppendJSON(dst)
	if err != nil {
		return dst, fmt.Errorf("the event cannot be encoded: %w", err)
	}
	return encoded, nil
}

var errMetadata = errors.New("its metadata is not JSON")
