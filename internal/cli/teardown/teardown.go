// Package teardown is `gmctl teardown`: remove an environment and prove it gone.
package teardown

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/commandline"
	"github.com/gamemetrics/gmctl/internal/cli/confirm"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

// Environment is what is torn down.
type Environment interface {
	Engine(sink engine.Sink, command string) (*engine.Engine, error)
	Lock(command string) (*engine.Lock, error)
	// Removable says why it must not be torn down.
	Removable(context.Context) error
	// Clear removes what the environment kept beside its stages, and proves that
	// nothing of it runs or listens.
	Clear() error
}

// Options are what `gmctl teardown` works with.
type Options struct {
	IO        *iostreams.IOStreams
	EnvName   string
	LogFormat string
	Command   string // as it is recorded in the journal
	Open      func(environment.Options) (Environment, error)

	Output    render.Format
	Yes       bool
	KeepData  bool
	Unprotect bool
}

// NewCommand returns `gmctl teardown`.
func NewCommand(f *factory.Factory) *cobra.Command { return newCommand(f, run) }

func newCommand(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	cmd := &cobra.Command{
		Use:     "teardown",
		Aliases: []string{"down"},
		Short:   "Remove the environment and its data, and prove it gone",
		Long: `Show what would go and what data it holds, ask for the environment's name to be
typed, then stop and delete everything, last things first: processes, data, and
at the very end the journal and the logs. Then look at everything again: teardown
succeeds only if no process, no port and no file is left.

On this machine --keep-data stops everything and leaves the data, and the journal
with it; gmctl up finds it again.

On AWS what Kubernetes made goes before the cluster: load balancers, volumes,
and what else would be left behind. A database that is protected from deletion
ends the teardown before anything is removed, unless --unprotect lifts that; a
final snapshot stays unless the configuration says otherwise. Only what carries
the environment's tags is touched. A sweep by these tags proves at the end that
nothing is left. The bucket of Terraform's state stays, for the account's other
environments, and the journal on this machine: it is the audit trail.`,
		Example: `  gmctl teardown
  gmctl teardown --keep-data
  gmctl teardown -e dev
  gmctl teardown -e prod --unprotect
  gmctl teardown --yes -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.EnvName, opts.LogFormat, opts.Command = f.EnvName, f.LogFormat, commandline.Of(cmd, args)
			opts.Open = func(options environment.Options) (Environment, error) { return f.Environment(options) }
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&opts.KeepData, "keep-data", false, "on this machine: stop everything and leave the data")
	cmd.Flags().BoolVar(&opts.Unprotect, "unprotect", false, "on aws: lift the database's protection from deletion")
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func run(ctx context.Context, opts *Options) error {
	env, err := opts.Open(environment.Options{KeepData: opts.KeepData, Unprotect: opts.Unprotect})
	if err != nil {
		return err
	}
	lock, err := env.Lock(opts.Command)
	if err != nil {
		return err
	}
	defer lock.Release()

	if err := env.Removable(ctx); err != nil {
		return err
	}
	progress, err := render.NewProgress(opts.IO, opts.LogFormat)
	if err != nil {
		return err
	}
	defer progress.Close()
	var failed *problem.Error // as shown at the end of the run
	walker, err := env.Engine(func(e engine.Event) {
		if e.Kind == engine.RunDone {
			failed = e.Problem
		}
		progress.Handle(e)
	}, opts.Command)
	if err != nil {
		return err
	}
	defer walker.Journal.Close()

	// A stage that is too broken to be planned is removed nonetheless.
	before, err := walker.Plan(ctx, engine.GoalAbsent, engine.Selection{})
	if before == nil && err != nil {
		return err
	}
	if render.NewPlanDocument(opts.EnvName, engine.GoalAbsent, before).Empty() {
		if err := env.Clear(); err != nil {
			return err
		}
		return nothing(opts, before)
	}
	if err := announce(ctx, opts, before); err != nil {
		return err
	}
	result, err := walker.Teardown(ctx, engine.Selection{})
	progress.Close()
	o := &outcome{before: before, result: result}
	if err == nil {
		o.after, err = walker.Plan(ctx, engine.GoalAbsent, engine.Selection{})
		if o.after != nil {
			err = o.leftovers()
		}
	}
	if err == nil {
		err = env.Clear()
	}
	o.problem = problem.From(err)
	if printErr := o.print(opts); err == nil {
		err = printErr
	}
	if failed != nil {
		err = render.Shown(err)
	}
	return err
}

// nothing says that there is nothing to tear down.
func nothing(opts *Options, plans []engine.StagePlan) error {
	if opts.Output != render.Table {
		return (&outcome{before: plans, result: &engine.Result{}}).print(opts)
	}
	fmt.Fprintf(opts.IO.Err, "%s %s is not there: nothing to remove\n", opts.IO.Paint(iostreams.Green, "✓"), opts.EnvName)
	if kept := kept(plans); len(kept) > 0 {
		fmt.Fprintf(opts.IO.Err, "  still kept: %s\n", strings.Join(kept, ", "))
	}
	return nil
}

// announce shows what goes, and asks.
func announce(ctx context.Context, opts *Options, plans []engine.StagePlan) error {
	if opts.LogFormat != render.LogJSON {
		table := render.NewStatusTable(opts.IO, render.PlanHeader()...)
		render.FillPlan(table, seen(plans))
		if err := table.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(opts.IO.Err)
		for _, line := range consequences(opts, plans) {
			fmt.Fprintln(opts.IO.Err, line)
		}
	}
	if opts.Yes {
		return nil
	}
	if err := confirm.Typed(ctx, opts.IO, "tear down the environment", opts.EnvName); err != nil {
		return err
	}
	fmt.Fprintln(opts.IO.Err)
	return nil
}

// seen are the plans without what only the journal knows: that a stage of which
// nothing is seen was applied once.
func seen(plans []engine.StagePlan) []engine.StagePlan {
	without := slices.Clone(plans)
	for i := range without {
		without[i].Resume = ""
	}
	return without
}

// consequences say in words what is lost and what stays.
func consequences(opts *Options, plans []engine.StagePlan) []string {
	var lost []string
	for _, stage := range plans {
		for _, change := range stage.Plan.Changes {
			if change.Holds != "" && change.Action != engine.ActionKeep && change.Action != engine.ActionStop {
				lost = append(lost, fmt.Sprintf("%s (%s)", render.OneLine(change.Holds), stage.Stage))
			}
		}
	}
	var lines []string
	if len(lost) > 0 {
		lines = append(lines, opts.IO.Paint(iostreams.Yellow, "This data is deleted for good: ")+strings.Join(lost, ", "))
		if !opts.KeepData {
			lines = append(lines, opts.IO.Paint(iostreams.Faint, "To keep the data, run: gmctl teardown --keep-data"))
		}
	} else if len(kept(plans)) == 0 {
		lines = append(lines, "No data is lost.")
	}
	if kept := kept(plans); len(kept) > 0 {
		lines = append(lines, opts.IO.Paint(iostreams.Green, "This stays: ")+strings.Join(kept, ", "))
	}
	return lines
}

// kept names what the plans leave.
func kept(plans []engine.StagePlan) []string {
	var names []string
	for _, stage := range plans {
		for _, change := range stage.Plan.Changes {
			if change.Action == engine.ActionKeep {
				names = append(names, object(change))
			}
		}
	}
	return names
}

// object names what a change is about, with what is known of it:
// "data of kafka (/home/…/kafka, 28.0 KiB)".
func object(change engine.Change) string {
	var known []string
	for _, text := range []string{change.Detail, change.Holds} {
		if text != "" {
			known = append(known, render.OneLine(text))
		}
	}
	if len(known) == 0 {
		return render.OneLine(change.Object)
	}
	return fmt.Sprintf("%s (%s)", render.OneLine(change.Object), strings.Join(known, ", "))
}
