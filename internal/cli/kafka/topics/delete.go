package topics

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/confirm"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kafka"
)

type deleteOptions struct {
	IO    *iostreams.IOStreams
	Kafka connection.Source
	Names []string
	Yes   bool
}

func newDeleteCommand(f *factory.Factory, source connection.Source) *cobra.Command {
	opts := &deleteOptions{IO: f.IO, Kafka: source}
	cmd := &cobra.Command{
		Use:   "delete TOPIC...",
		Short: "Delete topics and all their records",
		Long: `Say what the topics hold, ask for confirmation, and delete them with all their
records. Where nobody can be asked, --yes is needed.`,
		Example: `  gmctl kafka topics delete scratch
  gmctl kafka topics delete scratch-1 scratch-2 --yes`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Names = args
			return runDelete(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "do not ask")
	return cmd
}

func runDelete(ctx context.Context, opts *deleteOptions) error {
	session, err := opts.Kafka.Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	descriptions, err := describe(ctx, session, opts.Names)
	if err != nil {
		return session.Explain(err)
	}
	for _, d := range descriptions {
		fmt.Fprintf(opts.IO.Err, "topic %s goes, with %s in %s\n", opts.IO.Paint(iostreams.Bold, d.Topic),
			humanize.Plural(int(d.Records), "record"), humanize.Plural(d.Partitions, "partition"))
		if d.Declared {
			fmt.Fprintf(opts.IO.Err, "  %s the platform needs it: %s\n", opts.IO.Paint(iostreams.Yellow, "!"), d.Description)
		}
	}
	if !opts.Yes {
		word := opts.Names[0]
		if len(opts.Names) > 1 {
			word = "delete"
		}
		if err := confirm.Typed(ctx, opts.IO, "delete "+strings.Join(opts.Names, ", "), word); err != nil {
			return err
		}
	}
	deleted, err := kafka.DeleteTopics(ctx, session.Client, opts.Names)
	for _, name := range deleted {
		fmt.Fprintf(opts.IO.Err, "%s deleted %s\n", opts.IO.Paint(iostreams.Green, "✓"), name)
	}
	if err != nil && len(opts.Names) == 1 {
		return session.ExplainTopic("topic "+opts.Names[0]+" could not be deleted", err, opts.Names[0])
	}
	return session.Explain(err)
}
