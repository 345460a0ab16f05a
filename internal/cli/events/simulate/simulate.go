// Package simulate is `gmctl events simulate`.
package simulate

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/duration"
	"github.com/gamemetrics/gmctl/internal/cli/events/service"
	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/iostreams"
	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/render"
	"github.com/gamemetrics/gmctl/internal/simulate/drive"
)

// Options are the flags and dependencies of the command.
type Options struct {
	IO      *iostreams.IOStreams
	Service func(context.Context) (service.Endpoint, error)
	Now     func() time.Time

	// Sender connects to the service. Tests replace it.
	Sender func(to service.Endpoint, connections int, retried func()) (drive.Send, error)

	Players     int
	Seed        uint64
	RandomSeed  bool
	Rate        float64
	Count       int64
	Duration    time.Duration
	Warmup      time.Duration
	History     time.Duration
	Connections int
	Batch       int
	DryRun      bool
	Out         string
	Output      render.Format
	LogFormat   string
}

// Grace is how long requests on their way may take to end after Ctrl-C.
const Grace = 5 * time.Second

// patience is how long events that are overdue when the simulation is over may go
// without one being stored.
const patience = 15 * time.Second

// NewCommand returns `gmctl events simulate`.
func NewCommand(f *factory.Factory) *cobra.Command {
	opts := &Options{IO: f.IO, Now: time.Now, Sender: service.DriveSender}
	var target service.Target
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Send what a population of players does",
		Long: `Simulate players: they arrive, play sessions and levels more in the evening
than at night, buy (most nothing, a few a lot), win achievements, lose interest,
and sometimes return. With the same --seed they do the same again, apart from
ids and times.

Events are sent at a steady --rate whatever the service does: each has a moment
at which it is due, and its latency counts from then, so a service that stalls
is seen to stall. Events of one player are sent in order.

Without --duration, --count or --history it goes on until Ctrl-C, which ends it
cleanly with its report. It exits with 1 if an event was not stored in the end.

--history stamps the events with the players' own clock, from so long ago until
now, instead of the moment they are sent. --out writes NDJSON to a file instead
of sending, --dry-run to standard output: what gmctl events import reads.`,
		Example: `  gmctl events simulate --rate 50
  gmctl events simulate --rate 5000 --duration 60s --seed 7 -o json
  gmctl events simulate --rate 0 --batch 100 --count 1000000
  gmctl events simulate --history 7d --players 200 --out week.ndjson
  gmctl events simulate --dry-run --count 5`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.RandomSeed = !cmd.Flags().Changed("seed")
			opts.LogFormat = f.LogFormat
			opts.Service = target.Resolver(f)
			return run(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&opts.Players, "players", 1000, "how many `players` have the game at any time")
	flags.Uint64Var(&opts.Seed, "seed", 0, "the population's `number`: the same one does the same (default: a random one, which is told)")
	flags.Float64Var(&opts.Rate, "rate", 10, "`events` per second; 0: as fast as they are stored")
	flags.Int64Var(&opts.Count, "count", 0, "end after so many `events`")
	flags.DurationVar(&opts.Duration, "duration", 0, "end after this `time`, warmup included")
	flags.DurationVar(&opts.Warmup, "warmup", 0, "do not measure the first `time`; its events are sent like any")
	duration.Var(flags, &opts.History, "history", 0, "events of the past `time`, stamped as they would have happened")
	flags.IntVar(&opts.Connections, "connections", 0, "`requests` on their way at a time (default 64, or 8 with --batch)")
	flags.IntVar(&opts.Batch, "batch", 1, "`events` of a request, up to 1000; 1 sends each on its own")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "write the events to standard output instead of sending them")
	flags.StringVar(&opts.Out, "out", "", "write the events to a `file` instead of sending them")
	target.Flags(cmd)
	render.FormatFlag(cmd, &opts.Output)
	return cmd
}

func run(ctx context.Context, opts *Options) error {
	if err := opts.validate(); err != nil {
		return err
	}
	if opts.DryRun || opts.Out != "" {
		return write(ctx, opts)
	}
	return send(ctx, opts)
}

func (o *Options) validate() error {
	usage := func(what, next string) error {
		return &problem.Error{What: what, Next: next, Kind: problem.Usage}
	}
	switch {
	case o.Players < 1:
		return usage("--players must be at least 1", "leave it out for 1000")
	case o.Rate < 0 || math.IsNaN(o.Rate) || math.IsInf(o.Rate, 0):
		return usage("--rate must be a number of events per second, 0 or more", "0 sends as fast as the events are stored")
	case o.Count < 0 || o.Duration < 0 || o.Warmup < 0 || o.History < 0 || o.Connections < 0:
		return usage("a count or a time cannot be negative", "see gmctl events simulate --help")
	case o.Batch < 1 || o.Batch > service.MaxBatch:
		return usage(fmt.Sprintf("--batch must be 1 to %d", service.MaxBatch), "the service takes no larger batches")
	case o.Duration > 0 && o.Warmup >= o.Duration:
		return usage("--warmup leaves nothing of --duration to measure", "make --warmup shorter")
	case o.DryRun && o.Out != "":
		return usage("--dry-run and --out exclude each other", "--dry-run writes to standard output, --out to a file")
	case (o.DryRun || o.Out != "") && o.Count == 0 && o.History == 0 && (o.Duration == 0 || o.Rate == 0):
		return usage("how many events to write is not said", "give --count, --history, or --duration with a --rate")
	}
	if o.Connections == 0 {
		o.Connections = 64
		if o.Batch > 1 {
			o.Connections = 8
		}
	}
	if o.RandomSeed {
		o.Seed = uint64(rand.Uint32()) // short enough to type
	}
	return nil
}
