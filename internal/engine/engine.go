package engine

import (
	"context"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// Options are what an engine works with.
type Options struct {
	Env     string // name of the environment
	Command string // as the user typed it: "gmctl up --only kafka"; an error's remedy repeats it
	Graph   *Graph
	Journal *Journal
	Sink    Sink // nil: nobody listens
	// Who tells for the journal who does it; nil or empty: user@host.
	Who func(context.Context) string
	// Remedy has the last word on what a stage's problem says to do; nil: it stays.
	Remedy func(*problem.Error) *problem.Error

	Parallelism  int              // stages at work at once; 0: 8
	CheckTimeout time.Duration    // of one stage's Check; 0: 10 s
	Now          func() time.Time // nil: time.Now
}

// Engine walks the stages of one environment. Its methods are for one caller at
// a time; Up and Teardown are for the holder of the environment's lock.
type Engine struct {
	Options
}

// New returns an engine.
func New(options Options) *Engine {
	if options.Parallelism <= 0 {
		options.Parallelism = 8
	}
	if options.CheckTimeout <= 0 {
		options.CheckTimeout = 10 * time.Second
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Remedy == nil {
		options.Remedy = func(p *problem.Error) *problem.Error { return p }
	}
	if options.Sink == nil {
		options.Sink = func(Event) {}
	}
	return &Engine{options}
}

// Result is what a run did.
type Result struct {
	Run       string   // id of the run, as in the journal
	Changed   []string // stages that were applied or destroyed, in the order of the walk; so below
	Unchanged []string // nothing was to be done
	Failed    []string
	Blocked   []string // not tried: a stage they depend on failed
	Cancelled []string // interrupted at work
	Excluded  []string // by the selection
	Elapsed   time.Duration
}

// Up applies the selected stages, each after all that it needs is done. A stage
// without changes is left alone, unless the journal shows that its last Apply
// did not complete or was made from other inputs.
//
// The error is the stage's problem where one failed, and counts them where
// several did. A cancelled ctx ends the run with a problem.Cancelled: no stage
// starts, those at work are told and waited for, and the next Up goes on. With
// an error of the selection or the journal at the start, the Result is nil and
// there were no events.
func (e *Engine) Up(ctx context.Context, selection Selection) (*Result, error) {
	return e.run(ctx, VerbApply, selection)
}

// Teardown destroys the selected stages, each after all that need it are gone.
// Errors are as those of Up.
func (e *Engine) Teardown(ctx context.Context, selection Selection) (*Result, error) {
	return e.run(ctx, VerbDestroy, selection)
}
