// Package tail is `gmctl events tail`.
package tail

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/filter"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/kafka/eventtail"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/when"
	"github.com/gamemetrics/gmctl/pkg/event"
)

// Options are the flags and dependencies of the command.
type Options struct {
	IO    *iostreams.IOStreams
	Kafka func(context.Context) (kafka.Config, error) // of the environment
	Now   func() time.Time

	Brokers  []string // in place of the environment's
	Players  []string
	Types    []string
	Where    []string
	Last     int
	Since    string
	Limit    int
	NoFollow bool
	Output   render.Format
}

// NewCommand returns `gmctl events tail`.
func NewCommand(f *factory.Factory) *cobra.Command {
	opts := &Options{IO: f.IO, Now: time.Now}
	opts.Kafka = func(ctx context.Context) (kafka.Config, error) {
		env, err := f.Environment(environment.Options{})
		if err != nil {
			return kafka.Config{}, err
		}
		return env.Kafka(ctx)
	}
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Follow player events as they come out of Kafka",
		Long: `Follow the events of the topic player.events.raw: those that are committed,
in the order they were stored for each player. Events of tests are left out.

--where compares a field of the event with a constant: a path, an operator
(= != > >= < <= or ~ for a regular expression) and a value; or a bare path that
must be there. Numbers compare as numbers, all else as text. Several conditions
must all hold; several players or types are alternatives.

With -o json each event is one JSON object on a line, as it stands in the topic.`,
		Example: `  gmctl events tail
  gmctl events tail --type level_fail --where 'metadata.level>=10'
  gmctl events tail --player player-000042 --last 20
  gmctl events tail --since 10m --no-follow -o json | jq .metadata`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), opts) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&opts.Players, "player", nil, "only events of these `ids`, comma separated; repeatable")
	flags.StringSliceVar(&opts.Types, "type", nil, "only events of these `types`, comma separated; repeatable")
	flags.StringArrayVar(&opts.Where, "where", nil, "only events that fulfil the `condition`, such as metadata.level=3; repeatable")
	flags.IntVarP(&opts.Last, "last", "n", 0, "begin with this `number` of the newest events")
	flags.StringVar(&opts.Since, "since", "", "begin with the events received since this `time`: 10m, 24h, 7d, 2026-03-01 or RFC 3339")
	flags.IntVarP(&opts.Limit, "limit", "c", 0, "end after this `number` of events")
	flags.BoolVar(&opts.NoFollow, "no-follow", false, "end at the last event that is there, instead of waiting for more")
	flags.StringSliceVar(&opts.Brokers, "brokers", nil, "Kafka brokers as `host:port`, in place of the environment's")
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func run(ctx context.Context, opts *Options) error {
	reading, err := opts.reading()
	if err != nil {
		return err
	}
	cfg := kafka.Config{Brokers: opts.Brokers}
	if len(opts.Brokers) == 0 {
		if cfg, err = opts.Kafka(ctx); err != nil {
			return err
		}
	}
	out := newPrinter(opts.IO, opts.Output, opts.Now)
	var failed error
	count := 0
	err = eventtail.Read(ctx, cfg, reading, func(e eventtail.Event) bool {
		count++
		failed = out.print(e)
		return failed == nil && count != opts.Limit
	})
	if err == nil {
		err = failed
	}
	if err == nil && count == 0 && opts.NoFollow {
		fmt.Fprintln(opts.IO.Err, "no such events")
	}
	return err
}

// reading turns the flags into what to read.
func (o *Options) reading() (eventtail.Options, error) {
	conditions, err := filter.ParseAll(o.Where)
	if err != nil {
		return eventtail.Options{}, err
	}
	if o.Last < 0 || o.Limit < 0 {
		return eventtail.Options{}, &problem.Error{What: "--last and --limit take a number of events, 0 or more", Kind: problem.Usage}
	}
	since, err := sinceWhen(o.Since, o.Now())
	if err != nil {
		return eventtail.Options{}, err
	}
	last := o.Last
	if o.NoFollow && last == 0 && since.IsZero() {
		since = time.Unix(0, 0) // everything that is there
	}
	reading := eventtail.Options{Last: last, Since: since, NoFollow: o.NoFollow, Warn: warner(o.IO)}
	if len(conditions) > 0 || len(o.Players) > 0 || len(o.Types) > 0 {
		reading.Match = func(e event.Received, value []byte) bool {
			return (len(o.Players) == 0 || slices.Contains(o.Players, e.PlayerID)) &&
				(len(o.Types) == 0 || slices.Contains(o.Types, e.EventType)) &&
				conditions.Match(value)
		}
	}
	return reading, nil
}

// sinceWhen reads a time, or how long ago it was.
func sinceWhen(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, ok := when.Past(text, now); ok {
		return at, nil
	}
	return time.Time{}, &problem.Error{
		What: fmt.Sprintf("--since %q is not a time", text),
		Next: "give --since " + when.Forms, Kind: problem.Usage,
	}
}

// warner tells each warning once, until another comes.
func warner(io *iostreams.IOStreams) func(error) {
	last := ""
	return func(err error) {
		if text := err.Error(); text != last {
			last = text
			fmt.Fprintln(io.Err, io.Paint(iostreams.Yellow, "!")+" "+render.OneLine(text))
		}
	}
}
