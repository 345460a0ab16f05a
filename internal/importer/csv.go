package importer

import (
	"bytes"
	"errors"
	"fmt"
)

// maxQuoted is how far a quoted field of CSV is followed over line ends, in
// bytes: further than any event is long, and short enough that a stray quote
// does not swallow the file.
const maxQuoted = 128 << 10

// csvReader groups lines into records of CSV after RFC 4180: a quoted field
// may contain line ends. Where a quote is not closed, only the line it opens
// in is lost.
type csvReader struct {
	lines     *lineReader
	delimiter byte
	ahead     []record // lines read in the search for a closing quote
}

func (c *csvReader) line() (record, bool) {
	if len(c.ahead) > 0 {
		line := c.ahead[0]
		c.ahead = c.ahead[1:]
		return line, true
	}
	return c.lines.next()
}

func (c *csvReader) next() (record, bool) {
	r, ok := c.line()
	if !ok || r.defect != "" {
		return r, ok
	}
	if endsInQuotes(r.text, c.delimiter, false) && !c.close(&r) {
		if c.lines.failure() != nil {
			return record{}, false
		}
		r.defect = "has a quoted field that is not closed"
		return r, true
	}
	var err error
	if r.fields, err = splitCSV(r.text, c.delimiter); err != nil {
		r.defect = err.Error()
	}
	return r, true
}

// close appends to r the lines up to the one that closes its quoted field, or
// leaves r as it is where none does.
func (c *csvReader) close(r *record) bool {
	whole := bytes.Clone(r.text)
	var taken []record
	for len(whole) < maxQuoted {
		line, ok := c.line()
		if !ok {
			break
		}
		taken = append(taken, line)
		if line.defect != "" {
			break
		}
		whole = append(append(whole, '\n'), line.text...)
		if !endsInQuotes(line.text, c.delimiter, true) {
			r.text, r.length, r.end = whole, int64(len(whole)), line.end
			return true
		}
	}
	c.ahead = append(taken, c.ahead...)
	return false
}

// endsInQuotes reports whether a line that starts inside quotes or not ends
// inside them.
func endsInQuotes(line []byte, delimiter byte, inside bool) bool {
	for {
		if !inside {
			if len(line) == 0 {
				return false
			}
			if line[0] != '"' {
				next := bytes.IndexByte(line, delimiter)
				if next < 0 {
					return false
				}
				line = line[next+1:]
				continue
			}
			line = line[1:]
		}
		quote := bytes.IndexByte(line, '"')
		if quote < 0 {
			return true
		}
		line = line[quote+1:]
		inside = len(line) > 0 && line[0] == '"'
		if inside {
			line = line[1:]
			continue
		}
		if len(line) == 0 || line[0] != delimiter {
			return false
		}
		line = line[1:]
	}
}

var (
	errBareQuote  = errors.New("has a quote inside an unquoted field")
	errAfterQuote = errors.New("has text after the closing quote of a field")
)

// splitCSV returns the fields of one complete record.
func splitCSV(text []byte, delimiter byte) ([]string, error) {
	var fields []string
	for {
		if len(text) == 0 || text[0] != '"' {
			end := bytes.IndexByte(text, delimiter)
			field := text
			if end >= 0 {
				field = text[:end]
			}
			if bytes.IndexByte(field, '"') >= 0 {
				return nil, inField(len(fields), errBareQuote)
			}
			fields = append(fields, string(field))
			if end < 0 {
				return fields, nil
			}
			text = text[end+1:]
			continue
		}
		field, rest, ok := unquote(text[1:])
		if !ok || len(rest) > 0 && rest[0] != delimiter {
			return nil, inField(len(fields), errAfterQuote)
		}
		fields = append(fields, field)
		if len(rest) == 0 {
			return fields, nil
		}
		text = rest[1:]
	}
}

func inField(index int, err error) error { return fmt.Errorf("%w (field %d)", err, index+1) }

// unquote reads a quoted field whose opening quote is gone.
func unquote(text []byte) (field string, rest []byte, ok bool) {
	var value []byte
	for {
		quote := bytes.IndexByte(text, '"')
		if quote < 0 {
			return "", nil, false
		}
		value = append(value, text[:quote]...)
		text = text[quote+1:]
		if len(text) == 0 || text[0] != '"' {
			return string(value), text, true
		}
		value = append(value, '"')
		text = text[1:]
	}
}
