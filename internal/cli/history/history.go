// Package history is `gmctl history`: the journal of what was done to an
// environment, by whom and with what result.
package history

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/when"
)

// defaultLimit is how many runs are listed.
const defaultLimit = 20

// Options are what `gmctl history` works with.
type Options struct {
	IO      *iostreams.IOStreams
	EnvName string
	Journal func() (*engine.Journal, error)
	Now     func() time.Time

	Output render.Format
	Limit  int // 0: all
	Since  time.Time
	Stage  string
}

// NewCommand returns `gmctl history`.
func NewCommand(f *factory.Factory) *cobra.Command { return newCommand(f, list, show) }

func newCommand(f *factory.Factory, list func(context.Context, *Options) error, show func(context.Context, *ShowOptions) error) *cobra.Command {
	opts := &Options{IO: f.IO, Now: time.Now}
	since := ""
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show what was done to the environment, when, by whom and with what result",
		Long: `List the runs that changed the environment, newest first, from its journal: a
file that is only ever appended to. A run whose process was killed is listed as
killed.`,
		Example: `  gmctl history
  gmctl history --since 24h --stage postgres
  gmctl history --since 2026-03-01 --limit 0 -o json
  gmctl history show
  gmctl history show 20260314-0926 --gantt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if opts.Since, err = parseSince(since, opts.Now()); err != nil {
				return err
			}
			if opts.Limit < 0 {
				return &problem.Error{What: "the limit is negative", Next: "choose how many runs to list: --limit 20, or 0 for all", Kind: problem.Usage}
			}
			opts.EnvName, opts.Journal = f.EnvName, journal(f)
			return list(cmd.Context(), opts)
		},
	}
	cmd.Flags().IntVarP(&opts.Limit, "limit", "n", defaultLimit, "list the newest `runs`, 0 for all")
	cmd.Flags().StringVar(&since, "since", "", "list runs since this `time`: 24h, 7d, 2026-03-01 or RFC 3339")
	stageFlag(f, cmd, &opts.Stage)
	render.FormatFlag(cmd, &opts.Output)
	cmd.AddCommand(newShowCommand(f, show))
	return cmd
}

func journal(f *factory.Factory) func() (*engine.Journal, error) {
	return func() (*engine.Journal, error) {
		env, err := f.Environment(environment.Options{})
		if err != nil {
			return nil, err
		}
		return engine.OpenJournal(env.JournalPath())
	}
}

func stageFlag(f *factory.Factory, cmd *cobra.Command, stage *string) {
	cmd.Flags().StringVar(stage, "stage", "", "only what was done to this `stage`")
	_ = cmd.RegisterFlagCompletionFunc("stage", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		env, err := f.Environment(environment.Options{})
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return env.Graph.Names(), cobra.ShellCompDirectiveNoFileComp
	})
}

// parseSince accepts an age, a date or a time; empty is the beginning.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, ok := when.Past(text, now); ok {
		return at, nil
	}
	return time.Time{}, &problem.Error{
		What: fmt.Sprintf("%q is no time to list runs since", text),
		Next: "give --since " + when.Forms,
		Kind: problem.Usage,
	}
}

func list(_ context.Context, opts *Options) error {
	log, err := read(opts.Journal)
	if err != nil {
		return err
	}
	runs := log.Runs(engine.Filter{Since: opts.Since, Stage: opts.Stage})
	total := len(runs)
	if opts.Limit > 0 && total > opts.Limit {
		runs = runs[total-opts.Limit:]
	}
	slices.Reverse(runs)
	if opts.Output != render.Table {
		return render.Document(opts.IO.Out, opts.Output, "History", newDocument(opts.EnvName, runs, log.Damaged))
	}
	if err := table(opts, runs).Flush(); err != nil {
		return err
	}
	warnDamaged(opts.IO, log)
	switch {
	case total == 0 && opts.Since.IsZero() && opts.Stage == "":
		fmt.Fprintf(opts.IO.Err, "nothing was done to %s yet\n", opts.EnvName)
	case total == 0:
		fmt.Fprintln(opts.IO.Err, "no run is like that")
	case total > len(runs):
		fmt.Fprintf(opts.IO.Err, "%s\n", opts.IO.Paint(iostreams.Faint,
			fmt.Sprintf("%s more; list them with --limit 0", humanize.Count(int64(total-len(runs))))))
	}
	return nil
}

func read(journal func() (*engine.Journal, error)) (engine.Log, error) {
	j, err := journal()
	if err != nil {
		return engine.Log{}, err
	}
	return j.Read()
}

func warnDamaged(io *iostreams.IOStreams, log engine.Log) {
	if n := len(log.Damaged); n > 0 {
		fmt.Fprintf(io.Err, "%s %s of the journal cannot be read: %v\n",
			io.Paint(iostreams.Yellow, "!"), humanize.Plural(n, "line"), log.Damaged)
	}
}

func table(opts *Options, runs []engine.Run) *render.TableWriter {
	t := render.NewTable(opts.IO, "RUN", "WHEN", "WHO", "COMMAND", "RESULT", "TOOK", "STAGES").AlignRight(5)
	for _, run := range runs {
		t.Row(
			t.Paint(iostreams.Faint, run.ID),
			humanize.Ago(run.Started, opts.Now()),
			run.Who,
			render.OneLine(run.Command),
			status(t.Paint, run.Status),
			took(run.Elapsed),
			t.Paint(iostreams.Faint, strings.Join(run.Changes, ", ")),
		)
	}
	return t
}

func took(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return humanize.Duration(d)
}

// status prints how a run or stage ended with its glyph.
func status(paint render.Painter, s engine.Status) string {
	switch s {
	case engine.StatusDone:
		return paint(iostreams.Green, "✓ done")
	case engine.StatusFailed:
		return paint(iostreams.Red, "✗ failed")
	case engine.StatusCancelled:
		return paint(iostreams.Yellow, "◼ interrupted")
	case engine.StatusKilled:
		return paint(iostreams.Red, "✗ killed")
	default:
		return paint(iostreams.Cyan, "◐ not ended")
	}
}
