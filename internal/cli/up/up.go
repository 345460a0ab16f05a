// Package up is `gmctl up`: bring an environment up, or back to what its
// configuration wants.
package up

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/commandline"
	"github.com/gamemetrics/gmctl/internal/cli/confirm"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/selection"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

// Environment is what is brought up.
type Environment interface {
	Engine(sink engine.Sink, command string) (*engine.Engine, error)
	Lock(command string) (*engine.Lock, error)
	// Follow stays with the environment until ctx ends, and then stops it.
	Follow(ctx context.Context) error
}

// Options are what `gmctl up` works with.
type Options struct {
	IO        *iostreams.IOStreams
	EnvName   string
	LogFormat string
	Command   string // as it is recorded in the journal
	Open      func(environment.Options) (Environment, error)

	Selection  engine.Selection
	Kafka      []string // brokers that run already; empty: as it is
	Output     render.Format
	Timeout    time.Duration // 0: as long as it takes
	Yes        bool
	Foreground bool
	Force      bool // although the platform is known not to fit
}

// NewCommand returns `gmctl up`.
func NewCommand(f *factory.Factory) *cobra.Command { return newCommand(f, run) }

func newCommand(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Bring the environment up, or back to what its configuration wants",
		Long: `Walk the environment's stages and make each what the configuration wants, in
parallel where nothing stands between them. What is as it should be is left
alone, so up may be run at any time: to begin, to repair, or to go on where an
earlier run was interrupted or failed.

The local environment runs on in the background; --foreground stays with it and
stops it on Ctrl-C. Its data stays either way: only teardown deletes it.`,
		Example: `  gmctl up
  gmctl up --timeout 2m --yes
  gmctl up --kafka localhost:9092
  gmctl up --only supervisor,postgres,schema
  gmctl up --skip smoke -o json | jq .data.endpoints`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.EnvName, opts.LogFormat, opts.Command = f.EnvName, f.LogFormat, commandline.Of(cmd, args)
			opts.Open = func(options environment.Options) (Environment, error) { return f.Environment(options) }
			if opts.Timeout < 0 {
				return &problem.Error{What: "the timeout is negative", Next: "choose how long up may take: --timeout 5m", Kind: problem.Usage}
			}
			return run(cmd.Context(), opts)
		},
	}
	selection.Flags(cmd, &opts.Selection, selection.Stages(f))
	flags := cmd.Flags()
	flags.DurationVar(&opts.Timeout, "timeout", 0, "give up after this `time`; 0 waits as long as it takes")
	flags.StringSliceVar(&opts.Kafka, "kafka", nil, "use the Kafka at these `host:port`s from now on; embedded goes back to the built-in one")
	flags.BoolVarP(&opts.Yes, "yes", "y", false, "do not ask before a change that loses data")
	flags.BoolVar(&opts.Force, "force", false, "on aws: go on although the platform does not fit on its nodes")
	flags.BoolVar(&opts.Foreground, "foreground", false, "stay with the environment until Ctrl-C")
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func run(ctx context.Context, opts *Options) error {
	env, err := opts.Open(environment.Options{Kafka: opts.Kafka, Force: opts.Force})
	if err != nil {
		return err
	}
	outcome, err := apply(ctx, opts, env)
	if outcome != nil {
		if printErr := outcome.print(opts); err == nil {
			err = printErr
		}
	}
	if err != nil || !opts.Foreground {
		return err
	}
	if opts.LogFormat != render.LogJSON {
		fmt.Fprintf(opts.IO.Err, "\n%s stays up until Ctrl-C; its data stays after that\n", opts.EnvName)
	}
	return env.Follow(ctx)
}

// apply brings env up under its lock. The outcome is nil if nothing was tried.
func apply(ctx context.Context, opts *Options, env Environment) (*outcome, error) {
	lock, err := env.Lock(opts.Command)
	if err != nil {
		return nil, err
	}
	defer lock.Release()

	progress, err := render.NewProgress(opts.IO, opts.LogFormat)
	if err != nil {
		return nil, err
	}
	defer progress.Close()
	limit := newDeadline(opts, progress.Handle)
	walker, err := env.Engine(limit.handle, opts.Command)
	if err != nil {
		return nil, err
	}
	defer walker.Journal.Close()
	if !opts.Yes {
		if err := agree(ctx, opts, walker); err != nil {
			return nil, err
		}
	}
	bounded, cancel := limit.bound(ctx)
	defer cancel()
	result, err := walker.Up(bounded, opts.Selection)
	progress.Close()
	err = limit.explain(err)
	if result == nil {
		return nil, err
	}
	o := &outcome{result: *result, problem: problem.From(err)}
	if err == nil {
		o.health = walker.Check(ctx)
	}
	return o, err
}

// agree asks before changes that lose data. A stage that cannot be planned is
// no reason to stop here: the run comes to it, and says why.
func agree(ctx context.Context, opts *Options, walker *engine.Engine) error {
	plans, err := walker.Plan(ctx, engine.GoalPresent, opts.Selection)
	if plans == nil && err != nil {
		return err
	}
	losing := losses(plans)
	if len(losing) == 0 {
		return nil
	}
	table := render.NewStatusTable(opts.IO, render.PlanHeader()...)
	render.FillPlan(table, losing)
	if err := table.Flush(); err != nil {
		return err
	}
	return confirm.Typed(ctx, opts.IO, "go on and lose this data", opts.EnvName)
}

// losses are the changes that lose data.
func losses(plans []engine.StagePlan) []engine.StagePlan {
	var losing []engine.StagePlan
	for _, stage := range plans {
		var changes []engine.Change
		for _, change := range stage.Plan.Changes {
			if change.Holds != "" && (change.Action == engine.ActionDelete || change.Action == engine.ActionReplace) {
				changes = append(changes, change)
			}
		}
		if len(changes) > 0 {
			losing = append(losing, engine.StagePlan{Stage: stage.Stage, Plan: engine.Plan{Changes: changes}})
		}
	}
	return losing
}
