package status

import (
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

// separator stands between two details of a stage.
const separator = " · "

// view is the health as a person reads it: a table, then what is wrong.
func view(opts *Options, stages []engine.StageHealth) []string {
	lines := table(opts, stages)
	width := 0
	if opts.IO.OutTTY {
		width = min(100, opts.IO.Width()-1)
	}
	for _, p := range problems(stages) {
		lines = append(lines, "")
		lines = append(lines, render.ProblemLines(opts.IO.PaintOut, p, width)...)
	}
	return lines
}

// table has a row per stage and component. Where the terminal is too narrow for
// the details, they stand below their row.
func table(opts *Options, stages []engine.StageHealth) []string {
	now := opts.Now()
	var rows []row
	for _, stage := range stages {
		rows = append(rows, newRows(stage.Stage, "", stage.Health)...)
	}
	wide := render.NewTable(opts.IO, "STAGE", "STATE", "SINCE", "ENDPOINT", "DETAILS").AlignRight(2)
	narrow := render.NewTable(opts.IO, "STAGE", "STATE", "SINCE", "ENDPOINT").AlignRight(2)
	room := opts.IO.Width() - beforeEndpoint(rows)
	beside := make([]bool, len(rows)) // the details stand where the endpoint would
	for i, r := range rows {
		wide.Row(append(r.cells(wide.Paint, now), r.details)...)
		cells := r.cells(narrow.Paint, now)
		if beside[i] = r.endpoint == "" && render.Width(r.details) <= room; beside[i] {
			cells[3] = narrow.Paint(iostreams.Faint, r.details)
		}
		narrow.Row(cells...)
	}
	if wide.Fits() {
		return wide.Lines()
	}
	lines := narrow.Lines()
	below := []string{lines[0]}
	for i, r := range rows {
		below = append(below, lines[i+1])
		if r.details == "" || beside[i] {
			continue
		}
		indent := r.indent + "    "
		for _, part := range render.Pack(r.details, separator, opts.IO.Width()-1-len(indent)) {
			below = append(below, indent+narrow.Paint(iostreams.Faint, part))
		}
	}
	return below
}

// beforeEndpoint is the width of the columns before the endpoint at most.
func beforeEndpoint(rows []row) int {
	name := 0
	for _, r := range rows {
		name = max(name, render.Width(r.indent+r.name))
	}
	return name + 2 + render.Width("● degraded") + 2 + len("SINCE") + 2
}

// row is a stage, a component, or a further endpoint of one.
type row struct {
	name, indent string
	health       *engine.Health // nil for a further endpoint
	endpoint     string
	details      string
}

// newRows are those of a stage or component, and of its components below it.
func newRows(name, indent string, health engine.Health) []row {
	rows := []row{{name: name, indent: indent, health: &health, details: details(health)}}
	for i, endpoint := range health.Endpoints {
		if i == 0 {
			rows[0].endpoint = endpoint.URL
		} else {
			rows = append(rows, row{indent: indent, endpoint: endpoint.URL})
		}
	}
	for _, component := range health.Components {
		rows = append(rows, newRows(component.Name, indent+"  ", component.Health)...)
	}
	return rows
}

// cells are the row's, without the details.
func (r row) cells(paint render.Painter, now time.Time) []string {
	endpoint := paint(iostreams.Cyan, r.endpoint)
	if r.health == nil {
		return []string{"", "", "", endpoint}
	}
	name, since := r.indent+r.name, ""
	if r.indent == "" {
		name = paint(iostreams.Bold, r.name)
	}
	if !r.health.Since.IsZero() {
		since = paint(iostreams.Faint, humanize.Age(r.health.Since, now))
	}
	return []string{name, render.State(paint, r.health.State), since, endpoint}
}

// details are the stage's summary and figures: "15.18 · 1,204 events stored".
func details(health engine.Health) string {
	var parts []string
	if health.Summary != "" {
		parts = append(parts, render.OneLine(health.Summary))
	}
	for _, figure := range health.Figures {
		parts = append(parts, render.Figure(figure))
	}
	return strings.Join(parts, separator)
}

// problems are those of the stages and components, each once.
func problems(stages []engine.StageHealth) []*problem.Error {
	var found []*problem.Error
	seen := map[string]bool{}
	var add func(engine.Health)
	add = func(health engine.Health) {
		if p := health.Problem; p != nil && !seen[p.Error()] {
			seen[p.Error()] = true
			found = append(found, p)
		}
		for _, component := range health.Components {
			add(component.Health)
		}
	}
	for _, stage := range stages {
		add(stage.Health)
	}
	return found
}
