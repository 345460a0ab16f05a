// Package status is `gmctl status`: the health of every stage, with cause and
// remedy of what is wrong.
package status

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

// defaultInterval is the time between two looks of --watch.
const defaultInterval = 2 * time.Second

// Checker learns the health of all stages.
type Checker interface {
	Check(context.Context) []engine.StageHealth
}

// Options are what `gmctl status` works with.
type Options struct {
	IO      *iostreams.IOStreams
	EnvName string
	Checker func() (Checker, error)
	Now     func() time.Time

	Output render.Format
	Watch  time.Duration // 0: look once
}

// NewCommand returns `gmctl status`.
func NewCommand(f *factory.Factory) *cobra.Command { return newCommand(f, run) }

func newCommand(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Now: time.Now}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the health of every stage, and what to do about what is wrong",
		Long: `Look at every stage and component of the environment: its state and since when,
its endpoint, its key figures, and for whatever is wrong the cause and what to do.

The exit code is 0 when every stage is ready and 3 when one is not, also when
the environment is not up at all.

With --watch the view is redrawn in place on a terminal until Ctrl-C. In a pipe
a document is printed each time: with -o json, one JSON object per line.`,
		Example: `  gmctl status
  gmctl status --watch
  gmctl status --watch=10s -o json
  gmctl status -o json | jq -r '.data.stages[] | select(.state != "ready") | .name'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := watchInterval(cmd, args, &opts.Watch); err != nil {
				return err
			}
			opts.EnvName = f.EnvName
			opts.Checker = func() (Checker, error) {
				env, err := f.Environment(environment.Options{})
				if err != nil {
					return nil, err
				}
				return env.Engine(func(engine.Event) {}, cmd.CommandPath())
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().DurationVarP(&opts.Watch, "watch", "w", 0, "look again every `interval`")
	cmd.Flags().Lookup("watch").NoOptDefVal = defaultInterval.String()
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

// watchInterval takes the interval also as a word of its own, `--watch 5s`,
// which a flag with an optional value does not see.
func watchInterval(cmd *cobra.Command, args []string, interval *time.Duration) error {
	watching := cmd.Flags().Changed("watch")
	if len(args) == 1 {
		given, err := time.ParseDuration(args[0])
		if !watching || err != nil {
			return &problem.Error{
				What: fmt.Sprintf("status takes no argument, and was given %q", args[0]),
				Next: "run: gmctl status, or gmctl status --watch=5s",
				Kind: problem.Usage,
			}
		}
		*interval = given
	}
	if watching && *interval < 100*time.Millisecond {
		return &problem.Error{
			What: fmt.Sprintf("the interval %s is too short to look at an environment", *interval),
			Next: "choose 100ms or more: --watch=2s",
			Kind: problem.Usage,
		}
	}
	return nil
}

func run(ctx context.Context, opts *Options) error {
	checker, err := opts.Checker()
	if err != nil {
		return err
	}
	if opts.Watch > 0 {
		return watch(ctx, opts, checker)
	}
	stages := checker.Check(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	document := newDocument(opts.EnvName, opts.Now(), stages)
	if opts.Output != render.Table {
		if err := render.Document(opts.IO.Out, opts.Output, "Status", document); err != nil {
			return err
		}
		return verdict(document)
	}
	if document.State != engine.StateAbsent {
		for _, line := range view(opts, stages) {
			fmt.Fprintln(opts.IO.Out, line)
		}
	}
	if err := verdict(document); err != nil {
		if document.State != engine.StateAbsent {
			fmt.Fprintln(opts.IO.Err)
		}
		return err
	}
	fmt.Fprintf(opts.IO.Err, "\n%s %s is healthy: %s ready\n", opts.IO.Paint(iostreams.Green, "✓"), opts.EnvName, humanize.Plural(len(stages), "stage"))
	return nil
}
