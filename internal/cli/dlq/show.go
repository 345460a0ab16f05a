package dlq

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	"github.com/gamemetrics/gmctl/internal/kafka"
	"github.com/gamemetrics/gmctl/internal/render"
)

type showOptions struct {
	options
	Raw bool
}

func newShowCommand(f *factory.Factory, source connection.Source) *cobra.Command {
	opts := &showOptions{options: options{IO: f.IO, Kafka: source, Now: time.Now}}
	cmd := &cobra.Command{
		Use:   "show LETTER",
		Short: "Show one dead letter whole: headers, state and original bytes",
		Example: `  gmctl dlq show 2/17
  gmctl dlq show 2/17 --raw > event.json   # to correct it and: gmctl dlq replay 2/17 --file event.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Choice.ids = args
			return runShow(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.Raw, "raw", false, "print the original bytes and nothing else")
	render.FormatFlag(cmd, &opts.Output)
	cmd.MarkFlagsMutuallyExclusive("raw", "output")
	return cmd
}

func runShow(ctx context.Context, opts *showOptions) error {
	queue, err := connect(ctx, opts.Kafka)
	if err != nil {
		return err
	}
	defer queue.Close()
	letters, err := opts.Choice.letters(ctx, queue)
	if err != nil {
		return err
	}
	l := letters[0]
	switch {
	case opts.Raw:
		_, err = opts.IO.Out.Write(l.Value)
		return err
	case opts.Output != render.Table:
		return render.Document(opts.IO.Out, opts.Output, "DeadLetter", documentOf(l))
	}
	state := stateOf(l.State)
	if !l.At.IsZero() {
		state += ", " + l.At.Format(time.RFC3339)
	}
	for _, line := range [][2]string{{"letter", l.ID}, {"time", l.Time.Format(time.RFC3339Nano)}, {"state", state}, {"player", l.Player}} {
		fmt.Fprintf(opts.IO.Out, "%-20s  %s\n", line[0], kafka.Printable([]byte(line[1])))
	}
	for _, h := range l.Headers {
		fmt.Fprintf(opts.IO.Out, "%-20s  %s\n", h.Name, kafka.Printable([]byte(h.Value)))
	}
	_, err = fmt.Fprintf(opts.IO.Out, "\n%s\n", kafka.Printable(l.Value))
	return err
}
