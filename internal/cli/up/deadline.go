package up

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

var errTimeout = errors.New("the time given with --timeout is over")

// deadline ends a run after a time, and knows from the run's events what it
// was waiting for then.
type deadline struct {
	timeout time.Duration // 0: none
	env     string
	again   string // the command to go on with
	next    engine.Sink

	mu    sync.Mutex
	over  func() bool       // whether the deadline has passed
	doing map[string]*doing // by stage, since it started
	late  []lateStage       // those that the deadline ended
	ended *problem.Error    // what the run ended with, as the user read it
}

// lateStage is a stage that the deadline ended.
type lateStage struct {
	name    string
	problem *problem.Error
}

// doing is what a stage told last.
type doing struct {
	update *engine.Update // nil: nothing yet
	since  time.Time      // of its message
}

func newDeadline(opts *Options, next engine.Sink) *deadline {
	again := "gmctl up"
	if opts.EnvName != "local" {
		again += " -e " + opts.EnvName
	}
	return &deadline{
		timeout: opts.Timeout, env: opts.EnvName, again: again, next: next,
		over: func() bool { return false }, doing: map[string]*doing{},
	}
}

// bound returns ctx with the deadline.
func (d *deadline) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if d.timeout == 0 {
		return ctx, func() {}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d.timeout, errTimeout)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = func() bool { return errors.Is(context.Cause(ctx), errTimeout) }
	return ctx, cancel
}

// handle passes the run's events on. What the deadline ended says what it was
// doing then.
func (d *deadline) handle(e engine.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch e.Kind {
	case engine.StageStarted:
		d.doing[e.Stage] = &doing{since: e.Time}
	case engine.StageUpdate:
		d.take(e)
	case engine.StageFailed:
		if d.timedOut(e.Problem) {
			e.Problem = d.stageProblem(e.Stage, e.Time)
			d.late = append(d.late, lateStage{e.Stage, e.Problem})
		}
	case engine.RunDone:
		switch {
		case len(d.late) == 1 && d.timedOut(e.Problem):
			e.Problem = d.late[0].problem
		case d.timedOut(e.Problem) || len(d.late) > 0:
			e.Problem = d.runProblem()
		}
		d.ended = e.Problem
	}
	d.next(e)
}

func (d *deadline) take(e engine.Event) {
	stage := d.doing[e.Stage]
	if stage == nil || e.Update == nil || e.Update.Kind == engine.UpdateWarning {
		return
	}
	if stage.update == nil || stage.update.Message != e.Update.Message {
		stage.since = e.Time
	}
	stage.update = e.Update
}

// timedOut reports whether p came of the deadline, and not of one that a stage
// set itself.
func (d *deadline) timedOut(p *problem.Error) bool {
	return p != nil && d.over() && (errors.Is(p, errTimeout) || errors.Is(p, context.DeadlineExceeded))
}

// stageProblem says what a stage was doing when its time was over.
func (d *deadline) stageProblem(stage string, now time.Time) *problem.Error {
	cause := errTimeout
	if at := d.doing[stage]; at != nil && at.update != nil {
		wait := fmt.Sprintf("it was still %s, for %s", render.Activity(at.update), humanize.Elapsed(now.Sub(at.since)))
		if at.update.Usually > 0 {
			wait += ", which usually takes " + humanize.Usually(at.update.Usually)
		}
		cause = errors.New(wait)
	}
	return &problem.Error{
		What:  fmt.Sprintf("%s was not ready after %s", stage, humanize.Usually(d.timeout)),
		Cause: cause,
		Next:  d.remedy(),
	}
}

// runProblem is that of a run which more than one stage held up.
func (d *deadline) runProblem() *problem.Error {
	cause := errTimeout
	if len(d.late) > 0 {
		var names []string
		for _, stage := range d.late {
			names = append(names, stage.name)
		}
		cause = fmt.Errorf("not ready in time: %s", strings.Join(names, ", "))
	}
	return &problem.Error{
		What:  fmt.Sprintf("%s is not up after %s", d.env, humanize.Usually(d.timeout)),
		Cause: cause,
		Next:  d.remedy(),
	}
}

func (d *deadline) remedy() string {
	return fmt.Sprintf("allow more time with --timeout, or none at all; run: %s (it goes on where it stopped)", d.again)
}

// explain returns the run's error as the user read it at the end of the run,
// marked as such, or as it is where no run began.
func (d *deadline) explain(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil || d.ended == nil {
		return err
	}
	return render.Shown(d.ended)
}
