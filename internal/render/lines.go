package render

import (
	"fmt"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// stillEvery is how often a stage that says nothing new is mentioned again, so
// that a CI system does not take the run for dead.
const stillEvery = 30 * time.Second

// lines prints a line per change, for pipes and CI:
//
//	[  1.2s] postgres    ready
//
// A message is never repeated; counting alone is no change.
type lines struct {
	io  *iostreams.IOStreams
	now func() time.Time

	mu       sync.Mutex
	verb     engine.Verb
	env      string
	started  time.Time
	column   int // width of the stage names
	running  map[string]*lineStage
	order    []string
	held     []string // lines of no interest unless something else happens
	tally    tally
	problems []*problem.Error // of the stages

	ticking ticking
}

type lineStage struct {
	activity string
	since    time.Time // of the activity
	printed  time.Time // when the stage was last mentioned
	usually  time.Duration
	warned   map[string]bool
}

var _ Progress = (*lines)(nil)

func newLines(io *iostreams.IOStreams, now func() time.Time) *lines {
	return &lines{io: io, now: now, running: map[string]*lineStage{}}
}

func (l *lines) start() { l.ticking.start(time.Second, l.remind) }

func (l *lines) Close() {
	l.ticking.stop()
}

func (l *lines) Handle(e engine.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.started.IsZero() {
		l.started, l.verb, l.env = e.Time, e.Verb, e.Env
	}
	words := phrasesOf(l.verb, l.env)
	switch e.Kind {
	case engine.RunStarted:
		l.order = e.Stages
		for _, stage := range e.Stages {
			l.column = max(l.column, Width(stage))
		}
	case engine.StageStarted:
		l.running[e.Stage] = &lineStage{since: e.Time, printed: e.Time, warned: map[string]bool{}}
	case engine.StageUpdate:
		l.update(e)
	case engine.StageDone:
		l.tally.done++
		l.end(e, fmt.Sprintf("%s (%s)", l.io.Paint(iostreams.Green, words.done), humanize.Duration(e.Elapsed)))
	case engine.StageUnchanged:
		l.tally.unchanged++
		delete(l.running, e.Stage)
		l.held = append(l.held, l.line(e.Time, e.Stage, words.unchanged))
	case engine.StageExcluded:
		l.tally.excluded++
		l.held = append(l.held, l.line(e.Time, e.Stage, "left out"))
	case engine.StageBlocked:
		l.tally.blocked++
		l.end(e, fmt.Sprintf("not tried, %s failed", e.BlockedBy))
	case engine.StageCancelled:
		l.tally.cancelled++
		l.end(e, l.io.Paint(iostreams.Yellow, "interrupted"))
	case engine.StageFailed:
		l.tally.failed++
		l.end(e, fmt.Sprintf("%s (%s)", l.io.Paint(iostreams.Red, "failed"), humanize.Duration(e.Elapsed)))
		if e.Problem != nil {
			l.problems = append(l.problems, e.Problem)
			l.problem(e.Problem)
		}
	case engine.RunDone:
		l.finish(e)
	}
}

// update prints what a stage does, if that is news.
func (l *lines) update(e engine.Event) {
	stage, ok := l.running[e.Stage]
	if !ok || e.Update == nil {
		return
	}
	text := Activity(e.Update)
	if e.Update.Kind == engine.UpdateWarning {
		if !stage.warned[text] {
			stage.warned[text] = true
			l.print(l.line(e.Time, e.Stage, l.io.Paint(iostreams.Yellow, "warning: ")+text))
		}
		return
	}
	if text == stage.activity {
		return
	}
	stage.activity, stage.since, stage.printed, stage.usually = text, e.Time, e.Time, e.Update.Usually
	if note := usual(e.Update, 0); note != "" {
		text += " " + l.io.Paint(iostreams.Faint, note)
	} else if e.Update.Total > 0 && e.Update.Done > 0 {
		text += " " + l.io.Paint(iostreams.Faint, "("+activityCount(e.Update)+")")
	}
	l.print(l.line(e.Time, e.Stage, text))
}

// remind mentions the stages that have been silent for long.
func (l *lines) remind() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for _, name := range l.order {
		stage, ok := l.running[name]
		if !ok || now.Sub(stage.printed) < stillEvery {
			continue
		}
		stage.printed = now
		text := "still " + stage.activity
		if stage.activity == "" {
			text = "still at it"
		}
		note := humanize.Elapsed(now.Sub(stage.since))
		if stage.usually > 0 {
			note += ", usually " + humanize.Usually(stage.usually)
		}
		l.print(l.line(now, name, text+" "+l.io.Paint(iostreams.Faint, "("+note+")")))
	}
}

// end prints a stage's last line.
func (l *lines) end(e engine.Event, text string) {
	delete(l.running, e.Stage)
	l.print(l.line(e.Time, e.Stage, text))
}

func (l *lines) finish(e engine.Event) {
	clear(l.running)
	if l.tally.idle() {
		l.held = nil
	}
	glyph := l.io.Paint(iostreams.Green, "✓")
	if e.Problem != nil {
		glyph = l.io.Paint(iostreams.Red, "✗")
	}
	l.print(fmt.Sprintf("%s %s (%s)", glyph, summary(l.verb, l.env, l.tally, e.Problem != nil), humanize.Duration(e.Elapsed)))
	if e.Problem == nil {
		return
	}
	for _, p := range l.problems {
		if sameProblem(p, e.Problem) {
			return
		}
	}
	l.problem(e.Problem)
}

func (l *lines) problem(p *problem.Error) {
	for _, line := range ProblemLines(l.io.Paint, p, 0) {
		l.print(line)
	}
}

// line is one line of a stage: time since the start of the run, name, text.
func (l *lines) line(at time.Time, stage, text string) string {
	clock := fmt.Sprintf("[%7s]", humanize.Elapsed(max(0, at.Sub(l.started))))
	return l.io.Paint(iostreams.Faint, clock) + " " + Pad(stage, l.column) + "  " + text
}

// print writes line after the lines that were held back.
func (l *lines) print(line string) {
	for _, held := range l.held {
		fmt.Fprintln(l.io.Err, held)
	}
	l.held = nil
	fmt.Fprintln(l.io.Err, line)
}
