package logs

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// entry is one thing that a service wrote.
type entry struct {
	Time    time.Time // of the entry before, if the line does not tell
	Service string
	Pod     string // that ran the service, where pods do
	Level   string // DEBUG, INFO, WARN or ERROR; empty if the line does not tell
	Message string
	Fields  []field // in the order they were written
	Further bool    // the line goes on the entry before it
}

// field is a key with its value as JSON.
type field struct {
	Key   string
	Value json.RawMessage
}

// parse reads a line of a log. A line that is no entry in itself, such as one
// of a stack trace, is a message alone.
func parse(service string, line []byte) entry {
	if e, ok := parseSlog(service, line); ok {
		return e
	}
	if e, ok := parsePostgres(service, line); ok {
		return e
	}
	return entry{Service: service, Message: string(line), Further: true}
}

func parseSlog(service string, line []byte) (entry, bool) {
	if len(line) == 0 || line[0] != '{' {
		return entry{}, false
	}
	e := entry{Service: service}
	fields, err := members("", line)
	if err != nil {
		return entry{}, false
	}
	for _, f := range fields {
		switch f.Key {
		case "time":
			if at, err := time.Parse(time.RFC3339Nano, f.text()); err == nil {
				e.Time = at
				continue
			}
		case "level":
			e.Level = f.text()
			continue
		case "msg":
			e.Message = f.text()
			continue
		}
		e.Fields = append(e.Fields, f)
	}
	return e, !e.Time.IsZero()
}

// members returns the members of a JSON object in order. Those of an object
// within, which slog calls a group, get its name before theirs.
func members(prefix string, object []byte) ([]field, error) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.Join(errors.New("not an object"), err)
	}
	var fields []field
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name, _ := key.(string) // the key of an object's member is a string
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		if len(value) > 2 && value[0] == '{' {
			within, err := members(prefix+name+".", value)
			if err != nil {
				return nil, err
			}
			fields = append(fields, within...)
			continue
		}
		fields = append(fields, field{prefix + name, value})
	}
	_, err := decoder.Token()
	return fields, err
}

// text is a string's content, or another value as JSON.
func (f field) text() string {
	var text string
	if json.Unmarshal(f.Value, &text) == nil {
		return text
	}
	return string(f.Value)
}

// shown is text, quoted where it would be read wrongly beside other fields.
func (f field) shown() string {
	text := f.text()
	if text == "" || strings.ContainsAny(text, " \t\n\r\"=") {
		return strconv.Quote(text)
	}
	return text
}

// postgresLine is a line of PostgreSQL's log with the prefix '%m [%p] ' in UTC.
var postgresLine = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{3}) UTC \[(\d+)\] ([A-Z]+[1-5]?): {1,2}(.*)$`)

// postgresLevel returns the level of one of PostgreSQL's severities, and whether
// the line only tells more about the one before; false for any other word.
func postgresLevel(severity string) (level string, more, known bool) {
	switch severity {
	case "DEBUG1", "DEBUG2", "DEBUG3", "DEBUG4", "DEBUG5":
		return "DEBUG", false, true
	case "LOG", "INFO", "NOTICE":
		return "INFO", false, true
	case "WARNING":
		return "WARN", false, true
	case "ERROR", "FATAL", "PANIC":
		return "ERROR", false, true
	case "DETAIL", "HINT", "CONTEXT", "STATEMENT", "QUERY", "LOCATION", "BACKTRACE":
		return "INFO", true, true
	}
	return "", false, false
}

func parsePostgres(service string, line []byte) (entry, bool) {
	match := postgresLine.FindSubmatch(line)
	if match == nil {
		return entry{}, false
	}
	severity := string(match[3])
	level, more, known := postgresLevel(severity)
	at, err := time.Parse("2006-01-02 15:04:05.000", string(match[1]))
	if err != nil || !known {
		return entry{}, false
	}
	e := entry{Time: at, Service: service, Level: level, Message: string(match[4]), Fields: []field{{"pid", match[2]}}}
	if more {
		e.Message = severity + ": " + e.Message
	}
	return e, true
}
