package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// Ignored as the field of a column leaves the column out.
const Ignored = "-"

// columns says which column of a CSV file holds which field of an event.
type columns struct {
	count    int
	eventID  int // index of the column; -1: none
	player   int
	kind     int
	time     int
	metadata int   // the whole object as JSON
	members  *tree // metadata.* columns
}

// tree is a JSON object whose leaves are columns.
type tree struct {
	name     string
	column   int // of a leaf; -1: an object
	children []*tree
}

// newColumns reads a header. renamed maps header names to fields of an event:
// playerId, eventType, timestamp, eventId, metadata, metadata.<path> or Ignored.
// Names that differ from a field's only in case, '_' and '-' need no mapping.
func newColumns(header []string, renamed map[string]string) (*columns, error) {
	c := &columns{count: len(header), eventID: -1, player: -1, kind: -1, time: -1, metadata: -1, members: &tree{column: -1}}
	for name := range renamed {
		if !slices.Contains(header, name) {
			return nil, badHeader(fmt.Sprintf("has no column %q to map", name), "the columns are: "+strings.Join(header, ", "))
		}
	}
	for i, name := range header {
		field, mapped := renamed[name]
		if !mapped {
			field = fieldOf(name)
		}
		if err := c.assign(i, name, field); err != nil {
			return nil, err
		}
	}
	for _, needed := range []struct {
		column int
		field  string
	}{{c.player, "playerId"}, {c.kind, "eventType"}, {c.time, "timestamp"}} {
		if needed.column < 0 {
			return nil, badHeader("has no column for "+needed.field, fmt.Sprintf("name the column that holds it: --map COLUMN=%s", needed.field))
		}
	}
	if c.metadata >= 0 && len(c.members.children) > 0 {
		return nil, badHeader("has both a column metadata and columns metadata.*", "leave one out: --map metadata=-")
	}
	return c, nil
}

func badHeader(what, next string) error {
	return &problem.Error{What: "the CSV header " + what, Next: next, Kind: problem.Usage}
}

// fieldOf guesses the field that a column's name means.
func fieldOf(name string) string {
	name = strings.TrimSpace(name)
	if path, ok := strings.CutPrefix(name, "metadata."); ok && path != "" {
		return name
	}
	switch strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(name)) {
	case "eventid":
		return "eventId"
	case "playerid":
		return "playerId"
	case "eventtype":
		return "eventType"
	case "timestamp":
		return "timestamp"
	case "metadata":
		return "metadata"
	}
	return ""
}

func (c *columns) assign(column int, name, field string) error {
	var slot *int
	switch field {
	case "eventId":
		slot = &c.eventID
	case "playerId":
		slot = &c.player
	case "eventType":
		slot = &c.kind
	case "timestamp":
		slot = &c.time
	case "metadata":
		slot = &c.metadata
	case Ignored:
		return nil
	default:
		path, ok := strings.CutPrefix(field, "metadata.")
		if !ok || path == "" {
			return badHeader(fmt.Sprintf("has a column %q that is no field of an event", name),
				fmt.Sprintf("say what it holds: --map %[1]s=playerId (or eventType, timestamp, eventId), --map %[1]s=metadata.%[1]s keeps it as metadata, --map %[1]s=- leaves it out", name))
		}
		if !c.members.put(strings.Split(path, "."), column) {
			return badHeader(fmt.Sprintf("has columns that collide at %s", field), "rename or leave out one of them with --map")
		}
		return nil
	}
	if *slot >= 0 {
		return badHeader("has two columns for "+field, "leave one out: --map COLUMN=-")
	}
	*slot = column
	return nil
}

// put adds a leaf; false where its place is taken.
func (t *tree) put(path []string, column int) bool {
	at := slices.IndexFunc(t.children, func(child *tree) bool { return child.name == path[0] })
	if len(path) == 1 {
		if at >= 0 {
			return false
		}
		t.children = append(t.children, &tree{name: path[0], column: column})
		return true
	}
	if at < 0 {
		at = len(t.children)
		t.children = append(t.children, &tree{name: path[0], column: -1})
	}
	return t.children[at].column < 0 && t.children[at].put(path[1:], column)
}

// json writes a row as the JSON of an event. Empty fields are left out.
func (c *columns) json(row []string) ([]byte, error) {
	if len(row) != c.count {
		return nil, bad("", event.CodeMalformed, fmt.Sprintf("has %d fields where the header has %d", len(row), c.count))
	}
	out := []byte{'{'}
	for _, member := range []struct {
		name   string
		column int
	}{{"eventId", c.eventID}, {"playerId", c.player}, {"eventType", c.kind}, {"timestamp", c.time}} {
		if member.column < 0 || row[member.column] == "" {
			continue
		}
		var err error
		if out, err = jsontext.AppendQuote(append(separated(out), `"`+member.name+`":`...), row[member.column]); err != nil {
			return nil, bad(member.name, event.CodeInvalidUTF8, "must be UTF-8")
		}
	}
	if c.metadata >= 0 && row[c.metadata] != "" {
		value := jsontext.Value(row[c.metadata])
		if !value.IsValid() {
			return nil, bad("metadata", event.CodeMalformed, "must be one JSON object")
		}
		out = append(append(separated(out), `"metadata":`...), value...)
	}
	if object, err := c.members.appendJSON(nil, row); err != nil {
		return nil, err
	} else if len(object) > 0 {
		out = append(append(separated(out), `"metadata":`...), object...)
	}
	return append(out, '}'), nil
}

func bad(field string, code event.Code, reason string) error {
	return &event.Invalid{Fields: []event.FieldError{{Field: field, Code: code, Reason: reason}}}
}

// separated appends a comma where a member goes before.
func separated(out []byte) []byte {
	switch out[len(out)-1] {
	case '{', ':':
		return out
	}
	return append(out, ',')
}

// appendJSON appends the object that the row gives, or nothing where all its
// columns are empty.
func (t *tree) appendJSON(out []byte, row []string) ([]byte, error) {
	start := len(out)
	out = append(out, '{')
	for _, child := range t.children {
		before := len(out)
		quoted, err := jsontext.AppendQuote(separated(out), child.name)
		if err != nil {
			return nil, bad("metadata", event.CodeInvalidUTF8, "must be UTF-8")
		}
		quoted = append(quoted, ':')
		named := len(quoted)
		if child.column < 0 {
			quoted, err = child.appendJSON(quoted, row)
		} else {
			quoted, err = appendCell(quoted, row[child.column])
		}
		if err != nil {
			return nil, err
		}
		if out = quoted; len(out) == named {
			out = out[:before]
		}
	}
	if len(out) == start+1 {
		return out[:start], nil
	}
	return append(out, '}'), nil
}

// safeDigits is how many digits of a number every JSON reader keeps.
const safeDigits = 15

// appendCell appends a cell as JSON: numbers and booleans as such where nothing
// is lost by it, nothing where it is empty, else a string.
func appendCell(out []byte, cell string) ([]byte, error) {
	if cell == "" {
		return out, nil
	}
	value := jsontext.Value(cell)
	switch {
	case cell == "true", cell == "false",
		len(cell) <= safeDigits && (cell[0] == '-' || '0' <= cell[0] && cell[0] <= '9') && !strings.ContainsAny(cell, "eE ") && value.IsValid():
		return append(out, cell...), nil
	}
	out, err := jsontext.AppendQuote(out, cell)
	if err != nil {
		return nil, bad("metadata", event.CodeInvalidUTF8, "must be UTF-8")
	}
	return out, nil
}
