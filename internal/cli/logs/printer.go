package logs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/iostreams"
)

// printer writes entries to stdout.
type printer struct {
	io     *iostreams.IOStreams
	zone   *time.Location
	json   bool
	width  int                        // of the column of services
	styles map[string]iostreams.Style // by service
}

func newPrinter(io *iostreams.IOStreams, zone *time.Location, asJSON bool, services []string) *printer {
	p := &printer{io: io, zone: zone, json: asJSON, styles: map[string]iostreams.Style{}}
	for _, service := range services {
		p.meet(service)
	}
	return p
}

// meet gives the service its colour, and its name room.
func (p *printer) meet(service string) {
	if _, met := p.styles[service]; !met {
		inTurn := []iostreams.Style{iostreams.Cyan, iostreams.Green, iostreams.Yellow, "35", "34", "36;1", "32;1"}
		p.styles[service] = inTurn[len(p.styles)%len(inTurn)]
		p.width = max(p.width, len(service))
	}
}

func (p *printer) entry(e entry) error {
	if p.json {
		return p.entryJSON(e)
	}
	p.meet(e.Service)
	var line strings.Builder
	line.WriteString(p.io.PaintOut(p.styles[e.Service], e.Service))
	line.WriteString(strings.Repeat(" ", p.width-len(e.Service)))
	line.WriteString(p.io.PaintOut(iostreams.Faint, " │ "))
	if e.Further {
		line.WriteString("    " + clean(e.Message))
	} else {
		p.head(&line, e)
	}
	line.WriteByte('\n')
	_, err := p.io.Out.Write([]byte(line.String()))
	return err
}

// head writes the time, the level, the message and the fields.
func (p *printer) head(line *strings.Builder, e entry) {
	if !e.Time.IsZero() {
		line.WriteString(p.io.PaintOut(iostreams.Faint, e.Time.In(p.zone).Format("2006-01-02 15:04:05.000")) + " ")
	}
	fmt.Fprintf(line, "%s %s", p.io.PaintOut(levelStyle(e.Level), fmt.Sprintf("%-5s", e.Level)), clean(e.Message))
	for _, f := range e.Fields {
		style := iostreams.Faint
		if slices.Contains([]string{"err", "error"}, f.Key) {
			style = iostreams.Red
		}
		line.WriteString(" " + p.io.PaintOut(style, f.Key+"=") + clean(f.shown()))
	}
	if e.Pod != "" {
		line.WriteString(" " + p.io.PaintOut(iostreams.Faint, "pod="+e.Pod))
	}
}

func levelStyle(level string) iostreams.Style {
	switch {
	case strings.HasPrefix(level, "ERROR"):
		return iostreams.Red
	case strings.HasPrefix(level, "WARN"):
		return iostreams.Yellow
	case strings.HasPrefix(level, "DEBUG"):
		return iostreams.Faint
	}
	return iostreams.Green
}

// clean makes the control characters of a log harmless to a terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n':
			return ' '
		case r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0):
			return '·'
		}
		return r
	}, text)
}

func (p *printer) entryJSON(e entry) error {
	fields := map[string]json.RawMessage{}
	for _, f := range e.Fields {
		fields[f.Key] = f.Value
	}
	encoded, err := json.Marshal(struct {
		Time    time.Time                  `json:"time,omitzero"`
		Service string                     `json:"service"`
		Pod     string                     `json:"pod,omitempty"`
		Level   string                     `json:"level,omitempty"`
		Message string                     `json:"msg"`
		Fields  map[string]json.RawMessage `json:"fields,omitempty"`
	}{e.Time.UTC(), e.Service, e.Pod, e.Level, e.Message, fields})
	if err != nil {
		return err
	}
	_, err = p.io.Out.Write(append(encoded, '\n'))
	return err
}
