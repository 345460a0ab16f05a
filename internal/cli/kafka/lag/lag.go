// Package lag is `gmctl kafka lag`.
package lag

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	groupcommands "github.com/gamemetrics/gmctl/internal/cli/kafka/groups"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/kafka/groups"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

// Options are what `gmctl kafka lag` works with.
type Options struct {
	IO     *iostreams.IOStreams
	Kafka  connection.Source
	Groups []string

	PerPartition bool
	Watch        bool
	Interval     time.Duration
	Output       render.Format
}

// Lag is how far a group is behind on one topic.
type Lag struct {
	Group      string `json:"group"`
	State      string `json:"state"`
	Topic      string `json:"topic"`
	Partitions int    `json:"partitions"`
	Lag        int64  `json:"lag"`     // of all partitions
	Worst      int64  `json:"worst"`   // of one partition
	Unknown    int    `json:"unknown"` // partitions whose end is not known
}

// NewCommand returns `gmctl kafka lag`.
func NewCommand(f *factory.Factory, source connection.Source) *cobra.Command {
	opts := &Options{IO: f.IO, Kafka: source}
	cmd := &cobra.Command{
		Use:   "lag [GROUP...]",
		Short: "Show how far consumer groups are behind",
		Long: `Show for each consumer group and topic how many records it has not read yet:
of all partitions, and of the worst one.`,
		Example: `  gmctl kafka lag
  gmctl kafka lag analytics --per-partition
  gmctl kafka lag --watch`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Groups = args
			return run(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&opts.PerPartition, "per-partition", false, "a row for each partition")
	flags.BoolVarP(&opts.Watch, "watch", "w", false, "show it again and again until Ctrl-C")
	flags.DurationVar(&opts.Interval, "interval", 2*time.Second, "`time` between two looks with --watch")
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func run(ctx context.Context, opts *Options) error {
	const shortest = 100 * time.Millisecond
	if opts.Watch && opts.Interval < shortest {
		return &problem.Error{What: fmt.Sprintf("--interval %s is too short", opts.Interval), Next: "give at least " + shortest.String(), Kind: problem.Usage}
	}
	session, err := opts.Kafka.Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	for {
		if err := show(ctx, session, opts); err != nil {
			if opts.Watch && ctx.Err() != nil {
				return nil
			}
			return err
		}
		if !opts.Watch {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(opts.Interval):
		}
	}
}

func show(ctx context.Context, session *kafka.Session, opts *Options) error {
	var all []groups.Group
	var err error
	if len(opts.Groups) > 0 {
		all, err = groups.Find(ctx, session, opts.Groups)
	} else {
		all, err = groups.List(ctx, session)
	}
	if err != nil {
		return session.Explain(err)
	}
	switch {
	case opts.Output != render.Table && opts.PerPartition:
		return render.Document(opts.IO.Out, opts.Output, "KafkaGroups", all)
	case opts.Output != render.Table:
		return render.Document(opts.IO.Out, opts.Output, "KafkaLag", summarize(all))
	}
	if opts.Watch {
		clear(opts.IO)
	}
	if len(all) == 0 {
		fmt.Fprintln(opts.IO.Err, "There are no consumer groups.")
		return nil
	}
	if opts.PerPartition {
		return groupcommands.Partitions(opts.IO, all, true)
	}
	return table(opts.IO, summarize(all)).Flush()
}

// clear begins a new picture: at the top of the screen on a terminal, below a
// line that tells the time in a pipe.
func clear(io *iostreams.IOStreams) {
	if io.LiveOut() {
		fmt.Fprint(io.Out, "\x1b[H\x1b[2J")
		return
	}
	fmt.Fprintf(io.Err, "-- %s\n", time.Now().UTC().Format(time.RFC3339))
}

func summarize(all []groups.Group) []Lag {
	lags := []Lag{}
	for _, g := range all {
		for _, p := range g.Partitions {
			if n := len(lags); n == 0 || lags[n-1].Group != g.Name || lags[n-1].Topic != p.Topic {
				lags = append(lags, Lag{Group: g.Name, State: g.State, Topic: p.Topic})
			}
			l := &lags[len(lags)-1]
			l.Partitions++
			if p.Lag < 0 {
				l.Unknown++
				continue
			}
			l.Lag, l.Worst = l.Lag+p.Lag, max(l.Worst, p.Lag)
		}
	}
	return lags
}

func table(io *iostreams.IOStreams, lags []Lag) *render.TableWriter {
	t := render.NewTable(io, "GROUP", "STATE", "TOPIC", "PARTITIONS", "LAG", "WORST PARTITION", "")
	t.AlignRight(3, 4, 5)
	for _, l := range lags {
		note := ""
		if l.Unknown > 0 {
			note = t.Paint(iostreams.Red, fmt.Sprintf("%d of unknown lag", l.Unknown))
		}
		t.Row(l.Group, l.State, l.Topic, fmt.Sprint(l.Partitions), humanize.Count(l.Lag), humanize.Count(l.Worst), note)
	}
	return t
}
