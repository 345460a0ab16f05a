package kafka

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gamemetrics/gmctl/internal/topics"
)

// Record is one Kafka record, as commands show and send it. A nil Key or Value
// is Kafka's null; a null value is a tombstone in a compacted topic.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Timestamp time.Time
	Key       []byte
	Value     []byte
	Headers   []Header
}

// Header is a named value beside a record's key and value. Names may repeat.
type Header struct {
	Key   string
	Value []byte
}

// RecordOf returns r as a Record; they share memory.
func RecordOf(r *kgo.Record) Record {
	record := Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		record.Headers = append(record.Headers, Header(h))
	}
	return record
}

// IsTest reports whether a test made the record: it is no data.
func (r Record) IsTest() bool {
	for _, h := range r.Headers {
		if h.Key == topics.TestHeader {
			return true
		}
	}
	return false
}

// recordJSON is a record as JSON. A field's text stands in "key", "value" of a
// header and, unless it is a JSON object, array, number, boolean or null, in
// "value"; bytes that are no UTF-8 stand in base64 under the …Base64 name.
type recordJSON struct {
	Topic       string          `json:"topic,omitempty"`
	Partition   *int32          `json:"partition,omitempty"`
	Offset      *int64          `json:"offset,omitempty"`
	Timestamp   *time.Time      `json:"timestamp,omitempty"`
	Key         *string         `json:"key"`
	KeyBase64   []byte          `json:"keyBase64,omitempty"`
	Value       json.RawMessage `json:"value"`
	ValueBase64 []byte          `json:"valueBase64,omitempty"`
	Headers     []headerJSON    `json:"headers,omitempty"`
}

type headerJSON struct {
	Key         string  `json:"key"`
	Value       *string `json:"value"`
	ValueBase64 []byte  `json:"valueBase64,omitempty"`
}

// Line is the record as one line of JSON, with its line break, from which
// UnmarshalJSON gives it back: a value that is a JSON object or array stands as
// it is, compacted.
func (r Record) Line() ([]byte, error) {
	timestamp := r.Timestamp.UTC()
	out := recordJSON{Topic: r.Topic, Partition: &r.Partition, Offset: &r.Offset, Timestamp: &timestamp}
	out.Key, out.KeyBase64 = text(r.Key)
	switch {
	case r.Value == nil:
		out.Value = json.RawMessage("null")
	case isStructure(r.Value):
		out.Value = r.Value
	default:
		value, encoded := text(r.Value)
		out.ValueBase64 = encoded
		var err error
		if out.Value, err = unescaped(value); err != nil {
			return nil, err
		}
	}
	for _, h := range r.Headers {
		value, encoded := text(h.Value)
		out.Headers = append(out.Headers, headerJSON{h.Key, value, encoded})
	}
	return unescaped(out)
}

// unescaped encodes value with <, > and & as they are: no browser reads it.
func unescaped(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return out.Bytes(), err
}

// UnmarshalJSON decodes what Line made, or what a person wrote: a value
// that is a JSON string is sent as its text, any other JSON as it stands.
func (r *Record) UnmarshalJSON(data []byte) error {
	var in recordJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*r = Record{Topic: in.Topic, Key: bytesOf(in.Key, in.KeyBase64)}
	if in.Partition != nil {
		r.Partition = *in.Partition
	}
	if in.Offset != nil {
		r.Offset = *in.Offset
	}
	if in.Timestamp != nil {
		r.Timestamp = *in.Timestamp
	}
	switch trimmed := bytes.TrimSpace(in.Value); {
	case in.ValueBase64 != nil:
		r.Value = in.ValueBase64
	case len(trimmed) == 0 || string(trimmed) == "null":
	case trimmed[0] == '"':
		var value string
		if err := json.Unmarshal(trimmed, &value); err != nil {
			return fmt.Errorf("value: %w", err)
		}
		r.Value = []byte(value)
	default:
		r.Value = trimmed
	}
	for _, h := range in.Headers {
		r.Headers = append(r.Headers, Header{h.Key, bytesOf(h.Value, h.ValueBase64)})
	}
	return nil
}

// isStructure reports whether value is a JSON object or array.
func isStructure(value []byte) bool {
	trimmed := bytes.TrimSpace(value)
	return len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') && utf8.Valid(trimmed) && json.Valid(trimmed)
}

// text returns b as text, or for base64 where it is none; both nil for nil.
func text(b []byte) (*string, []byte) {
	if b == nil {
		return nil, nil
	}
	if !utf8.Valid(b) {
		return nil, b
	}
	s := string(b)
	return &s, nil
}

func bytesOf(text *string, encoded []byte) []byte {
	switch {
	case encoded != nil:
		return encoded
	case text != nil:
		return []byte(*text)
	}
	return nil
}

// Printable returns b as one line that is safe on a terminal: control
// characters are escaped, bytes that are no text stand in base64.
func Printable(b []byte) string {
	if !utf8.Valid(b) {
		return "base64:" + base64.StdEncoding.EncodeToString(b)
	}
	if !bytes.ContainsFunc(b, isControl) {
		return string(b)
	}
	var out bytes.Buffer
	for _, r := range string(b) {
		if isControl(r) {
			fmt.Fprintf(&out, "\\u%04x", r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

func isControl(r rune) bool { return r < 0x20 || (r >= 0x7f && r < 0xa0) }
