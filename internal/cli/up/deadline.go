package up

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

// deadline ends a run after a time, and knows from the run's events what it
// was waiting for then.
type deadline struct {
	timeout time.Duration
	env     string
	next    engine.Sink

	mu      sync.Mutex
	ctx     context.Context // of the run; nil before it
	running []*runningStage // in the order of their start
	ended   *problem.Error  // that the run ended with, as shown
}

// runningStage is a stage that has begun and not ended by itself.
type runningStage struct {
	name  string
	last  *engine.Update
	since time.Time // of the last message
}

func newDeadline(opts *Options, next engine.Sink) *deadline {
	return &deadline{timeout: opts.Timeout, env: opts.EnvName, next: next}
}

// bound returns ctx with the deadline.
func (d *deadline) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	cancel := context.CancelFunc(func() {})
	if d.timeout > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, d.timeout, errTimeout)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ctx = ctx
	return ctx, cancel
}

// handle passes the run's events on. Where the deadline ended the run, its last
// event says what it was waiting for.
func (d *deadline) handle(e engine.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.follow(e)
	if e.Kind == engine.RunDone {
		if e.Problem != nil && d.over() {
			e.Problem = d.problem(e.Time)
		}
		d.ended = e.Problem
	}
	d.next(e)
}

// follow keeps the stages that run. Those that end after the deadline stay: it
// is the deadline that ended them.
func (d *deadline) follow(e engine.Event) {
	switch e.Kind {
	case engine.StageStarted:
		d.running = append(d.running, &runningStage{name: e.Stage, since: e.Time})
	case engine.StageUpdate:
		for _, stage := range d.running {
			if stage.name != e.Stage || e.Update == nil || e.Update.Kind == engine.UpdateWarning {
				continue
			}
			if stage.last == nil || stage.last.Message != e.Update.Message {
				stage.since = e.Time
			}
			stage.last = e.Update
		}
	case engine.StageDone, engine.StageUnchanged, engine.StageFailed:
		if d.over() && e.Kind == engine.StageFailed {
			return
		}
		for i, stage := range d.running {
			if stage.name == e.Stage {
				d.running = append(d.running[:i], d.running[i+1:]...)
				return
			}
		}
	}
}

func (d *deadline) over() bool {
	return d.ctx != nil && errors.Is(context.Cause(d.ctx), errTimeout)
}

// problem names the stages that the deadline ended, and what they waited for.
func (d *deadline) problem(now time.Time) *problem.Error {
	var waits []string
	for _, stage := range d.running {
		wait := stage.name + " was still at work"
		if stage.last != nil {
			wait = fmt.Sprintf("%s was still %s, for %s", stage.name, render.Activity(stage.last), render.Elapsed(now.Sub(stage.since)))
		}
		waits = append(waits, wait)
	}
	if len(waits) == 0 {
		waits = []string{errTimeout.Error()}
	}
	return &problem.Error{
		What:  fmt.Sprintf("%s is not up after %s", d.env, render.Usually(d.timeout)),
		Cause: errors.New(strings.Join(waits, "\n")),
		Next:  "see what holds it up with gmctl status, then run gmctl up again: it goes on where it stopped",
	}
}

// explain returns the run's error, or the deadline's if that ended the run.
func (d *deadline) explain(ctx context.Context, err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.over() && d.ended != nil:
		return d.ended
	case d.over():
		return d.problem(time.Now())
	case ctx.Err() != nil && problem.From(err).Kind != problem.Cancelled:
		return &problem.Error{
			What: "interrupted", Cause: err, Kind: problem.Cancelled,
			Next: "run gmctl up again: it goes on where it stopped",
		}
	default:
		return err
	}
}

// shown reports whether the user has read err at the end of the run.
func (d *deadline) shown(err error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return err != nil && d.ended != nil
}
