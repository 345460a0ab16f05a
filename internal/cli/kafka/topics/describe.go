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
	"github.com/gamemetrics/gmctl/internal/topics"
)

type describeOptions struct {
	IO     *iostreams.IOStreams
	Kafka  connection.Source
	Names  []string
	Output render.Format
}

// Description is a topic in full.
type Description struct {
	Summary
	MinInSync  string             `json:"minInSync"` // min.insync.replicas
	Settings   map[string]string  `json:"settings"`  // those set on the topic itself
	Layout     []PartitionState   `json:"layout"`
	Difference []kafka.Difference `json:"drift"` // from what the platform declares
}

// PartitionState is a partition with its offsets.
type PartitionState struct {
	kafka.Partition
	Start int64 `json:"start"` // -1 without a leader
	End   int64 `json:"end"`   // -1 without a leader
}

func newDescribeCommand(f *factory.Factory, source connection.Source) *cobra.Command {
	opts := &describeOptions{IO: f.IO, Kafka: source}
	cmd := &cobra.Command{
		Use:   "describe TOPIC...",
		Short: "Show a topic's partitions, leaders, replicas, offsets and settings",
		Long: `Show where each partition of a topic is, which replicas are in sync, its
offsets, the settings made on the topic itself, and how it differs from what
the platform declares.`,
		Example: `  gmctl kafka topics describe player.events.raw
  gmctl kafka topics describe player.events.raw -o json | jq '.data[].layout'`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Names = args
			return runDescribe(cmd.Context(), opts)
		},
	}
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func runDescribe(ctx context.Context, opts *describeOptions) error {
	session, err := opts.Kafka.Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	descriptions, err := describe(ctx, session, opts.Names)
	if err != nil {
		return session.Explain(err)
	}
	if opts.Output != render.Table {
		return render.Document(opts.IO.Out, opts.Output, "KafkaTopicDescriptions", descriptions)
	}
	for i, d := range descriptions {
		if i > 0 {
			fmt.Fprintln(opts.IO.Out)
		}
		if err := printDescription(opts.IO, d); err != nil {
			return err
		}
	}
	return nil
}

func describe(ctx context.Context, session *kafka.Session, names []string) ([]Description, error) {
	found, err := kafka.FindTopics(ctx, session.Client, names)
	if err != nil {
		return nil, err
	}
	bounds, err := fetchBounds(ctx, session, found...)
	if err != nil {
		return nil, err
	}
	settings, err := kafka.TopicSettings(ctx, session.Client, names)
	if err != nil {
		return nil, err
	}
	var all []Description
	for _, topic := range found {
		d := Description{Summary: summarize(topic, bounds.records(topic.Name)), Settings: map[string]string{}, Difference: []kafka.Difference{}}
		d.MinInSync = settings[topic.Name]["min.insync.replicas"].Value
		for name, setting := range settings[topic.Name] {
			if setting.Own {
				d.Settings[name] = setting.Value
			}
		}
		for _, p := range topic.Partitions {
			state := PartitionState{Partition: p, Start: -1, End: -1}
			if p.Leader >= 0 {
				state.Start, state.End = bounds.start[topic.Name][p.ID], bounds.end[topic.Name][p.ID]
			}
			d.Layout = append(d.Layout, state)
		}
		if declared := declaration(topic.Name); declared != nil {
			drift, err := kafka.Drift(ctx, session.Client, []topics.Topic{*declared})
			if err != nil {
				return nil, err
			}
			d.Difference = append(d.Difference, drift...)
		}
		all = append(all, d)
	}
	return all, nil
}

func printDescription(io *iostreams.IOStreams, d Description) error {
	paint := io.PaintOut
	fmt.Fprintf(io.Out, "%s  %s\n", paint(iostreams.Bold, d.Topic), paint(iostreams.Faint, d.Description))
	fmt.Fprintf(io.Out, "%s, %s each, at least %s in sync for a durable write, %s, %s\n",
		humanize.Plural(d.Partitions, "partition"), humanize.Plural(d.Replicas, "replica"), d.MinInSync,
		humanize.Plural(int(d.Records), "record"), paintState(paint, d.State))
	for _, name := range slices.Sorted(maps.Keys(d.Settings)) {
		fmt.Fprintf(io.Out, "  %s = %s\n", name, d.Settings[name])
	}
	for _, difference := range d.Difference {
		fmt.Fprintf(io.Out, "  %s %s is %s, the platform declares %s\n", paint(iostreams.Yellow, "!"), difference.Setting, difference.Actual, difference.Wanted)
	}
	table := render.NewTable(io, "PARTITION", "LEADER", "REPLICAS", "IN SYNC", "START", "END", "RECORDS")
	table.AlignRight(0, 1, 4, 5, 6)
	for _, p := range d.Layout {
		if p.Leader < 0 {
			table.Row(fmt.Sprint(p.ID), table.Paint(iostreams.Red, "none"), nodes(p.Replicas), nodes(p.ISR), "-", "-", "-")
			continue
		}
		table.Row(fmt.Sprint(p.ID), fmt.Sprint(p.Leader), nodes(p.Replicas), nodes(p.ISR), fmt.Sprint(p.Start), fmt.Sprint(p.End), humanize.Count(p.End-p.Start))
	}
	return table.Flush()
}
