// Package rollout walks the steps of an upgrade, or of another change of a
// cluster that runs: it shows them, asks, does them one after the other, and
// tells what was done.
package rollout

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/confirm"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/upgrade"
)

// Environment is what is changed.
type Environment interface {
	Upgrade(context.Context) (*upgrade.Options, error)
	EngineOf(graph *engine.Graph, sink engine.Sink, command string) (*engine.Engine, error)
	Lock(command string) (*engine.Lock, error)
}

// Options are what a rollout works with.
type Options struct {
	IO        *iostreams.IOStreams
	EnvName   string
	LogFormat string
	Command   string // as it is recorded in the journal
	Open      func() (Environment, error)

	Output render.Format
	Yes    bool
	DryRun bool
	Force  bool
}

// Flags adds the flags that rollouts have in common.
func Flags(cmd *cobra.Command, opts *Options) {
	flags := cmd.Flags()
	flags.BoolVarP(&opts.Yes, "yes", "y", false, "do not ask")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "show the steps, and do none")
	render.FormatFlag(cmd, &opts.Output)
}

// Rollout is one change of a cluster.
type Rollout struct {
	What string // as in "Type dev to …"
	Done string // what is so in the end: "dev is at Kubernetes 1.36"
	// Preflight looks for what stands in the way; nil: nothing is looked for.
	Preflight func(context.Context, *upgrade.Options) ([]upgrade.Finding, error)
	Graph     func(context.Context, *upgrade.Options) (*engine.Graph, error)
}

// Document is the data of a document of a rollout.
type Document struct {
	Environment    string                  `json:"environment"`
	DryRun         bool                    `json:"dryRun"`
	Done           bool                    `json:"done"` // all is as it was asked for
	Findings       []upgrade.Finding       `json:"findings"`
	Steps          []render.PlannedStage   `json:"steps"` // as they were planned
	Run            string                  `json:"run,omitempty"`
	Changed        []string                `json:"changed"`
	ElapsedSeconds float64                 `json:"elapsedSeconds"`
	Problem        *render.ProblemDocument `json:"problem,omitempty"`
}

// Run does the rollout.
func Run(ctx context.Context, opts *Options, r Rollout) error {
	env, err := opts.Open()
	if err != nil {
		return err
	}
	if !opts.DryRun {
		lock, err := env.Lock(opts.Command)
		if err != nil {
			return err
		}
		defer lock.Release()
	}
	options, err := env.Upgrade(ctx)
	if err != nil {
		return err
	}
	options.Force = opts.Force
	graph, err := r.Graph(ctx, options)
	if err != nil {
		return err
	}
	progress, err := render.NewProgress(opts.IO, opts.LogFormat)
	if err != nil {
		return err
	}
	defer progress.Close()
	var shown *problem.Error // at the end of the run
	walker, err := env.EngineOf(graph, func(event engine.Event) {
		if event.Kind == engine.RunDone {
			shown = event.Problem
		}
		progress.Handle(event)
	}, opts.Command)
	if err != nil {
		return err
	}
	defer walker.Journal.Close()
	document := &Document{Environment: opts.EnvName, DryRun: opts.DryRun, Findings: []upgrade.Finding{}, Steps: []render.PlannedStage{}, Changed: []string{}}
	goOn, err := r.prepare(ctx, opts, options, walker, document)
	if goOn && err == nil {
		var result *engine.Result
		result, err = walker.Up(ctx, engine.Selection{})
		progress.Close()
		document.Done = err == nil
		if result != nil {
			document.Run, document.ElapsedSeconds = result.Run, result.Elapsed.Seconds()
			document.Changed = append(document.Changed, result.Changed...)
		}
	}
	return r.tell(opts, document, err, shown != nil)
}

// prepare plans, shows and asks. It returns whether to go on.
func (r Rollout) prepare(ctx context.Context, opts *Options, options *upgrade.Options, walker *engine.Engine, document *Document) (bool, error) {
	plans, err := walker.Plan(ctx, engine.GoalPresent, engine.Selection{})
	if err != nil {
		return false, err
	}
	planned := render.NewPlanDocument(opts.EnvName, engine.GoalPresent, plans)
	document.Steps = planned.Stages
	if nothing(planned) {
		document.Done = true
		return false, nil
	}
	if r.Preflight != nil {
		found, err := r.Preflight(ctx, options)
		if err != nil {
			return false, err
		}
		document.Findings = append(document.Findings, found...)
	}
	if err := r.show(opts, plans, document); err != nil {
		return false, err
	}
	if blocking := upgrade.Blocking(document.Findings); blocking != nil && !opts.Force {
		return false, blocking
	}
	if opts.DryRun {
		return false, nil
	}
	if opts.Yes {
		return true, nil
	}
	err = confirm.Typed(ctx, opts.IO, r.What, opts.EnvName)
	return err == nil, err
}

// nothing reports whether no step has anything to do. Terraform, the last, has if
// it was not yet told of what an earlier run did, as after a kill: then it takes
// note of what is there. What it would make or remove is no rollout's.
func nothing(planned render.PlanDocument) bool {
	last := len(planned.Stages) - 1
	for i, stage := range planned.Stages {
		if stage.Deferred != "" || stage.Resume != "" || i < last && len(stage.Changes) > 0 {
			return false
		}
	}
	other := func(change engine.Change) bool { return change.Action != engine.ActionUpdate }
	return last < 0 || len(planned.Stages[last].Changes) == 0 || slices.ContainsFunc(planned.Stages[last].Changes, other)
}

// show prints the steps and the findings.
func (r Rollout) show(opts *Options, plans []engine.StagePlan, document *Document) error {
	if opts.LogFormat == render.LogJSON || opts.DryRun && opts.Output != render.Table {
		return nil
	}
	table := render.NewStatusTable(opts.IO, render.PlanHeader()...)
	if opts.DryRun {
		table = render.NewTable(opts.IO, render.PlanHeader()...)
	}
	render.FillPlan(table, plans)
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(opts.IO.Err)
	for _, finding := range document.Findings {
		mark := opts.IO.Paint(iostreams.Yellow, "!")
		if finding.Blocks {
			mark = opts.IO.Paint(iostreams.Red, "✗")
		}
		fmt.Fprintf(opts.IO.Err, "%s %s\n", mark, render.OneLine(finding.What))
		if finding.Next != "" {
			fmt.Fprintf(opts.IO.Err, "  %s\n", opts.IO.Paint(iostreams.Faint, render.OneLine(finding.Next)))
		}
	}
	if len(document.Findings) > 0 {
		fmt.Fprintln(opts.IO.Err)
	}
	return nil
}

// tell prints the outcome.
func (r Rollout) tell(opts *Options, document *Document, err error, shown bool) error {
	document.Problem = render.NewProblemDocument(problem.From(err))
	switch {
	case opts.Output != render.Table:
		if printErr := render.Document(opts.IO.Out, opts.Output, "Rollout", document); err == nil {
			err = printErr
		}
	case err != nil || opts.LogFormat == render.LogJSON:
	case document.Done && len(document.Changed) == 0:
		fmt.Fprintf(opts.IO.Err, "%s %s: nothing to do\n", opts.IO.Paint(iostreams.Green, "✓"), r.Done)
	case document.Done:
		fmt.Fprintf(opts.IO.Err, "%s %s, and Terraform's plan is empty\n", opts.IO.Paint(iostreams.Green, "✓"), opts.IO.Paint(iostreams.Bold, r.Done))
	case opts.DryRun:
		fmt.Fprintf(opts.IO.Err, "%s\n", opts.IO.Paint(iostreams.Bold, "Nothing was changed."))
	}
	if shown {
		err = render.Shown(err)
	}
	return err
}
