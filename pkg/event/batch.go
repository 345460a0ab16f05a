package event

import (
	"bytes"
	"fmt"
	"iter"
)

// Lines yields the lines of data that are not blank: the events of an NDJSON
// body, none checked.
func Lines(data []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for line := range bytes.Lines(data) {
			if line = bytes.TrimSpace(line); len(line) > 0 && !yield(line) {
				return
			}
		}
	}
}

// Elements calls found with each element of the JSON array that data holds.
// It only looks for where an element ends, so one that is not valid JSON does
// not hide its neighbours: what is wrong with it, Decode says. The error, an
// *Invalid, says that data is not an array of elements at all, or is the one
// that found returned.
func Elements(data []byte, found func(element []byte) error) error {
	rest := bytes.TrimSpace(data)
	switch {
	case len(rest) == 0:
		return invalid("", CodeEmpty, "is missing: the body is empty")
	case rest[0] != '[':
		return invalid("", CodeWrongType, "must be a JSON array of events")
	}
	at := len(data) - len(bytes.TrimLeft(data, " \t\r\n")) + 1 // offset of what is not read yet
	for first := true; ; first = false {
		end, ok := elementEnd(data, at)
		if !ok {
			return invalid("", CodeMalformed, fmt.Sprintf("must be a JSON array: it ends in the middle, after %d bytes", len(data)))
		}
		element := bytes.TrimSpace(data[at:end])
		last := data[end] == ']'
		if len(element) == 0 && (!last || !first) {
			return invalid("", CodeMalformed, fmt.Sprintf("must be a JSON array: an element is missing at byte %d", end))
		}
		if len(element) > 0 {
			if err := found(element); err != nil {
				return err
			}
		}
		at = end + 1
		if last {
			break
		}
	}
	if len(bytes.TrimSpace(data[at:])) > 0 {
		return invalid("", CodeMalformed, fmt.Sprintf("must end after its closing bracket; something follows at byte %d", at))
	}
	return nil
}

// elementEnd returns the offset of the comma or bracket that ends the element
// which starts at the offset.
func elementEnd(data []byte, at int) (end int, ok bool) {
	depth := 0
	for i := at; i < len(data); i++ {
		switch data[i] {
		case '"':
			if i = quoteEnd(data, i); i < 0 {
				return 0, false
			}
		case '{', '[':
			depth++
		case '}':
			depth--
		case ']':
			if depth <= 0 {
				return i, true
			}
			depth--
		case ',':
			if depth <= 0 {
				return i, true
			}
		}
	}
	return 0, false
}

// quoteEnd returns the offset of the quote that ends the string which starts
// at the offset, or -1.
func quoteEnd(data []byte, at int) int {
	for i := at + 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}
