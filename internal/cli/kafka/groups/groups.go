// Package groups is `gmctl kafka groups`.
package groups

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kafka/groups"
	"github.com/gamemetrics/gmctl/internal/render"
)

// NewCommand returns `gmctl kafka groups` with its subcommands.
func NewCommand(f *factory.Factory, source connection.Source) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "groups",
		Aliases: []string{"group"},
		Short:   "List and describe consumer groups, and reset their offsets",
		Long:    "List and describe consumer groups, and reset their offsets.",
		Example: `  gmctl kafka groups list
  gmctl kafka groups describe analytics
  gmctl kafka groups reset analytics --to earliest`,
	}
	cmd.AddCommand(
		newListCommand(f, source),
		newDescribeCommand(f, source),
		newResetCommand(f, source),
	)
	return cmd
}

type showOptions struct {
	IO     *iostreams.IOStreams
	Kafka  connection.Source
	Names  []string
	Output render.Format
}

func newListCommand(f *factory.Factory, source connection.Source) *cobra.Command {
	opts := &showOptions{IO: f.IO, Kafka: source}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List consumer groups with their state and lag",
		Long: `List the consumer groups of the cluster: their state, how many members they
have, and how many records they have not read yet.`,
		Example: `  gmctl kafka groups list
  gmctl kafka groups list -o json | jq -r '.data[] | select(.lag > 1000) | .group'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), opts) },
	}
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func runList(ctx context.Context, opts *showOptions) error {
	session, err := opts.Kafka.Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	all, err := groups.List(ctx, session)
	if err != nil {
		return session.Explain(err)
	}
	if opts.Output != render.Table {
		return render.Document(opts.IO.Out, opts.Output, "KafkaGroups", all)
	}
	table := render.NewTable(opts.IO, "GROUP", "STATE", "MEMBERS", "TOPICS", "LAG", "PROTOCOL", "COORDINATOR")
	table.AlignRight(2, 4, 6)
	for _, g := range all {
		table.Row(g.Name, paintState(table.Paint, g), fmt.Sprint(len(g.Members)), topicsOf(g), humanize.Count(g.Lag), g.Protocol, fmt.Sprint(g.Coordinator))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(all) == 0 {
		fmt.Fprintln(opts.IO.Err, "There are no consumer groups.")
	}
	return nil
}

func paintState(paint render.Painter, g groups.Group) string {
	switch {
	case g.State == "Stable":
		return paint(iostreams.Green, g.State)
	case !g.Active():
		return paint(iostreams.Faint, g.State)
	}
	return paint(iostreams.Yellow, g.State)
}

func topicsOf(g groups.Group) string {
	var names []string
	for _, p := range g.Partitions {
		if len(names) == 0 || names[len(names)-1] != p.Topic {
			names = append(names, p.Topic)
		}
	}
	return strings.Join(names, ",")
}

func newDescribeCommand(f *factory.Factory, source connection.Source) *cobra.Command {
	opts := &showOptions{IO: f.IO, Kafka: source}
	cmd := &cobra.Command{
		Use:   "describe GROUP...",
		Short: "Show a group's members, offsets and lag by partition",
		Long: `Show what a consumer group has committed for each partition, where the
partition ends, how far that is apart, and which member reads it.`,
		Example: `  gmctl kafka groups describe analytics
  gmctl kafka groups describe analytics -o json | jq '.data[].partitions'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Names = args
			return runDescribe(cmd.Context(), opts)
		},
	}
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func runDescribe(ctx context.Context, opts *showOptions) error {
	session, err := opts.Kafka.Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	found, err := groups.Find(ctx, session, opts.Names)
	if err != nil {
		return session.Explain(err)
	}
	if opts.Output != render.Table {
		return render.Document(opts.IO.Out, opts.Output, "KafkaGroups", found)
	}
	for i, g := range found {
		if i > 0 {
			fmt.Fprintln(opts.IO.Out)
		}
		if err := print(opts.IO, g); err != nil {
			return err
		}
	}
	return nil
}

func print(io *iostreams.IOStreams, g groups.Group) error {
	paint := io.PaintOut
	fmt.Fprintf(io.Out, "%s  %s, %s, lag %s, %s protocol, coordinator %d\n", paint(iostreams.Bold, g.Name),
		paintState(paint, g), humanize.Plural(len(g.Members), "member"), humanize.Count(g.Lag), g.Protocol, g.Coordinator)
	return Partitions(io, []groups.Group{g}, false)
}

// Partitions prints a row for each partition of the groups, with the group's
// name where withGroup is set.
func Partitions(io *iostreams.IOStreams, all []groups.Group, withGroup bool) error {
	header := []string{"GROUP", "TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "CLIENT", "HOST"}
	table := render.NewTable(io, header...)
	table.AlignRight(2, 3, 4, 5)
	for _, g := range all {
		name := ""
		if withGroup {
			name = g.Name
		}
		for _, p := range g.Partitions {
			table.Row(name, p.Topic, fmt.Sprint(p.Partition), orDash(p.Committed), orDash(p.End), lag(table.Paint, p.Lag), p.Client, strings.TrimPrefix(p.Host, "/"))
		}
	}
	return table.Flush()
}

// orDash prints what is not known (-1) as a dash.
func orDash(n int64) string {
	if n < 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func lag(paint render.Painter, n int64) string {
	switch {
	case n < 0:
		return paint(iostreams.Red, "unknown")
	case n == 0:
		return "0"
	}
	return paint(iostreams.Yellow, humanize.Count(n))
}
