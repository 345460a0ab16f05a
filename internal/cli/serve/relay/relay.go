// Package relay is `gmctl serve relay`: the relay as a process of its own.
package relay

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamemetrics/gmctl/internal/cli/factory"
	"github.com/gamemetrics/gmctl/internal/cli/flagenv"
	"github.com/gamemetrics/gmctl/internal/cli/kafka/connection"
	"github.com/gamemetrics/gmctl/internal/cli/serve/service"
	"github.com/gamemetrics/gmctl/internal/postgres"
	"github.com/gamemetrics/gmctl/internal/tracing"
	"github.com/gamemetrics/gmctl/services/relay"
)

// Options are what the command is given.
type Options struct {
	service.Options
	Kafka connection.Source

	Lane    string
	Lanes   int // 0: as the database says
	Batch   int
	MaxPoll time.Duration
	Lease   time.Duration
	Adopt   string // empty: none
}

// NewCommand returns `gmctl serve relay`.
func NewCommand(f *factory.Factory) *cobra.Command {
	opts := &Options{}
	cmd := &cobra.Command{
		Use:   "relay",
		Short: "Run the service that publishes stored events to Kafka",
		Long: `Run the service that publishes the events stored in PostgreSQL to Kafka, each
exactly once for consumers that read committed records, in commit order.

  GET /health    200 while the process serves
  GET /ready     200 when events are being published, or another relay of the
                 lane is there to do it; else 503 with the reason. It names a
                 transaction that is open and holds events back, and says
                 why the outbox is not published
  GET /metrics   Prometheus
  GET /debug/pprof/
                 the profiles of Go: let only those who run it reach the relay

How far it got is kept in Kafka, written together with the events: it can be
killed at any time. One relay works a lane. Further ones stand by, and one of
them takes over when the one that works ends, or has said nothing for --lease by
the clock of the database. One that was frozen meanwhile and goes on is fenced by
Kafka: it cannot publish, and stands by.

--lanes shares the events out among several lanes, by the hash of the player: each
has a position and transactions of its own, each player's events stay in order. The
change is made when the relay starts, for what is stored from then on, and lasts:
without the flag the database's number holds (1 at first). Where replicas say
different numbers the one that starts last prevails. The lanes of the new number
begin when those of the old one have published all that came before. /ready and the
metrics tell of each lane. Several processes have about as many lanes each; what one
leaves, or has said nothing of for --lease, the others take. One lane publishes some
hundred thousand events a second, and each of several reads past the events of the
others, so that reading costs more with every lane. Take more than one only where a
lane waits for Kafka and cores are idle: 4 lanes are slower than one on two cores.

One of the processes that work lanes also publishes the outbox: rejected events to
dlq.events, and what tells of erasures to player.erasures.

A database that was copied, restored or set back does not go on where the
published events ended, and the relay refuses it. --adopt says what to do then:
"all" publishes everything stored there (consumers see events again), "new" only
what is stored from then on. It rewrites the table events, and does nothing to a
database that the relay does not refuse. Give it once, not for ever.

A relay also refuses to go on where Kafka has lost the cursor (its topic was
deleted and made anew) while the topics that the lane has published to are still
there: it would publish everything again. Then --adopt touches no event, and there
is a third answer: "noted" goes on behind the position that the lane has noted in
PostgreSQL, every quarter of --lease; what was published after that comes twice.
"new" may publish a little of what was stored just before. With another Kafka, or
where the topics were made anew, everything is published, and nothing is refused.

` + service.Configuration + `

` + tracing.Configuration + `

SIGTERM ends the relay when the transaction in flight is committed. Logs go to
stderr.`,
		Example: `  gmctl serve relay --database-url postgres://gamemetrics@127.0.0.1/gamemetrics --brokers 127.0.0.1:9092
  GMCTL_DATABASE_URL=postgres://… GMCTL_KAFKA_BROKERS=kafka:9092 gmctl serve relay --log-format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.Complete(cmd, f); err != nil {
				return err
			}
			return run(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	opts.Define(flags, service.Purpose{Port: 8081, Listens: "serve health and metrics on", Database: "publish from"})
	flags.StringVar(&opts.Lane, "lane", relay.DefaultLane, "`name` under which the position is kept")
	flags.IntVar(&opts.Lanes, "lanes", 0, "share the events out among this `number` of lanes, 1 to 64, from now on; 0: as the database says")
	flags.IntVar(&opts.Batch, "batch", relay.DefaultBatch, "most `events` of one Kafka transaction")
	flags.DurationVar(&opts.MaxPoll, "max-poll", relay.DefaultMaxPoll, "longest wait between two looks for events when there were none for long")
	flags.DurationVar(&opts.Lease, "lease", relay.DefaultLease, "how long a relay that says no more keeps its lane from those that stand by")
	flags.StringVar(&opts.Adopt, "adopt", "", "publish `all`, new or, where the cursor is lost, noted events of a database that the relay refuses")
	flagenv.Bind(flags)
	opts.Kafka = connection.Flags(cmd, f)
	return cmd
}

func (o *Options) validate() error {
	switch {
	case o.Batch <= 0:
		return service.Usage("--batch must be more than zero", "leave it out for its default")
	case o.MaxPoll <= 0:
		return service.Usage("--max-poll must be more than zero", "leave it out for its default")
	case o.Lease < time.Second:
		return service.Usage("--lease must be a second or more", "leave it out for its default")
	case o.Lane == "":
		return service.Usage("--lane must not be empty", "leave it out for its default")
	case o.Lane == postgres.OutboxLane || strings.HasPrefix(o.Lane, relay.DefaultLane+"-"):
		// the position under that name is of other events
		return service.Usage(fmt.Sprintf("--lane %s is a name that the relay gives to lanes of its own", o.Lane), "choose another one, or leave it out")
	case o.Lanes < 0 || o.Lanes > relay.MostLanes:
		return service.Usage(fmt.Sprintf("--lanes must be 1 to %d", relay.MostLanes), "leave it out to keep the database's number")
	case o.Lanes > 0 && o.Lane != relay.DefaultLane:
		return service.Usage("--lanes and --lane do not go together", "leave --lane out: it is for a relay that has all events to itself")
	case o.Adopt != "" && !slices.Contains([]postgres.Adoption{postgres.AdoptAll, postgres.AdoptNew, postgres.AdoptNoted}, postgres.Adoption(o.Adopt)):
		return service.Usage(fmt.Sprintf("--adopt does not take %q", o.Adopt), "choose all, new or noted")
	}
	return nil
}

// run publishes until ctx ends.
func run(ctx context.Context, opts *Options) error {
	if err := opts.validate(); err != nil {
		return err
	}
	log, err := opts.Logger()
	if err != nil {
		return err
	}
	return opts.serve(ctx, log)
}
