// Package produce is `gmctl kafka produce`.
package produce

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/kafka/produce"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
)

// Options are what `gmctl kafka produce` works with.
type Options struct {
	IO    *iostreams.IOStreams
	Kafka connection.Source

	Topic     string
	Partition int32 // -1: by key
	Key       string
	HasKey    bool
	Separator string // between key and value; empty: lines are values
	Headers   []string
	Input     string
	Output    render.Format
}

// The forms of input.
const (
	inputLines = "lines"
	inputJSON  = "json"
)

// maxLine bounds one line of input, in bytes: more than Kafka takes by default.
const maxLine = 16 << 20

// NewCommand returns `gmctl kafka produce`.
func NewCommand(f *factory.Factory, source connection.Source) *cobra.Command {
	opts := &Options{IO: f.IO, Kafka: source}
	cmd := &cobra.Command{
		Use:   "produce TOPIC",
		Short: "Send the lines of standard input as records",
		Long: `Send each line of standard input as one record and wait until the cluster has
acknowledged all of them durably. Empty lines are left out.

A line is a value; with --key-separator it is key, separator, value; with
--input json it is an object with key, value, headers and timestamp, as
gmctl kafka tail -o json prints them. A value there that is a JSON string is
sent as its text, any other JSON as it stands; null is a tombstone.

With --header ` + "gmctl-test=NAME" + ` the records count as made by a test: no consumer
of the platform takes them for data.`,
		Example: `  echo hello | gmctl kafka produce scratch
  gmctl kafka produce scratch -K : < pairs.txt
  gmctl kafka produce notifications --key player-7 --header source=support < message.json
  gmctl kafka tail dlq.events --from 1h --no-follow -o json | gmctl kafka produce scratch --input json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Topic, opts.HasKey = args[0], cmd.Flags().Changed("key")
			return run(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.Int32VarP(&opts.Partition, "partition", "p", -1, "send everything to this partition `number` (default: by the key's hash)")
	flags.Lookup("partition").DefValue = ""
	flags.StringVarP(&opts.Key, "key", "k", "", "`key` of every record")
	flags.StringVarP(&opts.Separator, "key-separator", "K", "", "`text` between key and value on a line, such as :")
	flags.StringArrayVarP(&opts.Headers, "header", "H", nil, "`name=value` header of every record; repeatable")
	flags.StringVar(&opts.Input, "input", inputLines, "`form` of the input: lines or json")
	_ = cmd.RegisterFlagCompletionFunc("input", cobra.FixedCompletions([]string{inputLines, inputJSON}, cobra.ShellCompDirectiveNoFileComp))
	render.FormatFlag(cmd, &opts.Output)
	cmd.MarkFlagsMutuallyExclusive("key", "key-separator")
	return cmd
}

func run(ctx context.Context, opts *Options) error {
	parse, err := opts.parser()
	if err != nil {
		return err
	}
	cfg, err := opts.Kafka(ctx)
	if err != nil {
		return err
	}
	if opts.IO.InTTY {
		fmt.Fprintln(opts.IO.Err, opts.IO.Paint(iostreams.Faint, "Type a record per line; Ctrl-D ends."))
	}
	to := produce.Options{Topic: opts.Topic}
	if opts.Partition >= 0 {
		to.Partition = &opts.Partition
	}
	result, err := produce.Run(ctx, cfg, to, lines(opts.IO.In, parse))
	if opts.Output != render.Table {
		if printErr := render.Document(opts.IO.Out, opts.Output, "KafkaProduced", result); printErr != nil {
			return printErr
		}
	} else if err == nil || result.Records > 0 {
		fmt.Fprintf(opts.IO.Err, "%s %s acknowledged by %s (%s)\n", opts.IO.Paint(iostreams.Green, "✓"),
			humanize.Plural(result.Records, "record"), opts.Topic, humanize.Plural(len(result.Partitions), "partition"))
	}
	return err
}

// parser returns what makes a record of a line.
func (o *Options) parser() (func(line []byte) (kafka.Record, error), error) {
	var fixed []kafka.Header
	for _, text := range o.Headers {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, &problem.Error{What: fmt.Sprintf("--header %q is not name=value", text), Next: "write it as --header source=support", Kind: problem.Usage}
		}
		fixed = append(fixed, kafka.Header{Key: name, Value: []byte(value)})
	}
	var parse func([]byte) (kafka.Record, error)
	switch {
	case o.Input == inputJSON && o.Separator != "":
		return nil, &problem.Error{What: "--key-separator is for --input lines", Next: "leave it out: a JSON line names its key", Kind: problem.Usage}
	case o.Input == inputJSON:
		parse = parseJSON
	case o.Input != inputLines:
		return nil, &problem.Error{What: fmt.Sprintf("there is no form of input %q", o.Input), Next: "choose --input lines or json", Kind: problem.Usage}
	case o.Separator != "":
		parse = o.parsePair
	default:
		parse = func(line []byte) (kafka.Record, error) { return kafka.Record{Value: line}, nil } //nolint:unparam // one parser of several
	}
	return func(line []byte) (kafka.Record, error) {
		record, err := parse(line)
		if o.HasKey && record.Key == nil {
			record.Key = []byte(o.Key)
		}
		record.Headers = append(record.Headers, fixed...)
		return record, err
	}, nil
}

func (o *Options) parsePair(line []byte) (kafka.Record, error) {
	key, value, ok := bytes.Cut(line, []byte(o.Separator))
	if !ok {
		return kafka.Record{}, fmt.Errorf("it holds no %q between key and value", o.Separator)
	}
	return kafka.Record{Key: key, Value: value}, nil
}

func parseJSON(line []byte) (kafka.Record, error) {
	var record kafka.Record
	err := json.Unmarshal(line, &record)
	return record, err
}

// lines returns the records of in, one per line, then io.EOF.
func lines(in io.Reader, parse func([]byte) (kafka.Record, error)) func() (kafka.Record, error) {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, maxLine)
	number := 0
	return func() (kafka.Record, error) {
		for scanner.Scan() {
			number++
			line := bytes.TrimSuffix(scanner.Bytes(), []byte("\r"))
			if len(line) == 0 {
				continue
			}
			record, err := parse(bytes.Clone(line))
			if err != nil {
				return record, &problem.Error{
					What: fmt.Sprintf("line %d of the input is no record", number), Cause: err, Kind: problem.Usage,
					Next: "correct the line and send it and those after it again: the ones before are sent",
				}
			}
			return record, nil
		}
		err := scanner.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			return kafka.Record{}, &problem.Error{What: fmt.Sprintf("line %d of the input is longer than %s", number+1, humanize.Bytes(maxLine)), Next: "send smaller records", Kind: problem.Usage}
		}
		if err != nil {
			return kafka.Record{}, &problem.Error{What: "the input could not be read", Cause: err}
		}
		return kafka.Record{}, io.EOF
	}
}
