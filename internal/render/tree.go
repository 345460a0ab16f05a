package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// tree is what the live view knows of a run.
type tree struct {
	paint Painter

	env     string
	verb    engine.Verb
	started time.Time
	order   []string
	rows    map[string]*row
	ended   *engine.Event // run-done
}

// row is a stage's line.
type row struct {
	state    engine.EventKind // the stage's last event; empty: not started
	started  time.Time
	elapsed  time.Duration
	update   *engine.Update
	since    time.Time // of the update's message
	warnings []string
	problem  *problem.Error
	blocker  string
}

func (t *tree) apply(e engine.Event) {
	if t.started.IsZero() {
		t.started, t.env, t.verb = e.Time, e.Env, e.Verb
	}
	switch e.Kind {
	case engine.RunStarted:
		for _, name := range e.Stages {
			t.row(name)
		}
	case engine.RunDone:
		t.ended = &e
	case engine.StageUpdate:
		t.row(e.Stage).take(e)
	default:
		r := t.row(e.Stage)
		r.state, r.elapsed, r.problem, r.blocker = e.Kind, e.Elapsed, e.Problem, e.BlockedBy
		if e.Kind == engine.StageStarted {
			r.started = e.Time
		}
	}
}

// row returns the stage's row, at the end of the tree if it is a new one.
func (t *tree) row(name string) *row {
	r, ok := t.rows[name]
	if !ok {
		r = &row{}
		t.rows[name] = r
		t.order = append(t.order, name)
	}
	return r
}

func (r *row) take(e engine.Event) {
	if e.Update == nil {
		return
	}
	if e.Update.Kind == engine.UpdateWarning {
		if text := OneLine(e.Update.Message); !slices.Contains(r.warnings, text) {
			r.warnings = append(r.warnings, text)
		}
		return
	}
	if r.update == nil || r.update.Message != e.Update.Message || r.update.Kind != e.Update.Kind {
		r.since = e.Time
	}
	r.update = e.Update
}

func (r *row) running() bool { return r.state == engine.StageStarted }

// frame is the tree while the run goes on, in at most height lines.
func (t *tree) frame(now time.Time, columns, height int) []string {
	head := t.paint(iostreams.Bold, phrasesOf(t.verb, t.env).running) + "  " +
		t.paint(iostreams.Faint, humanize.Elapsed(max(0, now.Sub(t.started))))
	return append([]string{head}, t.stages(now, columns, max(1, height-1))...)
}

// last is the tree when the run has ended: every stage, the outcome, and what
// failed with its remedy. A run that found nothing to do is one line.
func (t *tree) last(now time.Time, columns int) []string {
	if t.ended == nil {
		return t.frame(now, columns, len(t.order)*4+2)
	}
	failed := t.ended.Problem != nil
	glyph := t.paint(iostreams.Green, "✓")
	if failed {
		glyph = t.paint(iostreams.Red, "✗")
	}
	outcome := fmt.Sprintf("%s %s  %s", glyph,
		t.paint(iostreams.Bold, summary(t.verb, t.env, t.tally(), failed)),
		t.paint(iostreams.Faint, humanize.Duration(t.ended.Elapsed)))
	if t.tally().idle() && !failed {
		return []string{outcome}
	}
	lines := []string{t.paint(iostreams.Bold, phrasesOf(t.verb, t.env).running)}
	lines = append(lines, t.stages(now, columns, len(t.order)*100)...)
	lines = append(lines, outcome)
	for _, p := range t.problems() {
		lines = append(lines, "")
		lines = append(lines, ProblemLines(t.paint, p, min(100, columns-1))...)
	}
	return lines
}

// problems are what failed, in the order of the stages; the run's own only if
// it says more.
func (t *tree) problems() []*problem.Error {
	var all []*problem.Error
	repeated := false
	for _, name := range t.order {
		if p := t.rows[name].problem; p != nil && t.rows[name].state == engine.StageFailed {
			all = append(all, p)
			repeated = repeated || sameProblem(p, t.ended.Problem)
		}
	}
	if t.ended.Problem != nil && !repeated {
		all = append(all, t.ended.Problem)
	}
	return all
}

func (t *tree) tally() tally {
	var n tally
	for _, r := range t.rows {
		switch r.state {
		case engine.StageDone:
			n.done++
		case engine.StageUnchanged:
			n.unchanged++
		case engine.StageFailed:
			n.failed++
		case engine.StageBlocked:
			n.blocked++
		case engine.StageCancelled:
			n.cancelled++
		case engine.StageExcluded:
			n.excluded++
		}
	}
	return n
}

// stages are the stages' lines, in at most height lines. Where there are more,
// those that are done are left out first, then those that have not begun; the
// last line counts them.
func (t *tree) stages(now time.Time, columns, height int) []string {
	name := 0
	for _, stage := range t.order {
		name = max(name, Width(stage))
	}
	blocks := make([][]string, len(t.order))
	total := 0
	for i, stage := range t.order {
		blocks[i] = t.block(stage, t.rows[stage], name, now, columns)
		total += len(blocks[i])
	}
	hidden := 0
	for class, expendable := range []func(*row) bool{
		func(r *row) bool {
			return r.state == engine.StageDone || r.state == engine.StageUnchanged || r.state == engine.StageExcluded
		},
		func(r *row) bool { return r.state == "" },
		func(r *row) bool { return !r.running() },
		func(*row) bool { return true },
	} {
		for n := range t.order {
			if total <= height {
				break
			}
			i := n
			if class > 0 { // from the end: what comes next stays
				i = len(t.order) - 1 - n
			}
			if blocks[i] == nil || !expendable(t.rows[t.order[i]]) {
				continue
			}
			if hidden == 0 {
				total++ // the line that counts them
			}
			total -= len(blocks[i])
			blocks[i] = nil
			hidden++
		}
	}
	lines := slices.Concat(blocks...)
	if hidden > 0 {
		lines = append(lines, t.paint(iostreams.Faint, "  … and "+humanize.Plural(hidden, "more stage")))
	}
	return lines[:min(len(lines), height)]
}

// block is a stage's line and, below it, its warnings.
func (t *tree) block(name string, r *row, column int, now time.Time, columns int) []string {
	label := Pad(name, column)
	if r.state == "" || r.state == engine.StageExcluded || r.state == engine.StageUnchanged {
		label = t.paint(iostreams.Faint, label)
	}
	line := "  " + t.glyph(r, now) + " " + label
	clock := strings.Repeat(" ", clockWidth)
	if elapsed, ok := r.clock(now); ok {
		clock = PadLeft(elapsed, clockWidth)
	}
	left := columns - Width(line) - clockWidth - 6
	line += "  " + t.paint(iostreams.Faint, clock) + "  " + t.says(r, now, left)
	lines := []string{strings.TrimRight(line, " ")}
	for _, warning := range r.warnings {
		lines = append(lines, fmt.Sprintf("    %s %s", t.paint(iostreams.Yellow, "!"), warning))
	}
	return lines
}

// clockWidth holds "12m 05s" and, nearly always, what it must.
const clockWidth = 7

func (r *row) clock(now time.Time) (string, bool) {
	switch r.state {
	case engine.StageStarted:
		return humanize.Elapsed(max(0, now.Sub(r.started))), true
	case engine.StageDone, engine.StageFailed:
		return humanize.Elapsed(r.elapsed), true
	}
	return "", false
}

func (t *tree) glyph(r *row, now time.Time) string {
	switch r.state {
	case engine.StageStarted:
		return t.paint(iostreams.Cyan, spinner(now.Sub(t.started)))
	case engine.StageDone:
		return t.paint(iostreams.Green, "✓")
	case engine.StageFailed:
		return t.paint(iostreams.Red, "✗")
	case engine.StageUnchanged:
		return t.paint(iostreams.Faint, "·")
	case engine.StageCancelled:
		return t.paint(iostreams.Yellow, "◼")
	case engine.StageBlocked, engine.StageExcluded:
		return t.paint(iostreams.Faint, "⊘")
	default:
		return t.paint(iostreams.Faint, "○")
	}
}

// spinner turns once in ten frames.
func spinner(elapsed time.Duration) string {
	frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	return string(frames[int(max(0, elapsed)/frameEvery)%len(frames)])
}

// says is what a stage does, or how it ended, in about width columns.
func (t *tree) says(r *row, now time.Time, width int) string {
	switch r.state {
	case engine.StageStarted:
		if r.update == nil {
			return ""
		}
		return t.activity(r, now, width)
	case engine.StageDone:
		return t.paint(iostreams.Faint, r.result())
	case engine.StageFailed:
		if r.problem == nil {
			return t.paint(iostreams.Red, "failed")
		}
		return t.paint(iostreams.Red, OneLine(r.problem.What))
	case engine.StageUnchanged:
		return t.paint(iostreams.Faint, phrasesOf(t.verb, t.env).unchanged)
	case engine.StageExcluded:
		return t.paint(iostreams.Faint, "left out")
	case engine.StageBlocked:
		return t.paint(iostreams.Faint, "not tried, "+r.blocker+" failed")
	case engine.StageCancelled:
		return t.paint(iostreams.Yellow, "interrupted")
	}
	return ""
}

// result is what a stage that is done has told last, if it is a result ("an
// event came through in 40 ms") and not what it was doing ("starting kafka").
func (r *row) result() string {
	u := r.update
	if u == nil || u.Kind != engine.UpdateProgress {
		return ""
	}
	if u.Total > 0 && u.Done >= u.Total {
		if u.Unit == "bytes" {
			return humanize.Bytes(u.Total)
		}
		return humanize.Quantity(float64(u.Total), u.Unit)
	}
	text := OneLine(u.Message)
	if verb, _, _ := strings.Cut(text, " "); strings.HasSuffix(verb, "ing") {
		return ""
	}
	return text
}

// barWidth is the width of a progress bar in columns.
const barWidth = 16

// activity is a running stage's bar, count, message and how long it tends to take.
func (t *tree) activity(r *row, now time.Time, width int) string {
	u := r.update
	var parts []string
	if count := activityCount(u); count != "" {
		if u.Total > 0 && width >= 3*barWidth {
			parts = append(parts, t.bar(u.Done, u.Total))
		}
		parts = append(parts, count)
	}
	if text := Activity(u); text != "" {
		parts = append(parts, text)
	}
	if note := usual(u, now.Sub(r.since)); note != "" {
		parts = append(parts, t.paint(iostreams.Faint, note))
	}
	if len(parts) > 1 && u.Kind != engine.UpdateWaiting {
		return strings.Join(parts, "  ")
	}
	return strings.Join(parts, " ")
}

func (t *tree) bar(done, total int64) string {
	filled := int(float64(barWidth) * float64(min(max(done, 0), total)) / float64(total))
	return t.paint(iostreams.Cyan, strings.Repeat("━", filled)) +
		t.paint(iostreams.Faint, strings.Repeat("─", barWidth-filled))
}
