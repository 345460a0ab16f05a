package history

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/render"
)

// ganttWidth is the width of the drawing where no terminal limits it, in columns.
const ganttWidth = 60

// gantt draws the stages as bars over the time of the run:
//
//	postgres  1.5s  ███████████▌
//	schema    90ms             █
//	                0s       1.6s
func gantt(opts *ShowOptions, run engine.Run) []string {
	name, clock := 0, 0
	end := run.Started.Add(run.Elapsed)
	for _, stage := range run.Stages {
		name, clock = max(name, render.Width(stage.Stage)), max(clock, render.Width(humanize.Duration(stage.Elapsed)))
		if last := stage.Started.Add(stage.Elapsed); last.After(end) {
			end = last
		}
	}
	width := ganttWidth
	if opts.IO.OutTTY {
		width = min(100, max(10, opts.IO.Width()-name-clock-6))
	}
	span := max(end.Sub(run.Started), time.Millisecond)
	paint := opts.IO.PaintOut
	var lines []string
	for _, stage := range run.Stages {
		from := float64(stage.Started.Sub(run.Started)) / float64(span) * float64(width)
		length := float64(stage.Elapsed) / float64(span) * float64(width)
		lines = append(lines, fmt.Sprintf("%s  %s  %s",
			paint(iostreams.Bold, render.Pad(stage.Stage, name)),
			paint(iostreams.Faint, render.PadLeft(humanize.Duration(stage.Elapsed), clock)),
			paint(statusStyle(stage.Status), bar(from, length, width))))
	}
	scale := humanize.Duration(span)
	axis := "0s" + strings.Repeat(" ", max(1, width-2-render.Width(scale))) + scale
	return append(lines, strings.Repeat(" ", name+clock+4)+paint(iostreams.Faint, axis))
}

// bar draws a bar of at least half a column that begins at from, both in
// columns, within width.
func bar(from, length float64, width int) string {
	start := min(max(0, int(math.Floor(from))), width-1)
	eighths := int(math.Round((from - float64(start) + length) * 8))
	eighths = min(max(eighths, 4), (width-start)*8)
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return strings.Repeat(" ", start) + text
}

func statusStyle(s engine.Status) iostreams.Style {
	switch s {
	case engine.StatusDone:
		return iostreams.Green
	case engine.StatusFailed, engine.StatusKilled:
		return iostreams.Red
	case engine.StatusCancelled:
		return iostreams.Yellow
	default:
		return iostreams.Cyan
	}
}
