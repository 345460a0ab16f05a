package tail

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/goccy/go-yaml"

	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kafka/eventtail"
	"github.com/gamemetrics/gmctl/internal/render"
)

// Columns grow with what they have to hold, up to these widths.
const (
	widestPlayer = 36
	widestType   = 32
)

// printer prints events one after the other.
type printer struct {
	io     *iostreams.IOStreams
	format render.Format
	now    func() time.Time

	player, kind int // widths so far
}

func newPrinter(io *iostreams.IOStreams, format render.Format, now func() time.Time) *printer {
	return &printer{io: io, format: format, now: now, player: 14, kind: 19}
}

func (p *printer) print(e eventtail.Event) error {
	var text string
	switch p.format {
	case render.JSON:
		text = string(e.Value)
	case render.YAML:
		document, err := yaml.JSONToYAML(e.Value)
		if err != nil {
			return fmt.Errorf("event %s: %w", e.EventID, err)
		}
		text = "---\n" + strings.TrimRight(string(document), "\n")
	default:
		text = p.line(e)
	}
	_, err := fmt.Fprintln(p.io.Out, text)
	return err
}

// line shows an event on one line: when it happened in local time, whose it
// is, what, and its metadata. A terminal's line is not exceeded; in a pipe
// nothing is left out.
func (p *printer) line(e eventtail.Event) string {
	at := e.Timestamp.Local()
	when := at.Format("15:04:05.000")
	if at.Format(time.DateOnly) != p.now().Local().Format(time.DateOnly) {
		when = at.Format("2006-01-02 15:04:05.000")
	}
	p.player = max(p.player, min(render.Width(e.PlayerID), widestPlayer))
	p.kind = max(p.kind, min(len(e.EventType), widestType))
	line := p.io.PaintOut(iostreams.Faint, when) + "  " +
		p.io.PaintOut(iostreams.Cyan, render.Pad(e.PlayerID, p.player)) + "  " +
		p.io.PaintOut(iostreams.Bold, render.Pad(e.EventType, p.kind)) + "  " +
		p.metadata(e.Metadata)
	line = strings.TrimRight(line, " ")
	if p.io.OutTTY {
		return render.Truncate(line, p.io.Width())
	}
	return line
}

// metadata shows a JSON object as key=value pairs in its own order.
func (p *printer) metadata(object []byte) string {
	if len(object) == 0 {
		return ""
	}
	decoder := jsontext.NewDecoder(strings.NewReader(string(object)))
	if start, err := decoder.ReadToken(); err != nil || start.Kind() != '{' {
		return string(object)
	}
	var pairs []string
	for decoder.PeekKind() == '"' {
		name, err := decoder.ReadToken()
		if err != nil {
			return string(object)
		}
		key := name.String()
		value, err := decoder.ReadValue()
		if err != nil {
			return string(object)
		}
		pairs = append(pairs, p.io.PaintOut(iostreams.Faint, plain(key)+"=")+shown(value))
	}
	return strings.Join(pairs, " ")
}

// shown is a value without the quotes it does not need.
func shown(value jsontext.Value) string {
	if value.Kind() != '"' {
		return string(value)
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil || plain(string(text)) != string(text) {
		return string(value)
	}
	return string(text)
}

// plain is text as it is where it cannot be taken for anything else, else quoted.
func plain(text string) string {
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || r == '\x7f' || r >= 0x80 && r < 0xa0 }) {
		return text
	}
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		return fmt.Sprintf("%q", text)
	}
	return string(quoted)
}
