package topics

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/render"
)

type listOptions struct {
	IO       *iostreams.IOStreams
	Kafka    connection.Source
	Internal bool
	Output   render.Format
}

func newListCommand(f *factory.Factory, source connection.Source) *cobra.Command {
	opts := &listOptions{IO: f.IO, Kafka: source}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List topics with their partitions, records and state",
		Long: `List the topics of the cluster. Records is the distance from the first to the
end offset: markers of transactions count, and compaction leaves gaps.
Topics that are bookkeeping, of Kafka or of the platform, are hidden.`,
		Example: `  gmctl kafka topics list
  gmctl kafka topics list --internal
  gmctl kafka topics list -o json | jq -r '.data[] | select(.state != "ok") | .topic'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), opts) },
	}
	cmd.Flags().BoolVar(&opts.Internal, "internal", false, "also list topics that are bookkeeping")
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func runList(ctx context.Context, opts *listOptions) error {
	session, err := opts.Kafka.Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	summaries, hidden, err := list(ctx, session, opts.Internal)
	if err != nil {
		return session.Explain(err)
	}
	if opts.Output != render.Table {
		return render.Document(opts.IO.Out, opts.Output, "KafkaTopics", summaries)
	}
	table := render.NewTable(opts.IO, "TOPIC", "PARTITIONS", "REPLICAS", "RECORDS", "STATE", "DESCRIPTION")
	table.AlignRight(1, 2, 3)
	for _, s := range summaries {
		table.Row(s.Topic, fmt.Sprint(s.Partitions), fmt.Sprint(s.Replicas), humanize.Count(s.Records), paintState(table.Paint, s.State), s.Description)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	switch {
	case table.Len() == 0:
		fmt.Fprintln(opts.IO.Err, "There are no topics. Create what the platform declares: gmctl kafka topics create")
	case hidden > 0:
		fmt.Fprintf(opts.IO.Err, "%s\n", opts.IO.Paint(iostreams.Faint, fmt.Sprintf("%d internal hidden; see them with --internal", hidden)))
	}
	return nil
}

func list(ctx context.Context, session *kafka.Session, internal bool) (summaries []Summary, hidden int, err error) {
	cluster, err := kafka.Describe(ctx, session.Client)
	if err != nil {
		return nil, 0, err
	}
	var shown []kafka.Topic
	for _, name := range slices.Sorted(maps.Keys(cluster.Topics)) {
		topic := cluster.Topics[name]
		if isInternal(topic) && !internal {
			hidden++
			continue
		}
		shown = append(shown, topic)
	}
	bounds, err := fetchBounds(ctx, session, shown...)
	if err != nil {
		return nil, 0, err
	}
	summaries = []Summary{}
	for _, topic := range shown {
		summaries = append(summaries, summarize(topic, bounds.records(topic.Name)))
	}
	return summaries, hidden, nil
}
