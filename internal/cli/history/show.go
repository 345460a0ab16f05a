package history

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

// ShowOptions are what `gmctl history show` works with.
type ShowOptions struct {
	IO      *iostreams.IOStreams
	EnvName string
	Journal func() (*engine.Journal, error)
	Now     func() time.Time

	Run    string // an id or how it begins; empty: the newest run
	Output render.Format
	Gantt  bool
}

func newShowCommand(f *factory.Factory, run func(context.Context, *ShowOptions) error) *cobra.Command {
	opts := &ShowOptions{IO: f.IO, Now: time.Now}
	cmd := &cobra.Command{
		Use:   "show [RUN]",
		Short: "Show one run: its stages, what they changed and how long they took",
		Long: `Show one run with its stages. RUN is the run's id or how it begins, as history
lists it; without it, the newest run.

With --gantt the stages are drawn as bars over the time of the run, which shows
what ran side by side and what the run waited for.`,
		Example: `  gmctl history show
  gmctl history show 20260314-0926 --gantt
  gmctl history show -o yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.EnvName, opts.Journal, opts.Run = f.EnvName, journal(f), strings.Join(args, "")
			return run(cmd.Context(), opts)
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return completeRuns(journal(f))
		},
	}
	cmd.Flags().BoolVar(&opts.Gantt, "gantt", false, "draw the stages over the time of the run")
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func completeRuns(journal func() (*engine.Journal, error)) ([]string, cobra.ShellCompDirective) {
	log, err := read(journal)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var ids []string
	for _, run := range log.Runs(engine.Filter{}) {
		ids = append(ids, cobra.CompletionWithDesc(run.ID, fmt.Sprintf("%s, %s", run.Command, run.Started.Local().Format(time.DateTime))))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

func show(_ context.Context, opts *ShowOptions) error {
	log, err := read(opts.Journal)
	if err != nil {
		return err
	}
	run, err := find(log, opts)
	if err != nil {
		return err
	}
	if opts.Output != render.Table {
		return render.Document(opts.IO.Out, opts.Output, "Run", newRun(run))
	}
	warnDamaged(opts.IO, log)
	for _, line := range heading(opts, run) {
		fmt.Fprintln(opts.IO.Out, line)
	}
	if len(run.Stages) == 0 {
		return nil
	}
	fmt.Fprintln(opts.IO.Out)
	if opts.Gantt {
		for _, line := range gantt(opts, run) {
			fmt.Fprintln(opts.IO.Out, line)
		}
		return nil
	}
	return stages(opts, run).Flush()
}

// find returns the run that opts names, which must be one.
func find(log engine.Log, opts *ShowOptions) (engine.Run, error) {
	runs := log.Runs(engine.Filter{Run: opts.Run})
	switch {
	case len(runs) == 0 && opts.Run == "":
		return engine.Run{}, &problem.Error{What: "nothing was done to " + opts.EnvName + " yet", Next: "bring it up: gmctl up"}
	case len(runs) == 0:
		return engine.Run{}, &problem.Error{
			What: fmt.Sprintf("there is no run %q", opts.Run),
			Next: "see the runs: gmctl history",
			Kind: problem.Usage,
		}
	case len(runs) > 1 && opts.Run != "" && runs[0].ID != opts.Run:
		return engine.Run{}, &problem.Error{
			What: fmt.Sprintf("%d runs begin with %q", len(runs), opts.Run),
			Next: "write more of the id: gmctl history lists enough of it",
			Kind: problem.Usage,
		}
	case opts.Run == "":
		return runs[len(runs)-1], nil
	default:
		return runs[0], nil
	}
}

// heading tells the run in a few lines.
func heading(opts *ShowOptions, run engine.Run) []string {
	paint := opts.IO.PaintOut
	line := func(label, text string) string { return paint(iostreams.Faint, render.Pad(label, 9)) + text }
	result := status(paint, run.Status)
	if run.Elapsed > 0 {
		result += " in " + humanize.Duration(run.Elapsed)
	}
	if len(run.Changes) > 0 {
		result += ": " + strings.Join(run.Changes, ", ")
	}
	lines := []string{
		line("run", run.ID),
		line("command", paint(iostreams.Bold, render.OneLine(run.Command))),
		line("by", run.Who),
		line("when", fmt.Sprintf("%s (%s)", run.Started.In(opts.Now().Location()).Format("2006-01-02 15:04:05 MST"), humanize.Ago(run.Started, opts.Now()))),
		line("result", result),
	}
	if run.Error != "" {
		lines = append(lines, line("error", paint(iostreams.Red, render.OneLine(run.Error))))
	}
	return lines
}

// stages is the table of a run's stages: a row per change, the stage on its first.
func stages(opts *ShowOptions, run engine.Run) *render.TableWriter {
	t := render.NewTable(opts.IO, "STAGE", "RESULT", "AT", "TOOK", "CHANGES").AlignRight(2, 3)
	for _, stage := range run.Stages {
		changes := stage.Changes
		if stage.Error != "" {
			changes = append([]string{t.Paint(iostreams.Red, render.OneLine(stage.Error))}, changes...)
		}
		first := ""
		if len(changes) > 0 {
			first = changes[0]
		}
		t.Row(t.Paint(iostreams.Bold, stage.Stage), status(t.Paint, stage.Status),
			t.Paint(iostreams.Faint, "+"+humanize.Elapsed(stage.Started.Sub(run.Started))), took(stage.Elapsed), first)
		for _, change := range changes[min(1, len(changes)):] {
			t.Row("", "", "", "", change)
		}
	}
	return t
}
