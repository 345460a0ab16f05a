package dlq

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
)

func newDiscardCommand(f *factory.Factory, source connection.Source) *cobra.Command {
	opts := &options{IO: f.IO, Kafka: source, Now: time.Now}
	cmd := &cobra.Command{
		Use:   "discard [LETTER...]",
		Short: "Say that nothing is done about dead letters",
		Long: `Mark dead letters as done with: they are no longer listed, and cannot be replayed.
Their records stay in the topic until its retention ends.`,
		Example: `  gmctl dlq discard 2/17 0/3
  gmctl dlq discard --reason too-old --since 24h`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Choice.ids = args
			return runDiscard(cmd.Context(), opts)
		},
	}
	opts.Choice.flags(cmd)
	cmd.Flags().BoolVar(&opts.Choice.all, "all", false, "all that are open")
	return cmd
}

func runDiscard(ctx context.Context, opts *options) error {
	if err := opts.Choice.somewhat(); err != nil {
		return err
	}
	if err := opts.Choice.complete(opts.Now()); err != nil {
		return err
	}
	queue, err := connect(ctx, opts.Kafka)
	if err != nil {
		return err
	}
	defer queue.Close()
	letters, err := opts.Choice.letters(ctx, queue)
	if err != nil {
		return err
	}
	discarded, err := queue.Discard(ctx, letters)
	if err != nil {
		return err
	}
	fmt.Fprintf(opts.IO.Err, "%s discarded %s\n", opts.IO.Paint(iostreams.Green, "✓"), humanize.Plural(len(discarded), "letter"))
	if others := len(letters) - len(discarded); others > 0 {
		return taken(others)
	}
	return nil
}

// taken is the problem of letters that someone else has.
func taken(letters int) error {
	return &problem.Error{
		What: humanize.Plural(letters, "letter") + " stayed as they were: someone else replays or has settled them",
		Next: "see who: gmctl dlq list --all",
	}
}
