// Package tail is `gmctl kafka tail`.
package tail

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	"github.com/gamemetrics/gmctl/internal/filter"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/kafka/tail"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// Options are what `gmctl kafka tail` works with.
type Options struct {
	IO    *iostreams.IOStreams
	Kafka connection.Source

	Tail     tail.Options
	Last     int
	From     string
	NoFollow bool
	Grep     string
	Where    []string
	Format   string
	Output   render.Format
}

// NewCommand returns `gmctl kafka tail`.
func NewCommand(f *factory.Factory, source connection.Source) *cobra.Command {
	opts := &Options{IO: f.IO, Kafka: source}
	cmd := &cobra.Command{
		Use:   "tail TOPIC...",
		Short: "Print the last records of topics and follow new ones",
		Long: `Print the newest records of one or more topics, then new ones as they come,
until Ctrl-C. With --no-follow end where the topics ended when it started.

Records of transactions that are open or were aborted are left out, as every
consumer of the platform leaves them out; so are those of tests (the header
` + topics.TestHeader + `). No consumer group is used: nothing is committed, and nobody's
offsets move.

--where compares a field of a JSON value with a constant: a path, an operator
(= != > >= < <= or ~ for a regular expression) and a value; or a bare path that
must be there. Numbers compare as numbers, all else as text. Several conditions
must all hold.

A --format holds ` + tail.FormatHelp + `.
It adds no line break by itself. With -o json each record is one line.`,
		Example: `  gmctl kafka tail player.events.raw
  gmctl kafka tail player.events.raw --where eventType=purchase --where 'metadata.amount>10'
  gmctl kafka tail dlq.events --from beginning --no-follow -o json | jq .value
  gmctl kafka tail user.actions notifications --from 15m
  gmctl kafka tail player.events.raw -f '%D %k %v\n' --key player-7
  gmctl kafka tail notifications -n 1 --no-follow --with-tests`,
		Args: cobra.MinimumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, t := range topics.Public() {
				names = append(names, t.Name+"\t"+t.Description)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Tail.Topics = args
			return run(cmd.Context(), opts)
		},
	}
	const usual = 10
	flags := cmd.Flags()
	flags.IntVarP(&opts.Last, "last", "n", usual, "begin with this `number` of the newest records, over all partitions")
	flags.StringVar(&opts.From, "from", "", "begin at this `place` instead: beginning, end, an offset, or a time (10m, 24h, 7d, 2026-03-01 or RFC 3339)")
	flags.BoolVar(&opts.NoFollow, "no-follow", false, "end with the records that are there")
	flags.IntVarP(&opts.Tail.Limit, "limit", "c", 0, "end after this `number` of records")
	flags.Int32SliceVarP(&opts.Tail.Partitions, "partition", "p", nil, "read only this partition `number`; repeatable")
	flags.StringArrayVarP(&opts.Tail.Filter.Keys, "key", "k", nil, "only records with this `key`; repeatable")
	flags.StringArrayVar(&opts.Tail.Filter.Headers, "header", nil, "only records with this header, `name` or name=value; repeatable")
	flags.StringVar(&opts.Grep, "grep", "", "only records whose value matches this `regexp`")
	flags.StringArrayVar(&opts.Where, "where", nil, "only records whose JSON value meets this `condition`; repeatable")
	flags.BoolVar(&opts.Tail.Filter.WithTests, "with-tests", false, "also records that a test made")
	flags.BoolVar(&opts.Tail.Uncommitted, "uncommitted", false, "also records of transactions that are open or were aborted")
	flags.StringVarP(&opts.Format, "format", "f", "", "print each record by this `template`, as kcat does")
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "count" { // as kcat calls it
			name = "limit"
		}
		return pflag.NormalizedName(name)
	})
	render.FormatFlag(cmd, &opts.Output)
	cmd.MarkFlagsMutuallyExclusive("last", "from")
	cmd.MarkFlagsMutuallyExclusive("format", "output")
	return cmd
}

func run(ctx context.Context, opts *Options) error {
	if err := opts.complete(time.Now()); err != nil {
		return err
	}
	write, err := writer(opts)
	if err != nil {
		return err
	}
	cfg, err := opts.Kafka(ctx)
	if err != nil {
		return err
	}
	return tail.Run(ctx, cfg, opts.Tail, write)
}

// complete reads the flags that need more than cobra's parsing.
func (o *Options) complete(now time.Time) error {
	o.Tail.Follow = !o.NoFollow
	var err error
	switch {
	case o.From != "":
		o.Tail.Start, err = tail.ParseStart(o.From, now)
	case o.Last < 0:
		err = &problem.Error{What: fmt.Sprintf("--last %d is negative", o.Last), Next: "give how many records to begin with; 0 for only new ones", Kind: problem.Usage}
	case o.Last == 0:
		o.Tail.Start, err = tail.ParseStart("end", now)
	default:
		o.Tail.Start = tail.Last(o.Last)
	}
	if err != nil {
		return err
	}
	if o.Grep != "" {
		if o.Tail.Filter.Grep, err = regexp.Compile(o.Grep); err != nil {
			return &problem.Error{What: "--grep is no regular expression", Cause: err, Next: "write it in Go's syntax: https://pkg.go.dev/regexp/syntax", Kind: problem.Usage}
		}
	}
	o.Tail.Filter.Where, err = filter.ParseAll(o.Where)
	return err
}

// writer returns what prints a record the way the flags ask for.
func writer(opts *Options) (func(kafka.Record) error, error) {
	if opts.Format != "" {
		format, err := tail.ParseFormat(opts.Format)
		return func(r kafka.Record) error {
			_, err := fmt.Fprint(opts.IO.Out, format.Sprint(r))
			return err
		}, err
	}
	switch opts.Output {
	case render.JSON:
		return func(r kafka.Record) error { return writeJSON(opts.IO, r) }, nil
	case render.YAML:
		return func(r kafka.Record) error { return writeYAML(opts.IO, r) }, nil
	}
	return func(r kafka.Record) error { return writeLine(opts.IO, r) }, nil
}

func writeJSON(io *iostreams.IOStreams, r kafka.Record) error {
	line, err := r.Line()
	if err == nil {
		_, err = io.Out.Write(line)
	}
	return err
}

func writeYAML(io *iostreams.IOStreams, r kafka.Record) error {
	encoded, err := r.Line()
	if err == nil {
		encoded, err = yaml.JSONToYAML(encoded)
	}
	if err == nil {
		_, err = fmt.Fprintf(io.Out, "---\n%s", encoded)
	}
	return err
}

// writeLine prints a record as one line, safe on a terminal:
// time topic[partition]@offset key value {header=value}.
func writeLine(io *iostreams.IOStreams, r kafka.Record) error {
	place := fmt.Sprintf("%s[%d]@%d", r.Topic, r.Partition, r.Offset)
	var line strings.Builder
	line.WriteString(io.PaintOut(iostreams.Faint, r.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z")+" "+place))
	line.WriteString(" " + io.PaintOut(iostreams.Cyan, orNull(r.Key)) + " " + orNull(r.Value))
	for _, h := range r.Headers {
		line.WriteString(io.PaintOut(iostreams.Faint, fmt.Sprintf(" {%s=%s}", h.Key, kafka.Printable(h.Value))))
	}
	_, err := fmt.Fprintln(io.Out, line.String())
	return err
}

func orNull(b []byte) string {
	if b == nil {
		return "-"
	}
	return kafka.Printable(b)
}
