package status

import (
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

// separator stands between two details of a stage.
const separator = " · "

// view is the health as a person reads it: a table, then what is wrong.
func view(opts *Options, stages []engine.StageHealth) []string {
	table := render.NewTable(opts.IO, "STAGE", "STATE", "SINCE", "ENDPOINT", "DETAILS").AlignRight(2).Break(4, separator)
	now := opts.Now()
	for _, stage := range stages {
		rows(table, stage.Stage, "", stage.Health, now)
	}
	lines := table.Lines()
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

// rows adds a stage or component, its further endpoints, and its components
// below it.
func rows(table *render.TableWriter, name, indent string, health engine.Health, now time.Time) {
	endpoint := ""
	if len(health.Endpoints) > 0 {
		endpoint = health.Endpoints[0].URL
	}
	since := render.Age(health.Since, now)
	if health.Since.IsZero() {
		since = ""
	}
	label := name
	if indent == "" {
		label = table.Paint(iostreams.Bold, name)
	}
	table.Row(indent+label, render.State(table.Paint, health.State), table.Paint(iostreams.Faint, since),
		table.Paint(iostreams.Cyan, endpoint), details(health))
	for i, further := range health.Endpoints {
		if i > 0 {
			table.Row("", "", "", table.Paint(iostreams.Cyan, further.URL), "")
		}
	}
	for _, component := range health.Components {
		rows(table, component.Name, indent+"  ", component.Health, now)
	}
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
