// Package plan is `gmctl plan`: what `gmctl up` would do.
package plan

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/selection"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

// Planner says what would change. It changes nothing. Where some stages could
// not be planned, the plans of the others come with the error.
type Planner interface {
	Plan(context.Context, engine.Goal, engine.Selection) ([]engine.StagePlan, error)
}

// Options are what `gmctl plan` works with.
type Options struct {
	IO      *iostreams.IOStreams
	EnvName string
	Planner func() (Planner, error)

	Selection        engine.Selection
	Output           render.Format
	DetailedExitCode bool
}

// NewCommand returns `gmctl plan`.
func NewCommand(f *factory.Factory) *cobra.Command { return newCommand(f, run) }

func newCommand(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what up would do, changing nothing",
		Long: `Compare the environment as it is with what the configuration wants, and show
what gmctl up would do. Nothing is changed.

The exit code is 0 whether or not there are changes. With --detailed-exitcode
it is 0 when there is nothing to do and 10 when there are changes.`,
		Example: `  gmctl plan
  gmctl plan --skip smoke
  gmctl plan -o json | jq '.data.stages[].changes'
  gmctl plan --detailed-exitcode || echo "there is something to do, or it failed"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.EnvName = f.EnvName
			opts.Planner = func() (Planner, error) {
				env, err := f.Environment(environment.Options{Preview: true})
				if err != nil {
					return nil, err
				}
				return env.Engine(func(engine.Event) {}, cmd.CommandPath())
			}
			return run(cmd.Context(), opts)
		},
	}
	selection.Flags(cmd, &opts.Selection, selection.Stages(f))
	cmd.Flags().BoolVar(&opts.DetailedExitCode, "detailed-exitcode", false, "exit with 10 when there are changes")
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func run(ctx context.Context, opts *Options) error {
	planner, err := opts.Planner()
	if err != nil {
		return err
	}
	stages, failed := planner.Plan(ctx, engine.GoalPresent, opts.Selection)
	if stages == nil && failed != nil {
		return failed
	}
	document := render.NewPlanDocument(opts.EnvName, engine.GoalPresent, stages)
	if opts.Output != render.Table {
		if err := render.Document(opts.IO.Out, opts.Output, "Plan", document); err != nil {
			return err
		}
	} else if err := print(opts, stages, document); err != nil {
		return err
	}
	if failed != nil {
		told := map[string]bool{} // what keeps several stages from being planned is one problem
		for _, stage := range stages {
			if stage.Err != nil && !told[stage.Err.Error()] {
				told[stage.Err.Error()] = true
				render.Problem(opts.IO, stage.Err)
			}
		}
		return render.Shown(failed)
	}
	if opts.DetailedExitCode && !document.Empty() {
		return render.Shown(&problem.Error{What: "there are changes", Kind: problem.Changes})
	}
	return nil
}

func print(opts *Options, stages []engine.StagePlan, document render.PlanDocument) error {
	table := render.NewTable(opts.IO, render.PlanHeader()...)
	render.FillPlan(table, stages)
	if err := table.Flush(); err != nil {
		return err
	}
	switch {
	case document.Failed():
		fmt.Fprintf(opts.IO.Err, "\n%s Nothing was changed.\n", opts.IO.Paint(iostreams.Yellow, "The plan is not complete."))
	case document.Empty():
		fmt.Fprintf(opts.IO.Err, "%s %s is as it should be: nothing to do.\n", opts.IO.Paint(iostreams.Green, "✓"), opts.EnvName)
	default:
		fmt.Fprintf(opts.IO.Err, "\n%s Nothing was changed.\n", opts.IO.Paint(iostreams.Bold, sentence(document)))
	}
	return nil
}

// sentence is the plan in numbers: "3 to create, 1 to start."
func sentence(document render.PlanDocument) string {
	parts := document.Words()
	return strings.Join(parts, ", ") + "."
}
