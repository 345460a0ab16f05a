// Package logs is `gmctl logs`: what the services of an environment wrote,
// merged by time, now or as it is written.
//
// On this machine a service's log is a file of JSON lines as log/slog writes them,
// with older files beside it that lumberjack rotated away; postgres writes
// PostgreSQL's own format. In a cluster it is what the service's containers wrote,
// as Kubernetes kept it.
package logs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/environment"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/suggest"
)

// Options are what `gmctl logs` works with.
type Options struct {
	IO      *iostreams.IOStreams
	EnvName string
	Logs    func(context.Context) (environment.Logs, error)
	Now     func() time.Time
	Zone    *time.Location // of the times printed
	Poll    time.Duration  // between two looks for new lines

	Services []string // empty: all
	Follow   bool
	Tail     int // -1: all
	Since    time.Time
	Output   string
}

// The values of --output.
const (
	outputText = "text"
	outputJSON = "json"
)

const (
	defaultTail = 100
	poll        = 150 * time.Millisecond

	completionTime = 3 * time.Second // that a user waits for a completion
)

// NewCommand returns `gmctl logs`.
func NewCommand(f *factory.Factory) *cobra.Command { return newCommand(f, run) }

func newCommand(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Now: time.Now, Zone: time.Local, Poll: poll, Output: outputText}
	var since, tail string
	where := func(ctx context.Context) (environment.Logs, error) {
		env, err := f.Environment(environment.Options{})
		if err != nil {
			return environment.Logs{}, err
		}
		return env.Logs(ctx)
	}
	cmd := &cobra.Command{
		Use:   "logs [SERVICE]...",
		Args:  cobra.ArbitraryArgs, // checked against the logs that there are
		Short: "Show what the services wrote",
		Long: `Print the logs of the services, merged by time: the last 100 lines, or all since
the time that --since gives. With -f go on with what is written from now on,
until Ctrl-C.

Of an environment on AWS they are the logs of its pods, with those of Kafka and
its operator, as far as Kubernetes still has them; new pods are followed too.

With -o json each line is one object: time, service, pod (on AWS), level, msg,
and the other fields of the entry under fields.`,
		Example: `  gmctl logs
  gmctl logs ingestion relay -f
  gmctl logs postgres --since 10m
  gmctl logs -e dev ingestion kafka -f
  gmctl logs --tail all -o json | jq 'select(.level == "ERROR")'`,
		ValidArgsFunction: func(cmd *cobra.Command, chosen []string, _ string) ([]string, cobra.ShellCompDirective) {
			ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
			defer cancel()
			found, err := where(ctx)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			services, err := newSource(found, wish{}, func(error) {}).services(ctx)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			left := slices.DeleteFunc(services, func(name string) bool { return slices.Contains(chosen, name) })
			return left, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.EnvName, opts.Logs, opts.Services = f.EnvName, where, args
			var err error
			if opts.Since, err = parseSince(since, opts.Now()); err != nil {
				return err
			}
			if opts.Tail, err = parseTail(tail, since != ""); err != nil {
				return err
			}
			if opts.Output != outputText && opts.Output != outputJSON {
				return &problem.Error{What: fmt.Sprintf("there is no output format %q for logs", opts.Output), Next: "choose text or json", Kind: problem.Usage}
			}
			return runF(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&opts.Follow, "follow", "f", false, "go on with what is written from now on")
	flags.StringVarP(&tail, "tail", "n", "", "print the last `lines`, or all (default 100; all with --since)")
	flags.StringVar(&since, "since", "", "print what was written since this `time`: 10m, 24h, 7d, 2026-03-01 or RFC 3339")
	flags.StringVarP(&opts.Output, "output", "o", outputText, "`format` of the lines: text or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{outputText, outputJSON}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("tail", cobra.FixedCompletions([]string{"all"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("since", cobra.FixedCompletions([]string{"10m", "1h", "24h"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func run(ctx context.Context, opts *Options) error {
	where, err := opts.Logs(ctx)
	if err != nil {
		return err
	}
	source := newSource(where, wish{only: opts.Services, since: opts.Since, tail: opts.Tail}, opts.warn)
	known, err := source.services(ctx)
	if err != nil {
		return err
	}
	if len(known) == 0 {
		fmt.Fprintf(opts.IO.Err, "The environment %s has no logs yet; bring it up with: gmctl up\n", opts.EnvName)
		if !opts.Follow {
			return nil
		}
	} else if err := checkServices(opts.Services, known); err != nil {
		return err
	}
	printer := newPrinter(opts.IO, opts.Zone, opts.Output == outputJSON, known)
	err = source.print(ctx, printer.entry)
	if err == nil && opts.Follow {
		err = source.follow(ctx, opts.Poll, printer.entry)
	}
	if errors.Is(err, context.Canceled) {
		return nil // Ctrl-C is how following ends
	}
	return err
}

// warn tells of a log that is left out.
func (o *Options) warn(err error) {
	fmt.Fprintf(o.IO.Err, "%s %v\n", o.IO.Paint(iostreams.Yellow, "!"), err)
}

func checkServices(wanted, known []string) error {
	for _, name := range wanted {
		if slices.Contains(known, name) {
			continue
		}
		next := "choose one of: " + strings.Join(known, ", ")
		if near := suggest.Nearest(name, known); near != "" {
			next = "did you mean " + near + "? The services are: " + strings.Join(known, ", ")
		}
		return &problem.Error{What: fmt.Sprintf("there is no log of a service %q", name), Next: next, Kind: problem.Usage}
	}
	return nil
}
