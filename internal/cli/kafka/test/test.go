// Package test is `gmctl kafka test`.
package test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	"github.com/gamemetrics/gmctl/internal/humanize"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/kafka/smoketest"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/topics"
)

// Options are what `gmctl kafka test` works with.
type Options struct {
	IO    *iostreams.IOStreams
	Kafka connection.Source

	Test   smoketest.Options
	JUnit  string // path of a JUnit XML file; empty: none
	Output render.Format
}

// NewCommand returns `gmctl kafka test`.
func NewCommand(f *factory.Factory, source connection.Source) *cobra.Command {
	opts := &Options{IO: f.IO, Kafka: source}
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Produce to and consume from every topic of the platform",
		Long: `Produce records with unique keys to every topic of the platform, several keys
for each partition, consume them again, and compare content, headers and the
order per key. Measured is the time from produce to acknowledgement (ack) and
from produce to consume (end-to-end). It works against any Kafka.

The records carry the header ` + topics.TestHeader + `, which every consumer of the
platform skips: a test never becomes data.

Exit codes: 0 all topics passed; 3 a topic did not, and the report says why;
1 the cluster could not be tested at all.`,
		Example: `  gmctl kafka test
  gmctl kafka test --topic notifications --count 1000
  gmctl kafka test --junit results.xml -o json
  gmctl kafka test --brokers kafka-1:9092,kafka-2:9092
  GMCTL_KAFKA_PASSWORD=… gmctl kafka test --brokers kafka:9093 --tls-ca ca.pem --sasl-username gamer`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), opts) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&opts.Test.Topics, "topic", nil, "test only this `topic`; repeatable (default: all of the platform)")
	flags.IntVar(&opts.Test.Count, "count", smoketest.DefaultCount, "`number` of records per topic, at least")
	flags.DurationVar(&opts.Test.Timeout, "timeout", smoketest.DefaultTimeout, "give up after this `duration`")
	flags.StringVar(&opts.JUnit, "junit", "", "also write the result as JUnit XML to this `file`")
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func run(ctx context.Context, opts *Options) error {
	if err := validate(opts); err != nil {
		return err
	}
	cfg, err := opts.Kafka(ctx)
	if err != nil {
		return err
	}
	report, err := smoketest.Run(ctx, cfg, opts.Test)
	if err != nil {
		return err
	}
	if opts.JUnit != "" {
		if err := writeJUnit(opts.JUnit, report); err != nil {
			return err
		}
	}
	if opts.Output != render.Table {
		if err := render.Document(opts.IO.Out, opts.Output, "KafkaTest", report); err != nil {
			return err
		}
		return report.Err()
	}
	if err := table(opts.IO, report).Flush(); err != nil {
		return err
	}
	return verdict(opts.IO, report)
}

func validate(opts *Options) error {
	const maxCount = 1_000_000
	if opts.Test.Count < 1 || opts.Test.Count > maxCount {
		return &problem.Error{What: fmt.Sprintf("--count %d is out of range", opts.Test.Count), Next: fmt.Sprintf("give a number from 1 to %d", maxCount), Kind: problem.Usage}
	}
	if opts.Test.Timeout < time.Second {
		return &problem.Error{What: fmt.Sprintf("--timeout %s is too short", opts.Test.Timeout), Next: "give at least 1s", Kind: problem.Usage}
	}
	return nil
}

func writeJUnit(path string, report smoketest.Report) error {
	file, err := os.Create(path)
	if err == nil {
		err = smoketest.WriteJUnit(file, report)
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}
	if err != nil {
		return &problem.Error{What: "the JUnit file could not be written", Cause: err, Next: "give a path that can be written as --junit"}
	}
	return nil
}

func table(io *iostreams.IOStreams, report smoketest.Report) *render.TableWriter {
	t := render.NewTable(io, "", "TOPIC", "PARTITIONS", "LEADERS", "IN SYNC", "SENT", "ACKED", "CONSUMED", "ACK P50", "P99", "END-TO-END P50", "P99")
	t.AlignRight(2, 5, 6, 7, 8, 9, 10, 11)
	for _, r := range report.Topics {
		t.Row(mark(t.Paint, r), r.Topic, count(len(r.Partitions)), leaders(r), inSync(r), count(r.Sent), count(r.Acked), count(r.Consumed),
			ms(r.Acked, r.Ack.P50), ms(r.Acked, r.Ack.P99), ms(r.Consumed, r.EndToEnd.P50), ms(r.Consumed, r.EndToEnd.P99))
	}
	return t
}

func mark(paint render.Painter, r smoketest.TopicReport) string {
	switch {
	case !r.Passed:
		return paint(iostreams.Red, "✗")
	case len(r.Warnings) > 0:
		return paint(iostreams.Yellow, "!")
	}
	return paint(iostreams.Green, "✓")
}

func count(n int) string { return humanize.Count(int64(n)) }

// ms prints a latency; a topic from which nothing came has none.
func ms(n int, value float64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1fms", value)
}

// leaders lists the nodes that lead partitions, and how many have no leader.
func leaders(r smoketest.TopicReport) string {
	seen := make(map[int32]bool)
	var nodes []string
	without := 0
	for _, p := range r.Partitions {
		switch {
		case p.Leader < 0:
			without++
		case !seen[p.Leader]:
			seen[p.Leader] = true
			nodes = append(nodes, fmt.Sprint(p.Leader))
		}
	}
	text := strings.Join(nodes, ",")
	if without > 0 {
		text = strings.TrimSpace(fmt.Sprintf("%s (%d without)", text, without))
	}
	return text
}

// inSync compares the replicas in sync with all there are.
func inSync(r smoketest.TopicReport) string {
	isr, replicas := 0, 0
	for _, p := range r.Partitions {
		isr += len(p.ISR)
		replicas += len(p.Replicas)
	}
	if replicas == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", isr, replicas)
}

// verdict says on stderr what is wrong and what to do, or that nothing is.
func verdict(io *iostreams.IOStreams, report smoketest.Report) error {
	var warnings, problems []smoketest.Finding
	for _, r := range report.Topics {
		warnings, problems = append(warnings, r.Warnings...), append(problems, r.Problems...)
	}
	printFindings(io, iostreams.Yellow, "!", warnings)
	printFindings(io, iostreams.Red, "✗", problems)
	err := report.Err()
	if err == nil {
		records := 0
		for _, r := range report.Topics {
			records += r.Consumed
		}
		fmt.Fprintf(io.Err, "%s %s passed: %s there and back in %s\n", io.Paint(iostreams.Green, "✓"),
			humanize.Plural(len(report.Topics), "topic"), humanize.Plural(records, "record"), humanize.Duration(time.Duration(report.Seconds*float64(time.Second))))
		return nil
	}
	failed := 0
	for _, r := range report.Topics {
		if !r.Passed {
			failed++
		}
	}
	fmt.Fprintf(io.Err, "%s\n", io.Paint(iostreams.Bold, fmt.Sprintf("%d of %s failed", failed, humanize.Plural(len(report.Topics), "topic"))))
	return render.Shown(err)
}

// printFindings prints each in its three parts; those of the same cause and
// remedy, as of topics that are all missing, share them.
func printFindings(io *iostreams.IOStreams, style iostreams.Style, glyph string, all []smoketest.Finding) {
	for i, f := range all {
		fmt.Fprintf(io.Err, "%s %s\n", io.Paint(style, glyph), f.What)
		if i+1 < len(all) && all[i+1].Why == f.Why && all[i+1].Next == f.Next {
			continue
		}
		if f.Why != "" {
			fmt.Fprintf(io.Err, "  %s  %s\n", io.Paint(iostreams.Faint, "why:"), f.Why)
		}
		if f.Next != "" {
			fmt.Fprintf(io.Err, "  %s %s\n", io.Paint(iostreams.Cyan, "next:"), f.Next)
		}
	}
}
