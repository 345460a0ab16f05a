package groups

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kafka/groups"
	"github.com/gamemetrics/gmctl/internal/render"
)

type resetOptions struct {
	IO      *iostreams.IOStreams
	Kafka   connection.Source
	Group   string
	To      string
	Topics  []string
	Execute bool
	Output  render.Format
}

// Reset is the data of `gmctl kafka groups reset`.
type Reset struct {
	Group    string        `json:"group"`
	Executed bool          `json:"executed"`
	Moves    []groups.Move `json:"moves"`
}

func newResetCommand(f *factory.Factory, source connection.Source) *cobra.Command {
	opts := &resetOptions{IO: f.IO, Kafka: source}
	cmd := &cobra.Command{
		Use:   "reset GROUP --to PLACE",
		Short: "Move a group's offsets: preview, then --execute",
		Long: `Show where each partition's offset would be moved, and how many records the
group would read again or skip. Nothing is changed without --execute (or
--yes). A group that has members is refused: they would go on where they are.

PLACE is earliest, latest, an offset, a shift (+100, -100), or a time: 10m, 24h,
7d, 2026-03-01 or RFC 3339. An offset outside of what a partition holds is moved to
its nearest end.`,
		Example: `  gmctl kafka groups reset analytics --to earliest
  gmctl kafka groups reset analytics --to earliest --execute
  gmctl kafka groups reset analytics --to=-100 --topic player.events.raw
  gmctl kafka groups reset analytics --to 2026-01-31T12:00:00Z --topic user.actions:0,1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Group = args[0]
			return runReset(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.To, "to", "", "the `place` to move to: earliest, latest, an offset, a shift, or a time")
	flags.StringArrayVar(&opts.Topics, "topic", nil, "only this topic, `name` or name:0,1 for some partitions; repeatable (default: all it has read)")
	flags.BoolVar(&opts.Execute, "execute", false, "do it, instead of only showing it")
	flags.BoolVarP(&opts.Execute, "yes", "y", false, "the same as --execute")
	_ = cmd.MarkFlagRequired("to")
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func runReset(ctx context.Context, opts *resetOptions) error {
	target, err := groups.ParseTarget(opts.To, time.Now())
	if err != nil {
		return err
	}
	session, err := opts.Kafka.Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	moves, err := groups.PlanReset(ctx, session, opts.Group, opts.Topics, target)
	if err != nil {
		return session.Explain(err)
	}
	if opts.Execute {
		if err := groups.Reset(ctx, session, opts.Group, moves); err != nil {
			return session.Explain(err)
		}
	}
	if opts.Output != render.Table {
		return render.Document(opts.IO.Out, opts.Output, "KafkaGroupReset", Reset{opts.Group, opts.Execute, moves})
	}
	return printMoves(opts, moves)
}

func printMoves(opts *resetOptions, moves []groups.Move) error {
	table := render.NewTable(opts.IO, "TOPIC", "PARTITION", "FROM", "TO", "READ AGAIN", "SKIPPED", "")
	table.AlignRight(1, 2, 3, 4, 5)
	var again, skipped int64
	for _, m := range moves {
		note := ""
		if m.Clamped {
			note = table.Paint(iostreams.Yellow, "the nearest there is")
		}
		again, skipped = again+m.Again, skipped+m.Skipped
		table.Row(m.Topic, fmt.Sprint(m.Partition), orDash(m.From), fmt.Sprint(m.To), humanize.Count(m.Again), humanize.Count(m.Skipped), note)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	effect := fmt.Sprintf("%s to read again, %s skipped", humanize.Plural(int(again), "record"), humanize.Count(skipped))
	if opts.Execute {
		fmt.Fprintf(opts.IO.Err, "%s %s was reset: %s\n", opts.IO.Paint(iostreams.Green, "✓"), opts.Group, effect)
		return nil
	}
	fmt.Fprintf(opts.IO.Err, "%s %s. To do it: add --execute\n", opts.IO.Paint(iostreams.Bold, "Nothing was changed:"), effect)
	return nil
}
